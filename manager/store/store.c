/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/store/store.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/store/rows.h"
#include "manager/store/schema.h"
#include "proto/pb.h"

struct store {
    sqlite3 *db;
    struct statements st;
    struct view *view;
};

static int failed(struct store *s, struct sw_err *err, const char *what)
{
    return sw_err_set(err, SW_E_INTERNAL, "store: %s: %s", what, sqlite3_errmsg(s->db));
}

int store_new(struct store **out, struct view *view, struct sw_err *err)
{
    struct store *s = sw_calloc(1, sizeof(*s));
    int r;

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "create the store");
    s->view = view;
    if (sqlite3_open_v2(":memory:", &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        r = failed(s, err, "open");
        goto fail;
    }
    r = schema_create(s->db, err);
    if (r == 0)
        r = schema_prepare(s->db, &s->st, err);
    if (r < 0)
        goto fail;
    *out = s;
    return 0;
fail:
    store_free(s);
    return r;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    schema_finalize(&s->st);
    (void)sqlite3_close(s->db);
    sw_free(s);
}

/* Give every object what applying decides: its version and its times. */
static void stamp(struct store *s, Swarm__V1__Transaction *txn, uint64_t index)
{
    for (size_t i = 0; i < txn->n_changes; i++) {
        const struct view_object *stored;
        enum view_kind kind;
        void *msg;

        if (!view_change_object(txn->changes[i], &kind, &msg))
            continue;
        stored = view_object(s->view, view_meta(msg)->key);
        view_meta(msg)->version = index;
        view_meta(msg)->updated_ns = txn->now_ns;
        view_meta(msg)->created_ns =
            stored != NULL ? view_meta(stored->msg)->created_ns : txn->now_ns;
    }
}

static int write_change(struct store *s, struct rows *r, const Swarm__V1__Change *c, uint64_t index,
                        uint64_t now_ns)
{
    const struct view_object *o;
    enum view_kind kind;
    void *msg;

    if (c->action == SWARM__V1__CHANGE__ACTION__DELETE) {
        o = view_object(s->view, c->key);
        return o != NULL ? rows_delete(r, o->kind, c->key) : SQLITE_DONE;
    }
    if (view_status_is_late(s->view, c))
        return SQLITE_DONE;
    if (c->object_case == SWARM__V1__CHANGE__OBJECT_TASK_STATUS)
        return rows_task_status(r, c->task_status->task, index, now_ns, c->task_status->status);
    if (!view_change_object(c, &kind, &msg))
        return SQLITE_DONE;
    return rows_write(r, kind, msg, c->action == SWARM__V1__CHANGE__ACTION__CREATE);
}

static uint64_t next_key_after(const struct store *s, const Swarm__V1__Transaction *txn)
{
    uint64_t next = view_next_key(s->view);

    for (size_t i = 0; i < txn->n_changes; i++) {
        enum view_kind kind;
        void *msg;

        if (txn->changes[i]->action == SWARM__V1__CHANGE__ACTION__CREATE &&
            view_change_object(txn->changes[i], &kind, &msg) && view_meta(msg)->key >= next)
            next = view_meta(msg)->key + 1;
    }
    return next;
}

static int set_position(struct store *s, uint64_t index, uint64_t next_key)
{
    (void)sqlite3_bind_int64(s->st.set_position, 1, (sqlite3_int64)index);
    (void)sqlite3_bind_int64(s->st.set_position, 2, (sqlite3_int64)next_key);
    return rows_step(s->st.set_position);
}

/* Return: 0; 1 when a constraint refused it (@result filled, nothing written); < 0 fatal. */
static int write_rows(struct store *s, const Swarm__V1__Transaction *txn, uint64_t index,
                      struct sw_err *result, struct sw_err *err)
{
    struct rows r = { s->db, &s->st, "object" };
    int rc = rows_step(s->st.begin);

    if (rc != SQLITE_DONE)
        return failed(s, err, "begin");
    for (size_t i = 0; rc == SQLITE_DONE && i < txn->n_changes; i++)
        rc = write_change(s, &r, txn->changes[i], index, txn->now_ns);
    if (rc == SQLITE_DONE)
        rc = set_position(s, index, next_key_after(s, txn));
    if (rc == SQLITE_DONE)
        rc = rows_step(s->st.commit);
    if (rc == SQLITE_DONE)
        return 0;
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        (void)sw_err_set(result, SW_E_CONFLICT, "%s is already in use", r.what);
        if (rows_step(s->st.rollback) != SQLITE_DONE)
            return failed(s, err, "rollback");
        return 1;
    }
    (void)failed(s, err, "write");
    (void)rows_step(s->st.rollback);
    return err->code;
}

static int skip(struct store *s, uint64_t index, struct sw_err *err)
{
    view_set_position(s->view, index, 0);
    if (set_position(s, index, view_next_key(s->view)) != SQLITE_DONE)
        return failed(s, err, "position");
    return 0;
}

int store_apply(struct store *s, uint64_t index, const void *data, size_t len,
                struct sw_err *result, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__Transaction *txn = NULL;
    int r;

    result->code = 0;
    result->msg[0] = '\0';
    if (index <= view_index(s->view))
        return 0;
    if (pb_unpack(&swarm__v1__transaction__descriptor, data, len, &txn, result) < 0)
        return skip(s, index, err);
    if (view_check(s->view, txn, result) < 0)
        return skip(s, index, err);
    stamp(s, txn, index);
    r = write_rows(s, txn, index, result, err);
    if (r < 0)
        return r;
    if (r > 0)
        return skip(s, index, err);
    r = view_apply(s->view, txn, index);
    if (r < 0)
        return sw_err_set(err, r, "store: apply entry %llu", (unsigned long long)index);
#ifdef SWARM_STORE_VERIFY
    return store_verify(s, err);
#else
    return 0;
#endif
}

int store_snapshot(struct store *s, struct sw_buf *out, struct sw_err *err)
{
    sqlite3_int64 size = 0;
    unsigned char *p = sqlite3_serialize(s->db, "main", &size, 0);

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "store: snapshot");
    sw_buf_add(out, p, (size_t)size);
    sqlite3_free(p);
    if (sw_buf_failed(out))
        return sw_err_set(err, -ENOMEM, "store: snapshot");
    return 0;
}

/* Decode the row that @stmt stands on. */
static int row_message(enum view_kind kind, sqlite3_stmt *stmt, void **out, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) void *msg = NULL;
    int r = pb_unpack(view_descriptor(kind), sqlite3_column_blob(stmt, 2),
                      (size_t)sqlite3_column_bytes(stmt, 2), &msg, err);

    if (r < 0)
        return r;
    if (view_meta(msg) == NULL)
        return sw_err_set(err, SW_E_CORRUPT, "%s without meta", view_kind_name(kind));
    if (kind == VIEW_TASK && sqlite3_column_type(stmt, 3) != SQLITE_NULL) {
        r = pb_unpack(&swarm__v1__task_status__descriptor, sqlite3_column_blob(stmt, 3),
                      (size_t)sqlite3_column_bytes(stmt, 3), &((Swarm__V1__Task *)msg)->status,
                      err);
        if (r < 0)
            return r;
    }
    view_meta(msg)->version = (uint64_t)sqlite3_column_int64(stmt, 0);
    view_meta(msg)->updated_ns = (uint64_t)sqlite3_column_int64(stmt, 1);
    *out = sw_steal(msg);
    return 0;
}

static int load_kind(struct store *s, enum view_kind kind, struct sw_err *err)
{
    sqlite3_stmt *stmt = s->st.all[kind];
    int rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        void *msg;
        int r = row_message(kind, stmt, &msg, err);

        if (r == 0 && view_load(s->view, kind, msg) < 0) {
            pb_free(msg);
            r = sw_err_set(err, -ENOMEM, "store: load");
        }
        if (r < 0) {
            (void)sqlite3_reset(stmt);
            return r;
        }
    }
    (void)sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : failed(s, err, "load");
}

static int load_view(struct store *s, struct sw_err *err)
{
    uint64_t index;
    uint64_t next;

    view_clear(s->view);
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        int r = load_kind(s, (enum view_kind)k, err);

        if (r < 0)
            return r;
    }
    if (sqlite3_step(s->st.get_position) != SQLITE_ROW) {
        (void)sqlite3_reset(s->st.get_position);
        return sw_err_set(err, SW_E_CORRUPT, "snapshot without a position");
    }
    index = (uint64_t)sqlite3_column_int64(s->st.get_position, 0);
    next = (uint64_t)sqlite3_column_int64(s->st.get_position, 1);
    (void)sqlite3_reset(s->st.get_position);
    view_set_position(s->view, index, next);
    view_told_reset(s->view);
    return 0;
}

int store_restore(struct store *s, const void *data, size_t len, struct sw_err *err)
{
    unsigned char *copy = sqlite3_malloc64(len);
    int r;

    if (copy == NULL)
        return sw_err_set(err, -ENOMEM, "store: restore");
    memcpy(copy, data, len);
    schema_finalize(&s->st);
    /* The copy belongs to SQLite from here on, also on failure. */
    if (sqlite3_deserialize(s->db, "main", copy, (sqlite3_int64)len, (sqlite3_int64)len,
                            SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) !=
        SQLITE_OK)
        return failed(s, err, "restore");
    r = schema_check(s->db, err);
    if (r == 0)
        r = schema_prepare(s->db, &s->st, err);
    if (r == 0)
        r = load_view(s, err);
    if (r < 0) {
        view_clear(s->view);
        return sw_err_wrap(err, "restore a snapshot of %zu bytes", len);
    }
    return 0;
}

int store_verify(struct store *s, struct sw_err *err)
{
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        struct sw_list *l = view_list(s->view, (enum view_kind)k)->next;
        sqlite3_stmt *stmt = s->st.all[k];
        int r = 0;

        while (r == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
            SW_CLEANUP(pb_free_ptr) void *msg = NULL;

            r = row_message((enum view_kind)k, stmt, &msg, err);
            if (r < 0)
                break;
            if (l == view_list(s->view, (enum view_kind)k) ||
                !pb_equal(msg, sw_list_entry(l, struct view_object, link)->msg))
                r = sw_err_set(err, SW_E_CORRUPT, "%s %llu: SQLite and the view differ",
                               view_kind_name((enum view_kind)k),
                               (unsigned long long)view_meta(msg)->key);
            l = l->next;
        }
        (void)sqlite3_reset(stmt);
        if (r == 0 && l != view_list(s->view, (enum view_kind)k))
            r = sw_err_set(err, SW_E_CORRUPT, "the view has a %s that SQLite has not",
                           view_kind_name((enum view_kind)k));
        if (r < 0)
            return r;
    }
    return 0;
}
