/* SPDX-License-Identifier: Apache-2.0
 * dir.c - see dir.h. */
#include "manager/consensus/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/log/log.h"
#include "manager/consensus/compat.h"
#include "manager/consensus/entry.h"

#define MARK_MAGIC 0x3130304b52414d53ull /* "SMARK001" */
#define MARK_SIZE  32

/* statfs(2); the names are in linux/magic.h, not all of them in Debian 12's. */
#define FS_NFS   0x6969
#define FS_CIFS  0xff534d42l
#define FS_SMB2  0xfe534d42l
#define FS_9P    0x01021997
#define FS_FUSE  0x65735546
#define FS_RAMFS 0x858458f6l

void cons_dir_init(struct cons_dir *d)
{
    memset(d, 0, sizeof(*d));
    d->lock_fd = -1;
    d->mark_fd = -1;
}

int cons_dir_fs_verdict(long f_type, const char *path, struct sw_err *err)
{
    switch (f_type & 0xffffffffl) {
    case FS_NFS:
    case FS_CIFS:
    case FS_SMB2:
    case FS_9P:
    case FS_FUSE:
    case FS_RAMFS:
        return sw_err_set(err, SW_E_UNSUPPORTED,
                          "%s is on a network, FUSE or ram file system; the raft log needs a "
                          "local one (ext4, xfs)",
                          path);
    default:
        return 0;
    }
}

int cons_dir_explain(int raft_code, const char *errmsg, const char *path, struct sw_err *err)
{
    if (strstr(errmsg, "No space left") != NULL || raft_code == RAFT_NOSPACE)
        return sw_err_set(err, SW_E_EXHAUSTED, "%s: disk full (%s)", path, errmsg);
    if (raft_code == RAFT_CORRUPT || raft_code == RAFT_MALFORMED)
        return sw_err_set(err, SW_E_CORRUPT, "%s: damaged raft log (%s)", path, errmsg);
    if (strstr(errmsg, "io_") != NULL || strstr(errmsg, "probe") != NULL ||
        strstr(errmsg, "Resource temporarily unavailable") != NULL)
        return sw_err_set(err, SW_E_UNSUPPORTED,
                          "%s: file system refuses direct or asynchronous I/O (%s); use ext4 or "
                          "xfs",
                          path, errmsg);
    if (raft_code == RAFT_NOMEM)
        return sw_err_set(err, -ENOMEM, "open %s", path);
    return sw_err_set(err, -EIO, "%s: %s (%s)", path, errmsg, raft_strerror(raft_code));
}

static int make_dir(const char *path, struct sw_err *err)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return sw_err_errno(err, errno, "make directory %s", path);
    if (stat(path, &st) < 0)
        return sw_err_errno(err, errno, "stat %s", path);
    if (!S_ISDIR(st.st_mode))
        return sw_err_set(err, -ENOTDIR, "%s is no directory", path);
    if ((st.st_mode & 077) != 0 && chmod(path, 0700) < 0)
        return sw_err_errno(err, errno, "make %s private", path);
    return 0;
}

static int open_in(const struct cons_dir *d, const char *name, struct sw_err *err)
{
    char path[CONS_PATH_MAX + 16];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", d->path, name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return sw_err_errno(err, errno, "open %s", path);
    return fd;
}

static int lock(struct cons_dir *d, struct sw_err *err)
{
    d->lock_fd = open_in(d, "lock", err);
    if (d->lock_fd < 0)
        return err->code;
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return sw_err_set(err, SW_E_UNAVAILABLE, "%s is in use by another process", d->path);
    return sw_err_errno(err, errno, "lock %s", d->path);
}

static int check_member(struct cons_dir *d, uint64_t member, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    char text[32] = "";
    uint64_t owner;
    ssize_t n;
    int len;

    fd = open_in(d, "member", err);
    if (fd < 0)
        return err->code;
    n = read(fd, text, sizeof(text) - 1);
    if (n < 0)
        return sw_err_errno(err, errno, "read %s/member", d->path);
    if (n > 0) {
        owner = strtoull(text, NULL, 10);
        if (member != 0 && owner != member)
            return sw_err_set(err, SW_E_CONFLICT,
                              "%s belongs to raft member %" PRIu64 ", not to %" PRIu64, d->path,
                              owner, member);
        return 0;
    }
    if (member == 0)
        return 0;
    len = snprintf(text, sizeof(text), "%" PRIu64 "\n", member);
    if (write(fd, text, (size_t)len) != len || fdatasync(fd) < 0)
        return sw_err_errno(err, errno, "write %s/member", d->path);
    return 0;
}

static int load_mark(struct cons_dir *d, struct sw_err *err)
{
    uint8_t b[MARK_SIZE];
    ssize_t n;

    d->mark_fd = open_in(d, "mark", err);
    if (d->mark_fd < 0)
        return err->code;
    n = pread(d->mark_fd, b, sizeof(b), 0);
    if (n < 0)
        return sw_err_errno(err, errno, "read %s/mark", d->path);
    if (n == sizeof(b) && cons_get_u64(b) == MARK_MAGIC &&
        cons_get_u64(b + 24) == cons_chain_next(MARK_MAGIC, 0, b, 24)) {
        d->mark_index = cons_get_u64(b + 8);
        d->mark_term = cons_get_u64(b + 16);
    } else if (n > 0) {
        log_warn("raft mark unreadable, lost entries will not be noticed this time dir=%s",
                 d->path);
    }
    return 0;
}

int cons_dir_open(struct cons_dir *d, const char *path, uint64_t member, struct sw_err *err)
{
    struct statfs fs;
    int r;

    cons_dir_init(d);
    if (strlen(path) >= sizeof(d->path))
        return sw_err_set(err, -ENAMETOOLONG, "raft directory %s", path);
    (void)snprintf(d->path, sizeof(d->path), "%s", path);
    (void)snprintf(d->log, sizeof(d->log), "%s/log", path);
    r = make_dir(d->path, err);
    if (r < 0)
        return r;
    if (statfs(d->path, &fs) < 0)
        return sw_err_errno(err, errno, "statfs %s", d->path);
    r = cons_dir_fs_verdict((long)fs.f_type, d->path, err);
    if (r < 0)
        return r;
    r = lock(d, err);
    if (r < 0)
        return r;
    r = check_member(d, member, err);
    if (r < 0)
        return r;
    r = make_dir(d->log, err);
    if (r < 0)
        return r;
    return load_mark(d, err);
}

void cons_dir_close(struct cons_dir *d)
{
    if (d->mark_fd >= 0)
        close(d->mark_fd);
    if (d->lock_fd >= 0)
        close(d->lock_fd); /* releases the lock */
    cons_dir_init(d);
}

bool cons_dir_is_used(const char *path)
{
    char log[CONS_PATH_MAX + 8];
    const struct dirent *e;
    bool used = false;
    DIR *dir;

    (void)snprintf(log, sizeof(log), "%s/log", path);
    dir = opendir(log);
    if (dir == NULL)
        return false;
    while (!used && (e = readdir(dir)) != NULL)
        used = strncmp(e->d_name, "metadata", 8) == 0;
    closedir(dir);
    return used;
}

int cons_dir_reserve(struct cons_dir *d, size_t bytes, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    int e;

    d->reserve_bytes = bytes;
    if (bytes == 0)
        return 0;
    fd = open_in(d, "reserve", err);
    if (fd < 0)
        return err->code;
    e = posix_fallocate(fd, 0, (off_t)bytes);
    if (e == 0)
        return 0;
    cons_dir_release_reserve(d); /* half a reserve would fill the disk for nothing */
    if (e == ENOSPC)
        return sw_err_set(err, SW_E_EXHAUSTED, "%s: less than %zu bytes of disk space left",
                          d->path, bytes);
    return sw_err_errno(err, e, "reserve disk space in %s", d->path);
}

void cons_dir_release_reserve(struct cons_dir *d)
{
    char path[CONS_PATH_MAX + 16];

    (void)snprintf(path, sizeof(path), "%s/reserve", d->path);
    if (unlink(path) < 0 && errno != ENOENT)
        log_warn("cannot release reserved disk space file=%s error=%s", path, strerror(errno));
}

bool cons_dir_is_low(const struct cons_dir *d)
{
    struct statvfs v;

    if (d->reserve_bytes == 0 || statvfs(d->path, &v) < 0)
        return false;
    return (uint64_t)v.f_bavail * v.f_frsize < d->reserve_bytes;
}

static int write_mark(struct cons_dir *d, uint64_t index, uint64_t term)
{
    uint8_t b[MARK_SIZE];

    cons_put_u64(b, MARK_MAGIC);
    cons_put_u64(b + 8, index);
    cons_put_u64(b + 16, term);
    cons_put_u64(b + 24, cons_chain_next(MARK_MAGIC, 0, b, 24));
    d->mark_index = index;
    d->mark_term = term;
    return pwrite(d->mark_fd, b, sizeof(b), 0) == sizeof(b) ? 0 : -errno;
}

void cons_dir_mark(struct cons_dir *d, uint64_t index, uint64_t term)
{
    if (index > d->mark_index || term != d->mark_term)
        (void)write_mark(d, index, term); /* a lost mark only weakens the check */
}

int cons_dir_mark_lower(struct cons_dir *d, uint64_t index, struct sw_err *err)
{
    int r;

    if (index >= d->mark_index)
        return 0;
    r = write_mark(d, index, 0); /* term unknown: not compared */
    if (r == 0 && fdatasync(d->mark_fd) < 0)
        r = -errno;
    if (r < 0)
        return sw_err_errno(err, -r, "write %s/mark", d->path);
    return 0;
}
