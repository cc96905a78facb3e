/* SPDX-License-Identifier: Apache-2.0
 * netd_pipe.h - frames with descriptors over the control socket, for both of its ends.
 *
 * A frame is u32 length (little endian) and that many bytes; its descriptors come with the first
 * byte. Bytes are wiped when they have been handled: epoch secrets pass here. Loop thread only;
 * never blocks, never closes the socket by itself. */
#ifndef SWARM_AGENT_NETD_NETD_PIPE_H
#define SWARM_AGENT_NETD_NETD_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/list.h"

#define NETD_FRAME_MAX (16u << 20)
#define NETD_PIPE_FDS  64u /* descriptors that may wait for their frame */

struct netd_pipe {
    int fd; /* borrowed */
    struct sw_buf in;
    size_t n_fds;
    int fds[NETD_PIPE_FDS];
    struct sw_list out;
};

void netd_pipe_init(struct netd_pipe *p, int fd);
/** netd_pipe_fini() - forgets what is queued, closes descriptors that nobody took. */
void netd_pipe_fini(struct netd_pipe *p);

/** One whole frame, borrowed. The callee takes descriptors with netd_pipe_take().
 * Return: 0, or negative with @err filled to end the connection. */
typedef int netd_pipe_frame_fn(void *ctx, struct netd_pipe *p, const uint8_t *bytes, size_t n,
                               struct sw_err *err);

/**
 * netd_pipe_read() - read what is there and hand out whole frames
 *
 * Return: 0; SW_E_UNAVAILABLE at the end of the stream; SW_E_PROTOCOL for a frame too long;
 * what @frame returned; -errno.
 */
int netd_pipe_read(struct netd_pipe *p, netd_pipe_frame_fn *frame, void *ctx, struct sw_err *err);
/** netd_pipe_take() - the next @n descriptors, now the caller's. Return: 0; SW_E_PROTOCOL when
 * fewer have come. */
int netd_pipe_take(struct netd_pipe *p, int *fds, size_t n, struct sw_err *err);

/**
 * netd_pipe_write() - queue one frame
 * @bytes: copied
 * @fds:   owned, closed once sent or dropped, also when this fails; at most 16
 *
 * Return: 0; SW_E_INVALID when too long or too many; -ENOMEM. Call netd_pipe_flush() then.
 */
int netd_pipe_write(struct netd_pipe *p, const void *bytes, size_t n, const int *fds, size_t n_fds,
                    struct sw_err *err);
/** netd_pipe_flush() - send what the socket takes. Return: 0 when all is sent, 1 when more waits
 * for the socket to be writable, -errno. */
int netd_pipe_flush(struct netd_pipe *p, struct sw_err *err);

#endif
