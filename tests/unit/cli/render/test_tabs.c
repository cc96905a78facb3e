/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/render/tabs.h"

static void expect(const char *in, const char *out)
{
    struct sw_buf b = SW_BUF_INIT;

    tabs_align(&b, in, TABS_MIN, TABS_PAD);
    assert_string_equal(sw_buf_str(&b), out);
    sw_buf_fini(&b);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    expect("ID\tNAME\n1234567890123\tx\n", "ID              NAME\n1234567890123   x\n");
    expect("ID\tNAME\n", "ID        NAME\n");
    expect("NAME\tSERVICES\na\t1\n", "NAME      SERVICES\na         1\n");
}

static void width_counts_letters_not_bytes(void **state)
{
    (void)state;
    expect("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\tx\ny\tz\n",
           "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9   x\ny          z\n");
}

static void a_line_without_the_cell_ends_a_column(void **state)
{
    (void)state;
    expect("aaaaaaaaaaaa\tb\nplain\nc\td\n", "aaaaaaaaaaaa   b\nplain\nc         d\n");
    expect("", "");
    expect("a\t\tb\n", "a                   b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(width_counts_letters_not_bytes),
        cmocka_unit_test(a_line_without_the_cell_ends_a_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
