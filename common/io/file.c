/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"

/* "a/b" -> "a", "/b" -> "/", "b" -> ".". */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return sw_strdup(".");
    if (slash == path)
        return sw_strdup("/");
    return sw_strndup(path, (size_t)(slash - path));
}

/* The name in a folder is durable only after the folder itself was written. */
static int sync_parent(const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *dir = parent_of(path);
    SW_CLEANUP(sw_close_ptr) int fd = -1;

    if (dir == NULL)
        return sw_err_set(err, -ENOMEM, "sync folder of '%s'", path);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return sw_err_errno(err, errno, "sync folder '%s'", dir);
    return 0;
}

static int write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t w = write(fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

/* Return: 0 or -errno with *@what naming the call. */
static int write_temporary(const char *tmp, const void *bytes, size_t n, mode_t mode,
                           const char **what)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    int r;

    *what = "create";
    (void)unlink(tmp); /* left by a crash, perhaps with another mode */
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    *what = "write";
    r = write_all(fd, bytes, n);
    if (r < 0)
        return r;
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0) /* fchmod: whatever the umask is */
        return -errno;
    r = close(sw_steal_fd(&fd));
    return r < 0 ? -errno : 0;
}

int sw_file_write(const char *path, const void *bytes, size_t n, mode_t mode, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *tmp = sw_asprintf("%s.tmp", path);
    const char *what;
    int r;

    if (tmp == NULL)
        return sw_err_set(err, -ENOMEM, "write '%s'", path);
    r = write_temporary(tmp, bytes, n, mode, &what);
    if (r == 0 && rename(tmp, path) < 0) {
        r = -errno;
        what = "rename";
    }
    if (r < 0) {
        (void)unlink(tmp);
        return sw_err_errno(err, -r, "%s '%s'", what, tmp);
    }
    return sync_parent(path, err);
}

static int read_all(int fd, size_t max, struct sw_buf *out)
{
    struct stat st;
    size_t got = 0;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    for (;;) {
        /* One byte more than allowed tells a file that grew or has no size (proc). */
        size_t want = SW_MIN(max - got + 1, (size_t)64 * 1024);
        uint8_t *at = sw_buf_reserve(out, want);
        ssize_t r;

        if (at == NULL)
            return -ENOMEM;
        r = read(fd, at, want);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return 0;
        sw_buf_commit(out, (size_t)r);
        got += (size_t)r;
        if (got > max)
            return -EFBIG;
    }
}

int sw_file_read(const char *path, size_t max, struct sw_buf *out, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    size_t before = out->len;
    int r;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return SW_FILE_ABSENT;
    if (fd < 0)
        return sw_err_errno(err, errno, "open '%s'", path);
    r = read_all(fd, max, out);
    if (r < 0) {
        out->len = before;
        if (out->data != NULL)
            out->data[before] = 0;
    }
    if (r == -EFBIG)
        return sw_err_set(err, r, "read '%s': longer than %zu bytes", path, max);
    if (r < 0)
        return sw_err_errno(err, -r, "read '%s'", path);
    return 0;
}

int sw_dir_make(const char *path, mode_t mode, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *copy = sw_strdup(path);
    struct stat st;

    if (copy == NULL)
        return sw_err_set(err, -ENOMEM, "create folder '%s'", path);
    for (char *p = copy + 1; *copy != '\0'; p++) {
        char was = *p;

        if (was != '/' && was != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return sw_err_errno(err, errno, "create folder '%s'", copy);
        *p = was;
        if (was == '\0')
            break;
    }
    if (stat(path, &st) < 0)
        return sw_err_errno(err, errno, "create folder '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return sw_err_errno(err, ENOTDIR, "create folder '%s'", path);
    return 0;
}

int sw_dir_make_for(const char *path, mode_t mode, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *dir = parent_of(path);

    if (dir == NULL)
        return sw_err_set(err, -ENOMEM, "create folder of '%s'", path);
    return sw_dir_make(dir, mode, err);
}

int sw_file_remove(const char *path, struct sw_err *err)
{
    if (unlink(path) < 0) {
        if (errno == ENOENT)
            return SW_FILE_ABSENT;
        return sw_err_errno(err, errno, "remove '%s'", path);
    }
    return sync_parent(path, err);
}
