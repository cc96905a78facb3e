/* SPDX-License-Identifier: Apache-2.0
 * rootfs.h - the overlay file system that is a container's root.
 *
 * Layers are named to the kernel as /proc/self/fd/<n>: the option string then fits one page with
 * 128 layers, needs no escapes, and the container's /proc/mounts shows nothing of the host. */
#ifndef SWARM_AGENT_SANDBOX_ROOTFS_H
#define SWARM_AGENT_SANDBOX_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

#define ROOTFS_LAYERS_MAX 128

struct rootfs_options {
    const char *const *lower; /* lowest first */
    size_t lower_len;
    const char *upper; /* made when missing, as the topmost layer's root is */
    const char *work;
    bool sync; /* false: "volatile" */
};

/**
 * rootfs_mount() - mount the overlay on the directory @target of our mount namespace
 *
 * The caller has a mount namespace of its own and nothing propagates out of it.
 * syscalls: mount
 * Return: O_PATH descriptor of the mounted root, or -errno.
 */
int rootfs_mount(const struct rootfs_options *opts, const char *target, struct sw_err *err);

/**
 * rootfs_open() - the same, detached: no mount is visible anywhere, closing it unmounts
 * @scratch: an existing directory to mount on, in a mount namespace that only lives in this call
 *
 * Runs a thread of its own, as mount namespaces are per thread. Only for containers at rest: two
 * mounts with one upper directory are undefined.
 * syscalls: unshare, mount, open_tree
 */
int rootfs_open(const struct rootfs_options *opts, const char *scratch, struct sw_err *err);

#endif
