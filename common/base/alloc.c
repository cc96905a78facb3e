/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sw_allocator libc_allocator = { realloc, free };
static struct sw_allocator allocator = { realloc, free };

void sw_allocator_set(const struct sw_allocator *a)
{
    allocator = a != NULL ? *a : libc_allocator;
}

void *sw_malloc(size_t size)
{
    return allocator.realloc(NULL, size != 0 ? size : 1);
}

void *sw_calloc(size_t n, size_t size)
{
    size_t total;
    void *p;

    if (__builtin_mul_overflow(n, size, &total))
        return NULL;
    p = sw_malloc(total);
    if (p != NULL)
        memset(p, 0, total);
    return p;
}

void *sw_realloc(void *p, size_t size)
{
    return allocator.realloc(p, size != 0 ? size : 1);
}

void sw_free(void *p)
{
    if (p != NULL)
        allocator.free(p);
}

char *sw_strdup(const char *s)
{
    return s != NULL ? sw_memdup(s, strlen(s) + 1) : NULL;
}

char *sw_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = sw_malloc(len + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void *sw_memdup(const void *p, size_t n)
{
    void *copy = sw_malloc(n);

    if (copy != NULL && n != 0)
        memcpy(copy, p, n);
    return copy;
}

char *sw_asprintf(const char *fmt, ...)
{
    va_list ap;
    char *s;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    s = sw_malloc((size_t)n + 1);
    if (s == NULL)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void sw_free_ptr(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof(p));
    sw_free(p);
}

void sw_close_ptr(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

int sw_steal_fd(int *fd)
{
    int v = *fd;

    *fd = -1;
    return v;
}
