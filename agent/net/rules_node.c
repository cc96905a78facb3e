/* SPDX-License-Identifier: Apache-2.0
 * rules_node.c - rules in the node's namespace: routing mesh, host-mode ports, egress.
 *
 * Nothing here changes the source of a client from outside: the task sees it, and answers go back
 * through this node by the mark of rules_return(). Masqueraded is only what could not come back
 * otherwise: loopback, the bridge's and the ingress network's own addresses. */
#include <netinet/in.h>

#include "agent/net/rules.h"

#define T  "ip swarm "
#define L4 "meta l4proto { tcp, udp, sctp } "

static const char *proto_name(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_SCTP:
        return "sctp";
    default:
        return "tcp";
    }
}

static void node_objects(struct sw_buf *b)
{
    sw_buf_puts(b, "add table ip swarm\n"
                   "add map " T "ingress { type inet_proto . inet_service : verdict ; }\n"
                   "add set " T "refused { type inet_proto . inet_service ; }\n"
                   "add map " T "host_ports { type inet_proto . inet_service : ipv4_addr . "
                   "inet_service ; }\n"
                   "add map " T "host_addr_ports { type ipv4_addr . inet_proto . inet_service : "
                   "ipv4_addr . inet_service ; }\n"
                   "add chain " T "ports\n"
                   "add chain " T "guard { type filter hook prerouting priority -300 ; }\n"
                   "add chain " T "nat_pre { type nat hook prerouting priority -101 ; }\n"
                   "add chain " T "nat_out { type nat hook output priority -101 ; }\n"
                   "add chain " T "nat_post { type nat hook postrouting priority 99 ; }\n"
                   "add chain " T "forward { type filter hook forward priority 0 ; }\n"
                   "add chain " T "input { type filter hook input priority 0 ; }\n");
}

static void node_filters(struct sw_buf *b, const struct rules_node *n)
{
    /* route_localnet is on for both, so that 127.0.0.1:port works here. Nobody behind them may use
     * it: answers arrive under the node's own address and become 127.0.0.1 only after this. */
    sw_buf_printf(b,
                  "add rule " T "guard iifname \"%s*\" ip daddr 127.0.0.0/8 drop\n"
                  "add rule " T "guard iifname \"%s\" ip daddr 127.0.0.0/8 drop\n",
                  n->egress, n->leg);
    sw_buf_printf(b,
                  "add rule " T "forward ct state established,related accept\n"
                  "add rule " T "forward ct status dnat accept\n"
                  "add rule " T "forward oifname \"%s*\" drop\n"
                  "add rule " T "forward oifname \"%s\" drop\n"
                  "add rule " T "forward iifname \"%s\" drop\n",
                  n->egress, n->leg, n->leg);
    sw_buf_printf(b,
                  "add rule " T "input ct state established,related accept\n"
                  "add rule " T "input ct state new meta l4proto . th dport @refused meta l4proto "
                  "tcp reject with tcp reset\n"
                  "add rule " T "input ct state new meta l4proto . th dport @refused reject\n"
                  "add rule " T "input iifname \"%s\" drop\n",
                  n->leg);
}

void rules_node_base(struct sw_buf *b, const struct rules_node *n, bool fresh)
{
    uint32_t net = n->bridge_subnet;

    if (!fresh)
        sw_buf_puts(b, "add table ip swarm\ndelete table ip swarm\n");
    node_objects(b);
    node_filters(b, n);
    sw_buf_puts(b, "add rule " T "nat_pre fib daddr type local jump ports\n"
                   "add rule " T "nat_out fib daddr type local jump ports\n"
                   "add rule " T "ports " L4
                   "dnat ip to ip daddr . meta l4proto . th dport map @host_addr_ports\n"
                   "add rule " T "ports " L4 "dnat ip to meta l4proto . th dport map @host_ports\n"
                   "add rule " T "ports " L4 "meta l4proto . th dport vmap @ingress\n");
    /* "own": sources that the other end could not answer to, or would answer by a short cut. */
    sw_buf_printf(b,
                  "add set " T "own { type ipv4_addr ; flags interval ; }\n"
                  "add element " T "own { 127.0.0.0/8, " TABLE_IP_FMT "/%u }\n"
                  "add rule " T "nat_post oifname \"%s\" ip saddr @own masquerade\n"
                  "add rule " T "nat_post oifname \"%s*\" ip saddr @own snat to " TABLE_IP_FMT "\n"
                  "add rule " T "nat_post ip saddr " TABLE_IP_FMT
                  "/%u oifname != \"%s*\" masquerade\n",
                  TABLE_IP_ARGS(net), n->bridge_len, n->leg, n->egress, TABLE_IP_ARGS(net + 1),
                  TABLE_IP_ARGS(net), n->bridge_len, n->egress);
}

/* --------------------------------------------------------------------------------------- mesh */

static void mesh_add(struct sw_buf *b, const struct table_service *s, const struct table_port *p)
{
    const char *proto = proto_name(p->proto);

    if (s->n_backends == 0) {
        sw_buf_printf(b, "add element " T "refused { %s . %u }\n", proto, p->published);
        return;
    }
    sw_buf_printf(b,
                  "add chain " T "p_%s_%u\n"
                  "add rule " T "p_%s_%u meta l4proto %s dnat to numgen inc mod %zu map {",
                  proto, p->published, proto, p->published, proto, s->n_backends);
    for (size_t i = 0; i < s->n_backends; i++)
        sw_buf_printf(b, "%s %zu : " TABLE_IP_FMT, i == 0 ? "" : ",", i,
                      TABLE_IP_ARGS(s->backends[i]));
    sw_buf_printf(b,
                  " } : %u\n"
                  "add element " T "ingress { %s . %u : goto p_%s_%u }\n",
                  p->target, proto, p->published, proto, p->published);
}

static void mesh_del(struct sw_buf *b, const struct table_service *s, const struct table_port *p)
{
    const char *proto = proto_name(p->proto);

    if (s->n_backends == 0) {
        sw_buf_printf(b, "delete element " T "refused { %s . %u }\n", proto, p->published);
        return;
    }
    sw_buf_printf(b,
                  "delete element " T "ingress { %s . %u }\n"
                  "flush chain " T "p_%s_%u\n"
                  "delete chain " T "p_%s_%u\n",
                  proto, p->published, proto, p->published, proto, p->published);
}

static const struct table_service *mesh_find(const struct table *t, uint64_t key)
{
    size_t lo = 0;
    size_t hi = t != NULL ? t->n_services : 0;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (t->services[mid].key == key)
            return &t->services[mid];
        if (t->services[mid].key < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Removals of all services come first: a port may move from one service to another. */
static void mesh_each(struct sw_buf *b, const struct table *from, const struct table *other,
                      void (*fn)(struct sw_buf *b, const struct table_service *s,
                                 const struct table_port *p))
{
    for (size_t i = 0; from != NULL && i < from->n_services; i++) {
        const struct table_service *s = &from->services[i];
        const struct table_service *o = mesh_find(other, s->key);

        if (o != NULL && table_service_same(s, o))
            continue;
        for (size_t j = 0; j < s->n_ports; j++)
            fn(b, s, &s->ports[j]);
    }
}

static void mesh_own(struct sw_buf *b, const char *verb, const struct table *t)
{
    sw_buf_printf(b, "%s element " T "own { " TABLE_IP_FMT "/%u }\n", verb,
                  TABLE_IP_ARGS(t->subnet), t->subnet_len);
}

void rules_mesh(struct sw_buf *b, const struct table *old, const struct table *new)
{
    if (old == NULL && new != NULL)
        mesh_own(b, "add", new);
    else if (new == NULL && old != NULL)
        mesh_own(b, "delete", old);
    mesh_each(b, old, new, mesh_del);
    mesh_each(b, new, old, mesh_add);
}

/* -------------------------------------------------------------------------------- host ports */

static void host_port(struct sw_buf *b, const char *verb, const struct rules_host_port *p,
                      bool value)
{
    if (p->host_addr != 0)
        sw_buf_printf(b, "%s element " T "host_addr_ports { " TABLE_IP_FMT " . %s . %u", verb,
                      TABLE_IP_ARGS(p->host_addr), proto_name(p->proto), p->published);
    else
        sw_buf_printf(b, "%s element " T "host_ports { %s . %u", verb, proto_name(p->proto),
                      p->published);
    if (value)
        sw_buf_printf(b, " : " TABLE_IP_FMT " . %u", TABLE_IP_ARGS(p->addr), p->target);
    sw_buf_puts(b, " }\n");
}

void rules_host_port_add(struct sw_buf *b, const struct rules_host_port *p)
{
    host_port(b, "add", p, true);
}

void rules_host_port_del(struct sw_buf *b, const struct rules_host_port *p)
{
    host_port(b, "delete", p, false);
}
