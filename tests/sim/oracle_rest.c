/* SPDX-License-Identifier: Apache-2.0
 * oracle_rest.c - what must hold at any time of all objects together, and when nothing moves. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/macro.h"
#include "manager/scheduler/constraint.h"
#include "proto/pb.h"
#include "tests/sim/oracle.h"

/* ---- O5 ---------------------------------------------------------------------------------------
 */

static void claim(struct oracle *o, struct sw_map *taken, uint64_t network, uint32_t addr,
                  uint64_t owner)
{
    uint64_t key = network << 32 | addr;
    uint64_t other;

    if (addr == 0)
        return;
    other = (uint64_t)(uintptr_t)sw_map_get(taken, key);
    if (other != 0)
        oracle_fail(o->w, "O5: address %x of network %lu belongs to %lu and %lu", addr, ul(network),
                    ul(other), ul(owner));
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

/* ---- O2, O3: at rest --------------------------------------------------------------------------
 */

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
        if (vt->t->spec_version == vs->s->spec_version && takes_tasks(vt->node) &&
            !allowed(vs, vt->node))
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
    return vt->node != NULL &&
           vt->node->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_PAUSE;
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
                oracle_fail(o->w, "6.6: task %lu is not wanted but has not ended", ul(vt->o->key));
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
            oracle_fail(o->w, "O2: two tasks in slot %lu of service %lu", ul(slot), ul(vs->o->key));
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
                oracle_fail(o->w, "16.3: node %lu has no address on network %lu", ul(vt->t->node),
                            ul(vt->t->networks[i]->network));
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
