/* SPDX-License-Identifier: Apache-2.0
 * assign.h - a task as its node needs it: references resolved, spec included. Pure. */
#ifndef SWARM_MANAGER_DISPATCHER_ASSIGN_H
#define SWARM_MANAGER_DISPATCHER_ASSIGN_H

#include <stdbool.h>

#include "manager/view/view.h"
#include "swarm/v1/dispatcher.pb-c.h"

/** assign_is_for_node() - does the task's node have to know it (state >= ASSIGNED)? */
bool assign_is_for_node(const Swarm__V1__Task *t);

/**
 * assign_task() - what the node is told
 *
 * A task whose service is gone has no spec any more: it can only be stopped.
 * Return: pb_free() it; NULL when memory is gone.
 */
Swarm__V1__AssignedTask *assign_task(const struct view_task *t);

/** assign_differs() - does the change matter to the node? Reported statuses do not. */
bool assign_differs(const Swarm__V1__Task *before, const Swarm__V1__Task *after);

/** assign_task_name() - "web.1.<task id>", or "web.<node id>.<task id>" of a global service. */
void assign_task_name(const struct view_task *t, char *out, size_t cap);

#endif
