/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/crypto/secret.h"
#include "common/crypto/token.h"

/* Digest 35 = z, secret 36 = 10 in base 36. */
#define DIGEST "0000000000000000000000000000000000000000000000000z"
#define SECRET "0000000000000000000000010"
#define TOKEN  "SWMTKN-1-" DIGEST "-" SECRET

static struct sw_err err;

static void a_token_has_the_known_form(void **state)
{
    struct sw_token t = { .digest = { [31] = 35 }, .secret = { [15] = 36 } };
    char text[SW_TOKEN_CHARS + 1];

    (void)state;
    sw_token_format(&t, text);
    assert_string_equal(text, TOKEN);
    assert_int_equal(strlen(text), SW_TOKEN_CHARS);
    memset(&t, 0xff, sizeof(t));
    sw_token_format(&t, text);
    /* 2^256 - 1 and 2^128 - 1 */
    assert_string_equal(text, "SWMTKN-1-6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof-"
                              "f5lxx1zz5pnorynqglhzmsp33");
}

static void parsing_is_the_inverse_and_forgives_white_space(void **state)
{
    struct sw_token t;
    struct sw_token back;
    char text[SW_TOKEN_CHARS + 1];

    (void)state;
    assert_int_equal(sw_token_parse(" \t" TOKEN "\r\n", &t, &err), 0);
    assert_int_equal(t.digest[31], 35);
    assert_int_equal(t.secret[15], 36);
    for (int i = 0; i < 50; i++) {
        sw_random(&t, sizeof(t));
        sw_token_format(&t, text);
        assert_int_equal(sw_token_parse(text, &back, &err), 0);
        assert_memory_equal(&t, &back, sizeof(t));
    }
}

static void what_is_wrong_is_said_without_the_token(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        { "", "invalid join token: it is empty" },
        { "  \n", "invalid join token: it is empty" },
        { "hello", "invalid join token: it does not start with SWMTKN-1-" },
        { "swmtkn-1-" DIGEST "-" SECRET, "invalid join token: it does not start with SWMTKN-1-" },
        { "SWMTKN-2-1-" DIGEST "-" SECRET,
          "invalid join token: only version 1 (SWMTKN-1-...) is known" },
        { "SWMTKN-", "invalid join token: only version 1 (SWMTKN-1-...) is known" },
        { "SWMTKN-1-", "invalid join token: it has three parts instead of four, was it cut?" },
        { "SWMKEY-1-abc", "invalid join token: this is an unlock key (SWMKEY-...)" },
        { "SWMTKN-1-" DIGEST,
          "invalid join token: it has three parts instead of four, was it cut?" },
        { "SWMTKN-1-" DIGEST "-abc",
          "invalid join token: its secret has 3 characters instead of 25, was it cut?" },
        { TOKEN "0", "invalid join token: its secret has 26 characters instead of 25" },
        { "SWMTKN-1-abc-" SECRET,
          "invalid join token: its digest has 3 characters instead of 50, was it cut?" },
        { "SWMTKN-1-" DIGEST "-000000000000000000000001!",
          "invalid join token: character 25 of its secret is not in 0-9 a-z" },
        { "SWMTKN-1-" DIGEST "-00000000000000000000000AB",
          "invalid join token: character 24 of its secret is not in 0-9 a-z" },
        { TOKEN "-x", "invalid join token: character 26 of its secret is not in 0-9 a-z" },
        { "SWMTKN-1-" DIGEST "-zzzzzzzzzzzzzzzzzzzzzzzzz",
          "invalid join token: a part of it is out of range" },
    };
    struct sw_token t;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        assert_int_equal(sw_token_parse(bad[i].text, &t, &err), SW_E_INVALID);
        assert_string_equal(err.msg, bad[i].says);
    }
}

static void a_token_names_its_root_and_no_other(void **state)
{
    struct sw_token t = { .digest = { 1, 2, 3 } };
    struct sw_root root = { .digest = { 1, 2, 3 } };

    (void)state;
    assert_true(sw_token_is_for(&t, &root));
    root.digest[31] ^= 0x80;
    assert_false(sw_token_is_for(&t, &root));
}

static void secrets_compare_whole(void **state)
{
    uint8_t a[SW_TOKEN_SECRET_BYTES];
    uint8_t b[SW_TOKEN_SECRET_BYTES];

    (void)state;
    sw_token_secret_make(a);
    memcpy(b, a, sizeof(a));
    assert_true(sw_token_secret_equal(a, b));
    for (size_t i = 0; i < sizeof(a) * 8; i++) {
        b[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_false(sw_token_secret_equal(a, b));
        b[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
}

static void an_unlock_key_has_the_known_form(void **state)
{
    uint8_t key[SW_UNLOCK_KEY_BYTES] = { 0 };
    uint8_t back[SW_UNLOCK_KEY_BYTES];
    char text[SW_UNLOCK_KEY_CHARS + 1];

    (void)state;
    sw_unlock_key_format(key, text);
    assert_string_equal(text, "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    sw_unlock_key_make(key);
    sw_unlock_key_format(key, text);
    assert_int_equal(sw_unlock_key_parse(text, back, &err), 0);
    assert_memory_equal(key, back, sizeof(key));
    text[20] = '!';
    assert_int_equal(sw_unlock_key_parse(text, back, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "invalid unlock key: not base64");
    text[SW_UNLOCK_KEY_CHARS - 1] = '\0';
    assert_int_equal(sw_unlock_key_parse(text, back, &err), SW_E_INVALID);
    assert_string_equal(err.msg,
                        "invalid unlock key: 42 characters behind the prefix instead of 43");
    assert_int_equal(sw_unlock_key_parse(TOKEN, back, &err), SW_E_INVALID);
    /* Bits beyond the 32nd byte must be zero: one key, one text. */
    assert_int_equal(
        sw_unlock_key_parse("SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", back, &err),
        SW_E_INVALID);
}

static int setup(void **state)
{
    (void)state;
    return sw_crypto_init(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_the_known_form),
        cmocka_unit_test(parsing_is_the_inverse_and_forgives_white_space),
        cmocka_unit_test(what_is_wrong_is_said_without_the_token),
        cmocka_unit_test(a_token_names_its_root_and_no_other),
        cmocka_unit_test(secrets_compare_whole),
        cmocka_unit_test(an_unlock_key_has_the_known_form),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
