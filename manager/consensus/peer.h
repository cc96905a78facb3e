/* SPDX-License-Identifier: Apache-2.0
 * peer.h - consensus' transport between managers: connections of common/rpc with purpose raft.
 *
 * How it works: two managers share one connection with one stream for both directions, and a second
 * stream for snapshots, which gives way. Who has the lower member id dials; the other one only when
 * it had no connection for a while, so that a one-sided firewall does no harm. A new connection
 * from a peer replaces the old one: it knows that it lost it. A dialer counts a connection only
 * when the other side has taken it:
 *
 *   DOWN --prepare--> DIALING --on_up--> GREETING --answered--> UP --closed--> DOWN
 *     \------------------- accepted from the other side -------^
 *
 * Who a message is from follows from the certificate of its connection, never from its bytes. */
#ifndef SWARM_MANAGER_CONSENSUS_PEER_H
#define SWARM_MANAGER_CONSENSUS_PEER_H

#include "common/rpc/rpc.h"
#include "manager/consensus/consensus.h"

struct raft_peers; /* opaque */

struct raft_peers_options {
    struct uv_loop_s *loop; /* borrowed */
    uint64_t member;        /* own member id */
    /** identity() - the current one, for each dial; borrowed. */
    struct sw_identity *(*identity)(void *arg);
    /** member_of_node() - the member id of an authenticated manager; 0: none, refuse it. */
    uint64_t (*member_of_node)(void *arg, const struct sw_id *node_id);
    void *arg;
};

/** raft_peers_new() - @out: returned, raft_peers_free(). Return: 0, -ENOMEM. */
int raft_peers_new(struct raft_peers **out, const struct raft_peers_options *o, struct sw_err *err);
/** raft_peers_free() - close all connections; after consensus was closed. NULL is legal. */
void raft_peers_free(struct raft_peers *p);
/** raft_peers_transport() - for consensus_options. */
struct consensus_transport raft_peers_transport(struct raft_peers *p);
/** raft_peers_attach() - where messages go from now on; borrowed until stop() or free. */
void raft_peers_attach(struct raft_peers *p, struct consensus *c);
/** raft_peers_on_open() - for the server's method METHOD_RAFT: purpose raft, managers only. */
void raft_peers_on_open(struct sw_rpc_stream *s, struct raft_peers *p);
/** raft_peers_is_up() - is there a connection with @member? */
bool raft_peers_is_up(const struct raft_peers *p, uint64_t member);

#endif
