/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/table.h"

#include <assert.h>

#include "common/base/alloc.h"

static size_t pow2_above(size_t n)
{
    size_t cap = 8;

    while (cap < n)
        cap *= 2;
    return cap;
}

static size_t hash32(uint32_t x)
{
    return (size_t)(((uint64_t)x * 0x9e3779b97f4a7c15ull) >> 32);
}

/* ------------------------------------------------------------------------------------ networks */

struct vtep_net *vtep_net_new(uint32_t subnet, uint32_t prefix_len, size_t n_endpoints)
{
    size_t cap = pow2_above(2 * n_endpoints);
    struct vtep_net *net = sw_calloc(1, sizeof(*net) + cap * sizeof(net->map[0]));

    if (net == NULL)
        return NULL;
    net->mask = prefix_len == 0 ? 0 : UINT32_MAX << (32 - (prefix_len < 32 ? prefix_len : 32));
    net->subnet = subnet & net->mask;
    net->cap = cap;
    net->refs = 1;
    return net;
}

void vtep_net_add(struct vtep_net *net, uint32_t addr, uint64_t node)
{
    if (addr == 0)
        return;
    for (size_t i = hash32(addr);; i++) {
        struct vtep_endpoint *e = &net->map[i & (net->cap - 1)];

        if (e->addr != 0 && e->addr != addr)
            continue;
        e->addr = addr;
        e->node = node;
        return;
    }
}

struct vtep_net *vtep_net_ref(struct vtep_net *net)
{
    net->refs++;
    return net;
}

void vtep_net_unref(struct vtep_net *net)
{
    if (net != NULL && --net->refs == 0)
        sw_free(net);
}

uint64_t vtep_net_owner(const struct vtep_net *net, uint32_t addr)
{
    for (size_t i = hash32(addr);; i++) {
        const struct vtep_endpoint *e = &net->map[i & (net->cap - 1)];

        if (e->addr == addr)
            return addr != 0 ? e->node : 0;
        if (e->addr == 0)
            return 0;
    }
}

uint32_t vtep_mac_addr(const uint8_t mac[6])
{
    return vtep_be16(mac) == VTEP_MAC_PREFIX ? vtep_be32(mac + 2) : 0;
}

static bool addr_ok(const struct vtep_net *net, uint64_t node, uint32_t addr)
{
    return (addr & net->mask) != net->subnet || vtep_net_owner(net, addr) == node;
}

bool vtep_source_ok(const struct vtep_net *net, uint64_t node, const uint8_t *frame, size_t n,
                    const struct vtep_frame *f)
{
    uint32_t addr = vtep_mac_addr(frame + 6);

    if (addr == 0 || vtep_net_owner(net, addr) != node)
        return false;
    if (f->ethertype == VTEP_ETH_IPV4)
        return addr_ok(net, node, vtep_be32(frame + f->l3 + 12));
    if (f->ethertype == VTEP_ETH_ARP) /* RFC 826: sender's hardware and protocol address */
        return n >= f->l3 + 28u && vtep_mac_addr(frame + f->l3 + 8) == addr &&
               addr_ok(net, node, vtep_be32(frame + f->l3 + 14));
    return true;
}

/* --------------------------------------------------------------------------------------- table */

struct vtep_table *vtep_table_new(size_t n_slots, size_t n_peers, size_t n_rx)
{
    struct vtep_table *t = sw_calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->n_slots = n_slots;
    t->n_peers = n_peers;
    t->rx_cap = pow2_above(2 * n_rx);
    t->slots = sw_calloc(n_slots + 1, sizeof(*t->slots));
    t->peers = sw_calloc(n_peers + 1, sizeof(*t->peers));
    t->rx = sw_calloc(t->rx_cap, sizeof(*t->rx));
    if (t->slots == NULL || t->peers == NULL || t->rx == NULL) {
        vtep_table_free(t);
        return NULL;
    }
    return t;
}

void vtep_table_free(struct vtep_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; t->slots != NULL && i < t->n_slots; i++)
        vtep_net_unref(t->slots[i].net);
    sw_free(t->slots);
    sw_free(t->peers);
    sw_free(t->rx);
    sw_free(t);
}

void vtep_table_add_rx(struct vtep_table *t, struct vtep_rx_sa *sa)
{
    size_t i = hash32(sa->secret.index);

    while (t->rx[i & (t->rx_cap - 1)] != NULL)
        i++;
    t->rx[i & (t->rx_cap - 1)] = sa;
}

const struct vtep_peer *vtep_table_peer(const struct vtep_table *t, uint64_t node)
{
    size_t lo = 0, hi = t->n_peers;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (t->peers[mid].node == node)
            return &t->peers[mid];
        if (t->peers[mid].node < node)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

struct vtep_rx_sa *vtep_table_rx(const struct vtep_table *t, uint32_t index, size_t *it)
{
    for (size_t i = hash32(index) + *it;; i++) {
        struct vtep_rx_sa *sa = t->rx[i & (t->rx_cap - 1)];

        ++*it;
        if (sa == NULL || sa->secret.index == index)
            return sa;
    }
}

int vtep_table_vni(const struct vtep_table *t, uint32_t vni)
{
    for (size_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].net != NULL && t->slots[i].vni == vni)
            return (int)i;
    }
    return -1;
}
