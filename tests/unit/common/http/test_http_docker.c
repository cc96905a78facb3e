/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/http/docker.h"

static struct docker_filters *parse(const char *text)
{
    struct docker_filters *f = NULL;
    struct sw_err err;

    assert_int_equal(docker_filters_parse(&f, text, NULL, &err), 0);
    return f;
}

static void both_shapes_of_filters_are_read(void **state)
{
    const char *const shapes[] = { "{\"name\":{\"web\":true,\"db\":true}}",
                                   "{\"name\":[\"web\",\"db\"]}" };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(shapes); i++) {
        struct docker_filters *f = parse(shapes[i]);
        size_t n;

        assert_non_null(docker_filters_get(f, "name", &n));
        assert_int_equal(n, 2);
        assert_true(docker_filters_match(f, "name", "web"));
        assert_true(docker_filters_match(f, "name", "db"));
        assert_false(docker_filters_match(f, "name", "we"));
        assert_true(docker_filters_prefix(f, "name", "webserver"));
        assert_true(docker_filters_match(f, "id", "anything")); /* key not given */
        docker_filters_free(f);
    }
}

static void a_value_set_to_false_is_not_asked_for(void **state)
{
    struct docker_filters *f = parse("{\"name\":{\"web\":false}}");
    size_t n;

    (void)state;
    docker_filters_get(f, "name", &n);
    assert_int_equal(n, 0);
    docker_filters_free(f);
}

static void nothing_is_an_empty_filter(void **state)
{
    const char *const texts[] = { NULL, "", "{}", "null" };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(texts); i++) {
        struct docker_filters *f = parse(texts[i]);

        assert_true(docker_filters_match(f, "name", "x"));
        docker_filters_free(f);
    }
}

static void bad_filters_and_unknown_keys_are_refused(void **state)
{
    static const char *const allowed[] = { "name", NULL };
    const char *const bad[] = { "foo", "[]", "1", "{\"name\":\"x\"}", "{\"name\":[1]}" };
    struct docker_filters *f = NULL;
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        assert_int_equal(docker_filters_parse(&f, bad[i], NULL, &err), SW_E_INVALID);
    assert_int_equal(docker_filters_parse(&f, "{\"foo\":[\"x\"]}", allowed, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "Invalid filter 'foo'");
}

static const char *lookup(const void *labels, const char *name)
{
    (void)labels;
    return strcmp(name, "tier") == 0 ? "web" : NULL;
}

static void labels_must_all_hold(void **state)
{
    static const struct {
        const char *text;
        bool match;
    } cases[] = {
        { "{\"label\":[\"tier\"]}", true },     { "{\"label\":[\"tier=web\"]}", true },
        { "{\"label\":[\"tier=db\"]}", false }, { "{\"label\":[\"tier=web\",\"zone\"]}", false },
        { "{\"label\":[\"tier=\"]}", false },   { "{}", true },
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        struct docker_filters *f = parse(cases[i].text);

        assert_int_equal(docker_filters_labels(f, "label", lookup, NULL), cases[i].match);
        docker_filters_free(f);
    }
}

static void boolean_filters_take_four_words(void **state)
{
    struct docker_filters *f = parse("{\"dangling\":[\"true\"],\"x\":[\"0\"],\"y\":[\"maybe\"]}");
    struct sw_err err;
    bool v = false;

    (void)state;
    assert_int_equal(docker_filters_bool(f, "dangling", false, &v, &err), 0);
    assert_true(v);
    assert_int_equal(docker_filters_bool(f, "x", true, &v, &err), 0);
    assert_false(v);
    assert_int_equal(docker_filters_bool(f, "absent", true, &v, &err), 0);
    assert_true(v);
    assert_int_equal(docker_filters_bool(f, "y", true, &v, &err), SW_E_INVALID);
    docker_filters_free(f);
}

static void keys_of_bodies_are_found_in_any_case(void **state)
{
    json_t *o = json_loads("{\"replicated\":{\"replicas\":3},\"Name\":\"a\",\"NAME\":\"b\","
                           "\"Labels\":null,\"On\":true}",
                           0, NULL);
    struct sw_err err;

    (void)state;
    assert_int_equal(docker_json_int(docker_json_get(o, "Replicated"), "Replicas", 1), 3);
    assert_string_equal(docker_json_str(o, "Name"), "a"); /* exact first */
    assert_null(docker_json_get(o, "Labels"));            /* null is not given */
    assert_null(docker_json_str(o, "On"));
    assert_true(docker_json_bool(o, "on", false));
    assert_int_equal(docker_json_check(o, "On", JSON_FALSE, "X.On", &err), 0);
    assert_int_equal(docker_json_check(o, "absent", JSON_STRING, "X", &err), 0);
    assert_int_equal(docker_json_check(o, "Name", JSON_INTEGER, "ServiceSpec.Name", &err),
                     SW_E_INVALID);
    assert_string_equal(err.msg, "json: cannot unmarshal string into Go struct field "
                                 "ServiceSpec.Name of type int64");
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_shapes_of_filters_are_read),
        cmocka_unit_test(a_value_set_to_false_is_not_asked_for),
        cmocka_unit_test(nothing_is_an_empty_filter),
        cmocka_unit_test(bad_filters_and_unknown_keys_are_refused),
        cmocka_unit_test(labels_must_all_hold),
        cmocka_unit_test(boolean_filters_take_four_words),
        cmocka_unit_test(keys_of_bodies_are_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
