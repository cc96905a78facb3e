/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/base/time.h"

static void times_have_rfc3339s_form(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        { 1000000000ll, "1970-01-01T00:00:01Z" },
        { 1700000000000000000ll, "2023-11-14T22:13:20Z" },
        { 1700000000123456789ll, "2023-11-14T22:13:20.123456789Z" },
        { 1700000000120000000ll, "2023-11-14T22:13:20.12Z" },
        { 951782400000000000ll, "2000-02-29T00:00:00Z" },
        { -1ll, "1969-12-31T23:59:59.999999999Z" },
        { -1000000000ll, "1969-12-31T23:59:59Z" },
        { 0, "0001-01-01T00:00:00Z" },
    };
    char text[SW_RFC3339_MAX];
    int64_t back;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++) {
        sw_rfc3339(rows[i].ns, text);
        assert_string_equal(text, rows[i].text);
        assert_true(sw_rfc3339_parse(text, &back));
        assert_int_equal(back, rows[i].ns);
    }
}

static void zones_and_fractions_are_read(void **state)
{
    int64_t ns;

    (void)state;
    assert_true(sw_rfc3339_parse("2023-11-14T23:13:20+01:00", &ns));
    assert_int_equal(ns, 1700000000000000000ll);
    assert_true(sw_rfc3339_parse("2023-11-14T16:43:20.5-05:30", &ns));
    assert_int_equal(ns, 1700000000500000000ll);
    assert_true(sw_rfc3339_parse("2023-11-14t22:13:20.1234567891z", &ns));
    assert_int_equal(ns, 1700000000123456789ll);
    assert_true(sw_rfc3339_parse("2024-02-29T00:00:00Z", &ns));
    assert_true(sw_rfc3339_parse("2016-12-31T23:59:60Z", &ns));
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2023",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20Z",
        "2023-11-14T22:13Z",
        "2023-13-14T22:13:20Z",
        "2023-00-14T22:13:20Z",
        "2023-11-31T22:13:20Z",
        "2023-02-29T22:13:20Z",
        "1900-02-29T22:13:20Z",
        "2023-11-00T22:13:20Z",
        "2023-11-14T24:13:20Z",
        "2023-11-14T22:60:20Z",
        "2023-11-14T22:13:61Z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20+1:00",
        "2023-11-14T22:13:20+01:60",
        "2023-11-14T22:13:20Zx",
        "2023- 1-14T22:13:20Z",
        "2023-+1-14T22:13:20Z",
        "-023-11-14T22:13:20Z",
        "2300-01-01T00:00:00Z", /* beyond int64 nanoseconds */
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        if (sw_rfc3339_parse(bad[i], &ns))
            fail_msg("'%s' was taken", bad[i]);
}

static void durations_have_gos_form(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        { 0, "0s" },
        { 1, "1ns" },
        { 1100, "1.1\xc2\xb5s" },
        { 2200000, "2.2ms" },
        { 1500000000, "1.5s" },
        { 60000000000, "1m0s" },
        { 90000000000, "1m30s" },
        { 5400000000000, "1h30m0s" },
        { 8999999999999999999ll, "2499999h59m59.999999999s" },
        { -1500000000, "-1.5s" },
    };
    char text[SW_DURATION_MAX];
    int64_t back;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++) {
        sw_duration_format(rows[i].ns, text);
        assert_string_equal(text, rows[i].text);
        assert_true(sw_duration_parse(text, &back));
        assert_int_equal(back, rows[i].ns);
    }
}

static void other_spellings_of_durations_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        { "0", 0 },
        { "+5s", 5000000000 },
        { "100ms", 100000000 },
        { "1h2m3.5s", 3723500000000 },
        { ".5m", 30000000000 },
        { "1.h", 3600000000000 },
        { "10us", 10000 },
        { "10\xce\xbcs", 10000 },                     /* the Greek letter too */
        { "0.0000000015s", 1 },                       /* nothing below a nanosecond */
        { "9007199254740993ns", 9007199254740993ll }, /* more than a double holds */
        { "2m1m", 180000000000 },
        { "0.333333333333h", 1199999999998 },
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++) {
        if (!sw_duration_parse(rows[i].text, &ns))
            fail_msg("'%s' was refused", rows[i].text);
        assert_int_equal(ns, rows[i].ns);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "-",
        "5",
        "s",
        ".s",
        "5x",
        "5 s",
        " 5s",
        "5s ",
        "1e3s",
        "0x5s",
        "inf",
        "nan",
        "5s3",
        "--5s",
        "5S",
        "1.2.3s",
        "9223372036854775808ns",
        "9999999999h",
        "2562047h48m",
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        if (sw_duration_parse(bad[i], &ns))
            fail_msg("'%s' was taken", bad[i]);
}

static void clocks_run_forward(void **state)
{
    int64_t a = sw_mono_ns();

    (void)state;
    assert_true(sw_mono_ns() >= a);
    assert_true(sw_now_ns() > 1700000000000000000ll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_rfc3339s_form),
        cmocka_unit_test(zones_and_fractions_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(durations_have_gos_form),
        cmocka_unit_test(other_spellings_of_durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(clocks_run_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
