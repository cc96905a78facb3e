/* SPDX-License-Identifier: Apache-2.0
 * entry.c - see entry.h. */
#include "manager/consensus/entry.h"

#include <string.h>

#include "common/base/map.h"

#define MAGIC 0x31454353u /* "SCE1" */

size_t cons_entry_size(size_t len, bool pad)
{
    size_t size = CONS_ENTRY_HEADER + len;

    return pad ? (size + 7) & ~(size_t)7 : size;
}

void cons_entry_write_header(uint8_t *p, size_t size, uint64_t index, uint64_t chain, size_t len)
{
    cons_put_u32(p, MAGIC);
    cons_put_u32(p + 4, (uint32_t)len);
    cons_put_u64(p + 8, index);
    cons_put_u64(p + 16, chain);
    memset(p + CONS_ENTRY_HEADER + len, 0, size - CONS_ENTRY_HEADER - len);
}

int cons_entry_decode(const void *p, size_t size, struct cons_entry *out, struct sw_err *err)
{
    const uint8_t *b = p;
    size_t len;

    if (size < CONS_ENTRY_HEADER || cons_get_u32(b) != MAGIC)
        return sw_err_set(err, SW_E_CORRUPT, "log entry of %zu bytes without our header", size);
    len = cons_get_u32(b + 4);
    if (len > size - CONS_ENTRY_HEADER || size - CONS_ENTRY_HEADER - len > 7)
        return sw_err_set(err, SW_E_CORRUPT, "log entry of %zu bytes claims %zu", size, len);
    out->index = cons_get_u64(b + 8);
    out->chain = cons_get_u64(b + 16);
    out->data = b + CONS_ENTRY_HEADER;
    out->len = len;
    return 0;
}

/* Eight bytes at a time; a checksum against loss and confusion, not against an attacker. */
uint64_t cons_chain_next(uint64_t prev, uint64_t index, const void *data, size_t len)
{
    const uint8_t *b = data;
    uint64_t h = sw_hash_u64(prev ^ sw_hash_u64(index) ^ len);
    uint8_t tail[8] = { 0 };

    for (; len >= 8; b += 8, len -= 8) {
        h = (h ^ cons_get_u64(b)) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 29;
    }
    memcpy(tail, b, len);
    return sw_hash_u64(h ^ cons_get_u64(tail));
}
