/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/keys.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/crypto/secret.h"

static_assert(crypto_sign_PUBLICKEYBYTES == SW_KEY_BYTES, "Ed25519 public key");
static_assert(crypto_sign_SECRETKEYBYTES == sizeof(((struct sw_sign_key *)0)->secret), "secret");
static_assert(crypto_sign_BYTES == SW_SIGNATURE_BYTES, "signature");
static_assert(crypto_scalarmult_BYTES == SW_KEY_BYTES, "X25519");

void sw_sign_key_make(struct sw_sign_key *out)
{
    (void)crypto_sign_keypair(out->public_key, out->secret);
}

void sw_sign_key_from_seed(struct sw_sign_key *out, const uint8_t seed[SW_KEY_BYTES])
{
    (void)crypto_sign_seed_keypair(out->public_key, out->secret, seed);
}

void sw_sign_key_seed(const struct sw_sign_key *k, uint8_t seed[SW_KEY_BYTES])
{
    (void)crypto_sign_ed25519_sk_to_seed(seed, k->secret);
}

/* domain, its zero byte, the message: libsodium signs one piece of memory only. */
static uint8_t *with_domain(const char *domain, const void *msg, size_t n, size_t *total)
{
    size_t d = strlen(domain) + 1;
    uint8_t *m = sw_malloc(d + n);

    if (m == NULL)
        return NULL;
    memcpy(m, domain, d);
    if (n != 0)
        memcpy(m + d, msg, n);
    *total = d + n;
    return m;
}

int sw_sign(const struct sw_sign_key *k, const char *domain, const void *msg, size_t n,
            uint8_t out[SW_SIGNATURE_BYTES])
{
    size_t total;
    SW_CLEANUP(sw_free_ptr) uint8_t *m = with_domain(domain, msg, n, &total);

    if (m == NULL)
        return -ENOMEM;
    (void)crypto_sign_detached(out, NULL, m, total, k->secret);
    return 0;
}

int sw_sign_verify(const uint8_t public_key[SW_KEY_BYTES], const char *domain, const void *msg,
                   size_t n, const uint8_t sig[SW_SIGNATURE_BYTES])
{
    size_t total;
    SW_CLEANUP(sw_free_ptr) uint8_t *m = with_domain(domain, msg, n, &total);

    if (m == NULL)
        return -ENOMEM;
    return crypto_sign_verify_detached(sig, m, total, public_key) == 0 ? 0 : SW_E_CRYPTO;
}

void sw_dh_key_make(struct sw_dh_key *out)
{
    uint8_t secret[SW_KEY_BYTES];

    randombytes_buf(secret, sizeof(secret));
    sw_dh_key_from_secret(out, secret);
    sw_wipe(secret, sizeof(secret));
}

void sw_dh_key_from_secret(struct sw_dh_key *out, const uint8_t secret[SW_KEY_BYTES])
{
    memcpy(out->secret, secret, SW_KEY_BYTES);
    (void)crypto_scalarmult_base(out->public_key, out->secret);
}

int sw_dh(const struct sw_dh_key *k, const uint8_t public_key[SW_KEY_BYTES],
          uint8_t out[SW_KEY_BYTES])
{
    return crypto_scalarmult(out, k->secret, public_key) == 0 ? 0 : SW_E_CRYPTO;
}

void sw_hkdf(const struct sw_hkdf_input *in, uint8_t *out, size_t out_len)
{
    static const uint8_t zero_salt[32];
    crypto_auth_hmacsha256_state st;
    uint8_t prk[32];
    uint8_t t[32];
    size_t t_len = 0;

    assert(out_len <= sizeof(t) * 255);
    (void)crypto_auth_hmacsha256_init(&st, in->salt_len != 0 ? in->salt : zero_salt,
                                      in->salt_len != 0 ? in->salt_len : sizeof(zero_salt));
    (void)crypto_auth_hmacsha256_update(&st, in->ikm, in->ikm_len);
    (void)crypto_auth_hmacsha256_final(&st, prk);
    for (uint8_t counter = 1; out_len > 0; counter++) {
        size_t take = SW_MIN(out_len, sizeof(t));

        (void)crypto_auth_hmacsha256_init(&st, prk, sizeof(prk));
        (void)crypto_auth_hmacsha256_update(&st, t, t_len);
        (void)crypto_auth_hmacsha256_update(&st, in->info, in->info_len);
        (void)crypto_auth_hmacsha256_update(&st, &counter, 1);
        (void)crypto_auth_hmacsha256_final(&st, t);
        t_len = sizeof(t);
        memcpy(out, t, take);
        out += take;
        out_len -= take;
    }
    sw_wipe(&st, sizeof(st));
    sw_wipe(prk, sizeof(prk));
    sw_wipe(t, sizeof(t));
}
