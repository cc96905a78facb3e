/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions a template may call, and how values print. */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "cli/render/gojson.h"
#include "cli/render/template_tree.h"
#include "common/base/macro.h"

#define WIDTH_MAX 4096 /* of pad and of "%5s": no template makes gigabytes of spaces */

typedef int (*function)(const struct tmpl_call *c, json_t **out, struct sw_err *err);

static void print_any(struct sw_buf *out, const json_t *v, bool top)
{
    if (json_is_string(v)) {
        sw_buf_add(out, json_string_value(v), json_string_length(v));
    } else if (json_is_integer(v)) {
        sw_buf_printf(out, "%lld", (long long)json_integer_value(v));
    } else if (json_is_real(v)) {
        gojson_number(out, json_real_value(v));
    } else if (json_is_boolean(v)) {
        sw_buf_puts(out, json_is_true(v) ? "true" : "false");
    } else if (json_is_array(v)) {
        sw_buf_putc(out, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i > 0)
                sw_buf_putc(out, ' ');
            print_any(out, json_array_get(v, i), false);
        }
        sw_buf_putc(out, ']');
    } else if (json_is_object(v)) {
        SW_CLEANUP(strv_fini) struct strv keys = { 0 };

        js_sorted_keys(v, &keys);
        sw_buf_puts(out, "map[");
        for (size_t i = 0; i < keys.n; i++) {
            sw_buf_printf(out, i > 0 ? " %s:" : "%s:", keys.v[i]);
            print_any(out, json_object_get(v, keys.v[i]), false);
        }
        sw_buf_putc(out, ']');
    } else {
        sw_buf_puts(out, top ? "<no value>" : "<nil>");
    }
}

void tmpl_print(struct sw_buf *out, const json_t *v)
{
    print_any(out, v, true);
}

bool tmpl_true(const json_t *v)
{
    if (json_is_string(v))
        return json_string_length(v) > 0;
    if (json_is_integer(v))
        return json_integer_value(v) != 0;
    if (json_is_real(v))
        return json_real_value(v) != 0;
    if (json_is_array(v))
        return json_array_size(v) > 0;
    if (json_is_object(v))
        return json_object_size(v) > 0;
    return json_is_true(v);
}

static json_t *take(struct sw_buf *b)
{
    json_t *v = js_string(sw_buf_str(b));

    sw_buf_fini(b);
    return v;
}

static int want(const struct tmpl_call *c, size_t n, struct sw_err *err)
{
    if (c->argc == n)
        return 0;
    return sw_err_set(err, SW_E_INVALID, "wrong number of args: want %zu got %zu", n, c->argc);
}

static int want_string(const json_t *v, struct sw_err *err)
{
    return json_is_string(v)
               ? 0
               : sw_err_set(err, SW_E_INVALID, "wrong type for value; expected string");
}

static int f_json(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    struct sw_buf b = SW_BUF_INIT;

    if (want(c, 1, err) < 0)
        return err->code;
    if (c->opt->header)
        *out = json_incref(c->argv[0]);
    else {
        gojson_compact(&b, c->argv[0], !c->opt->json_order);
        *out = take(&b);
    }
    return 0;
}

static int f_case(const struct tmpl_call *c, json_t **out, struct sw_err *err, char how)
{
    struct sw_buf b = SW_BUF_INIT;
    bool start = true;

    if (want(c, 1, err) < 0 || want_string(c->argv[0], err) < 0)
        return err->code;
    if (c->opt->header) {
        *out = json_incref(c->argv[0]);
        return 0;
    }
    for (const char *s = json_string_value(c->argv[0]); *s != '\0'; s++) {
        unsigned char ch = (unsigned char)*s;

        sw_buf_putc(&b, (char)(how == 'l' ? tolower(ch) : how == 'u' || start ? toupper(ch) : ch));
        start = isspace(ch);
    }
    *out = take(&b);
    return 0;
}

static int f_lower(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_case(c, out, err, 'l');
}

static int f_upper(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_case(c, out, err, 'u');
}

static int f_title(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_case(c, out, err, 't');
}

static int f_join(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    struct sw_buf b = SW_BUF_INIT;

    if (want(c, 2, err) < 0 || want_string(c->argv[1], err) < 0)
        return err->code;
    if (!json_is_array(c->argv[0]) && !json_is_null(c->argv[0]))
        return sw_err_set(err, SW_E_INVALID, "wrong type for value; expected []string");
    for (size_t i = 0; i < json_array_size(c->argv[0]); i++) {
        if (i > 0)
            sw_buf_puts(&b, json_string_value(c->argv[1]));
        tmpl_print(&b, json_array_get(c->argv[0], i));
    }
    *out = take(&b);
    return 0;
}

static int f_split(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    const char *s, *sep;

    if (want(c, 2, err) < 0 || want_string(c->argv[0], err) < 0 || want_string(c->argv[1], err) < 0)
        return err->code;
    s = json_string_value(c->argv[0]);
    sep = json_string_value(c->argv[1]);
    *out = json_array();
    for (;;) {
        const char *at = *sep != '\0' ? strstr(s, sep) : *s != '\0' ? s + 1 : NULL;
        SW_CLEANUP(sw_free_ptr)
        char *piece = cli_strndup(s, at != NULL ? (size_t)(at - s) : strlen(s));

        js_append_str(*out, piece);
        if (at == NULL)
            return 0;
        s = at + strlen(sep);
    }
}

static int f_pad(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    struct sw_buf b = SW_BUF_INIT;
    json_int_t side[2];

    if (want(c, 3, err) < 0 || want_string(c->argv[0], err) < 0)
        return err->code;
    for (size_t i = 0; i < 2; i++) {
        side[i] = json_integer_value(c->argv[i + 1]);
        if (side[i] < 0 || side[i] > WIDTH_MAX)
            return sw_err_set(err, SW_E_INVALID, "width out of range");
    }
    if (json_string_length(c->argv[0]) > 0) {
        sw_buf_printf(&b, "%*s%s%*s", (int)side[0], "", json_string_value(c->argv[0]), (int)side[1],
                      "");
    }
    *out = take(&b);
    return 0;
}

static int f_truncate(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    if (want(c, 2, err) < 0 || want_string(c->argv[0], err) < 0)
        return err->code;
    if (!c->opt->header && json_integer_value(c->argv[1]) >= 0 &&
        json_string_length(c->argv[0]) > (size_t)json_integer_value(c->argv[1])) {
        SW_CLEANUP(sw_free_ptr)
        char *s =
            cli_strndup(json_string_value(c->argv[0]), (size_t)json_integer_value(c->argv[1]));

        *out = js_string(s);
    } else {
        *out = json_incref(c->argv[0]);
    }
    return 0;
}

/* Go's Sprint: a space between two operands when neither is a string. */
static int f_print(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    struct sw_buf b = SW_BUF_INIT;

    (void)err;
    for (size_t i = 0; i < c->argc; i++) {
        if (i > 0 && !json_is_string(c->argv[i]) && !json_is_string(c->argv[i - 1]))
            sw_buf_putc(&b, ' ');
        tmpl_print(&b, c->argv[i]);
    }
    *out = take(&b);
    return 0;
}

static int f_println(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    struct sw_buf b = SW_BUF_INIT;

    (void)err;
    for (size_t i = 0; i < c->argc; i++) {
        if (i > 0)
            sw_buf_putc(&b, ' ');
        tmpl_print(&b, c->argv[i]);
    }
    sw_buf_putc(&b, '\n');
    *out = take(&b);
    return 0;
}

/* One directive: flags, width, precision, verb. @f: after the percent sign. Return: behind it. */
static const char *directive(struct sw_buf *b, const char *f, const json_t *v)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    bool left = false;
    bool zero = false;
    size_t width = 0;
    int precision = -1;

    for (; *f == '-' || *f == '+' || *f == '0' || *f == ' ' || *f == '#'; f++) {
        left |= *f == '-';
        zero |= *f == '0';
    }
    for (; isdigit((unsigned char)*f); f++)
        width = SW_MIN(10 * width + (size_t)(*f - '0'), (size_t)WIDTH_MAX);
    if (*f == '.') {
        for (precision = 0, f++; isdigit((unsigned char)*f); f++)
            precision = SW_MIN(10 * precision + (*f - '0'), WIDTH_MAX);
    }
    if (*f == '\0') {
        sw_buf_puts(b, "%!(NOVERB)");
        return f;
    }
    if (v == NULL)
        sw_buf_printf(&text, "%%!%c(MISSING)", *f);
    else if (*f == 'q')
        gojson_compact(&text, v, true);
    else if ((*f == 'x' || *f == 'o') && json_is_integer(v))
        sw_buf_printf(&text, *f == 'x' ? "%llx" : "%llo",
                      (unsigned long long)json_integer_value(v));
    else if ((*f == 'f' || *f == 'g' || *f == 'e') && json_is_number(v))
        sw_buf_printf(&text, "%.*f", precision >= 0 ? precision : 6, json_number_value(v));
    else
        tmpl_print(&text, v);
    if (precision >= 0 && *f == 's' && text.len > (size_t)precision)
        text.len = (size_t)precision;
    for (size_t n = text.len; !left && n < width; n++)
        sw_buf_putc(b, zero ? '0' : ' ');
    sw_buf_add(b, text.data, text.len);
    for (size_t n = text.len; left && n < width; n++)
        sw_buf_putc(b, ' ');
    return f + 1;
}

static int f_printf(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    struct sw_buf b = SW_BUF_INIT;
    size_t arg = 1;

    if (c->argc == 0)
        return want(c, 1, err);
    if (want_string(c->argv[0], err) < 0)
        return err->code;
    for (const char *f = json_string_value(c->argv[0]); *f != '\0';) {
        if (*f != '%') {
            sw_buf_putc(&b, *f++);
        } else if (f[1] == '%') {
            sw_buf_putc(&b, '%');
            f += 2;
        } else {
            f = directive(&b, f + 1, arg < c->argc ? c->argv[arg] : NULL);
            arg++;
        }
    }
    *out = take(&b);
    return 0;
}

static int f_len(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    const json_t *v = c->argc > 0 ? c->argv[0] : NULL;

    if (want(c, 1, err) < 0)
        return err->code;
    if (json_is_string(v))
        *out = json_integer((json_int_t)json_string_length(v));
    else if (json_is_array(v) || json_is_object(v))
        *out =
            json_integer((json_int_t)(json_is_array(v) ? json_array_size(v) : json_object_size(v)));
    else
        return sw_err_set(err, SW_E_INVALID, "error calling len: len of nil or number");
    return 0;
}

static bool is_text_map(json_t *v)
{
    const char *key;
    json_t *each;

    json_object_foreach(v, key, each)
    {
        if (!json_is_string(each))
            return false;
    }
    return true;
}

static int f_index(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    json_t *v = c->argc > 0 ? c->argv[0] : NULL;
    const json_t *map = NULL; /* of texts: what it lacks is the empty text */

    if (v == NULL)
        return want(c, 1, err);
    for (size_t i = 1; i < c->argc; i++) {
        const json_t *key = c->argv[i];

        if (json_is_object(v) && json_is_string(key)) {
            map = c->opt->zero != NULL && is_text_map(v) ? v : NULL;
            v = json_object_get(v, json_string_value(key));
        } else if (json_is_array(v) && json_is_integer(key)) {
            json_int_t k = json_integer_value(key);

            if (k < 0 || (size_t)k >= json_array_size(v))
                return sw_err_set(err, SW_E_INVALID,
                                  "error calling index: index out of range: %lld", (long long)k);
            v = json_array_get(v, (size_t)k);
        } else {
            return sw_err_set(err, SW_E_INVALID,
                              "error calling index: can't index item of this type");
        }
        if (v == NULL) {
            *out = map != NULL ? js_string("") : json_null();
            return 0;
        }
    }
    *out = json_incref(v);
    return 0;
}

static int f_slice(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    json_int_t len, from, to;
    const json_t *v = c->argc > 0 ? c->argv[0] : NULL;

    if (c->argc < 1 || c->argc > 3 || (!json_is_string(v) && !json_is_array(v)))
        return sw_err_set(err, SW_E_INVALID, "error calling slice: can't slice item of this type");
    len = (json_int_t)(json_is_string(v) ? json_string_length(v) : json_array_size(v));
    from = c->argc > 1 ? json_integer_value(c->argv[1]) : 0;
    to = c->argc > 2 ? json_integer_value(c->argv[2]) : len;
    if (from < 0 || to > len || from > to)
        return sw_err_set(err, SW_E_INVALID, "error calling slice: index out of range");
    if (json_is_string(v)) {
        SW_CLEANUP(sw_free_ptr)
        char *s = cli_strndup(json_string_value(v) + from, (size_t)(to - from));

        *out = js_string(s);
        return 0;
    }
    *out = json_array();
    for (json_int_t i = from; i < to; i++)
        json_array_append(*out, json_array_get(v, (size_t)i));
    return 0;
}

/* Return: <0, 0, >0; SW_E_INVALID when the two cannot be ordered. */
static int compare(const json_t *a, const json_t *b, int *r, struct sw_err *err)
{
    if (json_is_string(a) && json_is_string(b))
        *r = strcmp(json_string_value(a), json_string_value(b));
    else if (json_is_number(a) && json_is_number(b))
        *r = json_number_value(a) < json_number_value(b)
                 ? -1
                 : json_number_value(a) > json_number_value(b);
    else
        return sw_err_set(err, SW_E_INVALID, "incompatible types for comparison");
    return 0;
}

static int f_not(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    if (want(c, 1, err) < 0)
        return err->code;
    *out = json_boolean(!tmpl_true(c->argv[0]));
    return 0;
}

static int f_eq(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    bool equal = false;

    if (c->argc < 2)
        return sw_err_set(err, SW_E_INVALID, "missing argument for comparison");
    for (size_t i = 1; i < c->argc && !equal; i++) {
        int r = 1;

        if (json_is_boolean(c->argv[0]) || json_is_null(c->argv[0]))
            equal = json_equal(c->argv[0], c->argv[i]);
        else if (compare(c->argv[0], c->argv[i], &r, err) < 0)
            return err->code;
        equal |= r == 0;
    }
    *out = json_boolean(equal);
    return 0;
}

static int f_ne(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    json_t *eq = NULL;

    if (want(c, 2, err) < 0 || f_eq(c, &eq, err) < 0)
        return err->code;
    *out = json_boolean(!json_is_true(eq));
    json_decref(eq);
    return 0;
}

static int f_order(const struct tmpl_call *c, json_t **out, struct sw_err *err, bool less,
                   bool equal)
{
    int r;

    if (want(c, 2, err) < 0 || compare(c->argv[0], c->argv[1], &r, err) < 0)
        return err->code;
    *out = json_boolean(r == 0 ? equal : (r < 0) == less);
    return 0;
}

static int f_lt(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_order(c, out, err, true, false);
}

static int f_le(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_order(c, out, err, true, true);
}

static int f_gt(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_order(c, out, err, false, false);
}

static int f_ge(const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    return f_order(c, out, err, false, true);
}

static const struct {
    const char *name;
    function f; /* NULL: the executor decides (and, or) */
} functions[] = {
    { "json", f_json },       { "join", f_join },
    { "split", f_split },     { "upper", f_upper },
    { "lower", f_lower },     { "title", f_title },
    { "pad", f_pad },         { "truncate", f_truncate },
    { "print", f_print },     { "len", f_len },
    { "println", f_println }, { "printf", f_printf },
    { "index", f_index },     { "not", f_not },
    { "slice", f_slice },     { "eq", f_eq },
    { "ne", f_ne },           { "lt", f_lt },
    { "le", f_le },           { "gt", f_gt },
    { "ge", f_ge },           { "and", NULL },
    { "or", NULL },
};

bool tmpl_is_function(const char *name, size_t len)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(functions); i++) {
        if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
            return true;
    }
    return false;
}

int tmpl_function(const char *name, const struct tmpl_call *c, json_t **out, struct sw_err *err)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, name) == 0 && functions[i].f != NULL)
            return functions[i].f(c, out, err);
    }
    return sw_err_set(err, SW_E_INVALID, "wrong number of args for %s", name);
}
