/* SPDX-License-Identifier: Apache-2.0
 * noisehash.h - private to noise.c: the two hash functions behind one length.
 *
 * A hash is named by its output: 32 is SHA-256 (block 64), 64 is BLAKE2b (block 128). */
#ifndef SWARM_COMMON_CRYPTO_NOISEHASH_H
#define SWARM_COMMON_CRYPTO_NOISEHASH_H

#include <stddef.h>
#include <stdint.h>

struct noise_bytes {
    const void *p;
    size_t n;
};

/** sw_noise_digest() - over @n pieces; @out may be one of them. */
void sw_noise_digest(size_t hash_len, const struct noise_bytes *parts, size_t n, uint8_t *out);
/** sw_noise_hkdf() - three outputs of @hash_len bytes each (Noise section 4.3); the first two are
 * the two-output form's. @ck: @hash_len bytes. */
void sw_noise_hkdf(size_t hash_len, const uint8_t *ck, const uint8_t *ikm, size_t ikm_len,
                   uint8_t out[3][64]);

#endif
