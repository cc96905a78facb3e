/* SPDX-License-Identifier: Apache-2.0
 * sealfmt.h - private to seal*.c: the 8-byte header all sealed things begin with, and big-endian
 * numbers. */
#ifndef SWARM_COMMON_CRYPTO_SEALFMT_H
#define SWARM_COMMON_CRYPTO_SEALFMT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/crypto/seal.h"

#define SEAL_HEADER  8u
#define SEAL_VERSION 1

struct seal_header {
    uint8_t pad;
    uint32_t key_id;
};

static inline void seal_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline uint32_t seal_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void seal_header(uint8_t *out, char kind, uint8_t pad, uint32_t key_id)
{
    out[0] = (uint8_t)kind;
    out[1] = SEAL_VERSION;
    out[2] = pad;
    out[3] = 0;
    seal_put_u32(out + 4, key_id);
}

static inline bool seal_header_parse(const uint8_t *in, char kind, struct seal_header *h)
{
    h->pad = in[2];
    h->key_id = seal_get_u32(in + 4);
    return in[0] == (uint8_t)kind && in[1] == SEAL_VERSION && in[3] == 0;
}

/** sw_seal_ring_find() - NULL when the ring does not have it. */
const struct sw_seal_key *sw_seal_ring_find(const struct sw_seal_ring *ring, uint32_t id);

#endif
