/* SPDX-License-Identifier: Apache-2.0
 * status.h - a task's status as a manager writes it. */
#ifndef SWARM_MANAGER_VIEW_STATUS_H
#define SWARM_MANAGER_VIEW_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "swarm/v1/objects.pb-c.h"

/**
 * status_write() - set state, time, message and error; the rest of the status stays
 * @t: being edited; its status may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int status_write(Swarm__V1__Task *t, Swarm__V1__TaskState state, int64_t now_ns,
                 const char *message, const char *err);

/** status_state() - NEW when the task has no status yet. */
Swarm__V1__TaskState status_state(const Swarm__V1__Task *t);
/** status_ended() - observed beyond RUNNING: it will never run again. */
bool status_ended(const Swarm__V1__Task *t);
/** status_wanted() - desired at most COMPLETE: nobody told it to stop. */
bool status_wanted(const Swarm__V1__Task *t);

#endif
