/* SPDX-License-Identifier: Apache-2.0
 * propose.c - proposals and barriers: queue, batches, completion.
 *
 *   queue --flush--> in flight --applied--> done(0)
 *     |                  |
 *     |                  +-- leadership lost --> done(SW_E_UNAVAILABLE): unknown
 *     +-- leadership lost --> done(SW_E_NO_LEADER): certainly not applied
 *
 * G2: one batch is in the log at a time; what arrives meanwhile is the next batch. libraft commits
 * only when its last stored entry has a majority, so that a second batch would delay the first.
 * libraft's request is per batch and says nothing about single entries: completion is by index,
 * from the state machine's apply. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"
#include "manager/consensus/entry.h"

struct batch {
    struct raft_apply req;
    struct raft_buffer bufs[CONS_APPLY_MAX];
    unsigned n;
    size_t bytes;
};

void cons_prop_init(struct consensus *c)
{
    sw_list_init(&c->prop.queue);
    sw_list_init(&c->prop.inflight);
    sw_list_init(&c->prop.barrier_queue);
    sw_list_init(&c->prop.barrier_now);
}

static void proposal_done(struct cons_proposal *p, int status, uint64_t index, int result)
{
    p->done(p->arg, status, index, result);
    sw_free(p->data);
    sw_free(p);
}

/* ---- asking -------------------------------------------------------------------------------- */

static int may_propose(const struct consensus *c, struct sw_err *err)
{
    if (!cons_is_usable(c))
        return sw_err_set(err, SW_E_UNAVAILABLE, "raft is stopped");
    if (!c->ready || c->transfer.active)
        return sw_err_set(err, SW_E_NO_LEADER, "this manager is not the leader");
    return 0;
}

int consensus_propose(struct consensus *c, const void *data, size_t len, consensus_done_cb *done,
                      void *arg, struct sw_err *err)
{
    struct cons_proposal *p;
    int r = may_propose(c, err);

    if (r < 0)
        return r;
    if (len == 0 || len > CONSENSUS_ENTRY_MAX)
        return sw_err_set(err, SW_E_INVALID, "proposal of %zu bytes, at most %u", len,
                          CONSENSUS_ENTRY_MAX);
    if (c->disk_low)
        return sw_err_set(err, SW_E_EXHAUSTED, "no disk space left for the raft log");
    if (c->prop.queue_bytes > 0 && c->prop.queue_bytes + len > c->o.queue_bytes)
        return sw_err_set(err, SW_E_UNAVAILABLE, "too many changes are waiting");
    p = sw_calloc(1, sizeof(*p));
    if (p != NULL)
        p->data = sw_memdup(data, len);
    if (p == NULL || p->data == NULL) {
        sw_free(p);
        return sw_err_set(err, -ENOMEM, "propose %zu bytes", len);
    }
    p->len = len;
    p->done = done;
    p->arg = arg;
    c->prop.queue_bytes += len;
    sw_list_push_back(&c->prop.queue, &p->link);
    cons_kick(c);
    return 0;
}

int consensus_barrier(struct consensus *c, consensus_done_cb *done, void *arg, struct sw_err *err)
{
    struct cons_waiter *w;
    int r = may_propose(c, err);

    if (r < 0)
        return r;
    w = sw_calloc(1, sizeof(*w));
    if (w == NULL)
        return sw_err_set(err, -ENOMEM, "barrier");
    w->done = done;
    w->arg = arg;
    sw_list_push_back(&c->prop.barrier_queue, &w->link);
    cons_kick(c);
    return 0;
}

/* ---- batches ------------------------------------------------------------------------------- */

/* The entry's bytes in libraft's memory. */
static int make_entry(struct consensus *c, const struct cons_proposal *p, uint64_t index,
                      uint64_t *chain, struct raft_buffer *out, struct sw_err *err)
{
    size_t extra = c->o.seal.seal == NULL ? 0 : c->o.seal.overhead;
    uint64_t ad[3] = { CONS_AD_ENTRY, index, 0 };
    uint8_t *b = raft_malloc(cons_entry_size(p->len + extra, true));
    size_t len = 0;
    int r;

    if (b == NULL)
        return sw_err_set(err, -ENOMEM, "raft entry of %zu bytes", p->len);
    r = cons_seal(c, ad, p->data, p->len, b + CONS_ENTRY_HEADER, &len, err);
    if (r < 0) {
        raft_free(b);
        return r;
    }
    out->base = b;
    out->len = cons_entry_size(len, cons_guard_on(c, 8));
    *chain = cons_chain_next(*chain, index, b + CONS_ENTRY_HEADER, len);
    cons_entry_write_header(b, out->len, index, *chain, len);
    return 0;
}

static bool has_room(const struct consensus *c, const struct batch *b,
                     const struct cons_proposal *p)
{
    if (b->n == 0)
        return true;
    return b->n < CONS_APPLY_MAX && b->n < c->o.inflight_entries &&
           b->bytes + p->len <= c->o.inflight_bytes;
}

static void fill(struct consensus *c, struct batch *b, struct sw_list *taken)
{
    uint64_t index = raft_last_index(&c->raft) + 1;
    uint64_t chain = cons_log_tail(&c->log);

    while (!sw_list_empty(&c->prop.queue)) {
        struct cons_proposal *p = sw_list_entry(c->prop.queue.next, struct cons_proposal, link);
        struct sw_err err;

        if (!has_room(c, b, p))
            return;
        sw_list_del(&p->link);
        c->prop.queue_bytes -= p->len;
        if (make_entry(c, p, index, &chain, &b->bufs[b->n], &err) < 0) {
            log_warn("proposal not sealed reason=%s", err.msg);
            proposal_done(p, err.code, 0, 0);
            continue;
        }
        p->index = index++;
        p->chain = chain;
        p->size = b->bufs[b->n].len;
        b->bytes += p->len;
        b->n++;
        sw_list_push_back(taken, &p->link);
    }
}

static void on_batch(struct raft_apply *req, int status, void *result)
{
    (void)status; /* lost leadership is seen in cons_react() */
    (void)result;
    raft_free(req->data);
}

/* libraft refused the whole batch: nothing of it is in the log. */
static void give_back(struct batch *b, struct sw_list *taken, int code)
{
    struct sw_list *l;

    for (unsigned i = 0; i < b->n; i++)
        raft_free(b->bufs[i].base);
    raft_free(b);
    while ((l = sw_list_pop_front(taken)) != NULL)
        proposal_done(sw_list_entry(l, struct cons_proposal, link), cons_error(code), 0, 0);
}

static bool submit_batch(struct consensus *c)
{
    struct batch *b = raft_calloc(1, sizeof(*b));
    struct cons_proposal *p = NULL;
    struct sw_list taken;
    struct sw_list *l;
    int code;

    if (b == NULL) {
        cons_fatal(c, -ENOMEM, "propose");
        return false;
    }
    sw_list_init(&taken);
    fill(c, b, &taken);
    if (b->n == 0) {
        raft_free(b);
        return false;
    }
    b->req.data = b;
    code = raft_apply(&c->raft, &b->req, b->bufs, b->n, on_batch);
    if (code != 0) {
        give_back(b, &taken, code);
        return false;
    }
    while ((l = sw_list_pop_front(&taken)) != NULL) {
        p = sw_list_entry(l, struct cons_proposal, link);
        sw_free(p->data);
        p->data = NULL;
        sw_list_push_back(&c->prop.inflight, &p->link);
        c->prop.inflight_n++;
        c->prop.inflight_bytes += p->size;
    }
    if (p != NULL)
        p->last_of_batch = true;
    c->prop.batches++;
    return true;
}

static bool batch_may_go(struct consensus *c)
{
    if (sw_list_empty(&c->prop.queue))
        return false;
    if (c->prop.batches == 0 || !cons_guard_on(c, 2))
        return true;
    cons_guard_hit(c, 2);
    return false;
}

/* ---- barriers ------------------------------------------------------------------------------ */

static void finish_barrier(struct consensus *c, int status)
{
    struct sw_list now;
    struct sw_list *l;

    sw_list_init(&now);
    while ((l = sw_list_pop_front(&c->prop.barrier_now)) != NULL)
        sw_list_push_back(&now, l);
    while ((l = sw_list_pop_front(&now)) != NULL) {
        struct cons_waiter *w = sw_list_entry(l, struct cons_waiter, link);

        w->done(w->arg, status, 0, 0);
        sw_free(w);
    }
}

static void on_barrier(struct raft_barrier *req, int status)
{
    struct consensus *c = req->data;

    c->prop.barrier_busy = false;
    finish_barrier(c, status == 0 ? 0 : SW_E_NO_LEADER);
    cons_kick(c);
}

static void submit_barrier(struct consensus *c)
{
    struct sw_list *l;
    int code;

    if (c->prop.barrier_busy || (sw_list_empty(&c->prop.barrier_queue) && !c->snap.want_barrier))
        return;
    c->snap.want_barrier = false;
    while ((l = sw_list_pop_front(&c->prop.barrier_queue)) != NULL)
        sw_list_push_back(&c->prop.barrier_now, l);
    c->prop.barrier.data = c;
    c->prop.barrier_busy = true;
    code = raft_barrier(&c->raft, &c->prop.barrier, on_barrier);
    if (code != 0) {
        c->prop.barrier_busy = false;
        finish_barrier(c, cons_error(code));
    }
}

/* ---- from the rest --------------------------------------------------------------------------- */

void cons_prop_flush(struct consensus *c)
{
    if (!c->ready || c->transfer.submitted)
        return;
    while (cons_is_usable(c) && c->ready && batch_may_go(c)) {
        if (!submit_batch(c))
            break;
    }
    if (cons_is_usable(c) && c->ready)
        submit_barrier(c);
}

void cons_prop_applied(struct consensus *c, uint64_t index, uint64_t chain, int result)
{
    struct cons_proposal *p;

    if (sw_list_empty(&c->prop.inflight))
        return;
    p = sw_list_entry(c->prop.inflight.next, struct cons_proposal, link);
    if (p->index != index || p->chain != chain)
        return; /* somebody else's entry took the place: cons_react() will tell */
    sw_list_del(&p->link);
    c->prop.inflight_n--;
    c->prop.inflight_bytes -= p->size;
    if (p->last_of_batch) {
        c->prop.batches--;
        cons_kick(c);
    }
    proposal_done(p, 0, index, result);
}

static void fail_list(struct sw_list *list, int status)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(list)) != NULL)
        proposal_done(sw_list_entry(l, struct cons_proposal, link), status, 0, 0);
}

void cons_prop_fail(struct consensus *c, int inflight, int queued)
{
    struct sw_list *l;

    c->prop.inflight_n = 0;
    c->prop.inflight_bytes = 0;
    c->prop.batches = 0;
    c->prop.queue_bytes = 0;
    fail_list(&c->prop.inflight, inflight);
    fail_list(&c->prop.queue, queued);
    while ((l = sw_list_pop_front(&c->prop.barrier_queue)) != NULL)
        sw_list_push_back(&c->prop.barrier_now, l);
    finish_barrier(c, queued);
}
