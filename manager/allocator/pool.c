/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/allocator/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

bool addr_parse(const char *s, uint32_t *out)
{
    struct in_addr a;

    if (inet_pton(AF_INET, s, &a) != 1)
        return false;
    *out = ntohl(a.s_addr);
    return true;
}

void addr_format(uint32_t addr, char out[SUBNET_TEXT_MAX])
{
    (void)snprintf(out, SUBNET_TEXT_MAX, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
                   addr >> 8 & 255, addr & 255);
}

bool subnet_parse(const char *s, struct subnet *out)
{
    const char *slash = strchr(s, '/');
    char addr[16];
    char *end;
    unsigned long len;

    if (slash == NULL || (size_t)(slash - s) >= sizeof(addr))
        return false;
    memcpy(addr, s, (size_t)(slash - s));
    addr[slash - s] = '\0';
    len = strtoul(slash + 1, &end, 10);
    if (end == slash + 1 || *end != '\0' || len < 1 || len > 32 || !addr_parse(addr, &out->base))
        return false;
    out->len = (uint32_t)len;
    return (out->base & (uint32_t)((1ull << (32 - len)) - 1)) == 0;
}

void subnet_format(struct subnet s, char out[SUBNET_TEXT_MAX])
{
    char addr[SUBNET_TEXT_MAX];

    addr_format(s.base, addr);
    (void)snprintf(out, SUBNET_TEXT_MAX, "%.15s/%u", addr, s.len & 63);
}

int pool_init(struct pool *p, struct subnet net, struct subnet range)
{
    uint32_t size = subnet_size(net);

    memset(p, 0, sizeof(*p));
    p->bits = sw_calloc(size / 64 + 1, sizeof(*p->bits));
    if (p->bits == NULL)
        return -ENOMEM;
    p->net = net;
    p->range = range;
    p->room = subnet_size(range);
    pool_take(p, net.base);
    pool_take(p, net.base + size - 1);
    return 0;
}

void pool_fini(struct pool *p)
{
    sw_free(p->bits);
    memset(p, 0, sizeof(*p));
}

static bool bit(const struct pool *p, uint32_t i)
{
    return (p->bits[i / 64] >> (i % 64) & 1) != 0;
}

bool pool_taken(const struct pool *p, uint32_t addr)
{
    return p->bits == NULL || !subnet_has(p->net, addr) || bit(p, addr - p->net.base);
}

void pool_take(struct pool *p, uint32_t addr)
{
    uint32_t i = addr - p->net.base;

    if (pool_taken(p, addr))
        return;
    p->bits[i / 64] |= 1ull << (i % 64);
    p->room -= subnet_has(p->range, addr);
}

void pool_give(struct pool *p, uint32_t addr)
{
    uint32_t i = addr - p->net.base;

    if (p->bits == NULL || !subnet_has(p->net, addr) || !bit(p, i) || i == 0 ||
        i == subnet_size(p->net) - 1)
        return;
    p->bits[i / 64] &= ~(1ull << (i % 64));
    p->room += subnet_has(p->range, addr);
}

uint32_t pool_next(const struct pool *p, uint32_t from)
{
    uint32_t size = subnet_size(p->range);
    uint32_t first = subnet_has(p->range, from) ? from - p->range.base : 0;

    if (p->bits == NULL || p->room == 0)
        return 0;
    for (uint32_t k = 0; k < size; k++) {
        uint32_t addr = p->range.base + (first + k) % size;
        uint32_t i = addr - p->net.base;

        if (!bit(p, i))
            return addr;
        if (i % 64 == 0 && p->bits[i / 64] == UINT64_MAX && first + k + 64 <= size)
            k += 63; /* a full word at once */
    }
    return 0;
}
