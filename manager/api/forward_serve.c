/* SPDX-License-Identifier: Apache-2.0
 * forward_serve.c - the leader's half of forward.h: run the request through the same router. */
#include <errno.h>

#include "common/base/alloc.h"
#include "common/http/exchange.h"
#include "manager/api/forward.h"
#include "proto/pb.h"
#include "swarm/v1/dispatcher.pb-c.h"

#define PIECE_MAX (256u * 1024u) /* bytes of one message of a streamed body */

struct serve {
    struct http_router *router;
    struct sw_rpc_stream *stream; /* NULL: the follower went away */
    struct http_request *req;     /* NULL: not begun, or finished */
    bool begun;
    bool full;
};

static void release(struct serve *s)
{
    if (s->stream == NULL && s->req == NULL)
        sw_free(s);
}

/* ---- answering ----------------------------------------------------------------------------------
 */

static int add_headers(Swarm__V1__ApiResponse *r, const struct http_answer_head *head)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        Swarm__V1__Label *l = pb_new(&swarm__v1__label__descriptor);

        if (l == NULL || pb_set_string(&l->key, head->headers[i].name) < 0 ||
            pb_set_string(&l->value, head->headers[i].value) < 0 ||
            pb_add(&r->n_headers, &r->headers, l) < 0) {
            pb_free(l);
            return -1;
        }
    }
    return 0;
}

static void send_piece(struct serve *s, const void *data, size_t len)
{
    struct sw_err err;
    int r;

    if (s->stream == NULL || len == 0)
        return;
    r = sw_rpc_stream_send(s->stream, data, len, &err);
    if (r == SW_RPC_FULL)
        s->full = true;
}

static void op_start(void *transport, const struct http_answer_head *head)
{
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__ApiResponse *r = pb_new(&swarm__v1__api_response__descriptor);
    struct serve *s = transport;
    struct sw_err err;

    if (s->stream != NULL && r != NULL) {
        bool fits = head->len <= PIECE_MAX;

        r->status = (uint32_t)head->status;
        r->more = head->kind != HTTP_ANSWER_WHOLE || !fits;
        if (add_headers(r, head) == 0 &&
            (!fits || pb_set_bytes(&r->body, head->body, head->len) == 0) &&
            sw_rpc_stream_send_msg(s->stream, &r->base, &err) >= 0) {
            for (size_t at = 0; !fits && at < head->len; at += PIECE_MAX)
                send_piece(s, (const char *)head->body + at, SW_MIN(head->len - at, PIECE_MAX));
        }
    }
    sw_free(head->body);
}

static size_t op_write(void *transport, const void *data, size_t len)
{
    struct serve *s = transport;

    for (size_t at = 0; at < len; at += PIECE_MAX)
        send_piece(s, (const char *)data + at, SW_MIN(len - at, PIECE_MAX));
    return s->full ? HTTP_STREAM_HIGH + 1 : 0;
}

static void op_read(void *transport, bool on)
{
    (void)transport;
    (void)on; /* the whole body came with the request */
}

static void op_end(void *transport, enum http_end how)
{
    struct serve *s = transport;
    struct sw_rpc_stream *stream = s->stream;
    struct sw_err err;

    s->req = NULL;
    s->stream = NULL;
    if (stream != NULL) {
        sw_rpc_stream_set_cb(stream, NULL, NULL);
        if (how == HTTP_END_OK) {
            sw_rpc_stream_end(stream);
        } else {
            (void)sw_err_set(&err, SW_E_CANCELED, "the answer was cut off");
            sw_rpc_stream_fail(stream, &err);
        }
    }
    release(s);
}

static const struct http_exchange_ops ops = { op_start, op_write, op_read, op_end };

/* ---- receiving ----------------------------------------------------------------------------------
 */

static void begin(struct serve *s, const Swarm__V1__ApiRequest *m)
{
    struct http_exchange_head head = {
        .method = m->method,
        .target = m->target,
        .body_len = (int64_t)m->body.len,
    };
    struct http_request *req = NULL;
    struct sw_err err;

    s->begun = true;
    if (http_exchange_new(&req, s->router, &head, &ops, s, &err) < 0) {
        struct sw_rpc_stream *stream = s->stream;

        s->stream = NULL;
        sw_rpc_stream_fail(stream, &err);
        release(s);
        return;
    }
    if (req == NULL)
        return; /* answered at once: s is gone */
    s->req = req;
    if (m->body.len > 0)
        http_exchange_body(req, m->body.data, m->body.len); /* waits for the end: a whole body */
    http_exchange_body_end(req);
}

static void on_message(struct sw_rpc_stream *stream, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ApiRequest *m = NULL;
    struct serve *s = arg;
    struct sw_err err;

    if (s->begun)
        return;
    if (pb_unpack(&swarm__v1__api_request__descriptor, bytes, len, &m, &err) < 0) {
        s->stream = NULL;
        sw_rpc_stream_fail(stream, &err);
        release(s);
        return;
    }
    begin(s, m);
}

static void on_writable(struct sw_rpc_stream *stream, void *arg)
{
    struct serve *s = arg;

    (void)stream;
    s->full = false;
    if (s->req != NULL)
        http_exchange_drained(s->req);
}

static void on_close(struct sw_rpc_stream *stream, const struct sw_err *err, void *arg)
{
    struct serve *s = arg;

    (void)stream;
    (void)err;
    s->stream = NULL;
    if (s->req != NULL)
        http_exchange_gone(s->req);
    else
        release(s);
}

static const struct sw_rpc_stream_cb serve_cb = { on_message, NULL, on_writable, on_close };

void forward_on_open(struct sw_rpc_stream *stream, void *arg)
{
    struct serve *s = sw_calloc(1, sizeof(*s));
    struct sw_err err;

    if (s == NULL) {
        (void)sw_err_set(&err, -ENOMEM, "out of memory");
        sw_rpc_stream_fail(stream, &err);
        return;
    }
    s->router = arg;
    s->stream = stream;
    sw_rpc_stream_set_cb(stream, &serve_cb, s);
}
