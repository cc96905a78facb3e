/* SPDX-License-Identifier: Apache-2.0
 * unixsock.h - Unix stream sockets: who is at the other end, and passing descriptors.
 *
 * Descriptors returned are non-blocking and close-on-exec. Those that travel arrive with the first
 * byte of the write they were sent with, in order (unix(7)). */
#ifndef SWARM_COMMON_IO_UNIXSOCK_H
#define SWARM_COMMON_IO_UNIXSOCK_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/base/err.h"

#define SW_UNIX_FDS_MAX 16 /* per sw_unix_send() and sw_unix_recv() */

struct sw_unix_cred {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/**
 * sw_unix_listen() - bind and listen
 * @mode: permissions of the socket file
 * @fd:   returned, the caller closes it (and removes the file)
 *
 * A file that nobody listens on any more is replaced.
 * Return: 0; -EADDRINUSE when somebody does listen; -ENAMETOOLONG; other -errno.
 */
int sw_unix_listen(const char *path, mode_t mode, int *fd, struct sw_err *err);
/** sw_unix_connect() - does not wait. Return: 0; -EAGAIN when the listener's queue is full;
 * -ENOENT, -ECONNREFUSED, ... */
int sw_unix_connect(const char *path, int *fd, struct sw_err *err);
/** sw_unix_cred() - the kernel's word on who connected (SO_PEERCRED). */
int sw_unix_cred(int fd, struct sw_unix_cred *out, struct sw_err *err);
/** sw_unix_send() - @fds: borrowed, sent with the first byte, may be NULL with @n_fds 0.
 * Return: bytes written (fewer than asked is possible), or -errno; -EAGAIN: try when writable. */
ssize_t sw_unix_send(int fd, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds);
/**
 * sw_unix_recv() - read bytes and the descriptors that came along
 * @fds: room for SW_UNIX_FDS_MAX, returned (the caller closes them); *@n_fds: returned
 *
 * Return: bytes read, 0 at the end, or -errno. -EMFILE when the process is out of descriptors and
 * the kernel threw some away: the connection is then no longer in step.
 */
ssize_t sw_unix_recv(int fd, void *buf, size_t size, int *fds, size_t *n_fds);

#endif
