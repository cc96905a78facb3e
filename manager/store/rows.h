/* SPDX-License-Identifier: Apache-2.0
 * rows.h - one object to its rows. */
#ifndef SWARM_MANAGER_STORE_ROWS_H
#define SWARM_MANAGER_STORE_ROWS_H

#include "manager/store/schema.h"

/* Each returns SQLITE_DONE, SQLITE_CONSTRAINT (or an extended code of it) with @what naming what is
 * double, or another SQLite code. */
struct rows {
    sqlite3 *db;
    struct statements *st;
    const char *what; /* set on SQLITE_CONSTRAINT: "address", "port", ... */
};

int rows_write(struct rows *r, enum view_kind kind, void *msg, bool create);
int rows_task_status(struct rows *r, uint64_t key, uint64_t version, uint64_t updated,
                     const Swarm__V1__TaskStatus *status);
int rows_delete(struct rows *r, enum view_kind kind, uint64_t key);
int rows_step(sqlite3_stmt *s); /* step and reset */

#endif
