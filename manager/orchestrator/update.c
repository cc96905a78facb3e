/* SPDX-License-Identifier: Apache-2.0
 * update.c - rolling updates and rollbacks: SEMANTICS 12.
 *
 * How it works. An update has no state of its own. Which slots are still to do is what slot.c found
 * (svc.outdated); which are under way is read from the tasks that an update made for the current
 * version (Task.by_update), how far they got from TaskStatus.running_ns and applied_ns. The reaper
 * keeps those tasks while the update runs. So a new leader goes on where the old one stopped.
 *
 *   none --outdated slots--> UPDATING --all done, monitored--> COMPLETED
 *                               |--too many failures: pause--> PAUSED
 *                               \--too many failures: rollback--> ROLLBACK_STARTED --> ROLLBACK_...
 *
 * A slot is busy, and takes one of `parallelism` places, from the creation of its new task until
 * `delay` after that got to RUNNING or ended. */
#include <errno.h>
#include <stdio.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/time.h"
#include "manager/orchestrator/step.h"
#include "proto/pb.h"

typedef Swarm__V1__UpdateStatus__State update_state; /* a generated name, shortened */

#define STATE(x) SWARM__V1__UPDATE_STATUS__STATE__##x

static update_state state_of(const struct svc *s)
{
    return s->msg->update_status != NULL ? s->msg->update_status->state : STATE(UNKNOWN);
}

bool update_is_active(const struct svc *s)
{
    return s->msg != NULL &&
           (state_of(s) == STATE(UPDATING) || state_of(s) == STATE(ROLLBACK_STARTED));
}

static const Swarm__V1__UpdateConfig *config_of(const struct svc *s)
{
    static const Swarm__V1__UpdateConfig defaults = {
        .base = PROTOBUF_C_MESSAGE_INIT(&swarm__v1__update_config__descriptor),
        .parallelism = 1,
    };
    const Swarm__V1__UpdateConfig *c = NULL;

    if (s->msg->spec != NULL)
        c = state_of(s) == STATE(ROLLBACK_STARTED) ? s->msg->spec->rollback : s->msg->spec->update;
    return c != NULL ? c : &defaults;
}

bool update_start_first(const struct svc *s)
{
    return s->msg != NULL && config_of(s)->order == SWARM__V1__UPDATE_CONFIG__ORDER__START_FIRST;
}

static int64_t monitor_of(const Swarm__V1__UpdateConfig *c)
{
    int64_t monitor = c->monitor_ns != NULL ? c->monitor_ns->value : ORCH_MONITOR_NS;

    return c->delay_ns >= monitor ? c->delay_ns + SW_NS_PER_S : monitor;
}

/* ---- what a slot tells ---------------------------------------------------------------------- */

static bool ended_early(const Swarm__V1__Task *t, int64_t monitor_ns)
{
    Swarm__V1__TaskState s = status_state(t);

    if (s != SWARM__V1__TASK_STATE__TASK_COMPLETE && s != SWARM__V1__TASK_STATE__TASK_FAILED &&
        s != SWARM__V1__TASK_STATE__TASK_REJECTED)
        return false; /* running, or stopped because it was told to */
    return t->status->running_ns == 0 ||
           t->status->applied_ns <= t->status->running_ns + (uint64_t)monitor_ns;
}

/* When the update's task got as far as the update waits for; 0: not yet. */
static int64_t done_at(const Swarm__V1__Task *t)
{
    if (status_state(t) < SWARM__V1__TASK_STATE__TASK_RUNNING && status_wanted(t))
        return 0;
    if (t->status == NULL)
        return (int64_t)t->meta->created_ns;
    if (t->status->running_ns != 0)
        return (int64_t)t->status->running_ns;
    return (int64_t)SW_MAX(t->status->applied_ns, t->meta->created_ns);
}

void update_measure(struct slot_eval *v)
{
    const Swarm__V1__UpdateConfig *c = config_of(v->svc);
    int64_t monitor = monitor_of(c);
    struct slot *slot = v->slot;
    const Swarm__V1__Task *last = NULL;

    for (uint32_t i = 0; i < v->n; i++) {
        const Swarm__V1__Task *t = v->e[i].t;

        if (!t->by_update || t->spec_version != v->msg->spec_version)
            continue;
        last = t;
        if (!ended_early(t, monitor))
            continue;
        slot->failures++;
        v->svc->failed_task = SW_MAX(v->svc->failed_task, t->meta->key);
    }
    if (last == NULL)
        return;
    slot->touched = true;
    slot->done_ns = done_at(last);
    slot->busy_until_ns = slot->done_ns != 0 ? slot->done_ns + c->delay_ns : ORCH_BUSY;
    v->svc->last_done_ns = SW_MAX(v->svc->last_done_ns, slot->done_ns);
    if (slot->busy_until_ns > v->x->now_ns)
        sw_list_push_back(&v->svc->busy, &slot->busy);
}

/* ---- what the service does ------------------------------------------------------------------ */

static Swarm__V1__Service *set_status(struct orch_step *x, struct svc *s, update_state state,
                                      const char *message)
{
    struct view_service *vs = view_service(x->view, s->key);
    Swarm__V1__Service *edit = vs != NULL ? txn_edit_service(x->txn, vs) : NULL;
    Swarm__V1__UpdateStatus *u;

    if (edit == NULL)
        return NULL;
    if (edit->update_status == NULL)
        edit->update_status = pb_new(&swarm__v1__update_status__descriptor);
    u = edit->update_status;
    if (u == NULL || pb_set_string(&u->message, message) < 0) {
        x->o->stale = true;
        return NULL;
    }
    u->state = state;
    if (state == STATE(UPDATING) || state == STATE(ROLLBACK_STARTED)) {
        u->started_ns = (uint64_t)x->now_ns;
        u->completed_ns = 0;
    } else if (state == STATE(COMPLETED) || state == STATE(ROLLBACK_COMPLETED)) {
        u->completed_ns = (uint64_t)x->now_ns;
    }
    txn_mark(x->txn);
    return edit;
}

static int keep_in_history(Swarm__V1__Service *s)
{
    Swarm__V1__ServiceSpecVersion *h;

    for (size_t i = 0; i < s->n_history; i++) {
        if (s->history[i]->spec_version == s->spec_version)
            return 0;
    }
    h = pb_new(&swarm__v1__service_spec_version__descriptor);
    if (h == NULL)
        return -ENOMEM;
    h->spec_version = s->spec_version;
    h->task = s->spec->task;
    h->endpoint = s->spec->endpoint;
    if (pb_add(&s->n_history, &s->history, h) < 0) {
        h->task = NULL;
        h->endpoint = NULL;
        pb_free(h);
        return -ENOMEM;
    }
    s->spec->task = NULL; /* moved */
    s->spec->endpoint = NULL;
    return 0;
}

static void roll_back(struct orch_step *x, struct svc *s, const char *message)
{
    Swarm__V1__Service *edit = set_status(x, s, STATE(ROLLBACK_STARTED), message);

    if (edit == NULL)
        return;
    if (keep_in_history(edit) < 0) {
        x->o->stale = true;
        return;
    }
    pb_free(edit->spec);
    edit->spec = edit->previous_spec;
    edit->previous_spec = NULL;
    edit->previous_spec_version = 0;
    edit->spec_version++; /* a number of its own: tasks of the failed update must not count again */
}

static void act_on_failures(struct orch_step *x, struct svc *s)
{
    const struct view_object *o = view_object(x->view, s->failed_task);
    const char *id = o != NULL ? o->id : "";
    bool rolling_back = state_of(s) == STATE(ROLLBACK_STARTED);
    bool wants_rollback =
        config_of(s)->failure_action == SWARM__V1__UPDATE_CONFIG__FAILURE_ACTION__ROLLBACK;
    char message[160];

    if (wants_rollback && !rolling_back && s->msg->previous_spec != NULL) {
        (void)snprintf(message, sizeof(message),
                       "update rolled back due to failure or early termination of task %s", id);
        roll_back(x, s, message);
        return;
    }
    (void)snprintf(message, sizeof(message),
                   "%s paused due to failure or early termination of task %s",
                   wants_rollback && rolling_back ? "rollback" : "update", id);
    (void)set_status(x, s, rolling_back ? STATE(ROLLBACK_PAUSED) : STATE(PAUSED), message);
}

static bool too_many_failures(const struct svc *s)
{
    const Swarm__V1__UpdateConfig *c = config_of(s);
    unsigned slots = s->n_touched + s->n_outdated;

    if (s->n_failures == 0 || slots == 0 ||
        c->failure_action == SWARM__V1__UPDATE_CONFIG__FAILURE_ACTION__CONTINUE)
        return false;
    return (double)s->n_failures / (double)slots > c->max_failure_ratio;
}

static void start_slot(struct orch_step *x, struct slot *slot)
{
    SW_CLEANUP(sw_free_ptr) struct entry *e = NULL;
    struct svc *s = slot->svc;
    bool start_first = update_start_first(s);
    uint32_t n = slot_entries(x, slot, &e);
    const struct entry *old = NULL;
    bool global = s->mode == SVC_GLOBAL;
    struct task_plan plan = { .slot = global ? 0 : slot->id,
                              .node = global ? slot->id : 0,
                              .desired = slot_running(s),
                              .by_update = true };

    for (uint32_t i = 0; i < n; i++) {
        if (e[i].t->desired >= SWARM__V1__TASK_STATE__TASK_REMOVE)
            continue;
        if (old == NULL || status_wanted(e[i].t) || !status_wanted(old->t))
            old = &e[i];
    }
    if (old == NULL)
        return;
    plan.replaces = old->vt->o->key;
    if (!start_first && !slot_is_over(x, old->t))
        plan.desired = SWARM__V1__TASK_STATE__TASK_READY;
    for (uint32_t i = 0; i < n && !start_first; i++)
        slot_desire(x, &e[i], SWARM__V1__TASK_STATE__TASK_SHUTDOWN);
    task_create(x, s, &plan);
    txn_mark(x->txn);

    sw_list_del(&slot->outdated);
    s->n_outdated--;
    s->n_touched += !slot->touched;
    slot->touched = true;
    slot->done_ns = 0;
    slot->busy_until_ns = ORCH_BUSY;
    sw_list_del(&slot->busy);
    sw_list_push_back(&s->busy, &slot->busy);
}

/* Return: busy slots; @unfinished: some of them are not even running yet. */
static uint64_t count_busy(struct orch_step *x, struct svc *s, bool *unfinished)
{
    uint64_t n = 0;

    *unfinished = false;
    sw_list_each_safe(l, &s->busy)
    {
        struct slot *slot = sw_list_entry(l, struct slot, busy);

        if (slot->busy_until_ns <= x->now_ns) {
            sw_list_del(l);
            continue;
        }
        n++;
        *unfinished |= slot->done_ns == 0;
        if (slot->busy_until_ns != ORCH_BUSY)
            cache_wake_svc(x->o, s, slot->busy_until_ns);
    }
    return n;
}

static void complete(struct orch_step *x, struct svc *s)
{
    int64_t at = s->last_done_ns + monitor_of(config_of(s));

    if (s->n_touched > 0 && at > x->now_ns) {
        cache_wake_svc(x->o, s, at);
        return;
    }
    if (state_of(s) == STATE(ROLLBACK_STARTED))
        (void)set_status(x, s, STATE(ROLLBACK_COMPLETED), "rollback completed");
    else
        (void)set_status(x, s, STATE(COMPLETED), "update completed");
}

void update_step(struct orch_step *x, struct svc *s)
{
    update_state state = state_of(s);
    bool active = update_is_active(s);
    uint64_t places = config_of(s)->parallelism;
    bool unfinished;
    uint64_t busy;

    if (state == STATE(PAUSED) || state == STATE(ROLLBACK_PAUSED) ||
        (!active && s->n_outdated == 0))
        return;
    if (active && too_many_failures(s)) {
        act_on_failures(x, s);
        return;
    }
    busy = count_busy(x, s, &unfinished);
    if (active && s->n_outdated == 0) {
        if (!unfinished)
            complete(x, s);
        return;
    }
    if (state == STATE(UNKNOWN))
        (void)set_status(x, s, STATE(UPDATING), "update in progress");
    while (s->n_outdated > 0 && (places == 0 || busy < places) && x->budget > 0) {
        start_slot(x, sw_list_entry(s->outdated.next, struct slot, outdated));
        busy++;
        x->budget--;
    }
    if (s->n_outdated > 0 && x->budget == 0)
        cache_dirty_svc(x->o, s);
}
