/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/log_seek.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sandbox/container.h"
#include "agent/sandbox/logfile.h"
#include "common/base/alloc.h"

#define LOG_FILES_MAX 1000

bool log_wanted(const struct container_log_options *o, const struct logfile_head *h)
{
    return (h->stream == 2 ? o->err : o->out) && h->ns >= o->since_ns;
}

static int open_file(int dir, unsigned n)
{
    char name[LOGFILE_NAME_MAX];
    int fd;

    logfile_name(n, name);
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int open_oldest(int dir)
{
    int fd = open_file(dir, 0);

    for (unsigned n = 1; fd >= 0 && n < LOG_FILES_MAX; n++) {
        int older = open_file(dir, n);

        if (older < 0)
            break;
        (void)close(fd);
        fd = older;
    }
    return fd;
}

int log_younger(int dir, int fd)
{
    struct stat mine;
    struct stat st;
    int younger = -ENOENT;

    if (fstat(fd, &mine) < 0)
        return -errno;
    /* Which of the files is ours? The one before it is next. Files are renamed meanwhile, always
     * upwards: look again from the start until two looks agree is not needed, as a name that has
     * just been taken over only makes us come back. */
    for (unsigned n = 0; n < LOG_FILES_MAX; n++) {
        int other = open_file(dir, n);

        if (other < 0)
            break;
        if (fstat(other, &st) == 0 && st.st_ino == mine.st_ino && st.st_dev == mine.st_dev) {
            (void)close(other);
            return younger;
        }
        if (younger >= 0)
            (void)close(younger);
        younger = other;
    }
    return younger; /* ours was dropped: the oldest that is left */
}

static uint64_t count_lines(const uint8_t *p, const struct logfile_head *h)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < h->len; i++)
        n += p[i] == '\n';
    return n + (p[h->len - 1] != '\n' && (h->flags & LOGFILE_PARTIAL) == 0);
}

/* The record that ends at *@end. Return: 0 and *@end at its start; -ENOENT at the file's start. */
static int step_back(int fd, uint64_t *end, struct logfile_head *h, uint8_t *data)
{
    uint64_t start;
    uint32_t len;

    if (*end < sizeof(*h) + LOGFILE_TAIL + 1 ||
        pread(fd, &len, sizeof(len), (off_t)(*end - LOGFILE_TAIL)) != sizeof(len) || len == 0 ||
        len > LOGFILE_DATA_MAX || *end < sizeof(*h) + len + LOGFILE_TAIL)
        return -ENOENT;
    start = *end - sizeof(*h) - len - LOGFILE_TAIL;
    if (pread(fd, h, sizeof(*h), (off_t)start) != sizeof(*h) || h->magic != LOGFILE_MAGIC ||
        h->len != len || pread(fd, data, len, (off_t)(start + sizeof(*h))) != (ssize_t)len)
        return -ENOENT;
    *end = start;
    return 0;
}

/* Goes back in one file until @o->tail lines are counted. Return: 1 when they are. */
static int tail_in(int fd, const struct container_log_options *o, uint8_t *data, uint64_t *lines,
                   uint64_t *at)
{
    struct logfile_head h;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *at = (uint64_t)st.st_size;
    while (*lines < (uint64_t)o->tail) {
        if (step_back(fd, at, &h, data) < 0)
            return 0;
        if (log_wanted(o, &h) && (o->until_ns == 0 || h.ns <= o->until_ns))
            *lines += count_lines(data, &h);
    }
    return 1;
}

static int seek_tail(int dir, const struct container_log_options *o, int *out, uint64_t *at,
                     uint64_t *skip)
{
    SW_CLEANUP(sw_free_ptr) uint8_t *data = sw_malloc(LOGFILE_DATA_MAX);
    uint64_t lines = 0;
    int fd = open_file(dir, 0);
    int r;

    if (data == NULL || fd < 0) {
        if (fd >= 0)
            (void)close(fd);
        return data == NULL ? -ENOMEM : fd;
    }
    for (unsigned n = 1;; n++) {
        int older;

        r = tail_in(fd, o, data, &lines, at);
        if (r != 0)
            break;
        older = n < LOG_FILES_MAX ? open_file(dir, n) : -ENOENT;
        if (older < 0) { /* all of it is less than asked for */
            *at = 0;
            break;
        }
        (void)close(fd);
        fd = older;
    }
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    *skip = lines > (uint64_t)o->tail ? lines - (uint64_t)o->tail : 0;
    *out = fd;
    return 0;
}

int log_seek(int dir, const struct container_log_options *o, int *fd, uint64_t *at, uint64_t *skip)
{
    int r;

    *skip = 0;
    if (o->tail >= 0)
        return seek_tail(dir, o, fd, at, skip);
    r = open_oldest(dir);
    if (r < 0)
        return r;
    *fd = r;
    *at = 0;
    return 0;
}
