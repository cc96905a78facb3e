/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sandbox/caps.h"
#include "agent/sandbox/inroot.h"
#include "agent/sandbox/user.h"
#include "common/base/alloc.h"

#define PROCESS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- environment ---- */

struct env {
    char **vars; /* room for all that may come, NULL-terminated */
    size_t len;
};

static size_t name_len(const char *var)
{
    return strcspn(var, "=");
}

static char **env_find(const struct env *e, const char *var)
{
    size_t n = name_len(var);

    for (size_t i = 0; i < e->len; i++)
        if (strncmp(e->vars[i], var, n) == 0 && e->vars[i][n] == '=')
            return &e->vars[i];
    return NULL;
}

/* A later value takes the place of an earlier one; a name without "=" takes the variable away. */
static void env_put(struct env *e, char *var)
{
    char **at = env_find(e, var);

    if (strchr(var, '=') == NULL) {
        if (at != NULL) {
            memmove(at, at + 1, (size_t)(e->vars + e->len - at) * sizeof(*at));
            e->len--;
        }
        return;
    }
    if (at != NULL) {
        *at = var;
        return;
    }
    e->vars[e->len++] = var;
    e->vars[e->len] = NULL;
}

static int env_build(const struct process_options *o, const char *home, struct env *e,
                     struct sw_err *err)
{
    char *host = sw_asprintf("HOSTNAME=%s", o->hostname);
    char *homevar = sw_asprintf("HOME=%s", home);

    e->vars = sw_calloc(o->env_len + o->env_more_len + 5, sizeof(*e->vars));
    if (e->vars == NULL || host == NULL || homevar == NULL)
        return sw_err_set(err, -ENOMEM, "prepare environment");
    e->len = 0;
    env_put(e, (char *)(uintptr_t) "PATH=" PROCESS_PATH);
    env_put(e, host);
    if (o->tty)
        env_put(e, (char *)(uintptr_t) "TERM=xterm");
    for (size_t i = 0; i < o->env_len; i++)
        env_put(e, o->env[i]);
    for (size_t i = 0; i < o->env_more_len; i++)
        env_put(e, o->env_more[i]);
    if (env_find(e, "HOME") == NULL)
        env_put(e, homevar);
    return 0;
}

/* ---- identity and confinement ---- */

int process_make_cwd(int root, const char *cwd, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int dir = -1;

    if (cwd[0] != '/')
        return sw_err_set(err, SW_E_INVALID,
                          "the working directory '%s' is invalid, it needs to be an absolute path",
                          cwd);
    dir = inroot_mkdirs(root, cwd);
    if (dir == -EROFS)
        return 0; /* a read-only volume in the way: chdir(2) will tell */
    return dir < 0 ? sw_err_errno(err, -dir, "mkdir %s", cwd) : 0;
}

/* A directory outside of the root can be entered through a leaked descriptor (CVE-2024-21626):
 * getcwd(2) tells such a one by "(unreachable)". */
static int enter_cwd(const char *cwd, struct sw_err *err)
{
    char now[PATH_MAX];

    if (chdir(cwd) < 0)
        return sw_err_errno(err, errno, "chdir to cwd (\"%s\") set in config.json failed", cwd);
    if (syscall(SYS_getcwd, now, sizeof(now)) < 0 || now[0] != '/')
        return sw_err_set(err, SW_E_PERMISSION,
                          "current working directory is outside of container mount namespace root");
    return 0;
}

static int set_rlimits(const struct process_options *o, struct sw_err *err)
{
    for (size_t i = 0; i < o->rlimits_len; i++) {
        struct rlimit lim = { .rlim_cur = o->rlimits[i]->soft, .rlim_max = o->rlimits[i]->hard };

        if (setrlimit((__rlimit_resource_t)o->rlimits[i]->resource, &lim) < 0)
            return sw_err_errno(err, errno, "error setting rlimit type %u",
                                o->rlimits[i]->resource);
    }
    return 0;
}

static int load_seccomp(const struct process_options *o, struct sw_err *err)
{
    struct sock_fprog prog = {
        .len = (unsigned short)(o->seccomp_len / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(uintptr_t)o->seccomp,
    };

    if (o->seccomp_len == 0)
        return 0;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
        return sw_err_errno(err, errno, "load seccomp filter");
    return 0;
}

/* /dev/stdout can only be opened again by a user who owns the pipe behind it. */
static void own_stdio(uid_t uid)
{
    struct stat st;

    for (int fd = 0; fd < 3; fd++) {
        if (fstat(fd, &st) < 0 || st.st_uid == uid)
            continue;
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
            continue;
        if (fchown(fd, uid, (gid_t)-1) < 0)
            continue; /* a read-only or foreign file system: its owner stays */
    }
}

static int become(const struct process_options *o, const struct user *u, struct sw_err *err)
{
    int r;

    if (setgroups(u->groups_len, u->groups) < 0)
        return sw_err_errno(err, errno, "set supplementary groups");
    if (!o->no_new_privs && load_seccomp(o, err) < 0)
        return err->code;
    r = caps_drop_bounding(o->capabilities);
    if (r < 0)
        return sw_err_errno(err, -r, "drop capabilities");
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
        setresuid(u->uid, u->uid, u->uid) < 0)
        return sw_err_errno(err, errno, "become user %u:%u", u->uid, u->gid);
    r = caps_apply(o->capabilities);
    if (r < 0)
        return sw_err_errno(err, -r, "apply capabilities");
    if (o->no_new_privs) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            return sw_err_errno(err, errno, "set no_new_privs");
        return load_seccomp(o, err);
    }
    return 0;
}

int process_prepare(const struct process_options *o, char ***env_out, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct env env = { 0 };
    struct user u;
    int r;

    r = user_resolve(root, o->user, o->groups, o->groups_len, &u, err);
    if (r == 0)
        r = env_build(o, u.home, &env, err);
    if (r < 0)
        return r;
    (void)close(sw_steal_fd(&root)); /* no descriptor of a directory may be open from here on */
    r = enter_cwd(o->cwd, err);
    if (r == 0)
        r = set_rlimits(o, err);
    if (r < 0)
        return r;
    /* the agent's session keyring is not the container's business */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    own_stdio(u.uid);
    r = become(o, &u, err);
    if (r < 0)
        return r;
    *env_out = env.vars;
    return 0;
}

/* ---- execve ---- */

/* 0 when @path may be executed: Go's exec.LookPath has the same order of tests. */
static int check_executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return -errno;
    return (st.st_mode & 0111) != 0 ? 0 : -EACCES;
}

static int look_up(const char *name, const char *path, char *out, size_t size)
{
    int worst = -ENOENT;

    while (*path != '\0') {
        size_t n = strcspn(path, ":");

        if (snprintf(out, size, "%.*s%s%s", (int)n, path, n > 0 ? "/" : "./", name) < (int)size) {
            int r = check_executable(out);

            if (r == 0)
                return 0;
            if (r == -EACCES)
                worst = r;
        }
        path += n;
        path += *path == ':';
    }
    return worst;
}

static const char *path_of(char *const *env)
{
    for (; *env != NULL; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return "";
}

int process_exec(const struct process_options *o, char *const *env, int *exit_code,
                 struct sw_err *err)
{
    const char *name = o->argv[0];
    char path[PATH_MAX];
    char **argv;
    int r;

    *exit_code = PROCESS_EXIT_NOT_FOUND;
    if (strchr(name, '/') != NULL) {
        r = check_executable(name);
        if (r == -ENOENT || r == -ENOTDIR)
            return sw_err_set(err, r, "exec: \"%s\": stat %s: %s", name, name,
                              r == -ENOENT ? "no such file or directory" : "not a directory");
        (void)snprintf(path, sizeof(path), "%s", name);
    } else {
        r = name[0] != '\0' ? look_up(name, path_of(env), path, sizeof(path)) : -ENOENT;
        if (r == -ENOENT)
            return sw_err_set(err, r, "exec: \"%s\": executable file not found in $PATH", name);
    }
    *exit_code = PROCESS_EXIT_CANNOT;
    if (r < 0)
        return sw_err_set(err, r, "exec: \"%s\": permission denied", name);
    argv = sw_calloc(o->argv_len + 1, sizeof(*argv));
    if (argv == NULL)
        return sw_err_set(err, -ENOMEM, "exec");
    memcpy(argv, o->argv, o->argv_len * sizeof(*argv));
    (void)execve(path, argv, env);
    r = -errno;
    if (r == -ENOENT) /* the interpreter is missing */
        *exit_code = PROCESS_EXIT_NOT_FOUND;
    return sw_err_set(err, r, "exec %s: %s", path,
                      r == -ENOENT    ? "no such file or directory"
                      : r == -ENOEXEC ? "exec format error"
                      : r == -EACCES  ? "permission denied"
                      : r == -E2BIG   ? "argument list too long"
                                      : strerror(-r));
}
