/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/orchestrator/cache.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "proto/pb.h"

struct svc *cache_svc(const struct orchestrator *o, uint64_t key)
{
    return sw_map_get(&o->svcs, key);
}

struct slot *cache_slot(const struct svc *s, uint64_t id)
{
    return sw_map_get(&s->by_id, id);
}

static uint64_t slot_id(const struct svc *s, const Swarm__V1__Task *t)
{
    return s->mode == SVC_GLOBAL || s->mode == SVC_GLOBAL_JOB ? t->node : t->slot;
}

struct slot *cache_slot_of(const struct orchestrator *o, const Swarm__V1__Task *t)
{
    struct svc *s = cache_svc(o, t->service);

    return s != NULL ? cache_slot(s, slot_id(s, t)) : NULL;
}

/* ---- services ------------------------------------------------------------------------------- */

static struct svc *make_svc(struct orchestrator *o, uint64_t key)
{
    struct svc *s = cache_svc(o, key);

    if (s != NULL)
        return s;
    s = sw_calloc(1, sizeof(*s));
    if (s == NULL || sw_map_put(&o->svcs, key, s) < 0) {
        sw_free(s);
        o->stale = true;
        return NULL;
    }
    s->key = key;
    s->free_hint = 1;
    sw_map_init(&s->by_id);
    sw_list_init(&s->slots);
    sw_list_init(&s->dirty);
    sw_list_init(&s->global);
    sw_list_init(&s->outdated);
    sw_list_init(&s->busy);
    return s;
}

static void slot_free(struct slot *slot)
{
    sw_list_del(&slot->order);
    sw_list_del(&slot->dirty);
    sw_list_del(&slot->outdated);
    sw_list_del(&slot->busy);
    sw_free(slot->tasks);
    sw_free(slot);
}

static void svc_free(struct svc *s)
{
    sw_list_each_safe(l, &s->slots) slot_free(sw_list_entry(l, struct slot, order));
    sw_list_del(&s->dirty);
    sw_list_del(&s->global);
    sw_map_fini(&s->by_id);
    constraint_fini(&s->constraints);
    sw_free(s->versions);
    sw_free(s);
}

void cache_drop_svc(struct orchestrator *o, struct svc *s)
{
    (void)sw_map_del(&o->svcs, s->key);
    svc_free(s);
}

void cache_dirty_svc(struct orchestrator *o, struct svc *s)
{
    if (sw_list_empty(&s->dirty))
        sw_list_push_back(&o->dirty_svcs, &s->dirty);
}

/* ---- slots ---------------------------------------------------------------------------------- */

void cache_dirty_slot(struct orchestrator *o, struct slot *slot)
{
    if (!sw_list_empty(&slot->dirty))
        return;
    sw_list_push_back(&o->dirty_slots, &slot->dirty);
    slot->svc->n_dirty++;
}

void cache_clean_slot(struct slot *slot)
{
    if (sw_list_empty(&slot->dirty))
        return;
    sw_list_del(&slot->dirty);
    slot->svc->n_dirty--;
}

static void insert_in_order(struct svc *s, struct slot *slot)
{
    struct sw_list *pos = s->slots.prev;

    while (pos != &s->slots && sw_list_entry(pos, struct slot, order)->id > slot->id)
        pos = pos->prev;
    sw_list_insert_after(pos, &slot->order);
}

struct slot *cache_make_slot(struct orchestrator *o, struct svc *s, uint64_t id)
{
    struct slot *slot = cache_slot(s, id);

    if (slot != NULL)
        return slot;
    slot = sw_calloc(1, sizeof(*slot));
    if (slot == NULL || sw_map_put(&s->by_id, id, slot) < 0) {
        sw_free(slot);
        o->stale = true;
        return NULL;
    }
    slot->svc = s;
    slot->id = id;
    slot->busy_until_ns = ORCH_NOT_BUSY;
    sw_list_init(&slot->dirty);
    sw_list_init(&slot->outdated);
    sw_list_init(&slot->busy);
    insert_in_order(s, slot);
    s->n_class[SLOT_VACANT]++;
    cache_dirty_slot(o, slot);
    return slot;
}

void cache_drop_slot(struct orchestrator *o, struct slot *slot)
{
    struct svc *s = slot->svc;

    cache_clean_slot(slot);
    s->n_class[slot->class]--;
    s->n_touched -= slot->touched;
    s->n_failures -= slot->failures;
    s->n_outdated -= !sw_list_empty(&slot->outdated);
    (void)sw_map_del(&s->by_id, slot->id);
    if (slot->id < s->free_hint)
        s->free_hint = slot->id;
    slot_free(slot);
    cache_dirty_svc(o, s);
}

static int slot_add(struct slot *slot, uint64_t key)
{
    uint64_t *grown = sw_realloc(slot->tasks, (slot->n_tasks + 1) * sizeof(*grown));
    uint32_t i = slot->n_tasks;

    if (grown == NULL)
        return -ENOMEM;
    slot->tasks = grown;
    for (; i > 0 && grown[i - 1] > key; i--)
        grown[i] = grown[i - 1];
    grown[i] = key;
    slot->n_tasks++;
    return 0;
}

static void slot_del(struct slot *slot, uint64_t key)
{
    for (uint32_t i = 0; i < slot->n_tasks; i++) {
        if (slot->tasks[i] == key) {
            slot->n_tasks--;
            memmove(slot->tasks + i, slot->tasks + i + 1,
                    (slot->n_tasks - i) * sizeof(*slot->tasks));
            return;
        }
    }
}

/* ---- versions ------------------------------------------------------------------------------- */

struct version *cache_version(struct svc *s, uint64_t version)
{
    for (size_t i = s->n_versions; i-- > 0;) {
        if (s->versions[i].version == version)
            return &s->versions[i];
    }
    return NULL;
}

static void count_version(struct orchestrator *o, struct svc *s, uint64_t version, int delta)
{
    struct version *v = cache_version(s, version);

    if (v == NULL) {
        v = sw_realloc(s->versions, (s->n_versions + 1) * sizeof(*v));
        if (v == NULL) {
            o->stale = true;
            return;
        }
        s->versions = v;
        v = &s->versions[s->n_versions++];
        *v = (struct version){ .version = version };
    }
    v->tasks += (uint32_t)delta;
    if (v->tasks == 0) {
        *v = s->versions[--s->n_versions];
        cache_dirty_svc(o, s); /* its entry in the history may go */
    }
}

/* ---- notes ---------------------------------------------------------------------------------- */

static void note_task(struct orchestrator *o, const Swarm__V1__Task *before,
                      const Swarm__V1__Task *after)
{
    const Swarm__V1__Task *t = after != NULL ? after : before;
    struct svc *s = make_svc(o, t->service);
    struct slot *slot;

    if (s == NULL)
        return;
    slot = cache_make_slot(o, s, slot_id(s, t));
    if (slot == NULL)
        return;
    if (before == NULL && slot_add(slot, t->meta->key) < 0)
        o->stale = true;
    if (after == NULL)
        slot_del(slot, t->meta->key);
    if (before == NULL)
        count_version(o, s, after->spec_version, 1);
    if (after == NULL)
        count_version(o, s, before->spec_version, -1);
    cache_dirty_slot(o, slot);
}

static enum svc_mode mode_of(const Swarm__V1__Service *msg)
{
    if (msg->spec == NULL)
        return SVC_REPLICATED;
    switch (msg->spec->mode_case) {
    case SWARM__V1__SERVICE_SPEC__MODE_GLOBAL:
        return SVC_GLOBAL;
    case SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB:
        return SVC_JOB;
    case SWARM__V1__SERVICE_SPEC__MODE_GLOBAL_JOB:
        return SVC_GLOBAL_JOB;
    case SWARM__V1__SERVICE_SPEC__MODE_REPLICATED:
    case SWARM__V1__SERVICE_SPEC__MODE__NOT_SET:
    case _SWARM__V1__SERVICE_SPEC__MODE__CASE_IS_INT_SIZE:
        break;
    }
    return SVC_REPLICATED;
}

static void read_constraints(struct orchestrator *o, struct svc *s)
{
    const Swarm__V1__Placement *p =
        s->msg->spec != NULL && s->msg->spec->task != NULL ? s->msg->spec->task->placement : NULL;
    struct sw_err err;
    int r;

    constraint_fini(&s->constraints);
    s->constraints_bad = false;
    if (p == NULL)
        return;
    r = constraint_parse(p->constraints, p->n_constraints, &s->constraints, &err);
    s->constraints_bad = r == SW_E_INVALID;
    if (r == -ENOMEM)
        o->stale = true;
}

static void dirty_all_slots(struct orchestrator *o, struct svc *s)
{
    sw_list_each(l, &s->slots) cache_dirty_slot(o, sw_list_entry(l, struct slot, order));
}

static bool status_changed(const Swarm__V1__Service *a, const Swarm__V1__Service *b)
{
    unsigned x = a->update_status != NULL ? a->update_status->state : 0;
    unsigned y = b->update_status != NULL ? b->update_status->state : 0;

    return x != y;
}

static void note_service(struct orchestrator *o, uint64_t key, const Swarm__V1__Service *before,
                         const Swarm__V1__Service *after)
{
    struct svc *s = make_svc(o, key);
    uint64_t iteration = 0;
    uint64_t old_iteration = 0;

    if (s == NULL)
        return;
    s->msg = after;
    cache_dirty_svc(o, s);
    if (after == NULL) {
        sw_list_del(&s->global);
        dirty_all_slots(o, s);
        return;
    }
    s->mode = mode_of(after);
    if (before == NULL && s->mode == SVC_JOB)
        s->free_hint = 0; /* jobs count their slots from 0 */
    if (after->job_status != NULL)
        iteration = after->job_status->iteration;
    if (before != NULL && before->job_status != NULL)
        old_iteration = before->job_status->iteration;
    if (before != NULL && before->spec_version == after->spec_version &&
        !status_changed(before, after) && iteration == old_iteration)
        return;
    read_constraints(o, s);
    s->last_done_ns = 0;
    s->failed_task = 0;
    if (s->mode == SVC_GLOBAL || s->mode == SVC_GLOBAL_JOB) {
        if (sw_list_empty(&s->global))
            sw_list_push_back(&o->globals, &s->global);
        s->nodes_missing |= before == NULL;
    }
    dirty_all_slots(o, s);
}

static bool same_message(const void *a, const void *b)
{
    return a == b || pb_equal(a, b);
}

void cache_mark_node(struct orchestrator *o, struct node_mark mark)
{
    if (o->n_nodes == o->cap_nodes) {
        size_t cap = o->cap_nodes != 0 ? o->cap_nodes * 2 : 16;
        struct node_mark *grown = sw_realloc(o->nodes, cap * sizeof(*grown));

        if (grown == NULL) {
            o->stale = true;
            return;
        }
        o->nodes = grown;
        o->cap_nodes = cap;
    }
    o->nodes[o->n_nodes++] = mark;
}

static void note_node(struct orchestrator *o, uint64_t key, const Swarm__V1__Node *before,
                      const Swarm__V1__Node *after)
{
    struct node_mark mark = { key, true, true };

    if (before != NULL && after != NULL) {
        const Swarm__V1__NodeStatus *a = before->status;
        const Swarm__V1__NodeStatus *b = after->status;

        mark.fit = before->role != after->role || !same_message(before->spec, after->spec) ||
                   !same_message(before->description, after->description) ||
                   strcmp(a != NULL ? a->addr : "", b != NULL ? b->addr : "") != 0;
        mark.health = (a != NULL ? a->state : 0) != (b != NULL ? b->state : 0) ||
                      (before->spec != NULL ? before->spec->availability : 0) !=
                          (after->spec != NULL ? after->spec->availability : 0);
        if (!mark.fit && !mark.health)
            return;
    }
    cache_mark_node(o, mark);
}

static void note_cluster(struct orchestrator *o, const Swarm__V1__Cluster *c)
{
    o->history_limit = ORCH_TASK_HISTORY;
    if (c != NULL && c->spec != NULL)
        o->history_limit = c->spec->task_history_limit;
}

void cache_note(struct orchestrator *o, const struct view_change *c)
{
    switch (c->kind) {
    case VIEW_TASK:
        note_task(o, c->before, c->after);
        break;
    case VIEW_SERVICE:
        note_service(o, c->key, c->before, c->after);
        break;
    case VIEW_NODE:
        note_node(o, c->key, c->before, c->after);
        break;
    case VIEW_CLUSTER:
        note_cluster(o, c->after);
        break;
    case VIEW_NETWORK:
    case VIEW_SECRET:
    case VIEW_CONFIG:
    case VIEW_VOLUME:
    case VIEW_KINDS:
        break;
    }
}

void cache_clear(struct orchestrator *o)
{
    struct svc *s;
    size_t it = 0;

    while ((s = sw_map_next(&o->svcs, &it)) != NULL)
        svc_free(s);
    sw_map_fini(&o->svcs);
    sw_free(o->nodes);
    sw_free(o->timers);
    memset(o, 0, sizeof(*o));
    sw_list_init(&o->dirty_slots);
    sw_list_init(&o->dirty_svcs);
    sw_list_init(&o->globals);
    o->history_limit = ORCH_TASK_HISTORY;
}

/* ---- timers --------------------------------------------------------------------------------- */

static void timer_push(struct orchestrator *o, struct timer t)
{
    size_t i;

    if (o->n_timers == o->cap_timers) {
        size_t cap = o->cap_timers != 0 ? o->cap_timers * 2 : 16;
        struct timer *grown = sw_realloc(o->timers, cap * sizeof(*grown));

        if (grown == NULL) {
            o->stale = true;
            return;
        }
        o->timers = grown;
        o->cap_timers = cap;
    }
    for (i = o->n_timers++; i > 0 && o->timers[(i - 1) / 2].at_ns > t.at_ns; i = (i - 1) / 2)
        o->timers[i] = o->timers[(i - 1) / 2];
    o->timers[i] = t;
}

static struct timer timer_pop(struct orchestrator *o)
{
    struct timer top = o->timers[0];
    struct timer last = o->timers[--o->n_timers];
    size_t i = 0;

    for (;;) {
        size_t k = 2 * i + 1;

        if (k + 1 < o->n_timers && o->timers[k + 1].at_ns < o->timers[k].at_ns)
            k++;
        if (k >= o->n_timers || o->timers[k].at_ns >= last.at_ns)
            break;
        o->timers[i] = o->timers[k];
        i = k;
    }
    if (o->n_timers > 0)
        o->timers[i] = last;
    return top;
}

void cache_wake_slot(struct orchestrator *o, struct slot *slot, int64_t at_ns)
{
    if (slot->wake_ns != 0 && slot->wake_ns <= at_ns)
        return; /* wakes earlier and will ask again */
    slot->wake_ns = at_ns;
    timer_push(o, (struct timer){ at_ns, slot->svc->key, slot->id, true });
}

void cache_wake_svc(struct orchestrator *o, struct svc *s, int64_t at_ns)
{
    if (s->wake_ns != 0 && s->wake_ns <= at_ns)
        return;
    s->wake_ns = at_ns;
    timer_push(o, (struct timer){ at_ns, s->key, 0, false });
}

int64_t cache_run_timers(struct orchestrator *o, int64_t now_ns)
{
    while (o->n_timers > 0 && o->timers[0].at_ns <= now_ns) {
        struct timer t = timer_pop(o);
        struct svc *s = cache_svc(o, t.svc);
        struct slot *slot = s != NULL && t.of_slot ? cache_slot(s, t.slot) : NULL;

        if (slot != NULL) {
            slot->wake_ns = 0;
            cache_dirty_slot(o, slot);
        } else if (s != NULL && !t.of_slot) {
            s->wake_ns = 0;
            cache_dirty_svc(o, s);
        }
    }
    return o->n_timers > 0 ? o->timers[0].at_ns : 0;
}
