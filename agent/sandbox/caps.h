/* SPDX-License-Identifier: Apache-2.0
 * caps.h - Linux capabilities by name, Docker's default set, and taking the rest away.
 *
 * A set is a uint64_t with one bit per capability, CAP_CHOWN being bit 0. */
#ifndef SWARM_AGENT_SANDBOX_CAPS_H
#define SWARM_AGENT_SANDBOX_CAPS_H

#include <stdint.h>

#include "common/base/err.h"

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

extern const uint64_t caps_default; /* the 14 of Docker: SEMANTICS 23.9 */

/** caps_name() - "CAP_CHOWN", NULL beyond the last known. */
const char *caps_name(unsigned cap);
/** caps_parse() - "NET_ADMIN", "cap_net_admin". Return: number of the capability, or -1. */
int caps_parse(const char *name);
/** caps_available() - what this process may hand on: its bounding set. */
uint64_t caps_available(void);
/**
 * caps_compute() - the default set with additions and removals
 * @add, @drop: NULL-terminated lists, may be NULL; "ALL" stands for all available
 *
 * Return: 0; SW_E_INVALID for an unknown name, in Docker's words.
 */
int caps_compute(const char *const *add, const char *const *drop, uint64_t *out,
                 struct sw_err *err);
/** caps_drop_bounding() - all but @set from the bounding and the ambient set. Return: 0, -errno. */
int caps_drop_bounding(uint64_t set);
/** caps_apply() - permitted and effective := @set, inheritable := none. Return: 0, -errno. */
int caps_apply(uint64_t set);

#endif
