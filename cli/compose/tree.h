/* SPDX-License-Identifier: Apache-2.0
 * tree.h - a YAML document as a tree that remembers where each value was written.
 *
 * Maps keep the order of the file. Values are owned by their parent. */
#ifndef SWARM_CLI_COMPOSE_TREE_H
#define SWARM_CLI_COMPOSE_TREE_H

#include <stdint.h>

#include "cli/spec/mem.h"
#include "common/base/err.h"

enum yn_kind { YN_NULL, YN_BOOL, YN_INT, YN_FLOAT, YN_STRING, YN_SEQ, YN_MAP };

struct yn;
struct yn_item {
    char *key; /* NULL in a sequence */
    struct yn *value;
};

struct yn {
    enum yn_kind kind;
    char *text; /* scalars: as written, or after substitution */
    bool flag;  /* YN_BOOL */
    int64_t number;
    double real;
    bool substituted; /* came out of a variable: may be cast to what is wanted */
    struct yn_item *items;
    size_t n, cap;
    const char *file; /* borrowed from the input, NULL: made by us */
    unsigned line;    /* from 1, 0: unknown */
};

struct yn *yn_new(enum yn_kind kind,
                  const struct yn *at); /* @at: takes its place in the file, or NULL */
struct yn *yn_string(const char *s, const struct yn *at);
struct yn *yn_int(int64_t n, const struct yn *at);
struct yn *yn_bool(bool b, const struct yn *at);
struct yn *yn_copy(const struct yn *n);
void yn_free(struct yn *n);
SW_DEFINE_CLEANUP(yn_free, struct yn *);

struct yn *yn_get(const struct yn *map, const char *key); /* borrowed; NULL when absent or no map */
/** yn_at() - yn_get() along "deploy.resources.limits". */
struct yn *yn_at(const struct yn *map, const char *path);
/** yn_set() - put @value (owned) under @key, replacing what was there. */
void yn_set(struct yn *map, const char *key, struct yn *value);
void yn_del(struct yn *map, const char *key);
/** yn_take() - remove and return the value of @key, NULL when absent. */
struct yn *yn_take(struct yn *map, const char *key);
void yn_append(struct yn *seq, struct yn *value);
void yn_sort_keys(struct yn *map);
bool yn_is(const struct yn *n, enum yn_kind kind); /* false for NULL */
const char *yn_text(const struct yn *n);           /* of a scalar; "" for anything else */
int64_t yn_number(const struct yn *n); /* of YN_INT, or of YN_FLOAT without its fraction */

/** yn_type_scalar() - give a plain scalar its kind from its text: null, true, 12, 0.5, else text.
 */
void yn_type_scalar(struct yn *n);

/** yn_fail() - "stack.yml:12: <text>". Return: SW_E_INVALID. */
int yn_fail(const struct yn *at, struct sw_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
