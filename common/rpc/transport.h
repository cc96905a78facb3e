/* SPDX-License-Identifier: Apache-2.0
 * transport.h - private to rpc: bytes between two processes, whatever lies between.
 *
 * The owner gets callbacks until it calls close; after that none, and the transport frees itself
 * when the loop lets it. on_closed only tells: the owner still has to close. */
#ifndef SWARM_COMMON_RPC_TRANSPORT_H
#define SWARM_COMMON_RPC_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/io/unixsock.h"

struct sockaddr;
struct uv_loop_s;
struct uv_stream_s;
struct transport;

struct transport_cb {
    void (*on_open)(void *arg, int status); /* dialed TCP only: 0 or negative errno */
    void (*on_fd)(void *arg, int fd);       /* owned; before the bytes it came with */
    void (*on_bytes)(void *arg, uint8_t *bytes, size_t n); /* may be changed in place */
    void (*on_drained)(void *arg);                         /* a write was handed to the kernel */
    void (*on_closed)(void *arg, int status);              /* UV_EOF or an error, once */
};

struct transport_ops {
    /** write() - @bytes: owned. @fds: owned, for Unix sockets. Return: 0 or negative errno. */
    int (*write)(struct transport *t, uint8_t *bytes, size_t n, const int *fds, size_t n_fds);
    /** close() - @linger: deliver what was written first, for at most two seconds. */
    void (*close)(struct transport *t, bool linger);
};

struct transport { /* first member of each kind */
    const struct transport_ops *ops;
    const struct transport_cb *cb;
    void *arg;
    size_t queued; /* bytes written and not yet handed to the kernel */
};

#define TRANSPORT_LINGER_MS 2000
#define TRANSPORT_READ      (64u * 1024u) /* bytes of one read */

/** rpc_transport_read_buffer() - TRANSPORT_READ bytes, one per thread: good until the next read. */
uint8_t *rpc_transport_read_buffer(void);

/** rpc_transport_tcp_dial() - on_open tells the outcome, in a later turn. */
int rpc_transport_tcp_dial(struct transport **out, struct uv_loop_s *loop,
                           const struct sockaddr *to, struct sw_err *err);
/** rpc_transport_tcp_accept() - @address: text of the peer's address and port, @room bytes. */
int rpc_transport_tcp_accept(struct transport **out, struct uv_stream_s *listener, char *address,
                             size_t room, struct sw_err *err);
/** rpc_transport_tcp_peer() - the same text for a dialed connection. */
void rpc_transport_tcp_peer(struct transport *t, char *address, size_t room);
/** rpc_transport_tcp_read() - begin to read; callbacks follow. */
int rpc_transport_tcp_read(struct transport *t);

/** rpc_transport_unix_new() - @fd: owned on success, connected. Reads at once. */
int rpc_transport_unix_new(struct transport **out, struct uv_loop_s *loop, int fd,
                           struct sw_err *err);

/** rpc_transport_pair() - two ends in memory. */
int rpc_transport_pair(struct transport *out[2], struct uv_loop_s *loop, struct sw_err *err);

#endif
