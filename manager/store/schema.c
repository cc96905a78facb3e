/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/store/schema.h"

#include <stdio.h>
#include <string.h>

static const char *const tables[VIEW_KINDS] = {
    [VIEW_CLUSTER] = "clusters", [VIEW_NODE] = "nodes",       [VIEW_SERVICE] = "services",
    [VIEW_TASK] = "tasks",       [VIEW_NETWORK] = "networks", [VIEW_SECRET] = "secrets",
    [VIEW_CONFIG] = "configs",   [VIEW_VOLUME] = "volumes",
};

/* Tasks keep their status apart: nearly all writes change nothing else. */
static const char fixed_schema[] =
    "CREATE TABLE position(one INTEGER PRIMARY KEY CHECK(one = 1), idx INTEGER NOT NULL,"
    " next_key INTEGER NOT NULL);"
    "INSERT INTO position VALUES(1, 0, 1);"
    "CREATE TABLE tasks(key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
    " version INTEGER NOT NULL, updated INTEGER NOT NULL, name TEXT, data BLOB NOT NULL,"
    " status BLOB);"
    "CREATE TABLE addrs(network INTEGER NOT NULL, addr INTEGER NOT NULL, owner INTEGER NOT NULL,"
    " PRIMARY KEY(network, addr)) WITHOUT ROWID;"
    "CREATE INDEX addrs_owner ON addrs(owner);"
    "CREATE TABLE ports(protocol INTEGER NOT NULL, port INTEGER NOT NULL, owner INTEGER NOT NULL,"
    " PRIMARY KEY(protocol, port)) WITHOUT ROWID;"
    "CREATE INDEX ports_owner ON ports(owner);"
    "CREATE TABLE vnis(vni INTEGER PRIMARY KEY, owner INTEGER NOT NULL UNIQUE);";

static int failed(sqlite3 *db, struct sw_err *err, const char *what)
{
    return sw_err_set(err, SW_E_INTERNAL, "store: %s: %s", what, sqlite3_errmsg(db));
}

int schema_create(sqlite3 *db, struct sw_err *err)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
                   STORE_APPLICATION_ID, STORE_FORMAT);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, fixed_schema, NULL, NULL, NULL) != SQLITE_OK)
        return failed(db, err, "create tables");
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        if (k == VIEW_TASK)
            continue;
        (void)snprintf(sql, sizeof(sql),
                       "CREATE TABLE %s(key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
                       " version INTEGER NOT NULL, updated INTEGER NOT NULL,"
                       " name TEXT COLLATE NOCASE, data BLOB NOT NULL);"
                       "CREATE UNIQUE INDEX %s_name ON %s(name) WHERE name <> '';",
                       tables[k], tables[k], tables[k]);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            return failed(db, err, tables[k]);
    }
    return 0;
}

static int pragma_int(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int v = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        v = sqlite3_column_int(s, 0);
    (void)sqlite3_finalize(s);
    return v;
}

int schema_check(sqlite3 *db, struct sw_err *err)
{
    int format;

    if (pragma_int(db, "PRAGMA application_id") != STORE_APPLICATION_ID)
        return sw_err_set(err, SW_E_CORRUPT, "not a snapshot of a swarm store");
    format = pragma_int(db, "PRAGMA user_version");
    if (format != STORE_FORMAT)
        return sw_err_set(err, SW_E_CORRUPT, "snapshot has format %d, this program reads %d",
                          format, STORE_FORMAT);
    return 0;
}

struct row {
    size_t offset;
    const char *sql;
};

#define ROW(member, text)                                                                          \
    {                                                                                              \
        offsetof(struct statements, member), text                                                  \
    }

static const struct row rows[] = {
    ROW(begin, "BEGIN"),
    ROW(commit, "COMMIT"),
    ROW(rollback, "ROLLBACK"),
    ROW(set_position, "UPDATE position SET idx = ?1, next_key = ?2"),
    ROW(get_position, "SELECT idx, next_key FROM position"),
    ROW(task_status, "UPDATE tasks SET version = ?2, updated = ?3, status = ?4 WHERE key = ?1"),
    ROW(claim_addr, "INSERT INTO addrs VALUES(?1, ?2, ?3)"),
    ROW(release_addrs, "DELETE FROM addrs WHERE owner = ?1"),
    ROW(claim_port, "INSERT INTO ports VALUES(?1, ?2, ?3)"),
    ROW(release_ports, "DELETE FROM ports WHERE owner = ?1"),
    ROW(claim_vni, "INSERT INTO vnis VALUES(?1, ?2)"),
    ROW(release_vni, "DELETE FROM vnis WHERE owner = ?1"),
};

static int prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, struct sw_err *err)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return failed(db, err, sql);
    return 0;
}

static int prepare_kind(sqlite3 *db, struct statements *st, unsigned k, struct sw_err *err)
{
    bool task = k == VIEW_TASK;
    char sql[256];
    int r;

    (void)snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES(?1, ?2, ?3, ?4, ?5, ?6%s)", tables[k],
                   task ? ", ?7" : "");
    r = prepare(db, &st->insert[k], sql, err);
    if (r < 0)
        return r;
    (void)snprintf(sql, sizeof(sql),
                   "UPDATE %s SET version = ?3, updated = ?4, name = ?5, data = ?6%s"
                   " WHERE key = ?1 AND id = ?2",
                   tables[k], task ? ", status = ?7" : "");
    r = prepare(db, &st->update[k], sql, err);
    if (r < 0)
        return r;
    (void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE key = ?1", tables[k]);
    r = prepare(db, &st->erase[k], sql, err);
    if (r < 0)
        return r;
    (void)snprintf(sql, sizeof(sql), "SELECT version, updated, data%s FROM %s ORDER BY key",
                   task ? ", status" : "", tables[k]);
    return prepare(db, &st->all[k], sql, err);
}

int schema_prepare(sqlite3 *db, struct statements *st, struct sw_err *err)
{
    int r;

    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++) {
        r = prepare(db, (sqlite3_stmt **)(void *)((char *)st + rows[i].offset), rows[i].sql, err);
        if (r < 0)
            return r;
    }
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        r = prepare_kind(db, st, k, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void schema_finalize(struct statements *st)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++)
        (void)sqlite3_finalize(*(sqlite3_stmt **)(void *)((char *)st + rows[i].offset));
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        (void)sqlite3_finalize(st->insert[k]);
        (void)sqlite3_finalize(st->update[k]);
        (void)sqlite3_finalize(st->erase[k]);
        (void)sqlite3_finalize(st->all[k]);
    }
    memset(st, 0, sizeof(*st));
}
