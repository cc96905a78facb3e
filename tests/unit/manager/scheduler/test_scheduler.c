/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 13: filters, order, preferences, explanations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/alloc.h"
#include "proto/pb.h"
#include "tests/sim/model.h"

#define GIB             (1ll << 30)
#define CPU             1000000000ll
#define AVAILABILITY(x) SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_##x

struct fixture {
    struct model m;
    uint64_t n[4];
};

static int setup(void **state)
{
    static struct fixture f;
    static const char *const names[] = { "n0", "n1", "n2", "n3" };

    model_init(&f.m, 6);
    for (unsigned i = 0; i < 4; i++)
        f.n[i] = model_node(&f.m, names[i], 4 * CPU, 8 * GIB);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_settle(&f->m);
    assert_true(model_is_quiet(&f->m));
    model_fini(&f->m);
    return 0;
}

static uint64_t create(struct fixture *f, Swarm__V1__Service *s)
{
    uint64_t key = model_create(&f->m, VIEW_SERVICE, s);

    model_run(&f->m);
    return key;
}

static unsigned on(struct fixture *f, unsigned node, uint64_t service)
{
    unsigned n = 0;

    sw_list_each(l, &view_node(f->m.view, f->n[node])->tasks)
    {
        const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_node)->t;

        n += t->service == service && status_wanted(t);
    }
    return n;
}

static const char *why(struct fixture *f, uint64_t service, uint64_t slot)
{
    const Swarm__V1__Task *t = model_task(&f->m, model_in_slot(&f->m, service, slot));

    assert_non_null(t);
    assert_int_equal(status_state(t), TASK_STATE(PENDING));
    return t->status->err;
}

static void tasks_of_a_service_spread_before_all_tasks_do(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("busy", 6);
    uint64_t web;

    build_constraint(s, "node.hostname == n0");
    (void)create(f, s);
    web = create(f, build_service("web", 4));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(on(f, i, web), 1);
    web = create(f, build_service("other", 3)); /* n0 is the fullest */
    assert_int_equal(on(f, 0, web), 0);
}

static void reservations_are_filled_but_never_exceeded(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("db", 9);
    uint64_t db;

    build_reserve(s, 2 * CPU, 0);
    db = create(f, s);
    assert_int_equal(model_count(&f->m, db, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 8);
    assert_string_equal(why(f, db, 9), "no suitable node (insufficient resources on 4 nodes)");
    model_report(&f->m, model_in_slot(&f->m, db, 1), TASK_STATE(FAILED));
    model_advance(&f->m, MODEL_MS(200)); /* what was freed is used */
    model_run(&f->m);
    assert_int_equal(status_state(model_task(&f->m, model_in_slot(&f->m, db, 9))),
                     TASK_STATE(RUNNING));
}

static void least_reserved_of_equals_is_chosen(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("big", 1);
    uint64_t small;
    uint64_t first;

    build_reserve(s, 0, 4 * GIB);
    first = create(f, s); /* the oldest node */
    assert_int_equal(on(f, 0, first), 1);
    s = build_service("fill", 3);
    build_constraint(s, "node.hostname != n0");
    (void)create(f, s); /* now every node has one task */
    small = create(f, build_service("small", 1));
    assert_int_equal(on(f, 0, small), 0);
    assert_int_equal(on(f, 1, small), 1);
}

static void the_explanation_is_sorted_by_number_of_nodes(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("db", 1);
    uint64_t db;

    model_node_availability(&f->m, f->n[3], AVAILABILITY(PAUSE));
    build_constraint(s, "node.labels.disk == ssd");
    model_node_label(&f->m, f->n[0], "disk", "ssd");
    build_reserve(s, 5 * CPU, 0);
    db = create(f, s);
    assert_string_equal(why(f, db, 1), "no suitable node (insufficient resources on 3 nodes; "
                                       "1 node not available for new tasks)");
    model_delete(&f->m, db);
    model_run(&f->m);
    s = build_service("db2", 1);
    build_constraint(s, "node.labels.disk == ssd");
    build_constraint(s, "node.hostname == n1");
    db = create(f, s);
    assert_string_equal(why(f, db, 1),
                        "no suitable node (scheduling constraints not satisfied on 3 nodes; "
                        "1 node not available for new tasks)");
}

static void without_any_node_there_is_nothing_to_explain(void **state)
{
    struct fixture *f = *state;
    uint64_t web;

    for (unsigned i = 0; i < 4; i++)
        model_node_remove(&f->m, f->n[i]);
    web = create(f, build_service("web", 1));
    assert_string_equal(why(f, web, 1), "no suitable node");
}

static void host_ports_keep_tasks_apart(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 5);
    uint64_t web;

    build_publish(s, 80, 8080, true);
    web = create(f, s);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(on(f, i, web), 1);
    assert_string_equal(why(f, web, 5),
                        "no suitable node (host-mode port already in use on 4 nodes)");
    s = build_service("other", 1);
    build_publish(s, 81, 8080, true);
    assert_int_equal(model_count(&f->m, create(f, s), TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 1);
}

static void at_most_max_replicas_per_node(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 9);
    uint64_t web;

    build_placement(s)->max_replicas = 2;
    web = create(f, s);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(on(f, i, web), 2);
    assert_string_equal(why(f, web, 9), "no suitable node (max replicas per node limit exceed)");
}

static void platforms_of_the_image_are_respected(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    Swarm__V1__Platform *p = pb_new(&swarm__v1__platform__descriptor);
    uint64_t web;

    (void)pb_set_string(&p->os, "linux");
    (void)pb_set_string(&p->arch, "arm64");
    (void)build_placement(s);
    (void)pb_add(&s->spec->task->placement->n_platforms, &s->spec->task->placement->platforms, p);
    web = create(f, s);
    assert_string_equal(why(f, web, 1), "no suitable node (unsupported platform on 4 nodes)");
}

static void volume_drivers_must_be_there(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    Swarm__V1__Mount *m = pb_new(&swarm__v1__mount__descriptor);
    uint64_t web;

    m->type = SWARM__V1__MOUNT__TYPE__VOLUME;
    (void)pb_set_string(&m->volume_driver, "rexray");
    (void)pb_add(&s->spec->task->container->n_mounts, &s->spec->task->container->mounts, m);
    web = create(f, s);
    assert_string_equal(why(f, web, 1), "no suitable node (missing plugin on 4 nodes)");
}

static void named_resources_are_given_out_once(void **state)
{
    struct fixture *f = *state;
    struct txn *x = model_begin(&f->m);
    Swarm__V1__Node *n = txn_edit_node(x, view_node(f->m.view, f->n[2]));
    Swarm__V1__Service *s = build_service("train", 3);
    const Swarm__V1__Task *first;
    const Swarm__V1__Task *second;
    uint64_t train;

    for (unsigned i = 0; i < 2; i++) {
        Swarm__V1__GenericResource *g = pb_new(&swarm__v1__generic_resource__descriptor);

        (void)pb_set_string(&g->kind, "gpu");
        (void)pb_set_string(&g->value, i == 0 ? "A" : "B");
        (void)pb_add(&n->description->resources->n_generic, &n->description->resources->generic, g);
    }
    model_commit(&f->m, x);
    build_generic(s, "gpu", 1);
    train = create(f, s);
    first = model_task(&f->m, model_in_slot(&f->m, train, 1));
    second = model_task(&f->m, model_in_slot(&f->m, train, 2));
    assert_int_equal(first->node, f->n[2]);
    assert_string_equal(first->assigned_generic[0]->value, "A");
    assert_string_equal(second->assigned_generic[0]->value, "B");
    assert_string_equal(why(f, train, 3), "no suitable node (insufficient resources on 4 nodes)");
}

static void preferences_equalise_branches(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 6);
    uint64_t web;

    model_node_label(&f->m, f->n[0], "zone", "east");
    model_node_label(&f->m, f->n[1], "zone", "west");
    model_node_label(&f->m, f->n[2], "zone", "west");
    model_node_label(&f->m, f->n[3], "zone", "west");
    build_spread(s, "node.labels.zone");
    web = create(f, s);
    assert_int_equal(on(f, 0, web), 3);
    assert_int_equal(on(f, 1, web) + on(f, 2, web) + on(f, 3, web), 3);
}

static void overflow_goes_to_branches_with_room(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 6);
    uint64_t web;

    model_node_label(&f->m, f->n[0], "zone", "east");
    build_spread(s, "node.labels.zone");
    build_reserve(s, 2 * CPU, 0);
    web = create(f, s);
    assert_int_equal(on(f, 0, web), 2);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 6);
}

static void a_node_where_it_fails_again_and_again_comes_last(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t web;

    build_restart(s, SWARM__V1__RESTART_POLICY__CONDITION__ANY, 0, 0, 0);
    web = create(f, s);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(on(f, 0, web), 1); /* empty nodes are equal: always the oldest */
        model_report(&f->m, model_in_slot(&f->m, web, 1), TASK_STATE(FAILED));
        model_run(&f->m);
    }
    assert_int_equal(on(f, 0, web), 0);
    assert_int_equal(on(f, 1, web), 1);
    model_advance(&f->m, MODEL_S(301));
    model_report(&f->m, model_in_slot(&f->m, web, 1), TASK_STATE(FAILED));
    model_run(&f->m);
    assert_int_equal(on(f, 0, web), 1);
}

static void placements_are_the_same_for_every_leader(void **state)
{
    struct fixture *f = *state;
    uint64_t a;
    uint64_t b;

    a = create(f, build_service("a", 7));
    model_new_leader(&f->m);
    b = create(f, build_service("b", 7));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(on(f, i, a) + on(f, i, b), i < 2 ? 4 : 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(tasks_of_a_service_spread_before_all_tasks_do),
        T(reservations_are_filled_but_never_exceeded),
        T(least_reserved_of_equals_is_chosen),
        T(the_explanation_is_sorted_by_number_of_nodes),
        T(without_any_node_there_is_nothing_to_explain),
        T(host_ports_keep_tasks_apart),
        T(at_most_max_replicas_per_node),
        T(platforms_of_the_image_are_respected),
        T(volume_drivers_must_be_there),
        T(named_resources_are_given_out_once),
        T(preferences_equalise_branches),
        T(overflow_goes_to_branches_with_room),
        T(a_node_where_it_fails_again_and_again_comes_last),
        T(placements_are_the_same_for_every_leader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
