/* SPDX-License-Identifier: Apache-2.0
 * unit_exec.c - the orders of a task's machine, carried out. */
#include <errno.h>

#include "agent/worker/unit.h"
#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"

/* Between leaving discovery and the stop signal: the other nodes learn within this time that the
 * task takes no new connections. Docker waits 2 s for gossip; here one push reaches all nodes. */
#define DRAIN_MS 250

static void prepare(void *arg, struct task *t)
{
    (void)t;
    unit_prepare(arg);
}

static void start(void *arg, struct task *t)
{
    struct unit *u = arg;
    struct sw_err err;

    (void)t;
    if (u->container == NULL || u->stage != UNIT_PREPARED) {
        (void)sw_err_set(&err, SW_E_INTERNAL, "the container is not there any more");
        unit_answer(u, ANSWER_STARTED, err.code, &err);
        return;
    }
    u->stage = UNIT_STARTING;
    if (container_start(u->container, &err) < 0)
        unit_answer(u, ANSWER_STARTED, err.code, &err);
}

static void detach(struct unit *u)
{
    if (u->detached || u->container_id[0] == '\0')
        return;
    u->detached = true;
    net_detach(u->w->o.net, u->container_id, NULL, NULL);
}

static bool order_is_open(const struct unit *u)
{
    return u->stage == UNIT_IMAGE || u->stage == UNIT_CREATING || u->stage == UNIT_ATTACHING ||
           u->stage == UNIT_STARTING || u->pending == ANSWER_PREPARED ||
           u->pending == ANSWER_STARTED;
}

void unit_stop_now(struct unit *u)
{
    struct sw_err err;

    if (u->container == NULL || u->stage == UNIT_NOTHING || u->stage == UNIT_DEAD) {
        unit_answer(u, ANSWER_STOPPED, 0, NULL);
        return;
    }
    if (u->stage == UNIT_RUNNING && task_assigned(u->task)->n_networks > 0) {
        sw_timer_start(&u->drain, DRAIN_MS);
        return;
    }
    if (container_stop(u->container, 0, u->grace_ns / SW_NS_PER_MS, &err) < 0)
        unit_answer(u, ANSWER_STOPPED, 0, NULL); /* it is dead already */
}

static void stop(void *arg, struct task *t, int64_t grace_ns)
{
    struct unit *u = arg;

    (void)t;
    u->stopping = true;
    u->grace_ns = grace_ns;
    unit_health_stop(u);
    if (!order_is_open(u)) /* else its answer comes first */
        unit_stop_now(u);
}

void unit_container_ended(struct unit *u, const struct container_exit *exit)
{
    enum unit_stage was = u->stage;

    u->stage = UNIT_DEAD;
    u->exit = *exit;
    u->finished_ns = exit->finished_ns;
    unit_health_stop(u);
    sw_timer_stop(&u->drain);
    detach(u);
    if (was == UNIT_CREATING || was == UNIT_ATTACHING) {
        struct sw_err err;

        (void)sw_err_set(&err, SW_E_CANCELED, "the container ended before it was prepared");
        unit_answer(u, ANSWER_PREPARED, SW_E_CANCELED, &err);
        return;
    }
    if (exit->started)
        task_on_exited(u->task, exit->code, exit->oom_killed ? "out of memory" : NULL);
    if (u->stopping && u->pending == ANSWER_NONE)
        unit_answer(u, ANSWER_STOPPED, 0, NULL);
    unit_run(u);
}

static void on_removed(int status, const struct sw_err *err, void *data)
{
    struct unit *u = data;

    if (status < 0)
        log_warn("container=%.12s not wholly removed: %s", u->container_id, err->msg);
    unit_answer(u, ANSWER_REMOVED, 0, NULL);
}

static void remove_container(void *arg, struct task *t)
{
    struct unit *u = arg;
    SW_CLEANUP(sw_free_ptr) char *bundle = unit_bundle(u);
    struct sw_err err;

    (void)t;
    detach(u);
    if (u->container != NULL)
        container_free(u->container);
    u->container = NULL;
    u->stage = UNIT_NOTHING;
    if (u->container_id[0] == '\0' || bundle == NULL) {
        unit_answer(u, ANSWER_REMOVED, 0, NULL);
        return;
    }
    if (container_remove(u->w->o.host, u->container_id, bundle, on_removed, u, &err) < 0) {
        log_warn("container=%.12s not removed: %s", u->container_id, err.msg);
        unit_answer(u, ANSWER_REMOVED, 0, NULL);
    }
}

static void report(void *arg, struct task *t, const Swarm__V1__TaskStatus *status)
{
    struct unit *u = arg;

    (void)t;
    (void)db_status(&u->w->db, u->key, status);
    u->w->o.report(u->w->o.arg, u->key, status);
}

const struct task_exec_ops unit_ops = { prepare, start, stop, remove_container, report };
