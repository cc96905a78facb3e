/* SPDX-License-Identifier: Apache-2.0
 * frame.h - where the headers of an inner Ethernet frame lie, and Internet checksums. Pure. */
#ifndef SWARM_AGENT_NETD_PACKET_FRAME_H
#define SWARM_AGENT_NETD_PACKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VTEP_L4_TCP   6u
#define VTEP_L4_UDP   17u
#define VTEP_ETH_IPV4 0x0800u
#define VTEP_ETH_ARP  0x0806u
#define VTEP_ETH_IPV6 0x86ddu
#define VTEP_HEAD_MAX 142u /* Ethernet 14, two VLAN tags 8, IPv4 60, TCP 60 */

struct vtep_frame {
    uint16_t ethertype; /* behind VLAN tags */
    uint16_t l3, l4;    /* offsets; l4 is 0 unless proto is TCP or UDP */
    uint16_t payload;   /* offset of the TCP or UDP payload = length of all headers */
    uint8_t proto;      /* VTEP_L4_TCP, VTEP_L4_UDP; 0: anything else, fragments, IPv6 extensions */
    bool v6;
};

/**
 * vtep_frame_parse() - find the headers
 * @n: bytes at @p, the frame may be a super-frame
 *
 * Return: false when too short for an Ethernet header, or when an IP, TCP or UDP header claims more
 * than is there. Frames of other protocols are fine: proto is 0 then.
 */
bool vtep_frame_parse(const uint8_t *p, size_t n, struct vtep_frame *f);

/** vtep_csum_add() - ones' complement sum of @n bytes on top of @sum; not yet folded. */
uint64_t vtep_csum_add(uint64_t sum, const uint8_t *p, size_t n);
/** vtep_csum_fold() - to 16 bits, in network byte order when stored big-endian; not inverted. */
uint16_t vtep_csum_fold(uint64_t sum);
/** vtep_ip4_csum() - compute and store the header checksum of the IPv4 header at @ip. */
void vtep_ip4_csum(uint8_t *ip);
/** vtep_pseudo_sum() - folded sum of the pseudo header for @l4_len bytes of TCP or UDP. */
uint16_t vtep_pseudo_sum(const uint8_t *frame, const struct vtep_frame *f, size_t l4_len);

#endif
