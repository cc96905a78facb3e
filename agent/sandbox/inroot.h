/* SPDX-License-Identifier: Apache-2.0
 * inroot.h - path work inside a container's root, where every name may be a trap.
 *
 * A path from an image or for a mount target is never handed to the kernel as text: it is resolved
 * once, below a root descriptor, with openat2(2) RESOLVE_IN_ROOT, and what follows works on the
 * descriptor. Symbolic links (absolute ones too) then stay inside, and a link that is exchanged
 * later changes nothing. Magic links of /proc are refused. */
#ifndef SWARM_AGENT_SANDBOX_INROOT_H
#define SWARM_AGENT_SANDBOX_INROOT_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * inroot_open() - open @path as the process whose root is @root would
 * @flags: of open(2); O_CLOEXEC is added
 * @mode:  with O_CREAT only
 *
 * syscalls: openat2
 * Return: descriptor, or -errno (-ELOOP also for magic links).
 */
int inroot_open(int root, const char *path, int flags, mode_t mode);

/** inroot_open_plain() - the same, but no component may be a symbolic link (-ELOOP), and no mount
 * may be crossed when @one_mount (-EXDEV). */
int inroot_open_plain(int root, const char *path, int flags, bool one_mount);

/**
 * inroot_mkdirs() - open the directory @path, making what is missing (mode 0755, owner root)
 *
 * Dangling symbolic links are followed and their target is made, as Docker does it.
 * Return: descriptor (O_PATH), or -errno; -ENOTDIR when something else is in the way.
 */
int inroot_mkdirs(int root, const char *path);

/** inroot_mkfile() - the same for a regular file, which is made empty (mode 0644) when missing.
 * An existing file of any type but directory is returned as it is. Return: descriptor (O_PATH). */
int inroot_mkfile(int root, const char *path);

#endif
