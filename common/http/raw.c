/* SPDX-License-Identifier: Apache-2.0
 * raw.c - a hijacked connection: raw bytes both ways on a libuv stream.
 *
 *   OPEN --raw_close(flush)--> FLUSH --all sent, peer gone or 10 s--> CLOSED
 *     \------raw_close(!flush)----------------------------------------^ */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/http/listener.h"

#define FLUSH_MS 10000 /* a client that reads nothing may not keep a finished stream */

struct raw {
    union {
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } h;
    uv_timer_t timer; /* FLUSH: its limit; OPEN: delivers early bytes outside the caller */
    struct sw_buf early;
    const struct raw_ops *ops;
    void *arg;
    bool want_read;
    bool eof;
    bool failed;
    bool flushing;
    bool closing;
    unsigned open_handles;
};

struct raw_req {
    uv_write_t req;
    uint8_t data[];
};

static void on_closed(uv_handle_t *h)
{
    struct raw *r = h->data;

    if (--r->open_handles > 0)
        return;
    if (r->ops != NULL)
        r->ops->on_closed(r->arg);
    sw_buf_fini(&r->early);
    sw_free(r);
}

static void close_now(struct raw *r)
{
    if (r->closing)
        return;
    r->closing = true;
    uv_close((uv_handle_t *)&r->h.stream, on_closed);
    uv_close((uv_handle_t *)&r->timer, on_closed);
}

static void on_flush_timeout(uv_timer_t *t)
{
    close_now(t->data);
}

struct raw *raw_new(uv_loop_t *loop, int fd, const struct raw_ops *ops, void *arg)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);
    struct raw *r = sw_calloc(1, sizeof(*r));
    int copy = r == NULL ? -1 : dup(fd);
    int e;

    if (copy < 0 || getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
        goto fail;
    if (ss.ss_family == AF_UNIX)
        e = uv_pipe_init(loop, &r->h.pipe, 0);
    else
        e = uv_tcp_init(loop, &r->h.tcp);
    if (e < 0)
        goto fail;
    r->h.stream.data = r;
    r->ops = ops;
    r->arg = arg;
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    r->open_handles = 2;
    e = ss.ss_family == AF_UNIX ? uv_pipe_open(&r->h.pipe, copy) : uv_tcp_open(&r->h.tcp, copy);
    if (e < 0) {
        close(copy);
        r->ops = NULL; /* nobody hears of it */
        close_now(r);
        return NULL;
    }
    return r;
fail:
    if (copy >= 0)
        close(copy);
    sw_free(r);
    return NULL;
}

static void raw_fail(struct raw *r)
{
    if (r->flushing) {
        close_now(r);
        return;
    }
    if (r->failed || r->closing)
        return;
    r->failed = true;
    r->ops->on_error(r->arg);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    static char block[65536]; /* one loop thread; consumed before the next read */

    (void)h;
    (void)suggested;
    *buf = uv_buf_init(block, sizeof(block));
}

static int raw_fd(struct raw *r)
{
    uv_os_fd_t fd = -1;

    uv_fileno((uv_handle_t *)&r->h.stream, &fd);
    return fd;
}

/* A Unix socket tells a half-closed peer from one that is gone; for TCP the next write will. */
static bool peer_closed(struct raw *r)
{
    struct pollfd p = { .fd = raw_fd(r), .events = 0 };

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct raw *r = s->data;

    if (n == 0 || r->closing || r->flushing)
        return;
    if (n > 0) {
        r->ops->on_data(r->arg, buf->base, (size_t)n);
        return;
    }
    uv_read_stop(s);
    r->eof = true;
    if (n == UV_EOF && !peer_closed(r))
        r->ops->on_data(r->arg, NULL, 0);
    else
        raw_fail(r);
}

static void on_early(uv_timer_t *t)
{
    struct raw *r = t->data;
    struct sw_buf early = r->early;

    if (!r->want_read)
        return;
    sw_buf_init(&r->early);
    uv_read_start(&r->h.stream, on_alloc, on_read);
    r->ops->on_data(r->arg, early.data, early.len);
    sw_buf_fini(&early);
}

void raw_early(struct raw *r, const void *data, size_t len)
{
    if (len > 0)
        sw_buf_add(&r->early, data, len);
    if (sw_buf_failed(&r->early))
        shutdown(raw_fd(r), SHUT_RDWR);
}

void raw_read(struct raw *r, bool on)
{
    if (r->closing || r->flushing || r->eof || r->want_read == on)
        return;
    r->want_read = on;
    if (on && r->early.len > 0)
        uv_timer_start(&r->timer, on_early, 0, 0);
    else if (on)
        uv_read_start(&r->h.stream, on_alloc, on_read);
    else
        uv_read_stop(&r->h.stream);
}

static void on_written(uv_write_t *w, int status)
{
    struct raw *r = w->data;

    sw_free(sw_container_of(w, struct raw_req, req));
    if (r->closing)
        return;
    if (status < 0) {
        raw_fail(r);
        return;
    }
    if (uv_stream_get_write_queue_size(&r->h.stream) > 0)
        return;
    if (r->flushing)
        close_now(r);
    else
        r->ops->on_drain(r->arg);
}

size_t raw_write(struct raw *r, const void *data, size_t len)
{
    struct raw_req *w;
    uv_buf_t buf;

    if (r->closing || r->flushing || r->failed)
        return 0;
    w = sw_malloc(sizeof(*w) + len);
    if (w == NULL) {
        shutdown(raw_fd(r), SHUT_RDWR); /* reported by the loop as an error */
        return 0;
    }
    memcpy(w->data, data, len);
    w->req.data = r;
    buf = uv_buf_init((char *)w->data, (unsigned)len);
    if (uv_write(&w->req, &r->h.stream, &buf, 1, on_written) < 0) {
        sw_free(w);
        return 0;
    }
    return uv_stream_get_write_queue_size(&r->h.stream);
}

void raw_close(struct raw *r, bool flush)
{
    if (r->closing || r->flushing)
        return;
    uv_read_stop(&r->h.stream);
    if (!flush || r->failed || uv_stream_get_write_queue_size(&r->h.stream) == 0) {
        close_now(r);
        return;
    }
    r->flushing = true;
    uv_timer_start(&r->timer, on_flush_timeout, FLUSH_MS, 0);
}
