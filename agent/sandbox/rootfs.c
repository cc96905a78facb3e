/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"

#define ROOTFS_OPTIONS_MAX 4096 /* mount(2): one page */

struct rootfs_dirs {
    int fd[ROOTFS_LAYERS_MAX + 2]; /* layers from the top, upper, work */
    size_t len;
};

static void dirs_close(struct rootfs_dirs *d)
{
    while (d->len > 0)
        (void)close(d->fd[--d->len]);
}

static int dirs_add(struct rootfs_dirs *d, const char *path, struct sw_err *err)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return sw_err_errno(err, errno, "open layer '%s'", path);
    d->fd[d->len++] = fd;
    return 0;
}

/* The root of the merged tree is upper's: it takes after the topmost layer's. */
static int make_upper(const char *path, int top, struct sw_err *err)
{
    struct stat st;

    if (mkdir(path, 0755) < 0) {
        if (errno == EEXIST)
            return 0;
        return sw_err_errno(err, errno, "make '%s'", path);
    }
    if (fstat(top, &st) < 0 || chown(path, st.st_uid, st.st_gid) < 0 ||
        chmod(path, st.st_mode & 07777) < 0)
        return sw_err_errno(err, errno, "make '%s'", path);
    return 0;
}

/* overlayfs refuses a work directory that a volatile mount has used; our shims know that the upper
 * directory is sound unless the machine went down, and then the caller asked for @sync or accepts.
 */
static void forget_volatile(int work)
{
    (void)unlinkat(work, "work/incompat/volatile/dirty", 0);
    (void)unlinkat(work, "work/incompat/volatile", AT_REMOVEDIR);
    (void)unlinkat(work, "work/incompat", AT_REMOVEDIR);
}

static int open_dirs(struct rootfs_dirs *d, const struct rootfs_options *o, struct sw_err *err)
{
    int r = 0;

    if (o->lower_len == 0 || o->lower_len > ROOTFS_LAYERS_MAX)
        return sw_err_set(err, SW_E_INVALID, "an image needs 1 to %d layers, this one has %zu",
                          ROOTFS_LAYERS_MAX, o->lower_len);
    for (size_t i = o->lower_len; i > 0 && r == 0; i--)
        r = dirs_add(d, o->lower[i - 1], err);
    if (r == 0)
        r = make_upper(o->upper, d->fd[0], err);
    if (r == 0 && mkdir(o->work, 0700) < 0 && errno != EEXIST)
        r = sw_err_errno(err, errno, "make '%s'", o->work);
    if (r == 0)
        r = dirs_add(d, o->upper, err);
    if (r == 0)
        r = dirs_add(d, o->work, err);
    if (r == 0)
        forget_volatile(d->fd[d->len - 1]);
    return r;
}

static int mount_dirs(const struct rootfs_dirs *d, bool sync, const char *target,
                      struct sw_err *err)
{
    char opts[ROOTFS_OPTIONS_MAX];
    size_t len = (size_t)snprintf(opts, sizeof(opts), "lowerdir=");
    size_t layers = d->len - 2;

    for (size_t i = 0; i < layers; i++) /* 130 descriptors of 20 bytes at most: fits */
        len += (size_t)snprintf(opts + len, sizeof(opts) - len, "%s/proc/self/fd/%d",
                                i > 0 ? ":" : "", d->fd[i]);
    (void)snprintf(opts + len, sizeof(opts) - len,
                   ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,index=off%s", d->fd[layers],
                   d->fd[layers + 1], sync ? "" : ",volatile");
    if (mount("overlay", target, "overlay", 0, opts) < 0)
        return sw_err_errno(err, errno, "mount overlay of %zu layers", layers);
    return 0;
}

int rootfs_mount(const struct rootfs_options *opts, const char *target, struct sw_err *err)
{
    struct rootfs_dirs d = { .len = 0 };
    int fd;
    int r;

    r = open_dirs(&d, opts, err);
    if (r == 0)
        r = mount_dirs(&d, opts->sync, target, err);
    dirs_close(&d);
    if (r < 0)
        return r;
    fd = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : sw_err_errno(err, errno, "open '%s'", target);
}
