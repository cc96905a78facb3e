/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/aead.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "common/base/macro.h"
#include "common/crypto/aead_ipsecmb.h"
#include "common/crypto/secret.h"

static_assert(sizeof(crypto_aead_aes256gcm_state) <= SW_AEAD_STATE_BYTES, "libsodium's state");

/* ---------------------------------------------------------------------------------- libsodium */

static void sodium_gcm_expand(struct sw_aead_state *st, const uint8_t key[SW_AEAD_KEY_BYTES])
{
    crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)(void *)st->bytes, key);
}

static void sodium_gcm_seal(const struct sw_aead_state *st, const uint8_t *nonce,
                            const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n,
                            uint8_t *out)
{
    (void)crypto_aead_aes256gcm_encrypt_afternm(
        out, NULL, in, n, aad, aad_len, NULL, nonce,
        (const crypto_aead_aes256gcm_state *)(const void *)st->bytes);
}

static bool sodium_gcm_open(const struct sw_aead_state *st, const uint8_t *nonce,
                            const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n,
                            uint8_t *out)
{
    return crypto_aead_aes256gcm_decrypt_afternm(
               out, NULL, NULL, in, n, aad, aad_len, nonce,
               (const crypto_aead_aes256gcm_state *)(const void *)st->bytes) == 0;
}

static const struct sw_aead sodium_gcm = {
    .name = "aes-256-gcm libsodium",
    .suite = SW_AEAD_AES256_GCM,
    .expand = sodium_gcm_expand,
    .seal = sodium_gcm_seal,
    .open = sodium_gcm_open,
};

static void sodium_chacha_expand(struct sw_aead_state *st, const uint8_t key[SW_AEAD_KEY_BYTES])
{
    memcpy(st->bytes, key, SW_AEAD_KEY_BYTES);
}

static void sodium_chacha_seal(const struct sw_aead_state *st, const uint8_t *nonce,
                               const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n,
                               uint8_t *out)
{
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, n, aad, aad_len, NULL, nonce,
                                                    st->bytes);
}

static bool sodium_chacha_open(const struct sw_aead_state *st, const uint8_t *nonce,
                               const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n,
                               uint8_t *out)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, n, aad, aad_len, nonce,
                                                     st->bytes) == 0;
}

static const struct sw_aead sodium_chacha = {
    .name = "chacha20-poly1305 libsodium",
    .suite = SW_AEAD_CHACHA20_POLY1305,
    .expand = sodium_chacha_expand,
    .seal = sodium_chacha_seal,
    .open = sodium_chacha_open,
};

/* ------------------------------------------------------------------------------ known answers */

struct answer {
    enum sw_aead_suite suite;
    const char *key, *nonce, *aad, *plain, *sealed; /* hexadecimal */
};

static const struct answer answers[] = {
    /* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16. */
    { SW_AEAD_AES256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b" },
    /* The same, test case 13: nothing but the tag. */
    { SW_AEAD_AES256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
    /* RFC 8439 section 2.8.2. */
    { SW_AEAD_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
      "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
      "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
      "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
      "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
      "637265656e20776f756c642062652069742e",
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
      "3ff4def08e4b7a9de576d26586cec64b6116"
      "1ae10b594f09e26a7e902ecbd0600691" },
};

#define ANSWER_MAX 160

static size_t unhex(const char *s, uint8_t out[ANSWER_MAX])
{
    size_t n = 0;

    assert(strlen(s) <= 2 * (size_t)ANSWER_MAX);
    if (sodium_hex2bin(out, ANSWER_MAX, s, strlen(s), NULL, &n, NULL) != 0)
        return 0;
    return n;
}

static bool answer_is(const struct sw_aead *a, const struct answer *t)
{
    uint8_t key[ANSWER_MAX], nonce[ANSWER_MAX], aad[ANSWER_MAX];
    uint8_t plain[ANSWER_MAX], sealed[ANSWER_MAX], got[ANSWER_MAX];
    struct sw_aead_state st;
    size_t aad_len = unhex(t->aad, aad);
    size_t n = unhex(t->plain, plain);
    size_t n_sealed = unhex(t->sealed, sealed);

    if (unhex(t->key, key) != SW_AEAD_KEY_BYTES || unhex(t->nonce, nonce) != SW_AEAD_NONCE_BYTES ||
        n_sealed != n + SW_AEAD_TAG_BYTES)
        return false;

    a->expand(&st, key);
    a->seal(&st, nonce, aad, aad_len, plain, n, got);
    if (memcmp(got, sealed, n_sealed) != 0)
        return false;
    if (!a->open(&st, nonce, aad, aad_len, sealed, n_sealed, got) || memcmp(got, plain, n) != 0)
        return false;
    for (size_t i = 0; i < n_sealed; i++) { /* every byte counts, the last of the tag too */
        sealed[i] ^= 0x80;
        if (a->open(&st, nonce, aad, aad_len, sealed, n_sealed, got))
            return false;
        sealed[i] ^= 0x80;
    }
    if (aad_len > 0) {
        aad[aad_len - 1] ^= 1;
        if (a->open(&st, nonce, aad, aad_len, sealed, n_sealed, got))
            return false;
    }
    return true;
}

bool sw_aead_self_test(const struct sw_aead *a)
{
    bool any = false;

    for (size_t i = 0; i < SW_ARRAY_LEN(answers); i++) {
        if (answers[i].suite != a->suite)
            continue;
        if (!answer_is(a, &answers[i]))
            return false;
        any = true;
    }
    return any;
}

/* ------------------------------------------------------------------------------------- choice */

static struct {
    bool done;
    size_t n;
    const struct sw_aead *all[4]; /* best first within a suite */
    const struct sw_aead *gcm, *chacha;
} chosen;

static void collect(void)
{
    const struct sw_aead *mb = aead_ipsecmb_gcm();

    if (chosen.n > 0)
        return;
    if (mb != NULL)
        chosen.all[chosen.n++] = mb;
    if (crypto_aead_aes256gcm_is_available() != 0)
        chosen.all[chosen.n++] = &sodium_gcm;
    chosen.all[chosen.n++] = &sodium_chacha;
}

int sw_aead_init(struct sw_err *err)
{
    int r;

    if (chosen.done)
        return 0;
    r = sw_crypto_init(err);
    if (r < 0)
        return r;

    collect();
    for (size_t i = 0; i < chosen.n; i++) {
        const struct sw_aead *a = chosen.all[i];
        const struct sw_aead **slot = a->suite == SW_AEAD_AES256_GCM ? &chosen.gcm : &chosen.chacha;

        if (*slot == NULL && sw_aead_self_test(a))
            *slot = a;
    }
    if (chosen.gcm == NULL && chosen.chacha == NULL)
        return sw_err_set(err, SW_E_CRYPTO, "no packet cipher passes its self-test");
    chosen.done = true;
    return 0;
}

const struct sw_aead *sw_aead_provider(size_t i)
{
    collect();
    return i < chosen.n ? chosen.all[i] : NULL;
}

const struct sw_aead *sw_aead_get(enum sw_aead_suite suite)
{
    return suite == SW_AEAD_AES256_GCM ? chosen.gcm : chosen.chacha;
}

uint32_t sw_aead_suites(void)
{
    return (chosen.gcm != NULL ? (uint32_t)SW_AEAD_AES256_GCM : 0u) |
           (chosen.chacha != NULL ? (uint32_t)SW_AEAD_CHACHA20_POLY1305 : 0u);
}

const struct sw_aead *sw_aead_best(uint32_t ours, uint32_t theirs)
{
    uint32_t both = ours & theirs;

    if ((both & SW_AEAD_AES256_GCM) != 0)
        return chosen.gcm;
    return (both & SW_AEAD_CHACHA20_POLY1305) != 0 ? chosen.chacha : NULL;
}
