/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/conf/conf.h"
#include "tests/lib/test_heap.h"

struct options {
    const char *dir;
    int64_t port;
    int64_t grace;
    int64_t size;
    int64_t level;
    bool debug;
    bool quiet;
    struct sw_opt_list peers;
};

static const char *const levels[] = { "debug", "info", "warn", NULL };

#define AT(m) offsetof(struct options, m)
static const struct sw_opt rows[] = {
    { .name = "state-dir",
      .type = SW_OPT_STRING,
      .at = AT(dir),
      .arg = "DIR",
      .def = "/var/x",
      .help = "Where state is kept" },
    { .name = "port",
      .letter = 'p',
      .type = SW_OPT_INT,
      .at = AT(port),
      .arg = "PORT",
      .def = "2377",
      .min = 1,
      .max = 65535,
      .help = "Port to listen on" },
    { .name = "grace",
      .type = SW_OPT_DURATION,
      .at = AT(grace),
      .arg = "TIME",
      .def = "10s",
      .min = 1000000,
      .max = 3600000000000,
      .help = "How long a task may take to stop" },
    { .name = "size", .type = SW_OPT_SIZE, .at = AT(size), .unit = "bytes", .help = "Log size" },
    { .name = "log-level",
      .letter = 'l',
      .type = SW_OPT_CHOICE,
      .at = AT(level),
      .arg = "LEVEL",
      .def = "info",
      .choices = levels,
      .help = "How much to say" },
    { .name = "debug",
      .letter = 'D',
      .type = SW_OPT_FLAG,
      .at = AT(debug),
      .help = "Say everything" },
    { .name = "quiet",
      .letter = 'q',
      .type = SW_OPT_FLAG,
      .at = AT(quiet),
      .hidden = true,
      .help = "Say nothing" },
    { .name = "peer", .type = SW_OPT_LIST, .at = AT(peers), .arg = "ADDR", .help = "A peer" },
};

static const struct sw_conf conf = { .program = "swarmd",
                                     .usage = "[OPTIONS]",
                                     .summary = "The node agent.",
                                     .rows = rows,
                                     .n_rows = SW_ARRAY_LEN(rows) };

static struct options o;
static struct sw_err err;
static char words[16][64];
static char *argv[17];
static int rest;

static int run(const struct sw_conf *c, const char *line)
{
    int argc = 0;
    const char *p = line;

    memset(&o, 0xee, sizeof(o));
    while (*p != '\0') {
        size_t n = strcspn(p, " ");

        memcpy(words[argc], p, n);
        words[argc][n] = '\0';
        argv[argc] = words[argc];
        argc++;
        p += n + (p[n] == ' ');
    }
    argv[argc] = NULL;
    return sw_conf_parse(c, argc, argv, &o, &rest, &err);
}

static void defaults_hold_when_nothing_is_said(void **state)
{
    (void)state;
    assert_int_equal(run(&conf, "swarmd"), 0);
    assert_string_equal(o.dir, "/var/x");
    assert_int_equal(o.port, 2377);
    assert_int_equal(o.grace, 10000000000);
    assert_int_equal(o.size, 0);
    assert_int_equal(o.level, 1);
    assert_false(o.debug);
    assert_int_equal(o.peers.n, 0);
    assert_int_equal(rest, 1);
}

static void all_spellings_are_understood(void **state)
{
    (void)state;
    assert_int_equal(run(&conf, "swarmd --state-dir /a --port=80 -l warn -Dq --peer x --peer=y"),
                     0);
    assert_string_equal(o.dir, "/a");
    assert_int_equal(o.port, 80);
    assert_int_equal(o.level, 2);
    assert_true(o.debug && o.quiet);
    assert_int_equal(o.peers.n, 2);
    assert_string_equal(o.peers.items[1], "y");
    assert_int_equal(run(&conf, "swarmd -p81 --grace 1m30s --size 1.5m --debug=false"), 0);
    assert_int_equal(o.port, 81);
    assert_int_equal(o.grace, 90000000000);
    assert_int_equal(o.size, 1572864);
    assert_false(o.debug);
    assert_int_equal(run(&conf, "swarmd -p=82 --size 64KiB"), 0);
    assert_int_equal(o.port, 82);
    assert_int_equal(o.size, 65536);
}

static void plain_words_are_moved_behind_the_options(void **state)
{
    (void)state;
    assert_int_equal(run(&conf, "swarmd one --port 80 two -D -- --three"), 0);
    assert_int_equal(o.port, 80);
    assert_true(o.debug);
    assert_int_equal(rest, 5);
    assert_string_equal(argv[5], "one");
    assert_string_equal(argv[6], "two");
    assert_string_equal(argv[7], "--three");
}

static void a_subcommand_ends_the_options(void **state)
{
    struct sw_conf c = conf;

    (void)state;
    c.stop_at_first = true;
    assert_int_equal(run(&c, "swarm -D service --port 80"), 0);
    assert_true(o.debug);
    assert_int_equal(o.port, 2377);
    assert_int_equal(rest, 2);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *line;
        const char *text;
    } bad[] = {
        { "swarmd --port 70000", "--port: 70000 is not between 1 and 65535" },
        { "swarmd -p 0", "-p: 0 is not between 1 and 65535" },
        { "swarmd --port 80x", "--port: \"80x\" is not a whole number" },
        { "swarmd --port=", "--port: \"\" is not a whole number" },
        { "swarmd --port 99999999999999999999", "--port: \"99999999999999999999\" is not a whole "
                                                "number" },
        { "swarmd --port", "--port needs a value" },
        { "swarmd -l", "-l needs a value" },
        { "swarmd --grace 5", "--grace: \"5\" is not a duration such as 90s or 1m30s" },
        { "swarmd --grace 2h", "--grace: 2h is not between 1ms and 1h0m0s" },
        { "swarmd --size 5q", "--size: \"5q\" is not a size such as 64k or 1g" },
        { "swarmd --size -1", "--size: \"-1\" is not a size such as 64k or 1g" },
        { "swarmd --log-level loud", "--log-level: \"loud\" is none of debug, info, warn" },
        { "swarmd --debug=maybe", "--debug: \"maybe\" is neither true nor false" },
        { "swarmd --nope=3", "unknown option --nope" },
        { "swarmd -Dx", "unknown option -x" },
        { "swarmd --por 3", "unknown option --por" },
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        assert_int_equal(run(&conf, bad[i].line), SW_E_INVALID);
        assert_string_equal(err.msg, bad[i].text);
    }
}

static void help_and_version_are_always_there(void **state)
{
    (void)state;
    assert_int_equal(run(&conf, "swarmd --port 80 --help --nonsense"), SW_CONF_HELP);
    assert_int_equal(run(&conf, "swarmd -h"), SW_CONF_HELP);
    assert_int_equal(run(&conf, "swarmd --version"), SW_CONF_VERSION);
}

static void help_comes_from_the_rows(void **state)
{
    static const char expected[] =
        "Usage: swarmd [OPTIONS]\n"
        "\n"
        "The node agent.\n"
        "\n"
        "Options:\n"
        "      --state-dir DIR         Where state is kept (default \"/var/x\")\n"
        "  -p, --port PORT             Port to listen on (default 2377)\n"
        "      --grace TIME            How long a task may take to stop (default 10s)\n"
        "      --size VALUE            Log size, in bytes\n"
        "  -l, --log-level LEVEL       How much to say: debug, info, warn (default info)\n"
        "  -D, --debug                 Say everything\n"
        "      --peer ADDR             A peer\n"
        "  -h, --help                  Print this help and exit\n"
        "      --version               Print the version and exit\n";
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    sw_conf_help(&conf, &b);
    assert_string_equal(sw_buf_str(&b), expected);
    sw_buf_fini(&b);
}

static void long_help_is_wrapped(void **state)
{
    static const struct sw_opt row = {
        .name = "an-option-with-a-very-long-name",
        .type = SW_OPT_STRING,
        .at = AT(dir),
        .help = "This explanation is so long that it does not fit into one line and has to go on "
                "in the next one"
    };
    const struct sw_conf c = { .program = "x", .usage = "", .rows = &row, .n_rows = 1 };
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    sw_conf_help(&c, &b);
    assert_non_null(strstr(sw_buf_str(&b),
                           "      --an-option-with-a-very-long-name VALUE\n"
                           "                              This explanation is so long that it does "
                           "not fit into one line and has\n"
                           "                              to go on in the next one\n"));
    sw_buf_fini(&b);
}

static void help_survives_any_failing_allocation(void **state)
{
    struct test_heap heap;
    bool failed = true;

    (void)state;
    for (size_t nth = 1; failed; nth++) {
        struct sw_buf b = SW_BUF_INIT;

        test_heap_init(&heap);
        test_heap_fail_nth(&heap, nth);
        sw_conf_help(&conf, &b);
        failed = heap.failures > 0;
        assert_int_equal(sw_buf_failed(&b), failed);
        test_heap_fail_nth(&heap, 0);
        sw_buf_fini(&b);
        test_heap_check(&heap);
        test_heap_fini(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_when_nothing_is_said),
        cmocka_unit_test(all_spellings_are_understood),
        cmocka_unit_test(plain_words_are_moved_behind_the_options),
        cmocka_unit_test(a_subcommand_ends_the_options),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(help_and_version_are_always_there),
        cmocka_unit_test(help_comes_from_the_rows),
        cmocka_unit_test(long_help_is_wrapped),
        cmocka_unit_test(help_survives_any_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
