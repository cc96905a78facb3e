/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/client/url.h"

static void names_are_escaped(void **state)
{
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    url_path(&b, "/images/", "127.0.0.1:5000/a b/web:1@sha256:0?", "/json");
    assert_string_equal(sw_buf_str(&b), "/images/127.0.0.1:5000/a%20b/web:1@sha256:0%3F/json");
    url_query(&b, "a", "1&2");
    url_query(&b, "b", "x y/=");
    assert_string_equal(
        sw_buf_str(&b),
        "/images/127.0.0.1:5000/a%20b/web:1@sha256:0%3F/json?a=1%262&b=x%20y%2F%3D");
    sw_buf_fini(&b);
}

static void filters(void **state)
{
    json_auto_t *f = json_object();
    struct sw_buf b = SW_BUF_INIT;
    struct sw_err err;

    (void)state;
    url_filters(&b, f);
    assert_int_equal(b.len, 0);
    assert_int_equal(filters_add(f, "name=web", &err), 0);
    assert_int_equal(filters_add(f, " LABEL = a=b", &err), 0);
    assert_int_equal(filters_add(f, "name=db", &err), 0);
    url_filters(&b, f);
    assert_string_equal(sw_buf_str(&b), "?filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%2C%"
                                        "22name%22%3A%7B%22db%22%3Atrue%2C%22web%22%3Atrue%7D%7D");
    assert_int_equal(filters_add(f, "name", &err), SW_E_INVALID);
    sw_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_escaped),
                                        cmocka_unit_test(filters) };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
