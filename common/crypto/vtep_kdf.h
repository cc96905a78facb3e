/* SPDX-License-Identifier: Apache-2.0
 * vtep_kdf.h - keys of the overlay's data plane, agreed without a handshake packet.
 *
 *   root   = BLAKE2b-256(key: epoch secret, "swarm-vtep-root" 0 | X25519(own, peer))
 *   path   = BLAKE2b-512(key: root, "swarm-vtep-1" 0 | source id | destination id |
 *            source start key | destination start key | epoch | worker | suite)
 *          = key 32 | salt 4 | index 4 | unused 24
 *   subkey = BLAKE2b-256(key: key, "swarm-vtep-sub" 0 | period)     period = counter >> 30
 *
 * Numbers little endian: epoch u64, worker u32, suite u32, period u64. A node that starts again has
 * a new start key, hence other keys: counters may begin at 0 without ever repeating a nonce. */
#ifndef SWARM_COMMON_CRYPTO_VTEP_KDF_H
#define SWARM_COMMON_CRYPTO_VTEP_KDF_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/id.h"
#include "common/crypto/keys.h"

#define SW_VTEP_PERIOD_BITS 30 /* packets under one subkey: 2^30, at most 2^37 cipher blocks */

struct sw_vtep_path { /* one direction between two nodes, one worker of the sender */
    struct sw_id src, dst;
    uint8_t src_key[SW_KEY_BYTES], dst_key[SW_KEY_BYTES]; /* public start keys */
    uint64_t epoch;
    uint32_t worker;
    uint32_t suite;
};

struct sw_vtep_secret { /* secret: wipe it */
    uint8_t key[SW_KEY_BYTES];
    uint8_t salt[4];
    uint32_t index; /* of the receiver's table; both ends compute it, nobody else can */
};

/** sw_vtep_root() - what both directions of a pair share in one epoch.
 * @root: returned, secret. Return: 0; SW_E_CRYPTO when @peer_key is of small order. */
int sw_vtep_root(const struct sw_dh_key *own, const uint8_t peer_key[SW_KEY_BYTES],
                 const uint8_t epoch_secret[SW_KEY_BYTES], uint8_t root[SW_KEY_BYTES],
                 struct sw_err *err);
void sw_vtep_derive(const uint8_t root[SW_KEY_BYTES], const struct sw_vtep_path *path,
                    struct sw_vtep_secret *out);
void sw_vtep_subkey(const uint8_t key[SW_KEY_BYTES], uint64_t period, uint8_t out[SW_KEY_BYTES]);

#endif
