/* SPDX-License-Identifier: Apache-2.0
 * compose.h - compose files to what the Engine API is asked for. Pure: texts, environment and
 * files come in as arguments.
 *
 *   texts -> yaml -> interpolate -> check -> normalize -> merge -> convert -> JSON
 *
 * Every message that is about a place in a file begins with "file:line: ". */
#ifndef SWARM_CLI_COMPOSE_COMPOSE_H
#define SWARM_CLI_COMPOSE_COMPOSE_H

#include "cli/compose/normalize.h"
#include "cli/spec/js.h"

#define STACK_LABEL "com.docker.stack.namespace"
#define IMAGE_LABEL "com.docker.stack.image"

struct compose_source {
    const char *name; /* for messages */
    const char *dir;  /* absolute; what relative paths mean */
    const char *text;
    size_t len;
};

struct compose {
    struct yn *root;         /* merged and normalized */
    struct strv unsupported; /* options that are ignored, sorted, once each */
    struct strv deprecated;  /* "option: why", sorted, once each */
};

/** compose_load() - @sources: borrowed, names must outlive @out. @interpolate: replace variables.
 * Return: 0; SW_E_INVALID, @out is then empty. */
int compose_load(struct compose *out, const struct compose_source *sources, size_t n,
                 bool interpolate, const struct compose_world *world, struct sw_err *err);
void compose_fini(struct compose *c);

/** compose_convert() - what a stack of this name consists of.
 * @out: returned, {"networks": [create bodies], "external": [network names], "secrets": [specs],
 *       "configs": [specs], "services": [specs, secrets and configs without ids]}
 * Return: 0; SW_E_INVALID. */
int compose_convert(const struct compose *c, const char *stack, const struct compose_world *world,
                    json_t **out, struct sw_err *err);

/** compose_dump() - the merged file as YAML, as "stack config" prints it. */
void compose_dump(const struct compose *c, struct sw_buf *out);

/** compose_scope() - "<stack>_<name>". Returned. */
char *compose_scope(const char *stack, const char *name);
/** compose_stack_name() - letters, digits, '-' and '_'. Return: 0 or SW_E_INVALID. */
int compose_stack_name(const char *s, struct sw_err *err);

#endif
