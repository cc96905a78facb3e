/* SPDX-License-Identifier: Apache-2.0
 * in.h - what this member receives: decoding, snapshots in parts, removed members. */
#ifndef SWARM_MANAGER_CONSENSUS_IN_H
#define SWARM_MANAGER_CONSENSUS_IN_H

#include <stddef.h>
#include <stdint.h>

#include "manager/consensus/compat.h"

struct consensus;

/* The one snapshot being received; a part of another one replaces it. */
struct cons_in {
    uint64_t from;
    uint64_t term;
    uint64_t last_index;
    uint64_t last_term;
    uint64_t total;
    uint64_t have; /* == total: complete and handed on */
    uint8_t *data; /* raft_malloc(); NULL when handed on */
};

void cons_in_fini(struct consensus *c);
/** cons_in_recv() - pass @m to libraft, which takes what it owns, and react. */
void cons_in_recv(struct consensus *c, struct raft_message *m);
/** cons_in_address() - where @member is dialed, as far as known; never NULL. */
const char *cons_in_address(struct consensus *c, uint64_t member);

#endif
