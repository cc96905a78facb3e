/* SPDX-License-Identifier: Apache-2.0
 * state.h - the cluster as the page wants it. Pure.
 *
 * {"version":N,"nodes":[{"id","name","role","leader","availability","state","addr","cpus","memory",
 *  "reservedCpus","reservedMemory"}],"services":[{"id","name","mode","replicas","ports":[..]}],
 *  "tasks":[{"id","service","slot","node","state","desired","image","since","error"}]} */
#ifndef SWARM_MANAGER_VISUALIZER_STATE_H
#define SWARM_MANAGER_VISUALIZER_STATE_H

#include <jansson.h>

#include "manager/view/view.h"

/** state_json() - everything the page shows. @leader: Raft id. Return: json_decref(); NULL: memory.
 */
json_t *state_json(const struct view *v, uint64_t leader);

#endif
