/* SPDX-License-Identifier: Apache-2.0
 * frames.h - inner frames for tests: built field by field, checksums computed the slow way. */
#ifndef SWARM_TESTS_NETD_FRAMES_H
#define SWARM_TESTS_NETD_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/netd/packet/frame.h"
#include "agent/netd/packet/wire.h"

#define ADDR_A 0x0a5a0001u /* 10.90.0.1 */
#define ADDR_B 0x0a5a0002u

struct flow {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint16_t id;
    uint8_t flags, ttl, tos;
    uint16_t window;
    int df;
    int timestamps; /* 12 bytes of TCP options */
    int v6;
};

static const struct flow flow_a = {
    ADDR_A, ADDR_B, 1111, 80, 1000, 77, 5, 0x10, 64, 0, 500, 1, 1, 0
};

static inline void put_eth(uint8_t *p, const struct flow *f)
{
    vtep_put_be16(p, 0x0242);
    vtep_put_be32(p + 2, f->dst);
    vtep_put_be16(p + 6, 0x0242);
    vtep_put_be32(p + 8, f->src);
    vtep_put_be16(p + 12, f->v6 ? VTEP_ETH_IPV6 : VTEP_ETH_IPV4);
}

/* Network header. Return: offset of the transport header. */
static inline size_t put_ip(uint8_t *p, const struct flow *f, uint8_t proto, size_t l4_len)
{
    uint8_t *ip = p + 14;

    if (f->v6) {
        memset(ip, 0, 40);
        ip[0] = 0x60;
        vtep_put_be16(ip + 4, (uint16_t)l4_len);
        ip[6] = proto;
        ip[7] = f->ttl;
        ip[8] = ip[24] = 0xfd;
        vtep_put_be32(ip + 20, f->src);
        vtep_put_be32(ip + 36, f->dst);
        return 54;
    }
    memset(ip, 0, 20);
    ip[0] = 0x45;
    ip[1] = f->tos;
    vtep_put_be16(ip + 2, (uint16_t)(20 + l4_len));
    vtep_put_be16(ip + 4, f->id);
    ip[6] = f->df ? 0x40 : 0;
    ip[8] = f->ttl;
    ip[9] = proto;
    vtep_put_be32(ip + 12, f->src);
    vtep_put_be32(ip + 16, f->dst);
    vtep_ip4_csum(ip);
    return 34;
}

/* One TCP frame with @n bytes of payload whose value is their position in the stream.
 * Return: its length. */
static inline size_t put_tcp(uint8_t *p, const struct flow *f, size_t n)
{
    size_t head = f->timestamps ? 32 : 20;
    size_t l4 = put_ip(p, f, VTEP_L4_TCP, head + n);
    uint8_t *t = p + l4;

    put_eth(p, f);
    memset(t, 0, head);
    vtep_put_be16(t, f->sport);
    vtep_put_be16(t + 2, f->dport);
    vtep_put_be32(t + 4, f->seq);
    vtep_put_be32(t + 8, f->ack);
    t[12] = (uint8_t)(head / 4 << 4);
    t[13] = f->flags;
    vtep_put_be16(t + 14, f->window);
    if (f->timestamps)
        memcpy(t + 20, "\1\1\10\12abcdefgh", 12);
    for (size_t i = 0; i < n; i++)
        t[head + i] = (uint8_t)((f->seq + i) * 31);
    return l4 + head + n;
}

static inline size_t put_udp(uint8_t *p, const struct flow *f, size_t n)
{
    size_t l4 = put_ip(p, f, VTEP_L4_UDP, 8 + n);
    uint8_t *u = p + l4;

    put_eth(p, f);
    vtep_put_be16(u, f->sport);
    vtep_put_be16(u + 2, f->dport);
    vtep_put_be16(u + 4, (uint16_t)(8 + n));
    vtep_put_be16(u + 6, 0);
    for (size_t i = 0; i < n; i++)
        u[8 + i] = (uint8_t)((f->id + i) * 31);
    return l4 + 8 + n;
}

#endif
