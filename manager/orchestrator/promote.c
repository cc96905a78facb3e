/* SPDX-License-Identifier: Apache-2.0
 * promote.c - from desired READY to RUNNING: SEMANTICS 11.6. */
#include "manager/orchestrator/step.h"

static bool predecessor_is_over(const struct orch_step *x, const Swarm__V1__Task *t)
{
    const struct view_task *old = t->replaces != 0 ? view_task(x->view, t->replaces) : NULL;

    return old == NULL || slot_is_over(x, old->t);
}

void promote(struct slot_eval *v, struct entry *e)
{
    int64_t start = (int64_t)e->t->start_after_ns;
    int64_t limit = (int64_t)e->t->meta->created_ns + ORCH_OLD_TASK_LIMIT_NS;

    if (e->t->desired != SWARM__V1__TASK_STATE__TASK_READY)
        return;
    if (start > v->x->now_ns) {
        cache_wake_slot(v->x->o, v->slot, start);
        return;
    }
    if (v->x->now_ns < limit && !predecessor_is_over(v->x, e->t)) {
        cache_wake_slot(v->x->o, v->slot, limit);
        return;
    }
    slot_desire(v->x, e, slot_running(v->svc));
}
