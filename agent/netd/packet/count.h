/* SPDX-License-Identifier: Apache-2.0
 * count.h - counters of the data plane. Each has one writing thread; anybody may read. */
#ifndef SWARM_AGENT_NETD_PACKET_COUNT_H
#define SWARM_AGENT_NETD_PACKET_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t vtep_counter;

static inline void vtep_count(vtep_counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* What became of a packet or frame. */
enum vtep_verdict {
    VTEP_OK = 0,
    VTEP_NO_KEY,
    VTEP_MALFORMED,
    VTEP_UNKNOWN_INDEX,
    VTEP_BAD_TAG,
    VTEP_REPLAYED,
    VTEP_BAD_NETWORK,
    VTEP_BAD_SOURCE,
    VTEP_SEND_FULL,
    VTEP_TAP_FULL,
    VTEP_BAD_FRAME,
    VTEP_TOO_BIG,
    VTEP_UNKNOWN_UNICAST,
    VTEP_MULTICAST,
    VTEP_VERDICTS
};

struct vtep_net_count { /* one network, one worker; rx_ by its receiving thread, the rest by the
                           other */
    vtep_counter tx_packets, tx_bytes;
    vtep_counter rx_packets, rx_bytes;
    vtep_counter unknown_unicast, multicast;
};

struct vtep_peer_count { /* one peer, one worker; tx_ by its sending thread, rx_ by the other */
    vtep_counter tx_packets;
    vtep_counter rx_packets, rx_bad, rx_epoch;
};

struct vtep_drops { /* one thread */
    vtep_counter n[VTEP_VERDICTS];
};

#endif
