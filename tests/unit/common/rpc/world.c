/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/rpc/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/time.h"
#include "common/crypto/secret.h"

/* ------------------------------------------------------------------ methods */

static void echo(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    (void)arg;
    sw_rpc_reply(s, bytes, len);
}

static void never(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    (void)s;
    (void)bytes;
    (void)len;
    (void)arg;
}

/* Whatever comes goes back; the end too. */
static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct sw_err err;

    (void)arg;
    if (sw_rpc_stream_send(s, bytes, len, &err) < 0)
        sw_rpc_stream_fail(s, &err);
}

static void on_end(struct sw_rpc_stream *s, void *arg)
{
    (void)arg;
    sw_rpc_stream_end(s);
}

static void stream_open(struct sw_rpc_stream *s, void *arg)
{
    static const struct sw_rpc_stream_cb cb = { .on_message = on_message, .on_end = on_end };

    sw_rpc_stream_set_cb(s, &cb, arg);
}

/* A wrong secret is the one that is not "secret". */
static void join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct sw_err err;

    (void)arg;
    if (len == 6 && memcmp(bytes, "secret", 6) == 0) {
        sw_rpc_reply(s, "welcome", 7);
        return;
    }
    sw_rpc_token_failed(sw_rpc_stream_conn(s));
    (void)sw_err_set(&err, SW_E_PERMISSION, "wrong token");
    sw_rpc_stream_fail(s, &err);
}

const struct sw_rpc_method world_methods[] = {
    { .method = METHOD_ECHO,
      .name = "test.echo",
      .allow = SW_RPC_MEMBER | SW_RPC_LOCAL,
      .on_call = echo },
    { .method = METHOD_STREAM,
      .name = "test.stream",
      .allow = SW_RPC_MEMBER | SW_RPC_LOCAL,
      .on_open = stream_open },
    { .method = METHOD_MANAGERS,
      .name = "test.managers",
      .allow = SW_RPC_MANAGER,
      .on_call = echo },
    { .method = METHOD_JOIN,
      .name = "test.join",
      .allow = SW_RPC_ANONYMOUS,
      .purposes = SW_BIT(SW_RPC_JOIN),
      .on_call = join },
    { .method = METHOD_SLOW,
      .name = "test.slow",
      .allow = SW_RPC_MEMBER | SW_RPC_LOCAL,
      .on_call = never },
    { .method = METHOD_RAFT,
      .name = "test.raft",
      .allow = SW_RPC_MANAGER,
      .purposes = SW_BIT(SW_RPC_RAFT),
      .on_call = echo },
};
const size_t world_n_methods = SW_ARRAY_LEN(world_methods);

/* ------------------------------------------------------------------ identities */

struct sw_identity *world_identity(struct world *w, const struct sw_root_key *root,
                                   enum sw_role role, int64_t now_ns)
{
    struct sw_cert_grant grant = { .role = role, .serial = 7, .now_ns = now_ns };
    struct sw_cert_request req;
    struct sw_identity *keys;
    struct sw_identity *id;
    struct sw_cert cert;

    sw_id_random(&grant.node_id);
    assert_int_equal(sw_identity_new(&keys, &w->err), 0);
    memcpy(req.public_key, keys->sign.public_key, SW_KEY_BYTES);
    memcpy(req.static_key, keys->dh.public_key, SW_KEY_BYTES);
    assert_int_equal(sw_cert_issue(&cert, root, &req, &grant, &w->err), 0);
    assert_int_equal(sw_identity_renew(&id, keys, &cert, &root->root, 1, &w->err), 0);
    sw_identity_unref(keys);
    return id;
}

struct sw_token world_token(const struct world *w)
{
    struct sw_token t;

    memcpy(t.digest, w->root.root.digest, sizeof(t.digest));
    sw_token_secret_make(t.secret);
    return t;
}

void world_init(struct world *w)
{
    struct sw_id cluster;

    memset(w, 0, sizeof(*w));
    assert_int_equal(sw_crypto_init(&w->err), 0);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    sw_id_random(&cluster);
    assert_int_equal(sw_root_key_make(&w->root, &cluster, sw_now_ns(), &w->err), 0);
    w->manager = world_identity(w, &w->root, SW_ROLE_MANAGER, sw_now_ns());
    w->worker = world_identity(w, &w->root, SW_ROLE_WORKER, sw_now_ns());
}

void world_fini(struct world *w)
{
    sw_identity_unref(w->manager);
    sw_identity_unref(w->worker);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

/* ------------------------------------------------------------------ running */

static void on_tick(uv_timer_t *t)
{
    ++*(unsigned *)t->data;
}

/* The loop may have done all there is before it would wait: look every millisecond. */
static void turn(struct world *w, const unsigned *flag, unsigned n, unsigned ms)
{
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;
    unsigned ticks = 0;
    uv_timer_t tick;

    assert_int_equal(uv_timer_init(&w->loop, &tick), 0);
    tick.data = &ticks;
    assert_int_equal(uv_timer_start(&tick, on_tick, 1, 1), 0);
    while (uv_hrtime() < until && (flag == NULL || *flag < n))
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
}

void run_until(struct world *w, const unsigned *flag, unsigned n)
{
    turn(w, flag, n, 10000);
    if (*flag < n)
        fail_msg("waited ten seconds for %u, got %u", n, *flag);
}

void run_for(struct world *w, uint64_t ms)
{
    turn(w, NULL, 0, (unsigned)ms);
}

void seen_up(struct sw_rpc_conn *conn, void *arg)
{
    struct seen *s = arg;

    assert_true(sw_rpc_conn_is_up(conn));
    s->conn = conn;
    s->peer = *sw_rpc_conn_peer(conn);
    s->ups++;
}

void seen_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct seen *s = arg;

    if (s->conn == conn)
        s->conn = NULL;
    s->down = *err;
    s->downs++;
}

struct sw_rpc_server *world_listen(struct world *w, struct sw_rpc_listen *o, struct seen *seen,
                                   char address[64])
{
    struct sw_rpc_server *server;

    o->loop = &w->loop;
    if (o->address == NULL)
        o->address = "127.0.0.1:0";
    if (o->identity == NULL)
        o->identity = w->manager;
    o->methods = world_methods;
    o->n_methods = world_n_methods;
    if (seen != NULL) {
        o->on_up = seen_up;
        o->on_down = seen_down;
        o->arg = seen;
    }
    if (sw_rpc_server_new(&server, o, &w->err) < 0)
        fail_msg("%s", w->err.msg);
    if (address != NULL)
        (void)snprintf(address, 64, "127.0.0.1:%u", sw_rpc_server_port(server));
    return server;
}

struct sw_rpc_conn *world_dial(struct world *w, struct sw_rpc_dial *d, struct seen *seen,
                               const char *address)
{
    struct sw_rpc_conn *conn;

    d->loop = &w->loop;
    d->address = address;
    if (d->purpose == 0)
        d->purpose = SW_RPC_NODE;
    if (d->identity == NULL)
        d->identity = w->worker;
    d->on_up = seen_up;
    d->on_down = seen_down;
    d->arg = seen;
    if (sw_rpc_dial(&conn, d, &w->err) < 0)
        fail_msg("%s", w->err.msg);
    return conn;
}

void answer_done(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    struct answer *a = arg;

    a->done++;
    a->len = len;
    a->err.code = 0;
    if (err != NULL)
        a->err = *err;
    else if (len < sizeof(a->bytes))
        memcpy(a->bytes, bytes, len);
}

void ask(struct world *w, struct sw_rpc_conn *conn, uint32_t method, const char *text,
         struct answer *a)
{
    const struct sw_rpc_call call = {
        .method = method, .bytes = text, .len = strlen(text), .done = answer_done, .arg = a
    };

    memset(a, 0, sizeof(*a));
    if (sw_rpc_call(conn, &call, &w->err) < 0)
        fail_msg("%s", w->err.msg);
    assert_int_equal(a->done, 0);
    run_until(w, &a->done, 1);
}

/* ------------------------------------------------------------------ fixture */

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    world_init(&f->w);
    *state = f;
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;

    sw_rpc_server_free(f->server);
    world_fini(&f->w);
    free(f);
    return 0;
}

void listen_plain(struct fixture *f)
{
    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .allow_join = true }, &f->at_server,
                             f->address);
}

struct sw_rpc_conn *dial_up(struct fixture *f, struct sw_rpc_dial *d)
{
    struct sw_rpc_conn *c = world_dial(&f->w, d, &f->at_dialer, f->address);

    run_until(&f->w, &f->at_dialer.ups, f->at_dialer.ups + 1);
    return c;
}

void dial_fails(struct fixture *f, struct sw_rpc_dial *d, int code, const char *text)
{
    (void)world_dial(&f->w, d, &f->at_dialer, f->address);
    run_until(&f->w, &f->at_dialer.downs, f->at_dialer.downs + 1);
    assert_int_equal(f->at_dialer.ups, 0);
    if (strstr(f->at_dialer.down.msg, text) == NULL)
        fail_msg("'%s' does not say '%s'", f->at_dialer.down.msg, text);
    assert_int_equal(f->at_dialer.down.code, code);
}
