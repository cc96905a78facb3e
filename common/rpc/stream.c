/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <protobuf-c/protobuf-c.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/rpc/conn.h"

#define FULL_BYTES (64u * 1024u) /* queued: the producer should wait */

/* ------------------------------------------------------------------ life */

struct sw_rpc_stream *rpc_stream_new(struct sw_rpc_conn *c, uint32_t id, struct sw_err *err)
{
    struct sw_rpc_stream *s = sw_calloc(1, sizeof(*s));

    if (s == NULL || sw_map_put(&c->streams, id, s) < 0) {
        sw_free(s);
        (void)sw_err_set(err, -ENOMEM, "no memory for a stream");
        return NULL;
    }
    s->conn = c;
    s->id = id;
    s->hold = 1; /* of being in the connection */
    s->credit = SW_RPC_CREDIT;
    s->rx_left = SW_RPC_CREDIT;
    s->inbox_fd = -1;
    s->priority = PRIORITY_NORMAL;
    sw_list_init(&s->items);
    sw_list_init(&s->inbox);
    sw_list_init(&s->ready_link);
    sw_list_init(&s->finished_link);
    sw_list_init(&s->writable_link);
    sw_list_init(&s->link);
    sw_list_push_back(&c->all, &s->link);
    return s;
}

void rpc_stream_hold(struct sw_rpc_stream *s)
{
    s->hold++;
}

void rpc_stream_release(struct sw_rpc_stream *s)
{
    if (--s->hold > 0)
        return;
    assert(s->gone);
    sw_free(s->status);
    sw_free(s->call);
    sw_free(s);
}

static void drop_items(struct sw_rpc_stream *s)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&s->items)) != NULL) {
        struct item *i = sw_list_entry(l, struct item, link);

        sw_close_ptr(&i->fd);
        sw_free(i);
    }
    s->queued = 0;
}

void rpc_stream_remove(struct sw_rpc_stream *s)
{
    struct sw_rpc_conn *c = s->conn;

    if (s->gone)
        return;
    s->gone = true;
    (void)sw_map_del(&c->streams, s->id);
    if (s->by_peer)
        c->peer_streams--;
    sw_list_del(&s->link);
    sw_list_del(&s->ready_link);
    sw_list_del(&s->finished_link);
    sw_list_del(&s->writable_link);
    drop_items(s);
    rpc_stream_drop_inbox(s);
    sw_buf_fini(&s->partial);
    rpc_stream_release(s);
}

void rpc_stream_finish(struct sw_rpc_stream *s, const struct sw_err *why)
{
    if (s->gone)
        return;
    rpc_stream_hold(s);
    rpc_stream_remove(s);
    if (!s->detached && s->cb != NULL && s->cb->on_close != NULL) {
        s->detached = true;
        s->cb->on_close(s, why, s->arg);
    }
    rpc_stream_release(s);
}

void rpc_stream_maybe_done(struct sw_rpc_stream *s)
{
    if (s->gone || !s->tx_done)
        return;
    if (s->detached && !s->rx_end) {
        /* Answered before the peer ended its half: it has a while to do so. */
        s->deadline_ms = rpc_conn_now_ms(s->conn) + STREAM_DRAIN_MS;
        rpc_conn_due(s->conn, s->deadline_ms);
        return;
    }
    if (!s->detached && !s->rx_end_told)
        return;
    if (s->finished_link.next == &s->finished_link)
        sw_list_push_back(&s->conn->finished, &s->finished_link);
    rpc_conn_kick(s->conn);
}

void rpc_stream_due(struct sw_rpc_stream *s)
{
    if (s->gone)
        return;
    if (s->writable_link.next == &s->writable_link)
        sw_list_push_back(&s->conn->writable, &s->writable_link);
    rpc_conn_kick(s->conn);
}

void rpc_stream_reset(struct sw_rpc_stream *s, const struct sw_err *why)
{
    if (s->gone || s->conn->state == CONN_DEAD)
        return;
    if (!s->open_sent && !s->by_peer)
        return; /* the peer never heard of it */
    if (s->tx_done && s->rx_end)
        return;
    rpc_frame_put_status(&s->conn->control, s->id, FRAME_RESET, why);
    rpc_conn_kick(s->conn);
}

int rpc_stream_credit(struct sw_rpc_stream *s, uint32_t n, struct sw_err *err)
{
    uint32_t sum;

    if (__builtin_add_overflow(s->credit, n, &sum) || sum > SW_RPC_CREDIT)
        return sw_err_set(err, SW_E_PROTOCOL, "%u bytes of credit on top of %u", n, s->credit);
    s->credit = sum;
    rpc_stream_ready(s);
    if (s->was_full)
        rpc_stream_due(s);
    return 0;
}

/* ------------------------------------------------------------------ what users do */

static struct item *item_new(enum item_kind kind, size_t len)
{
    struct item *i = sw_malloc(sizeof(*i) + len);

    if (i == NULL)
        return NULL;
    *i = (struct item){ .kind = kind, .fd = -1, .len = len };
    sw_list_init(&i->link);
    return i;
}

static void push_item(struct sw_rpc_stream *s, struct item *i)
{
    sw_list_push_back(&s->items, &i->link);
    s->queued += i->len;
    rpc_stream_ready(s);
}

/* An item that holds a whole frame. Return: 0, -ENOMEM. */
static int push_frame(struct sw_rpc_stream *s, enum item_kind kind, const struct sw_buf *frame)
{
    struct item *i = sw_buf_failed(frame) ? NULL : item_new(kind, frame->len);

    if (i == NULL)
        return -ENOMEM;
    memcpy(i->bytes, frame->data, frame->len);
    push_item(s, i);
    return 0;
}

static int queue_open(struct sw_rpc_stream *s, const struct sw_rpc_open *open)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    const struct rpc_frame_open f = { open->method, open->priority, open->deadline_ms };

    rpc_frame_put_open(&b, s->id, &f);
    return push_frame(s, ITEM_OPEN, &b);
}

int sw_rpc_stream_open(struct sw_rpc_stream **out, struct sw_rpc_conn *c,
                       const struct sw_rpc_open *open, struct sw_err *err)
{
    static const unsigned order[] = { [SW_RPC_NORMAL] = PRIORITY_NORMAL,
                                      [SW_RPC_URGENT] = PRIORITY_URGENT,
                                      [SW_RPC_BULK] = PRIORITY_BULK };
    struct sw_rpc_stream *s;

    if (c->state != CONN_UP)
        return sw_err_set(err, SW_E_UNAVAILABLE, "not connected to %s", c->peer.address);
    if (c->next_id > UINT32_MAX / 2)
        return sw_err_set(err, SW_E_EXHAUSTED, "too many streams on one connection");
    s = rpc_stream_new(c, c->next_id, err);
    if (s == NULL)
        return err->code;
    c->next_id += 2;
    s->method = open->method;
    s->priority = order[open->priority];
    s->cb = open->cb;
    s->arg = open->arg;
    if (queue_open(s, open) < 0) {
        rpc_stream_remove(s);
        return sw_err_set(err, -ENOMEM, "no memory for a stream");
    }
    if (open->deadline_ms != 0) {
        uv_update_time(c->loop); /* after long work in a callback it lags */
        s->deadline_ms = rpc_conn_now_ms(c) + open->deadline_ms;
        rpc_conn_due(c, s->deadline_ms);
    }
    *out = s;
    return 0;
}

void sw_rpc_stream_set_cb(struct sw_rpc_stream *s, const struct sw_rpc_stream_cb *cb, void *arg)
{
    s->cb = cb;
    s->arg = arg;
}

static int may_send(const struct sw_rpc_stream *s, size_t len, struct sw_err *err)
{
    if (s->gone || s->conn->state != CONN_UP)
        return sw_err_set(err, SW_E_UNAVAILABLE, "the stream is over");
    if (s->tx_end)
        return sw_err_set(err, SW_E_INVALID, "message behind the end of the stream");
    if (len > SW_RPC_MESSAGE_MAX)
        return sw_err_set(err, SW_E_INVALID, "message of %zu bytes, at most %u are allowed", len,
                          SW_RPC_MESSAGE_MAX);
    if (s->queued + len > SW_RPC_QUEUE_MAX)
        return sw_err_set(err, SW_E_EXHAUSTED, "%zu bytes wait for %s to read", s->queued,
                          s->conn->peer.address);
    return 0;
}

static int sent(struct sw_rpc_stream *s, struct item *i)
{
    push_item(s, i);
    if (s->queued < FULL_BYTES && s->queued + FRAME_HEADER < s->credit)
        return 0;
    s->was_full = true;
    return SW_RPC_FULL;
}

int sw_rpc_stream_send(struct sw_rpc_stream *s, const void *bytes, size_t len, struct sw_err *err)
{
    struct item *i;
    int r = may_send(s, len, err);

    if (r < 0)
        return r;
    i = item_new(ITEM_MESSAGE, len);
    if (i == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a message of %zu bytes", len);
    if (len > 0)
        memcpy(i->bytes, bytes, len);
    return sent(s, i);
}

int sw_rpc_stream_send_msg(struct sw_rpc_stream *s, const struct ProtobufCMessage *msg,
                           struct sw_err *err)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    struct item *i;
    int r = may_send(s, len, err);

    if (r < 0)
        return r;
    i = item_new(ITEM_MESSAGE, len);
    if (i == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a message of %zu bytes", len);
    (void)protobuf_c_message_pack(msg, i->bytes);
    return sent(s, i);
}

int sw_rpc_stream_send_fd(struct sw_rpc_stream *s, const void *bytes, size_t len, int fd,
                          struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int copy = -1;
    struct item *i;
    int r = may_send(s, len, err);

    if (r < 0)
        return r;
    if (!s->conn->fds_allowed)
        return sw_err_set(err, SW_E_UNSUPPORTED, "descriptors travel over Unix sockets only");
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return sw_err_errno(err, errno, "duplicate a descriptor");
    i = item_new(ITEM_MESSAGE, len);
    if (i == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a message of %zu bytes", len);
    if (len > 0)
        memcpy(i->bytes, bytes, len);
    i->fd = sw_steal_fd(&copy);
    return sent(s, i);
}

int sw_rpc_stream_take_fd(struct sw_rpc_stream *s)
{
    return sw_steal_fd(&s->inbox_fd);
}

void sw_rpc_stream_end(struct sw_rpc_stream *s)
{
    struct item *i;
    struct sw_err why;

    if (s->gone || s->tx_end)
        return;
    i = item_new(ITEM_END, 0);
    if (i == NULL) { /* the peer must not wait for an end that never comes */
        (void)sw_err_set(&why, -ENOMEM, "the sender ran out of memory");
        rpc_stream_reset(s, &why);
        s->deadline_ms = rpc_conn_now_ms(s->conn); /* and we learn it from the tick */
        rpc_conn_due(s->conn, s->deadline_ms);
        return;
    }
    s->tx_end = true;
    push_item(s, i);
}

void sw_rpc_stream_fail(struct sw_rpc_stream *s, const struct sw_err *error)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    uint64_t drain;

    if (s->gone || s->detached)
        return;
    s->detached = true;
    rpc_frame_put_status(&b, s->id, FRAME_STATUS, error);
    if (s->conn->state != CONN_UP || s->tx_end || push_frame(s, ITEM_STATUS, &b) < 0) {
        rpc_stream_reset(s, error);
        rpc_stream_remove(s);
        return;
    }
    s->tx_end = true;
    rpc_stream_drop_inbox(s);
    drain = rpc_conn_now_ms(s->conn) + STREAM_DRAIN_MS;
    s->deadline_ms = s->deadline_ms != 0 ? SW_MIN(s->deadline_ms, drain) : drain;
    rpc_conn_due(s->conn, s->deadline_ms);
}

void sw_rpc_stream_cancel(struct sw_rpc_stream *s)
{
    struct sw_err why;

    if (s->gone)
        return;
    s->detached = true;
    (void)sw_err_set(&why, SW_E_CANCELED, "canceled by the peer");
    rpc_stream_reset(s, &why);
    rpc_stream_remove(s);
}

struct sw_rpc_conn *sw_rpc_stream_conn(const struct sw_rpc_stream *s)
{
    return s->conn;
}

const struct sw_rpc_peer *sw_rpc_stream_peer(const struct sw_rpc_stream *s)
{
    return &s->conn->peer;
}

uint32_t sw_rpc_stream_method(const struct sw_rpc_stream *s)
{
    return s->method;
}

void *sw_rpc_stream_arg(const struct sw_rpc_stream *s)
{
    return s->arg;
}

size_t sw_rpc_stream_queued(const struct sw_rpc_stream *s)
{
    return s->queued;
}
