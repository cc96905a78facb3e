/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/dns/names.h"
#include "tests/lib/test_heap.h"
#include "tests/unit/agent/netd/networks.h"

struct fixture {
    struct test_heap heap;
    struct test_net net;
    struct dns_names *names;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    test_heap_init(&f->heap);
    net_backend(&f->net);
    if (dns_names_new(&f->names, &f->net.t, &f->err) != 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dns_names_free(f->names);
    test_heap_check(&f->heap);
    test_heap_fini(&f->heap);
    test_free(f);
    return 0;
}

/* "vip 10.90.0.2", "10.90.0.11 10.90.0.12", "" or "unknown" */
static const char *look(const struct fixture *f, const char *name)
{
    static char text[200];
    struct dns_record r;
    int at = 0;

    if (!dns_names_find(f->names, name, &r))
        return "unknown";
    text[0] = 0;
    if (r.vip)
        at = snprintf(text, sizeof(text), "vip");
    for (size_t i = 0; i < r.n; i++)
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%u.%u.%u.%u", at > 0 ? " " : "",
                       r.addrs[i] >> 24, r.addrs[i] >> 16 & 255, r.addrs[i] >> 8 & 255,
                       r.addrs[i] & 255);
    return text;
}

static void a_service_with_a_virtual_address_has_that_alone(void **state)
{
    assert_string_equal(look(*state, "web"), "vip 10.90.0.2");
    assert_string_equal(look(*state, "www"), "vip 10.90.0.2");
}

static void tasks_of_a_service_are_the_serving_ones(void **state)
{
    assert_string_equal(look(*state, "tasks.web"), "10.90.0.11 10.90.0.12");
    assert_string_equal(look(*state, "tasks.www"), "10.90.0.11 10.90.0.12");
    assert_string_equal(look(*state, "tasks.db"), "10.90.0.21");
}

static void a_service_without_virtual_address_has_its_tasks(void **state)
{
    assert_string_equal(look(*state, "db"), "10.90.0.21");
}

static void a_service_without_tasks_is_still_known(void **state)
{
    assert_string_equal(look(*state, "idle"), "vip 10.90.0.3");
    assert_string_equal(look(*state, "tasks.idle"), "");
    assert_string_equal(look(*state, "none"), "");
}

static void containers_are_known_by_name_and_alias_in_lower_case(void **state)
{
    assert_string_equal(look(*state, "web.1.abc"), "10.90.0.11");
    assert_string_equal(look(*state, "tool"), "10.90.0.31");
    assert_string_equal(look(*state, "t1"), "10.90.0.31");
    assert_string_equal(look(*state, "Tool"), "unknown"); /* callers ask in lower case */
    assert_string_equal(look(*state, "web.3.ghi"), "");   /* going or coming */
    assert_string_equal(look(*state, "nobody"), "unknown");
}

static void addresses_lead_back_to_names(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(dns_names_reverse(f->names, 0x0a5a000b), "web.1.abc");
    assert_string_equal(dns_names_reverse(f->names, 0x0a5a0002), "web");
    assert_null(dns_names_reverse(f->names, 0x0a5a0063));
    assert_string_equal(dns_names_network(f->names), "backend");
    assert_true(dns_names_covers(f->names, 0x0a5a0063));
    assert_false(dns_names_covers(f->names, 0x0a5b0063));
}

static void several_services_may_share_an_alias(void **state)
{
    struct fixture *f = *state;
    struct dns_names *d = NULL;

    net_service(&f->net, 9, "other", 0x0a5a0004, "www");
    assert_int_equal(dns_names_new(&d, &f->net.t, &f->err), 0);
    dns_names_free(f->names);
    f->names = d;
    assert_string_equal(look(f, "www"), "vip 10.90.0.2 10.90.0.4");
}

static void the_ingress_network_has_no_names(void **state)
{
    struct fixture *f = *state;
    struct dns_names *d = NULL;
    struct dns_record r;

    f->net.t.ingress = 1;
    assert_int_equal(dns_names_new(&d, &f->net.t, &f->err), 0);
    assert_false(dns_names_find(d, "web", &r));
    assert_null(dns_names_reverse(d, 0x0a5a000b));
    dns_names_free(d);
}

static void names_that_dns_cannot_carry_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct dns_names *d = NULL;
    char big[300];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    net_service(&f->net, 9, big, 0x0a5a0004, "");
    assert_int_equal(dns_names_new(&d, &f->net.t, &f->err), 0);
    dns_names_free(d);
}

static void building_is_atomic_when_memory_runs_out(void **state)
{
    struct fixture *f = *state;
    struct dns_names *d = NULL;
    size_t live = f->heap.live;
    int r = -1;

    for (unsigned nth = 1; r != 0; nth++) {
        assert_int_equal(f->heap.live, live);
        test_heap_fail_nth(&f->heap, nth);
        r = dns_names_new(&d, &f->net.t, &f->err);
        assert_true(r == 0 || d == NULL);
    }
    test_heap_fail_nth(&f->heap, 0);
    dns_names_free(d);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_service_with_a_virtual_address_has_that_alone),
        TEST(tasks_of_a_service_are_the_serving_ones),
        TEST(a_service_without_virtual_address_has_its_tasks),
        TEST(a_service_without_tasks_is_still_known),
        TEST(containers_are_known_by_name_and_alias_in_lower_case),
        TEST(addresses_lead_back_to_names),
        TEST(several_services_may_share_an_alias),
        TEST(the_ingress_network_has_no_names),
        TEST(names_that_dns_cannot_carry_are_left_out),
        TEST(building_is_atomic_when_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
