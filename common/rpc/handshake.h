/* SPDX-License-Identifier: Apache-2.0
 * handshake.h - private to rpc: how two nodes learn who the other is. Pure: bytes in, bytes out.
 *
 *   dialer                                             server
 *   preamble, e                              ------->
 *                                            <-------  e, ee, s, es  { certificate, roots? }
 *   [checks the server; only then shows itself]
 *   s, se  { certificate, or nothing }       ------->  [checks the dialer]
 *
 * Noise_XX_25519_ChaChaPoly_BLAKE2b; the 24-byte preamble (magic, version, purpose, cluster id) is
 * its prologue, so nobody on the way can change it. Both certificates are hidden from listeners.
 * A joiner has no certificate and knows only the digest of the root: it takes the server's root
 * record, compares, and checks the server's certificate under it. Its own static key is made up. */
#ifndef SWARM_COMMON_RPC_HANDSHAKE_H
#define SWARM_COMMON_RPC_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/noise.h"
#include "common/rpc/channel.h"
#include "common/rpc/rpc.h"

#define HANDSHAKE_MAX_BYTES 4096u /* received in all, beyond that it is no handshake */
#define HANDSHAKE_PREAMBLE  24u

struct handshake_options {
    bool dialer;
    enum sw_rpc_purpose purpose;     /* dialer */
    struct sw_identity *identity;    /* a reference is taken; NULL for a joiner */
    const struct sw_token *token;    /* joiner; copied */
    const struct sw_id *expect_node; /* dialer, optional; copied */
    unsigned expect;                 /* dialer: kinds of server */
    bool allow_join;                 /* server */
    int64_t now_ns;
};

struct handshake; /* opaque, secret */

/** rpc_handshake_new() - Return: 0; SW_E_INVALID; -ENOMEM. */
int rpc_handshake_new(struct handshake **out, const struct handshake_options *opt,
                      struct sw_err *err);
void rpc_handshake_free(struct handshake *h); /* NULL is legal */
/** rpc_handshake_start() - dialer: its first record is appended to @out. Return: 0, -ENOMEM. */
int rpc_handshake_start(struct handshake *h, struct sw_buf *out, struct sw_err *err);

#define HANDSHAKE_DONE 1
/**
 * rpc_handshake_take() - the peer's next record; what we answer is appended to @out
 * Return: 0: go on; HANDSHAKE_DONE; SW_E_PROTOCOL, SW_E_CRYPTO, SW_E_PERMISSION, -ENOMEM.
 */
int rpc_handshake_take(struct handshake *h, const uint8_t *record, size_t len, struct sw_buf *out,
                       struct sw_err *err);
/** handshake_keyed() - server: message 3 could be read, so an error can be told in private. */
bool rpc_handshake_is_keyed(const struct handshake *h);
/** rpc_handshake_peer() - once done: who it is (address fields are not touched). */
void rpc_handshake_peer(const struct handshake *h, struct sw_rpc_peer *peer);
/** rpc_handshake_root() - joiner, once done: the root that matched the token. */
const struct sw_root *rpc_handshake_root(const struct handshake *h);
/** rpc_handshake_channel() - the ciphers; when keyed. */
void rpc_handshake_channel(const struct handshake *h, struct channel *c);

#endif
