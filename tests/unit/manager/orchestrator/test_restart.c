/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 11 and 15: restarts, their limits, and the history they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/pb.h"
#include "tests/sim/model.h"

#define GIB             (1ll << 30)
#define CPU             1000000000ll
#define CONDITION(x)    SWARM__V1__RESTART_POLICY__CONDITION__##x
#define AVAILABILITY(x) SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_##x

struct fixture {
    struct model m;
    uint64_t node;
};

static int setup(void **state)
{
    static struct fixture f;

    model_init(&f.m, 2);
    f.node = model_node(&f.m, "n1", 4 * CPU, 8 * GIB);
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

static uint64_t service(struct fixture *f, Swarm__V1__RestartPolicy__Condition c, int64_t delay,
                        uint64_t attempts, int64_t window)
{
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t key;

    build_restart(s, c, delay, attempts, window);
    key = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    return key;
}

static uint64_t end(struct fixture *f, uint64_t service_key, Swarm__V1__TaskState how)
{
    uint64_t task = model_in_slot(&f->m, service_key, 1);

    assert_int_not_equal(task, 0);
    model_report(&f->m, task, how);
    model_run(&f->m);
    return task;
}

static void a_failed_task_is_replaced_after_the_delay(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), MODEL_S(5), 0, 0);
    uint64_t old = end(f, web, TASK_STATE(FAILED));
    uint64_t fresh = model_in_slot(&f->m, web, 1);

    assert_int_not_equal(fresh, old);
    assert_int_equal(model_task(&f->m, old)->desired, TASK_STATE(SHUTDOWN));
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(READY));
    assert_int_equal(model_task(&f->m, fresh)->replaces, old);
    model_advance(&f->m, MODEL_S(5) - 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(READY));
    model_advance(&f->m, 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(RUNNING));
}

static void the_delay_is_five_seconds_when_there_is_no_policy(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 1));
    uint64_t fresh;

    model_run(&f->m);
    (void)end(f, web, TASK_STATE(COMPLETE));
    fresh = model_in_slot(&f->m, web, 1);
    assert_int_equal(model_task(&f->m, fresh)->start_after_ns, f->m.now_ns + MODEL_S(5));
}

static void the_delay_survives_a_change_of_leader(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), MODEL_S(5), 0, 0);
    uint64_t fresh;

    (void)end(f, web, TASK_STATE(FAILED));
    fresh = model_in_slot(&f->m, web, 1);
    model_advance(&f->m, MODEL_S(3));
    model_new_leader(&f->m);
    model_advance(&f->m, MODEL_S(2) - 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(READY));
    model_advance(&f->m, 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(RUNNING));
}

static void failing_again_during_the_delay_waits_for_it_first(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), MODEL_S(5), 0, 0);
    uint64_t second;

    (void)end(f, web, TASK_STATE(FAILED));
    model_advance(&f->m, MODEL_S(1));
    second = end(f, web, TASK_STATE(REJECTED)); /* the image is missing */
    assert_int_equal(model_in_slot(&f->m, web, 1), second);
    model_advance(&f->m, MODEL_S(4));
    assert_int_not_equal(model_in_slot(&f->m, web, 1), second);
    assert_int_equal(model_task(&f->m, model_in_slot(&f->m, web, 1))->start_after_ns,
                     f->m.now_ns + MODEL_S(5));
}

static void condition_none_never_restarts(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(NONE), 0, 0, 0);

    (void)end(f, web, TASK_STATE(FAILED));
    model_advance(&f->m, MODEL_S(100));
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 1);
}

static void on_failure_lets_a_completed_task_be(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ON_FAILURE), 0, 0, 0);

    (void)end(f, web, TASK_STATE(FAILED));
    assert_int_not_equal(model_in_slot(&f->m, web, 1), 0);
    (void)end(f, web, TASK_STATE(COMPLETE));
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
    model_new_leader(&f->m);
    model_advance(&f->m, MODEL_S(100));
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
}

static void max_attempts_counts_replacements(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), 0, 3, 0);

    for (unsigned i = 0; i < 4; i++) {
        assert_int_not_equal(model_in_slot(&f->m, web, 1), 0);
        (void)end(f, web, TASK_STATE(FAILED));
        if (i == 1)
            model_new_leader(&f->m);
    }
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 4);
}

static void a_new_specification_starts_counting_again(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), 0, 1, 0);
    Swarm__V1__Service *s;

    (void)end(f, web, TASK_STATE(FAILED));
    (void)end(f, web, TASK_STATE(FAILED));
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
    s = model_edit(&f->m, web);
    build_image(s, "nginx:2");
    model_update(&f->m, s);
    model_run(&f->m);
    assert_int_not_equal(model_in_slot(&f->m, web, 1), 0); /* an ended slot is updated too */
    (void)end(f, web, TASK_STATE(FAILED));
    assert_int_not_equal(model_in_slot(&f->m, web, 1), 0);
    (void)end(f, web, TASK_STATE(FAILED));
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
    model_advance(&f->m, MODEL_S(10));
}

static void within_a_window_only_recent_restarts_count(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), 0, 2, MODEL_S(10));

    for (unsigned i = 0; i < 8; i++) { /* one every 6 s: never two within 10 s before a failure */
        model_advance(&f->m, MODEL_S(6));
        (void)end(f, web, TASK_STATE(FAILED));
        assert_int_not_equal(model_in_slot(&f->m, web, 1), 0);
        if (i == 4)
            model_new_leader(&f->m);
    }
    model_advance(&f->m, MODEL_S(1));
    (void)end(f, web, TASK_STATE(FAILED)); /* restarts 7 s and 1 s before: no more */
    assert_int_equal(model_in_slot(&f->m, web, 1), 0);
}

static void the_successor_waits_for_a_draining_predecessor(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), MODEL_S(5), 0, 0);
    uint64_t old = model_in_slot(&f->m, web, 1);
    uint64_t fresh;

    (void)model_node(&f->m, "n2", 4 * CPU, 8 * GIB);
    model_node_availability(&f->m, f->node, AVAILABILITY(DRAIN));
    model_settle(&f->m);
    fresh = model_in_slot(&f->m, web, 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(READY));
    model_advance(&f->m, MODEL_S(20));
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(READY));
    model_report(&f->m, old, TASK_STATE(SHUTDOWN));
    model_settle(&f->m);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(RUNNING));
}

static void it_waits_sixty_seconds_at_most(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), 0, 0, 0);
    uint64_t fresh;

    (void)model_node(&f->m, "n2", 4 * CPU, 8 * GIB);
    model_node_availability(&f->m, f->node, AVAILABILITY(DRAIN));
    model_settle(&f->m);
    fresh = model_in_slot(&f->m, web, 1);
    model_advance(&f->m, MODEL_S(60) - 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(READY));
    model_advance(&f->m, 1);
    assert_int_equal(model_task(&f->m, fresh)->desired, TASK_STATE(RUNNING));
}

static void history_keeps_five_tasks_of_a_slot(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, CONDITION(ANY), 0, 0, 0);

    for (unsigned i = 0; i < 9; i++)
        (void)end(f, web, TASK_STATE(FAILED));
    assert_int_equal(view_service(f->m.view, web)->n_tasks, 5);
}

static void history_limit_zero_keeps_the_live_one(void **state)
{
    struct fixture *f = *state;
    struct txn *x = model_begin(&f->m);
    Swarm__V1__Cluster *c = txn_edit(
        x, sw_list_entry(view_list(f->m.view, VIEW_CLUSTER)->next, struct view_object, link));
    uint64_t web;

    c->spec->task_history_limit = 0;
    model_commit(&f->m, x);
    web = service(f, CONDITION(ANY), 0, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)end(f, web, TASK_STATE(FAILED));
    assert_int_equal(view_service(f->m.view, web)->n_tasks, 1);
}

static void a_task_that_no_longer_meets_constraints_is_rejected_and_replaced(void **state)
{
    struct fixture *f = *state;
    uint64_t second = model_node(&f->m, "n2", 4 * CPU, 8 * GIB);
    Swarm__V1__Service *s = build_service("db", 1);
    uint64_t db;
    uint64_t old;

    model_node_label(&f->m, f->node, "disk", "ssd");
    build_constraint(s, "node.labels.disk == ssd");
    build_restart(s, CONDITION(ANY), 0, 0, 0);
    db = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    old = model_in_slot(&f->m, db, 1);
    assert_int_equal(model_task(&f->m, old)->node, f->node);
    model_node_label(&f->m, f->node, "disk", "hdd");
    model_run(&f->m);
    assert_int_equal(status_state(model_task(&f->m, old)), TASK_STATE(REJECTED));
    assert_string_equal(model_task(&f->m, old)->status->err,
                        "assigned node no longer meets constraints");
    assert_string_equal(model_task(&f->m, model_in_slot(&f->m, db, 1))->status->err,
                        "no suitable node (scheduling constraints not satisfied on 2 nodes)");
    model_node_label(&f->m, second, "disk", "SSD"); /* values are compared without case */
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(model_task(&f->m, model_in_slot(&f->m, db, 1))->node, second);
    model_run(&f->m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(a_failed_task_is_replaced_after_the_delay),
        T(the_delay_is_five_seconds_when_there_is_no_policy),
        T(the_delay_survives_a_change_of_leader),
        T(failing_again_during_the_delay_waits_for_it_first),
        T(condition_none_never_restarts),
        T(on_failure_lets_a_completed_task_be),
        T(max_attempts_counts_replacements),
        T(a_new_specification_starts_counting_again),
        T(within_a_window_only_recent_restarts_count),
        T(the_successor_waits_for_a_draining_predecessor),
        T(it_waits_sixty_seconds_at_most),
        T(history_keeps_five_tasks_of_a_slot),
        T(history_limit_zero_keeps_the_live_one),
        T(a_task_that_no_longer_meets_constraints_is_rejected_and_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
