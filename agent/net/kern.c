/* SPDX-License-Identifier: Apache-2.0
 * kern.c - lifecycle, tables, sweep. Containers are in attach.c.
 *
 * How a table gets into force (kern_apply): links and entries of every network first, then the
 * node's rules, then every container's. The new table becomes n->t in any case; what failed is
 * marked dirty and later made from nothing, so that nothing depends on how far it had got. */
#include "agent/net/kern.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/net/kern_priv.h"
#include "agent/net/nft.h"
#include "agent/net/ns.h"
#include "agent/netd/netd_open.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

#define KERN_MTU_DEFAULT 1500

int kern_nft(struct kern *k, struct nft_ctx *c, const struct sw_buf *text, struct sw_err *err)
{
    k->nft_runs++;
    return nft_run(c, text, err);
}

int kern_new(struct kern **out, const struct kern_options *o, struct sw_err *err)
{
    struct kern *k = sw_calloc(1, sizeof(*k));
    int r;

    if (k == NULL)
        return sw_err_set(err, -ENOMEM, "node network");
    k->overlay = -1;
    k->home = -1;
    k->node_dirty = true;
    sw_map_init(&k->nets);
    sw_map_init(&k->conts);
    k->state_dir = sw_strdup(o->state_dir);
    k->bridge_name = sw_strdup(o->bridge_name != NULL ? o->bridge_name : NET_BRIDGE_NAME);
    k->nft = nft_open();
    r = k->state_dir == NULL || k->bridge_name == NULL || k->nft == NULL
            ? sw_err_set(err, -ENOMEM, "node network")
            : 0;
    if (r == 0)
        r = k->home = ns_open_self(err);
    if (r >= 0)
        r = nlk_open(&k->node, NETLINK_ROUTE, err);
    if (r == 0)
        r = egress_init(k, o, err);
    if (r < 0) {
        kern_free(k);
        return sw_err_wrap(err, "node network");
    }
    *out = k;
    return 0;
}

static void kern_net_free(struct kern *k, struct kern_net *n)
{
    sw_map_del(&k->nets, n->key);
    if (k->mesh == n)
        k->mesh = NULL;
    table_free(n->t);
    sw_free(n);
}

void kern_free(struct kern *k)
{
    struct kern_cont *c;
    struct kern_net *n;
    size_t it = 0;

    if (k == NULL)
        return;
    while ((c = sw_map_next(&k->conts, &it)) != NULL)
        kern_cont_free(c);
    for (it = 0; (n = sw_map_next(&k->nets, &it)) != NULL;)
        kern_net_free(k, n);
    sw_map_fini(&k->conts);
    sw_map_fini(&k->nets);
    nft_close(k->nft);
    nlk_close(&k->node);
    nlk_close(&k->over);
    sw_close_ptr(&k->home);
    sw_close_ptr(&k->overlay);
    sw_free(k->state_dir);
    sw_free(k->bridge_name);
    sw_free(k);
}

/* ----------------------------------------------------------------------------------- identity */

struct underlay_find {
    const struct link_ip *ip;
    int index;
    uint32_t mtu;
};

static void underlay_addr(void *arg, int index, const struct link_ip *ip, uint8_t prefix_len)
{
    struct underlay_find *f = arg;

    (void)prefix_len;
    if (link_ip_equal(ip, f->ip))
        f->index = index;
}

static void underlay_link(void *arg, const struct link_info *l)
{
    struct underlay_find *f = arg;

    if (l->index == f->index)
        f->mtu = l->mtu;
}

int kern_identity(struct kern *k, uint64_t node_key, const struct link_ip *addr, uint16_t port,
                  struct sw_err *err)
{
    struct underlay_find f = { addr, 0, KERN_MTU_DEFAULT };
    int r = link_addr_list(&k->node, underlay_addr, &f, err);

    if (r == 0 && f.index != 0)
        r = link_list(&k->node, underlay_link, &f, err);
    if (r < 0)
        return r;
    if (f.index == 0)
        log_warn("data path address is none of this node's: assuming mtu=%u", f.mtu);
    k->node_key = node_key;
    k->data_addr = *addr;
    k->data_addr_here = f.index != 0;
    k->data_port = port != 0 ? port : NET_DATA_PORT;
    k->underlay_mtu = f.mtu;
    return 0;
}

/* ------------------------------------------------------------------------------------- tables */

struct kern_net *kern_net_find(const struct kern *k, uint64_t key)
{
    return sw_map_get(&k->nets, key);
}

static struct kern_net *kern_net_get(struct kern *k, uint64_t key, struct sw_err *err)
{
    struct kern_net *n = kern_net_find(k, key);

    if (n == NULL) {
        n = sw_calloc(1, sizeof(*n));
        if (n == NULL || sw_map_put(&k->nets, key, n) < 0) {
            sw_free(n);
            sw_err_set(err, -ENOMEM, "network %llu", (unsigned long long)key);
            return NULL;
        }
        n->key = key;
        n->dirty = true;
    }
    n->gone = false;
    return n;
}

/* Remember the first failure of several steps that are all tried. */
static void kern_note(struct kern *k, int r, const struct sw_err *one, int *first,
                      struct sw_err *err)
{
    if (r >= 0)
        return;
    k->failures++;
    if (*first == 0) {
        *first = r;
        *err = *one;
    }
}

static void kern_apply_links(struct kern *k, struct kern_net *n, const struct table *t, int *first,
                             struct sw_err *err)
{
    struct sw_err one;
    uint32_t mtu = n->mtu;
    uint32_t own = n->t != NULL ? n->t->own_addr : 0;
    int r = overlay_apply(k, n, t, &one);

    kern_note(k, r, &one, first, err);
    if (r < 0 || !t->ingress)
        return;
    k->mesh = n;
    if (n->has_leg && own == t->own_addr && mtu == n->mtu)
        return;
    kern_note(k, mesh_leg(k, n, t, &one), &one, first, err);
}

static int kern_apply_deltas(struct kern *k, struct inside_delta *d, size_t n, struct sw_err *err)
{
    const struct table *old = k->mesh != NULL ? k->mesh->t : NULL;
    struct sw_err one;
    int first = 0;

    for (size_t i = 0; i < n; i++)
        if (d[i].net == k->mesh)
            old = d[i].old;
    if (!k->node_hold && (k->node_dirty || (k->mesh != NULL && old != k->mesh->t)))
        kern_note(k, mesh_rules(k, old, k->mesh != NULL ? k->mesh->t : NULL, &one), &one, &first,
                  err);
    kern_note(k, inside_update(k, d, n, &one), &one, &first, err);
    flush_conntrack(k, d, n);
    return first;
}

int kern_apply(struct kern *k, struct table **tables, size_t n, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) struct inside_delta *d = sw_calloc(n + 1, sizeof(*d));
    struct sw_err one;
    size_t n_d = 0;
    int first = 0;

    if (d == NULL) {
        for (size_t i = 0; i < n; i++)
            table_free(tables[i]);
        return sw_err_set(err, -ENOMEM, "network tables");
    }
    for (size_t i = 0; i < n; i++) {
        struct kern_net *net = kern_net_get(k, tables[i]->key, &one);

        if (net == NULL) {
            kern_note(k, one.code, &one, &first, err);
            table_free(tables[i]);
            continue;
        }
        kern_apply_links(k, net, tables[i], &first, err);
        d[n_d++] = (struct inside_delta){ net, net->t, tables[i] };
        net->t = tables[i];
    }
    if (n_d > 0 || k->node_dirty)
        kern_note(k, kern_apply_deltas(k, d, n_d, &one), &one, &first, err);
    for (size_t i = 0; i < n_d; i++)
        table_free((struct table *)(uintptr_t)d[i].old);
    return first;
}

int kern_remove(struct kern *k, uint64_t key, struct sw_err *err)
{
    struct kern_net *n = kern_net_find(k, key);
    int r = 0;

    if (n == NULL)
        return 0;
    n->gone = true;
    if (n == k->mesh) {
        r = mesh_rules(k, n->t, NULL, err);
        mesh_leg_delete(k, n);
        k->mesh = NULL;
        k->node_dirty = true; /* should it come back, its old table is no base for a difference */
    }
    if (n->users == 0) {
        overlay_delete(k, n);
        kern_net_free(k, n);
    }
    return r;
}

void kern_net_release(struct kern *k, struct kern_net *n)
{
    if (--n->users > 0 || !n->gone)
        return;
    overlay_delete(k, n);
    kern_net_free(k, n);
}

int kern_repair(struct kern *k, struct sw_err *err)
{
    struct sw_err one;
    struct kern_net *n;
    size_t it = 0;
    int first = 0;

    while ((n = sw_map_next(&k->nets, &it)) != NULL) {
        if (n->gone || n->t == NULL)
            continue;
        if (n->dirty || (n->t->ingress && n->t->own_addr != 0 && !n->has_leg))
            kern_apply_links(k, n, n->t, &first, err);
    }
    kern_note(k, kern_apply_deltas(k, NULL, 0, &one), &one, &first, err);
    return first;
}

void kern_hold(struct kern *k)
{
    k->node_hold = true;
}

int kern_release(struct kern *k, struct sw_err *err)
{
    k->node_hold = false;
    kern_firewall(k, true);
    return kern_repair(k, err);
}

/* -------------------------------------------------------------------------------------- sweep */

struct sweep {
    struct kern *k;
    bool overlay;
    bool networks;
    struct sw_buf gone; /* int: indexes */
};

static bool sweep_container_known(const struct kern *k, const char *name)
{
    char have[NET_IFNAME_MAX];
    struct kern_cont *c;
    size_t it = 0;

    while ((c = sw_map_next(&k->conts, &it)) != NULL) {
        name_of_port(have, c->id, 0);
        if (c->egress_addr != 0 && strcmp(have, name) == 0)
            return true;
        for (size_t i = 0; i < c->n_ports; i++) {
            name_of_port(have, c->id, c->ports[i].net->key);
            if (strcmp(have, name) == 0)
                return true;
        }
    }
    return false;
}

static bool sweep_network_known(const struct kern *k, const char *name)
{
    char have[NET_IFNAME_MAX];
    struct kern_net *n;
    size_t it = 0;

    while ((n = sw_map_next(&k->nets, &it)) != NULL) {
        name_of_net(have, name[2], n->key);
        if (strcmp(have, name) == 0)
            return true;
    }
    return false;
}

static void sweep_link(void *arg, const struct link_info *l)
{
    struct sweep *s = arg;
    bool gone = false;

    if (!s->overlay)
        gone = strcmp(l->kind, "veth") == 0 && name_is_egress(l->name) &&
               !sweep_container_known(s->k, l->name);
    else if (name_is_container(l->name))
        gone = !sweep_container_known(s->k, l->name);
    else if (s->networks && strncmp(l->name, "sw", 2) == 0)
        gone = !sweep_network_known(s->k, l->name);
    if (gone) {
        log_info("removing left-over link name=%s", l->name);
        sw_buf_add(&s->gone, &l->index, sizeof(l->index));
    }
}

static int sweep_ns(struct kern *k, struct nlk *nl, bool overlay, bool networks, struct sw_err *err)
{
    struct sweep s = { k, overlay, networks, SW_BUF_INIT };
    int r = link_list(nl, sweep_link, &s, err);

    for (size_t i = 0; r == 0 && i < s.gone.len / sizeof(int); i++)
        link_del(nl, ((const int *)(const void *)s.gone.data)[i]);
    sw_buf_fini(&s.gone);
    return r == 0 ? nlk_commit(nl, err) : r;
}

int kern_sweep(struct kern *k, bool networks, struct sw_err *err)
{
    int r = sweep_ns(k, &k->node, false, false, err);

    if (r == 0 && k->overlay >= 0)
        r = sweep_ns(k, &k->over, true, networks, err);
    return r < 0 ? sw_err_wrap(err, "remove left-over links") : 0;
}

/* --------------------------------------------------------------------------------------- rest */

int kern_taps(struct kern *k, uint64_t key, size_t n, int *fds, struct sw_err *err)
{
    char name[NET_IFNAME_MAX];
    struct kern_net *net = kern_net_find(k, key);
    int r;

    if (net == NULL || net->uplink == 0 || !net->t->encrypted)
        return sw_err_set(err, SW_E_NOT_FOUND, "network %llu has no TAP", (unsigned long long)key);
    name_of_net(name, 'T', key);
    r = ns_enter(k->overlay, err);
    if (r < 0)
        return r;
    r = netd_tap_open(name, n, fds, err);
    ns_leave(k->home);
    return r;
}

int kern_purge(struct kern *k, bool egress_too, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *path = sw_asprintf("%s/netns/overlay", k->state_dir);
    struct sw_err one;
    struct kern_net *n;
    size_t it = 0;
    int first = 0;

    while ((n = sw_map_next(&k->nets, &it)) != NULL) {
        n->users = 0;
        kern_note(k, kern_remove(k, n->key, &one), &one, &first, err);
    }
    kern_cont_forget(k, egress_too);
    kern_note(k, kern_sweep(k, true, &one), &one, &first, err);
    if (egress_too) {
        kern_firewall(k, false);
        kern_note(k, egress_delete(k, &one), &one, &first, err);
        sw_buf_puts(&b, "add table ip swarm\ndelete table ip swarm\n");
        kern_note(k, kern_nft(k, k->nft, &b, &one), &one, &first, err);
        k->node_dirty = true;
    }
    nlk_close(&k->over);
    sw_close_ptr(&k->overlay);
    k->overlay = -1;
    if (path != NULL)
        ns_unpin(path);
    k->node_key = 0;
    return first;
}
