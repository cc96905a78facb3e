/* SPDX-License-Identifier: Apache-2.0
 * place.h - choosing nodes for a group of equal tasks.
 *
 * How it works. Candidates hang in a tree with one level per placement preference (values of a
 * label); without preferences the root is the only leaf. Each choice goes down to the branch with
 * the fewest tasks of the service that still has room, and takes the best node of that leaf's heap:
 * not failing lately, then fewest tasks of this service, fewest tasks, least reserved, oldest. */
#ifndef SWARM_MANAGER_SCHEDULER_PLACE_H
#define SWARM_MANAGER_SCHEDULER_PLACE_H

#include <stdint.h>

#include "manager/scheduler/filter.h"

struct place; /* opaque */

/** place_new() - run the filters over all nodes. @f: borrowed. Return: NULL: memory is gone. */
struct place *place_new(struct filter_run *f, int64_t now_ns);
void place_free(struct place *p);
/** place_choose() - the best node. Return: NODES_NONE when nothing fits any more. The caller
 * charges the node before the next call and then calls place_charged(). */
uint32_t place_choose(struct place *p);
/** place_charged() - the node just chosen has one task more. */
void place_charged(struct place *p);

#endif
