/* SPDX-License-Identifier: Apache-2.0
 * guard.h - against known faults of libraft 0.15.
 *
 * G1  Commits entries of old terms by counting replicas (Raft's figure 8). A new leader appends a
 *     barrier at once, and acknowledgements are held back until it is stored: the quorum is only
 *     ever evaluated at the last stored entry, whose term then is the current one.
 * G2  The quorum is only evaluated at the leader's last stored entry, so that an endless stream of
 *     proposals keeps anything from being committed. One batch in the log at a time (propose.c).
 * G3  A follower acknowledges writes of an earlier term to the present leader, reads the leader's
 *     id from the wrong union member when it is none any more, and acknowledges leftovers behind
 *     the point the leader asked about. Such acknowledgements are suppressed or capped.
 * G4  Votes and candidacy rest on entries not yet stored. While own writes or the installation of
 *     a snapshot are under way, votes and TimeoutNow wait, and a non-leader's clock stands still.
 *     Nor is a second vote given in one term to the target of a leadership transfer.
 * G5  After a failed disk write it goes on. Every such failure is fatal here.
 * G6  Rolling back a configuration looks for the one before in the log, where it may be compacted
 *     away, and is forgotten at a restart. conf.c keeps the history; no snapshot while a change is
 *     uncommitted.
 * G7  Some file systems fail the I/O probe with an unrelated error, others lie about durability:
 *     said in words (dir.c).
 * G8  Entries whose length is no multiple of 8 are lost at restart: padded (entry.c), and a mark
 *     of what was stored is compared at start, so that any lost tail is noticed (dir.c).
 * G9  Pre-votes can deadlock: a member with a later term but a shorter log refuses every pre-vote
 *     of the one with the longer log without saying which term it has reached, and gets none of its
 *     own. Its refusal names the term.
 * G10 Entries that a snapshot has replaced count as missing: an append from entry 1 on that comes
 *     late is put behind the snapshot. What is committed here is skipped (every leader has it). */
#ifndef SWARM_MANAGER_CONSENSUS_GUARD_H
#define SWARM_MANAGER_CONSENSUS_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/base/macro.h"
#include "manager/consensus/compat.h"

struct consensus;

#define CONS_GUARDS   10
#define CONS_HELD_MAX 256 /* messages; more are dropped, senders repeat them */

struct cons_held { /* a message waiting for its guard */
    struct sw_list link;
    uint64_t from;
    struct raft_message msg; /* owns a snapshot's data and configuration */
};

struct cons_guard {
    unsigned off; /* SW_BIT(n): Gn is switched off */
    uint64_t hits[CONS_GUARDS];

    uint64_t barrier_index; /* G1: hold until this is stored; 0: nothing to hold for */
    struct sw_list acks;    /* G1: cons_held */

    bool stale_ack;     /* G3: inside the callback of a write of an earlier term */
    uint64_t ack_cap;   /* G3: inside recv of an append: the last index it speaks of, else max */
    uint64_t receiving; /* G3: inside recv: from whom, else 0 */

    unsigned writes;     /* G4: appends under way */
    bool installing;     /* G4: a received snapshot is being written */
    bool taking;         /* own snapshot under way: a received one waits */
    struct sw_list held; /* G4: cons_held */
};

void cons_guard_init(struct consensus *c);
void cons_guard_fini(struct consensus *c);
bool cons_guard_on(const struct consensus *c, unsigned n);
void cons_guard_hit(struct consensus *c, unsigned n);

/** cons_guard_hold() - should @m wait? If so it was taken over (moved). */
bool cons_guard_hold(struct consensus *c, struct raft_message *m);
/** cons_guard_release() - pass on what need not wait any more. */
void cons_guard_release(struct consensus *c);
/** cons_guard_has_held() - would cons_guard_release() do something now? */
bool cons_guard_has_held(const struct consensus *c);
/** cons_guard_filter_send() - may change @m. Return: false when it must not be sent. */
bool cons_guard_filter_send(struct consensus *c, struct raft_message *m);
/** cons_guard_skip_committed() - G10: shorten a received append. */
void cons_guard_skip_committed(struct consensus *c, struct raft_append_entries *a);
/** cons_guard_may_tick() - G4, and a removed member does not campaign. */
bool cons_guard_may_tick(struct consensus *c);
/** cons_guard_refuse_vote() - G4: would this be a second vote in its term? */
bool cons_guard_refuse_vote(struct consensus *c, const struct raft_message *m);

#endif
