/* SPDX-License-Identifier: Apache-2.0
 * restart.c - the restart supervisor: SEMANTICS 11.
 *
 * How many restarts a slot has had is read from its tasks: those of the same specification that
 * replace another and were not made by an update. The reaper keeps enough of them. */
#include "manager/orchestrator/step.h"

static const Swarm__V1__RestartPolicy *policy_of(const struct entry *e)
{
    static const Swarm__V1__RestartPolicy defaults = SWARM__V1__RESTART_POLICY__INIT;
    const Swarm__V1__TaskSpec *spec = view_task_spec(e->vt, NULL);

    return spec != NULL && spec->restart != NULL ? spec->restart : &defaults;
}

static uint64_t ended_at(const Swarm__V1__Task *t)
{
    if (t->status == NULL)
        return 0;
    return t->status->applied_ns != 0 ? t->status->applied_ns : t->status->timestamp_ns;
}

static uint64_t restarts_so_far(const struct slot_eval *v, const struct entry *last,
                                int64_t window_ns)
{
    uint64_t until = ended_at(last->t);
    uint64_t n = 0;

    for (uint32_t i = 0; i < v->n; i++) {
        const Swarm__V1__Task *t = v->e[i].t;

        if (t->spec_version != last->t->spec_version || t->replaces == 0 || t->by_update ||
            t->job_iteration != last->t->job_iteration)
            continue;
        if (window_ns > 0 &&
            (t->meta->created_ns > until || t->meta->created_ns + (uint64_t)window_ns <= until))
            continue;
        n++;
    }
    return n;
}

bool restart_is_allowed(const struct slot_eval *v, const struct entry *newest)
{
    const Swarm__V1__RestartPolicy *p = policy_of(newest);
    bool job = v->svc->mode == SVC_JOB || v->svc->mode == SVC_GLOBAL_JOB;
    bool completed = status_state(newest->t) == SWARM__V1__TASK_STATE__TASK_COMPLETE;

    if (p->condition == SWARM__V1__RESTART_POLICY__CONDITION__NONE)
        return false;
    if (completed && (job || p->condition == SWARM__V1__RESTART_POLICY__CONDITION__ON_FAILURE))
        return false;
    return p->max_attempts == 0 || restarts_so_far(v, newest, p->window_ns) < p->max_attempts;
}

/* A task that ended by itself, not because it was told to or lost its node. */
static bool ended_by_itself(const Swarm__V1__Task *t)
{
    Swarm__V1__TaskState s = status_state(t);

    return s == SWARM__V1__TASK_STATE__TASK_COMPLETE || s == SWARM__V1__TASK_STATE__TASK_FAILED ||
           s == SWARM__V1__TASK_STATE__TASK_REJECTED;
}

/* The delay keeps a failing task from being restarted in a tight loop; a lost node is not the
 * task's fault and costs no delay. */
static int64_t delay_of(const struct slot_eval *v, const struct entry *e)
{
    const Swarm__V1__RestartPolicy *p = policy_of(e);

    if (!ended_by_itself(e->t) || slot_node_lost(v->x, e->t))
        return 0;
    return p->delay_ns != NULL ? p->delay_ns->value : ORCH_RESTART_DELAY_NS;
}

void restart_or_end(struct slot_eval *v, const struct entry *newest)
{
    bool global = v->svc->mode == SVC_GLOBAL || v->svc->mode == SVC_GLOBAL_JOB;
    bool over = slot_is_over(v->x, newest->t);
    int64_t delay = delay_of(v, newest);
    /* A global task that was stopped because its node was unfit comes back with the node, once it
     * has stopped; that is no restart and counts for no limit. */
    bool returning = global && !newest->fell && !ended_by_itself(newest->t);
    struct task_plan plan = {
        .slot = global ? 0 : v->slot->id,
        .node = global ? v->slot->id : 0,
        .replaces = returning ? 0 : newest->vt->o->key,
        .start_after_ns = delay > 0 ? v->x->now_ns + delay : 0,
        .desired = delay > 0 || !over ? SWARM__V1__TASK_STATE__TASK_READY : slot_running(v->svc),
    };

    if (returning ? !over : !restart_is_allowed(v, newest))
        return;
    task_create(v->x, v->svc, &plan);
    v->created = true;
}
