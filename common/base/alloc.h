/* SPDX-License-Identifier: Apache-2.0
 * alloc.h - the allocator every module uses, and scope-bound cleanup.
 *
 * All heap memory goes through these functions so that tests can count it and make it fail
 * (tests/lib/test_heap.h). Memory from a library (libc's strdup, libuv, sqlite) goes back to that
 * library, never to sw_free(). */
#ifndef SWARM_COMMON_BASE_ALLOC_H
#define SWARM_COMMON_BASE_ALLOC_H

#include <stddef.h>

void *sw_malloc(size_t size);
void *sw_calloc(size_t n, size_t size); /* NULL on overflow too */
void *sw_realloc(void *p, size_t size);
void sw_free(void *p);
char *sw_strdup(const char *s);            /* NULL when memory is gone or @s is NULL */
char *sw_strndup(const char *s, size_t n); /* copies at most @n bytes, always terminated */
void *sw_memdup(const void *p, size_t n);
/** sw_asprintf() - formatted string from sw_malloc(). Return: NULL when memory is gone. */
char *sw_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** The hooks tests replace; NULL restores libc's. Not thread-safe: set before threads start. */
struct sw_allocator {
    void *(*realloc)(void *p, size_t size); /* p == NULL: malloc */
    void (*free)(void *p);
};
void sw_allocator_set(const struct sw_allocator *a);

/* SW_CLEANUP(fn) int fd = -1;   runs fn(&fd) when the scope is left. Initialise where declared. */
#define SW_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Take the value out of a cleanup variable: *out = sw_steal(s); */
#define sw_steal(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *sw_steal_p_ = &(p);                                                         \
        __typeof__(p) sw_steal_v_ = *sw_steal_p_;                                                  \
        *sw_steal_p_ = NULL;                                                                       \
        sw_steal_v_;                                                                               \
    })

/* SW_DEFINE_CLEANUP(x_free, struct x *) makes x_free_ptr() for SW_CLEANUP. */
#define SW_DEFINE_CLEANUP(fn, type)                                                                \
    static inline void fn##_ptr(type *p)                                                           \
    {                                                                                              \
        if (*p != NULL)                                                                            \
            fn(*p);                                                                                \
    }                                                                                              \
    struct sw_swallow_semicolon_

void sw_free_ptr(void *pp); /* SW_CLEANUP(sw_free_ptr) char *s = NULL; */
void sw_close_ptr(int *fd); /* SW_CLEANUP(sw_close_ptr) int fd = -1; keeps errno */
int sw_steal_fd(int *fd);   /* returns *fd and leaves -1 */

#endif
