/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/view/txn.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "proto/pb.h"

struct item {
    Swarm__V1__Change *change; /* NULL: taken, or superseded */
    bool mark;                 /* a cut is allowed behind this one */
};

struct txn {
    struct item *items;
    size_t len, cap;
    size_t taken;        /* items before this were handed out */
    struct sw_map edits; /* key -> index + 1 of the change that holds its new message */
    uint64_t next_key;
    uint64_t now_ns;
    const struct txn_random *rnd;
    bool failed;
};

struct txn *txn_new(uint64_t first_key, int64_t now_ns, const struct txn_random *rnd)
{
    struct txn *x = sw_calloc(1, sizeof(*x));

    if (x == NULL)
        return NULL;
    x->next_key = first_key;
    x->now_ns = (uint64_t)now_ns;
    x->rnd = rnd;
    sw_map_init(&x->edits);
    return x;
}

void txn_free(struct txn *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->len; i++)
        pb_free(x->items[i].change);
    sw_free(x->items);
    sw_map_fini(&x->edits);
    sw_free(x);
}

uint64_t txn_next_key(const struct txn *x)
{
    return x->next_key;
}

size_t txn_len(const struct txn *x)
{
    return x->len - x->taken;
}

bool txn_failed(const struct txn *x)
{
    return x->failed;
}

void txn_mark(struct txn *x)
{
    if (x->len > 0)
        x->items[x->len - 1].mark = true;
}

static Swarm__V1__Change *append(struct txn *x)
{
    Swarm__V1__Change *c;

    if (x->failed)
        return NULL;
    if (x->len == x->cap) {
        size_t cap = x->cap != 0 ? x->cap * 2 : 16;
        struct item *p = sw_realloc(x->items, cap * sizeof(*p));

        if (p == NULL) {
            x->failed = true;
            return NULL;
        }
        x->items = p;
        x->cap = cap;
    }
    c = pb_new(&swarm__v1__change__descriptor);
    if (c == NULL) {
        x->failed = true;
        return NULL;
    }
    x->items[x->len++] = (struct item){ c, false };
    return c;
}

static void set_object(Swarm__V1__Change *c, enum view_kind kind, void *msg)
{
    static const Swarm__V1__Change__ObjectCase cases[VIEW_KINDS] = {
        [VIEW_CLUSTER] = SWARM__V1__CHANGE__OBJECT_CLUSTER,
        [VIEW_NODE] = SWARM__V1__CHANGE__OBJECT_NODE,
        [VIEW_SERVICE] = SWARM__V1__CHANGE__OBJECT_SERVICE,
        [VIEW_TASK] = SWARM__V1__CHANGE__OBJECT_TASK,
        [VIEW_NETWORK] = SWARM__V1__CHANGE__OBJECT_NETWORK,
        [VIEW_SECRET] = SWARM__V1__CHANGE__OBJECT_SECRET,
        [VIEW_CONFIG] = SWARM__V1__CHANGE__OBJECT_CONFIG,
        [VIEW_VOLUME] = SWARM__V1__CHANGE__OBJECT_VOLUME,
    };

    c->object_case = cases[kind];
    c->node = msg; /* one union of pointers */
}

/* All outputs at once so that a failure leaves the message as it was. */
static int fill_meta(struct txn *x, void *msg)
{
    struct any_object {
        ProtobufCMessage base;
        Swarm__V1__Meta *meta;
    } *any = msg;
    uint8_t id[SW_ID_BYTES];

    if (any->meta == NULL) {
        any->meta = pb_new(&swarm__v1__meta__descriptor);
        if (any->meta == NULL)
            return -ENOMEM;
    }
    if (any->meta->id.len != SW_ID_BYTES) {
        x->rnd->fill(x->rnd->arg, id, sizeof(id));
        if (pb_set_bytes(&any->meta->id, id, sizeof(id)) < 0)
            return -ENOMEM;
    }
    any->meta->key = x->next_key;
    any->meta->created_ns = x->now_ns;
    any->meta->updated_ns = x->now_ns;
    return 0;
}

uint64_t txn_create(struct txn *x, enum view_kind kind, void *msg)
{
    Swarm__V1__Change *c = append(x);

    if (c == NULL || fill_meta(x, msg) < 0 ||
        sw_map_put(&x->edits, x->next_key, (void *)(uintptr_t)x->len) < 0) {
        x->failed = true;
        pb_free(msg);
        return 0;
    }
    c->action = SWARM__V1__CHANGE__ACTION__CREATE;
    set_object(c, kind, msg);
    return x->next_key++;
}

#define DELETED UINTPTR_MAX /* in txn.edits: no message, the object goes */

static Swarm__V1__Change *pending_edit(const struct txn *x, uint64_t key)
{
    uintptr_t at = (uintptr_t)sw_map_get(&x->edits, key);

    return at != 0 && at != DELETED ? x->items[at - 1].change : NULL;
}

bool txn_is_deleted(const struct txn *x, uint64_t key)
{
    return (uintptr_t)sw_map_get(&x->edits, key) == DELETED;
}

void txn_update(struct txn *x, enum view_kind kind, void *msg)
{
    uint64_t key = view_meta(msg)->key;
    Swarm__V1__Change *c = pending_edit(x, key);

    if (c != NULL) {
        pb_free(c->node);
        c->node = msg;
        return;
    }
    c = append(x);
    if (c == NULL || sw_map_put(&x->edits, key, (void *)(uintptr_t)x->len) < 0) {
        x->failed = true;
        pb_free(msg);
        return;
    }
    c->action = SWARM__V1__CHANGE__ACTION__UPDATE;
    c->expect_version = view_meta(msg)->version;
    set_object(c, kind, msg);
}

static void *edit(struct txn *x, enum view_kind kind, uint64_t key, const void *stored)
{
    Swarm__V1__Change *c = pending_edit(x, key);
    void *copy;

    if (c != NULL)
        return c->node;
    copy = pb_clone(stored);
    if (copy == NULL) {
        x->failed = true;
        return NULL;
    }
    txn_update(x, kind, copy);
    return x->failed ? NULL : copy;
}

const void *txn_peek(const struct txn *x, uint64_t key)
{
    const Swarm__V1__Change *c = pending_edit(x, key);

    return c != NULL ? c->node : NULL;
}

void *txn_edit(struct txn *x, const struct view_object *o)
{
    return edit(x, o->kind, o->key, o->msg);
}

Swarm__V1__Task *txn_edit_task(struct txn *x, const struct view_task *t)
{
    return edit(x, VIEW_TASK, t->o->key, t->t);
}

Swarm__V1__Service *txn_edit_service(struct txn *x, const struct view_service *s)
{
    return edit(x, VIEW_SERVICE, s->o->key, s->s);
}

Swarm__V1__Node *txn_edit_node(struct txn *x, const struct view_node *n)
{
    return edit(x, VIEW_NODE, n->o->key, n->n);
}

void txn_task_status(struct txn *x, uint64_t task, Swarm__V1__TaskStatus *status)
{
    Swarm__V1__Change *c = pending_edit(x, task);
    Swarm__V1__TaskStatusChange *sc;

    if (c != NULL && c->object_case == SWARM__V1__CHANGE__OBJECT_TASK) {
        pb_free(c->task->status);
        c->task->status = status;
        return;
    }
    c = append(x);
    sc = c != NULL ? pb_new(&swarm__v1__task_status_change__descriptor) : NULL;
    if (sc == NULL) {
        x->failed = true;
        pb_free(status);
        return;
    }
    sc->task = task;
    sc->status = status;
    c->action = SWARM__V1__CHANGE__ACTION__UPDATE;
    c->object_case = SWARM__V1__CHANGE__OBJECT_TASK_STATUS;
    c->task_status = sc;
}

void txn_delete(struct txn *x, enum view_kind kind, const void *stored_msg)
{
    const Swarm__V1__Meta *meta = view_meta(stored_msg);
    uintptr_t at = (uintptr_t)sw_map_get(&x->edits, meta->key);
    Swarm__V1__Change *c;

    (void)kind;
    if (at == DELETED)
        return;
    if (at != 0) { /* an edit of what goes away is moot */
        Swarm__V1__Change *edited = x->items[at - 1].change;

        bool created = edited != NULL && edited->action == SWARM__V1__CHANGE__ACTION__CREATE;

        pb_free(edited);
        x->items[at - 1].change = NULL;
        (void)sw_map_del(&x->edits, meta->key);
        if (created)
            return; /* nobody has ever seen it */
    }
    c = append(x);
    if (c == NULL)
        return;
    if (sw_map_put(&x->edits, meta->key, (void *)DELETED) < 0)
        x->failed = true;
    c->action = SWARM__V1__CHANGE__ACTION__DELETE;
    c->key = meta->key;
    c->expect_version = meta->version;
}

/* Where the next transaction ends: behind the last mark within the limits, or, when one group is
 * larger than they are, behind that group. */
static size_t find_cut(const struct txn *x)
{
    size_t bytes = 0;
    size_t changes = 0;
    size_t cut = x->taken;

    for (size_t i = x->taken; i < x->len; i++) {
        if (x->items[i].change != NULL) {
            bytes += protobuf_c_message_get_packed_size(&x->items[i].change->base) + 8;
            changes++;
        }
        if ((changes > TXN_MAX_CHANGES || bytes > TXN_MAX_BYTES) && cut > x->taken)
            return cut;
        if (x->items[i].mark)
            cut = i + 1;
    }
    if (changes > TXN_MAX_CHANGES || bytes > TXN_MAX_BYTES)
        return cut > x->taken ? cut : x->len;
    return x->len;
}

int txn_take(struct txn *x, Swarm__V1__Transaction **out)
{
    Swarm__V1__Transaction *t;
    size_t cut;
    size_t n = 0;

    while (x->taken < x->len && x->items[x->taken].change == NULL)
        x->taken++;
    if (x->taken == x->len)
        return 1;
    cut = find_cut(x);
    t = pb_new(&swarm__v1__transaction__descriptor);
    if (t == NULL)
        return -ENOMEM;
    t->changes = sw_calloc(cut - x->taken, sizeof(*t->changes));
    if (t->changes == NULL) {
        pb_free(t);
        return -ENOMEM;
    }
    for (size_t i = x->taken; i < cut; i++) {
        if (x->items[i].change != NULL)
            t->changes[n++] = x->items[i].change;
        x->items[i].change = NULL;
    }
    t->n_changes = n;
    t->now_ns = x->now_ns;
    x->rnd->fill(x->rnd->arg, &t->request_id, sizeof(t->request_id));
    x->taken = cut;
    *out = t;
    return 0;
}
