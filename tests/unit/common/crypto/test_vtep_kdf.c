/* SPDX-License-Identifier: Apache-2.0
 * Expected values: the shared secret of RFC 7748 section 6.1 as input of the root, then Python's hashlib.blake2b over the
 * byte strings that vtep_kdf.h describes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/crypto/secret.h"
#include "common/crypto/vtep_kdf.h"

static const char alice[] = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
static const char bob[] = "de9edb7d7b7dbc4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f8";

static void bytes_of(const char *hex, uint8_t out[32])
{
    assert_true(sw_hex_parse(hex, out, 32));
}

static void equals_hex(const uint8_t *p, const char *hex)
{
    char got[65];

    sw_hex(p, 32, got);
    assert_string_equal(got, hex);
}

static void a_path_has_the_key_salt_and_index_of_the_fixed_vector(void **state)
{
    struct sw_vtep_path path = { .epoch = 7, .worker = 3, .suite = 1 };
    struct sw_vtep_secret s;
    uint8_t root[32], sub[32];

    (void)state;
    bytes_of("7354e0f127ecbe201a5ac33e341f712ed1ec7cb1ec58df9c64b34d79b14bf591", root);
    memset(path.src.b, 1, 16);
    memset(path.dst.b, 2, 16);
    bytes_of(alice, path.src_key);
    bytes_of(bob, path.dst_key);

    sw_vtep_derive(root, &path, &s);
    equals_hex(s.key, "9d324f86ea8515361f6a2b897e8672dd7bdfd9a96572595c4fdbdb3e9ce69429");
    assert_memory_equal(s.salt, "\x1f\x79\x32\x15", 4);
    assert_int_equal(s.index, 0xa06eabd7u);

    sw_vtep_subkey(s.key, 5, sub);
    equals_hex(sub, "c4702528086a209a9b2cf20f516cc56d0af19329c1c23578cea4e39a6ffda6fe");
}

static void both_ends_find_the_same_root(void **state)
{
    struct sw_dh_key a, b;
    uint8_t secret[32], ra[32], rb[32];
    struct sw_err err;

    (void)state;
    sw_dh_key_make(&a);
    sw_dh_key_make(&b);
    for (unsigned i = 0; i < 32; i++)
        secret[i] = (uint8_t)i;
    assert_int_equal(sw_vtep_root(&a, b.public_key, secret, ra, &err), 0);
    assert_int_equal(sw_vtep_root(&b, a.public_key, secret, rb, &err), 0);
    assert_memory_equal(ra, rb, 32);

    secret[0] ^= 1; /* another epoch secret, another root */
    assert_int_equal(sw_vtep_root(&a, b.public_key, secret, ra, &err), 0);
    assert_memory_not_equal(ra, rb, 32);
}

static void every_input_changes_the_key(void **state)
{
    static const uint8_t root[32];
    const struct sw_vtep_path base = { .epoch = 1 };
    struct sw_vtep_path p;
    struct sw_vtep_secret s0, s;

    (void)state;
    sw_vtep_derive(root, &base, &s0);
#define CHANGED(field, value)                                                                      \
    p = base;                                                                                      \
    p.field = value;                                                                               \
    sw_vtep_derive(root, &p, &s);                                                                  \
    assert_memory_not_equal(s.key, s0.key, 32)
    CHANGED(src.b[15], 1);
    CHANGED(dst.b[0], 1);
    CHANGED(src_key[31], 1);
    CHANGED(dst_key[31], 1);
    CHANGED(epoch, 2);
    CHANGED(worker, 1);
    CHANGED(suite, 2);
#undef CHANGED
}

static void a_start_key_of_small_order_is_refused(void **state)
{
    static const uint8_t zero[32];
    uint8_t root[32];
    struct sw_dh_key a;
    struct sw_err err;

    (void)state;
    sw_dh_key_make(&a);
    assert_int_equal(sw_vtep_root(&a, zero, zero, root, &err), SW_E_CRYPTO);
}

int main(void)
{
    struct sw_err err;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_has_the_key_salt_and_index_of_the_fixed_vector),
        cmocka_unit_test(both_ends_find_the_same_root),
        cmocka_unit_test(every_input_changes_the_key),
        cmocka_unit_test(a_start_key_of_small_order_is_refused),
    };

    if (sw_crypto_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
