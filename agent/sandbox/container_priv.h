/* SPDX-License-Identifier: Apache-2.0
 * container_priv.h - struct container, shared by container*.c. */
#ifndef SWARM_AGENT_SANDBOX_CONTAINER_PRIV_H
#define SWARM_AGENT_SANDBOX_CONTAINER_PRIV_H

#include <swarm/v1/shim.pb-c.h>

#include "agent/sandbox/container.h"
#include "agent/sandbox/host.h"
#include "agent/sandbox/shimlink.h"
#include "common/base/list.h"

struct container {
    struct container_host *host;
    enum container_state state;
    char id[CONTAINER_ID_CHARS + 1];
    char *bundle;
    int dir; /* of the bundle */
    struct cgroup cg;
    struct container_events events;
    struct shimlink *link;
    pid_t shim; /* 0 when not our child */
    pid_t pid;
    struct container_exit exit;
    bool adopted;      /* the shim was there before us */
    bool told_created; /* events have been given out */
    bool told_started;
    bool paused;
    struct sw_timer later; /* for what is known at once but told from the loop */
    struct sw_timer freeze;
    int freeze_tries;
    void (*pause_done)(int status, void *data);
    void *pause_data;
    struct sw_list streams; /* struct container_stream */
    struct sw_list execs;   /* struct container_exec */
    uint64_t next_exec;
};

int container_send(struct container *c, const Swarm__V1__ShimRequest *req, const int *fds,
                   size_t n_fds, struct sw_err *err);
/** container_not_running() - fills @err with Docker's text. Return: SW_E_CONFLICT. */
int container_not_running(const struct container *c, struct sw_err *err);
/* container_exec.c: an event of an exec; and the end of the shim for all of them. */
void container_exec_event(struct container *c, const Swarm__V1__ShimEvent *event);
void container_exec_lost(struct container *c);
/* When the container is freed: the handles stay with their owners, silent. */
void container_exec_orphan(struct container *c);
void container_stream_orphan(struct container *c);

#endif
