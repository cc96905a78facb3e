/* SPDX-License-Identifier: Apache-2.0
 * A whole conversation in which the 1st, 2nd, ... allocation fails: nothing may crash, hang, leak
 * or call back twice; and when none fails, all must be well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/test_heap.h"
#include "tests/unit/common/rpc/world.h"

struct talk {
    struct world w;
    struct test_heap heap;
    struct sw_rpc_conn *dialer;
    struct sw_rpc_stream *stream;
    unsigned ups;
    unsigned downs;
    unsigned answers;
    unsigned good_answers;
    unsigned messages;
    unsigned stream_closed;
    unsigned settled; /* something ended, well or not */
};

static void on_answer(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    struct talk *t = arg;

    t->answers++;
    if (err == NULL && len == 5 && memcmp(bytes, "hello", 5) == 0)
        t->good_answers++;
    t->settled++;
}

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct talk *t = arg;

    (void)bytes;
    if (len == 100000)
        t->messages++;
    sw_rpc_stream_end(s);
}

static void on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct talk *t = arg;

    assert_ptr_equal(s, t->stream);
    assert_int_equal(t->stream_closed, 0);
    (void)err;
    t->stream_closed++;
    t->settled++;
}

static const struct sw_rpc_stream_cb cb = { .on_message = on_message, .on_close = on_close };

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct talk *t = arg;
    static char block[100000];
    const struct sw_rpc_call call = {
        .method = METHOD_ECHO, .bytes = "hello", .len = 5, .done = on_answer, .arg = t
    };
    const struct sw_rpc_open open = { .method = METHOD_STREAM, .cb = &cb, .arg = t };
    struct sw_err err;

    t->ups++;
    if (sw_rpc_call(conn, &call, &err) < 0)
        t->settled++;
    if (sw_rpc_stream_open(&t->stream, conn, &open, &err) < 0) {
        t->settled++;
        return;
    }
    if (sw_rpc_stream_send(t->stream, block, sizeof(block), &err) < 0) {
        sw_rpc_stream_cancel(t->stream);
        t->settled++;
    }
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct talk *t = arg;

    assert_ptr_equal(conn, t->dialer);
    assert_true(err->code < 0);
    assert_int_equal(t->downs, 0);
    t->dialer = NULL;
    t->downs++;
    t->settled = 2;
}

/* Return: did every part of it work? */
static bool converse(struct talk *t)
{
    struct sw_rpc_listen l = { .loop = &t->w.loop,
                               .address = "127.0.0.1:0",
                               .identity = t->w.manager,
                               .methods = world_methods,
                               .n_methods = world_n_methods };
    struct sw_rpc_dial d = { .loop = &t->w.loop,
                             .purpose = SW_RPC_NODE,
                             .identity = t->w.worker,
                             .timeout_ms = 300,
                             .on_up = on_up,
                             .on_down = on_down,
                             .arg = t };
    struct sw_rpc_server *server;
    char address[64];

    if (sw_rpc_server_new(&server, &l, &t->w.err) < 0)
        return false;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", sw_rpc_server_port(server));
    d.address = address;
    if (sw_rpc_dial(&t->dialer, &d, &t->w.err) == 0)
        run_until(&t->w, &t->settled, 2);
    sw_rpc_conn_close(t->dialer);
    sw_rpc_server_free(server);
    return t->good_answers == 1 && t->messages == 1;
}

static void any_allocation_may_fail(void **state)
{
    struct talk *t = calloc(1, sizeof(*t));
    bool good = false;
    size_t nth;

    (void)state;
    for (nth = 1; !good; nth++) {
        assert_true(nth < 1000);
        memset(t, 0, sizeof(*t));
        test_heap_init(&t->heap);
        world_init(&t->w);
        test_heap_fail_nth(&t->heap, nth);
        good = converse(t);
        /* An unlucky allocation may be one that only slowed things down. */
        if (t->heap.failures > 0)
            good = false;
        test_heap_fail_nth(&t->heap, 0);
        world_fini(&t->w);
        test_heap_check(&t->heap);
        test_heap_fini(&t->heap);
    }
    print_message("%zu allocations\n", nth - 2);
    assert_true(nth > 60);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
