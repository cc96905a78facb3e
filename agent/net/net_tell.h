/* SPDX-License-Identifier: Apache-2.0
 * net_tell.h - what swarm-netd is told, beyond the calls of net_priv.h. */
#ifndef SWARM_AGENT_NET_NET_TELL_H
#define SWARM_AGENT_NET_NET_TELL_H

#include "agent/net/net_priv.h"

/** net_tell_all() - it greeted: say everything again, pass descriptors where it has none. */
void net_tell_all(struct net *net, const Swarm__V1__NetdHelloReply *hello);
void net_tell_free(struct net *net);
void net_tell_forget_keys(struct net *net); /* wipes the epochs' secrets */

#endif
