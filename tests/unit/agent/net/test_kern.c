/* SPDX-License-Identifier: Apache-2.0
 * test_kern.c - the kernel half against real namespaces: two nodes, containers, a client. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log/log.h"
#include "tests/unit/agent/net/build.h"
#include "tests/unit/agent/net/lab.h"

#define NET     7
#define MESH    3
#define SERVICE 40
#define VIP     IP(10, 0, 1, 2)

struct fixture {
    struct lab lab;
    struct build b;
    struct sw_err err;
    int c[4]; /* containers' namespaces */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    lab_start(&f->lab, true);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    lab_stop(&f->lab);
    for (size_t i = 0; i < 4; i++)
        if (f->c[i] > 0)
            close(f->c[i]);
    free(f);
    return 0;
}

static void apply_one(struct fixture *f, unsigned node)
{
    struct table *t = NULL;
    struct kern *k = lab_in(&f->lab, node);

    assert_int_equal(table_new(&t, &f->b.t, node + 1, &f->err), 0);
    if (kern_apply(k, &t, 1, &f->err) < 0)
        fail_msg("%s", f->err.msg);
    lab_out(&f->lab);
}

static void apply(struct fixture *f)
{
    for (unsigned i = 0; i < LAB_NODES; i++)
        apply_one(f, i);
    f->b.t.version++;
}

/* Container @i ("c<i>") on node @node with addresses on the given networks, 0: not on it. */
static const struct net_result *attach(struct fixture *f, unsigned i, unsigned node, uint32_t net,
                                       uint32_t mesh)
{
    struct net_attachment at[2];
    char id[8];
    struct net_attach a = { .container_id = id, .attachments = at };
    struct kern_spec s = { .a = &a };
    struct kern_cont *c = NULL;

    snprintf(id, sizeof(id), "c%u", i);
    if (net != 0)
        at[a.n_attachments++] = (struct net_attachment){ .network = NET, .addr = net };
    if (mesh != 0)
        at[a.n_attachments++] = (struct net_attachment){ .network = MESH, .addr = mesh };
    if (f->c[i] == 0)
        f->c[i] = lab_ns(&f->lab);
    s.ns = dup(f->c[i]);
    if (kern_attach(lab_in(&f->lab, node), &s, &c, &f->err) < 0)
        fail_msg("%s", f->err.msg);
    lab_out(&f->lab);
    return &c->result;
}

/* Plain network 10.0.1.0/24: endpoints .5 on node 1, .6 and .7 on node 2, all of one service. */
static void plain_network(struct fixture *f)
{
    build_start(&f->b, NET, IP(10, 0, 1, 0), 24);
    build_node(&f->b, 1, "198.51.100.1", 0);
    build_node(&f->b, 2, "198.51.100.2", 0);
    build_service(&f->b, SERVICE, VIP);
    build_endpoint(&f->b, 0, 1, IP(10, 0, 1, 5));
    build_endpoint(&f->b, SERVICE, 2, IP(10, 0, 1, 6));
    build_endpoint(&f->b, SERVICE, 2, IP(10, 0, 1, 7));
    apply(f);
    attach(f, 0, 0, IP(10, 0, 1, 5), 0);
    attach(f, 1, 1, IP(10, 0, 1, 6), 0);
    attach(f, 2, 1, IP(10, 0, 1, 7), 0);
}

static void containers_of_two_nodes_talk_over_plain_vxlan(void **state)
{
    struct fixture *f = *state;
    uint32_t peer = 0;
    int l;

    plain_network(f);
    l = lab_listen(f->c[1], 0, 80);
    assert_true(lab_reaches(f->c[0], IP(10, 0, 1, 6), 80, l, &peer));
    assert_int_equal(peer, IP(10, 0, 1, 5));
    assert_true(lab_reaches(f->c[2], IP(10, 0, 1, 6), 80, l, &peer)); /* on the same node */
    assert_int_equal(peer, IP(10, 0, 1, 7));
    close(l);
}

static void a_vip_reaches_every_backend_in_turn(void **state)
{
    struct fixture *f = *state;
    unsigned hits[2] = { 0, 0 };
    int l[2];

    plain_network(f);
    l[0] = lab_listen(f->c[1], 0, 80);
    l[1] = lab_listen(f->c[2], 0, 80);
    for (int i = 0; i < 6; i++) {
        int a = lab_connect(f->c[0], VIP, 80);
        int b;

        assert_true(a >= 0);
        for (int j = 0; j < 2; j++) {
            b = accept(l[j], NULL, NULL);
            if (b >= 0) {
                hits[j]++;
                assert_true(lab_echo(a, b));
                close(b);
            }
        }
        close(a);
    }
    assert_int_equal(hits[0], 3);
    assert_int_equal(hits[1], 3);
    close(l[0]);
    close(l[1]);
}

static void interfaces_are_described_measured_and_counted(void **state)
{
    struct fixture *f = *state;
    const struct net_result *r;
    struct net_counters c[4];
    int l;

    plain_network(f);
    build_endpoint(&f->b, 0, 1, IP(10, 0, 1, 8));
    apply(f);
    r = attach(f, 3, 0, IP(10, 0, 1, 8), 0);
    assert_int_equal(r->n_ifaces, 2);
    assert_string_equal(r->ifaces[0].name, "eth0");
    assert_int_equal(r->ifaces[0].network, NET);
    assert_int_equal(r->ifaces[0].mtu, 1450); /* 1500 less VXLAN over IPv4 */
    assert_int_equal(r->ifaces[0].prefix_len, 24);
    assert_memory_equal(r->ifaces[0].mac, "\x02\x42\x0a\x00\x01\x08", 6);
    assert_string_equal(r->ifaces[1].name, "eth1");
    assert_int_equal(r->ifaces[1].gateway, IP(172, 18, 0, 1));
    l = lab_listen(f->c[1], 0, 80);
    assert_true(lab_reaches(f->c[3], IP(10, 0, 1, 6), 80, l, NULL));
    assert_int_equal(kern_counters(lab_in(&f->lab, 0), "c3", c, 4), 2);
    lab_out(&f->lab);
    assert_string_equal(c[0].name, "eth0");
    assert_true(c[0].tx_packets >= 3 && c[0].rx_packets >= 2);
    close(l);
}

static void a_drained_backend_keeps_its_connections_and_gets_no_new_ones(void **state)
{
    struct fixture *f = *state;
    int l[2];
    int a, b;

    plain_network(f);
    f->b.ep[2].serving = false; /* only .6 */
    apply(f);
    l[0] = lab_listen(f->c[1], 0, 80);
    l[1] = lab_listen(f->c[2], 0, 80);
    a = lab_connect(f->c[0], VIP, 80);
    assert_true(a >= 0);
    b = lab_accept(l[0], NULL);
    assert_true(b >= 0);
    f->b.ep[1].serving = false;
    f->b.ep[2].serving = true; /* only .7 */
    apply(f);
    assert_true(lab_echo(a, b));
    for (int i = 0; i < 3; i++)
        assert_true(lab_reaches(f->c[0], VIP, 80, l[1], NULL));
    f->b.ep[2].serving = false; /* none */
    apply(f);
    assert_true(lab_echo(a, b));
    assert_int_equal(lab_connect(f->c[0], VIP, 80), -ECONNREFUSED);
    close(a);
    close(b);
    close(l[0]);
    close(l[1]);
}

static void a_connection_to_an_endpoint_that_is_gone_is_reset(void **state)
{
    struct fixture *f = *state;
    char c;
    int l, a, b;

    plain_network(f);
    f->b.ep[2].serving = false;
    apply(f);
    l = lab_listen(f->c[1], 0, 80);
    a = lab_connect(f->c[0], VIP, 80);
    b = lab_accept(l, NULL);
    assert_true(a >= 0 && b >= 0);
    lab_in(&f->lab, 1);
    kern_detach(f->lab.nodes[1].k, &(const char *){ "c1" }, 1);
    lab_out(&f->lab);
    f->b.ep[1] = f->b.ep[2];
    f->b.ep[1].serving = true;
    f->b.t.n_endpoints = 2;
    apply(f);
    assert_int_equal(send(a, "x", 1, MSG_NOSIGNAL), 1);
    usleep(100000);
    assert_int_equal(recv(a, &c, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(a);
    close(b);
    close(l);
}

/* ---------------------------------------------------------------------------- routing mesh */

/* Ingress network 10.0.0.0/24, unencrypted here: node 1 is .2, node 2 is .3. Service publishes
 * 8080 -> 80, its one task is .6 on node 2 (container 1). */
static void mesh_network(struct fixture *f)
{
    build_start(&f->b, MESH, IP(10, 0, 0, 0), 24);
    f->b.t.ingress = true;
    build_node(&f->b, 1, "198.51.100.1", IP(10, 0, 0, 2));
    build_node(&f->b, 2, "198.51.100.2", IP(10, 0, 0, 3));
    build_service(&f->b, SERVICE, IP(10, 0, 0, 4));
    build_port(&f->b, SWARM__V1__PORT_CONFIG__PROTOCOL__TCP, 8080, 80);
    build_port(&f->b, SWARM__V1__PORT_CONFIG__PROTOCOL__UDP, 5353, 53);
    build_endpoint(&f->b, SERVICE, 2, IP(10, 0, 0, 6));
    apply(f);
    attach(f, 1, 1, 0, IP(10, 0, 0, 6));
}

#define NODE1  IP(198, 51, 100, 1)
#define NODE2  IP(198, 51, 100, 2)
#define CLIENT IP(198, 51, 100, 9)

static void a_published_port_answers_on_every_node_and_the_task_sees_the_client(void **state)
{
    struct fixture *f = *state;
    uint32_t peer = 0;
    int l;

    mesh_network(f);
    l = lab_listen(f->c[1], 0, 80);
    assert_true(lab_reaches(f->lab.client, NODE1, 8080, l, &peer));
    assert_int_equal(peer, CLIENT);
    assert_true(lab_reaches(f->lab.client, NODE2, 8080, l, &peer));
    assert_int_equal(peer, CLIENT);
    close(l);
}

static void the_node_itself_reaches_a_published_port_by_loopback_too(void **state)
{
    struct fixture *f = *state;
    uint32_t peer = 0;
    int l;

    mesh_network(f);
    l = lab_listen(f->c[1], 0, 80);
    for (unsigned i = 0; i < LAB_NODES; i++) {
        int ns = f->lab.nodes[i].ns;

        assert_true(lab_reaches(ns, IP(127, 0, 0, 1), 8080, l, &peer));
        assert_int_equal(peer, IP(10, 0, 0, 2 + i));
        assert_true(lab_reaches(ns, i == 0 ? NODE1 : NODE2, 8080, l, &peer));
        assert_int_equal(peer, i == 0 ? NODE1 : NODE2);
        assert_true(lab_reaches(ns, i == 0 ? NODE2 : NODE1, 8080, l, &peer));
    }
    close(l);
}

static void a_task_reaches_its_own_published_port_through_any_node(void **state)
{
    struct fixture *f = *state;
    int l;

    mesh_network(f);
    l = lab_listen(f->c[1], 0, 80);
    assert_true(lab_reaches(f->c[1], NODE1, 8080, l, NULL));
    assert_true(lab_reaches(f->c[1], NODE2, 8080, l, NULL));
    assert_true(lab_reaches(f->c[1], IP(10, 0, 0, 2), 8080, l, NULL));
    assert_true(lab_reaches(f->c[1], IP(10, 0, 0, 3), 8080, l, NULL));
    close(l);
}

static void udp_is_published_with_the_client_address_kept(void **state)
{
    struct fixture *f = *state;
    int server, client;

    mesh_network(f);
    server = lab_udp(f->c[1], 0, 53);
    for (unsigned i = 1; i <= LAB_NODES; i++) {
        client = lab_udp(f->lab.client, 0, 0);
        assert_true(lab_udp_echo(client, IP(198, 51, 100, i), 5353, server, CLIENT));
        close(client);
    }
    close(server);
}

static void a_published_port_without_task_refuses(void **state)
{
    struct fixture *f = *state;

    mesh_network(f);
    f->b.ep[0].serving = false;
    apply(f);
    for (unsigned i = 0; i < LAB_NODES; i++) {
        assert_int_equal(lab_connect(f->lab.client, i == 0 ? NODE1 : NODE2, 8080), -ECONNREFUSED);
        assert_int_equal(lab_connect(f->lab.nodes[i].ns, IP(127, 0, 0, 1), 8080), -ECONNREFUSED);
    }
}

static void the_mesh_drains_when_a_backend_stops_serving(void **state)
{
    struct fixture *f = *state;
    int l[2];
    int a, b;

    mesh_network(f);
    build_endpoint(&f->b, SERVICE, 1, IP(10, 0, 0, 5))->serving = false;
    apply(f);
    attach(f, 0, 0, 0, IP(10, 0, 0, 5));
    l[0] = lab_listen(f->c[0], 0, 80);
    l[1] = lab_listen(f->c[1], 0, 80);
    a = lab_connect(f->lab.client, NODE1, 8080);
    b = lab_accept(l[1], NULL);
    assert_true(a >= 0 && b >= 0);
    f->b.ep[0].serving = false;
    f->b.ep[1].serving = true;
    apply(f);
    assert_true(lab_echo(a, b));
    for (int i = 0; i < 3; i++)
        assert_true(lab_reaches(f->lab.client, NODE1, 8080, l[0], NULL));
    close(a);
    close(b);
    close(l[0]);
    close(l[1]);
}

static void what_is_not_published_stays_out_of_reach(void **state)
{
    struct fixture *f = *state;
    int task, node;

    mesh_network(f);
    task = lab_listen(f->c[1], 0, 80);
    node = lab_listen(f->lab.nodes[1].ns, 0, 22);
    /* A stranger routes the ingress and the bridge network through the node. */
    assert_int_equal(lab_run(f->lab.client, "ip route add 10.0.0.0/24 via 198.51.100.2"), 0);
    assert_int_equal(lab_run(f->lab.client, "ip route add 172.18.0.0/16 via 198.51.100.2"), 0);
    assert_true(lab_connect(f->lab.client, IP(10, 0, 0, 6), 80) < 0);
    assert_true(lab_connect(f->lab.client, IP(172, 18, 0, 2), 80) < 0);
    /* A task calls the node by its leg. */
    assert_true(lab_connect(f->c[1], IP(10, 0, 0, 3), 22) < 0);
    close(task);
    close(node);
}

static void a_network_may_go_and_come_back(void **state)
{
    struct fixture *f = *state;
    int l;

    mesh_network(f);
    l = lab_listen(f->c[1], 0, 80);
    for (unsigned i = 0; i < LAB_NODES; i++) {
        assert_int_equal(kern_remove(lab_in(&f->lab, i), MESH, &f->err), 0);
        lab_out(&f->lab);
    }
    assert_true(lab_connect(f->lab.client, NODE1, 8080) < 0);
    apply(f);
    for (unsigned i = 0; i < LAB_NODES; i++)
        assert_false(f->lab.nodes[i].k->node_dirty);
    assert_true(lab_reaches(f->lab.client, NODE1, 8080, l, NULL));
    close(l);
}

/* ---------------------------------------------------------------------------------- egress */

static void a_container_without_network_gets_out_masqueraded(void **state)
{
    struct fixture *f = *state;
    const struct net_result *r = attach(f, 0, 0, 0, 0);
    uint32_t peer = 0;
    int l = lab_listen(f->lab.client, 0, 80);

    assert_int_equal(r->n_ifaces, 1);
    assert_string_equal(r->ifaces[0].name, "eth0");
    assert_int_equal(r->ifaces[0].addr, IP(172, 18, 0, 2));
    assert_true(lab_reaches(f->c[0], CLIENT, 80, l, &peer));
    assert_int_equal(peer, NODE1);
    close(l);
}

static void containers_on_the_bridge_cannot_talk_to_each_other(void **state)
{
    struct fixture *f = *state;
    int l;

    attach(f, 0, 0, 0, 0);
    attach(f, 1, 0, 0, 0);
    l = lab_listen(f->c[1], 0, 80);
    assert_true(lab_connect(f->c[0], IP(172, 18, 0, 3), 80) < 0);
    close(l);
}

static int publish(struct fixture *f, unsigned i, unsigned node, uint16_t published,
                   struct kern_cont **c)
{
    struct net_port p = { .proto = NET_TCP, .target = 80, .published = published };
    char id[8];
    struct net_attach a = { .container_id = id, .ports = &p, .n_ports = 1 };
    struct kern_spec s = { .a = &a };
    int r;

    snprintf(id, sizeof(id), "c%u", i);
    if (f->c[i] == 0)
        f->c[i] = lab_ns(&f->lab);
    s.ns = dup(f->c[i]);
    r = kern_attach(lab_in(&f->lab, node), &s, c, &f->err);
    lab_out(&f->lab);
    return r;
}

static void a_host_mode_port_shows_the_client_and_goes_with_its_container(void **state)
{
    struct fixture *f = *state;
    struct kern_cont *c = NULL;
    uint32_t peer = 0;
    int l;

    assert_int_equal(publish(f, 0, 0, 8000, &c), 0);
    assert_int_equal(c->result.ports[0].published, 8000);
    l = lab_listen(f->c[0], 0, 80);
    assert_true(lab_reaches(f->lab.client, NODE1, 8000, l, &peer));
    assert_int_equal(peer, CLIENT);
    assert_true(lab_reaches(f->lab.nodes[0].ns, IP(127, 0, 0, 1), 8000, l, NULL));
    assert_true(lab_reaches(f->lab.nodes[0].ns, NODE1, 8000, l, NULL));
    assert_true(lab_reaches(f->c[0], NODE1, 8000, l, NULL)); /* itself */
    assert_int_equal(lab_connect(f->lab.client, NODE2, 8000), -ECONNREFUSED);
    kern_detach(lab_in(&f->lab, 0), &(const char *){ "c0" }, 1);
    lab_out(&f->lab);
    assert_int_equal(lab_connect(f->lab.client, NODE1, 8000), -ECONNREFUSED);
    close(l);
}

static void a_taken_host_port_is_a_conflict_and_zero_chooses_one(void **state)
{
    struct fixture *f = *state;
    struct kern_cont *c = NULL;
    int l = lab_listen(f->lab.nodes[0].ns, 0, 8001);

    assert_int_equal(publish(f, 0, 0, 8000, &c), 0);
    assert_int_equal(publish(f, 1, 0, 8000, &c), SW_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, "port 8000 is already in use"));
    assert_int_equal(publish(f, 1, 0, 8001, &c), SW_E_CONFLICT);
    assert_int_equal(publish(f, 1, 0, 0, &c), 0);
    assert_in_range(c->result.ports[0].published, 32768, 60999);
    close(l);
}

/* As Docker leaves a host. */
static void a_host_that_drops_what_it_forwards_does_not_drop_ours(void **state)
{
    struct fixture *f = *state;
    int ns = f->lab.nodes[0].ns;
    int l;

    if (access("/usr/sbin/iptables", X_OK) != 0) {
        print_message("skipped: needs iptables\n");
        return;
    }
    mesh_network(f);
    assert_int_equal(lab_run(ns, "iptables -P FORWARD DROP"), 0);
    l = lab_listen(f->c[1], 0, 80);
    assert_false(lab_reaches(f->lab.client, NODE1, 8080, l, NULL));
    for (int i = 0; i < 2; i++) { /* twice changes nothing more */
        kern_firewall(lab_in(&f->lab, 0), true);
        lab_out(&f->lab);
    }
    assert_true(lab_reaches(f->lab.client, NODE1, 8080, l, NULL));
    assert_int_equal(lab_run(ns, "test $(iptables -S FORWARD | wc -l) = 5"), 0);
    kern_firewall(lab_in(&f->lab, 0), false);
    lab_out(&f->lab);
    assert_int_equal(lab_run(ns, "test $(iptables -S FORWARD | wc -l) = 1"), 0);
    close(l);
}

static void this_kernel_has_what_is_needed(void **state)
{
    struct sw_err err = { 0 };

    (void)state;
    if (net_probe(&err) < 0)
        fail_msg("%s", err.msg);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_kernel_has_what_is_needed),
        T(containers_of_two_nodes_talk_over_plain_vxlan),
        T(a_vip_reaches_every_backend_in_turn),
        T(interfaces_are_described_measured_and_counted),
        T(a_drained_backend_keeps_its_connections_and_gets_no_new_ones),
        T(a_connection_to_an_endpoint_that_is_gone_is_reset),
        T(a_published_port_answers_on_every_node_and_the_task_sees_the_client),
        T(the_node_itself_reaches_a_published_port_by_loopback_too),
        T(a_task_reaches_its_own_published_port_through_any_node),
        T(udp_is_published_with_the_client_address_kept),
        T(a_published_port_without_task_refuses),
        T(the_mesh_drains_when_a_backend_stops_serving),
        T(a_network_may_go_and_come_back),
        T(what_is_not_published_stays_out_of_reach),
        T(a_host_that_drops_what_it_forwards_does_not_drop_ours),
        T(a_container_without_network_gets_out_masqueraded),
        T(containers_on_the_bridge_cannot_talk_to_each_other),
        T(a_host_mode_port_shows_the_client_and_goes_with_its_container),
        T(a_taken_host_port_is_a_conflict_and_zero_chooses_one),
    };

    sw_log_init("test_kern", SW_LOG_WARN);
    if (!lab_possible()) {
        print_message("skipped: needs root and network namespaces\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
