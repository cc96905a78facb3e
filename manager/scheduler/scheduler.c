/* SPDX-License-Identifier: Apache-2.0
 * scheduler.c - keeps the tables up to date and tries what is pending.
 *
 * How it works. A node is charged for a task from ASSIGNED until the task has ended. What a step
 * decides is charged at once and remembered as tentative; when the change is seen to be applied, or
 * its transaction failed, the tentative charge goes and the view's truth counts. */
#include "manager/scheduler/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/scheduler/place.h"
#include "manager/view/status.h"
#include "proto/pb.h"

struct tentative {
    uint64_t task;
    struct service_specs *svc;
    struct spec *spec;
    uint32_t node;
    Swarm__V1__GenericResource **generic;
    size_t n_generic;
};

struct scheduler {
    struct nodes nodes;
    struct specs specs;
    struct sw_map tentative; /* task -> struct tentative */
    struct sw_list dirty;    /* spec.dirty: to be tried */
    struct sw_list blocked;  /* spec.blocked: fitted nowhere */
    bool stale;              /* rebuild from the view */
    bool event;              /* something was freed or a node changed since the last step */
};

struct scheduler *scheduler_new(void)
{
    struct scheduler *s = sw_calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    nodes_init(&s->nodes);
    specs_init(&s->specs);
    sw_map_init(&s->tentative);
    sw_list_init(&s->dirty);
    sw_list_init(&s->blocked);
    s->stale = true;
    return s;
}

static void tentative_free(struct tentative *t)
{
    for (size_t i = 0; i < t->n_generic; i++)
        pb_free(t->generic[i]);
    sw_free(t->generic);
    sw_free(t);
}

static void clear(struct scheduler *s)
{
    struct tentative *t;
    size_t it = 0;

    while ((t = sw_map_next(&s->tentative, &it)) != NULL)
        tentative_free(t);
    sw_map_fini(&s->tentative);
    specs_fini(&s->specs);
    nodes_fini(&s->nodes);
    sw_list_init(&s->dirty);
    sw_list_init(&s->blocked);
}

void scheduler_free(struct scheduler *s)
{
    if (s == NULL)
        return;
    clear(s);
    sw_free(s);
}

void scheduler_reset(struct scheduler *s, const struct view *v)
{
    (void)v;
    s->stale = true;
}

/* ---- charges -------------------------------------------------------------------------------- */

static bool is_charged(const Swarm__V1__Task *t)
{
    Swarm__V1__TaskState state = status_state(t);

    return t->node != 0 && state >= SWARM__V1__TASK_STATE__TASK_ASSIGNED &&
           state <= SWARM__V1__TASK_STATE__TASK_RUNNING;
}

static bool is_unplaced(const Swarm__V1__Task *t)
{
    return status_state(t) <= SWARM__V1__TASK_STATE__TASK_PENDING && status_wanted(t);
}

/* The version a task was charged with, never another one: charge and release must agree. */
static struct spec *spec_of_charge(const struct service_specs *svc, uint64_t version)
{
    struct spec *p = svc != NULL ? specs_find(svc, version) : NULL;

    return p != NULL && p->version == version ? p : NULL;
}

static int charge(struct scheduler *s, struct service_specs *svc, struct spec *spec, uint32_t node,
                  Swarm__V1__GenericResource *const *generic, size_t n_generic, bool active)
{
    struct node_load load = { spec, generic, n_generic, active };

    if (nodes_charge(&s->nodes, node, &load) < 0)
        return -ENOMEM;
    spec->refs++;
    return active ? specs_count_add(svc, node, 1) : 0;
}

static void release(struct scheduler *s, struct service_specs *svc, struct spec *spec,
                    uint32_t node, Swarm__V1__GenericResource *const *generic, size_t n_generic,
                    bool active)
{
    struct node_load load = { spec, generic, n_generic, active };

    nodes_release(&s->nodes, node, &load);
    if (active && specs_count_add(svc, node, -1) < 0)
        s->stale = true;
    specs_unref(&s->specs, svc, spec);
}

static void charge_task(struct scheduler *s, const Swarm__V1__Task *t)
{
    struct service_specs *svc = specs_service(&s->specs, t->service);
    struct spec *spec = spec_of_charge(svc, t->spec_version);
    uint32_t node = nodes_find(&s->nodes, t->node);

    if (spec == NULL && specs_put_unknown(&s->specs, t) == 0) {
        svc = specs_service(&s->specs, t->service);
        spec = spec_of_charge(svc, t->spec_version);
    }
    if (spec == NULL)
        s->stale = true;
    else if (node == NODES_NONE)
        spec->refs++; /* its node is gone; release_task() does not know that it was so early */
    else if (charge(s, svc, spec, node, t->assigned_generic, t->n_assigned_generic,
                    status_wanted(t)) < 0)
        s->stale = true;
}

static void release_task(struct scheduler *s, const Swarm__V1__Task *t)
{
    struct service_specs *svc = specs_service(&s->specs, t->service);
    struct spec *spec = spec_of_charge(svc, t->spec_version);
    uint32_t node = nodes_find(&s->nodes, t->node);

    if (spec == NULL || spec->refs == 0)
        return;
    if (node != NODES_NONE) {
        release(s, svc, spec, node, t->assigned_generic, t->n_assigned_generic, status_wanted(t));
        s->event = true;
    } else {
        specs_unref(&s->specs, svc, spec);
    }
}

static void drop_tentative(struct scheduler *s, uint64_t task)
{
    struct tentative *t = sw_map_del(&s->tentative, task);

    if (t == NULL)
        return;
    release(s, t->svc, t->spec, t->node, t->generic, t->n_generic, true);
    tentative_free(t);
}

/* ---- what is pending ------------------------------------------------------------------------ */

static void make_dirty(struct scheduler *s, struct spec *p)
{
    sw_list_del(&p->blocked);
    if (sw_list_empty(&p->dirty))
        sw_list_push_back(&s->dirty, &p->dirty);
}

static void enqueue(struct scheduler *s, const Swarm__V1__Task *t)
{
    struct service_specs *svc = specs_service(&s->specs, t->service);
    struct spec *p = svc != NULL ? specs_find(svc, t->spec_version) : NULL;

    if (p == NULL)
        return; /* its service is gone: the orchestrator removes it */
    if (p->n_pending == p->cap_pending) {
        size_t cap = p->cap_pending != 0 ? p->cap_pending * 2 : 8;
        uint64_t *grown = sw_realloc(p->pending, cap * sizeof(*grown));

        if (grown == NULL) {
            s->stale = true;
            return;
        }
        p->pending = grown;
        p->cap_pending = cap;
    }
    p->pending[p->n_pending++] = t->meta->key;
    make_dirty(s, p);
}

static void note_failure(struct scheduler *s, const Swarm__V1__Task *t)
{
    struct service_specs *svc = specs_service(&s->specs, t->service);
    uint32_t node = nodes_find(&s->nodes, t->node);
    Swarm__V1__TaskState state = status_state(t);
    int64_t at;

    if (svc == NULL || node == NODES_NONE ||
        (state != SWARM__V1__TASK_STATE__TASK_FAILED &&
         state != SWARM__V1__TASK_STATE__TASK_REJECTED))
        return;
    at = (int64_t)(t->status->applied_ns != 0 ? t->status->applied_ns : t->status->timestamp_ns);
    if (specs_failed(svc, t->spec_version, node, at) < 0)
        s->stale = true;
}

static void note_task(struct scheduler *s, const Swarm__V1__Task *before,
                      const Swarm__V1__Task *after)
{
    uint64_t key = (before != NULL ? before : after)->meta->key;

    drop_tentative(s, key);
    /* Charge first, so that a version used by both is not forgotten in between. */
    if (after != NULL && is_charged(after))
        charge_task(s, after);
    if (before != NULL && is_charged(before))
        release_task(s, before);
    if (after == NULL)
        return;
    if (is_unplaced(after) && (before == NULL || status_state(before) != status_state(after)))
        enqueue(s, after);
    if (before == NULL || status_state(before) != status_state(after))
        note_failure(s, after);
}

void scheduler_note(struct scheduler *s, const struct view_change *c)
{
    if (s->stale)
        return;
    switch (c->kind) {
    case VIEW_NODE:
        s->event = true;
        if (c->after == NULL)
            nodes_del(&s->nodes, c->key);
        else if (nodes_put(&s->nodes, c->after) < 0)
            s->stale = true;
        break;
    case VIEW_SERVICE:
        if (c->after == NULL)
            specs_del(&s->specs, c->key);
        else if (specs_put(&s->specs, c->after) < 0)
            s->stale = true;
        break;
    case VIEW_TASK:
        note_task(s, c->before, c->after);
        break;
    case VIEW_CLUSTER:
    case VIEW_NETWORK:
    case VIEW_SECRET:
    case VIEW_CONFIG:
    case VIEW_VOLUME:
    case VIEW_KINDS:
        break;
    }
}

static void rebuild(struct scheduler *s, const struct view *v)
{
    clear(s);
    s->stale = false;
    s->event = true;
    sw_list_each(l, view_list(v, VIEW_NODE))
    {
        if (nodes_put(&s->nodes, sw_list_entry(l, struct view_object, link)->msg) < 0)
            s->stale = true;
    }
    sw_list_each(l, view_list(v, VIEW_SERVICE))
    {
        if (specs_put(&s->specs, sw_list_entry(l, struct view_object, link)->msg) < 0)
            s->stale = true;
    }
    sw_list_each(l, view_list(v, VIEW_TASK))
        note_task(s, NULL, sw_list_entry(l, struct view_object, link)->msg);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A retried task may be listed twice. */
static void drop_doubles(struct spec *p)
{
    size_t n = 0;

    if (p->n_pending == 0)
        return;
    qsort(p->pending, p->n_pending, sizeof(*p->pending), compare_keys);
    for (size_t i = 0; i < p->n_pending; i++) {
        if (n == 0 || p->pending[n - 1] != p->pending[i])
            p->pending[n++] = p->pending[i];
    }
    p->n_pending = n;
}

void scheduler_retry(struct scheduler *s, const struct view *v,
                     const Swarm__V1__Transaction *failed)
{
    if (s->stale)
        return;
    for (size_t i = 0; i < failed->n_changes; i++) {
        const Swarm__V1__Change *c = failed->changes[i];
        const struct view_task *vt;
        struct service_specs *svc;
        struct spec *p;

        if (c->object_case != SWARM__V1__CHANGE__OBJECT_TASK || c->task == NULL)
            continue;
        drop_tentative(s, c->task->meta->key);
        vt = view_task(v, c->task->meta->key);
        if (vt == NULL || !is_unplaced(vt->t))
            continue;
        enqueue(s, vt->t);
        svc = specs_service(&s->specs, vt->t->service);
        p = svc != NULL ? specs_find(svc, vt->t->spec_version) : NULL;
        if (p != NULL)
            drop_doubles(p);
    }
}

/* ---- a step --------------------------------------------------------------------------------- */

struct attempt {
    struct scheduler *s;
    struct filter_run f;
    struct service_specs *svc;
    struct spec *spec;
    int64_t now_ns;
    struct txn *txn;
};

static const Swarm__V1__Task *current(const struct attempt *a, const struct view_task *vt)
{
    const Swarm__V1__Task *t = txn_peek(a->txn, vt->o->key);

    return t != NULL ? t : vt->t;
}

static bool is_ready_to_place(const Swarm__V1__Task *t)
{
    return status_state(t) == SWARM__V1__TASK_STATE__TASK_PENDING && status_wanted(t);
}

static int remember(struct attempt *a, uint64_t key, uint32_t node, const Swarm__V1__Task *t)
{
    struct tentative *x = sw_calloc(1, sizeof(*x));

    if (x == NULL)
        return -ENOMEM;
    x->task = key;
    x->svc = a->svc;
    x->spec = a->spec;
    x->node = node;
    for (size_t i = 0; i < t->n_assigned_generic; i++) {
        void *copy = pb_clone(t->assigned_generic[i]);

        if (copy == NULL || pb_add(&x->n_generic, &x->generic, copy) < 0) {
            pb_free(copy);
            tentative_free(x);
            return -ENOMEM;
        }
    }
    if (sw_map_put(&a->s->tentative, key, x) < 0 ||
        charge(a->s, a->svc, a->spec, node, x->generic, x->n_generic, true) < 0) {
        (void)sw_map_del(&a->s->tentative, key);
        tentative_free(x);
        return -ENOMEM;
    }
    return 0;
}

static void assign(struct attempt *a, const struct view_task *vt, uint32_t node)
{
    Swarm__V1__Task *t = txn_edit_task(a->txn, vt);
    bool preassigned;

    if (t == NULL)
        return;
    preassigned = t->node != 0;
    t->node = a->s->nodes.rare[node].key;
    if (nodes_generic_pick(&a->s->nodes, node, a->spec, &t->n_assigned_generic,
                           &t->assigned_generic) < 0 ||
        status_write(t, SWARM__V1__TASK_STATE__TASK_ASSIGNED, a->now_ns,
                     preassigned ? "scheduler confirmed task can run on preassigned node"
                                 : "scheduler assigned task to node",
                     "") < 0 ||
        remember(a, vt->o->key, node, t) < 0) {
        a->s->stale = true;
        return;
    }
    txn_mark(a->txn);
}

static void explain(struct attempt *a, const struct view_task *vt, const char *why)
{
    const Swarm__V1__Task *t = current(a, vt);
    Swarm__V1__Task *edit;

    if (t->status != NULL && strcmp(t->status->err, why) == 0)
        return;
    edit = txn_edit_task(a->txn, vt);
    if (edit == NULL || status_write(edit, SWARM__V1__TASK_STATE__TASK_PENDING, a->now_ns,
                                     "pending task scheduling", why) < 0)
        a->s->stale = true;
    txn_mark(a->txn);
}

/* What the allocator made PENDING in this very round comes back with the note of that change. */
static void keep(struct attempt *a, const struct view_task *vt, size_t *kept)
{
    if (status_state(vt->t) == SWARM__V1__TASK_STATE__TASK_PENDING)
        a->spec->pending[(*kept)++] = vt->o->key;
}

static void try_preassigned(struct attempt *a, const struct view_task *vt, size_t *kept)
{
    uint32_t node = nodes_find(&a->s->nodes, current(a, vt)->node);
    SW_CLEANUP(sw_buf_fini) struct sw_buf why = SW_BUF_INIT;

    if (node == NODES_NONE)
        return; /* its node is gone: the orchestrator removes it */
    memset(a->f.refused, 0, sizeof(a->f.refused));
    if (filter_node(&a->f, node)) {
        assign(a, vt, node);
        return;
    }
    filter_explain(&a->f, &why);
    explain(a, vt, sw_buf_str(&why));
    keep(a, vt, kept);
}

/* What the budget left of the pending list stays where it is. */
static size_t place_group(struct attempt *a, const struct view_task **todo, size_t n)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf why = SW_BUF_INIT;
    struct place *p;
    size_t done = 0;

    memset(a->f.refused, 0, sizeof(a->f.refused));
    p = place_new(&a->f, a->now_ns);
    if (p == NULL) {
        a->s->stale = true;
        return 0;
    }
    while (done < n && !a->s->stale) {
        uint32_t node = place_choose(p);

        if (node == NODES_NONE)
            break;
        assign(a, todo[done++], node);
        place_charged(p);
    }
    place_free(p);
    if (done == n || a->s->stale)
        return done;
    memset(a->f.refused, 0, sizeof(a->f.refused)); /* once more: some nodes filled up meanwhile */
    for (size_t i = 0; i < a->s->nodes.n; i++)
        (void)filter_node(&a->f, (uint32_t)i);
    filter_explain(&a->f, &why);
    for (size_t i = done; i < n; i++)
        explain(a, todo[i], sw_buf_str(&why));
    return done;
}

/* Tasks with a node are only checked and do not count for the budget: all of a specification's
 * tasks have one or none has. Return: tasks placed or found impossible to place. */
static size_t try_spec(struct attempt *a, size_t budget)
{
    struct spec *p = a->spec;
    SW_CLEANUP(sw_free_ptr) const struct view_task **todo = NULL;
    size_t looked = 0;
    size_t kept = 0;
    size_t n = 0;
    size_t done;

    budget = SW_MIN(p->n_pending, budget);
    todo = sw_calloc(budget + 1, sizeof(*todo));
    if (todo == NULL) {
        a->s->stale = true;
        return 0;
    }
    while (looked < p->n_pending && n < budget) {
        const struct view_task *vt = view_task(a->f.view, p->pending[looked++]);
        const Swarm__V1__Task *t = vt != NULL ? current(a, vt) : NULL;

        if (t == NULL || txn_is_deleted(a->txn, vt->o->key) || !is_ready_to_place(t))
            continue; /* a note brings it back when it becomes PENDING */
        if (t->node != 0)
            try_preassigned(a, vt, &kept);
        else
            todo[n++] = vt;
    }
    done = n > 0 ? place_group(a, todo, n) : 0;
    for (size_t i = done; i < n; i++)
        keep(a, todo[i], &kept);
    memmove(p->pending + kept, p->pending + looked, (p->n_pending - looked) * sizeof(*p->pending));
    p->n_pending -= looked - kept;
    if (kept > 0) {
        p->not_before_ns = a->now_ns + SCHED_RETRY_NS;
        sw_list_del(&p->dirty);
        if (sw_list_empty(&p->blocked))
            sw_list_push_back(&a->s->blocked, &p->blocked);
    }
    return n;
}

/* Something was freed: what fitted nowhere may fit now. Return: when to look again. */
static int64_t unblock(struct scheduler *s, int64_t now_ns)
{
    int64_t wake = 0;

    if (!s->event)
        return 0;
    s->event = false;
    sw_list_each_safe(l, &s->blocked)
    {
        struct spec *p = sw_list_entry(l, struct spec, blocked);

        if (p->not_before_ns <= now_ns) {
            make_dirty(s, p);
        } else {
            s->event = true;
            wake = wake == 0 ? p->not_before_ns : SW_MIN(wake, p->not_before_ns);
        }
    }
    return wake;
}

/* Everything of the last step is decided by now: what was not applied counts no more. */
static void settle(struct scheduler *s)
{
    struct tentative *t;
    size_t it = 0;

    while ((t = sw_map_next(&s->tentative, &it)) != NULL)
        drop_tentative(s, t->task);
}

int64_t scheduler_step(struct scheduler *s, const struct view *v, int64_t now_ns, struct txn *txn)
{
    size_t budget = SCHED_TASKS_PER_STEP;
    int64_t wake;

    if (s->stale)
        rebuild(s, v);
    settle(s);
    wake = unblock(s, now_ns);
    while (budget > 0 && !sw_list_empty(&s->dirty) && !s->stale) {
        struct spec *p = sw_list_entry(s->dirty.next, struct spec, dirty);
        struct service_specs *svc = p->svc;
        struct attempt a = { .s = s, .svc = svc, .spec = p, .now_ns = now_ns, .txn = txn };

        a.f = (struct filter_run){ .view = v, .nodes = &s->nodes, .svc = svc, .spec = p };
        budget -= try_spec(&a, budget);
        if (p->n_pending == 0) {
            sw_list_del(&p->dirty);
            specs_tidy(&s->specs, svc);
        }
    }
    if (s->stale || !sw_list_empty(&s->dirty))
        return now_ns;
    return wake;
}
