/* SPDX-License-Identifier: Apache-2.0
 * agent.h - the node agent: its modules and how they are joined.
 *
 * How it works. Images, containers and the local network serve from the start. Membership comes on
 * top of that:
 *
 *   ALONE --init or join ordered--> ENTERING --identity kept--> MEMBER --left--> LEAVING -> ALONE
 *     ^---------- failed: nothing is kept -----/
 *
 * A member keeps identity.pb and node.pb; with them a restarted agent goes on as if nothing had
 * happened: containers, their network and, on managers, swarm-manager have lived on. One loop. */
#ifndef SWARM_AGENT_AGENT_H
#define SWARM_AGENT_AGENT_H

#include <uv.h>

#include "common/base/err.h"

struct agent; /* opaque, agent_priv.h */

struct agent_options { /* all borrowed */
    const char *state_dir;
    const char *run_dir;
    const char *socket;          /* NULL: <run_dir>/swarm.sock */
    const char *libexec_dir;     /* where swarm-manager, swarm-netd and swarm-shim are */
    const char *manager_user;    /* NULL or "": as swarmd itself */
    const char *visualizer_addr; /* "": none */
    const char *hostname;        /* NULL: the machine's */
    const char *cgroup_parent;   /* NULL: "swarm" */
    const char *log_level;
};

int agent_new(struct agent **out, uv_loop_t *loop, const struct agent_options *o,
              struct sw_err *err);
/** agent_stop() - end this process' part; containers, networks and the manager live on. */
void agent_stop(struct agent *a);
void agent_free(struct agent *a); /* after the loop has ended */

#endif
