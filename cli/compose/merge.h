/* SPDX-License-Identifier: Apache-2.0
 * merge.h - later compose files over earlier ones.
 *
 * Maps merge deeply and the later value wins. Lists append, but: commands replace; ports are told
 * apart by their published port, volumes by target, secrets and configs by source; a network
 * attachment, a ulimit, and a top-level network, volume, secret or config replace; log options
 * merge only for the same driver. */
#ifndef SWARM_CLI_COMPOSE_MERGE_H
#define SWARM_CLI_COMPOSE_MERGE_H

#include "cli/compose/tree.h"

/** merge_file() - put the normalized document @over (owned) over @base. */
void merge_file(struct yn *base, struct yn *over);

#endif
