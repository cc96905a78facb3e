/* SPDX-License-Identifier: Apache-2.0
 * Roots and certificate requests; the other half of cert.h. */
#include "common/crypto/cert.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/crypto/certpb.h"
#include "common/crypto/secret.h"
#include "proto/pb.h"
#include "swarm/v1/identity.pb-c.h"

#define REQUEST_DOMAIN "swarm/v1 certificate request"

static bool take_root(struct sw_root *out, const Swarm__V1__RootRecord *r)
{
    out->created_ns = (int64_t)r->created_ns;
    return r->version == 1 && sw_certpb_take(out->cluster_id.b, SW_ID_BYTES, &r->cluster_id) &&
           sw_certpb_take(out->public_key, SW_KEY_BYTES, &r->public_key);
}

int sw_root_decode(struct sw_root *out, const void *bytes, size_t len, struct sw_err *err)
{
    Swarm__V1__RootRecord *record;
    struct sw_root root = { .record_len = len };
    bool ok;

    if (len > SW_ROOT_RECORD_MAX)
        return sw_err_set(err, SW_E_CRYPTO, "malformed root record: %zu bytes", len);
    if (pb_unpack(&swarm__v1__root_record__descriptor, bytes, len, &record, err) < 0)
        return sw_err_set(err, SW_E_CRYPTO, "malformed root record");
    ok = take_root(&root, record);
    pb_free(record);
    if (!ok)
        return sw_err_set(err, SW_E_CRYPTO, "malformed root record");
    if (len > 0)
        memcpy(root.record, bytes, len);
    sw_sha256(root.record, len, root.digest);
    *out = root;
    return 0;
}

int sw_root_key_make(struct sw_root_key *out, const struct sw_id *cluster_id, int64_t now_ns,
                     struct sw_err *err)
{
    Swarm__V1__RootRecord record = SWARM__V1__ROOT_RECORD__INIT;
    uint8_t bytes[SW_ROOT_RECORD_MAX];
    struct sw_root_key key;
    int r;

    sw_sign_key_make(&key.key);
    record.version = 1;
    record.cluster_id = sw_certpb_field(cluster_id->b, SW_ID_BYTES);
    record.public_key = sw_certpb_field(key.key.public_key, SW_KEY_BYTES);
    record.created_ns = (uint64_t)now_ns;
    r = sw_root_decode(&key.root, bytes, sw_certpb_pack(&record, bytes, sizeof(bytes)), err);
    if (r == 0)
        *out = key;
    sw_wipe(&key, sizeof(key));
    return r;
}

int sw_root_key_load(struct sw_root_key *out, const void *record, size_t record_len,
                     const void *secret, size_t secret_len, struct sw_err *err)
{
    struct sw_root_key key;
    uint8_t seed[SW_KEY_BYTES];
    bool matches;

    if (sw_root_decode(&key.root, record, record_len, err) < 0)
        return sw_err_set(err, SW_E_CORRUPT, "the stored root record does not check out");
    if (secret_len != sizeof(key.key.secret))
        return sw_err_set(err, SW_E_CORRUPT, "the stored root key has %zu bytes", secret_len);
    memcpy(seed, secret, sizeof(seed)); /* the secret begins with its seed */
    sw_sign_key_from_seed(&key.key, seed);
    matches = memcmp(key.key.public_key, key.root.public_key, SW_KEY_BYTES) == 0;
    if (matches)
        *out = key;
    sw_wipe(&key, sizeof(key));
    sw_wipe(seed, sizeof(seed));
    if (!matches)
        return sw_err_set(err, SW_E_CORRUPT, "the stored root key is not that of the root record");
    return 0;
}

int sw_cert_request_make(const struct sw_sign_key *sign, const struct sw_dh_key *dh, uint8_t *out,
                         size_t *len, struct sw_err *err)
{
    Swarm__V1__CertRequestBody body = SWARM__V1__CERT_REQUEST_BODY__INIT;
    Swarm__V1__CertRequest req = SWARM__V1__CERT_REQUEST__INIT;
    uint8_t body_bytes[SW_CERT_REQUEST_MAX];
    uint8_t signature[SW_SIGNATURE_BYTES];
    int r;

    body.public_key = sw_certpb_field(sign->public_key, SW_KEY_BYTES);
    body.static_key = sw_certpb_field(dh->public_key, SW_KEY_BYTES);
    req.body = sw_certpb_field(body_bytes, sw_certpb_pack(&body, body_bytes, sizeof(body_bytes)));
    r = sw_sign(sign, REQUEST_DOMAIN, req.body.data, req.body.len, signature);
    if (r < 0)
        return sw_err_set(err, r, "sign a certificate request");
    req.signature = sw_certpb_field(signature, sizeof(signature));
    *len = sw_certpb_pack(&req, out, SW_CERT_REQUEST_MAX);
    return 0;
}

static int take_request(struct sw_cert_request *out, const Swarm__V1__CertRequest *req)
{
    Swarm__V1__CertRequestBody *body;
    struct sw_err err;
    bool ok;

    if (req->signature.len != SW_SIGNATURE_BYTES ||
        pb_unpack(&swarm__v1__cert_request_body__descriptor, req->body.data, req->body.len, &body,
                  &err) < 0)
        return SW_E_INVALID;
    ok = sw_certpb_take(out->public_key, SW_KEY_BYTES, &body->public_key) &&
         sw_certpb_take(out->static_key, SW_KEY_BYTES, &body->static_key);
    pb_free(body);
    if (!ok)
        return SW_E_INVALID;
    return sw_sign_verify(out->public_key, REQUEST_DOMAIN, req->body.data, req->body.len,
                          req->signature.data);
}

int sw_cert_request_decode(struct sw_cert_request *out, const void *bytes, size_t len,
                           struct sw_err *err)
{
    Swarm__V1__CertRequest *req;
    struct sw_cert_request got;
    int r;

    if (len > SW_CERT_REQUEST_MAX ||
        pb_unpack(&swarm__v1__cert_request__descriptor, bytes, len, &req, err) < 0)
        return sw_err_set(err, SW_E_INVALID, "malformed certificate request");
    r = take_request(&got, req);
    pb_free(req);
    if (r == SW_E_CRYPTO)
        return sw_err_set(err, SW_E_INVALID,
                          "certificate request is not signed by the key it is for");
    if (r < 0)
        return sw_err_set(err, r, "malformed certificate request");
    *out = got;
    return 0;
}
