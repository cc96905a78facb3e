/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/leader/proposer.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "proto/pb.h"

struct proposer {
    struct store *store;
    struct view *view;
    struct consensus *consensus;
    void (*on_fatal)(void *arg, const struct sw_err *err);
    void *fatal_arg;
    struct sw_err last; /* why the store refused the entry applied last */
    uint64_t next_key;  /* keys below may be in transactions under way */
    struct sw_buf snapshot;
    struct consensus_piece piece;
};

/* One call of propose or propose_all: several entries, one completion. */
struct batch {
    struct proposer *p;
    size_t pending;
    bool sealed; /* all entries were handed over */
    uint64_t index;
    struct sw_err err; /* first failure */
    proposer_done *done;
    void *arg;
};

static void random_fill(void *arg, void *out, size_t n)
{
    (void)arg;
    sw_random(out, n);
}

const struct txn_random *proposer_random(void)
{
    static const struct txn_random kernel = { random_fill, NULL };

    return &kernel;
}

int proposer_new(struct proposer **out, struct store *store, struct view *view,
                 void (*on_fatal)(void *arg, const struct sw_err *err), void *arg,
                 struct sw_err *err)
{
    struct proposer *p = sw_calloc(1, sizeof(*p));

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "create the proposer");
    p->store = store;
    p->view = view;
    p->on_fatal = on_fatal;
    p->fatal_arg = arg;
    p->next_key = 1;
    *out = p;
    return 0;
}

void proposer_free(struct proposer *p)
{
    if (p == NULL)
        return;
    sw_buf_fini(&p->snapshot);
    sw_free(p);
}

void proposer_attach(struct proposer *p, struct consensus *c)
{
    p->consensus = c;
}

/* ---- consensus' state machine ---------------------------------------------------------------- */

static int on_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    struct proposer *p = arg;
    struct sw_err err;

    if (store_apply(p->store, index, data, len, &p->last, &err) < 0)
        p->on_fatal(p->fatal_arg, &err);
    return p->last.code;
}

static void snapshot_release(struct consensus_snapshot *s)
{
    struct proposer *p = s->arg;

    sw_buf_fini(&p->snapshot);
}

static int on_snapshot(void *arg, struct consensus_snapshot *out, struct sw_err *err)
{
    struct proposer *p = arg;
    int r;

    if (p->snapshot.data != NULL)
        return sw_err_set(err, SW_E_UNAVAILABLE, "the last snapshot is still being written");
    r = store_snapshot(p->store, &p->snapshot, err);
    if (r < 0) {
        sw_buf_fini(&p->snapshot);
        return r;
    }
    p->piece = (struct consensus_piece){ p->snapshot.data, p->snapshot.len };
    out->pieces = &p->piece;
    out->n_pieces = 1;
    out->release = snapshot_release;
    out->arg = p;
    return 0;
}

static int on_restore(void *arg, uint64_t index, const uint8_t *data, size_t len,
                      struct sw_err *err)
{
    struct proposer *p = arg;
    int r = store_restore(p->store, data, len, err);

    if (r == 0)
        log_info("store restored index=%llu bytes=%zu tasks=%zu", (unsigned long long)index, len,
                 view_count(p->view, VIEW_TASK));
    return r;
}

struct consensus_fsm proposer_fsm(struct proposer *p)
{
    return (struct consensus_fsm){ p, on_apply, on_snapshot, on_restore };
}

/* ---- proposing ------------------------------------------------------------------------------- */

uint64_t proposer_keys(const struct proposer *p)
{
    uint64_t committed = view_next_key(p->view);

    return p->next_key > committed ? p->next_key : committed;
}

void proposer_claim(struct proposer *p, uint64_t next_key)
{
    if (next_key > p->next_key)
        p->next_key = next_key;
}

static void batch_finish(struct batch *b)
{
    if (b->pending > 0 || !b->sealed)
        return;
    b->done(b->arg, b->index, &b->err);
    sw_free(b);
}

static void batch_failed(struct batch *b, const struct sw_err *err)
{
    if (b->err.code == 0)
        b->err = *err;
}

static void on_done(void *arg, int status, uint64_t index, int result)
{
    struct batch *b = arg;
    struct sw_err err;

    b->pending--;
    if (status == 0 && result == 0) {
        b->index = index;
    } else if (status == 0) {
        batch_failed(b, &b->p->last);
    } else {
        if (status == SW_E_NO_LEADER)
            (void)sw_err_set(&err, status,
                             "The swarm does not have a leader. It's possible that too few "
                             "managers are online. Make sure more than half of the managers are "
                             "online.");
        else
            (void)sw_err_set(&err, status, "the write may or may not have happened: %s",
                             status == SW_E_UNAVAILABLE ? "leadership changed meanwhile"
                                                        : sw_err_name(status));
        batch_failed(b, &err);
    }
    batch_finish(b);
}

static int submit(struct batch *b, const Swarm__V1__Transaction *txn, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf bytes = SW_BUF_INIT;
    struct proposer *p = b->p;
    int r;

    if (p->consensus == NULL)
        r = sw_err_set(err, SW_E_UNAVAILABLE, "this manager is starting or stopping");
    else if (pb_pack(txn, &bytes) < 0)
        r = sw_err_set(err, -ENOMEM, "encode a transaction");
    else
        r = consensus_propose(p->consensus, bytes.data, bytes.len, on_done, b, err);
    if (r == 0)
        b->pending++;
    return r;
}

static struct batch *batch_new(struct proposer *p, proposer_done *done, void *arg)
{
    struct batch *b = sw_calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->p = p;
    b->done = done;
    b->arg = arg;
    return b;
}

int proposer_propose(struct proposer *p, const Swarm__V1__Transaction *txn, proposer_done *done,
                     void *arg, struct sw_err *err)
{
    struct batch *b = batch_new(p, done, arg);
    int r;

    if (b == NULL)
        return sw_err_set(err, -ENOMEM, "propose");
    b->sealed = true;
    r = submit(b, txn, err);
    if (r < 0)
        sw_free(b);
    return r;
}

int proposer_propose_all(struct proposer *p, struct txn *x, proposer_done *done, void *arg,
                         struct sw_err *err)
{
    struct batch *b = batch_new(p, done, arg);
    Swarm__V1__Transaction *t;
    int r = 0;

    if (b == NULL || txn_failed(x))
        r = sw_err_set(err, -ENOMEM, "propose");
    else
        proposer_claim(p, txn_next_key(x));
    while (r == 0) {
        r = txn_take(x, &t);
        if (r < 0)
            (void)sw_err_set(err, r, "propose");
        if (r == 0) {
            r = submit(b, t, err);
            pb_free(t);
        }
    }
    txn_free(x);
    if (b == NULL)
        return r;
    if (b->pending == 0) {
        sw_free(b);
        return r > 0 ? sw_err_set(err, SW_E_NOT_MODIFIED, "nothing to change") : r;
    }
    if (r < 0)
        batch_failed(b, err);
    b->sealed = true;
    return 0;
}
