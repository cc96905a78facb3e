/* SPDX-License-Identifier: Apache-2.0
 * net_spec.h - a copy of struct net_attach that outlives the caller's. */
#ifndef SWARM_AGENT_NET_NET_SPEC_H
#define SWARM_AGENT_NET_NET_SPEC_H

#include "agent/net/net.h"

/** net_spec_copy() - all texts and lists; not the descriptor. Return: 0; -1: memory is gone. */
int net_spec_copy(struct net_attach *to, const struct net_attach *from);
void net_spec_free(struct net_attach *a);

#endif
