/* SPDX-License-Identifier: Apache-2.0
 * agent.c - a node's agent: real task machines over containers that are only imagined. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "proto/pb.h"
#include "tests/sim/world.h"

static const char *image_of(const struct sim_task *s)
{
    const Swarm__V1__TaskSpec *spec = task_assigned(s->task)->spec;

    return spec != NULL && spec->container != NULL ? spec->container->image : "";
}

/* What a container of this image does: "stable:3", "crash:1" ... */
static bool behaves(const struct sim_task *s, const char *how)
{
    return strncmp(image_of(s), how, strlen(how)) == 0;
}

static void post(struct sim_task *s, enum event_kind kind, int64_t in_ns, int value)
{
    struct world *w = s->agent->w;

    world_post(w, (struct event){ .at_ns = w->m.now_ns + in_ns,
                                  .kind = kind,
                                  .node = s->agent->node,
                                  .task = s->key,
                                  .epoch = s->epoch,
                                  .value = value });
}

/* ---- exec.h -----------------------------------------------------------------------------------
 */

static void answer_in(struct sim_task *s, enum event_kind kind, int64_t in_ns, int result)
{
    struct world *w = s->agent->w;

    s->busy_until = SW_MAX(s->busy_until, w->m.now_ns) + in_ns;
    post(s, kind, s->busy_until - w->m.now_ns, result);
}

static void on_prepare(void *arg, struct task *t)
{
    struct sim_task *s = arg;
    struct world *w = s->agent->w;
    int result = 0;

    (void)t;
    if (behaves(s, "missing"))
        result = SW_E_NOT_FOUND;
    else if (!w->calm && !w->ending && world_chance(w, 10))
        result = world_chance(w, 80) ? SW_E_UNAVAILABLE : SW_E_INTERNAL;
    answer_in(s, EVENT_PREPARED, world_between(w, MODEL_MS(1), MODEL_MS(500)), result);
}

static void on_start(void *arg, struct task *t)
{
    struct sim_task *s = arg;
    struct world *w = s->agent->w;
    int result = 0;

    (void)t;
    if (!w->calm && !w->ending && world_chance(w, 4))
        result = world_chance(w, 50) ? -EAGAIN : SW_E_INVALID;
    answer_in(s, EVENT_STARTED, world_between(w, MODEL_MS(1), MODEL_MS(200)), result);
}

static void on_stop(void *arg, struct task *t, int64_t grace_ns)
{
    struct sim_task *s = arg;
    struct world *w = s->agent->w;

    (void)t;
    answer_in(s, EVENT_STOPPED, world_between(w, 0, SW_MIN(grace_ns, MODEL_S(3))),
              !w->calm && world_chance(w, 2) ? SW_E_DEADLINE : 0);
}

static void on_remove(void *arg, struct task *t)
{
    struct sim_task *s = arg;

    (void)t;
    answer_in(s, EVENT_REMOVED, world_between(s->agent->w, MODEL_MS(1), MODEL_MS(50)), 0);
}

static void send(struct sim_task *s, const Swarm__V1__TaskStatus *status)
{
    struct agent *a = s->agent;
    struct world *w = a->w;
    int64_t at = w->m.now_ns + world_between(w, MODEL_MS(1), MODEL_MS(100));

    if (!a->connected)
        return; /* all are sent again with the next session */
    a->last_report_ns = SW_MAX(a->last_report_ns + 1, at);
    world_post(w, (struct event){ .at_ns = a->last_report_ns,
                                  .kind = EVENT_REPORT,
                                  .node = a->node,
                                  .task = s->key,
                                  .epoch = a->session,
                                  .status = pb_clone(status) });
}

static void on_report(void *arg, struct task *t, const Swarm__V1__TaskStatus *status)
{
    struct sim_task *s = arg;

    (void)t;
    pb_free(s->recorded);
    s->recorded = pb_clone(status);
    send(s, status);
}

static const struct task_exec_ops ops = { on_prepare, on_start, on_stop, on_remove, on_report };

/* ---- tasks ------------------------------------------------------------------------------------
 */

static struct sim_task *find(struct agent *a, uint64_t key)
{
    sw_list_each(l, &a->tasks)
    {
        struct sim_task *s = sw_list_entry(l, struct sim_task, link);

        if (s->key == key)
            return s;
    }
    return NULL;
}

static void drop(struct sim_task *s)
{
    sw_list_del(&s->link);
    task_free(s->task);
    pb_free(s->recorded);
    sw_free(s);
}

static void step(struct sim_task *s)
{
    int64_t at = task_step(s->task, s->agent->w->m.now_ns);

    if (at != 0)
        post(s, EVENT_TASK_STEP, at - s->agent->w->m.now_ns, 0);
    if (task_is_gone(s->task)) {
        if (s->container.exists || s->container.running)
            oracle_fail(s->agent->w, "task %lu is gone but its container is not",
                        (unsigned long)s->key);
        drop(s);
    }
}

static Swarm__V1__AssignedTask *assigned(const struct view_task *vt)
{
    Swarm__V1__AssignedTask *a = pb_new(&swarm__v1__assigned_task__descriptor);
    const Swarm__V1__TaskSpec *spec = view_task_spec(vt, NULL);

    assert(a != NULL);
    a->key = vt->o->key;
    a->service = vt->t->service;
    a->slot = vt->t->slot;
    a->desired = vt->t->desired;
    a->state = status_state(vt->t);
    if (spec != NULL)
        a->spec = pb_clone(spec);
    return a;
}

static void tell(struct agent *a, const struct view_task *vt)
{
    struct sim_task *s = find(a, vt->o->key);
    Swarm__V1__AssignedTask *msg = assigned(vt);

    if (s == NULL) {
        s = sw_calloc(1, sizeof(*s));
        assert(s != NULL);
        s->agent = a;
        s->key = vt->o->key;
        s->epoch = ++a->w->order;
        s->task = task_new(msg, &ops, s, NULL);
        assert(s->task != NULL);
        sw_list_push_back(&a->tasks, &s->link);
    } else {
        if (msg->spec == NULL && task_assigned(s->task)->spec != NULL)
            msg->spec = pb_clone(task_assigned(s->task)->spec);
        if (task_update(s->task, msg) < 0)
            abort();
    }
    pb_free(msg);
    step(s);
}

static void sync_agent(struct agent *a)
{
    const struct view_node *vn = view_node(a->w->m.view, a->node);

    a->sync_pending = false;
    if (!a->connected || vn == NULL)
        return;
    sw_list_each(l, &vn->tasks)
    {
        const struct view_task *vt = sw_list_entry(l, struct view_task, of_node);

        if (status_state(vt->t) >= TASK_STATE(ASSIGNED))
            tell(a, vt);
    }
    sw_list_each_safe(k, &a->tasks)
    {
        struct sim_task *s = sw_list_entry(k, struct sim_task, link);

        if (view_task(a->w->m.view, s->key) == NULL) {
            task_forget(s->task);
            step(s);
        }
    }
}

void agent_told(struct world *w, uint64_t node)
{
    struct agent *a = agent_find(w, node);

    if (a == NULL || !a->connected || a->sync_pending)
        return;
    a->sync_pending = true;
    world_post(w, (struct event){ .at_ns = w->m.now_ns + world_between(w, 0, MODEL_MS(100)),
                                  .kind = EVENT_SYNC,
                                  .node = node });
}

struct agent *agent_new(struct world *w, uint64_t node)
{
    struct agent *a = sw_calloc(1, sizeof(*a));

    assert(a != NULL);
    a->w = w;
    a->node = node;
    a->connected = true;
    sw_list_init(&a->tasks);
    sw_list_push_back(&w->agents, &a->link);
    return a;
}

struct agent *agent_find(struct world *w, uint64_t node)
{
    sw_list_each(l, &w->agents)
    {
        struct agent *a = sw_list_entry(l, struct agent, link);

        if (a->node == node)
            return a;
    }
    return NULL;
}

void agent_free(struct agent *a)
{
    sw_list_each_safe(l, &a->tasks) drop(sw_list_entry(l, struct sim_task, link));
    sw_list_del(&a->link);
    sw_free(a);
}

/* ---- faults -----------------------------------------------------------------------------------
 */

static void connect(struct agent *a)
{
    a->connected = true;
    a->session++;
    if (view_node(a->w->m.view, a->node) == NULL)
        return;
    if (view_node(a->w->m.view, a->node)->n->status->state != NODE_STATE(READY))
        model_node_state(&a->w->m, a->node, NODE_STATE(READY));
    sw_list_each(l, &a->tasks)
    {
        struct sim_task *s = sw_list_entry(l, struct sim_task, link);

        if (s->recorded != NULL)
            send(s, s->recorded);
    }
    agent_told(a->w, a->node);
}

void agent_cut(struct agent *a, int64_t heal_after_ns)
{
    struct world *w = a->w;

    if (!a->connected)
        return;
    a->connected = false;
    a->sync_pending = false;
    a->session++;
    world_post(w, (struct event){ .at_ns = w->m.now_ns + MODEL_S(15),
                                  .kind = EVENT_DOWN,
                                  .node = a->node,
                                  .epoch = a->session });
    world_post(w, (struct event){ .at_ns = w->m.now_ns + heal_after_ns,
                                  .kind = EVENT_HEAL,
                                  .node = a->node,
                                  .epoch = a->session });
}

static struct task_adopt look_around(const struct sim_task *s)
{
    struct task_adopt a = { .status = s->recorded, .healthy = s->container.healthy };

    if (s->container.running)
        a.found = TASK_FOUND_STARTED;
    else if (s->container.exited)
        a.found = TASK_FOUND_EXITED;
    else if (s->container.exists)
        a.found = TASK_FOUND_PREPARED;
    a.exit_code = s->container.exit_code;
    return a;
}

void agent_restart(struct agent *a)
{
    sw_list_each_safe(l, &a->tasks)
    {
        struct sim_task *s = sw_list_entry(l, struct sim_task, link);
        struct task_adopt found = look_around(s);
        struct task *again = task_new(task_assigned(s->task), &ops, s, &found);

        assert(again != NULL);
        task_free(s->task);
        s->task = again;
        s->busy_until = 0;
        s->epoch = ++a->w->order;
        if (s->container.running && behaves(s, "crash"))
            post(s, EVENT_EXITED, MODEL_S(1), 1);
        if (s->container.running && behaves(s, "exits"))
            post(s, EVENT_EXITED, MODEL_S(1), 0);
        if (s->container.running && !s->container.healthy)
            post(s, EVENT_HEALTH, MODEL_S(1), TASK_HEALTHY);
        step(s);
    }
    if (a->connected)
        connect(a);
}

void agent_power_loss(struct agent *a)
{
    sw_list_each(l, &a->tasks)
    {
        struct sim_task *s = sw_list_entry(l, struct sim_task, link);

        memset(&s->container, 0, sizeof(s->container));
    }
    agent_restart(a);
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void live(struct sim_task *s)
{
    struct world *w = s->agent->w;

    if (behaves(s, "exits"))
        post(s, EVENT_EXITED, world_between(w, MODEL_MS(100), MODEL_S(20)), 0);
    else if (behaves(s, "crash"))
        post(s, EVENT_EXITED, world_between(w, MODEL_MS(100), MODEL_S(10)), 1);
    else if (behaves(s, "flaky") && world_chance(w, 30))
        post(s, EVENT_EXITED, world_between(w, MODEL_MS(100), MODEL_S(10)), 2);
    else if (behaves(s, "ill"))
        post(s, EVENT_HEALTH, world_between(w, MODEL_MS(100), MODEL_S(10)), TASK_UNHEALTHY);
    else if (behaves(s, "slow"))
        post(s, EVENT_HEALTH, world_between(w, MODEL_MS(100), MODEL_S(3)), TASK_HEALTHY);
}

static void container_event(struct sim_task *s, const struct event *e)
{
    struct sw_err err = { e->value, "simulated failure" };
    const struct sw_err *why = e->value != 0 ? &err : NULL;

    switch ((unsigned)e->kind) {
    case EVENT_PREPARED:
        s->container.exists |= e->value == 0;
        task_on_prepared(s->task, e->value, why);
        break;
    case EVENT_STARTED:
        if (e->value == 0) {
            s->container.running = true;
            s->container.healthy = !behaves(s, "slow");
            live(s);
        }
        task_on_started(s->task, e->value, "container", 1, !behaves(s, "slow"), why);
        break;
    case EVENT_HEALTH:
        if (!s->container.running)
            return;
        s->container.healthy = e->value == TASK_HEALTHY;
        task_on_health(s->task, (enum task_health)e->value);
        break;
    case EVENT_EXITED:
        if (!s->container.running)
            return;
        s->container.running = false;
        s->container.exited = true;
        s->container.exit_code = e->value;
        task_on_exited(s->task, e->value, NULL);
        break;
    case EVENT_STOPPED:
        if (e->value == 0) {
            s->container.exited |= s->container.running;
            s->container.running = false;
        }
        task_on_stopped(s->task, e->value, why);
        break;
    case EVENT_REMOVED:
        memset(&s->container, 0, sizeof(s->container));
        task_on_removed(s->task, e->value, why);
        break;
    default:
        break;
    }
    step(s);
}

/* The dispatcher: forward statuses of the node's own tasks, stamp them. SEMANTICS 6.9. */
static void take_report(struct world *w, const struct event *e)
{
    const struct view_task *vt = view_task(w->m.view, e->task);
    Swarm__V1__TaskStatus *s;
    struct txn *x;

    if (vt == NULL || vt->t->node != e->node || e->status->state <= status_state(vt->t))
        return;
    s = pb_clone(e->status);
    assert(s != NULL);
    s->applied_ns = (uint64_t)w->m.now_ns;
    s->running_ns = vt->t->status->running_ns;
    if (s->state == TASK_STATE(RUNNING))
        s->running_ns = s->applied_ns;
    x = model_begin(&w->m);
    txn_task_status(x, e->task, s);
    model_commit(&w->m, x);
}

void agent_event(struct world *w, const struct event *e)
{
    struct agent *a = agent_find(w, e->node);
    struct sim_task *s;

    if (a == NULL)
        return;
    switch ((unsigned)e->kind) {
    case EVENT_SYNC:
        sync_agent(a);
        return;
    case EVENT_REPORT:
        if (a->connected && e->epoch == a->session)
            take_report(w, e);
        return;
    case EVENT_DOWN:
        if (!a->connected && e->epoch == a->session && view_node(w->m.view, a->node) != NULL)
            model_node_state(&w->m, a->node, NODE_STATE(DOWN));
        return;
    case EVENT_HEAL:
        if (!a->connected && e->epoch == a->session)
            connect(a);
        return;
    default:
        break;
    }
    s = find(a, e->task);
    if (s != NULL && s->epoch == e->epoch)
        container_event(s, e);
}
