/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVE_DEPTH 32

struct removal {
    int top; /* root of the tree: what is too deep is moved here first */
    dev_t dev;
    unsigned moved; /* names for those */
    bool again;     /* something was moved: one more pass */
};

static int empty_dir(struct removal *rm, int fd, int depth);

static int remove_dir(struct removal *rm, int dir, const char *name, int depth)
{
    struct stat st;
    char to[32];
    int fd;
    int r;

    if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return errno == ENOENT ? 0 : -errno;
    if (depth >= REMOVE_DEPTH) {
        (void)snprintf(to, sizeof(to), ".removed-%u", rm->moved++);
        if (renameat(dir, name, rm->top, to) < 0)
            return -errno;
        rm->again = true;
        return 0;
    }
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) < 0 || st.st_dev != rm->dev) {
        (void)close(fd);
        return -EXDEV;
    }
    r = empty_dir(rm, fd, depth + 1);
    if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}

/* @fd: owned */
static int empty_dir(struct removal *rm, int fd, int depth)
{
    DIR *d = fdopendir(fd);
    struct dirent *e;
    int r = 0;

    if (d == NULL) {
        r = -errno;
        (void)close(fd);
        return r;
    }
    while (r == 0 && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_type != DT_DIR && unlinkat(fd, e->d_name, 0) == 0)
            continue;
        if (e->d_type == DT_DIR || errno == EISDIR || errno == EPERM)
            r = remove_dir(rm, fd, e->d_name, depth);
        else if (errno != ENOENT)
            r = -errno;
    }
    (void)closedir(d);
    return r;
}

int remove_tree(const char *path, struct sw_err *err)
{
    struct removal rm = { 0 };
    struct stat st;
    int r = 0;

    rm.top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (rm.top < 0)
        return errno == ENOENT ? 0 : sw_err_errno(err, errno, "remove '%s'", path);
    if (fstat(rm.top, &st) < 0)
        r = -errno;
    rm.dev = st.st_dev;
    do {
        int fd = openat(rm.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        rm.again = false;
        if (r == 0)
            r = fd < 0 ? -errno : empty_dir(&rm, fd, 0);
    } while (r == 0 && rm.again);
    (void)close(rm.top);
    if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
        r = -errno;
    return r < 0 ? sw_err_errno(err, -r, "remove '%s'", path) : 0;
}
