/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/render/human.h"
#include "common/base/time.h"

#define S SW_NS_PER_S

static void ages(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        { -5 * S, "Less than a second" },
        { 999999999, "Less than a second" },
        { S, "1 second" },
        { 2 * S, "2 seconds" },
        { 59 * S, "59 seconds" },
        { 60 * S, "About a minute" },
        { 119 * S, "About a minute" },
        { 120 * S, "2 minutes" },
        { 59 * 60 * S, "59 minutes" },
        { 3600 * S, "About an hour" },
        { 5399 * S, "About an hour" },
        { 5400 * S, "2 hours" },
        { 47 * 3600 * S, "47 hours" },
        { 48 * 3600 * S, "2 days" },
        { 13 * 86400 * S, "13 days" },
        { 14 * 86400 * S, "2 weeks" },
        { 59 * 86400 * S, "8 weeks" },
        { 60 * 86400 * S, "2 months" },
        { 729 * 86400 * S, "24 months" },
        { 730 * 86400 * S, "2 years" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sw_buf b = SW_BUF_INIT;

        human_duration(&b, rows[i].ns);
        if (strcmp(sw_buf_str(&b), rows[i].text) != 0)
            fail_msg("%lld: %s", (long long)rows[i].ns, sw_buf_str(&b));
        sw_buf_fini(&b);
    }
}

static void sizes(void **state)
{
    static const struct {
        double bytes;
        const char *decimal, *binary;
    } rows[] = {
        { 0, "0B", "0B" },
        { 46, "46B", "46B" },
        { 1984381, "1.98MB", "1.892MiB" },
        { 67108864, "67.1MB", "64MiB" },
        { 25276510208.0, "25.3GB", "23.54GiB" },
        { 1e15, "1PB", "909.5TiB" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sw_buf a = SW_BUF_INIT;
        struct sw_buf b = SW_BUF_INIT;

        human_size(&a, rows[i].bytes, 3);
        human_bytes(&b, rows[i].bytes);
        assert_string_equal(sw_buf_str(&a), rows[i].decimal);
        assert_string_equal(sw_buf_str(&b), rows[i].binary);
        sw_buf_fini(&a);
        sw_buf_fini(&b);
    }
}

static void times(void **state)
{
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    human_utc(&b, 1795558525ll * S + 299040094);
    assert_string_equal(sw_buf_str(&b), "2026-11-24 22:15:25.299040094 +0000 utc");
    sw_buf_clear(&b);
    human_utc_go(&b, 1795558525ll * S + 100000000);
    assert_string_equal(sw_buf_str(&b), "2026-11-24 22:15:25.1 +0000 UTC");
    sw_buf_clear(&b);
    human_ago(&b, 10 * S, 0);
    assert_string_equal(sw_buf_str(&b), "N/A");
    sw_buf_clear(&b);
    human_state(&b, "running");
    assert_string_equal(sw_buf_str(&b), "Running");
    sw_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ages), cmocka_unit_test(sizes),
                                        cmocka_unit_test(times) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
