/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/macro.h"
#include "proto/pb.h"

uint64_t model_random(struct model *m) /* splitmix64 */
{
    m->seed += 0x9e3779b97f4a7c15u;
    return sw_hash_u64(m->seed);
}

uint64_t model_below(struct model *m, uint64_t n)
{
    return model_random(m) % n;
}

static void fill(void *arg, void *out, size_t n)
{
    uint8_t *p = out;

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)model_random(arg);
}

static void on_change(void *arg, const struct view *v, const struct view_change *c)
{
    struct model *m = arg;

    (void)v;
    allocator_note(m->alloc, c);
    scheduler_note(m->sched, c);
    orchestrator_note(m->orch, c);
    if (m->watch != NULL)
        m->watch(m->arg, m, c);
}

static void new_loops(struct model *m)
{
    m->alloc = allocator_new();
    m->sched = scheduler_new();
    m->orch = orchestrator_new();
    assert(m->alloc != NULL && m->sched != NULL && m->orch != NULL);
    allocator_reset(m->alloc, m->view);
    scheduler_reset(m->sched, m->view);
    orchestrator_reset(m->orch, m->view);
    m->wake_ns = m->now_ns;
}

static void free_loops(struct model *m)
{
    allocator_free(m->alloc);
    scheduler_free(m->sched);
    orchestrator_free(m->orch);
}

void model_new_leader(struct model *m)
{
    free_loops(m);
    new_loops(m);
}

void model_init(struct model *m, uint64_t seed)
{
    Swarm__V1__Cluster *c = pb_new(&swarm__v1__cluster__descriptor);
    Swarm__V1__Network *ingress = pb_new(&swarm__v1__network__descriptor);

    memset(m, 0, sizeof(*m));
    m->seed = seed;
    m->now_ns = MODEL_S(1000000);
    m->next_key = 1;
    m->rnd = (struct txn_random){ fill, m };
    m->view = view_new();
    assert(m->view != NULL && c != NULL && ingress != NULL);
    new_loops(m);
    m->observer = (struct view_observer){ .on_change = on_change, .arg = m };
    view_observe(m->view, &m->observer);

    c->spec = pb_new(&swarm__v1__cluster_spec__descriptor);
    c->spec->annotations = pb_new(&swarm__v1__annotations__descriptor);
    (void)pb_set_string(&c->spec->annotations->name, "default");
    c->spec->task_history_limit = 5;
    c->default_pool = 0x0a000000;
    c->default_pool_len = 8;
    c->subnet_len = 24;
    (void)model_create(m, VIEW_CLUSTER, c);
    ingress->spec = pb_new(&swarm__v1__network_spec__descriptor);
    ingress->spec->annotations = pb_new(&swarm__v1__annotations__descriptor);
    (void)pb_set_string(&ingress->spec->annotations->name, "ingress");
    (void)pb_set_string(&ingress->spec->driver, "overlay");
    ingress->spec->ingress = true;
    (void)model_create(m, VIEW_NETWORK, ingress);
}

void model_fini(struct model *m)
{
    view_unobserve(&m->observer);
    free_loops(m);
    view_free(m->view);
}

/* ---- the leader's driver ----------------------------------------------------------------------
 */

static const char *const kind_names[] = { "cluster", "node",   "service", "task",
                                          "network", "secret", "config",  "volume" };

static void trace_change(struct model *m, const Swarm__V1__Change *c, bool applied)
{
    enum view_kind kind;
    void *msg;

    if (!m->trace)
        return;
    printf("  %12.3f %s", (double)(m->now_ns - MODEL_S(1000000)) / 1e9, applied ? "" : "REFUSED ");
    if (c->action == SWARM__V1__CHANGE__ACTION__DELETE) {
        printf("delete %lu\n", (unsigned long)c->key);
        return;
    }
    if (c->object_case == SWARM__V1__CHANGE__OBJECT_TASK_STATUS) {
        printf("status %lu state=%d\n", (unsigned long)c->task_status->task,
               (int)c->task_status->status->state);
        return;
    }
    if (!view_change_object(c, &kind, &msg))
        return;
    printf("%s %s %lu", c->action == SWARM__V1__CHANGE__ACTION__CREATE ? "create" : "update",
           kind_names[kind], (unsigned long)view_meta(msg)->key);
    if (kind == VIEW_TASK) {
        const Swarm__V1__Task *t = msg;

        printf(" service=%lu v%lu slot=%lu node=%lu desired=%d state=%d replaces=%lu%s err='%s'",
               (unsigned long)t->service, (unsigned long)t->spec_version, (unsigned long)t->slot,
               (unsigned long)t->node, (int)t->desired, (int)status_state(t),
               (unsigned long)t->replaces, t->by_update ? " by_update" : "",
               t->status != NULL ? t->status->err : "");
    } else if (kind == VIEW_SERVICE) {
        const Swarm__V1__Service *s = msg;

        printf(" v%lu history=%zu update=%d '%s'", (unsigned long)s->spec_version, s->n_history,
               s->update_status != NULL ? (int)s->update_status->state : 0,
               s->update_status != NULL ? s->update_status->message : "");
    } else if (kind == VIEW_NODE) {
        const Swarm__V1__Node *n = msg;

        printf(" state=%d availability=%d", (int)n->status->state, (int)n->spec->availability);
        for (size_t i = 0; i < n->n_network_addrs; i++)
            printf(" %lu:%x", (unsigned long)n->network_addrs[i]->network,
                   n->network_addrs[i]->addr);
    }
    printf("\n");
}

static bool apply(struct model *m, Swarm__V1__Transaction *t, bool must)
{
    struct sw_err err;
    bool ok = view_check(m->view, t, &err) == 0;

    for (size_t i = 0; i < t->n_changes; i++)
        trace_change(m, t->changes[i], ok);
    if (!ok) {
        if (must) {
            fprintf(stderr, "transaction refused: %s\n", err.msg);
            assert(!"a write that had to apply was refused");
        }
        m->conflicts++;
        allocator_retry(m->alloc, m->view, t);
        scheduler_retry(m->sched, m->view, t);
        orchestrator_retry(m->orch, m->view, t);
        return false;
    }
    if (view_apply(m->view, t, ++m->index) < 0)
        abort();
    if (view_next_key(m->view) > m->next_key)
        m->next_key = view_next_key(m->view);
    return true;
}

static void earlier(int64_t *wake, int64_t at)
{
    if (at != 0 && (*wake == 0 || at < *wake))
        *wake = at;
}

static struct txn *step(struct model *m, struct allocator *a, struct scheduler *s,
                        struct orchestrator *o, int64_t *wake)
{
    struct txn *x = txn_new(m->next_key, m->now_ns, &m->rnd);

    assert(x != NULL);
    *wake = 0;
    if (m->orchestrator_first)
        earlier(wake, orchestrator_step(o, m->view, m->now_ns, x));
    earlier(wake, allocator_step(a, m->view, m->now_ns, x));
    earlier(wake, scheduler_step(s, m->view, m->now_ns, x));
    if (!m->orchestrator_first)
        earlier(wake, orchestrator_step(o, m->view, m->now_ns, x));
    assert(!txn_failed(x));
    return x;
}

size_t model_round(struct model *m)
{
    struct txn *x = step(m, m->alloc, m->sched, m->orch, &m->wake_ns);
    Swarm__V1__Transaction *t;
    size_t n = 0;

    if (m->next_key < txn_next_key(x))
        m->next_key = txn_next_key(x);
    while (txn_take(x, &t) == 0) {
        size_t changes = t->n_changes;

        if (m->interfere != NULL && !m->interfere(m->arg, m)) {
            pb_free(t);
            break; /* the rest is lost with this leader */
        }
        if (apply(m, t, false))
            n += changes;
        else
            n++; /* it will be tried again */
        pb_free(t);
    }
    txn_free(x);
    return n;
}

void model_settle(struct model *m)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (model_round(m) == 0 && (m->wake_ns == 0 || m->wake_ns > m->now_ns))
            return;
    }
    assert(!"the loops do not come to rest");
}

void model_advance(struct model *m, int64_t ns)
{
    int64_t until = m->now_ns + ns;

    model_settle(m);
    while (m->wake_ns != 0 && m->wake_ns <= until) {
        m->now_ns = SW_MAX(m->now_ns, m->wake_ns);
        model_settle(m);
    }
    m->now_ns = until;
    model_settle(m);
}

/* Of several exhausted networks a task names the first it met: that may differ. */
static bool is_only_a_reason(struct model *m, const Swarm__V1__Change *c)
{
    const Swarm__V1__Task *t;

    if (c->object_case != SWARM__V1__CHANGE__OBJECT_TASK ||
        c->action != SWARM__V1__CHANGE__ACTION__UPDATE || status_state(c->task) != TASK_STATE(NEW))
        return false;
    t = model_task(m, c->task->meta->key);
    return t != NULL && t->desired == c->task->desired && t->status->err[0] != '\0' &&
           c->task->status->err[0] != '\0';
}

static size_t take_stock(struct model *m, struct txn *x, const char *whose)
{
    Swarm__V1__Transaction *t;
    size_t n = 0;

    while (txn_take(x, &t) == 0) {
        for (size_t i = 0; i < t->n_changes; i++) {
            if (is_only_a_reason(m, t->changes[i]))
                continue;
            if (n++ == 0)
                fprintf(stderr, "%s loops would still change something:\n", whose);
            m->trace = true;
            trace_change(m, t->changes[i], true);
        }
        pb_free(t);
    }
    return n;
}

bool model_is_quiet(struct model *m)
{
    struct allocator *a = allocator_new();
    struct scheduler *s = scheduler_new();
    struct orchestrator *o = orchestrator_new();
    struct txn *mine;
    struct txn *fresh;
    int64_t wake;
    bool quiet;

    assert(a != NULL && s != NULL && o != NULL);
    mine = step(m, m->alloc, m->sched, m->orch, &m->wake_ns);
    allocator_reset(a, m->view);
    scheduler_reset(s, m->view);
    orchestrator_reset(o, m->view);
    fresh = step(m, a, s, o, &wake);
    quiet = take_stock(m, mine, "these") == 0;
    quiet &= take_stock(m, fresh, "fresh") == 0;
    txn_free(mine);
    txn_free(fresh);
    allocator_free(a);
    scheduler_free(s);
    orchestrator_free(o);
    return quiet;
}

struct txn *model_begin(struct model *m)
{
    struct txn *x = txn_new(m->next_key, m->now_ns, &m->rnd);

    assert(x != NULL);
    return x;
}

void model_commit(struct model *m, struct txn *x)
{
    Swarm__V1__Transaction *t;

    assert(!txn_failed(x));
    while (txn_take(x, &t) == 0) {
        (void)apply(m, t, true);
        pb_free(t);
    }
    txn_free(x);
}

/* ---- what a dispatcher writes ---------------------------------------------------------------- */

void model_report(struct model *m, uint64_t task, Swarm__V1__TaskState state)
{
    const Swarm__V1__Task *t = model_task(m, task);
    Swarm__V1__TaskStatus *s;
    struct txn *x;

    if (t == NULL || state <= status_state(t))
        return;
    s = pb_new(&swarm__v1__task_status__descriptor);
    assert(s != NULL);
    s->state = state;
    s->timestamp_ns = (uint64_t)m->now_ns;
    s->applied_ns = (uint64_t)m->now_ns;
    if (t->status != NULL)
        s->running_ns = t->status->running_ns;
    if (state == TASK_STATE(RUNNING))
        s->running_ns = (uint64_t)m->now_ns;
    x = model_begin(m);
    txn_task_status(x, task, s);
    model_commit(m, x);
}

void model_obey(struct model *m)
{
    struct sw_list *l = view_list(m->view, VIEW_TASK)->next;

    for (; l != view_list(m->view, VIEW_TASK); l = l->next) {
        const struct view_task *vt = view_as_task(sw_list_entry(l, struct view_object, link));
        const Swarm__V1__Task *t = vt->t;
        Swarm__V1__TaskState state = status_state(t);

        if (vt->node == NULL || state < TASK_STATE(ASSIGNED) || state > TASK_STATE(RUNNING) ||
            vt->node->n->status->state == NODE_STATE(DOWN))
            continue;
        if (t->desired >= TASK_STATE(SHUTDOWN))
            model_report(m, vt->o->key, TASK_STATE(SHUTDOWN));
        else if (t->desired == TASK_STATE(READY))
            model_report(m, vt->o->key, TASK_STATE(READY));
        else
            model_report(m, vt->o->key, TASK_STATE(RUNNING));
    }
}

void model_run(struct model *m)
{
    uint64_t index;

    do {
        index = m->index;
        model_settle(m);
        model_obey(m);
    } while (m->index != index);
}

static Swarm__V1__Node *edit_node(struct model *m, struct txn *x, uint64_t node)
{
    Swarm__V1__Node *n = txn_edit_node(x, view_node(m->view, node));

    assert(n != NULL);
    return n;
}

void model_node_state(struct model *m, uint64_t node, Swarm__V1__NodeState state)
{
    struct txn *x = model_begin(m);

    edit_node(m, x, node)->status->state = state;
    model_commit(m, x);
}

void model_node_availability(struct model *m, uint64_t node, Swarm__V1__NodeAvailability a)
{
    struct txn *x = model_begin(m);

    edit_node(m, x, node)->spec->availability = a;
    model_commit(m, x);
}

void model_node_label(struct model *m, uint64_t node, const char *key, const char *value)
{
    struct txn *x = model_begin(m);
    Swarm__V1__Annotations *a = edit_node(m, x, node)->spec->annotations;
    Swarm__V1__Label *l = NULL;

    for (size_t i = 0; i < a->n_labels; i++) {
        if (strcmp(a->labels[i]->key, key) == 0)
            l = a->labels[i];
    }
    if (l == NULL) {
        l = pb_new(&swarm__v1__label__descriptor);
        (void)pb_set_string(&l->key, key);
        (void)pb_add(&a->n_labels, &a->labels, l);
    }
    (void)pb_set_string(&l->value, value);
    model_commit(m, x);
}

/* SEMANTICS 5.4: what runs there becomes ORPHANED in the same transaction. */
void model_node_remove(struct model *m, uint64_t node)
{
    struct view_node *vn = view_node(m->view, node);
    struct txn *x = model_begin(m);

    sw_list_each(l, &vn->tasks)
    {
        struct view_task *vt = sw_list_entry(l, struct view_task, of_node);

        if (!status_ended(vt->t))
            (void)status_write(txn_edit_task(x, vt), TASK_STATE(ORPHANED), m->now_ns,
                               "node removed", "");
    }
    txn_delete(x, VIEW_NODE, vn->n);
    model_commit(m, x);
}

/* ---- questions --------------------------------------------------------------------------------
 */

const Swarm__V1__Task *model_task(struct model *m, uint64_t key)
{
    const struct view_task *vt = view_task(m->view, key);

    return vt != NULL ? vt->t : NULL;
}

unsigned model_count(struct model *m, uint64_t service, Swarm__V1__TaskState desired,
                     Swarm__V1__TaskState at_least)
{
    const struct view_service *vs = view_service(m->view, service);
    unsigned n = 0;

    if (vs == NULL)
        return 0;
    sw_list_each(l, &vs->tasks)
    {
        const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_service)->t;

        n += t->desired == desired && status_state(t) >= at_least;
    }
    return n;
}

static uint64_t newest_wanted(struct model *m, uint64_t service, uint64_t slot, uint64_t node)
{
    const struct view_service *vs = view_service(m->view, service);
    uint64_t found = 0;

    if (vs == NULL)
        return 0;
    sw_list_each(l, &vs->tasks)
    {
        const struct view_task *vt = sw_list_entry(l, struct view_task, of_service);

        if (vt->t->slot == slot && (node == 0 || vt->t->node == node) && status_wanted(vt->t))
            found = vt->o->key;
    }
    return found;
}

uint64_t model_in_slot(struct model *m, uint64_t service, uint64_t slot)
{
    return newest_wanted(m, service, slot, 0);
}

uint64_t model_on_node(struct model *m, uint64_t service, uint64_t node)
{
    return newest_wanted(m, service, 0, node);
}
