/* SPDX-License-Identifier: Apache-2.0
 * compat.h - what differs between libraft 0.15 (Debian 12) and cowsql's raft 0.22.
 *
 * 0.15 defines no version macro, cowsql's does. All access to fields of struct raft that are not
 * the same in both goes through the functions here. Built and tested against 0.15. */
#ifndef SWARM_MANAGER_CONSENSUS_COMPAT_H
#define SWARM_MANAGER_CONSENSUS_COMPAT_H

#include <raft.h>
#include <raft/uv.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef RAFT_VERSION_NUMBER
#define RAFT_IO_APPEND_ENTRIES        RAFT_APPEND_ENTRIES
#define RAFT_IO_APPEND_ENTRIES_RESULT RAFT_APPEND_ENTRIES_RESULT
#define RAFT_IO_REQUEST_VOTE          RAFT_REQUEST_VOTE
#define RAFT_IO_REQUEST_VOTE_RESULT   RAFT_REQUEST_VOTE_RESULT
#define RAFT_IO_INSTALL_SNAPSHOT      RAFT_INSTALL_SNAPSHOT
#define RAFT_IO_TIMEOUT_NOW           RAFT_TIMEOUT_NOW
#define CONS_APPLY_MAX                1 /* raft_apply() takes one entry */
#else
#define CONS_APPLY_MAX 1024
#endif

/* Is the peer at @i of the configuration being probed? Then the leader repeats itself at every
 * heartbeat and need not be sent more than the first piece. Unknown counts as no. */
static inline bool cons_compat_is_probing(const struct raft *r, unsigned i)
{
#ifdef RAFT_VERSION_NUMBER
    (void)r;
    (void)i;
    return false;
#else
    return r->state == RAFT_LEADER && r->leader_state.progress != NULL &&
           r->leader_state.progress[i].state == 0; /* PROGRESS__PROBE */
#endif
}

/* Does the leader wait for the peer at @i to install a snapshot? Unknown counts as yes. */
static inline bool cons_compat_awaits_snapshot(const struct raft *r, unsigned i)
{
#ifdef RAFT_VERSION_NUMBER
    (void)r;
    (void)i;
    return true;
#else
    return r->state == RAFT_LEADER && r->leader_state.progress != NULL &&
           r->leader_state.progress[i].state == 2; /* PROGRESS__SNAPSHOT */
#endif
}

/* What is known to be stored by the peer at @i; 0 when unknown. */
static inline uint64_t cons_compat_match_index(const struct raft *r, unsigned i)
{
#ifdef RAFT_VERSION_NUMBER
    (void)r;
    (void)i;
    return 0;
#else
    if (r->state != RAFT_LEADER || r->leader_state.progress == NULL)
        return 0;
    return r->leader_state.progress[i].match_index;
#endif
}

static inline void cons_compat_transport(struct raft_uv_transport *t)
{
#ifdef RAFT_VERSION_NUMBER
    t->version = 1;
#else
    (void)t;
#endif
}

/* The disk half's own struct may gain capacity that the copy handed to the core must show. */
static inline void cons_compat_mirror(struct raft_io *to, const struct raft_io *from)
{
#ifdef RAFT_VERSION_NUMBER
    to->capacity = from->capacity;
#else
    (void)to;
    (void)from;
#endif
}

#endif
