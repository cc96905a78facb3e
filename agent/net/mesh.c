/* SPDX-License-Identifier: Apache-2.0
 * mesh.c - the routing mesh on this node: a leg into the ingress network and the rules before it.
 *
 * The leg is a veth pair: KERN_LEG_NAME with the node's own ingress address in the node's
 * namespace, the other end a port of the ingress bridge. Its MAC says to the tasks which node it
 * is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/net/kern_priv.h"
#include "agent/net/nft.h"
#include "agent/net/ns.h"
#include "agent/net/rules.h"
#include "common/log/log.h"

static int leg_make(struct kern *k, struct kern_net *n, const struct table *t, struct sw_err *err)
{
    char port[NET_IFNAME_MAX];
    struct link_info l;
    uint8_t mac[6];
    struct link_veth v = { .name = port,
                           .master = n->bridge,
                           .mtu = n->mtu,
                           .peer_name = KERN_LEG_NAME,
                           .peer_mac = mac,
                           .peer_ns = k->home };
    int r;

    name_of_net(port, 'L', n->key);
    link_mac_of(t->own_addr, mac);
    link_add_veth(&k->over, &v);
    r = nlk_commit(&k->over, err);
    if (r == 0)
        r = link_get(&k->over, port, &l, err);
    if (r != 0)
        return r < 0 ? r : sw_err_set(err, -EIO, "%s vanished", port);
    link_set_port(&k->over, l.index, LINK_PORT_CONTAINER);
    link_fdb_put(&k->over, l.index, t->own_addr, NULL);
    r = nlk_commit(&k->over, err);
    if (r == 0)
        r = link_get(&k->node, KERN_LEG_NAME, &l, err);
    if (r != 0)
        return r < 0 ? r : sw_err_set(err, -EIO, KERN_LEG_NAME " vanished");
    link_addr_add(&k->node, l.index, t->own_addr, t->subnet_len);
    link_up(&k->node, l.index);
    r = nlk_commit(&k->node, err);
    link_settle(&k->node, KERN_LEG_NAME);
    link_settle(&k->over, port);
    return r;
}

static int leg_sysctls(struct sw_err *err)
{
    struct sw_err ignored;
    int r = ns_sysctl("net/ipv4/conf/" KERN_LEG_NAME "/route_localnet", "1", err);

    if (r == 0)
        r = ns_sysctl("net/ipv4/conf/" KERN_LEG_NAME "/rp_filter", "2", err);
    if (r == 0)
        r = ns_sysctl("net/ipv4/conf/" KERN_LEG_NAME "/forwarding", "1", err);
    (void)ns_sysctl("net/ipv6/conf/" KERN_LEG_NAME "/disable_ipv6", "1", &ignored);
    return r;
}

int mesh_leg(struct kern *k, struct kern_net *n, const struct table *t, struct sw_err *err)
{
    char port[NET_IFNAME_MAX];
    struct link_info inner;
    struct link_info outer;
    uint8_t mac[6];
    int r;

    name_of_net(port, 'L', n->key);
    link_mac_of(t->own_addr, mac);
    r = link_get(&k->node, KERN_LEG_NAME, &inner, err);
    if (r == 0 && link_get(&k->over, port, &outer, err) == 0 && outer.master == n->bridge &&
        memcmp(inner.mac, mac, sizeof(mac)) == 0) {
        if (inner.mtu != n->mtu)
            link_set_mtu(&k->node, inner.index, n->mtu);
        if (outer.mtu != n->mtu)
            link_set_mtu(&k->over, outer.index, n->mtu);
        link_addr_add(&k->node, inner.index, t->own_addr, t->subnet_len);
        r = nlk_commit(&k->node, err);
        if (r == 0)
            r = nlk_commit(&k->over, err);
    } else if (r >= 0) {
        if (r == 0)
            mesh_leg_delete(k, n);
        r = t->own_addr != 0 ? leg_make(k, n, t, err) : 0;
    }
    if (r == 0 && t->own_addr != 0)
        r = leg_sysctls(err);
    n->has_leg = r == 0 && t->own_addr != 0;
    return r < 0 ? sw_err_wrap(err, "ingress leg") : 0;
}

void mesh_leg_delete(struct kern *k, struct kern_net *n)
{
    struct link_info l;
    struct sw_err err;
    int r = link_get(&k->node, KERN_LEG_NAME, &l, &err);

    if (r == 0) {
        link_del(&k->node, l.index);
        r = nlk_commit(&k->node, &err);
    }
    if (r < 0)
        log_warn("ingress leg not removed error=%s", err.msg);
    n->has_leg = false;
}

static void mesh_everything(struct kern *k, struct sw_buf *b, const struct table *new)
{
    struct rules_node base = { .egress = KERN_EGRESS_PREFIX,
                               .leg = KERN_LEG_NAME,
                               .bridge_subnet = k->bridge_subnet,
                               .bridge_len = k->bridge_len };
    struct kern_cont *c;
    size_t it = 0;

    rules_node_base(b, &base, false);
    while ((c = sw_map_next(&k->conts, &it)) != NULL)
        egress_ports_text(b, c, true);
    rules_mesh(b, NULL, new);
}

int mesh_rules(struct kern *k, const struct table *old, const struct table *new, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    int r = 0;

    if (k->node_dirty)
        mesh_everything(k, &b, new);
    else
        rules_mesh(&b, old, new);
    if (b.len > 0 || sw_buf_failed(&b))
        r = kern_nft(k, k->nft, &b, err);
    k->node_dirty = r < 0;
    return r < 0 ? sw_err_wrap(err, "rules of published ports") : 0;
}
