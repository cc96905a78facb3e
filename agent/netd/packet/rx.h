/* SPDX-License-Identifier: Apache-2.0
 * rx.h - from datagrams of one worker's socket to frames for its TAP queues. Pure.
 *
 * In this order: shape, index, replay window, tag, replay mark, VXLAN header, network, owner of the
 * inner source. Whatever fails is dropped and counted; nothing is ever answered. */
#ifndef SWARM_AGENT_NETD_PACKET_RX_H
#define SWARM_AGENT_NETD_PACKET_RX_H

#include <stddef.h>
#include <stdint.h>

#include "agent/netd/packet/count.h"
#include "agent/netd/packet/merge.h"
#include "agent/netd/packet/table.h"

struct vtep_rx {
    unsigned worker;
    struct vtep_drops *drops;
    struct vtep_merge merge;
};

/**
 * vtep_rx_datagram() - @n bytes that UDP_GRO delivered as one, packets of @size and a shorter last
 * @size: 0 or @n for a single packet
 */
void vtep_rx_datagram(struct vtep_rx *rx, const struct vtep_table *t, const uint8_t *p, size_t n,
                      size_t size);

#endif
