/* SPDX-License-Identifier: Apache-2.0
 * orchestrator.h - which tasks should exist, and in which state they should be.
 *
 * How it works. A service's tasks fall into slots: numbers for replicated services and jobs, nodes
 * for global ones. All decisions are taken from what a slot holds now, never from the event that
 * changed it, hence a lost or repeated event does no harm and a new leader decides the same:
 *
 *   slot of a service --what its tasks are--> restart.c   a wanted task ended or lost its node
 *                                             update.c    its tasks are of an older specification
 *                                             scale.c     there are too few or too many slots
 *                                             global.c    a node became fit or unfit for the
 * service job.c       completions are missing reaper.c    there is more history than is kept task
 * with desired READY ----------------> promote.c   delay over and predecessor gone node
 * ----------------------------------> enforcer.c   its tasks no longer fit it
 *
 * The cache of slots (cache.h) is fed by orchestrator_note() and holds keys and numbers only; a
 * step looks at the slots and services marked dirty, never at all tasks.
 *
 * Pure: time and random numbers come with the call, changes go into the collection. One thread. */
#ifndef SWARM_MANAGER_ORCHESTRATOR_ORCHESTRATOR_H
#define SWARM_MANAGER_ORCHESTRATOR_ORCHESTRATOR_H

#include <stdint.h>

#include "manager/view/txn.h"
#include "manager/view/view.h"

struct orchestrator; /* opaque */

/* SEMANTICS 11.1, 11.6, 12.1, 15.1; SwarmKit api/defaults/service.go. */
#define ORCH_RESTART_DELAY_NS  (5 * 1000000000ll)
#define ORCH_MONITOR_NS        (5 * 1000000000ll)
#define ORCH_OLD_TASK_LIMIT_NS (60 * 1000000000ll) /* longest wait for the predecessor's end */
#define ORCH_TASK_HISTORY      5

/** orchestrator_new() - knows nothing until orchestrator_reset(). Return: NULL: memory is gone. */
struct orchestrator *orchestrator_new(void);
void orchestrator_free(struct orchestrator *o);

/** orchestrator_note() - an applied change, from a view observer. Cheap. */
void orchestrator_note(struct orchestrator *o, const struct view_change *c);

/** orchestrator_reset() - leadership was gained or a snapshot restored: take everything from @v at
 * the next step. */
void orchestrator_reset(struct orchestrator *o, const struct view *v);

/** orchestrator_retry() - @failed, taken from a collection of ours, did not apply: whatever it
 * touches is looked at again at the next step. */
void orchestrator_retry(struct orchestrator *o, const struct view *v,
                        const Swarm__V1__Transaction *failed);

/**
 * orchestrator_step() - decide on everything that is dirty
 * @now_ns: the leader's clock, never decreasing between calls
 * @txn:    changes are added, with a mark behind each group that must stay together
 *
 * May be called at any time; without news it changes nothing.
 * Return: when to call again at the latest, ns; 0: not before the next note.
 */
int64_t orchestrator_step(struct orchestrator *o, const struct view *v, int64_t now_ns,
                          struct txn *txn);

#endif
