/* SPDX-License-Identifier: Apache-2.0
 * fdio.h - one descriptor on the loop: pipe, socket or terminal, read and written without blocking.
 *
 * Private to agent/sandbox. Used instead of uv_stream_t because the shim's socket passes
 * descriptors and terminals end with EIO. */
#ifndef SWARM_AGENT_SANDBOX_FDIO_H
#define SWARM_AGENT_SANDBOX_FDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct uv_loop_s;
struct fdio;

/* No callback runs inside a call of this module; each may call fdio_free(). */
struct fdio_events {
    void (*data)(struct fdio *io, const uint8_t *p, size_t len, void *arg);
    void (*drained)(struct fdio *io, void *arg); /* all that was written is with the kernel */
    void (*end)(struct fdio *io, int status, void *arg); /* once: 0 end of file, or -errno */
    void *arg;
};

/**
 * fdio_new() - @fd: owned, made non-blocking, also on failure
 * @reads: false for one that is only written; it then ends when the other side closes
 */
int fdio_new(struct fdio **out, struct uv_loop_s *loop, int fd, bool reads,
             const struct fdio_events *events, struct sw_err *err);
void fdio_free(struct fdio *io); /* NULL is fine; what is queued is lost */
/** fdio_write() - copied. @fds: @n_fds descriptors that go with it, duplicated by the kernel when
 * it is sent; at most FDIO_FDS, closed here afterwards. Return: 0, -EPIPE after an end, -ENOMEM. */
int fdio_write(struct fdio *io, const void *p, size_t len, const int *fds, size_t n_fds,
               struct sw_err *err);
#define FDIO_FDS 3
size_t fdio_queued(const struct fdio *io);
/** fdio_shutdown() - after what is queued: end of output (socket) or close (anything else). */
void fdio_shutdown(struct fdio *io);
void fdio_pause(struct fdio *io, bool pause);
int fdio_fd(const struct fdio *io);

#endif
