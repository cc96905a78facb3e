/* SPDX-License-Identifier: Apache-2.0
 * scheduler.h - on which node a pending task goes.
 *
 * How it works. A table of nodes (struct of arrays: free CPU and memory, number of active tasks)
 * and the list of unplaced tasks are kept up to date by scheduler_note(). A step groups unplaced
 * tasks by (service, specification version), runs the filters once for each group over all nodes,
 * builds a heap of those that pass, and pops one node for each task: fewest tasks of this service,
 * then fewest tasks, then most free resources, then the older node. Global tasks come with their
 * node and are only checked.
 *
 * A task that fits nowhere stays PENDING with the reason in its status, and is tried again when a
 * node or a resource changes.
 *
 * Pure: time comes with the call, changes go into the collection. One thread.
 * Source: SEMANTICS 13; SwarmKit manager/scheduler. */
#ifndef SWARM_MANAGER_SCHEDULER_SCHEDULER_H
#define SWARM_MANAGER_SCHEDULER_SCHEDULER_H

#include <stdint.h>

#include "manager/view/txn.h"
#include "manager/view/view.h"

struct scheduler; /* opaque */

#define SCHED_MAX_FAILURES      5 /* as many in the window below put a node last */
#define SCHED_FAILURE_WINDOW_NS (300 * 1000000000ll)
#define SCHED_TASKS_PER_STEP    4000              /* keeps a step below some ten milliseconds */
#define SCHED_RETRY_NS          (100 * 1000000ll) /* between two tries of what fitted nowhere */

struct scheduler *scheduler_new(void); /* NULL: memory is gone */
void scheduler_free(struct scheduler *s);
/** scheduler_note(), scheduler_reset(), scheduler_retry(): as in orchestrator.h. */
void scheduler_note(struct scheduler *s, const struct view_change *c);
void scheduler_reset(struct scheduler *s, const struct view *v);
void scheduler_retry(struct scheduler *s, const struct view *v,
                     const Swarm__V1__Transaction *failed);
/** scheduler_step() - place what is pending; also tasks that the allocator made PENDING in the same
 * @txn. As the allocator's only when the round before is decided. Return: as in orchestrator.h. */
int64_t scheduler_step(struct scheduler *s, const struct view *v, int64_t now_ns, struct txn *txn);

#endif
