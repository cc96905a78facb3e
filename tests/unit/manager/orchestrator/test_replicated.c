/* SPDX-License-Identifier: Apache-2.0
 * Replicated services end to end: allocator, scheduler and orchestrator over one view. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/pb.h"
#include "tests/sim/model.h"

struct fixture {
    struct model m;
    uint64_t n1, n2, n3;
};

#define GIB (1ll << 30)
#define CPU 1000000000ll

static int setup(void **state)
{
    static struct fixture f;

    model_init(&f.m, 1);
    f.n1 = model_node(&f.m, "n1", 4 * CPU, 8 * GIB);
    f.n2 = model_node(&f.m, "n2", 4 * CPU, 8 * GIB);
    f.n3 = model_node(&f.m, "n3", 4 * CPU, 8 * GIB);
    model_settle(&f.m);
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

static void a_new_service_runs_one_task_in_each_slot_spread_over_nodes(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 3));

    model_run(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 3);
    for (uint64_t slot = 1; slot <= 3; slot++)
        assert_int_not_equal(model_in_slot(&f->m, web, slot), 0);
    assert_int_equal(view_node(f->m.view, f->n1)->n_tasks, 1);
    assert_int_equal(view_node(f->m.view, f->n2)->n_tasks, 1);
    assert_int_equal(view_node(f->m.view, f->n3)->n_tasks, 1);
}

static void a_new_task_is_assigned_two_rounds_after_its_service_exists(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 1));

    (void)model_round(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(NEW)), 1);
    (void)model_round(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(ASSIGNED)), 1);
}

static void scaling_up_uses_the_lowest_free_numbers(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 2));

    model_run(&f->m);
    model_scale(&f->m, web, 5);
    model_run(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 5);
    assert_int_not_equal(model_in_slot(&f->m, web, 5), 0);
    assert_int_equal(model_in_slot(&f->m, web, 6), 0);
}

static void scaling_down_removes_from_the_fullest_node_and_deletes_the_tasks(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 4));

    model_run(&f->m);
    model_scale(&f->m, web, 3);
    model_run(&f->m);
    assert_int_equal(view_service(f->m.view, web)->n_tasks, 3);
    assert_int_equal(view_node(f->m.view, f->n1)->n_tasks, 1);
    assert_int_equal(view_node(f->m.view, f->n2)->n_tasks, 1);
    assert_int_equal(view_node(f->m.view, f->n3)->n_tasks, 1);
    assert_int_equal(model_in_slot(&f->m, web, 4), 0);
}

static void a_number_given_up_is_the_next_to_be_used(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 4));

    model_run(&f->m);
    model_scale(&f->m, web, 3);
    model_settle(&f->m); /* the task of slot 4 is still stopping */
    model_scale(&f->m, web, 4);
    model_settle(&f->m);
    assert_int_not_equal(model_in_slot(&f->m, web, 4), 0);
    assert_int_equal(model_in_slot(&f->m, web, 5), 0);
    model_run(&f->m);
}

static void scaling_restarts_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 2));
    uint64_t first;

    model_run(&f->m);
    first = model_in_slot(&f->m, web, 1);
    model_scale(&f->m, web, 3);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(100));
    assert_int_equal(model_in_slot(&f->m, web, 1), first);
    assert_null(view_service(f->m.view, web)->s->update_status);
}

static void deleting_the_service_removes_its_tasks_once_they_stopped(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 3));

    model_run(&f->m);
    model_delete(&f->m, web);
    model_settle(&f->m);
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 3);
    model_run(&f->m);
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 0);
}

static void tasks_of_a_dead_node_are_replaced_without_delay(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 3));
    uint64_t lost;

    model_run(&f->m);
    lost =
        sw_list_entry(view_node(f->m.view, f->n2)->tasks.next, struct view_task, of_node)->o->key;
    model_node_state(&f->m, f->n2, NODE_STATE(DOWN));
    model_run(&f->m);
    assert_int_equal(model_task(&f->m, lost)->desired, TASK_STATE(SHUTDOWN));
    assert_int_equal(status_state(model_task(&f->m, lost)), TASK_STATE(RUNNING));
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 3);

    model_node_state(&f->m, f->n2, NODE_STATE(READY));
    model_run(&f->m);
    assert_int_equal(status_state(model_task(&f->m, lost)), TASK_STATE(SHUTDOWN));
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 3);
}

static void draining_a_node_moves_its_tasks_and_they_do_not_come_back(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 3));

    model_run(&f->m);
    model_node_availability(&f->m, f->n1, SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_DRAIN);
    model_run(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 3);
    model_node_availability(&f->m, f->n1, SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE);
    model_run(&f->m);
    sw_list_each(l, &view_node(f->m.view, f->n1)->tasks) assert_int_not_equal(
        sw_list_entry(l, struct view_task, of_node)->t->desired, TASK_STATE(RUNNING));
}

static void removing_a_node_orphans_and_replaces_its_tasks(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 3));

    model_run(&f->m);
    model_node_state(&f->m, f->n3, NODE_STATE(DOWN));
    model_run(&f->m);
    model_node_remove(&f->m, f->n3);
    model_run(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 3);
}

static void a_service_on_a_network_gets_a_vip_and_each_task_an_address(void **state)
{
    struct fixture *f = *state;
    uint64_t net = model_network(&f->m, "back", NULL);
    Swarm__V1__Service *s = build_service("web", 2);
    const Swarm__V1__Service *got;
    uint64_t web;

    build_network(s, net);
    web = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    got = view_service(f->m.view, web)->s;
    assert_int_equal(view_network(f->m.view, net)->subnet, 0x0a000100);
    assert_int_equal(view_network(f->m.view, net)->gateway, 0x0a000101);
    assert_int_equal(got->endpoint->n_vips, 1);
    assert_int_equal(got->endpoint->vips[0]->addr, 0x0a000102);
    for (uint64_t slot = 1; slot <= 2; slot++) {
        const Swarm__V1__Task *t = model_task(&f->m, model_in_slot(&f->m, web, slot));

        assert_int_equal(t->n_networks, 1);
        assert_int_equal(t->networks[0]->addr, 0x0a000102 + slot);
        /* its node takes part: own addresses on ingress and on the network */
        assert_int_equal(view_node(f->m.view, t->node)->n->n_network_addrs, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(a_new_service_runs_one_task_in_each_slot_spread_over_nodes),
        T(a_new_task_is_assigned_two_rounds_after_its_service_exists),
        T(scaling_up_uses_the_lowest_free_numbers),
        T(scaling_down_removes_from_the_fullest_node_and_deletes_the_tasks),
        T(a_number_given_up_is_the_next_to_be_used),
        T(scaling_restarts_nothing),
        T(deleting_the_service_removes_its_tasks_once_they_stopped),
        T(tasks_of_a_dead_node_are_replaced_without_delay),
        T(draining_a_node_moves_its_tasks_and_they_do_not_come_back),
        T(removing_a_node_orphans_and_replaces_its_tasks),
        T(a_service_on_a_network_gets_a_vip_and_each_task_an_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
