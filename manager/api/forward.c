/* SPDX-License-Identifier: Apache-2.0
 * forward.c - the follower's half. The leader's is forward_serve.c. */
#include "manager/api/forward.h"

#include <errno.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "proto/pb.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct forward {
    struct sw_rpc_stream *stream;
    struct http_request *req;
    bool started;
};

static void finish(struct forward *f, const struct sw_err *err)
{
    if (err != NULL && f->started)
        http_abort(f->req);
    else if (err != NULL)
        http_reply_err(f->req, err);
    else if (f->started)
        http_stream_end(f->req);
    else
        http_reply_error(f->req, 500, "the leader gave no answer");
    sw_free(f);
}

static void start(struct forward *f, const uint8_t *bytes, size_t len)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ApiResponse *r = NULL;
    const char *type = NULL;
    struct sw_err err;

    if (pb_unpack(&swarm__v1__api_response__descriptor, bytes, len, &r, &err) < 0) {
        sw_rpc_stream_cancel(f->stream);
        finish(f, &err);
        return;
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i]->key, "content-type") == 0)
            type = r->headers[i]->value;
        else if (strcasecmp(r->headers[i]->key, "content-length") != 0)
            http_set_header(f->req, r->headers[i]->key, r->headers[i]->value);
    }
    if (!r->more) {
        sw_rpc_stream_cancel(f->stream);
        if (r->body.len > 0 || type != NULL)
            http_reply(f->req, (int)r->status, type, r->body.data, r->body.len);
        else
            http_reply_empty(f->req, (int)r->status);
        sw_free(f);
        return;
    }
    f->started = true;
    http_stream_start(f->req, (int)r->status, type);
    if (r->body.len > 0)
        (void)http_stream_write(f->req, r->body.data, r->body.len);
}

static void on_drain(struct http_request *req, void *arg)
{
    (void)req;
    sw_rpc_stream_resume(((struct forward *)arg)->stream);
}

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct forward *f = arg;

    if (!f->started)
        start(f, bytes, len);
    else if (http_stream_write(f->req, bytes, len) > HTTP_STREAM_HIGH)
        sw_rpc_stream_pause(s); /* a slow client: the leader runs out of credit */
}

static void on_end(struct sw_rpc_stream *s, void *arg)
{
    sw_rpc_stream_cancel(s);
    finish(arg, NULL);
}

static void on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    (void)s;
    finish(arg, err);
}

static void on_client_gone(struct http_request *req, void *arg)
{
    struct forward *f = arg;

    sw_rpc_stream_cancel(f->stream);
    http_abort(req);
    sw_free(f);
}

static const struct sw_rpc_stream_cb forward_cb = { on_message, on_end, NULL, on_close };

static int send_request(struct forward *f, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ApiRequest *m = pb_new(&swarm__v1__api_request__descriptor);
    size_t len;
    const char *body = http_body(f->req, &len);

    if (m == NULL || pb_set_string(&m->method, http_method(f->req)) < 0 ||
        pb_set_string(&m->target, http_target(f->req)) < 0 || pb_set_bytes(&m->body, body, len) < 0)
        return sw_err_set(err, -ENOMEM, "pass a request to the leader");
    return sw_rpc_stream_send_msg(f->stream, &m->base, err);
}

void forward_request(struct sw_rpc_conn *conn, struct http_request *req)
{
    struct forward *f = sw_calloc(1, sizeof(*f));
    struct sw_rpc_open open = { .method = SWARM__V1__METHOD__METHOD_API,
                                .cb = &forward_cb,
                                .arg = f };
    struct sw_err err;

    if (f == NULL) {
        http_reply_error(req, 500, "out of memory");
        return;
    }
    f->req = req;
    if (sw_rpc_stream_open(&f->stream, conn, &open, &err) < 0) {
        http_reply_err(req, &err);
        sw_free(f);
        return;
    }
    if (send_request(f, &err) < 0) {
        sw_rpc_stream_cancel(f->stream);
        finish(f, &err);
        return;
    }
    http_on_close(req, on_client_gone, f);
    http_on_drain(req, on_drain, f);
}
