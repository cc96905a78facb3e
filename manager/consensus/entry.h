/* SPDX-License-Identifier: Apache-2.0
 * entry.h - the bytes of a log entry as libraft stores them.
 *
 *   u32 magic | u32 length | u64 index | u64 chain | data[length] | zeros up to a multiple of 8
 *
 * Numbers are little-endian. `index` is the place in the log the entry was proposed for: an entry
 * that turns up elsewhere is a lost or doubled neighbour. `chain` hashes the entry together with
 * the chain of the command before it: two members with the same chain value have applied the same
 * commands. Padding is guard G8: libraft 0.15 loses other lengths at restart. */
#ifndef SWARM_MANAGER_CONSENSUS_ENTRY_H
#define SWARM_MANAGER_CONSENSUS_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define CONS_ENTRY_HEADER  24u
#define CONS_CHAIN_INITIAL 0x7377617263686e30ull /* of an empty log */

struct cons_entry {
    uint64_t index;
    uint64_t chain;
    const uint8_t *data; /* into the decoded bytes */
    size_t len;
};

/** cons_entry_size() - bytes of an entry that carries @len of data. @pad: G8 */
size_t cons_entry_size(size_t len, bool pad);

/** cons_entry_write_header() - write header and padding around data already at @p + header.
 * @size: of the whole entry, from cons_entry_size() */
void cons_entry_write_header(uint8_t *p, size_t size, uint64_t index, uint64_t chain, size_t len);

/** cons_entry_decode() - Return: 0; SW_E_CORRUPT. */
int cons_entry_decode(const void *p, size_t size, struct cons_entry *out, struct sw_err *err);

/** cons_chain_next() - the chain value of the entry at @index behind @prev. */
uint64_t cons_chain_next(uint64_t prev, uint64_t index, const void *data, size_t len);

static inline void cons_put_u32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void cons_put_u64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t cons_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t cons_get_u64(const uint8_t *p)
{
    return (uint64_t)cons_get_u32(p) | (uint64_t)cons_get_u32(p + 4) << 32;
}

#endif
