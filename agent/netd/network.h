/* SPDX-License-Identifier: Apache-2.0
 * network.h - the networks of this node: their TAP queues, tables and names.
 *
 * A network may be told in two parts, in any order: its TAP queues (encrypted ones only) and its
 * table. Packets flow when both are there; names need the table alone. Control thread only; what
 * workers see goes through netd_networks_fill() and the garbage hook. */
#ifndef SWARM_AGENT_NETD_NETWORK_H
#define SWARM_AGENT_NETD_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/dns/names.h"
#include "agent/netd/packet/table.h"
#include "agent/netd/worker.h"
#include "common/base/err.h"
#include "swarm/v1/netd.pb-c.h"

#define NETD_NETWORKS_MAX 4096u

struct netd_networks; /* opaque */

/** netd_networks_new() - @ws: borrowed. Return: 0, -ENOMEM. */
int netd_networks_new(struct netd_networks **out, struct netd_workers *ws, unsigned workers,
                      struct sw_err *err);
/** netd_networks_free() - before the workers; retires everything. NULL is legal. */
void netd_networks_free(struct netd_networks *ns);

/**
 * netd_networks_add() - @fds: one TAP queue per worker, owned in any case; @n_fds 0 keeps those in
 * place. Return: 0; SW_E_INVALID; SW_E_CONFLICT for a VNI that another network has; SW_E_EXHAUSTED;
 * -ENOMEM. syscalls: ioctl(TUNSETOFFLOAD, TUNSETVNETHDRSZ).
 */
int netd_networks_add(struct netd_networks *ns, const Swarm__V1__NetdAddNetwork *m, const int *fds,
                      size_t n_fds, struct sw_err *err);
/** netd_networks_set_table() - replaces the former one. Return: 0; SW_E_INVALID; -ENOMEM. */
int netd_networks_set_table(struct netd_networks *ns, const Swarm__V1__NetworkTable *t,
                            struct sw_err *err);
void netd_networks_remove(struct netd_networks *ns, uint64_t key);

/** netd_networks_names() - Return: borrowed until the next change; NULL when unknown. */
const struct dns_names *netd_networks_names(const struct netd_networks *ns, uint64_t key);

size_t netd_networks_slots(const struct netd_networks *ns);
/** netd_networks_fill() - the slots of a table that was made for netd_networks_slots(). */
void netd_networks_fill(const struct netd_networks *ns, struct vtep_table *t);
/** netd_networks_watch() - after the table was published: watch new TAP queues. */
void netd_networks_watch(struct netd_networks *ns);

/** netd_networks_list(), netd_networks_stats() - append what protobuf-c will free.
 * Return: 0, -ENOMEM. */
int netd_networks_list(const struct netd_networks *ns, Swarm__V1__NetdHelloReply *m);
int netd_networks_stats(const struct netd_networks *ns, Swarm__V1__NetdStats *m);

#endif
