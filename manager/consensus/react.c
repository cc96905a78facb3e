/* SPDX-License-Identifier: Apache-2.0
 * react.c - libraft has no events: compare its state with what was seen last, and tell the user.
 *
 * Leadership:  follower -> leading (libraft says so; a barrier of the new term is in the log)
 *                       -> ready (the barrier is applied: on_leader(true))
 *              any -> follower: proposals end, on_leader(false) if it had been ready */
#include <errno.h>
#include <inttypes.h>

#include "common/log/log.h"
#include "manager/consensus/core.h"

static void lead_barrier_done(struct raft_barrier *req, int status)
{
    struct consensus *c = req->data;

    c->lead_barrier_ok = status == 0;
    cons_kick(c); /* inside apply: cons_react() goes on from the kick */
}

/* G1: an entry of the new term, before anything else. */
static void became_leader(struct consensus *c)
{
    const struct cons_conf *last = cons_history_last(&c->history);

    c->leading = true;
    c->lead_term = c->raft.current_term;
    c->lead_barrier_ok = false;
    if (last != NULL && last->index > c->raft.commit_index)
        c->raft.configuration_uncommitted_index = last->index;
    if (!cons_guard_on(c, 1)) {
        c->lead_barrier_ok = true;
        return;
    }
    c->lead_barrier.data = c;
    if (raft_barrier(&c->raft, &c->lead_barrier, lead_barrier_done) != 0) {
        cons_fatal(c, -ENOMEM, "raft barrier of term %" PRIu64, c->lead_term);
        return;
    }
    c->guard.barrier_index = raft_last_index(&c->raft);
    log_info("raft leader elected member=%" PRIu64 " term=%" PRIu64, c->o.member, c->lead_term);
}

static void lost_leader(struct consensus *c)
{
    bool told = c->ready;

    c->leading = false;
    c->ready = false;
    c->lead_barrier_ok = false;
    c->guard.barrier_index = 0;
    cons_prop_fail(c, SW_E_UNAVAILABLE, SW_E_NO_LEADER);
    cons_member_fail(c, SW_E_UNAVAILABLE);
    log_info("raft leadership lost member=%" PRIu64 " term=%" PRIu64, c->o.member, c->lead_term);
    if (told && c->o.events.on_leader != NULL)
        c->o.events.on_leader(c->o.events.arg, false, c->lead_term);
}

static void react_leadership(struct consensus *c)
{
    bool leads = raft_state(&c->raft) == RAFT_LEADER;

    if (c->leading && (!leads || c->raft.current_term != c->lead_term))
        lost_leader(c);
    if (leads && !c->leading)
        became_leader(c);
    if (c->leading && c->lead_barrier_ok && !c->ready) {
        c->ready = true;
        if (c->o.events.on_leader != NULL)
            c->o.events.on_leader(c->o.events.arg, true, c->lead_term);
    }
}

static void react_members(struct consensus *c)
{
    const struct cons_conf *last;
    bool was_voter = c->was_member;

    if (cons_guard_on(c, 6) && raft_state(&c->raft) != RAFT_LEADER)
        c->raft.configuration_uncommitted_index = 0; /* conf.c rolls back, libraft must not */
    if (!cons_history_commit(&c->history, c->raft.commit_index) && !c->members_changed) {
        cons_member_committed(c);
        return;
    }
    c->members_changed = false;
    last = cons_history_last(&c->history);
    c->was_member = last != NULL && cons_conf_find(&last->c, c->o.member) < last->c.n;
    if (was_voter && !c->was_member && cons_history_is_removed(&c->history, c->o.member))
        c->removed = true;
    cons_member_committed(c);
    if (c->o.events.on_members != NULL)
        c->o.events.on_members(c->o.events.arg);
}

static void react_leader(struct consensus *c)
{
    const char *address = NULL;
    raft_id id = 0;

    raft_leader(&c->raft, &id, &address);
    if (id == c->known_leader)
        return;
    c->known_leader = id;
    if (c->transfer.active)
        cons_kick(c);
    if (c->o.events.on_leader_changed != NULL)
        c->o.events.on_leader_changed(c->o.events.arg, id, address == NULL ? "" : address);
}

void cons_react(struct consensus *c)
{
    if (!cons_is_usable(c))
        return;
    if (c->reacting) {
        cons_kick(c);
        return;
    }
    c->reacting = true;
    if (raft_state(&c->raft) == RAFT_UNAVAILABLE)
        cons_fatal(c, SW_E_INTERNAL, "raft core stopped: %s", raft_errmsg(&c->raft));
    if (!c->failed)
        react_members(c);
    if (cons_is_usable(c))
        react_leadership(c);
    if (cons_is_usable(c))
        react_leader(c);
    if (cons_is_usable(c) && c->removed && !c->removed_told) {
        c->removed_told = true;
        if (c->o.events.on_removed != NULL)
            c->o.events.on_removed(c->o.events.arg);
    }
    c->reacting = false;
    if (cons_guard_has_held(c))
        cons_kick(c);
}
