/* SPDX-License-Identifier: Apache-2.0
 * What arrives on a stream, and when the peer gets its credit back.
 *
 * Credit is charged for header and payload of every DATA frame, so that empty messages are not
 * free. It goes back as soon as nothing whole waits in the inbox: a paused stream thus holds at
 * most one credit of messages, and one message in the making. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/rpc/conn.h"

void rpc_stream_drop_inbox(struct sw_rpc_stream *s)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&s->inbox)) != NULL) {
        struct rx_message *m = sw_list_entry(l, struct rx_message, link);

        sw_close_ptr(&m->fd);
        sw_free(m);
    }
}

static void settle(struct sw_rpc_stream *s)
{
    if (s->gone || !sw_list_empty(&s->inbox))
        return;
    s->rx_owed += s->rx_held;
    s->rx_held = 0;
    if (s->rx_owed < SW_RPC_CREDIT / 2 || s->rx_end)
        return;
    rpc_frame_put_window(&s->conn->control, s->id, s->rx_owed);
    s->rx_left += s->rx_owed;
    s->rx_owed = 0;
    rpc_conn_kick(s->conn);
}

/* One whole message to the user, who may end anything. The caller holds the stream. */
static void hand_over(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, int fd)
{
    if (s->gone || s->detached || s->cb == NULL || s->cb->on_message == NULL) {
        sw_close_ptr(&fd);
        return;
    }
    s->inbox_fd = fd;
    s->cb->on_message(s, bytes, len, s->arg);
    sw_close_ptr(&s->inbox_fd);
}

static int keep(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, int fd)
{
    struct rx_message *m = sw_malloc(sizeof(*m) + len);

    if (m == NULL) {
        sw_close_ptr(&fd);
        return -ENOMEM;
    }
    *m = (struct rx_message){ .fd = fd, .len = len };
    if (len > 0)
        memcpy(m->bytes, bytes, len);
    sw_list_push_back(&s->inbox, &m->link);
    return 0;
}

/* The inbox is done with: tell the peer's end or error, which stood behind it. */
static void behind_inbox(struct sw_rpc_stream *s)
{
    if (s->gone || s->detached || !sw_list_empty(&s->inbox))
        return;
    settle(s);
    if (s->rx_end && !s->rx_end_told) {
        s->rx_end_told = true;
        if (s->cb != NULL && s->cb->on_end != NULL)
            s->cb->on_end(s, s->arg);
        rpc_stream_maybe_done(s);
    }
    if (s->rx_status && !s->gone)
        rpc_stream_finish(s, s->status);
}

void rpc_stream_deliver(struct sw_rpc_stream *s)
{
    while (!s->gone && !s->detached && !s->paused && !sw_list_empty(&s->inbox)) {
        struct sw_list *l = sw_list_pop_front(&s->inbox);
        struct rx_message *m = sw_list_entry(l, struct rx_message, link);

        hand_over(s, m->bytes, m->len, m->fd);
        sw_free(m);
    }
    behind_inbox(s);
}

static int take_whole(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, int fd)
{
    if (s->paused || !sw_list_empty(&s->inbox))
        return keep(s, bytes, len, fd);
    hand_over(s, bytes, len, fd);
    return 0;
}

static int take_piece(struct sw_rpc_stream *s, const struct frame *f, int fd, struct sw_err *err)
{
    bool anonymous = s->conn->peer.kind == SW_RPC_ANONYMOUS;
    size_t max = anonymous ? ANONYMOUS_MESSAGE : SW_RPC_MESSAGE_MAX;
    struct sw_buf whole;
    int r;

    if (s->partial.len + f->len > max) {
        sw_close_ptr(&fd);
        return sw_err_set(err, SW_E_PROTOCOL, "message longer than %zu bytes", max);
    }
    if (s->partial.len == 0 && (f->flags & FRAME_MORE) == 0)
        return take_whole(s, f->payload, f->len, fd);
    sw_buf_add(&s->partial, f->payload, f->len);
    if (sw_buf_failed(&s->partial)) {
        sw_close_ptr(&fd);
        return -ENOMEM;
    }
    if ((f->flags & FRAME_MORE) != 0)
        return 0;
    whole = s->partial;
    sw_buf_init(&s->partial);
    r = take_whole(s, whole.data, whole.len, fd);
    sw_buf_fini(&whole);
    return r;
}

int rpc_stream_data(struct sw_rpc_stream *s, const struct frame *f, int fd, struct sw_err *err)
{
    uint32_t charge = FRAME_HEADER + f->len;
    int r;

    if (s->rx_end || s->rx_status || charge > s->rx_left) {
        sw_close_ptr(&fd);
        return sw_err_set(err, SW_E_PROTOCOL, "data on stream %u %s", s->id,
                          charge > s->rx_left ? "beyond its credit" : "behind its end");
    }
    s->rx_left -= charge;
    s->rx_held += charge;
    if ((f->flags & FRAME_LAST) != 0)
        s->rx_end = true; /* known before the message is handed over */
    if (s->detached) {
        sw_close_ptr(&fd);
        settle(s);
        rpc_stream_maybe_done(s);
        return 0;
    }
    r = take_piece(s, f, fd, err);
    if (r < 0) { /* this stream is lost, not the connection */
        if (r == -ENOMEM)
            (void)sw_err_set(err, r, "no memory for a message");
        rpc_stream_reset(s, err);
        rpc_stream_finish(s, err);
        return 0;
    }
    if (s->detached)
        rpc_stream_maybe_done(s);
    else
        behind_inbox(s);
    settle(s);
    return 0;
}

void rpc_stream_peer_end(struct sw_rpc_stream *s)
{
    s->rx_end = true;
    if (s->detached)
        rpc_stream_maybe_done(s);
    else
        behind_inbox(s);
}

void rpc_stream_peer_status(struct sw_rpc_stream *s, const struct sw_err *status)
{
    if (s->rx_status)
        return; /* the first verdict counts */
    if (s->detached || sw_list_empty(&s->inbox)) {
        rpc_stream_finish(s, status);
        return;
    }
    s->status = sw_memdup(status, sizeof(*status));
    if (s->status == NULL) {
        rpc_stream_finish(s, status); /* at the price of the messages before it */
        return;
    }
    s->rx_status = true;
}

void sw_rpc_stream_pause(struct sw_rpc_stream *s)
{
    s->paused = true;
}

void sw_rpc_stream_resume(struct sw_rpc_stream *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    rpc_stream_due(s);
}
