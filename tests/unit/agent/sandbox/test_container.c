/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/agent/sandbox/box.h"

static int setup(void **state)
{
    *state = box_new();
    return 0;
}

static int teardown(void **state)
{
    if (*state != NULL)
        box_free(*state);
    return 0;
}

static struct box *box_of(void **state)
{
    if (*state == NULL)
        skip(); /* needs root: namespaces and mounts */
    return *state;
}

static void it_runs_a_program_and_keeps_its_output_and_code(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "/bin/busybox", "echo", "hello", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    assert_int_equal(box_run(b, &spec), 0);
    if (b->failed)
        fail_msg("%s", b->err.msg);
    assert_string_equal(sw_buf_str(&b->out), "hello\n");
    assert_true(b->exit.started);
    assert_false(b->exit.oom_killed);
    assert_true(b->exit.finished_ns >= b->exit.started_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_runs_a_program_and_keeps_its_output_and_code, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
