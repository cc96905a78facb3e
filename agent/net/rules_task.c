/* SPDX-License-Identifier: Apache-2.0
 * rules_task.c - rules inside a container's namespace.
 *
 * A VIP is one element of a verdict map and one chain. Chains are replaced within a transaction, so
 * that no connection ever meets half a service; conntrack keeps what is established where it is.
 *
 * The filter chain runs before NAT: an established connection to a VIP still has the VIP as its
 * destination there and must pass although no endpoint serves any more (drain), a new one must be
 * refused. Hence "ct state new". */
#include <inttypes.h>

#include "agent/net/rules.h"

#define T "ip swarm "

void rules_resolver(struct sw_buf *b, uint16_t udp, uint16_t tcp)
{
    sw_buf_puts(b, "add table ip swarm_dns\n"
                   "add chain ip swarm_dns out { type nat hook output priority -101 ; }\n"
                   "flush chain ip swarm_dns out\n");
    sw_buf_printf(b,
                  "add rule ip swarm_dns out ip daddr 127.0.0.11 udp dport 53 dnat to "
                  "127.0.0.11:%u\n"
                  "add rule ip swarm_dns out ip daddr 127.0.0.11 tcp dport 53 dnat to "
                  "127.0.0.11:%u\n",
                  udp, tcp);
}

void rules_task_base(struct sw_buf *b, bool fresh)
{
    if (!fresh)
        sw_buf_puts(b, "add table ip swarm\ndelete table ip swarm\n");
    sw_buf_puts(b,
                "add table ip swarm\n"
                "add chain " T "nat_out { type nat hook output priority -100 ; }\n"
                "add map " T "vips { type ipv4_addr : verdict ; }\n"
                "add set " T "dead { type ipv4_addr ; }\n"
                "add chain " T "nat_pre { type nat hook prerouting priority -100 ; }\n"
                "add chain " T "refuse { type filter hook output priority -150 ; }\n"
                "add chain " T "refuse_fwd { type filter hook forward priority -150 ; }\n"
                "add rule " T "nat_out ip daddr vmap @vips\n"
                "add rule " T "nat_pre ip daddr vmap @vips\n"
                "add rule " T "refuse ct state new ip daddr @dead meta l4proto tcp reject with tcp "
                "reset\n"
                "add rule " T "refuse ct state new ip daddr @dead reject\n"
                "add rule " T "refuse_fwd ct state new ip daddr @dead reject\n");
}

/* --------------------------------------------------------------------------------------- VIPs */

static void vip_chain(struct sw_buf *b, const struct table *t, const struct table_service *s)
{
    sw_buf_printf(b, T "n%" PRIx64 "s%" PRIx64, t->key, s->key);
}

static void vip_fill(struct sw_buf *b, const struct table *t, const struct table_service *s,
                     uint32_t turn)
{
    sw_buf_puts(b, "add rule ");
    vip_chain(b, t, s);
    if (s->n_backends == 1) {
        sw_buf_printf(b, " dnat to " TABLE_IP_FMT "\n", TABLE_IP_ARGS(s->backends[0]));
        return;
    }
    sw_buf_printf(b, " dnat to numgen inc mod %zu map {", s->n_backends);
    for (size_t i = 0; i < s->n_backends; i++) {
        uint32_t a = s->backends[(i + turn) % s->n_backends];

        sw_buf_printf(b, "%s %zu : " TABLE_IP_FMT, i == 0 ? "" : ",", i, TABLE_IP_ARGS(a));
    }
    sw_buf_puts(b, " }\n");
}

static void vip_flush(struct sw_buf *b, const struct table *t, const struct table_service *s)
{
    sw_buf_puts(b, "flush chain ");
    vip_chain(b, t, s);
    sw_buf_putc(b, '\n');
}

static void vip_add(struct sw_buf *b, const struct table *t, const struct table_service *s,
                    uint32_t turn)
{
    if (s->vip == 0)
        return;
    if (s->n_backends == 0) {
        sw_buf_printf(b, "add element " T "dead { " TABLE_IP_FMT " }\n", TABLE_IP_ARGS(s->vip));
        return;
    }
    sw_buf_puts(b, "add chain ");
    vip_chain(b, t, s);
    sw_buf_putc(b, '\n');
    vip_fill(b, t, s, turn);
    sw_buf_printf(b, "add element " T "vips { " TABLE_IP_FMT " : goto n%" PRIx64 "s%" PRIx64 " }\n",
                  TABLE_IP_ARGS(s->vip), t->key, s->key);
}

static void vip_del(struct sw_buf *b, const struct table *t, const struct table_service *s)
{
    if (s->vip == 0)
        return;
    if (s->n_backends == 0) {
        sw_buf_printf(b, "delete element " T "dead { " TABLE_IP_FMT " }\n", TABLE_IP_ARGS(s->vip));
        return;
    }
    sw_buf_printf(b, "delete element " T "vips { " TABLE_IP_FMT " }\n", TABLE_IP_ARGS(s->vip));
    vip_flush(b, t, s);
    sw_buf_puts(b, "delete chain ");
    vip_chain(b, t, s);
    sw_buf_putc(b, '\n');
}

static void vip_change(struct sw_buf *b, const struct table *t, const struct table_service *old,
                       const struct table_service *new, uint32_t turn)
{
    if (old->vip == new->vip && old->n_backends != 0 && new->n_backends != 0) {
        if (new->vip == 0)
            return;
        vip_flush(b, t, new);
        vip_fill(b, t, new, turn);
        return;
    }
    vip_del(b, t, old);
    vip_add(b, t, new, turn);
}

void rules_vip(struct sw_buf *b, const struct table *old, const struct table *new, uint32_t turn)
{
    size_t n_old = old != NULL ? old->n_services : 0;
    size_t n_new = new != NULL ? new->n_services : 0;
    size_t i = 0;
    size_t j = 0;

    while (i < n_old || j < n_new) {
        const struct table_service *o = i < n_old ? &old->services[i] : NULL;
        const struct table_service *n = j < n_new ? &new->services[j] : NULL;

        if (n == NULL || (o != NULL && o->key < n->key)) {
            vip_del(b, old, o);
            i++;
        } else if (o == NULL || n->key < o->key) {
            vip_add(b, new, n, turn);
            j++;
        } else {
            if (!table_service_same(o, n))
                vip_change(b, new, o, n, turn);
            i++;
            j++;
        }
    }
}

/* -------------------------------------------------------------------------------- return path */

uint32_t rules_mark(const struct table *t, uint32_t node_addr)
{
    return RULES_MARK | (node_addr & ~table_mask(t->subnet_len) & ~RULES_MARK_MASK);
}

/* tcp_fwmark_accept is on in these namespaces: a connection's socket takes the mark of its first
 * packet, is routed by it once, and the route chain finds nothing to change afterwards. */
static void return_base(struct sw_buf *b, const struct table *t, const char *ifname,
                        uint32_t egress)
{
    sw_buf_printf(
        b,
        "add map " T "gw { type ether_addr : mark ; }\n"
        "add chain " T "ret_pre { type filter hook prerouting priority -150 ; }\n"
        "add chain " T "ret_out { type route hook output priority -150 ; }\n"
        "add rule " T "ret_pre iifname \"%s\" ct direction original ct state new ct mark set ether "
        "saddr map @gw\n"
        "add rule " T "ret_pre iifname \"%s\" ct direction original meta mark set ct mark\n"
        "add rule " T "ret_out ct direction reply ct mark & 0x%x == 0x%x meta mark set ct mark\n",
        ifname, ifname, RULES_MARK_MASK, RULES_MARK);
    if (egress == 0)
        return;
    /* An unbound UDP socket answers a client from outside under the address of the default route.
     * That address it shall have been called by; conntrack puts the other one back on the way out.
     */
    sw_buf_printf(b,
                  "add chain " T "ret_udp { type nat hook prerouting priority -100 ; }\n"
                  "add rule " T "ret_udp iifname \"%s\" meta l4proto udp ip saddr != " TABLE_IP_FMT
                  "/%u dnat to " TABLE_IP_FMT "\n",
                  ifname, TABLE_IP_ARGS(t->subnet), t->subnet_len, TABLE_IP_ARGS(egress));
}

static void return_element(struct sw_buf *b, const char *verb, const struct table *t, uint32_t addr,
                           bool value)
{
    uint8_t mac[6];

    link_mac_of(addr, mac);
    sw_buf_printf(b, "%s element " T "gw { %02x:%02x:%02x:%02x:%02x:%02x", verb, mac[0], mac[1],
                  mac[2], mac[3], mac[4], mac[5]);
    if (value)
        sw_buf_printf(b, " : 0x%x", rules_mark(t, addr));
    sw_buf_puts(b, " }\n");
}

void rules_return(struct sw_buf *b, const struct table *old, const struct table *new,
                  const char *ifname, uint32_t egress)
{
    size_t n_old = old != NULL ? old->n_nodes : 0;
    size_t n_new = new != NULL ? new->n_nodes : 0;
    size_t i = 0;
    size_t j = 0;

    if (old == NULL)
        return_base(b, new, ifname, egress);
    while (i < n_old || j < n_new) {
        if (j == n_new || (i < n_old && old->nodes[i] < new->nodes[j])) {
            return_element(b, "delete", old, old->nodes[i++], false);
        } else if (i == n_old || new->nodes[j] < old->nodes[i]) {
            return_element(b, "add", new, new->nodes[j++], true);
        } else {
            i++;
            j++;
        }
    }
}
