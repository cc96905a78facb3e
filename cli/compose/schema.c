/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/schema.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cli/spec/text.h"
#include "common/base/macro.h"

static bool is_one_of(const char *s, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcasecmp(s, *list) == 0)
            return true;
    }
    return false;
}

/* Text to the wanted type, when it can be. */
static void cast(struct yn *n, unsigned types)
{
    static const char *const yes[] = { "y", "yes", "true", "on", NULL };
    static const char *const no[] = { "n", "no", "false", "off", NULL };

    if (n->kind != YN_STRING || (types & SCH(YN_STRING)) != 0)
        return;
    if ((types & SCH(YN_BOOL)) != 0 && (is_one_of(n->text, yes) || is_one_of(n->text, no))) {
        n->kind = YN_BOOL;
        n->flag = is_one_of(n->text, yes);
        return;
    }
    if (n->substituted && (types & (SCH(YN_INT) | SCH(YN_FLOAT))) != 0) {
        struct yn typed = { .text = n->text };

        yn_type_scalar(&typed);
        if (typed.kind == YN_INT || typed.kind == YN_FLOAT) {
            n->kind = typed.kind;
            n->number = typed.number;
            n->real = typed.real;
        }
    }
    if (n->substituted && (types & SCH(YN_NULL)) != 0 && *n->text == '\0')
        n->kind = YN_NULL;
}

static void type_names(struct sw_buf *b, unsigned types)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        { SCH(YN_STRING), "string" }, { SCH(YN_FLOAT), "number" }, { SCH(YN_INT), "integer" },
        { SCH(YN_BOOL), "boolean" },  { SCH(YN_SEQ), "list" },     { SCH(YN_MAP), "mapping" },
        { SCH(YN_NULL), "null" },
    };
    unsigned left;

    if ((types & SCH(YN_FLOAT)) != 0)
        types &= ~SCH(YN_INT); /* every integer is a number */
    left = types;
    for (size_t i = 0; i < SW_ARRAY_LEN(names); i++) {
        if ((types & names[i].bit) == 0)
            continue;
        left &= ~names[i].bit;
        if (b->len > 0)
            sw_buf_puts(b, left != 0 ? ", " : " or ");
        sw_buf_puts(b, names[i].name);
    }
}

static bool allowed(const struct yn *n, unsigned types)
{
    if ((types & SCH(n->kind)) != 0)
        return true;
    if (n->kind == YN_INT)
        return (types & SCH(YN_FLOAT)) != 0;
    return n->kind == YN_FLOAT && (types & SCH(YN_INT)) != 0 && n->real == (double)(int64_t)n->real;
}

static bool is_name(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (!isalnum((unsigned char)*s) && strchr("._-", *s) == NULL)
            return false;
    }
    return true;
}

static int unknown_key(const struct yn *value, const char *path, const char *key,
                       struct sw_err *err)
{
    return yn_fail(value, err, "%s Additional property %s is not allowed",
                   *path != '\0' ? path : "(root)", key);
}

static int check_map(struct yn *n, const struct schema *s, const char *path, struct sw_err *err)
{
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->items[i].key;
        struct yn *value = n->items[i].value;
        const struct schema *below = s->values;
        SW_CLEANUP(sw_free_ptr)
        char *down = cli_printf("%s%s%s", path, *path != '\0' ? "." : "", key);

        if (s->keys != NULL) {
            const struct schema_key *k = s->keys;

            while (k->name != NULL && strcmp(k->name, key) != 0)
                k++;
            if (k->name == NULL) {
                if (text_prefix(key, "x-"))
                    continue;
                return unknown_key(value, path, key, err);
            }
            below = k->schema;
        } else if (s->named && !is_name(key)) {
            return unknown_key(value, path, key, err);
        }
        if (below != NULL && schema_check(value, below, down, err) < 0)
            return err->code;
    }
    return 0;
}

static bool same_scalar(const struct yn *a, const struct yn *b)
{
    return a->kind == b->kind && a->text != NULL && b->text != NULL &&
           strcmp(a->text, b->text) == 0;
}

static int check_list(struct yn *n, const struct schema *s, const char *path, struct sw_err *err)
{
    for (size_t i = 0; i < n->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *down = cli_printf("%s.%zu", path, i);

        if (s->items != NULL && schema_check(n->items[i].value, s->items, down, err) < 0)
            return err->code;
        for (size_t k = 0; s->unique && k < i; k++) {
            if (same_scalar(n->items[i].value, n->items[k].value))
                return yn_fail(n->items[i].value, err, "%s items[%zu,%zu] must be unique", path, k,
                               i);
        }
    }
    return 0;
}

int schema_check(struct yn *n, const struct schema *s, const char *path, struct sw_err *err)
{
    cast(n, s->types);
    if (!allowed(n, s->types)) {
        SW_CLEANUP(sw_buf_fini) struct sw_buf names = SW_BUF_INIT;

        type_names(&names, s->types);
        return yn_fail(n, err, "%s must be a %s", *path != '\0' ? path : "(root)",
                       sw_buf_str(&names));
    }
    if (s->format != NULL && (n->kind == YN_STRING || n->kind == YN_INT || n->kind == YN_FLOAT) &&
        !s->format(n->text))
        return yn_fail(n, err, "%s Does not match format '%s'", path, s->format_name);
    if (n->kind == YN_MAP)
        return check_map(n, s, path, err);
    return n->kind == YN_SEQ ? check_list(n, s, path, err) : 0;
}
