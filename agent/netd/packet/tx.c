/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/tx.h"

#include "agent/netd/packet/cut.h"

void vtep_tx_init(struct vtep_tx *tx, unsigned worker, uint8_t *buf)
{
    *tx = (struct vtep_tx){ .worker = worker };
    for (unsigned i = 0; i < VTEP_RUNS; i++)
        tx->runs[i].buf = buf + (size_t)i * VTEP_BATCH_MAX;
}

static void run_send(struct vtep_tx *tx, struct vtep_run *r)
{
    if (r->n == 0)
        return;
    tx->send(tx->ctx, r->peer, r->buf, r->len, r->size);
    r->len = 0;
    r->n = 0;
}

static struct vtep_run *run_for(struct vtep_tx *tx, const struct vtep_peer *peer)
{
    struct vtep_run *empty = NULL;

    for (unsigned i = 0; i < VTEP_RUNS; i++) {
        if (tx->runs[i].peer == peer)
            return &tx->runs[i];
        if (empty == NULL && tx->runs[i].peer == NULL)
            empty = &tx->runs[i];
    }
    if (empty == NULL) {
        empty = &tx->runs[tx->next++ % VTEP_RUNS];
        run_send(tx, empty);
    }
    empty->peer = peer;
    return empty;
}

static enum vtep_verdict run_add(struct vtep_tx *tx, struct vtep_run *r, bool partial,
                                 const uint8_t *plain, size_t n)
{
    size_t size = n + VTEP_HDR + VTEP_TAG;

    if (r->n > 0 && (size > r->size || r->len + size > VTEP_BATCH_MAX))
        run_send(tx, r);
    if (!vtep_seal(&r->peer->tx[tx->worker], partial ? VTEP_F_CSUM_PARTIAL : 0, plain, n,
                   r->buf + r->len))
        return VTEP_NO_KEY;
    if (r->n == 0)
        r->size = size;
    r->len += size;
    r->n++;
    if (size < r->size || r->n == VTEP_SEGS_MAX)
        run_send(tx, r); /* only the last packet of a run may be shorter */
    return VTEP_OK;
}

static enum vtep_verdict frame_cut(struct vtep_tx *tx, const struct vtep_peer *peer,
                                   const struct vtep_slot *slot, struct vtep_cut *cut)
{
    struct vtep_net_count *count = &slot->count[tx->worker];
    struct vtep_run *run = run_for(tx, peer);
    size_t max = (size_t)slot->mtu + cut->f.l3;
    uint64_t packets = 0, bytes = 0;
    enum vtep_verdict v = VTEP_OK;
    uint8_t *pkt;
    size_t len;

    while (v == VTEP_OK && vtep_cut_next(cut, &pkt, &len)) {
        if (len > max || len < VTEP_ETH) {
            v = VTEP_TOO_BIG;
            break;
        }
        vtep_put_vxlan(pkt - VTEP_VXLAN, slot->vni);
        v = run_add(tx, run, cut->partial, pkt - VTEP_VXLAN, len + VTEP_VXLAN);
        packets++;
        bytes += len;
    }
    vtep_count(&count->tx_packets, packets);
    vtep_count(&count->tx_bytes, bytes);
    vtep_count(&peer->count[tx->worker].tx_packets, packets);
    return v;
}

static enum vtep_verdict frame_out(struct vtep_tx *tx, const struct vtep_table *t,
                                   const struct vtep_slot *slot, const struct vtep_vnet *vnet,
                                   uint8_t *frame, size_t n)
{
    const struct vtep_peer *peer;
    struct vtep_cut cut;
    uint64_t node;

    if (n < VTEP_ETH)
        return VTEP_BAD_FRAME;
    if ((frame[0] & 1) != 0)
        return VTEP_MULTICAST;
    node = vtep_net_owner(slot->net, vtep_mac_addr(frame));
    if (node == 0 || node == t->self)
        return VTEP_UNKNOWN_UNICAST;
    peer = vtep_table_peer(t, node);
    if (peer == NULL || peer->tx == NULL)
        return VTEP_NO_KEY;
    if (!vtep_cut_start(&cut, vnet, frame, n))
        return VTEP_BAD_FRAME;
    return frame_cut(tx, peer, slot, &cut);
}

void vtep_tx_frame(struct vtep_tx *tx, const struct vtep_table *t, const struct vtep_slot *slot,
                   const struct vtep_vnet *vnet, uint8_t *frame, size_t n)
{
    struct vtep_net_count *count = &slot->count[tx->worker];
    enum vtep_verdict v = frame_out(tx, t, slot, vnet, frame, n);

    if (v == VTEP_OK)
        return;
    if (v == VTEP_UNKNOWN_UNICAST)
        vtep_count(&count->unknown_unicast, 1);
    else if (v == VTEP_MULTICAST)
        vtep_count(&count->multicast, 1);
    vtep_count(&tx->drops->n[v], 1);
}

void vtep_tx_flush(struct vtep_tx *tx)
{
    for (unsigned i = 0; i < VTEP_RUNS; i++) {
        run_send(tx, &tx->runs[i]);
        tx->runs[i].peer = NULL;
    }
}
