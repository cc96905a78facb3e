/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cli/compose/world.h"

/* Two bodies of service "w" merged, then the YAML of the service without its image. */
static void expect(const char *one, const char *two, const char *merged)
{
    char *a = cli_printf("services:\n  w:\n    image: i\n%s", one);
    char *b = cli_printf("services:\n  w:\n%s", two);
    const char *texts[] = { a, b };
    struct compose c;
    struct sw_err err;
    struct sw_buf out = SW_BUF_INIT;
    char *want = cli_printf("version: \"3.13\"\nservices:\n  w:\n%s", merged);

    if (world_load(&c, &err, 2, texts) < 0)
        fail_msg("%s", err.msg);
    yn_del(yn_at(c.root, "services.w"), "image");
    compose_dump(&c, &out);
    if (strcmp(sw_buf_str(&out), want) != 0)
        fail_msg("got:\n%s\nwant:\n%s", sw_buf_str(&out), want);
    sw_buf_fini(&out);
    compose_fini(&c);
    sw_free(a);
    sw_free(b);
    sw_free(want);
}

static void maps_merge_and_the_later_wins(void **state)
{
    (void)state;
    expect("    environment: {A: 1, B: 2}\n", "    environment: [B=3, C=4]\n",
           "    environment:\n      A: \"1\"\n      B: \"3\"\n      C: \"4\"\n");
    expect("    deploy: {replicas: 1, resources: {limits: {cpus: '1'}}}\n",
           "    deploy: {replicas: 2, resources: {limits: {memory: 1k}}}\n",
           "    deploy:\n      replicas: 2\n      resources:\n        limits:\n          cpus: "
           "\"1\"\n          memory: \"1024\"\n");
    expect("    hostname: a\n", "    hostname: b\n", "    hostname: b\n");
}

static void commands_replace(void **state)
{
    (void)state;
    expect("    command: a b\n    entrypoint: [x]\n", "    command: [c]\n    entrypoint: w z\n",
           "    command:\n      - c\n    entrypoint:\n      - w\n      - z\n");
}

static void ports_are_told_apart_by_the_published_one(void **state)
{
    (void)state;
    expect("    ports: ['8080:80', '9000:90']\n", "    ports: ['8080:81', '7000:70']\n",
           "    ports:\n"
           "      - mode: ingress\n        target: 70\n        published: 7000\n        protocol: "
           "tcp\n"
           "      - mode: ingress\n        target: 81\n        published: 8080\n        protocol: "
           "tcp\n"
           "      - mode: ingress\n        target: 90\n        published: 9000\n        protocol: "
           "tcp\n");
    expect("    ports: [80, 81]\n", "    ports: [82]\n",
           "    ports:\n"
           "      - mode: ingress\n        target: 80\n        protocol: tcp\n"
           "      - mode: ingress\n        target: 81\n        protocol: tcp\n"
           "      - mode: ingress\n        target: 82\n        protocol: tcp\n");
}

static void volumes_by_target_and_secrets_by_source(void **state)
{
    (void)state;
    expect("    volumes: ['/a:/x', '/b:/y']\n", "    volumes: ['/c:/x:ro']\n",
           "    volumes:\n      - type: bind\n        source: /c\n        target: /x\n        "
           "read_only: true\n"
           "      - type: bind\n        source: /b\n        target: /y\n");
    expect("    secrets: [s1, {source: s2, target: a}]\n",
           "    secrets: [{source: s2, target: b}]\n",
           "    secrets:\n      - source: s1\n      - source: s2\n        target: b\n");
    expect("    configs: [s1]\n", "    configs: [s0]\n",
           "    configs:\n      - source: s0\n      - source: s1\n");
}

static void other_lists_append(void **state)
{
    (void)state;
    expect("    cap_add: [A]\n    dns: 1.1.1.1\n", "    cap_add: [B]\n    dns: [2.2.2.2]\n",
           "    cap_add:\n      - A\n      - B\n    dns:\n      - 1.1.1.1\n      - 2.2.2.2\n");
}

static void log_options_merge_for_one_driver_only(void **state)
{
    (void)state;
    expect(
        "    logging: {driver: a, options: {x: 1, y: 2}}\n",
        "    logging: {driver: a, options: {y: 3}}\n",
        "    logging:\n      driver: a\n      options:\n        x: \"1\"\n        \"y\": \"3\"\n");
    expect("    logging: {driver: a, options: {x: 1}}\n",
           "    logging: {driver: b, options: {z: 3}}\n",
           "    logging:\n      driver: b\n      options:\n        z: \"3\"\n");
}

static void attachments_and_ulimits_replace(void **state)
{
    (void)state;
    expect("    networks: {n: {aliases: [a]}, m: }\n", "    networks: {n: {aliases: [b]}}\n",
           "    networks:\n      m: null\n      \"n\":\n        aliases:\n          - b\n");
    expect("    ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}\n", "    ulimits: {nofile: 5}\n",
           "    ulimits:\n      nofile: 5\n      nproc: 3\n");
}

static void top_level_things_replace(void **state)
{
    const char *texts[] = {
        "services: {a: {image: x}}\nnetworks: {n: {driver: d, labels: {a: b}}}\n",
        "services: {b: {image: y}}\nnetworks: {n: {internal: true}, m: }\n"
    };
    struct compose c;
    struct sw_err err;

    (void)state;
    assert_int_equal(world_load(&c, &err, 2, texts), 0);
    assert_non_null(yn_at(c.root, "services.a"));
    assert_non_null(yn_at(c.root, "services.b"));
    assert_null(yn_at(c.root, "networks.n.driver"));
    assert_non_null(yn_at(c.root, "networks.n.internal"));
    assert_non_null(yn_at(c.root, "networks.m"));
    compose_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_merge_and_the_later_wins),
        cmocka_unit_test(commands_replace),
        cmocka_unit_test(ports_are_told_apart_by_the_published_one),
        cmocka_unit_test(volumes_by_target_and_secrets_by_source),
        cmocka_unit_test(other_lists_append),
        cmocka_unit_test(log_options_merge_for_one_driver_only),
        cmocka_unit_test(attachments_and_ulimits_replace),
        cmocka_unit_test(top_level_things_replace),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
