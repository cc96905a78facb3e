/* SPDX-License-Identifier: Apache-2.0
 * pool.h - which addresses of one subnet are taken. IPv4 as a number: 10.0.0.1 = 0x0a000001. */
#ifndef SWARM_MANAGER_ALLOCATOR_POOL_H
#define SWARM_MANAGER_ALLOCATOR_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_LEN_MIN 8  /* a larger subnet is refused: its bitmap would be too large */
#define POOL_LEN_MAX 30 /* a smaller one has no room for a gateway and a task */

struct subnet {
    uint32_t base;
    uint32_t len; /* prefix length in bits */
};

static inline uint32_t subnet_size(struct subnet s)
{
    return 1u << (32 - s.len);
}
static inline bool subnet_has(struct subnet s, uint32_t addr)
{
    return addr - s.base < subnet_size(s);
}
static inline bool subnet_overlaps(struct subnet a, struct subnet b)
{
    return subnet_has(a, b.base) || subnet_has(b, a.base);
}

#define SUBNET_TEXT_MAX 24
/** subnet_parse() - "10.0.1.0/24"; host bits must be zero. Return: false when malformed. */
bool subnet_parse(const char *s, struct subnet *out);
bool addr_parse(const char *s, uint32_t *out);
void subnet_format(struct subnet s, char out[SUBNET_TEXT_MAX]);
void addr_format(uint32_t addr, char out[SUBNET_TEXT_MAX]);

struct pool {
    struct subnet net;
    struct subnet range; /* the part handed out; the whole net unless the user said otherwise */
    uint64_t *bits;
    uint32_t room; /* free addresses in @range */
};

/** pool_init() - all free but the network's own and the broadcast address. 0 or -ENOMEM. */
int pool_init(struct pool *p, struct subnet net, struct subnet range);
void pool_fini(struct pool *p);
bool pool_taken(const struct pool *p, uint32_t addr); /* true outside of the subnet */
void pool_take(struct pool *p, uint32_t addr);        /* twice is once */
void pool_give(struct pool *p, uint32_t addr);        /* likewise; never the two reserved ones */
/** pool_next() - the first free address at or behind @from, going round. Return: 0: none. */
uint32_t pool_next(const struct pool *p, uint32_t from);

#endif
