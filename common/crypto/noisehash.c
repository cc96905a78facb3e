/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/noisehash.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "common/crypto/secret.h"

union state {
    crypto_hash_sha256_state sha256;
    crypto_generichash_blake2b_state blake2b;
};

void sw_noise_digest(size_t hash_len, const struct noise_bytes *parts, size_t n, uint8_t *out)
{
    union state st;

    assert(hash_len == 32 || hash_len == 64);
    if (hash_len == 32)
        (void)crypto_hash_sha256_init(&st.sha256);
    else
        (void)crypto_generichash_blake2b_init(&st.blake2b, NULL, 0, 64);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n == 0)
            continue;
        if (hash_len == 32)
            (void)crypto_hash_sha256_update(&st.sha256, parts[i].p, parts[i].n);
        else
            (void)crypto_generichash_blake2b_update(&st.blake2b, parts[i].p, parts[i].n);
    }
    if (hash_len == 32)
        (void)crypto_hash_sha256_final(&st.sha256, out);
    else
        (void)crypto_generichash_blake2b_final(&st.blake2b, out, 64);
    sw_wipe(&st, sizeof(st));
}

/* RFC 2104; the key is always one hash long, hence shorter than a block. */
static void hmac(size_t hash_len, const uint8_t *key, const struct noise_bytes *a,
                 const struct noise_bytes *b, uint8_t *out)
{
    size_t block = hash_len * 2;
    uint8_t pad[128];
    uint8_t inner[64];

    memset(pad, 0x36, sizeof(pad));
    for (size_t i = 0; i < hash_len; i++)
        pad[i] ^= key[i];
    sw_noise_digest(hash_len, (const struct noise_bytes[]){ { pad, block }, *a, *b }, 3, inner);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sw_noise_digest(hash_len, (const struct noise_bytes[]){ { pad, block }, { inner, hash_len } },
                    2, out);
    sw_wipe(pad, sizeof(pad));
    sw_wipe(inner, sizeof(inner));
}

void sw_noise_hkdf(size_t hash_len, const uint8_t *ck, const uint8_t *ikm, size_t ikm_len,
                   uint8_t out[3][64])
{
    const struct noise_bytes none = { NULL, 0 };
    const struct noise_bytes in = { ikm, ikm_len };
    uint8_t temp[64];

    hmac(hash_len, ck, &in, &none, temp);
    for (uint8_t i = 1; i <= 3; i++) {
        const struct noise_bytes before = { i > 1 ? out[i - 2] : NULL, i > 1 ? hash_len : 0 };
        const struct noise_bytes counter = { &i, 1 };

        hmac(hash_len, temp, &before, &counter, out[i - 1]);
    }
    sw_wipe(temp, sizeof(temp));
}
