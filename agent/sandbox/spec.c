/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <swarm/v1/shim.pb-c.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sandbox/caps.h"
#include "agent/sandbox/host.h"
#include "agent/sandbox/seccomp.h"
#include "agent/sandbox/spec_tmpfs.h"
#include "agent/sandbox/wire.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

/* Memory of one call: strings of the message are borrowed from the specification or live here. */
struct scratch {
    void **blocks;
    size_t len, cap;
    bool failed;
};

static void *keep(struct scratch *s, void *p)
{
    if (p != NULL && s->len == s->cap) {
        void **more = sw_realloc(s->blocks, (s->cap + 64) * sizeof(*more));

        if (more == NULL) {
            sw_free(p);
            p = NULL;
        } else {
            s->blocks = more;
            s->cap += 64;
        }
    }
    if (p == NULL)
        s->failed = true;
    else
        s->blocks[s->len++] = p;
    return p;
}

static void scratch_fini(struct scratch *s)
{
    for (size_t i = 0; i < s->len; i++)
        sw_free(s->blocks[i]);
    sw_free(s->blocks);
}

static char *text(const char *s) /* protobuf-c does not write through it */
{
    return (char *)(uintptr_t)(s != NULL ? s : "");
}

static char **texts(const char *const *list, size_t *n)
{
    *n = 0;
    while (list != NULL && list[*n] != NULL)
        (*n)++;
    return (char **)(uintptr_t)list;
}

/* An array of @n pointers to zeroed structs of @size bytes. */
static void *array(struct scratch *s, size_t n, size_t size)
{
    void **p = n != 0 ? keep(s, sw_calloc(n, sizeof(*p))) : NULL;
    char *items = n != 0 ? keep(s, sw_calloc(n, size)) : NULL;

    if (p == NULL || items == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        p[i] = items + i * size;
    return p;
}

/* ---- parts of the message ---- */

static int check_id(const char *id, struct sw_err *err)
{
    size_t n = id != NULL ? strspn(id, "0123456789abcdef") : 0;

    if (n != CONTAINER_ID_CHARS || id[n] != '\0')
        return sw_err_set(err, SW_E_INVALID, "invalid container id");
    return 0;
}

static size_t depth(const char *path)
{
    size_t n = 0;

    for (const char *p = path; *p != '\0'; p++)
        n += *p == '/' && p[1] != '/' && p[1] != '\0';
    return n;
}

/* Parents before children, otherwise as given. */
static void sort_mounts(Swarm__V1__ShimMount **m, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && depth(m[j]->target) < depth(m[j - 1]->target); j--) {
            Swarm__V1__ShimMount *t = m[j];

            m[j] = m[j - 1];
            m[j - 1] = t;
        }
}

static int put_mount(struct scratch *s, const struct container_mount *in, Swarm__V1__ShimMount *out,
                     struct sw_err *err)
{
    struct stat st;

    swarm__v1__shim_mount__init(out);
    if (in->target == NULL || in->target[0] != '/')
        return sw_err_set(err, SW_E_INVALID,
                          "invalid mount config for type \"%s\": invalid mount path: '%s' mount "
                          "path must be absolute",
                          in->type == CONTAINER_MOUNT_TMPFS ? "tmpfs" : "bind", text(in->target));
    if (depth(in->target) == 0)
        return sw_err_set(err, SW_E_INVALID, "invalid specification: destination can't be '/'");
    out->target = text(in->target);
    out->read_only = in->read_only;
    if (in->type == CONTAINER_MOUNT_TMPFS) {
        struct spec_tmpfs t;
        int r = spec_tmpfs_parse(in, &t, err);

        if (r < 0)
            return r;
        out->tmpfs = true;
        out->flags = t.attrs;
        out->options = keep(s, sw_strdup(t.options));
        return 0;
    }
    if (in->source == NULL || in->source[0] != '/')
        return sw_err_set(err, SW_E_INVALID,
                          "invalid mount config for type \"bind\": invalid mount path: '%s' mount "
                          "path must be absolute",
                          text(in->source));
    if (!in->create_source && stat(in->source, &st) < 0 && errno == ENOENT)
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid mount config for type \"bind\": bind source path does not exist: %s",
            in->source);
    out->source = text(in->source);
    out->non_recursive = in->non_recursive;
    out->create_source = in->create_source;
    out->copy_up = in->copy_up;
    out->propagation = text(in->propagation);
    return 0;
}

static int put_mounts(struct scratch *s, const struct container_spec *spec, Swarm__V1__ShimSpec *m,
                      struct sw_err *err)
{
    m->mounts = array(s, spec->mounts_len, sizeof(**m->mounts));
    if (m->mounts == NULL)
        return 0;
    for (size_t i = 0; i < spec->mounts_len; i++) {
        int r = put_mount(s, &spec->mounts[i], m->mounts[i], err);

        if (r < 0)
            return r;
        for (size_t j = 0; j < i; j++)
            if (strcmp(m->mounts[j]->target, m->mounts[i]->target) == 0)
                return sw_err_set(err, SW_E_INVALID, "Duplicate mount point: %s",
                                  m->mounts[i]->target);
    }
    m->n_mounts = spec->mounts_len;
    sort_mounts(m->mounts, m->n_mounts);
    return 0;
}

static const struct {
    const char *name;
    __rlimit_resource_t resource;
} rlimits[] = {
    { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
    { "data", RLIMIT_DATA },         { "fsize", RLIMIT_FSIZE },
    { "locks", RLIMIT_LOCKS },       { "memlock", RLIMIT_MEMLOCK },
    { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
    { "nofile", RLIMIT_NOFILE },     { "nproc", RLIMIT_NPROC },
    { "rss", RLIMIT_RSS },           { "rtprio", RLIMIT_RTPRIO },
    { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
    { "stack", RLIMIT_STACK },
};

static int put_ulimits(struct scratch *s, const struct container_spec *spec, Swarm__V1__ShimSpec *m,
                       struct sw_err *err)
{
    m->rlimits = array(s, spec->ulimits_len, sizeof(**m->rlimits));
    if (m->rlimits == NULL)
        return 0;
    for (size_t i = 0; i < spec->ulimits_len; i++) {
        const struct container_ulimit *u = &spec->ulimits[i];
        size_t k = 0;

        while (k < SW_ARRAY_LEN(rlimits) && strcmp(rlimits[k].name, u->name) != 0)
            k++;
        if (k == SW_ARRAY_LEN(rlimits))
            return sw_err_set(err, SW_E_INVALID, "invalid ulimit type: %s", u->name);
        if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
            return sw_err_set(err, SW_E_INVALID,
                              "ulimit soft limit must be less than or equal to hard limit: %lld > "
                              "%lld",
                              (long long)u->soft, (long long)u->hard);
        swarm__v1__shim_rlimit__init(m->rlimits[i]);
        m->rlimits[i]->resource = (uint32_t)rlimits[k].resource;
        m->rlimits[i]->soft = u->soft < 0 ? RLIM_INFINITY : (uint64_t)u->soft;
        m->rlimits[i]->hard = u->hard < 0 ? RLIM_INFINITY : (uint64_t)u->hard;
    }
    m->n_rlimits = spec->ulimits_len;
    return 0;
}

/* Parameters that belong to a namespace the container has for itself; others are the host's. */
static int check_sysctl(const struct container_spec *spec, const char *key, struct sw_err *err)
{
    static const char *const ipc[] = { "kernel.msgmax",    "kernel.msgmnb",
                                       "kernel.msgmni",    "kernel.sem",
                                       "kernel.shmall",    "kernel.shmmax",
                                       "kernel.shmmni",    "kernel.shm_rmid_forced",
                                       "kernel.domainname" };
    bool own = false;

    if (strncmp(key, "net.", 4) == 0 || strncmp(key, "net/", 4) == 0)
        own = spec->net_ns != CONTAINER_NS_HOST;
    else if (strncmp(key, "fs.mqueue.", 10) == 0)
        own = spec->ipc_ns != CONTAINER_NS_HOST;
    else
        for (size_t i = 0; i < SW_ARRAY_LEN(ipc); i++)
            own |= strcmp(key, ipc[i]) == 0 && spec->ipc_ns != CONTAINER_NS_HOST;
    return own ? 0
               : sw_err_set(err, SW_E_INVALID,
                            "sysctl \"%s\" is not in a separate kernel namespace", key);
}

static int put_sysctls(struct scratch *s, const struct container_spec *spec, Swarm__V1__ShimSpec *m,
                       struct sw_err *err)
{
    m->sysctls = array(s, spec->sysctls_len, sizeof(**m->sysctls));
    if (m->sysctls == NULL)
        return 0;
    for (size_t i = 0; i < spec->sysctls_len; i++) {
        int r = check_sysctl(spec, spec->sysctls[i].key, err);

        if (r < 0)
            return r;
        swarm__v1__shim_pair__init(m->sysctls[i]);
        m->sysctls[i]->key = text(spec->sysctls[i].key);
        m->sysctls[i]->value = text(spec->sysctls[i].value);
    }
    m->n_sysctls = spec->sysctls_len;
    return 0;
}

/* Nodes to make, and the rules that allow them. */
static int put_devices(struct scratch *s, const struct container_spec *spec, Swarm__V1__ShimSpec *m,
                       struct sw_err *err)
{
    size_t more;
    char **given = texts(spec->device_rules, &more);
    char **rules = keep(s, sw_calloc(spec->devices_len + more + 1, sizeof(*rules)));

    m->devices = array(s, spec->devices_len, sizeof(**m->devices));
    m->device_rules = rules;
    if (s->failed)
        return 0;
    if (spec->privileged)
        rules[m->n_device_rules++] = text("a");
    for (size_t i = 0; i < spec->devices_len && !spec->privileged; i++) {
        const struct container_device *d = &spec->devices[i];
        struct stat st;

        if (stat(d->source, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
            return sw_err_set(err, SW_E_INVALID,
                              "error gathering device information while adding custom device "
                              "\"%s\": no such file or directory",
                              d->source);
        swarm__v1__shim_device__init(m->devices[i]);
        m->devices[i]->source = text(d->source);
        m->devices[i]->target = text(d->target != NULL ? d->target : d->source);
        m->devices[i]->permissions = text(d->permissions != NULL ? d->permissions : "rwm");
        rules[m->n_device_rules] =
            keep(s, sw_asprintf("%c %u:%u %s", S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev),
                                minor(st.st_rdev), m->devices[i]->permissions));
        if (rules[m->n_device_rules] == NULL)
            return 0;
        m->n_device_rules++;
        m->n_devices++;
    }
    for (size_t i = 0; i < more && !spec->privileged; i++)
        rules[m->n_device_rules++] = given[i];
    return 0;
}

static int put_confinement(struct container_host *host, const struct container_spec *spec,
                           Swarm__V1__ShimSpec *m, struct sw_buf *program, struct sw_err *err)
{
    const struct sw_buf *filter = program;
    int r;

    r = caps_compute(spec->cap_add, spec->cap_drop, &m->capabilities, err);
    if (r < 0)
        return r;
    if (spec->privileged)
        m->capabilities = caps_available();
    m->privileged = spec->privileged;
    m->no_new_privs = spec->no_new_privs;
    m->unmask = spec->unmask;
    if (spec->privileged || spec->seccomp == CONTAINER_SECCOMP_UNCONFINED)
        return 0;
    if (spec->seccomp == CONTAINER_SECCOMP_CUSTOM && spec->seccomp_profile == NULL)
        return sw_err_set(err, SW_E_INVALID, "Decoding seccomp profile failed: no profile");
    if (spec->seccomp == CONTAINER_SECCOMP_CUSTOM)
        r = seccomp_compile(spec->seccomp_profile, m->capabilities, program, err);
    else
        r = host_filter(host, m->capabilities, &filter, err);
    if (r < 0)
        return r;
    m->seccomp.data = filter->data;
    m->seccomp.len = filter->len;
    return 0;
}

static void put_resources(const struct container_resources *in, Swarm__V1__ShimResources *out)
{
    swarm__v1__shim_resources__init(out);
    out->nano_cpus = in->nano_cpus;
    out->memory_bytes = in->memory_bytes;
    out->memory_swap_bytes = in->memory_swap_bytes;
    out->memory_low_bytes = in->memory_low_bytes;
    out->swappiness_set = in->swappiness_set;
    out->swappiness = in->swappiness;
    out->pids = in->pids;
    out->cpu_shares = in->cpu_shares;
    out->cpu_period_us = in->cpu_period_us;
    out->cpu_quota_us = in->cpu_quota_us;
    out->cpuset_cpus = text(in->cpuset_cpus);
    out->cpuset_mems = text(in->cpuset_mems);
    out->oom_kill_disable = in->oom_kill_disable;
}

static void put_process(const struct container_spec *spec, Swarm__V1__ShimSpec *m)
{
    m->argv = texts(spec->argv, &m->n_argv);
    m->env = texts(spec->env, &m->n_env);
    m->groups = texts(spec->groups, &m->n_groups);
    m->cwd = text(spec->cwd != NULL && spec->cwd[0] != '\0' ? spec->cwd : "/");
    m->user = text(spec->user);
    m->tty = spec->tty;
    m->open_stdin = spec->open_stdin;
    m->init = spec->init;
    m->stop_signal = spec->stop_signal;
    m->stop_grace_ms = spec->stop_grace_ms < 0 ? CONTAINER_GRACE_MS : spec->stop_grace_ms;
    m->tty_rows = spec->tty_rows;
    m->tty_cols = spec->tty_cols;
    m->oom_score_adj_set = spec->oom_score_adj_set;
    m->oom_score_adj = spec->oom_score_adj;
    m->log_bytes = spec->log_bytes != 0 ? spec->log_bytes : CONTAINER_LOG_BYTES;
    m->log_files = spec->log_files != 0 ? spec->log_files : CONTAINER_LOG_FILES;
    m->log_none = spec->log_none;
}

static void put_namespaces(const struct container_spec *spec, Swarm__V1__ShimSpec *m)
{
    /* the two enumerations have the same values, in the same order */
    m->net_ns = (Swarm__V1__ShimSpec__Ns)spec->net_ns;
    m->pid_ns = (Swarm__V1__ShimSpec__Ns)spec->pid_ns;
    m->ipc_ns = (Swarm__V1__ShimSpec__Ns)spec->ipc_ns;
    m->uts_ns = (Swarm__V1__ShimSpec__Ns)spec->uts_ns;
    m->cgroup_ns = (Swarm__V1__ShimSpec__Ns)spec->cgroup_ns;
    m->join_pid = spec->join_pid;
}

/* ---- files ---- */

static int write_all(int dir, const char *name, mode_t mode, const void *p, size_t len,
                     struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr)
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0)
        return sw_err_errno(err, errno, "write '%s'", name);
    if (fchmod(fd, mode) < 0)
        return sw_err_errno(err, errno, "write '%s'", name);
    for (const char *c = p; len > 0;) {
        ssize_t n = write(fd, c, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sw_err_errno(err, errno, "write '%s'", name);
        c += n;
        len -= (size_t)n;
    }
    return 0;
}

int spec_file(int dir, const char *name, const char *content, struct sw_err *err)
{
    return write_all(dir, name, 0644, content, strlen(content), err);
}

static int put_names(struct scratch *s, const struct container_spec *spec, int dir,
                     Swarm__V1__ShimSpec *m, struct sw_err *err)
{
    const char *line = spec->hostname_file;
    int r = 0;

    m->hostname = spec->hostname != NULL && spec->hostname[0] != '\0'
                      ? text(spec->hostname)
                      : keep(s, sw_strndup(spec->id, 12));
    m->domainname = text(spec->domainname);
    if (line == NULL && m->hostname != NULL)
        line = keep(s, sw_asprintf("%s\n", m->hostname));
    if (s->failed)
        return 0;
    m->inject_hostname = line[0] != '\0';
    m->inject_hosts = spec->hosts != NULL;
    m->inject_resolv_conf = spec->resolv_conf != NULL;
    if (m->inject_hostname)
        r = spec_file(dir, "hostname", line, err);
    if (r == 0 && m->inject_hosts)
        r = spec_file(dir, "hosts", spec->hosts, err);
    if (r == 0 && m->inject_resolv_conf)
        r = spec_file(dir, "resolv.conf", spec->resolv_conf, err);
    return r;
}

static int put_all(struct container_host *host, const struct container_spec *spec, int dir,
                   struct scratch *s, struct sw_buf *program, Swarm__V1__ShimSpec *m,
                   struct sw_err *err)
{
    int r = put_mounts(s, spec, m, err);

    if (r == 0)
        r = put_ulimits(s, spec, m, err);
    if (r == 0)
        r = put_sysctls(s, spec, m, err);
    if (r == 0)
        r = put_devices(s, spec, m, err);
    if (r == 0)
        r = put_confinement(host, spec, m, program, err);
    if (r == 0)
        r = put_names(s, spec, dir, m, err);
    if (r == 0 && s->failed)
        r = sw_err_set(err, -ENOMEM, "write container specification");
    return r;
}

int spec_write(struct container_host *host, const struct container_spec *spec, int dir,
               struct sw_err *err)
{
    Swarm__V1__ShimSpec m = SWARM__V1__SHIM_SPEC__INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf program = SW_BUF_INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    Swarm__V1__ShimResources res;
    struct scratch s = { 0 };
    uint8_t *p;
    size_t len;
    int r;

    r = check_id(spec->id, err);
    if (r < 0)
        return r;
    if (spec->argv == NULL || spec->argv[0] == NULL)
        return sw_err_set(err, SW_E_INVALID, "No command specified");
    m.id = text(spec->id);
    m.bundle = text(spec->bundle);
    m.lower = texts(spec->lower, &m.n_lower);
    m.upper = text(spec->upper);
    m.work = text(spec->work);
    m.read_only = spec->read_only;
    m.sync_upper = spec->sync_upper;
    m.shm_bytes = spec->shm_bytes != 0 ? spec->shm_bytes : CONTAINER_SHM_BYTES;
    m.cgroup_root = host->cgroup_root;
    m.cgroup_parent = host->cgroup_parent;
    m.resources = &res;
    put_resources(&spec->resources, &res);
    put_process(spec, &m);
    put_namespaces(spec, &m);
    r = put_all(host, spec, dir, &s, &program, &m, err);
    if (r == 0) {
        len = swarm__v1__shim_spec__get_packed_size(&m);
        p = len <= WIRE_SPEC_MAX ? sw_buf_reserve(&out, len) : NULL;
        if (p != NULL) {
            (void)swarm__v1__shim_spec__pack(&m, p);
            r = write_all(dir, WIRE_SPEC, 0600, p, len, err);
        } else {
            r = sw_err_set(err, len > WIRE_SPEC_MAX ? SW_E_INVALID : -ENOMEM,
                           "write container specification of %zu bytes", len);
        }
    }
    scratch_fini(&s);
    return r;
}
