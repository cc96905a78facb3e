/* SPDX-License-Identifier: Apache-2.0
 * schema.h - tables and prepared statements of the store. */
#ifndef SWARM_MANAGER_STORE_SCHEMA_H
#define SWARM_MANAGER_STORE_SCHEMA_H

#include <sqlite3.h>

#include "common/base/err.h"
#include "manager/view/view.h"

#define STORE_FORMAT         1
#define STORE_APPLICATION_ID 0x5357524d /* "SWRM" */

struct statements {
    sqlite3_stmt *begin, *commit, *rollback, *set_position, *get_position;
    sqlite3_stmt *insert[VIEW_KINDS], *update[VIEW_KINDS], *erase[VIEW_KINDS], *all[VIEW_KINDS];
    sqlite3_stmt *task_status;
    sqlite3_stmt *claim_addr, *release_addrs;
    sqlite3_stmt *claim_port, *release_ports;
    sqlite3_stmt *claim_vni, *release_vni;
};

int schema_create(sqlite3 *db, struct sw_err *err);
int schema_check(sqlite3 *db, struct sw_err *err); /* is this a database of ours? */
int schema_prepare(sqlite3 *db, struct statements *st, struct sw_err *err);
void schema_finalize(struct statements *st);

#endif
