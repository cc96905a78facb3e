/* SPDX-License-Identifier: Apache-2.0
 * hosts.h - contents of a container's /etc/resolv.conf and /etc/hosts. */
#ifndef SWARM_AGENT_NET_HOSTS_H
#define SWARM_AGENT_NET_HOSTS_H

#include "agent/net/net.h"

#define HOSTS_SERVERS_MAX 3
#define HOSTS_NODE_RESOLV "/etc/resolv.conf"

/** hosts_resolv_conf() - the resolver at 127.0.0.11; search domains of @dns or else the node's.
 * Return: text to sw_free(); NULL when memory is gone. */
char *hosts_resolv_conf(const struct net_dns *dns);

/** hosts_file() - localhost, the container's own name, extra lines. Return: as above. */
char *hosts_file(const struct net_attach *a, const struct net_result *r);

/** hosts_node_servers() - nameservers of the node's own resolv.conf @path.
 * Return: how many were put into @out. */
size_t hosts_node_servers(const char *path, char out[HOSTS_SERVERS_MAX][64]);

#endif
