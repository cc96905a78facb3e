/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "manager/allocator/pool.h"

static void subnets_are_parsed_strictly(void **state)
{
    struct subnet s;
    char text[SUBNET_TEXT_MAX];

    (void)state;
    assert_true(subnet_parse("10.0.1.0/24", &s));
    assert_int_equal(s.base, 0x0a000100);
    assert_int_equal(s.len, 24);
    subnet_format(s, text);
    assert_string_equal(text, "10.0.1.0/24");
    assert_false(subnet_parse("10.0.1.5/24", &s)); /* host bits */
    assert_false(subnet_parse("10.0.1.0", &s));
    assert_false(subnet_parse("10.0.1.0/33", &s));
    assert_false(subnet_parse("10.0.1.0/", &s));
    assert_false(subnet_parse("10.0.1.0/24x", &s));
    assert_false(subnet_parse("10.0.1/24", &s));
}

static void overlap_goes_both_ways(void **state)
{
    struct subnet big = { 0x0a000000, 16 };
    struct subnet small = { 0x0a000500, 24 };
    struct subnet other = { 0x0a010000, 24 };

    (void)state;
    assert_true(subnet_overlaps(big, small));
    assert_true(subnet_overlaps(small, big));
    assert_false(subnet_overlaps(big, other));
}

static void addresses_come_in_series_and_go_round(void **state)
{
    struct subnet net = { 0x0a000000, 29 }; /* .1 - .6 */
    struct pool p;

    (void)state;
    assert_int_equal(pool_init(&p, net, net), 0);
    assert_int_equal(p.room, 6);
    assert_int_equal(pool_next(&p, 0), 0x0a000001);
    pool_take(&p, 0x0a000001);
    pool_take(&p, 0x0a000001);
    assert_int_equal(p.room, 5);
    assert_int_equal(pool_next(&p, 0x0a000006), 0x0a000006);
    pool_take(&p, 0x0a000006);
    assert_int_equal(pool_next(&p, 0x0a000006), 0x0a000002);
    for (uint32_t a = 2; a <= 5; a++)
        pool_take(&p, 0x0a000000 + a);
    assert_int_equal(p.room, 0);
    assert_int_equal(pool_next(&p, 0x0a000003), 0);
    pool_give(&p, 0x0a000004);
    assert_int_equal(pool_next(&p, 0x0a000005), 0x0a000004);
    pool_give(&p, 0x0a000000); /* the network's own and the broadcast address stay taken */
    pool_give(&p, 0x0a000007);
    assert_int_equal(p.room, 1);
    pool_fini(&p);
}

static void only_the_range_is_handed_out(void **state)
{
    struct subnet net = { 0x0a000000, 24 };
    struct subnet range = { 0x0a000080, 30 };
    struct pool p;

    (void)state;
    assert_int_equal(pool_init(&p, net, range), 0);
    assert_int_equal(p.room, 4);
    assert_int_equal(pool_next(&p, 0), 0x0a000080);
    pool_take(&p, 0x0a000005); /* outside of the range: no matter */
    assert_int_equal(p.room, 4);
    pool_fini(&p);
}

static void every_address_of_a_large_pool_is_found(void **state)
{
    struct subnet net = { 0x0a000000, 20 };
    struct pool p;
    uint32_t from = 0;
    unsigned n = 0;

    (void)state;
    assert_int_equal(pool_init(&p, net, net), 0);
    for (uint32_t a; (a = pool_next(&p, from)) != 0; n++) {
        pool_take(&p, a);
        from = a + 1;
        if (n % 7 == 0)
            from = net.base + (n * 131) % 4096; /* start anywhere */
    }
    assert_int_equal(n, 4094);
    pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subnets_are_parsed_strictly),
        cmocka_unit_test(overlap_goes_both_ways),
        cmocka_unit_test(addresses_come_in_series_and_go_round),
        cmocka_unit_test(only_the_range_is_handed_out),
        cmocka_unit_test(every_address_of_a_large_pool_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
