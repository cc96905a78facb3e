/* SPDX-License-Identifier: Apache-2.0
 * constraint.h - placement constraints: "node.labels.zone == east".
 *
 * key op value, op is == or !=; all must hold. Values are compared without case, as a whole; label
 * keys with case. An unknown key never matches; a missing label counts as "".
 * Source: SEMANTICS 13.6; SwarmKit manager/constraint. */
#ifndef SWARM_MANAGER_SCHEDULER_CONSTRAINT_H
#define SWARM_MANAGER_SCHEDULER_CONSTRAINT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/alloc.h"
#include "common/base/err.h"
#include "swarm/v1/objects.pb-c.h"

struct constraint; /* opaque */

struct constraint_set {
    struct constraint *v;
    size_t n;
};

/**
 * constraint_parse() - expressions as the user wrote them
 * @out: returned, constraint_fini()
 *
 * Return: 0; SW_E_INVALID "constraint expected one operator from ==, !=", "key 'x' is invalid",
 * "value 'x' is invalid"; -ENOMEM.
 */
int constraint_parse(char *const *exprs, size_t n, struct constraint_set *out, struct sw_err *err);
void constraint_fini(struct constraint_set *s); /* may be called twice */
/** constraint_match() - does @node satisfy all of them? The empty set fits every node. */
bool constraint_match(const struct constraint_set *s, const Swarm__V1__Node *node);

/** constraint_same_arch() - x86_64 is amd64, aarch64 is arm64; compared without case. */
bool constraint_same_arch(const char *a, const char *b);
/** constraint_label() - value of a label, "" when missing. */
const char *constraint_label(Swarm__V1__Label *const *labels, size_t n, const char *key);

#endif
