/* SPDX-License-Identifier: Apache-2.0
 * One request, one answer: a stream on which each side sends one message and ends. */
#include <assert.h>
#include <errno.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "common/rpc/conn.h"

#define CALL_DEADLINE_MS 30000

struct call {
    void (*done)(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg);
    void *arg;
};

/* ------------------------------------------------------------------ the caller */

/* Only the first verdict counts; afterwards the stream calls back no more. */
static void call_done(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len,
                      const struct sw_err *err)
{
    struct call c = *(struct call *)s->call;

    sw_rpc_stream_cancel(s); /* tells the peer only if it has not ended; frees s->call */
    c.done(bytes, len, err, c.arg);
}

static void on_answer(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    (void)arg;
    call_done(s, bytes, len, NULL);
}

static void on_no_answer(struct sw_rpc_stream *s, void *arg)
{
    struct sw_err err;

    (void)arg;
    (void)sw_err_set(&err, SW_E_PROTOCOL, "%s ended the call without an answer",
                     s->conn->peer.address);
    call_done(s, NULL, 0, &err);
}

static void on_failed(struct sw_rpc_stream *s, const struct sw_err *why, void *arg)
{
    struct sw_err err;

    (void)arg;
    if (why == NULL)
        (void)sw_err_set(&err, SW_E_PROTOCOL, "call ended without an answer");
    call_done(s, NULL, 0, why != NULL ? why : &err);
}

static const struct sw_rpc_stream_cb call_client_cb = { .on_message = on_answer,
                                                        .on_end = on_no_answer,
                                                        .on_close = on_failed };

int sw_rpc_call(struct sw_rpc_conn *conn, const struct sw_rpc_call *call, struct sw_err *err)
{
    const struct sw_rpc_open open = { .method = call->method,
                                      .priority = call->priority,
                                      .deadline_ms = call->deadline_ms != 0 ? call->deadline_ms
                                                                            : CALL_DEADLINE_MS,
                                      .cb = &call_client_cb };
    struct call *c = sw_malloc(sizeof(*c));
    struct sw_rpc_stream *s;
    int r;

    if (c == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a call");
    *c = (struct call){ call->done, call->arg };
    r = sw_rpc_stream_open(&s, conn, &open, err);
    if (r < 0) {
        sw_free(c);
        return r;
    }
    s->call = c;
    r = call->msg != NULL ? sw_rpc_stream_send_msg(s, call->msg, err)
                          : sw_rpc_stream_send(s, call->bytes, call->len, err);
    if (r < 0) {
        sw_rpc_stream_cancel(s);
        return r;
    }
    sw_rpc_stream_end(s);
    if (call->handle != NULL)
        *call->handle = s;
    return 0;
}

/* ------------------------------------------------------------------ the one called */

static void on_request(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct sw_err err;

    (void)arg;
    if (s->asked) {
        (void)sw_err_set(&err, SW_E_PROTOCOL, "%s takes one request", s->row->name);
        sw_rpc_stream_fail(s, &err);
        return;
    }
    s->asked = true;
    s->row->on_call(s, bytes, len, s->row->arg);
}

static void on_request_end(struct sw_rpc_stream *s, void *arg)
{
    struct sw_err err;

    (void)arg;
    if (s->asked)
        return;
    (void)sw_err_set(&err, SW_E_PROTOCOL, "%s needs a request", s->row->name);
    sw_rpc_stream_fail(s, &err);
}

const struct sw_rpc_stream_cb rpc_call_server_cb = { .on_message = on_request,
                                                     .on_end = on_request_end };

static void replied(struct sw_rpc_stream *s, int r, struct sw_err *err)
{
    if (r < 0) {
        sw_rpc_stream_fail(s, err);
        return;
    }
    sw_rpc_stream_end(s);
    if (s->cb == &rpc_call_server_cb) { /* nobody wants to know */
        s->detached = true;
        rpc_stream_maybe_done(s);
    }
}

void sw_rpc_reply(struct sw_rpc_stream *s, const void *bytes, size_t len)
{
    struct sw_err err;

    replied(s, sw_rpc_stream_send(s, bytes, len, &err), &err);
}

void sw_rpc_reply_msg(struct sw_rpc_stream *s, const struct ProtobufCMessage *msg)
{
    struct sw_err err;

    replied(s, sw_rpc_stream_send_msg(s, msg, &err), &err);
}
