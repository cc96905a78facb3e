/* SPDX-License-Identifier: Apache-2.0
 * cert.h - the cluster's root and the certificates it gives to nodes.
 *
 * All structs here are flat values: copy them freely; only struct sw_root_key is secret (wipe it).
 * A certificate keeps the bytes it was decoded from, those are what its signature covers.
 * Times are nanoseconds since 1970 and always passed in: nothing here reads a clock. */
#ifndef SWARM_COMMON_CRYPTO_CERT_H
#define SWARM_COMMON_CRYPTO_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/secret.h"

#define SW_ROOT_RECORD_MAX  128
#define SW_CERT_MAX         384
#define SW_CERT_REQUEST_MAX 192
#define SW_ROOTS_MAX        4 /* trusted at the same time: two during a rotation */

#define SW_CERT_BACKDATE_NS (3600ll * SW_NS_PER_S)           /* forgives clocks that lag */
#define SW_CERT_EXPIRY_NS   (90ll * 24 * 3600 * SW_NS_PER_S) /* when the cluster says nothing */

enum sw_role { SW_ROLE_NONE = 0, SW_ROLE_WORKER = 1, SW_ROLE_MANAGER = 2 };
/** sw_role_name() - "worker", "manager" or "none"; static. */
const char *sw_role_name(enum sw_role role);

/* The public half of a root, as trusted by nodes and hashed into join tokens. */
struct sw_root {
    struct sw_id cluster_id;
    uint8_t public_key[SW_KEY_BYTES];
    int64_t created_ns;
    uint8_t digest[SW_SHA256_BYTES]; /* of the record: issuer id, digest in tokens */
    size_t record_len;
    uint8_t record[SW_ROOT_RECORD_MAX]; /* encoded RootRecord: store and send this */
};

struct sw_root_key {
    struct sw_root root;
    struct sw_sign_key key; /* key.secret is stored as RootCa.root_key (64 bytes) */
};

struct sw_cert {
    struct sw_id cluster_id;
    struct sw_id node_id;
    enum sw_role role;
    uint8_t public_key[SW_KEY_BYTES]; /* Ed25519 */
    uint8_t static_key[SW_KEY_BYTES]; /* X25519 */
    uint64_t serial;
    int64_t not_before_ns;
    int64_t not_after_ns;
    uint8_t issuer[SW_SHA256_BYTES]; /* sw_root.digest of the issuing root */
    size_t len;
    uint8_t bytes[SW_CERT_MAX]; /* encoded Cert: store and send this */
};

/** sw_root_key_make() - a new root for @cluster_id. Return: 0, -ENOMEM. */
int sw_root_key_make(struct sw_root_key *out, const struct sw_id *cluster_id, int64_t now_ns,
                     struct sw_err *err);
/** sw_root_key_load() - from what the store keeps: record and the 64-byte secret.
 * Return: 0; SW_E_CORRUPT when they do not belong together; -ENOMEM. */
int sw_root_key_load(struct sw_root_key *out, const void *record, size_t record_len,
                     const void *secret, size_t secret_len, struct sw_err *err);
/** sw_root_decode() - Return: 0; SW_E_CRYPTO when @bytes are no root record; -ENOMEM. */
int sw_root_decode(struct sw_root *out, const void *bytes, size_t len, struct sw_err *err);

/* What the CA decides about a new certificate. */
struct sw_cert_grant {
    struct sw_id node_id;
    enum sw_role role; /* worker or manager */
    uint64_t serial;
    int64_t now_ns;
    int64_t expiry_ns; /* validity counted from now; 0 = SW_CERT_EXPIRY_NS */
};

/* A request's content: only the keys are the node's to say. */
struct sw_cert_request {
    uint8_t public_key[SW_KEY_BYTES];
    uint8_t static_key[SW_KEY_BYTES];
};

/** sw_cert_request_make() - the node's wish, signed by its own key.
 * @out: at least SW_CERT_REQUEST_MAX bytes; @len: returned. Return: 0, -ENOMEM. */
int sw_cert_request_make(const struct sw_sign_key *sign, const struct sw_dh_key *dh, uint8_t *out,
                         size_t *len, struct sw_err *err);
/** sw_cert_request_decode() - Return: 0; SW_E_INVALID when malformed or not signed by the key it
 * asks a certificate for; -ENOMEM. */
int sw_cert_request_decode(struct sw_cert_request *out, const void *bytes, size_t len,
                           struct sw_err *err);

/** sw_cert_issue() - sign @req as @grant says; valid from one hour before now.
 * Return: 0; SW_E_INVALID for a grant that makes no sense; -ENOMEM. */
int sw_cert_issue(struct sw_cert *out, const struct sw_root_key *root,
                  const struct sw_cert_request *req, const struct sw_cert_grant *grant,
                  struct sw_err *err);
/** sw_cert_decode() - parse; says nothing about validity.
 * Return: 0; SW_E_CRYPTO when malformed; -ENOMEM. */
int sw_cert_decode(struct sw_cert *out, const void *bytes, size_t len, struct sw_err *err);

/**
 * sw_cert_verify() - is @cert good now, for this cluster, under one of these roots?
 * @roots: all that are trusted, @n of them, at least one, all of one cluster
 *
 * Return: 0, -ENOMEM, or SW_E_PERMISSION / SW_E_CRYPTO with one of these texts, in this order:
 *   "is of cluster A, this is cluster B"
 *   "was issued by an unknown root ..."
 *   "bad signature"                           SW_E_CRYPTO
 *   "is not yet valid: is the clock of this machine right? certificate valid from A to B, now C"
 *   "has expired: ..."                        likewise
 * each preceded by "certificate of node <id>".
 */
int sw_cert_verify(const struct sw_cert *cert, const struct sw_root *roots, size_t n,
                   int64_t now_ns, struct sw_err *err);

/** sw_cert_renew_at() - when to ask for the next one: at @random in [0,1) of the stretch between
 * 50 % and 80 % of the validity. Source: SwarmKit ca/renewer.go. */
int64_t sw_cert_renew_at(const struct sw_cert *cert, double random);

#endif
