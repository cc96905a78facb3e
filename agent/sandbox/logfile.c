/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the log's integers are stored as they are in memory"
#endif

void logfile_name(unsigned n, char out[LOGFILE_NAME_MAX])
{
    if (n == 0)
        (void)snprintf(out, LOGFILE_NAME_MAX, "log");
    else
        (void)snprintf(out, LOGFILE_NAME_MAX, "log.%u", n);
}

long logfile_check(const uint8_t *p, size_t len, struct logfile_head *head)
{
    struct logfile_head h;
    uint32_t again;
    size_t whole;

    if (len < sizeof(h))
        return 0;
    memcpy(&h, p, sizeof(h));
    if (h.magic != LOGFILE_MAGIC || h.len == 0 || h.len > LOGFILE_DATA_MAX || h.stream < 1 ||
        h.stream > 2)
        return -1;
    whole = sizeof(h) + h.len + LOGFILE_TAIL;
    if (len < whole)
        return 0;
    memcpy(&again, p + sizeof(h) + h.len, sizeof(again));
    if (again != h.len)
        return -1;
    *head = h;
    return (long)whole;
}

/* Length of the run of whole records, for a file whose last write was cut off. */
static uint64_t whole_size(int fd, uint64_t size)
{
    struct logfile_head h;
    uint32_t tail;
    uint64_t at = 0;

    /* The usual case first: the last record is whole. */
    if (size > sizeof(h) + LOGFILE_TAIL &&
        pread(fd, &tail, sizeof(tail), (off_t)(size - sizeof(tail))) == sizeof(tail) && tail > 0 &&
        tail <= LOGFILE_DATA_MAX && size >= sizeof(h) + tail + LOGFILE_TAIL &&
        pread(fd, &h, sizeof(h), (off_t)(size - LOGFILE_TAIL - tail - sizeof(h))) == sizeof(h) &&
        h.magic == LOGFILE_MAGIC && h.len == tail)
        return size;
    while (at + sizeof(h) <= size && pread(fd, &h, sizeof(h), (off_t)at) == sizeof(h)) {
        uint64_t next = at + sizeof(h) + h.len + LOGFILE_TAIL;

        if (h.magic != LOGFILE_MAGIC || h.len == 0 || h.len > LOGFILE_DATA_MAX || next > size)
            break;
        at = next;
    }
    return at;
}

int logfile_open(struct logfile *l, int dir, uint64_t bytes, unsigned files, struct sw_err *err)
{
    struct stat st;
    uint64_t whole;
    int fd = openat(dir, "log", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd < 0 || fstat(fd, &st) < 0) {
        int e = errno;

        if (fd >= 0)
            (void)close(fd);
        return sw_err_errno(err, e, "open log");
    }
    whole = whole_size(fd, (uint64_t)st.st_size);
    if (whole != (uint64_t)st.st_size && ftruncate(fd, (off_t)whole) < 0) {
        int e = errno;

        (void)close(fd);
        return sw_err_errno(err, e, "mend log");
    }
    *l = (struct logfile){ .dir = dir, .fd = fd, .size = whole, .bytes = bytes, .files = files };
    return 0;
}

static void rotate(struct logfile *l)
{
    char from[LOGFILE_NAME_MAX];
    char to[LOGFILE_NAME_MAX];
    int fd;

    for (unsigned n = l->files - 1; n > 0; n--) {
        logfile_name(n - 1, from);
        logfile_name(n, to);
        (void)renameat(l->dir, from, l->dir, to);
    }
    if (l->files == 1)
        (void)unlinkat(l->dir, "log", 0);
    fd = openat(l->dir, "log", O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return; /* no room for a new inode: the old file grows on */
    (void)close(l->fd);
    l->fd = fd;
    l->size = 0;
}

void logfile_write(struct logfile *l, unsigned stream, unsigned flags, int64_t ns, const void *p,
                   size_t len)
{
    struct logfile_head h = { .magic = LOGFILE_MAGIC,
                              .stream = (uint8_t)stream,
                              .flags = (uint8_t)flags,
                              .len = (uint32_t)len,
                              .ns = ns };
    struct iovec iov[3] = { { &h, sizeof(h) },
                            { (void *)(uintptr_t)p, len },
                            { &h.len, LOGFILE_TAIL } };
    size_t whole = sizeof(h) + len + LOGFILE_TAIL;
    ssize_t n;

    if (l->fd < 0)
        return;
    if (l->size > 0 && l->size + whole > l->bytes)
        rotate(l);
    n = pwritev(l->fd, iov, 3, (off_t)l->size);
    /* a part of a record, for want of room, is overwritten by the next or cut off by rotation */
    if (n == (ssize_t)whole || (n > 0 && ftruncate(l->fd, (off_t)l->size) < 0))
        l->size += (uint64_t)n;
}

void logfile_close(struct logfile *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}
