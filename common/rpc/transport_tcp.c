/* SPDX-License-Identifier: Apache-2.0
 *
 *   CONNECTING --> OPEN --close(linger)--> LINGER --EOF, error or 2 s--> CLOSED
 *        \___________\______close______________________________________^
 *
 * While it lingers the rest of the peer's bytes is read and dropped: closing a socket with unread
 * bytes sends a reset, which may overtake our last words. */
#include "common/rpc/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "common/base/alloc.h"
#include "common/io/timer.h"

#define UNSENT_BYTES (128 * 1024) /* kept in the kernel: more would only queue ahead of urgency */

struct tcp {
    struct transport base;
    uv_tcp_t uv;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    struct sw_timer linger;
    bool closing; /* the owner has let go */
    bool told;    /* on_closed was called */
};

struct tcp_write {
    uv_write_t uv;
    struct tcp *tcp;
    uint8_t *bytes;
    size_t n;
};

uint8_t *rpc_transport_read_buffer(void)
{
    static _Thread_local uint8_t buffer[TRANSPORT_READ];

    return buffer;
}

static struct tcp *tcp_of(struct transport *t)
{
    return (struct tcp *)t;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct tcp *t = h->data;

    sw_free(t);
}

static void close_now(struct tcp *t)
{
    sw_timer_fini(&t->linger);
    if (!uv_is_closing((uv_handle_t *)&t->uv))
        uv_close((uv_handle_t *)&t->uv, on_handle_closed);
}

static void on_linger_over(void *arg)
{
    close_now(arg);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct tcp *t = req->data;

    if (status < 0)
        close_now(t); /* else wait for the peer's end or the timer */
}

static void tcp_close(struct transport *base, bool linger)
{
    struct tcp *t = tcp_of(base);
    struct sw_err ignored;

    t->closing = true;
    if (!linger || t->told || uv_is_closing((uv_handle_t *)&t->uv) ||
        sw_timer_init(&t->linger, t->uv.loop, on_linger_over, t, &ignored) < 0) {
        close_now(t);
        return;
    }
    sw_timer_start(&t->linger, TRANSPORT_LINGER_MS);
    t->shutdown.data = t;
    if (uv_shutdown(&t->shutdown, (uv_stream_t *)&t->uv, on_shutdown) < 0)
        close_now(t);
}

static void tell_closed(struct tcp *t, int status)
{
    if (t->closing) {
        close_now(t);
        return;
    }
    if (t->told)
        return;
    t->told = true;
    (void)uv_read_stop((uv_stream_t *)&t->uv);
    t->base.cb->on_closed(t->base.arg, status);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)h;
    (void)suggested;
    *buf = uv_buf_init((char *)rpc_transport_read_buffer(), TRANSPORT_READ);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct tcp *t = s->data;

    if (n < 0)
        tell_closed(t, (int)n);
    else if (n > 0 && !t->closing)
        t->base.cb->on_bytes(t->base.arg, (uint8_t *)buf->base, (size_t)n);
}

static void on_written(uv_write_t *uv, int status)
{
    struct tcp_write *w = uv->data;
    struct tcp *t = w->tcp;

    t->base.queued -= w->n;
    sw_free(w->bytes);
    sw_free(w);
    if (status == UV_EPIPE || status == UV_ECONNRESET)
        return;     /* what the peer said last may still be unread: reading will tell */
    if (status < 0) /* also UV_ECANCELED after uv_close: then nobody is told */
        tell_closed(t, status);
    else if (!t->closing)
        t->base.cb->on_drained(t->base.arg);
}

static int tcp_write(struct transport *base, uint8_t *bytes, size_t n, const int *fds, size_t n_fds)
{
    struct tcp *t = tcp_of(base);
    struct tcp_write *w = sw_calloc(1, sizeof(*w));
    uv_buf_t buf;
    int r;

    (void)fds;
    (void)n_fds;
    if (w == NULL) {
        sw_free(bytes);
        return -ENOMEM;
    }
    w->uv.data = w;
    w->tcp = t;
    w->bytes = bytes;
    w->n = n;
    buf = uv_buf_init((char *)bytes, (unsigned)n);
    r = uv_write(&w->uv, (uv_stream_t *)&t->uv, &buf, 1, on_written);
    if (r < 0) {
        sw_free(bytes);
        sw_free(w);
        return r;
    }
    base->queued += n;
    return 0;
}

static const struct transport_ops tcp_ops = { tcp_write, tcp_close };

static struct tcp *tcp_new(struct uv_loop_s *loop)
{
    struct tcp *t = sw_calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->base.ops = &tcp_ops;
    (void)uv_tcp_init(loop, &t->uv); /* without flags it only fills the struct */
    t->uv.data = t;
    return t;
}

/* Small frames leave at once; little waits in the kernel where nothing can overtake it. */
static void tune(struct tcp *t)
{
    int unsent = UNSENT_BYTES;
    uv_os_fd_t fd;

    (void)uv_tcp_nodelay(&t->uv, 1);
    if (uv_fileno((uv_handle_t *)&t->uv, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

static void on_connected(uv_connect_t *req, int status)
{
    struct tcp *t = req->data;

    if (t->closing)
        return; /* UV_ECANCELED */
    if (status == 0)
        tune(t);
    t->base.cb->on_open(t->base.arg, status);
}

int rpc_transport_tcp_dial(struct transport **out, struct uv_loop_s *loop,
                           const struct sockaddr *to, struct sw_err *err)
{
    struct tcp *t = tcp_new(loop);
    int r;

    if (t == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a connection");
    t->connect.data = t;
    r = uv_tcp_connect(&t->connect, &t->uv, to, on_connected);
    if (r < 0) {
        close_now(t);
        return sw_err_set(err, r, "%s", uv_strerror(r));
    }
    *out = &t->base;
    return 0;
}

static void format_address(const struct sockaddr_storage *sa, char *out, size_t room)
{
    char ip[INET6_ADDRSTRLEN] = "?";

    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        (void)uv_ip4_name(in, ip, sizeof(ip));
        (void)snprintf(out, room, "%s:%u", ip, ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        (void)uv_ip6_name(in6, ip, sizeof(ip));
        /* A dual-stack listener sees IPv4 peers as ::ffff:a.b.c.d. */
        if (strncmp(ip, "::ffff:", 7) == 0 && strchr(ip + 7, '.') != NULL)
            (void)snprintf(out, room, "%s:%u", ip + 7, ntohs(in6->sin6_port));
        else
            (void)snprintf(out, room, "[%s]:%u", ip, ntohs(in6->sin6_port));
    }
}

void rpc_transport_tcp_peer(struct transport *base, char *address, size_t room)
{
    struct sockaddr_storage sa;
    int len = sizeof(sa);

    if (uv_tcp_getpeername(&tcp_of(base)->uv, (struct sockaddr *)&sa, &len) == 0)
        format_address(&sa, address, room);
    else
        (void)snprintf(address, room, "?");
}

int rpc_transport_tcp_accept(struct transport **out, struct uv_stream_s *listener, char *address,
                             size_t room, struct sw_err *err)
{
    struct tcp *t = tcp_new(listener->loop);
    int r;

    if (t == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a connection");
    r = uv_accept(listener, (uv_stream_t *)&t->uv);
    if (r < 0) {
        close_now(t);
        return sw_err_set(err, r, "accept: %s", uv_strerror(r));
    }
    tune(t);
    rpc_transport_tcp_peer(&t->base, address, room);
    *out = &t->base;
    return 0;
}

int rpc_transport_tcp_read(struct transport *base)
{
    return uv_read_start((uv_stream_t *)&tcp_of(base)->uv, on_alloc, on_read);
}
