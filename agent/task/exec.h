/* SPDX-License-Identifier: Apache-2.0
 * exec.h - what a task needs done: implemented by the worker with containers, by tests with none.
 *
 * Each order is answered by one event, reported through the function of task.h named below, never
 * from inside the order. At most one order is under way for a task, with one exception: stop() may
 * be given while prepare() or start() runs and means: give that up. The order given up is then
 * still answered (by SW_E_CANCELED or by success, whichever comes first), and stop() after it. */
#ifndef SWARM_AGENT_TASK_EXEC_H
#define SWARM_AGENT_TASK_EXEC_H

#include <stdint.h>

#include "swarm/v1/dispatcher.pb-c.h"

struct task;

struct task_exec_ops {
    /* Image, volumes, secrets, networks, container; idempotent. -> task_on_prepared() */
    void (*prepare)(void *arg, struct task *t);
    /* Start the container. -> task_on_started(); later task_on_health(), task_on_exited() */
    void (*start)(void *arg, struct task *t);
    /* Take it out of discovery, send the stop signal, kill after @grace_ns. No container: done at
     * once. -> task_on_stopped() */
    void (*stop)(void *arg, struct task *t, int64_t grace_ns);
    /* Remove the container and everything made by prepare(). -> task_on_removed() */
    void (*remove)(void *arg, struct task *t);
    /* The status changed: keep it and tell the manager. @status is borrowed during the call. */
    void (*report)(void *arg, struct task *t, const Swarm__V1__TaskStatus *status);
};

#endif
