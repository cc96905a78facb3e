/* SPDX-License-Identifier: Apache-2.0
 * net.h - this node's network configuration: overlays, VIPs, routing mesh, egress, DNS sockets.
 *
 * Desired state in (one table per network from the manager, one record per container from the
 * agent), kernel state out (netlink, nftables, swarm-netd). Every call may be repeated: the kernel
 * is compared first and only what differs is changed. Nothing here needs to be undone when swarmd
 * stops: traffic goes on, and the next swarmd finds its work by net_readopt().
 *
 * All places are relative to the network namespace swarmd runs in ("the node's namespace"), so that
 * several nodes can live on one machine, each in a namespace and with a state directory of its own.
 *
 *   node's namespace                        overlay namespace           container
 *   swarm0 (gateway, NAT), a routed veth for each container ----------- ethN (default route)
 *   swgw (ingress leg, node's address) ---- swB<net> bridge -- veth --- eth0.. (one per network)
 *   UDP sockets of swarm-netd, vxlan        swT<net> TAP or swX<net> vxlan
 *
 * Thread: every function and callback runs on the loop's thread. Kernel work is done by one job at
 * a time on libuv's pool, in the order of the calls. */
#ifndef SWARM_AGENT_NET_NET_H
#define SWARM_AGENT_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/id.h"
#include "swarm/v1/network.pb-c.h"

struct uv_loop_s;
struct net; /* opaque, defined in net_priv.h */

#define NET_DATA_PORT     4789 /* default; kernel VXLAN of unencrypted networks uses the next */
#define NET_IFACE_MAX     32   /* interfaces of one container */
#define NET_IFNAME_MAX    16
#define NET_BRIDGE_NAME   "swarm0"
#define NET_RESOLVER_ADDR "127.0.0.11"
#define NET_TABLE_WAIT_MS 10000 /* how long net_attach() waits for a network's first table */

/* One public half made by swarm-netd: sign it with the node key (netd_key_message() of
 * agent/netd/netd_client.h) and hand it to the managers as NodeDataKey. */
struct net_data_key {
    uint64_t epoch;
    uint8_t start_key[32];
    uint32_t suites;
};

struct net_callbacks {
    void *arg;
    /** New start keys, all that are valid now; also after every restart of swarm-netd. @keys is
     * borrowed for the call. May be NULL. */
    void (*on_data_keys)(void *arg, const struct net_data_key *keys, size_t n);
    /** Receive state of @epoch is in place (DataKeyUpdate.installed_epoch). May be NULL. */
    void (*on_epoch_installed)(void *arg, uint64_t epoch);
};

struct net_options {
    const char *state_dir;  /* copied; e.g. /var/lib/swarm: netns/overlay and net/ are made in it */
    const char *run_dir;    /* copied; e.g. /run/swarm: the control socket netd.sock */
    const char *netd_path;  /* copied; program to start; NULL: encrypted networks and DNS are off */
    uint32_t bridge_subnet; /* 0: 172.18.0.0, or the next free of 172.19 .. 172.31 if it is taken */
    uint8_t bridge_len;     /* prefix length, 8 .. 28; 0: 16 */
    const char *bridge_name; /* copied; NULL: swarm0 */
};

/* Who this node is in its cluster. Known only after it joined. */
struct net_identity {
    uint64_t node_key;
    struct sw_id node_id;
    const char *data_addr; /* copied; underlay address of this node, IPv4 or IPv6 text */
    uint16_t data_port;    /* 0: NET_DATA_PORT */
};

/**
 * net_probe() - does this kernel have what is needed?
 * @err: names every missing feature and what it is needed for
 *
 * Tries nftables (nat, numgen, fib, reject), veth, bridge, vxlan and tun in a throw-away namespace.
 * Blocks for some milliseconds: call once at start, before the loop runs.
 *
 * Return: 0; SW_E_UNSUPPORTED; -EPERM when not root. syscalls: unshare, setns.
 */
int net_probe(struct sw_err *err);

/**
 * net_new() - take charge of this node's network
 * @out:  returned, set on success only; release with net_free()
 * @loop: borrowed, must outlive the net
 * @o:    borrowed for the call
 * @cb:   copied
 * @err:  filled on failure
 *
 * Makes (or finds again) the overlay namespace, the egress bridge and table "swarm" of nftables,
 * turns IPv4 forwarding on, reads the tables that the last swarmd knew, and begins to connect to
 * swarm-netd, starting it when nobody answers. Blocks for some milliseconds.
 *
 * Return: 0; SW_E_INVALID; SW_E_UNSUPPORTED when a kernel feature is missing; -errno.
 */
int net_new(struct net **out, struct uv_loop_s *loop, const struct net_options *o,
            const struct net_callbacks *cb, struct sw_err *err);

/**
 * net_free() - stop managing, leave everything running
 * @done: called once on the loop when the last handle has closed; @net is then gone. May be NULL.
 *
 * Callbacks of attaches still under way fire before with SW_E_CANCELED.
 */
void net_free(struct net *net, void (*done)(void *arg), void *arg);

/**
 * net_purge() - the node leaves its swarm: remove everything of ours from the kernel
 * @done: called once on the loop; @err->code is 0 or the first failure
 *
 * Networks, ingress, TAPs, the overlay namespace, saved tables; swarm-netd ends. Containers that
 * are still attached lose their overlay interfaces; with @egress_too also the bridge, its rules and
 * egress interfaces, and no new swarm-netd is started before it is needed. The net stays usable:
 * net_set_identity() begins anew.
 */
void net_purge(struct net *net, bool egress_too, void (*done)(void *arg, const struct sw_err *err),
               void *arg);

/**
 * net_set_identity() - the node joined (or starts as a member)
 *
 * Until then tables are kept and not yet put into the kernel. A changed address or port makes the
 * underlay side of every network anew.
 *
 * Return: 0; SW_E_INVALID when the address does not parse; -ENOMEM.
 */
int net_set_identity(struct net *net, const struct net_identity *id, struct sw_err *err);

/** net_data_workers() - sender workers of swarm-netd, for NodeDescription.data_workers; 0 until it
 * has answered for the first time. */
uint32_t net_data_workers(const struct net *net);

/* ------------------------------------------------------------------------- state from managers */

/**
 * net_apply_network() - everything there is to know of one network; replaces what was known
 * @t: borrowed for the call
 *
 * Takes effect within some 20 ms: changes that arrive together go to the kernel together. A table
 * that does not check out leaves the former one in force. An older version than the known one is
 * ignored.
 *
 * Return: 0; SW_E_INVALID (nonsense subnet, VNI or address); -ENOMEM.
 */
int net_apply_network(struct net *net, const Swarm__V1__NetworkTable *t, struct sw_err *err);

/** net_remove_network() - the node takes part no more. Containers still attached keep their
 * interfaces until they are detached; the bridge goes with the last of them. */
void net_remove_network(struct net *net, uint64_t key);

/** net_retain_networks() - the managers' complete list: forget every network not in it. */
void net_retain_networks(struct net *net, const uint64_t *keys, size_t n);

/** net_apply_keys() - peers and epochs of the data plane; replaces what was known. @k is borrowed.
 * Return: 0; SW_E_INVALID; -ENOMEM. */
int net_apply_keys(struct net *net, const Swarm__V1__DataPlaneKeys *k, struct sw_err *err);

/* ---------------------------------------------------------------------------------- containers */

enum net_egress {
    NET_EGRESS_AUTO,  /* yes, unless it has networks and all of them are internal */
    NET_EGRESS_NEVER, /* not even host-mode ports */
    NET_EGRESS_ALWAYS,
};

enum net_proto { NET_TCP = 6, NET_UDP = 17, NET_SCTP = 132 };

/* A host-mode port: published on this node only. */
struct net_port {
    enum net_proto proto;
    uint16_t target;
    uint16_t published; /* 0: a free one of 32768 .. 60999 is chosen */
    uint32_t host_addr; /* 0: every address of the node */
};

struct net_attachment {
    uint64_t network;
    uint32_t addr; /* 10.0.1.5 = 0x0a000105 */
    const char *const *aliases;
    size_t n_aliases;
};

struct net_dns {
    const char *const *servers; /* none: those of the node's /etc/resolv.conf */
    size_t n_servers;
    const char *const *search;
    size_t n_search;
    const char *const *options;
    size_t n_options;
};

struct net_attach {
    const char *container_id;   /* any text, unique; the key of net_detach() */
    const char *container_name; /* web.1.<task id> */
    const char *hostname;       /* NULL: the first 12 characters of the id */
    int netns_fd;               /* the container's namespace; < 0: that of @pid */
    int pid;
    uint64_t task; /* 0: a stand-alone container */
    const struct net_attachment *attachments;
    size_t n_attachments;
    enum net_egress egress;
    const struct net_port *ports;
    size_t n_ports;
    struct net_dns dns;
    const char *const *hosts; /* further lines "addr name" of /etc/hosts */
    size_t n_hosts;
};

/* One interface as it was made. */
struct net_iface {
    char name[NET_IFNAME_MAX]; /* eth0 */
    uint64_t network;          /* 0: egress */
    uint32_t addr;
    uint8_t prefix_len;
    uint8_t mac[6];
    uint32_t gateway; /* 0: none */
    uint32_t mtu;
};

/* What the container needs to know of its network. Lives until net_detach(). */
struct net_result {
    struct net_iface ifaces[NET_IFACE_MAX];
    size_t n_ifaces;
    struct net_port *ports; /* as asked for, published filled in */
    size_t n_ports;
    char *resolv_conf; /* content for /etc/resolv.conf */
    char *hosts;       /* content for /etc/hosts */
};

/**
 * net_attach_cb - the end of one attach
 * @r:   borrowed until net_detach(); NULL on failure
 * @err: code 0 on success; SW_E_NOT_FOUND when no table of a network arrived in time; SW_E_CONFLICT
 *       when a published port is taken; SW_E_EXHAUSTED when the bridge has no address left;
 *       SW_E_CANCELED after net_detach() or net_free()
 */
typedef void (*net_attach_cb)(void *arg, const struct net_result *r, const struct sw_err *err);

/**
 * net_attach() - give a container its interfaces, addresses, routes, resolver and VIP rules
 * @a:  borrowed for the call; @a->netns_fd is duplicated
 * @cb: exactly once, on the loop, never inside this call
 *
 * On failure nothing of the container is left in the kernel. syscalls: setns.
 *
 * Return: 0; SW_E_INVALID; SW_E_CONFLICT when the id is attached already; -ENOMEM; -errno when the
 * namespace cannot be opened. @cb does not fire unless 0 was returned.
 */
int net_attach(struct net *net, const struct net_attach *a, net_attach_cb cb, void *arg,
               struct sw_err *err);

/**
 * net_detach() - take everything of a container away; unknown ids are fine
 * @done: called once on the loop, even when there was nothing to do; may be NULL
 */
void net_detach(struct net *net, const char *container_id, void (*done)(void *arg), void *arg);

/**
 * net_readopt() - after a restart of swarmd: these containers live, everything else is rubbish
 * @list: borrowed for the call; as given to net_attach(), with published ports filled in from
 *        struct net_result (the caller keeps them)
 * @each: once for every container, in any order, as of net_attach(): ends in error when it cannot
 * be made whole; it is then unknown and its interfaces are removed with the rubbish
 * @done: after the last of them and after the rubbish of dead containers was removed
 *
 * Call once after net_new(), before any net_attach(), with @n == 0 when nothing lives: until then
 * nothing in the kernel is changed. A member calls net_set_identity() first. Connections of living
 * containers are not disturbed.
 *
 * Return: 0; SW_E_INVALID; -ENOMEM: nothing was done.
 */
int net_readopt(struct net *net, const struct net_attach *list, size_t n,
                void (*each)(void *arg, const char *container_id, const struct net_result *r,
                             const struct sw_err *err),
                void (*done)(void *arg), void *arg, struct sw_err *err);

/** net_result_of() - what net_attach() reported, or NULL; valid until net_detach(). */
const struct net_result *net_result_of(const struct net *net, const char *container_id);

/* ---------------------------------------------------------------------------------- statistics */

struct net_stats {
    size_t networks;
    size_t containers;
    bool netd_up;
    uint64_t netd_starts;
    uint64_t netlink_changes;
    uint64_t nft_transactions;
    uint64_t failures; /* jobs that ended in an error, each of them logged */
    char bridge_subnet[20];
};
void net_stats(const struct net *net, struct net_stats *out);

/* Counters of one container's interface, seen from inside the container. */
struct net_counters {
    char name[NET_IFNAME_MAX];
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
    uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};
/** net_counters() - read them; @cb once on the loop, @n == 0 when the container is unknown. */
void net_counters(struct net *net, const char *container_id,
                  void (*cb)(void *arg, const struct net_counters *c, size_t n), void *arg);

#endif
