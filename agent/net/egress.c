/* SPDX-License-Identifier: Apache-2.0
 * egress.c - the way to the outside world through the node's namespace, and host-mode ports.
 *
 * The bridge swarm0 holds the gateway's address and has no ports: each container's link is routed
 * on its own, with permanent neighbours at both ends. As bridge ports, a host with br_netfilter
 * (every host with Docker) would do NAT while bridging: a container could not reach a port
 * published by itself or by its neighbour. It also keeps containers apart without a filter on the
 * bridge. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/kern_priv.h"
#include "agent/net/ns.h"
#include "agent/net/rules.h"
#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/log/log.h"

#define EGRESS_SUBNET     0xac120000u /* 172.18.0.0 */
#define EGRESS_LEN        16
#define EGRESS_CANDIDATES 14 /* 172.18 .. 172.31 */
#define EGRESS_PORT_FIRST 32768
#define EGRESS_PORT_COUNT (60999 - EGRESS_PORT_FIRST + 1)

/* ------------------------------------------------------------------------------------- bridge */

struct egress_find {
    int bridge;   /* index, 0: not there */
    uint32_t own; /* address the bridge has */
    uint8_t own_len;
    uint32_t candidate; /* subnet that is tried */
    uint8_t len;
    bool taken;
};

static void egress_find_addr(void *arg, int index, const struct link_ip *ip, uint8_t prefix_len)
{
    struct egress_find *f = arg;

    if (ip->len != 4 || index != f->bridge || f->own != 0)
        return;
    f->own =
        (uint32_t)ip->b[0] << 24 | (uint32_t)ip->b[1] << 16 | (uint32_t)ip->b[2] << 8 | ip->b[3];
    f->own_len = prefix_len;
}

static void egress_find_route(void *arg, uint32_t dst, uint8_t dst_len, int index)
{
    struct egress_find *f = arg;
    uint32_t mask = table_mask(SW_MIN(dst_len, f->len));

    if (dst_len != 0 && index != f->bridge && (dst & mask) == (f->candidate & mask))
        f->taken = true;
}

/* The subnet: what the bridge has already, what was asked for, or the first that nobody routes. */
static int egress_choose(struct kern *k, const struct kern_options *o, struct egress_find *f,
                         struct sw_err *err)
{
    int r = 0;

    f->len = o->bridge_len != 0 ? o->bridge_len : EGRESS_LEN;
    f->candidate = o->bridge_subnet;
    if (f->bridge != 0)
        r = link_addr_list(&k->node, egress_find_addr, f, err);
    if (r == 0 && o->bridge_subnet == 0 && f->own != 0) {
        f->len = f->own_len;
        f->candidate = f->own & table_mask(f->own_len);
        return 0;
    }
    for (uint32_t i = 0; r == 0 && o->bridge_subnet == 0 && i < EGRESS_CANDIDATES; i++) {
        f->candidate = EGRESS_SUBNET + (i << 16);
        f->taken = false;
        r = link_route_list(&k->node, egress_find_route, f, err);
        if (r == 0 && !f->taken)
            return 0;
    }
    if (r == 0 && f->taken)
        r = sw_err_set(err, SW_E_EXHAUSTED, "no free subnet for the bridge: give one");
    return r;
}

/* Writing it, even the same value, sets every interface's own switch anew. */
static int egress_forwarding(struct sw_err *err)
{
    long on = 0;

    if (ns_sysctl_get("net/ipv4/ip_forward", &on) == 0 && on != 0)
        return 0;
    return ns_sysctl("net/ipv4/ip_forward", "1", err);
}

static int egress_link_sysctls(const char *name, struct sw_err *err)
{
    static const char *const on[] = {
        "route_localnet", /* 127.0.0.1:port of the node */
        "rp_filter",      /* no foreign source from the container */
        "forwarding",
    };
    struct sw_err ignored;
    char path[128];
    int r = 0;

    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(on); i++) {
        snprintf(path, sizeof(path), "net/ipv4/conf/%s/%s", name, on[i]);
        r = ns_sysctl(path, "1", err);
    }
    snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", name);
    (void)ns_sysctl(path, "1", &ignored); /* no IPv6 in this kernel is as good */
    return r;
}

int egress_init(struct kern *k, const struct kern_options *o, struct sw_err *err)
{
    struct egress_find f = { 0 };
    struct link_info l;
    uint8_t mac[6];
    int r = link_get(&k->node, k->bridge_name, &l, err);

    if (r < 0)
        return r;
    f.bridge = r == 0 ? l.index : 0;
    if (r == 0 && strcmp(l.kind, "bridge") != 0)
        return sw_err_set(err, SW_E_CONFLICT, "link %s exists and is no bridge", k->bridge_name);
    r = egress_choose(k, o, &f, err);
    if (r < 0)
        return r;
    k->bridge_subnet = f.candidate & table_mask(f.len);
    k->bridge_len = f.len;
    k->next_egress = k->bridge_subnet + 2;
    link_mac_of(k->bridge_subnet + 1, mac);
    if (f.bridge == 0) {
        link_add_bridge(&k->node, k->bridge_name, mac, 0);
        r = nlk_commit(&k->node, err);
        if (r == 0)
            r = link_get(&k->node, k->bridge_name, &l, err);
    }
    if (r != 0)
        return r < 0 ? r : sw_err_set(err, -EIO, "%s vanished", k->bridge_name);
    k->bridge = l.index;
    link_up(&k->node, l.index);
    link_addr_add(&k->node, l.index, k->bridge_subnet + 1, k->bridge_len);
    r = nlk_commit(&k->node, err);
    return r == 0 ? egress_forwarding(err) : r;
}

int egress_delete(struct kern *k, struct sw_err *err)
{
    link_del(&k->node, k->bridge);
    k->bridge = 0;
    return nlk_commit(&k->node, err);
}

/* Thread in the container's namespace: the knobs are the node's. */
int egress_link(struct kern *k, const struct kern_cont *c, const char *name, int index,
                struct sw_err *err)
{
    struct link_route route = { .dst = c->egress_addr, .dst_len = 32, .oif = index };
    int r;

    link_neigh_put(&k->node, index, c->egress_addr);
    link_route_add(&k->node, &route);
    r = nlk_commit(&k->node, err);
    if (r < 0)
        return r;
    ns_leave(k->home);
    r = egress_link_sysctls(name, err);
    if (ns_enter(c->ns, err) < 0)
        return err->code;
    return r;
}

static bool egress_addr_used(const struct kern *k, uint32_t addr)
{
    struct kern_cont *c;
    size_t it = 0;

    while ((c = sw_map_next(&k->conts, &it)) != NULL)
        if (c->egress_addr == addr)
            return true;
    return false;
}

/* In turn, so that an address comes back as late as possible: peers may still know the old owner.
 */
int egress_addr_take(struct kern *k, uint32_t *addr, struct sw_err *err)
{
    uint32_t first = k->bridge_subnet + 2;
    uint32_t last = (k->bridge_subnet | ~table_mask(k->bridge_len)) - 1;

    for (uint32_t tries = last - first + 1; tries > 0; tries--) {
        uint32_t a = k->next_egress;

        k->next_egress = a == last ? first : a + 1;
        if (!egress_addr_used(k, a)) {
            *addr = a;
            return 0;
        }
    }
    return sw_err_set(err, SW_E_EXHAUSTED, "bridge %s has no free address", k->bridge_name);
}

/* ------------------------------------------------------------------------------------- ports */

static bool port_clash(const struct net_port *a, const struct net_port *b)
{
    return a->proto == b->proto && a->published == b->published &&
           (a->host_addr == 0 || b->host_addr == 0 || a->host_addr == b->host_addr);
}

static bool port_is_ingress(const struct table *t, const struct net_port *p)
{
    for (size_t i = 0; t != NULL && i < t->n_services; i++)
        for (size_t j = 0; j < t->services[i].n_ports; j++)
            if (t->services[i].ports[j].proto == (uint8_t)p->proto &&
                t->services[i].ports[j].published == p->published)
                return true;
    return false;
}

/* Somebody else on the node may listen there: our rules would take its connections away. */
static bool port_is_bound(const struct net_port *p)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons(p->published),
                              .sin_addr.s_addr = htonl(p->host_addr) };
    int one = 1;

    fd = socket(AF_INET, (p->proto == NET_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                p->proto == NET_SCTP ? IPPROTO_SCTP : 0);
    if (fd < 0)
        return false; /* a protocol nobody can listen on */
    if (p->proto == NET_TCP)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == EADDRINUSE;
}

static bool port_is_taken(const struct kern *k, const struct kern_cont *self, size_t upto,
                          const struct net_port *p)
{
    struct kern_cont *c;
    size_t it = 0;

    for (size_t i = 0; i < upto; i++)
        if (port_clash(&self->result.ports[i], p))
            return true;
    while ((c = sw_map_next(&k->conts, &it)) != NULL)
        for (size_t i = 0; c != self && i < c->result.n_ports; i++)
            if (port_clash(&c->result.ports[i], p))
                return true;
    return port_is_ingress(k->mesh != NULL ? k->mesh->t : NULL, p) || port_is_bound(p);
}

static int port_choose(struct kern *k, struct kern_cont *c, size_t at, struct sw_err *err)
{
    struct net_port *p = &c->result.ports[at];
    uint32_t start;

    sw_random(&start, sizeof(start));
    for (uint32_t i = 0; i < EGRESS_PORT_COUNT; i++) {
        p->published = (uint16_t)(EGRESS_PORT_FIRST + (start + i) % EGRESS_PORT_COUNT);
        if (!port_is_taken(k, c, at, p))
            return 0;
    }
    return sw_err_set(err, SW_E_EXHAUSTED, "no free port to publish %u on", p->target);
}

int egress_ports_choose(struct kern *k, struct kern_cont *c, bool adopt, struct sw_err *err)
{
    for (size_t i = 0; i < c->result.n_ports; i++) {
        struct net_port *p = &c->result.ports[i];

        if (p->published == 0) {
            if (port_choose(k, c, i, err) < 0)
                return err->code;
        } else if (!adopt && port_is_taken(k, c, i, p)) {
            return sw_err_set(err, SW_E_CONFLICT, "port %u is already in use on this node",
                              p->published);
        }
    }
    return 0;
}

void egress_ports_text(struct sw_buf *b, const struct kern_cont *c, bool add)
{
    for (size_t i = 0; c->egress_addr != 0 && i < c->result.n_ports; i++) {
        const struct net_port *p = &c->result.ports[i];
        struct rules_host_port h = { .proto = (uint8_t)p->proto,
                                     .published = p->published,
                                     .target = p->target,
                                     .host_addr = p->host_addr,
                                     .addr = c->egress_addr };

        if (add)
            rules_host_port_add(b, &h);
        else
            rules_host_port_del(b, &h);
    }
}
