/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ca/ca.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "proto/pb.h"

struct ca {
    struct ca_options o;
};

int ca_new(struct ca **out, const struct ca_options *o, struct sw_err *err)
{
    struct ca *ca = sw_calloc(1, sizeof(*ca));

    if (ca == NULL)
        return sw_err_set(err, -ENOMEM, "create the certificate authority");
    ca->o = *o;
    *out = ca;
    return 0;
}

void ca_free(struct ca *ca)
{
    sw_free(ca);
}

/* ---- one request under way ------------------------------------------------------------------- */

/* A certificate that goes out once the store has it. The stream may vanish meanwhile. */
struct grant {
    struct ca *ca;
    struct sw_rpc_stream *stream; /* NULL: the caller went away */
    struct sw_cert cert;
    struct sw_id node_id;
    uint64_t node_key; /* of a new node */
};

static void grant_on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct grant *g = arg;

    (void)s;
    (void)err;
    g->stream = NULL;
}

static const struct sw_rpc_stream_cb grant_cb = { NULL, NULL, NULL, grant_on_close };

static void refuse(struct sw_rpc_stream *s, const struct sw_err *err)
{
    log_info("certificate request refused peer=%s: %s", sw_rpc_stream_peer(s)->address, err->msg);
    sw_rpc_stream_fail(s, err);
}

static int add_root(Swarm__V1__JoinReply *r, const ProtobufCBinaryData *record)
{
    ProtobufCBinaryData *p = sw_realloc(r->roots, (r->n_roots + 1) * sizeof(*p));

    if (p == NULL)
        return -ENOMEM;
    r->roots = p;
    memset(&p[r->n_roots], 0, sizeof(*p));
    if (pb_set_bytes(&p[r->n_roots], record->data, record->len) < 0)
        return -ENOMEM;
    r->n_roots++;
    return 0;
}

static int fill_reply(struct grant *g, Swarm__V1__JoinReply *r)
{
    const Swarm__V1__Cluster *c = view_cluster(g->ca->o.view);

    r->node_key = g->node_key;
    r->role = g->cert.role == SW_ROLE_MANAGER ? SWARM__V1__NODE_ROLE__MANAGER
                                              : SWARM__V1__NODE_ROLE__WORKER;
    if (c == NULL || pb_set_bytes(&r->certificate, g->cert.bytes, g->cert.len) < 0 ||
        pb_set_bytes(&r->node_id, g->node_id.b, sizeof(g->node_id.b)) < 0 ||
        pb_set_bytes(&r->cluster_id, c->meta->id.data, c->meta->id.len) < 0 ||
        add_root(r, &c->root_ca->root_record) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < c->root_ca->n_trusted_roots; i++) {
        if (add_root(r, &c->root_ca->trusted_roots[i]) < 0)
            return -ENOMEM;
    }
    return g->ca->o.managers(g->ca->o.arg, &r->n_managers, &r->managers);
}

static void on_granted(void *arg, uint64_t index, const struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__JoinReply *reply = NULL;
    struct grant *g = arg;
    struct sw_rpc_stream *s = g->stream;
    struct sw_err local;
    char id[SW_ID_CHARS + 1];

    (void)index;
    sw_id_format(&g->node_id, id);
    if (s == NULL) {
        log_info("node=%s went away before it had its certificate", id);
    } else if (err->code != 0) {
        refuse(s, err);
    } else {
        reply = pb_new(&swarm__v1__join_reply__descriptor);
        if (reply == NULL || fill_reply(g, reply) < 0) {
            (void)sw_err_set(&local, -ENOMEM, "answer a certificate request");
            refuse(s, &local);
        } else {
            log_info("certificate issued node=%s role=%s serial=%llu", id,
                     sw_role_name(g->cert.role), (unsigned long long)g->cert.serial);
            sw_rpc_reply_msg(s, &reply->base);
        }
    }
    sw_free(g);
}

static int issue(struct ca *ca, struct grant *g, const ProtobufCBinaryData *request,
                 enum sw_role role, uint64_t serial, struct sw_err *err)
{
    const Swarm__V1__Cluster *c = view_cluster(ca->o.view);
    struct sw_cert_request req;
    struct sw_cert_grant grant;
    struct sw_root_key root;
    int r;

    if (c == NULL || c->root_ca == NULL)
        return sw_err_set(err, SW_E_UNAVAILABLE, "the cluster is not ready yet");
    r = sw_cert_request_decode(&req, request->data, request->len, err);
    if (r == 0)
        r = sw_root_key_load(&root, c->root_ca->root_record.data, c->root_ca->root_record.len,
                             c->root_ca->root_key.data, c->root_ca->root_key.len, err);
    if (r < 0)
        return r;
    memset(&grant, 0, sizeof(grant));
    grant.node_id = g->node_id;
    grant.role = role;
    grant.serial = serial;
    grant.now_ns = sw_now_ns();
    grant.expiry_ns = c->spec != NULL ? c->spec->node_cert_expiry_ns : 0;
    r = sw_cert_issue(&g->cert, &root, &req, &grant, err);
    sw_wipe(&root, sizeof(root));
    return r;
}

static int record(Swarm__V1__Node *n, const struct sw_cert *cert)
{
    if (n->certificate == NULL)
        n->certificate = pb_new(&swarm__v1__node_certificate__descriptor);
    if (n->certificate == NULL)
        return -ENOMEM;
    n->certificate->serial = cert->serial;
    n->certificate->not_before_ns = (uint64_t)cert->not_before_ns;
    n->certificate->not_after_ns = (uint64_t)cert->not_after_ns;
    if (pb_set_bytes(&n->certificate->public_key, cert->public_key, SW_KEY_BYTES) < 0 ||
        pb_set_bytes(&n->certificate->static_key, cert->static_key, SW_KEY_BYTES) < 0)
        return -ENOMEM;
    return pb_set_bytes(&n->certificate->issuer_key, cert->issuer, SW_SHA256_BYTES);
}

/* ---- join ------------------------------------------------------------------------------------ */

static enum sw_role role_of_token(const struct ca *ca, const char *text)
{
    const Swarm__V1__Cluster *c = view_cluster(ca->o.view);
    uint8_t secret[SW_TOKEN_SECRET_BYTES];
    bool worker;
    bool manager;

    if (c == NULL || c->root_ca == NULL || strlen(text) != SW_ID_CHARS ||
        !sw_base36_parse(text, SW_ID_CHARS, secret, sizeof(secret)) ||
        c->root_ca->worker_token_secret.len != sizeof(secret) ||
        c->root_ca->manager_token_secret.len != sizeof(secret))
        return SW_ROLE_NONE;
    worker = sw_token_secret_equal(secret, c->root_ca->worker_token_secret.data);
    manager = sw_token_secret_equal(secret, c->root_ca->manager_token_secret.data);
    sw_wipe(secret, sizeof(secret));
    return manager ? SW_ROLE_MANAGER : (worker ? SW_ROLE_WORKER : SW_ROLE_NONE);
}

static Swarm__V1__Node *new_node(const struct grant *g, const Swarm__V1__JoinRequest *req,
                                 const char *addr)
{
    Swarm__V1__Node *n = pb_new(&swarm__v1__node__descriptor);

    if (n == NULL)
        return NULL;
    n->meta = pb_new(&swarm__v1__meta__descriptor);
    n->spec = pb_new(&swarm__v1__node_spec__descriptor);
    n->status = pb_new(&swarm__v1__node_status__descriptor);
    if (req->description != NULL)
        n->description = pb_clone(req->description);
    if (n->meta == NULL || n->spec == NULL || n->status == NULL || record(n, &g->cert) < 0 ||
        pb_set_bytes(&n->meta->id, g->node_id.b, sizeof(g->node_id.b)) < 0 ||
        pb_set_string(&n->status->addr, addr) < 0) {
        pb_free(n);
        return NULL;
    }
    n->role = g->cert.role == SW_ROLE_MANAGER ? SWARM__V1__NODE_ROLE__MANAGER
                                              : SWARM__V1__NODE_ROLE__WORKER;
    n->spec->desired_role = n->role;
    n->spec->availability = req->availability;
    n->spec_base = 1;
    return n;
}

static int admit(struct ca *ca, struct grant *g, const Swarm__V1__JoinRequest *req,
                 const char *addr, struct sw_err *err)
{
    enum sw_role role = role_of_token(ca, req->token_secret);
    Swarm__V1__Node *n;
    struct txn *x;
    int r;

    if (role == SW_ROLE_NONE)
        return sw_err_set(err, SW_E_INVALID,
                          "rpc error: code = InvalidArgument desc = A valid join token is "
                          "necessary to join this cluster");
    sw_id_random(&g->node_id);
    r = issue(ca, g, &req->request, role, 1, err);
    if (r < 0)
        return r;
    n = new_node(g, req, addr);
    x = txn_new(proposer_keys(ca->o.proposer), sw_now_ns(), proposer_random());
    if (n == NULL || x == NULL) {
        pb_free(n);
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "admit a node");
    }
    g->node_key = txn_create(x, VIEW_NODE, n);
    return proposer_propose_all(ca->o.proposer, x, on_granted, g, err);
}

static void join(struct ca *ca, struct sw_rpc_stream *s, const Swarm__V1__JoinRequest *req,
                 const char *addr)
{
    struct grant *g = sw_calloc(1, sizeof(*g));
    struct sw_err err;
    int r;

    if (g == NULL) {
        (void)sw_err_set(&err, -ENOMEM, "admit a node");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    g->ca = ca;
    g->stream = s;
    r = admit(ca, g, req, addr, &err);
    if (r == 0) {
        sw_rpc_stream_set_cb(s, &grant_cb, g);
        return;
    }
    if (r == SW_E_INVALID && sw_rpc_stream_peer(s)->kind == SW_RPC_ANONYMOUS)
        sw_rpc_token_failed(sw_rpc_stream_conn(s));
    refuse(s, &err);
    sw_free(g);
}

/* A follower waits for the leader's answer. */
struct relay {
    struct ca *ca;
    struct sw_rpc_stream *stream;
};

static void relay_on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    (void)s;
    (void)err;
    ((struct relay *)arg)->stream = NULL;
}

static const struct sw_rpc_stream_cb relay_cb = { NULL, NULL, NULL, relay_on_close };

static void relay_done(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    struct relay *r = arg;

    if (r->stream != NULL) {
        if (err == NULL) {
            sw_rpc_reply(r->stream, bytes, len);
        } else {
            if (err->code == SW_E_INVALID)
                sw_rpc_token_failed(sw_rpc_stream_conn(r->stream));
            refuse(r->stream, err);
        }
    }
    sw_free(r);
}

static void relay(struct ca *ca, struct sw_rpc_stream *s, Swarm__V1__JoinRequest *req)
{
    Swarm__V1__JoinForward fwd = SWARM__V1__JOIN_FORWARD__INIT;
    struct relay *r = sw_calloc(1, sizeof(*r));
    struct sw_err err;

    (void)sw_err_set(&err, -ENOMEM, "pass a join on");
    if (r != NULL) {
        r->ca = ca;
        r->stream = s;
        fwd.request = req;
        fwd.peer_addr = (char *)(uintptr_t)sw_rpc_stream_peer(s)->address;
        if (ca->o.forward(ca->o.arg, SWARM__V1__METHOD__METHOD_JOIN_FORWARD, &fwd.base, relay_done,
                          r, &err) == 0) {
            sw_rpc_stream_set_cb(s, &relay_cb, r);
            return;
        }
        sw_free(r);
    }
    refuse(s, &err);
}

void ca_on_join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__JoinRequest *req = NULL;
    struct ca *ca = arg;
    struct sw_err err;

    if (pb_unpack(&swarm__v1__join_request__descriptor, bytes, len, &req, &err) < 0)
        refuse(s, &err);
    else if (ca->o.is_leader(ca->o.arg))
        join(ca, s, req, sw_rpc_stream_peer(s)->address);
    else
        relay(ca, s, req);
}

void ca_on_join_forward(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__JoinForward *fwd = NULL;
    struct ca *ca = arg;
    struct sw_err err;

    if (pb_unpack(&swarm__v1__join_forward__descriptor, bytes, len, &fwd, &err) < 0) {
        refuse(s, &err);
    } else if (!ca->o.is_leader(ca->o.arg) || fwd->request == NULL) {
        (void)sw_err_set(&err, SW_E_NO_LEADER, "this manager does not lead");
        refuse(s, &err);
    } else {
        join(ca, s, fwd->request, fwd->peer_addr);
    }
}

/* ---- renewal --------------------------------------------------------------------------------- */

static int renew(struct ca *ca, struct grant *g, const Swarm__V1__RenewRequest *req,
                 struct sw_err *err)
{
    struct view_node *n = view_node_by_id(ca->o.view, g->node_id.b);
    Swarm__V1__Node *copy;
    enum sw_role role;
    struct txn *x;
    int r;

    if (n == NULL)
        return sw_err_set(err, SW_E_PERMISSION, "this node was removed from the swarm");
    role = n->n->role == SWARM__V1__NODE_ROLE__MANAGER ? SW_ROLE_MANAGER : SW_ROLE_WORKER;
    g->node_key = n->o->key;
    r = issue(ca, g, &req->request, role,
              (n->n->certificate != NULL ? n->n->certificate->serial : 0) + 1, err);
    if (r < 0)
        return r;
    x = txn_new(proposer_keys(ca->o.proposer), sw_now_ns(), proposer_random());
    copy = x != NULL ? txn_edit_node(x, n) : NULL;
    if (copy == NULL || record(copy, &g->cert) < 0) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "renew a certificate");
    }
    return proposer_propose_all(ca->o.proposer, x, on_granted, g, err);
}

void ca_on_renew(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__RenewRequest *req = NULL;
    struct ca *ca = arg;
    struct grant *g = sw_calloc(1, sizeof(*g));
    struct sw_err err;
    int r;

    if (g == NULL) {
        r = sw_err_set(&err, -ENOMEM, "renew a certificate");
    } else if (!ca->o.is_leader(ca->o.arg)) {
        r = sw_err_set(&err, SW_E_NO_LEADER, "this manager does not lead");
    } else {
        g->ca = ca;
        g->stream = s;
        g->node_id = sw_rpc_stream_peer(s)->node_id;
        r = pb_unpack(&swarm__v1__renew_request__descriptor, bytes, len, &req, &err);
        if (r == 0)
            r = renew(ca, g, req, &err);
    }
    if (r == 0) {
        sw_rpc_stream_set_cb(s, &grant_cb, g);
        return;
    }
    refuse(s, &err);
    sw_free(g);
}

/* ---- checks ---------------------------------------------------------------------------------- */

int ca_verify(const struct view *view, const struct sw_rpc_peer *peer, struct sw_err *err)
{
    const struct view_node *n;
    enum sw_role role;
    char id[SW_ID_CHARS + 1];

    if (peer->kind == SW_RPC_ANONYMOUS)
        return 0;
    sw_id_format(&peer->node_id, id);
    if (view_cluster(view) == NULL)
        return peer->role == SW_ROLE_MANAGER
                   ? 0
                   : sw_err_set(err, SW_E_UNAVAILABLE, "this manager is still joining");
    n = view_node_by_id(view, peer->node_id.b);
    if (n == NULL)
        return sw_err_set(err, SW_E_PERMISSION, "node %s is not a member of the swarm", id);
    if (n->n->certificate != NULL && peer->serial < n->n->certificate->min_serial)
        return sw_err_set(err, SW_E_PERMISSION, "the certificate of node %s was withdrawn", id);
    role = n->n->role == SWARM__V1__NODE_ROLE__MANAGER ? SW_ROLE_MANAGER : SW_ROLE_WORKER;
    if (peer->role == SW_ROLE_MANAGER && role != SW_ROLE_MANAGER)
        return sw_err_set(err, SW_E_PERMISSION, "node %s is no manager any more", id);
    return 0;
}

int ca_token(const struct view *view, enum sw_role role, char out[SW_TOKEN_CHARS + 1],
             struct sw_err *err)
{
    const Swarm__V1__Cluster *c = view_cluster(view);
    const ProtobufCBinaryData *secret;
    struct sw_token token;
    struct sw_root root;
    int r;

    if (c == NULL || c->root_ca == NULL)
        return sw_err_set(err, SW_E_UNAVAILABLE, "the cluster is not ready yet");
    r = sw_root_decode(&root, c->root_ca->root_record.data, c->root_ca->root_record.len, err);
    if (r < 0)
        return r;
    secret = role == SW_ROLE_MANAGER ? &c->root_ca->manager_token_secret
                                     : &c->root_ca->worker_token_secret;
    if (secret->len != SW_TOKEN_SECRET_BYTES)
        return sw_err_set(err, SW_E_CORRUPT, "the cluster's join token is damaged");
    memcpy(token.digest, root.digest, sizeof(token.digest));
    memcpy(token.secret, secret->data, sizeof(token.secret));
    sw_token_format(&token, out);
    sw_wipe(&token, sizeof(token));
    return 0;
}
