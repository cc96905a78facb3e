/* SPDX-License-Identifier: Apache-2.0
 * status.h - what nodes report of their tasks, on its way into the store.
 *
 * Only the newest status of a task is kept; at most one batch is under way, so batches grow with
 * the load by themselves. A status that goes backward, or says nothing new, is dropped. */
#ifndef SWARM_MANAGER_DISPATCHER_STATUS_H
#define SWARM_MANAGER_DISPATCHER_STATUS_H

#include "manager/leader/proposer.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct uv_loop_s;
struct status_queue; /* opaque */

struct status_queue *status_queue_new(struct uv_loop_s *loop, struct view *view,
                                      struct proposer *proposer);
void status_queue_free(struct status_queue *q); /* asynchronous as every uv handle */
/** status_queue_add() - @node reported @r (borrowed). Of a task of another node: dropped. */
void status_queue_add(struct status_queue *q, uint64_t node, const Swarm__V1__TaskStatusReport *r);
/** status_queue_clear() - leadership is gone: nodes will report again to the next leader. */
void status_queue_clear(struct status_queue *q);

#endif
