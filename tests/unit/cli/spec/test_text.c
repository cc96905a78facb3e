/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/spec/text.h"

static void sizes_take_units_of_1024(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } rows[] = {
        { "0", 0 },
        { "42", 42 },
        { "42b", 42 },
        { "1k", 1024 },
        { "1kb", 1024 },
        { "1KiB", 1024 },
        { "64M", 67108864 },
        { "1.5GiB", 1610612736 },
        { "512 kb", 524288 },
        { "1t", 1099511627776 },
        { ".5k", 512 },
        { "1e", -1 },
        { "abc", -1 },
        { "", -1 },
        { "-1", -1 },
        { "1kbb", -1 },
        { "1kx", -1 },
        { "1 2", -1 },
        { "99999999999p", -1 },
    };
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t v = -1;
        int r = text_bytes(rows[i].text, &v, &err);

        if ((r == 0) != (rows[i].bytes >= 0) || v != rows[i].bytes)
            fail_msg("%s: %d %lld", rows[i].text, r, (long long)v);
    }
    assert_int_equal(text_bytes("abc", &(int64_t){ 0 }, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "invalid size: 'abc'");
    assert_int_equal(text_bytes("1kx", &(int64_t){ 0 }, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "invalid suffix: 'kx'");
}

static void cpus_are_exact_billionths(void **state)
{
    static const struct {
        const char *text;
        int64_t nano;
    } rows[] = {
        { "1", 1000000000 },
        { "0.5", 500000000 },
        { ".001", 1000000 },
        { "0.000000001", 1 },
        { "1.500000000000", 1500000000 },
        { "0.0000000001", -1 },
        { "x", -1 },
        { "", -1 },
        { "1.2.3", -1 },
        { ".", -1 },
        { "99999999999999999999", -1 },
    };
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t v = -1;

        (void)text_cpus(rows[i].text, &v, &err);
        if (v != rows[i].nano)
            fail_msg("%s: %lld", rows[i].text, (long long)v);
    }
}

static void csv_understands_quotes(void **state)
{
    struct strv l = { 0 };
    struct sw_err err;

    (void)state;
    assert_int_equal(text_csv("a,\"b,c\",,\"d\"\"e\"", &l, &err), 0);
    assert_int_equal(l.n, 4);
    assert_string_equal(l.v[1], "b,c");
    assert_string_equal(l.v[2], "");
    assert_string_equal(l.v[3], "d\"e");
    strv_fini(&l);
    assert_int_equal(text_csv("a\"b", &l, &err), SW_E_INVALID);
    strv_fini(&l);
    assert_int_equal(text_csv("\"a", &l, &err), SW_E_INVALID);
    strv_fini(&l);
}

static void words_split_like_a_shell(void **state)
{
    struct strv l = { 0 };
    struct sw_err err;

    (void)state;
    assert_int_equal(text_words("  sh -c 'echo \"hi\" there'  a\\ b \"x\\\"y\" '' ", &l, &err), 0);
    assert_int_equal(l.n, 6);
    assert_string_equal(l.v[2], "echo \"hi\" there");
    assert_string_equal(l.v[3], "a b");
    assert_string_equal(l.v[4], "x\"y");
    assert_string_equal(l.v[5], "");
    strv_fini(&l);
    assert_int_equal(text_words("a 'b", &l, &err), SW_E_INVALID);
    strv_fini(&l);
}

static void numbers_are_strict(void **state)
{
    struct sw_err err;
    uint64_t u;
    int64_t i;
    bool b;
    double d;
    uint32_t m;

    (void)state;
    assert_int_equal(text_uint("18446744073709551615", &u, &err), 0);
    assert_int_equal(text_uint("18446744073709551616", &u, &err), SW_E_INVALID);
    assert_string_equal(err.msg,
                        "strconv.ParseUint: parsing \"18446744073709551616\": value out of range");
    assert_int_equal(text_uint("-1", &u, &err), SW_E_INVALID);
    assert_int_equal(text_uint("", &u, &err), SW_E_INVALID);
    assert_int_equal(text_int(" 1", &i, &err), SW_E_INVALID);
    assert_int_equal(text_int("-7", &i, &err), 0);
    assert_int_equal(i, -7);
    assert_int_equal(text_bool("TRUE", &b, &err), 0);
    assert_true(b);
    assert_int_equal(text_bool("yes", &b, &err), SW_E_INVALID);
    assert_int_equal(text_float("inf", &d, &err), SW_E_INVALID);
    assert_int_equal(text_mode("0440", &m, &err), 0);
    assert_int_equal(m, 0440);
    assert_int_equal(text_mode("48", &m, &err), SW_E_INVALID);
    assert_int_equal(text_duration("10", &i, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "time: missing unit in duration \"10\"");
    assert_int_equal(text_duration("1m30s", &i, &err), 0);
    assert_int_equal(i, 90000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_take_units_of_1024), cmocka_unit_test(cpus_are_exact_billionths),
        cmocka_unit_test(csv_understands_quotes),   cmocka_unit_test(words_split_like_a_shell),
        cmocka_unit_test(numbers_are_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
