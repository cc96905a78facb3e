/* SPDX-License-Identifier: Apache-2.0
 * spec_tmpfs.h - options of a tmpfs mount: docker run --tmpfs and mounts of type tmpfs. Private. */
#ifndef SWARM_AGENT_SANDBOX_SPEC_TMPFS_H
#define SWARM_AGENT_SANDBOX_SPEC_TMPFS_H

#include <stdint.h>

#include "common/base/err.h"

struct container_mount;

struct spec_tmpfs {
    char options[256]; /* "size=..,mode=.." for the kernel */
    uint64_t attrs;    /* MOUNT_ATTR_* */
};

/** spec_tmpfs_parse() - Docker's defaults are noexec,nosuid,nodev and mode 1777. */
int spec_tmpfs_parse(const struct container_mount *m, struct spec_tmpfs *out, struct sw_err *err);

#endif
