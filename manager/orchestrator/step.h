/* SPDX-License-Identifier: Apache-2.0
 * step.h - what the parts of one orchestrator step share. */
#ifndef SWARM_MANAGER_ORCHESTRATOR_STEP_H
#define SWARM_MANAGER_ORCHESTRATOR_STEP_H

#include "manager/orchestrator/cache.h"
#include "manager/view/status.h"

struct orch_step {
    struct orchestrator *o;
    const struct view *view;
    int64_t now_ns;
    struct txn *txn;
    size_t budget; /* tasks that may still be created or changed by scaling in this step */
};

/* A task of the slot under evaluation, with what this round decided about it. */
struct entry {
    const struct view_task *vt;
    const Swarm__V1__Task *t;
    bool clean;    /* its specification is as good as the service's current one */
    bool fell;     /* wanted until now, but it ended or lost its node */
    bool evidence; /* still counted by restart.c or update.c: not reaped */
};

struct slot_eval {
    struct orch_step *x;
    struct svc *svc;
    struct slot *slot;
    const Swarm__V1__Service *msg;
    struct entry *e; /* in order of keys */
    uint32_t n;
    bool created; /* a new task goes into the slot */
};

/* ---- slot.c: one slot, everything that follows from what it holds ---------------------------- */
void slot_evaluate(struct orch_step *x, struct slot *slot);
/** slot_desire() - raise a task's desired state; a lower one is ignored. */
void slot_desire(struct orch_step *x, struct entry *e, Swarm__V1__TaskState desired);
/** slot_entries() - the tasks of a slot. @out: returned, sw_free(). Return: their number. */
uint32_t slot_entries(struct orch_step *x, const struct slot *slot, struct entry **out);
/** slot_node_dead() - DOWN or removed: its tasks will not report; _lost() - or drained. */
bool slot_node_dead(const struct orch_step *x, const Swarm__V1__Task *t);
bool slot_node_lost(const struct orch_step *x, const Swarm__V1__Task *t);
/** slot_is_over() - a successor need not wait for it: ended, never started, or its node is dead. */
bool slot_is_over(const struct orch_step *x, const Swarm__V1__Task *t);
Swarm__V1__TaskState slot_running(const struct svc *s); /* RUNNING, jobs: COMPLETE */

/* ---- create.c -------------------------------------------------------------------------------- */
struct task_plan {
    uint64_t slot, node;
    uint64_t replaces;
    int64_t start_after_ns;
    Swarm__V1__TaskState desired;
    bool by_update;
};
void task_create(struct orch_step *x, const struct svc *s, const struct task_plan *plan);

/* ---- relation.c: older specifications -------------------------------------------------------- */
bool relation_is_clean(const struct orch_step *x, struct svc *s, const struct view_task *vt);
bool relation_same_spec(const Swarm__V1__TaskSpec *a, const Swarm__V1__TaskSpec *b);
void relation_prune_history(struct orch_step *x, struct svc *s);

/* ---- restart.c ------------------------------------------------------------------------------- */
/** restart_or_end() - the newest task of the slot is over: replace it unless the policy forbids. */
void restart_or_end(struct slot_eval *v, const struct entry *newest);
/** restart_is_allowed() - condition, attempts and window, counted from the tasks in the slot. */
bool restart_is_allowed(const struct slot_eval *v, const struct entry *newest);

/* ---- promote.c ------------------------------------------------------------------------------- */
/** promote() - desired READY becomes RUNNING when delay and predecessor are over. */
void promote(struct slot_eval *v, struct entry *e);

/* ---- global.c -------------------------------------------------------------------------------- */
enum fitness { FIT_NO, FIT_PAUSED, FIT_YES, FIT_NODE_GONE };
enum fitness global_fitness(const struct orch_step *x, const struct svc *s, uint64_t node);
void global_add_slots(struct orch_step *x, struct svc *s);
void global_note_node(struct orch_step *x, uint64_t node);

/* ---- update.c -------------------------------------------------------------------------------- */
/** update_measure() - what the slot means for the running update. */
void update_measure(struct slot_eval *v);
void update_step(struct orch_step *x, struct svc *s);
bool update_is_active(const struct svc *s); /* UPDATING or ROLLBACK_STARTED */
bool update_start_first(const struct svc *s);

/* ---- scale.c, job.c, reaper.c, enforcer.c -----------------------------------------------------
 */
/** scale_lowest_free() - the lowest slot number nothing occupies. */
uint64_t scale_lowest_free(struct svc *s);
void scale_step(struct orch_step *x, struct svc *s);
void job_step(struct orch_step *x, struct svc *s);
void job_evaluate(struct slot_eval *v);
void reap(struct slot_eval *v);
/** enforce() - the node changed: do its tasks' reservations still fit? */
void enforce(struct orch_step *x, const struct view_node *vn);
/** enforce_constraints() - Return: false when the task may not stay where it is. */
bool enforce_constraints(struct orch_step *x, struct svc *s, const struct entry *e);
void enforce_reject(struct orch_step *x, struct entry *e);

#endif
