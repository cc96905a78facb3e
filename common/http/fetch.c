/* SPDX-License-Identifier: Apache-2.0
 * fetch.c - a whole answer from another daemon. */
#include <errno.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/http/client.h"
#include "common/http/proxy.h"

#define FETCH_TIMEOUT_MS 10000

struct fetch {
    struct sw_buf body;
    size_t max;
    int status;
    void (*done)(int status, const char *body, size_t len, const struct sw_err *err, void *arg);
    void *arg;
};

static void fetch_finish(struct fetch *f, const struct sw_err *err)
{
    if (err != NULL)
        f->done(0, "", 0, err, f->arg);
    else
        f->done(f->status, sw_buf_str(&f->body), f->body.len, NULL, f->arg);
    sw_buf_fini(&f->body);
    sw_free(f);
}

static void on_head(struct http_call *c, const struct http_call_head *head, void *arg)
{
    (void)c;
    ((struct fetch *)arg)->status = head->status;
}

static void on_body(struct http_call *c, const void *data, size_t len, void *arg)
{
    struct fetch *f = arg;
    struct sw_err err = { 0 };

    if (len <= f->max - f->body.len) {
        sw_buf_add(&f->body, data, len);
        if (!sw_buf_failed(&f->body))
            return;
        sw_err_set(&err, -ENOMEM, "fetch an answer");
    } else {
        sw_err_set(&err, SW_E_PROTOCOL, "answer larger than %zu bytes", f->max);
    }
    http_call_cancel(c);
    fetch_finish(f, &err);
}

static void on_end(struct http_call *c, const struct sw_err *err, void *arg)
{
    (void)c;
    fetch_finish(arg, err);
}

static const struct http_call_ops fetch_ops = { on_head, on_body, NULL, on_end };

int http_fetch(struct uv_loop_s *loop, const char *socket_path, const char *method,
               const char *target, size_t max,
               void (*done)(int status, const char *body, size_t len, const struct sw_err *err,
                            void *arg),
               void *arg, struct sw_err *err)
{
    struct http_call_options opt = { .socket_path = socket_path,
                                     .method = method,
                                     .target = target,
                                     .head_timeout_ms = FETCH_TIMEOUT_MS };
    struct fetch *f = sw_calloc(1, sizeof(*f));
    struct http_call *c;
    int r;

    if (f == NULL)
        return sw_err_set(err, -ENOMEM, "fetch '%s'", target);
    sw_buf_init(&f->body);
    f->max = max;
    f->done = done;
    f->arg = arg;
    r = http_call_start(&c, loop, &opt, &fetch_ops, f, err);
    if (r < 0)
        sw_free(f);
    return r;
}
