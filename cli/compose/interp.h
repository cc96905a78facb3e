/* SPDX-License-Identifier: Apache-2.0
 * interp.h - variables in values: $A ${A} ${A:-d} ${A-d} ${A:?e} ${A?e} ${A:+v} ${A+v} $$.
 *
 * Names are [_a-zA-Z][_a-zA-Z0-9]*. What stands behind the operator runs to the first "}" and is
 * not looked into. Keys are never touched. */
#ifndef SWARM_CLI_COMPOSE_INTERP_H
#define SWARM_CLI_COMPOSE_INTERP_H

#include "cli/compose/tree.h"
#include "cli/spec/parts.h"

/** interp_string() - @out: returned. @changed: whether anything was substituted.
 * Return: 0; SW_E_INVALID: malformed, with the text to quote; or a required variable is missing. */
int interp_string(const char *s, env_lookup lookup, void *arg, char **out, bool *changed,
                  struct sw_err *err);
/** interp_tree() - all string values below @n in place. @path: what messages call @n. */
int interp_tree(struct yn *n, const char *path, env_lookup lookup, void *arg, struct sw_err *err);

#endif
