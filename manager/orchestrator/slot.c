/* SPDX-License-Identifier: Apache-2.0
 * slot.c - one slot: which of its tasks stay, which go, whether a new one is due.
 *
 * How it works. A task is wanted while its desired state is at most COMPLETE, and live when it is
 * wanted, has not ended and still has its node. A slot is content with one live task of the current
 * specification ("clean"). Then:
 *
 *   wanted but ended, or node lost   desired SHUTDOWN, unless its own restart delay still runs:
 * then it waits for that (no hot loop on a missing image) no clean live task, newest clean
 * restart_or_end(): also beside an older live one, which is the failing half of a start-first
 * update no live task at all              restart_or_end(): the replacement is of the current
 * specification clean live task and others       the others stop: at once, or in a start-first
 * update when the clean one runs live tasks, none of them clean   waits for update.c
 *
 * A task with desired REMOVE is no part of this: the slot was given up when it was scaled away. */
#include <string.h>

#include "common/base/alloc.h"
#include "manager/orchestrator/step.h"

Swarm__V1__TaskState slot_running(const struct svc *s)
{
    return s->mode == SVC_JOB || s->mode == SVC_GLOBAL_JOB ? SWARM__V1__TASK_STATE__TASK_COMPLETE
                                                           : SWARM__V1__TASK_STATE__TASK_RUNNING;
}

bool slot_node_dead(const struct orch_step *x, const Swarm__V1__Task *t)
{
    const struct view_node *vn;

    if (t->node == 0)
        return false;
    vn = view_node(x->view, t->node);
    return vn == NULL ||
           (vn->n->status != NULL && vn->n->status->state == SWARM__V1__NODE_STATE__NODE_DOWN);
}

bool slot_is_over(const struct orch_step *x, const Swarm__V1__Task *t)
{
    return status_ended(t) || status_state(t) < SWARM__V1__TASK_STATE__TASK_ASSIGNED ||
           slot_node_dead(x, t);
}

bool slot_node_lost(const struct orch_step *x, const Swarm__V1__Task *t)
{
    const struct view_node *vn;

    if (slot_node_dead(x, t))
        return true;
    vn = t->node != 0 ? view_node(x->view, t->node) : NULL;
    return vn != NULL && vn->n->spec != NULL &&
           vn->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_DRAIN;
}

void slot_desire(struct orch_step *x, struct entry *e, Swarm__V1__TaskState desired)
{
    Swarm__V1__Task *t;

    if (e->t->desired >= desired)
        return;
    t = txn_edit_task(x->txn, e->vt);
    if (t == NULL)
        return;
    t->desired = desired;
    e->t = t;
}

uint32_t slot_entries(struct orch_step *x, const struct slot *slot, struct entry **out)
{
    struct entry *e = sw_calloc(slot->n_tasks + 1, sizeof(*e));
    uint32_t n = 0;

    *out = e;
    if (e == NULL) {
        x->o->stale = true;
        return 0;
    }
    for (uint32_t i = 0; i < slot->n_tasks; i++) {
        const struct view_task *vt = view_task(x->view, slot->tasks[i]);
        const Swarm__V1__Task *edited;

        if (vt == NULL || txn_is_deleted(x->txn, slot->tasks[i]))
            continue;
        edited = txn_peek(x->txn, slot->tasks[i]);
        e[n].vt = vt;
        e[n++].t = edited != NULL ? edited : vt->t;
    }
    return n;
}

/* Its node is gone for good: nobody will ever report its end. */
static void orphan(struct slot_eval *v, struct entry *e)
{
    Swarm__V1__Task *t;

    if (e->t->node == 0 || status_ended(e->t) || view_node(v->x->view, e->t->node) != NULL)
        return;
    t = txn_edit_task(v->x->txn, e->vt);
    if (t == NULL)
        return;
    if (status_write(t, SWARM__V1__TASK_STATE__TASK_ORPHANED, v->x->now_ns, "its node was removed",
                     "") < 0)
        v->x->o->stale = true;
    e->t = t;
}

static bool is_removed(const struct entry *e)
{
    return e->t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE;
}

/* Return: true when @e counts as live. */
static bool judge(struct slot_eval *v, struct entry *e)
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

static bool runs(const struct entry *e)
{
    return status_state(e->t) == SWARM__V1__TASK_STATE__TASK_RUNNING;
}

struct live {
    struct entry *clean; /* the one that stays: running before not, newer before older */
    struct entry *old;
    struct entry *newest; /* live or not, but not removed */
};

static struct live survey(struct slot_eval *v)
{
    struct live l = { NULL, NULL, NULL };

    for (uint32_t i = 0; i < v->n; i++) {
        struct entry *e = &v->e[i];
        struct entry **best;

        if (is_removed(e))
            continue;
        l.newest = e;
        if (!judge(v, e))
            continue;
        best = e->clean ? &l.clean : &l.old;
        if (*best == NULL || runs(e) || !runs(*best))
            *best = e;
    }
    return l;
}

/* Only one live task is to be left, two during a start-first update. */
static void stop_others(struct slot_eval *v, const struct live *l)
{
    /* In a start-first update the old one stays until the new one runs, if it got anywhere. */
    bool old_may_go =
        l->clean != NULL &&
        (runs(l->clean) || !update_start_first(v->svc) ||
         (l->old != NULL && status_state(l->old->t) < SWARM__V1__TASK_STATE__TASK_ASSIGNED));

    for (uint32_t i = 0; i < v->n; i++) {
        struct entry *e = &v->e[i];

        if (!status_wanted(e->t) || e == l->clean || (e == l->old && !old_may_go))
            continue;
        slot_desire(v->x, e, SWARM__V1__TASK_STATE__TASK_SHUTDOWN);
    }
}

static void evaluate_replicas(struct slot_eval *v, bool may_create)
{
    struct live l = survey(v);
    struct slot *slot = v->slot;

    if (l.newest == NULL)
        return;
    stop_others(v, &l);
    if (l.clean == NULL && (l.old == NULL || l.newest->clean) && may_create)
        restart_or_end(v, l.newest);
    for (uint32_t i = 0; i < v->n; i++) {
        if (status_wanted(v->e[i].t) && !status_ended(v->e[i].t))
            promote(v, &v->e[i]);
    }
    slot->class = l.clean != NULL || l.old != NULL || v->created ? SLOT_LIVE : SLOT_ENDED;
    if (l.clean == NULL && !v->created && !l.newest->clean && may_create)
        sw_list_push_back(&v->svc->outdated, &slot->outdated);
}

static void stop_all(struct slot_eval *v, Swarm__V1__TaskState desired)
{
    for (uint32_t i = 0; i < v->n; i++)
        slot_desire(v->x, &v->e[i], desired);
}

static void evaluate_global(struct slot_eval *v)
{
    enum fitness fit = global_fitness(v->x, v->svc, v->slot->id);
    struct task_plan plan = { .node = v->slot->id, .desired = slot_running(v->svc) };
    bool any = false;

    if (fit == FIT_NODE_GONE) {
        stop_all(v, SWARM__V1__TASK_STATE__TASK_REMOVE);
        return;
    }
    if (fit == FIT_NO) {
        for (uint32_t i = 0; i < v->n; i++) {
            if (status_wanted(v->e[i].t))
                slot_desire(v->x, &v->e[i], SWARM__V1__TASK_STATE__TASK_SHUTDOWN);
        }
        return;
    }
    for (uint32_t i = 0; i < v->n; i++)
        any |= !is_removed(&v->e[i]);
    if (any) {
        evaluate_replicas(v, fit == FIT_YES);
    } else if (fit == FIT_YES) {
        task_create(v->x, v->svc, &plan);
        v->created = true;
        v->slot->class = SLOT_LIVE;
    }
}

static void forget_measures(struct slot *slot)
{
    struct svc *s = slot->svc;

    s->n_class[slot->class]--;
    s->n_touched -= slot->touched;
    s->n_failures -= slot->failures;
    s->n_outdated -= !sw_list_empty(&slot->outdated);
    sw_list_del(&slot->outdated);
    sw_list_del(&slot->busy);
    slot->class = SLOT_VACANT;
    slot->touched = false;
    slot->failures = 0;
    slot->done_ns = 0;
    slot->busy_until_ns = ORCH_NOT_BUSY;
}

static void add_measures(struct orch_step *x, struct slot *slot)
{
    struct svc *s = slot->svc;

    s->n_class[slot->class]++;
    s->n_touched += slot->touched;
    s->n_failures += slot->failures;
    s->n_outdated += !sw_list_empty(&slot->outdated);
    if (slot->class == SLOT_VACANT && slot->id < s->free_hint)
        s->free_hint = slot->id;
    cache_dirty_svc(x->o, s);
}

void slot_evaluate(struct orch_step *x, struct slot *slot)
{
    struct svc *s = slot->svc;
    struct slot_eval v = { .x = x, .svc = s, .slot = slot, .msg = s->msg };
    SW_CLEANUP(sw_free_ptr) struct entry *entries = NULL;

    cache_clean_slot(slot);
    forget_measures(slot);
    v.n = slot_entries(x, slot, &entries);
    v.e = entries;
    for (uint32_t i = 0; i < v.n; i++) {
        v.e[i].clean = s->msg != NULL && relation_is_clean(x, s, v.e[i].vt);
        orphan(&v, &v.e[i]);
        if (s->msg != NULL && !enforce_constraints(x, s, &v.e[i]))
            enforce_reject(x, &v.e[i]);
    }
    if (s->msg == NULL)
        stop_all(&v, SWARM__V1__TASK_STATE__TASK_REMOVE);
    else if (s->mode == SVC_REPLICATED)
        evaluate_replicas(&v, true);
    else if (s->mode == SVC_GLOBAL)
        evaluate_global(&v);
    else
        job_evaluate(&v);
    if (s->msg != NULL)
        update_measure(&v);
    reap(&v);
    txn_mark(x->txn);
    add_measures(x, slot);
    if (slot->n_tasks == 0 && !v.created &&
        (s->msg == NULL || (s->mode != SVC_GLOBAL && s->mode != SVC_GLOBAL_JOB) ||
         view_node(x->view, slot->id) == NULL))
        cache_drop_slot(x->o, slot);
}
