/* SPDX-License-Identifier: Apache-2.0
 * tx.h - from frames of one worker's TAP queues to sealed runs for UDP_SEGMENT. Pure.
 *
 * Packets of equal size to one peer are sealed one behind the other; a run is sent when a shorter
 * packet ends it, another size comes, it is full, or the caller flushes. Order within a peer is
 * kept, so order within a flow is too. */
#ifndef SWARM_AGENT_NETD_PACKET_TX_H
#define SWARM_AGENT_NETD_PACKET_TX_H

#include <stddef.h>
#include <stdint.h>

#include "agent/netd/packet/count.h"
#include "agent/netd/packet/table.h"
#include "agent/netd/packet/wire.h"

#define VTEP_RUNS     8u  /* peers with a run under construction at one time */
#define VTEP_HEADROOM 64u /* writable bytes before a frame given to vtep_tx_frame() */

struct vtep_run {
    const struct vtep_peer *peer; /* NULL: free */
    uint8_t *buf;                 /* VTEP_BATCH_MAX bytes */
    size_t len;
    size_t size; /* of every packet but the last */
    unsigned n;
};

struct vtep_tx {
    unsigned worker;
    struct vtep_drops *drops;
    /* Send @len bytes to @peer, cut into packets of @size. Borrowed for the call. */
    void (*send)(void *ctx, const struct vtep_peer *peer, const uint8_t *buf, size_t len,
                 size_t size);
    void *ctx;
    unsigned next; /* run to give up when all are taken */
    struct vtep_run runs[VTEP_RUNS];
};

/** vtep_tx_init() - @buf: VTEP_RUNS x VTEP_BATCH_MAX bytes, borrowed; set the hooks afterwards. */
void vtep_tx_init(struct vtep_tx *tx, unsigned worker, uint8_t *buf);

/**
 * vtep_tx_frame() - a container of the network in @slot sent this
 * @t:     stays valid until the next vtep_tx_flush()
 * @frame: @n bytes, overwritten, with VTEP_HEADROOM writable bytes before
 */
void vtep_tx_frame(struct vtep_tx *tx, const struct vtep_table *t, const struct vtep_slot *slot,
                   const struct vtep_vnet *vnet, uint8_t *frame, size_t n);
/** vtep_tx_flush() - send every run. */
void vtep_tx_flush(struct vtep_tx *tx);

#endif
