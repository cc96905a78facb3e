/* SPDX-License-Identifier: Apache-2.0
 * token.h - join tokens and unlock keys as people copy them.
 *
 * Token: SWMTKN-1-<50 digits of base 36: SHA-256 of the root record>-<25 digits: 16-byte secret>.
 * Unlock key: SWMKEY-1-<43 characters of unpadded base64: 32 bytes>. Both as in Docker. */
#ifndef SWARM_COMMON_CRYPTO_TOKEN_H
#define SWARM_COMMON_CRYPTO_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/crypto/cert.h"

#define SW_TOKEN_SECRET_BYTES 16
#define SW_TOKEN_CHARS        85
#define SW_UNLOCK_KEY_BYTES   32
#define SW_UNLOCK_KEY_CHARS   52

struct sw_token { /* secret: wipe it */
    uint8_t digest[SW_SHA256_BYTES];
    uint8_t secret[SW_TOKEN_SECRET_BYTES];
};

/** sw_token_secret_make() - a fresh secret. */
void sw_token_secret_make(uint8_t out[SW_TOKEN_SECRET_BYTES]);
void sw_token_format(const struct sw_token *token, char out[SW_TOKEN_CHARS + 1]);
/**
 * sw_token_parse() - read a token; surrounding white space is forgiven
 *
 * Return: 0; SW_E_INVALID with a text that says what is wrong (prefix, version, number of parts,
 * length, a character that does not belong) and never repeats the token itself.
 */
int sw_token_parse(const char *text, struct sw_token *out, struct sw_err *err);
/** sw_token_is_for() - does the token name this root? */
bool sw_token_is_for(const struct sw_token *token, const struct sw_root *root);
/** sw_token_secret_equal() - in constant time. */
bool sw_token_secret_equal(const uint8_t a[SW_TOKEN_SECRET_BYTES],
                           const uint8_t b[SW_TOKEN_SECRET_BYTES]);

/** sw_unlock_key_make() - 32 fresh bytes. */
void sw_unlock_key_make(uint8_t out[SW_UNLOCK_KEY_BYTES]);
void sw_unlock_key_format(const uint8_t key[SW_UNLOCK_KEY_BYTES],
                          char out[SW_UNLOCK_KEY_CHARS + 1]);
/** sw_unlock_key_parse() - Return: 0; SW_E_INVALID "invalid unlock key: ...". */
int sw_unlock_key_parse(const char *text, uint8_t out[SW_UNLOCK_KEY_BYTES], struct sw_err *err);

#endif
