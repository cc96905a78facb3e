/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/network.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/map.h"
#include "common/log/log.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define NO_SLOT UINT32_MAX

struct taps {
    struct netd_garbage garbage;
    unsigned n;
    int fds[VTEP_WORKERS];
};

struct network {
    struct netd_garbage garbage;
    struct sw_list link;
    uint64_t key;
    uint32_t slot; /* NO_SLOT unless there are TAP queues */
    uint32_t vni, mtu;
    struct taps *taps;
    bool watched;
    uint64_t version;
    struct vtep_net *net;    /* owners of addresses; NULL: no table yet */
    struct dns_names *names; /* likewise */
    unsigned n_count;
    struct vtep_net_count count[];
};

struct netd_networks {
    struct netd_workers *ws;
    unsigned workers;
    struct sw_list all;
    struct sw_map by_key;
    size_t n;
    size_t n_slots, cap_slots;
    struct network **slots;
};

int netd_networks_new(struct netd_networks **out, struct netd_workers *ws, unsigned workers,
                      struct sw_err *err)
{
    struct netd_networks *ns = sw_calloc(1, sizeof(*ns));

    if (ns == NULL)
        return sw_err_set(err, -ENOMEM, "networks");
    ns->ws = ws;
    ns->workers = workers;
    sw_list_init(&ns->all);
    sw_map_init(&ns->by_key);
    *out = ns;
    return 0;
}

static struct network *network_get(struct netd_networks *ns, uint64_t key, struct sw_err *err)
{
    struct network *n = sw_map_get(&ns->by_key, key);

    if (n != NULL)
        return n;
    if (ns->n >= NETD_NETWORKS_MAX) {
        (void)sw_err_set(err, SW_E_EXHAUSTED, "more than %u networks", NETD_NETWORKS_MAX);
        return NULL;
    }
    n = sw_calloc(1, sizeof(*n) + ns->workers * sizeof(n->count[0]));
    if (n == NULL || sw_map_put(&ns->by_key, key, n) < 0) {
        sw_free(n);
        (void)sw_err_set(err, -ENOMEM, "network %llu", (unsigned long long)key);
        return NULL;
    }
    n->key = key;
    n->slot = NO_SLOT;
    n->n_count = ns->workers;
    sw_list_push_back(&ns->all, &n->link);
    ns->n++;
    return n;
}

/* ---------------------------------------------------------------------------------------- slots */

static int slot_take(struct netd_networks *ns, struct network *n, struct sw_err *err)
{
    size_t i = 0;

    if (n->slot != NO_SLOT)
        return 0;
    while (i < ns->n_slots && ns->slots[i] != NULL)
        i++;
    if (i == ns->cap_slots) {
        size_t cap = ns->cap_slots == 0 ? 8 : 2 * ns->cap_slots;
        struct network **p = sw_realloc(ns->slots, cap * sizeof(struct network *));

        if (p == NULL)
            return sw_err_set(err, -ENOMEM, "networks");
        ns->slots = p;
        ns->cap_slots = cap;
    }
    if (i == ns->n_slots)
        ns->n_slots++;
    ns->slots[i] = n;
    n->slot = (uint32_t)i;
    return 0;
}

static void taps_free(struct netd_garbage *g)
{
    struct taps *t = sw_container_of(g, struct taps, garbage);

    for (unsigned i = 0; i < t->n; i++)
        (void)close(t->fds[i]);
    sw_free(t);
}

static void taps_retire(struct netd_networks *ns, struct network *n)
{
    if (n->taps == NULL)
        return;
    if (n->watched)
        netd_workers_unwatch_tap(ns->ws, n->taps->fds);
    n->watched = false;
    n->taps->garbage.free = taps_free;
    netd_workers_retire(ns->ws, &n->taps->garbage);
    n->taps = NULL;
}

/* What the kernel shall leave to us. Without USO (before 6.2) datagrams come and go one by one. */
static int tap_setup(int fd, bool *uso, struct sw_err *err)
{
    unsigned long base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int len = VTEP_VNET_LEN;

    if (ioctl(fd, TUNSETVNETHDRSZ, &len) < 0)
        return sw_err_errno(err, errno, "tap: header size");
    *uso = ioctl(fd, TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6) == 0;
    if (!*uso && ioctl(fd, TUNSETOFFLOAD, base) < 0)
        return sw_err_errno(err, errno, "tap: offloads");
    return 0;
}

static int taps_set(struct netd_networks *ns, struct network *n, const int *fds, struct sw_err *err)
{
    struct taps *t;
    bool uso = true;

    for (unsigned i = 0; i < ns->workers; i++) {
        bool one;
        int r = tap_setup(fds[i], &one, err);

        if (r < 0)
            return r;
        uso = uso && one;
    }
    t = sw_calloc(1, sizeof(*t));
    if (t == NULL)
        return sw_err_set(err, -ENOMEM, "tap queues");
    t->n = ns->workers;
    memcpy(t->fds, fds, ns->workers * sizeof(fds[0]));
    taps_retire(ns, n);
    n->taps = t;
    netd_workers_set_uso(ns->ws, uso);
    return 0;
}

/* -------------------------------------------------------------------------------------- changes */

static int add_check(const struct netd_networks *ns, const Swarm__V1__NetdAddNetwork *m,
                     size_t n_fds, struct sw_err *err)
{
    const struct network *old = sw_map_get(&ns->by_key, m->key);

    if (m->key == 0 || m->vni == 0 || m->vni >= 1u << 24)
        return sw_err_set(err, SW_E_INVALID, "network %llu: VNI %u", (unsigned long long)m->key,
                          m->vni);
    if (m->mtu < 68 || m->mtu > 65535 - 100)
        return sw_err_set(err, SW_E_INVALID, "network %llu: MTU %u", (unsigned long long)m->key,
                          m->mtu);
    if (n_fds != ns->workers && (n_fds != 0 || old == NULL || old->taps == NULL))
        return sw_err_set(err, SW_E_INVALID, "network %llu: %zu TAP queues for %u workers",
                          (unsigned long long)m->key, n_fds, ns->workers);
    for (size_t i = 0; i < ns->n_slots; i++) {
        if (ns->slots[i] != NULL && ns->slots[i]->vni == m->vni && ns->slots[i]->key != m->key)
            return sw_err_set(err, SW_E_CONFLICT, "network %llu: VNI %u is network %llu's",
                              (unsigned long long)m->key, m->vni,
                              (unsigned long long)ns->slots[i]->key);
    }
    return 0;
}

int netd_networks_add(struct netd_networks *ns, const Swarm__V1__NetdAddNetwork *m, const int *fds,
                      size_t n_fds, struct sw_err *err)
{
    struct network *n;
    int r = add_check(ns, m, n_fds, err);

    n = r == 0 ? network_get(ns, m->key, err) : NULL;
    if (n == NULL) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return err->code;
    }
    r = slot_take(ns, n, err);
    if (r == 0 && n_fds > 0)
        r = taps_set(ns, n, fds, err);
    if (r < 0) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        if (n->taps == NULL && n->net == NULL)
            netd_networks_remove(ns, m->key);
        return r;
    }
    n->vni = m->vni;
    n->mtu = m->mtu;
    return 0;
}

static struct vtep_net *net_build(const Swarm__V1__NetworkTable *t)
{
    struct vtep_net *net = vtep_net_new(t->subnet, t->subnet_len, t->n_endpoints + t->n_nodes);

    if (net == NULL)
        return NULL;
    for (size_t i = 0; i < t->n_nodes; i++)
        vtep_net_add(net, t->nodes[i]->addr, t->nodes[i]->key);
    for (size_t i = 0; i < t->n_endpoints; i++)
        vtep_net_add(net, t->endpoints[i]->addr, t->endpoints[i]->node);
    return net;
}

int netd_networks_set_table(struct netd_networks *ns, const Swarm__V1__NetworkTable *t,
                            struct sw_err *err)
{
    struct dns_names *names = NULL;
    struct vtep_net *net;
    struct network *n;
    int r;

    if (t->key == 0 || t->subnet_len > 32)
        return sw_err_set(err, SW_E_INVALID, "table of network '%s'", t->name);
    r = dns_names_new(&names, t, err);
    if (r < 0)
        return r;
    net = net_build(t);
    if (net == NULL) {
        dns_names_free(names);
        return sw_err_set(err, -ENOMEM, "table of network '%s'", t->name);
    }
    n = network_get(ns, t->key, err);
    if (n == NULL) {
        dns_names_free(names);
        vtep_net_unref(net);
        return err->code;
    }
    vtep_net_unref(n->net); /* tables that workers see hold their own reference */
    dns_names_free(n->names);
    n->net = net;
    n->names = names;
    n->version = t->version;
    return 0;
}

static void network_free(struct netd_garbage *g)
{
    sw_free(sw_container_of(g, struct network, garbage));
}

void netd_networks_remove(struct netd_networks *ns, uint64_t key)
{
    struct network *n = sw_map_del(&ns->by_key, key);

    if (n == NULL)
        return;
    taps_retire(ns, n);
    if (n->slot != NO_SLOT)
        ns->slots[n->slot] = NULL;
    vtep_net_unref(n->net);
    dns_names_free(n->names);
    sw_list_del(&n->link);
    ns->n--;
    n->garbage.free = network_free;
    netd_workers_retire(ns->ws, &n->garbage);
}

void netd_networks_free(struct netd_networks *ns)
{
    if (ns == NULL)
        return;
    while (!sw_list_empty(&ns->all))
        netd_networks_remove(ns, sw_list_entry(ns->all.next, struct network, link)->key);
    sw_map_fini(&ns->by_key);
    sw_free(ns->slots);
    sw_free(ns);
}

/* ---------------------------------------------------------------------------------------- views */

const struct dns_names *netd_networks_names(const struct netd_networks *ns, uint64_t key)
{
    const struct network *n = sw_map_get(&ns->by_key, key);

    return n != NULL ? n->names : NULL;
}

size_t netd_networks_slots(const struct netd_networks *ns)
{
    return ns->n_slots;
}

void netd_networks_fill(const struct netd_networks *ns, struct vtep_table *t)
{
    assert(t->n_slots == ns->n_slots);
    for (size_t i = 0; i < ns->n_slots; i++) {
        struct network *n = ns->slots[i];

        if (n == NULL || n->net == NULL || n->taps == NULL)
            continue;
        t->slots[i] = (struct vtep_slot){
            .net = vtep_net_ref(n->net),
            .vni = n->vni,
            .mtu = n->mtu,
            .count = n->count,
            .taps = n->taps->fds,
        };
    }
}

void netd_networks_watch(struct netd_networks *ns)
{
    for (size_t i = 0; i < ns->n_slots; i++) {
        struct network *n = ns->slots[i];
        struct sw_err err;

        if (n == NULL || n->net == NULL || n->taps == NULL || n->watched)
            continue;
        if (netd_workers_watch_tap(ns->ws, n->slot, n->taps->fds, &err) < 0)
            log_error("tap is not watched network=%llu err=\"%s\"", (unsigned long long)n->key,
                      err.msg);
        else
            n->watched = true;
    }
}

int netd_networks_list(const struct netd_networks *ns, Swarm__V1__NetdHelloReply *m)
{
    m->networks = calloc(ns->n + 1, sizeof(m->networks[0]));
    if (m->networks == NULL)
        return -ENOMEM;
    sw_list_each(l, &ns->all)
    {
        const struct network *n = sw_list_entry(l, struct network, link);
        Swarm__V1__NetdNetwork *o = malloc(sizeof(*o));

        if (o == NULL)
            return -ENOMEM;
        swarm__v1__netd_network__init(o);
        o->key = n->key;
        o->taps = n->taps != NULL ? n->taps->n : 0;
        o->version = n->version;
        m->networks[m->n_networks++] = o;
    }
    return 0;
}

static void count_sum(const struct network *n, Swarm__V1__NetdNetworkStats *o)
{
    for (unsigned w = 0; w < n->n_count; w++) {
        const struct vtep_net_count *c = &n->count[w];

        o->tx_packets += atomic_load_explicit(&c->tx_packets, memory_order_relaxed);
        o->tx_bytes += atomic_load_explicit(&c->tx_bytes, memory_order_relaxed);
        o->rx_packets += atomic_load_explicit(&c->rx_packets, memory_order_relaxed);
        o->rx_bytes += atomic_load_explicit(&c->rx_bytes, memory_order_relaxed);
        o->unknown_unicast += atomic_load_explicit(&c->unknown_unicast, memory_order_relaxed);
        o->multicast += atomic_load_explicit(&c->multicast, memory_order_relaxed);
    }
}

int netd_networks_stats(const struct netd_networks *ns, Swarm__V1__NetdStats *m)
{
    m->networks = calloc(ns->n + 1, sizeof(m->networks[0]));
    if (m->networks == NULL)
        return -ENOMEM;
    sw_list_each(l, &ns->all)
    {
        const struct network *n = sw_list_entry(l, struct network, link);
        Swarm__V1__NetdNetworkStats *o = malloc(sizeof(*o));

        if (o == NULL)
            return -ENOMEM;
        swarm__v1__netd_network_stats__init(o);
        o->key = n->key;
        count_sum(n, o);
        m->networks[m->n_networks++] = o;
    }
    return 0;
}
