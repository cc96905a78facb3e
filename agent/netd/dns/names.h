/* SPDX-License-Identifier: Apache-2.0
 * names.h - what the containers of one network may look up. Pure, immutable once built.
 *
 *   <service>, its aliases           virtual IP; without one the addresses of its serving tasks
 *   tasks.<service>, tasks.<alias>   addresses of the serving tasks
 *   <container name>, its aliases    the container's address
 *   <address>.in-addr.arpa           container name (or service of a virtual IP), qualified
 *
 * A service's name stays known while the service lives, with or without tasks. All names are lower
 * case. Source: SEMANTICS section 19. */
#ifndef SWARM_AGENT_NETD_DNS_NAMES_H
#define SWARM_AGENT_NETD_DNS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "swarm/v1/network.pb-c.h"

#define DNS_NAME_MAX   253u
#define DNS_TTL_VIP_S  600u
#define DNS_TTL_TASK_S 5u

struct dns_names; /* opaque */

struct dns_record {
    bool vip; /* the addresses are virtual */
    size_t n;
    const uint32_t *addrs; /* borrowed from the names */
};

/** dns_names_new() - from the network's table (borrowed for the call). Names too long for DNS are
 * left out. @out: returned. Return: 0, -ENOMEM. */
int dns_names_new(struct dns_names **out, const Swarm__V1__NetworkTable *t, struct sw_err *err);
void dns_names_free(struct dns_names *d); /* NULL is legal */

/** dns_names_network() - the network's own name, lower case. */
const char *dns_names_network(const struct dns_names *d);
/** dns_names_find() - @name: lower case, without final dot. Return: false when unknown; a known
 * name may have no address at the moment. */
bool dns_names_find(const struct dns_names *d, const char *name, struct dns_record *out);
/** dns_names_reverse() - Return: what is at @addr, unqualified; NULL when nobody is. */
const char *dns_names_reverse(const struct dns_names *d, uint32_t addr);
/** dns_names_covers() - is @addr inside the network's subnet? */
bool dns_names_covers(const struct dns_names *d, uint32_t addr);

#endif
