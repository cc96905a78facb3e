/* SPDX-License-Identifier: Apache-2.0
 * mounts_copy.c - a fresh volume starts with what the image has at its mount point.
 *
 * Works on descriptors alone and never follows a link. Owner, mode, times, extended attributes
 * (file capabilities, ACLs) are kept, special files made anew; hard links become copies. Sockets
 * are left out. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/sandbox/mounts.h"
#include "common/base/alloc.h"

#define COPY_DEPTH_MAX 256

static bool is_empty_dir(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    bool empty = d != NULL;

    while (d != NULL && empty && (e = readdir(d)) != NULL)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                strcmp(e->d_name, "lost+found") == 0;
    if (d != NULL)
        (void)closedir(d);
    else if (fd >= 0)
        (void)close(fd);
    return empty;
}

static void copy_xattrs(int from, int to)
{
    char names[4096];
    char value[4096];
    ssize_t n = flistxattr(from, names, sizeof(names));

    for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
        ssize_t len;

        if (strncmp(p, "trusted.overlay.", 16) == 0)
            continue;
        len = fgetxattr(from, p, value, sizeof(value));
        if (len >= 0)
            (void)fsetxattr(to, p, value, (size_t)len, 0);
    }
}

static int copy_meta(int to, const struct stat *st)
{
    struct timespec times[2] = { st->st_atim, st->st_mtim };

    /* owner first: chown takes set-user-id bits away */
    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 ||
        futimens(to, times) < 0)
        return -errno;
    return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
    SW_CLEANUP(sw_close_ptr) int in = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    SW_CLEANUP(sw_close_ptr) int out = -1;
    ssize_t n;

    if (in < 0)
        return -errno;
    out = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return -errno;
    do
        n = sendfile(out, in, NULL, 1 << 30);
    while (n > 0);
    if (n < 0)
        return -errno;
    copy_xattrs(in, out);
    return copy_meta(out, st);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
    struct timespec times[2] = { st->st_atim, st->st_mtim };
    char target[PATH_MAX];
    ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

    if (n < 0)
        return -errno;
    target[n] = '\0';
    if (symlinkat(target, to_dir, name) < 0 ||
        fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    (void)utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW);
    return 0;
}

static int copy_dir(int from, int to, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
    struct stat st;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISREG(st.st_mode))
        return copy_file(from, to, name, &st);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, name, &st);
    if (S_ISDIR(st.st_mode)) {
        SW_CLEANUP(sw_close_ptr) int in = -1;
        SW_CLEANUP(sw_close_ptr) int out = -1;
        int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

        if (mkdirat(to, name, 0700) < 0)
            return -errno;
        in = openat(from, name, flags);
        out = openat(to, name, flags);
        return in < 0 || out < 0 ? -errno : copy_dir(in, out, depth + 1);
    }
    if (S_ISSOCK(st.st_mode))
        return 0;
    if (mknodat(to, name, st.st_mode, st.st_rdev) < 0 ||
        fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return 0;
}

/* Contents, then the directory's own attributes, so that its times survive. */
static int copy_dir(int from, int to, int depth)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    struct stat st;
    int r = 0;

    if (d == NULL) {
        r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    if (depth > COPY_DEPTH_MAX)
        r = -ELOOP;
    while (r == 0 && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = copy_entry(fd, to, e->d_name, depth);
    if (r == 0 && fstat(fd, &st) < 0)
        r = -errno;
    if (r == 0) {
        copy_xattrs(fd, to);
        r = copy_meta(to, &st);
    }
    (void)closedir(d);
    return r;
}

int mounts_copy_up(int from, int to, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int out = -1;
    int r;

    if (!is_empty_dir(to))
        return 0;
    out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = out < 0 ? -errno : copy_dir(from, out, 0);
    return r < 0 ? sw_err_errno(err, -r, "copy") : 0;
}
