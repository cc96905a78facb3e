/* SPDX-License-Identifier: Apache-2.0
 * container_log.c - reading a container's log: from the start or the last lines, and onwards.
 *
 * How it works. A worker thread reads one block of records at a time and splits them into lines;
 * the loop hands them out. At the end of a file the reader looks which file it is in now: when
 * "log" has become another inode the one it holds was renamed, and it goes on in the next younger
 * one. With follow it then waits for the bundle to change (inotify), and ends when the file "exit"
 * is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "agent/sandbox/container.h"
#include "agent/sandbox/host.h"
#include "agent/sandbox/log_seek.h"
#include "agent/sandbox/logfile.h"
#include "agent/sandbox/wire.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"

#define LOG_BLOCK (4 * (LOGFILE_DATA_MAX + 64))
#define LOG_POLL_MS                                                                                \
    1000 /* a change that inotify does not tell, e.g. when it has no watches left                  \
          */

enum log_state { LOG_IDLE, LOG_READING, LOG_WAITING, LOG_CLOSED, LOG_STATES };

static const struct sw_state states[] = {
    [LOG_IDLE] = { "idle", SW_BIT(LOG_READING) | SW_BIT(LOG_CLOSED) },
    [LOG_READING] = { "reading", SW_BIT(LOG_IDLE) | SW_BIT(LOG_WAITING) | SW_BIT(LOG_CLOSED) },
    [LOG_WAITING] = { "waiting", SW_BIT(LOG_READING) | SW_BIT(LOG_CLOSED) },
    [LOG_CLOSED] = { "closed", 0 },
};
_Static_assert(SW_ARRAY_LEN(states) == LOG_STATES, "one row per state");

struct container_log {
    uv_work_t work;
    uv_fs_event_t watch;
    uv_timer_t poll;
    struct uv_loop_s *loop;
    enum log_state state;
    bool working; /* the worker uses what follows */
    int open_handles;
    bool changed; /* while the worker was reading */
    char *bundle;
    struct container_log_options opts;
    void (*batch)(struct container_log *, int, const struct container_log_entry *, size_t, void *);
    void *data;

    /* the worker's */
    int dir, fd; /* fd -1: not begun, or no file yet */
    uint64_t at;
    uint64_t skip; /* lines */
    bool begun, at_end, finished;
    bool cut[3]; /* the stream's last record was partial */
    uint8_t *block;
    struct container_log_entry *entries;
    size_t entries_len, entries_cap;
    int status;
};

/* ---- on the worker ---- */

static int add_entry(struct container_log *l, const struct logfile_head *h, const uint8_t *p,
                     size_t len, bool partial)
{
    struct container_log_entry *e;

    if (l->entries_len == l->entries_cap) {
        size_t cap = l->entries_cap != 0 ? 2 * l->entries_cap : 64;
        void *more = sw_realloc(l->entries, cap * sizeof(*l->entries));

        if (more == NULL)
            return -ENOMEM;
        l->entries = more;
        l->entries_cap = cap;
    }
    e = &l->entries[l->entries_len++];
    *e = (struct container_log_entry){ .stream =
                                           h->stream == 2 ? CONTAINER_STDERR : CONTAINER_STDOUT,
                                       .ns = h->ns,
                                       .p = p,
                                       .len = len,
                                       .partial = partial,
                                       .continued = l->cut[h->stream] };
    l->cut[h->stream] = partial;
    return 0;
}

/* One record into its lines. */
static int split(struct container_log *l, const struct logfile_head *h, const uint8_t *p)
{
    size_t left = h->len;

    if (!log_wanted(&l->opts, h))
        return 0;
    if (l->opts.until_ns != 0 && h->ns > l->opts.until_ns) {
        l->finished = true;
        return 0;
    }
    while (left > 0) {
        const uint8_t *nl = memchr(p, '\n', left);
        size_t n = nl != NULL ? (size_t)(nl - p) + 1 : left;
        bool partial = nl == NULL && (h->flags & LOGFILE_PARTIAL) != 0;
        int r = 0;

        if (l->skip == 0)
            r = add_entry(l, h, p, n, partial);
        else
            l->skip -= !partial;
        if (r < 0)
            return r;
        p += n;
        left -= n;
    }
    return 0;
}

static int next_file(struct container_log *l)
{
    int fd = log_younger(l->dir, l->fd);

    if (fd < 0)
        return fd;
    (void)close(l->fd);
    l->fd = fd;
    l->at = 0;
    return 0;
}

/* Fills entries from one block. Sets at_end when there is no more for now. */
static int read_block(struct container_log *l)
{
    ssize_t n = pread(l->fd, l->block, LOG_BLOCK, (off_t)l->at);
    size_t used = 0;
    int r = 0;

    if (n < 0)
        return -errno;
    while (r == 0 && !l->finished) {
        struct logfile_head h;
        long len = logfile_check(l->block + used, (size_t)n - used, &h);

        if (len < 0) { /* damaged: what follows in this file cannot be told from noise */
            struct stat st;

            if (fstat(l->fd, &st) == 0)
                l->at = (uint64_t)st.st_size;
            return used > 0 ? 0 : 1;
        }
        if (len == 0)
            break;
        r = split(l, &h, l->block + used + sizeof(h));
        used += (size_t)len;
        l->at += (size_t)len;
    }
    return r < 0 ? r : used > 0 ? 0 : 1;
}

static int read_more(struct container_log *l)
{
    /* the state of "exit" before the read: what is written before it is then seen */
    bool ended = faccessat(l->dir, WIRE_EXIT, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int r;

    if (!l->begun) {
        r = log_seek(l->dir, &l->opts, &l->fd, &l->at, &l->skip);
        if (r < 0 && r != -ENOENT)
            return r;
        l->begun = r == 0;
    }
    while (l->begun && l->entries_len == 0 && !l->finished) {
        r = read_block(l);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        r = next_file(l);
        if (r == -ENOENT)
            break;
        if (r < 0)
            return r;
    }
    l->at_end = l->entries_len == 0;
    if (l->at_end && (ended || !l->opts.follow))
        l->finished = true;
    return 0;
}

static void log_work(uv_work_t *req)
{
    struct container_log *l = req->data;

    l->entries_len = 0;
    l->at_end = false;
    if (l->block == NULL)
        l->block = sw_malloc(LOG_BLOCK);
    l->status = l->block == NULL ? -ENOMEM : l->finished ? 0 : read_more(l);
}

/* ---- on the loop ---- */

static void log_go(struct container_log *l, enum log_state next)
{
    if ((states[l->state].next & SW_BIT(next)) == 0)
        __builtin_trap();
    l->state = next;
}

static void log_destroy(struct container_log *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    if (l->dir >= 0)
        (void)close(l->dir);
    sw_free(l->block);
    sw_free(l->entries);
    sw_free(l->bundle);
    sw_free(l);
}

static void on_closed(uv_handle_t *h)
{
    struct container_log *l = h->data;

    if (--l->open_handles == 0 && !l->working)
        log_destroy(l);
}

static void log_after(uv_work_t *req, int status);

static void log_read(struct container_log *l)
{
    log_go(l, LOG_READING);
    l->changed = false;
    l->working = true;
    (void)uv_queue_work(l->loop, &l->work, log_work, log_after);
}

static void wake(struct container_log *l)
{
    l->changed = true;
    if (l->state != LOG_WAITING)
        return;
    (void)uv_timer_stop(&l->poll);
    log_read(l);
}

static void on_change(uv_fs_event_t *h, const char *name, int events, int status)
{
    (void)events;
    (void)status;
    if (name == NULL || strncmp(name, "log", 3) == 0 || strcmp(name, WIRE_EXIT) == 0)
        wake(h->data);
}

static void on_timer(uv_timer_t *t)
{
    wake(t->data);
}

static void log_after(uv_work_t *req, int status)
{
    struct container_log *l = req->data;

    (void)status;
    l->working = false;
    if (l->state == LOG_CLOSED) {
        if (l->open_handles == 0)
            log_destroy(l);
        return;
    }
    if (l->status == 0 && l->entries_len == 0 && !l->finished) {
        if (l->changed) {
            log_go(l, LOG_WAITING);
            log_read(l);
            return;
        }
        log_go(l, LOG_WAITING);
        (void)uv_timer_start(&l->poll, on_timer, LOG_POLL_MS, 0);
        return;
    }
    log_go(l, LOG_IDLE);
    l->batch(l, l->status, l->entries, l->status < 0 ? 0 : l->entries_len, l->data);
}

int container_log_open(struct container_log **out, struct container_host *host, const char *bundle,
                       const struct container_log_options *opts, struct sw_err *err)
{
    struct container_log *l = sw_calloc(1, sizeof(*l));

    if (l == NULL)
        return sw_err_set(err, -ENOMEM, "open log");
    l->loop = host->loop;
    l->opts = *opts;
    l->fd = -1;
    l->work.data = l;
    l->bundle = sw_strdup(bundle);
    l->dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->bundle == NULL || l->dir < 0) {
        int r = l->bundle == NULL ? sw_err_set(err, -ENOMEM, "open log")
                                  : sw_err_errno(err, errno, "open log of '%s'", bundle);

        log_destroy(l);
        return r;
    }
    (void)uv_fs_event_init(l->loop, &l->watch);
    (void)uv_timer_init(l->loop, &l->poll);
    l->watch.data = l->poll.data = l;
    l->open_handles = 2;
    if (opts->follow)
        (void)uv_fs_event_start(&l->watch, on_change, bundle, 0);
    *out = l;
    return 0;
}

void container_log_next(struct container_log *l,
                        void (*batch)(struct container_log *log, int status,
                                      const struct container_log_entry *entries, size_t n,
                                      void *data),
                        void *data)
{
    l->batch = batch;
    l->data = data;
    log_read(l);
}

void container_log_close(struct container_log *l)
{
    if (l == NULL)
        return;
    log_go(l, LOG_CLOSED);
    uv_close((uv_handle_t *)&l->watch, on_closed);
    uv_close((uv_handle_t *)&l->poll, on_closed);
}
