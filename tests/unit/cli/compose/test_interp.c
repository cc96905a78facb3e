/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/compose/interp.h"
#include "tests/unit/cli/compose/world.h"

static void table(void **state)
{
    static const struct {
        const char *in, *out; /* "!" at the start: an error of this text */
    } rows[] = {
        { "plain", "plain" },
        { "$SET", "val" },
        { "${SET}", "val" },
        { "a${SET}b$SET.c", "avalbval.c" },
        { "$UNSET|${UNSET}", "|" },
        { "$_u1", "under" },
        { "$SET-x", "val-x" },
        /* ${V:-d}: unset or empty */
        { "${UNSET:-d}", "d" },
        { "${EMPTY:-d}", "d" },
        { "${SET:-d}", "val" },
        /* ${V-d}: unset */
        { "${UNSET-d}", "d" },
        { "${EMPTY-d}", "" },
        { "${SET-d}", "val" },
        /* errors */
        { "${UNSET:?no}", "!required variable UNSET is missing a value: no" },
        { "${EMPTY:?no}", "!required variable EMPTY is missing a value: no" },
        { "${SET:?no}", "val" },
        { "${UNSET?no}", "!required variable UNSET is missing a value: no" },
        { "${EMPTY?no}", "" },
        { "${UNSET:?}", "!required variable UNSET is missing a value: " },
        /* ${V:+v}: set and not empty */
        { "${SET:+x}${EMPTY:+y}${UNSET:+z}", "x" },
        { "${SET+x}${EMPTY+y}${UNSET+z}", "xy" },
        /* no nesting: the default runs to the first brace */
        { "${UNSET:-${SET}}", "${SET}" },
        { "${UNSET:-a:b-c?d}", "a:b-c?d" },
        { "${UNSET:-}", "" },
        { "$$SET", "$SET" },
        { "$$$$", "$$" },
        { "$${SET}", "${SET}" },
        { "100$", "!100$" },
        { "$1", "!$1" },
        { "${", "!${" },
        { "${}", "!${}" },
        { "${1A}", "!${1A}" },
        { "${SET!x}", "!${SET!x}" },
        { "${SET:}", "!${SET:}" },
        { "${ SET}", "!${ SET}" },
        { "$ SET", "!$ SET" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *out = NULL;
        struct sw_err err;
        bool changed;
        int r = interp_string(rows[i].in, world_getenv, NULL, &out, &changed, &err);
        bool bad = rows[i].out[0] == '!';

        if (bad ? r == 0 || strcmp(err.msg, rows[i].out + 1) != 0
                : r < 0 || strcmp(out, rows[i].out) != 0)
            fail_msg("%s: %s", rows[i].in, r < 0 ? err.msg : out);
        if (!bad)
            assert_int_equal(changed, strchr(rows[i].in, '$') != NULL);
        sw_free(out);
    }
}

static void keys_and_other_sections_are_left_alone(void **state)
{
    static const char *const text[] = {
        "services: {web: {image: x, labels: {$SET: $SET}}}\nx-a: $SET\n"
    };
    struct compose c;
    struct sw_err err;

    (void)state;
    assert_int_equal(world_load(&c, &err, 1, text), 0);
    assert_string_equal(yn_text(yn_get(yn_at(c.root, "services.web.labels"), "$SET")), "val");
    assert_string_equal(yn_text(yn_get(c.root, "x-a")), "$SET");
    compose_fini(&c);
}

static void results_are_cast_to_what_is_wanted(void **state)
{
    static const char *const text[] = {
        "services:\n  web:\n    image: x\n    tty: ${YES}\n    init: off\n"
        "    deploy: {replicas: \"${NUM}\", update_config: {max_failure_ratio: \"$RATIO\"}}\n"
        "    ports: [{target: \"$NUM\"}]\n    hostname: \"$NUM\"\n"
    };
    struct compose c;
    struct sw_err err;

    (void)state;
    assert_int_equal(world_load(&c, &err, 1, text), 0);
    assert_true(yn_at(c.root, "services.web.tty")->flag);
    assert_int_equal(yn_at(c.root, "services.web.init")->kind, YN_BOOL);
    assert_int_equal(yn_number(yn_at(c.root, "services.web.deploy.replicas")), 5);
    assert_int_equal(yn_at(c.root, "services.web.deploy.update_config.max_failure_ratio")->kind,
                     YN_FLOAT);
    assert_int_equal(
        yn_number(yn_get(yn_at(c.root, "services.web.ports")->items[0].value, "target")), 5);
    assert_string_equal(yn_text(yn_at(c.root, "services.web.hostname")), "5");
    compose_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(keys_and_other_sections_are_left_alone),
        cmocka_unit_test(results_are_cast_to_what_is_wanted),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
