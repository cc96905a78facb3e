/* SPDX-License-Identifier: Apache-2.0
 * cgroup.h - one container's place in the control groups: version 2, version 1, or both.
 *
 * How it works. The container owns <root>/<parent>/<id> in the unified hierarchy, or
 * <root>/<controller>/<parent>/<id> in each hierarchy of version 1 (and, when the machine is
 * hybrid, <root>/unified/<parent>/<id> as well, which has no controllers but cgroup.kill).
 *
 * Speed. Moving a process between cgroups waits for an RCU grace period, some milliseconds. Two
 * ways do not: to be born there (CLONE_INTO_CGROUP, unified hierarchy) and, since Linux 5.19, a
 * thread that writes "0" into "tasks" (version 1). A container's process therefore does both: it is
 * cloned into cgroup_fd() and then calls cgroup_join(); it is never moved from outside.
 *
 * All calls are short file operations in memory; none sleeps but cgroup_remove(), shortly. */
#ifndef SWARM_AGENT_SANDBOX_CGROUP_H
#define SWARM_AGENT_SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

struct container_resources;
struct container_stats;

#define CGROUP_ROOT     "/sys/fs/cgroup"
#define CGROUP_PENDING  1 /* cgroup_freeze(): not all processes are frozen yet, ask again */
#define CGROUP_PATH_MAX 512

enum cgroup_controller {
    CGROUP_CPU,
    CGROUP_CPUACCT,
    CGROUP_CPUSET,
    CGROUP_MEMORY,
    CGROUP_PIDS,
    CGROUP_DEVICES,
    CGROUP_FREEZER,
    CGROUP_BLKIO,
    CGROUP_SYSTEMD, /* the named hierarchy of systemd */
    CGROUP_UNIFIED, /* version 2 beside version 1 */
    CGROUP_CONTROLLERS
};

struct cgroup {
    int version;      /* 1 or 2 */
    unsigned present; /* version 1: SW_BIT(controller) of each hierarchy that is mounted */
    char root[128];   /* where the hierarchies are mounted */
    char parent[128];
    char id[80]; /* "" is the parent itself */
};

/**
 * cgroup_init() - look what is mounted; makes nothing
 * @root, @parent, @id: copied
 * Return: 0; -ENOENT when no hierarchy is below @root; -ENAMETOOLONG.
 */
int cgroup_init(struct cgroup *cg, const char *root, const char *parent, const char *id,
                struct sw_err *err);

/** cgroup_controller_name() - the name of its directory, e.g. "memory". */
const char *cgroup_controller_name(enum cgroup_controller c);
/** cgroup_dir() - directory of a controller (any value with version 2). */
int cgroup_dir(const struct cgroup *cg, enum cgroup_controller c, char out[CGROUP_PATH_MAX]);

/**
 * cgroup_create() - make the directories and set @limits
 * A left-over of an earlier run is used again. Return: 0 or -errno, nothing is then left.
 */
int cgroup_create(const struct cgroup *cg, const struct container_resources *limits,
                  struct sw_err *err);
/** cgroup_limit() - change limits; 0 and NULL leave as it is, -1 takes away. */
int cgroup_limit(const struct cgroup *cg, const struct container_resources *limits,
                 struct sw_err *err);

/**
 * cgroup_devices() - deny all devices but the standard ones and what @rules allow
 * @rules: NULL-terminated list of "c 1:3 rwm", "b *:* m", "a"; NULL: only the standard ones
 *
 * Version 1 writes devices.allow, version 2 loads and attaches a BPF program.
 * syscalls: bpf
 */
int cgroup_devices(const struct cgroup *cg, const char *const *rules, struct sw_err *err);

/** cgroup_fd() - of the unified hierarchy, for CLONE_INTO_CGROUP.
 * Return: descriptor, -EOPNOTSUPP when the machine has none, -errno. */
int cgroup_fd(const struct cgroup *cg);
/** cgroup_join() - move the calling, single-threaded process in the hierarchies of version 1; there
 * is nothing to do with version 2. Return: 0 or -errno. */
int cgroup_join(const struct cgroup *cg, struct sw_err *err);

/** cgroup_freeze() - Return: 0 when reached, CGROUP_PENDING, -errno. */
int cgroup_freeze(const struct cgroup *cg, bool freeze, struct sw_err *err);
/** cgroup_kill() - SIGKILL to every process, thawed. Return: number of processes seen or -errno. */
int cgroup_kill(const struct cgroup *cg);
/** cgroup_remove() - remove the directories; 0 when there are none. -EBUSY while processes live. */
int cgroup_remove(const struct cgroup *cg);
/** cgroup_exists() - is any directory of it there? */
bool cgroup_exists(const struct cgroup *cg);

/** cgroup_pids() - @out: returned, release with sw_free(). Return: 0 or -errno. */
int cgroup_pids(const struct cgroup *cg, pid_t **out, size_t *n, struct sw_err *err);
/** cgroup_oom_kills() - how many processes the kernel killed for want of memory; 0 if unknown. */
uint64_t cgroup_oom_kills(const struct cgroup *cg);
int cgroup_stats(const struct cgroup *cg, struct container_stats *out, struct sw_err *err);

/**
 * cgroup_children() - ids of all containers below the parent
 * @each: called for each name, once per hierarchy it is in
 */
void cgroup_children(const struct cgroup *cg, void (*each)(const char *id, void *data), void *data);

/* ---- for cgroup_*.c only ---- */
int cgroup_write(const struct cgroup *cg, enum cgroup_controller c, const char *file,
                 const char *text);
int cgroup_writef(const struct cgroup *cg, enum cgroup_controller c, const char *file,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** cgroup_read() - whole file, cut to @size. Return: length or -errno. */
ssize_t cgroup_read(const struct cgroup *cg, enum cgroup_controller c, const char *file, char *out,
                    size_t size);
/** cgroup_read_u64() - first number; "max" is UINT64_MAX. Return: @dflt when it cannot be read. */
uint64_t cgroup_read_u64(const struct cgroup *cg, enum cgroup_controller c, const char *file,
                         uint64_t dflt);
/** cgroup_key_u64() - the number behind "<key> " at the start of a line of @text. */
uint64_t cgroup_key_u64(const char *text, const char *key, uint64_t dflt);
bool cgroup_has(const struct cgroup *cg, enum cgroup_controller c);
int cgroup_v1_limit(const struct cgroup *cg, const struct container_resources *l,
                    struct sw_err *err);
int cgroup_v2_limit(const struct cgroup *cg, const struct container_resources *l,
                    struct sw_err *err);
int cgroup_v2_enable(const struct cgroup *cg, struct sw_err *err);
void cgroup_v1_stats(const struct cgroup *cg, struct container_stats *out);
void cgroup_v2_stats(const struct cgroup *cg, struct container_stats *out);
/** cgroup_cpu_quota() - quota and period of a number of CPUs, within the kernel's limits. */
bool cgroup_cpu_quota(const struct container_resources *l, int64_t *quota, uint64_t *period);
int cgroup_bpf_devices(int cgroup_fd, const char *const *rules, struct sw_err *err);
extern const char *const cgroup_device_defaults[];

#endif
