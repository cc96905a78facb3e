/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/render/gojson.h"

static void compact_as_go(void **state)
{
    json_auto_t *j = json_loads(
        "{\"b\":\"*:80->80 & <x>\\u2028\\n\\u0001\",\"a\":[1,2.5,true,null,{}],\"c\":0.2}", 0,
        NULL);
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    gojson_compact(&b, j, true);
    assert_string_equal(sw_buf_str(&b), "{\"a\":[1,2.5,true,null,{}],\"b\":\"*:80-\\u003e80 "
                                        "\\u0026 \\u003cx\\u003e\\u2028\\n\\u0001\",\"c\":0.2}");
    sw_buf_clear(&b);
    gojson_compact(&b, j, false);
    assert_int_equal(strncmp(sw_buf_str(&b), "{\"b\"", 4), 0);
    sw_buf_fini(&b);
}

static void numbers_are_short(void **state)
{
    static const struct {
        double d;
        const char *text;
    } rows[] = { { 0, "0" },
                 { 0.1, "0.1" },
                 { 1e-7, "1e-07" },
                 { 123456789.5, "123456789.5" },
                 { 1e20, "100000000000000000000" },
                 { 1e21, "1e+21" },
                 { -2.5, "-2.5" },
                 { 0.30000000000000004, "0.30000000000000004" } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sw_buf b = SW_BUF_INIT;

        gojson_number(&b, rows[i].d);
        assert_string_equal(sw_buf_str(&b), rows[i].text);
        sw_buf_fini(&b);
    }
}

static void indent_keeps_every_token(void **state)
{
    static const char raw[] =
        "{\"a\": 0.20,\"e\":{} ,\"l\":[],\"s\":\"x\\\"}, [\",\"n\":[1,{\"k\":null}]}\n";
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    gojson_indent(&b, raw, strlen(raw), "  ", "    ");
    assert_string_equal(
        sw_buf_str(&b),
        "{\n      \"a\": 0.20,\n      \"e\": {},\n      \"l\": [],\n      \"s\": \"x\\\"}, [\",\n"
        "      \"n\": [\n          1,\n          {\n              \"k\": null\n          }\n      "
        "]\n  }");
    sw_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compact_as_go),
        cmocka_unit_test(numbers_are_short),
        cmocka_unit_test(indent_keeps_every_token),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
