/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cmd/natural.h"
#include "cli/cmd/network.h"

static void numbers_count_as_numbers(void **state)
{
    (void)state;
    assert_true(natural_compare("web.2", "web.10") < 0);
    assert_true(natural_compare("web.10", "web.9") > 0);
    assert_true(natural_compare("a", "b") < 0);
    assert_true(natural_compare("a", "a1") < 0);
    assert_true(natural_compare("a007", "a7") == 0);
    assert_true(natural_compare("a1b2", "a1b10") < 0);
    assert_true(natural_compare("99999999999999999999998", "99999999999999999999999") < 0);
}

static void equal_names_keep_their_order(void **state)
{
    json_auto_t *a =
        json_loads("[{\"N\":\"b\",\"I\":1},{\"N\":\"a\",\"I\":2},{\"N\":\"b\",\"I\":3}]", 0, NULL);

    (void)state;
    natural_sort(a, "N");
    assert_int_equal(js_int(json_array_get(a, 0), "I"), 2);
    assert_int_equal(js_int(json_array_get(a, 1), "I"), 1);
    assert_int_equal(js_int(json_array_get(a, 2), "I"), 3);
}

static void subnets_hold_addresses(void **state)
{
    (void)state;
    assert_true(network_holds("10.5.0.0/16", "10.5.255.1"));
    assert_false(network_holds("10.5.0.0/16", "10.6.0.1"));
    assert_true(network_holds("10.5.0.0/16", "10.5.1.0/24"));
    assert_true(network_holds("fd00::/8", "fd12::1"));
    assert_false(network_holds("fd00::/8", "10.5.0.1"));
    assert_true(network_holds("0.0.0.0/0", "1.2.3.4"));
    assert_false(network_holds("10.0.0.0/33", "10.0.0.1"));
    assert_false(network_holds("x", "10.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_count_as_numbers),
        cmocka_unit_test(equal_names_keep_their_order),
        cmocka_unit_test(subnets_hold_addresses),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
