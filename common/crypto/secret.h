/* SPDX-License-Identifier: Apache-2.0
 * secret.h - memory that is wiped before it goes back, and comparisons that tell nothing by time.
 */
#ifndef SWARM_COMMON_CRYPTO_SECRET_H
#define SWARM_COMMON_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/**
 * sw_crypto_init() - prepare the library; call once at the start of main() and of each test
 *
 * Return: 0, also when called again; SW_E_INTERNAL when the machine has no random numbers.
 */
int sw_crypto_init(struct sw_err *err);

/** sw_secret_alloc() - @n zeroed bytes. Return: memory for sw_secret_free(), or NULL. */
void *sw_secret_alloc(size_t n);
/** sw_secret_free() - wipe and release; NULL is legal. */
void sw_secret_free(void *p);
void sw_secret_free_ptr(void *pp); /* SW_CLEANUP(sw_secret_free_ptr) uint8_t *key = NULL; */

/** sw_secret_buf_fini() - like sw_buf_fini(), wiping first. Growth copies: reserve before filling.
 */
void sw_secret_buf_fini(struct sw_buf *b);

/** sw_wipe() - zero @n bytes in a way the compiler keeps. */
void sw_wipe(void *p, size_t n);

/** sw_secret_equal() - compare in a time that depends on @n alone. */
bool sw_secret_equal(const void *a, const void *b, size_t n);

/** sw_sha256() - digest of @n bytes. */
#define SW_SHA256_BYTES 32
void sw_sha256(const void *p, size_t n, uint8_t out[SW_SHA256_BYTES]);

/** sw_sha256_* - the same over pieces. The state holds no secret of ours and is copied freely. */
struct sw_sha256 {
    _Alignas(16) uint8_t state[128];
};
void sw_sha256_init(struct sw_sha256 *s);
void sw_sha256_add(struct sw_sha256 *s, const void *p, size_t n);
void sw_sha256_final(struct sw_sha256 *s, uint8_t out[SW_SHA256_BYTES]);

#endif
