/* SPDX-License-Identifier: Apache-2.0
 * pair.h - two connected ends in memory, and streams that note all they see. */
#ifndef SWARM_TESTS_UNIT_COMMON_RPC_PAIR_H
#define SWARM_TESTS_UNIT_COMMON_RPC_PAIR_H

#include "tests/unit/common/rpc/world.h"

enum { METHOD_TEST = 100, METHOD_CALL };

/* One end of a stream and all it saw. */
struct end {
    struct sw_rpc_stream *s; /* NULL after on_close */
    unsigned opened;
    unsigned messages;
    size_t bytes;
    size_t last_len;
    char last[64];
    char order[64]; /* first letters of the messages, in order */
    unsigned ends;
    unsigned writable;
    unsigned closed;
    bool clean;        /* on_close(NULL) */
    struct sw_err why; /* otherwise */
    bool cancel_on_message;
    bool close_conn_on_message;
};

struct pair {
    struct world w;
    struct sw_rpc_conn *conn[2]; /* dialer, server */
    struct end at[2];
    struct end second;
    unsigned ups;
    unsigned downs[2];
    struct sw_err down[2];
    struct sw_rpc_stream *called; /* METHOD_CALL's, not answered yet */
    unsigned calls;
    bool second_open; /* the next accepted stream goes to .second */
    bool leave_alone;
    bool sink; /* accepted streams swallow what comes */
};

extern const struct sw_rpc_stream_cb end_cb; /* notes in a struct end */

int pair_setup(void **state);
int pair_teardown(void **state);
/** open_on() - a stream from the dialer, noted in @e; method 0 = METHOD_TEST. */
void open_on(struct pair *p, struct end *e, struct sw_rpc_open o);
/** open_both() - one stream, at[0] to at[1]. */
void open_both(struct pair *p);
int send_text(struct pair *p, struct end *e, const char *text);

#define P(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)

#endif
