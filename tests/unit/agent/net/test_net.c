/* SPDX-License-Identifier: Apache-2.0
 * test_net.c - net.h as swarmd uses it, with the real swarm-netd: two nodes, an encrypted network,
 * names, and every process killed in turn while a connection is open. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/netd/netd_client.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/crypto/keys.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "tests/unit/agent/net/build.h"
#include "tests/unit/agent/net/lab.h"
#include "tests/unit/agent/net/node.h"

#define NET     7
#define SERVICE 40
#define VIP     IP(10, 0, 1, 2)
#define EPOCH   1

struct fixture {
    struct lab lab;
    struct node n[LAB_NODES];
    struct build b;
    struct sw_sign_key sign[LAB_NODES];
    struct net_data_key key[LAB_NODES];
    int c[3];
};

static void node_of(struct fixture *f, unsigned i)
{
    node_start(&f->n[i], f->lab.nodes[i].ns, f->lab.nodes[i].dir, f->lab.nodes[i].addr, i + 1);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    lab_start(&f->lab, false);
    for (unsigned i = 0; i < LAB_NODES; i++) {
        sw_sign_key_make(&f->sign[i]);
        node_of(f, i);
        node_readopt(&f->n[i], NULL, 0);
    }
    for (unsigned i = 0; i < 3; i++)
        f->c[i] = lab_ns(&f->lab);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < LAB_NODES; i++) {
        pid_t netd;

        node_purge(&f->n[i]);
        node_stop(&f->n[i]);
        netd = node_netd_pid(&f->n[i]);
        assert_int_equal(netd, 0); /* it ended with the purge */
        lab_run(f->lab.home, "rm -rf %s", f->lab.nodes[i].dir);
    }
    lab_stop(&f->lab);
    for (unsigned i = 0; i < 3; i++)
        close(f->c[i]);
    free(f);
    return 0;
}

/* What the managers do: collect start keys, sign (here: as the node), hand them to everybody. */
static void exchange_keys(struct fixture *f, const uint8_t secret[32])
{
    Swarm__V1__DataPlaneKeys k = SWARM__V1__DATA_PLANE_KEYS__INIT;
    Swarm__V1__EpochSecret epoch = SWARM__V1__EPOCH_SECRET__INIT;
    Swarm__V1__EpochSecret *epochs[] = { &epoch };
    Swarm__V1__DataPeer peer[LAB_NODES], *peers[LAB_NODES];
    Swarm__V1__NodeDataKey key[LAB_NODES], *keys[LAB_NODES];
    uint8_t sig[LAB_NODES][SW_SIGNATURE_BYTES];
    struct sw_id id[LAB_NODES];

    epoch.epoch = EPOCH;
    epoch.secret.data = (uint8_t *)(uintptr_t)secret;
    epoch.secret.len = 32;
    k.epochs = epochs;
    k.n_epochs = 1;
    k.send_epoch = EPOCH;
    for (unsigned i = 0; i < LAB_NODES; i++)
        node_apply_keys(&f->n[i], &k); /* they make their keys */
    k.peers = peers;
    for (unsigned i = 0; i < LAB_NODES; i++) {
        uint8_t msg[NETD_KEY_MSG_BYTES];

        node_key(&f->n[i], EPOCH, NULL, &f->key[i]);
        memset(id[i].b, (int)(i + 1), sizeof(id[i].b));
        netd_key_message(&id[i], EPOCH, f->key[i].start_key, f->key[i].suites, msg);
        assert_int_equal(sw_sign(&f->sign[i], NETD_KEY_DOMAIN, msg, sizeof(msg), sig[i]), 0);
        swarm__v1__node_data_key__init(&key[i]);
        key[i].epoch = EPOCH;
        key[i].start_key.data = f->key[i].start_key;
        key[i].start_key.len = 32;
        key[i].signature.data = sig[i];
        key[i].signature.len = sizeof(sig[i]);
        key[i].suites = f->key[i].suites;
        keys[i] = &key[i];
        swarm__v1__data_peer__init(&peer[i]);
        peer[i].node = i + 1;
        peer[i].node_id.data = id[i].b;
        peer[i].node_id.len = sizeof(id[i].b);
        peer[i].public_key.data = f->sign[i].public_key;
        peer[i].public_key.len = SW_KEY_BYTES;
        peer[i].data_addr = f->lab.nodes[i].addr;
        peer[i].data_port = NET_DATA_PORT;
        peer[i].keys = &keys[i];
        peer[i].n_keys = 1;
        peer[i].workers = 8;
        peers[k.n_peers++] = &peer[i];
    }
    for (unsigned i = 0; i < LAB_NODES; i++)
        node_apply_keys(&f->n[i], &k);
}

static const uint8_t secret[32] = { 1, 2, 3 };

static void apply(struct fixture *f)
{
    f->b.t.version++;
    for (unsigned i = 0; i < LAB_NODES; i++)
        node_apply(&f->n[i], &f->b.t);
}

static struct node_attach wish(struct fixture *f, unsigned i)
{
    struct node_attach a = {
        .ns = f->c[i], .net = { NET }, .addr = { IP(10, 0, 1, 5 + i) }, .n = 1
    };

    snprintf(a.id, sizeof(a.id), "c%u", i);
    return a;
}

/* Encrypted 10.0.1.0/24: c0 .5 on node 1; c1 .6 and c2 .7 on node 2 are service "web". */
static void start_network(struct fixture *f)
{
    struct node_attach a;

    build_start(&f->b, NET, IP(10, 0, 1, 0), 24);
    f->b.t.encrypted = true;
    build_node(&f->b, 1, "198.51.100.1", 0);
    build_node(&f->b, 2, "198.51.100.2", 0);
    build_service(&f->b, SERVICE, VIP)->name = (char *)(uintptr_t) "web";
    build_endpoint(&f->b, 0, 1, IP(10, 0, 1, 5));
    build_endpoint(&f->b, SERVICE, 2, IP(10, 0, 1, 6));
    build_endpoint(&f->b, SERVICE, 2, IP(10, 0, 1, 7));
    apply(f);
    exchange_keys(f, secret);
    a = wish(f, 0);
    node_attach(&f->n[0], &a);
    a = wish(f, 1);
    node_attach(&f->n[1], &a);
    a = wish(f, 2);
    node_attach(&f->n[1], &a);
}

/* Tables and keys travel asynchronously: try for a while. */
static bool reaches_soon(int ns, uint32_t addr, uint16_t port, int listener)
{
    for (int i = 0; i < 5; i++)
        if (lab_reaches(ns, addr, port, listener, NULL))
            return true;
    return false;
}

/* A for @name at 127.0.0.11:53; 0 when there is no answer or none with an address. */
static uint32_t resolve(int ns, const char *name)
{
    uint8_t q[64] = { 0x12, 0x34, 1, 0, 0, 1 };
    uint8_t r[512];
    size_t len = strlen(name);
    int fd = lab_udp(ns, 0, 0);
    ssize_t n;

    q[12] = (uint8_t)len;
    memcpy(q + 13, name, len);
    q[13 + len + 2] = 1; /* A */
    q[13 + len + 4] = 1; /* IN */
    n = lab_udp_ask(fd, IP(127, 0, 0, 11), 53, q, 13 + len + 5, r, sizeof(r));
    close(fd);
    if (n < 16 || r[7] == 0)
        return 0;
    return IP(r[n - 4], r[n - 3], r[n - 2], r[n - 1]);
}

static uint32_t resolve_soon(int ns, const char *name)
{
    uint32_t a = 0;

    for (int i = 0; i < 5 && a == 0; i++)
        a = resolve(ns, name);
    return a;
}

static void an_encrypted_network_carries_vips_and_names(void **state)
{
    struct fixture *f = *state;
    int l, l2;

    start_network(f);
    l = lab_listen(f->c[1], 0, 80);
    l2 = lab_listen(f->c[2], 0, 80);
    assert_true(reaches_soon(f->c[0], IP(10, 0, 1, 6), 80, l));
    assert_true(lab_reaches(f->c[0], IP(10, 0, 1, 7), 80, l2, NULL));
    assert_int_equal(resolve_soon(f->c[0], "web"), VIP);
    f->b.ep[2].serving = false;
    apply(f);
    assert_true(reaches_soon(f->c[0], VIP, 80, l));
    close(l);
    close(l2);
}

/* Killed right after a table came, swarmd would not know it any more. */
static bool table_saved(const struct fixture *f, unsigned node)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf have = SW_BUF_INIT;
    uint8_t want[4096];
    char path[128];
    struct sw_err err;

    snprintf(path, sizeof(path), "%s/net/%d.table", f->lab.nodes[node].dir, NET);
    return sw_file_read(path, sizeof(want), &have, &err) == 0 &&
           have.len == swarm__v1__network_table__pack(&f->b.t, want) &&
           memcmp(have.data, want, have.len) == 0;
}

static void table_on_disk(struct fixture *f)
{
    for (unsigned i = 0; i < LAB_NODES; i++)
        for (int j = 0; j < 200 && !table_saved(f, i); j++)
            usleep(20000);
}

/* An open connection from c0 to the VIP, served by c1 alone. */
static void open_connection(struct fixture *f, int *listener, int *a, int *b)
{
    start_network(f);
    f->b.ep[2].serving = false;
    apply(f);
    *listener = lab_listen(f->c[1], 0, 80);
    assert_true(reaches_soon(f->c[0], VIP, 80, *listener));
    *a = *b = -1;
    for (int i = 0; i < 20 && *b < 0; i++) { /* until only c1 is behind the VIP */
        *a = lab_connect(f->c[0], VIP, 80);
        *b = *a >= 0 ? lab_accept(*listener, NULL) : -1;
        if (*b < 0)
            usleep(20000);
    }
    assert_true(*a >= 0 && *b >= 0);
    table_on_disk(f);
}

static void connections_survive_a_killed_netd(void **state)
{
    struct fixture *f = *state;
    struct net_data_key new;
    struct net_stats stats;
    int l, a, b;

    open_connection(f, &l, &a, &b);
    assert_int_equal(resolve_soon(f->c[0], "web"), VIP);
    kill(node_netd_pid(&f->n[0]), SIGKILL);
    node_key(&f->n[0], EPOCH, f->key[0].start_key, &new); /* never the same key twice */
    exchange_keys(f, secret);
    assert_true(lab_echo(a, b));
    assert_true(reaches_soon(f->c[0], VIP, 80, l));
    assert_int_equal(resolve_soon(f->c[0], "web"), VIP);
    node_stats(&f->n[0], &stats);
    assert_true(stats.netd_up);
    close(a);
    close(b);
    close(l);
}

static void everything_goes_on_while_swarmd_is_dead_and_after_its_return(void **state)
{
    struct fixture *f = *state;
    struct node_attach living[2];
    struct net_stats stats;
    int l, l2, a, b;

    open_connection(f, &l, &a, &b);
    assert_int_equal(resolve_soon(f->c[0], "web"), VIP);
    node_kill(&f->n[0]);
    node_kill(&f->n[1]);
    assert_true(lab_echo(a, b));
    assert_true(lab_reaches(f->c[0], VIP, 80, l, NULL));
    assert_int_equal(resolve(f->c[0], "web"), VIP);
    for (unsigned i = 0; i < LAB_NODES; i++)
        node_of(f, i);
    living[0] = wish(f, 0);
    node_readopt(&f->n[0], living, 1);
    living[0] = wish(f, 1);
    living[1] = wish(f, 2);
    node_readopt(&f->n[1], living, 2);
    assert_true(lab_echo(a, b));
    assert_true(lab_reaches(f->c[0], VIP, 80, l, NULL));
    assert_int_equal(resolve(f->c[0], "web"), VIP);
    node_stats(&f->n[0], &stats);
    assert_int_equal(stats.netd_starts, 0); /* the old one was found */
    /* And it takes changes again. */
    l2 = lab_listen(f->c[2], 0, 80);
    f->b.ep[1].serving = false;
    f->b.ep[2].serving = true;
    apply(f);
    usleep(200000);
    assert_true(lab_reaches(f->c[0], VIP, 80, l2, NULL));
    assert_true(lab_echo(a, b));
    close(a);
    close(b);
    close(l);
    close(l2);
}

static void a_container_that_died_with_swarmd_is_cleaned_up(void **state)
{
    struct fixture *f = *state;
    struct node_attach a;

    start_network(f);
    table_on_disk(f);
    node_kill(&f->n[1]);
    node_of(f, 1);
    a = wish(f, 1);
    node_readopt(&f->n[1], &a, 1);
    assert_int_equal(lab_run(f->c[1], "ip link show eth0 >/dev/null 2>&1"), 0);
    assert_int_not_equal(lab_run(f->c[2], "ip link show eth0 >/dev/null 2>&1"), 0);
    a = wish(f, 2);
    node_attach(&f->n[1], &a); /* and its id is free again */
}

static void an_attach_waits_for_its_table_and_detach_removes_everything(void **state)
{
    struct fixture *f = *state;
    struct node_attach a;

    start_network(f);
    a = wish(f, 0);
    assert_int_equal(node_try_attach(&f->n[0], &a), SW_E_CONFLICT);
    node_detach(&f->n[0], "c0");
    assert_int_not_equal(lab_run(f->c[0], "ip link show eth0 >/dev/null 2>&1"), 0);
    assert_int_not_equal(lab_run(f->c[0], "ip link show eth1 >/dev/null 2>&1"), 0);
    node_detach(&f->n[0], "c0"); /* twice is fine */
    node_attach(&f->n[0], &a);
}

/* Encrypted ingress 10.0.0.0/24: nodes .2 and .3, 8080 -> 80, the task is c1 (.6) on node 2. */
static void the_mesh_keeps_the_client_over_an_encrypted_ingress_network(void **state)
{
    struct fixture *f = *state;
    struct node_attach a = { .id = "c1", .ns = f->c[1], .net = { NET }, .n = 1 };
    uint32_t peer = 0;
    int l;

    a.addr[0] = IP(10, 0, 0, 6);
    build_start(&f->b, NET, IP(10, 0, 0, 0), 24);
    f->b.t.encrypted = f->b.t.ingress = true;
    build_node(&f->b, 1, "198.51.100.1", IP(10, 0, 0, 2));
    build_node(&f->b, 2, "198.51.100.2", IP(10, 0, 0, 3));
    build_service(&f->b, SERVICE, IP(10, 0, 0, 4));
    build_port(&f->b, SWARM__V1__PORT_CONFIG__PROTOCOL__TCP, 8080, 80);
    build_endpoint(&f->b, SERVICE, 2, IP(10, 0, 0, 6));
    apply(f);
    exchange_keys(f, secret);
    node_attach(&f->n[1], &a);
    l = lab_listen(f->c[1], 0, 80);
    assert_true(reaches_soon(f->lab.client, IP(198, 51, 100, 1), 8080, l));
    assert_true(lab_reaches(f->lab.client, IP(198, 51, 100, 1), 8080, l, &peer));
    assert_int_equal(peer, IP(198, 51, 100, 9));
    assert_true(lab_reaches(f->lab.client, IP(198, 51, 100, 2), 8080, l, &peer));
    assert_int_equal(peer, IP(198, 51, 100, 9));
    assert_true(lab_reaches(f->lab.nodes[0].ns, IP(127, 0, 0, 1), 8080, l, NULL));
    assert_true(lab_reaches(f->c[1], IP(198, 51, 100, 1), 8080, l, NULL));
    close(l);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_encrypted_network_carries_vips_and_names),
        T(the_mesh_keeps_the_client_over_an_encrypted_ingress_network),
        T(connections_survive_a_killed_netd),
        T(everything_goes_on_while_swarmd_is_dead_and_after_its_return),
        T(a_container_that_died_with_swarmd_is_cleaned_up),
        T(an_attach_waits_for_its_table_and_detach_removes_everything),
    };

    sw_log_init("test_net", getenv("NET_TEST_DEBUG") != NULL ? SW_LOG_DEBUG : SW_LOG_ERROR);
    if (!lab_possible()) {
        print_message("skipped: needs root and network namespaces\n");
        return 0;
    }
    setenv("SWARM_NETD", SWARM_NETD_PROGRAM, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
