/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/packet/merge.h"
#include "tests/unit/agent/netd/frames.h"

#define EMITTED_MAX 64

struct fixture {
    struct vtep_merge m;
    uint8_t *buf;
    unsigned n;
    struct {
        int slot;
        struct vtep_vnet vnet;
        size_t len;
        uint8_t *p;
    } out[EMITTED_MAX];
};

static void on_emit(void *ctx, int slot, const uint8_t *p, size_t n)
{
    struct fixture *f = ctx;

    assert_true(f->n < EMITTED_MAX);
    f->out[f->n].slot = slot;
    memcpy(&f->out[f->n].vnet, p, VTEP_VNET_LEN);
    f->out[f->n].len = n - VTEP_VNET_LEN;
    f->out[f->n].p = malloc(n);
    memcpy(f->out[f->n].p, p + VTEP_VNET_LEN, n - VTEP_VNET_LEN);
    f->n++;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->buf = test_malloc(VTEP_MERGE_BUF);
    memset(f->buf, 0xcc, VTEP_MERGE_BUF);
    vtep_merge_init(&f->m, f->buf);
    f->m.emit = on_emit;
    f->m.ctx = f;
    f->m.uso = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < f->n; i++)
        free(f->out[i].p);
    test_free(f->buf);
    test_free(f);
    return 0;
}

static void push(struct fixture *f, int slot, const uint8_t *frame, size_t n, bool partial)
{
    uint8_t *dst = vtep_merge_dst(&f->m);
    struct vtep_frame parsed;

    memset(dst, 0xdd, VTEP_VXLAN);
    memcpy(dst + VTEP_VXLAN, frame, n);
    assert_true(vtep_frame_parse(dst + VTEP_VXLAN, n, &parsed));
    vtep_merge_push(&f->m, slot, n, &parsed, partial);
}

static void push_tcp(struct fixture *f, struct flow *fl, size_t payload)
{
    uint8_t frame[2000];

    push(f, 1, frame, put_tcp(frame, fl, payload), true);
    fl->seq += (uint32_t)payload;
    fl->id++;
}

static void packets_in_sequence_become_one_super_frame(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    const uint8_t *p;

    for (unsigned i = 0; i < 40; i++)
        push_tcp(f, &fl, 1000);
    assert_int_equal(f->n, 0);
    vtep_merge_flush(&f->m);
    assert_int_equal(f->n, 1);
    p = f->out[0].p;
    assert_int_equal(f->out[0].len, 66 + 40 * 1000);
    assert_int_equal(f->out[0].vnet.gso_type, VTEP_GSO_TCPV4);
    assert_int_equal(f->out[0].vnet.gso_size, 1000);
    assert_int_equal(f->out[0].vnet.flags, VTEP_VNET_NEEDS_CSUM);
    assert_int_equal(f->out[0].vnet.csum_start, 34);
    assert_int_equal(f->out[0].vnet.csum_offset, 16);
    assert_int_equal(f->out[0].vnet.hdr_len, 66);
    assert_int_equal(vtep_be16(p + 16), 52 + 40000);
    assert_int_equal(vtep_csum_fold(vtep_csum_add(0, p + 14, 20)), 0xffff);
    /* pseudo header: addresses, protocol, length of TCP */
    assert_int_equal(vtep_be16(p + 50), vtep_csum_fold(0x0a5aull + 1 + 0x0a5a + 2 + 6 + 40032));
    for (size_t i = 0; i < 40000; i++)
        assert_int_equal(p[66 + i], (uint8_t)((1000 + i) * 31));
}

static void a_short_segment_or_push_ends_the_frame_and_is_part_of_it(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;

    push_tcp(f, &fl, 1000);
    push_tcp(f, &fl, 300);
    assert_int_equal(f->n, 1);
    assert_int_equal(f->out[0].len, 66 + 1300);
    push_tcp(f, &fl, 1000);
    fl.flags |= 0x08;
    push_tcp(f, &fl, 1000);
    assert_int_equal(f->n, 2);
    assert_int_equal(f->out[1].len, 66 + 2000);
    assert_int_equal(f->out[1].p[47], 0x18); /* the last one's PSH */
}

/* Everything that differs begins another frame, and nothing is lost or changed on the way. */
static void another_flow_or_a_gap_begins_another_frame(void **state)
{
    struct fixture *f = *state;

    for (unsigned what = 0; what < 11; what++) {
        struct flow fl = flow_a;
        uint8_t a[1200], b[1200];
        size_t na, nb;

        na = put_tcp(a, &fl, 1000);
        fl.seq += 1000;
        fl.id++;
        fl.seq += what == 0;
        fl.ack += what == 1;
        fl.window += what == 2;
        fl.sport += what == 3;
        fl.src += what == 4;
        fl.ttl -= what == 5;
        fl.tos += what == 6;
        fl.flags |= what == 7 ? 0x20 : 0; /* URG */
        fl.flags |= what == 8 ? 0x80 : 0; /* CWR belongs to the first only */
        fl.timestamps = what != 9;
        nb = put_tcp(b, &fl, what == 10 ? 1001 : 1000);
        f->n = 0;
        push(f, 1, a, na, true);
        push(f, 1, b, nb, true);
        vtep_merge_flush(&f->m);
        assert_int_equal(f->n, 2);
        for (unsigned i = 0; i < 2; i++) {
            const uint8_t *want = i == 0 ? a : b;
            uint8_t *got = f->out[i].p;

            assert_int_equal(f->out[i].len, i == 0 ? na : nb);
            assert_int_equal(f->out[i].vnet.gso_type, VTEP_GSO_NONE);
            memcpy(got + 50, want + 50, 2); /* the pseudo sum is another test's */
            assert_memory_equal(got, want, f->out[i].len);
            free(got);
        }
    }
    f->n = 0;
}

static void networks_are_never_mixed(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t frame[1200];
    size_t n = put_tcp(frame, &fl, 1000);

    push(f, 1, frame, n, true);
    fl.seq += 1000;
    n = put_tcp(frame, &fl, 1000);
    push(f, 2, frame, n, true);
    vtep_merge_flush(&f->m);
    assert_int_equal(f->n, 2);
    assert_int_equal(f->out[0].slot, 1);
    assert_int_equal(f->out[1].slot, 2);
}

static void frames_with_a_computed_checksum_pass_alone_and_unchanged(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t frame[1200];

    for (unsigned i = 0; i < 2; i++) {
        size_t n = put_tcp(frame, &fl, 1000);

        vtep_put_be16(frame + 50, 0x1234);
        push(f, 1, frame, n, false);
        assert_int_equal(f->n, i + 1);
        assert_int_equal(f->out[i].vnet.flags, 0);
        assert_memory_equal(f->out[i].p, frame, n);
        fl.seq += 1000;
    }
}

static void datagrams_of_one_size_become_one_super_frame(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t frame[200];

    for (unsigned i = 0; i < 70; i++) {
        push(f, 1, frame, put_udp(frame, &fl, 18), true); /* shorter than the headers */
        fl.id += 18; /* DF is set: the identification says nothing */
    }
    vtep_merge_flush(&f->m);
    assert_int_equal(f->n, 2); /* 64 segments, then the rest */
    assert_int_equal(f->out[0].len, 42 + 64 * 18);
    assert_int_equal(f->out[0].vnet.gso_type, VTEP_GSO_UDP_L4);
    assert_int_equal(f->out[0].vnet.gso_size, 18);
    assert_int_equal(vtep_be16(f->out[0].p + 38), 8 + 64 * 18);
    assert_int_equal(vtep_be16(f->out[0].p + 16), 28 + 64 * 18);
    for (size_t i = 0; i < 64 * 18; i++)
        assert_int_equal(f->out[0].p[42 + i], (uint8_t)((5 + i) * 31));
    assert_int_equal(f->out[1].len, 42 + 6 * 18);
}

static void datagrams_stay_alone_where_the_kernel_takes_no_uso_or_df_is_clear(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t frame[200];

    fl.df = 0;
    for (unsigned i = 0; i < 2; i++)
        push(f, 1, frame, put_udp(frame, &fl, 50), true);
    assert_int_equal(f->n, 2);
    fl.df = 1;
    f->m.uso = false;
    for (unsigned i = 0; i < 2; i++)
        push(f, 1, frame, put_udp(frame, &fl, 50), true);
    assert_int_equal(f->n, 4);
}

static void a_packet_that_was_no_good_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t *dst;

    push_tcp(f, &fl, 1000);
    dst = vtep_merge_dst(&f->m);
    memset(dst, 0xee, 1500); /* decrypted garbage */
    vtep_merge_cancel(&f->m);
    push_tcp(f, &fl, 1000);
    vtep_merge_flush(&f->m);
    assert_int_equal(f->n, 1);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(f->out[0].p[66 + i], (uint8_t)((1000 + i) * 31));
}

/* A frame that begins where the last one ended wanders through the buffer: never past its end. */
static void long_runs_of_changing_flows_stay_inside_the_buffer(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[9000];

    for (unsigned i = 0; i < 3000; i++) {
        struct flow fl = flow_a;

        fl.sport = (uint16_t)i;
        push(f, 1, frame, put_tcp(frame, &fl, 8900), true);
        assert_true(f->m.start + f->m.len + VTEP_FRAME_MAX + VTEP_VXLAN <= VTEP_MERGE_BUF);
        for (unsigned k = 0; k < f->n; k++)
            free(f->out[k].p);
        f->n = 0;
    }
}

static void a_frame_never_grows_past_what_ip_can_say(void **state)
{
    struct fixture *f = *state;
    struct flow fl = flow_a;
    uint8_t frame[9000];

    for (unsigned i = 0; i < 10; i++) {
        push(f, 1, frame, put_tcp(frame, &fl, 8900), true);
        fl.seq += 8900;
        fl.id++;
    }
    assert_int_equal(f->n, 1);
    assert_int_equal(f->out[0].len, 66 + 7 * 8900);
    vtep_merge_flush(&f->m);
    assert_int_equal(f->out[1].len, 66 + 3 * 8900);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(packets_in_sequence_become_one_super_frame),
        TEST(a_short_segment_or_push_ends_the_frame_and_is_part_of_it),
        TEST(another_flow_or_a_gap_begins_another_frame),
        TEST(networks_are_never_mixed),
        TEST(frames_with_a_computed_checksum_pass_alone_and_unchanged),
        TEST(datagrams_of_one_size_become_one_super_frame),
        TEST(datagrams_stay_alone_where_the_kernel_takes_no_uso_or_df_is_clear),
        TEST(a_packet_that_was_no_good_leaves_no_trace),
        TEST(long_runs_of_changing_flows_stay_inside_the_buffer),
        TEST(a_frame_never_grows_past_what_ip_can_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
