/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/packet/keymem.h"
#include "agent/netd/packet/sa.h"
#include "common/base/id.h"

#define PLAIN 300u

struct fixture {
    struct vtep_tx_sa tx;
    struct vtep_rx_sa rx;
    uint8_t plain[PLAIN];
    uint8_t pkt[PLAIN + VTEP_HDR + VTEP_TAG];
    uint8_t out[PLAIN];
};

static int setup_suite(void **state, enum sw_aead_suite suite)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct sw_vtep_secret secret = { .index = 0x01020304 };

    memset(secret.key, 7, sizeof(secret.key));
    memset(secret.salt, 9, sizeof(secret.salt));
    vtep_tx_sa_init(&f->tx, sw_aead_get(suite), &secret);
    vtep_rx_sa_init(&f->rx, sw_aead_get(suite), &secret);
    for (unsigned i = 0; i < PLAIN; i++)
        f->plain[i] = (uint8_t)i;
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_suite(state, SW_AEAD_CHACHA20_POLY1305); /* on every machine */
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    vtep_tx_sa_fini(&f->tx);
    vtep_rx_sa_fini(&f->rx);
    assert_int_equal(keymem_used(), 0);
    test_free(f);
    return 0;
}

static enum vtep_verdict open_pkt(struct fixture *f)
{
    return vtep_open(&f->rx, f->pkt, sizeof(f->pkt), f->out);
}

static void seal_pkt(struct fixture *f)
{
    assert_true(vtep_seal(&f->tx, VTEP_F_CSUM_PARTIAL, f->plain, PLAIN, f->pkt));
}

static void the_clear_part_is_as_specified(void **state)
{
    static const uint8_t want[VTEP_HDR] = { 1, 1, 0, 0, 4, 3, 2, 1, 2 };
    struct fixture *f = *state;

    f->tx.counter = 2;
    seal_pkt(f);
    assert_memory_equal(f->pkt, want, VTEP_HDR);
    assert_true(vtep_hdr_ok(f->pkt, sizeof(f->pkt)));
}

/* Sealed by hand with libsodium's cipher: subkey and nonce are what the headers say. */
static void the_sealed_part_is_as_specified(void **state)
{
    struct fixture *f = *state;
    const struct sw_aead *a = f->tx.aead;
    uint8_t key[32], sub[32], nonce[12] = { 9, 9, 9, 9, 1, 0, 0, 0x40 };
    struct sw_aead_state st;

    f->tx.counter = (1ull << 30) + 1;
    seal_pkt(f);
    memset(key, 7, sizeof(key));
    sw_vtep_subkey(key, 1, sub);
    a->expand(&st, sub);
    assert_true(a->open(&st, nonce, f->pkt, VTEP_HDR, f->pkt + VTEP_HDR, PLAIN + VTEP_TAG, f->out));
    assert_memory_equal(f->out, f->plain, PLAIN);
}

static void what_was_sealed_opens_once(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 100; i++) {
        seal_pkt(f);
        assert_int_equal(open_pkt(f), VTEP_OK);
        assert_memory_equal(f->out, f->plain, PLAIN);
        assert_int_equal(open_pkt(f), VTEP_REPLAYED);
    }
}

static void every_turned_bit_is_noticed_and_costs_nothing(void **state)
{
    struct fixture *f = *state;

    seal_pkt(f);
    for (size_t bit = 0; bit < sizeof(f->pkt) * 8; bit++) {
        f->pkt[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(open_pkt(f), VTEP_OK);
        f->pkt[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(open_pkt(f), VTEP_OK); /* no forgery moved the window */
}

static void both_ends_change_the_subkey_at_the_same_packet(void **state)
{
    struct fixture *f = *state;
    const uint64_t edge = 1ull << SW_VTEP_PERIOD_BITS;
    uint8_t late[sizeof(f->pkt)];

    f->tx.counter = edge - 3;
    for (unsigned i = 0; i < 6; i++) {
        seal_pkt(f);
        if (i == 1) { /* overtaken by packets of the next period */
            memcpy(late, f->pkt, sizeof(late));
            continue;
        }
        assert_int_equal(open_pkt(f), VTEP_OK);
    }
    memcpy(f->pkt, late, sizeof(late));
    assert_int_equal(open_pkt(f), VTEP_OK);
}

static void periods_far_from_the_newest_are_not_even_tried(void **state)
{
    struct fixture *f = *state;
    const uint64_t edge = 1ull << SW_VTEP_PERIOD_BITS;

    for (uint64_t period = 0; period < 7; period++) { /* one after the other is fine */
        f->tx.counter = period * edge + 5;
        f->tx.limit = 0;
        seal_pkt(f);
        assert_int_equal(open_pkt(f), VTEP_OK);
    }
    f->tx.counter = 8 * edge;
    f->tx.limit = 0;
    seal_pkt(f);
    assert_int_equal(open_pkt(f), VTEP_BAD_TAG);
}

static void a_receiver_that_comes_late_starts_at_any_period(void **state)
{
    struct fixture *f = *state;

    f->tx.counter = 123ull << SW_VTEP_PERIOD_BITS;
    seal_pkt(f);
    assert_int_equal(open_pkt(f), VTEP_OK);
}

static void a_path_ends_before_its_counter_could_repeat(void **state)
{
    struct fixture *f = *state;

    f->tx.counter = VTEP_COUNTER_MAX - 1;
    seal_pkt(f);
    assert_false(vtep_seal(&f->tx, 0, f->plain, PLAIN, f->pkt));
    vtep_put_le64(f->pkt + 8, VTEP_COUNTER_MAX);
    assert_int_equal(open_pkt(f), VTEP_REPLAYED);
}

static void headers_of_another_shape_are_refused(void **state)
{
    struct fixture *f = *state;

    seal_pkt(f);
    assert_false(vtep_hdr_ok(f->pkt, VTEP_PKT_MIN - 1));
    for (unsigned i = 0; i < 4; i++) {
        uint8_t keep = f->pkt[i];

        f->pkt[i] = 0x80;
        assert_false(vtep_hdr_ok(f->pkt, sizeof(f->pkt)));
        f->pkt[i] = keep;
    }
}

static void slots_of_key_memory_are_zero_aligned_and_reused(void **state)
{
    void *all[200];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 200; i++) {
            static const uint8_t zero[KEYMEM_SLOT];

            all[i] = keymem_get();
            assert_non_null(all[i]);
            assert_int_equal((uintptr_t)all[i] % 64, 0);
            assert_memory_equal(all[i], zero, KEYMEM_SLOT);
            memset(all[i], 0xaa, KEYMEM_SLOT);
        }
        assert_int_equal(keymem_used(), 200);
        for (unsigned i = 0; i < 200; i++)
            keymem_put(all[i]);
    }
    assert_int_equal(keymem_used(), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_clear_part_is_as_specified),
        TEST(the_sealed_part_is_as_specified),
        TEST(what_was_sealed_opens_once),
        TEST(every_turned_bit_is_noticed_and_costs_nothing),
        TEST(both_ends_change_the_subkey_at_the_same_packet),
        TEST(periods_far_from_the_newest_are_not_even_tried),
        TEST(a_receiver_that_comes_late_starts_at_any_period),
        TEST(a_path_ends_before_its_counter_could_repeat),
        TEST(headers_of_another_shape_are_refused),
        cmocka_unit_test(slots_of_key_memory_are_zero_aligned_and_reused),
    };
    struct sw_err err;

    if (sw_aead_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
