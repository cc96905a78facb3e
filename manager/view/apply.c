/* SPDX-License-Identifier: Apache-2.0
 * apply.c - transactions: check first, then apply without a way to fail. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "manager/view/view.h"
#include "manager/view/view_private.h"
#include "proto/pb.h"

static int check_create(const struct view *v, enum view_kind kind, const void *msg,
                        uint64_t *next_key, struct sw_err *err)
{
    const Swarm__V1__Meta *meta = view_meta(msg);
    const Swarm__V1__Annotations *a = view_annotations(kind, msg);

    if (meta == NULL || meta->key == 0 || meta->id.len != SW_ID_BYTES)
        return sw_err_set(err, SW_E_INVALID, "new %s without key or id", view_kind_name(kind));
    if (meta->key < *next_key)
        return sw_err_set(err, SW_E_SEQUENCE, "update out of sequence");
    if (kind == VIEW_CLUSTER && view_cluster(v) != NULL)
        return sw_err_set(err, SW_E_CONFLICT, "the cluster object exists already");
    if (a != NULL && a->name[0] != '\0' && view_by_name(v, kind, a->name) != NULL)
        return sw_err_set(err, SW_E_CONFLICT,
                          "name conflicts with an existing object: %s %s already exists",
                          view_kind_name(kind), a->name);
    *next_key = meta->key + 1;
    return 0;
}

static int check_version(const struct view *v, uint64_t key, enum view_kind kind, uint64_t expect,
                         struct sw_err *err)
{
    const struct view_object *o = view_object(v, key);

    if (o == NULL || o->kind != kind)
        return sw_err_set(err, SW_E_NOT_FOUND, "%s not found", view_kind_name(kind));
    if (expect != 0 && view_meta(o->msg)->version != expect)
        return sw_err_set(err, SW_E_SEQUENCE, "update out of sequence");
    return 0;
}

/* Two new objects of one transaction may not share a name either. */
static int check_names_within(const Swarm__V1__Transaction *txn, size_t at, enum view_kind kind,
                              const void *msg, struct sw_err *err)
{
    const Swarm__V1__Annotations *a = view_annotations(kind, msg);

    if (a == NULL || a->name[0] == '\0')
        return 0;
    for (size_t i = 0; i < at; i++) {
        const Swarm__V1__Annotations *b;
        enum view_kind other;
        void *earlier;

        if (txn->changes[i]->action != SWARM__V1__CHANGE__ACTION__CREATE ||
            !view_change_object(txn->changes[i], &other, &earlier) || other != kind)
            continue;
        b = view_annotations(kind, earlier);
        if (b != NULL && strcasecmp(a->name, b->name) == 0)
            return sw_err_set(err, SW_E_CONFLICT,
                              "name conflicts with an existing object: %s %s already exists",
                              view_kind_name(kind), a->name);
    }
    return 0;
}

static int check_change(const struct view *v, const Swarm__V1__Transaction *txn, size_t i,
                        uint64_t *next_key, struct sw_err *err)
{
    const Swarm__V1__Change *c = txn->changes[i];
    enum view_kind kind;
    void *msg;
    int r;

    if (c->action == SWARM__V1__CHANGE__ACTION__DELETE) {
        const struct view_object *o = view_object(v, c->key);

        if (o == NULL)
            return sw_err_set(err, SW_E_NOT_FOUND, "object to delete not found");
        return check_version(v, c->key, o->kind, c->expect_version, err);
    }
    if (c->object_case == SWARM__V1__CHANGE__OBJECT_TASK_STATUS) {
        if (c->action != SWARM__V1__CHANGE__ACTION__UPDATE || c->task_status == NULL ||
            c->task_status->status == NULL)
            return sw_err_set(err, SW_E_INVALID, "malformed task status change");
        return check_version(v, c->task_status->task, VIEW_TASK, c->expect_version, err);
    }
    if (!view_change_object(c, &kind, &msg))
        return sw_err_set(err, SW_E_INVALID, "change without an object");
    if (view_meta(msg) == NULL)
        return sw_err_set(err, SW_E_INVALID, "%s without meta", view_kind_name(kind));
    if (c->action == SWARM__V1__CHANGE__ACTION__CREATE) {
        r = check_create(v, kind, msg, next_key, err);
        return r < 0 ? r : check_names_within(txn, i, kind, msg, err);
    }
    return check_version(v, view_meta(msg)->key, kind, c->expect_version, err);
}

int view_check(const struct view *v, const Swarm__V1__Transaction *txn, struct sw_err *err)
{
    uint64_t next_key = v->next_key;

    for (size_t i = 0; i < txn->n_changes; i++) {
        int r = check_change(v, txn, i, &next_key, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static void tell(struct view *v, const struct view_change *c)
{
    sw_list_each_safe(l, &v->observers)
    {
        struct view_observer *o = sw_list_entry(l, struct view_observer, link);

        if (o->on_change != NULL)
            o->on_change(o->arg, v, c);
    }
}

static int apply_create(struct view *v, enum view_kind kind, void *msg, uint64_t index,
                        uint64_t now_ns)
{
    Swarm__V1__Meta *meta = view_meta(msg);
    struct view_change c = { kind, meta->key, NULL, msg };
    uint64_t key = meta->key;
    int r;

    meta->version = index;
    meta->created_ns = now_ns;
    meta->updated_ns = now_ns;
    if (key >= v->next_key)
        v->next_key = key + 1;
    r = view_add(v, kind, msg, NULL);
    if (r == 0)
        tell(v, &c);
    return r;
}

static int apply_update(struct view *v, void *msg, uint64_t index, uint64_t now_ns)
{
    Swarm__V1__Meta *meta = view_meta(msg);
    struct view_object *o = view_object(v, meta->key);
    struct view_change c;
    void *old = NULL;
    int r;

    if (o == NULL) { /* an earlier change of this transaction deleted it */
        pb_free(msg);
        return 0;
    }
    c = (struct view_change){ o->kind, o->key, NULL, msg };
    meta->version = index;
    meta->created_ns = view_meta(o->msg)->created_ns;
    meta->updated_ns = now_ns;
    r = view_replace(v, o, msg, &old);
    if (r == 0) {
        c.before = old;
        tell(v, &c);
    }
    pb_free(old);
    return r;
}

/* The commonest write: only the status moves, the rest of the message stays where it is. Observers
 * still see two messages, so the old one is a shallow copy with the old status and meta. */
static void apply_status(struct view *v, struct view_object *o, Swarm__V1__TaskStatus *status,
                         uint64_t index, uint64_t now_ns)
{
    Swarm__V1__Task *t = o->msg;
    Swarm__V1__Task before = *t;
    Swarm__V1__Meta old_meta = *t->meta;
    Swarm__V1__TaskStatus *old = t->status;
    struct view_change c = { VIEW_TASK, o->key, &before, t };

    before.meta = &old_meta;
    t->status = status;
    t->meta->version = index;
    t->meta->updated_ns = now_ns;
    tell(v, &c);
    pb_free(old);
}

bool view_status_is_late(const struct view *v, const Swarm__V1__Change *c)
{
    const struct view_task *t;

    if (c->object_case != SWARM__V1__CHANGE__OBJECT_TASK_STATUS || c->task_status == NULL ||
        c->task_status->status == NULL)
        return false;
    t = view_task(v, c->task_status->task);
    return t != NULL && t->t->status != NULL &&
           c->task_status->status->state < t->t->status->state;
}

static int apply_change(struct view *v, Swarm__V1__Change *c, uint64_t index, uint64_t now_ns)
{
    enum view_kind kind;
    void *msg;

    if (c->action == SWARM__V1__CHANGE__ACTION__DELETE) {
        struct view_object *o = view_object(v, c->key);
        struct view_change change;

        if (o == NULL)
            return 0; /* deleted twice in one transaction */
        change = (struct view_change){ o->kind, o->key, o->msg, NULL };
        change.before = view_remove(v, o);
        tell(v, &change);
        pb_free((void *)(uintptr_t)change.before);
        return 0;
    }
    if (c->object_case == SWARM__V1__CHANGE__OBJECT_TASK_STATUS) {
        Swarm__V1__TaskStatus *status = c->task_status->status;
        struct view_object *o = view_object(v, c->task_status->task);

        if (o == NULL || view_status_is_late(v, c))
            return 0;
        c->task_status->status = NULL;
        apply_status(v, o, status, index, now_ns);
        return 0;
    }
    if (!view_change_object(c, &kind, &msg))
        return 0;
    c->node = NULL; /* the union's pointer: the view owns the object now */
    c->object_case = SWARM__V1__CHANGE__OBJECT__NOT_SET;
    if (c->action == SWARM__V1__CHANGE__ACTION__CREATE)
        return apply_create(v, kind, msg, index, now_ns);
    return apply_update(v, msg, index, now_ns);
}

int view_apply(struct view *v, Swarm__V1__Transaction *txn, uint64_t index)
{
    v->index = index;
    for (size_t i = 0; i < txn->n_changes; i++) {
        int r = apply_change(v, txn->changes[i], index, txn->now_ns);

        if (r < 0)
            return r;
    }
    sw_list_each_safe(l, &v->observers)
    {
        struct view_observer *o = sw_list_entry(l, struct view_observer, link);

        if (o->on_commit != NULL)
            o->on_commit(o->arg, v);
    }
    return 0;
}

int view_load(struct view *v, enum view_kind kind, void *msg)
{
    uint64_t key = view_meta(msg)->key;
    struct view_object *o;
    int r = view_add(v, kind, msg, &o);

    if (r < 0)
        return r;
    if (key >= v->next_key)
        v->next_key = key + 1;
    if (v->counts[VIEW_TASK] > 0)
        view_adopt(v, o);
    return 0;
}

void view_set_position(struct view *v, uint64_t index, uint64_t next_key)
{
    v->index = index;
    if (next_key > v->next_key)
        v->next_key = next_key;
}
