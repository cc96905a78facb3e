/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cli/compose/world.h"

static char *dumped(const char *text)
{
    const char *texts[] = { text };
    struct compose c;
    struct sw_err err;
    struct sw_buf out = SW_BUF_INIT;

    if (world_load(&c, &err, 1, texts) < 0)
        fail_msg("%s", err.msg);
    compose_dump(&c, &out);
    compose_fini(&c);
    return cli_take(&out);
}

static void what_is_printed_reads_back_the_same(void **state)
{
    static const char text[] = "services:\n  w:\n    image: x\n    environment:\n      A: 'yes'\n  "
                               "    B: '1'\n      C: 'a: b'\n      D: '- x'\n"
                               "      E: \"l1\\nl2\\n\"\n      F: \"tab\\tx\"\n      G: \"it's\"\n "
                               "     H: ''\n      I: '#c'\n      J: 'a #c'\n"
                               "      K: ' s'\n      L: 'null'\n      M: '0x1f'\n      N: '*a'\n   "
                               "   O: '@x'\n      P: \"q\\\"q\"\n      Q: 'x:'\n"
                               "      R: \"l1\\n  l2\"\n      S: '='\n    ports: ['8080:80']\n    "
                               "secrets: [s]\n    deploy: {replicas: 2}\n"
                               "secrets: {s: {external: true}}\nx-foo: {a: [1, 2.5, true]}\n";
    char *once = dumped(text);
    char *twice = dumped(once);

    (void)state;
    assert_string_equal(once, twice);
    assert_non_null(strstr(once, "      A: \"yes\"\n"));
    assert_non_null(strstr(once, "      C: 'a: b'\n"));
    assert_non_null(strstr(once, "      E: |\n        l1\n        l2\n"));
    assert_non_null(strstr(once, "      G: it's\n"));
    assert_non_null(strstr(once, "x-foo:\n  a:\n    - 1\n    - 2.5\n    - true\n"));
    sw_free(once);
    sw_free(twice);
}

static void members_have_their_order(void **state)
{
    char *s =
        dumped("volumes: {v: }\nservices: {w: {volumes: ['v:/x:ro'], image: i, hostname: h, "
               "healthcheck: {retries: 1, test: [CMD, a]}, "
               "deploy: {endpoint_mode: vip, replicas: 2, mode: replicated}}}\nversion: '3.8'\n");

    (void)state;
    assert_string_equal(s, "version: \"3.8\"\nservices:\n  w:\n    deploy:\n      mode: "
                           "replicated\n      replicas: 2\n"
                           "      endpoint_mode: vip\n    hostname: h\n    healthcheck:\n      "
                           "test:\n        - CMD\n        - a\n"
                           "      retries: 1\n    image: i\n    volumes:\n      - type: volume\n   "
                           "     source: v\n        target: /x\n"
                           "        read_only: true\nvolumes:\n  v: {}\n");
    sw_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_reads_back_the_same),
        cmocka_unit_test(members_have_their_order),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
