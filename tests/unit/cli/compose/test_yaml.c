/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "cli/compose/yaml.h"

static struct yn *load(const char *text)
{
    struct yn *n = NULL;
    struct sw_err err;

    if (yaml_parse("f.yml", text, strlen(text), &n, &err) < 0)
        fail_msg("%s", err.msg);
    return n;
}

static void scalars_have_types(void **state)
{
    static const struct {
        const char *text;
        enum yn_kind kind;
    } rows[] = {
        { "x", YN_STRING },        { "'1'", YN_STRING },
        { "\"true\"", YN_STRING }, { "1", YN_INT },
        { "0x1f", YN_INT },        { "0o17", YN_INT },
        { "017", YN_INT },         { "1_000", YN_INT },
        { "1.5", YN_FLOAT },       { "1e3", YN_FLOAT },
        { ".inf", YN_FLOAT },      { "true", YN_BOOL },
        { "False", YN_BOOL },      { "yes", YN_STRING },
        { "~", YN_NULL },          { "null", YN_NULL },
        { "1.2.3", YN_STRING },    { "1a", YN_STRING },
        { "-", YN_STRING },        { "2001-01-01", YN_STRING },
        { "!!str 5", YN_STRING },  { "9223372036854775808", YN_FLOAT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *text = cli_printf("k: %s\n", rows[i].text);
        struct yn *n = NULL;
        struct sw_err err;

        if (strcmp(rows[i].text, "-") != 0) { /* that one begins a list */
            assert_int_equal(yaml_parse("f", text, strlen(text), &n, &err), 0);
            if (yn_get(n, "k")->kind != rows[i].kind)
                fail_msg("%s: kind %d", rows[i].text, yn_get(n, "k")->kind);
        }
        yn_free(n);
        sw_free(text);
    }
}

static void numbers_have_values(void **state)
{
    struct yn *n = load("a: 0x1f\nb: 017\nc: 0o17\nd: 0b101\ne: -1_000\n");

    (void)state;
    assert_int_equal(yn_number(yn_get(n, "a")), 31);
    assert_int_equal(yn_number(yn_get(n, "b")), 15);
    assert_int_equal(yn_number(yn_get(n, "c")), 15);
    assert_int_equal(yn_number(yn_get(n, "d")), 5);
    assert_int_equal(yn_number(yn_get(n, "e")), -1000);
    yn_free(n);
}

static void values_know_their_line(void **state)
{
    struct yn *n = load("a: 1\n\nb:\n  - x\n  - y\nc:\n  d: {e: f}\n");

    (void)state;
    assert_int_equal(yn_get(n, "a")->line, 1);
    assert_int_equal(yn_get(n, "b")->line, 3);
    assert_int_equal(yn_get(n, "b")->items[1].value->line, 5);
    assert_int_equal(yn_at(n, "c.d.e")->line, 7);
    assert_string_equal(yn_get(n, "a")->file, "f.yml");
    yn_free(n);
}

static void anchors_and_merge_keys(void **state)
{
    struct yn *n = load("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\n"
                        "one: {<<: *b, x: 9}\ntwo: {<<: [*o, *b], w: 5}\nthree: *b\n");

    (void)state;
    assert_int_equal(yn_number(yn_at(n, "one.x")), 9);
    assert_int_equal(yn_number(yn_at(n, "one.y")), 2);
    assert_int_equal(yn_number(yn_at(n, "two.y")), 3); /* the first of the list wins */
    assert_int_equal(yn_number(yn_at(n, "two.x")), 1);
    assert_int_equal(yn_number(yn_at(n, "two.z")), 4);
    assert_int_equal(yn_number(yn_at(n, "three.y")), 2);
    yn_free(n);
}

static void expect_error(const char *text, const char *message)
{
    struct yn *n = NULL;
    struct sw_err err = { 0 };

    if (yaml_parse("f.yml", text, strlen(text), &n, &err) == 0)
        fail_msg("accepted: %s", text);
    if (strcmp(err.msg, message) != 0)
        fail_msg("%s: %s", text, err.msg);
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    expect_error("a:\n\tb: 1\n", "f.yml:2: yaml: tab character may not be used as indentation");
    expect_error("a: 1\nb: *x\n", "f.yml:2: yaml: unknown anchor");
    expect_error("a: &x [*x]\n", "f.yml:1: yaml: nested too deeply, or an anchor contains itself");
    expect_error("a: 1\na: 2\n", "f.yml:2: yaml: duplicate key");
    expect_error("<<: 3\n",
                 "f.yml:1: yaml: map merge requires map or sequence of maps as the value");
    expect_error("a: 1\n%foo", "f.yml:2: yaml: unknown directive");
    expect_error("a: \xff\n", "f.yml:1: yaml: invalid UTF-8");
    expect_error("? [a]\n: b\n", "f.yml: yaml: a key must be a scalar");
}

static void a_file_cannot_blow_up(void **state)
{
    struct sw_buf b = SW_BUF_INIT;
    struct yn *n = NULL;
    struct sw_err err;

    (void)state;
    sw_buf_puts(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++)
        sw_buf_printf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_int_equal(yaml_parse("f", sw_buf_str(&b), b.len, &n, &err), SW_E_INVALID);
    assert_non_null(strstr(err.msg, "document is too large"));
    sw_buf_clear(&b);
    for (int i = 0; i < 5000; i++)
        sw_buf_putc(&b, '[');
    assert_int_equal(yaml_parse("f", sw_buf_str(&b), b.len, &n, &err), SW_E_INVALID);
    sw_buf_fini(&b);
}

static void nothing_is_null(void **state)
{
    static const char *const rows[] = { "", "\n", "# c\n", "~" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct yn *n = load(rows[i]);

        assert_int_equal(n->kind, YN_NULL);
        yn_free(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_have_types),       cmocka_unit_test(numbers_have_values),
        cmocka_unit_test(values_know_their_line),   cmocka_unit_test(anchors_and_merge_keys),
        cmocka_unit_test(mistakes_name_their_line), cmocka_unit_test(a_file_cannot_blow_up),
        cmocka_unit_test(nothing_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
