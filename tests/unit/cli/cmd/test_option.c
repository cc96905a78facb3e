/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cmd/option.h"
#include "cli/spec/parts.h"

static const struct option table[] = {
    { "detach", 'd', OPT_BOOL, NULL, "Go on", NULL, NULL, false },
    { "env", 'e', OPT_LIST, NULL, "Set variables", NULL, env_check, false },
    { "name", 0, OPT_STRING, NULL, "Name of it", "x", NULL, false },
    { "publish", 'p', OPT_LIST, "port", "Publish a port as a node port", NULL, NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Say less", NULL, NULL, false },
    { "replicas", 0, OPT_UINT, NULL, "Number of tasks", NULL, NULL, false },
    { "limit-cpu", 0, OPT_CPUS, NULL, "Limit CPUs", NULL, NULL, false },
    { "limit-memory", 0, OPT_BYTES, NULL, "Limit Memory", NULL, NULL, false },
    { "delay", 0, OPT_DURATION, NULL, "Delay", NULL, NULL, false },
    { "secret", 0, OPT_BOOL, NULL, "not shown", NULL, NULL, true },
    OPTION_END,
};

static int parse(struct args *a, bool interspersed, struct sw_err *err, size_t n,
                 const char *const *argv)
{
    return args_parse(a, table, options_count(table), (char *const *)(uintptr_t)argv, n,
                      interspersed, err);
}
#define PARSE(a, inter, err, ...)                                                                  \
    parse(a, inter, err, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                 \
          (const char *[]){ __VA_ARGS__ })

static void all_forms_of_an_option(void **state)
{
    struct sw_err err;
    struct args a;

    (void)state;
    assert_int_equal(PARSE(&a, true, &err, "-dq", "--name", "n1", "--name=n2", "-e", "A=1", "-eB=2",
                           "-e=C=3", "pos", "--replicas", "3", "--limit-cpu=.5", "--limit-memory",
                           "1k", "--delay", "2s", "--", "-x"),
                     0);
    assert_true(args_bool(&a, "detach"));
    assert_true(args_bool(&a, "quiet"));
    assert_string_equal(args_str(&a, "name"), "n2");
    assert_int_equal(args_list(&a, "env")->n, 3);
    assert_string_equal(args_list(&a, "env")->v[1], "B=2");
    assert_string_equal(args_list(&a, "env")->v[2], "C=3");
    assert_int_equal(args_uint(&a, "replicas"), 3);
    assert_int_equal(args_nano(&a, "limit-cpu"), 500000000);
    assert_int_equal(args_bytes(&a, "limit-memory"), 1024);
    assert_int_equal(args_ns(&a, "delay"), 2000000000);
    assert_int_equal(a.pos.n, 2);
    assert_string_equal(a.pos.v[0], "pos");
    assert_string_equal(a.pos.v[1], "-x");
    assert_false(args_set(&a, "publish"));
    assert_false(args_set(&a, "no-such-option"));
    assert_string_equal(args_str(&a, "no-such-option"), "");
    args_fini(&a);
}

static void options_first_leaves_the_rest_alone(void **state)
{
    struct sw_err err;
    struct args a;

    (void)state;
    assert_int_equal(PARSE(&a, false, &err, "-d", "image", "sh", "-c", "--name"), 0);
    assert_int_equal(a.pos.n, 4);
    assert_string_equal(a.pos.v[3], "--name");
    args_fini(&a);
}

static void a_switch_takes_a_value_behind_an_equals_sign(void **state)
{
    struct sw_err err;
    struct args a;

    (void)state;
    assert_int_equal(PARSE(&a, true, &err, "--detach=false", "true"), 0);
    assert_true(args_set(&a, "detach"));
    assert_false(args_bool(&a, "detach"));
    assert_int_equal(a.pos.n, 1);
    args_fini(&a);
}

static void mistakes(void **state)
{
    static const struct {
        const char *argv[3];
        const char *message;
    } rows[] = {
        { { "--foo" }, "unknown flag: --foo" },
        { { "--foo=1" }, "unknown flag: --foo" },
        { { "-x" }, "unknown shorthand flag: 'x' in -x" },
        { { "-dx" }, "unknown shorthand flag: 'x' in -dx" },
        { { "--name" }, "flag needs an argument: --name" },
        { { "-e" }, "flag needs an argument: 'e' in -e" },
        { { "--replicas", "x" },
          "invalid argument \"x\" for \"--replicas\" flag: strconv.ParseUint: parsing \"x\": "
          "invalid syntax" },
        { { "--detach=maybe" },
          "invalid argument \"maybe\" for \"-d, --detach\" flag: strconv.ParseBool: parsing "
          "\"maybe\": invalid syntax" },
        { { "-e", "=x" },
          "invalid argument \"=x\" for \"-e, --env\" flag: invalid environment variable: =x" },
        { { "--delay", "5" },
          "invalid argument \"5\" for \"--delay\" flag: time: missing unit in duration \"5\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sw_err err;
        struct args a;
        size_t n = 0;

        while (n < 3 && rows[i].argv[n] != NULL)
            n++;
        assert_int_equal(parse(&a, true, &err, n, rows[i].argv), SW_E_INVALID);
        assert_string_equal(err.msg, rows[i].message);
        args_fini(&a);
    }
}

static void help_is_asked_for(void **state)
{
    struct sw_err err;
    struct args a;

    (void)state;
    assert_int_equal(PARSE(&a, true, &err, "--help"), ARGS_HELP);
    args_fini(&a);
    assert_int_equal(PARSE(&a, true, &err, "-h"), ARGS_HELP);
    args_fini(&a);
}

static void help_is_sorted_and_wrapped(void **state)
{
    static const struct option two[] = {
        { "zeta", 0, OPT_STRING, NULL, "Last", "v", NULL, false },
        { "alpha-is-rather-long", 'a', OPT_LIST, NULL,
          "Some words that go on for longer than one line of the terminal can hold", NULL, NULL,
          false },
        { "hidden", 0, OPT_BOOL, NULL, "x", NULL, NULL, true },
        OPTION_END,
    };
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    options_help(&b, two, options_count(two), 79);
    assert_string_equal(
        sw_buf_str(&b),
        "  -a, --alpha-is-rather-long list   Some words that go on for longer than\n"
        "                                    one line of the terminal can hold\n"
        "      --zeta string                 Last (default \"v\")\n");
    sw_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_of_an_option),
        cmocka_unit_test(options_first_leaves_the_rest_alone),
        cmocka_unit_test(a_switch_takes_a_value_behind_an_equals_sign),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(help_is_asked_for),
        cmocka_unit_test(help_is_sorted_and_wrapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
