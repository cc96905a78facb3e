/* SPDX-License-Identifier: Apache-2.0
 * keys.h - the two kinds of key pairs a node has. Ed25519 signs, X25519 agrees on handshake keys;
 * neither is ever derived from the other. Embed them; wipe with sw_wipe(). */
#ifndef SWARM_COMMON_CRYPTO_KEYS_H
#define SWARM_COMMON_CRYPTO_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define SW_KEY_BYTES       32 /* public keys, seeds, X25519 secrets, symmetric keys */
#define SW_SIGNATURE_BYTES 64

struct sw_sign_key { /* Ed25519 */
    uint8_t public_key[SW_KEY_BYTES];
    uint8_t secret[64]; /* seed and public key, as libsodium has it */
};

struct sw_dh_key { /* X25519 */
    uint8_t public_key[SW_KEY_BYTES];
    uint8_t secret[SW_KEY_BYTES];
};

void sw_sign_key_make(struct sw_sign_key *out);
void sw_sign_key_from_seed(struct sw_sign_key *out, const uint8_t seed[SW_KEY_BYTES]);
void sw_sign_key_seed(const struct sw_sign_key *k, uint8_t seed[SW_KEY_BYTES]);

/** sw_sign() - signature over @domain, its zero byte, and @n bytes of @msg.
 * @domain: names what is signed, so that no signature can be taken for one of another kind
 * Return: 0, -ENOMEM. */
int sw_sign(const struct sw_sign_key *k, const char *domain, const void *msg, size_t n,
            uint8_t out[SW_SIGNATURE_BYTES]);
/** sw_sign_verify() - is @sig that of @public_key over the same @domain and bytes?
 * Return: 0; SW_E_CRYPTO when it is not; -ENOMEM. */
int sw_sign_verify(const uint8_t public_key[SW_KEY_BYTES], const char *domain, const void *msg,
                   size_t n, const uint8_t sig[SW_SIGNATURE_BYTES]);

void sw_dh_key_make(struct sw_dh_key *out);
void sw_dh_key_from_secret(struct sw_dh_key *out, const uint8_t secret[SW_KEY_BYTES]);
/** sw_dh() - shared secret. Return: 0; SW_E_CRYPTO for a public key of small order. */
int sw_dh(const struct sw_dh_key *k, const uint8_t public_key[SW_KEY_BYTES],
          uint8_t out[SW_KEY_BYTES]);

struct sw_hkdf_input {
    const void *salt; /* may be NULL when salt_len is 0 */
    size_t salt_len;
    const void *ikm; /* the secret */
    size_t ikm_len;
    const void *info; /* domain string and whatever the key is bound to */
    size_t info_len;
};
/** sw_hkdf() - HKDF-SHA256 (RFC 5869), @out_len <= 255 * 32. */
void sw_hkdf(const struct sw_hkdf_input *in, uint8_t *out, size_t out_len);

#endif
