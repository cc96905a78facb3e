/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/shimlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/sandbox/fdio.h"
#include "agent/sandbox/wire.h"
#include "common/base/alloc.h"

struct shimlink {
    struct fdio *io;
    struct sw_buf rx;
    struct shimlink_events events;
    bool busy, dead; /* freed from within a callback: later */
};

static void shimlink_destroy(struct shimlink *l)
{
    fdio_free(l->io);
    sw_buf_fini(&l->rx);
    sw_free(l);
}

void shimlink_free(struct shimlink *l)
{
    if (l == NULL || l->dead)
        return;
    l->dead = true;
    if (!l->busy)
        shimlink_destroy(l);
}

static void shimlink_ended(struct shimlink *l)
{
    if (!l->dead)
        l->events.end(l->events.arg);
}

/* Return: false when the peer does not speak our protocol. */
static bool take_events(struct shimlink *l)
{
    size_t at = 0;
    long n = 0;

    while (!l->dead && (n = wire_take(l->rx.data + at, l->rx.len - at)) > 0) {
        Swarm__V1__ShimEvent *ev =
            swarm__v1__shim_event__unpack(NULL, (size_t)n, l->rx.data + at + WIRE_HEAD);

        if (ev == NULL)
            return false;
        at += WIRE_HEAD + (size_t)n;
        l->events.event(ev, l->events.arg);
        swarm__v1__shim_event__free_unpacked(ev, NULL);
    }
    if (at > 0)
        sw_buf_consume(&l->rx, at);
    if (l->rx.len == 0) {
        sw_buf_fini(&l->rx);
        sw_buf_init(&l->rx);
    }
    return n >= 0;
}

static void on_data(struct fdio *io, const uint8_t *p, size_t len, void *arg)
{
    struct shimlink *l = arg;

    (void)io;
    l->busy = true;
    sw_buf_add(&l->rx, p, len);
    if (sw_buf_failed(&l->rx) || l->rx.len > WIRE_FRAME_MAX || !take_events(l))
        shimlink_ended(l);
    l->busy = false;
    if (l->dead)
        shimlink_destroy(l);
}

static void on_end(struct fdio *io, int status, void *arg)
{
    struct shimlink *l = arg;

    (void)io;
    (void)status;
    l->busy = true;
    shimlink_ended(l);
    l->busy = false;
    if (l->dead)
        shimlink_destroy(l);
}

int shimlink_new(struct shimlink **out, struct uv_loop_s *loop, int fd,
                 const struct shimlink_events *events, struct sw_err *err)
{
    struct shimlink *l = sw_calloc(1, sizeof(*l));
    struct fdio_events ev = { .data = on_data, .end = on_end, .arg = l };
    int r;

    if (l == NULL) {
        (void)close(fd);
        return sw_err_set(err, -ENOMEM, "connect to swarm-shim");
    }
    l->events = *events;
    r = fdio_new(&l->io, loop, fd, true, &ev, err);
    if (r < 0) {
        sw_free(l);
        return r;
    }
    *out = l;
    return 0;
}

int shimlink_send(struct shimlink *l, const Swarm__V1__ShimRequest *req, const int *fds,
                  size_t n_fds, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    if (wire_add(&b, &req->base) < 0) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return sw_err_set(err, -ENOMEM, "send to swarm-shim");
    }
    return fdio_write(l->io, b.data, b.len, fds, n_fds, err);
}

int shimlink_connect(int dir)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    wire_address(dir, sa.sun_path);
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
        return fd;
    r = -errno;
    (void)close(fd);
    return r;
}
