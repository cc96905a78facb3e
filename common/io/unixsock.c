/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io/unixsock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"

static int make_socket(const char *path, struct sockaddr_un *sa, struct sw_err *err)
{
    size_t n = strlen(path);
    int fd;

    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    if (n >= sizeof(sa->sun_path))
        return sw_err_set(err, -ENAMETOOLONG, "socket '%s': path longer than %zu bytes", path,
                          sizeof(sa->sun_path) - 1);
    memcpy(sa->sun_path, path, n + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sw_err_errno(err, errno, "socket '%s'", path);
    return fd;
}

static int do_connect(int fd, const struct sockaddr_un *sa)
{
    return connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;
}

/* Is there a socket file whose listener has gone? */
static int remove_stale(const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sockaddr_un sa;
    struct stat st;
    int r;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : sw_err_errno(err, errno, "socket '%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return sw_err_set(err, -EADDRINUSE, "'%s' exists and is no socket", path);
    r = make_socket(path, &sa, err);
    if (r < 0)
        return r;
    fd = r;
    r = do_connect(fd, &sa);
    if (r != -ECONNREFUSED)
        return sw_err_set(err, -EADDRINUSE, "socket '%s' is already in use", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return sw_err_errno(err, errno, "remove old socket '%s'", path);
    return 0;
}

int sw_unix_listen(const char *path, mode_t mode, int *fd, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int s = -1;
    struct sockaddr_un sa;
    int r;

    r = make_socket(path, &sa, err);
    if (r < 0)
        return r;
    s = r;
    r = remove_stale(path, err);
    if (r < 0)
        return r;
    /* The file is born with the socket's mode less the umask: never with more rights than asked. */
    if (fchmod(s, mode) < 0 || bind(s, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        return sw_err_errno(err, errno, "bind socket '%s'", path);
    if (chmod(path, mode) < 0 || listen(s, SOMAXCONN) < 0) {
        r = errno;
        (void)unlink(path);
        return sw_err_errno(err, r, "listen on '%s'", path);
    }
    *fd = sw_steal_fd(&s);
    return 0;
}

int sw_unix_connect(const char *path, int *fd, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int s = -1;
    struct sockaddr_un sa;
    int r;

    r = make_socket(path, &sa, err);
    if (r < 0)
        return r;
    s = r;
    r = do_connect(s, &sa);
    if (r < 0)
        return sw_err_errno(err, -r, "connect to '%s'", path);
    *fd = sw_steal_fd(&s);
    return 0;
}

int sw_unix_cred(int fd, struct sw_unix_cred *out, struct sw_err *err)
{
    struct ucred c;
    socklen_t n = sizeof(c);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
        return sw_err_errno(err, errno, "credentials of the peer");
    *out = (struct sw_unix_cred){ c.pid, c.uid, c.gid };
    return 0;
}

/* Aligned room for the control message of SW_UNIX_FDS_MAX descriptors. */
union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(SW_UNIX_FDS_MAX * sizeof(int))];
};

ssize_t sw_unix_send(int fd, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds)
{
    union control control;
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov };
    ssize_t r;

    assert(n_fds <= SW_UNIX_FDS_MAX);
    if (n_fds > 0) {
        struct cmsghdr *c = &control.align;

        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    do {
        r = sendmsg(fd, &m, MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static size_t take_fds(struct msghdr *m, int *fds)
{
    size_t n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        size_t k;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        assert(n + k <= SW_UNIX_FDS_MAX);
        memcpy(fds + n, CMSG_DATA(c), k * sizeof(int));
        n += k;
    }
    return n;
}

ssize_t sw_unix_recv(int fd, void *buf, size_t size, int *fds, size_t *n_fds)
{
    union control control;
    struct iovec iov = { buf, size };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t r;

    *n_fds = 0;
    do {
        r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    *n_fds = take_fds(&m, fds);
    if ((m.msg_flags & MSG_CTRUNC) != 0) {
        for (size_t i = 0; i < *n_fds; i++)
            (void)close(fds[i]);
        *n_fds = 0;
        return -EMFILE;
    }
    return r;
}
