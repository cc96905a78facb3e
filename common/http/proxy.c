/* SPDX-License-Identifier: Apache-2.0
 * proxy.c - one request passed on.
 *
 * How it works: a request that may be upgraded is sent once its body is complete, any other at once
 * with its body streaming behind. Short answers of known length are passed on whole, others as a
 * stream. The proxy ends with the first of: the answer is complete, the daemon breaks off, the
 * client leaves. */
#include "common/http/proxy.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/http/client.h"

#define WHOLE_MAX ((int64_t)128 << 10)

enum proxy_phase {
    PROXY_COLLECT, /* taking the body of a request that may be upgraded */
    PROXY_SENT,    /* no answer yet */
    PROXY_WHOLE,   /* collecting a short answer */
    PROXY_STREAM,  /* passing it on piece by piece, or hijacked */
};

struct proxy {
    enum proxy_phase phase;
    struct http_request *req;
    struct http_call *call;
    struct uv_loop_s *loop;
    char *socket_path;
    char *unavailable;
    struct http_header *headers; /* borrowed strings of the request, and added ones */
    size_t n_headers;
    char **added;
    size_t n_added;
    struct sw_buf body; /* COLLECT: of the request; WHOLE: of the answer */
    int status;
    char *content_type;
    bool paused;
};

static void proxy_free(struct proxy *p)
{
    for (size_t i = 0; i < p->n_added; i++)
        sw_free(p->added[i]);
    sw_free(p->added);
    sw_free(p->headers);
    sw_free(p->socket_path);
    sw_free(p->unavailable);
    sw_free(p->content_type);
    sw_buf_fini(&p->body);
    sw_free(p);
}

/* ---- the daemon's answer -----------------------------------------------------------------------
 */

static void on_drained(struct http_request *req, void *arg)
{
    struct proxy *p = arg;

    (void)req;
    if (p->call != NULL)
        http_call_read(p->call, true);
}

static void from_client(struct http_request *req, const void *data, size_t len, void *arg);

static void copy_answer_headers(struct proxy *p, const struct http_call_head *head)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const char *name = head->headers[i].name;

        if (strcasecmp(name, "Content-Type") == 0) {
            sw_free(p->content_type);
            p->content_type = sw_strdup(head->headers[i].value);
        } else if (strcasecmp(name, "Connection") != 0 && strcasecmp(name, "Upgrade") != 0 &&
                   strcasecmp(name, "Transfer-Encoding") != 0 &&
                   strcasecmp(name, "Content-Length") != 0 && strcasecmp(name, "Date") != 0 &&
                   strcasecmp(name, "Keep-Alive") != 0) {
            http_set_header(p->req, name, head->headers[i].value);
        }
    }
}

static void on_head(struct http_call *c, const struct http_call_head *head, void *arg)
{
    struct proxy *p = arg;

    (void)c;
    p->status = head->status;
    copy_answer_headers(p, head);
    if (head->hijacked) {
        p->phase = PROXY_STREAM;
        http_hijack(p->req, p->content_type == NULL ? "application/vnd.docker.raw-stream"
                                                    : p->content_type);
        http_on_drain(p->req, on_drained, p);
        http_on_body(p->req, from_client, p);
        return;
    }
    if (http_is_head(p->req) || (head->body_len >= 0 && head->body_len <= WHOLE_MAX) ||
        head->status == 204 || head->status == 304) {
        p->phase = PROXY_WHOLE;
        sw_buf_clear(&p->body);
        return;
    }
    p->phase = PROXY_STREAM;
    http_stream_start(p->req, head->status, p->content_type);
    http_on_drain(p->req, on_drained, p);
}

static void on_body(struct http_call *c, const void *data, size_t len, void *arg)
{
    struct proxy *p = arg;

    if (p->phase == PROXY_WHOLE)
        sw_buf_add(&p->body, data, len);
    else if (http_stream_write(p->req, data, len) > HTTP_STREAM_HIGH)
        http_call_read(c, false);
}

static void on_sent(struct http_call *c, void *arg)
{
    struct proxy *p = arg;

    (void)c;
    if (p->paused) {
        p->paused = false;
        http_body_resume(p->req);
    }
}

static void proxy_refuse(struct proxy *p, const struct sw_err *err)
{
    if (err->code == SW_E_UNAVAILABLE && p->unavailable != NULL)
        http_reply_error(p->req, 503, "%s", p->unavailable);
    else if (err->code == SW_E_UNAVAILABLE)
        http_reply_error(p->req, 503, "the daemon that serves this request is not running: %s",
                         err->msg);
    else
        http_reply_error(p->req, 502, "%s", err->msg);
}

static void on_end(struct http_call *c, const struct sw_err *err, void *arg)
{
    struct proxy *p = arg;

    (void)c;
    p->call = NULL;
    if (p->phase == PROXY_STREAM) {
        if (err != NULL && !http_is_gone(p->req))
            http_abort(p->req);
        else
            http_stream_end(p->req);
    } else if (err != NULL) {
        proxy_refuse(p, err);
    } else if (sw_buf_failed(&p->body)) {
        http_abort(p->req);
    } else {
        size_t len = p->body.len;

        http_reply_owned(p->req, p->status, p->content_type,
                         len == 0 ? NULL : sw_buf_steal(&p->body), len);
    }
    proxy_free(p);
}

static const struct http_call_ops call_ops = { on_head, on_body, on_sent, on_end };

/* ---- the client's request ----------------------------------------------------------------------
 */

static void on_client_gone(struct http_request *req, void *arg)
{
    struct proxy *p = arg;

    http_call_cancel(p->call);
    proxy_free(p);
    http_abort(req);
}

/* Return: false when it failed: answered, and @p is gone. */
static bool proxy_send(struct proxy *p, bool upgrade, int64_t body_len)
{
    struct http_call_options opt = {
        .socket_path = p->socket_path,
        .method = http_method(p->req),
        .target = http_target(p->req),
        .headers = p->headers,
        .n_headers = p->n_headers,
        .body_len = body_len,
        .upgrade = upgrade,
    };
    struct sw_err err = { 0 };

    p->phase = PROXY_SENT;
    if (http_call_start(&p->call, p->loop, &opt, &call_ops, p, &err) < 0) {
        http_reply_err(p->req, &err);
        proxy_free(p);
        return false;
    }
    return true;
}

static void from_client(struct http_request *req, const void *data, size_t len, void *arg)
{
    struct proxy *p = arg;

    if (p->phase == PROXY_COLLECT) {
        if (len > 0 && p->body.len + len > HTTP_BODY_MAX_DEFAULT) {
            http_reply_error(req, 413, "http: request body too large");
            proxy_free(p);
        } else if (len > 0) {
            sw_buf_add(&p->body, data, len);
        } else {
            struct sw_buf body = p->body;

            sw_buf_init(&p->body);
            if (proxy_send(p, true, (int64_t)body.len) && body.len > 0)
                http_call_write(p->call, body.data, body.len);
            sw_buf_fini(&body);
        }
        return;
    }
    if (len == 0) {
        http_call_write_end(p->call);
    } else if (http_call_write(p->call, data, len) > HTTP_STREAM_HIGH) {
        p->paused = true;
        http_body_pause(req);
    }
}

static int proxy_headers(struct proxy *p, const struct http_proxy_options *opt)
{
    size_t n;
    const struct http_header *h = http_headers(p->req, &n);

    p->headers = sw_calloc(n + opt->n_add + 1, sizeof(*p->headers));
    p->added = sw_calloc(2 * opt->n_add + 1, sizeof(*p->added));
    if (p->headers == NULL || p->added == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        bool replaced = false;

        for (size_t k = 0; k < opt->n_add; k++)
            replaced = replaced || strcasecmp(opt->add[k].name, h[i].name) == 0;
        if (!replaced)
            p->headers[p->n_headers++] = h[i];
    }
    for (size_t i = 0; i < opt->n_add; i++) {
        char *name = sw_strdup(opt->add[i].name);
        char *value = sw_strdup(opt->add[i].value);

        p->added[p->n_added++] = name;
        p->added[p->n_added++] = value;
        if (name == NULL || value == NULL)
            return -ENOMEM;
        p->headers[p->n_headers++] = (struct http_header){ name, value };
    }
    return 0;
}

void http_proxy(struct http_request *req, struct uv_loop_s *loop,
                const struct http_proxy_options *opt)
{
    struct proxy *p = sw_calloc(1, sizeof(*p));
    const char *body;
    size_t body_len;

    if (p == NULL) {
        http_abort(req);
        return;
    }
    sw_buf_init(&p->body);
    p->req = req;
    p->loop = loop;
    p->socket_path = sw_strdup(opt->socket_path);
    p->unavailable = sw_strdup(opt->unavailable);
    if (p->socket_path == NULL || (p->unavailable == NULL && opt->unavailable != NULL) ||
        proxy_headers(p, opt) < 0) {
        proxy_free(p);
        http_abort(req);
        return;
    }
    http_on_close(req, on_client_gone, p);
    body = http_body(req, &body_len);
    if (body_len > 0) { /* the handler read it before it decided to pass the request on */
        if (proxy_send(p, http_wants_upgrade(req), (int64_t)body_len))
            http_call_write(p->call, body, body_len);
        return;
    }
    if (http_wants_upgrade(req)) {
        p->phase = PROXY_COLLECT;
        if (http_body_length(req) == 0) {
            proxy_send(p, true, 0);
            return;
        }
    } else {
        int64_t len = http_body_length(req);

        if (!proxy_send(p, false, len) || len == 0)
            return;
    }
    http_on_body(req, from_client, p);
}
