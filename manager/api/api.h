/* SPDX-License-Identifier: Apache-2.0
 * api.h - the manager's endpoints of the Engine API, as routes for a router.
 *
 * The same routes serve the manager's Unix socket and requests that followers hand over. Whoever
 * runs the router sees to it that only the leader's handlers run: the others forward (forward.h).
 * One loop thread. */
#ifndef SWARM_MANAGER_API_API_H
#define SWARM_MANAGER_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "common/http/http.h"
#include "common/rpc/rpc.h"
#include "manager/control/control.h"
#include "manager/view/view.h"

struct api; /* opaque */

struct api_options {
    struct uv_loop_s *loop;  /* borrowed */
    struct control *control; /* borrowed; its view is read */
    bool (*is_leader)(void *arg);
    /** has_leader() - does anybody lead, as far as is known here? */
    bool (*has_leader)(void *arg);
    /** forward() - pass the whole request to the leader and finish it. */
    void (*forward)(void *arg, struct http_request *req);
    /** reachable() - is this Raft member in touch with the leader? */
    bool (*reachable)(void *arg, uint64_t raft_id);
    uint64_t (*leader)(void *arg);   /* raft id, 0: unknown */
    struct sw_id (*self)(void *arg); /* this node */
    /** node_conn() - the connection of a node's session, NULL: it has none now. */
    struct sw_rpc_conn *(*node_conn)(void *arg, uint64_t node);
    void *arg;
};

int api_new(struct api **out, const struct api_options *o, struct sw_err *err);
void api_free(struct api *a);
/** api_add_routes() - @router keeps pointers into @a. */
int api_add_routes(struct api *a, struct http_router *router, struct sw_err *err);

#endif
