/* SPDX-License-Identifier: Apache-2.0
 * mem.h - memory of the command line: strings, string lists.
 *
 * The command line lives for one command. When memory is gone it says so and exits with status 1,
 * hence nothing below returns NULL for want of memory and callers need not check. Memory comes
 * from sw_malloc() and goes back with sw_free(). This rule holds in cli/ only. */
#ifndef SWARM_CLI_SPEC_MEM_H
#define SWARM_CLI_SPEC_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"

void *cli_alloc(size_t n); /* zeroed */
void *cli_grow(void *p, size_t n);
char *cli_strdup(const char *s); /* NULL becomes "" */
char *cli_strndup(const char *s, size_t n);
char *cli_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** cli_take() - the text of @b, which is empty afterwards; returned, release with sw_free(). */
char *cli_take(struct sw_buf *b);

/* A growing list of owned strings; {0} is the empty list. */
struct strv {
    char **v;
    size_t n, cap;
};

void strv_add(struct strv *l, const char *s); /* copied */
void strv_take(struct strv *l, char *s);      /* owned */
void strv_fini(struct strv *l);               /* SW_CLEANUP(strv_fini) works */
void strv_remove(struct strv *l, size_t i);
bool strv_has(const struct strv *l, const char *s);
void strv_sort(struct strv *l); /* by bytes */

#endif
