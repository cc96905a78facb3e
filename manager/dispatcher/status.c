/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/dispatcher/status.h"

#include <string.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define FLUSH_MS  2 /* statuses of one burst travel together */
#define BATCH_MAX 10000

struct entry {
    struct sw_list link; /* in order of arrival */
    uint64_t task;
    Swarm__V1__TaskStatus *status;
};

struct status_queue {
    uv_timer_t timer;
    struct view *view;
    struct proposer *proposer;
    struct sw_map by_task;
    struct sw_list entries;
    struct sw_list sent; /* of the batch under way, in case it is refused */
    bool busy;  /* a batch is under way */
    bool armed; /* the timer runs */
    bool freed;
};

struct status_queue *status_queue_new(struct uv_loop_s *loop, struct view *view,
                                      struct proposer *proposer)
{
    struct status_queue *q = sw_calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->view = view;
    q->proposer = proposer;
    sw_map_init(&q->by_task);
    sw_list_init(&q->entries);
    sw_list_init(&q->sent);
    (void)uv_timer_init(loop, &q->timer);
    q->timer.data = q;
    return q;
}

static void entry_free(struct entry *e)
{
    sw_list_del(&e->link);
    pb_free(e->status);
    sw_free(e);
}

static void drop(struct status_queue *q, struct entry *e)
{
    (void)sw_map_del(&q->by_task, e->task);
    entry_free(e);
}

void status_queue_clear(struct status_queue *q)
{
    sw_list_each_safe(l, &q->entries) drop(q, sw_list_entry(l, struct entry, link));
    sw_list_each_safe(l, &q->sent) entry_free(sw_list_entry(l, struct entry, link));
}

static void release(struct status_queue *q)
{
    if (!q->freed || q->busy || uv_is_active((uv_handle_t *)&q->timer))
        return;
    sw_map_fini(&q->by_task);
    sw_free(q);
}

static void on_closed(uv_handle_t *h)
{
    struct status_queue *q = h->data;

    q->freed = true;
    release(q);
}

void status_queue_free(struct status_queue *q)
{
    if (q == NULL)
        return;
    status_queue_clear(q);
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void arm(struct status_queue *q);

/* One task deleted meanwhile refuses the whole transaction: the others' statuses try again, unless
 * their node said something newer. */
static void take_back(struct status_queue *q)
{
    sw_list_each_safe(l, &q->sent)
    {
        struct entry *e = sw_list_entry(l, struct entry, link);

        if (sw_map_get(&q->by_task, e->task) != NULL || view_task(q->view, e->task) == NULL ||
            sw_map_put(&q->by_task, e->task, e) < 0) {
            entry_free(e);
            continue;
        }
        sw_list_del(l);
        sw_list_push_back(&q->entries, l);
    }
}

static void on_written(void *arg, uint64_t index, const struct sw_err *err)
{
    struct status_queue *q = arg;

    (void)index;
    q->busy = false;
    if (q->freed) {
        release(q);
        return;
    }
    if (err->code != 0)
        log_debug("status batch refused: %s", err->msg);
    if (err->code == SW_E_NOT_FOUND || err->code == SW_E_SEQUENCE || err->code == SW_E_CONFLICT)
        take_back(q);
    sw_list_each_safe(l, &q->sent) entry_free(sw_list_entry(l, struct entry, link));
    arm(q);
}

/* When it was taken, and since when the task runs: the failures of an update are judged by that. */
static void stamp(Swarm__V1__TaskStatus *s, const Swarm__V1__TaskStatus *known)
{
    s->applied_ns = (uint64_t)sw_now_ns();
    s->running_ns = known != NULL ? known->running_ns : 0;
    if (s->state == SWARM__V1__TASK_STATE__TASK_RUNNING && s->running_ns == 0)
        s->running_ns = s->applied_ns;
}

/* Is @b the same as, or earlier than, what is known? */
static bool is_old(const Swarm__V1__TaskStatus *known, const Swarm__V1__TaskStatus *b)
{
    if (known == NULL)
        return false;
    if (b->state != known->state)
        return b->state < known->state;
    return strcmp(b->message, known->message) == 0 && strcmp(b->err, known->err) == 0 &&
           strcmp(b->container_id, known->container_id) == 0 && b->pid == known->pid &&
           b->has_exit_code == known->has_exit_code && b->exit_code == known->exit_code &&
           b->n_host_ports == known->n_host_ports;
}

static void put_into(struct status_queue *q, struct entry *e, struct txn *x)
{
    const struct view_task *t = view_task(q->view, e->task);
    Swarm__V1__TaskStatus *copy;

    if (t == NULL || is_old(t->t->status, e->status)) { /* something else was written meanwhile */
        drop(q, e);
        return;
    }
    copy = pb_clone(e->status);
    if (copy == NULL)
        return; /* stays for the next batch */
    stamp(copy, t->t->status);
    txn_task_status(x, e->task, copy);
    txn_mark(x);
    (void)sw_map_del(&q->by_task, e->task);
    sw_list_del(&e->link);
    sw_list_push_back(&q->sent, &e->link);
}

static void flush(uv_timer_t *timer)
{
    struct status_queue *q = timer->data;
    struct txn *x;
    struct sw_err err;
    size_t n = 0;

    q->armed = false;
    if (q->busy || sw_list_empty(&q->entries))
        return;
    x = txn_new(proposer_keys(q->proposer), sw_now_ns(), proposer_random());
    if (x == NULL)
        return;
    sw_list_each_safe(l, &q->entries)
    {
        if (n++ == BATCH_MAX)
            break;
        put_into(q, sw_list_entry(l, struct entry, link), x);
    }
    q->busy = true;
    if (proposer_propose_all(q->proposer, x, on_written, q, &err) < 0) {
        q->busy = false;
        sw_list_each_safe(l, &q->sent) entry_free(sw_list_entry(l, struct entry, link));
        if (err.code != SW_E_NOT_MODIFIED)
            log_warn("task statuses not written: %s", err.msg);
    }
}

static void arm(struct status_queue *q)
{
    if (q->armed || q->busy || sw_list_empty(&q->entries))
        return;
    q->armed = true;
    (void)uv_timer_start(&q->timer, flush, FLUSH_MS, 0);
}

void status_queue_add(struct status_queue *q, uint64_t node, const Swarm__V1__TaskStatusReport *r)
{
    struct view_task *t = view_task(q->view, r->task);
    struct entry *e = sw_map_get(&q->by_task, r->task);
    Swarm__V1__TaskStatus *copy;

    if (r->status == NULL || t == NULL || t->t->node != node)
        return;
    if (is_old(e != NULL ? e->status : t->t->status, r->status))
        return;
    copy = pb_clone(r->status);
    if (copy == NULL)
        return;
    if (e != NULL) {
        pb_free(e->status);
        e->status = copy;
        return;
    }
    e = sw_calloc(1, sizeof(*e));
    if (e == NULL || sw_map_put(&q->by_task, r->task, e) < 0) {
        sw_free(e);
        pb_free(copy);
        return;
    }
    e->task = r->task;
    e->status = copy;
    sw_list_push_back(&q->entries, &e->link);
    arm(q);
}
