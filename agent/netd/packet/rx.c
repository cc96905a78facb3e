/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/rx.h"

/* What was opened is inside VXLAN and must be of a network here, from its sender's own endpoint. */
static enum vtep_verdict check(const struct vtep_table *t, const struct vtep_rx_sa *sa,
                               const uint8_t *plain, size_t n, int *slot, struct vtep_frame *f)
{
    const uint8_t *frame = plain + VTEP_VXLAN;
    uint32_t vni = vtep_vxlan_vni(plain);

    *slot = vni != 0 ? vtep_table_vni(t, vni) : -1;
    if (*slot < 0)
        return VTEP_BAD_NETWORK;
    if (!vtep_frame_parse(frame, n - VTEP_VXLAN, f))
        return VTEP_BAD_FRAME;
    if (!vtep_source_ok(t->slots[*slot].net, sa->node, frame, n - VTEP_VXLAN, f))
        return VTEP_BAD_SOURCE;
    return (frame[0] & 1) != 0 ? VTEP_MULTICAST : VTEP_OK;
}

static enum vtep_verdict packet_in(struct vtep_rx *rx, const struct vtep_table *t,
                                   const uint8_t *pkt, size_t n)
{
    enum vtep_verdict v = VTEP_UNKNOWN_INDEX;
    struct vtep_rx_sa *sa, *last = NULL;
    struct vtep_frame f;
    size_t plain_len = n - VTEP_HDR - VTEP_TAG;
    bool partial;
    uint8_t *plain;
    size_t it = 0;
    int slot;

    if (!vtep_hdr_ok(pkt, n) || plain_len - VTEP_VXLAN > VTEP_FRAME_MAX)
        return VTEP_MALFORMED;
    plain = vtep_merge_dst(&rx->merge);
    while ((sa = vtep_table_rx(t, vtep_le32(pkt + 4), &it)) != NULL) {
        last = sa;
        v = vtep_open(sa, pkt, n, plain);
        if (v == VTEP_OK)
            break;
    }
    if (v == VTEP_OK)
        v = check(t, last, plain, plain_len, &slot, &f);
    partial = (pkt[1] & VTEP_F_CSUM_PARTIAL) != 0;
    if (v == VTEP_OK && partial && f.proto == 0)
        v = VTEP_BAD_FRAME;
    if (v != VTEP_OK) {
        vtep_merge_cancel(&rx->merge);
        if (last != NULL)
            vtep_count(&last->count[rx->worker].rx_bad, 1);
        return v;
    }
    vtep_count(&t->slots[slot].count[rx->worker].rx_packets, 1);
    vtep_count(&t->slots[slot].count[rx->worker].rx_bytes, plain_len - VTEP_VXLAN);
    vtep_count(&last->count[rx->worker].rx_packets, 1);
    if (atomic_load_explicit(&last->count[rx->worker].rx_epoch, memory_order_relaxed) < last->epoch)
        atomic_store_explicit(&last->count[rx->worker].rx_epoch, last->epoch, memory_order_relaxed);
    vtep_merge_push(&rx->merge, slot, plain_len - VTEP_VXLAN, &f, partial);
    return VTEP_OK;
}

void vtep_rx_datagram(struct vtep_rx *rx, const struct vtep_table *t, const uint8_t *p, size_t n,
                      size_t size)
{
    if (size == 0 || size > n)
        size = n;
    for (size_t at = 0; at < n; at += size) {
        size_t len = n - at < size ? n - at : size;
        enum vtep_verdict v = packet_in(rx, t, p + at, len);

        if (v != VTEP_OK)
            vtep_count(&rx->drops->n[v], 1);
    }
}
