/* SPDX-License-Identifier: Apache-2.0
 * A connection that is up reads anything: frames of all kinds, opened and half-finished streams,
 * calls. Bytes arrive in two pieces, the first input byte says where they are cut. */
// uses: swarm_rpc
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "common/crypto/secret.h"
#include "common/rpc/conn.h"

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct sw_err err;

    (void)arg;
    if (len > 0 && bytes[0] == 'p')
        sw_rpc_stream_pause(s);
    if (len > 1 && bytes[1] == 'c')
        sw_rpc_stream_cancel(s);
    else
        (void)sw_rpc_stream_send(s, bytes, len, &err);
}

static void on_end(struct sw_rpc_stream *s, void *arg)
{
    (void)arg;
    sw_rpc_stream_end(s);
}

static const struct sw_rpc_stream_cb cb = { .on_message = on_message, .on_end = on_end };

static void on_open(struct sw_rpc_stream *s, void *arg)
{
    sw_rpc_stream_set_cb(s, &cb, arg);
}

static void on_call(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    (void)arg;
    sw_rpc_reply(s, bytes, len);
}

static const struct sw_rpc_method methods[] = {
    { .method = 1, .name = "stream", .allow = SW_RPC_WORKER, .on_open = on_open },
    { .method = 2, .name = "call", .allow = SW_RPC_WORKER, .on_call = on_call },
};

static void feed(struct sw_rpc_conn **conn, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* decoding works in place */

    memcpy(copy, data, size);
    if (*conn != NULL)
        rpc_conn_transport_cb.on_bytes(*conn, copy, size);
    free(copy);
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    (void)conn;
    (void)err;
    *(struct sw_rpc_conn **)arg = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_rpc_conn *conn[2];
    struct sw_rpc_conn *victim;
    struct sw_rpc_conn *other;
    const struct sw_rpc_end a = { .on_down = on_down, .arg = &other };
    const struct sw_rpc_end b = { .sees = { .purpose = SW_RPC_NODE, .kind = SW_RPC_WORKER },
                                  .methods = methods,
                                  .n_methods = 2,
                                  .on_down = on_down,
                                  .arg = &victim };
    struct sw_err err;
    uv_loop_t loop;
    size_t cut;

    if (size < 1 || sw_crypto_init(&err) < 0 || uv_loop_init(&loop) < 0)
        return 0;
    cut = data[0] % size;
    if (sw_rpc_pair(&loop, &a, &b, conn, &err) < 0)
        abort();
    other = conn[0];
    victim = conn[1];
    for (int i = 0; i < 4; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    feed(&victim, data + 1, cut);
    feed(&victim, data + 1 + cut, size - 1 - cut);
    for (int i = 0; i < 8; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    sw_rpc_conn_close(victim);
    sw_rpc_conn_close(other);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        abort();
    return 0;
}
