/* SPDX-License-Identifier: Apache-2.0
 * buf.h - a growing byte buffer.
 *
 * Errors stick: after an allocation failed, every later append does nothing and sw_buf_failed()
 * says so, hence a long series of appends needs one check at its end. */
#ifndef SWARM_COMMON_BASE_BUF_H
#define SWARM_COMMON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sw_buf {
    uint8_t *data; /* NULL when empty; always followed by a zero byte otherwise */
    size_t len;
    size_t cap;
    bool failed;
};

#define SW_BUF_INIT                                                                                \
    {                                                                                              \
        NULL, 0, 0, false                                                                          \
    }

void sw_buf_init(struct sw_buf *b);
void sw_buf_fini(struct sw_buf *b);  /* frees; SW_CLEANUP(sw_buf_fini) works */
void sw_buf_clear(struct sw_buf *b); /* keeps the memory, clears the failure */
/** sw_buf_reserve() - room for @n more bytes. Return: where they go, NULL when memory is gone. */
uint8_t *sw_buf_reserve(struct sw_buf *b, size_t n);
/** sw_buf_commit() - @n bytes were written behind what sw_buf_reserve() returned. */
void sw_buf_commit(struct sw_buf *b, size_t n);
void sw_buf_add(struct sw_buf *b, const void *p, size_t n);
void sw_buf_puts(struct sw_buf *b, const char *s);
void sw_buf_putc(struct sw_buf *b, char c);
void sw_buf_printf(struct sw_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** sw_buf_consume() - drop the first @n bytes. */
void sw_buf_consume(struct sw_buf *b, size_t n);
bool sw_buf_failed(const struct sw_buf *b);
/** sw_buf_str() - the text so far, "" when empty; borrowed until the next append. */
const char *sw_buf_str(const struct sw_buf *b);
/** sw_buf_steal() - the bytes as a terminated string to sw_free(); NULL when failed. Empties. */
char *sw_buf_steal(struct sw_buf *b);

#endif
