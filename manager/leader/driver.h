/* SPDX-License-Identifier: Apache-2.0
 * driver.h - runs the pure control loops while this manager leads.
 *
 * A round: every loop steps over the same view and adds to one collection; its transactions are
 * proposed together; when all are decided the next round may begin. A transaction that was refused
 * (an API write was faster) is handed back to the loops, which look again. Between rounds the
 * driver sleeps until a commit or until the earliest time a loop asked for. One loop thread. */
#ifndef SWARM_MANAGER_LEADER_DRIVER_H
#define SWARM_MANAGER_LEADER_DRIVER_H

#include "common/base/err.h"
#include "manager/leader/proposer.h"
#include "manager/view/view.h"

struct driver; /* opaque */

int driver_new(struct driver **out, struct uv_loop_s *loop, struct view *view,
               struct proposer *proposer, struct sw_err *err);
/** driver_free() - memory goes when the loop has run the close callback and the last transaction
 * under way was decided. */
void driver_free(struct driver *d);
void driver_start(struct driver *d); /* this manager leads */
void driver_stop(struct driver *d);

#endif
