/* SPDX-License-Identifier: Apache-2.0
 * schema.h - what a compose file may contain, as tables, and the check against them.
 *
 * The check also casts: a value that came out of a variable is text and becomes the number or
 * boolean that is wanted; yes/no/on/off become booleans. */
#ifndef SWARM_CLI_COMPOSE_SCHEMA_H
#define SWARM_CLI_COMPOSE_SCHEMA_H

#include "cli/compose/tree.h"

#define SCH(kind) (1u << (kind))

struct schema_key;

struct schema {
    unsigned types;                /* SCH(YN_MAP) | ... */
    const struct schema_key *keys; /* of a map; ends with a NULL name; x-* is always allowed */
    const struct schema *values;   /* of a map with free keys */
    const struct schema *items;    /* of a list */
    bool named;                    /* free keys must be names: letters, digits, . _ - */
    bool unique;                   /* items of a list differ */
    bool (*format)(const char *text);
    const char *format_name;
};

struct schema_key {
    const char *name;
    const struct schema *schema;
};

extern const struct schema schema_root;

/** schema_check() - @n may change by casts. @path: "(root)" at the top. */
int schema_check(struct yn *n, const struct schema *s, const char *path, struct sw_err *err);

#endif
