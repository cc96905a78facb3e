/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/rpc/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(s, e->s);
    if (e->messages < sizeof(e->order) - 1 && len > 0)
        e->order[e->messages] = (char)bytes[0];
    e->messages++;
    e->bytes += len;
    e->last_len = len;
    if (len < sizeof(e->last))
        memcpy(e->last, bytes, len);
    if (e->cancel_on_message) {
        e->s = NULL;
        sw_rpc_stream_cancel(s);
    } else if (e->close_conn_on_message) {
        sw_rpc_conn_close(sw_rpc_stream_conn(s));
    }
}

static void on_end(struct sw_rpc_stream *s, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(s, e->s);
    e->ends++;
}

static void on_writable(struct sw_rpc_stream *s, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(s, e->s);
    e->writable++;
}

static void on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct end *e = arg;

    assert_ptr_equal(s, e->s);
    assert_int_equal(e->closed, 0);
    e->s = NULL;
    e->clean = err == NULL;
    if (err != NULL)
        e->why = *err;
    e->closed++;
}

const struct sw_rpc_stream_cb end_cb = { on_message, on_end, on_writable, on_close };

static void swallow(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    (void)s;
    (void)bytes;
    (void)len;
    (void)arg;
}

static const struct sw_rpc_stream_cb sink_cb = { .on_message = swallow };

static void on_open(struct sw_rpc_stream *s, void *arg)
{
    struct pair *p = arg;
    struct end *e = p->second_open ? &p->second : &p->at[1];

    if (p->leave_alone)
        return;
    if (p->sink) {
        sw_rpc_stream_set_cb(s, &sink_cb, NULL);
        return;
    }
    memset(e, 0, sizeof(*e));
    e->s = s;
    e->opened = 1;
    sw_rpc_stream_set_cb(s, &end_cb, e);
}

static void on_call(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct pair *p = arg;

    (void)bytes;
    (void)len;
    p->called = s;
    p->calls++;
}

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct pair *p = arg;

    (void)conn;
    p->ups++;
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct pair *p = arg;
    int i = conn == p->conn[1];

    assert_ptr_equal(conn, p->conn[i]);
    p->conn[i] = NULL;
    p->down[i] = *err;
    p->downs[i]++;
}

static struct sw_rpc_method methods[] = {
    { .method = METHOD_TEST, .name = "test", .allow = SW_RPC_MEMBER, .on_open = on_open },
    { .method = METHOD_CALL, .name = "call", .allow = SW_RPC_MEMBER, .on_call = on_call },
};

int pair_setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    struct sw_rpc_end a = { .sees = { .purpose = SW_RPC_NODE,
                                      .kind = SW_RPC_MANAGER,
                                      .role = SW_ROLE_MANAGER,
                                      .address = "manager" },
                            .on_up = on_up,
                            .on_down = on_down,
                            .arg = p };
    struct sw_rpc_end b = a;

    b.sees.kind = SW_RPC_WORKER;
    b.sees.role = SW_ROLE_WORKER;
    (void)snprintf(b.sees.address, sizeof(b.sees.address), "worker");
    b.methods = methods;
    b.n_methods = SW_ARRAY_LEN(methods);
    methods[0].arg = p;
    methods[1].arg = p;
    world_init(&p->w);
    assert_int_equal(sw_rpc_pair(&p->w.loop, &a, &b, p->conn, &p->w.err), 0);
    assert_int_equal(p->ups, 0);
    run_until(&p->w, &p->ups, 2);
    *state = p;
    return 0;
}

int pair_teardown(void **state)
{
    struct pair *p = *state;

    sw_rpc_conn_close(p->conn[0]);
    sw_rpc_conn_close(p->conn[1]);
    world_fini(&p->w);
    free(p);
    return 0;
}

void open_on(struct pair *p, struct end *e, struct sw_rpc_open o)
{
    memset(e, 0, sizeof(*e));
    if (o.method == 0)
        o.method = METHOD_TEST;
    o.cb = &end_cb;
    o.arg = e;
    assert_int_equal(sw_rpc_stream_open(&e->s, p->conn[0], &o, &p->w.err), 0);
}

void open_both(struct pair *p)
{
    open_on(p, &p->at[0], (struct sw_rpc_open){ 0 });
    run_until(&p->w, &p->at[1].opened, 1);
}

int send_text(struct pair *p, struct end *e, const char *text)
{
    int r = sw_rpc_stream_send(e->s, text, strlen(text), &p->w.err);

    if (r < 0)
        fail_msg("%s", p->w.err.msg);
    return r;
}
