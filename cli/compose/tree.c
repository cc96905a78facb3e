/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/tree.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/macro.h"

struct yn *yn_new(enum yn_kind kind, const struct yn *at)
{
    struct yn *n = cli_alloc(sizeof(*n));

    n->kind = kind;
    if (at != NULL) {
        n->file = at->file;
        n->line = at->line;
    }
    return n;
}

struct yn *yn_string(const char *s, const struct yn *at)
{
    struct yn *n = yn_new(YN_STRING, at);

    n->text = cli_strdup(s);
    return n;
}

struct yn *yn_int(int64_t v, const struct yn *at)
{
    struct yn *n = yn_new(YN_INT, at);

    n->number = v;
    n->text = cli_printf("%lld", (long long)v);
    return n;
}

struct yn *yn_bool(bool b, const struct yn *at)
{
    struct yn *n = yn_new(YN_BOOL, at);

    n->flag = b;
    n->text = cli_strdup(b ? "true" : "false");
    return n;
}

static struct yn_item *add_item(struct yn *n)
{
    if (n->n == n->cap) {
        n->cap = n->cap > 0 ? 2 * n->cap : 8;
        n->items = cli_grow(n->items, n->cap * sizeof(*n->items));
    }
    n->items[n->n] = (struct yn_item){ NULL, NULL };
    return &n->items[n->n++];
}

struct yn *yn_copy(const struct yn *n)
{
    struct yn *c = NULL;

    if (n == NULL)
        return NULL;
    c = cli_alloc(sizeof(*c));
    *c = *n;
    c->text = n->text != NULL ? cli_strdup(n->text) : NULL;
    c->items = NULL;
    c->n = c->cap = 0;
    for (size_t i = 0; i < n->n; i++) {
        struct yn_item *item = add_item(c);

        item->key = n->items[i].key != NULL ? cli_strdup(n->items[i].key) : NULL;
        item->value = yn_copy(n->items[i].value);
    }
    return c;
}

void yn_free(struct yn *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->n; i++) {
        sw_free(n->items[i].key);
        yn_free(n->items[i].value);
    }
    sw_free(n->items);
    sw_free(n->text);
    sw_free(n);
}

static size_t find(const struct yn *map, const char *key)
{
    size_t i = 0;

    while (i < map->n && strcmp(map->items[i].key, key) != 0)
        i++;
    return i;
}

struct yn *yn_get(const struct yn *map, const char *key)
{
    size_t i;

    if (map == NULL || map->kind != YN_MAP)
        return NULL;
    i = find(map, key);
    return i < map->n ? map->items[i].value : NULL;
}

struct yn *yn_at(const struct yn *map, const char *path)
{
    const char *dot = strchr(path, '.');
    SW_CLEANUP(sw_free_ptr) char *key = NULL;

    if (dot == NULL)
        return yn_get(map, path);
    key = cli_strndup(path, (size_t)(dot - path));
    return yn_at(yn_get(map, key), dot + 1);
}

void yn_set(struct yn *map, const char *key, struct yn *value)
{
    size_t i = find(map, key);

    if (i < map->n) {
        yn_free(map->items[i].value);
    } else {
        add_item(map);
        map->items[i].key = cli_strdup(key);
    }
    map->items[i].value = value;
}

struct yn *yn_take(struct yn *map, const char *key)
{
    struct yn *v = NULL;
    size_t i;

    if (map == NULL || map->kind != YN_MAP)
        return NULL;
    i = find(map, key);
    if (i == map->n)
        return NULL;
    v = map->items[i].value;
    sw_free(map->items[i].key);
    memmove(&map->items[i], &map->items[i + 1], (map->n - i - 1) * sizeof(*map->items));
    map->n--;
    return v;
}

void yn_del(struct yn *map, const char *key)
{
    yn_free(yn_take(map, key));
}

void yn_append(struct yn *seq, struct yn *value)
{
    add_item(seq)->value = value;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct yn_item *)a)->key, ((const struct yn_item *)b)->key);
}

void yn_sort_keys(struct yn *map)
{
    if (map != NULL && map->kind == YN_MAP && map->n > 1)
        qsort(map->items, map->n, sizeof(*map->items), by_key);
}

bool yn_is(const struct yn *n, enum yn_kind kind)
{
    return n != NULL && n->kind == kind;
}

const char *yn_text(const struct yn *n)
{
    return n != NULL && n->text != NULL ? n->text : "";
}

int64_t yn_number(const struct yn *n)
{
    if (yn_is(n, YN_FLOAT))
        return (int64_t)n->real;
    return yn_is(n, YN_INT) ? n->number : 0;
}

static bool one_of(const char *s, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(s, *list) == 0)
            return true;
    }
    return false;
}

/* Integers of YAML: decimal, 0x, 0o, 0b, and the old 0-octal; underscores between digits. */
static bool parse_int(const char *s, int64_t *out)
{
    char digits[72];
    size_t n = 0;
    const char *p = s + (*s == '-' || *s == '+');
    int base = 10;
    char *end = NULL;

    if (!isdigit((unsigned char)*p))
        return false;
    if (*p == '0' && p[1] != '\0') {
        base = p[1] == 'x' ? 16 : p[1] == 'b' ? 2 : 8;
        p += p[1] == 'x' || p[1] == 'b' || p[1] == 'o' ? 2 : 1;
    }
    if (*s == '-')
        digits[n++] = '-';
    for (; *p != '\0'; p++) {
        if (*p == '_')
            continue;
        if (!isalnum((unsigned char)*p) || n + 2 > sizeof(digits))
            return false;
        digits[n++] = *p;
    }
    digits[n] = '\0';
    errno = 0;
    *out = strtoll(digits, &end, base);
    return errno == 0 && *end == '\0' && end != digits && isalnum((unsigned char)digits[n - 1]);
}

static bool parse_float(const char *s, double *out)
{
    static const char *const inf[] = { ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL };
    static const char *const minus[] = { "-.inf", "-.Inf", "-.INF", NULL };
    static const char *const nan_words[] = { ".nan", ".NaN", ".NAN", NULL };
    const char *p = s + (*s == '-' || *s == '+');
    char *end = NULL;

    if (one_of(s, inf) || one_of(s, minus)) {
        *out = *s == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (one_of(s, nan_words)) {
        *out = nan("");
        return true;
    }
    if (strspn(p, "0123456789.eE+-") != strlen(p) || (!isdigit((unsigned char)*p) && *p != '.') ||
        strpbrk(p, "0123456789") == NULL)
        return false;
    *out = strtod(s, &end);
    return *end == '\0' && isfinite(*out);
}

void yn_type_scalar(struct yn *n)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const yes[] = { "true", "True", "TRUE", NULL };
    static const char *const no[] = { "false", "False", "FALSE", NULL };
    const char *s = n->text;

    n->kind = YN_STRING;
    if (one_of(s, nulls)) {
        n->kind = YN_NULL;
    } else if (one_of(s, yes) || one_of(s, no)) {
        n->kind = YN_BOOL;
        n->flag = one_of(s, yes);
    } else if (parse_int(s, &n->number)) {
        n->kind = YN_INT;
    } else if (parse_float(s, &n->real)) {
        n->kind = YN_FLOAT;
    }
}

int yn_fail(const struct yn *at, struct sw_err *err, const char *fmt, ...)
{
    char text[SW_ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (at == NULL || at->file == NULL || at->line == 0)
        return sw_err_set(err, SW_E_INVALID, "%s", text);
    return sw_err_set(err, SW_E_INVALID, "%s:%u: %s", at->file, at->line, text);
}
