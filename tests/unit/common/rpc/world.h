/* SPDX-License-Identifier: Apache-2.0
 * world.h - a cluster's identities, a loop, and servers and dialers that remember what happened. */
#ifndef SWARM_TESTS_UNIT_COMMON_RPC_WORLD_H
#define SWARM_TESTS_UNIT_COMMON_RPC_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/rpc/rpc.h"

enum { METHOD_ECHO = 1, METHOD_STREAM, METHOD_MANAGERS, METHOD_JOIN, METHOD_SLOW, METHOD_RAFT };

struct world {
    uv_loop_t loop;
    struct sw_root_key root;
    struct sw_identity *manager;
    struct sw_identity *worker;
    struct sw_err err;
};

/* What a connection's owner saw. */
struct seen {
    struct sw_rpc_conn *conn; /* last that came up */
    unsigned ups;
    unsigned downs;
    struct sw_err down;
    struct sw_rpc_peer peer; /* of the last that came up */
};

void world_init(struct world *w);
/** world_fini() - run the loop dry and check that nothing is left in it. */
void world_fini(struct world *w);
/** world_identity() - a node of this world's cluster, valid around @now_ns. */
struct sw_identity *world_identity(struct world *w, const struct sw_root_key *root,
                                   enum sw_role role, int64_t now_ns);
struct sw_token world_token(const struct world *w);

/** run_until() - turn the loop until @*flag reaches @n; fails the test after ten seconds. */
void run_until(struct world *w, const unsigned *flag, unsigned n);
/** run_for() - turn the loop for @ms. */
void run_for(struct world *w, uint64_t ms);

extern const struct sw_rpc_method world_methods[];
extern const size_t world_n_methods;

void seen_up(struct sw_rpc_conn *conn, void *arg);
void seen_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg);

/** world_listen() - on 127.0.0.1, any port; @o->loop, address, methods, on_up/down may be NULL. */
struct sw_rpc_server *world_listen(struct world *w, struct sw_rpc_listen *o, struct seen *seen,
                                   char address[64]);
/** world_dial() - fills in what is not set; purpose 0 = NODE. */
struct sw_rpc_conn *world_dial(struct world *w, struct sw_rpc_dial *d, struct seen *seen,
                               const char *address);

/* One answer of a call. */
struct answer {
    unsigned done;
    struct sw_err err; /* code 0: fine */
    char bytes[256];
    size_t len;
};
void answer_done(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg);
/** ask() - one call with text, whose answer is awaited. */
void ask(struct world *w, struct sw_rpc_conn *conn, uint32_t method, const char *text,
         struct answer *a);

/* A server and a dialer of one cluster: the fixture of most tests here. */
struct fixture {
    struct world w;
    struct sw_rpc_server *server;
    struct seen at_server;
    struct seen at_dialer;
    char address[64]; /* where dialers go */
};

int setup(void **state);
int teardown(void **state);
void listen_plain(struct fixture *f);
/** dial_up() - and wait until it is up. */
struct sw_rpc_conn *dial_up(struct fixture *f, struct sw_rpc_dial *d);
/** dial_fails() - with this code, and a message that contains @text. */
void dial_fails(struct fixture *f, struct sw_rpc_dial *d, int code, const char *text);

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
