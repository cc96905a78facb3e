/* SPDX-License-Identifier: Apache-2.0
 * log.h - where the log ends and the chain values of what is in it but not applied.
 *
 * The disk half never says at which index it appends; this follows along: loaded, appended,
 * truncated, replaced by a snapshot. */
#ifndef SWARM_MANAGER_CONSENSUS_LOG_H
#define SWARM_MANAGER_CONSENSUS_LOG_H

#include <stddef.h>
#include <stdint.h>

struct cons_link { /* a command in the log behind the last applied one */
    uint64_t index;
    uint64_t chain;
};

struct cons_log {
    uint64_t next_index; /* of the next append */
    uint64_t last_term;
    uint64_t cuts;           /* truncations so far */
    uint64_t applied_chain;  /* of the last applied command */
    struct cons_link *links; /* ring; ascending index */
    size_t cap;              /* power of two or 0 */
    size_t head;
    size_t n;
};

void cons_log_init(struct cons_log *l);
void cons_log_fini(struct cons_log *l);
/** cons_log_push() - a command with @chain is at @index. Return: 0, -ENOMEM. */
int cons_log_push(struct cons_log *l, uint64_t index, uint64_t chain);
/** cons_log_truncate() - entries from @index on are gone. */
void cons_log_truncate(struct cons_log *l, uint64_t index);
/** cons_log_applied() - commands up to @index are applied, the last with @chain. */
void cons_log_applied(struct cons_log *l, uint64_t index, uint64_t chain);
/** cons_log_restored() - a snapshot with everything up to @index and @chain is the state now. */
void cons_log_restored(struct cons_log *l, uint64_t index, uint64_t chain);
/** cons_log_tail() - chain value the next command follows. */
uint64_t cons_log_tail(const struct cons_log *l);

#endif
