/* SPDX-License-Identifier: Apache-2.0
 * cgroup_v1.c - limits and numbers of the version 1 controllers (kernel: admin-guide/cgroup-v1). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/container.h"

#define V1_UNLIMITED (UINT64_C(1) << 62) /* the kernel prints a page-rounded LONG_MAX */

static int set(const struct cgroup *cg, enum cgroup_controller c, const char *file, int64_t value,
               struct sw_err *err)
{
    int r = cgroup_writef(cg, c, file, "%" PRId64, value);

    return r < 0 ? sw_err_errno(err, -r, "write %" PRId64 " to %s", value, file) : 0;
}

/* memory <= memory + swap holds at every moment, hence the order depends on the direction. */
static int limit_memory(const struct cgroup *cg, const struct container_resources *l,
                        struct sw_err *err)
{
    int64_t memory = l->memory_bytes;
    int64_t both = l->memory_swap_bytes;
    char path[CGROUP_PATH_MAX];
    bool has_swap;
    size_t len;
    int r = 0;

    (void)cgroup_dir(cg, CGROUP_MEMORY, path);
    len = strlen(path);
    has_swap = snprintf(path + len, sizeof(path) - len, "/memory.memsw.limit_in_bytes") > 0 &&
               access(path, F_OK) == 0;
    if (both == 0 && memory != 0)
        both = memory > 0 ? 2 * memory : -1;
    if (memory != 0 && (!has_swap || both == 0))
        r = set(cg, CGROUP_MEMORY, "memory.limit_in_bytes", memory, err);
    else if (memory != 0) {
        r = cgroup_writef(cg, CGROUP_MEMORY, "memory.limit_in_bytes", "%" PRId64, memory);
        if (r == 0)
            r = set(cg, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", both, err);
        else if ((r = set(cg, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", both, err)) == 0)
            r = set(cg, CGROUP_MEMORY, "memory.limit_in_bytes", memory, err);
    } else if (both != 0 && has_swap) {
        r = set(cg, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", both, err);
    }
    if (r == 0 && l->memory_low_bytes != 0)
        r = set(cg, CGROUP_MEMORY, "memory.soft_limit_in_bytes", l->memory_low_bytes, err);
    if (r == 0 && l->swappiness_set)
        r = set(cg, CGROUP_MEMORY, "memory.swappiness", l->swappiness, err);
    if (r == 0 && l->oom_kill_disable)
        r = set(cg, CGROUP_MEMORY, "memory.oom_control", 1, err);
    return r;
}

static int limit_cpu(const struct cgroup *cg, const struct container_resources *l,
                     struct sw_err *err)
{
    uint64_t period;
    int64_t quota;
    int r = 0;

    if (l->cpu_shares != 0)
        r = set(cg, CGROUP_CPU, "cpu.shares", (int64_t)l->cpu_shares, err);
    if (r < 0 || !cgroup_cpu_quota(l, &quota, &period))
        return r;
    /* an old quota may be out of range for the new period */
    (void)cgroup_write(cg, CGROUP_CPU, "cpu.cfs_quota_us", "-1");
    r = set(cg, CGROUP_CPU, "cpu.cfs_period_us", (int64_t)period, err);
    return r < 0 ? r : set(cg, CGROUP_CPU, "cpu.cfs_quota_us", quota, err);
}

int cgroup_v1_limit(const struct cgroup *cg, const struct container_resources *l,
                    struct sw_err *err)
{
    int r = limit_memory(cg, l, err);

    if (r == 0)
        r = limit_cpu(cg, l, err);
    if (r == 0 && l->pids != 0) {
        r = l->pids > 0 ? cgroup_writef(cg, CGROUP_PIDS, "pids.max", "%" PRId64, l->pids)
                        : cgroup_write(cg, CGROUP_PIDS, "pids.max", "max");
        if (r < 0)
            return sw_err_errno(err, -r, "limit processes to %" PRId64, l->pids);
    }
    if (r == 0 && l->cpuset_cpus != NULL && l->cpuset_cpus[0] != '\0') {
        r = cgroup_write(cg, CGROUP_CPUSET, "cpuset.cpus", l->cpuset_cpus);
        if (r < 0)
            return sw_err_errno(err, -r, "Requested CPUs are not available - requested %s",
                                l->cpuset_cpus);
    }
    if (r == 0 && l->cpuset_mems != NULL && l->cpuset_mems[0] != '\0') {
        r = cgroup_write(cg, CGROUP_CPUSET, "cpuset.mems", l->cpuset_mems);
        if (r < 0)
            return sw_err_errno(err, -r, "Requested memory nodes are not available - requested %s",
                                l->cpuset_mems);
    }
    return r;
}

/* Lines "8:0 Read 4096"; sums over all devices. */
static void sum_blkio(const struct cgroup *cg, const char *file, uint64_t *rd, uint64_t *wr)
{
    char text[4096];

    if (cgroup_read(cg, CGROUP_BLKIO, file, text, sizeof(text)) <= 0)
        return;
    for (char *p = strtok(text, "\n"); p != NULL; p = strtok(NULL, "\n")) {
        unsigned long long v;

        if (sscanf(p, "%*u:%*u Read %llu", &v) == 1)
            *rd += v;
        else if (sscanf(p, "%*u:%*u Write %llu", &v) == 1)
            *wr += v;
    }
}

void cgroup_v1_stats(const struct cgroup *cg, struct container_stats *out)
{
    char text[4096];
    uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);

    out->cpu_ns = cgroup_read_u64(cg, CGROUP_CPUACCT, "cpuacct.usage", 0);
    if (cgroup_read(cg, CGROUP_CPUACCT, "cpuacct.stat", text, sizeof(text)) > 0) {
        out->cpu_user_ns = cgroup_key_u64(text, "user", 0) * tick_ns;
        out->cpu_system_ns = cgroup_key_u64(text, "system", 0) * tick_ns;
    }
    if (cgroup_read(cg, CGROUP_CPU, "cpu.stat", text, sizeof(text)) > 0) {
        out->cpu_periods = cgroup_key_u64(text, "nr_periods", 0);
        out->cpu_throttled_periods = cgroup_key_u64(text, "nr_throttled", 0);
        out->cpu_throttled_ns = cgroup_key_u64(text, "throttled_time", 0);
    }
    out->memory_bytes = cgroup_read_u64(cg, CGROUP_MEMORY, "memory.usage_in_bytes", 0);
    out->memory_peak_bytes = cgroup_read_u64(cg, CGROUP_MEMORY, "memory.max_usage_in_bytes", 0);
    out->memory_limit_bytes =
        cgroup_read_u64(cg, CGROUP_MEMORY, "memory.limit_in_bytes", UINT64_MAX);
    if (out->memory_limit_bytes >= V1_UNLIMITED)
        out->memory_limit_bytes = UINT64_MAX;
    if (cgroup_read(cg, CGROUP_MEMORY, "memory.stat", text, sizeof(text)) > 0) {
        out->memory_inactive_file_bytes = cgroup_key_u64(text, "total_inactive_file", 0);
        out->memory_cache_bytes = cgroup_key_u64(text, "total_cache", 0);
        out->memory_rss_bytes = cgroup_key_u64(text, "total_rss", 0);
    }
    out->oom_kills = cgroup_oom_kills(cg);
    out->pids = cgroup_read_u64(cg, CGROUP_PIDS, "pids.current", 0);
    out->pids_limit = cgroup_read_u64(cg, CGROUP_PIDS, "pids.max", UINT64_MAX);
    sum_blkio(cg, "blkio.throttle.io_service_bytes", &out->blk_read_bytes, &out->blk_write_bytes);
    sum_blkio(cg, "blkio.throttle.io_serviced", &out->blk_reads, &out->blk_writes);
}
