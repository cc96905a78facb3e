/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/crypto/aead.h"

static void every_provider_gives_the_known_answers(void **state)
{
    size_t n = 0;

    (void)state;
    for (const struct sw_aead *a; (a = sw_aead_provider(n)) != NULL; n++) {
        if (!sw_aead_self_test(a))
            fail_msg("%s", a->name);
    }
    assert_true(n >= 1);
    assert_int_not_equal(sw_aead_suites(), 0);
}

/* Libraries must agree with each other at every length, or two nodes could not talk. */
static void providers_of_one_suite_agree_at_every_length(void **state)
{
    static uint8_t plain[1600], one[1616], other[1616], back[1600];
    static const uint8_t nonce[12] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };
    static const uint8_t key[32] = { 1, 2, 3 };
    static const uint8_t aad[16] = { 4, 5, 6 };

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7);
    for (size_t i = 0; sw_aead_provider(i) != NULL; i++) {
        const struct sw_aead *a = sw_aead_provider(i);
        const struct sw_aead *b = sw_aead_provider(i + 1);
        struct sw_aead_state sa, sb;

        if (b == NULL || a->suite != b->suite)
            continue;
        a->expand(&sa, key);
        b->expand(&sb, key);
        for (size_t n = 0; n <= sizeof(plain); n++) {
            a->seal(&sa, nonce, aad, sizeof(aad), plain, n, one);
            b->seal(&sb, nonce, aad, sizeof(aad), plain, n, other);
            assert_memory_equal(one, other, n + 16);
            assert_true(a->open(&sa, nonce, aad, sizeof(aad), other, n + 16, back));
            assert_memory_equal(back, plain, n);
            memcpy(one, other, n + 16);
            assert_true(b->open(&sb, nonce, aad, sizeof(aad), one, n + 16, one)); /* in place */
            assert_memory_equal(one, plain, n);
        }
    }
}

static void a_packet_with_any_bit_turned_over_is_refused(void **state)
{
    static const uint8_t nonce[12], key[32], aad[16];

    (void)state;
    for (size_t i = 0; sw_aead_provider(i) != NULL; i++) {
        const struct sw_aead *a = sw_aead_provider(i);
        uint8_t sealed[100 + 16] = { 0 }, out[100];
        struct sw_aead_state st;

        a->expand(&st, key);
        a->seal(&st, nonce, aad, sizeof(aad), sealed, 100, sealed);
        for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
            sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_false(a->open(&st, nonce, aad, sizeof(aad), sealed, sizeof(sealed), out));
            sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        assert_true(a->open(&st, nonce, aad, sizeof(aad), sealed, sizeof(sealed), out));
    }
}

static void the_suite_is_one_that_both_ends_can_do(void **state)
{
    (void)state;
    assert_ptr_equal(sw_aead_best(3, 2), sw_aead_get(SW_AEAD_CHACHA20_POLY1305));
    assert_ptr_equal(sw_aead_best(3, 3), sw_aead_get(SW_AEAD_AES256_GCM));
    assert_null(sw_aead_best(1, 2));
    assert_null(sw_aead_best(3, 0));
}

int main(void)
{
    struct sw_err err;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_provider_gives_the_known_answers),
        cmocka_unit_test(providers_of_one_suite_agree_at_every_length),
        cmocka_unit_test(a_packet_with_any_bit_turned_over_is_refused),
        cmocka_unit_test(the_suite_is_one_that_both_ends_can_do),
    };

    if (sw_aead_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
