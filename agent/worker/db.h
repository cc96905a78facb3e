/* SPDX-License-Identifier: Apache-2.0
 * db.h - the local file: assigned tasks, their last status, their containers. Private. */
#ifndef SWARM_AGENT_WORKER_DB_H
#define SWARM_AGENT_WORKER_DB_H

#include <sqlite3.h>
#include <stdint.h>

#include "common/base/err.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct db {
    sqlite3 *sql;
    sqlite3_stmt *put, *status, *container, *erase, *all;
};

int db_open(struct db *db, const char *path, struct sw_err *err);
void db_close(struct db *db);
int db_put(struct db *db, const Swarm__V1__AssignedTask *t);
int db_status(struct db *db, uint64_t key, const Swarm__V1__TaskStatus *s);
int db_container(struct db *db, uint64_t key, const char *container_id, const char *image_id);
int db_erase(struct db *db, uint64_t key);
/** db_each() - every row; assigned and status are owned by the visitor; status may be NULL. */
int db_each(struct db *db,
            void (*visit)(void *arg, Swarm__V1__AssignedTask *t, Swarm__V1__TaskStatus *s,
                          const char *container_id, const char *image_id),
            void *arg, struct sw_err *err);

#endif
