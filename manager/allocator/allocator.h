/* SPDX-License-Identifier: Apache-2.0
 * allocator.h - subnets, VNIs, addresses, virtual IPs, published ports.
 *
 * How it works. What is taken is read from the view, never remembered elsewhere: one bitmap of
 * addresses for each network, one of VNIs and one of ports for each protocol are caches of the
 * view, rebuilt at a reset and kept by allocator_note(). Addresses are handed out in series
 * starting at Network.next_addr, so that a freed one is not used again soon.
 *
 *   network  -> subnet, gateway, VNI
 *   service  -> endpoint: ports of its specification with dynamic ones filled in, one VIP for each
 *               network (vip mode), ingress included when it publishes ingress ports
 *   task     -> one address for each network of its service; then NEW becomes PENDING
 *   node     -> one address for each network on which it has tasks, and on ingress always
 *
 * What cannot be had leaves the object as it is, with the reason in the task's status.err; it is
 * tried again as soon as something is freed.
 *
 * Pure: time comes with the call, changes go into the collection. One thread.
 * Source: SEMANTICS 16. */
#ifndef SWARM_MANAGER_ALLOCATOR_ALLOCATOR_H
#define SWARM_MANAGER_ALLOCATOR_ALLOCATOR_H

#include <stdint.h>

#include "manager/view/txn.h"
#include "manager/view/view.h"

struct allocator; /* opaque */

#define ALLOC_VNI_FIRST  4097u
#define ALLOC_VNI_LIMIT  (1u << 24)
#define ALLOC_PORT_FIRST 30000u
#define ALLOC_PORT_LAST  32767u
/* A node keeps its address on a network for so long after its last task there: a task that is being
 * replaced must not change it. Given up at once when others wait for an address. */
#define ALLOC_LINGER_NS (60 * 1000000000ll)

struct allocator *allocator_new(void); /* NULL: memory is gone */
void allocator_free(struct allocator *a);
/** allocator_note(), allocator_reset(), allocator_retry(): as in orchestrator.h. */
void allocator_note(struct allocator *a, const struct view_change *c);
void allocator_reset(struct allocator *a, const struct view *v);
void allocator_retry(struct allocator *a, const struct view *v,
                     const Swarm__V1__Transaction *failed);
/** allocator_step() - give what is missing, take back what is no longer due. Run it before the
 * scheduler in each round, and only when all changes of the round before are decided: what their
 * owners do not hold by then counts as free again. Return: as in orchestrator.h. */
int64_t allocator_step(struct allocator *a, const struct view *v, int64_t now_ns, struct txn *txn);

#endif
