/* SPDX-License-Identifier: Apache-2.0
 * conf.h - which configurations are in the log, and who was removed.
 *
 * libraft keeps one configuration and finds the one before by looking into its log, where it may
 * no longer be (guard G6). This history keeps every configuration from the last committed one on,
 * so that a truncated log always leaves the right one, and learns from each committed step which
 * members were removed. */
#ifndef SWARM_MANAGER_CONSENSUS_CONF_H
#define SWARM_MANAGER_CONSENSUS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "manager/consensus/compat.h"
#include "manager/consensus/consensus.h"

#define CONS_REMOVED_MAX 4096 /* ids remembered; the oldest are forgotten first */

struct cons_conf { /* one configuration in the log */
    uint64_t index;
    struct raft_configuration c; /* owned */
};

struct cons_history {
    struct cons_conf *items; /* ascending index; the first is the last committed one */
    size_t n;
    uint64_t *removed; /* in order of removal */
    size_t n_removed;
};

void cons_history_init(struct cons_history *h);
void cons_history_fini(struct cons_history *h);

/** cons_history_reset() - from a snapshot: only this one, committed. Return: 0, -ENOMEM. */
int cons_history_reset(struct cons_history *h, uint64_t index, const struct raft_configuration *c);
/** cons_history_replace() - the same while running: members the new one lacks were removed. */
int cons_history_replace(struct cons_history *h, uint64_t index,
                         const struct raft_configuration *c);
/** cons_history_push() - an entry of type RAFT_CHANGE entered the log at @index.
 * Return: 0; SW_E_CORRUPT; -ENOMEM. */
int cons_history_push(struct cons_history *h, uint64_t index, const void *data, size_t len,
                      struct sw_err *err);
/** cons_history_truncate() - entries from @index on left the log. Return: was one among them? */
bool cons_history_truncate(struct cons_history *h, uint64_t index);
/** cons_history_commit() - all up to @index is committed. Return: did the committed one change? */
bool cons_history_commit(struct cons_history *h, uint64_t index);
/** cons_history_last() - the latest, NULL when there is none. */
const struct cons_conf *cons_history_last(const struct cons_history *h);

bool cons_history_is_removed(const struct cons_history *h, uint64_t member);
/** cons_history_add_removed() - Return: 0, -ENOMEM; known ones are not added again. */
int cons_history_add_removed(struct cons_history *h, uint64_t member);

/** cons_conf_decode() - libraft's encoding, checked: nothing of it is trusted.
 * @out: set on success only; release with raft_configuration_close()
 * Return: 0; SW_E_CORRUPT; -ENOMEM. */
int cons_conf_decode(const void *data, size_t len, struct raft_configuration *out,
                     struct sw_err *err);
/** cons_conf_copy() - Return: 0, -ENOMEM; @out is empty on failure. */
int cons_conf_copy(const struct raft_configuration *c, struct raft_configuration *out);
/** cons_conf_find() - index of @member, c->n when absent. */
unsigned cons_conf_find(const struct raft_configuration *c, uint64_t member);
unsigned cons_conf_voters(const struct raft_configuration *c);

#endif
