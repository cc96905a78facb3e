/* SPDX-License-Identifier: Apache-2.0
 * cgroup_v2.c - limits and numbers of the unified hierarchy (kernel: admin-guide/cgroup-v2). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/container.h"
#include "common/base/macro.h"

static const char *const wanted[] = { "cpu", "cpuset", "io", "memory", "pids" };

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = text; (p = strstr(p, word)) != NULL; p += len)
        if ((p == text || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || p[len] == '\0'))
            return true;
    return false;
}

/* Turns the controllers on for the children of one directory; those already on cost one read. */
static int enable_in(const struct cgroup *dir)
{
    char have[256];
    char on[256];
    char text[128];
    size_t len = 0;

    if (cgroup_read(dir, CGROUP_UNIFIED, "cgroup.controllers", have, sizeof(have)) < 0)
        return -ENOENT;
    if (cgroup_read(dir, CGROUP_UNIFIED, "cgroup.subtree_control", on, sizeof(on)) < 0)
        on[0] = '\0';
    for (size_t i = 0; i < SW_ARRAY_LEN(wanted); i++)
        if (has_word(have, wanted[i]) && !has_word(on, wanted[i]))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "+%s ", wanted[i]);
    return len > 0 ? cgroup_write(dir, CGROUP_UNIFIED, "cgroup.subtree_control", text) : 0;
}

int cgroup_v2_enable(const struct cgroup *cg, struct sw_err *err)
{
    struct cgroup dir = *cg;
    size_t len = 0;

    dir.id[0] = '\0';
    for (;;) { /* from the root down: "", "a", "a/b" */
        int r;

        memcpy(dir.parent, cg->parent, len);
        dir.parent[len] = '\0';
        r = enable_in(&dir);
        if (r < 0)
            return sw_err_errno(err, -r, "enable controllers in cgroup '/%s'", dir.parent);
        if (cg->parent[len] == '\0')
            return 0;
        len += len > 0; /* over the slash */
        len += strcspn(cg->parent + len, "/");
    }
}

/* "max" for -1. A limit whose controller is off is an error only because it was asked for. */
static int set(const struct cgroup *cg, const char *file, int64_t value, struct sw_err *err)
{
    int r = value < 0 ? cgroup_write(cg, CGROUP_UNIFIED, file, "max")
                      : cgroup_writef(cg, CGROUP_UNIFIED, file, "%" PRId64, value);

    return r < 0 ? sw_err_errno(err, -r, "write %" PRId64 " to %s", value, file) : 0;
}

static int limit_memory(const struct cgroup *cg, const struct container_resources *l,
                        struct sw_err *err)
{
    int64_t memory = l->memory_bytes;
    int64_t both = l->memory_swap_bytes;
    int r = 0;

    if (memory != 0)
        r = set(cg, "memory.max", memory, err);
    if (r == 0 && l->memory_low_bytes != 0)
        r = set(cg, "memory.low", SW_MAX(l->memory_low_bytes, 0), err);
    if (r < 0 || (memory == 0 && both == 0))
        return r;
    if (both == 0)
        both = memory > 0 ? 2 * memory : -1;
    if (both > 0 && memory > 0 && both < memory)
        return sw_err_set(err, SW_E_INVALID,
                          "Minimum memoryswap limit should be larger than memory limit");
    /* version 2 counts swap apart; without swap accounting the file is missing */
    r = both < 0 ? cgroup_write(cg, CGROUP_UNIFIED, "memory.swap.max", "max")
                 : cgroup_writef(cg, CGROUP_UNIFIED, "memory.swap.max", "%" PRId64,
                                 both - SW_MAX(memory, 0));
    return r < 0 && r != -ENOENT ? sw_err_errno(err, -r, "limit swap") : 0;
}

static int limit_cpu(const struct cgroup *cg, const struct container_resources *l,
                     struct sw_err *err)
{
    uint64_t period;
    int64_t quota;
    int r = 0;

    if (l->cpu_shares != 0) {
        uint64_t shares = SW_MIN(SW_MAX(l->cpu_shares, 2), 262144);

        /* the mapping all OCI runtimes use: 2 .. 262144 -> 1 .. 10000 */
        r = set(cg, "cpu.weight", (int64_t)(1 + (shares - 2) * 9999 / 262142), err);
    }
    if (r < 0 || !cgroup_cpu_quota(l, &quota, &period))
        return r;
    r = quota < 0
            ? cgroup_writef(cg, CGROUP_UNIFIED, "cpu.max", "max %" PRIu64, period)
            : cgroup_writef(cg, CGROUP_UNIFIED, "cpu.max", "%" PRId64 " %" PRIu64, quota, period);
    return r < 0 ? sw_err_errno(err, -r, "limit cpu") : 0;
}

int cgroup_v2_limit(const struct cgroup *cg, const struct container_resources *l,
                    struct sw_err *err)
{
    int r = limit_memory(cg, l, err);

    if (r == 0)
        r = limit_cpu(cg, l, err);
    if (r == 0 && l->pids != 0)
        r = set(cg, "pids.max", l->pids, err);
    if (r == 0 && l->cpuset_cpus != NULL && l->cpuset_cpus[0] != '\0') {
        r = cgroup_write(cg, CGROUP_UNIFIED, "cpuset.cpus", l->cpuset_cpus);
        if (r < 0)
            return sw_err_errno(err, -r, "Requested CPUs are not available - requested %s",
                                l->cpuset_cpus);
    }
    if (r == 0 && l->cpuset_mems != NULL && l->cpuset_mems[0] != '\0') {
        r = cgroup_write(cg, CGROUP_UNIFIED, "cpuset.mems", l->cpuset_mems);
        if (r < 0)
            return sw_err_errno(err, -r, "Requested memory nodes are not available - requested %s",
                                l->cpuset_mems);
    }
    return r;
}

/* Lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=.. dios=.."; sums over all devices. */
static void sum_io(char *text, struct container_stats *out)
{
    for (char *p = strtok(text, " \n"); p != NULL; p = strtok(NULL, " \n")) {
        unsigned long long v;

        if (sscanf(p, "rbytes=%llu", &v) == 1)
            out->blk_read_bytes += v;
        else if (sscanf(p, "wbytes=%llu", &v) == 1)
            out->blk_write_bytes += v;
        else if (sscanf(p, "rios=%llu", &v) == 1)
            out->blk_reads += v;
        else if (sscanf(p, "wios=%llu", &v) == 1)
            out->blk_writes += v;
    }
}

void cgroup_v2_stats(const struct cgroup *cg, struct container_stats *out)
{
    char text[4096];

    if (cgroup_read(cg, CGROUP_UNIFIED, "cpu.stat", text, sizeof(text)) > 0) {
        out->cpu_ns = cgroup_key_u64(text, "usage_usec", 0) * 1000;
        out->cpu_user_ns = cgroup_key_u64(text, "user_usec", 0) * 1000;
        out->cpu_system_ns = cgroup_key_u64(text, "system_usec", 0) * 1000;
        out->cpu_periods = cgroup_key_u64(text, "nr_periods", 0);
        out->cpu_throttled_periods = cgroup_key_u64(text, "nr_throttled", 0);
        out->cpu_throttled_ns = cgroup_key_u64(text, "throttled_usec", 0) * 1000;
    }
    out->memory_bytes = cgroup_read_u64(cg, CGROUP_UNIFIED, "memory.current", 0);
    out->memory_peak_bytes = cgroup_read_u64(cg, CGROUP_UNIFIED, "memory.peak", 0);
    out->memory_limit_bytes = cgroup_read_u64(cg, CGROUP_UNIFIED, "memory.max", UINT64_MAX);
    if (cgroup_read(cg, CGROUP_UNIFIED, "memory.stat", text, sizeof(text)) > 0) {
        out->memory_inactive_file_bytes = cgroup_key_u64(text, "inactive_file", 0);
        out->memory_cache_bytes = cgroup_key_u64(text, "file", 0);
        out->memory_rss_bytes = cgroup_key_u64(text, "anon", 0);
    }
    out->oom_kills = cgroup_oom_kills(cg);
    out->pids = cgroup_read_u64(cg, CGROUP_UNIFIED, "pids.current", 0);
    out->pids_limit = cgroup_read_u64(cg, CGROUP_UNIFIED, "pids.max", UINT64_MAX);
    if (cgroup_read(cg, CGROUP_UNIFIED, "io.stat", text, sizeof(text)) > 0)
        sum_io(text, out);
}
