/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "cli/cmd/converge.h"

struct fixture {
    FILE *out;
    struct progress progress;
    struct converge converge;
    json_t *service;
    json_t *nodes;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->out = tmpfile();
    progress_init(&f->progress, f->out, false);
    f->nodes = json_loads("{\"n1\":true,\"n2\":true}", 0, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    json_decref(f->service);
    json_decref(f->nodes);
    converge_fini(&f->converge);
    progress_fini(&f->progress);
    fclose(f->out);
    test_free(f);
    return 0;
}

static void service(struct fixture *f, const char *spec)
{
    char *text = cli_printf("{\"Spec\":%s,\"JobStatus\":{\"JobIteration\":{\"Index\":7}}}", spec);

    f->service = json_loads(text, 0, NULL);
    assert_non_null(f->service);
    sw_free(text);
}

/* One step with these tasks. Return: converged; @shown: what was printed, NULL for anything. */
static bool step(struct fixture *f, const char *tasks, const char *shown)
{
    json_auto_t *list = json_loads(tasks, 0, NULL);
    struct converge_input in = { f->service, list, f->nodes, false };
    char text[4096] = { 0 };
    struct sw_err err;
    bool converged = false;
    long before = ftell(f->out);

    assert_non_null(list);
    assert_int_equal(converge_step(&f->converge, &in, &f->progress, &converged, &err), 0);
    fseek(f->out, before, SEEK_SET);
    text[fread(text, 1, sizeof(text) - 1, f->out)] = '\0';
    fseek(f->out, 0, SEEK_END);
    if (shown != NULL)
        assert_string_equal(text, shown);
    return converged;
}

#define TASK(slot, node, desired, state)                                                           \
    "{\"Slot\":" #slot ",\"NodeID\":\"" node "\",\"DesiredState\":\"" desired                      \
    "\",\"Status\":{\"State\":\"" state "\"},\"JobIteration\":{\"Index\":7}}"
#define REPLICATED(n) "{\"Mode\":{\"Replicated\":{\"Replicas\":" #n "}}}"

static void replicas_count_when_they_run(void **state)
{
    struct fixture *f = *state;

    service(f, REPLICATED(2));
    assert_false(step(f, "[]",
                      "overall progress: 0 out of 2 tasks\n1/2:  \n2/2:  \noverall progress: 0 out "
                      "of 2 tasks\n"));
    assert_false(step(
        f, "[" TASK(1, "n1", "running", "running") "," TASK(2, "n2", "running", "starting") "]",
        "overall progress: 1 out of 2 tasks\n"));
    assert_true(
        step(f, "[" TASK(1, "n1", "running", "running") "," TASK(2, "n2", "running", "running") "]",
             "overall progress: 2 out of 2 tasks\n"));
    assert_true(
        step(f, "[" TASK(1, "n1", "running", "running") "," TASK(2, "n2", "running", "running") "]",
             ""));
    /* A task that falls back makes it unfinished again. */
    assert_false(step(
        f, "[" TASK(1, "n1", "running", "running") "," TASK(2, "n2", "running", "preparing") "]",
        "overall progress: 1 out of 2 tasks\n"));
}

static void the_task_with_the_lower_desired_state_speaks_for_a_slot(void **state)
{
    struct fixture *f = *state;

    service(f, REPLICATED(1));
    assert_true(
        step(f, "[" TASK(1, "n1", "shutdown", "failed") "," TASK(1, "n1", "running", "running") "]",
             NULL));
}

static void a_task_on_a_node_that_is_down_does_not_count(void **state)
{
    struct fixture *f = *state;

    service(f, REPLICATED(1));
    assert_false(step(f, "[" TASK(1, "gone", "running", "running") "]", NULL));
}

static void an_error_is_shown_on_one_line(void **state)
{
    struct fixture *f = *state;

    service(f, REPLICATED(1));
    step(f, "[]", NULL);
    step(f,
         "[{\"Slot\":1,\"NodeID\":\"\",\"DesiredState\":\"running\",\"Status\":{\"State\":"
         "\"pending\",\"Err\":"
         "\"no suitable node\\n(scheduling constraints not satisfied on 2 nodes) and a text that "
         "goes on\"}}]",
         "1/1: no suitable node (scheduling constraints not satisfied on 2 nodes) and a "
         "t\xe2\x80\xa6\n"
         "overall progress: 0 out of 1 tasks\n");
}

static void a_task_that_may_end_counts_when_it_has(void **state)
{
    struct fixture *f = *state;

    service(f, "{\"Mode\":{\"Replicated\":{\"Replicas\":1}},\"TaskTemplate\":{\"RestartPolicy\":{"
               "\"Condition\":\"none\"}}}");
    assert_true(step(f, "[" TASK(1, "n1", "shutdown", "complete") "]", NULL));
}

static void a_task_that_must_run_does_not_count_when_it_has_ended(void **state)
{
    struct fixture *f = *state;

    service(f, REPLICATED(1));
    assert_false(step(f, "[" TASK(1, "n1", "shutdown", "complete") "]", NULL));
}

static void a_global_service_wants_each_node_that_has_a_task(void **state)
{
    struct fixture *f = *state;

    service(f, "{\"Mode\":{\"Global\":{}}}");
    assert_false(step(f, "[]", "overall progress: waiting for new tasks\n"));
    assert_false(step(
        f, "[" TASK(0, "n1", "running", "running") "," TASK(0, "n2", "running", "starting") "]",
        "overall progress: 0 out of 2 tasks\noverall progress: 1 out of 2 tasks\n"));
    assert_true(
        step(f, "[" TASK(0, "n1", "running", "running") "," TASK(0, "n2", "running", "running") "]",
             NULL));
}

static void a_job_is_done_when_all_have_completed(void **state)
{
    struct fixture *f = *state;

    service(f, "{\"Mode\":{\"ReplicatedJob\":{\"MaxConcurrent\":2,\"TotalCompletions\":3}}}");
    assert_false(step(f, "[]",
                      "job progress: 0 out of 3 complete\nactive tasks: 0 out of 2 tasks\n1/3:  "
                      "\n2/3:  \n3/3:  \n"
                      "job progress: 0 out of 3 complete\nactive tasks: 0 out of 2 tasks\n"));
    assert_false(step(
        f, "[" TASK(0, "n1", "complete", "complete") "," TASK(1, "n2", "complete", "running") "]",
        "active tasks: 1 out of 2 tasks\n"));
    assert_true(
        step(f,
             "[" TASK(0, "n1", "complete", "complete") "," TASK(
                 1, "n2", "complete", "complete") "," TASK(2, "n2", "complete", "complete") "]",
             "active tasks: 0 out of 0 tasks\n"));
}

static void tasks_of_an_earlier_run_of_a_job_do_not_count(void **state)
{
    struct fixture *f = *state;

    service(f, "{\"Mode\":{\"GlobalJob\":{}}}");
    assert_false(step(f, "[]", "job progress: waiting for tasks\n"));
    assert_false(
        step(f,
             "[" TASK(0, "n1", "complete",
                      "running") ","
                                 "{\"NodeID\":\"n2\",\"DesiredState\":\"complete\",\"Status\":{"
                                 "\"State\":\"complete\"},\"JobIteration\":{\"Index\":6}}]",
             "job progress: 0 out of 1 complete\njob progress: 0 out of 1 complete\n"));
    assert_true(step(f, "[" TASK(0, "n1", "complete", "complete") "]", NULL));
}

static void a_service_without_a_count_is_refused(void **state)
{
    struct fixture *f = *state;
    struct converge_input in = { NULL, NULL, f->nodes, false };
    struct sw_err err;
    bool converged;

    service(f, "{\"Mode\":{\"Replicated\":{}}}");
    in.service = f->service;
    assert_int_equal(converge_step(&f->converge, &in, &f->progress, &converged, &err),
                     SW_E_INVALID);
    assert_string_equal(err.msg, "no replica count");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(replicas_count_when_they_run),
        T(the_task_with_the_lower_desired_state_speaks_for_a_slot),
        T(a_task_on_a_node_that_is_down_does_not_count),
        T(an_error_is_shown_on_one_line),
        T(a_task_that_may_end_counts_when_it_has),
        T(a_task_that_must_run_does_not_count_when_it_has_ended),
        T(a_global_service_wants_each_node_that_has_a_task),
        T(a_job_is_done_when_all_have_completed),
        T(tasks_of_an_earlier_run_of_a_job_do_not_count),
        T(a_service_without_a_count_is_refused),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
