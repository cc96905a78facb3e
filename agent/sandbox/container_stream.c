/* SPDX-License-Identifier: Apache-2.0
 * container_stream.c - an attached client: raw input to the shim, framed output from it.
 *
 * Output has Docker's header: 1 byte stream, 3 zero bytes, 4 bytes length, big endian. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/sandbox/container_priv.h"
#include "agent/sandbox/fdio.h"
#include "agent/sandbox/wire.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

#define FRAME_HEAD 8

struct container_stream {
    struct sw_list link;
    struct fdio *io;
    struct container_stream_events events;
    uint8_t head[FRAME_HEAD];
    size_t head_len;
    size_t left; /* of the current frame */
    bool busy, dead;
};

static void stream_destroy(struct container_stream *s)
{
    sw_list_del(&s->link);
    fdio_free(s->io);
    sw_free(s);
}

void container_stream_close(struct container_stream *s)
{
    if (s == NULL || s->dead)
        return;
    s->dead = true;
    if (!s->busy)
        stream_destroy(s);
}

static void leave(struct container_stream *s)
{
    s->busy = false;
    if (s->dead)
        stream_destroy(s);
}

static void on_data(struct fdio *io, const uint8_t *p, size_t len, void *arg)
{
    struct container_stream *s = arg;

    (void)io;
    s->busy = true;
    while (len > 0 && !s->dead) {
        size_t n;

        if (s->left == 0) {
            n = SW_MIN(len, FRAME_HEAD - s->head_len);
            memcpy(s->head + s->head_len, p, n);
            s->head_len += n;
            p += n;
            len -= n;
            if (s->head_len < FRAME_HEAD)
                break;
            s->head_len = 0;
            s->left = (size_t)s->head[4] << 24 | (size_t)s->head[5] << 16 |
                      (size_t)s->head[6] << 8 | s->head[7];
            continue;
        }
        n = SW_MIN(len, s->left);
        if (s->events.output != NULL)
            s->events.output(s, s->head[0] == 2 ? CONTAINER_STDERR : CONTAINER_STDOUT, p, n,
                             s->events.data);
        s->left -= n;
        p += n;
        len -= n;
    }
    leave(s);
}

static void on_drained(struct fdio *io, void *arg)
{
    struct container_stream *s = arg;

    (void)io;
    s->busy = true;
    if (s->events.drained != NULL)
        s->events.drained(s, s->events.data);
    leave(s);
}

static void on_end(struct fdio *io, int status, void *arg)
{
    struct container_stream *s = arg;

    (void)io;
    s->busy = true;
    if (s->events.end != NULL)
        s->events.end(s, status, s->events.data);
    leave(s);
}

int container_attach(struct container_stream **out, struct container *c,
                     const struct container_attach_options *opts,
                     const struct container_stream_events *events, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimAttach attach = SWARM__V1__SHIM_ATTACH__INIT;
    SW_CLEANUP(sw_free_ptr) struct container_stream *s = sw_calloc(1, sizeof(*s));
    struct fdio_events ev = { .data = on_data, .drained = on_drained, .end = on_end, .arg = s };
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    int fd;
    int r;

    attach.in = opts->in;
    attach.out = opts->out;
    attach.err = opts->err;
    attach.close_stdin = opts->close_stdin;
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_ATTACH;
    req.attach = &attach;
    if (s == NULL || wire_add(&b, &req.base) < 0)
        return sw_err_set(err, -ENOMEM, "attach");
    if (c->state == CONTAINER_DEAD || c->state == CONTAINER_CREATING)
        return container_not_running(c, err);
    fd = shimlink_connect(c->dir);
    if (fd == -ENOENT || fd == -ECONNREFUSED)
        return container_not_running(c, err);
    if (fd < 0)
        return sw_err_errno(err, -fd, "attach");
    s->events = *events;
    sw_list_init(&s->link);
    r = fdio_new(&s->io, c->host->loop, fd, true, &ev, err);
    if (r < 0)
        return r;
    r = fdio_write(s->io, b.data, b.len, NULL, 0, err);
    if (r < 0) {
        fdio_free(s->io);
        return r;
    }
    sw_list_push_back(&c->streams, &s->link);
    *out = sw_steal(s);
    return 0;
}

int container_stream_write(struct container_stream *s, const void *p, size_t len,
                           struct sw_err *err)
{
    return fdio_write(s->io, p, len, NULL, 0, err);
}

size_t container_stream_queued(const struct container_stream *s)
{
    return fdio_queued(s->io);
}

void container_stream_shutdown(struct container_stream *s)
{
    fdio_shutdown(s->io);
}

void container_stream_pause(struct container_stream *s, bool pause)
{
    fdio_pause(s->io, pause);
}

void container_stream_orphan(struct container *c)
{
    while (!sw_list_empty(&c->streams))
        sw_list_del(c->streams.next);
}
