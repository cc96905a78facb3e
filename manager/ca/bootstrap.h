/* SPDX-License-Identifier: Apache-2.0
 * bootstrap.h - the first transaction of a new cluster. */
#ifndef SWARM_MANAGER_CA_BOOTSTRAP_H
#define SWARM_MANAGER_CA_BOOTSTRAP_H

#include "common/crypto/identity.h"
#include "manager/view/txn.h"
#include "swarm/v1/local.pb-c.h"

/**
 * bootstrap_fill() - add the Cluster, the ingress network and this node
 * @self:    the node's identity, already certified by the root in @b
 * @raft_id: of this manager
 *
 * Return: 0; SW_E_INVALID; -ENOMEM.
 */
int bootstrap_fill(struct txn *x, const Swarm__V1__Bootstrap *b, const struct sw_identity *self,
                   uint64_t raft_id, const char *advertise_addr, int64_t now_ns,
                   struct sw_err *err);

#endif
