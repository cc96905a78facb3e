/* SPDX-License-Identifier: Apache-2.0
 * test_rules.c - tables in, nftables text out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/net/rules.h"
#include "tests/unit/agent/net/build.h"

#define IP(a, b, c, d)                                                                             \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static struct table *made(const struct build *b)
{
    struct table *t = NULL;
    struct sw_err err;

    if (table_new(&t, &b->t, 1, &err) < 0)
        fail_msg("%s", err.msg);
    return t;
}

/* Network 7: service 0x28 has VIP .2 and backends .5 .6; 0x29 has VIP .3 and none; 0x2a is dnsrr.
 */
static void base(struct build *b)
{
    build_start(b, 7, IP(10, 0, 1, 0), 24);
    build_node(b, 1, "192.0.2.1", 0);
    build_node(b, 2, "192.0.2.2", 0);
    build_service(b, 0x28, IP(10, 0, 1, 2));
    build_service(b, 0x29, IP(10, 0, 1, 3));
    build_service(b, 0x2a, 0);
    build_endpoint(b, 0x28, 2, IP(10, 0, 1, 6));
    build_endpoint(b, 0x28, 1, IP(10, 0, 1, 5));
    build_endpoint(b, 0x2a, 1, IP(10, 0, 1, 8));
}

static void expect(const struct table *old, const struct table *new, uint32_t turn,
                   const char *text)
{
    struct sw_buf b = SW_BUF_INIT;

    rules_vip(&b, old, new, turn);
    assert_string_equal(sw_buf_str(&b), text);
    sw_buf_fini(&b);
}

static void a_vip_is_a_chain_and_one_without_backend_is_dead(void **state)
{
    struct build b;
    struct table *t;

    (void)state;
    base(&b);
    t = made(&b);
    expect(NULL, t, 0,
           "add chain ip swarm n7s28\n"
           "add rule ip swarm n7s28 dnat to numgen inc mod 2 map { 0 : 10.0.1.5, 1 : 10.0.1.6 }\n"
           "add element ip swarm vips { 10.0.1.2 : goto n7s28 }\n"
           "add element ip swarm dead { 10.0.1.3 }\n");
    expect(NULL, t, 3,
           "add chain ip swarm n7s28\n"
           "add rule ip swarm n7s28 dnat to numgen inc mod 2 map { 0 : 10.0.1.6, 1 : 10.0.1.5 }\n"
           "add element ip swarm vips { 10.0.1.2 : goto n7s28 }\n"
           "add element ip swarm dead { 10.0.1.3 }\n");
    expect(t, NULL, 0,
           "delete element ip swarm vips { 10.0.1.2 }\n"
           "flush chain ip swarm n7s28\n"
           "delete chain ip swarm n7s28\n"
           "delete element ip swarm dead { 10.0.1.3 }\n");
    expect(t, t, 0, "");
    table_free(t);
}

static void only_what_differs_is_changed(void **state)
{
    struct build b;
    struct table *old;
    struct table *new;

    (void)state;
    base(&b);
    old = made(&b);
    b.ep[0].serving = false;
    new = made(&b);
    expect(old, new, 0,
           "flush chain ip swarm n7s28\n"
           "add rule ip swarm n7s28 dnat to 10.0.1.5\n");
    table_free(old);
    old = new;
    b.ep[1].serving = false;                      /* the last one goes */
    build_endpoint(&b, 0x29, 2, IP(10, 0, 1, 9)); /* and another's first one comes */
    new = made(&b);
    expect(old, new, 0,
           "delete element ip swarm vips { 10.0.1.2 }\n"
           "flush chain ip swarm n7s28\n"
           "delete chain ip swarm n7s28\n"
           "add element ip swarm dead { 10.0.1.2 }\n"
           "delete element ip swarm dead { 10.0.1.3 }\n"
           "add chain ip swarm n7s29\n"
           "add rule ip swarm n7s29 dnat to 10.0.1.9\n"
           "add element ip swarm vips { 10.0.1.3 : goto n7s29 }\n");
    table_free(old);
    table_free(new);
}

static void a_service_that_comes_or_goes_leaves_the_others_alone(void **state)
{
    struct build b;
    struct table *old;
    struct table *new;

    (void)state;
    base(&b);
    old = made(&b);
    b.sv[0].key = 0x30; /* 0x28 goes, 0x30 comes with the same VIP and no backend */
    new = made(&b);
    expect(old, new, 0,
           "delete element ip swarm vips { 10.0.1.2 }\n"
           "flush chain ip swarm n7s28\n"
           "delete chain ip swarm n7s28\n"
           "add element ip swarm dead { 10.0.1.2 }\n");
    table_free(old);
    table_free(new);
}

static void a_published_port_is_one_element_whoever_serves_it(void **state)
{
    struct build b;
    struct sw_buf s = SW_BUF_INIT;
    struct table *old;
    struct table *new;

    (void)state;
    build_start(&b, 3, IP(10, 0, 0, 0), 24);
    b.t.ingress = true;
    build_node(&b, 1, "192.0.2.1", IP(10, 0, 0, 2));
    build_service(&b, 0x28, IP(10, 0, 0, 4));
    build_port(&b, SWARM__V1__PORT_CONFIG__PROTOCOL__UDP, 53, 5353);
    build_port(&b, SWARM__V1__PORT_CONFIG__PROTOCOL__TCP, 8080, 80);
    build_endpoint(&b, 0x28, 1, IP(10, 0, 0, 6));
    old = made(&b);
    rules_mesh(&s, NULL, old);
    assert_string_equal(sw_buf_str(&s),
                        "add element ip swarm own { 10.0.0.0/24 }\n"
                        "add chain ip swarm p_tcp_8080\n"
                        "add rule ip swarm p_tcp_8080 meta l4proto tcp dnat to numgen inc mod 1 "
                        "map { 0 : 10.0.0.6 } : 80\n"
                        "add element ip swarm ingress { tcp . 8080 : goto p_tcp_8080 }\n"
                        "add chain ip swarm p_udp_53\n"
                        "add rule ip swarm p_udp_53 meta l4proto udp dnat to numgen inc mod 1 map "
                        "{ 0 : 10.0.0.6 } : 5353\n"
                        "add element ip swarm ingress { udp . 53 : goto p_udp_53 }\n");
    sw_buf_clear(&s);
    b.ep[0].serving = false;
    new = made(&b);
    rules_mesh(&s, old, new);
    assert_string_equal(sw_buf_str(&s), "delete element ip swarm ingress { tcp . 8080 }\n"
                                        "flush chain ip swarm p_tcp_8080\n"
                                        "delete chain ip swarm p_tcp_8080\n"
                                        "delete element ip swarm ingress { udp . 53 }\n"
                                        "flush chain ip swarm p_udp_53\n"
                                        "delete chain ip swarm p_udp_53\n"
                                        "add element ip swarm refused { tcp . 8080 }\n"
                                        "add element ip swarm refused { udp . 53 }\n");
    sw_buf_fini(&s);
    table_free(old);
    table_free(new);
}

static void a_nodes_mark_is_its_host_number_and_stays(void **state)
{
    struct build b;
    struct table *t;

    (void)state;
    build_start(&b, 3, IP(10, 0, 0, 0), 16);
    t = made(&b);
    assert_int_equal(rules_mark(t, IP(10, 0, 1, 2)), 0x53000102);
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vip_is_a_chain_and_one_without_backend_is_dead),
        cmocka_unit_test(only_what_differs_is_changed),
        cmocka_unit_test(a_service_that_comes_or_goes_leaves_the_others_alone),
        cmocka_unit_test(a_published_port_is_one_element_whoever_serves_it),
        cmocka_unit_test(a_nodes_mark_is_its_host_number_and_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
