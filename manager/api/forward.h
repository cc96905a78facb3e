/* SPDX-License-Identifier: Apache-2.0
 * forward.h - requests of the Engine API that a follower hands to the leader.
 *
 * One stream a request (METHOD_API): ApiRequest up; ApiResponse down, then, if it says so, raw
 * pieces of the body until the stream ends. */
#ifndef SWARM_MANAGER_API_FORWARD_H
#define SWARM_MANAGER_API_FORWARD_H

#include "common/http/http.h"
#include "common/rpc/rpc.h"

/** forward_request() - follower: pass @req on over @conn and finish it. */
void forward_request(struct sw_rpc_conn *conn, struct http_request *req);
/** forward_on_open() - leader: on_open of METHOD_API; @arg is the struct http_router. */
void forward_on_open(struct sw_rpc_stream *s, void *arg);

#endif
