/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cli/compose/world.h"

static void expect(const char *text, const char *message)
{
    const char *texts[] = { text };
    struct compose c = { 0 };
    struct sw_err err = { 0 };
    json_auto_t *all = NULL;

    if (world_load(&c, &err, 1, texts) == 0 && compose_convert(&c, "st", &world, &all, &err) == 0)
        fail_msg("accepted: %s", text);
    if (strcmp(err.msg, message) != 0)
        fail_msg("%s\n got %s\nwant %s", text, err.msg, message);
    compose_fini(&c);
}

#define WEB "services:\n  web:\n    image: x\n"

static void what_the_format_does_not_allow(void **state)
{
    (void)state;
    expect("", "one.yml:1: top-level object must be a mapping");
    expect("[]\n", "one.yml:1: top-level object must be a mapping");
    expect("foo: 1\n", "one.yml:1: (root) Additional property foo is not allowed");
    expect(WEB "    foo: 1\n", "one.yml:4: services.web Additional property foo is not allowed");
    expect("services:\n  web:\n    image: 3\n", "one.yml:3: services.web.image must be a string");
    expect(WEB "    ports: 80\n", "one.yml:4: services.web.ports must be a list");
    expect(WEB "    ports:\n      - 80\n      - target: x\n",
           "one.yml:6: services.web.ports.1.target must be a integer");
    expect(WEB "    ports: [abc]\n",
           "one.yml:4: services.web.ports.0 Does not match format 'ports'");
    expect(WEB "    deploy:\n      replicas: \"2\"\n",
           "one.yml:5: services.web.deploy.replicas must be a integer");
    expect(WEB "    deploy:\n      replicas: ${SET}\n",
           "one.yml:5: services.web.deploy.replicas must be a integer");
    expect(WEB "    tty: maybe\n", "one.yml:4: services.web.tty must be a boolean");
    expect(WEB "    stop_grace_period: abc\n",
           "one.yml:4: services.web.stop_grace_period Does not match format 'duration'");
    expect(WEB "    environment: {A: {b: 1}}\n",
           "one.yml:4: services.web.environment.A must be a string, number or null");
    expect(WEB "    cap_add: [A, A]\n",
           "one.yml:4: services.web.cap_add items[0,1] must be unique");
    expect("services:\n  web:\n", "one.yml:2: services.web must be a mapping");
    expect("services: {'we b': {image: x}}\n",
           "one.yml:1: services Additional property we b is not allowed");
    expect("version: '2.4'\n" WEB, "one.yml:1: unsupported Compose file version: 2.4");
    expect(WEB "    mem_limit: 1\n    extends: a\n",
           "Compose file contains unsupported options:\n\nextends: Support for `extends` is not "
           "implemented yet. (one.yml:5)\n\n"
           "mem_limit: Set resource limits using deploy.resources (one.yml:4)");
}

static void what_makes_no_sense(void **state)
{
    (void)state;
    expect("services:\n  web:\n    command: x\n",
           "one.yml:2: invalid image reference for service web: no image specified");
    expect("services:\n  web:\n    image: UPPER\n",
           "one.yml:3: invalid image reference for service web: invalid reference format");
    expect(WEB "    networks: [a]\n", "one.yml:4: service web: undefined network \"a\"");
    expect(WEB "    volumes: ['data:/x']\n", "one.yml:4: service web: undefined volume \"data\"");
    expect(WEB "    secrets: [s]\n", "one.yml:4: service web: undefined secret \"s\"");
    expect(WEB "    configs: [s]\n", "one.yml:4: service web: undefined config \"s\"");
    expect(WEB "    healthcheck: {test: a, disable: true}\n",
           "one.yml:4: test and disable can't be set at the same time");
    expect(
        WEB "    deploy: {mode: global, replicas: 2}\n",
        "one.yml:4: service web: replicas can only be used with replicated or replicated-job mode");
    expect(WEB "    deploy: {mode: foo}\n", "one.yml:4: service web: Unknown mode: foo");
    expect(WEB "    restart: sometimes\n",
           "one.yml:4: service web: unknown restart policy: sometimes");
    expect(WEB "    deploy: {resources: {limits: {memory: abc}}}\n",
           "one.yml:4: services.web.deploy.resources.limits.memory: invalid size: 'abc'");
    expect(WEB "    deploy: {resources: {limits: {cpus: abc}}}\n",
           "one.yml:4: service web: failed to parse abc as a rational number");
    expect(WEB "    volumes: [':/a']\n",
           "one.yml:4: invalid spec: :/a: empty section between colons");
    expect(WEB "    volumes: ['a:b:c:d']\n", "one.yml:4: invalid spec: a:b:c:d: too many colons");
    expect(WEB "    volumes: [{type: bind, target: /x}]\n",
           "one.yml:4: invalid mount config for type \"bind\": field Source must not be empty");
    expect(WEB "    volumes: [{type: tmpfs, source: s, target: /x}]\n",
           "one.yml:4: service web: invalid tmpfs source, source must be empty");
    expect(WEB "    volumes: [{type: bind, source: /s, target: /x, tmpfs: {size: 1}}]\n",
           "one.yml:4: service web: tmpfs options are incompatible with type bind");
    expect(WEB "    credential_spec: {file: a, registry: b}\n",
           "one.yml:4: invalid credential spec: exactly one of config, file and registry must be "
           "given");
    expect(WEB "    command: \"a 'b\"\n",
           "one.yml:4: command: EOF found when expecting closing quote");
    expect(WEB "    env_file: nosuch\n", "one.yml:4: open /proj/nosuch: no such file or directory");
    expect(WEB "    env_file: bad.env\n",
           "one.yml:4: invalid env file (/proj/bad.env): no variable name on line '=x'");
    expect(WEB "secrets:\n  s: {file: nosuch}\n",
           "one.yml:5: open /proj/nosuch: no such file or directory");
    expect(WEB "secrets:\n  s: {labels: {a: b}}\n", "one.yml:5: s has neither file nor external");
    expect(
        WEB "volumes:\n  v: {external: true, driver: d}\n",
        "one.yml:5: conflicting parameters \"external\" and \"driver\" specified for volume \"v\"");
    expect(WEB "networks:\n  a: {external: {name: z}, name: y}\n",
           "one.yml:5: network a: network.external.name and network.name conflict; only use "
           "network.name");
    expect("services:\n  web:\n    image: ${A\n",
           "one.yml:3: invalid interpolation format for services.web.image: \"${A\"; you may need "
           "to escape any $ with another $");
}

static void stack_names(void **state)
{
    struct sw_err err;

    (void)state;
    assert_int_equal(compose_stack_name("my-stack_1", &err), 0);
    assert_int_equal(compose_stack_name("", &err), SW_E_INVALID);
    assert_int_equal(compose_stack_name("  ", &err), SW_E_INVALID);
    assert_int_equal(compose_stack_name("a.b", &err), SW_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_format_does_not_allow),
        cmocka_unit_test(what_makes_no_sense),
        cmocka_unit_test(stack_names),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
