/* SPDX-License-Identifier: Apache-2.0
 * tables.h - networks and data-plane peers as nodes need them: views of the store. Pure. */
#ifndef SWARM_MANAGER_DISPATCHER_TABLES_H
#define SWARM_MANAGER_DISPATCHER_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "manager/view/view.h"
#include "swarm/v1/network.pb-c.h"

/** tables_task_is_live() - holds its addresses and has an endpoint: assigned and not ended. */
bool tables_task_is_live(const Swarm__V1__Task *t);
/** tables_task_serves() - behind VIPs and names: RUNNING and meant to. */
bool tables_task_serves(const Swarm__V1__Task *t);
/** tables_differ() - does this change of a task show in a network's table? */
bool tables_differ(const Swarm__V1__Task *before, const Swarm__V1__Task *after);

/** tables_node_takes_part() - does the node need the table of this network? Every node takes part
 * in the ingress network. */
bool tables_node_takes_part(const struct view_node *n, const Swarm__V1__Network *net);

/** tables_network() - everything about one network. Return: pb_free(); NULL: memory is gone. */
Swarm__V1__NetworkTable *tables_network(const struct view *v, const Swarm__V1__Network *net);

/** tables_keys() - epochs and the peers of the data plane. @now_ns decides which epoch is sent
 * with: the newest that is TABLES_EPOCH_SETTLE_NS old. Return: pb_free(); NULL: memory is gone. */
#define TABLES_EPOCH_SETTLE_NS 60000000000ll
Swarm__V1__DataPlaneKeys *tables_keys(const struct view *v, int64_t now_ns);

#endif
