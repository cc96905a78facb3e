/* SPDX-License-Identifier: Apache-2.0
 * reaper.c - deletes task objects nobody needs: SEMANTICS 15. A node keeps a stopped container
 * until its task object is gone. What never started and is not wanted any more goes at once: it
 * would hold its addresses for nothing. */
#include "common/base/macro.h"
#include "manager/orchestrator/step.h"

static bool never_started(const Swarm__V1__Task *t)
{
    return status_state(t) < SWARM__V1__TASK_STATE__TASK_ASSIGNED;
}

static const Swarm__V1__RestartPolicy *policy_of(const struct slot_eval *v)
{
    const Swarm__V1__TaskSpec *spec =
        v->msg != NULL && v->msg->spec != NULL ? v->msg->spec->task : NULL;

    return spec != NULL ? spec->restart : NULL;
}

/* Tasks that restart.c and update.c still count: the newest restarts, those of a running update,
 * the completions of a job. */
static void mark_evidence(struct slot_eval *v)
{
    const Swarm__V1__RestartPolicy *p = policy_of(v);
    uint64_t restarts = p != NULL ? p->max_attempts : 0;
    bool job = v->svc->mode == SVC_JOB || v->svc->mode == SVC_GLOBAL_JOB;
    bool updating = update_is_active(v->svc);

    for (uint32_t i = v->n; v->msg != NULL && i-- > 0;) {
        const Swarm__V1__Task *t = v->e[i].t;

        if (t->spec_version != v->msg->spec_version)
            continue;
        if (t->by_update)
            v->e[i].evidence = updating;
        else if (t->replaces != 0 && restarts > 0 && restarts-- > 0)
            v->e[i].evidence = true;
        if (job && v->msg->job_status != NULL &&
            t->job_iteration == v->msg->job_status->iteration &&
            status_state(t) == SWARM__V1__TASK_STATE__TASK_COMPLETE)
            v->e[i].evidence = true;
    }
}

static int64_t limit_of(const struct slot_eval *v)
{
    int64_t limit = v->x->o->history_limit;
    const Swarm__V1__RestartPolicy *p = policy_of(v);

    if (limit < 0)
        return INT64_MAX;
    if (p != NULL && p->max_attempts > 0 && p->max_attempts < INT32_MAX)
        limit = SW_MAX(limit, (int64_t)p->max_attempts + 1);
    return limit;
}

void reap(struct slot_eval *v)
{
    int64_t limit = limit_of(v);
    int64_t n = v->created;

    mark_evidence(v);
    for (uint32_t i = 0; i < v->n; i++) {
        const Swarm__V1__Task *t = v->e[i].t;

        if ((never_started(t) && !status_wanted(t)) ||
            (status_ended(t) && t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE)) {
            txn_delete(v->x->txn, VIEW_TASK, v->e[i].vt->t);
            v->e[i].t = NULL; /* an edited copy is gone with it */
        } else if (t->desired < SWARM__V1__TASK_STATE__TASK_REMOVE) {
            n++;
        }
    }
    for (uint32_t i = 0; i < v->n && n > limit; i++) {
        const Swarm__V1__Task *t = v->e[i].t;

        if (t == NULL || t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE || status_wanted(t) ||
            !status_ended(t) || v->e[i].evidence)
            continue;
        txn_delete(v->x->txn, VIEW_TASK, v->e[i].vt->t);
        v->e[i].t = NULL;
        n--;
    }
}
