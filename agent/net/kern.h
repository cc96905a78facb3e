/* SPDX-License-Identifier: Apache-2.0
 * kern.h - the kernel half of agent/net: blocking, synchronous, one caller at a time.
 *
 *   net.c (loop half)  desired state, waiting, coalescing, swarm-netd, callbacks
 *   kern   (this)      what is in the kernel and how it gets there
 *
 * A struct kern belongs to whichever job runs; jobs never overlap, hence no locks. It knows nothing
 * of libuv, so that tests drive it directly. What could not be put into the kernel is marked dirty
 * and built from nothing by the next kern_apply() or kern_repair(). */
#ifndef SWARM_AGENT_NET_KERN_H
#define SWARM_AGENT_NET_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/net/link.h"
#include "agent/net/net.h"
#include "agent/net/nlk.h"
#include "agent/net/table.h"
#include "common/base/list.h"
#include "common/base/map.h"

struct nft_ctx;

#define KERN_LEG_NAME "swgw"
#define KERN_GSO_MAX  60000u /* one super-frame is one send of swarm-netd */

struct kern_options {
    const char *state_dir;
    const char *bridge_name;
    uint32_t bridge_subnet; /* 0: find a free one */
    uint8_t bridge_len;
};

/* A network that is in the kernel. */
struct kern_net {
    uint64_t key;
    struct table *t; /* in force; never NULL */
    int bridge;      /* link indexes in the overlay namespace; 0: not there */
    int uplink;
    uint32_t mtu;         /* of the containers' interfaces */
    struct link_ip local; /* underlay address the uplink was made with */
    uint16_t port;
    size_t users; /* attached containers */
    bool gone;    /* no table any more: goes with its last user */
    bool dirty;   /* kernel entries unknown: compare with a dump */
    bool has_leg;
};

struct kern_port { /* one overlay interface of a container */
    struct kern_net *net;
    uint32_t addr;
    int inner; /* link index inside the container */
    char inner_name[NET_IFNAME_MAX];
};

struct kern_cont {
    char *id;
    int ns; /* owned */
    struct kern_port *ports;
    size_t n_ports;
    uint32_t egress_addr; /* 0: none */
    struct net_result result;
    bool dirty;     /* rules to be built from nothing */
    bool has_table; /* "swarm" exists in its namespace */
};

struct kern {
    char *state_dir;
    char *bridge_name;
    uint32_t bridge_subnet;
    uint8_t bridge_len;
    int bridge;
    int home;    /* the node's namespace */
    int overlay; /* -1: not made yet */
    struct nlk node;
    struct nlk over;
    struct nft_ctx *nft;
    uint64_t node_key; /* 0: not a member */
    struct link_ip data_addr;
    bool data_addr_here; /* it is one of this namespace's */
    uint16_t data_port;
    uint32_t underlay_mtu;
    struct sw_map nets;    /* key -> struct kern_net */
    struct sw_map conts;   /* id -> struct kern_cont */
    struct kern_net *mesh; /* the ingress network, when known */
    bool node_dirty;       /* rules of the node's namespace to be built from nothing */
    bool node_hold;        /* not yet: containers of before are still being adopted */
    uint32_t next_egress;
    uint64_t nft_runs;
    uint64_t failures;
};

/** kern_new() - open sockets, make or find egress bridge; see net_new(). Return: 0 or negative. */
int kern_new(struct kern **out, const struct kern_options *o, struct sw_err *err);
void kern_free(struct kern *k); /* leaves the kernel as it is */

/** kern_identity() - who this node is; measures the underlay. Networks are remade as needed by the
 * next kern_apply(). Return: 0 or negative. */
int kern_identity(struct kern *k, uint64_t node_key, const struct link_ip *addr, uint16_t port,
                  struct sw_err *err);

/**
 * kern_apply() - new tables for networks
 * @tables: each is owned, whatever the outcome
 *
 * Every network is tried. Return: 0, or the first failure: something is dirty now.
 */
int kern_apply(struct kern *k, struct table **tables, size_t n, struct sw_err *err);
int kern_remove(struct kern *k, uint64_t key, struct sw_err *err);
/** kern_repair() - build everything dirty anew. Return: 0 or the first failure. */
int kern_repair(struct kern *k, struct sw_err *err);
/** kern_hold() - leave the node's rules as the last swarmd left them until kern_release(): building
 * them anew without all adopted containers would unpublish the ports of the missing. */
void kern_hold(struct kern *k);
int kern_release(struct kern *k, struct sw_err *err);
struct kern_net *kern_net_find(const struct kern *k, uint64_t key);

/** kern_firewall() - rules in iptables' FORWARD chain, where the host uses it: see firewall.c.
 * Others rewrite that chain as they like: to be repeated. */
void kern_firewall(struct kern *k, bool add);

/** kern_sweep() - remove links of ours that nothing known accounts for: what is left of containers
 * that died, and of networks when @networks. Return: 0 or negative. */
int kern_sweep(struct kern *k, bool networks, struct sw_err *err);

/* A container as wanted. Everything borrowed for the call, but @ns. */
struct kern_spec {
    const struct net_attach *a;
    int ns;     /* owned, whatever the outcome */
    bool adopt; /* it may have some or all already */
};
/** kern_attach() - see net_attach(). Return: 0; SW_E_NOT_FOUND: a network is not known; others. */
int kern_attach(struct kern *k, struct kern_spec *s, struct kern_cont **out, struct sw_err *err);
/** kern_detach() - many at once cost hardly more than one; unknown ids are fine. */
void kern_detach(struct kern *k, const char *const *ids, size_t n);
struct kern_cont *kern_cont_find(const struct kern *k, const char *id);

/** kern_resolver() - new sockets for a container's resolver and the rules that lead there.
 * @fds: returned: UDP, TCP, and one for its own nameservers. Return: 0 or negative. */
int kern_resolver(struct kern *k, const char *id, int fds[3], struct sw_err *err);

/** kern_taps() - @n queues of an encrypted network's TAP. Return: 0; SW_E_NOT_FOUND; negative. */
int kern_taps(struct kern *k, uint64_t key, size_t n, int *fds, struct sw_err *err);

/** kern_counters() - of a container's interfaces. Return: how many. */
size_t kern_counters(struct kern *k, const char *id, struct net_counters *out, size_t max);

/** kern_purge() - remove everything. Return: 0 or the first failure; all is tried. */
int kern_purge(struct kern *k, bool egress_too, struct sw_err *err);

#endif
