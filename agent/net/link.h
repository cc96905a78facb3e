/* SPDX-License-Identifier: Apache-2.0
 * link.h - the rtnetlink messages that are needed here: links, ports, neighbours, routes, rules.
 *
 * Every link_*() that changes something only queues; nlk_commit() sends. Addresses of containers
 * are numbers (10.0.0.1 = 0x0a000001). */
#ifndef SWARM_AGENT_NET_LINK_H
#define SWARM_AGENT_NET_LINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/net/nlk.h"
#include "common/base/err.h"

#define LINK_ABSENT 1 /* expected outcome of link_get() */

struct link_info {
    int index;
    int master;
    uint32_t mtu;
    unsigned flags; /* IFF_* */
    char name[IFNAMSIZ];
    char kind[16];
    uint8_t mac[6];
    uint32_t vni; /* of a vxlan */
    uint16_t vxlan_port;
    uint8_t vxlan_local[16]; /* 4 or 16 bytes are used */
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
    uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

/** link_get() - by name. Return: 0; LINK_ABSENT; -errno. */
int link_get(struct nlk *k, const char *name, struct link_info *out, struct sw_err *err);
/**
 * link_settle() - wait, some milliseconds at most, until a link that was just set up carries
 * packets
 *
 * Carrier is there at once, but the queue is opened and a bridge port enabled by the kernel's
 * link-watch work a little later; what is sent before is lost. Asking for the link runs that work
 * since Linux 6.8, on older ones it takes the loop. A link that never settles is not an error.
 */
void link_settle(struct nlk *k, const char *name);
/** link_list() - every link of the socket's namespace. Return: 0 or -errno. */
int link_list(struct nlk *k, void (*each)(void *arg, const struct link_info *l), void *arg,
              struct sw_err *err);

/* An underlay address: IPv4 or IPv6. */
struct link_ip {
    uint8_t len; /* 4 or 16; 0: none */
    uint8_t b[16];
};
/** link_ip_parse() - Return: false when @s is no address. */
bool link_ip_parse(const char *s, struct link_ip *out);
bool link_ip_equal(const struct link_ip *a, const struct link_ip *b);

void link_mac_of(uint32_t addr, uint8_t mac[6]); /* 02:42 and the four bytes */

struct link_veth {
    const char *name;
    int master; /* 0: none */
    uint32_t mtu;
    const uint8_t *mac;    /* NULL: random */
    const char *peer_name; /* stays down */
    const uint8_t *peer_mac;
    int peer_ns;      /* descriptor; -1: the same namespace */
    uint32_t gso_max; /* of the peer; 0: the kernel's */
};
struct link_vxlan {
    const char *name;
    int ns; /* where the device goes; its socket stays in the namespace of the netlink socket */
    uint32_t vni;
    const struct link_ip *local;
    uint16_t port;
    uint32_t mtu;
};

void link_add_bridge(struct nlk *k, const char *name, const uint8_t mac[6], uint32_t mtu);
void link_add_veth(struct nlk *k, const struct link_veth *v);
void link_add_vxlan(struct nlk *k, const struct link_vxlan *v);
void link_del(struct nlk *k, int index);
/* Deleting a link waits for every reader in the kernel, some 10 ms; a group of them waits once. */
void link_doom(struct nlk *k, const char *name); /* into the group; absent is fine */
void link_del_doomed(struct nlk *k);
void link_up(struct nlk *k, int index);
void link_set_mtu(struct nlk *k, int index, uint32_t mtu);
void link_set_master(struct nlk *k, int index, int master);

/* How a bridge treats one of its ports. */
enum link_port {
    LINK_PORT_UPLINK,    /* TAP or vxlan: nothing learnt or flooded, ARP answered on its behalf */
    LINK_PORT_CONTAINER, /* nothing learnt, broadcasts only */
};
void link_set_port(struct nlk *k, int index, enum link_port kind);

/* Permanent neighbour of a bridge: who has @addr. */
void link_neigh_put(struct nlk *k, int index, uint32_t addr);
void link_neigh_del(struct nlk *k, int index, uint32_t addr);
/* Static forwarding entry of the MAC of @addr to a bridge port; with @dst also on the vxlan itself.
 */
void link_fdb_put(struct nlk *k, int index, uint32_t addr, const struct link_ip *dst);
void link_fdb_del(struct nlk *k, int index, uint32_t addr, const struct link_ip *dst);

/* What a bridge and its uplink have now. @dst is NULL for entries of the bridge itself. */
struct link_entries {
    void *arg;
    void (*neigh)(void *arg, uint32_t addr, bool usable);
    void (*fdb)(void *arg, uint32_t addr, const struct link_ip *dst);
};
/** link_entries_list() - permanent entries with MACs of ours. Return: 0 or -errno. */
int link_entries_list(struct nlk *k, int bridge, int uplink, const struct link_entries *e,
                      struct sw_err *err);

void link_addr_add(struct nlk *k, int index, uint32_t addr, uint8_t prefix_len);
struct link_route {
    uint32_t dst;
    uint8_t dst_len;
    uint32_t gateway; /* 0: on the link */
    int oif;
    uint32_t table; /* 0: main */
};
void link_route_add(struct nlk *k, const struct link_route *r);
void link_route_del(struct nlk *k, const struct link_route *r);
struct link_rule {
    uint32_t pref;
    uint32_t mark, mask; /* mask 0: every packet */
    bool invert;
    uint32_t table;   /* 0: see jump */
    uint32_t jump_to; /* pref to go on with; 0 with table 0: do nothing */
};
void link_rule_add(struct nlk *k, const struct link_rule *r);
void link_rule_del(struct nlk *k, const struct link_rule *r);

/** link_addr_list() - every address of the namespace. Return: 0 or -errno. */
int link_addr_list(struct nlk *k,
                   void (*each)(void *arg, int index, const struct link_ip *ip, uint8_t prefix_len),
                   void *arg, struct sw_err *err);
/** link_route_list() - IPv4 routes of the main table. @index: outgoing link. Return: 0 or -errno.
 */
int link_route_list(struct nlk *k,
                    void (*each)(void *arg, uint32_t dst, uint8_t dst_len, int index), void *arg,
                    struct sw_err *err);

#endif
