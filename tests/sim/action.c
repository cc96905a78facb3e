/* SPDX-License-Identifier: Apache-2.0
 * action.c - what users, administrators and bad luck do. */
#include <stdio.h>
#include <string.h>

#include "common/base/macro.h"
#include "proto/pb.h"
#include "tests/sim/world.h"

#define GIB (1ll << 30)
#define CPU 1000000000ll

static struct view_object *pick(struct world *w, enum view_kind kind)
{
    size_t n = view_count(w->m.view, kind);
    struct sw_list *l = view_list(w->m.view, kind);

    if (n == 0)
        return NULL;
    for (size_t i = model_below(&w->m, n) + 1; i > 0; i--)
        l = l->next;
    return sw_list_entry(l, struct view_object, link);
}

static void fresh_name(struct world *w, const char *what, char out[32])
{
    (void)snprintf(out, 32, "%s%u", what, ++w->names);
}

static const char *random_image(struct world *w)
{
    static const char *const images[] = { "stable", "stable", "stable", "slow",    "exits",
                                          "crash",  "flaky",  "ill",    "missing", "stable" };
    static char text[32];

    (void)snprintf(text, sizeof(text), "%s:%u",
                   w->steady ? (world_chance(w, 20) ? "slow" : "stable")
                             : images[model_below(&w->m, SW_ARRAY_LEN(images))],
                   ++w->names);
    return text;
}

static void add_node(struct world *w)
{
    static const char *const zones[] = { "east", "west", "north" };
    char name[32];
    uint64_t key;

    fresh_name(w, "node", name);
    key = model_node(&w->m, name, (int64_t)(2 + model_below(&w->m, 6)) * CPU,
                     (int64_t)(2 + model_below(&w->m, 14)) * GIB);
    model_node_label(&w->m, key, "zone", zones[model_below(&w->m, 3)]);
    if (world_chance(w, 50)) {
        struct txn *x = model_begin(&w->m);
        Swarm__V1__Node *n = txn_edit_node(x, view_node(w->m.view, key));
        Swarm__V1__Resources *r = n->description->resources;

        for (unsigned i = 0; i < 3; i++) {
            Swarm__V1__GenericResource *g = pb_new(&swarm__v1__generic_resource__descriptor);
            char value[8];

            (void)snprintf(value, sizeof(value), "g%u", i);
            (void)pb_set_string(&g->kind, i < 2 ? "gpu" : "disk");
            if (i < 2)
                (void)pb_set_string(&g->value, value);
            else
                g->count = 4;
            (void)pb_add(&r->n_generic, &r->generic, g);
        }
        model_commit(&w->m, x);
    }
    (void)agent_new(w, key);
}

static void random_placement(struct world *w, Swarm__V1__Service *s)
{
    static const char *const constraints[] = { "node.labels.zone == east",
                                               "node.labels.zone != west",
                                               "node.labels.zone==WEST" };

    if (world_chance(w, 25))
        build_constraint(s, constraints[model_below(&w->m, 3)]);
    if (world_chance(w, 20))
        build_spread(s, "node.labels.zone");
    if (world_chance(w, 10))
        build_placement(s)->max_replicas = 1 + model_below(&w->m, 2);
}

static void random_update_config(struct world *w, Swarm__V1__Service *s)
{
    Swarm__V1__UpdateConfig *c = build_update(
        s, model_below(&w->m, 4), world_between(w, 0, MODEL_S(2)), world_between(w, 0, MODEL_S(6)));

    c->failure_action = (Swarm__V1__UpdateConfig__FailureAction)model_below(&w->m, 3);
    c->order = (Swarm__V1__UpdateConfig__Order)model_below(&w->m, 2);
    c->max_failure_ratio = (double)model_below(&w->m, 4) / 4;
}

static void random_policy(struct world *w, Swarm__V1__Service *s)
{
    build_restart(s,
                  world_chance(w, 60) ? SWARM__V1__RESTART_POLICY__CONDITION__ANY
                                      : (Swarm__V1__RestartPolicy__Condition)model_below(&w->m, 3),
                  world_between(w, 0, MODEL_S(6)), world_chance(w, 30) ? model_below(&w->m, 4) : 0,
                  world_chance(w, 30) ? world_between(w, MODEL_S(1), MODEL_S(60)) : 0);
}

static void random_network(struct world *w, Swarm__V1__Service *s)
{
    const struct view_object *o = pick(w, VIEW_NETWORK);

    if (o != NULL && strcmp(o->name, "ingress") != 0)
        build_network(s, o->key);
    if (world_chance(w, 20))
        build_publish(s, 0, 80, false);
    if (world_chance(w, 8))
        build_publish(s, 8000 + (uint32_t)model_below(&w->m, 4), 80, true);
}

static void create_service(struct world *w)
{
    Swarm__V1__Service *s;
    char name[32];

    if (view_count(w->m.view, VIEW_SERVICE) > 12)
        return;
    fresh_name(w, "svc", name);
    if (world_chance(w, 20))
        s = build_global(name);
    else if (!w->steady && world_chance(w, 10))
        s = build_job(name, model_below(&w->m, 3), 1 + model_below(&w->m, 6));
    else
        s = build_service(name, model_below(&w->m, world_chance(w, 10) ? 30 : 8));
    build_image(s, random_image(w));
    random_placement(w, s);
    random_policy(w, s);
    if (s->job_status == NULL && world_chance(w, 80))
        random_update_config(w, s);
    if (world_chance(w, 40))
        build_reserve(s, (int64_t)model_below(&w->m, 3) * CPU / 2,
                      (int64_t)model_below(&w->m, 3) * GIB / 2);
    if (world_chance(w, 10))
        build_generic(s, world_chance(w, 50) ? "gpu" : "disk", 1 + (int64_t)model_below(&w->m, 2));
    if (world_chance(w, 50))
        random_network(w, s);
    (void)model_create(&w->m, VIEW_SERVICE, s);
}

static void update_service(struct world *w)
{
    struct view_object *o = pick(w, VIEW_SERVICE);
    Swarm__V1__Service *s;

    if (o == NULL)
        return;
    s = model_edit(&w->m, o->key);
    switch (model_below(&w->m, w->calm ? 1 : 6)) {
    case 0:
    case 1:
        build_image(s, random_image(w));
        break;
    case 2:
        pb_free(s->spec->task->placement);
        s->spec->task->placement = NULL;
        random_placement(w, s);
        break;
    case 3:
        random_policy(w, s);
        break;
    case 4:
        if (s->job_status == NULL)
            random_update_config(w, s);
        break;
    default:
        if (world_chance(w, 50))
            random_network(w, s);
        build_image(s, random_image(w));
        break;
    }
    model_update(&w->m, s);
}

static void scale_service(struct world *w)
{
    struct view_object *o = pick(w, VIEW_SERVICE);
    const struct view_service *vs = view_as_service(o);

    if (vs != NULL && vs->s->spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED)
        model_scale(&w->m, o->key, model_below(&w->m, 10));
}

static void roll_back_service(struct world *w)
{
    struct view_object *o = pick(w, VIEW_SERVICE);
    const struct view_service *vs = view_as_service(o);

    if (vs != NULL && vs->s->previous_spec != NULL && vs->s->job_status == NULL)
        model_rollback(&w->m, o->key);
}

static void delete_service(struct world *w)
{
    struct view_object *o = pick(w, VIEW_SERVICE);

    if (o != NULL && view_count(w->m.view, VIEW_SERVICE) > 3)
        model_delete(&w->m, o->key);
}

static void change_availability(struct world *w)
{
    struct view_object *o = pick(w, VIEW_NODE);

    if (o != NULL)
        model_node_availability(&w->m, o->key,
                                world_chance(w, 50)
                                    ? SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE
                                    : (Swarm__V1__NodeAvailability)model_below(&w->m, 3));
}

static void change_label(struct world *w)
{
    static const char *const zones[] = { "east", "west", "north" };
    struct view_object *o = pick(w, VIEW_NODE);

    if (o != NULL)
        model_node_label(&w->m, o->key, "zone", zones[model_below(&w->m, 3)]);
}

static void change_resources(struct world *w)
{
    struct view_object *o = pick(w, VIEW_NODE);
    struct txn *x;
    Swarm__V1__Node *n;

    if (o == NULL)
        return;
    x = model_begin(&w->m);
    n = txn_edit_node(x, view_as_node(o));
    n->description->resources->nano_cpus = (int64_t)(1 + model_below(&w->m, 8)) * CPU;
    model_commit(&w->m, x);
}

static void remove_node(struct world *w)
{
    struct view_object *o = pick(w, VIEW_NODE);
    struct agent *a;

    if (o == NULL || view_count(w->m.view, VIEW_NODE) <= 3)
        return;
    a = agent_find(w, o->key);
    model_node_remove(&w->m, o->key);
    if (a != NULL)
        agent_free(a); /* a removed node leaves the cluster with everything on it */
}

static void add_network(struct world *w)
{
    char name[32];
    char subnet[32];

    if (view_count(w->m.view, VIEW_NETWORK) > 5)
        return;
    fresh_name(w, "net", name);
    (void)snprintf(subnet, sizeof(subnet), "172.%u.0.0/28", 16 + (w->names & 63));
    (void)model_network(&w->m, name, world_chance(w, 50) ? subnet : NULL);
}

static void node_fault(struct world *w)
{
    struct view_object *o = pick(w, VIEW_NODE);
    struct agent *a = o != NULL ? agent_find(w, o->key) : NULL;

    if (a == NULL)
        return;
    switch (model_below(&w->m, 4)) {
    case 0:
        agent_restart(a);
        break;
    case 1:
        agent_cut(a, world_between(w, MODEL_S(1), MODEL_S(60)));
        agent_power_loss(a);
        break;
    default:
        agent_cut(a, world_between(w, MODEL_S(1), MODEL_S(60)));
        break;
    }
}

void action_write_random(struct world *w)
{
    static void (*const writes[])(struct world *) = {
        create_service,      update_service, update_service,      scale_service,    scale_service,
        roll_back_service,   delete_service, change_label,        change_resources, add_network,
        change_availability, add_node,       change_availability,
    };

    writes[model_below(&w->m, SW_ARRAY_LEN(writes))](w);
}

/* Nothing may be under way when a calm world begins the next update. */
static bool all_converged(struct world *w)
{
    sw_list_each(l, view_list(w->m.view, VIEW_SERVICE))
    {
        const struct view_service *vs = view_as_service(sw_list_entry(l, struct view_object, link));

        if (vs->s->update_status != NULL &&
            vs->s->update_status->state == SWARM__V1__UPDATE_STATUS__STATE__UPDATING)
            return false;
        sw_list_each(k, &vs->tasks)
        {
            const Swarm__V1__Task *t = sw_list_entry(k, struct view_task, of_service)->t;

            if (status_wanted(t) && status_state(t) != TASK_STATE(RUNNING))
                return false;
        }
    }
    return true;
}

void action_random(struct world *w)
{
    if (w->calm) {
        if (all_converged(w))
            update_service(w);
        return;
    }
    if (world_chance(w, 20))
        node_fault(w);
    else if (world_chance(w, 3))
        remove_node(w);
    else
        action_write_random(w);
}

void action_setup(struct world *w)
{
    struct txn *x = model_begin(&w->m);
    Swarm__V1__Cluster *c = txn_edit(
        x, sw_list_entry(view_list(w->m.view, VIEW_CLUSTER)->next, struct view_object, link));

    c->spec->task_history_limit = (int32_t)model_below(&w->m, 6);
    model_commit(&w->m, x);
    for (uint64_t i = 3 + model_below(&w->m, 5); i > 0; i--)
        add_node(w);
    for (uint64_t i = model_below(&w->m, 3); i > 0; i--)
        add_network(w);
    for (uint64_t i = 1 + model_below(&w->m, 5); i > 0; i--)
        create_service(w);
}

void action_make_peace(struct world *w)
{
    w->ending = true;
    sw_list_each(l, &w->agents)
    {
        struct agent *a = sw_list_entry(l, struct agent, link);

        if (!a->connected) {
            struct event e = { .kind = EVENT_HEAL, .node = a->node, .epoch = a->session };

            agent_event(w, &e);
        }
    }
    if (w->steady)
        return;
    for (struct sw_list *l = view_list(w->m.view, VIEW_SERVICE)->next;
         l != view_list(w->m.view, VIEW_SERVICE); l = l->next) {
        const struct view_service *vs = view_as_service(sw_list_entry(l, struct view_object, link));
        Swarm__V1__Service *s;

        s = model_edit(&w->m, vs->o->key);
        build_image(s, vs->s->job_status != NULL ? "exits:0" : "stable:0");
        model_update(&w->m, s);
    }
}
