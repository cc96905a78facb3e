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
#include "tests/sim/world.h"

struct restart { /* a replacement made by the restart supervisor */
    uint64_t task, service, slot, node, version, iteration;
    int64_t at_ns;
};

struct made { /* a task of a rolling update */
    uint64_t task, service, slot, version;
    bool failed;
};

struct oracle {
    struct made *made;
    size_t n_made, cap_made;
    struct world *w;
    struct restart *restarts;
    size_t n_restarts, cap_restarts;
    struct sw_map full; /* calm: services that had all tasks running when their update began */
};

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

static unsigned long ul(uint64_t x)
{
    return (unsigned long)x;
}

/* ---- O1 --------------------------------------------------------------------------------------- */

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

/* ---- O4: at the moment of assignment ---------------------------------------------------------- */

static const Swarm__V1__Resources *reserved(const struct view_task *vt)
{
    const Swarm__V1__TaskSpec *s = view_task_spec(vt, NULL);

    return s != NULL && s->resources != NULL ? s->resources->reservations : NULL;
}

static bool on_node(const Swarm__V1__Task *t)
{
    return t->node != 0 && status_state(t) >= TASK_STATE(ASSIGNED) && !status_ended(t);
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
    if (want != NULL && want->memory_bytes > 0 &&
        mem > vn->n->description->resources->memory_bytes)
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

/* ---- O9 --------------------------------------------------------------------------------------- */

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
    o->restarts[o->n_restarts++] = (struct restart){
        vt->o->key,      t->service,       t->slot,          t->node,
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

/* ---- O8, O7 ----------------------------------------------------------------------------------- */

static int update_state(const Swarm__V1__Service *s)
{
    return s->update_status != NULL ? (int)s->update_status->state : 0;
}

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
        failed += (s == TASK_STATE(FAILED) || s == TASK_STATE(REJECTED) ||
                   s == TASK_STATE(COMPLETE)) &&
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
        (c != NULL &&
         c->failure_action == SWARM__V1__UPDATE_CONFIG__FAILURE_ACTION__CONTINUE))
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

    sw_list_each(l, &vs->tasks)
        n += status_state(sw_list_entry(l, struct view_task, of_service)->t) == TASK_STATE(RUNNING);
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
    least = c != NULL && c->parallelism == 0 ? 0 : replicas - SW_MIN(replicas, c ? c->parallelism : 1);
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
    if (c->kind == VIEW_TASK && c->after == NULL &&
        status_state(c->before) < TASK_STATE(ASSIGNED))
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

/* ---- O5 --------------------------------------------------------------------------------------- */

static void claim(struct oracle *o, struct sw_map *taken, uint64_t network, uint32_t addr,
                  uint64_t owner)
{
    uint64_t key = network << 32 | addr;
    uint64_t other;

    if (addr == 0)
        return;
    other = (uint64_t)(uintptr_t)sw_map_get(taken, key);
    if (other != 0)
        oracle_fail(o->w, "O5: address %x of network %lu belongs to %lu and %lu", addr,
                    ul(network), ul(other), ul(owner));
    if (sw_map_put(taken, key, (void *)(uintptr_t)owner) < 0)
        abort();
}

static void claim_all(struct oracle *o, struct sw_map *taken, struct sw_map *ports)
{
    const struct view *v = o->w->m.view;

    sw_list_each(l, view_list(v, VIEW_NETWORK))
    {
        const struct view_object *obj = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Network *n = obj->msg;

        claim(o, taken, obj->key, n->gateway, obj->key);
        claim(o, taken, 0, n->vni, obj->key);
    }
    sw_list_each(l, view_list(v, VIEW_NODE))
    {
        const struct view_object *obj = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Node *n = obj->msg;

        for (size_t i = 0; i < n->n_network_addrs; i++)
            claim(o, taken, n->network_addrs[i]->network, n->network_addrs[i]->addr, obj->key);
    }
    sw_list_each(l, view_list(v, VIEW_SERVICE))
    {
        const struct view_object *obj = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Endpoint *e = ((const Swarm__V1__Service *)obj->msg)->endpoint;

        for (size_t i = 0; e != NULL && i < e->n_vips; i++)
            claim(o, taken, e->vips[i]->network, e->vips[i]->addr, obj->key);
        for (size_t i = 0; e != NULL && i < e->n_ports; i++) {
            if (e->ports[i]->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS)
                claim(o, ports, e->ports[i]->protocol + 1, e->ports[i]->published, obj->key);
        }
    }
    sw_list_each(l, view_list(v, VIEW_TASK))
    {
        const struct view_object *obj = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Task *t = obj->msg;

        for (size_t i = 0; !status_ended(t) && i < t->n_networks; i++)
            claim(o, taken, t->networks[i]->network, t->networks[i]->addr, obj->key);
    }
}

static size_t used_on(const struct oracle *o, uint64_t network)
{
    size_t n = 1; /* the gateway */

    sw_list_each(l, view_list(o->w->m.view, VIEW_NODE))
    {
        const Swarm__V1__Node *x = sw_list_entry(l, struct view_object, link)->msg;

        for (size_t i = 0; i < x->n_network_addrs; i++)
            n += x->network_addrs[i]->network == network;
    }
    sw_list_each(l, view_list(o->w->m.view, VIEW_SERVICE))
    {
        const Swarm__V1__Service *x = sw_list_entry(l, struct view_object, link)->msg;

        for (size_t i = 0; x->endpoint != NULL && i < x->endpoint->n_vips; i++)
            n += x->endpoint->vips[i]->network == network;
    }
    sw_list_each(l, view_list(o->w->m.view, VIEW_TASK))
    {
        const Swarm__V1__Task *x = sw_list_entry(l, struct view_object, link)->msg;

        for (size_t i = 0; !status_ended(x) && i < x->n_networks; i++)
            n += x->networks[i]->network == network;
    }
    return n;
}

static bool any_network_is_full(const struct oracle *o)
{
    sw_list_each(l, view_list(o->w->m.view, VIEW_NETWORK))
    {
        const struct view_object *obj = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Network *n = obj->msg;

        if (n->subnet_len != 0 && used_on(o, obj->key) >= (1u << (32 - n->subnet_len)) - 2)
            return true;
    }
    return false;
}

void oracle_scan(struct oracle *o)
{
    struct sw_map taken;
    struct sw_map ports;

    sw_map_init(&taken);
    sw_map_init(&ports);
    claim_all(o, &taken, &ports);
    sw_map_fini(&taken);
    sw_map_fini(&ports);
}

/* ---- O2, O3: at rest -------------------------------------------------------------------------- */

static bool takes_tasks(const struct view_node *vn)
{
    return vn->n->status->state == NODE_STATE(READY) &&
           vn->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE;
}

static bool allowed(const struct view_service *vs, const struct view_node *vn)
{
    const Swarm__V1__Placement *p = vs->s->spec->task->placement;
    struct constraint_set set = { NULL, 0 };
    struct sw_err err;
    bool ok;

    if (p == NULL || constraint_parse(p->constraints, p->n_constraints, &set, &err) < 0)
        return true;
    ok = constraint_match(&set, vn->n);
    constraint_fini(&set);
    return ok;
}

static void check_wanted_task(struct oracle *o, const struct view_service *vs,
                              const struct view_task *vt)
{
    unsigned long key = ul(vt->o->key);
    Swarm__V1__TaskState s = status_state(vt->t);

    if (s == TASK_STATE(RUNNING)) {
        if (vt->t->desired != TASK_STATE(RUNNING))
            oracle_fail(o->w, "O2: task %lu runs with desired state %d", key, (int)vt->t->desired);
        if (vt->node == NULL || vt->node->n->status->state != NODE_STATE(READY))
            oracle_fail(o->w, "O2: task %lu runs on a node that is not ready", key);
        if (vt->node->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_DRAIN)
            oracle_fail(o->w, "O2: task %lu runs on a drained node", key);
        if (vt->t->spec_version == vs->s->spec_version && !allowed(vs, vt->node))
            oracle_fail(o->w, "O2: task %lu runs against its constraints", key);
    } else if (s <= TASK_STATE(PENDING)) {
        if (vt->t->status->err[0] == '\0')
            oracle_fail(o->w, "O2: task %lu is pending and does not say why", key);
        if (strstr(vt->t->status->err, "no free address") != NULL && !any_network_is_full(o))
            oracle_fail(o->w, "16.1: task %lu waits for an address though there are some", key);
    } else {
        oracle_fail(o->w, "O2: task %lu rests in state %d (desired %d)", key, (int)s,
                    (int)vt->t->desired);
    }
}

/* A pending task without reservations, ports, limits or networks must find any allowed node. */
static void check_pending_is_justified(struct oracle *o, const struct view_service *vs,
                                       const struct view_task *vt)
{
    const Swarm__V1__TaskSpec *spec = view_task_spec(vt, NULL);

    if (status_state(vt->t) != TASK_STATE(PENDING) || spec == NULL || spec->resources != NULL ||
        vs->s->spec->endpoint != NULL ||
        (spec->placement != NULL && spec->placement->max_replicas != 0))
        return;
    sw_list_each(l, view_list(o->w->m.view, VIEW_NODE))
    {
        const struct view_node *vn = view_as_node(sw_list_entry(l, struct view_object, link));

        if (takes_tasks(vn) && allowed(vs, vn) && (vt->t->node == 0 || vt->t->node == vn->o->key))
            oracle_fail(o->w, "O2: task %lu is pending though node %lu would do", ul(vt->o->key),
                        ul(vn->o->key));
    }
}

static const char *image_of(const Swarm__V1__TaskSpec *spec)
{
    return spec != NULL && spec->container != NULL ? spec->container->image : "";
}

/* Global services are not updated on paused nodes. */
static bool paused_node(const struct view_task *vt)
{
    return vt->node != NULL && vt->node->n->spec->availability ==
                                   SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_PAUSE;
}

/* A start-first service keeps an older running task until the right one finds a place. */
static bool has_newer(const struct view_service *vs, const struct view_task *vt)
{
    sw_list_each(l, &vs->tasks)
    {
        const struct view_task *other = sw_list_entry(l, struct view_task, of_service);

        if (other != vt && status_wanted(other->t) && other->t->slot == vt->t->slot &&
            (vt->t->slot != 0 || other->t->node == vt->t->node))
            return true;
    }
    return false;
}

static void check_service(struct oracle *o, const struct view_service *vs)
{
    bool replicated = vs->s->spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED;
    bool global = vs->s->spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_GLOBAL;
    const Swarm__V1__RestartPolicy *p = vs->s->spec->task->restart;
    bool always = p == NULL || (p->condition == SWARM__V1__RESTART_POLICY__CONDITION__ANY &&
                                p->max_attempts == 0);
    int update = update_state(vs->s);
    bool settled = update != SWARM__V1__UPDATE_STATUS__STATE__UPDATING &&
                   update != SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED &&
                   update != SWARM__V1__UPDATE_STATUS__STATE__PAUSED &&
                   update != SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_PAUSED;
    bool start_first = vs->s->spec->update != NULL &&
                       vs->s->spec->update->order == SWARM__V1__UPDATE_CONFIG__ORDER__START_FIRST;
    struct sw_map slots;
    uint64_t wanted = 0;
    uint64_t eligible = 0;
    uint64_t current = 0;

    if (!replicated && !global)
        return;
    sw_map_init(&slots);
    sw_list_each(l, &vs->tasks)
    {
        const struct view_task *vt = sw_list_entry(l, struct view_task, of_service);
        uint64_t slot = global ? vt->t->node : vt->t->slot;

        if (!status_wanted(vt->t)) {
            if (!status_ended(vt->t))
                oracle_fail(o->w, "6.6: task %lu is not wanted but has not ended",
                            ul(vt->o->key));
            continue;
        }
        wanted++;
        current += status_state(vt->t) == TASK_STATE(RUNNING) &&
                   vt->t->spec_version == vs->s->spec_version;
        check_wanted_task(o, vs, vt);
        check_pending_is_justified(o, vs, vt);
        if (settled && always && !paused_node(vt) &&
            strcmp(image_of(view_task_spec(vt, NULL)), image_of(vs->s->spec->task)) != 0 &&
            !has_newer(vs, vt))
            oracle_fail(o->w, "12.7: task %lu still runs an older image", ul(vt->o->key));
        /* A start-first service keeps an older running task until the right one finds a place. */
        if (sw_map_get(&slots, slot) != NULL && settled && !start_first)
            oracle_fail(o->w, "O2: two tasks in slot %lu of service %lu", ul(slot),
                        ul(vs->o->key));
        wanted -= sw_map_get(&slots, slot) != NULL;
        (void)sw_map_put(&slots, slot, o);
        if (global && vt->node != NULL && vt->t->spec_version == vs->s->spec_version &&
            !allowed(vs, vt->node))
            oracle_fail(o->w, "O3: service %lu runs on node %lu, which is not eligible",
                        ul(vs->o->key), ul(vt->t->node));
    }
    sw_map_fini(&slots);
    /* An update whose new task finds no place waits for it, with what ended meanwhile. */
    if (replicated && (always && settled ? wanted != vs->s->spec->replicated->replicas
                              : wanted > vs->s->spec->replicated->replicas))
        oracle_fail(o->w, "O2: service %lu has %lu tasks, %lu are wanted", ul(vs->o->key),
                    ul(wanted), ul(vs->s->spec->replicated->replicas));
    sw_list_each(l, view_list(o->w->m.view, VIEW_NODE))
    {
        const struct view_node *vn = view_as_node(sw_list_entry(l, struct view_object, link));

        eligible += takes_tasks(vn) && allowed(vs, vn);
    }
    if (replicated && current == wanted && wanted == vs->s->spec->replicated->replicas &&
        (update == SWARM__V1__UPDATE_STATUS__STATE__UPDATING ||
         update == SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED))
        oracle_fail(o->w, "12.7: the update of service %lu does not end", ul(vs->o->key));
    if (global && always && settled && wanted < eligible)
        oracle_fail(o->w, "O3: global service %lu runs on %lu of %lu nodes", ul(vs->o->key),
                    ul(wanted), ul(eligible));
}

/* Each agent has containers for just the tasks the managers want there. */
static void check_agents(struct oracle *o)
{
    sw_list_each(l, &o->w->agents)
    {
        const struct agent *a = sw_list_entry(l, struct agent, link);

        sw_list_each(k, &a->tasks)
        {
            const struct sim_task *s = sw_list_entry(k, struct sim_task, link);
            const struct view_task *vt = view_task(o->w->m.view, s->key);

            if (vt == NULL)
                oracle_fail(o->w, "agent of node %lu keeps task %lu, which is gone", ul(a->node),
                            ul(s->key));
            if (s->container.running != (status_state(vt->t) == TASK_STATE(RUNNING)))
                oracle_fail(o->w, "task %lu: container %s, managers think it is in state %d",
                            ul(s->key), s->container.running ? "runs" : "is stopped",
                            (int)status_state(vt->t));
        }
    }
}

static void check_node_addresses(struct oracle *o)
{
    sw_list_each(l, view_list(o->w->m.view, VIEW_TASK))
    {
        const struct view_task *vt = view_as_task(sw_list_entry(l, struct view_object, link));

        for (size_t i = 0; i < vt->t->n_networks && vt->node != NULL && on_node(vt->t); i++) {
            bool found = false;

            for (size_t k = 0; k < vt->node->n->n_network_addrs; k++)
                found |= vt->node->n->network_addrs[k]->network == vt->t->networks[i]->network;
            if (!found && view_network(o->w->m.view, vt->t->networks[i]->network)->subnet_len < 28)
                oracle_fail(o->w, "16.3: node %lu has no address on network %lu",
                            ul(vt->t->node), ul(vt->t->networks[i]->network));
        }
    }
}

void oracle_quiescent(struct oracle *o)
{
    sw_list_each(l, view_list(o->w->m.view, VIEW_SERVICE))
        check_service(o, view_as_service(sw_list_entry(l, struct view_object, link)));
    sw_list_each(l, view_list(o->w->m.view, VIEW_TASK))
    {
        const struct view_task *vt = view_as_task(sw_list_entry(l, struct view_object, link));

        if (vt->service == NULL)
            oracle_fail(o->w, "8.4: task %lu outlives its service", ul(vt->o->key));
    }
    check_agents(o);
    check_node_addresses(o);
    if (!model_is_quiet(&o->w->m))
        oracle_fail(o->w, "a new leader would change things at rest");
}
