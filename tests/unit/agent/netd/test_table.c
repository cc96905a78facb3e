/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/packet/table.h"
#include "tests/unit/agent/netd/frames.h"

enum { NODE_1 = 101, NODE_2 = 102 };

static int setup(void **state)
{
    struct vtep_net *net = vtep_net_new(0x0a5a0000, 24, 3);

    vtep_net_add(net, ADDR_A, NODE_1);
    vtep_net_add(net, ADDR_B, NODE_2);
    vtep_net_add(net, 0x0a5a0009, NODE_1);
    *state = net;
    return 0;
}

static int teardown(void **state)
{
    vtep_net_unref(*state);
    return 0;
}

static bool source_ok(const struct vtep_net *net, uint64_t node, const struct flow *f)
{
    uint8_t frame[200];
    size_t n = put_udp(frame, f, 20);
    struct vtep_frame parsed;

    assert_true(vtep_frame_parse(frame, n, &parsed));
    return vtep_source_ok(net, node, frame, n, &parsed);
}

static void every_address_has_its_owner_and_no_other(void **state)
{
    struct vtep_net *big = vtep_net_new(0x0a000000, 8, 5000);

    (void)state;
    for (uint32_t i = 1; i <= 5000; i++)
        vtep_net_add(big, 0x0a000000 + i * 7, i);
    for (uint32_t i = 1; i <= 5000; i++) {
        assert_int_equal(vtep_net_owner(big, 0x0a000000 + i * 7), i);
        assert_int_equal(vtep_net_owner(big, 0x0a000000 + i * 7 + 1), 0);
    }
    assert_int_equal(vtep_net_owner(big, 0), 0);
    vtep_net_unref(big);
}

static void only_macs_of_our_kind_stand_for_an_address(void **state)
{
    (void)state;
    assert_int_equal(vtep_mac_addr((const uint8_t *)"\x02\x42\x0a\x5a\x00\x01"), ADDR_A);
    assert_int_equal(vtep_mac_addr((const uint8_t *)"\x02\x43\x0a\x5a\x00\x01"), 0);
    assert_int_equal(vtep_mac_addr((const uint8_t *)"\xff\xff\xff\xff\xff\xff"), 0);
}

static void a_source_must_be_its_senders_own(void **state)
{
    struct flow f = flow_a; /* from ADDR_A */

    assert_true(source_ok(*state, NODE_1, &f));
    assert_false(source_ok(*state, NODE_2, &f));
    assert_false(source_ok(*state, 999, &f));
    f.src = 0x0a5a0055; /* nobody's */
    assert_false(source_ok(*state, NODE_1, &f));
    f.v6 = 1; /* judged by the MAC alone */
    f.src = ADDR_A;
    assert_true(source_ok(*state, NODE_1, &f));
    assert_false(source_ok(*state, NODE_2, &f));
}

static void an_address_of_the_network_must_be_the_senders_too(void **state)
{
    uint8_t frame[200];
    size_t n = put_udp(frame, &flow_a, 20);
    struct vtep_frame p;

    vtep_put_be32(frame + 26, ADDR_B); /* own MAC, somebody else's address */
    assert_true(vtep_frame_parse(frame, n, &p));
    assert_false(vtep_source_ok(*state, NODE_1, frame, n, &p));
    vtep_put_be32(frame + 26, 0x0a5a0009); /* another one of the same node */
    assert_true(vtep_source_ok(*state, NODE_1, frame, n, &p));
    vtep_put_be32(frame + 26, 0xc0000207); /* a client from outside, kept by ingress */
    assert_true(vtep_source_ok(*state, NODE_1, frame, n, &p));
}

static void arp_may_claim_the_senders_own_address_only(void **state)
{
    uint8_t arp[42] = { 0 };
    struct vtep_frame p;

    put_eth(arp, &flow_a);
    vtep_put_be16(arp + 12, VTEP_ETH_ARP);
    memcpy(arp + 14, "\0\1\10\0\6\4\0\2", 8);
    memcpy(arp + 22, arp + 6, 6);
    vtep_put_be32(arp + 28, ADDR_A);
    assert_true(vtep_frame_parse(arp, sizeof(arp), &p));
    assert_true(vtep_source_ok(*state, NODE_1, arp, sizeof(arp), &p));
    vtep_put_be32(arp + 28, ADDR_B);
    assert_false(vtep_source_ok(*state, NODE_1, arp, sizeof(arp), &p));
    vtep_put_be32(arp + 28, ADDR_A);
    arp[27] ^= 1; /* another hardware address inside */
    assert_false(vtep_source_ok(*state, NODE_1, arp, sizeof(arp), &p));
    arp[27] ^= 1;
    assert_false(vtep_source_ok(*state, NODE_1, arp, 41, &p));
}

static void paths_that_share_an_index_are_all_found(void **state)
{
    struct vtep_table *t = vtep_table_new(2, 3, 40);
    struct vtep_rx_sa sa[40];
    size_t it = 0;

    (void)state;
    memset(sa, 0, sizeof(sa));
    for (uint32_t i = 0; i < 40; i++) {
        sa[i].secret.index = i < 3 ? 5 : 1000 + i;
        vtep_table_add_rx(t, &sa[i]);
    }
    assert_ptr_equal(vtep_table_rx(t, 5, &it), &sa[0]);
    assert_ptr_equal(vtep_table_rx(t, 5, &it), &sa[1]);
    assert_ptr_equal(vtep_table_rx(t, 5, &it), &sa[2]);
    assert_null(vtep_table_rx(t, 5, &it));
    it = 0;
    assert_ptr_equal(vtep_table_rx(t, 1017, &it), &sa[17]);
    it = 0;
    assert_null(vtep_table_rx(t, 6, &it));
    vtep_table_free(t);
}

static void peers_and_networks_are_found(void **state)
{
    struct vtep_table *t = vtep_table_new(3, 3, 0);

    for (unsigned i = 0; i < 3; i++)
        t->peers[i].node = 10 * (i + 1);
    assert_ptr_equal(vtep_table_peer(t, 20), &t->peers[1]);
    assert_ptr_equal(vtep_table_peer(t, 30), &t->peers[2]);
    assert_null(vtep_table_peer(t, 25));
    t->slots[2].net = vtep_net_ref(*state);
    t->slots[2].vni = 4097;
    assert_int_equal(vtep_table_vni(t, 4097), 2);
    assert_int_equal(vtep_table_vni(t, 1), -1);
    vtep_table_free(t);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_address_has_its_owner_and_no_other),
        TEST(only_macs_of_our_kind_stand_for_an_address),
        TEST(a_source_must_be_its_senders_own),
        TEST(an_address_of_the_network_must_be_the_senders_too),
        TEST(arp_may_claim_the_senders_own_address_only),
        TEST(paths_that_share_an_index_are_all_found),
        TEST(peers_and_networks_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
