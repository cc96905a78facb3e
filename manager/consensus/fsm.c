/* SPDX-License-Identifier: Apache-2.0
 * fsm.c - between libraft's state machine interface and the user's: sealing, the chain, snapshots.
 *
 * A snapshot as libraft stores and sends it (little-endian):
 *   u64 magic | u64 index | u64 chain | u64 plain bytes | u64 parts | u64 removed | ids
 * u64[removed] parts times { u32 length | sealed bytes of at most PART plain ones } | zeros up to 8
 * Every part's associated data binds it to index, its number and the number of parts. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"
#include "manager/consensus/entry.h"

#define SNAP_MAGIC  0x31304e5331534353ull
#define SNAP_HEADER 48u
#define PART        (64u * 1024)
#define RETRY_MS    1000u
#define PLAIN_KEPT  (64u * 1024)

static struct consensus *self(struct raft_fsm *fsm)
{
    return fsm->data;
}

/* ---- sealing ------------------------------------------------------------------------------- */

static size_t overhead(const struct consensus *c)
{
    return c->o.seal.seal == NULL ? 0 : c->o.seal.overhead;
}

int cons_seal(const struct consensus *c, const uint64_t ad[3], const void *in, size_t len,
              uint8_t *out, size_t *out_len, struct sw_err *err)
{
    uint8_t bytes[24];

    if (c->o.seal.seal == NULL) {
        memcpy(out, in, len);
        *out_len = len;
        return 0;
    }
    for (unsigned i = 0; i < 3; i++)
        cons_put_u64(bytes + 8 * i, ad[i]);
    return c->o.seal.seal(c->o.seal.arg, bytes, sizeof(bytes), in, len, out, out_len, err);
}

static int open_sealed(const struct consensus *c, const uint64_t ad[3], const uint8_t *in,
                       size_t len, uint8_t *out, size_t *out_len, struct sw_err *err)
{
    uint8_t bytes[24];

    if (c->o.seal.open == NULL) {
        memcpy(out, in, len);
        *out_len = len;
        return 0;
    }
    for (unsigned i = 0; i < 3; i++)
        cons_put_u64(bytes + 8 * i, ad[i]);
    return c->o.seal.open(c->o.seal.arg, bytes, sizeof(bytes), in, len, out, out_len, err);
}

/* ---- apply --------------------------------------------------------------------------------- */

/* Down to 1 libraft takes a snapshot behind the very next entry. */
static void set_threshold(struct consensus *c)
{
    size_t bytes = SW_MAX(c->o.snapshot_bytes, c->snap.last_size);
    bool force = !sw_list_empty(&c->snap.waiters) || c->snap.applied_bytes >= bytes;

    if (force == c->snap.forced)
        return;
    c->snap.forced = force;
    raft_set_snapshot_threshold(&c->raft, force ? 1 : c->o.snapshot_entries);
}

static int apply_entry(struct consensus *c, const struct raft_buffer *buf, struct sw_err *err)
{
    uint64_t ad[3] = { CONS_AD_ENTRY, 0, 0 };
    struct cons_entry e;
    uint64_t chain;
    const uint8_t *plain;
    size_t len;
    int r;

    r = cons_entry_decode(buf->base, buf->len, &e, err);
    if (r < 0)
        return r;
    chain = cons_chain_next(c->log.applied_chain, e.index, e.data, e.len);
    if (e.index != c->raft.last_applied + 1 && e.index != c->raft.last_applied)
        return sw_err_set(err, SW_E_CORRUPT, "raft applies entry %" PRIu64 " behind %" PRIu64,
                          e.index, (uint64_t)c->raft.last_applied);
    if (chain != e.chain)
        return sw_err_set(err, SW_E_CORRUPT,
                          "raft log differs from the leader's before entry %" PRIu64, e.index);
    plain = e.data;
    len = e.len;
    if (c->o.seal.open != NULL) {
        sw_buf_clear(&c->plain);
        if (sw_buf_reserve(&c->plain, e.len) == NULL)
            return sw_err_set(err, -ENOMEM, "open raft entry of %zu bytes", e.len);
        ad[1] = e.index;
        r = open_sealed(c, ad, e.data, e.len, c->plain.data, &len, err);
        if (r < 0)
            return sw_err_wrap(err, "raft entry %" PRIu64, e.index);
        plain = c->plain.data;
    }
    cons_log_applied(&c->log, e.index, chain);
    c->snap.applied_bytes += buf->len;
    r = c->o.fsm.apply(c->o.fsm.arg, e.index, plain, len);
    if (c->plain.cap > PLAIN_KEPT)
        sw_buf_fini(&c->plain);
    cons_prop_applied(c, e.index, chain, r);
    set_threshold(c);
    return 0;
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct consensus *c = self(fsm);
    struct sw_err err;

    *result = NULL;
    if (c->failed || c->closing)
        return RAFT_SHUTDOWN;
    if (apply_entry(c, buf, &err) < 0) {
        cons_fatal(c, err.code, "%s", err.msg);
        return RAFT_CORRUPT;
    }
    return 0;
}

/* ---- take a snapshot ------------------------------------------------------------------------- */

static size_t plain_size(const struct consensus_snapshot *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_pieces; i++)
        n += s->pieces[i].len;
    return n;
}

static size_t count_parts(const struct consensus_snapshot *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_pieces; i++)
        n += (s->pieces[i].len + PART - 1) / PART;
    return n;
}

static void release_user(struct consensus *c)
{
    if (!c->snap.user_held)
        return;
    c->snap.user_held = false;
    if (c->snap.user.release != NULL)
        c->snap.user.release(&c->snap.user);
}

/* On the loop: what the worker must not read from live state. */
static int write_header(struct consensus *c)
{
    const struct cons_history *h = &c->history;
    uint8_t *p;

    c->snap.header_len = SNAP_HEADER + 8 * h->n_removed;
    p = c->snap.header = sw_malloc(c->snap.header_len);
    if (p == NULL)
        return -ENOMEM;
    cons_put_u64(p, SNAP_MAGIC);
    cons_put_u64(p + 8, c->snap.index);
    cons_put_u64(p + 16, c->log.applied_chain);
    cons_put_u64(p + 24, plain_size(&c->snap.user));
    cons_put_u64(p + 32, count_parts(&c->snap.user));
    cons_put_u64(p + 40, h->n_removed);
    for (size_t i = 0; i < h->n_removed; i++)
        cons_put_u64(p + SNAP_HEADER + 8 * i, h->removed[i]);
    return 0;
}

/* G6: libraft would store the configuration of an uncommitted change with the snapshot. */
static bool may_snapshot(struct consensus *c)
{
    const struct cons_conf *last = cons_history_last(&c->history);

    if (c->failed || c->closing || cons_now(c) < c->snap.retry_ms)
        return false;
    if (cons_guard_on(c, 6) && last != NULL && last->index > c->raft.last_applied) {
        cons_guard_hit(c, 6);
        return false;
    }
    return true;
}

static int seal_parts(struct consensus *c, uint8_t *out, size_t *len, struct sw_err *err)
{
    uint64_t ad[3] = { CONS_AD_SNAPSHOT, c->snap.index, 0 };
    uint64_t parts = cons_get_u64(c->snap.header + 32);
    uint64_t part = 0;
    uint8_t *p = out;

    for (size_t i = 0; i < c->snap.user.n_pieces; i++) {
        const uint8_t *base = c->snap.user.pieces[i].base;
        size_t left = c->snap.user.pieces[i].len;

        while (left > 0) {
            size_t n = SW_MIN(left, (size_t)PART);
            size_t sealed = 0;
            int r;

            ad[2] = part++ << 32 | parts;
            r = cons_seal(c, ad, base, n, p + 4, &sealed, err);
            if (r < 0)
                return r;
            cons_put_u32(p, (uint32_t)sealed);
            p += 4 + sealed;
            base += n;
            left -= n;
        }
    }
    *len = (size_t)(p - out);
    return 0;
}

/* On a worker thread: reads what fsm_snapshot() prepared, writes c->snap.buf. */
static int fsm_snapshot_async(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct consensus *c = self(fsm);
    size_t parts = (size_t)cons_get_u64(c->snap.header + 32);
    size_t max = c->snap.header_len + plain_size(&c->snap.user) + parts * (4 + overhead(c)) + 8;
    size_t len = 0;
    uint8_t *p = raft_malloc(max);

    if (p == NULL)
        return RAFT_NOMEM;
    c->snap.buf.base = p;
    memcpy(p, c->snap.header, c->snap.header_len);
    if (seal_parts(c, p + c->snap.header_len, &len, &c->snap.err) < 0)
        return RAFT_IOERR;
    len += c->snap.header_len;
    while (len % 8 != 0)
        p[len++] = 0;
    c->snap.buf.len = len;
    *bufs = &c->snap.buf;
    *n_bufs = 1;
    return 0;
}

/* Only "busy" may be said: anything else stops libraft's core. */
static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct consensus *c = self(fsm);
    struct sw_err err;

    if (!may_snapshot(c))
        return RAFT_BUSY;
    memset(&c->snap.user, 0, sizeof(c->snap.user));
    if (c->o.fsm.snapshot(c->o.fsm.arg, &c->snap.user, &err) < 0) {
        log_warn("no raft snapshot now reason=%s", err.msg);
        goto busy;
    }
    c->snap.user_held = true;
    c->snap.index = c->raft.last_applied;
    if (plain_size(&c->snap.user) > CONSENSUS_SNAPSHOT_MAX) {
        log_error("state too large for a raft snapshot bytes=%zu", plain_size(&c->snap.user));
        goto busy;
    }
    if (write_header(c) < 0)
        goto busy;
    c->guard.taking = true;
    *bufs = NULL;
    *n_bufs = 0;
#ifdef RAFT_VERSION_NUMBER
    return fsm_snapshot_async(fsm, bufs, n_bufs);
#else
    return 0;
#endif

busy:
    release_user(c);
    c->snap.retry_ms = cons_now(c) + RETRY_MS;
    return RAFT_BUSY;
}

static int fsm_snapshot_finalize(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct consensus *c = self(fsm);

    c->snap.last_size = c->snap.buf.len;
    release_user(c);
    raft_free(c->snap.buf.base);
    sw_free(c->snap.header);
    c->snap.header = NULL;
    memset(&c->snap.buf, 0, sizeof(c->snap.buf));
    c->guard.taking = false;
    *bufs = NULL;
    *n_bufs = 0;
    cons_kick(c); /* a received snapshot may have waited */
    return 0;
}

void cons_fsm_snapshot_stored(struct consensus *c, uint64_t index)
{
    struct sw_list *l;

    log_info("raft snapshot stored index=%" PRIu64 " member=%" PRIu64, index, c->o.member);
    c->snap.last_index = index;
    c->snap.applied_bytes = 0;
    while ((l = sw_list_pop_front(&c->snap.waiters)) != NULL) {
        struct cons_waiter *w = sw_list_entry(l, struct cons_waiter, link);

        w->done(w->arg, 0, index, 0);
        sw_free(w);
    }
    set_threshold(c);
}

void cons_fsm_cancel(struct consensus *c)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&c->snap.waiters)) != NULL) {
        struct cons_waiter *w = sw_list_entry(l, struct cons_waiter, link);

        w->done(w->arg, SW_E_CANCELED, 0, 0);
        sw_free(w);
    }
}

/* ---- restore --------------------------------------------------------------------------------- */

struct snap_head {
    uint64_t index, chain, plain, parts, removed;
};

static int read_head(const uint8_t *p, size_t len, struct snap_head *h, struct sw_err *err)
{
    if (len < SNAP_HEADER || cons_get_u64(p) != SNAP_MAGIC)
        return sw_err_set(err, SW_E_CORRUPT, "raft snapshot without our header");
    h->index = cons_get_u64(p + 8);
    h->chain = cons_get_u64(p + 16);
    h->plain = cons_get_u64(p + 24);
    h->parts = cons_get_u64(p + 32);
    h->removed = cons_get_u64(p + 40);
    if (h->removed > CONS_REMOVED_MAX || len - SNAP_HEADER < 8 * h->removed || h->plain > len ||
        h->parts > len)
        return sw_err_set(err, SW_E_CORRUPT, "raft snapshot header out of range");
    return 0;
}

static int open_parts(struct consensus *c, const struct snap_head *h, const uint8_t *p,
                      const uint8_t *end, uint8_t *out, struct sw_err *err)
{
    uint64_t ad[3] = { CONS_AD_SNAPSHOT, h->index, 0 };
    uint64_t have = 0;

    for (uint64_t part = 0; part < h->parts; part++) {
        size_t len;
        size_t plain = 0;
        int r;

        if (end - p < 4)
            return sw_err_set(err, SW_E_CORRUPT, "raft snapshot cut short");
        len = cons_get_u32(p);
        p += 4;
        if (len > (size_t)(end - p) || len > PART + 4096)
            return sw_err_set(err, SW_E_CORRUPT, "raft snapshot cut short");
        if (h->plain - have + overhead(c) + 64 < len)
            return sw_err_set(err, SW_E_CORRUPT, "raft snapshot longer than it says");
        ad[2] = part << 32 | h->parts;
        r = open_sealed(c, ad, p, len, out + have, &plain, err);
        if (r < 0)
            return sw_err_wrap(err, "raft snapshot %" PRIu64, h->index);
        p += len;
        have += plain;
        if (have > h->plain)
            return sw_err_set(err, SW_E_CORRUPT, "raft snapshot longer than it says");
    }
    if (have != h->plain)
        return sw_err_set(err, SW_E_CORRUPT, "raft snapshot shorter than it says");
    return 0;
}

static int restore(struct consensus *c, const struct raft_buffer *buf, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) uint8_t *plain = NULL;
    const uint8_t *p = buf->base;
    struct snap_head h = { 0 };
    int r = read_head(p, buf->len, &h, err);

    if (r < 0)
        return r;
    /* A seal's open() may use room for the sealed length: leave some behind the end. */
    plain = sw_malloc((size_t)h.plain + overhead(c) + 64);
    if (plain == NULL)
        return sw_err_set(err, -ENOMEM, "open raft snapshot of %" PRIu64 " bytes", h.plain);
    r = open_parts(c, &h, p + SNAP_HEADER + 8 * h.removed, p + buf->len, plain, err);
    if (r < 0)
        return r;
    r = c->o.fsm.restore(c->o.fsm.arg, h.index, plain, (size_t)h.plain, err);
    if (r < 0)
        return sw_err_wrap(err, "restore raft snapshot %" PRIu64, h.index);
    for (uint64_t i = 0; i < h.removed; i++) {
        if (cons_history_add_removed(&c->history, cons_get_u64(p + SNAP_HEADER + 8 * i)) < 0)
            return sw_err_set(err, -ENOMEM, "restore raft snapshot");
    }
    cons_log_restored(&c->log, h.index, h.chain);
    c->snap.last_size = buf->len;
    c->snap.last_index = h.index;
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct consensus *c = self(fsm);
    struct sw_err err;

    if (restore(c, buf, &err) < 0) {
        cons_fatal(c, err.code, "%s", err.msg);
        return RAFT_CORRUPT; /* the buffer remains the caller's */
    }
    raft_free(buf->base);
    return 0;
}

void cons_fsm_init(struct consensus *c)
{
    sw_list_init(&c->snap.waiters);
    sw_buf_init(&c->plain);
    c->fsm.data = c;
    c->fsm.apply = fsm_apply;
    c->fsm.snapshot = fsm_snapshot;
    c->fsm.restore = fsm_restore;
    c->fsm.snapshot_finalize = fsm_snapshot_finalize;
#ifdef RAFT_VERSION_NUMBER
    c->fsm.version = 2; /* no asynchronous work: sealed on the loop */
#else
    c->fsm.version = 3;
    c->fsm.snapshot_async = fsm_snapshot_async;
#endif
}

int consensus_snapshot_now(struct consensus *c, consensus_done_cb *done, void *arg,
                           struct sw_err *err)
{
    struct cons_waiter *w;

    if (!cons_is_usable(c))
        return sw_err_set(err, SW_E_UNAVAILABLE, "raft is stopped");
    if (!sw_list_empty(&c->snap.waiters))
        return sw_err_set(err, SW_E_CONFLICT, "a raft snapshot was already asked for");
    if (c->raft.last_applied == 0)
        return sw_err_set(err, SW_E_PRECONDITION, "nothing to snapshot yet");
    w = sw_calloc(1, sizeof(*w));
    if (w == NULL)
        return sw_err_set(err, -ENOMEM, "ask for a raft snapshot");
    w->done = done;
    w->arg = arg;
    sw_list_push_back(&c->snap.waiters, &w->link);
    set_threshold(c);
    c->snap.want_barrier = true; /* libraft looks only behind a newly applied entry */
    cons_kick(c);
    return 0;
}
