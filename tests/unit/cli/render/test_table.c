/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/render/table.h"

static const struct table_column columns[] = { { "ID", "ID" },
                                               { "Name", "NAME" },
                                               { "Hidden", NULL } };
static const struct table table = { columns, 3, "{{.ID}}\t{{.Name}}", "ID" };

static void expect(const char *format, bool quiet, const char *out)
{
    json_auto_t *rows = json_loads("[{\"ID\":\"1\",\"Name\":\"a<b\",\"Hidden\":\"h\"},{\"ID\":"
                                   "\"22\",\"Name\":\"c\",\"Hidden\":\"i\"}]",
                                   0, NULL);
    struct sw_buf b = SW_BUF_INIT;
    struct sw_err err = { 0 };

    if (table_print(&b, &table, rows, format, quiet, &err) < 0)
        assert_string_equal(err.msg, out);
    else
        assert_string_equal(sw_buf_str(&b), out);
    sw_buf_fini(&b);
}

static void formats(void **state)
{
    (void)state;
    expect("", false, "ID        NAME\n1         a<b\n22        c\n");
    expect("table", false, "ID        NAME\n1         a<b\n22        c\n");
    expect("", true, "1\n22\n");
    expect("table {{.Name}}\\t{{.ID}}", false, "NAME      ID\na<b       1\nc         22\n");
    expect("{{.Hidden}}", false, "h\ni\n");
    expect("json", false,
           "{\"Hidden\":\"h\",\"ID\":\"1\",\"Name\":\"a\\u003cb\"}\n{\"Hidden\":\"i\",\"ID\":"
           "\"22\",\"Name\":\"c\"}\n");
    expect("{{.Nope}}", false,
           "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry "
           "for key \"Nope\"");
    expect("{{", false, "template parsing error: template: :1: unclosed action");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(formats) };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
