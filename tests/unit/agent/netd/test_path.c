/* SPDX-License-Identifier: Apache-2.0
 * From a container's frame on one node to a container's frame on the other, without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/packet/rx.h"
#include "agent/netd/packet/tx.h"
#include "tests/unit/agent/netd/frames.h"

enum { NODE_1 = 101, NODE_2 = 102, VNI = 4097, RUNS_MAX = 16 };

struct fixture { /* node 1 sends, node 2 receives */
    struct vtep_net *net[2];
    struct vtep_table *table[2];
    struct vtep_net_count net_count[2];
    struct vtep_peer_count peer_count[2];
    struct vtep_drops drops[2];
    struct vtep_tx_sa tx_sa;
    struct vtep_rx_sa rx_sa;
    struct vtep_tx tx;
    struct vtep_rx rx;
    uint8_t *runs, *merge, *room;
    unsigned n_sent; /* runs on the wire */
    struct {
        uint8_t *p;
        size_t len, size;
    } sent[RUNS_MAX];
    unsigned n_frames;
    size_t last_len;
    uint8_t last[70000];
    struct vtep_vnet last_vnet;
};

static void on_send(void *ctx, const struct vtep_peer *peer, const uint8_t *buf, size_t len,
                    size_t size)
{
    struct fixture *f = ctx;

    assert_int_equal(peer->node, NODE_2);
    assert_true(f->n_sent < RUNS_MAX && len <= VTEP_BATCH_MAX);
    f->sent[f->n_sent].p = malloc(len);
    memcpy(f->sent[f->n_sent].p, buf, len);
    f->sent[f->n_sent].len = len;
    f->sent[f->n_sent++].size = size;
}

static void on_emit(void *ctx, int slot, const uint8_t *p, size_t n)
{
    struct fixture *f = ctx;

    assert_int_equal(slot, 1);
    memcpy(&f->last_vnet, p, VTEP_VNET_LEN);
    f->last_len = n - VTEP_VNET_LEN;
    memcpy(f->last, p + VTEP_VNET_LEN, f->last_len);
    f->n_frames++;
}

static void make_tables(struct fixture *f)
{
    for (unsigned i = 0; i < 2; i++) {
        f->net[i] = vtep_net_new(0x0a5a0000, 24, 4);
        vtep_net_add(f->net[i], ADDR_A, NODE_1);
        vtep_net_add(f->net[i], ADDR_B, NODE_2);
        vtep_net_add(f->net[i], 0x0a5a0003, 103);
        f->table[i] = vtep_table_new(2, 1, 1);
        f->table[i]->self = i == 0 ? NODE_1 : NODE_2;
        f->table[i]->slots[1] = (struct vtep_slot){
            .net = f->net[i],
            .vni = VNI,
            .mtu = 1418,
            .count = &f->net_count[i],
        };
        f->table[i]->peers[0].node = i == 0 ? NODE_2 : NODE_1;
        f->table[i]->peers[0].count = &f->peer_count[i];
    }
    f->table[0]->peers[0].tx = &f->tx_sa;
    vtep_table_add_rx(f->table[1], &f->rx_sa);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct sw_vtep_secret secret = { .index = 42 };
    const struct sw_aead *aead = sw_aead_best(sw_aead_suites(), sw_aead_suites());

    vtep_tx_sa_init(&f->tx_sa, aead, &secret);
    vtep_rx_sa_init(&f->rx_sa, aead, &secret);
    f->rx_sa.node = NODE_1;
    f->rx_sa.count = &f->peer_count[1];
    f->rx_sa.epoch = 3;
    f->runs = test_malloc((size_t)VTEP_RUNS * VTEP_BATCH_MAX);
    f->merge = test_malloc(VTEP_MERGE_BUF);
    f->room = test_malloc(VTEP_HEADROOM + 70000);
    vtep_tx_init(&f->tx, 0, f->runs);
    f->tx.drops = &f->drops[0];
    f->tx.send = on_send;
    f->tx.ctx = f;
    f->rx.drops = &f->drops[1];
    vtep_merge_init(&f->rx.merge, f->merge);
    f->rx.merge.emit = on_emit;
    f->rx.merge.ctx = f;
    f->rx.merge.uso = true;
    make_tables(f);
    *state = f;
    return 0;
}

static void forget_sent(struct fixture *f)
{
    for (unsigned i = 0; i < f->n_sent; i++)
        free(f->sent[i].p);
    f->n_sent = 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    forget_sent(f);
    vtep_tx_sa_fini(&f->tx_sa);
    vtep_rx_sa_fini(&f->rx_sa);
    vtep_table_free(f->table[0]);
    vtep_table_free(f->table[1]);
    test_free(f->runs);
    test_free(f->merge);
    test_free(f->room);
    test_free(f);
    return 0;
}

static uint8_t *frame_of(struct fixture *f)
{
    return f->room + VTEP_HEADROOM;
}

static void transmit(struct fixture *f, const struct vtep_vnet *v, size_t n)
{
    vtep_tx_frame(&f->tx, f->table[0], &f->table[0]->slots[1], v, frame_of(f), n);
}

static void deliver(struct fixture *f)
{
    for (unsigned i = 0; i < f->n_sent; i++)
        vtep_rx_datagram(&f->rx, f->table[1], f->sent[i].p, f->sent[i].len, f->sent[i].size);
    vtep_merge_flush(&f->rx.merge);
}

static uint64_t drops(const struct fixture *f, unsigned side, enum vtep_verdict v)
{
    return atomic_load(&f->drops[side].n[v]);
}

static const struct vtep_vnet tso = {
    .flags = VTEP_VNET_NEEDS_CSUM,
    .gso_type = VTEP_GSO_TCPV4,
    .gso_size = 1366,
    .csum_start = 34,
    .csum_offset = 16,
};

static void a_super_frame_arrives_as_the_same_super_frame(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t want[66];

    transmit(f, &tso, put_tcp(frame_of(f), &fl, 1366 * 44));
    vtep_tx_flush(&f->tx);
    assert_int_equal(f->n_sent, 1); /* one call for 60 KB */
    assert_int_equal(f->sent[0].size, 1366 + 66 + VTEP_PKT_ADD);
    assert_int_equal(f->sent[0].size, 1472); /* fills 1500 with IPv4 and UDP */
    deliver(f);
    assert_int_equal(f->n_frames, 1);
    assert_int_equal(f->last_len, 66 + 1366 * 44);
    assert_int_equal(f->last_vnet.gso_size, 1366);
    assert_int_equal(f->last_vnet.gso_type, VTEP_GSO_TCPV4);
    (void)put_tcp(f->room, &flow_a, 0);
    memcpy(want, f->room, 66);
    vtep_put_be16(want + 16, 52 + 1366 * 44);
    vtep_ip4_csum(want + 14);
    memcpy(want + 50, f->last + 50, 2); /* pseudo sum */
    assert_memory_equal(f->last, want, 66);
    for (size_t i = 0; i < 1366 * 44; i++)
        assert_int_equal(f->last[66 + i], (uint8_t)((1000 + i) * 31));
    assert_int_equal(atomic_load(&f->net_count[0].tx_packets), 44);
    assert_int_equal(atomic_load(&f->net_count[1].rx_packets), 44);
    assert_int_equal(atomic_load(&f->net_count[1].rx_bytes), 44 * (1366 + 66));
    assert_int_equal(atomic_load(&f->peer_count[1].rx_epoch), 3);
}

static void nothing_of_the_frame_is_readable_on_the_wire(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t clear[2000];
    size_t n = put_tcp(clear, &fl, 1000);

    transmit(f, &tso, put_tcp(frame_of(f), &fl, 1366 * 2));
    vtep_tx_flush(&f->tx);
    for (size_t at = 0; at + 8 <= f->sent[0].len; at++) {
        for (size_t i = 0; i + 8 <= n; i += 8)
            assert_memory_not_equal(f->sent[0].p + at, clear + i, 8);
    }
}

static void packets_of_one_size_share_a_run(void **state)
{
    const struct vtep_vnet none = { 0 };
    struct fixture *f = *state;

    for (unsigned i = 0; i < 64 + 3; i++)
        transmit(f, &none, put_udp(frame_of(f), &flow_a, 64));
    transmit(f, &none, put_udp(frame_of(f), &flow_a, 10)); /* shorter: ends the run */
    transmit(f, &none, put_udp(frame_of(f), &flow_a, 64));
    transmit(f, &none, put_udp(frame_of(f), &flow_a, 65)); /* longer: begins another */
    vtep_tx_flush(&f->tx);
    assert_int_equal(f->n_sent, 4);
    assert_int_equal(f->sent[0].len, 64 * f->sent[0].size);
    assert_int_equal(f->sent[1].len, 4 * f->sent[1].size - 54);
    deliver(f);
    assert_int_equal(f->n_frames, 64 + 3 + 3); /* checksums are computed: not merged */
}

static void a_recorded_run_is_dropped_whole(void **state)
{
    struct fixture *f = *state;

    transmit(f, &tso, put_tcp(frame_of(f), &flow_a, 1366 * 4));
    vtep_tx_flush(&f->tx);
    deliver(f);
    deliver(f);
    assert_int_equal(f->n_frames, 1);
    assert_int_equal(drops(f, 1, VTEP_REPLAYED), 4);
    assert_int_equal(atomic_load(&f->peer_count[1].rx_bad), 4);
}

static void one_altered_packet_is_lost_alone(void **state)
{
    struct fixture *f = *state;

    transmit(f, &tso, put_tcp(frame_of(f), &flow_a, 1366 * 4));
    vtep_tx_flush(&f->tx);
    f->sent[0].p[1472 + 700] ^= 1; /* in the second packet */
    deliver(f);
    assert_int_equal(drops(f, 1, VTEP_BAD_TAG), 1);
    assert_int_equal(f->n_frames, 2); /* 1, then 3 and 4 together */
    assert_int_equal(f->last_len, 66 + 2 * 1366);
    for (size_t i = 0; i < 2 * 1366; i++)
        assert_int_equal(f->last[66 + i], (uint8_t)((1000 + 2 * 1366 + i) * 31));
}

static void a_frame_from_somebody_elses_endpoint_is_dropped(void **state)
{
    const struct vtep_vnet none = { 0 };
    struct fixture *f = *state;
    struct flow fl = flow_a;

    fl.src = 0x0a5a0003; /* lives on node 103, comes from node 101 */
    transmit(f, &none, put_udp(frame_of(f), &fl, 64));
    vtep_tx_flush(&f->tx);
    deliver(f);
    assert_int_equal(f->n_frames, 0);
    assert_int_equal(drops(f, 1, VTEP_BAD_SOURCE), 1);
}

static void a_frame_for_a_network_that_is_not_here_is_dropped(void **state)
{
    const struct vtep_vnet none = { 0 };
    struct fixture *f = *state;

    f->table[0]->slots[1].vni = 9;
    transmit(f, &none, put_udp(frame_of(f), &flow_a, 64));
    vtep_tx_flush(&f->tx);
    deliver(f);
    assert_int_equal(f->n_frames, 0);
    assert_int_equal(drops(f, 1, VTEP_BAD_NETWORK), 1);
}

static void what_has_no_place_to_go_never_leaves_the_node(void **state)
{
    const struct vtep_vnet none = { 0 };
    struct fixture *f = *state;
    struct flow fl = flow_a;
    size_t n;

    n = put_udp(frame_of(f), &fl, 64);
    memset(frame_of(f), 0xff, 6);
    transmit(f, &none, n);
    fl.dst = 0x0a5a0044; /* nobody */
    transmit(f, &none, put_udp(frame_of(f), &fl, 64));
    fl.dst = ADDR_A; /* here */
    transmit(f, &none, put_udp(frame_of(f), &fl, 64));
    fl.dst = 0x0a5a0003; /* on a node that is no peer */
    transmit(f, &none, put_udp(frame_of(f), &fl, 64));
    f->table[0]->peers[0].tx = NULL; /* peer without a key */
    transmit(f, &none, put_udp(frame_of(f), &flow_a, 64));
    f->table[0]->peers[0].tx = &f->tx_sa;
    transmit(f, &none, put_udp(frame_of(f), &flow_a, 1418)); /* larger than the MTU */
    transmit(f, &none, 13);
    vtep_tx_flush(&f->tx);
    assert_int_equal(f->n_sent, 0);
    assert_int_equal(drops(f, 0, VTEP_MULTICAST), 1);
    assert_int_equal(drops(f, 0, VTEP_UNKNOWN_UNICAST), 2);
    assert_int_equal(drops(f, 0, VTEP_NO_KEY), 2);
    assert_int_equal(drops(f, 0, VTEP_TOO_BIG), 1);
    assert_int_equal(drops(f, 0, VTEP_BAD_FRAME), 1);
    assert_int_equal(atomic_load(&f->net_count[0].unknown_unicast), 2);
    assert_int_equal(atomic_load(&f->net_count[0].multicast), 1);
}

static void garbage_is_counted_and_harmless(void **state)
{
    struct fixture *f = *state;
    uint8_t p[200] = { 1, 0, 0, 0, 1, 2, 3, 4 };

    vtep_rx_datagram(&f->rx, f->table[1], p, sizeof(p), 0); /* index nobody has */
    vtep_rx_datagram(&f->rx, f->table[1], p, 20, 0);        /* short */
    p[0] = 2;
    vtep_rx_datagram(&f->rx, f->table[1], p, sizeof(p), 100); /* two of another type */
    assert_int_equal(drops(f, 1, VTEP_UNKNOWN_INDEX), 1);
    assert_int_equal(drops(f, 1, VTEP_MALFORMED), 3);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_super_frame_arrives_as_the_same_super_frame),
        TEST(nothing_of_the_frame_is_readable_on_the_wire),
        TEST(packets_of_one_size_share_a_run),
        TEST(a_recorded_run_is_dropped_whole),
        TEST(one_altered_packet_is_lost_alone),
        TEST(a_frame_from_somebody_elses_endpoint_is_dropped),
        TEST(a_frame_for_a_network_that_is_not_here_is_dropped),
        TEST(what_has_no_place_to_go_never_leaves_the_node),
        TEST(garbage_is_counted_and_harmless),
    };
    struct sw_err err;

    if (sw_aead_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
