/* SPDX-License-Identifier: Apache-2.0
 * merge.h - put packets of one flow that arrive in a row together into one super-frame. Pure.
 *
 * How it works. The next packet is decrypted so that its payload lands right behind the frame
 * under construction: VXLAN header and inner headers overwrite its tail for a moment, and what
 * they overwrite was saved. When the headers say "same flow, next bytes" the saved bytes go back
 * and the frame has grown without a copy; otherwise the frame is emitted and the packet begins the
 * next one where it lies.
 *
 * Merged: TCP and UDP whose checksum is partial (so the kernel need not trust one that we cannot
 * recompute cheaply). TCP: same addresses, ports, acknowledgement, window, options, TTL, TOS, next
 * sequence number. UDP: DF set, equal sizes; a shorter packet ends the frame. */
#ifndef SWARM_AGENT_NETD_PACKET_MERGE_H
#define SWARM_AGENT_NETD_PACKET_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/packet/frame.h"
#include "agent/netd/packet/wire.h"

#define VTEP_MERGE_BUF (4u * 65536u)

struct vtep_merge {
    bool uso; /* set by the owner: the kernel takes UDP super-frames */
    /* A frame is ready: @p begins with VTEP_VNET_LEN bytes of struct vtep_vnet, @n counts them.
     * Borrowed for the call. */
    void (*emit)(void *ctx, int slot, const uint8_t *p, size_t n);
    void *ctx;

    uint8_t *buf;      /* the rest is private */
    size_t start, len; /* of the frame under construction; len 0: none */
    int slot;
    struct vtep_frame f;
    bool partial;
    unsigned segs;
    size_t mss;
    uint32_t next_seq;
    uint16_t next_id;
    uint8_t head[VTEP_HEAD_MAX];
    uint8_t *dst;
    size_t saved;
    uint8_t save[VTEP_HEAD_MAX + VTEP_VXLAN];
};

/** vtep_merge_init() - @buf: VTEP_MERGE_BUF bytes, borrowed; set the hooks afterwards. */
void vtep_merge_init(struct vtep_merge *m, uint8_t *buf);
/** vtep_merge_dst() - where to decrypt the next packet: room for VXLAN header and frame of
 * VTEP_FRAME_MAX. Must be followed by vtep_merge_push() or vtep_merge_cancel(). */
uint8_t *vtep_merge_dst(struct vtep_merge *m);
/** vtep_merge_cancel() - the packet was no good. */
void vtep_merge_cancel(struct vtep_merge *m);
/**
 * vtep_merge_push() - take what lies at vtep_merge_dst()
 * @slot:    of the network, handed to emit
 * @n:       length of the frame, without the VXLAN header
 * @f:       of that frame
 * @partial: its checksum is not computed; @f->proto is not 0 then
 */
void vtep_merge_push(struct vtep_merge *m, int slot, size_t n, const struct vtep_frame *f,
                     bool partial);
/** vtep_merge_flush() - emit what is under construction. */
void vtep_merge_flush(struct vtep_merge *m);

#endif
