/* SPDX-License-Identifier: Apache-2.0
 * reaper.c - deletes task objects nobody needs: SEMANTICS 15. A node keeps a stopped container until
 * its task object is gone. What never started and is not wanted any more goes at once: it would hold
 * its addresses for nothing. */
#include "common/base/macro.h"
#include "manager/orchestrator/step.h"

static bool never_started(const Swarm__V1__Task *t)
{
    return status_state(t) < SWARM__V1__TASK_STATE__TASK_ASSIGNED;
}

/* Tasks that restart.c and update.c still count. */
static bool is_evidence(const struct slot_eval *v, const Swarm__V1__Task *t)
{
    const Swarm__V1__Service *s = v->msg;

    if (s == NULL)
        return false;
    if (t->by_update && t->spec_version == s->spec_version && update_is_active(v->svc))
        return true;
    return (v->svc->mode == SVC_JOB || v->svc->mode == SVC_GLOBAL_JOB) && s->job_status != NULL &&
           t->job_iteration == s->job_status->iteration &&
           status_state(t) == SWARM__V1__TASK_STATE__TASK_COMPLETE;
}

static int64_t limit_of(const struct slot_eval *v)
{
    int64_t limit = v->x->o->history_limit;
    const Swarm__V1__TaskSpec *spec =
        v->msg != NULL && v->msg->spec != NULL ? v->msg->spec->task : NULL;

    if (limit < 0)
        return INT64_MAX;
    if (spec != NULL && spec->restart != NULL && spec->restart->max_attempts > 0 &&
        spec->restart->max_attempts < INT32_MAX)
        limit = SW_MAX(limit, (int64_t)spec->restart->max_attempts + 1);
    return limit;
}

void reap(struct slot_eval *v)
{
    int64_t limit = limit_of(v);
    int64_t n = v->created;

    for (uint32_t i = 0; i < v->n; i++) {
        const Swarm__V1__Task *t = v->e[i].t;

        if ((never_started(t) && !status_wanted(t)) ||
            (status_ended(t) && t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE))
            txn_delete(v->x->txn, VIEW_TASK, v->e[i].vt->t);
        else if (t->desired < SWARM__V1__TASK_STATE__TASK_REMOVE)
            n++;
    }
    for (uint32_t i = 0; i < v->n && n > limit; i++) {
        const Swarm__V1__Task *t = v->e[i].t;

        if (t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE || status_wanted(t) ||
            !status_ended(t) || is_evidence(v, t))
            continue;
        txn_delete(v->x->txn, VIEW_TASK, v->e[i].vt->t);
        n--;
    }
}
