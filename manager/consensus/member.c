/* SPDX-License-Identifier: Apache-2.0
 * member.c - membership changes and leadership transfer.
 *
 *   add:     ADD (spare) --committed--> STANDBY --committed--> done
 *   promote: PROMOTE --caught up and committed--> done
 *   remove:  REMOVE --committed--> done; the removed one is told
 *
 * One change at a time, in c->change; it enters libraft from the kick. The leader promotes
 * non-voters by itself (cons_member_tick), so that a join survives a change of leader. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "manager/consensus/core.h"

#define PROMOTE_RETRY_MS 1000u

static const struct raft_configuration *conf(const struct consensus *c)
{
    return &c->raft.configuration;
}

static bool is_reachable(struct consensus *c, uint64_t member)
{
    const struct cons_peer *p = cons_out_find(c, member);

    return p != NULL && p->heard_ms != 0 && cons_now(c) + 1 - p->heard_ms < c->o.election_ms;
}

static int may_change(const struct consensus *c, struct sw_err *err)
{
    const struct cons_conf *last = cons_history_last(&c->history);

    if (!cons_is_usable(c))
        return sw_err_set(err, SW_E_UNAVAILABLE, "raft is stopped");
    if (!c->ready || c->transfer.active)
        return sw_err_set(err, SW_E_NO_LEADER, "this manager is not the leader");
    if (c->change.kind != CONS_CHANGE_NONE || (last != NULL && last->index > c->raft.commit_index))
        return sw_err_set(err, SW_E_CONFLICT, "another membership change is under way");
    return 0;
}

static void begin(struct consensus *c, enum cons_change_kind kind, uint64_t member,
                  consensus_done_cb *done, void *arg)
{
    c->change.kind = kind;
    c->change.member = member;
    c->change.submitted = false;
    c->change.done = done;
    c->change.arg = arg;
    cons_kick(c);
}

static void finish(struct consensus *c, int status)
{
    consensus_done_cb *done = c->change.done;
    uint64_t index = status == 0 ? c->raft.configuration_index : 0;

    c->promote_after = status == 0 ? 0 : cons_now(c) + PROMOTE_RETRY_MS;
    c->change.kind = CONS_CHANGE_NONE;
    c->change.submitted = false;
    c->change.done = NULL;
    if (done != NULL)
        done(c->change.arg, status, index, 0);
}

/* ---- asking -------------------------------------------------------------------------------- */

int consensus_member_add(struct consensus *c, uint64_t member, const char *address,
                         consensus_done_cb *done, void *arg, struct sw_err *err)
{
    int r = may_change(c, err);

    if (r < 0)
        return r;
    if (member == 0 || address[0] == '\0' || strlen(address) >= CONSENSUS_ADDRESS_MAX)
        return sw_err_set(err, SW_E_INVALID, "raft member %" PRIu64 " at '%s'", member, address);
    if (cons_history_is_removed(&c->history, member))
        return sw_err_set(err, SW_E_FORBIDDEN, "raft member %" PRIu64 " was removed before",
                          member);
    if (conf(c)->n >= CONSENSUS_MEMBERS_MAX)
        return sw_err_set(err, SW_E_EXHAUSTED, "at most %u managers", CONSENSUS_MEMBERS_MAX);
    for (unsigned i = 0; i < conf(c)->n; i++) {
        if (conf(c)->servers[i].id == member || strcmp(conf(c)->servers[i].address, address) == 0)
            return sw_err_set(err, SW_E_CONFLICT,
                              "raft member %" PRIu64 " or its address %s is in use", member,
                              address);
    }
    (void)snprintf(c->change.address, sizeof(c->change.address), "%s", address);
    begin(c, CONS_CHANGE_ADD, member, done, arg);
    return 0;
}

int consensus_member_promote(struct consensus *c, uint64_t member, consensus_done_cb *done,
                             void *arg, struct sw_err *err)
{
    int r = may_change(c, err);
    unsigned i;

    if (r < 0)
        return r;
    i = cons_conf_find(conf(c), member);
    if (i == conf(c)->n)
        return sw_err_set(err, SW_E_NOT_FOUND, "no raft member %" PRIu64, member);
    if (conf(c)->servers[i].role == RAFT_VOTER)
        return sw_err_set(err, SW_E_NOT_MODIFIED, "raft member %" PRIu64 " votes", member);
    begin(c, CONS_CHANGE_PROMOTE, member, done, arg);
    return 0;
}

/* SEMANTICS 3.5: those who stay must be able to go on. */
static int check_remaining(struct consensus *c, uint64_t member, struct sw_err *err)
{
    unsigned voters = 0;
    unsigned reachable = 0;

    for (unsigned i = 0; i < conf(c)->n; i++) {
        const struct raft_server *s = &conf(c)->servers[i];

        if (s->role != RAFT_VOTER || s->id == member)
            continue;
        voters++;
        reachable += s->id == c->o.member || is_reachable(c, s->id);
    }
    if (voters == 0)
        return sw_err_set(err, SW_E_PRECONDITION, "the last manager cannot be removed");
    if (reachable < voters / 2 + 1)
        return sw_err_set(err, SW_E_PRECONDITION,
                          "can't remove member from the raft: this would result in a loss of "
                          "quorum");
    return 0;
}

int consensus_member_remove(struct consensus *c, uint64_t member, consensus_done_cb *done,
                            void *arg, struct sw_err *err)
{
    int r = may_change(c, err);

    if (r < 0)
        return r;
    if (cons_conf_find(conf(c), member) == conf(c)->n)
        return sw_err_set(err, SW_E_NOT_FOUND, "no raft member %" PRIu64, member);
    r = check_remaining(c, member, err);
    if (r < 0)
        return r;
    if (member == c->o.member)
        return sw_err_set(err, SW_E_PRECONDITION, "the leader must transfer leadership first");
    begin(c, CONS_CHANGE_REMOVE, member, done, arg);
    return 0;
}

int consensus_transfer(struct consensus *c, uint64_t member, consensus_done_cb *done, void *arg,
                       struct sw_err *err)
{
    unsigned i;

    if (!cons_is_usable(c))
        return sw_err_set(err, SW_E_UNAVAILABLE, "raft is stopped");
    if (c->transfer.active)
        return sw_err_set(err, SW_E_CONFLICT, "leadership is being transferred");
    if (!c->ready)
        return sw_err_set(err, SW_E_NO_LEADER, "this manager is not the leader");
    if (cons_conf_voters(conf(c)) < 2)
        return sw_err_set(err, SW_E_PRECONDITION, "no other manager to lead");
    i = cons_conf_find(conf(c), member);
    if (member != 0 &&
        (i == conf(c)->n || conf(c)->servers[i].role != RAFT_VOTER || member == c->o.member))
        return sw_err_set(err, SW_E_NOT_FOUND, "raft member %" PRIu64 " cannot lead", member);
    c->transfer.active = true;
    c->transfer.submitted = false;
    c->transfer.finished = false;
    c->transfer.since_ms = cons_now(c);
    c->transfer.member = member;
    c->transfer.done = done;
    c->transfer.arg = arg;
    cons_kick(c);
    return 0;
}

/* ---- doing --------------------------------------------------------------------------------- */

/* Inside libraft's apply: what follows is left to the kick. */
static void on_change(struct raft_change *req, int status)
{
    struct consensus *c = req->data;

    c->change.submitted = false;
    if (status != 0) {
        finish(c, status == RAFT_NOCONNECTION ? SW_E_DEADLINE : cons_error(status));
        return;
    }
    if (c->change.kind == CONS_CHANGE_ADD) {
        c->change.kind = CONS_CHANGE_STANDBY;
        cons_kick(c);
        return;
    }
    log_info("raft membership changed member=%" PRIu64, c->change.member);
    c->change.finished = true; /* told by cons_member_committed(), when the history knows */
}

static int submit(struct consensus *c)
{
    struct cons_change *ch = &c->change;

    ch->req.data = c;
    switch (ch->kind) {
    case CONS_CHANGE_ADD:
        return raft_add(&c->raft, &ch->req, ch->member, ch->address, on_change);
    case CONS_CHANGE_STANDBY:
        return raft_assign(&c->raft, &ch->req, ch->member, RAFT_STANDBY, on_change);
    case CONS_CHANGE_PROMOTE:
        return raft_assign(&c->raft, &ch->req, ch->member, RAFT_VOTER, on_change);
    case CONS_CHANGE_REMOVE:
        return raft_remove(&c->raft, &ch->req, ch->member, on_change);
    case CONS_CHANGE_NONE:
    default:
        return 0;
    }
}

static void on_transferred(struct raft_transfer *req)
{
    struct consensus *c = req->data;

    if (c->transfer.submitted)
        c->transfer.finished = true;
    cons_kick(c);
}

static void finish_transfer(struct consensus *c, int status)
{
    consensus_done_cb *done = c->transfer.done;

    if (!c->transfer.active)
        return;
    c->transfer.active = false;
    c->transfer.submitted = false;
    done(c->transfer.arg, status, 0, 0);
    cons_kick(c);
}

static void flush_transfer(struct consensus *c)
{
    struct cons_transfer *t = &c->transfer;
    int code;

    if (!t->active)
        return;
    /* Who leads now is known a little later than that leadership went. */
    if (c->known_leader != 0 && c->known_leader != c->o.member)
        finish_transfer(c, 0);
    else if (t->finished && raft_state(&c->raft) == RAFT_LEADER)
        finish_transfer(c, SW_E_DEADLINE);
    else if (cons_now(c) - t->since_ms > 10 * (uint64_t)c->o.election_ms)
        finish_transfer(c, SW_E_DEADLINE);
    if (!t->active || !c->ready)
        return;
    /* What is in the log is committed first; libraft may still hold the request of a former try. */
    if (t->submitted || c->prop.batches > 0 || c->raft.transfer != NULL)
        return;
    memset(&t->req, 0, sizeof(t->req));
    t->req.data = c;
    t->submitted = true;
    code = raft_transfer(&c->raft, &t->req, t->member, on_transferred);
    if (code != 0)
        finish_transfer(c, cons_error(code));
}

void cons_member_flush(struct consensus *c)
{
    int code;

    flush_transfer(c);
    if (c->change.kind == CONS_CHANGE_NONE || c->change.submitted || c->change.finished)
        return;
    if (!c->ready || c->raft.configuration_uncommitted_index != 0)
        return;
    c->change.submitted = true;
    code = submit(c);
    if (code != 0) {
        c->change.submitted = false;
        finish(c, cons_error(code));
    }
}

static void tell_removed(struct consensus *c, uint64_t member)
{
    struct cons_peer *p = cons_out_find(c, member);
    uint8_t *bytes;
    size_t len;

    if (p != NULL && cons_encode_removed(member, &bytes, &len) == 0)
        cons_out_bytes(c, member, p->address, bytes, len);
    if (c->o.transport.forget != NULL)
        c->o.transport.forget(c->o.transport.arg, member);
}

void cons_member_committed(struct consensus *c)
{
    bool removal = c->change.kind == CONS_CHANGE_REMOVE;

    if (!c->change.finished)
        return;
    c->change.finished = false;
    if (removal)
        tell_removed(c, c->change.member);
    finish(c, 0);
}

void cons_member_fail(struct consensus *c, int status)
{
    if (c->change.kind != CONS_CHANGE_NONE) {
        c->change.finished = false;
        finish(c, status);
    }
    if (status == SW_E_CANCELED)
        finish_transfer(c, status); /* otherwise it waits for the next leader to show */
}

void cons_member_tick(struct consensus *c)
{
    struct sw_err err;

    if (c->transfer.active)
        cons_kick(c);
    if (!c->ready || c->o.no_auto_promote || c->closing || cons_now(c) < c->promote_after ||
        may_change(c, &err) < 0)
        return;
    for (unsigned i = 0; i < conf(c)->n; i++) {
        const struct raft_server *s = &conf(c)->servers[i];

        if (s->role == RAFT_VOTER || !is_reachable(c, s->id))
            continue;
        if (s->role == RAFT_STANDBY &&
            cons_compat_match_index(&c->raft, i) + c->o.inflight_entries < c->raft.commit_index)
            continue; /* still far behind */
        begin(c, s->role == RAFT_SPARE ? CONS_CHANGE_STANDBY : CONS_CHANGE_PROMOTE, s->id, NULL,
              NULL);
        return;
    }
}
