/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/worker/unit.h"
#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "proto/pb.h"

static void on_forget_limit(void *arg);

int worker_new(struct worker **out, const struct worker_options *o, struct sw_err *err)
{
    struct worker *w = sw_calloc(1, sizeof(*w));
    char path[512];
    int r;

    if (w == NULL)
        return sw_err_set(err, -ENOMEM, "create the worker");
    w->o = *o;
    sw_list_init(&w->units);
    sw_map_init(&w->by_key);
    w->data_dir = sw_strdup(o->data_dir);
    w->hostname = sw_strdup(o->hostname);
    r = w->data_dir == NULL || w->hostname == NULL
            ? sw_err_set(err, -ENOMEM, "create the worker")
            : sw_timer_init(&w->forget_limit, o->loop, on_forget_limit, w, err);
    (void)snprintf(path, sizeof(path), "%s/containers", o->data_dir);
    if (r == 0)
        r = sw_dir_make(path, 0711, err);
    (void)snprintf(path, sizeof(path), "%s/volumes", o->data_dir);
    if (r == 0)
        r = sw_dir_make(path, 0711, err);
    (void)snprintf(path, sizeof(path), "%s/worker.db", o->data_dir);
    if (r == 0)
        r = db_open(&w->db, path, err);
    if (r < 0) {
        worker_free(w);
        return r;
    }
    *out = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    sw_list_each_safe(l, &w->units) unit_free(sw_list_entry(l, struct unit, link));
    sw_timer_fini(&w->settle);
    sw_timer_fini(&w->forget_limit);
    sw_map_fini(&w->by_key);
    db_close(&w->db);
    pb_free(w->waiting);
    sw_free(w->data_dir);
    sw_free(w->hostname);
    sw_free(w);
}

void worker_start(struct worker *w, void (*done)(void *arg), void *arg)
{
    w->start_done = done;
    w->start_arg = arg;
    adopt_all(w);
}

/* ---- assignments
 * ---------------------------------------------------------------------------------- */

static void assign_one(struct worker *w, const Swarm__V1__AssignedTask *t)
{
    struct unit *u = sw_map_get(&w->by_key, t->key);

    if (u != NULL) {
        if (task_update(u->task, t) < 0)
            log_error("no memory to update task=%s", t->id);
        (void)db_put(&w->db, task_assigned(u->task));
        unit_run(u);
        return;
    }
    if (t->desired > SWARM__V1__TASK_STATE__TASK_COMPLETE &&
        t->state > SWARM__V1__TASK_STATE__TASK_RUNNING)
        return; /* history, and nothing of it is here */
    if (db_put(&w->db, t) < 0)
        return; /* the disk is full: a complete assignment will come again */
    u = unit_new(w, t);
    if (u != NULL)
        u->task = task_new(t, &unit_ops, u, NULL);
    if (u == NULL || u->task == NULL) {
        log_error("no memory for task=%s", t->id);
        if (u != NULL)
            unit_free(u);
        return;
    }
    unit_run(u);
}

static void forget_one(struct unit *u)
{
    task_forget(u->task);
    unit_run(u);
}

static bool is_listed(const Swarm__V1__Assignments *a, uint64_t key)
{
    for (size_t i = 0; i < a->n_tasks; i++) {
        if (a->tasks[i]->key == key)
            return true;
    }
    return false;
}

void worker_assign(struct worker *w, const Swarm__V1__Assignments *a)
{
    if (!w->started) {
        if (a->complete || w->waiting == NULL) {
            pb_free(w->waiting);
            w->waiting = pb_clone(a);
        } /* a change before the start is done is part of the next complete assignment: the session
             is opened only afterwards */
        return;
    }
    if (a->complete) {
        sw_list_each_safe(l, &w->units)
        {
            struct unit *u = sw_list_entry(l, struct unit, link);

            if (!is_listed(a, u->key))
                forget_one(u);
        }
    }
    for (size_t i = 0; i < a->n_removed; i++) {
        struct unit *u = sw_map_get(&w->by_key, a->removed[i]);

        if (u != NULL)
            forget_one(u);
    }
    for (size_t i = 0; i < a->n_tasks; i++)
        assign_one(w, a->tasks[i]);
}

void worker_report_all(struct worker *w)
{
    sw_list_each(l, &w->units)
    {
        struct unit *u = sw_list_entry(l, struct unit, link);

        if (u->task != NULL && task_status(u->task)->timestamp_ns != 0)
            w->o.report(w->o.arg, u->key, task_status(u->task));
    }
}

/* ---- leaving
 * --------------------------------------------------------------------------------------- */

static void forget_over(struct worker *w)
{
    void (*done)(void *arg) = w->forget_done;

    w->forget_done = NULL;
    sw_timer_stop(&w->forget_limit);
    if (done != NULL)
        done(w->forget_arg);
}

static void on_forget_limit(void *arg)
{
    forget_over(arg);
}

void worker_unit_gone(struct worker *w)
{
    if (w->forget_done != NULL && sw_list_empty(&w->units))
        sw_timer_start(&w->forget_limit, 0); /* from the loop: the caller is still in a unit */
}

void worker_forget_all(struct worker *w, uint64_t limit_ms, void (*done)(void *arg), void *arg)
{
    w->forget_done = done;
    w->forget_arg = arg;
    sw_timer_start(&w->forget_limit, sw_list_empty(&w->units) ? 0 : limit_ms);
    sw_list_each_safe(l, &w->units) forget_one(sw_list_entry(l, struct unit, link));
}

/* ---- lists
 * ----------------------------------------------------------------------------------------- */

void worker_each(struct worker *w, void (*visit)(void *arg, const struct worker_task *t), void *arg)
{
    sw_list_each(l, &w->units)
    {
        const struct unit *u = sw_list_entry(l, struct unit, link);
        SW_CLEANUP(sw_free_ptr) char *bundle = unit_bundle(u);
        struct worker_task t = {
            .container_id = u->container_id,
            .image_id = u->image_id,
            .bundle = bundle != NULL ? bundle : "",
            .created_ns = u->created_ns,
            .started_ns = u->started_ns,
            .finished_ns = u->finished_ns,
        };

        if (u->task == NULL)
            continue;
        t.assigned = task_assigned(u->task);
        t.status = task_status(u->task);
        visit(arg, &t);
    }
}
