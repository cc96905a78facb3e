/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/spec/parts.h"

typedef int (*parser)(const char *s, json_t **out, struct sw_err *err);

static int secret(const char *s, json_t **out, struct sw_err *err)
{
    return file_ref_parse(s, "Secret", out, err);
}

static void expect(parser parse, const char *in, const char *out)
{
    json_auto_t *j = NULL;
    struct sw_err err;
    char *got =
        parse(in, &j, &err) < 0 ? cli_printf("error: %s", err.msg) : json_dumps(j, JSON_COMPACT);

    if (strcmp(got, out) != 0)
        fail_msg("%s: %s", in, got);
    sw_free(got);
}

static void networks(void **state)
{
    (void)state;
    expect(network_parse, "on1", "{\"Target\":\"on1\"}");
    expect(network_parse, "name=on1,alias=Web,alias=w2,driver-opt=a=b",
           "{\"Target\":\"on1\",\"Aliases\":[\"web\",\"w2\"],\"DriverOpts\":{\"a\":\"b\"}}");
    expect(network_parse, "alias=x", "error: network name/id is not specified");
    expect(network_parse, "name=a,foo=b", "error: invalid field key foo");
    expect(network_parse, "name=a,driver-opt=b",
           "error: invalid key value pair format in driver options");
    expect(network_parse, "", "error: network name/id is not specified");
}

static void secrets(void **state)
{
    (void)state;
    expect(secret, "tok",
           "{\"File\":{\"Name\":\"tok\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292},\"SecretName\":"
           "\"tok\"}");
    expect(secret, "source=a,target=b,uid=33,gid=34,mode=0400",
           "{\"File\":{\"Name\":\"b\",\"UID\":\"33\",\"GID\":\"34\",\"Mode\":256},\"SecretName\":"
           "\"a\"}");
    expect(secret, "target=b", "error: source is required");
    expect(secret, "source=a,foo=b", "error: invalid field in secret request: foo");
    expect(secret, "source=a,b", "error: invalid field 'b' must be a key=value pair");
    expect(secret, "source=a,mode=9z",
           "error: invalid mode specified: strconv.ParseUint: parsing \"9z\": invalid syntax");
}

static void ulimits(void **state)
{
    (void)state;
    expect(ulimit_parse, "nofile=1024:2048", "{\"Name\":\"nofile\",\"Hard\":2048,\"Soft\":1024}");
    expect(ulimit_parse, "nproc=5", "{\"Name\":\"nproc\",\"Hard\":5,\"Soft\":5}");
    expect(ulimit_parse, "core=-1", "{\"Name\":\"core\",\"Hard\":-1,\"Soft\":-1}");
    expect(ulimit_parse, "nofile", "error: invalid ulimit argument: nofile");
    expect(ulimit_parse, "foo=1", "error: invalid ulimit type: foo");
    expect(ulimit_parse, "nofile=5:4",
           "error: ulimit soft limit must be less than or equal to hard limit: 5 > 4");
    expect(ulimit_parse, "nofile=1:2:3",
           "error: too many limit values - 1:2:3, can only have up to two, `soft[:hard]`");
}

static void placement_and_resources(void **state)
{
    (void)state;
    expect(pref_parse, "spread=node.labels.zone",
           "{\"Spread\":{\"SpreadDescriptor\":\"node.labels.zone\"}}");
    expect(pref_parse, "pack=x",
           "error: unsupported placement preference pack (only spread is supported)");
    expect(pref_parse, "x",
           "error: placement preference must be of the format \"<strategy>=<arg>\"");
    expect(generic_parse, "gpu=2", "{\"DiscreteResourceSpec\":{\"Kind\":\"gpu\",\"Value\":2}}");
    expect(generic_parse, "gpu",
           "error: invalid generic-resource format `gpu` expected `name=value`");
}

static void hosts(void **state)
{
    struct sw_err err;
    char *h = NULL;

    (void)state;
    assert_int_equal(host_parse("h1:10.0.0.9", &h, &err), 0);
    assert_string_equal(h, "10.0.0.9 h1");
    sw_free(h);
    assert_int_equal(host_parse("h1:::1", &h, &err), 0);
    assert_string_equal(h, "::1 h1");
    sw_free(h);
    assert_int_equal(host_parse("h1:x", &h, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "invalid IP address in add-host: \"x\"");
    assert_int_equal(host_parse("h1", &h, &err), SW_E_INVALID);
}

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "HERE") == 0 ? "yes" : NULL;
}

static void env_files(void **state)
{
    struct strv out = { 0 };
    struct sw_err err;

    (void)state;
    assert_int_equal(env_file_parse("\xef\xbb\xbf# c\nA=1\r\n\n  B=x=y # z\nHERE\nGONE\nE=\n", "f",
                                    lookup, NULL, &out, &err),
                     0);
    assert_int_equal(out.n, 4);
    assert_string_equal(out.v[0], "A=1");
    assert_string_equal(out.v[1], "B=x=y # z");
    assert_string_equal(out.v[2], "HERE=yes");
    assert_string_equal(out.v[3], "E=");
    strv_fini(&out);
    assert_int_equal(env_file_parse("=x\n", "f", lookup, NULL, &out, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "invalid env file (f): no variable name on line '=x'");
    assert_int_equal(env_file_parse("A B=x\n", "f", lookup, NULL, &out, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "invalid env file (f): variable 'A B' contains whitespaces");
    strv_fini(&out);
}

static void a_later_variable_replaces_an_earlier_one(void **state)
{
    struct strv env = { 0 };

    (void)state;
    env_merge(&env, "A=1");
    env_merge(&env, "AB=2");
    env_merge(&env, "A=3");
    assert_int_equal(env.n, 2);
    assert_string_equal(env.v[0], "AB=2");
    assert_string_equal(env.v[1], "A=3");
    strv_fini(&env);
}

static void capabilities(void **state)
{
    struct strv a = { 0 };
    struct strv d = { 0 };
    json_auto_t *c = json_object();
    char *got;

    (void)state;
    strv_add(&a, "net_admin");
    strv_add(&a, "CAP_CHOWN");
    strv_add(&a, "NET_ADMIN");
    strv_add(&d, "mknod");
    strv_add(&d, "chown");
    caps_effective(&a, &d, c);
    strv_fini(&a);
    strv_fini(&d);
    got = json_dumps(c, JSON_COMPACT);
    assert_string_equal(
        got,
        "{\"CapabilityAdd\":[\"CAP_CHOWN\",\"CAP_NET_ADMIN\"],\"CapabilityDrop\":[\"CAP_MKNOD\"]}");
    sw_free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(secrets),
        cmocka_unit_test(ulimits),
        cmocka_unit_test(placement_and_resources),
        cmocka_unit_test(hosts),
        cmocka_unit_test(env_files),
        cmocka_unit_test(a_later_variable_replaces_an_earlier_one),
        cmocka_unit_test(capabilities),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
