/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 12: rolling updates and rollbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/pb.h"
#include "tests/sim/model.h"

#define GIB          (1ll << 30)
#define CPU          1000000000ll
#define UPDATE(x)    SWARM__V1__UPDATE_STATUS__STATE__##x
#define ACTION(x)    SWARM__V1__UPDATE_CONFIG__FAILURE_ACTION__##x
#define ORDER(x)     SWARM__V1__UPDATE_CONFIG__ORDER__##x
#define CONDITION(x) SWARM__V1__RESTART_POLICY__CONDITION__##x

struct fixture {
    struct model m;
};

static int setup(void **state)
{
    static struct fixture f;

    model_init(&f.m, 3);
    for (unsigned i = 0; i < 4; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "n%u", i);
        (void)model_node(&f.m, name, 8 * CPU, 8 * GIB);
    }
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

static const Swarm__V1__Service *get(struct fixture *f, uint64_t key)
{
    return view_service(f->m.view, key)->s;
}

static int update_state(struct fixture *f, uint64_t key)
{
    return get(f, key)->update_status != NULL ? (int)get(f, key)->update_status->state : -1;
}

static void change_image(struct fixture *f, uint64_t key, const char *image)
{
    Swarm__V1__Service *s = model_edit(&f->m, key);

    build_image(s, image);
    model_update(&f->m, s);
}

/* Tasks of the current version that are wanted, by observed state. */
static unsigned fresh(struct fixture *f, uint64_t key, Swarm__V1__TaskState at_least)
{
    const struct view_service *vs = view_service(f->m.view, key);
    unsigned n = 0;

    sw_list_each(l, &vs->tasks)
    {
        const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_service)->t;

        n += t->spec_version == vs->s->spec_version && status_wanted(t) &&
             status_state(t) >= at_least && !status_ended(t);
    }
    return n;
}

static unsigned running(struct fixture *f, uint64_t key)
{
    const struct view_service *vs = view_service(f->m.view, key);
    unsigned n = 0;

    sw_list_each(l, &vs->tasks)
    {
        const Swarm__V1__Task *t = sw_list_entry(l, struct view_task, of_service)->t;

        n += status_wanted(t) && status_state(t) == TASK_STATE(RUNNING);
    }
    return n;
}

static uint64_t service(struct fixture *f, uint64_t replicas, uint64_t parallelism, int64_t delay,
                        int64_t monitor, Swarm__V1__UpdateConfig__Order order)
{
    Swarm__V1__Service *s = build_service("web", replicas);
    uint64_t key;

    build_update(s, parallelism, delay, monitor)->order = order;
    build_restart(s, CONDITION(ANY), 0, 0, 0);
    key = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    return key;
}

static void stop_first_goes_slot_by_slot(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 4, 1, MODEL_S(2), MODEL_S(1), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_settle(&f->m);
    assert_int_equal(update_state(f, web), UPDATE(UPDATING));
    assert_string_equal(get(f, web)->update_status->message, "update in progress");
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 1);
    assert_int_equal(running(f, web), 3);
    model_run(&f->m);
    assert_int_equal(fresh(f, web, TASK_STATE(RUNNING)), 1);
    model_advance(&f->m, MODEL_S(2) - 1);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 1);
    model_advance(&f->m, 1);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 2);
    model_run(&f->m);
    for (unsigned i = 0; i < 2; i++) {
        model_advance(&f->m, MODEL_S(2));
        model_run(&f->m);
    }
    assert_int_equal(fresh(f, web, TASK_STATE(RUNNING)), 4);
    assert_int_equal(update_state(f, web), UPDATE(UPDATING));
    /* delay 2 s >= monitor 1 s: watched for delay + 1 s */
    model_advance(&f->m, MODEL_S(3) - 1);
    assert_int_equal(update_state(f, web), UPDATE(UPDATING));
    model_advance(&f->m, 1);
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
    assert_string_equal(get(f, web)->update_status->message, "update completed");
    assert_int_equal(get(f, web)->update_status->completed_ns, f->m.now_ns);
}

static void the_new_task_prepares_while_the_old_one_stops(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 1, 1, 0, MODEL_S(1), ORDER(STOP_FIRST));
    uint64_t old = model_in_slot(&f->m, web, 1);
    uint64_t new;

    change_image(f, web, "nginx:2");
    model_settle(&f->m);
    new = model_in_slot(&f->m, web, 1);
    assert_int_equal(model_task(&f->m, old)->desired, TASK_STATE(SHUTDOWN));
    assert_int_equal(model_task(&f->m, new)->desired, TASK_STATE(READY));
    model_report(&f->m, old, TASK_STATE(SHUTDOWN));
    model_settle(&f->m);
    assert_int_equal(model_task(&f->m, new)->desired, TASK_STATE(RUNNING));
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void start_first_never_runs_fewer(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 3, 2, 0, MODEL_S(1), ORDER(START_FIRST));

    change_image(f, web, "nginx:2");
    model_settle(&f->m);
    assert_int_equal(running(f, web), 3);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 2);
    model_obey(&f->m);
    assert_int_equal(running(f, web), 5);
    model_settle(&f->m);
    assert_int_equal(running(f, web), 3);
    model_run(&f->m);
    assert_int_equal(fresh(f, web, TASK_STATE(RUNNING)), 3);
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void parallelism_zero_updates_all_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 5, 0, 0, MODEL_S(1), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_settle(&f->m);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 5);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void an_absent_configuration_means_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    uint64_t web = model_create(&f->m, VIEW_SERVICE, build_service("web", 3));

    model_run(&f->m);
    change_image(f, web, "nginx:2");
    model_settle(&f->m);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 1);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(5) - 1);
    assert_int_equal(update_state(f, web), UPDATE(UPDATING));
    model_advance(&f->m, 1);
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void a_new_leader_goes_on_where_the_old_one_stopped(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 3, 1, MODEL_S(4), MODEL_S(5), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(3));
    model_new_leader(&f->m);
    model_advance(&f->m, MODEL_S(1) - 1);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 1);
    model_advance(&f->m, 1);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 2);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(4));
    model_run(&f->m);
    model_new_leader(&f->m);
    model_advance(&f->m, MODEL_S(5));
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void only_placement_that_still_fits_updates_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 2, 1, 0, MODEL_S(1), ORDER(STOP_FIRST));
    Swarm__V1__Service *s = model_edit(&f->m, web);
    uint64_t first = model_in_slot(&f->m, web, 1);

    build_constraint(s, "node.platform.os == linux");
    model_update(&f->m, s);
    model_advance(&f->m, MODEL_S(10));
    assert_int_equal(model_in_slot(&f->m, web, 1), first);
    assert_int_equal(update_state(f, web), -1);
}

static void a_placement_that_no_longer_fits_moves_tasks(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 4, 0, 0, MODEL_S(1), ORDER(STOP_FIRST));
    Swarm__V1__Service *s = model_edit(&f->m, web);

    build_constraint(s, "node.hostname != n0");
    model_update(&f->m, s);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(running(f, web), 4);
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 1); /* the one that was on n0 */
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

/* Fails every task of the current version that gets an assignment. */
static void fail_fresh(struct fixture *f, uint64_t key)
{
    for (unsigned i = 0; i < 50; i++) {
        const struct view_service *vs = view_service(f->m.view, key);
        uint64_t victim = 0;

        model_settle(&f->m);
        if (get(f, key)->update_status == NULL ||
            get(f, key)->update_status->state != UPDATE(UPDATING))
            return;
        sw_list_each(l, &vs->tasks)
        {
            const struct view_task *vt = sw_list_entry(l, struct view_task, of_service);

            if (vt->t->spec_version == vs->s->spec_version && vt->t->by_update &&
                status_state(vt->t) == TASK_STATE(ASSIGNED))
                victim = vt->o->key;
        }
        if (victim != 0)
            model_report(&f->m, victim, TASK_STATE(REJECTED));
        model_obey(&f->m);
    }
}

static void the_first_failure_pauses_by_default(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 3, 1, 0, MODEL_S(1), ORDER(STOP_FIRST));
    char expected[128];
    uint64_t failed;

    change_image(f, web, "nginx:2");
    model_settle(&f->m);
    failed = model_in_slot(&f->m, web, 1);
    fail_fresh(f, web);
    assert_int_equal(update_state(f, web), UPDATE(PAUSED));
    (void)snprintf(expected, sizeof(expected),
                   "update paused due to failure or early termination of task %s",
                   view_object(f->m.view, failed)->id);
    assert_string_equal(get(f, web)->update_status->message, expected);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(100));
    assert_int_equal(update_state(f, web), UPDATE(PAUSED));
    assert_int_equal(fresh(f, web, TASK_STATE(NEW)), 1);
    assert_int_equal(running(f, web), 3); /* two old ones and the restarted new one */
}

static void failing_within_the_monitor_period_counts_later_does_not(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 2, 1, MODEL_S(20), MODEL_S(30), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(20)); /* the second slot starts */
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(11)); /* 31 s after the first got to RUNNING */
    model_report(&f->m, model_in_slot(&f->m, web, 1), TASK_STATE(FAILED));
    model_run(&f->m);
    assert_int_equal(update_state(f, web), UPDATE(UPDATING));
    model_advance(&f->m, MODEL_S(18)); /* 29 s after the second did */
    model_report(&f->m, model_in_slot(&f->m, web, 2), TASK_STATE(COMPLETE));
    model_run(&f->m);
    assert_int_equal(update_state(f, web), UPDATE(PAUSED));
}

/* O8: strictly more than the ratio triggers. */
static void the_ratio_is_of_all_slots_to_be_updated(void **state)
{
    static const struct {
        double ratio;
        unsigned slots, failures;
        bool acts;
    } rows[] = {
        { 0.0, 4, 1, true },   { 0.25, 4, 1, false }, { 0.25, 4, 2, true },
        { 0.5, 4, 2, false },  { 0.5, 4, 3, true },   { 0.1, 10, 1, false },
        { 0.3, 10, 3, false }, { 0.3, 10, 4, true },  { 1.0, 3, 3, false },
    };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Swarm__V1__Service *s = build_service("web", rows[i].slots);
        uint64_t web;

        build_update(s, 0, 0, MODEL_S(5))->max_failure_ratio = rows[i].ratio;
        build_restart(s, CONDITION(NONE), 0, 0, 0);
        web = model_create(&f->m, VIEW_SERVICE, s);
        model_run(&f->m);
        change_image(f, web, "nginx:2");
        model_run(&f->m);
        for (unsigned k = 1; k <= rows[i].failures; k++) {
            assert_int_equal(update_state(f, web), UPDATE(UPDATING));
            model_report(&f->m, model_in_slot(&f->m, web, k), TASK_STATE(FAILED));
            if (k == 1)
                model_new_leader(&f->m);
            model_settle(&f->m);
        }
        assert_int_equal(update_state(f, web), rows[i].acts ? UPDATE(PAUSED) : UPDATE(UPDATING));
        model_advance(&f->m, MODEL_S(5));
        if (!rows[i].acts)
            assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
        model_delete(&f->m, web);
        model_run(&f->m);
    }
}

static void continue_never_acts(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 2);
    uint64_t web;

    build_update(s, 1, 0, MODEL_S(1))->failure_action = ACTION(CONTINUE);
    build_restart(s, CONDITION(ANY), MODEL_S(1), 0, 0);
    web = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    change_image(f, web, "nginx:2");
    fail_fresh(f, web);
    model_advance(&f->m, MODEL_S(1));
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(1));
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
    assert_int_equal(fresh(f, web, TASK_STATE(RUNNING)), 2);
}

static uint64_t with_rollback(struct fixture *f)
{
    Swarm__V1__Service *s = build_service("web", 3);
    uint64_t web;

    build_update(s, 1, 0, MODEL_S(1))->failure_action = ACTION(ROLLBACK);
    build_restart(s, CONDITION(ANY), MODEL_S(1), 0, 0);
    web = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    return web;
}

static void rollback_restores_the_old_specification(void **state)
{
    struct fixture *f = *state;
    uint64_t web = with_rollback(f);
    Swarm__V1__ServiceSpec *before = pb_clone(get(f, web)->spec);

    change_image(f, web, "nginx:2");
    fail_fresh(f, web);
    assert_int_equal(update_state(f, web), UPDATE(ROLLBACK_STARTED));
    assert_true(pb_equal(get(f, web)->spec, before));
    assert_null(get(f, web)->previous_spec);
    assert_non_null(strstr(get(f, web)->update_status->message,
                           "update rolled back due to failure or early termination of task "));
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(6));
    model_run(&f->m);
    assert_int_equal(update_state(f, web), UPDATE(ROLLBACK_COMPLETED));
    assert_string_equal(get(f, web)->update_status->message, "rollback completed");
    assert_int_equal(running(f, web), 3);
    pb_free(before);
}

static void a_manual_rollback_twice_returns_to_the_newer_specification(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 2, 0, 0, MODEL_S(1), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(5));
    model_rollback(&f->m, web);
    for (unsigned i = 0; i < 3; i++) {
        model_run(&f->m);
        model_advance(&f->m, MODEL_S(6));
    }
    assert_int_equal(update_state(f, web), UPDATE(ROLLBACK_COMPLETED));
    assert_string_equal(get(f, web)->spec->task->container->image, "nginx:1");
    model_rollback(&f->m, web);
    for (unsigned i = 0; i < 3; i++) {
        model_run(&f->m);
        model_advance(&f->m, MODEL_S(6));
    }
    assert_string_equal(get(f, web)->spec->task->container->image, "nginx:2");
    assert_int_equal(running(f, web), 2);
    assert_true(get(f, web)->n_history <= 3);
}

static void a_newer_specification_replaces_a_running_update(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 3, 1, MODEL_S(10), MODEL_S(5), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_run(&f->m);
    change_image(f, web, "nginx:3");
    for (unsigned i = 0; i < 4; i++) {
        model_run(&f->m);
        model_advance(&f->m, MODEL_S(11));
    }
    assert_int_equal(fresh(f, web, TASK_STATE(RUNNING)), 3);
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void scaling_during_an_update_does_not_disturb_it(void **state)
{
    struct fixture *f = *state;
    uint64_t web = service(f, 4, 1, MODEL_S(2), MODEL_S(1), ORDER(STOP_FIRST));

    change_image(f, web, "nginx:2");
    model_run(&f->m);
    model_scale(&f->m, web, 6);
    for (unsigned i = 0; i < 6; i++) {
        model_run(&f->m);
        model_advance(&f->m, MODEL_S(3));
    }
    assert_int_equal(running(f, web), 6);
    assert_int_equal(update_state(f, web), UPDATE(COMPLETED));
}

static void a_failed_start_first_update_keeps_the_old_task(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t web;

    build_update(s, 1, 0, MODEL_S(1))->order = ORDER(START_FIRST);
    build_restart(s, CONDITION(NONE), 0, 0, 0);
    web = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    change_image(f, web, "nginx:2");
    fail_fresh(f, web);
    model_run(&f->m);
    assert_int_equal(update_state(f, web), UPDATE(PAUSED));
    assert_int_equal(running(f, web), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(stop_first_goes_slot_by_slot),
        T(the_new_task_prepares_while_the_old_one_stops),
        T(start_first_never_runs_fewer),
        T(parallelism_zero_updates_all_at_once),
        T(an_absent_configuration_means_one_at_a_time),
        T(a_new_leader_goes_on_where_the_old_one_stopped),
        T(only_placement_that_still_fits_updates_nothing),
        T(a_placement_that_no_longer_fits_moves_tasks),
        T(the_first_failure_pauses_by_default),
        T(failing_within_the_monitor_period_counts_later_does_not),
        T(the_ratio_is_of_all_slots_to_be_updated),
        T(continue_never_acts),
        T(rollback_restores_the_old_specification),
        T(a_manual_rollback_twice_returns_to_the_newer_specification),
        T(a_newer_specification_replaces_a_running_update),
        T(scaling_during_an_update_does_not_disturb_it),
        T(a_failed_start_first_update_keeps_the_old_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
