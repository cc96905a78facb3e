/* SPDX-License-Identifier: Apache-2.0
 * roles.h - Raft membership and certificate roles follow what users asked of nodes.
 *
 * How it works (leader only, one change at a time, looked at every second and at every change of a
 * node):
 *   wanted manager, is worker     role = manager at once; the node renews its certificate, starts
 *                                 its manager, which asks to be a Raft member (raft_join)
 *   wanted worker, is a member    leave Raft first: this leader itself hands leadership over, any
 *                                 other is removed; only then
 *   wanted worker, no member      role = worker, and older certificates of the node are withdrawn
 *   member without a node         its node was removed: remove the member too */
#ifndef SWARM_MANAGER_LEADER_ROLES_H
#define SWARM_MANAGER_LEADER_ROLES_H

#include "common/base/err.h"
#include "common/rpc/rpc.h"
#include "manager/leader/proposer.h"
#include "manager/view/view.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct roles; /* opaque */

struct roles_options {
    struct uv_loop_s *loop; /* all borrowed */
    struct view *view;
    struct proposer *proposer;
    /** identity() - this node's, for dialing a joiner. Borrowed. */
    struct sw_identity *(*identity)(void *arg);
    /** managers() - append the managers as known to a list. Return: 0, -ENOMEM. */
    int (*managers)(void *arg, size_t *n, Swarm__V1__ManagerPeer ***out);
    /** data_key() - fill in what opens the log. Return: 0, -ENOMEM. */
    int (*data_key)(void *arg, Swarm__V1__RaftJoinReply *reply);
    void *arg;
};

int roles_new(struct roles **out, const struct roles_options *o, struct sw_err *err);
void roles_free(struct roles *r);
void roles_start(struct roles *r, struct consensus *c); /* this manager leads */
void roles_stop(struct roles *r);

/** roles_on_raft_join() - on_call of METHOD_RAFT_JOIN; @arg is the roles. */
void roles_on_raft_join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);

#endif
