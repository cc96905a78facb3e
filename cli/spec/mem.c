/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *cli_alloc(size_t n)
{
    return must(sw_calloc(1, n > 0 ? n : 1));
}

void *cli_grow(void *p, size_t n)
{
    return must(sw_realloc(p, n > 0 ? n : 1));
}

char *cli_strdup(const char *s)
{
    return must(sw_strdup(s != NULL ? s : ""));
}

char *cli_strndup(const char *s, size_t n)
{
    return must(sw_strndup(s, n));
}

char *cli_printf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    s = cli_alloc((size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

char *cli_take(struct sw_buf *b)
{
    if (b->len == 0 && !b->failed)
        return cli_strdup("");
    return must(sw_buf_steal(b));
}

void strv_take(struct strv *l, char *s)
{
    if (l->n == l->cap) {
        l->cap = l->cap > 0 ? 2 * l->cap : 8;
        l->v = cli_grow(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n++] = s;
}

void strv_add(struct strv *l, const char *s)
{
    strv_take(l, cli_strdup(s));
}

void strv_fini(struct strv *l)
{
    for (size_t i = 0; i < l->n; i++)
        sw_free(l->v[i]);
    sw_free(l->v);
    *l = (struct strv){ 0 };
}

void strv_remove(struct strv *l, size_t i)
{
    sw_free(l->v[i]);
    memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(*l->v));
    l->n--;
}

bool strv_has(const struct strv *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->v[i], s) == 0)
            return true;
    }
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *l)
{
    if (l->n > 1)
        qsort(l->v, l->n, sizeof(*l->v), by_bytes);
}
