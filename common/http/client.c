/* SPDX-License-Identifier: Apache-2.0
 * client.c - one call over a Unix socket.
 *
 *   CONNECTING --connected--> OPEN --answer complete, error, deadline, cancel--> CLOSED
 *
 * What is written while connecting waits in the write queue of a corked buffer. */
#include "common/http/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/http/parse.h"

enum call_state { CALL_CONNECTING, CALL_OPEN, CALL_CLOSED };

struct http_call {
    enum call_state state;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    unsigned open_handles;
    const struct http_call_ops *ops;
    void *arg;
    struct http_parser parser;
    struct sw_buf corked; /* written before the connection stood */
    char *path;
    bool chunked;
    bool write_ended;
    bool head_seen;
    bool hijacked;
    bool read_on;
    bool done; /* on_end was called, or the call was canceled */
};

struct call_write {
    uv_write_t req;
    struct http_call *call;
    uint8_t data[];
};

static void on_closed(uv_handle_t *h)
{
    struct http_call *c = h->data;

    if (--c->open_handles > 0)
        return;
    http_parser_fini(&c->parser);
    sw_buf_fini(&c->corked);
    sw_free(c->path);
    sw_free(c);
}

/* Every ending comes through here. */
static void call_close(struct http_call *c, const struct sw_err *err)
{
    bool report = !c->done;

    if (c->state == CALL_CLOSED)
        return;
    c->state = CALL_CLOSED;
    c->done = true;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
    if (report)
        c->ops->on_end(c, err, c->arg);
}

static void call_fail(struct http_call *c, int code, const char *what)
{
    struct sw_err err = { 0 };

    if (code == SW_E_DEADLINE)
        sw_err_set(&err, code, "'%s' did not answer in time", c->path);
    else if (code == UV_ENOENT || code == UV_ECONNREFUSED)
        sw_err_set(&err, SW_E_UNAVAILABLE, "nobody listens on '%s'", c->path);
    else
        sw_err_set(&err, code, "%s '%s': %s", what, c->path, uv_strerror(code));
    call_close(c, &err);
}

/* ---- the answer --------------------------------------------------------------------------------
 */

static void parser_head(const struct http_call_head *head, void *arg)
{
    struct http_call *c = arg;

    uv_timer_stop(&c->timer);
    c->head_seen = true;
    c->hijacked = head->hijacked;
    c->ops->on_head(c, head, c->arg);
}

static void parser_body(const void *data, size_t len, void *arg)
{
    struct http_call *c = arg;

    c->ops->on_body(c, data, len, c->arg);
}

static void parser_end(void *arg)
{
    call_close(arg, NULL);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    static char block[65536]; /* one loop thread; consumed before the next read */

    (void)h;
    (void)suggested;
    *buf = uv_buf_init(block, sizeof(block));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct http_call *c = s->data;
    struct sw_err err = { 0 };
    int r = 0;

    if (n == 0 || c->state == CALL_CLOSED)
        return;
    if (n > 0)
        r = http_parser_feed(&c->parser, buf->base, (size_t)n, &err);
    else if (n == UV_EOF)
        r = http_parser_eof(&c->parser, &err);
    else
        call_fail(c, (int)n, "read from");
    if (r < 0)
        call_close(c, &err);
}

static void apply_read(struct http_call *c)
{
    if (c->state != CALL_OPEN)
        return;
    if (c->read_on)
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->pipe);
}

void http_call_read(struct http_call *c, bool on)
{
    c->read_on = on;
    apply_read(c);
}

/* ---- the request -------------------------------------------------------------------------------
 */

static void on_written(uv_write_t *req, int status)
{
    struct http_call *c = req->data;

    sw_free(sw_container_of(req, struct call_write, req));
    if (c->state != CALL_OPEN)
        return;
    /* A peer that answered early closes its reading side: its answer is still to be read. */
    if (status < 0)
        c->write_ended = true;
    else if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) == 0 &&
             c->ops->on_drain != NULL)
        c->ops->on_drain(c, c->arg);
}

static void send_bytes(struct http_call *c, const void *data, size_t len)
{
    struct call_write *w;
    uv_buf_t buf;

    if (c->state == CALL_CONNECTING) {
        sw_buf_add(&c->corked, data, len);
        return;
    }
    w = sw_malloc(sizeof(*w) + len);
    if (w == NULL) {
        call_fail(c, UV_ENOMEM, "write to");
        return;
    }
    memcpy(w->data, data, len);
    w->req.data = c;
    buf = uv_buf_init((char *)w->data, (unsigned)len);
    if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0) {
        sw_free(w);
        c->write_ended = true;
    }
}

size_t http_call_write(struct http_call *c, const void *data, size_t len)
{
    if (c->state == CALL_CLOSED || c->write_ended || len == 0)
        return 0;
    if (c->chunked && !c->hijacked) {
        char line[24];
        int n = snprintf(line, sizeof(line), "%zx\r\n", len);

        send_bytes(c, line, (size_t)n);
        send_bytes(c, data, len);
        send_bytes(c, "\r\n", 2);
    } else {
        send_bytes(c, data, len);
    }
    return c->corked.len + uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    sw_free(req);
}

void http_call_write_end(struct http_call *c)
{
    uv_shutdown_t *req;

    if (c->state == CALL_CLOSED || c->write_ended)
        return;
    if (!c->hijacked) {
        if (c->chunked)
            send_bytes(c, "0\r\n\r\n", 5);
        c->chunked = false; /* a later upgrade sends raw bytes */
        return;
    }
    c->write_ended = true;
    req = sw_malloc(sizeof(*req));
    if (req == NULL || uv_shutdown(req, (uv_stream_t *)&c->pipe, on_shutdown) < 0)
        sw_free(req);
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "Host",       "Connection", "Content-Length", "Upgrade", "Transfer-Encoding", "Expect",
        "Keep-Alive", "TE",         "Trailer"
    };

    for (size_t i = 0; i < SW_ARRAY_LEN(ours); i++)
        if (strcasecmp(ours[i], name) == 0)
            return true;
    return strpbrk(name, "\r\n: ") != NULL;
}

static void write_head(struct http_call *c, const struct http_call_options *opt)
{
    struct sw_buf *b = &c->corked;

    sw_buf_printf(b, "%s ", opt->method);
    sw_buf_puts(b, opt->target);
    sw_buf_puts(b, " HTTP/1.1\r\nHost: localhost\r\n");
    sw_buf_puts(b,
                opt->upgrade ? "Connection: Upgrade\r\nUpgrade: tcp\r\n" : "Connection: close\r\n");
    if (opt->body_len < 0)
        sw_buf_puts(b, "Transfer-Encoding: chunked\r\n");
    else if (opt->body_len > 0 || strcmp(opt->method, "POST") == 0 ||
             strcmp(opt->method, "PUT") == 0)
        sw_buf_printf(b, "Content-Length: %lld\r\n", (long long)opt->body_len);
    for (size_t i = 0; i < opt->n_headers; i++) {
        if (is_ours(opt->headers[i].name) || strpbrk(opt->headers[i].value, "\r\n") != NULL)
            continue;
        sw_buf_puts(b, opt->headers[i].name);
        sw_buf_puts(b, ": ");
        sw_buf_puts(b, opt->headers[i].value);
        sw_buf_puts(b, "\r\n");
    }
    sw_buf_puts(b, "\r\n");
}

static void on_connect(uv_connect_t *req, int status)
{
    struct http_call *c = req->data;
    struct sw_buf corked = c->corked;

    if (c->state != CALL_CONNECTING)
        return;
    if (status < 0 || sw_buf_failed(&corked)) {
        call_fail(c, status < 0 ? status : UV_ENOMEM, "connect to");
        return;
    }
    c->state = CALL_OPEN;
    sw_buf_init(&c->corked);
    send_bytes(c, corked.data, corked.len);
    sw_buf_fini(&corked);
    apply_read(c);
}

static void on_deadline(uv_timer_t *t)
{
    call_fail(t->data, SW_E_DEADLINE, NULL);
}

int http_call_start(struct http_call **out, struct uv_loop_s *loop,
                    const struct http_call_options *opt, const struct http_call_ops *ops, void *arg,
                    struct sw_err *err)
{
    struct http_call *c = sw_calloc(1, sizeof(*c));

    if (c != NULL)
        c->path = sw_strdup(opt->socket_path);
    if (c == NULL || c->path == NULL) {
        sw_free(c);
        return sw_err_set(err, -ENOMEM, "call '%s'", opt->socket_path);
    }
    if (strpbrk(opt->target, "\r\n ") != NULL || strpbrk(opt->method, "\r\n ") != NULL) {
        sw_free(c->path);
        sw_free(c);
        return sw_err_set(err, SW_E_INVALID, "invalid request target");
    }
    c->ops = ops;
    c->arg = arg;
    c->read_on = true;
    c->chunked = opt->body_len < 0;
    http_parser_init(&c->parser);
    c->parser.is_head = strcmp(opt->method, "HEAD") == 0;
    c->parser.on_head = parser_head;
    c->parser.on_body = parser_body;
    c->parser.on_end = parser_end;
    c->parser.stop = &c->done;
    c->parser.arg = c;
    sw_buf_init(&c->corked);
    write_head(c, opt);
    uv_pipe_init(loop, &c->pipe, 0);
    uv_timer_init(loop, &c->timer);
    c->pipe.data = c;
    c->timer.data = c;
    c->connect.data = c;
    c->open_handles = 2;
    uv_pipe_connect(&c->connect, &c->pipe, opt->socket_path, on_connect);
    if (opt->head_timeout_ms > 0)
        uv_timer_start(&c->timer, on_deadline, opt->head_timeout_ms, 0);
    *out = c;
    return 0;
}

void http_call_cancel(struct http_call *c)
{
    if (c == NULL)
        return;
    c->done = true;
    call_close(c, NULL);
}
