/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "cli/cmd/since.h"
#include "cli/spec/mem.h"
#include "common/base/time.h"

static void forms(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "42m", "1795557480.500000000" },
        { "10s", "1795559990.500000000" },
        { "1795550000", "1795550000" },
        { "1795550000.25", "1795550000.25" },
        { "2026-11-24T22:15:25Z", "1795558525.000000000" },
        { "2026-11-24T22:15:25.5+02:00", "1795551325.500000000" },
        { "2026-11-24T22:15:25", "1795558525.000000000" },
        { "2026-11-24", "1795478400.000000000" },
    };
    const int64_t now = 1795560000ll * SW_NS_PER_S + 500000000;
    struct sw_err err;
    char *s = NULL;

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(since_format(rows[i].in, now, &s, &err), 0);
        if (strcmp(s, rows[i].out) != 0)
            fail_msg("%s: %s", rows[i].in, s);
        sw_free(s);
    }
    assert_int_equal(since_format("yesterday", now, &s, &err), SW_E_INVALID);
    assert_int_equal(since_format("", now, &s, &err), SW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(forms) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
