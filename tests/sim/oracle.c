/* SPDX-License-Identifier: Apache-2.0
 * oracle.c - what must always hold: O1 - O5, O7 - O9 of SEMANTICS 29.
 *
 * The oracle keeps its own records from the changes it sees and never asks the loops. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/scheduler/constraint.h"
#include "proto/pb.h"
#include "tests/sim/oracle.h"

void oracle_fail(struct world *w, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "ORACLE at %.3f s: ", (double)(w->m.now_ns - MODEL_S(1000000)) / 1e9);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    abort();
}

struct oracle *oracle_new(struct world *w)
{
    struct oracle *o = sw_calloc(1, sizeof(*o));

    assert(o != NULL);
    o->w = w;
    sw_map_init(&o->full);
    return o;
}

void oracle_free(struct oracle *o)
{
    if (o == NULL)
        return;
    sw_free(o->restarts);
    sw_free(o->made);
    sw_map_fini(&o->full);
    sw_free(o);
}

/* ---- O1 ---------------------------------------------------------------------------------------
 */

static void check_monotone(struct oracle *o, const Swarm__V1__Task *a, const Swarm__V1__Task *b)
{
    unsigned long key = ul(a->meta->key);

    if (b->desired < a->desired)
        oracle_fail(o->w, "O1: desired state of task %lu fell from %d to %d", key, (int)a->desired,
                    (int)b->desired);
    if (status_state(b) < status_state(a))
        oracle_fail(o->w, "O1: state of task %lu fell from %d to %d", key, (int)status_state(a),
                    (int)status_state(b));
    if (a->node != 0 && a->node != b->node)
        oracle_fail(o->w, "O1: task %lu moved from node %lu to %lu", key, ul(a->node), ul(b->node));
    if (a->spec_version != b->spec_version || a->slot != b->slot || a->service != b->service)
        oracle_fail(o->w, "O1: task %lu changed what it is", key);
    if (b->desired == TASK_STATE(RUNNING) && a->desired == TASK_STATE(READY) &&
        (int64_t)b->start_after_ns > o->w->m.now_ns)
        oracle_fail(o->w, "11.6: task %lu started before its delay was over", key);
}

/* ---- O4: at the moment of assignment ----------------------------------------------------------
 */

static const Swarm__V1__Resources *reserved(const struct view_task *vt)
{
    const Swarm__V1__TaskSpec *s = view_task_spec(vt, NULL);

    return s != NULL && s->resources != NULL ? s->resources->reservations : NULL;
}

static void check_generic(struct oracle *o, const struct view_node *vn)
{
    const Swarm__V1__Resources *have = vn->n->description->resources;

    for (size_t i = 0; i < have->n_generic; i++) {
        const Swarm__V1__GenericResource *g = have->generic[i];
        int64_t used = 0;

        sw_list_each(l, &vn->tasks)
        {
            const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_node)->t;

            for (size_t k = 0; on_node(t) && k < t->n_assigned_generic; k++) {
                const Swarm__V1__GenericResource *x = t->assigned_generic[k];

                if (strcmp(x->kind, g->kind) == 0 && strcmp(x->value, g->value) == 0)
                    used += g->value[0] != '\0' ? 1 : x->count;
            }
        }
        if (used > (g->value[0] != '\0' ? 1 : g->count))
            oracle_fail(o->w, "O4: generic resource %s=%s of node %lu is used %ld times", g->kind,
                        g->value, ul(vn->o->key), (long)used);
    }
}

static void check_assignment(struct oracle *o, const struct view_task *vt)
{
    const struct view_node *vn = vt->node;
    const Swarm__V1__TaskSpec *spec = view_task_spec(vt, NULL);
    const Swarm__V1__Resources *want = reserved(vt);
    struct constraint_set set = { NULL, 0 };
    struct sw_err err;
    int64_t cpu = 0;
    int64_t mem = 0;
    unsigned same = 0;

    if (vn == NULL || spec == NULL || o->w->disturbed)
        return; /* the node went or changed while the decision was under way */
    sw_list_each(l, &vn->tasks)
    {
        const struct view_task *other = sw_list_entry(l, struct view_task, of_node);
        const Swarm__V1__Resources *r = reserved(other);

        if (!on_node(other->t))
            continue;
        if (other->t->service == vt->t->service && status_wanted(other->t))
            same++;
        cpu += r != NULL ? r->nano_cpus : 0;
        mem += r != NULL ? r->memory_bytes : 0;
    }
    if (want != NULL && want->nano_cpus > 0 && cpu > vn->n->description->resources->nano_cpus)
        oracle_fail(o->w, "O4: node %lu has more CPU reserved than it has", ul(vn->o->key));
    if (want != NULL && want->memory_bytes > 0 && mem > vn->n->description->resources->memory_bytes)
        oracle_fail(o->w, "O4: node %lu has more memory reserved than it has", ul(vn->o->key));
    check_generic(o, vn);
    if (vn->n->status->state != NODE_STATE(READY) ||
        vn->n->spec->availability != SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE)
        oracle_fail(o->w, "13.2: task %lu assigned to node %lu, which takes none", ul(vt->o->key),
                    ul(vn->o->key));
    if (spec->placement == NULL)
        return;
    if (spec->placement->max_replicas != 0 && same > spec->placement->max_replicas)
        oracle_fail(o->w, "13.2: %u tasks of service %lu on node %lu", same, ul(vt->t->service),
                    ul(vn->o->key));
    if (constraint_parse(spec->placement->constraints, spec->placement->n_constraints, &set,
                         &err) == 0) {
        if (!constraint_match(&set, vn->n))
            oracle_fail(o->w, "13.2: task %lu assigned against its constraints", ul(vt->o->key));
        constraint_fini(&set);
    }
}

/* ---- O9 ---------------------------------------------------------------------------------------
 */

static void check_restart(struct oracle *o, const struct view_task *vt)
{
    const Swarm__V1__Task *t = vt->t;
    const Swarm__V1__TaskSpec *spec = view_task_spec(vt, NULL);
    const struct view_task *old = view_task(o->w->m.view, t->replaces);
    const Swarm__V1__RestartPolicy *p = spec != NULL ? spec->restart : NULL;
    uint64_t so_far = 0;

    if (t->replaces == 0 || t->by_update)
        return;
    if (old != NULL && p != NULL && old->t->spec_version == t->spec_version) {
        int64_t end = (int64_t)old->t->status->applied_ns;

        for (size_t i = 0; i < o->n_restarts; i++) {
            const struct restart *r = &o->restarts[i];

            if (r->service != t->service || r->slot != t->slot || r->version != t->spec_version ||
                (vt->service->s->spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_GLOBAL &&
                 r->node != t->node) ||
                r->iteration != t->job_iteration)
                continue;
            if (p->window_ns > 0 && (r->at_ns > end || r->at_ns + p->window_ns <= end))
                continue;
            so_far++;
        }
        if (p->max_attempts > 0 && so_far >= p->max_attempts)
            oracle_fail(o->w, "O9: restart %lu of service %lu slot %lu, %lu allowed",
                        ul(so_far + 1), ul(t->service), ul(t->slot), ul(p->max_attempts));
        if (p->condition == SWARM__V1__RESTART_POLICY__CONDITION__NONE &&
            vt->service->s->spec->mode_case != SWARM__V1__SERVICE_SPEC__MODE_GLOBAL)
            oracle_fail(o->w, "11.3: task %lu restarted though the condition is none",
                        ul(vt->o->key));
        if (p->condition == SWARM__V1__RESTART_POLICY__CONDITION__ON_FAILURE &&
            status_state(old->t) == TASK_STATE(COMPLETE))
            oracle_fail(o->w, "11.3: task %lu restarted though it completed", ul(old->o->key));
    }
    if (o->n_restarts == o->cap_restarts) {
        o->cap_restarts = o->cap_restarts != 0 ? o->cap_restarts * 2 : 64;
        o->restarts = sw_realloc(o->restarts, o->cap_restarts * sizeof(*o->restarts));
        assert(o->restarts != NULL);
    }
    o->restarts[o->n_restarts++] =
        (struct restart){ vt->o->key,      t->service,       t->slot,       t->node,
                          t->spec_version, t->job_iteration, o->w->m.now_ns };
}

/* A replacement that never got to a node and is not wanted any more was none. */
static void forget_restart(struct oracle *o, uint64_t task)
{
    for (size_t i = 0; i < o->n_restarts; i++) {
        if (o->restarts[i].task == task)
            o->restarts[i] = o->restarts[--o->n_restarts];
    }
}

/* ---- O8, O7 -----------------------------------------------------------------------------------
 */

static int64_t monitor_of(const Swarm__V1__UpdateConfig *c)
{
    int64_t monitor = c != NULL && c->monitor_ns != NULL ? c->monitor_ns->value : MODEL_S(5);

    return c != NULL && c->delay_ns >= monitor ? c->delay_ns + MODEL_S(1) : monitor;
}

static void check_failure_ratio(struct oracle *o, const Swarm__V1__Service *before,
                                const Swarm__V1__Service *after)
{
    const struct view_service *vs = view_service(o->w->m.view, after->meta->key);
    bool rolling = update_state(before) == SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED;
    const Swarm__V1__UpdateConfig *c = rolling ? before->spec->rollback : before->spec->update;
    int64_t monitor = monitor_of(c);
    unsigned made = 0;
    unsigned failed = 0;

    sw_list_each(l, &vs->tasks)
    {
        const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_service)->t;
        Swarm__V1__TaskState s = status_state(t);

        if (!t->by_update || t->spec_version != before->spec_version)
            continue;
        made++;
        failed +=
            (s == TASK_STATE(FAILED) || s == TASK_STATE(REJECTED) || s == TASK_STATE(COMPLETE)) &&
            (t->status->running_ns == 0 ||
             t->status->applied_ns <= t->status->running_ns + (uint64_t)monitor);
    }
    if (failed == 0)
        oracle_fail(o->w, "O8: service %lu acts on failures, but none happened",
                    ul(after->meta->key));
    if ((double)failed / made <= (c != NULL ? c->max_failure_ratio : 0))
        oracle_fail(o->w, "O8: service %lu acts on %u failures of at least %u",
                    ul(after->meta->key), failed, made);
}

static void record_made(struct oracle *o, const Swarm__V1__Task *t)
{
    if (!t->by_update)
        return;
    if (o->n_made == o->cap_made) {
        o->cap_made = o->cap_made != 0 ? o->cap_made * 2 : 64;
        o->made = sw_realloc(o->made, o->cap_made * sizeof(*o->made));
        assert(o->made != NULL);
    }
    o->made[o->n_made++] =
        (struct made){ t->meta->key, t->service, t->slot, t->spec_version, false };
}

static void record_failure(struct oracle *o, const struct view_task *vt)
{
    const Swarm__V1__Task *t = vt->t;
    Swarm__V1__TaskState s = status_state(t);
    const Swarm__V1__ServiceSpec *spec = vt->service != NULL ? vt->service->s->spec : NULL;

    if (!t->by_update || spec == NULL || t->spec_version != vt->service->s->spec_version ||
        (s != TASK_STATE(FAILED) && s != TASK_STATE(REJECTED) && s != TASK_STATE(COMPLETE)))
        return;
    if (t->status->running_ns != 0 &&
        t->status->applied_ns > t->status->running_ns + (uint64_t)monitor_of(spec->update))
        return;
    for (size_t i = 0; i < o->n_made; i++)
        o->made[i].failed |= o->made[i].task == vt->o->key;
}

/* All that failed must have been counted, also what is deleted since. */
static void check_completed(struct oracle *o, const Swarm__V1__Service *s)
{
    const Swarm__V1__UpdateConfig *c = s->spec->update;
    const struct view_service *vs = view_service(o->w->m.view, s->meta->key);
    unsigned failed = 0;
    unsigned made = 0;

    sw_list_each(l, &vs->tasks)
    {
        const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_service)->t;

        if (t->by_update && t->spec_version == s->spec_version && t->status->running_ns != 0 &&
            (int64_t)t->status->running_ns + monitor_of(c) > o->w->m.now_ns)
            oracle_fail(o->w, "12.7: update of service %lu completed before it was watched",
                        ul(s->meta->key));
    }
    if (s->spec->mode_case != SWARM__V1__SERVICE_SPEC__MODE_REPLICATED ||
        (c != NULL && c->failure_action == SWARM__V1__UPDATE_CONFIG__FAILURE_ACTION__CONTINUE))
        return;
    for (size_t i = 0; i < o->n_made; i++) {
        const struct made *m = &o->made[i];

        if (m->service != s->meta->key || m->version != s->spec_version)
            continue;
        made++;
        failed += m->failed;
    }
    if (made > 0 && (double)failed / made > (c != NULL ? c->max_failure_ratio : 0))
        oracle_fail(o->w, "O8: update of service %lu completed with %u failures of %u",
                    ul(s->meta->key), failed, made);
}

static void check_update(struct oracle *o, const Swarm__V1__Service *a, const Swarm__V1__Service *b)
{
    int was = update_state(a);
    int is = update_state(b);

    if (was != SWARM__V1__UPDATE_STATUS__STATE__UPDATING &&
        was != SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED)
        return;
    if (is == SWARM__V1__UPDATE_STATUS__STATE__PAUSED ||
        is == SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_PAUSED)
        check_failure_ratio(o, a, b);
    if (was == SWARM__V1__UPDATE_STATUS__STATE__UPDATING &&
        is == SWARM__V1__UPDATE_STATUS__STATE__COMPLETED)
        check_completed(o, b);
    if (was == SWARM__V1__UPDATE_STATUS__STATE__UPDATING &&
        is == SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED &&
        strstr(b->update_status->message, "manually") == NULL) {
        check_failure_ratio(o, a, b);
        if (!pb_equal(a->previous_spec, b->spec))
            oracle_fail(o->w, "O8: rollback of service %lu did not restore its specification",
                        ul(b->meta->key));
    }
}

static unsigned running(const struct view_service *vs)
{
    unsigned n = 0;

    sw_list_each(l, &vs->tasks) n +=
        status_state(sw_list_entry(l, struct view_task, of_service)->t) == TASK_STATE(RUNNING);
    return n;
}

/* In a calm world only updates take tasks away. */
static void check_availability(struct oracle *o, const struct view_service *vs)
{
    const Swarm__V1__Service *s = vs->s;
    const Swarm__V1__UpdateConfig *c = s->spec->update;
    uint64_t replicas;
    uint64_t least;

    if (!o->w->calm || o->w->ending ||
        s->spec->mode_case != SWARM__V1__SERVICE_SPEC__MODE_REPLICATED)
        return;
    replicas = s->spec->replicated->replicas;
    if (running(vs) >= replicas) {
        (void)sw_map_put(&o->full, vs->o->key, o);
        return;
    }
    if (sw_map_get(&o->full, vs->o->key) == NULL)
        return;
    least =
        c != NULL && c->parallelism == 0 ? 0 : replicas - SW_MIN(replicas, c ? c->parallelism : 1);
    if (c != NULL && c->order == SWARM__V1__UPDATE_CONFIG__ORDER__START_FIRST)
        least = replicas;
    if (running(vs) < least)
        oracle_fail(o->w, "O7: %u of %lu tasks of service %lu run, %lu must", running(vs),
                    ul(replicas), ul(vs->o->key), ul(least));
}

void oracle_change(struct oracle *o, const struct view_change *c)
{
    if (c->kind == VIEW_SERVICE && c->before != NULL && c->after != NULL)
        check_update(o, c->before, c->after);
    if (c->kind == VIEW_TASK && c->after == NULL && status_state(c->before) < TASK_STATE(ASSIGNED))
        forget_restart(o, c->key);
    if (c->kind == VIEW_TASK && c->after != NULL) {
        const struct view_task *vt = view_task(o->w->m.view, c->key);

        if (c->before == NULL)
            record_made(o, vt->t);
        if (c->before == NULL && vt->service != NULL)
            check_restart(o, vt);
        if (c->before != NULL && status_state(c->before) != status_state(c->after))
            record_failure(o, vt);
        if (c->before != NULL) {
            check_monotone(o, c->before, c->after);
            if (status_state(c->before) < TASK_STATE(ASSIGNED) &&
                status_state(c->after) == TASK_STATE(ASSIGNED))
                check_assignment(o, vt);
        }
        if (vt->service != NULL)
            check_availability(o, vt->service);
    }
}
