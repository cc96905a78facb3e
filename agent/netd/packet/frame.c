/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/frame.h"

#include "agent/netd/packet/wire.h"

static bool parse_l4(const uint8_t *p, size_t n, size_t l4, uint8_t proto, struct vtep_frame *f)
{
    size_t head;

    if (proto == VTEP_L4_TCP) {
        if (n < l4 + 20)
            return false;
        head = (size_t)(p[l4 + 12] >> 4) * 4;
        if (head < 20 || n < l4 + head)
            return false;
    } else if (proto == VTEP_L4_UDP) {
        if (n < l4 + 8)
            return false;
        head = 8;
    } else {
        return true;
    }
    f->proto = proto;
    f->l4 = (uint16_t)l4;
    f->payload = (uint16_t)(l4 + head);
    return true;
}

static bool parse_ipv4(const uint8_t *p, size_t n, struct vtep_frame *f)
{
    const uint8_t *ip = p + f->l3;
    size_t head;

    if (n < f->l3 + 20u || ip[0] >> 4 != 4)
        return false;
    head = (size_t)(ip[0] & 15) * 4;
    if (head < 20 || n < f->l3 + head)
        return false;
    if ((vtep_be16(ip + 6) & 0x3fff) != 0) /* a fragment */
        return true;
    return parse_l4(p, n, f->l3 + head, ip[9], f);
}

static bool parse_ipv6(const uint8_t *p, size_t n, struct vtep_frame *f)
{
    const uint8_t *ip = p + f->l3;

    if (n < f->l3 + 40u || ip[0] >> 4 != 6)
        return false;
    f->v6 = true;
    return parse_l4(p, n, f->l3 + 40u, ip[6], f);
}

bool vtep_frame_parse(const uint8_t *p, size_t n, struct vtep_frame *f)
{
    size_t l3 = VTEP_ETH;

    *f = (struct vtep_frame){ 0 };
    if (n < l3)
        return false;
    f->ethertype = vtep_be16(p + 12);
    for (unsigned tags = 0; f->ethertype == 0x8100 || f->ethertype == 0x88a8; tags++) {
        if (tags == 2 || n < l3 + 4)
            return false;
        f->ethertype = vtep_be16(p + l3 + 2);
        l3 += 4;
    }
    f->l3 = (uint16_t)l3;
    if (f->ethertype == VTEP_ETH_IPV4)
        return parse_ipv4(p, n, f);
    if (f->ethertype == VTEP_ETH_IPV6)
        return parse_ipv6(p, n, f);
    return true;
}

uint64_t vtep_csum_add(uint64_t sum, const uint8_t *p, size_t n)
{
    for (; n >= 4; n -= 4, p += 4)
        sum += (uint64_t)vtep_be16(p) + vtep_be16(p + 2);
    if (n >= 2) {
        sum += vtep_be16(p);
        p += 2;
        n -= 2;
    }
    if (n > 0)
        sum += (uint64_t)p[0] << 8;
    return sum;
}

uint16_t vtep_csum_fold(uint64_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

void vtep_ip4_csum(uint8_t *ip)
{
    vtep_put_be16(ip + 10, 0);
    vtep_put_be16(ip + 10,
                  (uint16_t)~vtep_csum_fold(vtep_csum_add(0, ip, (size_t)(ip[0] & 15) * 4)));
}

uint16_t vtep_pseudo_sum(const uint8_t *frame, const struct vtep_frame *f, size_t l4_len)
{
    const uint8_t *ip = frame + f->l3;
    uint64_t sum = (uint64_t)f->proto + (l4_len & 0xffff) + (l4_len >> 16);

    return vtep_csum_fold(f->v6 ? vtep_csum_add(sum, ip + 8, 32) : vtep_csum_add(sum, ip + 12, 8));
}
