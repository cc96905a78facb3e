/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/log/log.h"

#define NS_SELF "/proc/thread-self/ns/net"

static int ns_open(const char *path, struct sw_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return sw_err_errno(err, errno, "open network namespace %s", path);
    return fd;
}

int ns_open_self(struct sw_err *err)
{
    return ns_open(NS_SELF, err);
}

int ns_open_pid(int pid, struct sw_err *err)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    return ns_open(path, err);
}

/* After a reboot the file is still there, but nothing is mounted on it. */
static bool ns_is_pinned(const char *path)
{
    struct statfs st;

    return statfs(path, &st) == 0 && (unsigned long)st.f_type == NSFS_MAGIC;
}

static int ns_pin_self(const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int file = -1;

    file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0)
        return sw_err_errno(err, errno, "create %s", path);
    if (mount(NS_SELF, path, "none", MS_BIND, NULL) < 0)
        return sw_err_errno(err, errno, "bind network namespace to %s", path);
    return 0;
}

int ns_open_pinned(const char *path, int home, bool *made, struct sw_err *err)
{
    int r;

    *made = false;
    if (ns_is_pinned(path))
        return ns_open(path, err);
    if (unshare(CLONE_NEWNET) < 0)
        return sw_err_errno(err, errno, "make network namespace");
    r = ns_pin_self(path, err);
    if (r == 0)
        r = ns_open_self(err);
    ns_leave(home);
    if (r < 0)
        ns_unpin(path);
    else
        *made = true;
    return r;
}

void ns_unpin(const char *path)
{
    if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        log_warn("network namespace not unmounted path=%s error=%s", path, strerror(errno));
    if (unlink(path) < 0 && errno != ENOENT)
        log_warn("network namespace not unlinked path=%s error=%s", path, strerror(errno));
}

int ns_enter(int fd, struct sw_err *err)
{
    if (setns(fd, CLONE_NEWNET) < 0)
        return sw_err_errno(err, errno, "enter network namespace");
    return 0;
}

void ns_leave(int home)
{
    if (setns(home, CLONE_NEWNET) < 0) {
        log_error("cannot return to the node's network namespace error=%s", strerror(errno));
        abort();
    }
}

int ns_sysctl(const char *path, const char *value, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    char full[256];

    snprintf(full, sizeof(full), "/proc/sys/%s", path);
    fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return sw_err_errno(err, errno, "open %s", full);
    if (write(fd, value, strlen(value)) < 0)
        return sw_err_errno(err, errno, "write '%s' to %s", value, full);
    return 0;
}

int ns_sysctl_get(const char *path, long *out)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    char full[256];
    char text[64];
    ssize_t n;

    snprintf(full, sizeof(full), "/proc/sys/%s", path);
    fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, text, sizeof(text) - 1);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    *out = strtol(text, NULL, 10);
    return 0;
}
