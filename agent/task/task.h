/* SPDX-License-Identifier: Apache-2.0
 * task.h - the state machine of one task on its node.
 *
 * How it works. The manager says what is desired, the executor (exec.h) reports what happened; the
 * machine brings the two together one order at a time:
 *
 *   ACCEPTED -> PREPARING -> READY -> STARTING -> RUNNING -> COMPLETE | FAILED     (ended by
 * itself)
 *        \----------\----------\---------\-----------\-----> SHUTDOWN              (was told to)
 *                    \----------\--> REJECTED         \----> FAILED                (fatal errors)
 *
 * It does not begin PREPARING until desired is above ACCEPTED, and does not pass READY until
 * desired is RUNNING or COMPLETE. With a health check it stays STARTING until the first "healthy".
 * A temporary error is retried after a back-off; a fatal one before STARTING ends in REJECTED,
 * later in FAILED. The observed state never goes back; an ended task never starts again.
 *
 * Once its object is gone (task_forget()) the container is stopped, then removed: task_is_gone().
 *
 * Pure: the clock's time and random numbers come with the calls. One thread.
 * Source: SEMANTICS 7.3 - 7.8; SwarmKit agent/exec/controller.go. */
#ifndef SWARM_AGENT_TASK_TASK_H
#define SWARM_AGENT_TASK_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/task/exec.h"
#include "common/base/err.h"

struct task; /* opaque */

#define TASK_STOP_GRACE_NS    (10 * 1000000000ll)
#define TASK_RETRY_FIRST_NS   (100 * 1000000ll) /* doubled each time */
#define TASK_RETRY_LONGEST_NS (8 * 1000000000ll)

enum task_health { TASK_HEALTHY, TASK_UNHEALTHY };

/* What is left of a task when the agent starts again. */
enum task_found {
    TASK_FOUND_NOTHING,  /* no container */
    TASK_FOUND_PREPARED, /* container made, process not started */
    TASK_FOUND_STARTED,  /* process runs; @healthy in task_adopt() */
    TASK_FOUND_EXITED    /* @exit_code */
};

struct task_adopt {
    enum task_found found;
    bool healthy; /* or has no health check */
    int exit_code;
    const Swarm__V1__TaskStatus *status; /* the last one reported; NULL: none. Copied */
};

/**
 * task_new() - a task that was just assigned
 * @assigned: copied
 * @ops, @arg: borrowed
 * @adopt:    NULL for a new task; what was found of an old one
 *
 * Gives no order and reports nothing before task_step().
 * Return: NULL when memory is gone.
 */
struct task *task_new(const Swarm__V1__AssignedTask *assigned, const struct task_exec_ops *ops,
                      void *arg, const struct task_adopt *adopt);
void task_free(struct task *t);

const Swarm__V1__AssignedTask *task_assigned(const struct task *t);
const Swarm__V1__TaskStatus *task_status(const struct task *t);
uint64_t task_key(const struct task *t);

/** task_update() - the manager sent the task again. Only a higher desired state and new addresses
 * count. @assigned: copied. Return: 0 or -ENOMEM. Call task_step() next. */
int task_update(struct task *t, const Swarm__V1__AssignedTask *assigned);
/** task_forget() - its object is gone: stop if need be, remove. Call task_step() next. */
void task_forget(struct task *t);
/** task_is_gone() - forgotten and removed: the owner may free it. */
bool task_is_gone(const struct task *t);
/** task_holds_resources() - its secrets and configs are still needed on this node. */
bool task_holds_resources(const struct task *t);

/**
 * task_step() - act on what has changed
 * @now_ns: the node's clock, for timestamps and back-off
 *
 * Return: when to call again at the latest, ns; 0: not before the next event.
 */
int64_t task_step(struct task *t, int64_t now_ns);

/* ---- events from the executor; call task_step() after each ---------------------------------- */

/* @result: 0; SW_E_UNAVAILABLE, -EAGAIN, SW_E_DEADLINE: temporary, is retried; SW_E_CANCELED after
 * a stop; anything else is fatal. @err: its text, NULL with 0. */
void task_on_prepared(struct task *t, int result, const struct sw_err *err);
/** task_on_started() - @healthy: without a health check true. @container_id: copied. */
void task_on_started(struct task *t, int result, const char *container_id, int pid, bool healthy,
                     const struct sw_err *err);
void task_on_health(struct task *t, enum task_health health);
/** task_on_exited() - the process ended, by itself or by stop(). @why: extra text such as "out of
 * memory", or NULL. */
void task_on_exited(struct task *t, int exit_code, const char *why);
void task_on_stopped(struct task *t, int result, const struct sw_err *err);
void task_on_removed(struct task *t, int result, const struct sw_err *err);
/** task_set_container() - known earlier than the start: container id and host ports. Copied. */
int task_set_container(struct task *t, const char *container_id,
                       Swarm__V1__PortConfig *const *ports, size_t n_ports);

#endif
