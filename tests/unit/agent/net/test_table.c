/* SPDX-License-Identifier: Apache-2.0
 * test_table.c - what of a NetworkTable is believed, and in which order. Also hosts.h's texts. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/net/hosts.h"
#include "agent/net/table.h"
#include "tests/unit/agent/net/build.h"

#define IP(a, b, c, d)                                                                             \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static void base(struct build *b)
{
    build_start(b, 7, IP(10, 0, 1, 0), 24);
    build_node(b, 1, "192.0.2.1", IP(10, 0, 1, 250));
    build_node(b, 2, "192.0.2.2", IP(10, 0, 1, 251));
}

static int verdict(const struct build *b)
{
    struct table *t = NULL;
    struct sw_err err = { 0 };
    int r = table_new(&t, &b->t, 1, &err);

    if (r == 0)
        table_free(t);
    else
        assert_null(t);
    return r;
}

static void remotes_are_the_endpoints_and_nodes_elsewhere_in_order(void **state)
{
    struct build b;
    struct table *t = NULL;
    struct sw_err err;

    (void)state;
    base(&b);
    build_endpoint(&b, 0, 2, IP(10, 0, 1, 9));
    build_endpoint(&b, 0, 1, IP(10, 0, 1, 8));
    build_endpoint(&b, 0, 2, IP(10, 0, 1, 7));
    build_endpoint(&b, 0, 3, IP(10, 0, 1, 6)); /* of a node that is not in the table */
    assert_int_equal(table_new(&t, &b.t, 1, &err), 0);
    assert_int_equal(t->n_remotes, 3);
    assert_int_equal(t->remotes[0].addr, IP(10, 0, 1, 7));
    assert_int_equal(t->remotes[1].addr, IP(10, 0, 1, 9));
    assert_int_equal(t->remotes[2].addr, IP(10, 0, 1, 251));
    assert_memory_equal(t->remotes[0].dst.b, "\xc0\x00\x02\x02", 4);
    assert_int_equal(t->own_addr, IP(10, 0, 1, 250));
    assert_int_equal(t->n_nodes, 2);
    assert_int_equal(t->n_addrs, 4);
    table_free(t);
}

static void only_serving_endpoints_are_backends_of_their_own_service(void **state)
{
    struct build b;
    struct table *t = NULL;
    struct sw_err err;

    (void)state;
    base(&b);
    build_service(&b, 41, IP(10, 0, 1, 3));
    build_service(&b, 40, IP(10, 0, 1, 2));
    build_endpoint(&b, 41, 1, IP(10, 0, 1, 9));
    build_endpoint(&b, 40, 1, IP(10, 0, 1, 8));
    build_endpoint(&b, 40, 2, IP(10, 0, 1, 7));
    build_endpoint(&b, 40, 2, IP(10, 0, 1, 6))->serving = false;
    build_endpoint(&b, 99, 2, IP(10, 0, 1, 5)); /* service unknown */
    assert_int_equal(table_new(&t, &b.t, 1, &err), 0);
    assert_int_equal(t->services[0].key, 40);
    assert_int_equal(t->services[0].n_backends, 2);
    assert_int_equal(t->services[0].backends[0], IP(10, 0, 1, 7));
    assert_int_equal(t->services[0].backends[1], IP(10, 0, 1, 8));
    assert_int_equal(t->services[1].n_backends, 1);
    assert_int_equal(t->services[1].backends[0], IP(10, 0, 1, 9));
    table_free(t);
}

static void nonsense_is_refused(void **state)
{
    struct build b;

    (void)state;
    base(&b);
    assert_int_equal(verdict(&b), 0);
    b.t.key = 0;
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    b.t.subnet_len = 31;
    assert_int_equal(verdict(&b), SW_E_INVALID);
    b.t.subnet_len = 7;
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    b.t.subnet = IP(10, 0, 1, 1); /* host bits */
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    b.t.vni = 1u << 24;
    assert_int_equal(verdict(&b), SW_E_INVALID);
    b.t.vni = 0;
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    b.t.mtu = 100;
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    build_endpoint(&b, 0, 1, IP(10, 0, 2, 1));
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    b.no[1].addr = IP(10, 0, 2, 1);
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    build_service(&b, 40, IP(10, 0, 2, 1));
    assert_int_equal(verdict(&b), SW_E_INVALID);
    base(&b);
    build_service(&b, 40, 0);
    build_service(&b, 40, 0);
    assert_int_equal(verdict(&b), SW_E_INVALID);
}

static void ports_that_are_not_of_the_mesh_are_left_out(void **state)
{
    struct build b;
    struct table *t = NULL;
    struct sw_err err;

    (void)state;
    base(&b);
    build_service(&b, 40, 0);
    build_port(&b, SWARM__V1__PORT_CONFIG__PROTOCOL__SCTP, 9000, 9);
    build_port(&b, SWARM__V1__PORT_CONFIG__PROTOCOL__TCP, 70000, 80);
    build_port(&b, SWARM__V1__PORT_CONFIG__PROTOCOL__TCP, 0, 80);
    build_port(&b, SWARM__V1__PORT_CONFIG__PROTOCOL__TCP, 8081, 80);
    b.po[3].mode = SWARM__V1__PORT_CONFIG__MODE__HOST;
    assert_int_equal(table_new(&t, &b.t, 1, &err), 0);
    assert_int_equal(t->services[0].n_ports, 1);
    assert_int_equal(t->services[0].ports[0].proto, IPPROTO_SCTP);
    assert_int_equal(t->services[0].ports[0].published, 9000);
    table_free(t);
}

static void a_containers_hosts_and_resolver_files(void **state)
{
    const char *const search[] = { "example.org" };
    const char *const hosts[] = { "192.0.2.7 db" };
    const char *const ndots[] = { "ndots:2" };
    struct net_attach a = { .container_id = "0123456789abcdef", .hosts = hosts, .n_hosts = 1 };
    struct net_result r = { .n_ifaces = 1 };
    char *s;

    (void)state;
    r.ifaces[0].addr = IP(10, 0, 1, 5);
    s = hosts_file(&a, &r);
    assert_non_null(strstr(s, "127.0.0.1\tlocalhost\n"));
    assert_non_null(strstr(s, "192.0.2.7 db\n"));
    assert_non_null(strstr(s, "10.0.1.5\t0123456789ab\n"));
    sw_free(s);
    a.dns.search = search;
    a.dns.n_search = 1;
    s = hosts_resolv_conf(&a.dns);
    assert_string_equal(s, "nameserver 127.0.0.11\nsearch example.org\noptions ndots:0\n");
    sw_free(s);
    a.dns.options = ndots;
    a.dns.n_options = 1;
    s = hosts_resolv_conf(&a.dns);
    assert_string_equal(s, "nameserver 127.0.0.11\nsearch example.org\noptions ndots:2\n");
    sw_free(s);
}

static void the_nodes_nameservers_are_read(void **state)
{
    char path[] = "/tmp/resolv-XXXXXX";
    char out[HOSTS_SERVERS_MAX][64];
    FILE *f = fdopen(mkstemp(path), "w");

    (void)state;
    fputs("# nameserver 9.9.9.9\nnameserver 192.0.2.53\n  nameserver 2001:db8::53\nsearch a b\n"
          "nameserver 192.0.2.54\nnameserver 192.0.2.55\n",
          f);
    fclose(f);
    assert_int_equal(hosts_node_servers(path, out), 3);
    assert_string_equal(out[0], "192.0.2.53");
    assert_string_equal(out[1], "2001:db8::53");
    assert_string_equal(out[2], "192.0.2.54");
    unlink(path);
    assert_int_equal(hosts_node_servers(path, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remotes_are_the_endpoints_and_nodes_elsewhere_in_order),
        cmocka_unit_test(only_serving_endpoints_are_backends_of_their_own_service),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(ports_that_are_not_of_the_mesh_are_left_out),
        cmocka_unit_test(a_containers_hosts_and_resolver_files),
        cmocka_unit_test(the_nodes_nameservers_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
