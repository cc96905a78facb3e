/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 9: global services. */
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
    uint64_t n1, n2;
    uint64_t agent; /* a global service */
};

static int setup(void **state)
{
    static struct fixture f;
    Swarm__V1__Service *s = build_global("agent");

    model_init(&f.m, 4);
    f.n1 = model_node(&f.m, "n1", 4 * CPU, 8 * GIB);
    f.n2 = model_node(&f.m, "n2", 4 * CPU, 8 * GIB);
    build_constraint(s, "node.labels.skip != yes");
    build_restart(s, CONDITION(ANY), MODEL_S(1), 0, 0);
    f.agent = model_create(&f.m, VIEW_SERVICE, s);
    model_run(&f.m);
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

static bool runs_on(struct fixture *f, uint64_t node)
{
    const Swarm__V1__Task *t = model_task(&f->m, model_on_node(&f->m, f->agent, node));

    return t != NULL && status_state(t) == TASK_STATE(RUNNING);
}

static void it_runs_once_on_every_node(void **state)
{
    struct fixture *f = *state;

    assert_true(runs_on(f, f->n1));
    assert_true(runs_on(f, f->n2));
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 2);
}

static void a_joining_node_gets_a_task(void **state)
{
    struct fixture *f = *state;
    uint64_t n3 = model_node(&f->m, "n3", 4 * CPU, 8 * GIB);

    model_run(&f->m);
    assert_true(runs_on(f, n3));
}

static void a_drained_node_loses_its_task_and_gets_a_new_one_when_active(void **state)
{
    struct fixture *f = *state;
    uint64_t old = model_on_node(&f->m, f->agent, f->n1);

    model_node_availability(&f->m, f->n1, AVAILABILITY(DRAIN));
    model_run(&f->m);
    assert_int_equal(model_on_node(&f->m, f->agent, f->n1), 0);
    assert_int_equal(model_task(&f->m, old)->desired, TASK_STATE(SHUTDOWN));
    model_node_availability(&f->m, f->n1, AVAILABILITY(ACTIVE));
    model_run(&f->m);
    assert_true(runs_on(f, f->n1));
}

static void a_dead_node_gets_a_new_task_when_it_returns(void **state)
{
    struct fixture *f = *state;
    uint64_t old = model_on_node(&f->m, f->agent, f->n1);

    model_node_state(&f->m, f->n1, NODE_STATE(DOWN));
    model_run(&f->m);
    assert_int_equal(model_on_node(&f->m, f->agent, f->n1), 0);
    model_node_state(&f->m, f->n1, NODE_STATE(READY));
    model_run(&f->m);
    assert_true(runs_on(f, f->n1));
    assert_int_equal(status_state(model_task(&f->m, old)), TASK_STATE(SHUTDOWN));
}

static void a_paused_node_keeps_its_task_but_gets_no_new_one(void **state)
{
    struct fixture *f = *state;
    uint64_t other;

    model_node_availability(&f->m, f->n1, AVAILABILITY(PAUSE));
    model_run(&f->m);
    assert_true(runs_on(f, f->n1));
    other = model_create(&f->m, VIEW_SERVICE, build_global("other"));
    model_run(&f->m);
    assert_int_equal(model_on_node(&f->m, other, f->n1), 0);
    assert_int_not_equal(model_on_node(&f->m, other, f->n2), 0);
}

static void a_node_that_fails_the_constraint_loses_its_task(void **state)
{
    struct fixture *f = *state;

    model_node_label(&f->m, f->n2, "skip", "yes");
    model_run(&f->m);
    assert_int_equal(model_on_node(&f->m, f->agent, f->n2), 0);
    model_node_label(&f->m, f->n2, "skip", "no");
    model_run(&f->m);
    assert_true(runs_on(f, f->n2));
}

static void a_removed_node_takes_its_task_objects_along(void **state)
{
    struct fixture *f = *state;

    model_node_state(&f->m, f->n2, NODE_STATE(DOWN));
    model_run(&f->m);
    model_node_remove(&f->m, f->n2);
    model_run(&f->m);
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 1);
}

static void a_failed_task_is_restarted_on_its_node(void **state)
{
    struct fixture *f = *state;

    model_report(&f->m, model_on_node(&f->m, f->agent, f->n1), TASK_STATE(FAILED));
    model_run(&f->m);
    assert_false(runs_on(f, f->n1));
    model_advance(&f->m, MODEL_S(1));
    model_run(&f->m);
    assert_true(runs_on(f, f->n1));
}

static void an_update_rolls_node_by_node_but_not_over_paused_ones(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s;
    uint64_t on_n1 = model_on_node(&f->m, f->agent, f->n1);
    uint64_t n3 = model_node(&f->m, "n3", 4 * CPU, 8 * GIB);

    model_run(&f->m);
    model_node_availability(&f->m, f->n1, AVAILABILITY(PAUSE));
    s = model_edit(&f->m, f->agent);
    build_image(s, "nginx:2");
    build_update(s, 1, 0, MODEL_S(1));
    model_update(&f->m, s);
    model_settle(&f->m);
    assert_int_equal(model_count(&f->m, f->agent, TASK_STATE(SHUTDOWN), TASK_STATE(NEW)), 1);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(view_service(f->m.view, f->agent)->s->update_status->state,
                     SWARM__V1__UPDATE_STATUS__STATE__COMPLETED);
    assert_int_equal(model_on_node(&f->m, f->agent, f->n1), on_n1);
    assert_true(runs_on(f, n3));
    model_node_availability(&f->m, f->n1, AVAILABILITY(ACTIVE));
    model_run(&f->m);
    assert_int_not_equal(model_on_node(&f->m, f->agent, f->n1), on_n1);
    assert_true(runs_on(f, f->n1));
    assert_int_equal(view_service(f->m.view, f->agent)->s->update_status->state,
                     SWARM__V1__UPDATE_STATUS__STATE__COMPLETED);
}

static void a_task_too_large_for_its_node_stays_pending_with_the_reason(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_global("big");
    uint64_t big;
    uint64_t small = model_node(&f->m, "small", CPU, GIB);

    build_reserve(s, 2 * CPU, 0);
    big = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    assert_int_equal(status_state(model_task(&f->m, model_on_node(&f->m, big, small))),
                     TASK_STATE(PENDING));
    assert_string_equal(model_task(&f->m, model_on_node(&f->m, big, small))->status->err,
                        "no suitable node (insufficient resources on 1 node)");
    assert_int_equal(model_count(&f->m, big, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(it_runs_once_on_every_node),
        T(a_joining_node_gets_a_task),
        T(a_drained_node_loses_its_task_and_gets_a_new_one_when_active),
        T(a_dead_node_gets_a_new_task_when_it_returns),
        T(a_paused_node_keeps_its_task_but_gets_no_new_one),
        T(a_node_that_fails_the_constraint_loses_its_task),
        T(a_removed_node_takes_its_task_objects_along),
        T(a_failed_task_is_restarted_on_its_node),
        T(an_update_rolls_node_by_node_but_not_over_paused_ones),
        T(a_task_too_large_for_its_node_stays_pending_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
