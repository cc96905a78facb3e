/* SPDX-License-Identifier: Apache-2.0
 * manager.h - one manager: its modules and how they are joined.
 *
 * How it works. The process starts without identity: swarmd connects to its control socket and
 * hands over the node's identity together with what to do (ManagerSetup):
 *
 *   WAITING --setup--> STARTING --a leader is known, own node is in the store--> RUNNING
 *                          \--failed--> the setup call fails; swarmd ends the process
 *
 *   bootstrap: consensus of one, then the first transaction
 *   join:      ask the known managers to be admitted to Raft, then open an empty log
 *   open:      open what the state directory has
 *   force new: cut the membership down to this manager, then open
 *
 * Everything runs on one loop thread. */
#ifndef SWARM_MANAGER_MANAGER_H
#define SWARM_MANAGER_MANAGER_H

#include <uv.h>

#include "common/base/err.h"

struct manager; /* opaque, manager_priv.h */

struct manager_options {
    const char *state_dir; /* Raft log and manager.pb; borrowed */
    const char *run_dir;   /* manager.sock (HTTP), manager-control.sock (RPC); borrowed */
};

int manager_new(struct manager **out, uv_loop_t *loop, const struct manager_options *o,
                struct sw_err *err);
/** manager_stop() - close everything; the loop ends by itself when all is closed. */
void manager_stop(struct manager *m);
/** manager_free() - after the loop has ended. */
void manager_free(struct manager *m);

#endif
