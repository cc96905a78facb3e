/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/alloc.h"

#define INROOT_LINKS_MAX 40 /* as the kernel's MAXSYMLINKS */
/* openat2(2) answers EAGAIN when a rename raced with "..": the path is then tried again. */
#define INROOT_RACES_MAX 32

static int open_how(int root, const char *path, int flags, mode_t mode, unsigned resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? mode : 0,
        .resolve = resolve,
    };
    long fd = -1;

    for (int i = 0; i < INROOT_RACES_MAX; i++) {
        fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            break;
    }
    return -errno;
}

int inroot_open(int root, const char *path, int flags, mode_t mode)
{
    return open_how(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int inroot_open_plain(int root, const char *path, int flags, bool one_mount)
{
    while (*path == '/')
        path++;
    return open_how(root, *path != '\0' ? path : ".", flags, 0,
                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                        (one_mount ? RESOLVE_NO_XDEV : 0));
}

/* Splits "/a/b/c/" into parent "/a/b" and name "c". @name is empty for the root itself. */
static int split(const char *path, char *parent, char *name)
{
    size_t len = strnlen(path, PATH_MAX);
    size_t cut;

    if (len >= PATH_MAX)
        return -ENAMETOOLONG;
    while (len > 0 && path[len - 1] == '/')
        len--;
    cut = len;
    while (cut > 0 && path[cut - 1] != '/')
        cut--;
    if (len - cut > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(parent, path, cut);
    parent[cut] = '\0';
    memcpy(name, path + cut, len - cut);
    name[len - cut] = '\0';
    return 0;
}

/* The path a symbolic link @name in @parent leads to, still as seen from the root. */
static int follow(int dir, const char *parent, const char *name, char *out)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
    int len;

    if (n < 0)
        return -errno;
    target[n] = '\0';
    if (target[0] == '/')
        len = snprintf(out, PATH_MAX, "%s", target);
    else
        len = snprintf(out, PATH_MAX, "%s/%s", parent, target);
    return len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int make_leaf(int dir, const char *name, bool is_dir)
{
    int fd;

    if (is_dir)
        return mkdirat(dir, name, 0755) == 0 ? 0 : -errno;
    fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    (void)close(fd);
    return 0;
}

/* Opens @path, making it and its parents. @links counts down over the whole recursion. */
static int make_path(int root, const char *path, bool is_dir, int *links)
{
    int flags = O_PATH | (is_dir ? O_DIRECTORY : 0);
    SW_CLEANUP(sw_free_ptr) char *parent = NULL;
    SW_CLEANUP(sw_close_ptr) int dir = -1;
    char name[NAME_MAX + 1];
    char *next;
    int r;

    r = inroot_open(root, path, flags, 0);
    if (r != -ENOENT)
        return r;
    parent = sw_malloc(2 * PATH_MAX);
    if (parent == NULL)
        return -ENOMEM;
    next = parent + PATH_MAX;
    r = split(path, parent, name);
    if (r < 0)
        return r;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -ENOENT;
    dir = make_path(root, parent[0] != '\0' ? parent : "/", true, links);
    if (dir < 0)
        return dir;
    r = make_leaf(dir, name, is_dir);
    if (r == 0) {
        r = openat(dir, name, O_NOFOLLOW | O_CLOEXEC | flags);
        return r >= 0 ? r : -errno;
    }
    if (r != -EEXIST)
        return r;
    /* Something is there, yet the path does not open: a dangling link, or somebody was faster. */
    if (--*links < 0)
        return -ELOOP;
    r = follow(dir, parent, name, next);
    if (r == -EINVAL)
        return make_path(root, path, is_dir, links);
    if (r < 0)
        return r;
    return make_path(root, next, is_dir, links);
}

int inroot_mkdirs(int root, const char *path)
{
    int links = INROOT_LINKS_MAX;

    return make_path(root, path, true, &links);
}

int inroot_mkfile(int root, const char *path)
{
    int links = INROOT_LINKS_MAX;

    return make_path(root, path, false, &links);
}
