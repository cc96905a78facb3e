/* SPDX-License-Identifier: Apache-2.0
 * task.c - one task on its node.
 *
 * How it works. Events only record what happened; task_step() decides. Beside the observed state,
 * which is the manager's scale and never goes back, the machine keeps what the executor is doing:
 *
 *   IDLE --prepare--> PREPARING --ok--> PREPARED --start--> STARTING --ok--> STARTED
 *    ^                    |  \                                  |               |
 *    |                 temporary                          stop / fatal      exit, stop
 *    \---- back-off ------/    \--fatal, stop--> STOPPING --> STOPPED <---------/
 *                                                               |
 *                                                        task_forget(): REMOVING --> GONE
 *
 * A verdict is the terminal state that will be reported once the container is stopped: the first
 * one stays. A stop is ordered even where no container runs, so that what prepare() half made is
 * given up; prepare() and start() still answer before the stop does. */
#include "agent/task/task.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "proto/pb.h"

#define STATE(x) SWARM__V1__TASK_STATE__TASK_##x

enum phase {
    IDLE,
    PREPARING,
    PREPARED,
    STARTING,
    STARTED,
    STOPPING,
    STOPPED,
    REMOVING,
    GONE,
    PHASES
};

static const struct sw_state phases[] = {
    [IDLE] = { "idle", SW_BIT(PREPARING) | SW_BIT(STOPPING) },
    [PREPARING] = { "preparing", SW_BIT(PREPARED) | SW_BIT(IDLE) | SW_BIT(STOPPING) },
    [PREPARED] = { "prepared", SW_BIT(STARTING) | SW_BIT(STOPPING) },
    [STARTING] = { "starting", SW_BIT(STARTED) | SW_BIT(PREPARED) | SW_BIT(STOPPING) },
    [STARTED] = { "started", SW_BIT(STOPPING) },
    [STOPPING] = { "stopping", SW_BIT(STOPPED) },
    [STOPPED] = { "stopped", SW_BIT(REMOVING) },
    [REMOVING] = { "removing", SW_BIT(GONE) },
    [GONE] = { "gone", 0 },
};
static_assert(SW_ARRAY_LEN(phases) == PHASES, "one row per phase");

struct task {
    Swarm__V1__AssignedTask *assigned;
    const struct task_exec_ops *ops;
    void *arg;
    Swarm__V1__TaskStatus *status; /* as last reported or about to be */
    enum phase phase;
    bool unreported;
    bool order_open; /* prepare() or start() has not answered yet */
    bool forgotten;
    bool healthy;
    bool unhealthy;
    int64_t retry_ns; /* no order before; 0: at once */
    int64_t backoff_ns;
    bool failed_once;             /* an answer asked for a retry: retry_ns is to be computed */
    Swarm__V1__TaskState verdict; /* NEW: none yet */
    char verdict_message[32];
    char verdict_err[SW_ERR_MSG_MAX];
};

static void go(struct task *t, enum phase next)
{
    assert(phases[t->phase].next & SW_BIT(next));
    t->phase = next;
}

/* ---- status --------------------------------------------------------------------------------- */

static void set_status(struct task *t, Swarm__V1__TaskState state, const char *message,
                       const char *err)
{
    if (state < t->status->state || (state == t->status->state && t->status->timestamp_ns != 0))
        return; /* never back */
    t->status->state = state;
    t->status->timestamp_ns = 0; /* task_step() knows the time */
    /* Without memory the texts stay as they were: the state matters more. */
    (void)pb_set_string(&t->status->message, message);
    (void)pb_set_string(&t->status->err, err);
    t->unreported = true;
}

static void report(struct task *t, int64_t now_ns)
{
    if (!t->unreported)
        return;
    t->unreported = false;
    if (t->status->timestamp_ns == 0)
        t->status->timestamp_ns = (uint64_t)now_ns;
    t->ops->report(t->arg, t, t->status);
}

static bool has_ended(const struct task *t)
{
    return t->status->state > STATE(RUNNING);
}

static void decide(struct task *t, Swarm__V1__TaskState state, const char *message, const char *err)
{
    if (t->verdict != STATE(NEW) || has_ended(t))
        return;
    t->verdict = state;
    (void)snprintf(t->verdict_message, sizeof(t->verdict_message), "%s", message);
    (void)snprintf(t->verdict_err, sizeof(t->verdict_err), "%s", err);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void adopt(struct task *t, const struct task_adopt *a)
{
    switch (a->found) {
    case TASK_FOUND_NOTHING:
        if (t->status->state >= STATE(STARTING) && t->status->state <= STATE(RUNNING))
            decide(t, STATE(FAILED), "failed", "container is gone");
        t->phase = has_ended(t) ? STOPPED : IDLE;
        break;
    case TASK_FOUND_PREPARED:
        t->phase = has_ended(t) ? STOPPED : PREPARED;
        break;
    case TASK_FOUND_STARTED:
        t->phase = STARTED;
        t->healthy = a->healthy;
        break;
    case TASK_FOUND_EXITED:
        t->phase = has_ended(t) ? STOPPED : STARTED;
        if (!has_ended(t))
            task_on_exited(t, a->exit_code, NULL);
        break;
    }
}

struct task *task_new(const Swarm__V1__AssignedTask *assigned, const struct task_exec_ops *ops,
                      void *arg, const struct task_adopt *a)
{
    static const struct task_adopt nothing = { .found = TASK_FOUND_NOTHING };
    struct task *t = sw_calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->ops = ops;
    t->arg = arg;
    t->backoff_ns = TASK_RETRY_FIRST_NS;
    t->assigned = pb_clone(assigned);
    t->status = a != NULL && a->status != NULL ? pb_clone(a->status)
                                               : pb_new(&swarm__v1__task_status__descriptor);
    if (t->assigned == NULL || t->status == NULL) {
        task_free(t);
        return NULL;
    }
    if ((a == NULL || a->status == NULL) && assigned->state > STATE(ACCEPTED)) {
        /* The manager knows more than we do: our records are lost, and so is its container. */
        t->status->state = assigned->state;
        t->status->timestamp_ns = 1;
    }
    adopt(t, a != NULL ? a : &nothing);
    set_status(t, STATE(ACCEPTED), "accepted", "");
    return t;
}

void task_free(struct task *t)
{
    if (t == NULL)
        return;
    pb_free(t->assigned);
    pb_free(t->status);
    sw_free(t);
}

const Swarm__V1__AssignedTask *task_assigned(const struct task *t)
{
    return t->assigned;
}

const Swarm__V1__TaskStatus *task_status(const struct task *t)
{
    return t->status;
}

uint64_t task_key(const struct task *t)
{
    return t->assigned->key;
}

int task_update(struct task *t, const Swarm__V1__AssignedTask *assigned)
{
    Swarm__V1__AssignedTask *next = pb_clone(assigned);

    if (next == NULL)
        return -ENOMEM;
    if (next->desired < t->assigned->desired)
        next->desired = t->assigned->desired;
    pb_free(t->assigned);
    t->assigned = next;
    return 0;
}

void task_forget(struct task *t)
{
    t->forgotten = true;
}

bool task_is_gone(const struct task *t)
{
    return t->phase == GONE;
}

bool task_holds_resources(const struct task *t)
{
    return !has_ended(t) || t->phase < STOPPED;
}

/* ---- events --------------------------------------------------------------------------------- */

static bool is_temporary(int result)
{
    return result == SW_E_UNAVAILABLE || result == -EAGAIN || result == SW_E_DEADLINE ||
           result == SW_E_CANCELED;
}

/* Answer of prepare() or start(). Return: false when it came to nothing. */
static bool answered(struct task *t, int result, const struct sw_err *err, enum phase back)
{
    t->order_open = false;
    if (t->phase == STOPPING)
        return false; /* given up meanwhile */
    if (result == 0) {
        t->backoff_ns = TASK_RETRY_FIRST_NS;
        return true;
    }
    if (is_temporary(result)) {
        go(t, back);
        t->failed_once = true;
        return false;
    }
    decide(t, back == IDLE ? STATE(REJECTED) : STATE(FAILED),
           back == IDLE ? "preparing" : "starting", err != NULL ? err->msg : sw_err_name(result));
    return false;
}

void task_on_prepared(struct task *t, int result, const struct sw_err *err)
{
    if (!t->order_open || !answered(t, result, err, IDLE))
        return;
    go(t, PREPARED);
}

void task_on_started(struct task *t, int result, const char *container_id, int pid, bool healthy,
                     const struct sw_err *err)
{
    if (!t->order_open)
        return;
    if (result == 0) {
        (void)pb_set_string(&t->status->container_id, container_id != NULL ? container_id : "");
        t->status->pid = pid;
    }
    if (!answered(t, result, err, PREPARED))
        return;
    t->healthy = healthy;
    go(t, STARTED);
}

void task_on_health(struct task *t, enum task_health health)
{
    if (t->phase != STARTED)
        return;
    if (health == TASK_HEALTHY)
        t->healthy = true;
    else
        t->unhealthy = true;
}

void task_on_exited(struct task *t, int exit_code, const char *why)
{
    t->status->exit_code = exit_code;
    t->status->has_exit_code = true;
    if (t->phase == STOPPING || t->phase >= STOPPED)
        return; /* told to, or after an unhealthy verdict */
    if (exit_code == 0 && why == NULL) {
        decide(t, STATE(COMPLETE), "finished", "");
    } else {
        char text[SW_ERR_MSG_MAX];

        (void)snprintf(text, sizeof(text), "task: non-zero exit (%d)%s%s", exit_code,
                       why != NULL ? ": " : "", why != NULL ? why : "");
        decide(t, STATE(FAILED), "started", text);
    }
}

void task_on_stopped(struct task *t, int result, const struct sw_err *err)
{
    if (t->phase != STOPPING)
        return;
    if (is_temporary(result)) { /* a container that does not die is tried again */
        t->failed_once = true;
        return;
    }
    (void)err; /* whatever it was: there is nothing more to try */
    go(t, STOPPED);
}

void task_on_removed(struct task *t, int result, const struct sw_err *err)
{
    (void)err;
    if (t->phase != REMOVING)
        return;
    if (is_temporary(result))
        t->failed_once = true;
    else
        go(t, GONE);
}

int task_set_container(struct task *t, const char *container_id,
                       Swarm__V1__PortConfig *const *ports, size_t n_ports)
{
    if (pb_set_string(&t->status->container_id, container_id) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n_ports; i++) {
        void *copy = pb_clone(ports[i]);

        if (copy == NULL || pb_add(&t->status->n_host_ports, &t->status->host_ports, copy) < 0) {
            pb_free(copy);
            return -ENOMEM;
        }
    }
    return 0;
}

/* ---- decisions ------------------------------------------------------------------------------ */

static int64_t grace_of(const struct task *t)
{
    const Swarm__V1__ContainerSpec *c =
        t->assigned->spec != NULL ? t->assigned->spec->container : NULL;

    return c != NULL && c->stop_grace_ns != NULL ? c->stop_grace_ns->value : TASK_STOP_GRACE_NS;
}

static void stop(struct task *t)
{
    go(t, STOPPING);
    t->ops->stop(t->arg, t, grace_of(t));
}

static bool may_start(const struct task *t)
{
    return t->assigned->desired == STATE(RUNNING) || t->assigned->desired == STATE(COMPLETE);
}

/* On the way up. Return: true when something changed, so look again. */
static bool climb(struct task *t)
{
    switch (t->phase) {
    case IDLE:
        if (t->assigned->desired <= STATE(ACCEPTED))
            return false;
        set_status(t, STATE(PREPARING), "preparing", "");
        go(t, PREPARING);
        t->order_open = true;
        t->ops->prepare(t->arg, t);
        return true;
    case PREPARED:
        set_status(t, STATE(READY), "prepared", "");
        if (!may_start(t))
            return false;
        set_status(t, STATE(STARTING), "starting", "");
        go(t, STARTING);
        t->order_open = true;
        t->ops->start(t->arg, t);
        return true;
    case STARTED:
        set_status(t, STATE(STARTING), "starting", "");
        if (t->unhealthy)
            decide(t, STATE(FAILED), "started", "task: unhealthy container");
        else if (t->healthy)
            set_status(t, STATE(RUNNING), "started", "");
        return t->unhealthy;
    case PREPARING:
    case STARTING:
    case STOPPING:
    case STOPPED:
    case REMOVING:
    case GONE:
    case PHASES:
        break;
    }
    return false;
}

/* On the way down. Return: true when something changed. */
static bool descend(struct task *t)
{
    switch (t->phase) {
    case IDLE:
    case PREPARING:
    case PREPARED:
    case STARTING:
    case STARTED:
        stop(t);
        return true;
    case STOPPED:
        set_status(t, t->verdict, t->verdict_message, t->verdict_err);
        if (!t->forgotten)
            return false;
        go(t, REMOVING);
        t->ops->remove(t->arg, t);
        return true;
    case STOPPING:
    case REMOVING:
    case GONE:
    case PHASES:
        break;
    }
    return false;
}

static void order_again(struct task *t)
{
    if (t->phase == STOPPING)
        t->ops->stop(t->arg, t, 0);
    else if (t->phase == REMOVING)
        t->ops->remove(t->arg, t);
}

int64_t task_step(struct task *t, int64_t now_ns)
{
    bool again = true;

    if (t->failed_once) {
        t->failed_once = false;
        t->retry_ns = now_ns + t->backoff_ns;
        t->backoff_ns = SW_MIN(2 * t->backoff_ns, TASK_RETRY_LONGEST_NS);
    }
    if (t->forgotten || t->assigned->desired >= STATE(SHUTDOWN))
        decide(t, STATE(SHUTDOWN), "shutdown", "");
    while (again) {
        bool down = t->verdict != STATE(NEW) || has_ended(t);

        /* Going down does not wait for the back-off of going up. */
        if (t->retry_ns > now_ns && (!down || t->phase == STOPPING || t->phase == REMOVING))
            break;
        if (t->retry_ns != 0) {
            t->retry_ns = 0;
            if (down)
                order_again(t);
        }
        again = down ? descend(t) : climb(t);
        report(t, now_ns);
        if (t->forgotten || t->assigned->desired >= STATE(SHUTDOWN))
            decide(t, STATE(SHUTDOWN), "shutdown", "");
    }
    report(t, now_ns);
    return t->retry_ns;
}
