/* SPDX-License-Identifier: Apache-2.0
 * From bytes to records to frames. This is the one place where it is decided who may call what. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "common/rpc/conn.h"

/* ------------------------------------------------------------------ opening a stream */

static const struct sw_rpc_method *find_method(const struct sw_rpc_conn *c, uint32_t method)
{
    for (size_t i = 0; i < c->n_methods; i++)
        if (c->methods[i].method == method)
            return &c->methods[i];
    return NULL;
}

static const char *kind_name(const struct sw_rpc_conn *c)
{
    if (c->peer.kind == SW_RPC_LOCAL)
        return "local process";
    return c->peer.kind == SW_RPC_ANONYMOUS ? "node without a certificate"
                                            : sw_role_name(c->peer.role);
}

static unsigned purposes_of(const struct sw_rpc_method *m)
{
    return m->purposes != 0 ? m->purposes : SW_BIT(SW_RPC_NODE) | SW_BIT(SW_RPC_UNIX);
}

/* Return: 0, or < 0 with the answer for the peer. */
static int authorise(const struct sw_rpc_conn *c, const struct sw_rpc_method *m, uint32_t method,
                     struct sw_err *err)
{
    bool anonymous = c->peer.kind == SW_RPC_ANONYMOUS;

    if (m == NULL)
        return sw_err_set(err, SW_E_UNSUPPORTED, "method %u is not offered here", method);
    if ((m->allow & c->peer.kind) == 0)
        return sw_err_set(err, SW_E_PERMISSION, "a %s may not call %s", kind_name(c), m->name);
    if ((purposes_of(m) & SW_BIT(c->peer.purpose)) == 0)
        return sw_err_set(err, SW_E_PERMISSION, "%s is not for this kind of connection", m->name);
    if (c->peer_streams >= (anonymous ? ANONYMOUS_STREAMS : c->limits.streams))
        return sw_err_set(err, SW_E_EXHAUSTED, "%u streams are open on this connection",
                          c->peer_streams);
    return 0;
}

static unsigned priority_from(uint32_t wire)
{
    switch (wire) {
    case SW_RPC_URGENT:
        return PRIORITY_URGENT;
    case SW_RPC_BULK:
        return PRIORITY_BULK;
    default:
        return PRIORITY_NORMAL;
    }
}

static int start_stream(struct sw_rpc_conn *c, uint32_t id, const struct rpc_frame_open *open,
                        const struct sw_rpc_method *m, struct sw_err *err)
{
    struct sw_rpc_stream *s = rpc_stream_new(c, id, err);

    if (s == NULL)
        return err->code;
    s->by_peer = true;
    c->peer_streams++;
    s->method = open->method;
    s->row = m;
    s->priority = priority_from(open->priority);
    if (open->deadline_ms != 0 && open->deadline_ms < UINT32_MAX) {
        s->deadline_ms = rpc_conn_now_ms(c) + open->deadline_ms;
        rpc_conn_due(c, s->deadline_ms);
    }
    if (m->on_call != NULL) {
        s->cb = &rpc_call_server_cb;
        return 0;
    }
    rpc_stream_hold(s);
    m->on_open(s, m->arg);
    if (!s->gone && !s->detached && !s->tx_end && s->cb == NULL) {
        log_warn("stream opened and left alone method=%s", m->name);
        (void)sw_err_set(err, SW_E_INTERNAL, "%s is not served", m->name);
        sw_rpc_stream_fail(s, err);
    }
    rpc_stream_release(s);
    return 0;
}

static int take_open(struct sw_rpc_conn *c, const struct frame *f, struct sw_err *err)
{
    const struct sw_rpc_method *m;
    struct rpc_frame_open open;
    int r;

    if (f->stream % 2 != (c->dialer ? 0 : 1) || f->stream <= c->last_peer_id)
        return sw_err_set(err, SW_E_PROTOCOL, "stream %u opened out of turn", f->stream);
    c->last_peer_id = f->stream;
    r = rpc_frame_open(f, &open, err);
    if (r < 0)
        return r;
    m = find_method(c, open.method);
    r = authorise(c, m, open.method, err);
    if (r == 0)
        r = start_stream(c, f->stream, &open, m, err);
    if (r < 0) { /* refused: the connection goes on */
        log_debug("call refused peer=%s reason=\"%s\"", c->peer.address, err->msg);
        rpc_frame_put_status(&c->control, f->stream, FRAME_RESET, err);
        rpc_conn_kick(c);
    }
    return 0;
}

/* ------------------------------------------------------------------ frames */

static struct sw_rpc_stream *find_stream(struct sw_rpc_conn *c, const struct frame *f,
                                         struct sw_err *err)
{
    struct sw_rpc_stream *s = sw_map_get(&c->streams, f->stream);
    bool peers = f->stream % 2 == (c->dialer ? 0 : 1);
    bool known = peers ? f->stream <= c->last_peer_id : f->stream < c->next_id;

    if (s == NULL && !known)
        (void)sw_err_set(err, SW_E_PROTOCOL, "frame for stream %u, which was never opened",
                         f->stream);
    else
        err->code = 0; /* a stream that is over: late frames are no fault */
    return s;
}

static int take_fd(struct sw_rpc_conn *c, const struct frame *f, int *fd, struct sw_err *err)
{
    *fd = -1;
    if ((f->flags & FRAME_FD) == 0)
        return 0;
    if (c->n_fds == 0)
        return sw_err_set(err, SW_E_PROTOCOL, "a message announced a descriptor, none came");
    *fd = c->fds[0];
    memmove(c->fds, c->fds + 1, --c->n_fds * sizeof(c->fds[0]));
    return 0;
}

static int take_stream_frame(struct sw_rpc_conn *c, const struct frame *f, struct sw_err *err)
{
    struct sw_rpc_stream *s;
    struct sw_err status;
    int fd = -1;
    int r = 0;

    if (f->type == FRAME_DATA && take_fd(c, f, &fd, err) < 0)
        return err->code;
    s = find_stream(c, f, err);
    if (s == NULL) {
        sw_close_ptr(&fd);
        return err->code;
    }
    rpc_stream_hold(s);
    switch (f->type) {
    case FRAME_DATA:
        r = rpc_stream_data(s, f, fd, err);
        break;
    case FRAME_END:
        rpc_stream_peer_end(s);
        break;
    case FRAME_STATUS:
        rpc_frame_status(f, &status);
        rpc_stream_peer_status(s, &status);
        break;
    case FRAME_RESET:
        rpc_frame_status(f, &status);
        rpc_stream_finish(s, &status);
        break;
    default: /* FRAME_WINDOW */
        r = rpc_stream_credit(s, rpc_frame_window(f), err);
        break;
    }
    rpc_stream_release(s);
    return r;
}

static int take_welcome(struct sw_rpc_conn *c, const struct frame *f, struct sw_err *err)
{
    int64_t now_ns;

    if (!c->dialer || c->state != CONN_WELCOME)
        return sw_err_set(err, SW_E_PROTOCOL, "welcome out of turn");
    if (rpc_frame_welcome(f, c->peer.my_address, sizeof(c->peer.my_address), &now_ns, err) < 0)
        return err->code;
    rpc_conn_up(c);
    return 0;
}

static int take_frame(struct sw_rpc_conn *c, const struct frame *f, struct sw_err *err)
{
    const struct frame pong = { .type = FRAME_PONG };

    if (c->state != CONN_UP && f->type != FRAME_WELCOME && f->type != FRAME_GOAWAY)
        return sw_err_set(err, SW_E_PROTOCOL, "frame type %u before the welcome", f->type);
    switch (f->type) {
    case FRAME_OPEN:
        return take_open(c, f, err);
    case FRAME_PING:
        rpc_frame_put(&c->control, &pong);
        rpc_conn_kick(c);
        return 0;
    case FRAME_PONG:
        return 0;
    case FRAME_REKEY:
        rpc_channel_rekey_recv(&c->channel);
        return 0;
    case FRAME_WELCOME:
        return take_welcome(c, f, err);
    case FRAME_GOAWAY: {
        struct sw_err why;

        rpc_frame_status(f, &why);
        rpc_conn_die(c, &why, false, true);
        return 0;
    }
    default:
        return take_stream_frame(c, f, err);
    }
}

int rpc_conn_frames(struct sw_rpc_conn *c, const uint8_t *plain, size_t n, struct sw_err *err)
{
    struct frame f;
    int r;

    while (c->state != CONN_DEAD) {
        r = rpc_frame_next(&plain, &n, &f, err);
        if (r != 0)
            return r < 0 ? r : 0;
        if (f.type == FRAME_REKEY && n > 0)
            return sw_err_set(err, SW_E_PROTOCOL, "frames behind a change of key");
        r = take_frame(c, &f, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ------------------------------------------------------------------ handshake */

static int handshake_over(struct sw_rpc_conn *c, struct sw_err *err)
{
    int r = 0;

    rpc_handshake_channel(c->hs, &c->channel);
    rpc_handshake_peer(c->hs, &c->peer);
    if (c->dialer && c->peer.purpose == SW_RPC_JOIN) {
        c->root = sw_memdup(rpc_handshake_root(c->hs), sizeof(*c->root));
        if (c->root == NULL)
            r = sw_err_set(err, -ENOMEM, "no memory for a connection");
    }
    rpc_handshake_free(c->hs);
    c->hs = NULL;
    rpc_conn_go(c, CONN_WELCOME);
    if (r < 0 || c->dialer)
        return r;
    r = rpc_server_verify(c, err);
    if (r == 0)
        rpc_conn_welcome(c);
    return r;
}

static int take_handshake(struct sw_rpc_conn *c, const uint8_t *body, size_t n, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    int r = rpc_handshake_take(c->hs, body, n, &out, err);

    if (r < 0) {
        if (rpc_handshake_is_keyed(c->hs)) { /* the refusal can be told in private */
            rpc_handshake_channel(c->hs, &c->channel);
            rpc_handshake_free(c->hs);
            c->hs = NULL;
            rpc_conn_go(c, CONN_WELCOME);
        }
        return c->dialer ? sw_err_wrap(err, "%s", c->peer.address) : r;
    }
    if (out.len > 0) {
        size_t len = out.len;
        int w = c->transport->ops->write(c->transport, (uint8_t *)sw_buf_steal(&out), len, NULL, 0);

        if (w < 0)
            return sw_err_set(err, w, "%s: cannot send the handshake", c->peer.address);
    }
    return r == HANDSHAKE_DONE ? handshake_over(c, err) : 0;
}

/* ------------------------------------------------------------------ records */

static int take_record(struct sw_rpc_conn *c, uint8_t *body, size_t n, struct sw_err *err)
{
    size_t plain_len;
    int r;

    if (c->state == CONN_HANDSHAKE)
        return take_handshake(c, body, n, err);
    r = rpc_channel_open(&c->channel, body, n, &plain_len, err);
    return r < 0 ? r : rpc_conn_frames(c, body, plain_len, err);
}

/* Gather an incomplete record in c->rx. Return: bytes used, or < 0. */
static ssize_t gather(struct sw_rpc_conn *c, const uint8_t *bytes, size_t n, struct sw_err *err)
{
    size_t have = c->rx.len;
    size_t want = have < RECORD_HEADER
                      ? RECORD_HEADER
                      : RECORD_HEADER + ((size_t)c->rx.data[0] << 8 | c->rx.data[1]);
    size_t take = SW_MIN(n, want - have);

    if (c->state == CONN_HANDSHAKE && want > HANDSHAKE_MAX_BYTES)
        return sw_err_set(err, SW_E_PROTOCOL, "%s does not speak this protocol", c->peer.address);
    sw_buf_add(&c->rx, bytes, take);
    if (sw_buf_failed(&c->rx))
        return sw_err_set(err, -ENOMEM, "no memory for a record");
    return (ssize_t)take;
}

static int take_gathered(struct sw_rpc_conn *c, struct sw_err *err)
{
    struct sw_buf whole = c->rx;
    uint8_t *body;
    size_t n;
    int r;

    if (rpc_record_take(whole.data, whole.len, &body, &n) == 0)
        return 0;
    sw_buf_init(&c->rx); /* idle connections keep no memory */
    r = take_record(c, body, n, err);
    sw_buf_fini(&whole);
    return r;
}

int rpc_conn_bytes(struct sw_rpc_conn *c, uint8_t *bytes, size_t n, struct sw_err *err)
{
    while (n > 0 && c->state != CONN_DEAD) {
        uint8_t *body;
        size_t len;
        size_t used = c->rx.len == 0 ? rpc_record_take(bytes, n, &body, &len) : 0;
        int r;

        if (used > 0) {
            r = take_record(c, body, len, err);
        } else {
            ssize_t g = gather(c, bytes, n, err);

            if (g < 0)
                return (int)g;
            used = (size_t)g;
            r = take_gathered(c, err);
        }
        if (r < 0)
            return r;
        bytes += used;
        n -= used;
    }
    return 0;
}
