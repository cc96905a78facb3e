/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/merge.h"

#include <assert.h>
#include <string.h>

#define HEADROOM 64u /* virtio header and VXLAN header of the first frame */

#define TCP_FIN   0x01u
#define TCP_PSH   0x08u
#define TCP_ACK   0x10u
#define TCP_ECE   0x40u
#define TCP_CWR   0x80u
#define TCP_PLAIN (TCP_FIN | TCP_PSH | TCP_ACK | TCP_ECE | TCP_CWR)

static_assert(HEADROOM >= VTEP_VNET_LEN + VTEP_VXLAN, "headers fit before the frame");
static_assert(sizeof(struct vtep_vnet) == VTEP_VNET_LEN, "no padding in the virtio header");

void vtep_merge_init(struct vtep_merge *m, uint8_t *buf)
{
    memset(m, 0, sizeof(*m));
    m->buf = buf;
    m->start = HEADROOM;
}

uint8_t *vtep_merge_dst(struct vtep_merge *m)
{
    size_t head = m->f.payload + (size_t)VTEP_VXLAN;

    m->saved = 0;
    if (m->len == 0) {
        m->start = HEADROOM;
        m->dst = m->buf + HEADROOM - VTEP_VXLAN;
        return m->dst;
    }
    if (m->start > VTEP_FRAME_MAX) {
        memmove(m->buf + HEADROOM, m->buf + m->start, m->len);
        m->start = HEADROOM;
    }
    m->dst = m->buf + m->start + m->len - head;
    m->saved = head;
    memcpy(m->save, m->dst, head);
    return m->dst;
}

void vtep_merge_cancel(struct vtep_merge *m)
{
    memcpy(m->dst, m->save, m->saved);
    m->saved = 0;
}

/* ------------------------------------------------------------------------------------- emitting */

static void emit_partial(struct vtep_merge *m, uint8_t *p, struct vtep_vnet *v)
{
    size_t l4_len = m->len - m->f.l4;
    uint16_t at = m->f.proto == VTEP_L4_TCP ? 16 : 6;

    v->flags = VTEP_VNET_NEEDS_CSUM;
    v->csum_start = m->f.l4;
    v->csum_offset = at;
    if (m->segs > 1) {
        uint8_t *ip = p + m->f.l3;

        v->gso_size = (uint16_t)m->mss;
        v->hdr_len = m->f.payload;
        v->gso_type = m->f.v6 ? VTEP_GSO_TCPV6 : VTEP_GSO_TCPV4;
        if (m->f.proto == VTEP_L4_UDP) {
            v->gso_type = VTEP_GSO_UDP_L4;
            vtep_put_be16(p + m->f.l4 + 4, (uint16_t)l4_len);
        } else if ((p[m->f.l4 + 13] & TCP_CWR) != 0) {
            v->gso_type |= VTEP_GSO_ECN;
        }
        if (m->f.v6) {
            vtep_put_be16(ip + 4, (uint16_t)(m->len - m->f.l3 - 40));
        } else {
            vtep_put_be16(ip + 2, (uint16_t)(m->len - m->f.l3));
            vtep_ip4_csum(ip);
        }
    }
    vtep_put_be16(p + m->f.l4 + at, vtep_pseudo_sum(p, &m->f, l4_len));
}

void vtep_merge_flush(struct vtep_merge *m)
{
    uint8_t *p = m->buf + m->start;
    struct vtep_vnet v = { 0 };

    if (m->len == 0)
        return;
    if (m->partial)
        emit_partial(m, p, &v);
    memcpy(p - VTEP_VNET_LEN, &v, VTEP_VNET_LEN);
    m->emit(m->ctx, m->slot, p - VTEP_VNET_LEN, m->len + VTEP_VNET_LEN);
    m->len = 0;
}

/* ------------------------------------------------------------------------------------- merging */

/* Length by the IP header; padded frames are not merged. */
static bool exact(const uint8_t *p, const struct vtep_frame *f, size_t n)
{
    if (f->v6)
        return vtep_be16(p + f->l3 + 4) + 40u == n - f->l3;
    return vtep_be16(p + f->l3 + 2) == n - f->l3;
}

/* May anything follow this first packet? */
static bool can_grow(const struct vtep_merge *m, const uint8_t *p, size_t n)
{
    const struct vtep_frame *f = &m->f;

    if (!m->partial || n <= f->payload || !exact(p, f, n) || f->payload > VTEP_HEAD_MAX)
        return false;
    if (f->proto == VTEP_L4_TCP)
        return (p[f->l4 + 13] & ~(TCP_ACK | TCP_ECE | TCP_CWR)) == 0;
    return m->uso && (f->v6 || (p[f->l3 + 6] & 0x40) != 0);
}

static bool same_l2_l3(const struct vtep_merge *m, const uint8_t *p)
{
    const uint8_t *a = m->head + m->f.l3;
    const uint8_t *b = p + m->f.l3;

    if (memcmp(m->head, p, m->f.l3) != 0)
        return false;
    if (m->f.v6) /* class, flow label, next header, hop limit, addresses */
        return memcmp(a, b, 4) == 0 && memcmp(a + 6, b + 6, 34) == 0;
    if ((b[6] & 0x40) == 0 && vtep_be16(b + 4) != m->next_id) /* RFC 6864: DF makes it void */
        return false;
    /* version, TOS; fragment bits, TTL, protocol; addresses, options */
    return memcmp(a, b, 2) == 0 && memcmp(a + 6, b + 6, 4) == 0 &&
           memcmp(a + 12, b + 12, (size_t)m->f.l4 - m->f.l3 - 12) == 0;
}

static bool same_l4(const struct vtep_merge *m, const uint8_t *p)
{
    const uint8_t *a = m->head + m->f.l4;
    const uint8_t *b = p + m->f.l4;

    if (m->f.proto == VTEP_L4_UDP)
        return memcmp(a, b, 4) == 0;
    /* ports; acknowledgement, offset; flags; window; options */
    return memcmp(a, b, 4) == 0 && vtep_be32(b + 4) == m->next_seq &&
           memcmp(a + 8, b + 8, 5) == 0 &&
           ((a[13] ^ b[13]) & ~(TCP_PSH | TCP_FIN | TCP_CWR)) == 0 && (b[13] & TCP_CWR) == 0 &&
           (b[13] & ~TCP_PLAIN) == 0 && memcmp(a + 14, b + 14, 2) == 0 &&
           memcmp(a + 18, b + 18, (size_t)m->f.payload - m->f.l4 - 18) == 0;
}

static bool same_flow(const struct vtep_merge *m, int slot, const uint8_t *p, size_t n,
                      const struct vtep_frame *f, bool partial)
{
    size_t payload;

    if (m->len == 0 || slot != m->slot || !partial || f->proto != m->f.proto || f->v6 != m->f.v6 ||
        f->l3 != m->f.l3 || f->l4 != m->f.l4 || f->payload != m->f.payload || n <= f->payload)
        return false;
    payload = n - f->payload;
    return payload <= m->mss && m->segs < VTEP_SEGS_MAX && m->len - f->l3 + payload <= 65535u &&
           exact(p, f, n) && same_l2_l3(m, p) && same_l4(m, p);
}

static void begin(struct vtep_merge *m, int slot, size_t n, const struct vtep_frame *f,
                  bool partial)
{
    const uint8_t *p = m->dst + VTEP_VXLAN;

    m->start = (size_t)(p - m->buf);
    m->len = n;
    m->slot = slot;
    m->f = *f;
    m->partial = partial;
    m->segs = 1;
    if (!can_grow(m, p, n)) {
        vtep_merge_flush(m);
        return;
    }
    m->mss = n - f->payload;
    memcpy(m->head, p, f->payload);
    if (f->proto == VTEP_L4_TCP)
        m->next_seq = vtep_be32(p + f->l4 + 4) + (uint32_t)m->mss;
    if (!f->v6)
        m->next_id = (uint16_t)(vtep_be16(p + f->l3 + 4) + 1);
}

void vtep_merge_push(struct vtep_merge *m, int slot, size_t n, const struct vtep_frame *f,
                     bool partial)
{
    const uint8_t *p = m->dst + VTEP_VXLAN;
    uint8_t front[sizeof(m->save)];
    size_t payload;
    uint8_t flags = 0;

    if (!same_flow(m, slot, p, n, f, partial)) {
        size_t saved = m->saved;

        memcpy(front, m->dst, saved);
        vtep_merge_cancel(m);
        vtep_merge_flush(m);
        memcpy(m->dst, front, saved);
        begin(m, slot, n, f, partial);
        return;
    }
    payload = n - f->payload;
    if (f->proto == VTEP_L4_TCP)
        flags = p[f->l4 + 13] & (TCP_PSH | TCP_FIN);
    vtep_merge_cancel(m);
    m->buf[m->start + m->f.l4 + (f->proto == VTEP_L4_TCP ? 13 : 0)] |= flags;
    m->len += payload;
    m->segs++;
    m->next_seq += (uint32_t)payload;
    m->next_id++;
    if (flags != 0 || payload < m->mss)
        vtep_merge_flush(m);
}
