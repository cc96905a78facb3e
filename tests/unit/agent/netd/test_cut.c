/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/packet/cut.h"
#include "tests/unit/agent/netd/frames.h"

static uint8_t room[64 + 65536];
static uint8_t *const frame = room + 64;

static const struct vtep_vnet tso = {
    .flags = VTEP_VNET_NEEDS_CSUM,
    .gso_type = VTEP_GSO_TCPV4,
    .gso_size = 1000,
    .csum_start = 34,
    .csum_offset = 16,
};

static void a_plain_frame_is_one_packet_as_it_is(void **state)
{
    const struct vtep_vnet none = { 0 };
    uint8_t before[200];
    struct vtep_cut c;
    uint8_t *p;
    size_t n = put_udp(frame, &flow_a, 100), len;

    (void)state;
    memcpy(before, frame, n);
    assert_true(vtep_cut_start(&c, &none, frame, n));
    assert_false(c.partial);
    assert_true(vtep_cut_next(&c, &p, &len));
    assert_int_equal(len, n);
    assert_memory_equal(p, before, n);
    assert_false(vtep_cut_next(&c, &p, &len));
}

static void a_tcp_super_frame_becomes_packets_of_the_mss(void **state)
{
    struct flow f = flow_a;
    struct vtep_cut c;
    uint8_t *p;
    size_t n, len, at = 0;

    (void)state;
    f.flags = 0x10 | 0x08 | 0x01 | 0x80; /* ACK PSH FIN CWR */
    n = put_tcp(frame, &f, 2500);
    assert_true(vtep_cut_start(&c, &tso, frame, n));
    assert_true(c.partial);
    for (unsigned i = 0; vtep_cut_next(&c, &p, &len); i++) {
        static const uint8_t flags[] = { 0x90, 0x10, 0x19 };
        size_t payload = i < 2 ? 1000 : 500;

        assert_int_equal(len, 66 + payload);
        assert_int_equal(vtep_be16(p + 16), 52 + payload);                      /* total length */
        assert_int_equal(vtep_be16(p + 18), 5 + i);                             /* identification */
        assert_int_equal(vtep_csum_fold(vtep_csum_add(0, p + 14, 20)), 0xffff); /* header sum */
        assert_int_equal(vtep_be32(p + 38), 1000 + at);                         /* sequence */
        assert_int_equal(p[47], flags[i]);
        assert_int_equal(vtep_be16(p + 50), 0); /* checksum: left open */
        assert_memory_equal(p + 54, "\1\1\10\12abcdefgh", 12);
        for (size_t b = 0; b < payload; b++)
            assert_int_equal(p[66 + b], (uint8_t)((1000 + at + b) * 31));
        memset(p - VTEP_VXLAN, 0xee, VTEP_VXLAN); /* the caller may write there */
        at += payload;
    }
    assert_int_equal(at, 2500);
}

static void ipv6_is_cut_by_its_payload_length(void **state)
{
    struct vtep_vnet v = tso;
    struct flow f = flow_a;
    struct vtep_cut c;
    uint8_t *p;
    size_t len;

    (void)state;
    f.v6 = 1;
    v.gso_type = VTEP_GSO_TCPV6;
    v.csum_start = 54;
    assert_true(vtep_cut_start(&c, &v, frame, put_tcp(frame, &f, 1200)));
    assert_true(vtep_cut_next(&c, &p, &len));
    assert_int_equal(len, 86 + 1000);
    assert_int_equal(vtep_be16(p + 18), 32 + 1000);
    assert_true(vtep_cut_next(&c, &p, &len));
    assert_int_equal(vtep_be16(p + 18), 32 + 200);
    assert_int_equal(vtep_be32(p + 58), 2000);
    assert_false(vtep_cut_next(&c, &p, &len));
}

static void a_udp_super_frame_becomes_datagrams(void **state)
{
    struct vtep_vnet v = tso;
    struct vtep_cut c;
    uint8_t *p;
    size_t len;
    unsigned n = 0;

    (void)state;
    v.gso_type = VTEP_GSO_UDP_L4;
    v.gso_size = 64;
    v.csum_offset = 6;
    assert_true(vtep_cut_start(&c, &v, frame, put_udp(frame, &flow_a, 64 * 3 + 10)));
    while (vtep_cut_next(&c, &p, &len)) {
        size_t payload = n < 3 ? 64 : 10;

        assert_int_equal(len, 42 + payload);
        assert_int_equal(vtep_be16(p + 16), 28 + payload);
        assert_int_equal(vtep_be16(p + 38), 8 + payload);
        assert_int_equal(p[42], (uint8_t)((5 + 64 * n) * 31));
        n++;
    }
    assert_int_equal(n, 4);
}

static void tiny_segments_smaller_than_the_headers_are_cut_right(void **state)
{
    struct vtep_vnet v = tso;
    struct vtep_cut c;
    uint8_t *p;
    size_t len, at = 0;

    (void)state;
    v.gso_size = 7;
    assert_true(vtep_cut_start(&c, &v, frame, put_tcp(frame, &flow_a, 100)));
    while (vtep_cut_next(&c, &p, &len)) {
        memset(p - VTEP_VXLAN, 0xee, VTEP_VXLAN);
        for (size_t b = 0; b < len - 66; b++)
            assert_int_equal(p[66 + b], (uint8_t)((1000 + at + b) * 31));
        at += len - 66;
    }
    assert_int_equal(at, 100);
}

static void a_checksum_without_a_known_place_is_computed_here(void **state)
{
    /* ICMP-like: protocol 99, checksum over 20 bytes from offset 34, stored at 36. */
    struct vtep_vnet v = { .flags = VTEP_VNET_NEEDS_CSUM, .csum_start = 34, .csum_offset = 2 };
    struct vtep_cut c;
    uint8_t *p;
    size_t len;

    (void)state;
    (void)put_ip(frame, &flow_a, 99, 20);
    put_eth(frame, &flow_a);
    for (unsigned i = 0; i < 20; i++)
        frame[34 + i] = (uint8_t)i;
    vtep_put_be16(frame + 36, 0);
    assert_true(vtep_cut_start(&c, &v, frame, 54));
    assert_false(c.partial);
    assert_true(vtep_cut_next(&c, &p, &len));
    assert_int_equal(vtep_csum_fold(vtep_csum_add(0, p + 34, 20)), 0xffff);
}

static void what_does_not_fit_together_is_refused(void **state)
{
    struct vtep_vnet v = tso;
    struct vtep_cut c;
    size_t n = put_tcp(frame, &flow_a, 2000);

    (void)state;
    v.gso_size = 0;
    assert_false(vtep_cut_start(&c, &v, frame, n));
    v = tso;
    v.gso_type = VTEP_GSO_UDP_L4; /* but it is TCP */
    assert_false(vtep_cut_start(&c, &v, frame, n));
    v.gso_type = VTEP_GSO_TCPV6;
    assert_false(vtep_cut_start(&c, &v, frame, n));
    v.gso_type = 3; /* UFO: never offered */
    assert_false(vtep_cut_start(&c, &v, frame, n));
    v = tso;
    v.flags = 0;
    assert_false(vtep_cut_start(&c, &v, frame, n));
    assert_false(vtep_cut_start(&c, &tso, frame, 66)); /* headers and nothing else */
    assert_false(vtep_cut_start(&c, &tso, frame, 50)); /* half a TCP header */
    v = (struct vtep_vnet){ .flags = VTEP_VNET_NEEDS_CSUM, .csum_start = 60000, .csum_offset = 6 };
    assert_false(vtep_cut_start(&c, &v, frame, n));
    v.csum_start = (uint16_t)(n - 1);
    assert_false(vtep_cut_start(&c, &v, frame, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_frame_is_one_packet_as_it_is),
        cmocka_unit_test(a_tcp_super_frame_becomes_packets_of_the_mss),
        cmocka_unit_test(ipv6_is_cut_by_its_payload_length),
        cmocka_unit_test(a_udp_super_frame_becomes_datagrams),
        cmocka_unit_test(tiny_segments_smaller_than_the_headers_are_cut_right),
        cmocka_unit_test(a_checksum_without_a_known_place_is_computed_here),
        cmocka_unit_test(what_does_not_fit_together_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
