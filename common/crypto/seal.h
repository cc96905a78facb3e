/* SPDX-License-Identifier: Apache-2.0
 * seal.h - encryption at rest: log entries, snapshots, wrapped keys.
 *
 * Entry:    "S" version pad 0 | key id u32 | nonce 24 | XChaCha20-Poly1305(plain + pad) | tag 16
 *           Always a multiple of 8 bytes long. Associated data: cluster id, header.
 * Snapshot: "Z" version 0 0 | key id u32 | secretstream header 24 | { u32 length | chunk }...
 *           Chunks of at most 64 KB; the last carries the final tag, so truncation is noticed.
 * Numbers are big-endian. Nonces are random, 24 bytes: no counter has to survive a crash. */
#ifndef SWARM_COMMON_CRYPTO_SEAL_H
#define SWARM_COMMON_CRYPTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/crypto/keys.h"

#define SW_SEAL_KEYS_MAX 8
#define SW_SEAL_OVERHEAD 48            /* header, nonce, tag; the padding comes on top */
#define SW_SEAL_CHUNK    (64u * 1024u) /* plain bytes of a snapshot chunk */

struct sw_seal_key { /* secret */
    uint32_t id;     /* never 0 */
    uint8_t key[SW_KEY_BYTES];
};

/* The data keys of one cluster: the newest seals, all open. Embed; wipe with sw_wipe(). */
struct sw_seal_ring {
    struct sw_id cluster_id;
    size_t n;
    struct sw_seal_key keys[SW_SEAL_KEYS_MAX]; /* oldest first */
};

void sw_seal_ring_init(struct sw_seal_ring *ring, const struct sw_id *cluster_id);
/** sw_seal_ring_add() - @key becomes the sealing key; one with the same id is replaced, the oldest
 * is dropped when there are SW_SEAL_KEYS_MAX. */
void sw_seal_ring_add(struct sw_seal_ring *ring, const struct sw_seal_key *key);
/** sw_seal_ring_rotate() - add a fresh key with the next id. */
void sw_seal_ring_rotate(struct sw_seal_ring *ring);
/** sw_seal_ring_retire() - forget every key but the sealing one (nothing older is left to open). */
void sw_seal_ring_retire(struct sw_seal_ring *ring);

/** sw_seal_size() - bytes sw_seal() writes for @n plain ones; a multiple of 8. */
size_t sw_seal_size(size_t n);
/** sw_seal() - @out: sw_seal_size(@n) bytes, not overlapping @plain. The ring must have a key. */
void sw_seal(const struct sw_seal_ring *ring, const void *plain, size_t n, uint8_t *out);
/**
 * sw_unseal() - the inverse
 * @out: at least @len bytes; @out_len: returned
 *
 * Return: 0; SW_E_CORRUPT when cut, altered or of another cluster; SW_E_NOT_FOUND when the key it
 * names is not in the ring.
 */
int sw_unseal(const struct sw_seal_ring *ring, const void *sealed, size_t len, uint8_t *out,
              size_t *out_len, struct sw_err *err);

struct sw_seal_writer; /* opaque, secret */

/** sw_seal_writer_new() - start a snapshot; its header is appended to @out. Return: 0, -ENOMEM. */
int sw_seal_writer_new(struct sw_seal_writer **w, const struct sw_seal_ring *ring,
                       struct sw_buf *out, struct sw_err *err);
/** sw_seal_writer_push() - append the sealed form of @n more bytes to @out.
 * @last: this is the end, also with @n == 0. Return: 0, -ENOMEM. */
int sw_seal_writer_push(struct sw_seal_writer *w, const void *plain, size_t n, bool last,
                        struct sw_buf *out, struct sw_err *err);
void sw_seal_writer_free(struct sw_seal_writer *w);
SW_DEFINE_CLEANUP(sw_seal_writer_free, struct sw_seal_writer *);

struct sw_seal_reader; /* opaque, secret */

/** sw_seal_reader_new() - @ring: borrowed until the header has been read. Return: 0, -ENOMEM. */
int sw_seal_reader_new(struct sw_seal_reader **r, const struct sw_seal_ring *ring,
                       struct sw_err *err);
/** sw_seal_reader_push() - any piece of the sealed bytes, in order; what it opens is appended to
 * @out. Return: 0; SW_E_CORRUPT; SW_E_NOT_FOUND (key); -ENOMEM. */
int sw_seal_reader_push(struct sw_seal_reader *r, const void *sealed, size_t n, struct sw_buf *out,
                        struct sw_err *err);
/** sw_seal_reader_finish() - nothing more comes. Return: 0; SW_E_CORRUPT when the end is missing.
 */
int sw_seal_reader_finish(struct sw_seal_reader *r, struct sw_err *err);
void sw_seal_reader_free(struct sw_seal_reader *r);
SW_DEFINE_CLEANUP(sw_seal_reader_free, struct sw_seal_reader *);

/**
 * sw_key_wrap() - seal a few secret bytes under one key, e.g. the ring under the unlock key
 * @purpose: domain string, must be the same to unwrap
 *
 * Return: 0 (appended to @out), -ENOMEM.
 */
int sw_key_wrap(const uint8_t kek[SW_KEY_BYTES], const char *purpose, const void *plain, size_t n,
                struct sw_buf *out, struct sw_err *err);
/** sw_key_unwrap() - appended to @out (secret: wipe). Return: 0; SW_E_PERMISSION "invalid key"
 * when @kek is not the one; SW_E_CORRUPT when malformed; -ENOMEM. */
int sw_key_unwrap(const uint8_t kek[SW_KEY_BYTES], const char *purpose, const void *wrapped,
                  size_t n, struct sw_buf *out, struct sw_err *err);

/** sw_seal_ring_encode() - keys as bytes (secret) for sw_key_wrap(). Return: 0, -ENOMEM. */
int sw_seal_ring_encode(const struct sw_seal_ring *ring, struct sw_buf *out, struct sw_err *err);
int sw_seal_ring_decode(struct sw_seal_ring *ring, const void *bytes, size_t n, struct sw_err *err);

#endif
