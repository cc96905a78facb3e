/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/vtep_kdf.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "common/crypto/secret.h"

struct hash {
    crypto_generichash_state st;
};

static void hash_init(struct hash *h, const uint8_t key[SW_KEY_BYTES], size_t out_len)
{
    int r = crypto_generichash_init(&h->st, key, SW_KEY_BYTES, out_len);

    assert(r == 0);
    (void)r;
}

static void hash_add(struct hash *h, const void *p, size_t n)
{
    (void)crypto_generichash_update(&h->st, p, n);
}

static void hash_add_le(struct hash *h, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    hash_add(h, b, n);
}

static void hash_final(struct hash *h, uint8_t *out, size_t n)
{
    (void)crypto_generichash_final(&h->st, out, n);
    sw_wipe(h, sizeof(*h));
}

int sw_vtep_root(const struct sw_dh_key *own, const uint8_t peer_key[SW_KEY_BYTES],
                 const uint8_t epoch_secret[SW_KEY_BYTES], uint8_t root[SW_KEY_BYTES],
                 struct sw_err *err)
{
    static const char label[] = "swarm-vtep-root";
    uint8_t shared[SW_KEY_BYTES];
    struct hash h;

    if (sw_dh(own, peer_key, shared) < 0)
        return sw_err_set(err, SW_E_CRYPTO, "start key of small order");
    hash_init(&h, epoch_secret, SW_KEY_BYTES);
    hash_add(&h, label, sizeof(label));
    hash_add(&h, shared, sizeof(shared));
    hash_final(&h, root, SW_KEY_BYTES);
    sw_wipe(shared, sizeof(shared));
    return 0;
}

void sw_vtep_derive(const uint8_t root[SW_KEY_BYTES], const struct sw_vtep_path *path,
                    struct sw_vtep_secret *out)
{
    static const char label[] = "swarm-vtep-1";
    uint8_t okm[64];
    struct hash h;

    hash_init(&h, root, sizeof(okm));
    hash_add(&h, label, sizeof(label));
    hash_add(&h, path->src.b, SW_ID_BYTES);
    hash_add(&h, path->dst.b, SW_ID_BYTES);
    hash_add(&h, path->src_key, SW_KEY_BYTES);
    hash_add(&h, path->dst_key, SW_KEY_BYTES);
    hash_add_le(&h, path->epoch, 8);
    hash_add_le(&h, path->worker, 4);
    hash_add_le(&h, path->suite, 4);
    hash_final(&h, okm, sizeof(okm));

    memcpy(out->key, okm, 32);
    memcpy(out->salt, okm + 32, 4);
    out->index = (uint32_t)okm[36] | (uint32_t)okm[37] << 8 | (uint32_t)okm[38] << 16 |
                 (uint32_t)okm[39] << 24;
    sw_wipe(okm, sizeof(okm));
}

void sw_vtep_subkey(const uint8_t key[SW_KEY_BYTES], uint64_t period, uint8_t out[SW_KEY_BYTES])
{
    static const char label[] = "swarm-vtep-sub";
    struct hash h;

    hash_init(&h, key, SW_KEY_BYTES);
    hash_add(&h, label, sizeof(label));
    hash_add_le(&h, period, 8);
    hash_final(&h, out, SW_KEY_BYTES);
}
