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
    lab_start(&f->lab);
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
    kern_detach(f->lab.nodes[1].k, "c1");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(containers_of_two_nodes_talk_over_plain_vxlan, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_vip_reaches_every_backend_in_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_drained_backend_keeps_its_connections_and_gets_no_new_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_to_an_endpoint_that_is_gone_is_reset, setup,
                                        teardown),
    };

    sw_log_init("test_kern", SW_LOG_WARN);
    if (!lab_possible()) {
        print_message("skipped: needs root and network namespaces\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
