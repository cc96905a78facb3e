/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/io/unixsock.h"

#define FDIO_CHUNK 32768

struct fdio {
    uv_poll_t poll;
    int fd;
    struct fdio_events events;
    struct sw_buf tx;
    int fds[FDIO_FDS]; /* go with the byte at tx.data[fds_at] */
    size_t n_fds, fds_at;
    bool reads, paused, ended, shut, dead;
};

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch(struct fdio *io)
{
    int want = UV_DISCONNECT;

    if (io->dead || io->ended || io->fd < 0)
        return;
    if (io->reads && !io->paused)
        want |= UV_READABLE;
    if (io->tx.len > 0)
        want |= UV_WRITABLE;
    if (io->paused)
        want &= ~UV_DISCONNECT; /* it would come again and again: the end waits behind the data */
    if (want == 0)
        (void)uv_poll_stop(&io->poll);
    else
        (void)uv_poll_start(&io->poll, want, on_poll);
}

int fdio_new(struct fdio **out, struct uv_loop_s *loop, int fd, bool reads,
             const struct fdio_events *events, struct sw_err *err)
{
    struct fdio *io = sw_calloc(1, sizeof(*io));
    int r;

    if (io == NULL) {
        (void)close(fd);
        return sw_err_set(err, -ENOMEM, "watch descriptor");
    }
    r = uv_poll_init(loop, &io->poll, fd); /* also makes it non-blocking */
    if (r < 0) {
        (void)close(fd);
        sw_free(io);
        return sw_err_set(err, r, "watch descriptor: %s", uv_strerror(r));
    }
    io->poll.data = io;
    io->fd = fd;
    io->reads = reads;
    io->events = *events;
    watch(io);
    *out = io;
    return 0;
}

static void close_fds(struct fdio *io)
{
    for (size_t i = 0; i < io->n_fds; i++)
        (void)close(io->fds[i]);
    io->n_fds = 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct fdio *io = handle->data;

    sw_buf_fini(&io->tx);
    sw_free(io);
}

void fdio_free(struct fdio *io)
{
    if (io == NULL || io->dead)
        return;
    io->dead = true;
    uv_close((uv_handle_t *)&io->poll, on_closed);
    close_fds(io);
    if (io->fd >= 0)
        (void)close(io->fd);
    io->fd = -1;
}

static void finish(struct fdio *io, int status)
{
    if (io->ended || io->dead)
        return;
    io->ended = true;
    (void)uv_poll_stop(&io->poll);
    sw_buf_clear(&io->tx);
    close_fds(io);
    if (io->events.end != NULL)
        io->events.end(io, status, io->events.arg);
}

static void do_shut(struct fdio *io)
{
    if (shutdown(io->fd, SHUT_WR) == 0 || errno != ENOTSOCK)
        return;
    if (io->reads)
        return; /* a terminal has no half that could be closed */
    io->ended = true;
    (void)uv_poll_stop(&io->poll);
    (void)close(io->fd);
    io->fd = -1;
}

static ssize_t send_some(struct fdio *io)
{
    bool with_fds = io->n_fds > 0 && io->fds_at == 0;
    size_t len = io->n_fds > 0 && !with_fds ? io->fds_at : io->tx.len;
    struct iovec iov = { io->tx.data, len };
    ssize_t n;

    if (with_fds)
        return sw_unix_send(io->fd, &iov, 1, io->fds, io->n_fds);
    n = send(io->fd, io->tx.data, len, MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK)
        n = write(io->fd, io->tx.data, len);
    return n < 0 ? -errno : n;
}

/* Return: 0, or -errno when the descriptor is of no more use. */
static int flush(struct fdio *io)
{
    while (io->tx.len > 0) {
        ssize_t n = send_some(io);

        if (n == -EAGAIN || n == -EINTR)
            return 0;
        if (n < 0)
            return (int)n;
        if (io->n_fds > 0 && io->fds_at == 0)
            close_fds(io);
        else if (io->n_fds > 0)
            io->fds_at -= (size_t)n;
        sw_buf_consume(&io->tx, (size_t)n);
    }
    sw_buf_fini(&io->tx);
    sw_buf_init(&io->tx);
    if (io->shut)
        do_shut(io);
    return 0;
}

int fdio_write(struct fdio *io, const void *p, size_t len, const int *fds, size_t n_fds,
               struct sw_err *err)
{
    int r = 0;

    if (io->ended || io->shut || io->fd < 0)
        r = -EPIPE;
    else if (n_fds > 0 && io->n_fds > 0)
        r = -EAGAIN; /* one set at a time is under way */
    else {
        size_t at = io->tx.len;

        sw_buf_add(&io->tx, p, len);
        if (sw_buf_failed(&io->tx)) {
            io->tx.failed = false;
            r = -ENOMEM;
        } else if (n_fds > 0) {
            memcpy(io->fds, fds, n_fds * sizeof(*fds));
            io->n_fds = n_fds;
            io->fds_at = at;
        }
    }
    if (r < 0) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return sw_err_errno(err, -r, "write");
    }
    if (flush(io) < 0)
        return 0; /* the end is told from the loop */
    watch(io);
    return 0;
}

size_t fdio_queued(const struct fdio *io)
{
    return io->tx.len;
}

void fdio_shutdown(struct fdio *io)
{
    if (io->shut || io->ended || io->fd < 0)
        return;
    io->shut = true;
    if (io->tx.len == 0)
        do_shut(io);
}

void fdio_pause(struct fdio *io, bool pause)
{
    if (io->paused == pause)
        return;
    io->paused = pause;
    watch(io);
}

int fdio_fd(const struct fdio *io)
{
    return io->fd;
}

static void read_some(struct fdio *io)
{
    uint8_t chunk[FDIO_CHUNK];
    ssize_t n = read(io->fd, chunk, sizeof(chunk));

    if (n > 0) {
        if (io->events.data != NULL)
            io->events.data(io, chunk, (size_t)n, io->events.arg);
    } else if (n == 0 || errno == EIO) { /* EIO: a terminal whose last user has gone */
        finish(io, 0);
    } else if (errno != EAGAIN && errno != EINTR) {
        finish(io, -errno);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct fdio *io = handle->data;
    bool had = io->tx.len > 0;
    int r = 0;

    if (status < 0) {
        /* epoll reports errors of pipes and terminals this way; reading tells which */
        events = UV_READABLE | UV_DISCONNECT;
    }
    if (had && (events & UV_WRITABLE) != 0)
        r = flush(io);
    if (r < 0 && !io->reads) {
        finish(io, r);
        return;
    }
    if (r < 0) {
        sw_buf_clear(&io->tx); /* what it still says can be read */
        io->shut = true;
    }
    if (io->fd < 0)
        return;
    if (io->reads && !io->paused && (events & (UV_READABLE | UV_DISCONNECT)) != 0) {
        read_some(io);
    } else if (!io->reads && (events & UV_DISCONNECT) != 0) {
        finish(io, -EPIPE);
    }
    if (io->dead || io->ended)
        return;
    if (had && io->tx.len == 0 && io->events.drained != NULL)
        io->events.drained(io, io->events.arg);
    watch(io);
}
