/* SPDX-License-Identifier: Apache-2.0
 * mounts_std.c - /proc, /dev, /sys as Docker gives them, and what of them is hidden. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/inroot.h"
#include "agent/sandbox/mounts.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV)

/* A directory that must be itself: an image that has a link where /proc belongs is refused, the
 * link is not followed (CVE-2026-41579). */
static int plain_dir(int base, const char *path, struct sw_err *err)
{
    int fd = inroot_open_plain(base, path, O_PATH | O_DIRECTORY, false);

    if (fd == -ENOENT && mkdirat(base, path, 0755) == 0)
        fd = inroot_open_plain(base, path, O_PATH | O_DIRECTORY, false);
    if (fd == -ELOOP || fd == -ENOTDIR)
        return sw_err_set(err, SW_E_INVALID, "/%s of the image must be an ordinary directory",
                          path);
    return fd >= 0 ? fd : sw_err_errno(err, -fd, "make mountpoint /%s", path);
}

/* New file system of @type at @path below @base. Return: its root, or -errno. */
static int mount_new(int base, const char *path, const char *type, const struct mounts_opt *opts,
                     unsigned attrs, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int target = plain_dir(base, path, err);
    int fd;
    int r;

    if (target < 0)
        return err->code;
    fd = mounts_new_fs(type, opts, attrs);
    if (fd < 0)
        return sw_err_errno(err, -fd, "mount %s", type);
    r = mounts_attach(fd, target);
    if (r < 0) {
        (void)close(fd);
        return sw_err_errno(err, -r, "mount %s at '%s'", type, path);
    }
    return fd;
}

static int mount_only(int base, const char *path, const char *type, const struct mounts_opt *opts,
                      unsigned attrs, struct sw_err *err)
{
    int fd = mount_new(base, path, type, opts, attrs, err);

    if (fd < 0)
        return fd;
    (void)close(fd);
    return 0;
}

static int fill_dev(int dev, struct sw_err *err)
{
    static const struct {
        const char *name;
        unsigned major, minor;
    } nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                  { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
    static const char *const links[][2] = {
        { "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" },
        { "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
        { "pts/ptmx", "ptmx" },          { "/proc/kcore", "core" },
    };

    for (size_t i = 0; i < SW_ARRAY_LEN(nodes); i++)
        if (mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
            0)
            return sw_err_errno(err, errno, "make /dev/%s", nodes[i].name);
    for (size_t i = 0; i < SW_ARRAY_LEN(links); i++)
        if (symlinkat(links[i][0], dev, links[i][1]) < 0)
            return sw_err_errno(err, errno, "make /dev/%s", links[i][1]);
    return 0;
}

static int mount_dev(const Swarm__V1__ShimSpec *spec, struct mounts *m, struct sw_err *err)
{
    static const struct mounts_opt dev[] = {
        { "source", "tmpfs" }, { "mode", "755" }, { "size", "65536k" }, { NULL, NULL }
    };
    static const struct mounts_opt pts[] = { { "source", "devpts" }, { "newinstance", NULL },
                                             { "ptmxmode", "0666" }, { "mode", "0620" },
                                             { "gid", "5" },         { NULL, NULL } };
    static const struct mounts_opt mqueue[] = { { "source", "mqueue" }, { NULL, NULL } };
    char size[32];
    struct mounts_opt shm[] = {
        { "source", "shm" }, { "mode", "1777" }, { "size", size }, { NULL, NULL }
    };
    int r = 0;

    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)spec->shm_bytes);
    m->dev =
        mount_new(m->root, "dev", "tmpfs", dev, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, err);
    if (m->dev < 0)
        return m->dev;
    r = fill_dev(m->dev, err);
    if (r < 0)
        return r;
    m->pts = mount_new(m->dev, "pts", "devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
    if (m->pts < 0)
        return m->pts;
    if (!mounts_taken(spec, "/dev/mqueue"))
        r = mount_only(m->dev, "mqueue", "mqueue", mqueue, SAFE, err);
    if (r == 0 && !mounts_taken(spec, "/dev/shm"))
        r = mount_only(m->dev, "shm", "tmpfs", shm, SAFE, err);
    return r;
}

/* Version 1: a tmpfs with one directory per controller, each rooted at the container's cgroup when
 * the cgroup namespace is private. Always read-only (CVE-2022-0492). */
static int mount_cgroup1(int sys, const struct cgroup *cg, unsigned rdonly, struct sw_err *err)
{
    static const struct mounts_opt dir[] = { { "source", "tmpfs" },
                                             { "mode", "755" },
                                             { NULL, NULL } };
    SW_CLEANUP(sw_close_ptr) int fd = mount_new(sys, "fs/cgroup", "tmpfs", dir, SAFE, err);
    int r = 0;

    if (fd < 0)
        return fd;
    for (unsigned i = 0; i < CGROUP_CONTROLLERS && r == 0; i++) {
        const char *name = cgroup_controller_name((enum cgroup_controller)i);
        struct mounts_opt opts[] = {
            { "source", "cgroup" }, { name, NULL }, { NULL, NULL }, { NULL, NULL }
        };

        if (!cgroup_has(cg, (enum cgroup_controller)i) || i == CGROUP_UNIFIED)
            continue;
        if (i == CGROUP_SYSTEMD) {
            opts[1] = (struct mounts_opt){ "none", NULL };
            opts[2] = (struct mounts_opt){ "name", name };
        }
        r = mount_only(fd, name, "cgroup", opts, SAFE | rdonly, err);
        if (r == -EBUSY || r == -EINVAL) {
            /* mounted together with another controller ("cpu,cpuacct"): leave the directory out */
            (void)unlinkat(fd, name, AT_REMOVEDIR);
            r = 0;
        }
    }
    if (r == 0) {
        r = mounts_set_attr(fd, false, rdonly, 0);
        if (r < 0)
            return sw_err_errno(err, -r, "protect /sys/fs/cgroup");
    }
    return r;
}

static int mount_sys(const Swarm__V1__ShimSpec *spec, const struct cgroup *cg, struct mounts *m,
                     struct sw_err *err)
{
    static const struct mounts_opt opts[] = { { "source", "sysfs" }, { NULL, NULL } };
    static const struct mounts_opt cg2[] = { { "source", "cgroup" }, { NULL, NULL } };
    unsigned rdonly = spec->privileged ? 0 : MOUNT_ATTR_RDONLY;
    SW_CLEANUP(sw_close_ptr) int sys = -1;

    sys = mount_new(m->root, "sys", "sysfs", opts, SAFE | rdonly, err);
    if (sys < 0)
        return sys;
    if (mounts_taken(spec, "/sys/fs/cgroup"))
        return 0;
    if (cg->version == 1)
        return mount_cgroup1(sys, cg, rdonly, err);
    return mount_only(sys, "fs/cgroup", "cgroup2", cg2, SAFE | rdonly, err);
}

int mounts_defaults(const Swarm__V1__ShimSpec *spec, const struct cgroup *cg, struct mounts *m,
                    struct sw_err *err)
{
    static const struct mounts_opt proc[] = { { "source", "proc" }, { NULL, NULL } };
    int r = 0;

    m->proc = mount_new(m->root, "proc", "proc", proc, SAFE, err);
    if (m->proc < 0)
        return m->proc;
    if (!mounts_taken(spec, "/dev"))
        r = mount_dev(spec, m, err);
    if (r == 0 && !mounts_taken(spec, "/sys"))
        r = mount_sys(spec, cg, m, err);
    return r;
}

/* ---- masked and read-only paths ---- */

static const char *const masked[] = {
    "/proc/acpi",       "/proc/asound",        "/proc/interrupts",  "/proc/kcore",
    "/proc/keys",       "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats",   "/sys/firmware",     "/sys/devices/virtual/powercap",
};

static const char *const protected[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                         "/proc/sysrq-trigger" };

/* @empty: an empty read-only tmpfs, cloned for each directory. */
static int mask(const struct mounts *m, int empty, const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int target = inroot_open_plain(m->root, path, O_PATH, false);
    SW_CLEANUP(sw_close_ptr) int cover = -1;
    struct stat st;
    int r;

    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return sw_err_errno(err, -target, "mask %s", path);
    if (fstat(target, &st) < 0)
        return sw_err_errno(err, errno, "mask %s", path);
    cover = mounts_clone(S_ISDIR(st.st_mode) ? empty : m->null, false);
    r = cover < 0 ? cover : mounts_attach(cover, target);
    return r < 0 ? sw_err_errno(err, -r, "mask %s", path) : 0;
}

/* Side channels of GHSA-jq35-85cj-fj4p: each processor's throttle counters. */
static int mask_throttle(const struct mounts *m, int empty, struct sw_err *err)
{
    int fd = inroot_open_plain(m->root, "/sys/devices/system/cpu", O_RDONLY | O_DIRECTORY, false);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    char path[128 + NAME_MAX];
    struct dirent *e;
    int r = 0;

    if (d == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return 0;
    }
    while (r == 0 && (e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, "cpu", 3) != 0 || e->d_name[3] < '0' || e->d_name[3] > '9')
            continue;
        (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s/thermal_throttle",
                       e->d_name);
        r = mask(m, empty, path, err);
    }
    (void)closedir(d);
    return r;
}

static int protect(const struct mounts *m, const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int target = inroot_open_plain(m->root, path, O_PATH, false);
    SW_CLEANUP(sw_close_ptr) int cover = -1;
    int r;

    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return sw_err_errno(err, -target, "protect %s", path);
    cover = mounts_clone(target, true);
    if (cover < 0)
        return sw_err_errno(err, -cover, "protect %s", path);
    r = mounts_set_attr(cover, true, MOUNT_ATTR_RDONLY | SAFE, 0);
    if (r == 0)
        r = mounts_attach(cover, target);
    return r < 0 ? sw_err_errno(err, -r, "protect %s", path) : 0;
}

int mounts_protect(const Swarm__V1__ShimSpec *spec, const struct mounts *m, struct sw_err *err)
{
    static const struct mounts_opt opts[] = { { "source", "tmpfs" },
                                              { "size", "0" },
                                              { "nr_inodes", "2" },
                                              { "mode", "755" },
                                              { NULL, NULL } };
    SW_CLEANUP(sw_close_ptr) int empty = -1;
    int r = 0;

    if (spec->privileged || spec->unmask)
        return 0;
    empty = mounts_new_fs("tmpfs", opts, SAFE | MOUNT_ATTR_RDONLY);
    if (empty < 0)
        return sw_err_errno(err, -empty, "mount the mask");
    for (size_t i = 0; i < SW_ARRAY_LEN(protected) && r == 0; i++)
        r = protect(m, protected[i], err);
    for (size_t i = 0; i < SW_ARRAY_LEN(masked) && r == 0; i++)
        r = mask(m, empty, masked[i], err);
    return r < 0 ? r : mask_throttle(m, empty, err);
}

/* ---- further devices ---- */

static int make_node(const struct mounts *m, const char *target, mode_t mode, dev_t rdev,
                     const struct stat *owner, struct sw_err *err)
{
    char path[PATH_MAX];
    SW_CLEANUP(sw_close_ptr) int dir = -1;
    char *name;

    if (snprintf(path, sizeof(path), "%s", target) >= (int)sizeof(path))
        return sw_err_set(err, -ENAMETOOLONG, "make device '%s'", target);
    name = strrchr(path, '/');
    if (name == NULL || name[1] == '\0')
        return sw_err_set(err, SW_E_INVALID, "invalid device path '%s'", target);
    *name++ = '\0';
    dir = inroot_mkdirs(m->root, path[0] != '\0' ? path : "/");
    if (dir < 0)
        return sw_err_errno(err, -dir, "make device '%s'", target);
    (void)unlinkat(dir, name, 0);
    if (mknodat(dir, name, mode, rdev) < 0)
        return sw_err_errno(err, errno, "make device '%s'", target);
    if (fchownat(dir, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return sw_err_errno(err, errno, "give device '%s' its owner", target);
    return 0;
}

/* --privileged: every node of the host's /dev but terminals and what /dev/shm and the like hold. */
static int copy_host_nodes(const struct mounts *m, int host, const char *prefix, int depth,
                           struct sw_err *err)
{
    static const char *const skip[] = { "pts", "shm", "mqueue", "fd", "console", ".lxc" };
    DIR *d = fdopendir(host);
    struct dirent *e;
    int r = 0;

    if (d == NULL) {
        (void)close(host);
        return 0;
    }
    while (r == 0 && (e = readdir(d)) != NULL) {
        char path[PATH_MAX];
        struct stat st;
        bool leave_out = e->d_name[0] == '.';

        for (size_t i = 0; i < SW_ARRAY_LEN(skip); i++)
            leave_out |= strcmp(e->d_name, skip[i]) == 0;
        if (leave_out || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            snprintf(path, sizeof(path), "%s/%s", prefix, e->d_name) >= (int)sizeof(path))
            continue;
        if (S_ISDIR(st.st_mode) && depth < 4) {
            int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

            if (sub >= 0)
                r = copy_host_nodes(m, sub, path, depth + 1, err);
        } else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
            r = make_node(m, path, st.st_mode, st.st_rdev, &st, err);
        }
    }
    (void)closedir(d);
    return r;
}

int mounts_devices(const Swarm__V1__ShimSpec *spec, const struct mounts *m, struct sw_err *err)
{
    int r = 0;

    if (spec->privileged && m->dev >= 0) {
        int host = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (host >= 0)
            r = copy_host_nodes(m, host, "/dev", 0, err);
    }
    for (size_t i = 0; i < spec->n_devices && r == 0; i++) {
        const Swarm__V1__ShimDevice *dev = spec->devices[i];
        struct stat st;

        if (stat(dev->source, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
            return sw_err_set(err, SW_E_INVALID,
                              "error gathering device information while adding custom device "
                              "\"%s\": no such file or directory",
                              dev->source);
        r = make_node(m, dev->target, st.st_mode, st.st_rdev, &st, err);
    }
    return r;
}
