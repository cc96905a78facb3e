/* SPDX-License-Identifier: Apache-2.0
 * io.c - the struct raft_io libraft sees: the disk half with our functions in front.
 *
 * Every write passes here, which keeps track of the log's end (log.h), its configurations (conf.h)
 * and what is known to be stored (dir.h), and makes every failure fatal (G5). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"
#include "manager/consensus/entry.h"

struct write { /* an append under way */
    struct consensus *c;
    struct raft_io_append req; /* the disk half's */
    struct raft_io_append *orig;
    uint64_t term;       /* current when submitted (G3) */
    uint64_t last_index; /* of its last entry */
    uint64_t last_term;
    uint64_t cuts; /* truncations seen when submitted */
};

struct put { /* a snapshot being written */
    struct consensus *c;
    struct raft_io_snapshot_put req;
    struct raft_io_snapshot_put *orig;
    bool install;
    uint64_t index;
};

static struct consensus *self(struct raft_io *io)
{
    const struct raft *r = io->data;

    return r->data;
}

/* G5. libraft would truncate its memory and go on. */
static void disk_failed(struct consensus *c, int code, const char *what)
{
    if (!cons_guard_on(c, 5) || code == RAFT_CANCELED)
        return;
    if (!c->failed) {
        cons_guard_hit(c, 5);
        if (c->has_dir && strstr(c->disk->errmsg, "No space") != NULL)
            cons_dir_release_reserve(&c->dir);
    }
    cons_fatal(c, -EIO, "%s: %s (%s)", what, c->disk->errmsg, raft_strerror(code));
}

static int checked(struct consensus *c, int code, const char *what)
{
    if (code != 0) {
        (void)snprintf(c->io.errmsg, sizeof(c->io.errmsg), "%s", c->disk->errmsg);
        disk_failed(c, code, what);
    }
    return code;
}

/* ---- start ------------------------------------------------------------------------------- */

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    struct consensus *c = self(io);

    return c->disk->init(c->disk, id, address);
}

/* What the log held when it was last written must still be there (G8 and any other loss). */
static int check_mark(struct consensus *c, uint64_t start, const struct raft_entry *entries,
                      size_t n)
{
    const struct cons_dir *d = &c->dir;
    uint64_t last = start + n - 1;

    if (!c->has_dir || d->mark_index == 0 || !cons_guard_on(c, 8))
        return 0;
    if (d->mark_index > last) {
        cons_guard_hit(c, 8);
        cons_fatal(c, SW_E_CORRUPT,
                   "%s: the raft log ends at entry %" PRIu64 ", but entries up to %" PRIu64
                   " had been stored",
                   d->path, last, d->mark_index);
        return RAFT_CORRUPT;
    }
    if (d->mark_term != 0 && d->mark_index >= start &&
        entries[d->mark_index - start].term != d->mark_term) {
        cons_guard_hit(c, 8);
        cons_fatal(c, SW_E_CORRUPT, "%s: raft log entry %" PRIu64 " is not the one stored", d->path,
                   d->mark_index);
        return RAFT_CORRUPT;
    }
    return 0;
}

/* Follow one entry that is in the log at @index. */
static int note_entry(struct consensus *c, uint64_t index, const struct raft_entry *e,
                      struct sw_err *err)
{
    struct cons_entry head;
    int r;

    c->log.last_term = e->term;
    if (e->type == RAFT_CHANGE)
        return cons_history_push(&c->history, index, e->buf.base, e->buf.len, err);
    if (e->type != RAFT_COMMAND)
        return 0;
    r = cons_entry_decode(e->buf.base, e->buf.len, &head, err);
    if (r < 0)
        return r;
    if (head.index != index)
        return sw_err_set(err, SW_E_CORRUPT,
                          "raft log entry %" PRIu64 " was written as entry %" PRIu64, index,
                          head.index);
    r = cons_log_push(&c->log, index, head.chain);
    return r < 0 ? sw_err_set(err, r, "follow the raft log") : 0;
}

/* libraft forgets what a failed load() returned. */
static void free_loaded(struct raft_snapshot **snapshot, struct raft_entry *entries[], size_t *n)
{
    const void *batch = NULL;

    for (size_t i = 0; i < *n; i++) {
        struct raft_entry *e = &(*entries)[i];

        if (e->batch == NULL)
            raft_free(e->buf.base);
        else if (e->batch != batch)
            raft_free(e->batch);
        batch = e->batch;
    }
    raft_free(*entries);
    *entries = NULL;
    *n = 0;
    if (*snapshot == NULL)
        return;
    raft_configuration_close(&(*snapshot)->configuration);
    raft_free((*snapshot)->bufs[0].base);
    raft_free((*snapshot)->bufs);
    raft_free(*snapshot);
    *snapshot = NULL;
}

/* Loaded entries lie in a buffer as large as their segment's file, 8 MB and mostly empty, which
 * stays as long as one of them. Copied they take what they are. */
static int unbatch(struct raft_entry *entries, size_t n)
{
    size_t i = 0;

    while (i < n) {
        void *batch = entries[i].batch;
        size_t end = i;

        while (batch != NULL && end < n && entries[end].batch == batch)
            end++;
        for (size_t k = i; k < end; k++) {
            void *copy = raft_malloc(entries[k].buf.len);

            if (copy == NULL) {
                for (size_t undo = i; undo < k; undo++)
                    raft_free(entries[undo].buf.base);
                return RAFT_NOMEM; /* the batch is still there to be freed */
            }
            memcpy(copy, entries[k].buf.base, entries[k].buf.len);
            entries[k].buf.base = copy;
        }
        for (size_t k = i; k < end; k++)
            entries[k].batch = NULL;
        raft_free(batch);
        i = SW_MAX(end, i + 1);
    }
    return 0;
}

static int note_loaded(struct consensus *c, const struct raft_snapshot *snapshot, uint64_t start,
                       const struct raft_entry *entries, size_t n)
{
    uint64_t base = 0;
    struct sw_err err;
    int r;

    if (snapshot != NULL) {
        base = snapshot->index;
        if (cons_history_reset(&c->history, snapshot->configuration_index,
                               &snapshot->configuration) < 0)
            return RAFT_NOMEM;
        c->snap.last_index = base;
        c->log.last_term = snapshot->term;
    }
    r = check_mark(c, start, entries, n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (start + i <= base)
            continue; /* trailing entries: the snapshot has them */
        if (note_entry(c, start + i, &entries[i], &err) < 0) {
            cons_fatal(c, err.code, "%s", err.msg);
            r = RAFT_CORRUPT;
        }
    }
    c->log.next_index = start + n;
    return r;
}

static int io_load(struct raft_io *io, raft_term *term, raft_id *voted_for,
                   struct raft_snapshot **snapshot, raft_index *start, struct raft_entry *entries[],
                   size_t *n)
{
    struct consensus *c = self(io);
    struct sw_err why;
    int r;

    r = c->disk->load(c->disk, term, voted_for, snapshot, start, entries, n);
    if (r != 0) {
        (void)cons_dir_explain(r, c->disk->errmsg, c->has_dir ? c->dir.path : "raft log", &why);
        cons_fatal(c, why.code, "%s", why.msg);
        return r;
    }
    r = unbatch(*entries, *n);
    if (r == 0)
        r = note_loaded(c, *snapshot, *start, *entries, *n);
    if (r != 0)
        free_loaded(snapshot, entries, n);
    return r;
}

static void on_tick(struct raft_io *disk)
{
    struct consensus *c = self(disk);

    cons_tick(c);
}

static void on_recv(struct raft_io *disk, struct raft_message *m)
{
    (void)disk; /* the disk half's network is never used */
    (void)m;
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct consensus *c = self(io);

    c->tick = tick;
    c->recv = recv;
    return checked(c, c->disk->start(c->disk, msecs, on_tick, on_recv), "start the raft log");
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    struct consensus *c = self(io);

    return c->disk->bootstrap(c->disk, conf);
}

static int io_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    struct consensus *c = self(io);

    return c->disk->recover(c->disk, conf);
}

/* ---- term and vote ------------------------------------------------------------------------- */

static int io_set_term(struct raft_io *io, raft_term term)
{
    struct consensus *c = self(io);

    return checked(c, c->disk->set_term(c->disk, term), "store the raft term");
}

static int io_set_vote(struct raft_io *io, raft_id id)
{
    struct consensus *c = self(io);

    return checked(c, c->disk->set_vote(c->disk, id), "store the raft vote");
}

/* ---- the log ------------------------------------------------------------------------------- */

static void on_written(struct raft_io_append *req, int status)
{
    struct write *w = req->data;
    struct consensus *c = w->c;

    c->guard.writes--;
    if (status != 0)
        disk_failed(c, status, "write the raft log");
    else if (c->has_dir && w->cuts == c->log.cuts)
        cons_dir_mark(&c->dir, w->last_index, w->last_term);
    c->guard.stale_ack = w->term != c->raft.current_term;
    /* A failure makes libraft truncate its memory, which crashes when a second write fails, as at
     * every close under load. Failed or closing nothing leaves this member any more: neither
     * messages (out.c) nor applied entries (fsm.c), so that it may as well believe in success. */
    if (c->failed || c->closing)
        status = 0;
    w->orig->cb(w->orig, status);
    c->guard.stale_ack = false;
    sw_free(w);
    cons_react(c);
}

static int io_append(struct raft_io *io, struct raft_io_append *req,
                     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct consensus *c = self(io);
    struct write *w = sw_calloc(1, sizeof(*w));
    struct sw_err err;
    int r;

    if (w == NULL)
        return checked(c, RAFT_NOMEM, "write the raft log");
    for (unsigned i = 0; i < n; i++) {
        if (entries[i].buf.len % 8 != 0 && cons_guard_on(c, 8))
            cons_fatal(c, SW_E_INTERNAL, "raft entry of %zu bytes", entries[i].buf.len);
        if (note_entry(c, c->log.next_index + i, &entries[i], &err) < 0)
            cons_fatal(c, err.code, "%s", err.msg);
    }
    if (c->failed) {
        sw_free(w);
        return RAFT_IOERR;
    }
    req->cb = cb;
    c->log.next_index += n;
    *w = (struct write){ .c = c, .orig = req, .term = c->raft.current_term };
    w->last_index = c->log.next_index - 1;
    w->last_term = entries[n - 1].term;
    w->cuts = c->log.cuts;
    w->req.data = w;
    c->guard.writes++;
    r = c->disk->append(c->disk, &w->req, entries, n, on_written);
    if (r != 0) {
        c->guard.writes--;
        sw_free(w);
    }
    return checked(c, r, "write the raft log");
}

/* G6: libraft keeps one configuration; the one it must return to is in the history. */
static void restore_configuration(struct consensus *c)
{
    const struct cons_conf *last = cons_history_last(&c->history);
    struct raft_configuration copy;

    raft_configuration_init(&copy);
    if (last != NULL && cons_conf_copy(&last->c, &copy) < 0) {
        cons_fatal(c, -ENOMEM, "restore raft configuration");
        return;
    }
    raft_configuration_close(&c->raft.configuration);
    c->raft.configuration = copy;
    c->raft.configuration_uncommitted_index = 0;
    cons_guard_hit(c, 6);
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    struct consensus *c = self(io);
    struct sw_err err;

    if (c->has_dir && cons_dir_mark_lower(&c->dir, index - 1, &err) < 0)
        cons_fatal(c, err.code, "%s", err.msg);
    cons_log_truncate(&c->log, index);
    if (cons_history_truncate(&c->history, index) && cons_guard_on(c, 6))
        restore_configuration(c);
    return checked(c, c->disk->truncate(c->disk, index), "truncate the raft log");
}

/* ---- snapshots ----------------------------------------------------------------------------- */

static void on_put(struct raft_io_snapshot_put *req, int status)
{
    struct put *p = req->data;
    struct consensus *c = p->c;

    if (status != 0)
        disk_failed(c, status, "write a raft snapshot");
    if (p->install)
        c->guard.installing = false;
    p->orig->cb(p->orig, status);
    if (status == 0)
        cons_fsm_snapshot_stored(c, p->index);
    sw_free(p);
    cons_react(c);
}

/* The whole log will be replaced by a received snapshot. */
static int prepare_install(struct consensus *c, const struct raft_snapshot *s)
{
    struct sw_err err;

    if (c->has_dir && cons_dir_mark_lower(&c->dir, s->index, &err) < 0) {
        cons_fatal(c, err.code, "%s", err.msg);
        return RAFT_IOERR;
    }
    cons_log_truncate(&c->log, 1);
    c->log.next_index = s->index + 1;
    c->log.last_term = s->term;
    if (cons_history_replace(&c->history, s->configuration_index, &s->configuration) < 0)
        return RAFT_NOMEM;
    c->guard.installing = true;
    return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct consensus *c = self(io);
    struct put *p = sw_calloc(1, sizeof(*p));
    int r = p == NULL ? RAFT_NOMEM : 0;

    if (r == 0 && trailing == 0)
        r = prepare_install(c, snapshot);
    if (r == 0) {
        *p = (struct put){ .c = c, .orig = req, .install = trailing == 0 };
        p->index = snapshot->index;
        p->req.data = p;
        req->cb = cb;
        r = c->disk->snapshot_put(c->disk, trailing, &p->req, snapshot, on_put);
    }
    if (r != 0)
        sw_free(p);
    return checked(c, r, "write a raft snapshot");
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb)
{
    struct consensus *c = self(io);

    return c->disk->snapshot_get(c->disk, req, cb);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static int io_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *m,
                   raft_io_send_cb cb)
{
    struct consensus *c = self(io);
    struct raft_message copy = *m;

    if (!cons_guard_filter_send(c, &copy)) {
        cons_out_drop(c, req, cb);
        return 0;
    }
    cons_out_message(c, req, &copy, cb);
    return 0;
}

static raft_time io_time(struct raft_io *io)
{
    struct consensus *c = self(io);

    return c->disk->time(c->disk);
}

static int io_random(struct raft_io *io, int min, int max)
{
    struct consensus *c = self(io);

    return c->disk->random(c->disk, min, max);
}

static void on_disk_closed(struct raft_io *disk)
{
    struct consensus *c = self(disk);

    if (c->disk_closed)
        return; /* it may say so twice: see on_grace() */
    c->disk_closed = true;
    c->io_close_cb(&c->io);
}

static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct consensus *c = self(io);

    c->io_close_cb = cb;
    cons_out_cancel(c);
    c->disk->close(c->disk, on_disk_closed);
}

#ifndef RAFT_VERSION_NUMBER
static int io_async_work(struct raft_io *io, struct raft_io_async_work *req,
                         raft_io_async_work_cb cb)
{
    struct consensus *c = self(io);

    return c->disk->async_work(c->disk, req, cb);
}
#endif

void cons_io_init(struct consensus *c)
{
    c->io = *c->disk;
    c->io.data = &c->raft; /* both needed before raft_init(), which calls io_init() */
    c->disk->data = &c->raft;
    c->raft.data = c;
    c->io.version = 2; /* 0.15 leaves 1, which forbids asynchronous snapshots */
    c->io.init = io_init;
    c->io.close = io_close;
    c->io.load = io_load;
    c->io.start = io_start;
    c->io.bootstrap = io_bootstrap;
    c->io.recover = io_recover;
    c->io.set_term = io_set_term;
    c->io.set_vote = io_set_vote;
    c->io.send = io_send;
    c->io.append = io_append;
    c->io.truncate = io_truncate;
    c->io.snapshot_put = io_snapshot_put;
    c->io.snapshot_get = io_snapshot_get;
    c->io.time = io_time;
    c->io.random = io_random;
#ifndef RAFT_VERSION_NUMBER
    c->io.async_work = io_async_work;
#endif
}
