/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/render/template.h"

static const char data[] =
    "{\"Name\":\"web\",\"Id\":\"abc\",\"N\":3,\"F\":0.5,\"T\":true,\"Nil\":null,\"Spec\":{\"Name\":"
    "\"deep\",\"Labels\":{\"b\":\"2\",\"a\":\"1\"}},"
    "\"Tags\":[\"x\",\"y\"],\"Ports\":[{\"P\":80},{\"P\":443}],\"Empty\":[]}";

static char *rendered(const char *text, const struct tmpl_options *opt)
{
    json_auto_t *j = json_loads(data, 0, NULL);
    struct tmpl *t = NULL;
    struct sw_buf b = SW_BUF_INIT;
    struct sw_err err;
    char *s;

    if (tmpl_parse(&t, text, &err) < 0)
        return cli_printf("parse: %s", err.msg);
    if (tmpl_exec(t, j, opt, &b, &err) < 0) {
        sw_buf_fini(&b);
        s = cli_printf("exec: %s", err.msg);
    } else {
        s = cli_take(&b);
    }
    tmpl_free(t);
    return s;
}

static void expect(const char *text, const char *out)
{
    static const struct tmpl_options opt = { 0 };
    char *got = rendered(text, &opt);

    if (strcmp(got, out) != 0)
        fail_msg("%s\n got: %s\nwant: %s", text, got, out);
    sw_free(got);
}

static void fields_and_literals(void **state)
{
    (void)state;
    expect("plain", "plain");
    expect("{{.Name}} {{ .Spec.Name }}", "web deep");
    expect("{{.ID}}", "abc"); /* without regard to case */
    expect("{{.N}} {{.F}} {{.T}} {{.Nil}}", "3 0.5 true <no value>");
    expect("{{\"a\\n\"}}{{`b\\n`}}{{42}}{{true}}", "a\nb\\n42true");
    expect("{{.}}", "map[Empty:[] F:0.5 Id:abc N:3 Name:web Nil:<nil> Ports:[map[P:80] map[P:443]] "
                    "Spec:map[Labels:map[a:1 b:2] Name:deep] T:true Tags:[x y]]");
    expect("{{.Nope}}",
           "exec: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"");
    expect(
        "{{.Spec.Nope}}",
        "exec: template: :1:2: executing \"\" at <.Spec.Nope>: map has no entry for key \"Nope\"");
}

static void functions(void **state)
{
    (void)state;
    expect("{{json .Spec}}", "{\"Labels\":{\"a\":\"1\",\"b\":\"2\"},\"Name\":\"deep\"}");
    expect("{{.Tags | json}}", "[\"x\",\"y\"]");
    expect("{{join .Tags \", \"}}", "x, y");
    expect("{{upper .Name}} {{.Name | upper | lower}} {{title .Name}}", "WEB web Web");
    expect("{{index .Tags 1}} {{index .Spec.Labels \"a\"}} {{index .Spec.Labels \"zz\"}}",
           "y 1 <no value>");
    expect("{{len .Tags}} {{len .Name}}", "2 3");
    expect("{{range split \"a:b:c\" \":\"}}<{{.}}>{{end}}", "<a><b><c>");
    expect("{{truncate .Name 2}}|{{pad .Name 1 2}}|{{slice .Name 1 2}}", "we| web  |e");
    expect("{{printf \"%s-%d-%5s-%-4s|%q|%x%%\" .Name .N \"ab\" \"c\" \"d\" 255}}",
           "web-3-   ab-c   |\"d\"|ff%");
    expect("{{print .N 4 \"x\"}} {{println 1 2}}", "3 4x 1 2\n");
    expect("{{printf \"%s\"}}", "%!s(MISSING)");
    expect("{{nofunc 1}}", "parse: template: :1: function \"nofunc\" not defined");
    expect(
        "{{len 3}}",
        "exec: template: :1:2: executing \"\" at <len>: error calling len: len of nil or number");
    expect("{{index .Tags 7}}", "exec: template: :1:2: executing \"\" at <index>: error calling "
                                "index: index out of range: 7");
    expect("{{json}}",
           "exec: template: :1:2: executing \"\" at <json>: wrong number of args: want 1 got 0");
}

static void conditions(void **state)
{
    (void)state;
    expect("{{if .Tags}}yes{{else}}no{{end}}{{if .Empty}}yes{{else}}no{{end}}", "yesno");
    expect("{{if eq .Name \"x\" \"web\"}}1{{else if .N}}2{{end}}", "1");
    expect("{{if eq .Name \"x\"}}1{{else if gt .N 2}}2{{else}}3{{end}}", "2");
    expect("{{if and .T (not .Empty)}}a{{end}}{{if or .Nil .Empty}}b{{else}}c{{end}}", "ac");
    expect("{{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{ge 1 2}} {{eq 1 1.0}}", "true true true false true");
    expect("{{and 0 .Nope}}", "0"); /* what decides is not gone beyond */
    expect("{{if eq .N \"x\"}}{{end}}",
           "exec: template: :1:5: executing \"\" at <eq>: incompatible types for comparison");
    expect("{{with .Spec}}{{.Name}}{{end}}{{with .Nil}}x{{else}}none{{end}}", "deepnone");
}

static void loops_and_variables(void **state)
{
    (void)state;
    expect("{{range .Ports}}{{.P}},{{end}}", "80,443,");
    expect("{{range $i, $p := .Ports}}{{$i}}={{$p.P}} {{end}}", "0=80 1=443 ");
    expect("{{range $k, $v := .Spec.Labels}}{{$k}}{{$v}}{{end}}", "a1b2");
    expect("{{range .Empty}}x{{else}}none{{end}}", "none");
    expect("{{$x := .Name}}{{range .Tags}}{{$x}}{{.}}{{end}}", "webxweby");
    expect("{{$n := 1}}{{range .Tags}}{{$n = .}}{{end}}{{$n}}", "y");
    expect("{{range .Tags}}{{$.Name}}{{end}}", "webweb");
    expect("{{(index .Ports 0).P}}", "80");
    expect(
        "{{range .Name}}{{end}}",
        "exec: template: :1:8: executing \"\" at <pipeline>: range can't iterate over this value");
    expect("{{$y}}", "exec: template: :1:2: executing \"\" at <pipeline>: undefined variable");
}

static void space_is_trimmed_and_comments_vanish(void **state)
{
    (void)state;
    expect("a \n {{- .Name -}} \n b", "awebb");
    expect("a{{/* no */}}b", "ab");
    expect("a {{- /* no */ -}} b", "ab");
    expect("{{- .Name}} x", "web x");
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    expect("x\n{{.Name", "parse: template: :2: unclosed action");
    expect("{{if .Name}}", "parse: template: :1: unexpected EOF");
    expect("{{end}}", "parse: template: :1: unexpected {{end}}");
    expect("{{else}}", "parse: template: :1: unexpected {{else}}");
    expect("{{}}", "parse: template: :1: missing value for command");
    expect("{{\"x}}", "parse: template: :1: unterminated quoted string");
    expect("{{.Name | }}", "parse: template: :1: missing value for command");
    expect("{{(.Name}}", "parse: template: :1: unexpected \"}}\" in parenthesized pipeline");
    expect("{{.Name .N}}", "parse: template: :1: can't give argument to non-function");
    expect("{{/* x }}", "parse: template: :1: unclosed comment");
}

static void depth_is_bounded(void **state)
{
    struct sw_buf b = SW_BUF_INIT;
    struct sw_err err;
    struct tmpl *t = NULL;

    (void)state;
    sw_buf_puts(&b, "{{");
    for (int i = 0; i < 100000; i++)
        sw_buf_putc(&b, '(');
    assert_int_equal(tmpl_parse(&t, sw_buf_str(&b), &err), SW_E_INVALID);
    sw_buf_clear(&b);
    for (int i = 0; i < 1000; i++)
        sw_buf_puts(&b, "{{if 1}}");
    assert_int_equal(tmpl_parse(&t, sw_buf_str(&b), &err), SW_E_INVALID);
    sw_buf_fini(&b);
}

static json_t *zero(const char *parent, const char *field)
{
    if (strcmp(parent, "Labels") == 0)
        return json_null();
    return strcmp(field, "Hostname") == 0 ? js_string("") : NULL;
}

static void absent_fields_may_stand_for_nothing(void **state)
{
    static const struct tmpl_options opt = { .zero = zero };
    char *got =
        rendered("<{{.Spec.Hostname}}><{{.Spec.Labels.zz}}><{{index .Spec.Labels \"zz\"}}>", &opt);

    (void)state;
    assert_string_equal(got, "<><<no value>><>");
    sw_free(got);
    got = rendered("{{.Spec.Nope}}", &opt);
    assert_non_null(strstr(got, "map has no entry for key"));
    sw_free(got);
}

static void a_header_keeps_its_words(void **state)
{
    static const struct tmpl_options header = { .header = true, .lax = true };
    char *got = rendered("{{lower .Name}}{{json .Name}}{{truncate .Name 1}}{{.Unknown}}", &header);

    (void)state;
    assert_string_equal(got, "webwebweb<no value>");
    sw_free(got);
    got = tmpl_unescape("{{.A}}\\t{{.B}}\\n\\x");
    assert_string_equal(got, "{{.A}}\t{{.B}}\n\\x");
    sw_free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_literals),
        cmocka_unit_test(functions),
        cmocka_unit_test(conditions),
        cmocka_unit_test(loops_and_variables),
        cmocka_unit_test(space_is_trimmed_and_comments_vanish),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(absent_fields_may_stand_for_nothing),
        cmocka_unit_test(a_header_keeps_its_words),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
