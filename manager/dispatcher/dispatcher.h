/* SPDX-License-Identifier: Apache-2.0
 * dispatcher.h - the leader's sessions with every node.
 *
 * A follower's dispatcher refuses sessions, telling the node who leads. One loop thread. */
#ifndef SWARM_MANAGER_DISPATCHER_DISPATCHER_H
#define SWARM_MANAGER_DISPATCHER_DISPATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/rpc/rpc.h"
#include "manager/leader/proposer.h"
#include "manager/view/view.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct dispatcher; /* opaque */

struct dispatcher_options {
    struct uv_loop_s *loop;    /* borrowed */
    struct view *view;         /* borrowed */
    struct proposer *proposer; /* borrowed */
    /** managers() - append the managers as known now to @info->managers, the leader marked.
     * Return: 0, -ENOMEM. */
    int (*managers)(void *arg, Swarm__V1__SessionInfo *info);
    void *arg;
};

int dispatcher_new(struct dispatcher **out, const struct dispatcher_options *o, struct sw_err *err);
/** dispatcher_free() - closes sessions; memory goes when the loop has run the close callbacks. */
void dispatcher_free(struct dispatcher *d);

/** dispatcher_start() - this manager leads: every node that is not down gets a grace to return. */
void dispatcher_start(struct dispatcher *d);
/** dispatcher_stop() - it does not any more: nodes are told to look for the next leader. */
void dispatcher_stop(struct dispatcher *d);
/** dispatcher_managers_changed() - tell every node the new list. */
void dispatcher_managers_changed(struct dispatcher *d);

/** dispatcher_on_session() - on_open of METHOD_SESSION; @arg is the dispatcher. */
void dispatcher_on_session(struct sw_rpc_stream *s, void *arg);

/** dispatcher_conn() - the connection of a node's session, to open streams to it; NULL: none. */
struct sw_rpc_conn *dispatcher_conn(struct dispatcher *d, uint64_t node);

#endif
