/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/leader/driver.h"

#include <errno.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/allocator/allocator.h"
#include "manager/orchestrator/orchestrator.h"
#include "manager/scheduler/scheduler.h"
#include "proto/pb.h"

#define RETRY_MS 50 /* after a proposal that was refused at once: leadership is in doubt */

struct driver {
    uv_timer_t timer;
    struct view *view;
    struct proposer *proposer;
    struct view_observer observer;
    struct allocator *allocator;
    struct scheduler *scheduler;
    struct orchestrator *orchestrator;
    bool leading;
    size_t pending; /* transactions of this round that are not decided yet */
    int64_t now_ns; /* never goes back, whatever the clock does */
    bool freed;
};

struct entry {
    struct driver *d;
    Swarm__V1__Transaction *txn;
};

static void run(uv_timer_t *t);

static void wake(struct driver *d, uint64_t ms)
{
    if (d->leading && !d->freed && d->pending == 0)
        (void)uv_timer_start(&d->timer, run, ms, 0);
}

static void release(struct driver *d)
{
    if (!d->freed || d->pending > 0)
        return;
    allocator_free(d->allocator);
    scheduler_free(d->scheduler);
    orchestrator_free(d->orchestrator);
    sw_free(d);
}

static void entry_failed(struct driver *d, const Swarm__V1__Transaction *txn,
                         const struct sw_err *err)
{
    log_debug("control loop transaction refused changes=%zu: %s", txn->n_changes, err->msg);
    allocator_retry(d->allocator, d->view, txn);
    scheduler_retry(d->scheduler, d->view, txn);
    orchestrator_retry(d->orchestrator, d->view, txn);
}

static void on_decided(void *arg, uint64_t index, const struct sw_err *err)
{
    struct entry *e = arg;
    struct driver *d = e->d;

    (void)index;
    d->pending--;
    if (err->code != 0 && !d->freed)
        entry_failed(d, e->txn, err);
    pb_free(e->txn);
    sw_free(e);
    wake(d, 0);
    release(d);
}

/* Return: false when proposing does not work now. */
static bool propose(struct driver *d, Swarm__V1__Transaction *txn)
{
    struct entry *e = sw_calloc(1, sizeof(*e));
    struct sw_err err;

    (void)sw_err_set(&err, -ENOMEM, "propose");
    if (e != NULL) {
        e->d = d;
        e->txn = txn;
        if (proposer_propose(d->proposer, txn, on_decided, e, &err) == 0) {
            d->pending++;
            return true;
        }
        sw_free(e);
    }
    entry_failed(d, txn, &err);
    pb_free(txn);
    return false;
}

static void propose_all(struct driver *d, struct txn *x)
{
    Swarm__V1__Transaction *t;
    bool ok = true;

    proposer_claim(d->proposer, txn_next_key(x));
    while (txn_take(x, &t) == 0)
        ok = propose(d, t) && ok;
    if (!ok)
        wake(d, RETRY_MS);
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return SW_MIN(a, b);
}

static void run(uv_timer_t *timer)
{
    struct driver *d = timer->data;
    struct txn *x;
    int64_t next;

    if (!d->leading || d->pending > 0)
        return;
    d->now_ns = SW_MAX(d->now_ns, sw_now_ns());
    x = txn_new(proposer_keys(d->proposer), d->now_ns, proposer_random());
    if (x == NULL) {
        wake(d, RETRY_MS);
        return;
    }
    next = orchestrator_step(d->orchestrator, d->view, d->now_ns, x);
    next = earlier(next, allocator_step(d->allocator, d->view, d->now_ns, x));
    next = earlier(next, scheduler_step(d->scheduler, d->view, d->now_ns, x));
    if (txn_failed(x)) {
        log_error("memory is short: control loops start again");
        orchestrator_reset(d->orchestrator, d->view);
        allocator_reset(d->allocator, d->view);
        scheduler_reset(d->scheduler, d->view);
        wake(d, RETRY_MS);
    } else if (txn_len(x) > 0) {
        propose_all(d, x);
    }
    txn_free(x);
    if (d->pending == 0 && next != 0 && !uv_is_active((uv_handle_t *)&d->timer))
        wake(d, next > d->now_ns ? (uint64_t)((next - d->now_ns) / SW_NS_PER_MS) + 1 : 1);
}

static void on_change(void *arg, const struct view *v, const struct view_change *c)
{
    struct driver *d = arg;

    (void)v;
    if (!d->leading)
        return;
    orchestrator_note(d->orchestrator, c);
    allocator_note(d->allocator, c);
    scheduler_note(d->scheduler, c);
}

static void on_commit(void *arg, const struct view *v)
{
    (void)v;
    wake(arg, 0);
}

int driver_new(struct driver **out, struct uv_loop_s *loop, struct view *view,
               struct proposer *proposer, struct sw_err *err)
{
    struct driver *d = sw_calloc(1, sizeof(*d));

    if (d == NULL)
        return sw_err_set(err, -ENOMEM, "create the control loops");
    d->view = view;
    d->proposer = proposer;
    d->allocator = allocator_new();
    d->scheduler = scheduler_new();
    d->orchestrator = orchestrator_new();
    if (d->allocator == NULL || d->scheduler == NULL || d->orchestrator == NULL) {
        d->freed = true;
        release(d);
        return sw_err_set(err, -ENOMEM, "create the control loops");
    }
    (void)uv_timer_init(loop, &d->timer);
    d->timer.data = d;
    d->observer.on_change = on_change;
    d->observer.on_commit = on_commit;
    d->observer.arg = d;
    view_observe(view, &d->observer);
    *out = d;
    return 0;
}

void driver_start(struct driver *d)
{
    d->leading = true;
    orchestrator_reset(d->orchestrator, d->view);
    allocator_reset(d->allocator, d->view);
    scheduler_reset(d->scheduler, d->view);
    wake(d, 0);
}

void driver_stop(struct driver *d)
{
    d->leading = false;
    (void)uv_timer_stop(&d->timer);
}

static void on_closed(uv_handle_t *h)
{
    struct driver *d = h->data;

    d->freed = true;
    release(d);
}

void driver_free(struct driver *d)
{
    if (d == NULL)
        return;
    driver_stop(d);
    view_unobserve(&d->observer);
    uv_close((uv_handle_t *)&d->timer, on_closed);
}
