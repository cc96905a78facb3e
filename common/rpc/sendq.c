/* SPDX-License-Identifier: Apache-2.0
 *
 * How it works: what users send waits in its stream. rpc_conn_send() packs records while the
 * transport has little under way, so the order is decided as late as possible: control frames, then
 * streams by priority, in turn within one, a fragment each. Every eighth pick begins with the
 * lowest, so that bulk moves even when the rest never pauses. A stream is in a ready list exactly
 * while its first item could be sent now. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/rpc/conn.h"

#define WRITE_BYTES  (64u * 1024u) /* one write, about */
#define ROOM_MIN     512u          /* smaller rests of a record are not worth a fragment */
#define CONTROL_MAX  (1024u * 1024u)
#define WRITABLE_LOW (16u * 1024u)

struct write { /* being put together */
    struct sw_buf out;
    int fds[SW_UNIX_FDS_MAX];
    size_t n_fds;
};

static struct item *first_item(const struct sw_rpc_stream *s)
{
    return sw_list_empty(&s->items) ? NULL : sw_list_entry(s->items.next, struct item, link);
}

static bool can_send(const struct sw_rpc_stream *s)
{
    const struct item *i = first_item(s);

    if (i == NULL || s->gone)
        return false;
    return i->kind != ITEM_MESSAGE || s->credit >= FRAME_HEADER + (i->len > i->at ? 1u : 0u);
}

void rpc_stream_ready(struct sw_rpc_stream *s)
{
    if (!can_send(s)) {
        sw_list_del(&s->ready_link);
        return;
    }
    if (s->ready_link.next == &s->ready_link)
        sw_list_push_back(&s->conn->ready[s->priority], &s->ready_link);
    rpc_conn_kick(s->conn);
}

static struct sw_rpc_stream *pick(struct sw_rpc_conn *c)
{
    bool reverse = ++c->picks % 8 == 0;

    for (int i = 0; i < PRIORITIES; i++) {
        struct sw_list *l = &c->ready[reverse ? PRIORITIES - 1 - i : i];

        if (!sw_list_empty(l))
            return sw_list_entry(l->next, struct sw_rpc_stream, ready_link);
    }
    return NULL;
}

static void pop_item(struct sw_rpc_stream *s, struct item *i)
{
    sw_list_del(&i->link);
    sw_free(i);
    (void)s;
}

static void tx_ended(struct sw_rpc_stream *s)
{
    s->tx_done = true;
    rpc_stream_maybe_done(s);
}

/* The next piece of a message. Return: bytes put, 0 when it does not fit. */
static size_t put_message(struct sw_rpc_stream *s, struct item *i, struct write *w, uint8_t *at,
                          size_t room)
{
    size_t left = i->len - i->at;
    size_t n = SW_MIN(left, SW_MIN(FRAME_FRAGMENT, s->credit - FRAME_HEADER));
    struct frame f = { .stream = s->id, .type = FRAME_DATA };
    struct item *next =
        i->link.next != &s->items ? sw_list_entry(i->link.next, struct item, link) : NULL;

    if (n > room - FRAME_HEADER) {
        if (room < FRAME_HEADER + ROOM_MIN)
            return 0;
        n = room - FRAME_HEADER;
    }
    if (n == left && i->fd >= 0) {
        if (w->n_fds == SW_UNIX_FDS_MAX)
            return 0;
        w->fds[w->n_fds++] = sw_steal_fd(&i->fd);
        f.flags |= FRAME_FD;
    }
    if (n < left)
        f.flags = FRAME_MORE;
    else if (next != NULL && next->kind == ITEM_END)
        f.flags |= FRAME_LAST;
    f.len = (uint32_t)n;
    rpc_frame_header(at, &f);
    if (n > 0)
        memcpy(at + FRAME_HEADER, i->bytes + i->at, n);
    i->at += n;
    s->credit -= (uint32_t)(FRAME_HEADER + n);
    s->queued -= n;
    if (i->at == i->len)
        pop_item(s, i);
    if ((f.flags & FRAME_LAST) != 0) {
        pop_item(s, next);
        tx_ended(s);
    }
    return FRAME_HEADER + n;
}

/* A frame of this stream into the record. Return: bytes put, 0 when nothing fits. */
static size_t put_one(struct sw_rpc_stream *s, struct write *w, uint8_t *at, size_t room)
{
    struct item *i = first_item(s);
    const struct frame end = { .stream = s->id, .type = FRAME_END };
    size_t n;

    assert(i != NULL); /* it stood in a ready list */
    if (room < FRAME_HEADER)
        return 0;
    switch (i->kind) {
    case ITEM_MESSAGE:
        return put_message(s, i, w, at, room);
    case ITEM_END:
        rpc_frame_header(at, &end);
        pop_item(s, i);
        tx_ended(s);
        return FRAME_HEADER;
    case ITEM_OPEN:
    case ITEM_STATUS:
        break;
    }
    n = i->len;
    if (n > room)
        return 0;
    memcpy(at, i->bytes, n);
    s->queued -= n;
    s->open_sent = true;
    if (i->kind == ITEM_STATUS) {
        pop_item(s, i);
        rpc_stream_remove(s); /* the last word; the owner is gone already */
        return n;
    }
    pop_item(s, i);
    return n;
}

/* Whole control frames, as many as fit. */
static size_t put_control(struct sw_rpc_conn *c, uint8_t *at, size_t room)
{
    const uint8_t *p = c->control.data;
    size_t left = c->control.len;
    size_t put = 0;
    struct frame f;
    struct sw_err ignored;

    while (left > 0) {
        const uint8_t *start = p;
        size_t was = left;
        int r = rpc_frame_next(&p, &left, &f, &ignored);

        assert(r == 0); /* our own frames */
        if (was - left > room - put)
            break;
        memcpy(at + put, start, was - left);
        put += was - left;
    }
    sw_buf_consume(&c->control, put);
    if (c->control.len == 0)
        sw_buf_fini(&c->control);
    return put;
}

static size_t put_streams(struct sw_rpc_conn *c, struct write *w, uint8_t *at, size_t room)
{
    size_t put = 0;
    struct sw_rpc_stream *s;

    while (room - put >= FRAME_HEADER && (s = pick(c)) != NULL) {
        size_t n;

        rpc_stream_hold(s);
        n = put_one(s, w, at + put, room - put);
        put += n;
        sw_list_del(&s->ready_link); /* and behind the others when it has more */
        if (!s->gone && can_send(s))
            sw_list_push_back(&c->ready[s->priority], &s->ready_link);
        if (!s->gone && s->was_full)
            rpc_stream_due(s);
        rpc_stream_release(s);
        if (n == 0)
            break;
    }
    return put;
}

/* Return: bytes of plain text in the record, 0: nothing to send; < 0. */
static ssize_t add_record(struct sw_rpc_conn *c, struct write *w)
{
    static _Thread_local uint8_t plain[RECORD_PLAIN];
    const struct frame rekey = { .type = FRAME_REKEY };
    uint64_t now = rpc_conn_now_ms(c);
    size_t n;
    int r;

    if (rpc_channel_wants_rekey(&c->channel, now)) {
        rpc_frame_header(plain, &rekey);
        r = rpc_channel_seal(&c->channel, plain, FRAME_HEADER, &w->out);
        rpc_channel_rekey_send(&c->channel, now);
        return r < 0 ? r : (ssize_t)FRAME_HEADER;
    }
    n = put_control(c, plain, sizeof(plain));
    n += put_streams(c, w, plain + n, sizeof(plain) - n);
    if (n == 0)
        return 0;
    r = rpc_channel_seal(&c->channel, plain, n, &w->out);
    return r < 0 ? r : (ssize_t)n;
}

static bool has_work(const struct sw_rpc_conn *c)
{
    if (c->control.len > 0)
        return true;
    for (int i = 0; i < PRIORITIES; i++)
        if (!sw_list_empty(&c->ready[i]))
            return true;
    return false;
}

static void give_up(struct sw_rpc_conn *c, struct write *w, int code)
{
    struct sw_err why;

    for (size_t i = 0; i < w->n_fds; i++)
        (void)close(w->fds[i]);
    sw_buf_fini(&w->out);
    (void)sw_err_set(&why, code, "cannot send to %s", c->peer.address);
    rpc_conn_die(c, &why, false, true);
}

void rpc_conn_send(struct sw_rpc_conn *c)
{
    if (c->state == CONN_UP && (sw_buf_failed(&c->control) || c->control.len > CONTROL_MAX)) {
        struct sw_err why;

        (void)sw_err_set(&why, SW_E_EXHAUSTED, "%s does not read what it asked for",
                         c->peer.address);
        rpc_conn_die(c, &why, false, true);
        return;
    }
    while (c->state == CONN_UP && has_work(c) && c->transport->queued < CONN_SEND_HIGH) {
        struct write w = { .out = SW_BUF_INIT };
        size_t len;
        ssize_t n;
        int r;

        do {
            n = add_record(c, &w);
            if (n < 0) {
                give_up(c, &w, (int)n);
                return;
            }
        } while (n > 0 && w.out.len < WRITE_BYTES && w.n_fds < SW_UNIX_FDS_MAX);
        if (w.out.len == 0)
            return;
        len = w.out.len;
        r = c->transport->ops->write(c->transport, (uint8_t *)sw_buf_steal(&w.out), len, w.fds,
                                     w.n_fds);
        if (r < 0) {
            w.n_fds = 0; /* owned by the transport */
            give_up(c, &w, r);
            return;
        }
    }
}

void rpc_conn_flush_goaway(struct sw_rpc_conn *c, enum conn_state was, const struct sw_err *why)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf plain = SW_BUF_INIT;
    struct sw_buf out = SW_BUF_INIT;
    size_t len;

    if (was != CONN_UP && was != CONN_WELCOME)
        return;
    rpc_frame_put_status(&plain, 0, FRAME_GOAWAY, why);
    if (sw_buf_failed(&plain) || rpc_channel_seal(&c->channel, plain.data, plain.len, &out) < 0) {
        sw_buf_fini(&out);
        return;
    }
    len = out.len;
    (void)c->transport->ops->write(c->transport, (uint8_t *)sw_buf_steal(&out), len, NULL, 0);
}

void rpc_stream_writable(struct sw_rpc_stream *s)
{
    if (s->gone || s->detached || !s->was_full || s->tx_end)
        return;
    if (s->queued > WRITABLE_LOW || s->queued + FRAME_HEADER >= s->credit)
        return;
    s->was_full = false;
    if (s->cb != NULL && s->cb->on_writable != NULL)
        s->cb->on_writable(s, s->arg);
}
