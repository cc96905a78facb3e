/* SPDX-License-Identifier: Apache-2.0
 * wire.h - the data plane's packet, inside UDP.
 *
 *    0  type 1         others are dropped
 *    1  flags          bit 0: the inner TCP or UDP checksum is not computed, the receiver has to
 *    2  zero, zero
 *    4  index, u32 LE  names sender, its worker and the epoch in the receiver's table
 *    8  counter, u64 LE
 *   16  sealed: VXLAN header (RFC 7348: 0x08 000000, VNI u24 BE, 0), inner Ethernet frame, tag 16
 *
 * Bytes 0 to 15 are authenticated with the rest; nonce = salt of the key schedule, counter.
 * On 1500 bytes of IPv4: 20 + 8 + 16 + 8 + 14 + 16 = 82, hence an inner MTU of 1418. */
#ifndef SWARM_AGENT_NETD_PACKET_WIRE_H
#define SWARM_AGENT_NETD_PACKET_WIRE_H

#include <stdint.h>
#include <string.h>

#define VTEP_HDR     16u
#define VTEP_VXLAN   8u
#define VTEP_TAG     16u
#define VTEP_ETH     14u
#define VTEP_PKT_MIN (VTEP_HDR + VTEP_VXLAN + VTEP_ETH + VTEP_TAG)
#define VTEP_PKT_ADD (VTEP_HDR + VTEP_VXLAN + VTEP_TAG) /* more than the inner frame */

#define VTEP_TYPE_DATA      1u
#define VTEP_F_CSUM_PARTIAL 1u

#define VTEP_FRAME_MAX 65557u /* inner frame, cut or not: Ethernet, 2 VLAN tags, 65535 of IP */
#define VTEP_BATCH_MAX 65507u /* one UDP_SEGMENT send: what fits into an IPv4 datagram */
#define VTEP_SEGS_MAX  64u    /* UDP_MAX_SEGMENTS of older kernels */
#define VTEP_WORKERS   8u

/* As <linux/virtio_net.h> has it; native byte order on a TAP. */
struct vtep_vnet {
    uint8_t flags; /* VTEP_VNET_* */
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
};
#define VTEP_VNET_LEN        10u
#define VTEP_VNET_NEEDS_CSUM 1u
#define VTEP_GSO_NONE        0u
#define VTEP_GSO_TCPV4       1u
#define VTEP_GSO_TCPV6       4u
#define VTEP_GSO_UDP_L4      5u
#define VTEP_GSO_ECN         0x80u

static inline uint16_t vtep_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t vtep_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void vtep_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void vtep_put_be32(uint8_t *p, uint32_t v)
{
    vtep_put_be16(p, (uint16_t)(v >> 16));
    vtep_put_be16(p + 2, (uint16_t)v);
}

static inline uint32_t vtep_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t vtep_le64(const uint8_t *p)
{
    return (uint64_t)vtep_le32(p + 4) << 32 | vtep_le32(p);
}

static inline void vtep_put_le32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void vtep_put_le64(uint8_t *p, uint64_t v)
{
    vtep_put_le32(p, (uint32_t)v);
    vtep_put_le32(p + 4, (uint32_t)(v >> 32));
}

static inline void vtep_put_vxlan(uint8_t *p, uint32_t vni)
{
    vtep_put_be32(p, 0x08000000u);
    vtep_put_be32(p + 4, vni << 8);
}

/* Return: the VNI, or 0 (never one of ours) when this is no VXLAN header. */
static inline uint32_t vtep_vxlan_vni(const uint8_t *p)
{
    return vtep_be32(p) == 0x08000000u && p[7] == 0 ? vtep_be32(p + 4) >> 8 : 0;
}

#endif
