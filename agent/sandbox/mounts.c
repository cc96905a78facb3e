/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sandbox/inroot.h"
#include "agent/sandbox/rootfs.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

int mounts_new_fs(const char *type, const struct mounts_opt *opts, unsigned attrs)
{
    SW_CLEANUP(sw_close_ptr) int ctx = fsopen(type, FSOPEN_CLOEXEC);
    int fd;

    if (ctx < 0)
        return -errno;
    for (; opts != NULL && opts->key != NULL; opts++) {
        int r = opts->value != NULL ? fsconfig(ctx, FSCONFIG_SET_STRING, opts->key, opts->value, 0)
                                    : fsconfig(ctx, FSCONFIG_SET_FLAG, opts->key, NULL, 0);

        if (r < 0)
            return -errno;
    }
    if (fsconfig(ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    fd = fsmount(ctx, FSMOUNT_CLOEXEC, attrs);
    return fd >= 0 ? fd : -errno;
}

int mounts_attach(int fd, int target)
{
    return move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0
               ? 0
               : -errno;
}

int mounts_clone(int fd, bool recursive)
{
    int r = open_tree(fd, "",
                      AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                          (recursive ? AT_RECURSIVE : 0u));

    return r >= 0 ? r : -errno;
}

int mounts_set_attr(int fd, bool recursive, uint64_t set, uint64_t propagation)
{
    struct mount_attr attr = { .attr_set = set, .propagation = propagation };

    return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
                         sizeof(attr)) == 0
               ? 0
               : -errno;
}

static bool same_path(const char *a, const char *b)
{
    size_t la = strlen(a);
    size_t lb = strlen(b);

    while (la > 1 && a[la - 1] == '/')
        la--;
    while (lb > 1 && b[lb - 1] == '/')
        lb--;
    return la == lb && memcmp(a, b, la) == 0;
}

bool mounts_taken(const Swarm__V1__ShimSpec *spec, const char *target)
{
    for (size_t i = 0; i < spec->n_mounts; i++)
        if (same_path(spec->mounts[i]->target, target))
            return true;
    return false;
}

/* ---- sources: cloned before the host's tree is left ---- */

static int make_source(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof(part))
        return -ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char old = *p;

        *p = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
        *p = old;
        if (old == '\0')
            return 0;
    }
}

static int parse_propagation(const char *s, bool *recursive, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t flag;
    } table[] = { { "private", MS_PRIVATE }, { "slave", MS_SLAVE }, { "shared", MS_SHARED } };

    *recursive = s[0] == '\0' || s[0] == 'r';
    if (s[0] == '\0')
        s = "rprivate";
    for (size_t i = 0; i < SW_ARRAY_LEN(table); i++)
        if (strcmp(s + (s[0] == 'r'), table[i].name) == 0) {
            *out = table[i].flag;
            return 0;
        }
    return -EINVAL;
}

static int open_source(const Swarm__V1__ShimMount *mt, struct sw_err *err)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (mt->non_recursive ? 0 : AT_RECURSIVE);
    uint64_t propagation = 0;
    bool recursive;
    int fd;
    int r;

    if (parse_propagation(mt->propagation, &recursive, &propagation) < 0)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid mount config for type \"bind\": invalid propagation: %s",
                          mt->propagation);
    fd = open_tree(AT_FDCWD, mt->source, flags);
    if (fd < 0 && errno == ENOENT && mt->create_source) {
        r = make_source(mt->source);
        if (r < 0)
            return sw_err_errno(err, -r, "error while creating mount source path '%s'", mt->source);
        fd = open_tree(AT_FDCWD, mt->source, flags);
    }
    if (fd < 0 && errno == ENOENT)
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid mount config for type \"bind\": bind source path does not exist: %s",
            mt->source);
    if (fd < 0)
        return sw_err_errno(err, errno, "open bind source '%s'", mt->source);
    r = mounts_set_attr(fd, recursive, 0, propagation);
    if (r == 0 && mt->read_only)
        r = mounts_set_attr(fd, !mt->non_recursive, MOUNT_ATTR_RDONLY, 0);
    if (r < 0) {
        (void)close(fd);
        return sw_err_errno(err, -r, "prepare bind source '%s'", mt->source);
    }
    return fd;
}

static int open_sources(const Swarm__V1__ShimSpec *spec, struct mounts *m, struct sw_err *err)
{
    struct stat st;

    m->null = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (m->null < 0)
        return sw_err_errno(err, errno, "open /dev/null");
    if (fstat(m->null, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return sw_err_set(err, SW_E_INTERNAL, "/dev/null of this machine is not the null device");
    /* read-only, so that nobody inside can change mode or owner of the host's node */
    if (mounts_set_attr(m->null, false, MOUNT_ATTR_RDONLY, MS_PRIVATE) < 0)
        return sw_err_errno(err, errno, "protect /dev/null");
    m->source = sw_calloc(spec->n_mounts + 1, sizeof(*m->source));
    if (m->source == NULL)
        return sw_err_set(err, -ENOMEM, "prepare mounts");
    for (size_t i = 0; i < spec->n_mounts; i++) {
        m->source[i] = -1;
        if (spec->mounts[i]->tmpfs)
            continue;
        m->source[i] = open_source(spec->mounts[i], err);
        if (m->source[i] < 0)
            return m->source[i];
    }
    return 0;
}

/* ---- the container's own mounts ---- */

/* "size=1m,mode=1777" for fsconfig(2), one by one. */
static int new_tmpfs(const Swarm__V1__ShimMount *mt)
{
    SW_CLEANUP(sw_free_ptr) char *copy = sw_strdup(mt->options);
    struct mounts_opt opts[16] = { { "source", "tmpfs" } };
    size_t n = 1;
    char *rest = copy;
    char *one;

    if (copy == NULL)
        return -ENOMEM;
    while ((one = strsep(&rest, ",")) != NULL && n + 1 < SW_ARRAY_LEN(opts)) {
        char *value = strchr(one, '=');

        if (one[0] == '\0')
            continue;
        if (value != NULL)
            *value++ = '\0';
        opts[n].key = one;
        opts[n++].value = value;
    }
    return mounts_new_fs("tmpfs", opts, (unsigned)mt->flags);
}

/* What may be mounted over inside /proc: single files that tell of limits (lxcfs). */
static bool proc_target_allowed(const char *target)
{
    static const char *const allowed[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",
                                           "/proc/stat",    "/proc/swaps",     "/proc/uptime",
                                           "/proc/loadavg", "/proc/slabinfo",  "/proc/net/dev" };

    for (size_t i = 0; i < SW_ARRAY_LEN(allowed); i++)
        if (same_path(target, allowed[i]))
            return true;
    return false;
}

static int attach_one(const struct mounts *m, const Swarm__V1__ShimMount *mt, int source,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int target = -1;
    struct statfs fs;
    struct stat st;
    int r;

    if (fstat(source, &st) < 0)
        return sw_err_errno(err, errno, "stat mount source '%s'", mt->source);
    target = S_ISDIR(st.st_mode) ? inroot_mkdirs(m->root, mt->target)
                                 : inroot_mkfile(m->root, mt->target);
    if (target < 0)
        return sw_err_errno(err, -target, "make mountpoint '%s'", mt->target);
    if (fstatfs(target, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
        !proc_target_allowed(mt->target))
        return sw_err_set(err, SW_E_INVALID, "\"%s\" cannot be mounted because it is inside /proc",
                          mt->target);
    if (mt->copy_up && S_ISDIR(st.st_mode)) {
        r = mounts_copy_up(target, source, err);
        if (r < 0)
            return sw_err_wrap(err, "fill volume for '%s'", mt->target);
    }
    r = mounts_attach(source, target);
    return r < 0 ? sw_err_errno(err, -r, "mount at '%s'", mt->target) : 0;
}

static int attach_all(const Swarm__V1__ShimSpec *spec, struct mounts *m, struct sw_err *err)
{
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const Swarm__V1__ShimMount *mt = spec->mounts[i];
        int r;

        if (mt->tmpfs)
            m->source[i] = new_tmpfs(mt);
        if (m->source[i] < 0)
            return sw_err_errno(err, -m->source[i], "mount tmpfs '%s' at '%s'", mt->options,
                                mt->target);
        r = attach_one(m, mt, m->source[i], err);
        if (r < 0)
            return r;
        (void)close(m->source[i]);
        m->source[i] = -1;
    }
    return 0;
}

/* hostname, hosts and resolv.conf of the bundle, unless the specification mounts its own. */
static int inject(const Swarm__V1__ShimSpec *spec, const struct mounts *m, const char *name,
                  int source, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int target = -1;
    char path[64];
    int r;

    (void)snprintf(path, sizeof(path), "/etc/%s", name);
    if (mounts_taken(spec, path))
        return 0;
    target = inroot_mkfile(m->root, path);
    r = target < 0 ? target : mounts_attach(source, target);
    return r < 0 ? sw_err_errno(err, -r, "put %s in place", path) : 0;
}

static const char *const injected[] = { "hostname", "hosts", "resolv.conf" };

static int open_injected(const Swarm__V1__ShimSpec *spec, int out[3], struct sw_err *err)
{
    bool wanted[] = { spec->inject_hostname, spec->inject_hosts, spec->inject_resolv_conf };
    char path[PATH_MAX];

    for (size_t i = 0; i < SW_ARRAY_LEN(injected); i++) {
        out[i] = -1;
        if (!wanted[i])
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", spec->bundle, injected[i]);
        out[i] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (out[i] < 0)
            return sw_err_errno(err, errno, "open '%s'", path);
        (void)mounts_set_attr(out[i], false, 0, MS_PRIVATE);
    }
    return 0;
}

static int mount_root(const Swarm__V1__ShimSpec *spec, struct mounts *m, struct sw_err *err)
{
    struct rootfs_options o = {
        .lower = (const char *const *)(uintptr_t)spec->lower,
        .lower_len = spec->n_lower,
        .upper = spec->upper,
        .work = spec->work,
        .sync = spec->sync_upper,
    };
    char target[PATH_MAX];

    (void)snprintf(target, sizeof(target), "%s/merged", spec->bundle);
    if (mkdir(target, 0700) < 0 && errno != EEXIST)
        return sw_err_errno(err, errno, "make '%s'", target);
    m->root = rootfs_mount(&o, target, err);
    return m->root < 0 ? m->root : 0;
}

int mounts_build(const Swarm__V1__ShimSpec *spec, const struct cgroup *cg, struct mounts *m,
                 struct sw_err *err)
{
    int files[3];
    int r;

    *m = (struct mounts){ .root = -1, .proc = -1, .dev = -1, .pts = -1, .null = -1 };
    r = open_sources(spec, m, err);
    if (r == 0)
        r = open_injected(spec, files, err);
    if (r < 0)
        return r;
    /* From here on nothing of ours reaches the host; rslave lets unmounts there through. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return sw_err_errno(err, errno, "leave the host's mount propagation");
    r = mount_root(spec, m, err);
    if (r == 0)
        r = mounts_defaults(spec, cg, m, err);
    if (r == 0)
        r = attach_all(spec, m, err);
    /* after a volume at /etc, which would hide them */
    for (size_t i = 0; i < SW_ARRAY_LEN(injected) && r == 0; i++) {
        if (files[i] < 0)
            continue;
        r = inject(spec, m, injected[i], files[i], err);
        (void)close(files[i]);
    }
    if (r == 0)
        r = mounts_devices(spec, m, err);
    sw_free(m->source);
    m->source = NULL;
    return r;
}

int mounts_console(const struct mounts *m, int slave, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int target = -1;
    SW_CLEANUP(sw_close_ptr) int tree = -1;
    int r;

    if (m->dev < 0)
        return 0;
    target = openat(m->dev, "console", O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (target < 0)
        return sw_err_errno(err, errno, "make /dev/console");
    tree = mounts_clone(slave, false);
    r = tree < 0 ? tree : mounts_attach(tree, target);
    return r < 0 ? sw_err_errno(err, -r, "mount /dev/console") : 0;
}

int mounts_sysctl(const struct mounts *m, const char *key, const char *value, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    char path[256];
    struct statfs fs;
    size_t len = strlen(value);

    if (snprintf(path, sizeof(path), "sys/%s", key) >= (int)sizeof(path))
        return sw_err_set(err, SW_E_INVALID, "sysctl name too long: %s", key);
    for (char *p = path + 4; *p != '\0'; p++)
        if (*p == '.' || *p == '/') /* "net.ipv4.conf.eth0/1.x": the other way round in a name */
            *p = *p == '.' ? '/' : '.';
    fd = inroot_open_plain(m->proc, path, O_WRONLY, true);
    if (fd < 0)
        return sw_err_errno(err, -fd, "open sysctl %s", key);
    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return sw_err_set(err, SW_E_INTERNAL, "sysctl %s is not on procfs", key);
    if (write(fd, value, len) != (ssize_t)len)
        return sw_err_errno(err, errno, "write sysctl %s = %s", key, value);
    return 0;
}

int mounts_pivot(const Swarm__V1__ShimSpec *spec, struct mounts *m, struct sw_err *err)
{
    int r = mounts_protect(spec, m, err);

    if (r < 0)
        return r;
    if (spec->read_only) {
        r = mounts_set_attr(m->root, false, MOUNT_ATTR_RDONLY, 0);
        if (r < 0)
            return sw_err_errno(err, -r, "make the root read-only");
    }
    if (fchdir(m->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return sw_err_errno(err, errno, "pivot_root");
    /* "." is the old root now, on top of the new one: pivot_root(2) "pivot_root(".", ".")" */
    if (umount2(".", MNT_DETACH) < 0)
        return sw_err_errno(err, errno, "unmount the host's tree");
    if (chdir("/") < 0)
        return sw_err_errno(err, errno, "enter the root");
    if (mount(NULL, "/", NULL, MS_PRIVATE, NULL) < 0)
        return sw_err_errno(err, errno, "make the root private");
    return 0;
}
