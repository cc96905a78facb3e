/* SPDX-License-Identifier: Apache-2.0
 * aead.h - packet encryption: two suites, each from the fastest library that passes its self-test.
 *
 *   AES-256-GCM        libipsec-mb (x86-64, when built with it), else libsodium with AES-NI
 *   ChaCha20-Poly1305  libsodium (RFC 8439), everywhere
 *
 * A provider is chosen once, by processor features *and* by known answers; one that fails its test
 * is never used. No cipher of our own lives here. Keys are expanded into caller-given memory so
 * that the caller decides where secrets lie. After sw_aead_init() everything is thread-safe. */
#ifndef SWARM_COMMON_CRYPTO_AEAD_H
#define SWARM_COMMON_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define SW_AEAD_KEY_BYTES   32
#define SW_AEAD_NONCE_BYTES 12
#define SW_AEAD_TAG_BYTES   16
#define SW_AEAD_STATE_BYTES 1024 /* an expanded key of any provider */
#define SW_AEAD_STATE_ALIGN 64

enum sw_aead_suite { /* bits of NodeDataKey.suites */
                     SW_AEAD_AES256_GCM = 1,
                     SW_AEAD_CHACHA20_POLY1305 = 2,
};

struct sw_aead_state { /* secret: wipe it */
    _Alignas(SW_AEAD_STATE_ALIGN) uint8_t bytes[SW_AEAD_STATE_BYTES];
};

struct sw_aead {
    const char *name; /* "aes-256-gcm ipsec-mb avx2" */
    enum sw_aead_suite suite;
    void (*expand)(struct sw_aead_state *st, const uint8_t key[SW_AEAD_KEY_BYTES]);
    /* @out: @n + SW_AEAD_TAG_BYTES bytes; may be @in itself, must not overlap it otherwise. */
    void (*seal)(const struct sw_aead_state *st, const uint8_t nonce[SW_AEAD_NONCE_BYTES],
                 const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n, uint8_t *out);
    /* @n counts the tag and is at least SW_AEAD_TAG_BYTES; @out takes @n - SW_AEAD_TAG_BYTES bytes
     * and holds nothing of use when the result is false. May be @in itself. */
    bool (*open)(const struct sw_aead_state *st, const uint8_t nonce[SW_AEAD_NONCE_BYTES],
                 const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n, uint8_t *out);
};

/**
 * sw_aead_init() - choose and test the providers; call once, before threads start
 *
 * Return: 0, also when called again; SW_E_CRYPTO when no suite passes its test.
 */
int sw_aead_init(struct sw_err *err);
/** sw_aead_get() - Return: the provider in use, static; NULL when this machine lacks the suite. */
const struct sw_aead *sw_aead_get(enum sw_aead_suite suite);
/** sw_aead_suites() - the suites this machine can do, as bits. */
uint32_t sw_aead_suites(void);
/** sw_aead_best() - of the suites both ends can do. Return: NULL when there is none. */
const struct sw_aead *sw_aead_best(uint32_t ours, uint32_t theirs);

/* Every provider this build has for this processor, tested or not, for tests and benchmarks. */
const struct sw_aead *sw_aead_provider(size_t i); /* NULL behind the last */
/** sw_aead_self_test() - known answers, and refusal of an altered tag. */
bool sw_aead_self_test(const struct sw_aead *a);

#endif
