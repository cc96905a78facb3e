/* SPDX-License-Identifier: Apache-2.0
 * seccomp.h - from a profile in Docker's JSON form to the BPF program the shim loads.
 *
 * The default profile is deploy/seccomp/default.json, built into the program. Its rules may depend
 * on the container's capabilities. System calls younger than libseccomp knows answer ENOSYS, not
 * EPERM, so that C libraries fall back; the harmless ones among them are allowed by number. */
#ifndef SWARM_AGENT_SANDBOX_SECCOMP_H
#define SWARM_AGENT_SANDBOX_SECCOMP_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/**
 * seccomp_compile() - @json: a profile, or NULL for the default one
 * @out: the program is appended: struct sock_filter[]
 * Return: 0; SW_E_INVALID for a bad profile; -errno. Takes a few milliseconds.
 */
int seccomp_compile(const char *json, uint64_t capabilities, struct sw_buf *out,
                    struct sw_err *err);

extern const char seccomp_default_json[]; /* generated from deploy/seccomp/default.json */

#endif
