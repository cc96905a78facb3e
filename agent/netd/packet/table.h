/* SPDX-License-Identifier: Apache-2.0
 * table.h - what the workers look at: an immutable snapshot of networks, peers and keys. Pure.
 *
 * The control thread builds a table and publishes its pointer; workers read it without locks. A
 * network's view is shared by successive tables and counted (by the control thread alone). Whoever
 * frees a table or a path first waits until no worker can still see it (worker.h). */
#ifndef SWARM_AGENT_NETD_PACKET_TABLE_H
#define SWARM_AGENT_NETD_PACKET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/garbage.h"
#include "agent/netd/packet/count.h"
#include "agent/netd/packet/frame.h"
#include "agent/netd/packet/sa.h"

#define VTEP_MAC_PREFIX 0x0242u /* MAC = 02:42 and the four bytes of the address */

struct vtep_endpoint { /* who owns an address of a network */
    uint32_t addr;     /* 0: free slot */
    uint64_t node;
};

/* The owner of every address of one network. */
struct vtep_net {
    uint32_t subnet, mask;
    size_t cap;    /* of the hash table: a power of two */
    unsigned refs; /* private */
    struct vtep_endpoint map[];
};

/**
 * vtep_net_new() - @n_endpoints: how many vtep_net_add() will come, at most.
 * Return: with one reference; NULL when memory is gone.
 */
struct vtep_net *vtep_net_new(uint32_t subnet, uint32_t prefix_len, size_t n_endpoints);
/** vtep_net_add() - the later of two claims to one address counts. */
void vtep_net_add(struct vtep_net *net, uint32_t addr, uint64_t node);
struct vtep_net *vtep_net_ref(struct vtep_net *net);
void vtep_net_unref(struct vtep_net *net); /* NULL is legal */
/** vtep_net_owner() - Return: key of the node that owns @addr, 0 when nobody does. */
uint64_t vtep_net_owner(const struct vtep_net *net, uint32_t addr);

/** vtep_mac_addr() - Return: the address a MAC stands for, 0 when it is none of ours. */
uint32_t vtep_mac_addr(const uint8_t mac[6]);

/**
 * vtep_source_ok() - does this frame come from an endpoint of @node?
 * @f: what vtep_frame_parse() found in @frame
 *
 * The source MAC must be that of an address which @node owns. A source address (IPv4, sender of
 * ARP) inside the network's subnet must belong to @node too; one from outside may be anybody's,
 * because ingress keeps the client's address and containers may route.
 */
bool vtep_source_ok(const struct vtep_net *net, uint64_t node, const uint8_t *frame, size_t n,
                    const struct vtep_frame *f);

struct vtep_peer { /* as the senders see it */
    uint64_t node;
    struct vtep_peer_count *count; /* an array, one per own worker */
    struct vtep_tx_sa *tx;         /* an array, one per own worker; NULL: no key in common */
    uint8_t addr[28];              /* struct sockaddr_in or _in6 */
    uint32_t addr_len;
};

struct vtep_slot {        /* a network of this node */
    struct vtep_net *net; /* NULL: the slot is free */
    uint32_t vni, mtu;
    struct vtep_net_count *count; /* an array, one per own worker */
    const int *taps;              /* descriptors, one per own worker */
};

struct vtep_table {
    struct netd_garbage garbage; /* of the owner */
    uint64_t self;
    size_t n_slots;
    struct vtep_slot *slots;
    size_t n_peers;
    struct vtep_peer *peers; /* ascending by node */
    size_t rx_cap;           /* a power of two */
    struct vtep_rx_sa **rx;  /* hash by index, open addressing; several may share an index */
};

/** vtep_table_new() - everything empty. Return: NULL when memory is gone. */
struct vtep_table *vtep_table_new(size_t n_slots, size_t n_peers, size_t n_rx);
void vtep_table_free(struct vtep_table *t); /* drops its references of networks; NULL is legal */
/** vtep_table_add_rx() - at most as many as vtep_table_new() was told. */
void vtep_table_add_rx(struct vtep_table *t, struct vtep_rx_sa *sa);
const struct vtep_peer *vtep_table_peer(const struct vtep_table *t, uint64_t node);
/** vtep_table_rx() - iterate over the paths with this index: size_t it = 0; until NULL. */
struct vtep_rx_sa *vtep_table_rx(const struct vtep_table *t, uint32_t index, size_t *it);
/** vtep_table_vni() - Return: slot of the network, or -1. */
int vtep_table_vni(const struct vtep_table *t, uint32_t vni);

#endif
