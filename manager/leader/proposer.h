/* SPDX-License-Identifier: Apache-2.0
 * proposer.h - from a transaction to its fate.
 *
 * Sits between consensus and the store: it is consensus' state machine (apply, snapshot, restore)
 * and the one way to propose. Transactions carry the keys of new objects: the proposer hands out
 * numbers, so that several that are under way at once never collide. One loop thread. */
#ifndef SWARM_MANAGER_LEADER_PROPOSER_H
#define SWARM_MANAGER_LEADER_PROPOSER_H

#include <stdint.h>

#include "common/base/err.h"
#include "manager/consensus/consensus.h"
#include "manager/store/store.h"
#include "manager/view/txn.h"
#include "swarm/v1/store.pb-c.h"

struct proposer; /* opaque */

/**
 * proposer_new() - @store and @view are borrowed and outlive it
 * @on_fatal: the store can no longer follow the log: the process must end
 */
int proposer_new(struct proposer **out, struct store *store, struct view *view,
                 void (*on_fatal)(void *arg, const struct sw_err *err), void *arg,
                 struct sw_err *err);
/** proposer_free() - only after consensus was closed: nothing is pending then. */
void proposer_free(struct proposer *p);

/** proposer_fsm() - the callbacks for consensus_options.fsm. */
struct consensus_fsm proposer_fsm(struct proposer *p);
/** proposer_attach() - consensus is open; borrowed. NULL: closed. */
void proposer_attach(struct proposer *p, struct consensus *c);

/** proposer_random() - the kernel's generator in the form txn.h wants; static. */
const struct txn_random *proposer_random(void);

/**
 * proposer_keys() - first key for a new collection (txn_new). What it will use must be claimed with
 * proposer_claim() before anything else asks. Starts anew with each leadership.
 */
uint64_t proposer_keys(const struct proposer *p);
void proposer_claim(struct proposer *p, uint64_t next_key);

/**
 * proposer_done - @err code 0: committed and applied at @index; else refused by the store, or not
 * (certainly) committed: the code tells, see consensus.h
 */
typedef void proposer_done(void *arg, uint64_t index, const struct sw_err *err);

/**
 * proposer_propose() - one transaction
 * @txn:  borrowed for the call; keys of new objects in it must have been claimed
 * @done: exactly once when 0 was returned, never inside this call
 *
 * Return: 0; < 0 with @err when it certainly was not and will not be applied.
 */
int proposer_propose(struct proposer *p, const Swarm__V1__Transaction *txn, proposer_done *done,
                     void *arg, struct sw_err *err);
/**
 * proposer_propose_all() - everything in @x, pipelined; @done once, with the first failure
 * @x: owned, also on failure; keys it used are claimed
 *
 * Return: as above; SW_E_NOT_MODIFIED when @x is empty.
 */
int proposer_propose_all(struct proposer *p, struct txn *x, proposer_done *done, void *arg,
                         struct sw_err *err);

#endif
