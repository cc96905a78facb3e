/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/task/task.h"
#include "proto/pb.h"

#define STATE(x) SWARM__V1__TASK_STATE__TASK_##x
#define MS       1000000ll

struct fixture {
    struct task *t;
    Swarm__V1__AssignedTask assigned;
    int64_t now;
    char orders[64];  /* one letter each: p s k r */
    char states[256]; /* "PREPARING READY " */
    char err[600];
    int64_t grace;
};

static void add(struct fixture *f, const char *order)
{
    strcat(f->orders, order);
}

static void on_prepare(void *arg, struct task *t)
{
    (void)t;
    add(arg, "p");
}

static void on_start(void *arg, struct task *t)
{
    (void)t;
    add(arg, "s");
}

static void on_stop(void *arg, struct task *t, int64_t grace_ns)
{
    (void)t;
    add(arg, "k");
    ((struct fixture *)arg)->grace = grace_ns;
}

static void on_remove(void *arg, struct task *t)
{
    (void)t;
    add(arg, "r");
}

static void on_report(void *arg, struct task *t, const Swarm__V1__TaskStatus *s)
{
    struct fixture *f = arg;
    size_t n = strlen(f->states);
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(&swarm__v1__task_state__descriptor, (int)s->state);

    (void)t;
    (void)snprintf(f->states + n, sizeof(f->states) - n, "%s ", v->name + 5);
    (void)snprintf(f->err, sizeof(f->err), "%s", s->err);
    assert_int_equal(s->timestamp_ns, f->now);
}

static const struct task_exec_ops ops = { on_prepare, on_start, on_stop, on_remove, on_report };

static int64_t step(struct fixture *f)
{
    return task_step(f->t, f->now);
}

static void desire(struct fixture *f, Swarm__V1__TaskState desired)
{
    f->assigned.desired = desired;
    assert_int_equal(task_update(f->t, &f->assigned), 0);
    (void)step(f);
}

static void begin(struct fixture *f, Swarm__V1__TaskState desired, const struct task_adopt *a)
{
    f->assigned.desired = desired;
    task_free(f->t);
    f->t = task_new(&f->assigned, &ops, f, a);
    assert_non_null(f->t);
    (void)step(f);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.now = 1000;
    swarm__v1__assigned_task__init(&f.assigned);
    f.assigned.key = 7;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    task_free(f->t);
    f->t = NULL;
    return 0;
}

static void prepared(struct fixture *f)
{
    task_on_prepared(f->t, 0, NULL);
    (void)step(f);
}

static void started(struct fixture *f, bool healthy)
{
    task_on_started(f->t, 0, "c0ffee", 42, healthy, NULL);
    (void)step(f);
}

static void stopped(struct fixture *f)
{
    task_on_stopped(f->t, 0, NULL);
    (void)step(f);
}

static void a_task_climbs_to_running(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    assert_string_equal(f->orders, "p");
    prepared(f);
    assert_string_equal(f->orders, "ps");
    started(f, true);
    assert_string_equal(f->states, "PREPARING STARTING RUNNING ");
    assert_string_equal(task_status(f->t)->container_id, "c0ffee");
    assert_int_equal(task_status(f->t)->pid, 42);
    assert_true(task_holds_resources(f->t));
}

static void it_does_not_prepare_before_it_is_wanted_beyond_accepted(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(ACCEPTED), NULL);
    assert_string_equal(f->orders, "");
    assert_string_equal(f->states, "ACCEPTED ");
    desire(f, STATE(RUNNING));
    assert_string_equal(f->orders, "p");
}

static void it_waits_at_ready_until_running_is_desired(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(READY), NULL);
    prepared(f);
    assert_string_equal(f->states, "PREPARING READY ");
    assert_string_equal(f->orders, "p");
    desire(f, STATE(RUNNING));
    assert_string_equal(f->orders, "ps");
}

static void a_job_starts_with_complete_desired(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(COMPLETE), NULL);
    prepared(f);
    started(f, true);
    task_on_exited(f->t, 0, NULL);
    (void)step(f);
    stopped(f);
    assert_string_equal(f->states, "PREPARING STARTING RUNNING COMPLETE ");
}

static void with_a_health_check_it_is_starting_until_healthy(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    prepared(f);
    started(f, false);
    assert_int_equal(task_status(f->t)->state, STATE(STARTING));
    task_on_health(f->t, TASK_HEALTHY);
    (void)step(f);
    assert_int_equal(task_status(f->t)->state, STATE(RUNNING));
}

static void an_unhealthy_container_is_stopped_and_failed(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    prepared(f);
    started(f, true);
    task_on_health(f->t, TASK_UNHEALTHY);
    (void)step(f);
    assert_string_equal(f->orders, "psk");
    task_on_exited(f->t, 0, NULL); /* its clean exit does not change the verdict */
    (void)step(f);
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(FAILED));
    assert_string_equal(f->err, "task: unhealthy container");
}

static void a_non_zero_exit_is_a_failure(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    prepared(f);
    started(f, true);
    task_on_exited(f->t, 137, "out of memory");
    (void)step(f);
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(FAILED));
    assert_string_equal(f->err, "task: non-zero exit (137): out of memory");
    assert_int_equal(task_status(f->t)->exit_code, 137);
    assert_false(task_holds_resources(f->t));
}

static void a_fatal_error_in_preparing_rejects(void **state)
{
    struct fixture *f = *state;
    struct sw_err err = { SW_E_NOT_FOUND, "No such image: nginx:9" };

    begin(f, STATE(RUNNING), NULL);
    task_on_prepared(f->t, SW_E_NOT_FOUND, &err);
    (void)step(f);
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(REJECTED));
    assert_string_equal(f->err, "No such image: nginx:9");
}

static void a_fatal_error_in_starting_fails(void **state)
{
    struct fixture *f = *state;
    struct sw_err err = { SW_E_INVALID, "exec: not found" };

    begin(f, STATE(RUNNING), NULL);
    prepared(f);
    task_on_started(f->t, SW_E_INVALID, NULL, 0, false, &err);
    (void)step(f);
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(FAILED));
    assert_string_equal(f->err, "exec: not found");
}

static void a_temporary_error_is_retried_with_growing_pauses(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    task_on_prepared(f->t, SW_E_UNAVAILABLE, NULL);
    assert_int_equal(step(f), 1000 + 100 * MS);
    assert_string_equal(f->orders, "p");
    f->now = 1000 + 100 * MS;
    assert_int_equal(step(f), 0);
    assert_string_equal(f->orders, "pp");
    task_on_prepared(f->t, -EAGAIN, NULL);
    assert_int_equal(step(f), f->now + 200 * MS);
}

static void shutdown_does_not_wait_for_the_back_off(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    task_on_prepared(f->t, SW_E_UNAVAILABLE, NULL);
    (void)step(f);
    desire(f, STATE(SHUTDOWN));
    assert_string_equal(f->orders, "pk");
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(SHUTDOWN));
}

static void shutdown_gives_up_preparing(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    desire(f, STATE(SHUTDOWN));
    assert_string_equal(f->orders, "pk");
    task_on_prepared(f->t, 0, NULL); /* comes too late */
    (void)step(f);
    assert_string_equal(f->orders, "pk");
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(SHUTDOWN));
}

static void the_grace_period_comes_from_the_specification(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__TaskSpec spec = SWARM__V1__TASK_SPEC__INIT;
    Swarm__V1__ContainerSpec container = SWARM__V1__CONTAINER_SPEC__INIT;
    Swarm__V1__OptionalInt64 grace = SWARM__V1__OPTIONAL_INT64__INIT;

    f->assigned.spec = &spec;
    begin(f, STATE(RUNNING), NULL);
    desire(f, STATE(SHUTDOWN));
    assert_int_equal(f->grace, TASK_STOP_GRACE_NS);
    spec.container = &container;
    container.stop_grace_ns = &grace;
    grace.value = 0;
    begin(f, STATE(RUNNING), NULL);
    desire(f, STATE(SHUTDOWN));
    assert_int_equal(f->grace, 0);
}

static void a_forgotten_task_is_stopped_then_removed(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    prepared(f);
    started(f, true);
    task_forget(f->t);
    (void)step(f);
    assert_string_equal(f->orders, "psk");
    stopped(f);
    assert_string_equal(f->orders, "pskr");
    assert_false(task_is_gone(f->t));
    task_on_removed(f->t, SW_E_UNAVAILABLE, NULL);
    assert_int_equal(step(f), f->now + 100 * MS);
    f->now += 100 * MS;
    (void)step(f);
    assert_string_equal(f->orders, "pskrr");
    task_on_removed(f->t, 0, NULL);
    (void)step(f);
    assert_true(task_is_gone(f->t));
}

static void a_container_that_does_not_die_is_killed_again(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(RUNNING), NULL);
    prepared(f);
    started(f, true);
    desire(f, STATE(SHUTDOWN));
    task_on_stopped(f->t, SW_E_DEADLINE, NULL);
    f->now = step(f);
    (void)step(f);
    assert_string_equal(f->orders, "pskk");
    assert_int_equal(f->grace, 0);
    stopped(f);
    assert_int_equal(task_status(f->t)->state, STATE(SHUTDOWN));
}

static void desired_never_goes_back(void **state)
{
    struct fixture *f = *state;

    begin(f, STATE(SHUTDOWN), NULL);
    stopped(f);
    desire(f, STATE(RUNNING));
    assert_int_equal(task_assigned(f->t)->desired, STATE(SHUTDOWN));
    assert_string_equal(f->orders, "k");
}

static void adopted_running_task_goes_on(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__TaskStatus s = SWARM__V1__TASK_STATUS__INIT;
    struct task_adopt a = { TASK_FOUND_STARTED, true, 0, &s };

    s.state = STATE(RUNNING);
    s.timestamp_ns = 5;
    begin(f, STATE(RUNNING), &a);
    assert_string_equal(f->orders, "");
    assert_string_equal(f->states, "");
    task_on_exited(f->t, 0, NULL);
    (void)step(f);
    stopped(f);
    assert_string_equal(f->states, "COMPLETE ");
}

static void a_running_task_whose_container_is_gone_failed(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__TaskStatus s = SWARM__V1__TASK_STATUS__INIT;
    struct task_adopt a = { TASK_FOUND_NOTHING, false, 0, &s };

    s.state = STATE(RUNNING);
    s.timestamp_ns = 5;
    begin(f, STATE(RUNNING), &a);
    stopped(f);
    assert_string_equal(f->states, "FAILED ");
    assert_string_equal(f->err, "container is gone");
}

static void an_exit_while_the_agent_was_away_is_reported(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__TaskStatus s = SWARM__V1__TASK_STATUS__INIT;
    struct task_adopt a = { TASK_FOUND_EXITED, false, 3, &s };

    s.state = STATE(RUNNING);
    s.timestamp_ns = 5;
    begin(f, STATE(RUNNING), &a);
    stopped(f);
    assert_string_equal(f->states, "FAILED ");
    assert_string_equal(f->err, "task: non-zero exit (3)");
}

static void without_records_a_started_task_is_not_started_again(void **state)
{
    struct fixture *f = *state;

    f->assigned.state = STATE(RUNNING);
    begin(f, STATE(RUNNING), NULL);
    assert_string_equal(f->orders, "k");
    stopped(f);
    assert_string_equal(f->states, "FAILED ");
}

static void without_records_an_ended_task_is_only_removed(void **state)
{
    struct fixture *f = *state;

    f->assigned.state = STATE(COMPLETE);
    begin(f, STATE(SHUTDOWN), NULL);
    assert_string_equal(f->orders, "");
    task_forget(f->t);
    (void)step(f);
    assert_string_equal(f->orders, "r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(a_task_climbs_to_running),
        T(it_does_not_prepare_before_it_is_wanted_beyond_accepted),
        T(it_waits_at_ready_until_running_is_desired),
        T(a_job_starts_with_complete_desired),
        T(with_a_health_check_it_is_starting_until_healthy),
        T(an_unhealthy_container_is_stopped_and_failed),
        T(a_non_zero_exit_is_a_failure),
        T(a_fatal_error_in_preparing_rejects),
        T(a_fatal_error_in_starting_fails),
        T(a_temporary_error_is_retried_with_growing_pauses),
        T(shutdown_does_not_wait_for_the_back_off),
        T(shutdown_gives_up_preparing),
        T(the_grace_period_comes_from_the_specification),
        T(a_forgotten_task_is_stopped_then_removed),
        T(a_container_that_does_not_die_is_killed_again),
        T(desired_never_goes_back),
        T(adopted_running_task_goes_on),
        T(a_running_task_whose_container_is_gone_failed),
        T(an_exit_while_the_agent_was_away_is_reported),
        T(without_records_a_started_task_is_not_started_again),
        T(without_records_an_ended_task_is_only_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
