/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/session/join.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "common/rpc/rpc.h"
#include "proto/pb.h"

#define DIAL_MS 5000
#define ASK_MS  8000

struct join {
    struct join_options o;
    struct sw_rpc_conn *conn;
    struct sw_identity *keys; /* without certificate */
    Swarm__V1__JoinRequest *request;
    char manager[SW_RPC_ADDRESS_MAX];
};

static void join_free(struct join *j)
{
    if (j->request != NULL)
        sw_wipe(j->request->token_secret, strlen(j->request->token_secret));
    pb_free(j->request);
    sw_identity_unref(j->keys);
    sw_free(j);
}

static void finish(struct join *j, struct sw_identity *id, const Swarm__V1__JoinReply *reply,
                   const struct sw_err *err)
{
    struct join_options o = j->o;

    sw_rpc_conn_close(j->conn);
    join_free(j);
    o.done(o.arg, id, reply, err);
}

static int take_certificate(struct join *j, const Swarm__V1__JoinReply *reply,
                            struct sw_identity **out, struct sw_err *err)
{
    const struct sw_root *known = sw_rpc_conn_root(j->conn);
    struct sw_root roots[SW_ROOTS_MAX];
    struct sw_cert cert;
    size_t n = 0;
    int r = sw_cert_decode(&cert, reply->certificate.data, reply->certificate.len, err);

    for (size_t i = 0; r == 0 && i < reply->n_roots && n < SW_ROOTS_MAX; i++) {
        r = sw_root_decode(&roots[n], reply->roots[i].data, reply->roots[i].len, err);
        n++;
    }
    if (r == 0 && (n == 0 || known == NULL ||
                   memcmp(roots[0].digest, known->digest, sizeof(roots[0].digest)) != 0))
        r = sw_err_set(err, SW_E_CRYPTO, "the manager sent another root than the token names");
    if (r == 0)
        r = sw_cert_verify(&cert, roots, n, sw_now_ns(), err);
    if (r == 0)
        r = sw_identity_renew(out, j->keys, &cert, roots, n, err);
    return r;
}

static void on_reply(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__JoinReply *reply = NULL;
    struct join *j = arg;
    struct sw_identity *id = NULL;
    struct sw_err local = { 0 };
    int r;

    if (err != NULL) {
        local = *err;
        finish(j, NULL, NULL, &local);
        return;
    }
    r = pb_unpack(&swarm__v1__join_reply__descriptor, bytes, len, &reply, &local);
    if (r == 0)
        r = take_certificate(j, reply, &id, &local);
    finish(j, id, r == 0 ? reply : NULL, &local);
}

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct join *j = arg;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_JOIN,
                                .deadline_ms = ASK_MS,
                                .msg = &j->request->base,
                                .done = on_reply,
                                .arg = j };
    struct sw_err err;

    if (sw_rpc_call(conn, &call, &err) < 0)
        finish(j, NULL, NULL, &err);
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct join *j = arg;
    struct sw_err local = *err;

    (void)conn;
    j->conn = NULL;
    finish(j, NULL, NULL, &local);
}

static int make_request(struct join *j, const struct sw_token *token, struct sw_err *err)
{
    uint8_t wish[SW_CERT_REQUEST_MAX];
    char secret[SW_ID_CHARS + 1];
    size_t len;
    int r = sw_identity_new(&j->keys, err);

    if (r == 0)
        r = sw_cert_request_make(&j->keys->sign, &j->keys->dh, wish, &len, err);
    if (r < 0)
        return r;
    sw_base36(token->secret, sizeof(token->secret), secret, SW_ID_CHARS);
    j->request = pb_new(&swarm__v1__join_request__descriptor);
    if (j->request == NULL)
        return sw_err_set(err, -ENOMEM, "join");
    j->request->availability = j->o.availability;
    if (j->o.description != NULL)
        j->request->description = pb_clone(j->o.description);
    if (pb_set_string(&j->request->token_secret, secret) < 0 ||
        pb_set_bytes(&j->request->request, wish, len) < 0)
        return sw_err_set(err, -ENOMEM, "join");
    sw_wipe(secret, sizeof(secret));
    return 0;
}

int join_start(struct join **out, const struct join_options *o, struct sw_err *err)
{
    struct join *j = sw_calloc(1, sizeof(*j));
    struct sw_token token;
    struct sw_rpc_dial d = {
        .loop = o->loop,
        .purpose = SW_RPC_JOIN,
        .token = &token,
        .expect = SW_RPC_MANAGER,
        .timeout_ms = DIAL_MS,
        .on_up = on_up,
        .on_down = on_down,
        .arg = j,
    };
    int r;

    if (j == NULL)
        return sw_err_set(err, -ENOMEM, "join");
    j->o = *o;
    (void)snprintf(j->manager, sizeof(j->manager), "%s", o->manager);
    d.address = j->manager;
    r = sw_token_parse(o->token, &token, err);
    if (r == 0)
        r = make_request(j, &token, err);
    if (r == 0)
        r = sw_rpc_dial(&j->conn, &d, err);
    sw_wipe(&token, sizeof(token));
    if (r < 0) {
        join_free(j);
        return r;
    }
    *out = j;
    return 0;
}

void join_cancel(struct join *j)
{
    if (j == NULL)
        return;
    sw_rpc_conn_close(j->conn);
    join_free(j);
}
