/* SPDX-License-Identifier: Apache-2.0
 * unit.c - one task: its machine, its timers, its end. */
#include "agent/worker/unit.h"

#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "proto/pb.h"

static void on_step(void *arg)
{
    unit_run(arg);
}

static void on_answer(void *arg)
{
    struct unit *u = arg;
    enum unit_answer what = u->pending;
    const struct sw_err *err = u->result < 0 ? &u->err : NULL;

    u->pending = ANSWER_NONE;
    if (what == ANSWER_PREPARED)
        task_on_prepared(u->task, u->result, err);
    else if (what == ANSWER_STARTED)
        task_on_started(u->task, u->result, u->container_id, u->pid, !unit_has_health(u), err);
    else if (what == ANSWER_STOPPED)
        task_on_stopped(u->task, u->result, err);
    else if (what == ANSWER_REMOVED)
        task_on_removed(u->task, u->result, err);
    if (u->stopping && (what == ANSWER_PREPARED || what == ANSWER_STARTED))
        unit_stop_now(u);
    unit_run(u);
}

void unit_answer(struct unit *u, enum unit_answer what, int result, const struct sw_err *err)
{
    u->pending = what;
    u->result = result;
    if (err != NULL)
        u->err = *err;
    sw_timer_start(&u->answer, 0);
}

static void on_drained(void *arg)
{
    struct unit *u = arg;
    struct sw_err err;

    if (u->container == NULL)
        return;
    if (container_stop(u->container, 0, u->grace_ns / SW_NS_PER_MS, &err) < 0 &&
        err.code != SW_E_NOT_MODIFIED)
        log_warn("can't stop container=%.12s: %s", u->container_id, err.msg);
}

struct unit *unit_new(struct worker *w, const Swarm__V1__AssignedTask *t)
{
    struct unit *u = sw_calloc(1, sizeof(*u));
    struct sw_err err;

    if (u == NULL)
        return NULL;
    u->w = w;
    u->key = t->key;
    sw_list_init(&u->link);
    if (sw_timer_init(&u->step, w->o.loop, on_step, u, &err) < 0 ||
        sw_timer_init(&u->answer, w->o.loop, on_answer, u, &err) < 0 ||
        sw_timer_init(&u->drain, w->o.loop, on_drained, u, &err) < 0 ||
        sw_map_put(&w->by_key, t->key, u) < 0) {
        sw_timer_fini(&u->step);
        sw_timer_fini(&u->answer);
        sw_timer_fini(&u->drain);
        sw_free(u);
        return NULL;
    }
    sw_list_push_back(&w->units, &u->link);
    return u;
}

char *unit_bundle(const struct unit *u)
{
    return sw_asprintf("%s/containers/%s", u->w->data_dir, u->container_id);
}

void unit_free(struct unit *u)
{
    struct worker *w = u->w;

    if (!u->freed) {
        u->freed = true;
        unit_health_stop(u);
        sw_timer_fini(&u->step);
        sw_timer_fini(&u->answer);
        sw_timer_fini(&u->drain);
        if (u->container != NULL)
            container_free(u->container);
        u->container = NULL;
        sw_list_del(&u->link);
        if (sw_map_get(&w->by_key, u->key) == u)
            (void)sw_map_del(&w->by_key, u->key);
        task_free(u->task);
        u->task = NULL;
        pb_free(u->old_status);
        u->old_status = NULL;
    }
    if (u->attach_open)
        return; /* its callback frees the rest */
    sw_free(u);
}

void unit_run(struct unit *u)
{
    int64_t now = sw_now_ns();
    int64_t next;
    struct worker *w = u->w;

    if (u->freed || u->task == NULL)
        return;
    next = task_step(u->task, now);
    if (task_is_gone(u->task)) {
        (void)db_erase(&w->db, u->key);
        unit_free(u);
        worker_unit_gone(w);
        return;
    }
    if (next != 0)
        sw_timer_start(&u->step, next > now ? (uint64_t)((next - now) / SW_NS_PER_MS) + 1 : 0);
}
