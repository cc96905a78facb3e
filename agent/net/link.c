/* SPDX-License-Identifier: Apache-2.0
 * link.c - links: asking, making, changing. */
#include "agent/net/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <time.h>

#include "common/base/macro.h"

#define LINK_TXQLEN       1000
#define LINK_SETTLE_MS    50
#define LINK_GROUP_DOOMED 0x53570001u /* of nobody else in the node's namespace */

bool link_ip_parse(const char *s, struct link_ip *out)
{
    memset(out, 0, sizeof(*out));
    if (s == NULL)
        return false;
    if (inet_pton(AF_INET, s, out->b) == 1)
        out->len = 4;
    else if (inet_pton(AF_INET6, s, out->b) == 1)
        out->len = 16;
    return out->len != 0;
}

bool link_ip_equal(const struct link_ip *a, const struct link_ip *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

void link_mac_of(uint32_t addr, uint8_t mac[6])
{
    mac[0] = 0x02;
    mac[1] = 0x42;
    mac[2] = (uint8_t)(addr >> 24);
    mac[3] = (uint8_t)(addr >> 16);
    mac[4] = (uint8_t)(addr >> 8);
    mac[5] = (uint8_t)addr;
}

/* ------------------------------------------------------------------------------------- asking */

static void link_parse_vxlan(struct nlattr *data, struct link_info *l)
{
    struct nlattr *a[IFLA_VXLAN_MAX + 1];

    if (nla_parse_nested(a, IFLA_VXLAN_MAX, data, NULL) < 0)
        return;
    if (a[IFLA_VXLAN_ID] != NULL)
        l->vni = nla_get_u32(a[IFLA_VXLAN_ID]);
    if (a[IFLA_VXLAN_PORT] != NULL)
        l->vxlan_port = ntohs(nla_get_u16(a[IFLA_VXLAN_PORT]));
    if (a[IFLA_VXLAN_LOCAL] != NULL)
        nla_memcpy(l->vxlan_local, a[IFLA_VXLAN_LOCAL], 4);
    else if (a[IFLA_VXLAN_LOCAL6] != NULL)
        nla_memcpy(l->vxlan_local, a[IFLA_VXLAN_LOCAL6], 16);
}

static void link_parse_stats(const struct nlattr *a, struct link_info *l)
{
    struct rtnl_link_stats64 s;

    memset(&s, 0, sizeof(s));
    nla_memcpy(&s, a, sizeof(s));
    l->rx_bytes = s.rx_bytes;
    l->rx_packets = s.rx_packets;
    l->rx_errors = s.rx_errors;
    l->rx_dropped = s.rx_dropped;
    l->tx_bytes = s.tx_bytes;
    l->tx_packets = s.tx_packets;
    l->tx_errors = s.tx_errors;
    l->tx_dropped = s.tx_dropped;
}

static bool link_parse(struct nlmsghdr *h, struct link_info *l)
{
    struct nlattr *a[IFLA_MAX + 1];
    struct nlattr *info[IFLA_INFO_MAX + 1];
    const struct ifinfomsg *ifi = nlmsg_data(h);

    if (h->nlmsg_type != RTM_NEWLINK || nlmsg_parse(h, sizeof(*ifi), a, IFLA_MAX, NULL) < 0)
        return false;
    memset(l, 0, sizeof(*l));
    l->index = ifi->ifi_index;
    l->flags = ifi->ifi_flags;
    if (a[IFLA_IFNAME] != NULL)
        nla_strlcpy(l->name, a[IFLA_IFNAME], sizeof(l->name));
    if (a[IFLA_MTU] != NULL)
        l->mtu = nla_get_u32(a[IFLA_MTU]);
    if (a[IFLA_MASTER] != NULL)
        l->master = (int)nla_get_u32(a[IFLA_MASTER]);
    if (a[IFLA_ADDRESS] != NULL)
        nla_memcpy(l->mac, a[IFLA_ADDRESS], sizeof(l->mac));
    if (a[IFLA_STATS64] != NULL)
        link_parse_stats(a[IFLA_STATS64], l);
    if (a[IFLA_LINKINFO] == NULL ||
        nla_parse_nested(info, IFLA_INFO_MAX, a[IFLA_LINKINFO], NULL) < 0)
        return true;
    if (info[IFLA_INFO_KIND] != NULL)
        nla_strlcpy(l->kind, info[IFLA_INFO_KIND], sizeof(l->kind));
    if (info[IFLA_INFO_DATA] != NULL && strcmp(l->kind, "vxlan") == 0)
        link_parse_vxlan(info[IFLA_INFO_DATA], l);
    return true;
}

static void link_get_one(void *arg, struct nlmsghdr *h)
{
    link_parse(h, arg);
}

int link_get(struct nlk *k, const char *name, struct link_info *out, struct sw_err *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
    struct nl_msg *m = nlk_msg(RTM_GETLINK, 0, &ifi, sizeof(ifi));
    int r;

    memset(out, 0, sizeof(*out));
    if (m != NULL)
        nla_put_string(m, IFLA_IFNAME, name);
    r = nlk_dump(k, m, link_get_one, out, err);
    if (r == -ENODEV)
        return LINK_ABSENT;
    return r < 0 ? sw_err_wrap(err, "look for link %s", name) : 0;
}

void link_settle(struct nlk *k, const char *name)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    struct link_info l;
    struct sw_err err;

    for (int i = 0; i < LINK_SETTLE_MS; i++) {
        if (link_get(k, name, &l, &err) != 0 || (l.flags & IFF_RUNNING))
            return;
        nanosleep(&pause, NULL);
    }
}

struct link_list_state {
    void (*each)(void *arg, const struct link_info *l);
    void *arg;
};

static void link_list_one(void *arg, struct nlmsghdr *h)
{
    struct link_list_state *s = arg;
    struct link_info l;

    if (link_parse(h, &l))
        s->each(s->arg, &l);
}

int link_list(struct nlk *k, void (*each)(void *arg, const struct link_info *l), void *arg,
              struct sw_err *err)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
    struct link_list_state s = { each, arg };

    return nlk_dump(k, nlk_msg(RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi)), link_list_one, &s, err);
}

/* ------------------------------------------------------------------------------------- making */

static struct nl_msg *link_new(const char *name, uint32_t mtu, const uint8_t *mac, int flags)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC,
                             .ifi_flags = (unsigned)flags,
                             .ifi_change = (unsigned)flags };
    struct nl_msg *m = nlk_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));

    if (m == NULL)
        return NULL;
    nla_put_string(m, IFLA_IFNAME, name);
    if (mtu != 0)
        nla_put_u32(m, IFLA_MTU, mtu);
    if (mac != NULL)
        nla_put(m, IFLA_ADDRESS, 6, mac);
    return m;
}

void link_add_bridge(struct nlk *k, const char *name, const uint8_t mac[6], uint32_t mtu)
{
    struct nl_msg *m = link_new(name, mtu, mac, IFF_UP);
    struct nlattr *info;
    struct nlattr *data;

    if (m != NULL) {
        info = nla_nest_start(m, IFLA_LINKINFO);
        nla_put_string(m, IFLA_INFO_KIND, "bridge");
        data = nla_nest_start(m, IFLA_INFO_DATA);
        nla_put_u8(m, IFLA_BR_MCAST_SNOOPING, 0);
        nla_put_u32(m, IFLA_BR_STP_STATE, 0);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
    }
    nlk_queue(k, m, 0, "create bridge");
}

static void link_put_peer(struct nl_msg *m, const struct link_veth *v)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC }; /* up: only once it has its other end */
    struct nlattr *peer = nla_nest_start(m, VETH_INFO_PEER);

    nlmsg_append(m, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
    nla_put_string(m, IFLA_IFNAME, v->peer_name);
    nla_put_u32(m, IFLA_MTU, v->mtu);
    if (v->peer_mac != NULL)
        nla_put(m, IFLA_ADDRESS, 6, v->peer_mac);
    if (v->peer_ns >= 0)
        nla_put_u32(m, IFLA_NET_NS_FD, (uint32_t)v->peer_ns);
    if (v->gso_max != 0)
        nla_put_u32(m, IFLA_GSO_MAX_SIZE, v->gso_max);
    nla_nest_end(m, peer);
}

void link_add_veth(struct nlk *k, const struct link_veth *v)
{
    struct nl_msg *m = link_new(v->name, v->mtu, v->mac, IFF_UP);
    struct nlattr *info;
    struct nlattr *data;

    if (m != NULL) {
        if (v->master != 0)
            nla_put_u32(m, IFLA_MASTER, (uint32_t)v->master);
        info = nla_nest_start(m, IFLA_LINKINFO);
        nla_put_string(m, IFLA_INFO_KIND, "veth");
        data = nla_nest_start(m, IFLA_INFO_DATA);
        link_put_peer(m, v);
        nla_nest_end(m, data);
        nla_nest_end(m, info);
    }
    nlk_queue(k, m, 0, "create veth pair");
}

void link_add_vxlan(struct nlk *k, const struct link_vxlan *v)
{
    struct nl_msg *m = link_new(v->name, v->mtu, NULL, 0);
    struct nlattr *info;
    struct nlattr *data;

    if (m != NULL) {
        nla_put_u32(m, IFLA_NET_NS_FD, (uint32_t)v->ns);
        info = nla_nest_start(m, IFLA_LINKINFO);
        nla_put_string(m, IFLA_INFO_KIND, "vxlan");
        data = nla_nest_start(m, IFLA_INFO_DATA);
        nla_put_u32(m, IFLA_VXLAN_ID, v->vni);
        nla_put_u16(m, IFLA_VXLAN_PORT, htons(v->port));
        nla_put_u8(m, IFLA_VXLAN_LEARNING, 0);
        if (v->local->len == 16) {
            nla_put(m, IFLA_VXLAN_LOCAL6, 16, v->local->b);
            nla_put_u8(m, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
            nla_put_u8(m, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
        } else {
            nla_put(m, IFLA_VXLAN_LOCAL, 4, v->local->b);
            nla_put_u8(m, IFLA_VXLAN_UDP_CSUM, 0);
        }
        nla_nest_end(m, data);
        nla_nest_end(m, info);
    }
    nlk_queue(k, m, 0, "create vxlan device");
}

/* ----------------------------------------------------------------------------------- changing */

static struct nl_msg *link_change(int index, unsigned flags)
{
    struct ifinfomsg ifi = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = flags, .ifi_change = flags
    };

    return nlk_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
}

void link_del(struct nlk *k, int index)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = index };

    nlk_queue(k, nlk_msg(RTM_DELLINK, 0, &ifi, sizeof(ifi)), ENODEV, "delete link");
}

void link_doom(struct nlk *k, const char *name)
{
    struct nl_msg *m = link_change(0, 0);

    if (m != NULL) {
        nla_put_string(m, IFLA_IFNAME, name);
        nla_put_u32(m, IFLA_GROUP, LINK_GROUP_DOOMED);
    }
    nlk_queue(k, m, ENODEV, "delete link");
}

void link_del_doomed(struct nlk *k)
{
    struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
    struct nl_msg *m = nlk_msg(RTM_DELLINK, 0, &ifi, sizeof(ifi));

    if (m != NULL)
        nla_put_u32(m, IFLA_GROUP, LINK_GROUP_DOOMED);
    nlk_queue(k, m, ENODEV, "delete links");
}

void link_up(struct nlk *k, int index)
{
    nlk_queue(k, link_change(index, IFF_UP), 0, "set link up");
}

void link_set_mtu(struct nlk *k, int index, uint32_t mtu)
{
    struct nl_msg *m = link_change(index, 0);

    if (m != NULL)
        nla_put_u32(m, IFLA_MTU, mtu);
    nlk_queue(k, m, 0, "set MTU");
}

void link_set_master(struct nlk *k, int index, int master)
{
    struct nl_msg *m = link_change(index, 0);

    if (m != NULL) {
        nla_put_u32(m, IFLA_MASTER, (uint32_t)master);
        nla_put_u32(m, IFLA_TXQLEN, LINK_TXQLEN);
    }
    nlk_queue(k, m, 0, "put link into bridge");
}

void link_set_port(struct nlk *k, int index, enum link_port kind)
{
    struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE, .ifi_index = index };
    struct nl_msg *m = nlk_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
    bool uplink = kind == LINK_PORT_UPLINK;
    struct nlattr *p;

    if (m != NULL) {
        p = nla_nest_start(m, IFLA_PROTINFO | NLA_F_NESTED);
        nla_put_u8(m, IFLA_BRPORT_LEARNING, 0);
        nla_put_u8(m, IFLA_BRPORT_UNICAST_FLOOD, 0);
        nla_put_u8(m, IFLA_BRPORT_MCAST_FLOOD, !uplink);
        nla_put_u8(m, IFLA_BRPORT_BCAST_FLOOD, !uplink);
        nla_put_u8(m, IFLA_BRPORT_NEIGH_SUPPRESS, uplink);
        nla_nest_end(m, p);
    }
    nlk_queue(k, m, 0, "set bridge port");
}
