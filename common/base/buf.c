/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

void sw_buf_init(struct sw_buf *b)
{
    memset(b, 0, sizeof(*b));
}

void sw_buf_fini(struct sw_buf *b)
{
    sw_free(b->data);
    sw_buf_init(b);
}

void sw_buf_clear(struct sw_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = 0;
}

uint8_t *sw_buf_reserve(struct sw_buf *b, size_t n)
{
    size_t need;
    size_t cap = b->cap != 0 ? b->cap : 64;
    uint8_t *p;

    if (b->failed)
        return NULL;
    if (__builtin_add_overflow(b->len, n, &need) || need == SIZE_MAX) {
        b->failed = true;
        return NULL;
    }
    need++; /* the terminating zero */
    if (need > b->cap) {
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        p = sw_realloc(b->data, cap);
        if (p == NULL) {
            b->failed = true;
            return NULL;
        }
        b->data = p;
        b->cap = cap;
    }
    return b->data + b->len;
}

void sw_buf_commit(struct sw_buf *b, size_t n)
{
    b->len += n;
    b->data[b->len] = 0;
}

void sw_buf_add(struct sw_buf *b, const void *p, size_t n)
{
    uint8_t *at = sw_buf_reserve(b, n);

    if (at == NULL)
        return;
    if (n != 0)
        memcpy(at, p, n);
    sw_buf_commit(b, n);
}

void sw_buf_puts(struct sw_buf *b, const char *s)
{
    sw_buf_add(b, s, strlen(s));
}

void sw_buf_putc(struct sw_buf *b, char c)
{
    sw_buf_add(b, &c, 1);
}

void sw_buf_printf(struct sw_buf *b, const char *fmt, ...)
{
    va_list ap;
    uint8_t *at;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    at = sw_buf_reserve(b, (size_t)n);
    if (at == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    sw_buf_commit(b, (size_t)n);
}

void sw_buf_consume(struct sw_buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = 0;
}

bool sw_buf_failed(const struct sw_buf *b)
{
    return b->failed;
}

const char *sw_buf_str(const struct sw_buf *b)
{
    return b->data != NULL ? (const char *)b->data : "";
}

char *sw_buf_steal(struct sw_buf *b)
{
    char *s;

    (void)sw_buf_reserve(b, 0);
    if (b->failed)
        return NULL;
    b->data[b->len] = 0;
    s = (char *)b->data;
    sw_buf_init(b);
    return s;
}
