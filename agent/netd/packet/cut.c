/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/cut.h"

#include <string.h>

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

static size_t csum_at(const struct vtep_frame *f)
{
    return f->l4 + (f->proto == VTEP_L4_TCP ? 16u : 6u);
}

/* A frame that is one packet: leave the checksum open when the receiver can find its place. */
static bool start_single(struct vtep_cut *c, const struct vtep_vnet *v)
{
    size_t from = v->csum_start;
    size_t at = from + v->csum_offset;
    uint16_t sum;

    if ((v->flags & VTEP_VNET_NEEDS_CSUM) == 0)
        return true;
    if (from < VTEP_ETH || from >= c->n || at + 2 > c->n)
        return false;
    if (c->f.proto != 0 && from == c->f.l4 && at == csum_at(&c->f)) {
        c->partial = true;
        vtep_put_be16(c->frame + at, 0);
        return true;
    }
    sum = (uint16_t)~vtep_csum_fold(vtep_csum_add(0, c->frame + from, c->n - from));
    vtep_put_be16(c->frame + at, sum != 0 ? sum : 0xffff); /* 0 means "none" in UDP */
    return true;
}

bool vtep_cut_start(struct vtep_cut *c, const struct vtep_vnet *v, uint8_t *frame, size_t n)
{
    uint8_t type = v->gso_type & (uint8_t)~VTEP_GSO_ECN;
    uint8_t proto = type == VTEP_GSO_UDP_L4 ? VTEP_L4_UDP : VTEP_L4_TCP;

    c->frame = frame;
    c->n = n;
    c->at = 0;
    c->done = false;
    c->partial = false;
    if (n > VTEP_FRAME_MAX || !vtep_frame_parse(frame, n, &c->f))
        return false;
    if (type == VTEP_GSO_NONE)
        return start_single(c, v);

    if ((type != VTEP_GSO_TCPV4 && type != VTEP_GSO_TCPV6 && type != VTEP_GSO_UDP_L4) ||
        c->f.proto != proto || v->gso_size == 0 || n <= c->f.payload ||
        (v->flags & VTEP_VNET_NEEDS_CSUM) == 0)
        return false;
    if (type != VTEP_GSO_UDP_L4 && c->f.v6 != (type == VTEP_GSO_TCPV6))
        return false;

    c->partial = true;
    c->mss = v->gso_size;
    c->at = c->f.payload;
    memcpy(c->head, frame, c->f.payload);
    vtep_put_be16(c->head + csum_at(&c->f), 0);
    if (proto == VTEP_L4_TCP) {
        c->seq = vtep_be32(c->head + c->f.l4 + 4);
        c->tcp_flags = c->head[c->f.l4 + 13];
    }
    if (!c->f.v6)
        c->id = vtep_be16(c->head + c->f.l3 + 4);
    return true;
}

static void head_finish(struct vtep_cut *c, uint8_t *p, size_t payload, bool first, bool last)
{
    uint8_t *ip = p + c->f.l3;
    uint8_t *l4 = p + c->f.l4;
    size_t l4_len = c->f.payload - c->f.l4 + payload;

    if (c->f.v6) {
        vtep_put_be16(ip + 4, (uint16_t)(c->f.l4 - c->f.l3 - 40u + l4_len));
    } else {
        vtep_put_be16(ip + 2, (uint16_t)(c->f.l4 - c->f.l3 + l4_len));
        vtep_put_be16(ip + 4, c->id++);
        vtep_ip4_csum(ip);
    }
    if (c->f.proto == VTEP_L4_UDP) {
        vtep_put_be16(l4 + 4, (uint16_t)l4_len);
        return;
    }
    vtep_put_be32(l4 + 4, c->seq);
    c->seq += (uint32_t)payload;
    l4[13] = c->tcp_flags;
    if (!first)
        l4[13] &= (uint8_t)~TCP_CWR;
    if (!last)
        l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

bool vtep_cut_next(struct vtep_cut *c, uint8_t **pkt, size_t *len)
{
    size_t payload;
    uint8_t *p;

    if (c->done)
        return false;
    if (c->at == 0) {
        c->done = true;
        *pkt = c->frame;
        *len = c->n;
        return true;
    }
    payload = c->n - c->at < c->mss ? c->n - c->at : c->mss;
    p = c->frame + c->at - c->f.payload;
    c->done = c->at + payload == c->n;
    memcpy(p, c->head, c->f.payload);
    head_finish(c, p, payload, c->at == c->f.payload, c->done);
    c->at += payload;
    *pkt = p;
    *len = c->f.payload + payload;
    return true;
}
