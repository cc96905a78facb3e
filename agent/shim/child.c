/* SPDX-License-Identifier: Apache-2.0
 * child.c - the container's first process, from clone(2) to execve(2).
 *
 * syscalls: clone3, setns, unshare, sethostname, setsid, close_range, those of agent/sandbox */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/mounts.h"
#include "agent/sandbox/process.h"
#include "agent/shim/shim.h"
#include "common/base/alloc.h"

/* ---- messages ---- */

int child_send(int sync, const struct child_msg *msg, int fd)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ctl = { 0 };
    struct iovec iov = { (void *)(uintptr_t)msg, sizeof(*msg) };
    struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        struct cmsghdr *c;

        h.msg_control = &ctl;
        h.msg_controllen = sizeof(ctl);
        c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    return sendmsg(sync, &h, MSG_NOSIGNAL) == (ssize_t)sizeof(*msg) ? 0 : -errno;
}

int child_recv(int sync, struct child_msg *msg, int *fd)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ctl = { 0 };
    struct iovec iov = { msg, sizeof(*msg) };
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
    };
    struct cmsghdr *c;
    ssize_t n;

    *fd = -1;
    n = recvmsg(sync, &h, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == ECONNRESET ? 0 : -errno;
    c = CMSG_FIRSTHDR(&h);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(c), sizeof(int));
    if (n == 0)
        return 0;
    if (n != (ssize_t)sizeof(*msg))
        return -EPROTO;
    msg->text[sizeof(msg->text) - 1] = '\0';
    return 1;
}

_Noreturn void child_report(int sync, int exit_code, const struct sw_err *err)
{
    struct child_msg msg = { .kind = CHILD_ERROR, .code = err->code, .exit_code = exit_code };

    (void)snprintf(msg.text, sizeof(msg.text), "%s", err->msg);
    (void)child_send(sync, &msg, -1);
    _exit(exit_code);
}

/* ---- names, signals, descriptors ---- */

static char *argv_start;
static size_t argv_len;

void child_name_init(int argc, char **argv)
{
    argv_start = argv[0];
    argv_len = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
}

void child_name(const char *name)
{
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
    memset(argv_start, 0, argv_len);
    (void)snprintf(argv_start, argv_len, "%s", name);
}

void child_reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void child_stdio(const int fds[3], int terminal, int *sync)
{
    int moved[4];

    /* above the targets first, so that no dup2() hits one that is still needed */
    for (int i = 0; i < 3; i++)
        moved[i] = fcntl(terminal >= 0 ? terminal : fds[i], F_DUPFD_CLOEXEC, 10);
    moved[3] = fcntl(*sync, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++)
        if (moved[i] < 0 || dup2(moved[i], i) < 0)
            _exit(PROCESS_EXIT_SETUP);
    if (moved[3] < 0 || dup3(moved[3], 3, O_CLOEXEC) < 0 || close_range(4, ~0u, 0) < 0)
        _exit(PROCESS_EXIT_SETUP);
    *sync = 3;
    (void)setsid();
    if (terminal >= 0)
        (void)ioctl(0, TIOCSCTTY, 0);
}

int child_terminal(int pts, unsigned rows, unsigned cols, int *slave, struct sw_err *err)
{
    struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
    int unlock = 0;
    int flags = O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW;
    int fd = pts >= 0 ? openat(pts, "ptmx", flags) : open("/dev/ptmx", flags & ~O_NOFOLLOW);
    int peer;

    if (fd < 0)
        return sw_err_errno(err, errno, "open a terminal");
    peer = -1;
    if (ioctl(fd, TIOCSPTLCK, &unlock) == 0)
        peer = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0) {
        int e = errno;

        (void)close(fd);
        return sw_err_errno(err, e, "open a terminal");
    }
    if (rows != 0 && cols != 0)
        (void)ioctl(fd, TIOCSWINSZ, &size);
    *slave = peer;
    return fd;
}

/* ---- steps of the first process ---- */

static int write_oom_score(const Swarm__V1__ShimSpec *spec, struct sw_err *err)
{
    char text[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    ssize_t n;
    int r = 0;

    if (fd < 0)
        return sw_err_errno(err, errno, "open oom_score_adj");
    n = read(fd, text, sizeof(text) - 1);
    if (spec->oom_score_adj_set)
        (void)snprintf(text, sizeof(text), "%d", spec->oom_score_adj);
    else if (n > 0 && text[0] == '-') /* the agent protects itself, not its containers */
        (void)snprintf(text, sizeof(text), "0");
    else
        text[0] = '\0';
    if (text[0] != '\0' && pwrite(fd, text, strlen(text), 0) < 0)
        r = sw_err_errno(err, errno, "set oom_score_adj to %s", text);
    (void)close(fd);
    return r;
}

/* Done by the shim before the clone: pids of the host mean nothing to the child. */
static int join_namespaces(const Swarm__V1__ShimSpec *spec, struct sw_err *err)
{
    int flags = 0;
    int fd;
    int r;

    if (spec->net_ns == SWARM__V1__SHIM_SPEC__NS__JOIN)
        flags |= CLONE_NEWNET;
    if (spec->ipc_ns == SWARM__V1__SHIM_SPEC__NS__JOIN)
        flags |= CLONE_NEWIPC;
    if (spec->uts_ns == SWARM__V1__SHIM_SPEC__NS__JOIN)
        flags |= CLONE_NEWUTS;
    if (flags == 0)
        return 0;
    fd = (int)syscall(SYS_pidfd_open, spec->join_pid, 0);
    if (fd < 0)
        return sw_err_errno(err, errno, "cannot join network of a non running container");
    r = setns(fd, flags) < 0 ? sw_err_errno(err, errno, "join namespaces of %d", spec->join_pid)
                             : 0;
    (void)close(fd);
    return r;
}

static int set_names(const Swarm__V1__ShimSpec *spec, struct sw_err *err)
{
    if (spec->uts_ns != SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        return 0;
    if (sethostname(spec->hostname, strlen(spec->hostname)) < 0 ||
        setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
        return sw_err_errno(err, errno, "sethostname");
    return 0;
}

static void loopback_up(void)
{
    struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    (void)ioctl(fd, SIOCSIFFLAGS, &ifr);
    (void)close(fd);
}

/* Everything up to the point where the network may be attached. */
static int set_up(const struct child_args *a, int *terminal, int stdio[3], struct sw_err *err)
{
    const Swarm__V1__ShimSpec *spec = a->shim->spec;
    const struct cgroup *cg = &a->shim->cg;
    struct mounts m;
    char null[32];
    int slave = -1;
    int r = 0;

    r = cgroup_join(cg, err);
    if (r == 0 && spec->cgroup_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE &&
        unshare(CLONE_NEWCGROUP) < 0)
        r = sw_err_errno(err, errno, "make cgroup namespace");
    if (r == 0)
        r = write_oom_score(spec, err);
    if (r == 0)
        r = set_names(spec, err);
    if (r == 0 && spec->net_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        loopback_up();
    if (r == 0)
        r = mounts_build(spec, cg, &m, err);
    if (r < 0)
        return r;
    if (spec->tty) {
        *terminal = child_terminal(m.pts, spec->tty_rows, spec->tty_cols, &slave, err);
        r = *terminal < 0 ? *terminal : mounts_console(&m, slave, err);
    }
    (void)snprintf(null, sizeof(null), "/proc/self/fd/%d", m.null);
    for (int i = 0; i < 3; i++) {
        stdio[i] = spec->tty ? slave : a->stdio[i];
        if (stdio[i] < 0)
            stdio[i] = open(null, O_RDWR | O_CLOEXEC);
    }
    for (size_t i = 0; i < spec->n_sysctls && r == 0; i++)
        r = mounts_sysctl(&m, spec->sysctls[i]->key, spec->sysctls[i]->value, err);
    if (r == 0)
        r = process_make_cwd(m.root, spec->cwd, err);
    if (r == 0)
        r = mounts_pivot(spec, &m, err);
    return r;
}

static void process_of(const Swarm__V1__ShimSpec *spec, struct process_options *o)
{
    *o = (struct process_options){
        .argv = spec->argv,
        .argv_len = spec->n_argv,
        .env = spec->env,
        .env_len = spec->n_env,
        .cwd = spec->cwd,
        .user = spec->user,
        .groups = spec->groups,
        .groups_len = spec->n_groups,
        .hostname = spec->hostname,
        .capabilities = spec->capabilities,
        .seccomp = spec->seccomp.data,
        .seccomp_len = spec->seccomp.len,
        .no_new_privs = spec->no_new_privs,
        .tty = spec->tty,
        .rlimits = spec->rlimits,
        .rlimits_len = spec->n_rlimits,
    };
}

_Noreturn static void child_run(const struct child_args *a)
{
    const Swarm__V1__ShimSpec *spec = a->shim->spec;
    struct child_msg msg = { .kind = CHILD_READY };
    struct process_options o;
    struct sw_err err = { 0 };
    int stdio[3] = { -1, -1, -1 };
    int terminal = -1;
    int sync = a->sync;
    int exit_code = PROCESS_EXIT_SETUP;
    char **env = NULL;
    int ignored;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    child_reset_signals();
    (void)umask(0);
    if (set_up(a, &terminal, stdio, &err) < 0)
        child_report(sync, PROCESS_EXIT_SETUP, &err);
    if (child_send(sync, &msg, terminal) < 0)
        _exit(PROCESS_EXIT_SETUP);
    child_stdio(stdio, spec->tty ? stdio[0] : -1, &sync);
    (void)umask(0022);
    /* The shim says when. It is gone when this ends otherwise. */
    if (child_recv(sync, &msg, &ignored) != 1)
        _exit(PROCESS_EXIT_SETUP);
    process_of(spec, &o);
    if (process_prepare(&o, &env, &err) < 0)
        child_report(sync, PROCESS_EXIT_SETUP, &err);
    if (spec->init && init_run(sync, &err) < 0)
        child_report(sync, PROCESS_EXIT_SETUP, &err);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a change of ids took it away */
    (void)process_exec(&o, env, &exit_code, &err);
    child_report(sync, exit_code, &err);
}

static unsigned long clone_flags(const Swarm__V1__ShimSpec *spec)
{
    unsigned long flags = CLONE_NEWNS;

    if (spec->pid_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        flags |= CLONE_NEWPID;
    if (spec->net_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        flags |= CLONE_NEWNET;
    if (spec->ipc_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        flags |= CLONE_NEWIPC;
    if (spec->uts_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        flags |= CLONE_NEWUTS;
    return flags;
}

/* Another container's pid namespace is entered by the shim for the moment of the clone. */
static int enter_pid_ns(const Swarm__V1__ShimSpec *spec, int *own, struct sw_err *err)
{
    char path[64];
    int fd;
    int r;

    *own = -1;
    if (spec->pid_ns != SWARM__V1__SHIM_SPEC__NS__JOIN)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", spec->join_pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sw_err_errno(err, errno, "cannot join PID of a non running container");
    *own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    r = *own < 0 || setns(fd, CLONE_NEWPID) < 0 ? sw_err_errno(err, errno, "join pid namespace")
                                                : 0;
    (void)close(fd);
    return r;
}

pid_t child_spawn(struct shim *s, struct child_args *args, struct sw_err *err)
{
    struct clone_args ca = { .flags = clone_flags(s->spec), .exit_signal = SIGCHLD };
    SW_CLEANUP(sw_close_ptr) int into = -1;
    SW_CLEANUP(sw_close_ptr) int own = -1;
    long pid;
    int r;

    args->shim = s;
    into = cgroup_fd(&s->cg);
    if (into < 0 && into != -EOPNOTSUPP)
        return sw_err_errno(err, -into, "open cgroup");
    if (into >= 0) {
        ca.flags |= CLONE_INTO_CGROUP;
        ca.cgroup = (unsigned)into;
    }
    r = join_namespaces(s->spec, err);
    if (r == 0)
        r = enter_pid_ns(s->spec, &own, err);
    if (r < 0)
        return r;
    pid = syscall(SYS_clone3, &ca, sizeof(ca));
    if (pid == 0)
        child_run(args);
    if (pid < 0)
        r = sw_err_errno(err, errno, "make namespaces");
    if (own >= 0 && setns(own, CLONE_NEWPID) < 0 && r == 0) {
        (void)kill((pid_t)pid, SIGKILL);
        r = sw_err_errno(err, errno, "return to the host's pid namespace");
    }
    return r < 0 ? r : (pid_t)pid;
}
