/* SPDX-License-Identifier: Apache-2.0
 * The pure parts: frames, records, the handshake without sockets, the limiter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "common/rpc/channel.h"
#include "common/rpc/frame.h"
#include "common/rpc/handshake.h"
#include "common/rpc/limiter.h"
#include "tests/lib/test_heap.h"
#include "tests/unit/common/rpc/world.h"

/* ------------------------------------------------------------------ frames */

static void a_frame_has_the_documented_bytes(void **state)
{
    static const uint8_t expected[] = { 0, 0, 1, 3, 2, 2, 0, 0, 0, 0, 0, 2, 'h', 'i' };
    const struct frame f = { 0x103, FRAME_DATA, FRAME_LAST, (const uint8_t *)"hi", 2 };
    struct sw_buf b = SW_BUF_INIT;
    const uint8_t *p;
    size_t left;
    struct frame got;
    struct sw_err err;

    (void)state;
    rpc_frame_put(&b, &f);
    assert_int_equal(b.len, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    p = b.data;
    left = b.len;
    assert_int_equal(rpc_frame_next(&p, &left, &got, &err), 0);
    assert_int_equal(got.stream, 0x103);
    assert_int_equal(got.flags, FRAME_LAST);
    assert_memory_equal(got.payload, "hi", 2);
    assert_int_equal(rpc_frame_next(&p, &left, &got, &err), 1);
    sw_buf_fini(&b);
}

static void frames_against_the_rules_are_refused(void **state)
{
    static const uint8_t bad[][16] = {
        { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 },          /* type 0 */
        { 0, 0, 0, 1, 99, 0, 0, 0, 0, 0, 0, 0 },         /* unknown type */
        { 0, 0, 0, 1, FRAME_DATA, 0, 1, 0, 0, 0, 0, 0 }, /* reserved bits */
        { 0, 0, 0, 0, FRAME_DATA, 0, 0, 0, 0, 0, 0, 0 }, /* data on stream 0 */
        { 0, 0, 0, 1, FRAME_PING, 0, 0, 0, 0, 0, 0, 0 }, /* ping on a stream */
        { 0, 0, 0, 1, FRAME_DATA, 8, 0, 0, 0, 0, 0, 0 }, /* unknown flag */
        { 0, 0, 0, 1, FRAME_DATA, FRAME_MORE | FRAME_LAST, 0, 0, 0, 0, 0, 0 },
        { 0, 0, 0, 1, FRAME_END, FRAME_LAST, 0, 0, 0, 0, 0, 0 },
        { 0, 0, 0, 1, FRAME_END, 0, 0, 0, 0, 0, 0, 1, 'x' },         /* payload where none is */
        { 0, 0, 0, 1, FRAME_WINDOW, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0 },  /* short number */
        { 0, 0, 0, 1, FRAME_DATA, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4 }, /* cut */
        { 0, 0, 0, 1, FRAME_DATA, 0, 0, 0, 0, 0, 0x40, 1, 1, 2, 3 }, /* above the fragment size */
        { 0, 0, 0, 1, FRAME_DATA, 0, 0, 0, 0xff, 0xff, 0xff, 0xff }, /* absurd length */
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        const uint8_t *p = bad[i];
        size_t left = 16;
        struct frame f;
        struct sw_err err;

        if (rpc_frame_next(&p, &left, &f, &err) != SW_E_PROTOCOL)
            fail_msg("row %zu was taken", i);
        left = 11; /* less than a header */
        assert_int_equal(rpc_frame_next(&p, &left, &f, &err), SW_E_PROTOCOL);
    }
}

static void statuses_and_opens_survive_the_wire(void **state)
{
    struct sw_buf b = SW_BUF_INIT;
    const struct rpc_frame_open open = { 77, 2, 30000 };
    struct rpc_frame_open open2;
    struct sw_err status;
    struct sw_err status2;
    struct sw_err err;
    char address[8];
    int64_t now;
    const uint8_t *p;
    size_t left;
    struct frame f;

    (void)state;
    memset(&status, 0, sizeof(status));
    status.code = SW_E_CONFLICT;
    memset(status.msg, 'm', sizeof(status.msg) - 1);
    rpc_frame_put_status(&b, 5, FRAME_RESET, &status);
    rpc_frame_put_open(&b, 7, &open);
    rpc_frame_put_window(&b, 9, 131072);
    rpc_frame_put_welcome(&b, "10.0.0.7:51234", 1234567890123);
    assert_false(sw_buf_failed(&b));
    p = b.data;
    left = b.len;
    assert_int_equal(rpc_frame_next(&p, &left, &f, &err), 0);
    rpc_frame_status(&f, &status2);
    assert_int_equal(status2.code, SW_E_CONFLICT);
    assert_string_equal(status2.msg, status.msg);
    assert_int_equal(rpc_frame_next(&p, &left, &f, &err), 0);
    assert_int_equal(rpc_frame_open(&f, &open2, &err), 0);
    assert_int_equal(open2.method, 77);
    assert_int_equal(open2.priority, 2);
    assert_int_equal(open2.deadline_ms, 30000);
    assert_int_equal(rpc_frame_next(&p, &left, &f, &err), 0);
    assert_int_equal(rpc_frame_window(&f), 131072);
    assert_int_equal(rpc_frame_next(&p, &left, &f, &err), 0);
    assert_int_equal(rpc_frame_welcome(&f, address, sizeof(address), &now, &err), 0);
    assert_string_equal(address, "10.0.0."); /* never beyond its room */
    assert_int_equal(now, 1234567890123);
    sw_buf_fini(&b);
}

static void an_unreadable_status_is_still_an_error(void **state)
{
    const struct frame f = { 1, FRAME_RESET, 0, (const uint8_t *)"\xff\xff\xff", 3 };
    const struct frame positive = { 1, FRAME_RESET, 0, (const uint8_t *)"\x08\x0a", 2 }; /* +5 */
    struct sw_err got;

    (void)state;
    rpc_frame_status(&f, &got);
    assert_int_equal(got.code, SW_E_PROTOCOL);
    rpc_frame_status(&positive, &got);
    assert_int_equal(got.code, SW_E_PROTOCOL);
}

/* ------------------------------------------------------------------ records */

static void channels(struct channel *a, struct channel *b)
{
    memset(a, 0, sizeof(*a));
    a->sealed = true;
    a->max_records = 2;
    a->max_ms = 1000;
    a->send.has_key = a->recv.has_key = true;
    a->send.key[0] = 1;
    *b = *a;
    b->recv = a->send;
    b->send = a->recv;
}

static void a_record_is_found_only_when_complete(void **state)
{
    uint8_t bytes[] = { 0, 3, 'a', 'b', 'c', 0, 0, 0, 9 };
    uint8_t *body;
    size_t n;

    (void)state;
    for (size_t len = 0; len < 5; len++)
        assert_int_equal(rpc_record_take(bytes, len, &body, &n), 0);
    assert_int_equal(rpc_record_take(bytes, sizeof(bytes), &body, &n), 5);
    assert_ptr_equal(body, bytes + 2);
    assert_int_equal(n, 3);
    assert_int_equal(rpc_record_take(bytes + 5, 2, &body, &n), 2);
    assert_int_equal(n, 0);
    assert_int_equal(rpc_record_take(bytes + 7, 2, &body, &n), 0);
}

static void keys_change_by_count_and_by_time(void **state)
{
    struct channel a;
    struct channel b;
    struct sw_buf out = SW_BUF_INIT;
    struct sw_err err;
    size_t n;

    (void)state;
    channels(&a, &b);
    assert_false(rpc_channel_wants_rekey(&a, 5000)); /* nothing was sent under this key */
    assert_int_equal(rpc_channel_seal(&a, (const uint8_t *)"one", 3, &out), 0);
    assert_false(rpc_channel_wants_rekey(&a, 999));
    assert_true(rpc_channel_wants_rekey(&a, 1000));
    assert_int_equal(rpc_channel_seal(&a, (const uint8_t *)"two", 3, &out), 0);
    assert_true(rpc_channel_wants_rekey(&a, 10));
    rpc_channel_rekey_send(&a, 10);
    assert_false(rpc_channel_wants_rekey(&a, 10));
    assert_int_equal(rpc_channel_seal(&a, (const uint8_t *)"three", 5, &out), 0);
    assert_int_equal(out.len, 3 * (2 + 16) + 11);
    assert_int_equal(rpc_channel_open(&b, out.data + 2, 19, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(out.data + 2, "one", 3);
    assert_int_equal(rpc_channel_open(&b, out.data + 23, 19, &n, &err), 0);
    rpc_channel_rekey_recv(&b);
    assert_int_equal(rpc_channel_open(&b, out.data + 44, 21, &n, &err), 0);
    assert_memory_equal(out.data + 44, "three", 5);
    sw_buf_fini(&out);
}

/* ------------------------------------------------------------------ handshake */

/* Carry records between two handshakes until both are done or one fails. */
static int shake(struct handshake *d, struct handshake *s, struct sw_err *err)
{
    struct handshake *to = s;
    struct sw_buf in = SW_BUF_INIT;
    int r = rpc_handshake_start(d, &in, err);

    while (r == 0 && in.len > 0) {
        struct sw_buf out = SW_BUF_INIT;

        r = rpc_handshake_take(to, in.data + 2, in.len - 2, &out, err);
        sw_buf_fini(&in);
        in = out;
        if (r == HANDSHAKE_DONE && in.len > 0) /* the dialer's last message is still to be read */
            r = 0;
        to = to == s ? d : s;
    }
    sw_buf_fini(&in);
    return r;
}

static int handshake_between(struct world *w, struct sw_err *err)
{
    const struct handshake_options dialer = { .dialer = true,
                                              .purpose = SW_RPC_NODE,
                                              .identity = w->worker,
                                              .expect = SW_RPC_MANAGER,
                                              .now_ns = sw_now_ns() };
    const struct handshake_options server = { .identity = w->manager, .now_ns = sw_now_ns() };
    struct handshake *d = NULL;
    struct handshake *s = NULL;
    int r = rpc_handshake_new(&d, &dialer, err);

    if (r == 0)
        r = rpc_handshake_new(&s, &server, err);
    if (r == 0)
        r = shake(d, s, err);
    rpc_handshake_free(d);
    rpc_handshake_free(s);
    return r;
}

/* Every allocation of a handshake fails in turn: each time an error, never a leak or a success. */
static void a_handshake_survives_any_failing_allocation(void **state)
{
    struct world w;
    struct test_heap heap;
    struct sw_err err;
    int r = -ENOMEM;
    size_t nth;

    (void)state;
    world_init(&w);
    for (nth = 1; r < 0; nth++) {
        assert_true(nth < 200);
        test_heap_init(&heap);
        test_heap_fail_nth(&heap, nth);
        r = handshake_between(&w, &err);
        test_heap_check(&heap);
        test_heap_fini(&heap);
    }
    assert_int_equal(r, HANDSHAKE_DONE);
    assert_true(nth > 20);
    world_fini(&w);
}

static void the_frame_codec_survives_any_failing_allocation(void **state)
{
    struct test_heap heap;
    const struct rpc_frame_open open = { 77, 2, 30000 };
    struct rpc_frame_open got;
    struct sw_err err;
    int r = -1;

    (void)state;
    for (size_t nth = 1; r < 0; nth++) {
        struct sw_buf b = SW_BUF_INIT;
        const uint8_t *p;
        size_t left;
        struct frame f;

        assert_true(nth < 20);
        test_heap_init(&heap);
        test_heap_fail_nth(&heap, nth);
        rpc_frame_put_open(&b, 1, &open);
        if (!sw_buf_failed(&b)) {
            p = b.data;
            left = b.len;
            assert_int_equal(rpc_frame_next(&p, &left, &f, &err), 0);
            r = rpc_frame_open(&f, &got, &err);
        }
        sw_buf_fini(&b);
        test_heap_check(&heap);
        test_heap_fini(&heap);
    }
    assert_int_equal(got.method, 77);
}

/* ------------------------------------------------------------------ limiter */

static void wrong_tokens_fill_a_bucket_that_drains(void **state)
{
    struct limiter *l = calloc(1, sizeof(*l));

    (void)state;
    l->max = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rpc_limiter_blocked(l, "10.0.0.7:1000", 5000), 0);
        rpc_limiter_fail(l, "10.0.0.7:1234", 5000); /* any port */
    }
    assert_int_equal(rpc_limiter_blocked(l, "10.0.0.7:99", 5000), 10000);
    assert_int_equal(rpc_limiter_blocked(l, "10.0.0.8:99", 5000), 0);
    assert_int_equal(rpc_limiter_blocked(l, "10.0.0.7:99", 14999), 1);
    assert_int_equal(rpc_limiter_blocked(l, "10.0.0.7:99", 15000), 0); /* one drained */
    rpc_limiter_fail(l, "10.0.0.7:99", 15000);
    assert_int_equal(rpc_limiter_blocked(l, "10.0.0.7:99", 15000), 10000);
    assert_int_equal(rpc_limiter_blocked(l, "10.0.0.7:99", 1000000), 0);
    free(l);
}

static void ipv6_counts_by_subnet(void **state)
{
    struct limiter *l = calloc(1, sizeof(*l));

    (void)state;
    l->max = 1;
    rpc_limiter_fail(l, "[2001:db8:1:2::1]:5", 0);
    assert_true(rpc_limiter_blocked(l, "[2001:db8:1:2:ffff::9]:7", 0) > 0);
    assert_int_equal(rpc_limiter_blocked(l, "[2001:db8:1:3::1]:5", 0), 0);
    assert_int_equal(rpc_limiter_blocked(l, "unix", 0), 0);
    free(l);
}

static void noise_does_not_free_the_worst_offender(void **state)
{
    struct limiter *l = calloc(1, sizeof(*l));
    char address[64];

    (void)state;
    l->max = 2;
    rpc_limiter_fail(l, "10.9.9.9:1", 0);
    rpc_limiter_fail(l, "10.9.9.9:1", 0);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(address, sizeof(address), "10.1.%d.%d:1", i / 250, i % 250);
        rpc_limiter_fail(l, address, 0);
    }
    assert_true(rpc_limiter_blocked(l, "10.9.9.9:1", 0) > 0);
    free(l);
}

static int group_setup(void **state)
{
    struct sw_err err;

    (void)state;
    return sw_crypto_init(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_has_the_documented_bytes),
        cmocka_unit_test(frames_against_the_rules_are_refused),
        cmocka_unit_test(statuses_and_opens_survive_the_wire),
        cmocka_unit_test(an_unreadable_status_is_still_an_error),
        cmocka_unit_test(a_record_is_found_only_when_complete),
        cmocka_unit_test(keys_change_by_count_and_by_time),
        cmocka_unit_test(a_handshake_survives_any_failing_allocation),
        cmocka_unit_test(the_frame_codec_survives_any_failing_allocation),
        cmocka_unit_test(wrong_tokens_fill_a_bucket_that_drains),
        cmocka_unit_test(ipv6_counts_by_subnet),
        cmocka_unit_test(noise_does_not_free_the_worst_offender),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
