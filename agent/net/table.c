/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"

#define TABLE_VNI_MAX 0xffffffu

uint32_t table_mask(uint8_t prefix_len)
{
    return prefix_len == 0 ? 0 : ~0u << (32 - prefix_len);
}

static bool table_inside(const Swarm__V1__NetworkTable *t, uint32_t addr)
{
    uint32_t mask = table_mask((uint8_t)t->subnet_len);

    return (addr & mask) == (t->subnet & mask);
}

static int table_check(const Swarm__V1__NetworkTable *t, struct sw_err *err)
{
    if (t->key == 0)
        return sw_err_set(err, SW_E_INVALID, "network without key");
    if (t->subnet_len < 8 || t->subnet_len > 30)
        return sw_err_set(err, SW_E_INVALID, "network %s: subnet length %u", t->name,
                          t->subnet_len);
    if (t->subnet & ~table_mask((uint8_t)t->subnet_len))
        return sw_err_set(err, SW_E_INVALID, "network %s: subnet has host bits", t->name);
    if (t->vni == 0 || t->vni > TABLE_VNI_MAX)
        return sw_err_set(err, SW_E_INVALID, "network %s: VNI %u", t->name, t->vni);
    if (t->mtu != 0 && (t->mtu < 576 || t->mtu > 65000))
        return sw_err_set(err, SW_E_INVALID, "network %s: MTU %u", t->name, t->mtu);
    for (size_t i = 0; i < t->n_endpoints; i++)
        if (!table_inside(t, t->endpoints[i]->addr))
            return sw_err_set(err, SW_E_INVALID, "network %s: endpoint outside of the subnet",
                              t->name);
    for (size_t i = 0; i < t->n_nodes; i++)
        if (t->nodes[i]->addr != 0 && !table_inside(t, t->nodes[i]->addr))
            return sw_err_set(err, SW_E_INVALID, "network %s: node outside of the subnet", t->name);
    for (size_t i = 0; i < t->n_services; i++)
        if (t->services[i]->vip != 0 && !table_inside(t, t->services[i]->vip))
            return sw_err_set(err, SW_E_INVALID, "network %s: VIP outside of the subnet", t->name);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int by_remote(const void *a, const void *b)
{
    return by_number(&((const struct table_remote *)a)->addr,
                     &((const struct table_remote *)b)->addr);
}

static int by_service(const void *a, const void *b)
{
    uint64_t x = ((const struct table_service *)a)->key;
    uint64_t y = ((const struct table_service *)b)->key;

    return (x > y) - (x < y);
}

static int by_port(const void *a, const void *b)
{
    const struct table_port *x = a;
    const struct table_port *y = b;

    if (x->proto != y->proto)
        return x->proto < y->proto ? -1 : 1;
    return (x->published > y->published) - (x->published < y->published);
}

static size_t unique_numbers(uint32_t *v, size_t n)
{
    size_t out = 0;

    if (n > 1)
        qsort(v, n, sizeof(*v), by_number);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || v[i] != v[out - 1])
            v[out++] = v[i];
    return out;
}

static void table_add_remote(struct table *t, uint32_t addr, const Swarm__V1__NetworkNode *node)
{
    struct table_remote *r = &t->remotes[t->n_remotes];

    if (node == NULL || !link_ip_parse(node->data_addr, &r->dst))
        return;
    r->addr = addr;
    t->n_remotes++;
}

/* One address is one endpoint's: should there be two for a moment, either will do. */
static void table_sort_remotes(struct table *t)
{
    size_t out = 0;

    if (t->n_remotes > 1)
        qsort(t->remotes, t->n_remotes, sizeof(*t->remotes), by_remote);
    for (size_t i = 0; i < t->n_remotes; i++) {
        if (out > 0 && t->remotes[out - 1].addr == t->remotes[i].addr)
            out--;
        t->remotes[out++] = t->remotes[i];
    }
    t->n_remotes = out;
}

static int table_fill_nodes(struct table *t, const Swarm__V1__NetworkTable *src, uint64_t node_key)
{
    struct sw_map by_key;
    int r = 0;

    sw_map_init(&by_key);
    for (size_t i = 0; i < src->n_nodes && r == 0; i++) {
        Swarm__V1__NetworkNode *n = src->nodes[i];

        r = sw_map_put(&by_key, n->key, n);
        if (n->addr == 0)
            continue;
        t->nodes[t->n_nodes++] = n->addr;
        if (n->key == node_key)
            t->own_addr = n->addr;
        else
            table_add_remote(t, n->addr, n);
    }
    for (size_t i = 0; i < src->n_endpoints && r == 0; i++) {
        const Swarm__V1__NetworkEndpoint *e = src->endpoints[i];

        t->addrs[t->n_addrs++] = e->addr;
        if (e->node != node_key)
            table_add_remote(t, e->addr, sw_map_get(&by_key, e->node));
    }
    sw_map_fini(&by_key);
    table_sort_remotes(t);
    t->n_nodes = unique_numbers(t->nodes, t->n_nodes);
    t->n_addrs = unique_numbers(t->addrs, t->n_addrs);
    return r;
}

static uint8_t table_proto(Swarm__V1__PortConfig__Protocol p)
{
    switch (p) {
    case SWARM__V1__PORT_CONFIG__PROTOCOL__UDP:
        return IPPROTO_UDP;
    case SWARM__V1__PORT_CONFIG__PROTOCOL__SCTP:
        return IPPROTO_SCTP;
    case SWARM__V1__PORT_CONFIG__PROTOCOL__TCP:
    case _SWARM__V1__PORT_CONFIG__PROTOCOL_IS_INT_SIZE:
    default:
        return IPPROTO_TCP;
    }
}

static size_t table_fill_ports(const Swarm__V1__NetworkService *src, struct table_port *out)
{
    size_t n = 0;

    for (size_t i = 0; i < src->n_ports; i++) {
        const Swarm__V1__PortConfig *p = src->ports[i];

        if (p->mode != SWARM__V1__PORT_CONFIG__MODE__INGRESS || p->published == 0 ||
            p->published > 65535 || p->target == 0 || p->target > 65535)
            continue;
        out[n].proto = table_proto(p->protocol);
        out[n].published = (uint16_t)p->published;
        out[n].target = (uint16_t)p->target;
        n++;
    }
    if (n > 1)
        qsort(out, n, sizeof(*out), by_port);
    return n;
}

struct backend {
    uint64_t service;
    uint32_t addr;
};

static int by_backend(const void *a, const void *b)
{
    const struct backend *x = a;
    const struct backend *y = b;

    if (x->service != y->service)
        return x->service < y->service ? -1 : 1;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* Serving endpoints sorted by service, so that every service's are one run of the pool. */
static void table_fill_backends(struct table *t, const struct backend *all, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        t->backend_pool[i] = all[i].addr;
    for (size_t i = 0; i < t->n_services; i++) {
        struct table_service *s = &t->services[i];

        while (at < n && all[at].service < s->key)
            at++;
        s->backends = &t->backend_pool[at];
        for (; at < n && all[at].service == s->key; at++)
            s->n_backends++;
    }
}

static int table_fill_services(struct table *t, const Swarm__V1__NetworkTable *src)
{
    SW_CLEANUP(sw_free_ptr) struct backend *all = NULL;
    struct table_port *ports = t->port_pool;
    size_t n = 0;

    all = sw_calloc(src->n_endpoints + 1, sizeof(*all));
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < src->n_endpoints; i++)
        if (src->endpoints[i]->serving && src->endpoints[i]->service != 0)
            all[n++] = (struct backend){ src->endpoints[i]->service, src->endpoints[i]->addr };
    if (n > 1)
        qsort(all, n, sizeof(*all), by_backend);
    for (size_t i = 0; i < src->n_services; i++) {
        struct table_service *s = &t->services[t->n_services++];

        s->key = src->services[i]->key;
        s->vip = src->services[i]->vip;
        s->ports = ports;
        s->n_ports = table_fill_ports(src->services[i], ports);
        ports += s->n_ports;
    }
    if (t->n_services > 1)
        qsort(t->services, t->n_services, sizeof(*t->services), by_service);
    for (size_t i = 1; i < t->n_services; i++)
        if (t->services[i].key == t->services[i - 1].key)
            return SW_E_INVALID;
    table_fill_backends(t, all, n);
    return 0;
}

static int table_alloc(struct table *t, const Swarm__V1__NetworkTable *src)
{
    size_t ports = 0;

    for (size_t i = 0; i < src->n_services; i++)
        ports += src->services[i]->n_ports;
    t->remotes = sw_calloc(src->n_endpoints + src->n_nodes + 1, sizeof(*t->remotes));
    t->nodes = sw_calloc(src->n_nodes + 1, sizeof(*t->nodes));
    t->addrs = sw_calloc(src->n_endpoints + 1, sizeof(*t->addrs));
    t->services = sw_calloc(src->n_services + 1, sizeof(*t->services));
    t->backend_pool = sw_calloc(src->n_endpoints + 1, sizeof(*t->backend_pool));
    t->port_pool = sw_calloc(ports + 1, sizeof(*t->port_pool));
    if (t->remotes == NULL || t->nodes == NULL || t->addrs == NULL || t->services == NULL ||
        t->backend_pool == NULL || t->port_pool == NULL)
        return -ENOMEM;
    return 0;
}

int table_new(struct table **out, const Swarm__V1__NetworkTable *src, uint64_t node_key,
              struct sw_err *err)
{
    SW_CLEANUP(table_free_ptr) struct table *t = NULL;
    int r;

    if (table_check(src, err) < 0)
        return err->code;
    t = sw_calloc(1, sizeof(*t));
    if (t == NULL)
        return sw_err_set(err, -ENOMEM, "network table");
    t->key = src->key;
    t->version = src->version;
    t->subnet = src->subnet;
    t->subnet_len = (uint8_t)src->subnet_len;
    t->gateway = src->gateway;
    t->vni = src->vni;
    t->encrypted = src->encrypted;
    t->internal = src->internal;
    t->ingress = src->ingress;
    t->mtu = src->mtu;
    r = table_alloc(t, src);
    if (r == 0)
        r = table_fill_nodes(t, src, node_key);
    if (r == 0)
        r = table_fill_services(t, src);
    if (r < 0)
        return sw_err_set(err, r, "network table of %s: %s", src->name,
                          r == -ENOMEM ? "out of memory" : "a service is in it twice");
    *out = sw_steal(t);
    return 0;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    sw_free(t->remotes);
    sw_free(t->nodes);
    sw_free(t->addrs);
    sw_free(t->services);
    sw_free(t->backend_pool);
    sw_free(t->port_pool);
    sw_free(t);
}

bool table_service_same(const struct table_service *a, const struct table_service *b)
{
    if (a->vip != b->vip || a->n_backends != b->n_backends || a->n_ports != b->n_ports)
        return false;
    for (size_t i = 0; i < a->n_ports; i++)
        if (by_port(&a->ports[i], &b->ports[i]) != 0 || a->ports[i].target != b->ports[i].target)
            return false;
    return memcmp(a->backends, b->backends, a->n_backends * sizeof(*a->backends)) == 0;
}
