/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker/db.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "proto/pb.h"

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000;"
    "CREATE TABLE IF NOT EXISTS tasks(key INTEGER PRIMARY KEY, assigned BLOB NOT NULL, status BLOB,"
    " container TEXT NOT NULL DEFAULT '', image TEXT NOT NULL DEFAULT '');";

static int failed(struct db *db, struct sw_err *err, const char *what)
{
    return sw_err_set(err, SW_E_CORRUPT, "worker database: %s: %s", what,
                      db->sql != NULL ? sqlite3_errmsg(db->sql) : "no memory");
}

int db_open(struct db *db, const char *path, struct sw_err *err)
{
    const struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } rows[] = {
        { &db->put, "INSERT INTO tasks(key, assigned) VALUES(?1, ?2)"
                    " ON CONFLICT(key) DO UPDATE SET assigned = ?2" },
        { &db->status, "UPDATE tasks SET status = ?2 WHERE key = ?1" },
        { &db->container, "UPDATE tasks SET container = ?2, image = ?3 WHERE key = ?1" },
        { &db->erase, "DELETE FROM tasks WHERE key = ?1" },
        { &db->all, "SELECT assigned, status, container, image FROM tasks ORDER BY key" },
    };

    memset(db, 0, sizeof(*db));
    if (sqlite3_open_v2(path, &db->sql,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return failed(db, err, path);
    if (sqlite3_exec(db->sql, schema, NULL, NULL, NULL) != SQLITE_OK)
        return failed(db, err, path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (sqlite3_prepare_v3(db->sql, rows[i].sql, -1, SQLITE_PREPARE_PERSISTENT, rows[i].stmt,
                               NULL) != SQLITE_OK)
            return failed(db, err, rows[i].sql);
    }
    return 0;
}

void db_close(struct db *db)
{
    (void)sqlite3_finalize(db->put);
    (void)sqlite3_finalize(db->status);
    (void)sqlite3_finalize(db->container);
    (void)sqlite3_finalize(db->erase);
    (void)sqlite3_finalize(db->all);
    (void)sqlite3_close(db->sql);
    memset(db, 0, sizeof(*db));
}

static int run(struct db *db, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);

    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    if (rc == SQLITE_DONE)
        return 0;
    log_error("worker database: %s", sqlite3_errmsg(db->sql));
    return -1;
}

static int bind_message(sqlite3_stmt *s, int at, const void *msg)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    if (pb_pack(msg, &b) < 0)
        return -1;
    return sqlite3_bind_blob64(s, at, b.data != NULL ? b.data : (const uint8_t *)"", b.len,
                               SQLITE_TRANSIENT) == SQLITE_OK
               ? 0
               : -1;
}

int db_put(struct db *db, const Swarm__V1__AssignedTask *t)
{
    (void)sqlite3_bind_int64(db->put, 1, (sqlite3_int64)t->key);
    if (bind_message(db->put, 2, t) < 0)
        return -1;
    return run(db, db->put);
}

int db_status(struct db *db, uint64_t key, const Swarm__V1__TaskStatus *s)
{
    (void)sqlite3_bind_int64(db->status, 1, (sqlite3_int64)key);
    if (bind_message(db->status, 2, s) < 0)
        return -1;
    return run(db, db->status);
}

int db_container(struct db *db, uint64_t key, const char *container_id, const char *image_id)
{
    (void)sqlite3_bind_int64(db->container, 1, (sqlite3_int64)key);
    (void)sqlite3_bind_text(db->container, 2, container_id, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(db->container, 3, image_id, -1, SQLITE_TRANSIENT);
    return run(db, db->container);
}

int db_erase(struct db *db, uint64_t key)
{
    (void)sqlite3_bind_int64(db->erase, 1, (sqlite3_int64)key);
    return run(db, db->erase);
}

int db_each(struct db *db,
            void (*visit)(void *arg, Swarm__V1__AssignedTask *t, Swarm__V1__TaskStatus *s,
                          const char *container_id, const char *image_id),
            void *arg, struct sw_err *err)
{
    int rc;

    while ((rc = sqlite3_step(db->all)) == SQLITE_ROW) {
        Swarm__V1__AssignedTask *t = NULL;
        Swarm__V1__TaskStatus *s = NULL;

        if (pb_unpack(&swarm__v1__assigned_task__descriptor, sqlite3_column_blob(db->all, 0),
                      (size_t)sqlite3_column_bytes(db->all, 0), &t, err) < 0) {
            (void)sqlite3_reset(db->all);
            return err->code;
        }
        if (sqlite3_column_type(db->all, 1) != SQLITE_NULL &&
            pb_unpack(&swarm__v1__task_status__descriptor, sqlite3_column_blob(db->all, 1),
                      (size_t)sqlite3_column_bytes(db->all, 1), &s, err) < 0) {
            pb_free(t);
            (void)sqlite3_reset(db->all);
            return err->code;
        }
        visit(arg, t, s, (const char *)sqlite3_column_text(db->all, 2),
              (const char *)sqlite3_column_text(db->all, 3));
    }
    (void)sqlite3_reset(db->all);
    return rc == SQLITE_DONE ? 0 : failed(db, err, "read");
}
