/* SPDX-License-Identifier: Apache-2.0
 * memdisk.c - see memdisk.h. */
#include "memdisk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "manager/consensus/conf.h"

struct op {
    struct sw_list link;
    enum { OP_APPEND, OP_TRUNCATE, OP_PUT, OP_GET, OP_WORK } kind;
    struct mem_entry *entries;
    size_t n;
    uint64_t index; /* truncate */
    unsigned trailing;
    struct mem_snapshot snap;
    struct raft_io_append *append;
    struct raft_io_snapshot_put *put;
    struct raft_io_snapshot_get *get;
    struct raft_io_async_work *work;
    raft_io_append_cb append_cb;
    raft_io_snapshot_put_cb put_cb;
    raft_io_snapshot_get_cb get_cb;
    raft_io_async_work_cb work_cb;
};

static struct memdisk *self(struct raft_io *io)
{
    return io->impl;
}

static void *copy_of(const void *p, size_t n)
{
    void *c = raft_malloc(n == 0 ? 1 : n);

    memcpy(c, p, n);
    return c;
}

static struct op *push(struct memdisk *d, int kind)
{
    struct op *o = calloc(1, sizeof(*o));

    o->kind = (unsigned)kind;
    sw_list_push_back(&d->ops, &o->link);
    return o;
}

static void free_entries(struct mem_entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        raft_free(e[i].data);
}

static void free_snapshot(struct mem_snapshot *s)
{
    raft_free(s->conf.base);
    raft_free(s->data.base);
    memset(s, 0, sizeof(*s));
}

uint64_t memdisk_last(const struct memdisk *d)
{
    return d->start + d->n - 1;
}

/* ---- what libraft calls ------------------------------------------------------------------------
 */

static int mem_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

static struct raft_snapshot *snapshot_of(const struct mem_snapshot *s)
{
    struct raft_snapshot *r = raft_calloc(1, sizeof(*r));
    struct sw_err err;

    r->index = s->index;
    r->term = s->term;
    r->configuration_index = s->conf_index;
    assert(cons_conf_decode(s->conf.base, s->conf.len, &r->configuration, &err) == 0);
    r->bufs = raft_malloc(sizeof(*r->bufs));
    r->bufs[0].base = copy_of(s->data.base, s->data.len);
    r->bufs[0].len = s->data.len;
    r->n_bufs = 1;
    return r;
}

static int mem_load(struct raft_io *io, raft_term *term, raft_id *vote,
                    struct raft_snapshot **snapshot, raft_index *start,
                    struct raft_entry *entries[], size_t *n)
{
    struct memdisk *d = self(io);

    *term = d->term;
    *vote = d->vote;
    *snapshot = d->snap.index == 0 ? NULL : snapshot_of(&d->snap);
    *start = d->start;
    *n = d->n;
    *entries = d->n == 0 ? NULL : raft_calloc(d->n, sizeof(**entries));
    for (size_t i = 0; i < d->n; i++) {
        struct raft_entry *e = &(*entries)[i];

        e->term = d->entries[i].term;
        e->type = d->entries[i].type;
        e->buf.base = copy_of(d->entries[i].data, d->entries[i].len);
        e->buf.len = d->entries[i].len;
    }
    return 0;
}

static int mem_start(struct raft_io *io, unsigned ms, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    (void)ms;
    (void)recv;
    self(io)->tick = tick;
    return 0;
}

static int mem_conf(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)io;
    (void)conf;
    return RAFT_INVALID;
}

static int mem_set_term(struct raft_io *io, raft_term term)
{
    struct memdisk *d = self(io);

    d->term = term;
    d->vote = 0;
    return 0;
}

static int mem_set_vote(struct raft_io *io, raft_id id)
{
    self(io)->vote = id;
    return 0;
}

static int mem_append(struct raft_io *io, struct raft_io_append *req,
                      const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct op *o = push(self(io), OP_APPEND);

    o->entries = calloc(n, sizeof(*o->entries));
    o->n = n;
    for (unsigned i = 0; i < n; i++) {
        o->entries[i].term = entries[i].term;
        o->entries[i].type = entries[i].type;
        o->entries[i].data = copy_of(entries[i].buf.base, entries[i].buf.len);
        o->entries[i].len = entries[i].buf.len;
    }
    o->append = req;
    o->append_cb = cb;
    return 0;
}

static int mem_truncate(struct raft_io *io, raft_index index)
{
    push(self(io), OP_TRUNCATE)->index = index;
    return 0;
}

static int mem_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                   const struct raft_snapshot *s, raft_io_snapshot_put_cb cb)
{
    struct op *o = push(self(io), OP_PUT);
    size_t len = 0;
    uint8_t *p;

    o->trailing = trailing;
    o->put = req;
    o->put_cb = cb;
    o->snap.index = s->index;
    o->snap.term = s->term;
    o->snap.conf_index = s->configuration_index;
    assert(raft_configuration_encode(&s->configuration, &o->snap.conf) == 0);
    for (unsigned i = 0; i < s->n_bufs; i++)
        len += s->bufs[i].len;
    p = o->snap.data.base = raft_malloc(len);
    o->snap.data.len = len;
    for (unsigned i = 0; i < s->n_bufs; i++) {
        memcpy(p, s->bufs[i].base, s->bufs[i].len);
        p += s->bufs[i].len;
    }
    return 0;
}

static int mem_get(struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb)
{
    struct op *o = push(self(io), OP_GET);

    o->get = req;
    o->get_cb = cb;
    return 0;
}

static int mem_work(struct raft_io *io, struct raft_io_async_work *req, raft_io_async_work_cb cb)
{
    struct op *o = push(self(io), OP_WORK);

    o->work = req;
    o->work_cb = cb;
    return 0;
}

static raft_time mem_time(struct raft_io *io)
{
    return self(io)->now_ms;
}

static int mem_random(struct raft_io *io, int min, int max)
{
    int r = min + self(io)->extra_ms;

    return r >= max ? max - 1 : r;
}

static int mem_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *m,
                    raft_io_send_cb cb)
{
    (void)io;
    (void)req;
    (void)m;
    (void)cb;
    abort(); /* ours is in front */
}

/* ---- completing --------------------------------------------------------------------------------
 */

static void cut_to(struct memdisk *d, uint64_t index) /* entries from index on go */
{
    size_t keep = index <= d->start ? 0 : (size_t)(index - d->start);

    if (keep >= d->n)
        return;
    free_entries(d->entries + keep, d->n - keep);
    d->n = keep;
}

static void store_entries(struct memdisk *d, struct op *o)
{
    d->entries = realloc(d->entries, (d->n + o->n) * sizeof(*d->entries));
    memcpy(d->entries + d->n, o->entries, o->n * sizeof(*o->entries));
    d->n += o->n;
}

static void store_snapshot(struct memdisk *d, struct op *o)
{
    uint64_t first; /* entry to keep first */

    free_snapshot(&d->snap);
    d->snap = o->snap;
    if (o->trailing == 0) {
        cut_to(d, d->start);
        d->start = d->snap.index + 1;
        return;
    }
    first = d->snap.index + 1 > o->trailing ? d->snap.index + 1 - o->trailing : 1;
    if (first > d->start) {
        size_t drop = (size_t)(first - d->start);

        free_entries(d->entries, drop);
        memmove(d->entries, d->entries + drop, (d->n - drop) * sizeof(*d->entries));
        d->n -= drop;
        d->start = first;
    }
}

static void finish_append(struct memdisk *d, struct op *o)
{
    bool fail = d->fail;

    d->fail = false;
    if (fail)
        free_entries(o->entries, o->n);
    else
        store_entries(d, o);
    free(o->entries);
    o->append_cb(o->append, fail ? RAFT_IOERR : 0);
}

bool memdisk_step(struct memdisk *d)
{
    struct sw_list *l = d->paused ? NULL : sw_list_pop_front(&d->ops);
    struct op *o;

    if (l == NULL)
        return false;
    o = sw_list_entry(l, struct op, link);
    switch (o->kind) {
    case OP_APPEND:
        finish_append(d, o);
        break;
    case OP_TRUNCATE:
        cut_to(d, o->index);
        break;
    case OP_PUT:
        store_snapshot(d, o);
        o->put_cb(o->put, 0);
        break;
    case OP_GET:
        o->get_cb(o->get, snapshot_of(&d->snap), 0);
        break;
    case OP_WORK:
        o->work_cb(o->work, o->work->work(o->work));
        break;
    }
    free(o);
    return true;
}

/* A crash: what is queued is lost, but libraft wants its requests back. */
static void mem_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct memdisk *d = self(io);
    struct sw_list *l;

    while ((l = sw_list_pop_front(&d->ops)) != NULL) {
        struct op *o = sw_list_entry(l, struct op, link);

        if (o->kind == OP_APPEND) {
            free_entries(o->entries, o->n);
            free(o->entries);
            o->append_cb(o->append, RAFT_CANCELED);
        } else if (o->kind == OP_PUT) {
            free_snapshot(&o->snap);
            o->put_cb(o->put, RAFT_CANCELED);
        } else if (o->kind == OP_GET) {
            o->get_cb(o->get, NULL, RAFT_CANCELED);
        } else if (o->kind == OP_WORK) {
            o->work_cb(o->work, RAFT_CANCELED);
        }
        free(o);
    }
    d->tick = NULL;
    cb(&d->io);
}

void memdisk_init(struct memdisk *d, const struct raft_configuration *conf)
{
    memset(d, 0, sizeof(*d));
    sw_list_init(&d->ops);
    d->start = 1;
    if (conf != NULL) {
        struct raft_buffer b;

        assert(raft_configuration_encode(conf, &b) == 0);
        d->term = 1;
        d->entries = calloc(1, sizeof(*d->entries));
        d->entries[0] = (struct mem_entry){ 1, RAFT_CHANGE, b.base, b.len };
        d->n = 1;
    }
    d->io.impl = d;
    d->io.version = 2;
    d->io.init = mem_init;
    d->io.close = mem_close;
    d->io.load = mem_load;
    d->io.start = mem_start;
    d->io.bootstrap = mem_conf;
    d->io.recover = mem_conf;
    d->io.set_term = mem_set_term;
    d->io.set_vote = mem_set_vote;
    d->io.send = mem_send;
    d->io.append = mem_append;
    d->io.truncate = mem_truncate;
    d->io.snapshot_put = mem_put;
    d->io.snapshot_get = mem_get;
    d->io.async_work = mem_work;
    d->io.time = mem_time;
    d->io.random = mem_random;
}

void memdisk_fini(struct memdisk *d)
{
    free_entries(d->entries, d->n);
    free(d->entries);
    free_snapshot(&d->snap);
}
