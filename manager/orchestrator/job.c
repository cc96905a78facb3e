/* SPDX-License-Identifier: Apache-2.0
 * job.c - tasks that run to completion: SEMANTICS 10.
 *
 * A slot of a job is done when a task of the current iteration completed in it. Tasks of earlier
 * iterations are removed. Failed ones are restarted like others, as if the condition were
 * on-failure at most. */
#include "common/base/macro.h"
#include "manager/orchestrator/step.h"

static uint64_t iteration_of(const struct svc *s)
{
    return s->msg->job_status != NULL ? s->msg->job_status->iteration : 0;
}

static bool stands(const struct slot_eval *v, struct entry *e)
{
    if (!status_wanted(e->t))
        return false;
    if (!status_ended(e->t) && !slot_node_lost(v->x, e->t))
        return true;
    if (e->t->desired == SWARM__V1__TASK_STATE__TASK_READY &&
        (int64_t)e->t->start_after_ns > v->x->now_ns) {
        cache_wake_slot(v->x->o, v->slot, (int64_t)e->t->start_after_ns);
        return true;
    }
    e->fell = true;
    slot_desire(v->x, e, SWARM__V1__TASK_STATE__TASK_SHUTDOWN);
    return false;
}

static void evaluate(struct slot_eval *v, bool may_create, bool fresh)
{
    uint64_t iteration = iteration_of(v->svc);
    struct task_plan plan = { .node = v->slot->id, .desired = slot_running(v->svc) };
    struct entry *newest = NULL;
    struct entry *live = NULL;
    bool done = false;

    for (uint32_t i = 0; i < v->n; i++) {
        struct entry *e = &v->e[i];

        if (e->t->job_iteration != iteration) {
            slot_desire(v->x, e, SWARM__V1__TASK_STATE__TASK_REMOVE);
            continue;
        }
        if (e->t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE)
            continue;
        newest = e;
        if (status_state(e->t) == SWARM__V1__TASK_STATE__TASK_COMPLETE) {
            done = true;
        } else if (stands(v, e)) {
            if (live != NULL)
                slot_desire(v->x, live, SWARM__V1__TASK_STATE__TASK_SHUTDOWN);
            live = e;
        }
    }
    if (done) {
        v->slot->class = SLOT_DONE;
        if (live != NULL)
            slot_desire(v->x, live, SWARM__V1__TASK_STATE__TASK_SHUTDOWN);
        return;
    }
    if (live != NULL && !status_ended(live->t))
        promote(v, live);
    if (live == NULL && newest != NULL && may_create) {
        restart_or_end(v, newest);
    } else if (newest == NULL && may_create && fresh) {
        task_create(v->x, v->svc, &plan);
        v->created = true;
    }
    if (live != NULL || v->created)
        v->slot->class = SLOT_LIVE;
    else
        v->slot->class = newest != NULL ? SLOT_ENDED : SLOT_VACANT;
}

void job_evaluate(struct slot_eval *v)
{
    enum fitness fit = FIT_YES;

    if (v->svc->mode == SVC_GLOBAL_JOB) {
        fit = global_fitness(v->x, v->svc, v->slot->id);
        for (uint32_t i = 0; i < v->n && fit == FIT_NODE_GONE; i++)
            slot_desire(v->x, &v->e[i], SWARM__V1__TASK_STATE__TASK_REMOVE);
    }
    evaluate(v, fit == FIT_YES, v->svc->mode == SVC_GLOBAL_JOB);
}

void job_step(struct orch_step *x, struct svc *s)
{
    const Swarm__V1__ServiceSpec *spec = s->msg->spec;
    uint64_t total = 1;
    uint64_t at_once;
    uint64_t running = s->n_class[SLOT_LIVE];
    uint64_t used = running + s->n_class[SLOT_DONE] + s->n_class[SLOT_ENDED];
    uint64_t n;

    if (s->mode != SVC_JOB || spec == NULL ||
        spec->mode_case != SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB)
        return;
    if (spec->replicated_job->total_completions != 0)
        total = spec->replicated_job->total_completions;
    at_once = spec->replicated_job->max_concurrent;
    if (at_once == 0)
        at_once = total;
    if (running >= at_once || used >= total)
        return;
    n = SW_MIN(at_once - running, total - used);
    for (uint64_t number = scale_lowest_free(s); number < total && n > 0; number++) {
        const struct slot *slot = cache_slot(s, number);
        struct task_plan plan = { .slot = number, .desired = slot_running(s) };

        if (slot != NULL && slot->class != SLOT_VACANT)
            continue;
        if (x->budget == 0) {
            cache_dirty_svc(x->o, s);
            return;
        }
        x->budget--;
        task_create(x, s, &plan);
        txn_mark(x->txn);
        n--;
    }
}
