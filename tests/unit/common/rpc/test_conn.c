/* SPDX-License-Identifier: Apache-2.0
 * Connections between nodes over TCP: who is let in, who is told what, who may call what. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "tests/unit/common/rpc/world.h"

static void two_nodes_learn_who_the_other_is(void **state)
{
    struct fixture *f = *state;
    struct sw_rpc_conn *c;

    listen_plain(f);
    c = dial_up(f, &(struct sw_rpc_dial){ 0 });
    run_until(&f->w, &f->at_server.ups, 1);
    assert_true(sw_id_equal(&f->at_dialer.peer.node_id, &f->w.manager->cert.node_id));
    assert_int_equal(f->at_dialer.peer.role, SW_ROLE_MANAGER);
    assert_int_equal(f->at_dialer.peer.kind, SW_RPC_MANAGER);
    assert_string_equal(f->at_dialer.peer.address, f->address);
    assert_true(sw_id_equal(&f->at_server.peer.node_id, &f->w.worker->cert.node_id));
    assert_int_equal(f->at_server.peer.role, SW_ROLE_WORKER);
    assert_int_equal(f->at_server.peer.purpose, SW_RPC_NODE);
    assert_int_equal(f->at_server.peer.serial, 7);
    assert_true(sw_id_equal(&f->at_server.peer.cluster_id, &f->w.root.root.cluster_id));
    assert_string_equal(f->at_dialer.peer.my_address, f->at_server.peer.address);
    sw_rpc_conn_close(c);
    run_until(&f->w, &f->at_server.downs, 1);
    assert_int_equal(f->at_server.down.code, SW_E_UNAVAILABLE);
    assert_int_equal(f->at_dialer.downs, 0);
}

static void a_call_is_answered(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct sw_rpc_conn *c;

    listen_plain(f);
    c = dial_up(f, &(struct sw_rpc_dial){ 0 });
    ask(&f->w, c, METHOD_ECHO, "hello", &a);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.len, 5);
    assert_memory_equal(a.bytes, "hello", 5);
    ask(&f->w, c, METHOD_ECHO, "", &a);
    assert_int_equal(a.err.code, 0);
    assert_int_equal(a.len, 0);
    sw_rpc_conn_close(c);
}

static void the_server_may_call_the_dialer(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct sw_rpc_conn *c;

    listen_plain(f);
    c = dial_up(f, &(struct sw_rpc_dial){ .methods = world_methods, .n_methods = world_n_methods });
    run_until(&f->w, &f->at_server.ups, 1);
    ask(&f->w, f->at_server.conn, METHOD_MANAGERS, "back", &a);
    assert_int_equal(a.err.code, 0);
    assert_memory_equal(a.bytes, "back", 4);
    sw_rpc_conn_close(c);
}

static void a_worker_may_not_call_what_is_for_managers(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct sw_rpc_conn *c;

    listen_plain(f);
    c = dial_up(f, &(struct sw_rpc_dial){ 0 });
    ask(&f->w, c, METHOD_MANAGERS, "x", &a);
    assert_int_equal(a.err.code, SW_E_PERMISSION);
    assert_string_equal(a.err.msg, "a worker may not call test.managers");
    ask(&f->w, c, METHOD_JOIN, "x", &a);
    assert_int_equal(a.err.code, SW_E_PERMISSION);
    ask(&f->w, c, 4711, "x", &a);
    assert_int_equal(a.err.code, SW_E_UNSUPPORTED);
    assert_string_equal(a.err.msg, "method 4711 is not offered here");
    ask(&f->w, c, METHOD_ECHO, "still alive", &a);
    assert_int_equal(a.err.code, 0);
    sw_rpc_conn_close(c);
}

static void raft_connections_are_for_managers(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *other = world_identity(&f->w, &f->w.root, SW_ROLE_MANAGER, sw_now_ns());
    struct answer a;
    struct sw_rpc_conn *c;

    listen_plain(f);
    dial_fails(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_RAFT }, SW_E_PERMISSION,
               "this node is no manager");
    c = dial_up(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_RAFT, .identity = other });
    ask(&f->w, c, METHOD_RAFT, "vote", &a);
    assert_int_equal(a.err.code, 0);
    ask(&f->w, c, METHOD_ECHO, "x", &a);
    assert_int_equal(a.err.code, SW_E_PERMISSION);
    assert_string_equal(a.err.msg, "test.echo is not for this kind of connection");
    sw_rpc_conn_close(c);
    sw_identity_unref(other);
}

static void another_cluster_is_refused_by_both(void **state)
{
    struct fixture *f = *state;
    struct sw_root_key root;
    struct sw_id cluster;
    struct sw_identity *alien;

    sw_id_random(&cluster);
    assert_int_equal(sw_root_key_make(&root, &cluster, sw_now_ns(), &f->w.err), 0);
    alien = world_identity(&f->w, &root, SW_ROLE_MANAGER, sw_now_ns());
    listen_plain(f);
    dial_fails(f, &(struct sw_rpc_dial){ .identity = alien }, SW_E_PERMISSION, "this is cluster ");
    assert_int_equal(f->at_server.ups, 0);
    sw_identity_unref(alien);
}

static int64_t two_years_ahead(void)
{
    return sw_now_ns() + 2 * 365 * 24 * 3600 * SW_NS_PER_S;
}

static void a_clock_two_years_off_is_named(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .now_ns = two_years_ahead };

    listen_plain(f);
    dial_fails(f, &(struct sw_rpc_dial){ .limits = &limits }, SW_E_PERMISSION,
               "is the clock of this machine right? certificate valid from ");
}

static void an_expired_certificate_is_refused_and_told(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *old = world_identity(&f->w, &f->w.root, SW_ROLE_WORKER,
                                             sw_now_ns() - 100ll * 24 * 3600 * SW_NS_PER_S);

    listen_plain(f);
    dial_fails(f, &(struct sw_rpc_dial){ .identity = old }, SW_E_PERMISSION, "has expired");
    sw_identity_unref(old);
}

static void a_dialer_notices_the_wrong_node_and_the_wrong_role(void **state)
{
    struct fixture *f = *state;

    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .identity = f->w.worker },
                             &f->at_server, f->address);
    dial_fails(f, &(struct sw_rpc_dial){ .expect = SW_RPC_MANAGER }, SW_E_PERMISSION,
               "that node is a worker");
    dial_fails(f, &(struct sw_rpc_dial){ .expect_node = &f->w.manager->cert.node_id },
               SW_E_PERMISSION, "answered instead of node");
}

static int refuse(const struct sw_rpc_peer *peer, void *arg, struct sw_err *err)
{
    (void)arg;
    assert_int_equal(peer->role, SW_ROLE_WORKER);
    return sw_err_set(err, SW_E_PERMISSION, "this node was removed from the cluster");
}

static void a_removed_node_is_told_so(void **state)
{
    struct fixture *f = *state;

    f->server =
        world_listen(&f->w, &(struct sw_rpc_listen){ .verify = refuse }, &f->at_server, f->address);
    dial_fails(f, &(struct sw_rpc_dial){ 0 }, SW_E_PERMISSION,
               "this node was removed from the cluster");
    assert_int_equal(f->at_server.ups, 0);
    assert_int_equal(f->at_server.downs, 0);
}

static void closing_a_node_ends_all_its_connections(void **state)
{
    struct fixture *f = *state;
    struct sw_err why;

    listen_plain(f);
    (void)dial_up(f, &(struct sw_rpc_dial){ 0 });
    (void)dial_up(f, &(struct sw_rpc_dial){ 0 });
    (void)sw_err_set(&why, SW_E_PERMISSION, "the node was demoted");
    assert_int_equal(sw_rpc_server_close_node(f->server, &f->w.manager->cert.node_id, &why), 0);
    assert_int_equal(sw_rpc_server_close_node(f->server, &f->w.worker->cert.node_id, &why), 2);
    assert_int_equal(f->at_server.downs, 2);
    run_until(&f->w, &f->at_dialer.downs, 2);
    assert_int_equal(f->at_dialer.down.code, SW_E_PERMISSION);
    assert_string_equal(f->at_dialer.down.msg, "the node was demoted");
}

static void a_joiner_knows_only_the_token(void **state)
{
    struct fixture *f = *state;
    struct sw_token token = world_token(&f->w);
    struct answer a;
    struct sw_rpc_conn *c;

    listen_plain(f);
    c = dial_up(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_JOIN, .token = &token });
    run_until(&f->w, &f->at_server.ups, 1);
    assert_int_equal(f->at_server.peer.kind, SW_RPC_ANONYMOUS);
    assert_int_equal(f->at_server.peer.role, SW_ROLE_NONE);
    assert_true(sw_id_is_zero(&f->at_server.peer.node_id));
    assert_int_equal(f->at_dialer.peer.kind, SW_RPC_MANAGER);
    assert_memory_equal(sw_rpc_conn_root(c)->digest, f->w.root.root.digest, SW_SHA256_BYTES);
    ask(&f->w, c, METHOD_JOIN, "secret", &a);
    assert_int_equal(a.err.code, 0);
    assert_memory_equal(a.bytes, "welcome", 7);
    ask(&f->w, c, METHOD_ECHO, "x", &a);
    assert_int_equal(a.err.code, SW_E_PERMISSION);
    assert_string_equal(a.err.msg, "a node without a certificate may not call test.echo");
    sw_rpc_conn_close(c);
}

static void a_token_of_another_cluster_shows_the_server_nothing(void **state)
{
    struct fixture *f = *state;
    struct sw_token token = world_token(&f->w);

    token.digest[31] ^= 1;
    listen_plain(f);
    dial_fails(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_JOIN, .token = &token }, SW_E_PERMISSION,
               "the join token is not for this cluster");
    assert_int_equal(f->at_server.ups, 0);
}

static void a_worker_takes_no_joiners(void **state)
{
    struct fixture *f = *state;
    struct sw_token token = world_token(&f->w);

    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .identity = f->w.worker },
                             &f->at_server, f->address);
    dial_fails(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_JOIN, .token = &token },
               SW_E_UNAVAILABLE, "during the handshake");
    /* Even one that would take them is no manager and shows it by its certificate. */
    sw_rpc_server_free(f->server);
    f->server =
        world_listen(&f->w, &(struct sw_rpc_listen){ .identity = f->w.worker, .allow_join = true },
                     &f->at_server, f->address);
    dial_fails(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_JOIN, .token = &token }, SW_E_PERMISSION,
               "that node is a worker");
}

static void wrong_tokens_are_counted_by_address(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .token_failures = 3 };
    struct sw_token token = world_token(&f->w);
    struct answer a;
    struct sw_rpc_conn *c;

    f->server =
        world_listen(&f->w, &(struct sw_rpc_listen){ .allow_join = true, .limits = &limits },
                     &f->at_server, f->address);
    for (int i = 0; i < 3; i++) {
        c = dial_up(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_JOIN, .token = &token });
        ask(&f->w, c, METHOD_JOIN, "guess", &a);
        assert_int_equal(a.err.code, SW_E_PERMISSION);
        assert_string_equal(a.err.msg, "wrong token");
        sw_rpc_conn_close(c);
    }
    f->at_dialer.ups = 0;
    dial_fails(f, &(struct sw_rpc_dial){ .purpose = SW_RPC_JOIN, .token = &token }, SW_E_PERMISSION,
               "too many wrong join tokens from your address, try again in ");
    c = dial_up(f, &(struct sw_rpc_dial){ 0 }); /* members of the same address are not meant */
    sw_rpc_conn_close(c);
}

static void nobody_listening_is_said_with_the_address(void **state)
{
    struct fixture *f = *state;

    (void)snprintf(f->address, sizeof(f->address), "127.0.0.1:1");
    dial_fails(f, &(struct sw_rpc_dial){ 0 }, UV_ECONNREFUSED,
               "connect to 127.0.0.1:1: connection refused");
}

static void a_name_is_resolved(void **state)
{
    struct fixture *f = *state;
    struct sw_rpc_conn *c;

    listen_plain(f);
    (void)snprintf(f->address, sizeof(f->address), "localhost:%u", sw_rpc_server_port(f->server));
    c = dial_up(f, &(struct sw_rpc_dial){ 0 });
    sw_rpc_conn_close(c);
    (void)world_dial(&f->w, &(struct sw_rpc_dial){ 0 }, &f->at_dialer, f->address);
    c = world_dial(&f->w, &(struct sw_rpc_dial){ 0 }, &f->at_dialer, f->address);
    sw_rpc_conn_close(c); /* before it is resolved */
    run_until(&f->w, &f->at_dialer.ups, 2);
    sw_rpc_conn_close(f->at_dialer.conn);
}

static void a_port_in_use_is_named(void **state)
{
    struct fixture *f = *state;
    struct sw_rpc_server *second;
    struct sw_rpc_listen o = { .loop = &f->w.loop, .identity = f->w.manager };
    char expected[128];

    listen_plain(f);
    o.address = f->address;
    (void)snprintf(expected, sizeof(expected), "port %u on 127.0.0.1 is already in use",
                   sw_rpc_server_port(f->server));
    assert_int_equal(sw_rpc_server_new(&second, &o, &f->w.err), UV_EADDRINUSE);
    assert_string_equal(f->w.err.msg, expected);
    o.address = "192.0.2.1:2377";
    assert_int_equal(sw_rpc_server_new(&second, &o, &f->w.err), UV_EADDRNOTAVAIL);
    assert_string_equal(f->w.err.msg, "this machine has no address 192.0.2.1");
    o.address = "127.0.0.1";
    assert_int_equal(sw_rpc_server_new(&second, &o, &f->w.err), SW_E_INVALID);
    assert_string_equal(f->w.err.msg, "'127.0.0.1' has no port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(two_nodes_learn_who_the_other_is),
        T(a_call_is_answered),
        T(the_server_may_call_the_dialer),
        T(a_worker_may_not_call_what_is_for_managers),
        T(raft_connections_are_for_managers),
        T(another_cluster_is_refused_by_both),
        T(a_clock_two_years_off_is_named),
        T(an_expired_certificate_is_refused_and_told),
        T(a_dialer_notices_the_wrong_node_and_the_wrong_role),
        T(a_removed_node_is_told_so),
        T(closing_a_node_ends_all_its_connections),
        T(a_joiner_knows_only_the_token),
        T(a_token_of_another_cluster_shows_the_server_nothing),
        T(a_worker_takes_no_joiners),
        T(wrong_tokens_are_counted_by_address),
        T(nobody_listening_is_said_with_the_address),
        T(a_name_is_resolved),
        T(a_port_in_use_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
