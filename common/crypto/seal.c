/* SPDX-License-Identifier: Apache-2.0
 * Log entries and wrapped keys; snapshots are in sealstream.c, the ring in sealring.c. */
#include "common/crypto/seal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "common/crypto/sealfmt.h"
#include "common/crypto/secret.h"

#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

static_assert(SEAL_HEADER + NONCE + TAG == SW_SEAL_OVERHEAD, "header, nonce and tag");
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == SW_KEY_BYTES, "key");

struct ad { /* what an entry is bound to */
    uint8_t cluster_id[SW_ID_BYTES];
    uint8_t header[SEAL_HEADER];
};

static void make_ad(struct ad *ad, const struct sw_seal_ring *ring, const uint8_t *header)
{
    memcpy(ad->cluster_id, ring->cluster_id.b, SW_ID_BYTES);
    memcpy(ad->header, header, SEAL_HEADER);
}

size_t sw_seal_size(size_t n)
{
    return SW_SEAL_OVERHEAD + ((n + 7) & ~(size_t)7);
}

void sw_seal(const struct sw_seal_ring *ring, const void *plain, size_t n, uint8_t *out)
{
    const struct sw_seal_key *key;
    size_t padded = (n + 7) & ~(size_t)7;
    uint8_t *nonce = out + SEAL_HEADER;
    uint8_t *body = nonce + NONCE;
    struct ad ad;

    assert(ring->n > 0);
    key = &ring->keys[ring->n - 1];
    seal_header(out, 'S', (uint8_t)(padded - n), key->id);
    make_ad(&ad, ring, out);
    randombytes_buf(nonce, NONCE);
    /* In place, so that plain and padding are one piece. */
    if (n > 0)
        memcpy(body, plain, n);
    memset(body + n, 0, padded - n);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(body, NULL, body, padded, (uint8_t *)&ad,
                                                     sizeof(ad), NULL, nonce, key->key);
}

int sw_unseal(const struct sw_seal_ring *ring, const void *sealed, size_t len, uint8_t *out,
              size_t *out_len, struct sw_err *err)
{
    const uint8_t *in = sealed;
    const struct sw_seal_key *key;
    struct seal_header h;
    struct ad ad;

    if (len < SW_SEAL_OVERHEAD || len % 8 != 0 || !seal_header_parse(in, 'S', &h) || h.pad > 7 ||
        h.pad > len - SW_SEAL_OVERHEAD)
        return sw_err_set(err, SW_E_CORRUPT, "no sealed entry (%zu bytes)", len);
    key = sw_seal_ring_find(ring, h.key_id);
    if (key == NULL)
        return sw_err_set(err, SW_E_NOT_FOUND, "sealed with data key %u, which is not known here",
                          h.key_id);
    make_ad(&ad, ring, in);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in + SEAL_HEADER + NONCE,
                                                   len - SEAL_HEADER - NONCE, (uint8_t *)&ad,
                                                   sizeof(ad), in + SEAL_HEADER, key->key) != 0)
        return sw_err_set(err, SW_E_CORRUPT, "sealed entry of %zu bytes does not authenticate",
                          len);
    *out_len = len - SW_SEAL_OVERHEAD - h.pad;
    return 0;
}

/* Wrapped: 'W' version 0 0 | 0 u32 | nonce | sealed. The purpose is the associated data. */

int sw_key_wrap(const uint8_t kek[SW_KEY_BYTES], const char *purpose, const void *plain, size_t n,
                struct sw_buf *out, struct sw_err *err)
{
    size_t total = SEAL_HEADER + NONCE + n + TAG;
    uint8_t *at = sw_buf_reserve(out, total);

    if (at == NULL)
        return sw_err_set(err, -ENOMEM, "wrap a key");
    seal_header(at, 'W', 0, 0);
    randombytes_buf(at + SEAL_HEADER, NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(at + SEAL_HEADER + NONCE, NULL, plain, n,
                                                     (const uint8_t *)purpose, strlen(purpose),
                                                     NULL, at + SEAL_HEADER, kek);
    sw_buf_commit(out, total);
    return 0;
}

int sw_key_unwrap(const uint8_t kek[SW_KEY_BYTES], const char *purpose, const void *wrapped,
                  size_t n, struct sw_buf *out, struct sw_err *err)
{
    const uint8_t *in = wrapped;
    struct seal_header h;
    uint8_t *at;

    if (n < SEAL_HEADER + NONCE + TAG || !seal_header_parse(in, 'W', &h) || h.pad != 0 ||
        h.key_id != 0)
        return sw_err_set(err, SW_E_CORRUPT, "no wrapped key (%zu bytes)", n);
    at = sw_buf_reserve(out, n);
    if (at == NULL)
        return sw_err_set(err, -ENOMEM, "unwrap a key");
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            at, NULL, NULL, in + SEAL_HEADER + NONCE, n - SEAL_HEADER - NONCE,
            (const uint8_t *)purpose, strlen(purpose), in + SEAL_HEADER, kek) != 0)
        return sw_err_set(err, SW_E_PERMISSION, "invalid key");
    sw_buf_commit(out, n - SEAL_HEADER - NONCE - TAG);
    return 0;
}
