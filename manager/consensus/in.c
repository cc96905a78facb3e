/* SPDX-License-Identifier: Apache-2.0
 * in.c - see in.h. */
#include "manager/consensus/in.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"

/* What sealing and our header may add to the largest state. */
#define SNAPSHOT_SLACK (64ull << 20)

void cons_in_fini(struct consensus *c)
{
    raft_free(c->in.data);
    memset(&c->in, 0, sizeof(c->in));
}

const char *cons_in_address(struct consensus *c, uint64_t member)
{
    const struct raft_configuration *conf = &c->raft.configuration;
    unsigned i = cons_conf_find(conf, member);
    const struct cons_peer *p;

    if (i < conf->n)
        return conf->servers[i].address;
    p = cons_out_find(c, member);
    return p == NULL ? "" : p->address;
}

void cons_in_recv(struct consensus *c, struct raft_message *m)
{
    struct raft_append_entries *a = &m->append_entries;

    if (m->type == RAFT_IO_APPEND_ENTRIES) {
        c->guard.ack_cap = a->prev_log_index + a->n_entries;
        cons_guard_skip_committed(c, a);
        /* It will step down inside, and may roll back its own change in the same breath. */
        if (cons_guard_on(c, 6) && raft_state(&c->raft) == RAFT_LEADER &&
            a->term > c->raft.current_term)
            c->raft.configuration_uncommitted_index = 0;
    }
    m->server_address = cons_in_address(c, m->server_id);
    c->guard.receiving = m->server_id;
    c->recv(&c->io, m); /* owns entries, snapshot and configuration from here on */
    c->guard.receiving = 0;
    c->guard.ack_cap = UINT64_MAX;
    cons_react(c);
}

/* libraft asserts what a well-behaved peer guarantees. */
static int check_message(struct consensus *c, const struct raft_message *m, struct sw_err *err)
{
    const struct raft_request_vote_result *v = &m->request_vote_result;
    uint64_t term = c->raft.current_term;

    switch (m->type) {
    case RAFT_IO_APPEND_ENTRIES:
        if (raft_state(&c->raft) == RAFT_LEADER && m->append_entries.term == term) {
            cons_fatal(c, SW_E_CORRUPT, "member %llu leads the same term %" PRIu64, m->server_id,
                       term);
            return sw_err_set(err, SW_E_PROTOCOL, "two raft leaders in one term");
        }
        return 0;
    case RAFT_IO_REQUEST_VOTE_RESULT:
        if (v->vote_granted && v->term > term + 1)
            return sw_err_set(err, SW_E_PROTOCOL, "raft vote from a later term");
        return 0;
    default:
        return 0;
    }
}

static int deliver_message(struct consensus *c, uint64_t from, struct cons_frame *f,
                           struct sw_err *err)
{
    struct raft_message m;
    int r;

    f->msg.server_id = from;
    if (f->msg.type == RAFT_IO_REQUEST_VOTE)
        f->msg.request_vote.candidate_id = from;
    r = check_message(c, &f->msg, err);
    if (r < 0)
        return r;
    if (cons_guard_refuse_vote(c, &f->msg))
        return 0;
    m = f->msg;
    memset(&f->msg, 0, sizeof(f->msg)); /* moved */
    if (!cons_guard_hold(c, &m))
        cons_in_recv(c, &m);
    return 0;
}

/* Committed up to there, hence the same as the snapshot's, by whatever way it came. */
static bool is_installed(const struct consensus *c)
{
    return c->raft.commit_index >= c->in.last_index && !c->guard.installing;
}

/* Handed on, but libraft was busy or the message was dropped. */
static bool is_lost(const struct consensus *c)
{
    return c->in.data == NULL && c->in.have == c->in.total && !is_installed(c) &&
           !c->guard.installing && sw_list_empty(&c->guard.held);
}

static void send_ack(struct consensus *c, uint64_t from)
{
    struct cons_ack a = { c->in.term, c->in.last_index, c->in.have, is_installed(c) };
    uint8_t *bytes;
    size_t len;

    if (cons_encode_ack(&a, &bytes, &len) == 0)
        cons_out_bytes(c, from, cons_in_address(c, from), bytes, len);
}

/* All parts are here: from now on it is an InstallSnapshot like any other. */
static int complete(struct consensus *c, const struct cons_chunk *k, struct sw_err *err)
{
    struct raft_message m = { .type = RAFT_IO_INSTALL_SNAPSHOT, .server_id = c->in.from };
    struct raft_install_snapshot *s = &m.install_snapshot;
    int r = cons_conf_decode(k->conf, k->conf_len, &s->conf, err);

    if (r < 0) {
        cons_in_fini(c); /* have == total == 0: the next part begins anew */
        return r == -ENOMEM ? r : sw_err_set(err, SW_E_PROTOCOL, "raft snapshot configuration");
    }
    log_info("received raft snapshot member=%" PRIu64 " index=%" PRIu64 " bytes=%" PRIu64,
             c->in.from, k->last_index, k->total);
    s->term = k->term;
    s->last_index = k->last_index;
    s->last_term = k->last_term;
    s->conf_index = k->conf_index;
    s->data.base = c->in.data;
    s->data.len = (size_t)k->total;
    c->in.data = NULL;
    if (!cons_guard_hold(c, &m))
        cons_in_recv(c, &m);
    return 0;
}

static int begin(struct consensus *c, uint64_t from, const struct cons_chunk *k, struct sw_err *err)
{
    if (k->total > CONSENSUS_SNAPSHOT_MAX + SNAPSHOT_SLACK)
        return sw_err_set(err, SW_E_PROTOCOL, "raft snapshot of %" PRIu64 " bytes", k->total);
    cons_in_fini(c);
    c->in.data = raft_malloc((size_t)k->total);
    if (c->in.data == NULL)
        return sw_err_set(err, -ENOMEM, "receive raft snapshot of %" PRIu64 " bytes", k->total);
    c->in.from = from;
    c->in.term = k->term;
    c->in.last_index = k->last_index;
    c->in.last_term = k->last_term;
    c->in.total = k->total;
    return 0;
}

static int deliver_chunk(struct consensus *c, uint64_t from, const struct cons_chunk *k,
                         struct sw_err *err)
{
    struct cons_in *in = &c->in;
    int r;

    if (k->term < c->raft.current_term)
        return 0; /* an old leader; it learns that from the answer to its heartbeat */
    if (in->from != from || in->term != k->term || in->last_index != k->last_index ||
        in->last_term != k->last_term || in->total != k->total) {
        r = begin(c, from, k, err);
        if (r < 0)
            return r;
    }
    if (is_lost(c)) {
        r = begin(c, from, k, err);
        if (r < 0)
            return r;
    }
    if (k->offset == in->have && in->data != NULL && k->len > 0) {
        memcpy(in->data + in->have, k->data, k->len);
        in->have += k->len;
        if (in->have == in->total) {
            r = complete(c, k, err);
            if (r < 0)
                return r;
        }
    }
    send_ack(c, from);
    return 0;
}

static int refuse_removed(struct consensus *c, uint64_t from, const char *address,
                          struct sw_err *err)
{
    uint8_t *bytes;
    size_t len;

    if (cons_encode_removed(from, &bytes, &len) == 0)
        cons_out_bytes(c, from, address, bytes, len);
    return sw_err_set(err, SW_E_PERMISSION, "raft member %" PRIu64 " was removed", from);
}

static void told_removed(struct consensus *c, uint64_t member)
{
    if (member != c->o.member || c->removed)
        return;
    log_warn("this raft member was removed member=%" PRIu64, member);
    c->removed = true;
    cons_react(c);
}

int consensus_deliver(struct consensus *c, uint64_t from, const uint8_t *data, size_t len,
                      struct sw_err *err)
{
    struct cons_frame f;
    struct cons_peer *peer;
    int r;

    if (!cons_is_usable(c))
        return 0;
    if (from == 0 || from == c->o.member)
        return sw_err_set(err, SW_E_PROTOCOL, "raft message from member %" PRIu64, from);
    r = cons_frame_decode(data, len, &f, err);
    if (r < 0)
        return r;
    peer = cons_out_peer(c, from, f.address);
    if (peer != NULL)
        peer->heard_ms = cons_now(c) + 1;
    if (f.kind == CONS_FRAME_REMOVED) {
        told_removed(c, f.removed);
    } else if (cons_history_is_removed(&c->history, from)) {
        r = refuse_removed(c, from, f.address, err);
    } else if (f.kind == CONS_FRAME_CHUNK) {
        r = deliver_chunk(c, from, &f.chunk, err);
    } else if (f.kind == CONS_FRAME_ACK) {
        if (peer != NULL)
            cons_snap_out_ack(c, peer, &f.ack);
    } else if (!c->removed) {
        r = deliver_message(c, from, &f, err);
    }
    cons_frame_fini(&f);
    return r;
}
