/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "cli/render/progress.h"

static void outside_a_terminal_bars_are_left_out(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = tmpfile();
    struct progress p;

    (void)state;
    progress_init(&p, f, false);
    assert_false(p.terminal);
    progress_put(&p, "overall progress", "0 out of 2 tasks", 0, 0);
    progress_put(&p, "1/2", " ", 0, 0);
    progress_put(&p, "1/2", "running  ", 9, 9);
    progress_message(&p, "", "job complete");
    progress_message(&p, "rollback", "done");
    progress_fini(&p);
    rewind(f);
    assert_true(getdelim(&text, &n, '\0', f) > 0);
    assert_string_equal(
        text, "overall progress: 0 out of 2 tasks\n1/2:  \njob complete\nrollback: done\n");
    free(text);
    fclose(f);
}

static void outside_a_terminal_lines_may_come_once(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = tmpfile();
    struct progress p;

    (void)state;
    progress_init(&p, f, false);
    p.once = true;
    progress_put(&p, "a", "x", 0, 0);
    progress_put(&p, "b", "x", 0, 0);
    progress_put(&p, "a", "x", 0, 0);
    progress_put(&p, "a", "y", 0, 0);
    progress_put(&p, "a", "x", 0, 0);
    progress_put(&p, "b", "x", 0, 0);
    progress_fini(&p);
    rewind(f);
    assert_true(getdelim(&text, &n, '\0', f) > 0);
    assert_string_equal(text, "a: x\nb: x\na: y\na: x\n");
    free(text);
    fclose(f);
}

static void a_terminal_rewrites_lines(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = tmpfile();
    struct progress p;

    (void)state;
    progress_init(&p, f, false);
    p.terminal = true;
    p.width = 120;
    progress_put(&p, "a", "x", 0, 0);
    progress_put(&p, "b", "y", 0, 0);
    progress_put(&p, "a", "z", 1, 2);
    progress_fini(&p);
    rewind(f);
    assert_true(getdelim(&text, &n, '\0', f) > 0);
    assert_string_equal(
        text,
        "\n\033[1A\033[2K\ra: x \r\033[1B"
        "\n\033[1A\033[2K\rb: y \r\033[1B"
        "\033[2A\033[2K\ra: z [=========================>                         ] \r\033[2B");
    free(text);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_a_terminal_bars_are_left_out),
        cmocka_unit_test(outside_a_terminal_lines_may_come_once),
        cmocka_unit_test(a_terminal_rewrites_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
