/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/id.h"
#include "common/base/macro.h"
#include "common/crypto/noise.h"
#include "common/crypto/secret.h"
#include "tests/unit/common/crypto/noise_vectors.h"

#define MAX 1024

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    assert_true(n <= MAX);
    assert_true(sw_hex_parse(hex, out, n));
    return n;
}

static void key_from_hex(const char *hex, struct sw_dh_key *out)
{
    uint8_t secret[MAX];

    assert_int_equal(unhex(hex, secret), SW_KEY_BYTES);
    sw_dh_key_from_secret(out, secret);
}

static void start(struct sw_noise *n, const struct noise_vector *v, bool initiator)
{
    const char *s = initiator ? v->init_static : v->resp_static;
    const char *rs = initiator ? v->init_remote_static : v->resp_remote_static;
    uint8_t prologue[MAX];
    uint8_t remote[MAX];
    uint8_t psk[1][SW_KEY_BYTES];
    struct sw_dh_key s_key;
    struct sw_dh_key e_key;
    struct sw_err err;
    struct sw_noise_options opt = { .protocol = v->protocol,
                                    .initiator = initiator,
                                    .prologue = prologue,
                                    .prologue_len = unhex(v->prologue, prologue),
                                    .e = &e_key };

    key_from_hex(initiator ? v->init_ephemeral : v->resp_ephemeral, &e_key);
    if (s != NULL) {
        key_from_hex(s, &s_key);
        opt.s = &s_key;
    }
    if (rs != NULL) {
        unhex(rs, remote);
        opt.rs = remote;
    }
    if (v->psk != NULL) {
        unhex(v->psk, psk[0]);
        opt.psks = (const uint8_t(*)[SW_KEY_BYTES])psk;
        opt.n_psks = 1;
    }
    assert_int_equal(sw_noise_init(n, &opt, &err), 0);
}

static void handshake_message(struct sw_noise *from, struct sw_noise *to, const char *payload_hex,
                              const char *expected_hex)
{
    uint8_t payload[MAX];
    uint8_t expected[MAX];
    uint8_t got[MAX + SW_NOISE_OVERHEAD];
    uint8_t back[MAX + SW_NOISE_OVERHEAD];
    size_t n = unhex(payload_hex, payload);
    size_t expected_len = unhex(expected_hex, expected);
    size_t len;
    size_t back_len;
    struct sw_err err;

    assert_true(sw_noise_is_our_turn(from));
    assert_false(sw_noise_is_our_turn(to));
    assert_int_equal(sw_noise_write(from, payload, n, got, &len, &err), 0);
    assert_int_equal(len, expected_len);
    assert_memory_equal(got, expected, len);
    assert_int_equal(sw_noise_read(to, got, len, back, &back_len, &err), 0);
    assert_int_equal(back_len, n);
    assert_memory_equal(back, payload, n);
}

static void transport_message(struct sw_noise_cipher *from, struct sw_noise_cipher *to,
                              const char *payload_hex, const char *expected_hex)
{
    uint8_t payload[MAX];
    uint8_t expected[MAX];
    uint8_t got[MAX];
    size_t n = unhex(payload_hex, payload);
    size_t expected_len = unhex(expected_hex, expected);

    assert_int_equal(expected_len, n + SW_NOISE_TAG);
    assert_int_equal(sw_noise_seal(from, payload, n, got), 0);
    assert_memory_equal(got, expected, expected_len);
    assert_int_equal(sw_noise_open(to, got, expected_len, got), 0);
    assert_memory_equal(got, payload, n);
}

static void run_vector(const struct noise_vector *v)
{
    struct sw_noise side[2];
    struct sw_noise_cipher send[2];
    struct sw_noise_cipher recv[2];
    uint8_t hash[SW_NOISE_HASH_MAX];
    uint8_t expected[MAX];
    size_t i = 0;

    print_message("%s\n", v->protocol);
    start(&side[0], v, true);
    start(&side[1], v, false);
    for (; !sw_noise_is_done(&side[0]); i++)
        handshake_message(&side[i % 2], &side[1 - i % 2], v->messages[i].payload,
                          v->messages[i].ciphertext);
    assert_true(sw_noise_is_done(&side[1]));
    for (int k = 0; k < 2; k++) {
        assert_int_equal(sw_noise_hash(&side[k], hash), unhex(v->hash, expected));
        assert_memory_equal(hash, expected, strlen(v->hash) / 2);
        sw_noise_split(&side[k], &send[k], &recv[k]);
        sw_noise_fini(&side[k]);
    }
    for (; i < VECTOR_MESSAGES; i++)
        transport_message(&send[i % 2], &recv[1 - i % 2], v->messages[i].payload,
                          v->messages[i].ciphertext);
}

static void handshakes_match_the_published_vectors(void **state)
{
    (void)state;
    assert_int_equal(SW_ARRAY_LEN(noise_vectors), 10);
    for (size_t i = 0; i < SW_ARRAY_LEN(noise_vectors); i++)
        run_vector(&noise_vectors[i]);
}

/* An XX handshake between fresh keys, up to but without message @stop. */
static void fresh_xx(struct sw_noise side[2], const char *prologues[2])
{
    struct sw_err err;

    for (int k = 0; k < 2; k++) {
        struct sw_dh_key key;
        const struct sw_noise_options opt = { .protocol = SW_NOISE_XX,
                                              .initiator = k == 0,
                                              .prologue = prologues[k],
                                              .prologue_len = strlen(prologues[k]),
                                              .s = &key };

        sw_dh_key_make(&key);
        assert_int_equal(sw_noise_init(&side[k], &opt, &err), 0);
    }
}

static void any_changed_bit_ends_the_handshake(void **state)
{
    const char *prologues[2] = { "p", "p" };
    uint8_t msg[256];
    uint8_t out[256];
    size_t len;
    size_t n;
    struct sw_err err;
    struct sw_noise side[2];

    (void)state;
    for (size_t bit = 0; bit < 96 * 8 + 10 * 8; bit += 7) { /* message 2: e, s, payload of 10 */
        fresh_xx(side, prologues);
        assert_int_equal(sw_noise_write(&side[0], NULL, 0, msg, &len, &err), 0);
        assert_int_equal(sw_noise_read(&side[1], msg, len, out, &n, &err), 0);
        assert_int_equal(sw_noise_write(&side[1], "0123456789", 10, msg, &len, &err), 0);
        assert_int_equal(len, 32 + 48 + 10 + 16);
        msg[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        /* The top bit of an X25519 key is ignored by the curve but not by the hash. */
        assert_int_equal(sw_noise_read(&side[0], msg, len, out, &n, &err), SW_E_CRYPTO);
        assert_false(sw_noise_is_done(&side[0]));
    }
}

static void a_short_message_is_refused(void **state)
{
    const char *prologues[2] = { "p", "p" };
    uint8_t msg[256];
    uint8_t out[256];
    size_t len;
    size_t n;
    struct sw_err err;
    struct sw_noise side[2];

    (void)state;
    for (size_t cut = 0; cut < 96; cut++) {
        fresh_xx(side, prologues);
        assert_int_equal(sw_noise_write(&side[0], NULL, 0, msg, &len, &err), 0);
        assert_int_equal(sw_noise_read(&side[1], msg, len, out, &n, &err), 0);
        assert_int_equal(sw_noise_write(&side[1], NULL, 0, msg, &len, &err), 0);
        assert_int_equal(len, 96);
        assert_int_equal(sw_noise_read(&side[0], msg, cut, out, &n, &err), SW_E_CRYPTO);
    }
}

static void different_prologues_do_not_shake_hands(void **state)
{
    const char *prologues[2] = { "join", "node" };
    uint8_t msg[256];
    uint8_t out[256];
    size_t len;
    size_t n;
    struct sw_err err;
    struct sw_noise side[2];

    (void)state;
    fresh_xx(side, prologues);
    assert_int_equal(sw_noise_write(&side[0], NULL, 0, msg, &len, &err), 0);
    assert_int_equal(sw_noise_read(&side[1], msg, len, out, &n, &err), 0);
    assert_int_equal(sw_noise_write(&side[1], NULL, 0, msg, &len, &err), 0);
    assert_int_equal(sw_noise_read(&side[0], msg, len, out, &n, &err), SW_E_CRYPTO);
}

static void a_peer_key_of_small_order_is_refused(void **state)
{
    const char *prologues[2] = { "p", "p" };
    uint8_t msg[256] = { 0 }; /* the zero point as e */
    uint8_t out[256];
    size_t len;
    size_t n;
    struct sw_err err;
    struct sw_noise side[2];

    (void)state;
    fresh_xx(side, prologues);
    assert_int_equal(sw_noise_read(&side[1], msg, 32, out, &n, &err), 0);
    assert_int_equal(sw_noise_write(&side[1], NULL, 0, msg, &len, &err), SW_E_CRYPTO);
}

static void records_must_come_in_order_and_once(void **state)
{
    struct sw_noise_cipher a = { .has_key = true, .key = { 7 } };
    struct sw_noise_cipher b = a;
    uint8_t r1[21];
    uint8_t r2[21];
    uint8_t out[21];

    (void)state;
    assert_int_equal(sw_noise_seal(&a, "first", 5, r1), 0);
    assert_int_equal(sw_noise_seal(&a, "secnd", 5, r2), 0);
    assert_int_equal(sw_noise_open(&b, r2, sizeof(r2), out), SW_E_CRYPTO);
    assert_int_equal(sw_noise_open(&b, r1, sizeof(r1), out), 0);
    assert_memory_equal(out, "first", 5);
    assert_int_equal(sw_noise_open(&b, r1, sizeof(r1), out), SW_E_CRYPTO);
    assert_int_equal(sw_noise_open(&b, r2, sizeof(r2), out), 0);
    assert_int_equal(sw_noise_open(&b, r2, 15, out), SW_E_CRYPTO);
}

static void rekeying_changes_the_key_and_keeps_the_counter(void **state)
{
    struct sw_noise_cipher a = { .has_key = true, .key = { 7 }, .nonce = 3 };
    struct sw_noise_cipher b = a;
    uint8_t r[21];
    uint8_t out[21];

    (void)state;
    sw_noise_rekey(&a);
    assert_int_equal(a.nonce, 3);
    assert_memory_not_equal(a.key, b.key, SW_KEY_BYTES);
    assert_int_equal(sw_noise_seal(&a, "hello", 5, r), 0);
    assert_int_equal(sw_noise_open(&b, r, sizeof(r), out), SW_E_CRYPTO);
    sw_noise_rekey(&b);
    assert_int_equal(sw_noise_open(&b, r, sizeof(r), out), 0);
}

static void a_used_up_counter_seals_no_more(void **state)
{
    struct sw_noise_cipher a = { .has_key = true, .nonce = UINT64_MAX };
    uint8_t r[17];

    (void)state;
    assert_int_equal(sw_noise_seal(&a, "x", 1, r), SW_E_CRYPTO);
}

static void unknown_protocols_and_missing_keys_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "Noise_XX",
        "Noise_XX_25519_AESGCM_SHA256",
        "Noise_XX_448_ChaChaPoly_BLAKE2b",
        "Noise_ZZ_25519_ChaChaPoly_BLAKE2b",
        "Noise_X_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk3psk_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk1+psk2+psk3_25519_ChaChaPoly_BLAKE2b",
        "Noise_XX_25519_ChaChaPoly_BLAKE2s",
    };
    struct sw_noise n;
    struct sw_dh_key key;
    struct sw_err err;
    struct sw_noise_options opt = { .initiator = true, .prologue = "", .s = &key };

    (void)state;
    sw_dh_key_make(&key);
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        opt.protocol = bad[i];
        assert_int_equal(sw_noise_init(&n, &opt, &err), SW_E_INVALID);
    }
    opt.protocol = "Noise_IK_25519_ChaChaPoly_BLAKE2b"; /* without the responder's key */
    assert_int_equal(sw_noise_init(&n, &opt, &err), SW_E_INVALID);
    opt.protocol = SW_NOISE_XX;
    opt.s = NULL;
    assert_int_equal(sw_noise_init(&n, &opt, &err), SW_E_INVALID);
}

static int setup(void **state)
{
    struct sw_err err;

    (void)state;
    return sw_crypto_init(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_match_the_published_vectors),
        cmocka_unit_test(any_changed_bit_ends_the_handshake),
        cmocka_unit_test(a_short_message_is_refused),
        cmocka_unit_test(different_prologues_do_not_shake_hands),
        cmocka_unit_test(a_peer_key_of_small_order_is_refused),
        cmocka_unit_test(records_must_come_in_order_and_once),
        cmocka_unit_test(rekeying_changes_the_key_and_keeps_the_counter),
        cmocka_unit_test(a_used_up_counter_seals_no_more),
        cmocka_unit_test(unknown_protocols_and_missing_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
