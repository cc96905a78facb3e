/* SPDX-License-Identifier: Apache-2.0
 * logfile.h - the form of a container's log on disk; written by the shim, read by the agent.
 *
 * A bundle holds "log" and the older "log.1" .. "log.<n-1>". A file is a run of records:
 *
 *   struct logfile_head (16 bytes), @len bytes of output, @len again (4 bytes, little endian)
 *
 * A record holds whole lines of one stream as they were read at one time; only a line longer than
 * LOGFILE_DATA_MAX, or the last of a stream, ends without '\n'. The length behind lets a reader
 * go backwards. A record never spans two files. What a crash cut off at the end is not read and the
 * next writer removes it. Integers are little endian. */
#ifndef SWARM_AGENT_SANDBOX_LOGFILE_H
#define SWARM_AGENT_SANDBOX_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define LOGFILE_MAGIC    0x6c53 /* "Sl" */
#define LOGFILE_DATA_MAX 16384
#define LOGFILE_TAIL     4
#define LOGFILE_NAME_MAX 24

struct logfile_head {
    uint16_t magic;
    uint8_t stream; /* 1 stdout, 2 stderr */
    uint8_t flags;  /* LOGFILE_PARTIAL */
    uint32_t len;   /* 1 .. LOGFILE_DATA_MAX */
    int64_t ns;     /* CLOCK_REALTIME */
};
_Static_assert(sizeof(struct logfile_head) == 16, "on-disk form");

#define LOGFILE_PARTIAL 1 /* the line goes on in the next record of this stream */

/** logfile_name() - "log" for 0, "log.3" for 3. */
void logfile_name(unsigned n, char out[LOGFILE_NAME_MAX]);

struct logfile {
    int dir;        /* bundle; borrowed */
    int fd;         /* -1: no log is kept */
    uint64_t size;  /* of the current file */
    uint64_t bytes; /* limit of one file */
    unsigned files; /* how many are kept, this one included */
};

/**
 * logfile_open() - continue the log of a bundle
 * @dir: descriptor of the bundle, borrowed until logfile_close()
 * Return: 0 or -errno.
 */
int logfile_open(struct logfile *l, int dir, uint64_t bytes, unsigned files, struct sw_err *err);
/** logfile_write() - append one record, starting a new file when the limit is reached. Failures
 * (disk full) lose the record, never the container. @len 1 .. LOGFILE_DATA_MAX. */
void logfile_write(struct logfile *l, unsigned stream, unsigned flags, int64_t ns, const void *p,
                   size_t len);
void logfile_close(struct logfile *l);

/**
 * logfile_check() - is there a whole record at the start of @p?
 * @head: filled when there is one
 * Return: its length in bytes with head and tail; 0: more bytes are needed; -1: no record.
 */
long logfile_check(const uint8_t *p, size_t len, struct logfile_head *head);

#endif
