/* SPDX-License-Identifier: Apache-2.0
 * spec.h - struct container_spec checked, completed and written into the bundle. Private. */
#ifndef SWARM_AGENT_SANDBOX_SPEC_H
#define SWARM_AGENT_SANDBOX_SPEC_H

#include "agent/sandbox/container.h"

struct container_host;

/**
 * spec_write() - check @spec and write the bundle's files: spec.pb, hosts, resolv.conf, hostname
 * @dir: descriptor of the bundle
 * Return: 0; SW_E_INVALID in Docker's words; -errno.
 */
int spec_write(struct container_host *host, const struct container_spec *spec, int dir,
               struct sw_err *err);
/** spec_file() - replace the contents, not the inode: containers have it mounted. */
int spec_file(int dir, const char *name, const char *text, struct sw_err *err);

#endif
