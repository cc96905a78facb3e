/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/interp.h"

#include <ctype.h>
#include <string.h>

static size_t name_len(const char *s)
{
    size_t n = 0;

    if (*s != '_' && !isalpha((unsigned char)*s))
        return 0;
    while (s[n] == '_' || isalnum((unsigned char)s[n]))
        n++;
    return n;
}

/* What is between the braces. @body: "A:-default". */
static int braced(struct sw_buf *out, const char *body, env_lookup lookup, void *arg,
                  struct sw_err *err)
{
    size_t n = name_len(body);
    SW_CLEANUP(sw_free_ptr) char *name = cli_strndup(body, n);
    const char *value = n > 0 ? lookup(arg, name) : NULL;
    const char *op = body + n;
    bool colon = *op == ':';
    bool given = value != NULL && !(colon && *value == '\0');

    op += colon;
    if (n == 0 || (*op != '\0' && strchr("-?+", *op) == NULL) || (*op == '\0' && colon))
        return 1;
    if (*op == '\0')
        sw_buf_puts(out, value != NULL ? value : "");
    else if (*op == '+')
        sw_buf_puts(out, given ? op + 1 : "");
    else if (given)
        sw_buf_puts(out, value);
    else if (*op == '-')
        sw_buf_puts(out, op + 1);
    else
        return sw_err_set(err, SW_E_INVALID, "required variable %s is missing a value: %s", name,
                          op + 1);
    return 0;
}

/* Return: bytes used behind the '$', 0 when malformed; < 0 failed. */
static int one(struct sw_buf *out, const char *s, env_lookup lookup, void *arg, struct sw_err *err)
{
    size_t n = name_len(s);

    if (*s == '$') {
        sw_buf_putc(out, '$');
        return 1;
    }
    if (*s == '{') {
        const char *end = strchr(s, '}');
        SW_CLEANUP(sw_free_ptr) char *body = NULL;
        int r;

        if (end == NULL)
            return 0;
        body = cli_strndup(s + 1, (size_t)(end - s - 1));
        r = braced(out, body, lookup, arg, err);
        return r < 0 ? r : r > 0 ? 0 : (int)(end - s + 1);
    }
    if (n > 0) {
        SW_CLEANUP(sw_free_ptr) char *name = cli_strndup(s, n);
        const char *value = lookup(arg, name);

        sw_buf_puts(out, value != NULL ? value : "");
    }
    return (int)n;
}

int interp_string(const char *s, env_lookup lookup, void *arg, char **out, bool *changed,
                  struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    const char *p = s;

    *changed = false;
    while (*p != '\0') {
        int used;

        if (*p != '$') {
            sw_buf_putc(&b, *p++);
            continue;
        }
        used = one(&b, p + 1, lookup, arg, err);
        if (used < 0)
            return used;
        if (used == 0)
            return sw_err_set(err, SW_E_INVALID, "%s", s);
        *changed = true;
        p += 1 + used;
    }
    *out = cli_take(&b);
    return 0;
}

int interp_tree(struct yn *n, const char *path, env_lookup lookup, void *arg, struct sw_err *err)
{
    if (n->kind == YN_STRING) {
        char *text = NULL;
        bool changed;
        struct sw_err why;

        if (interp_string(n->text, lookup, arg, &text, &changed, &why) < 0)
            return yn_fail(
                n, err,
                "invalid interpolation format for %s: \"%.300s\"; you may need to escape any "
                "$ with another $",
                path, why.msg);
        sw_free(n->text);
        n->text = text;
        n->substituted = changed;
        return 0;
    }
    for (size_t i = 0; i < n->n; i++) {
        SW_CLEANUP(sw_free_ptr)
        char *below = n->kind == YN_MAP ? cli_printf("%s.%s", path, n->items[i].key)
                                        : cli_printf("%s.[]", path);

        if (interp_tree(n->items[i].value, below, lookup, arg, err) < 0)
            return err->code;
    }
    return 0;
}
