/* SPDX-License-Identifier: Apache-2.0
 * route.c - neighbours, forwarding entries, addresses, routes and rules. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/net/link.h"

/* ------------------------------------------------------------------- neighbours and forwarding */

static struct nl_msg *neigh_msg(int type, uint8_t family, int index, uint8_t flags, uint16_t state)
{
    struct ndmsg nd = {
        .ndm_family = family, .ndm_ifindex = index, .ndm_state = state, .ndm_flags = flags
    };

    return nlk_msg(type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0, &nd, sizeof(nd));
}

static void neigh_queue(struct nlk *k, int type, int index, uint32_t addr)
{
    struct nl_msg *m = neigh_msg(type, AF_INET, index, 0, NUD_PERMANENT);
    uint8_t mac[6];

    if (m != NULL) {
        nla_put_u32(m, NDA_DST, htonl(addr));
        if (type == RTM_NEWNEIGH) {
            link_mac_of(addr, mac);
            nla_put(m, NDA_LLADDR, sizeof(mac), mac);
        }
    }
    nlk_queue(k, m, type == RTM_DELNEIGH ? ENOENT : 0, "neighbour entry");
}

void link_neigh_put(struct nlk *k, int index, uint32_t addr)
{
    neigh_queue(k, RTM_NEWNEIGH, index, addr);
}

void link_neigh_del(struct nlk *k, int index, uint32_t addr)
{
    neigh_queue(k, RTM_DELNEIGH, index, addr);
}

static void fdb_queue(struct nlk *k, int type, int index, uint32_t addr, const struct link_ip *dst)
{
    uint8_t flags = dst != NULL ? NTF_SELF : NTF_MASTER;
    uint16_t state = dst != NULL ? NUD_PERMANENT | NUD_NOARP : NUD_NOARP;
    struct nl_msg *m = neigh_msg(type, AF_BRIDGE, index, flags, state);
    uint8_t mac[6];

    if (m != NULL) {
        link_mac_of(addr, mac);
        nla_put(m, NDA_LLADDR, sizeof(mac), mac);
        if (dst != NULL)
            nla_put(m, NDA_DST, dst->len, dst->b);
    }
    nlk_queue(k, m, type == RTM_DELNEIGH ? ENOENT : 0, "forwarding entry");
}

void link_fdb_put(struct nlk *k, int index, uint32_t addr, const struct link_ip *dst)
{
    fdb_queue(k, RTM_NEWNEIGH, index, addr, NULL);
    if (dst != NULL)
        fdb_queue(k, RTM_NEWNEIGH, index, addr, dst);
}

void link_fdb_del(struct nlk *k, int index, uint32_t addr, const struct link_ip *dst)
{
    fdb_queue(k, RTM_DELNEIGH, index, addr, NULL);
    if (dst != NULL)
        fdb_queue(k, RTM_DELNEIGH, index, addr, dst);
}

struct entries_state {
    const struct link_entries *e;
    int bridge;
    int uplink;
};

static bool entry_is_ours(const uint8_t *mac, uint32_t *addr)
{
    if (mac[0] != 0x02 || mac[1] != 0x42)
        return false;
    *addr = (uint32_t)mac[2] << 24 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];
    return true;
}

static void entries_one(void *arg, struct nlmsghdr *h)
{
    struct entries_state *s = arg;
    const struct ndmsg *nd = nlmsg_data(h);
    struct nlattr *a[NDA_MAX + 1];
    struct link_ip dst = { 0 };
    uint32_t mac_addr = 0;
    uint32_t addr;
    bool ours;

    if (h->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse(h, sizeof(*nd), a, NDA_MAX, NULL) < 0)
        return;
    ours = a[NDA_LLADDR] != NULL && nla_len(a[NDA_LLADDR]) == 6 &&
           entry_is_ours(nla_data(a[NDA_LLADDR]), &mac_addr);
    if (nd->ndm_family == AF_INET && nd->ndm_ifindex == s->bridge && a[NDA_DST] != NULL) {
        addr = ntohl(nla_get_u32(a[NDA_DST]));
        if (nd->ndm_state & NUD_PERMANENT)
            s->e->neigh(s->e->arg, addr, ours && mac_addr == addr);
    } else if (nd->ndm_family == AF_BRIDGE && nd->ndm_ifindex == s->uplink && ours) {
        if (nd->ndm_flags & NTF_SELF && a[NDA_DST] != NULL && nla_len(a[NDA_DST]) <= 16) {
            dst.len = (uint8_t)nla_len(a[NDA_DST]);
            nla_memcpy(dst.b, a[NDA_DST], sizeof(dst.b));
            s->e->fdb(s->e->arg, mac_addr, &dst);
        } else if (nd->ndm_flags & NTF_MASTER || a[NDA_MASTER] != NULL) {
            s->e->fdb(s->e->arg, mac_addr, NULL);
        }
    }
}

int link_entries_list(struct nlk *k, int bridge, int uplink, const struct link_entries *e,
                      struct sw_err *err)
{
    struct entries_state s = { e, bridge, uplink };
    struct ndmsg nd = { .ndm_family = AF_INET };
    struct ndmsg fdb = { .ndm_family = AF_BRIDGE, .ndm_ifindex = uplink };
    struct nl_msg *m = nlk_msg(RTM_GETNEIGH, NLM_F_DUMP, &nd, sizeof(nd));
    int r;

    if (m != NULL)
        nla_put_u32(m, NDA_IFINDEX, (uint32_t)bridge);
    r = nlk_dump(k, m, entries_one, &s, err);
    if (r == 0)
        r = nlk_dump(k, nlk_msg(RTM_GETNEIGH, NLM_F_DUMP, &fdb, sizeof(fdb)), entries_one, &s, err);
    return r < 0 ? sw_err_wrap(err, "list forwarding entries") : 0;
}

/* ----------------------------------------------------------------------------------- addresses */

void link_addr_add(struct nlk *k, int index, uint32_t addr, uint8_t prefix_len)
{
    struct ifaddrmsg ifa = { .ifa_family = AF_INET,
                             .ifa_prefixlen = prefix_len,
                             .ifa_scope = RT_SCOPE_UNIVERSE,
                             .ifa_index = (unsigned)index };
    struct nl_msg *m = nlk_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));
    uint32_t mask = prefix_len == 0 ? 0 : ~0u << (32 - prefix_len);

    if (m != NULL) {
        nla_put_u32(m, IFA_LOCAL, htonl(addr));
        nla_put_u32(m, IFA_ADDRESS, htonl(addr));
        if (prefix_len < 31)
            nla_put_u32(m, IFA_BROADCAST, htonl(addr | ~mask));
    }
    nlk_queue(k, m, EEXIST, "add address");
}

struct addr_state {
    void (*each)(void *arg, int index, const struct link_ip *ip, uint8_t prefix_len);
    void *arg;
};

static void addr_one(void *arg, struct nlmsghdr *h)
{
    struct addr_state *s = arg;
    const struct ifaddrmsg *ifa = nlmsg_data(h);
    struct nlattr *a[IFA_MAX + 1];
    struct link_ip ip = { 0 };
    const struct nlattr *own;

    if (h->nlmsg_type != RTM_NEWADDR || nlmsg_parse(h, sizeof(*ifa), a, IFA_MAX, NULL) < 0)
        return;
    own = a[IFA_LOCAL] != NULL ? a[IFA_LOCAL] : a[IFA_ADDRESS];
    if (own == NULL || (nla_len(own) != 4 && nla_len(own) != 16))
        return;
    ip.len = (uint8_t)nla_len(own);
    nla_memcpy(ip.b, own, sizeof(ip.b));
    s->each(s->arg, (int)ifa->ifa_index, &ip, ifa->ifa_prefixlen);
}

int link_addr_list(struct nlk *k,
                   void (*each)(void *arg, int index, const struct link_ip *ip, uint8_t prefix_len),
                   void *arg, struct sw_err *err)
{
    struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC };
    struct addr_state s = { each, arg };

    return nlk_dump(k, nlk_msg(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa)), addr_one, &s, err);
}

/* -------------------------------------------------------------------------------- routes, rules */

static void route_queue(struct nlk *k, int type, const struct link_route *r)
{
    struct rtmsg rt = { .rtm_family = AF_INET,
                        .rtm_dst_len = r->dst_len,
                        .rtm_table = RT_TABLE_UNSPEC,
                        .rtm_protocol = RTPROT_STATIC,
                        .rtm_scope = r->gateway != 0 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                        .rtm_type = RTN_UNICAST };
    int flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct nl_msg *m;

    if (type == RTM_DELROUTE)
        rt.rtm_scope = RT_SCOPE_NOWHERE;
    m = nlk_msg(type, flags, &rt, sizeof(rt));
    if (m != NULL) {
        if (r->dst_len != 0)
            nla_put_u32(m, RTA_DST, htonl(r->dst));
        if (r->gateway != 0)
            nla_put_u32(m, RTA_GATEWAY, htonl(r->gateway));
        nla_put_u32(m, RTA_OIF, (uint32_t)r->oif);
        nla_put_u32(m, RTA_TABLE, r->table != 0 ? r->table : RT_TABLE_MAIN);
    }
    nlk_queue(k, m, type == RTM_DELROUTE ? ESRCH : 0, "route");
}

void link_route_add(struct nlk *k, const struct link_route *r)
{
    route_queue(k, RTM_NEWROUTE, r);
}

void link_route_del(struct nlk *k, const struct link_route *r)
{
    route_queue(k, RTM_DELROUTE, r);
}

static void rule_queue(struct nlk *k, int type, const struct link_rule *r)
{
    struct fib_rule_hdr hdr = { .family = AF_INET,
                                .action = r->table != 0     ? FR_ACT_TO_TBL
                                          : r->jump_to != 0 ? FR_ACT_GOTO
                                                            : FR_ACT_NOP,
                                .flags = r->invert ? FIB_RULE_INVERT : 0 };
    struct nl_msg *m =
        nlk_msg(type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, &hdr, sizeof(hdr));

    if (m != NULL) {
        nla_put_u32(m, FRA_PRIORITY, r->pref);
        if (r->mask != 0) {
            nla_put_u32(m, FRA_FWMARK, r->mark);
            nla_put_u32(m, FRA_FWMASK, r->mask);
        }
        if (r->table != 0)
            nla_put_u32(m, FRA_TABLE, r->table);
        else if (r->jump_to != 0)
            nla_put_u32(m, FRA_GOTO, r->jump_to);
    }
    nlk_queue(k, m, type == RTM_NEWRULE ? EEXIST : ENOENT, "routing rule");
}

void link_rule_add(struct nlk *k, const struct link_rule *r)
{
    rule_queue(k, RTM_NEWRULE, r);
}

void link_rule_del(struct nlk *k, const struct link_rule *r)
{
    rule_queue(k, RTM_DELRULE, r);
}

struct route_state {
    void (*each)(void *arg, uint32_t dst, uint8_t dst_len, int index);
    void *arg;
};

static void route_one(void *arg, struct nlmsghdr *h)
{
    struct route_state *s = arg;
    const struct rtmsg *rt = nlmsg_data(h);
    struct nlattr *a[RTA_MAX + 1];

    if (h->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(h, sizeof(*rt), a, RTA_MAX, NULL) < 0)
        return;
    if (rt->rtm_table != RT_TABLE_MAIN || rt->rtm_type != RTN_UNICAST)
        return;
    s->each(s->arg, a[RTA_DST] != NULL ? ntohl(nla_get_u32(a[RTA_DST])) : 0, rt->rtm_dst_len,
            a[RTA_OIF] != NULL ? (int)nla_get_u32(a[RTA_OIF]) : 0);
}

int link_route_list(struct nlk *k,
                    void (*each)(void *arg, uint32_t dst, uint8_t dst_len, int index), void *arg,
                    struct sw_err *err)
{
    struct rtmsg rt = { .rtm_family = AF_INET };
    struct route_state s = { each, arg };

    return nlk_dump(k, nlk_msg(RTM_GETROUTE, NLM_F_DUMP, &rt, sizeof(rt)), route_one, &s, err);
}
