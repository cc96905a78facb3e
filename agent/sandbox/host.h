/* SPDX-License-Identifier: Apache-2.0
 * host.h - what all containers of a node share, and starting shims. Private to agent/sandbox. */
#ifndef SWARM_AGENT_SANDBOX_HOST_H
#define SWARM_AGENT_SANDBOX_HOST_H

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/container.h"
#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/io/timer.h"

struct host_filter { /* a compiled seccomp filter */
    struct sw_list link;
    uint64_t capabilities;
    struct sw_buf program;
};

struct container_host {
    struct uv_loop_s *loop;
    int shim; /* detached read-only mount of the program */
    char cgroup_root[128];
    char cgroup_parent[128];
    int cgroup_version;
    struct sw_list filters; /* struct host_filter, at most HOST_FILTERS */
    size_t filters_len;
    pid_t *ended; /* shims that have told their end and are to be reaped */
    size_t ended_len, ended_cap;
    struct sw_timer reap;
    size_t users; /* containers, logs, removals under way */
};

#define HOST_FILTERS 8

/** host_spawn() - start a shim for @bundle. @control: its end, closed here. @pid: returned; hand it
 * to host_reap() when the shim is known to end. syscalls: vfork, execve */
int host_spawn(struct container_host *host, const char *bundle, int control, pid_t *pid,
               struct sw_err *err);
void host_reap(struct container_host *host, pid_t pid);
/** host_cgroup() - of a container, or of the parent when @id is "". */
int host_cgroup(const struct container_host *host, const char *id, struct cgroup *out,
                struct sw_err *err);
/** host_filter() - Docker's default filter for a set of capabilities. @out: borrowed until the next
 * call. */
int host_filter(struct container_host *host, uint64_t capabilities, const struct sw_buf **out,
                struct sw_err *err);

#endif
