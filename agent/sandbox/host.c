/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "agent/sandbox/seccomp.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

#define HOST_REAP_MS 20

/* ---- the shim program ---- */

/* The program is executed through a detached read-only mount of itself: what runs as root inside a
 * container for the moment before execve(2) can then not be opened for writing by way of
 * /proc/<pid>/exe, whatever the container's capabilities are (CVE-2019-5736). */
static int open_shim(const char *path, struct sw_err *err)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                               .propagation = MS_PRIVATE };
    int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd < 0)
        return sw_err_errno(err, errno, "open '%s'", path);
    if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
        int e = errno;

        (void)close(fd);
        return sw_err_errno(err, e, "protect '%s'", path);
    }
    return fd;
}

static int default_shim(char *out, size_t size, struct sw_err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    char *slash;

    if (n < 0)
        return sw_err_errno(err, errno, "find our own program");
    out[n] = '\0';
    slash = strrchr(out, '/');
    if (slash == NULL || (size_t)(slash - out) + sizeof("/swarm-shim") > size)
        return sw_err_set(err, -ENAMETOOLONG, "find swarm-shim");
    memcpy(slash, "/swarm-shim", sizeof("/swarm-shim"));
    return 0;
}

int host_spawn(struct container_host *host, const char *bundle, int control, pid_t *pid,
               struct sw_err *err)
{
    char name[] = "swarm-shim";
    char *argv[] = { name, (char *)(uintptr_t)bundle, NULL };
    char *env[] = { NULL };
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    char path[32];
    sigset_t set;
    int r;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", host->shim);
    r = posix_spawn_file_actions_init(&fa);
    if (r == 0)
        r = posix_spawnattr_init(&at);
    if (r != 0)
        return sw_err_errno(err, r, "start swarm-shim");
    (void)posix_spawn_file_actions_adddup2(&fa, control, 3);
    for (int fd = 0; fd < 3; fd++)
        (void)posix_spawn_file_actions_addopen(&fa, fd, "/dev/null", O_RDWR, 0);
    (void)sigfillset(&set);
    (void)posix_spawnattr_setsigdefault(&at, &set);
    (void)sigemptyset(&set);
    (void)posix_spawnattr_setsigmask(&at, &set);
    (void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSID);
    r = posix_spawn(pid, path, &fa, &at, argv, env);
    (void)posix_spawn_file_actions_destroy(&fa);
    (void)posix_spawnattr_destroy(&at);
    (void)close(control);
    return r != 0 ? sw_err_errno(err, r, "start swarm-shim") : 0;
}

/* ---- reaping: libuv reaps only what it started itself ---- */

static void on_reap(void *arg)
{
    struct container_host *h = arg;
    size_t left = 0;

    for (size_t i = 0; i < h->ended_len; i++) {
        pid_t r = waitpid(h->ended[i], NULL, WNOHANG);

        if (r == 0 || (r < 0 && errno == EINTR))
            h->ended[left++] = h->ended[i];
    }
    h->ended_len = left;
    if (left > 0)
        sw_timer_start(&h->reap, HOST_REAP_MS);
}

void host_reap(struct container_host *h, pid_t pid)
{
    if (pid <= 0 || waitpid(pid, NULL, WNOHANG) != 0)
        return;
    if (h->ended_len == h->ended_cap) {
        size_t cap = h->ended_cap != 0 ? 2 * h->ended_cap : 16;
        pid_t *more = sw_realloc(h->ended, cap * sizeof(*more));

        if (more == NULL)
            return; /* a zombie stays; it is ours until we end */
        h->ended = more;
        h->ended_cap = cap;
    }
    h->ended[h->ended_len++] = pid;
    if (!sw_timer_is_running(&h->reap))
        sw_timer_start(&h->reap, HOST_REAP_MS);
}

/* ---- the host ---- */

int host_cgroup(const struct container_host *h, const char *id, struct cgroup *out,
                struct sw_err *err)
{
    return cgroup_init(out, h->cgroup_root, h->cgroup_parent, id, err);
}

int host_filter(struct container_host *h, uint64_t capabilities, const struct sw_buf **out,
                struct sw_err *err)
{
    struct host_filter *f;
    int r;

    sw_list_each(l, &h->filters)
    {
        f = sw_list_entry(l, struct host_filter, link);
        if (f->capabilities == capabilities) {
            *out = &f->program;
            return 0;
        }
    }
    f = sw_calloc(1, sizeof(*f));
    if (f == NULL)
        return sw_err_set(err, -ENOMEM, "compile seccomp filter");
    f->capabilities = capabilities;
    r = seccomp_compile(NULL, capabilities, &f->program, err);
    if (r < 0) {
        sw_buf_fini(&f->program);
        sw_free(f);
        return r;
    }
    if (h->filters_len == HOST_FILTERS) {
        struct host_filter *old = sw_list_entry(h->filters.prev, struct host_filter, link);

        sw_list_del(&old->link);
        sw_buf_fini(&old->program);
        sw_free(old);
        h->filters_len--;
    }
    sw_list_push_front(&h->filters, &f->link);
    h->filters_len++;
    *out = &f->program;
    return 0;
}

static int host_init(struct container_host *h, const struct container_host_options *o,
                     struct sw_err *err)
{
    char path[PATH_MAX];
    struct cgroup cg;
    int r = 0;

    (void)snprintf(h->cgroup_root, sizeof(h->cgroup_root), "%s",
                   o->cgroup_root != NULL ? o->cgroup_root : CGROUP_ROOT);
    (void)snprintf(h->cgroup_parent, sizeof(h->cgroup_parent), "%s",
                   o->cgroup_parent != NULL ? o->cgroup_parent : "swarm");
    r = host_cgroup(h, "", &cg, err);
    if (r < 0)
        return r;
    h->cgroup_version = cg.version;
    if (o->shim_path == NULL)
        r = default_shim(path, sizeof(path), err);
    if (r < 0)
        return r;
    h->shim = open_shim(o->shim_path != NULL ? o->shim_path : path, err);
    if (h->shim < 0)
        return h->shim;
    r = sw_timer_init(&h->reap, h->loop, on_reap, h, err);
    if (r == 0)
        sw_timer_unref(&h->reap);
    return r;
}

int container_host_new(struct container_host **out, struct uv_loop_s *loop,
                       const struct container_host_options *opts, struct sw_err *err)
{
    static const struct container_host_options none;
    struct container_host *h = sw_calloc(1, sizeof(*h));
    int r;

    if (h == NULL)
        return sw_err_set(err, -ENOMEM, "prepare for containers");
    h->loop = loop;
    h->shim = -1;
    sw_list_init(&h->filters);
    r = host_init(h, opts != NULL ? opts : &none, err);
    if (r < 0) {
        container_host_free(h);
        return r;
    }
    *out = h;
    return 0;
}

void container_host_free(struct container_host *h)
{
    struct sw_list *l;

    if (h == NULL)
        return;
    while ((l = sw_list_pop_front(&h->filters)) != NULL) {
        struct host_filter *f = sw_list_entry(l, struct host_filter, link);

        sw_buf_fini(&f->program);
        sw_free(f);
    }
    sw_timer_fini(&h->reap);
    if (h->shim >= 0)
        (void)close(h->shim);
    sw_free(h->ended);
    sw_free(h);
}

int container_host_cgroup_version(const struct container_host *h)
{
    return h->cgroup_version;
}
