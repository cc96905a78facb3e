/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding: a Cert holds its body as bytes and those bytes are signed, so no two programs ever have
 * to agree on one encoding of the same fields. */
#include "common/crypto/cert.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/macro.h"
#include "common/crypto/certpb.h"
#include "common/crypto/secret.h"
#include "proto/pb.h"
#include "swarm/v1/identity.pb-c.h"

#define CERT_DOMAIN "swarm/v1 certificate"

const char *sw_role_name(enum sw_role role)
{
    switch (role) {
    case SW_ROLE_WORKER:
        return "worker";
    case SW_ROLE_MANAGER:
        return "manager";
    case SW_ROLE_NONE:
        break;
    }
    return "none";
}

bool sw_certpb_take(void *out, size_t n, const ProtobufCBinaryData *field)
{
    if (field->len != n)
        return false;
    memcpy(out, field->data, n);
    return true;
}

ProtobufCBinaryData sw_certpb_field(const void *p, size_t n)
{
    /* protobuf-c wants a mutable pointer and only reads when packing. */
    return (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)p };
}

size_t sw_certpb_pack(const void *msg, uint8_t *out, size_t room)
{
    size_t n = protobuf_c_message_get_packed_size(msg);

    assert(n <= room); /* every field has a fixed bound */
    return protobuf_c_message_pack(msg, out);
}

/* The body's fields into @out, whose bytes are set by the caller. */
static bool take_body(struct sw_cert *out, const Swarm__V1__CertBody *b)
{
    if (b->version != 1)
        return false;
    if (b->role != SWARM__V1__CERT_ROLE__CERT_WORKER &&
        b->role != SWARM__V1__CERT_ROLE__CERT_MANAGER)
        return false;
    out->role = b->role == SWARM__V1__CERT_ROLE__CERT_MANAGER ? SW_ROLE_MANAGER : SW_ROLE_WORKER;
    out->serial = b->serial;
    out->not_before_ns = (int64_t)b->not_before_ns;
    out->not_after_ns = (int64_t)b->not_after_ns;
    return sw_certpb_take(out->cluster_id.b, SW_ID_BYTES, &b->cluster_id) &&
           sw_certpb_take(out->node_id.b, SW_ID_BYTES, &b->node_id) &&
           sw_certpb_take(out->public_key, SW_KEY_BYTES, &b->public_key) &&
           sw_certpb_take(out->static_key, SW_KEY_BYTES, &b->static_key) &&
           sw_certpb_take(out->issuer, SW_SHA256_BYTES, &b->issuer);
}

static void take_cert(struct sw_cert *out, const Swarm__V1__Cert *c, bool *ok)
{
    Swarm__V1__CertBody *body;
    struct sw_err err;

    *ok = false;
    if (c->signature.len != SW_SIGNATURE_BYTES)
        return;
    if (pb_unpack(&swarm__v1__cert_body__descriptor, c->body.data, c->body.len, &body, &err) < 0)
        return;
    *ok = take_body(out, body);
    pb_free(body);
}

int sw_cert_decode(struct sw_cert *out, const void *bytes, size_t len, struct sw_err *err)
{
    Swarm__V1__Cert *c;
    struct sw_cert cert = { .len = len };
    bool ok;

    if (len > SW_CERT_MAX)
        return sw_err_set(err, SW_E_CRYPTO, "malformed certificate: %zu bytes", len);
    if (pb_unpack(&swarm__v1__cert__descriptor, bytes, len, &c, err) < 0)
        return sw_err_set(err, SW_E_CRYPTO, "malformed certificate");
    take_cert(&cert, c, &ok);
    pb_free(c);
    if (!ok)
        return sw_err_set(err, SW_E_CRYPTO, "malformed certificate");
    memcpy(cert.bytes, bytes, len);
    *out = cert;
    return 0;
}

static int check_grant(const struct sw_cert_grant *g, struct sw_err *err)
{
    if (g->role != SW_ROLE_WORKER && g->role != SW_ROLE_MANAGER)
        return sw_err_set(err, SW_E_INVALID, "a certificate needs a role");
    if (sw_id_is_zero(&g->node_id))
        return sw_err_set(err, SW_E_INVALID, "a certificate needs a node id");
    if (g->expiry_ns < 0 || g->now_ns <= SW_CERT_BACKDATE_NS ||
        g->now_ns > INT64_MAX - SW_MAX(g->expiry_ns, SW_CERT_EXPIRY_NS))
        return sw_err_set(err, SW_E_INVALID, "validity of %lld ns from %lld makes no sense",
                          (long long)g->expiry_ns, (long long)g->now_ns);
    return 0;
}

int sw_cert_issue(struct sw_cert *out, const struct sw_root_key *root,
                  const struct sw_cert_request *req, const struct sw_cert_grant *grant,
                  struct sw_err *err)
{
    Swarm__V1__CertBody body = SWARM__V1__CERT_BODY__INIT;
    Swarm__V1__Cert cert = SWARM__V1__CERT__INIT;
    uint8_t body_bytes[SW_CERT_MAX];
    uint8_t bytes[SW_CERT_MAX];
    uint8_t signature[SW_SIGNATURE_BYTES];
    int64_t expiry = grant->expiry_ns != 0 ? grant->expiry_ns : SW_CERT_EXPIRY_NS;
    int r = check_grant(grant, err);

    if (r < 0)
        return r;
    body.version = 1;
    body.cluster_id = sw_certpb_field(root->root.cluster_id.b, SW_ID_BYTES);
    body.node_id = sw_certpb_field(grant->node_id.b, SW_ID_BYTES);
    body.role = grant->role == SW_ROLE_MANAGER ? SWARM__V1__CERT_ROLE__CERT_MANAGER
                                               : SWARM__V1__CERT_ROLE__CERT_WORKER;
    body.public_key = sw_certpb_field(req->public_key, SW_KEY_BYTES);
    body.static_key = sw_certpb_field(req->static_key, SW_KEY_BYTES);
    body.serial = grant->serial;
    body.not_before_ns = (uint64_t)(grant->now_ns - SW_CERT_BACKDATE_NS);
    body.not_after_ns = (uint64_t)(grant->now_ns + expiry);
    body.issuer = sw_certpb_field(root->root.digest, SW_SHA256_BYTES);
    cert.body = sw_certpb_field(body_bytes, sw_certpb_pack(&body, body_bytes, sizeof(body_bytes)));
    r = sw_sign(&root->key, CERT_DOMAIN, cert.body.data, cert.body.len, signature);
    if (r < 0)
        return sw_err_set(err, r, "sign a certificate");
    cert.signature = sw_certpb_field(signature, sizeof(signature));
    return sw_cert_decode(out, bytes, sw_certpb_pack(&cert, bytes, sizeof(bytes)), err);
}

/* Only the two byte strings are looked at again: the fields were taken when it was decoded. */
static int check_signature(const struct sw_cert *cert, const struct sw_root *root)
{
    Swarm__V1__Cert *c;
    struct sw_err err;
    int r = pb_unpack(&swarm__v1__cert__descriptor, cert->bytes, cert->len, &c, &err);

    if (r < 0)
        return -ENOMEM; /* it could be decoded once */
    r = sw_sign_verify(root->public_key, CERT_DOMAIN, c->body.data, c->body.len, c->signature.data);
    pb_free(c);
    return r;
}

static int check_time(const struct sw_cert *cert, const char *node, int64_t now_ns,
                      struct sw_err *err)
{
    char from[SW_RFC3339_MAX];
    char to[SW_RFC3339_MAX];
    char now[SW_RFC3339_MAX];

    if (now_ns >= cert->not_before_ns && now_ns <= cert->not_after_ns)
        return 0;
    sw_rfc3339(cert->not_before_ns, from);
    sw_rfc3339(cert->not_after_ns, to);
    sw_rfc3339(now_ns, now);
    return sw_err_set(err, SW_E_PERMISSION,
                      "certificate of node %s %s: is the clock of this machine right? "
                      "certificate valid from %s to %s, now %s",
                      node, now_ns < cert->not_before_ns ? "is not yet valid" : "has expired", from,
                      to, now);
}

int sw_cert_verify(const struct sw_cert *cert, const struct sw_root *roots, size_t n,
                   int64_t now_ns, struct sw_err *err)
{
    char node[SW_ID_CHARS + 1];
    const struct sw_root *root = NULL;
    int r;

    assert(n > 0);
    sw_id_format(&cert->node_id, node);
    if (!sw_id_equal(&cert->cluster_id, &roots[0].cluster_id)) {
        char theirs[SW_ID_CHARS + 1];
        char ours[SW_ID_CHARS + 1];

        sw_id_format(&cert->cluster_id, theirs);
        sw_id_format(&roots[0].cluster_id, ours);
        return sw_err_set(err, SW_E_PERMISSION,
                          "certificate of node %s is of cluster %s, this is cluster %s", node,
                          theirs, ours);
    }
    for (size_t i = 0; i < n && root == NULL; i++)
        if (memcmp(roots[i].digest, cert->issuer, SW_SHA256_BYTES) == 0)
            root = &roots[i];
    if (root == NULL)
        return sw_err_set(err, SW_E_PERMISSION,
                          "certificate of node %s was issued by an unknown root: was the cluster's "
                          "root changed while this node was away?",
                          node);
    r = check_signature(cert, root);
    if (r == SW_E_CRYPTO)
        return sw_err_set(err, r, "certificate of node %s: bad signature", node);
    if (r < 0)
        return sw_err_set(err, r, "verify certificate of node %s", node);
    return check_time(cert, node, now_ns, err);
}

int64_t sw_cert_renew_at(const struct sw_cert *cert, double random)
{
    double life = (double)(cert->not_after_ns - cert->not_before_ns);

    return cert->not_before_ns + (int64_t)(life * (0.5 + 0.3 * random));
}
