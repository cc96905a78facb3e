/* SPDX-License-Identifier: Apache-2.0
 * network.c - subnet, gateway and VNI of a network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager/allocator/alloc_private.h"

#define DEFAULT_POOL       0x0a000000u /* 10.0.0.0/8 in /24s: Docker's --default-addr-pool */
#define DEFAULT_POOL_LEN   8
#define DEFAULT_SUBNET_LEN 24

static const char vxlan_ids[] = "com.docker.network.driver.overlay.vxlanid_list";

bool alloc_is_addressed(const Swarm__V1__Network *n)
{
    const char *driver = n->spec != NULL ? n->spec->driver : "";

    return driver[0] == '\0' || strcmp(driver, "overlay") == 0;
}

/* The network that overlaps with @net, NULL: none. Sees what this round gave out. */
static const struct view_object *overlapping(const struct alloc_step *s, struct subnet net,
                                             uint64_t self, struct subnet *with)
{
    sw_list_each(l, view_list(s->view, VIEW_NETWORK))
    {
        const struct view_object *o = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Network *n = alloc_current(s, o);
        struct subnet other = { n->subnet, n->subnet_len };

        if (o->key != self && n->subnet != 0 && n->subnet_len >= 1 && n->subnet_len <= 32 &&
            subnet_overlaps(net, other)) {
            *with = other;
            return o;
        }
    }
    return NULL;
}

static bool from_pool(const struct alloc_step *s, uint64_t self, struct subnet *out)
{
    const Swarm__V1__Cluster *c = view_cluster(s->view);
    struct subnet pool = { DEFAULT_POOL, DEFAULT_POOL_LEN };
    uint32_t len = DEFAULT_SUBNET_LEN;
    struct subnet with;

    if (c != NULL && c->default_pool != 0 && c->default_pool_len > 0 && c->default_pool_len <= 30)
        pool = (struct subnet){ c->default_pool, c->default_pool_len };
    if (c != NULL && c->subnet_len >= POOL_LEN_MIN && c->subnet_len <= POOL_LEN_MAX)
        len = c->subnet_len;
    if (len < pool.len)
        len = pool.len;
    out->len = len;
    for (uint64_t at = pool.base; at < (uint64_t)pool.base + subnet_size(pool);) {
        out->base = (uint32_t)at;
        if (overlapping(s, *out, self, &with) == NULL)
            return true;
        /* Behind whichever of the two is larger. */
        at = with.len < len ? (uint64_t)with.base + subnet_size(with) : at + subnet_size(*out);
    }
    return false;
}

static bool choose_subnet(const struct alloc_step *s, const Swarm__V1__Network *n,
                          struct subnet *out, char *why, size_t why_len)
{
    const Swarm__V1__IpamOptions *ipam = n->spec != NULL ? n->spec->ipam : NULL;
    const char *wanted = ipam != NULL && ipam->n_configs > 0 ? ipam->configs[0]->subnet : "";
    const struct view_object *o;
    struct subnet with;

    if (wanted[0] == '\0') {
        if (from_pool(s, n->meta->key, out))
            return true;
        (void)snprintf(why, why_len, "no free subnet in the default address pool");
        return false;
    }
    if (!subnet_parse(wanted, out) || out->len < POOL_LEN_MIN || out->len > POOL_LEN_MAX) {
        (void)snprintf(why, why_len, "subnet %.40s is not usable", wanted);
        return false;
    }
    o = overlapping(s, *out, n->meta->key, &with);
    if (o == NULL)
        return true;
    (void)snprintf(why, why_len, "subnet %.40s overlaps with network %.40s", wanted, o->name);
    return false;
}

static uint32_t choose_gateway(const Swarm__V1__Network *n, struct subnet net)
{
    const Swarm__V1__IpamOptions *ipam = n->spec != NULL ? n->spec->ipam : NULL;
    uint32_t addr;

    if (ipam != NULL && ipam->n_configs > 0 && addr_parse(ipam->configs[0]->gateway, &addr) &&
        subnet_has(net, addr))
        return addr;
    return net.base + 1;
}

static uint32_t choose_vni(const struct alloc_step *s, const Swarm__V1__Network *n)
{
    for (size_t i = 0; n->spec != NULL && i < n->spec->n_driver_opts; i++) {
        const Swarm__V1__Label *l = n->spec->driver_opts[i];

        if (strcmp(l->key, vxlan_ids) == 0) {
            unsigned long v = strtoul(l->value, NULL, 10);

            if (v > 0 && v < ALLOC_VNI_LIMIT && sw_map_get(&s->a->vnis, v) == NULL)
                return (uint32_t)v;
        }
    }
    for (uint32_t v = ALLOC_VNI_FIRST; v < ALLOC_VNI_LIMIT; v++) {
        if (sw_map_get(&s->a->vnis, v) == NULL)
            return v;
    }
    return 0;
}

void alloc_network(struct alloc_step *s, const struct view_object *o)
{
    const Swarm__V1__Network *n = alloc_current(s, o);
    struct net *net = alloc_net(s->a, o->key);
    struct subnet subnet = { n->subnet, n->subnet_len };
    Swarm__V1__Network *edit;

    if (net == NULL)
        return;
    if (n->pending_delete && net->users == 0) {
        txn_delete(s->txn, VIEW_NETWORK, n);
        txn_mark(s->txn);
        return;
    }
    if (!alloc_is_addressed(n) || (n->subnet != 0 && n->vni != 0))
        return;
    if (n->subnet == 0 && !choose_subnet(s, n, &subnet, net->why, sizeof(net->why)))
        return;
    edit = txn_edit(s->txn, o);
    if (edit == NULL)
        return;
    edit->subnet = subnet.base;
    edit->subnet_len = subnet.len;
    if (edit->gateway == 0)
        edit->gateway = choose_gateway(n, subnet);
    if (edit->vni == 0) {
        edit->vni = choose_vni(s, n);
        alloc_claim(s->a, (struct claim){ CLAIM_VNI, edit->vni, o->key, 0 });
        if (sw_map_put(&s->a->vnis, edit->vni, s->a) < 0)
            s->a->stale = true;
    }
    net->why[0] = '\0';
    txn_mark(s->txn);
}
