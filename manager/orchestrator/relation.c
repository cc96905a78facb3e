/* SPDX-License-Identifier: Apache-2.0
 * relation.c - is a task's older specification as good as the current one? SEMANTICS 12.2. */
#include "common/base/alloc.h"
#include "manager/orchestrator/step.h"
#include "proto/pb.h"

bool relation_same_spec(const Swarm__V1__TaskSpec *a, const Swarm__V1__TaskSpec *b)
{
    static const Swarm__V1__TaskSpec empty = SWARM__V1__TASK_SPEC__INIT;

    return pb_equal(a != NULL ? a : &empty, b != NULL ? b : &empty);
}

static bool same_endpoint(const Swarm__V1__EndpointSpec *a, const Swarm__V1__EndpointSpec *b)
{
    static const Swarm__V1__EndpointSpec empty = SWARM__V1__ENDPOINT_SPEC__INIT;

    return pb_equal(a != NULL ? a : &empty, b != NULL ? b : &empty);
}

static enum relation compare(const Swarm__V1__Service *s, uint64_t version)
{
    for (size_t i = 0; s->spec != NULL && i < s->n_history; i++) {
        const Swarm__V1__ServiceSpecVersion *h = s->history[i];
        Swarm__V1__TaskSpec a = SWARM__V1__TASK_SPEC__INIT;
        Swarm__V1__TaskSpec b = SWARM__V1__TASK_SPEC__INIT;

        if (h->spec_version != version)
            continue;
        if (!same_endpoint(h->endpoint, s->spec->endpoint))
            return RELATION_OUTDATED;
        if (relation_same_spec(h->task, s->spec->task))
            return RELATION_CLEAN;
        if (h->task != NULL)
            a = *h->task;
        if (s->spec->task != NULL)
            b = *s->spec->task;
        a.placement = NULL;
        b.placement = NULL;
        return pb_equal(&a, &b) ? RELATION_PLACEMENT : RELATION_OUTDATED;
    }
    return RELATION_OUTDATED; /* nobody knows what it was made from */
}

bool relation_is_clean(const struct orch_step *x, struct svc *s, const struct view_task *vt)
{
    struct version *v;

    (void)x;
    if (vt->t->spec_version == s->msg->spec_version)
        return true;
    v = cache_version(s, vt->t->spec_version);
    if (v == NULL)
        return false;
    if (v->relation == RELATION_UNKNOWN || v->relation_to != s->msg->spec_version) {
        v->relation = compare(s->msg, v->version);
        v->relation_to = s->msg->spec_version;
    }
    if (v->relation == RELATION_PLACEMENT && !status_wanted(vt->t)) /* nothing left to move */
        return status_state(vt->t) != SWARM__V1__TASK_STATE__TASK_REJECTED;
    if (v->relation == RELATION_PLACEMENT)
        return vt->node != NULL && !s->constraints_bad &&
               constraint_match(&s->constraints, vt->node->n);
    return v->relation == RELATION_CLEAN;
}

/* A few unused entries are let be: each write of a service makes a client's concurrent update fail.
 * They go with the next write, or when they become many. */
void relation_prune_history(struct orch_step *x, struct svc *s)
{
    const Swarm__V1__Service *edited = txn_peek(x->txn, s->key);
    const Swarm__V1__Service *cur = edited != NULL ? edited : s->msg;
    struct view_service *vs = view_service(x->view, s->key);
    Swarm__V1__Service *edit;
    size_t unused = 0;
    size_t n = 0;

    for (size_t i = 0; i < cur->n_history; i++)
        unused += cache_version(s, cur->history[i]->spec_version) == NULL;
    if (vs == NULL || unused == 0 || (edited == NULL && unused < 4))
        return;
    edit = txn_edit_service(x->txn, vs);
    if (edit == NULL)
        return;
    for (size_t i = 0; i < edit->n_history; i++) {
        if (cache_version(s, edit->history[i]->spec_version) != NULL)
            edit->history[n++] = edit->history[i];
        else
            pb_free(edit->history[i]);
    }
    edit->n_history = n;
    txn_mark(x->txn);
}
