/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/spec/base64.h"
#include "cli/spec/js.h"

static void paths_read_and_build(void **state)
{
    json_auto_t *o = json_object();

    (void)state;
    js_set_str(o, "A.B.C", "x");
    js_set_int(o, "A.N", 5);
    js_set(o, "A.R", json_real(2.5));
    assert_string_equal(js_str(o, "A.B.C"), "x");
    assert_string_equal(js_str(o, "A.B.D"), "");
    assert_string_equal(js_str(o, "A.N"), "");
    assert_int_equal(js_int(o, "A.N"), 5);
    assert_int_equal(js_int(o, "A.R"), 2);
    assert_int_equal(js_int(NULL, "A"), 0);
    js_del(o, "A.B.C");
    assert_null(js_get(o, "A.B.C"));
    assert_int_equal(js_len(o, "A.B"), 0);
    js_append_str(js_arr(o, "L"), "b");
    js_append_str(js_arr(o, "L"), "a");
    js_sort_strings(js_get(o, "L"));
    assert_string_equal(json_string_value(json_array_get(js_get(o, "L"), 0)), "a");
}

static void bytes_that_are_not_text_are_replaced(void **state)
{
    json_auto_t *s = js_string("a\xff"
                               "b\xc3\xa9\xc3");
    json_auto_t *surrogate = js_string("\xed\xa0\x80");

    (void)state;
    assert_string_equal(json_string_value(s), "a\xef\xbf\xbd"
                                              "b\xc3\xa9\xef\xbf\xbd");
    assert_string_equal(json_string_value(surrogate), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void base64_both_ways(void **state)
{
    static const char *const rows[][2] = {
        { "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
        { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "s3cr3t", "czNjcjN0" }
    };
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        char *e = base64_encode(rows[i][0], strlen(rows[i][0]), false);

        assert_string_equal(e, rows[i][1]);
        sw_buf_clear(&b);
        assert_true(base64_decode(e, &b));
        assert_string_equal(sw_buf_str(&b), rows[i][0]);
        sw_free(e);
    }
    assert_false(base64_decode("a*", &b));
    sw_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_read_and_build),
        cmocka_unit_test(bytes_that_are_not_text_are_replaced),
        cmocka_unit_test(base64_both_ways),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
