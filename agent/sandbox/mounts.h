/* SPDX-License-Identifier: Apache-2.0
 * mounts.h - everything a container sees as its file system, built in a mount namespace of its own.
 *
 * How it works. Sources are cloned as detached mounts while the host's tree is still visible, then
 * the overlay is mounted, then each mount is moved onto a target *descriptor* that was resolved
 * inside the new root. No target is ever named as text to mount(2), hence no symbolic link of an
 * image and no race in a shared volume can lead a mount elsewhere (CVE-2021-30465, -2025-31133,
 * -2025-52565, -2025-52881). Last comes pivot_root(2); the host's tree is then gone. */
#ifndef SWARM_AGENT_SANDBOX_MOUNTS_H
#define SWARM_AGENT_SANDBOX_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <swarm/v1/shim.pb-c.h>

#include "common/base/err.h"

struct cgroup;

struct mounts {
    int root;    /* the overlay; O_PATH */
    int proc;    /* root of the container's procfs */
    int dev;     /* root of its /dev, -1 when a bind mount is put there */
    int pts;     /* root of its devpts */
    int null;    /* a read-only clone of the host's /dev/null, verified to be one */
    int *source; /* detached clone of each bind mount's source, -1 for others; spec->n_mounts */
};

/**
 * mounts_build() - all but pivot_root
 * @cg: the container's cgroup, for /sys/fs/cgroup
 * @m:  filled on success; the descriptors close with the process
 *
 * Called in the container's first process, in its namespaces. syscalls: mount, fsopen, fsconfig,
 * fsmount, open_tree, move_mount, mount_setattr, mknodat
 * Return: 0; SW_E_INVALID in Docker's words; -errno.
 */
int mounts_build(const Swarm__V1__ShimSpec *spec, const struct cgroup *cg, struct mounts *m,
                 struct sw_err *err);

/** mounts_console() - put a terminal at /dev/console. @slave: descriptor of it. */
int mounts_console(const struct mounts *m, int slave, struct sw_err *err);

/** mounts_sysctl() - write a namespaced kernel parameter, through the verified procfs only. */
int mounts_sysctl(const struct mounts *m, const char *key, const char *value, struct sw_err *err);

/** mounts_pivot() - hide and protect kernel paths, make the root read-only when asked, enter it. */
int mounts_pivot(const Swarm__V1__ShimSpec *spec, struct mounts *m, struct sw_err *err);

/* ---- for mounts_*.c only ---- */
struct mounts_opt {
    const char *key;
    const char *value; /* NULL: a flag */
};
/** mounts_new_fs() - a detached new file system. @opts ends with a NULL key. Return: fd, -errno. */
int mounts_new_fs(const char *type, const struct mounts_opt *opts, unsigned attrs);
/** mounts_attach() - move the detached mount @fd onto @target. Return: 0 or -errno. */
int mounts_attach(int fd, int target);
/** mounts_clone() - a detached bind mount of what @fd is. Return: fd, -errno. */
int mounts_clone(int fd, bool recursive);
int mounts_set_attr(int fd, bool recursive, uint64_t set, uint64_t propagation);
int mounts_defaults(const Swarm__V1__ShimSpec *spec, const struct cgroup *cg, struct mounts *m,
                    struct sw_err *err);
int mounts_protect(const Swarm__V1__ShimSpec *spec, const struct mounts *m, struct sw_err *err);
int mounts_devices(const Swarm__V1__ShimSpec *spec, const struct mounts *m, struct sw_err *err);
/** mounts_taken() - does the specification itself mount something at @target? */
bool mounts_taken(const Swarm__V1__ShimSpec *spec, const char *target);
/** mounts_copy_up() - fill the empty directory @to with what is below @from (fresh volumes). */
int mounts_copy_up(int from, int to, struct sw_err *err);

#endif
