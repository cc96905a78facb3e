/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/secret.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

/* The length stands before the bytes, so that free knows what to wipe. */
struct header {
    _Alignas(16) size_t n;
};

int sw_crypto_init(struct sw_err *err)
{
    if (sodium_init() < 0)
        return sw_err_set(err, SW_E_INTERNAL, "the machine gives no random numbers");
    return 0;
}

void *sw_secret_alloc(size_t n)
{
    struct header *h;
    size_t total;

    if (__builtin_add_overflow(n, sizeof(*h), &total))
        return NULL;
    h = sw_calloc(1, total);
    if (h == NULL)
        return NULL;
    h->n = n;
    return h + 1;
}

void sw_secret_free(void *p)
{
    struct header *h;

    if (p == NULL)
        return;
    h = (struct header *)p - 1;
    sodium_memzero(h + 1, h->n);
    sw_free(h);
}

void sw_secret_free_ptr(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof(p));
    sw_secret_free(p);
}

void sw_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}

bool sw_secret_equal(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

void sw_secret_buf_fini(struct sw_buf *b)
{
    if (b->data != NULL)
        sodium_memzero(b->data, b->cap);
    sw_buf_fini(b);
}

void sw_sha256(const void *p, size_t n, uint8_t out[SW_SHA256_BYTES])
{
    (void)crypto_hash_sha256(out, p, n);
}

static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct sw_sha256), "state must fit");

void sw_sha256_init(struct sw_sha256 *s)
{
    (void)crypto_hash_sha256_init((crypto_hash_sha256_state *)(void *)s->state);
}

void sw_sha256_add(struct sw_sha256 *s, const void *p, size_t n)
{
    (void)crypto_hash_sha256_update((crypto_hash_sha256_state *)(void *)s->state, p, n);
}

void sw_sha256_final(struct sw_sha256 *s, uint8_t out[SW_SHA256_BYTES])
{
    (void)crypto_hash_sha256_final((crypto_hash_sha256_state *)(void *)s->state, out);
}
