/* SPDX-License-Identifier: Apache-2.0
 * noise.h - the Noise protocol framework, revision 34, over X25519 and ChaCha20-Poly1305.
 *
 * A handshake is two or three messages that alternate between initiator and responder; afterwards
 * each direction has a cipher with a key and a counter. Rules: any failure ends the handshake (the
 * struct is then only good for sw_noise_fini), and a ciphertext is made once and never again - a
 * copied cipher would use a nonce twice.
 * Source: noiseprotocol.org/noise.html sections 5, 7, 9; patterns NN, NK, KK, XX, IK with pskN. */
#ifndef SWARM_COMMON_CRYPTO_NOISE_H
#define SWARM_COMMON_CRYPTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/crypto/keys.h"

#define SW_NOISE_XX       "Noise_XX_25519_ChaChaPoly_BLAKE2b"
#define SW_NOISE_TAG      16
#define SW_NOISE_HASH_MAX 64
#define SW_NOISE_MAX      65535 /* bytes of any message */
#define SW_NOISE_PSKS_MAX 2
#define SW_NOISE_OVERHEAD                                                                          \
    (2 * SW_KEY_BYTES + 2 * SW_NOISE_TAG) /* of a handshake message, at most */

struct sw_noise_cipher { /* secret */
    uint8_t key[SW_KEY_BYTES];
    uint64_t nonce;
    bool has_key;
};

/** sw_noise_seal() - @out: @n + SW_NOISE_TAG bytes, may be @plain itself.
 * Return: 0; SW_E_CRYPTO when the counter is used up (2^64 - 1). */
int sw_noise_seal(struct sw_noise_cipher *c, const void *plain, size_t n, uint8_t *out);
/** sw_noise_open() - @out: @n - SW_NOISE_TAG bytes, may be @sealed itself.
 * Return: 0; SW_E_CRYPTO when shorter than a tag, altered, or out of order. */
int sw_noise_open(struct sw_noise_cipher *c, const void *sealed, size_t n, uint8_t *out);
/** sw_noise_rekey() - the next key, by a one-way function of this one; the counter goes on. */
void sw_noise_rekey(struct sw_noise_cipher *c);

struct sw_noise_options {
    const char *protocol; /* "Noise_XX_25519_ChaChaPoly_BLAKE2b", ..._SHA256; copied */
    bool initiator;
    const void *prologue; /* both sides must have the same; not kept */
    size_t prologue_len;
    const struct sw_dh_key *s; /* our static key, NULL when the pattern has none; copied */
    const uint8_t *rs;         /* the peer's public key, when the pattern wants it known; copied */
    const struct sw_dh_key *e; /* tests only: a fixed ephemeral key; copied */
    const uint8_t (*psks)[SW_KEY_BYTES];
    size_t n_psks;
};

struct sw_noise { /* secret, private; embed and end with sw_noise_fini() */
    struct sw_noise_cipher cipher;
    uint8_t ck[SW_NOISE_HASH_MAX];
    uint8_t h[SW_NOISE_HASH_MAX];
    size_t hash_len;
    struct sw_dh_key s;
    struct sw_dh_key e;
    uint8_t rs[SW_KEY_BYTES];
    uint8_t re[SW_KEY_BYTES];
    uint8_t psks[SW_NOISE_PSKS_MAX][SW_KEY_BYTES];
    size_t next_psk;
    const char *const *pattern;    /* messages still to come */
    int psk_at[SW_NOISE_PSKS_MAX]; /* modifiers psk0..psk9; -1 = none */
    unsigned message;
    bool initiator;
    bool fixed_e;
    bool has_s;
    bool has_rs;
    bool failed;
};

/** sw_noise_init() - Return: 0; SW_E_INVALID for an unknown protocol or a missing key. */
int sw_noise_init(struct sw_noise *n, const struct sw_noise_options *opt, struct sw_err *err);
void sw_noise_fini(struct sw_noise *n); /* wipes */
/** sw_noise_is_our_turn() - must we write the next message? */
bool sw_noise_is_our_turn(const struct sw_noise *n);
bool sw_noise_is_done(const struct sw_noise *n);
/**
 * sw_noise_write() - the next message, carrying @payload
 * @out:     room for @len + SW_NOISE_OVERHEAD bytes
 * @out_len: returned
 *
 * Return: 0; SW_E_INVALID when longer than SW_NOISE_MAX; SW_E_CRYPTO for a bad key of the peer.
 */
int sw_noise_write(struct sw_noise *n, const void *payload, size_t len, uint8_t *out,
                   size_t *out_len, struct sw_err *err);
/**
 * sw_noise_read() - take the peer's next message
 * @out:     its payload; room for @len bytes
 * @out_len: returned
 *
 * Return: 0; SW_E_CRYPTO when cut or altered.
 */
int sw_noise_read(struct sw_noise *n, const void *msg, size_t len, uint8_t *out, size_t *out_len,
                  struct sw_err *err);
/** sw_noise_peer() - the peer's static public key, NULL while unknown. */
const uint8_t *sw_noise_peer(const struct sw_noise *n);
/** sw_noise_split() - once done: the ciphers of both directions. */
void sw_noise_split(const struct sw_noise *n, struct sw_noise_cipher *send,
                    struct sw_noise_cipher *recv);
/** sw_noise_hash() - handshake hash, to bind something to this very connection.
 * Return: its length, 32 or 64. */
size_t sw_noise_hash(const struct sw_noise *n, uint8_t out[SW_NOISE_HASH_MAX]);

#endif
