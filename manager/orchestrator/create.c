/* SPDX-License-Identifier: Apache-2.0
 * create.c - a new task object. */
#include "manager/orchestrator/step.h"
#include "proto/pb.h"

void task_create(struct orch_step *x, const struct svc *s, const struct task_plan *plan)
{
    Swarm__V1__Task *t = pb_new(&swarm__v1__task__descriptor);

    if (t == NULL ||
        status_write(t, SWARM__V1__TASK_STATE__TASK_NEW, x->now_ns, "created", "") < 0) {
        pb_free(t);
        x->o->stale = true;
        return;
    }
    t->service = s->key;
    t->slot = plan->slot;
    t->node = plan->node;
    t->spec_version = s->msg->spec_version;
    t->desired = plan->desired;
    t->start_after_ns = (uint64_t)plan->start_after_ns;
    t->replaces = plan->replaces;
    t->by_update = plan->by_update;
    if (s->msg->job_status != NULL)
        t->job_iteration = s->msg->job_status->iteration;
    (void)txn_create(x->txn, VIEW_TASK, t);
}
