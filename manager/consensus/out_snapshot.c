/* SPDX-License-Identifier: Apache-2.0
 * out_snapshot.c - a snapshot on its way to one peer.
 *
 *   acked <= sent <= total; at most CONS_SNAP_WINDOW between the first two
 *   part lost (transport failed, or no acknowledgement for CONS_SNAP_RESEND): sent = acked
 *   acked == total: ask every CONS_SNAP_RESEND whether it is installed
 *   installed: done. No answer for CONS_SNAP_GIVE_UP: failed, the core probes.
 *
 * The core learns of the installation by an ordinary append result, which may get lost; then it
 * would wait for its timeout, minutes for a large snapshot. Hence the last acknowledgement counts
 * as one: what it speaks of is committed.
 *
 * libraft's request keeps the snapshot's memory until its callback. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"

struct cons_snap_out {
    struct consensus *c;
    struct cons_peer *peer; /* NULL: cancelled, freed when the last part is back */
    struct raft_io_send *req;
    raft_io_send_cb cb;
    struct cons_chunk chunk; /* of the whole: data is all of it */
    struct raft_buffer conf;
    uint64_t acked;
    uint64_t sent;
    unsigned parts; /* with the transport */
    bool lost;      /* one of them failed */
    uint64_t moved_ms;
    uint64_t resent_ms;
};

static void destroy(struct cons_snap_out *s)
{
    raft_free(s->conf.base);
    sw_free(s);
}

static void finish(struct cons_snap_out *s, int code)
{
    if (s->peer != NULL)
        s->peer->snapshot = NULL;
    s->peer = NULL;
    s->cb(s->req, code);
    if (s->parts == 0)
        destroy(s);
}

static void part_done(void *arg, int status)
{
    struct cons_snap_out *s = arg;

    s->parts--;
    if (s->peer == NULL) {
        if (s->parts == 0)
            destroy(s);
        return;
    }
    if (status < 0)
        s->lost = true; /* the tick goes back, not this: a dead link would make a busy loop */
}

/* One part, or with offset == total the question. */
static bool send_part(struct cons_snap_out *s, uint64_t offset, size_t n)
{
    struct cons_chunk k = s->chunk;
    uint8_t *bytes;
    size_t len;

    k.offset = offset;
    k.data = s->chunk.data + offset;
    k.len = n;
    if (cons_encode_chunk(&k, s->c->o.address, &bytes, &len) < 0)
        return false; /* the tick tries again */
    s->parts++;
    if (cons_out_wire(s->c, s->peer, bytes, len, part_done, s) == 0)
        return true;
    s->parts--;
    s->lost = true;
    return false;
}

static void pump(struct cons_snap_out *s)
{
    while (s->sent < s->chunk.total && s->sent - s->acked < CONS_SNAP_WINDOW && !s->lost) {
        size_t n = (size_t)SW_MIN((uint64_t)CONS_CHUNK_BYTES, s->chunk.total - s->sent);

        if (!send_part(s, s->sent, n))
            return;
        s->sent += n;
    }
}

/* The core's patience must cover the whole transfer, at 10 MB a second and two minutes more. */
static void set_patience(struct consensus *c, uint64_t total)
{
    uint64_t ms = 120000 + total / 10000;

    raft_set_install_snapshot_timeout(&c->raft, (unsigned)SW_MIN(ms, (uint64_t)UINT32_MAX / 2));
}

void cons_snap_out_start(struct consensus *c, struct cons_peer *peer, struct raft_io_send *req,
                         const struct raft_message *m, raft_io_send_cb cb)
{
    const struct raft_install_snapshot *a = &m->install_snapshot;
    struct cons_snap_out *s = sw_calloc(1, sizeof(*s));

    if (s == NULL || raft_configuration_encode(&a->conf, &s->conf) != 0) {
        sw_free(s);
        cons_fatal(c, -ENOMEM, "send snapshot");
        return;
    }
    if (peer->snapshot != NULL)
        finish(peer->snapshot, RAFT_CANCELED);
    s->c = c;
    s->peer = peer;
    s->req = req;
    s->cb = cb;
    s->chunk = (struct cons_chunk){
        .term = a->term,
        .last_index = a->last_index,
        .last_term = a->last_term,
        .conf_index = a->conf_index,
        .conf = s->conf.base,
        .conf_len = s->conf.len,
        .total = a->data.len,
        .data = a->data.base,
    };
    s->moved_ms = s->resent_ms = cons_now(c);
    peer->snapshot = s;
    set_patience(c, s->chunk.total);
    log_info("sending raft snapshot member=%llu index=%llu bytes=%llu",
             (unsigned long long)peer->member, (unsigned long long)s->chunk.last_index,
             (unsigned long long)s->chunk.total);
    pump(s);
}

static void tell_installed(struct consensus *c, uint64_t member, const struct cons_ack *a)
{
    struct raft_message m = { .type = RAFT_IO_APPEND_ENTRIES_RESULT, .server_id = member };

    m.append_entries_result.term = a->term;
    m.append_entries_result.last_log_index = a->last_index;
    if (a->term == c->raft.current_term && !cons_guard_hold(c, &m))
        cons_in_recv(c, &m);
}

void cons_snap_out_ack(struct consensus *c, struct cons_peer *peer, const struct cons_ack *a)
{
    struct cons_snap_out *s = peer->snapshot;

    if (s == NULL || a->term != s->chunk.term || a->last_index != s->chunk.last_index ||
        a->offset > s->chunk.total)
        return;
    s->moved_ms = cons_now(c);
    if (a->offset != s->acked)
        s->resent_ms = s->moved_ms;
    if (a->offset < s->acked)
        s->sent = a->offset; /* the receiver starts anew */
    s->acked = a->offset;
    s->sent = SW_MAX(s->sent, s->acked);
    if (a->installed) {
        finish(s, 0);
        tell_installed(c, peer->member, a);
    } else {
        pump(s);
    }
}

/* Does the core still wait for this peer to install a snapshot? */
static bool is_expected(const struct consensus *c, uint64_t member)
{
    const struct raft_configuration *conf = &c->raft.configuration;
    unsigned i = cons_conf_find(conf, member);

    return i < conf->n && cons_compat_awaits_snapshot(&c->raft, i);
}

void cons_snap_out_tick(struct consensus *c, struct cons_peer *peer)
{
    struct cons_snap_out *s = peer->snapshot;
    uint64_t now = cons_now(c);

    if (s == NULL)
        return;
    if (s->acked == s->chunk.total && !is_expected(c, peer->member)) {
        finish(s, 0); /* the core heard of it by itself */
        return;
    }
    if (raft_state(&c->raft) != RAFT_LEADER || c->raft.current_term != s->chunk.term ||
        now - s->moved_ms >= CONS_SNAP_GIVE_UP) {
        log_warn("raft snapshot not delivered member=%llu index=%llu bytes=%llu of=%llu",
                 (unsigned long long)peer->member, (unsigned long long)s->chunk.last_index,
                 (unsigned long long)s->acked, (unsigned long long)s->chunk.total);
        finish(s, RAFT_NOCONNECTION);
        return;
    }
    if (s->lost || now - s->resent_ms >= CONS_SNAP_RESEND) {
        if (s->parts > 0)
            return; /* what the transport still has must not overtake */
        s->lost = false;
        s->sent = s->acked;
        s->resent_ms = now;
        if (s->acked == s->chunk.total)
            (void)send_part(s, s->acked, 0);
    }
    pump(s);
}

void cons_snap_out_cancel(struct cons_peer *peer, int status)
{
    if (peer->snapshot != NULL)
        finish(peer->snapshot, status);
}
