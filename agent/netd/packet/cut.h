/* SPDX-License-Identifier: Apache-2.0
 * cut.h - turn one frame read from a TAP into packets of the containers' MTU. Pure.
 *
 * How it works. A super-frame (TSO, USO) is cut in place: right before each slice of payload the
 * corrected headers are written, over bytes that the previous slice has already been sealed from.
 * So a packet must be used before the next one is asked for. TCP and UDP checksums that the
 * container left to the hardware stay uncomputed: `partial` travels to the receiver. */
#ifndef SWARM_AGENT_NETD_PACKET_CUT_H
#define SWARM_AGENT_NETD_PACKET_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/packet/frame.h"
#include "agent/netd/packet/wire.h"

struct vtep_cut {
    bool partial; /* of every packet of this frame */

    uint8_t *frame; /* the rest is private */
    size_t n;
    size_t at; /* offset of the next slice of payload; 0: the whole frame is one packet */
    size_t mss;
    bool done;
    struct vtep_frame f;
    uint32_t seq;
    uint16_t id;
    uint8_t tcp_flags;
    uint8_t head[VTEP_HEAD_MAX];
};

/**
 * vtep_cut_start() - look at a frame
 * @vnet:  what the kernel said about it
 * @frame: borrowed until the last packet; written to; at least VTEP_VXLAN bytes before it may be
 *         overwritten as well
 *
 * Return: false when @vnet and frame do not fit together or this kind cannot be cut.
 */
bool vtep_cut_start(struct vtep_cut *c, const struct vtep_vnet *vnet, uint8_t *frame, size_t n);

/** vtep_cut_next() - @pkt, @len: the next packet; its VTEP_VXLAN bytes before may be overwritten.
 * Return: false when there is none left. */
bool vtep_cut_next(struct vtep_cut *c, uint8_t **pkt, size_t *len);

#endif
