/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/option.h"

#include <stdlib.h>
#include <string.h>

#include "cli/spec/text.h"
#include "common/base/macro.h"

static const struct strv empty_list;

static size_t find(const struct args *a, const char *name, size_t len)
{
    for (size_t i = 0; i < a->n_options; i++) {
        if (strlen(a->options[i].name) == len && strncmp(a->options[i].name, name, len) == 0)
            return i;
    }
    return a->n_options;
}

static int check_type(enum opt_type type, const char *v, struct sw_err *err)
{
    union {
        uint64_t u;
        int64_t i;
        double d;
        bool b;
    } x;

    switch (type) {
    case OPT_BOOL:
        return text_bool(v, &x.b, err);
    case OPT_UINT:
        return text_uint(v, &x.u, err);
    case OPT_INT:
        return text_int(v, &x.i, err);
    case OPT_FLOAT:
        return text_float(v, &x.d, err);
    case OPT_DURATION:
        return text_duration(v, &x.i, err);
    case OPT_BYTES:
        return text_bytes(v, &x.i, err);
    case OPT_CPUS:
        return text_cpus(v, &x.i, err);
    case OPT_STRING:
    case OPT_LIST:
        break;
    }
    return 0;
}

static int store(struct args *a, size_t i, const char *v, struct sw_err *err)
{
    const struct option *o = &a->options[i];
    struct opt_value *value = &a->values[i];
    struct sw_err why;
    int r = check_type(o->type, v, &why);

    if (r == 0 && o->check != NULL)
        r = o->check(v, &why);
    if (r < 0 && o->letter != 0)
        return sw_err_set(err, SW_E_INVALID, "invalid argument \"%s\" for \"-%c, --%s\" flag: %s",
                          v, o->letter, o->name, why.msg);
    if (r < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid argument \"%s\" for \"--%s\" flag: %s", v,
                          o->name, why.msg);
    if (o->type != OPT_LIST)
        strv_fini(&value->list);
    strv_add(&value->list, v);
    value->set = true;
    return 0;
}

/* "--name", "--name=value". Return: arguments used (1 or 2), ARGS_HELP's negative twin 0 = help. */
static int parse_long(struct args *a, char *const *argv, size_t left, size_t *used,
                      struct sw_err *err)
{
    const char *name = argv[0] + 2;
    const char *eq = strchr(name, '=');
    size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
    size_t i = find(a, name, len);

    *used = 1;
    if (i == a->n_options) {
        if (len == 4 && strncmp(name, "help", 4) == 0)
            return ARGS_HELP;
        return sw_err_set(err, SW_E_INVALID, "unknown flag: --%.*s", (int)len, name);
    }
    if (eq != NULL)
        return store(a, i, eq + 1, err);
    if (a->options[i].type == OPT_BOOL)
        return store(a, i, "true", err);
    if (left < 2)
        return sw_err_set(err, SW_E_INVALID, "flag needs an argument: --%s", name);
    *used = 2;
    return store(a, i, argv[1], err);
}

static int parse_letters(struct args *a, char *const *argv, size_t left, size_t *used,
                         struct sw_err *err)
{
    *used = 1;
    for (const char *p = argv[0] + 1; *p != '\0'; p++) {
        size_t i = 0;

        while (i < a->n_options && a->options[i].letter != *p)
            i++;
        if (i == a->n_options) {
            if (*p == 'h')
                return ARGS_HELP;
            return sw_err_set(err, SW_E_INVALID, "unknown shorthand flag: '%c' in %s", *p, argv[0]);
        }
        if (p[1] == '=')
            return store(a, i, p + 2, err);
        if (a->options[i].type == OPT_BOOL) {
            if (store(a, i, "true", err) < 0)
                return err->code;
            continue;
        }
        if (p[1] != '\0')
            return store(a, i, p + 1, err);
        if (left < 2)
            return sw_err_set(err, SW_E_INVALID, "flag needs an argument: '%c' in %s", *p, argv[0]);
        *used = 2;
        return store(a, i, argv[1], err);
    }
    return 0;
}

int args_parse(struct args *a, const struct option *options, size_t n_options, char *const *argv,
               size_t argc, bool interspersed, struct sw_err *err)
{
    *a = (struct args){ .options = options, .n_options = n_options };
    a->values = cli_alloc((n_options + 1) * sizeof(*a->values));
    for (size_t i = 0; i < argc;) {
        const char *s = argv[i];
        size_t used = 1;
        int r = 0;

        if (s[0] != '-' || s[1] == '\0') {
            if (!interspersed) {
                for (; i < argc; i++)
                    strv_add(&a->pos, argv[i]);
                return 0;
            }
            strv_add(&a->pos, s);
        } else if (strcmp(s, "--") == 0) {
            for (i++; i < argc; i++)
                strv_add(&a->pos, argv[i]);
            return 0;
        } else if (s[1] == '-') {
            r = parse_long(a, argv + i, argc - i, &used, err);
        } else {
            r = parse_letters(a, argv + i, argc - i, &used, err);
        }
        if (r != 0)
            return r;
        i += used;
    }
    return 0;
}

void args_fini(struct args *a)
{
    for (size_t i = 0; i < a->n_options && a->values != NULL; i++)
        strv_fini(&a->values[i].list);
    sw_free(a->values);
    strv_fini(&a->pos);
    *a = (struct args){ 0 };
}

static const struct opt_value *value(const struct args *a, const char *name)
{
    size_t i = find(a, name, strlen(name));

    return i < a->n_options && a->values[i].set ? &a->values[i] : NULL;
}

bool args_set(const struct args *a, const char *name)
{
    return value(a, name) != NULL;
}

const char *args_str(const struct args *a, const char *name)
{
    const struct opt_value *v = value(a, name);

    return v != NULL ? v->list.v[v->list.n - 1] : "";
}

const struct strv *args_list(const struct args *a, const char *name)
{
    const struct opt_value *v = value(a, name);

    return v != NULL ? &v->list : &empty_list;
}

/* The values were checked when they were parsed: an error below means "not given". */
bool args_bool(const struct args *a, const char *name)
{
    struct sw_err err;
    bool v = false;

    (void)text_bool(args_str(a, name), &v, &err);
    return v;
}

uint64_t args_uint(const struct args *a, const char *name)
{
    struct sw_err err;
    uint64_t v = 0;

    (void)text_uint(args_str(a, name), &v, &err);
    return v;
}

int64_t args_int(const struct args *a, const char *name)
{
    struct sw_err err;
    int64_t v = 0;

    (void)text_int(args_str(a, name), &v, &err);
    return v;
}

double args_float(const struct args *a, const char *name)
{
    struct sw_err err;
    double v = 0;

    (void)text_float(args_str(a, name), &v, &err);
    return v;
}

int64_t args_ns(const struct args *a, const char *name)
{
    struct sw_err err;
    int64_t v = 0;

    (void)text_duration(args_str(a, name), &v, &err);
    return v;
}

int64_t args_bytes(const struct args *a, const char *name)
{
    struct sw_err err;
    int64_t v = 0;

    (void)text_bytes(args_str(a, name), &v, &err);
    return v;
}

int64_t args_nano(const struct args *a, const char *name)
{
    struct sw_err err;
    int64_t v = 0;

    (void)text_cpus(args_str(a, name), &v, &err);
    return v;
}

static const char *arg_name(const struct option *o)
{
    static const char *const names[] = {
        [OPT_BOOL] = "",
        [OPT_STRING] = "string",
        [OPT_LIST] = "list",
        [OPT_UINT] = "uint",
        [OPT_INT] = "int",
        [OPT_FLOAT] = "float",
        [OPT_DURATION] = "duration",
        [OPT_BYTES] = "bytes",
        [OPT_CPUS] = "decimal",
    };

    return o->arg != NULL ? o->arg : names[o->type];
}

/* How many bytes of @s go on a line of @room: the pflag rules, with a slop of five so that a
 * short last word need not stand alone. @skip: whether a separator follows. */
static size_t line_len(const char *s, size_t room, size_t slop, bool *skip)
{
    size_t n = strlen(s);
    size_t w = 0;
    size_t nl = 0;

    *skip = false;
    if (room + slop > n)
        return n;
    for (size_t i = 0; i < room; i++) {
        if (s[i] == ' ' || s[i] == '\n')
            w = i;
        if (s[i] == '\n')
            nl = i;
    }
    if (w == 0)
        return n;
    *skip = true;
    return nl > 0 && nl < w ? nl : w;
}

static void indented(struct sw_buf *out, const char *s, size_t n, size_t indent)
{
    for (size_t i = 0; i < n; i++) {
        sw_buf_putc(out, s[i]);
        if (s[i] == '\n')
            sw_buf_printf(out, "%*s", (int)indent, "");
    }
}

static void wrapped(struct sw_buf *out, const char *s, size_t indent, size_t width)
{
    const size_t slop = 5;
    size_t room = width > indent ? width - indent : 0;

    if (room < 24) { /* too little: a block of its own below the name */
        indent = 16;
        room = width - indent;
        sw_buf_printf(out, "\n%*s", (int)indent, "");
    }
    for (bool first = true; *s != '\0' || first; first = false) {
        bool skip;
        size_t n = line_len(s, room - slop, slop, &skip);

        if (!first)
            sw_buf_printf(out, "\n%*s", (int)indent, "");
        indented(out, s, n, indent);
        s += n + skip;
    }
}

size_t options_count(const struct option *options)
{
    size_t n = 0;

    while (options != NULL && options[n].name != NULL)
        n++;
    return n;
}

static int by_name(const void *a, const void *b)
{
    const struct option *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

void options_help(struct sw_buf *out, const struct option *options, size_t n, size_t width)
{
    const struct option **sorted = cli_alloc((n + 1) * sizeof(*sorted));
    size_t longest = 0;
    size_t shown = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = 8 + strlen(options[i].name);

        if (options[i].hidden)
            continue;
        sorted[shown++] = &options[i];
        len += *arg_name(&options[i]) != '\0' ? 1 + strlen(arg_name(&options[i])) : 0;
        longest = SW_MAX(longest, len);
    }
    qsort(sorted, shown, sizeof(*sorted), by_name);
    for (size_t i = 0; i < shown; i++) {
        const struct option *o = sorted[i];
        SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
        size_t start = out->len;

        if (o->letter != 0)
            sw_buf_printf(out, "  -%c, --%s", o->letter, o->name);
        else
            sw_buf_printf(out, "      --%s", o->name);
        sw_buf_printf(out, *arg_name(o) != '\0' ? " %s" : "%s", arg_name(o));
        sw_buf_printf(out, "%*s", (int)(longest + 3 - (out->len - start)), "");
        sw_buf_puts(&text, o->help);
        if (o->standard != NULL)
            sw_buf_printf(&text,
                          o->type == OPT_STRING && o->arg == NULL ? " (default \"%s\")"
                                                                  : " (default %s)",
                          o->standard);
        wrapped(out, sw_buf_str(&text), longest + 3, width);
        sw_buf_putc(out, '\n');
    }
    sw_free(sorted);
}
