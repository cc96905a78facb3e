/* SPDX-License-Identifier: Apache-2.0
 * out.c - see out.h. */
#include "manager/consensus/out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"

struct wire { /* bytes with the transport */
    struct consensus *c;
    struct cons_peer *peer;
    uint8_t *bytes;
    size_t len;
    consensus_sent_cb *done;
    void *arg;
};

static void pump(struct consensus *c, struct cons_peer *peer);

void cons_out_init(struct consensus *c)
{
    sw_list_init(&c->out.peers);
    sw_list_init(&c->out.deferred);
}

struct cons_peer *cons_out_find(struct consensus *c, uint64_t member)
{
    sw_list_each(l, &c->out.peers)
    {
        struct cons_peer *p = sw_list_entry(l, struct cons_peer, link);

        if (p->member == member)
            return p;
    }
    return NULL;
}

struct cons_peer *cons_out_peer(struct consensus *c, uint64_t member, const char *address)
{
    struct cons_peer *p = cons_out_find(c, member);

    if (p == NULL) {
        p = sw_calloc(1, sizeof(*p));
        if (p == NULL)
            return NULL;
        p->member = member;
        sw_list_init(&p->queue);
        sw_list_push_back(&c->out.peers, &p->link);
    }
    /* It may be the very string, by way of cons_in_address(). */
    if (address != NULL && address != p->address && address[0] != '\0')
        (void)snprintf(p->address, sizeof(p->address), "%s", address);
    return p;
}

/* ---- the transport's side ------------------------------------------------------------------ */

static void wire_done(void *arg, int status)
{
    struct wire *w = arg;
    struct consensus *c = w->c;
    struct cons_peer *peer = w->peer;

    peer->window -= w->len;
    c->out.outstanding--;
    w->done(w->arg, status);
    sw_free(w->bytes);
    sw_free(w);
    if (!c->out.stopped)
        pump(c, peer);
    else
        cons_kick(c); /* the last one lets the close go on */
}

int cons_out_wire(struct consensus *c, struct cons_peer *peer, uint8_t *bytes, size_t len,
                  consensus_sent_cb *done, void *arg)
{
    struct wire *w = sw_calloc(1, sizeof(*w));

    if (w == NULL || c->o.transport.send == NULL || c->out.stopped) {
        sw_free(w);
        sw_free(bytes);
        return SW_E_UNAVAILABLE;
    }
    *w =
        (struct wire){ .c = c, .peer = peer, .bytes = bytes, .len = len, .done = done, .arg = arg };
    peer->window += len;
    c->out.outstanding++;
    c->o.transport.send(c->o.transport.arg, peer->member, peer->address, bytes, len, wire_done, w);
    return 0;
}

/* ---- libraft's side ------------------------------------------------------------------------ */

void cons_out_complete(struct cons_send *s, int status)
{
    /* The core only needs to hear of lost entries; a lost heartbeat would make it forget that a
     * snapshot is on its way. */
    bool harmless = s->is_append && s->msg.append_entries.n_entries == 0;
    int code = status == 0 || harmless ? 0 : RAFT_NOCONNECTION;

    if (status == SW_E_CANCELED)
        code = RAFT_CANCELED;
    if (s->req != NULL && s->cb != NULL)
        s->cb(s->req, code);
    s->req = NULL;
    sw_free(s->bytes);
    sw_free(s);
}

static void defer(struct consensus *c, struct cons_send *s, int status)
{
    s->status = status;
    sw_list_push_back(&c->out.deferred, &s->link);
    cons_kick(c);
}

void cons_out_flush(struct consensus *c)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&c->out.deferred)) != NULL) {
        struct cons_send *s = sw_list_entry(l, struct cons_send, link);

        cons_out_complete(s, s->status);
    }
}

static void piece_done(void *arg, int status)
{
    struct cons_send *s = arg;

    s->pending--;
    if (status < 0 && s->status == 0)
        s->status = status;
    if (s->sent && s->pending == 0)
        cons_out_complete(s, s->status);
}

static size_t weight(const struct cons_send *s)
{
    size_t n = 64;

    if (!s->is_append)
        return s->len;
    for (unsigned i = 0; i < s->msg.append_entries.n_entries; i++)
        n += s->msg.append_entries.entries[i].buf.len;
    return n;
}

static int encode_piece(struct consensus *c, struct cons_send *s, uint8_t **bytes, size_t *len)
{
    unsigned n;
    int r;

    if (!s->is_append) {
        *bytes = s->bytes;
        *len = s->len;
        s->bytes = NULL;
        s->sent = true;
        return 0;
    }
    n = cons_piece_entries(&s->msg.append_entries, s->next, CONS_PIECE_BYTES);
    r = cons_encode_message(&s->msg, s->next, n, c->o.address, bytes, len);
    s->next += n;
    s->sent = s->next >= s->msg.append_entries.n_entries;
    return r;
}

static void pump(struct consensus *c, struct cons_peer *peer)
{
    while (peer->window < CONS_OUT_WINDOW && !sw_list_empty(&peer->queue)) {
        struct cons_send *s = sw_list_entry(peer->queue.next, struct cons_send, link);
        uint8_t *bytes = NULL;
        size_t len = 0;

        if (s->status == 0 && s->is_append && s->msg.append_entries.term != c->raft.current_term)
            s->status = SW_E_CANCELED; /* of no use to anybody */
        if (s->status == 0 && encode_piece(c, s, &bytes, &len) < 0)
            s->status = -ENOMEM;
        if (s->status == 0) {
            s->pending++;
            s->status = cons_out_wire(c, peer, bytes, len, piece_done, s);
            if (s->status < 0)
                s->pending--;
        }
        if (s->status < 0)
            s->sent = true;
        if (s->sent) {
            sw_list_del(&s->link);
            peer->queued -= weight(s);
        }
        if (s->status < 0 && s->pending == 0)
            defer(c, s, SW_E_UNAVAILABLE);
    }
}

static void push(struct consensus *c, struct cons_peer *peer, struct cons_send *s)
{
    size_t n = weight(s);

    if (peer->queued > 0 && peer->queued + n > CONS_OUT_QUEUE_MAX) {
        defer(c, s, SW_E_UNAVAILABLE);
        return;
    }
    peer->queued += n;
    sw_list_push_back(&peer->queue, &s->link);
    pump(c, peer);
}

/* While a peer is probed libraft repeats itself at every heartbeat: the first piece will do. */
static void shorten_probe(struct consensus *c, struct raft_append_entries *a, uint64_t member)
{
    unsigned i = cons_conf_find(&c->raft.configuration, member);

    if (a->n_entries > 0 && i < c->raft.configuration.n && cons_compat_is_probing(&c->raft, i))
        a->n_entries = cons_piece_entries(a, 0, CONS_PIECE_BYTES);
}

void cons_out_message(struct consensus *c, struct raft_io_send *req, const struct raft_message *m,
                      raft_io_send_cb cb)
{
    struct cons_peer *peer = cons_out_peer(c, m->server_id, m->server_address);
    struct cons_send *s;

    if (peer != NULL && !c->out.stopped && m->type == RAFT_IO_INSTALL_SNAPSHOT) {
        cons_snap_out_start(c, peer, req, m, cb);
        return;
    }
    s = sw_calloc(1, sizeof(*s));
    if (s == NULL) { /* nobody can be told later: without memory for this the member cannot go on */
        cons_fatal(c, -ENOMEM, "send raft message");
        return;
    }
    s->c = c;
    s->req = cb == NULL ? NULL : req; /* TimeoutNow has none, and its request may be freed */
    s->cb = cb;
    if (peer == NULL || c->failed || c->out.stopped) {
        defer(c, s, SW_E_UNAVAILABLE);
        return;
    }
    if (m->type == RAFT_IO_APPEND_ENTRIES) {
        s->is_append = true;
        s->msg = *m;
        s->msg.server_address = NULL; /* lives for the call only */
        shorten_probe(c, &s->msg.append_entries, m->server_id);
    } else if (cons_encode_message(m, 0, 0, c->o.address, &s->bytes, &s->len) < 0) {
        defer(c, s, SW_E_UNAVAILABLE);
        return;
    }
    push(c, peer, s);
}

void cons_out_drop(struct consensus *c, struct raft_io_send *req, raft_io_send_cb cb)
{
    struct cons_send *s = sw_calloc(1, sizeof(*s));

    if (s == NULL) {
        cons_fatal(c, -ENOMEM, "send raft message");
        return;
    }
    s->c = c;
    s->req = cb == NULL ? NULL : req;
    s->cb = cb;
    defer(c, s, 0);
}

void cons_out_bytes(struct consensus *c, uint64_t member, const char *address, uint8_t *bytes,
                    size_t len)
{
    struct cons_peer *peer = cons_out_peer(c, member, address);
    struct cons_send *s = sw_calloc(1, sizeof(*s));

    if (peer == NULL || s == NULL) {
        sw_free(bytes);
        sw_free(s);
        return; /* frames of our own are all repeated */
    }
    s->c = c;
    s->bytes = bytes;
    s->len = len;
    push(c, peer, s);
}

void cons_out_tick(struct consensus *c)
{
    sw_list_each(l, &c->out.peers)
    {
        struct cons_peer *p = sw_list_entry(l, struct cons_peer, link);

        cons_snap_out_tick(c, p);
        pump(c, p);
    }
}

/* ---- the end ------------------------------------------------------------------------------- */

static void cancel_send(struct cons_send *s)
{
    if (s->req != NULL && s->cb != NULL)
        s->cb(s->req, RAFT_CANCELED);
    s->req = NULL;
    s->cb = NULL;
}

void cons_out_cancel(struct consensus *c)
{
    struct sw_list *l;

    c->out.stopped = true;
    sw_list_each(pl, &c->out.peers)
    {
        struct cons_peer *p = sw_list_entry(pl, struct cons_peer, link);

        cons_snap_out_cancel(p, RAFT_CANCELED);
        while ((l = sw_list_pop_front(&p->queue)) != NULL) {
            struct cons_send *s = sw_list_entry(l, struct cons_send, link);

            cancel_send(s);
            s->sent = true;
            if (s->pending == 0)
                cons_out_complete(s, SW_E_CANCELED);
        }
    }
    cons_out_flush(c);
}

void cons_out_fini(struct consensus *c)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&c->out.peers)) != NULL)
        sw_free(sw_list_entry(l, struct cons_peer, link));
}
