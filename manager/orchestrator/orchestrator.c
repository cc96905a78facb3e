/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/orchestrator/orchestrator.h"

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/orchestrator/step.h"

struct orchestrator *orchestrator_new(void)
{
    struct orchestrator *o = sw_calloc(1, sizeof(*o));

    if (o == NULL)
        return NULL;
    cache_clear(o);
    o->stale = true;
    return o;
}

void orchestrator_free(struct orchestrator *o)
{
    if (o == NULL)
        return;
    cache_clear(o);
    sw_free(o);
}

void orchestrator_note(struct orchestrator *o, const struct view_change *c)
{
    if (!o->stale)
        cache_note(o, c);
}

void orchestrator_reset(struct orchestrator *o, const struct view *v)
{
    (void)v;
    o->stale = true;
}

static void retry_task(struct orchestrator *o, const Swarm__V1__Task *t)
{
    struct svc *s = cache_svc(o, t->service);
    struct slot *slot = cache_slot_of(o, t);

    if (status_state(t) == SWARM__V1__TASK_STATE__TASK_REJECTED && t->node != 0)
        cache_mark_node(o, (struct node_mark){ t->node, false, true }); /* enforcer.c, perhaps */
    if (slot != NULL)
        cache_dirty_slot(o, slot);
    if (s != NULL)
        cache_dirty_svc(o, s);
}

void orchestrator_retry(struct orchestrator *o, const struct view *v,
                        const Swarm__V1__Transaction *failed)
{
    if (o->stale)
        return;
    for (size_t i = 0; i < failed->n_changes; i++) {
        const Swarm__V1__Change *c = failed->changes[i];

        if (c->action == SWARM__V1__CHANGE__ACTION__DELETE) {
            const struct view_task *vt = view_task(v, c->key);

            if (vt != NULL)
                retry_task(o, vt->t);
        } else if (c->object_case == SWARM__V1__CHANGE__OBJECT_TASK) {
            retry_task(o, c->task);
        } else if (c->object_case == SWARM__V1__CHANGE__OBJECT_SERVICE) {
            struct svc *s = cache_svc(o, c->service->meta->key);

            if (s != NULL)
                cache_dirty_svc(o, s);
        }
    }
}

static void rebuild(struct orchestrator *o, const struct view *v)
{
    static const enum view_kind order[] = { VIEW_CLUSTER, VIEW_NODE, VIEW_SERVICE, VIEW_TASK };

    cache_clear(o);
    for (size_t i = 0; i < SW_ARRAY_LEN(order); i++) {
        sw_list_each(l, view_list(v, order[i]))
        {
            const struct view_object *obj = sw_list_entry(l, struct view_object, link);
            struct view_change c = { order[i], obj->key, NULL, obj->msg };

            cache_note(o, &c);
        }
    }
}

/* Whose slots a change of the node concerns: when it died or came back, all that are wanted there
 * or that a successor waits for; when its labels changed, those that they may no longer fit. */
static bool concerns(const struct orchestrator *o, const struct node_mark *mark,
                     const struct view_task *vt)
{
    const struct svc *s = cache_svc(o, vt->t->service);

    if (mark->health)
        return status_wanted(vt->t) || !status_ended(vt->t);
    return s != NULL && s->msg != NULL && status_wanted(vt->t) &&
           (s->constraints.n > 0 || s->constraints_bad ||
            vt->t->spec_version != s->msg->spec_version);
}

static void look_at_nodes(struct orch_step *x)
{
    struct orchestrator *o = x->o;

    for (size_t i = 0; i < o->n_nodes; i++) {
        const struct view_node *vn = view_node(x->view, o->nodes[i].key);

        global_note_node(x, o->nodes[i].key);
        if (vn == NULL)
            continue;
        sw_list_each(l, &vn->tasks)
        {
            const struct view_task *vt = sw_list_entry(l, struct view_task, of_node);
            struct slot *slot = cache_slot_of(o, vt->t);

            if (slot != NULL && concerns(o, &o->nodes[i], vt))
                cache_dirty_slot(o, slot);
        }
        enforce(x, vn);
    }
    o->n_nodes = 0;
}

static void add_missing_slots(struct orch_step *x)
{
    sw_list_each(l, &x->o->dirty_svcs)
    {
        struct svc *s = sw_list_entry(l, struct svc, dirty);

        if (s->nodes_missing && s->msg != NULL)
            global_add_slots(x, s);
    }
}

static void look_at_slots(struct orch_step *x)
{
    for (size_t n = ORCH_SLOTS_PER_STEP; n > 0 && !sw_list_empty(&x->o->dirty_slots); n--)
        slot_evaluate(x, sw_list_entry(x->o->dirty_slots.next, struct slot, dirty));
}

static void look_at_svc(struct orch_step *x, struct svc *s)
{
    if (s->msg == NULL) {
        if (sw_list_empty(&s->slots))
            cache_drop_svc(x->o, s);
        return;
    }
    if (s->mode == SVC_REPLICATED)
        scale_step(x, s);
    else if (s->mode == SVC_JOB)
        job_step(x, s);
    if (s->mode == SVC_REPLICATED || s->mode == SVC_GLOBAL)
        update_step(x, s);
    relation_prune_history(x, s);
}

/* Only those whose slots have all been looked at: their counters are right. Those made dirty again
 * on the way wait for the next step. */
static void look_at_svcs(struct orch_step *x)
{
    size_t n = 0;

    sw_list_each(l, &x->o->dirty_svcs) n++;
    for (; n > 0; n--) {
        struct svc *s = sw_list_entry(sw_list_pop_front(&x->o->dirty_svcs), struct svc, dirty);

        if (s->n_dirty > 0)
            cache_dirty_svc(x->o, s);
        else
            look_at_svc(x, s);
    }
}

int64_t orchestrator_step(struct orchestrator *o, const struct view *v, int64_t now_ns,
                          struct txn *txn)
{
    struct orch_step x = { o, v, now_ns, txn, ORCH_SLOTS_PER_STEP };
    int64_t wake;

    if (o->stale)
        rebuild(o, v);
    (void)cache_run_timers(o, now_ns);
    look_at_nodes(&x);
    add_missing_slots(&x);
    look_at_slots(&x);
    look_at_svcs(&x);
    wake = cache_run_timers(o, now_ns);
    if (o->stale || !sw_list_empty(&o->dirty_slots) || !sw_list_empty(&o->dirty_svcs))
        return now_ns;
    return wake;
}
