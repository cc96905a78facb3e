/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/allocator/allocator.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/allocator/alloc_private.h"

struct allocator *allocator_new(void)
{
    struct allocator *a = sw_calloc(1, sizeof(*a));

    if (a != NULL)
        a->stale = true;
    return a;
}

void allocator_free(struct allocator *a)
{
    if (a == NULL)
        return;
    alloc_cache_clear(a);
    sw_free(a);
}

void allocator_note(struct allocator *a, const struct view_change *c)
{
    if (!a->stale)
        alloc_cache_note(a, c);
}

void allocator_reset(struct allocator *a, const struct view *v)
{
    (void)v;
    a->stale = true;
}

/* Networks first: what lies on them is counted only when they are known. */
static void rebuild(struct allocator *a, const struct view *v)
{
    static const enum view_kind order[] = { VIEW_NETWORK, VIEW_NODE, VIEW_SERVICE, VIEW_TASK };

    alloc_cache_clear(a);
    for (size_t i = 0; i < SW_ARRAY_LEN(order); i++) {
        sw_list_each(l, view_list(v, order[i]))
        {
            const struct view_object *o = sw_list_entry(l, struct view_object, link);
            struct view_change c = { order[i], o->key, NULL, o->msg };

            alloc_cache_note(a, &c);
        }
    }
}

static void redo(struct allocator *a, const struct view_object *o)
{
    struct keys *k = NULL;

    if (o->kind == VIEW_TASK)
        k = &a->dirty_tasks;
    else if (o->kind == VIEW_SERVICE)
        k = &a->dirty_services;
    else if (o->kind == VIEW_NETWORK)
        k = &a->dirty_nets;
    else if (o->kind == VIEW_NODE)
        alloc_dirty_node(a, o->key);
    if (k != NULL && keys_push(k, o->key) < 0)
        a->stale = true;
}

void allocator_retry(struct allocator *a, const struct view *v,
                     const Swarm__V1__Transaction *failed)
{
    if (a->stale)
        return;
    for (size_t i = 0; i < failed->n_changes; i++) {
        const struct view_object *o;
        enum view_kind kind;
        void *msg;

        if (!view_change_object(failed->changes[i], &kind, &msg) ||
            failed->changes[i]->action != SWARM__V1__CHANGE__ACTION__UPDATE)
            continue;
        o = view_object(v, view_meta(msg)->key);
        if (o != NULL)
            redo(a, o);
    }
}

const void *alloc_current(const struct alloc_step *s, const struct view_object *o)
{
    const void *edited = txn_peek(s->txn, o->key);

    return edited != NULL ? edited : o->msg;
}

static void make_dirty(struct alloc_step *s, struct keys *k, uint64_t owner)
{
    if (keys_push(k, owner) < 0)
        s->a->stale = true;
}

bool alloc_has_room(struct alloc_step *s, uint64_t network, uint64_t owner, struct sw_buf *why)
{
    const struct view_object *o = view_object(s->view, network);
    struct net *n = alloc_net(s->a, network);
    char text[SUBNET_TEXT_MAX];

    if (n == NULL || o == NULL || o->kind != VIEW_NETWORK) {
        sw_buf_puts(why, network == 0 ? "there is no ingress network" : "network not found");
        (void)alloc_wait(s->a, &s->a->waiting, owner);
        return false;
    }
    if (!alloc_is_addressed(o->msg))
        return true;
    if (n->pool.bits == NULL) {
        sw_buf_printf(why, "network %s: %s", o->name,
                      n->why[0] != '\0' ? n->why : "has no subnet yet");
        (void)alloc_wait(s->a, &s->a->waiting, owner);
        return false;
    }
    if (pool_next(&n->pool, n->next_addr) != 0)
        return true;
    subnet_format(n->pool.net, text);
    sw_buf_printf(why, "network %s: no free address in %s", o->name, text);
    s->a->pressed |= alloc_wait(s->a, &n->waiting, owner);
    return false;
}

uint32_t alloc_addr(struct alloc_step *s, uint64_t network, uint64_t owner, struct sw_buf *why)
{
    struct net *n = alloc_net(s->a, network);
    Swarm__V1__Network *edit;
    uint32_t addr;

    if (!alloc_has_room(s, network, owner, why))
        return 0;
    edit = txn_edit(s->txn, view_object(s->view, network));
    if (edit == NULL)
        return 0;
    addr = pool_next(&n->pool, n->next_addr);
    pool_take(&n->pool, addr);
    alloc_claim(s->a, (struct claim){ CLAIM_ADDR, addr, owner, network });
    n->next_addr = addr + 1;
    edit->next_addr = addr + 1;
    return addr;
}

static void wake(struct alloc_step *s, uint64_t key)
{
    const struct view_object *o = view_object(s->view, key);

    if (o == NULL)
        return;
    if (o->kind == VIEW_TASK)
        make_dirty(s, &s->a->dirty_tasks, key);
    else if (o->kind == VIEW_SERVICE)
        make_dirty(s, &s->a->dirty_services, key);
    else if (o->kind == VIEW_NODE)
        alloc_dirty_node(s->a, key);
}

/* Those waiting for something that is there now become dirty, never more of them than there is
 * room for. */
static void wake_waiting(struct alloc_step *s)
{
    struct allocator *a = s->a;
    struct net *n;
    size_t it = 0;
    uint64_t key;

    if (a->networks_changed) {
        a->networks_changed = false;
        while ((n = sw_map_next(&a->nets, &it)) != NULL) {
            if (n->pool.bits == NULL)
                make_dirty(s, &a->dirty_nets, n->key);
        }
        while (alloc_next_waiter(a, &a->waiting, &key))
            wake(s, key);
    }
    while (keys_pop(&a->freed_nets, &key)) {
        n = alloc_net(a, key);
        if (n == NULL)
            continue;
        n->freed = false;
        a->recheck = true;
        for (uint32_t i = 0; i < n->pool.room && alloc_next_waiter(a, &n->waiting, &key); i++)
            wake(s, key);
    }
    if (a->ports_freed) {
        a->ports_freed = false;
        while (alloc_next_waiter(a, &a->waiting_ports, &key))
            wake(s, key);
    }
}

/* Not all that were woken still wanted an address. */
static void recheck(struct allocator *a)
{
    struct net *n;
    size_t it = 0;

    if (!a->recheck)
        return;
    a->recheck = false;
    while ((n = sw_map_next(&a->nets, &it)) != NULL) {
        if (n->freed || n->waiting.keys.n == 0 || n->pool.room == 0)
            continue;
        n->freed = true;
        if (keys_push(&a->freed_nets, n->key) < 0)
            a->stale = true;
    }
}

static void do_services(struct alloc_step *s)
{
    uint64_t key;

    for (size_t n = s->a->dirty_services.n; n > 0 && keys_pop(&s->a->dirty_services, &key); n--) {
        SW_CLEANUP(sw_buf_fini) struct sw_buf why = SW_BUF_INIT;
        const struct view_service *vs = view_service(s->view, key);

        if (vs != NULL && !alloc_service(s, vs, &why))
            alloc_wake_tasks(s, vs); /* they tell the reason */
    }
}

int64_t allocator_step(struct allocator *a, const struct view *v, int64_t now_ns, struct txn *txn)
{
    struct alloc_step s = { .a = a, .view = v, .now_ns = now_ns, .txn = txn };
    size_t budget = ALLOC_TASKS_PER_STEP;
    uint64_t key;

    if (a->stale)
        rebuild(a, v);
    alloc_settle_claims(a, v);
    wake_waiting(&s);
    alloc_look_at_idle(&s);
    while (keys_pop(&a->dirty_nets, &key)) {
        const struct view_object *o = view_object(v, key);

        if (o != NULL && o->kind == VIEW_NETWORK)
            alloc_network(&s, o);
    }
    do_services(&s);
    while (budget > 0 && keys_pop(&a->dirty_nodes, &key)) {
        const struct view_node *vn = view_node(v, key);
        struct alloc_node *an = sw_map_get(&a->nodes, key);

        if (an != NULL)
            an->dirty = false;
        if (vn != NULL)
            alloc_node(&s, vn);
        budget--;
    }
    budget = ALLOC_TASKS_PER_STEP;
    while (budget > 0 && keys_pop(&a->dirty_tasks, &key)) {
        const struct view_task *vt = view_task(v, key);

        if (vt != NULL && !txn_is_deleted(txn, key))
            alloc_task(&s, vt);
        budget--;
    }
    sw_buf_fini(&s.service_why);
    recheck(a);
    if (a->stale || a->dirty_tasks.n > 0 || a->dirty_nodes.n > 0 || a->dirty_services.n > 0 ||
        a->freed_nets.n > 0 || a->pressed)
        return now_ns;
    return a->idle_wake_ns;
}
