/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/sandbox/container.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

static const char *const names[] = {
    [CGROUP_CPU] = "cpu",         [CGROUP_CPUACCT] = "cpuacct", [CGROUP_CPUSET] = "cpuset",
    [CGROUP_MEMORY] = "memory",   [CGROUP_PIDS] = "pids",       [CGROUP_DEVICES] = "devices",
    [CGROUP_FREEZER] = "freezer", [CGROUP_BLKIO] = "blkio",     [CGROUP_SYSTEMD] = "systemd",
    [CGROUP_UNIFIED] = "unified",
};
_Static_assert(SW_ARRAY_LEN(names) == CGROUP_CONTROLLERS, "one name per controller");

const char *cgroup_controller_name(enum cgroup_controller c)
{
    return names[c];
}

bool cgroup_has(const struct cgroup *cg, enum cgroup_controller c)
{
    return cg->version == 2 || (cg->present & SW_BIT(c)) != 0;
}

static bool exists(const char *root, const char *sub, const char *file)
{
    char path[CGROUP_PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s/%s", root, sub, file);

    return n < (int)sizeof(path) && access(path, F_OK) == 0;
}

int cgroup_init(struct cgroup *cg, const char *root, const char *parent, const char *id,
                struct sw_err *err)
{
    struct cgroup c = { 0 };

    if (strlen(root) >= sizeof(c.root) || strlen(parent) >= sizeof(c.parent) ||
        strlen(id) >= sizeof(c.id))
        return sw_err_set(err, -ENAMETOOLONG, "cgroup path too long: %s/%s", root, parent);
    (void)snprintf(c.root, sizeof(c.root), "%s", root);
    while (*parent == '/')
        parent++;
    (void)snprintf(c.parent, sizeof(c.parent), "%s", parent);
    (void)snprintf(c.id, sizeof(c.id), "%s", id);
    if (exists(root, ".", "cgroup.controllers")) {
        c.version = 2;
    } else {
        c.version = 1;
        for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
            if (exists(root, names[i], "cgroup.procs"))
                c.present |= SW_BIT(i);
        if (c.present == 0)
            return sw_err_set(err, -ENOENT, "no control groups are mounted below %s", root);
    }
    *cg = c;
    return 0;
}

int cgroup_dir(const struct cgroup *cg, enum cgroup_controller c, char out[CGROUP_PATH_MAX])
{
    int n = snprintf(out, CGROUP_PATH_MAX, "%s%s%s/%s/%s", cg->root, cg->version == 1 ? "/" : "",
                     cg->version == 1 ? names[c] : "", cg->parent, cg->id);

    return n < CGROUP_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int open_file(const struct cgroup *cg, enum cgroup_controller c, const char *file, int flags)
{
    char path[CGROUP_PATH_MAX];
    size_t len;
    int fd;

    if (!cgroup_has(cg, c))
        return -ENOENT;
    if (cgroup_dir(cg, c, path) < 0)
        return -ENAMETOOLONG;
    len = strlen(path);
    if (snprintf(path + len, sizeof(path) - len, "/%s", file) >= (int)(sizeof(path) - len))
        return -ENAMETOOLONG;
    fd = open(path, flags | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int cgroup_write(const struct cgroup *cg, enum cgroup_controller c, const char *file,
                 const char *text)
{
    size_t len = strlen(text);
    int fd = open_file(cg, c, file, O_WRONLY | O_TRUNC);
    int r = 0;

    if (fd < 0)
        return fd;
    if (write(fd, text, len) != (ssize_t)len)
        r = -errno;
    (void)close(fd);
    return r;
}

int cgroup_writef(const struct cgroup *cg, enum cgroup_controller c, const char *file,
                  const char *fmt, ...)
{
    char text[128];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return cgroup_write(cg, c, file, text);
}

ssize_t cgroup_read(const struct cgroup *cg, enum cgroup_controller c, const char *file, char *out,
                    size_t size)
{
    int fd = open_file(cg, c, file, O_RDONLY);
    size_t len = 0;
    ssize_t n = 0;

    if (fd < 0)
        return fd;
    while (len + 1 < size) {
        n = read(fd, out + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (n < 0)
        n = -errno;
    (void)close(fd);
    out[len] = '\0';
    return n < 0 ? n : (ssize_t)len;
}

uint64_t cgroup_read_u64(const struct cgroup *cg, enum cgroup_controller c, const char *file,
                         uint64_t dflt)
{
    char text[64];

    if (cgroup_read(cg, c, file, text, sizeof(text)) <= 0)
        return dflt;
    if (strncmp(text, "max", 3) == 0)
        return UINT64_MAX;
    return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : dflt;
}

uint64_t cgroup_key_u64(const char *text, const char *key, uint64_t dflt)
{
    size_t len = strlen(key);

    for (const char *p = text; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
        if (*p == '\n')
            p++;
        if (strncmp(p, key, len) == 0 && p[len] == ' ')
            return strtoull(p + len + 1, NULL, 10);
    }
    return dflt;
}

/* mkdir of <hierarchy>/<parent>/<id>; the parent once. */
static int make_dir(const struct cgroup *cg, enum cgroup_controller c)
{
    char path[CGROUP_PATH_MAX];
    char *cut;

    if (cgroup_dir(cg, c, path) < 0)
        return -ENAMETOOLONG;
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return -errno;
    /* every component of a nested parent */
    for (cut = path + strlen(cg->root) + 1; (cut = strchr(cut, '/')) != NULL; cut++) {
        *cut = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return -errno;
        *cut = '/';
    }
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

/* cpuset is the one controller that must be filled in before a process can enter. */
static int inherit_cpuset(const struct cgroup *cg)
{
    static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
    struct cgroup up = *cg;
    char text[256];
    int r;

    if (cg->id[0] != '\0') {
        up.id[0] = '\0';
    } else {
        char *slash = strrchr(up.parent, '/');

        if (up.parent[0] == '\0')
            return 0;
        *(slash != NULL ? slash : up.parent) = '\0';
    }
    for (size_t i = 0; i < SW_ARRAY_LEN(files); i++) {
        if (cgroup_read(cg, CGROUP_CPUSET, files[i], text, sizeof(text)) > 1)
            continue;
        if (cgroup_read(&up, CGROUP_CPUSET, files[i], text, sizeof(text)) <= 1) {
            r = inherit_cpuset(&up);
            if (r < 0)
                return r;
            (void)cgroup_read(&up, CGROUP_CPUSET, files[i], text, sizeof(text));
        }
        r = cgroup_write(cg, CGROUP_CPUSET, files[i], text);
        if (r < 0)
            return r;
    }
    return 0;
}

int cgroup_create(const struct cgroup *cg, const struct container_resources *limits,
                  struct sw_err *err)
{
    int r = 0;

    if (cg->version == 2) {
        r = make_dir(cg, CGROUP_UNIFIED);
        if (r == 0)
            r = cgroup_v2_enable(cg, err);
    } else {
        for (unsigned i = 0; i < CGROUP_CONTROLLERS && r == 0; i++) {
            if (!cgroup_has(cg, (enum cgroup_controller)i))
                continue;
            r = make_dir(cg, (enum cgroup_controller)i);
            if (r == 0 && i == CGROUP_CPUSET)
                r = inherit_cpuset(cg);
        }
    }
    if (r < 0)
        r = sw_err_errno(err, -r, "make cgroup %s/%s", cg->parent, cg->id);
    else
        r = cgroup_limit(cg, limits, err);
    if (r < 0)
        (void)cgroup_remove(cg);
    return r;
}

int cgroup_limit(const struct cgroup *cg, const struct container_resources *limits,
                 struct sw_err *err)
{
    return cg->version == 2 ? cgroup_v2_limit(cg, limits, err) : cgroup_v1_limit(cg, limits, err);
}

bool cgroup_cpu_quota(const struct container_resources *l, int64_t *quota, uint64_t *period)
{
    *period = l->cpu_period_us != 0 ? l->cpu_period_us : 100000;
    *quota = l->cpu_quota_us;
    if (l->nano_cpus > 0) {
        *quota = (int64_t)((uint64_t)l->nano_cpus * *period / 1000000000u);
        if (*quota < 1000) { /* the kernel's smallest: make the period longer instead */
            *period = 1000000;
            *quota = SW_MAX((int64_t)((uint64_t)l->nano_cpus / 1000u), 1000);
        }
    } else if (l->nano_cpus < 0) {
        *quota = -1;
    }
    return *quota != 0;
}

int cgroup_devices(const struct cgroup *cg, const char *const *rules, struct sw_err *err)
{
    int fd;
    int r;

    if (cg->version == 2) {
        fd = cgroup_fd(cg);
        if (fd < 0)
            return sw_err_errno(err, -fd, "open cgroup");
        r = cgroup_bpf_devices(fd, rules, err);
        (void)close(fd);
        return r;
    }
    if (!cgroup_has(cg, CGROUP_DEVICES))
        return 0;
    r = cgroup_write(cg, CGROUP_DEVICES, "devices.deny", "a");
    for (size_t i = 0; r == 0 && cgroup_device_defaults[i] != NULL; i++)
        r = cgroup_write(cg, CGROUP_DEVICES, "devices.allow", cgroup_device_defaults[i]);
    if (r < 0)
        return sw_err_errno(err, -r, "set device policy");
    for (; rules != NULL && *rules != NULL; rules++) {
        r = cgroup_write(cg, CGROUP_DEVICES, "devices.allow", *rules);
        if (r < 0)
            return sw_err_errno(err, -r, "allow device '%s'", *rules);
    }
    return 0;
}

int cgroup_fd(const struct cgroup *cg)
{
    char path[CGROUP_PATH_MAX];
    int fd;

    if (!cgroup_has(cg, CGROUP_UNIFIED))
        return -EOPNOTSUPP;
    if (cgroup_dir(cg, CGROUP_UNIFIED, path) < 0)
        return -ENAMETOOLONG;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int cgroup_join(const struct cgroup *cg, struct sw_err *err)
{
    for (unsigned i = 0; i < CGROUP_CONTROLLERS && cg->version == 1; i++) {
        enum cgroup_controller c = (enum cgroup_controller)i;
        int r;

        if (!cgroup_has(cg, c) || c == CGROUP_UNIFIED)
            continue;
        /* "tasks" moves one thread, this one, without the lock that "cgroup.procs" takes */
        r = cgroup_write(cg, c, "tasks", "0");
        if (r < 0)
            return sw_err_errno(err, -r, "enter cgroup %s", names[i]);
    }
    return 0;
}

int cgroup_freeze(const struct cgroup *cg, bool freeze, struct sw_err *err)
{
    char text[128];
    int r;

    if (cg->version == 2) {
        r = cgroup_write(cg, CGROUP_UNIFIED, "cgroup.freeze", freeze ? "1" : "0");
        if (r == 0 && cgroup_read(cg, CGROUP_UNIFIED, "cgroup.events", text, sizeof(text)) > 0)
            r = cgroup_key_u64(text, "frozen", freeze) == (uint64_t)freeze ? 0 : CGROUP_PENDING;
    } else {
        const char *want = freeze ? "FROZEN" : "THAWED";

        r = cgroup_write(cg, CGROUP_FREEZER, "freezer.state", want);
        if (r == 0 && cgroup_read(cg, CGROUP_FREEZER, "freezer.state", text, sizeof(text)) > 0)
            r = strncmp(text, want, 6) == 0 ? 0 : CGROUP_PENDING;
    }
    return r < 0 ? sw_err_errno(err, -r, "%s cgroup", freeze ? "freeze" : "thaw") : r;
}

/* A hierarchy the container is in for certain, to list its processes. */
static enum cgroup_controller any_hierarchy(const struct cgroup *cg)
{
    static const enum cgroup_controller order[] = { CGROUP_PIDS,  CGROUP_FREEZER, CGROUP_MEMORY,
                                                    CGROUP_CPU,   CGROUP_DEVICES, CGROUP_CPUACCT,
                                                    CGROUP_BLKIO, CGROUP_UNIFIED };

    for (size_t i = 0; i < SW_ARRAY_LEN(order); i++)
        if (cgroup_has(cg, order[i]))
            return order[i];
    return CGROUP_SYSTEMD;
}

int cgroup_pids(const struct cgroup *cg, pid_t **out, size_t *n, struct sw_err *err)
{
    int fd = open_file(cg, any_hierarchy(cg), "cgroup.procs", O_RDONLY);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    pid_t *pids = NULL;
    size_t cap = 0;
    size_t len = 0;
    long pid;

    if (f == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return sw_err_errno(err, fd < 0 ? -fd : ENOMEM, "list processes");
    }
    while (fscanf(f, "%ld", &pid) == 1) {
        if (len == cap) {
            pid_t *more = sw_realloc(pids, (cap = cap != 0 ? 2 * cap : 16) * sizeof(*pids));

            if (more == NULL) {
                sw_free(pids);
                (void)fclose(f);
                return sw_err_set(err, -ENOMEM, "list processes");
            }
            pids = more;
        }
        pids[len++] = (pid_t)pid;
    }
    (void)fclose(f);
    *out = pids;
    *n = len;
    return 0;
}

int cgroup_kill(const struct cgroup *cg)
{
    struct sw_err err;
    pid_t *pids = NULL;
    size_t n = 0;
    int r;

    if (cg->version == 2)
        (void)cgroup_write(cg, CGROUP_UNIFIED, "cgroup.kill", "1");
    r = cgroup_pids(cg, &pids, &n, &err);
    if (r < 0)
        return r == -ENOENT || r == -ENODEV ? 0 : r;
    for (size_t i = 0; i < n; i++)
        if (pids[i] > 1) /* 0: a process outside our pid namespace */
            (void)kill(pids[i], SIGKILL);
    sw_free(pids);
    if (n > 0)
        (void)cgroup_freeze(cg, false, &err); /* frozen processes of version 1 do not die */
    return (int)n;
}

int cgroup_remove(const struct cgroup *cg)
{
    char path[CGROUP_PATH_MAX];
    int r = 0;

    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (cg->version == 2 ? i != CGROUP_UNIFIED : !cgroup_has(cg, (enum cgroup_controller)i))
            continue;
        if (cgroup_dir(cg, (enum cgroup_controller)i, path) < 0)
            return -ENAMETOOLONG;
        if (rmdir(path) < 0 && errno != ENOENT)
            r = -errno;
    }
    return r;
}

bool cgroup_exists(const struct cgroup *cg)
{
    char path[CGROUP_PATH_MAX];

    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
        if (cgroup_has(cg, (enum cgroup_controller)i) &&
            cgroup_dir(cg, (enum cgroup_controller)i, path) == 0 && access(path, F_OK) == 0)
            return true;
    return false;
}

uint64_t cgroup_oom_kills(const struct cgroup *cg)
{
    char text[512];
    const char *file = cg->version == 2 ? "memory.events" : "memory.oom_control";

    if (cgroup_read(cg, CGROUP_MEMORY, file, text, sizeof(text)) <= 0)
        return 0;
    return cgroup_key_u64(text, "oom_kill", 0);
}

int cgroup_stats(const struct cgroup *cg, struct container_stats *out, struct sw_err *err)
{
    if (!cgroup_exists(cg))
        return sw_err_set(err, -ENOENT, "no cgroup %s/%s", cg->parent, cg->id);
    memset(out, 0, sizeof(*out));
    if (cg->version == 2)
        cgroup_v2_stats(cg, out);
    else
        cgroup_v1_stats(cg, out);
    return 0;
}

void cgroup_children(const struct cgroup *cg, void (*each)(const char *id, void *data), void *data)
{
    struct cgroup up = *cg;
    char path[CGROUP_PATH_MAX];

    up.id[0] = '\0';
    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        struct dirent *e;
        DIR *d;

        if (cg->version == 2 ? i != CGROUP_UNIFIED : !cgroup_has(cg, (enum cgroup_controller)i))
            continue;
        if (cgroup_dir(&up, (enum cgroup_controller)i, path) < 0)
            continue;
        d = opendir(path);
        if (d == NULL)
            continue;
        while ((e = readdir(d)) != NULL)
            if (e->d_type == DT_DIR && strlen(e->d_name) == CONTAINER_ID_CHARS)
                each(e->d_name, data);
        (void)closedir(d);
    }
}
