/* SPDX-License-Identifier: Apache-2.0
 * session.h - one node as the dispatcher knows it (private to the folder).
 *
 *   ABSENT --stream opened--> OPENING --registered--> UP --stream gone--> ABSENT
 *      \--------------------- lease ran out, in any state -------------> the node is DOWN
 *
 * The lease is touched by every message of the node; it outlives the stream, so that a restarted
 * node agent costs nothing. */
#ifndef SWARM_MANAGER_DISPATCHER_SESSION_H
#define SWARM_MANAGER_DISPATCHER_SESSION_H

#include <uv.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "manager/dispatcher/dispatcher.h"
#include "manager/dispatcher/status.h"

struct session {
    struct sw_list link; /* dispatcher.sessions */
    struct dispatcher *d;
    uint64_t node;
    struct sw_rpc_stream *stream; /* NULL: absent */
    bool up;                      /* registered: pushes go out */
    bool writing;                 /* a transaction about this node is under way */
    int64_t deadline_ns;          /* monotonic; 0: no lease, the node is down */
    uint64_t sequence;
    /* What has to go out with the next push. */
    bool all; /* complete assignments and every table */
    bool info;
    bool keys;
    struct sw_map tasks;                /* key -> (void *)1 */
    struct sw_map networks;             /* key -> (void *)1 */
    struct sw_map known;                /* networks whose table the node has */
    bool greeted;                       /* the first message of this stream was read */
    Swarm__V1__SessionRequest *request; /* to be written to the store */
    Swarm__V1__SessionRequest *sent;    /* being written */
};

struct dispatcher {
    struct uv_loop_s *loop;
    struct view *view;
    struct proposer *proposer;
    struct dispatcher_options o;
    struct view_observer observer;
    struct status_queue *statuses;
    struct sw_list sessions;
    struct sw_map by_node;
    uv_timer_t push; /* changes that come together go out together */
    uv_timer_t leases;
    bool leading;
    bool push_armed;
    unsigned open_handles;
    bool freed;
};

struct session *session_get(struct dispatcher *d, uint64_t node); /* made when absent; or NULL */
void session_free(struct session *s);
void session_touch(struct session *s); /* the node lives: renew its lease */
/* session_push() - send what is marked. */
void session_push(struct session *s);
/* session_mark_*() - remember for the next push and arm it. */
void session_mark_task(struct session *s, uint64_t task);
void session_mark_network(struct session *s, uint64_t network);
void dispatcher_arm_push(struct dispatcher *d);
/* session_close() - end the stream with an error, keep the lease. */
void session_close(struct session *s, const struct sw_err *err);

/* register.c: what a session writes about its node. */
void register_node(struct session *s); /* READY, address, description, keys */
void register_down(struct session *s); /* the lease ran out */
int64_t register_heartbeat_ms(const struct dispatcher *d);

#endif
