/* SPDX-License-Identifier: Apache-2.0
 * Own reads and writes instead of uv_pipe_t: that one passes only sockets of its own kinds. */
#include "common/rpc/transport.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/io/timer.h"
#include "common/io/turn.h"

struct unix_conn {
    struct transport base;
    uv_poll_t uv;
    int fd;
    struct sw_list writes;
    struct sw_timer linger;
    struct sw_turn drained; /* tells on_drained from a later turn */
    int events;
    bool closing;
    bool told;
};

struct unix_write {
    struct sw_list link;
    uint8_t *bytes;
    size_t n;
    size_t at;
    int fds[SW_UNIX_FDS_MAX];
    size_t n_fds; /* still to send; they go with the first byte */
};

static struct unix_conn *unix_of(struct transport *t)
{
    return (struct unix_conn *)t;
}

static void free_write(struct unix_write *w)
{
    for (size_t i = 0; i < w->n_fds; i++)
        (void)close(w->fds[i]);
    sw_list_del(&w->link);
    sw_free(w->bytes);
    sw_free(w);
}

static void drop_writes(struct unix_conn *t)
{
    struct sw_list *l;

    while ((l = t->writes.next) != &t->writes)
        free_write(sw_list_entry(l, struct unix_write, link));
    t->base.queued = 0;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct unix_conn *t = h->data;

    drop_writes(t);
    if (t->fd >= 0)
        (void)close(t->fd);
    sw_free(t);
}

static void close_now(struct unix_conn *t)
{
    sw_timer_fini(&t->linger);
    sw_turn_fini(&t->drained);
    if (!uv_is_closing((uv_handle_t *)&t->uv))
        uv_close((uv_handle_t *)&t->uv, on_handle_closed);
}

static void tell_closed(struct unix_conn *t, int status)
{
    if (t->closing) {
        close_now(t);
        return;
    }
    if (t->told)
        return;
    t->told = true;
    (void)uv_poll_stop(&t->uv);
    t->base.cb->on_closed(t->base.arg, status);
}

/* Return: 0 when all is written or the socket is full; negative errno. */
static int flush(struct unix_conn *t)
{
    while (!sw_list_empty(&t->writes)) {
        struct unix_write *w = sw_list_entry(t->writes.next, struct unix_write, link);
        struct iovec iov = { w->bytes + w->at, w->n - w->at };
        ssize_t r = sw_unix_send(t->fd, &iov, 1, w->fds, w->n_fds);

        if (r == -EAGAIN)
            return 0;
        if (r == -EPIPE || r == -ECONNRESET) {
            drop_writes(t); /* what the peer said last may still be unread: reading will tell */
            return 0;
        }
        if (r < 0)
            return (int)r;
        for (size_t i = 0; i < w->n_fds; i++)
            (void)close(w->fds[i]);
        w->n_fds = 0;
        w->at += (size_t)r;
        t->base.queued -= (size_t)r;
        if (w->at == w->n)
            free_write(w);
    }
    return 0;
}

static void on_poll(uv_poll_t *uv, int status, int events);

static int watch(struct unix_conn *t)
{
    int events = UV_READABLE | (sw_list_empty(&t->writes) ? 0 : UV_WRITABLE);

    if (events == t->events)
        return 0;
    t->events = events;
    return uv_poll_start(&t->uv, events, on_poll);
}

static void read_some(struct unix_conn *t)
{
    uint8_t *buf = rpc_transport_read_buffer();
    int fds[SW_UNIX_FDS_MAX];
    size_t n_fds;
    ssize_t r = sw_unix_recv(t->fd, buf, TRANSPORT_READ, fds, &n_fds);

    if (r == -EAGAIN)
        return;
    if (r <= 0) {
        tell_closed(t, r == 0 ? UV_EOF : (int)r);
        return;
    }
    for (size_t i = 0; i < n_fds; i++) {
        if (t->closing)
            (void)close(fds[i]);
        else
            t->base.cb->on_fd(t->base.arg, fds[i]);
    }
    if (!t->closing)
        t->base.cb->on_bytes(t->base.arg, buf, (size_t)r);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct unix_conn *t = uv->data;
    int r = status;

    if (r == 0 && (events & UV_WRITABLE) != 0) {
        r = flush(t);
        if (r == 0)
            r = watch(t);
        if (r == 0 && !t->closing)
            t->base.cb->on_drained(t->base.arg);
        if (r == 0 && t->closing && sw_list_empty(&t->writes))
            (void)shutdown(t->fd, SHUT_WR);
    }
    if (r < 0)
        tell_closed(t, r);
    else if ((events & UV_READABLE) != 0 && !uv_is_closing((uv_handle_t *)uv))
        read_some(t);
}

static void on_drained_later(void *arg)
{
    struct unix_conn *t = arg;

    t->base.cb->on_drained(t->base.arg);
}

static int unix_write(struct transport *base, uint8_t *bytes, size_t n, const int *fds,
                      size_t n_fds)
{
    struct unix_conn *t = unix_of(base);
    struct unix_write *w = sw_calloc(1, sizeof(*w));
    int r;

    if (w == NULL) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        sw_free(bytes);
        return -ENOMEM;
    }
    w->bytes = bytes;
    w->n = n;
    w->n_fds = n_fds;
    if (n_fds > 0)
        memcpy(w->fds, fds, n_fds * sizeof(*fds));
    sw_list_push_back(&t->writes, &w->link);
    base->queued += n;
    r = flush(t);
    if (r < 0)
        return r;
    if (sw_list_empty(&t->writes))
        sw_turn_ask(&t->drained);
    return watch(t);
}

static void on_linger_over(void *arg)
{
    close_now(arg);
}

static void unix_close(struct transport *base, bool linger)
{
    struct unix_conn *t = unix_of(base);
    struct sw_err ignored;

    t->closing = true;
    sw_turn_fini(&t->drained);
    if (!linger || t->told ||
        sw_timer_init(&t->linger, t->uv.loop, on_linger_over, t, &ignored) < 0) {
        close_now(t);
        return;
    }
    sw_timer_start(&t->linger, TRANSPORT_LINGER_MS);
    if (sw_list_empty(&t->writes))
        (void)shutdown(t->fd, SHUT_WR); /* the peer's end closes us */
}

static const struct transport_ops unix_ops = { unix_write, unix_close };

int rpc_transport_unix_new(struct transport **out, struct uv_loop_s *loop, int fd,
                           struct sw_err *err)
{
    struct unix_conn *t = sw_calloc(1, sizeof(*t));
    int r;

    if (t == NULL || sw_turn_init(&t->drained, loop, on_drained_later, t, err) < 0) {
        sw_free(t);
        return sw_err_set(err, -ENOMEM, "no memory for a connection");
    }
    t->base.ops = &unix_ops;
    t->fd = fd;
    sw_list_init(&t->writes);
    r = uv_poll_init(loop, &t->uv, fd);
    if (r < 0) {
        sw_turn_fini(&t->drained);
        sw_free(t);
        return sw_err_set(err, r, "%s", uv_strerror(r));
    }
    t->uv.data = t;
    r = watch(t);
    if (r < 0) {
        t->fd = -1; /* still the caller's */
        close_now(t);
        return sw_err_set(err, r, "%s", uv_strerror(r));
    }
    *out = &t->base;
    return 0;
}
