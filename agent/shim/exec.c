/* SPDX-License-Identifier: Apache-2.0
 * exec.c - further processes inside the container.
 *
 * Two forks: the first process enters cgroup and namespaces and reads the specification while it
 * can still see it; its child, which is made our own by CLONE_PARENT, is born inside the pid
 * namespace, becomes the user and executes. syscalls: pidfd_open, setns, clone3 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sandbox/caps.h"
#include "agent/sandbox/process.h"
#include "agent/shim/shim.h"
#include "common/base/alloc.h"

#define EXECS_MAX    1024
#define EXEC_NO_SLOT SIZE_MAX

/* started is told when the pid is known and the sync socket has ended; exited when it is reaped
 * too. */
struct exec {
    struct sw_list link;
    uint64_t id;
    pid_t pid;   /* 0: not known yet */
    int sync;    /* -1: at its end */
    size_t slot; /* in the array of the last poll(2); -1: none */
    bool failed, reaped, started;
    int exit_code;
};

#define exec_of(l) sw_list_entry(l, struct exec, link)

/* ---- events ---- */

static void tell_failed(struct shim *s, uint64_t id, int code, int exit_code, const char *text)
{
    Swarm__V1__ShimExecFailed f = SWARM__V1__SHIM_EXEC_FAILED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    f.id = id;
    f.code = code;
    f.exit_code = exit_code;
    f.message = (char *)(uintptr_t)text;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_EXEC_FAILED;
    ev.exec_failed = &f;
    ctl_event(s, &ev);
}

static void tell_started(struct shim *s, const struct exec *x)
{
    Swarm__V1__ShimExecStarted st = SWARM__V1__SHIM_EXEC_STARTED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    st.id = x->id;
    st.pid = x->pid;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_EXEC_STARTED;
    ev.exec_started = &st;
    ctl_event(s, &ev);
}

static void tell_exited(struct shim *s, const struct exec *x)
{
    Swarm__V1__ShimExecExited e = SWARM__V1__SHIM_EXEC_EXITED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    e.id = x->id;
    e.exit_code = x->exit_code;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_EXEC_EXITED;
    ev.exec_exited = &e;
    ctl_event(s, &ev);
}

/* Moves on what is ready; may free @x. */
static void exec_step(struct shim *s, struct exec *x)
{
    if (x->sync >= 0)
        return;
    if (!x->failed && x->pid == 0) {
        x->failed = true;
        tell_failed(s, x->id, SW_E_CONFLICT, PROCESS_EXIT_SETUP, "the container is not running");
    }
    if (!x->failed && !x->started) {
        x->started = true;
        tell_started(s, x);
    }
    if (x->pid != 0 && !x->reaped)
        return;
    if (!x->failed)
        tell_exited(s, x);
    sw_list_del(&x->link);
    sw_free(x);
}

/* ---- inside ---- */

struct exec_args {
    const struct shim *shim;
    const Swarm__V1__ShimExec *req;
    Swarm__V1__ShimSpec *spec;
    int stdio[3];
    int sync;
    int outer; /* -1, or where the terminal goes */
};

static void options_of(const struct exec_args *a, struct process_options *o)
{
    const Swarm__V1__ShimSpec *spec = a->spec;
    const Swarm__V1__ShimExec *req = a->req;

    *o = (struct process_options){
        .argv = req->argv,
        .argv_len = req->n_argv,
        .env = spec->env,
        .env_len = spec->n_env,
        .env_more = req->env,
        .env_more_len = req->n_env,
        .cwd = req->cwd[0] != '\0' ? req->cwd : spec->cwd,
        .user = req->user[0] != '\0' ? req->user : spec->user,
        .groups = spec->groups,
        .groups_len = spec->n_groups,
        .hostname = spec->hostname,
        .capabilities = req->privileged ? caps_available() : spec->capabilities,
        .seccomp = req->privileged ? NULL : spec->seccomp.data,
        .seccomp_len = req->privileged ? 0 : spec->seccomp.len,
        .no_new_privs = spec->no_new_privs,
        .tty = req->tty,
        .rlimits = spec->rlimits,
        .rlimits_len = spec->n_rlimits,
    };
}

_Noreturn static void run_inner(struct exec_args *a)
{
    struct process_options o;
    struct sw_err err = { 0 };
    int exit_code = PROCESS_EXIT_SETUP;
    int slave = -1;
    char **env = NULL;

    if (a->outer >= 0) {
        struct child_msg msg = { .kind = CHILD_READY };
        int terminal = child_terminal(-1, a->req->tty_rows, a->req->tty_cols, &slave, &err);

        if (terminal < 0)
            child_report(a->sync, PROCESS_EXIT_SETUP, &err);
        (void)child_send(a->outer, &msg, terminal);
    }
    child_stdio(a->stdio, slave, &a->sync);
    options_of(a, &o);
    if (process_prepare(&o, &env, &err) == 0)
        (void)process_exec(&o, env, &exit_code, &err);
    child_report(a->sync, exit_code, &err);
}

_Noreturn static void run_outer(struct exec_args *a, int pidfd)
{
    struct clone_args ca = { .flags = CLONE_PARENT };
    struct child_msg msg = { .kind = CHILD_PID };
    struct sw_err err = { 0 };
    void *arena;
    size_t arena_len;
    long pid;

    child_reset_signals();
    (void)umask(0022);
    if (shim_spec_read(a->shim->bundle, &a->spec, &arena, &arena_len, &err) < 0)
        child_report(a->sync, PROCESS_EXIT_SETUP, &err);
    for (int i = 0; i < 3; i++)
        if (a->stdio[i] < 0)
            a->stdio[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (cgroup_join(&a->shim->cg, &err) < 0)
        child_report(a->sync, PROCESS_EXIT_SETUP, &err);
    if (setns(pidfd, (int)a->shim->setns_flags) < 0) {
        (void)sw_err_set(&err, SW_E_CONFLICT, "the container is not running");
        child_report(a->sync, PROCESS_EXIT_SETUP, &err);
    }
    pid = syscall(SYS_clone3, &ca, sizeof(ca));
    if (pid == 0)
        run_inner(a);
    if (pid < 0) {
        (void)sw_err_errno(&err, errno, "fork inside the container");
        child_report(a->sync, PROCESS_EXIT_SETUP, &err);
    }
    msg.pid = (int32_t)pid;
    (void)child_send(a->sync, &msg, -1);
    _exit(0);
}

/* ---- in the shim ---- */

static long fork_outer(struct shim *s, struct sw_err *err)
{
    struct clone_args ca = { .exit_signal = SIGCHLD };
    SW_CLEANUP(sw_close_ptr) int into = -1;
    long pid;

    into = cgroup_fd(&s->cg);
    if (into < 0 && into != -EOPNOTSUPP)
        return sw_err_errno(err, -into, "open cgroup");
    if (into >= 0) {
        ca.flags |= CLONE_INTO_CGROUP;
        ca.cgroup = (unsigned)into;
    }
    pid = syscall(SYS_clone3, &ca, sizeof(ca));
    return pid >= 0 ? pid : sw_err_errno(err, errno, "fork");
}

static int try_start(struct shim *s, const Swarm__V1__ShimExec *req, const int *fds, size_t n_fds,
                     struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) struct exec *x = sw_calloc(1, sizeof(*x));
    SW_CLEANUP(sw_close_ptr) int pidfd = -1;
    struct exec_args a = { .shim = s, .req = req, .stdio = { -1, -1, -1 }, .outer = -1 };
    int pair[2];
    long pid;

    if (x == NULL)
        return sw_err_set(err, -ENOMEM, "exec");
    if (s->state != SHIM_RUNNING || s->reaped)
        return sw_err_set(err, SW_E_CONFLICT, "Container %s is not running", s->cg.id);
    if (req->n_argv == 0 || n_fds != (req->discard ? 0u : req->tty ? 1u : 3u))
        return sw_err_set(err, SW_E_PROTOCOL, "exec request without command or descriptors");
    if (exec_count(s) >= EXECS_MAX)
        return sw_err_set(err, SW_E_EXHAUSTED, "too many processes by exec");
    pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    if (pidfd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return sw_err_errno(err, errno, "exec");
    if (n_fds == 3)
        memcpy(a.stdio, fds, sizeof(a.stdio));
    else if (n_fds == 1)
        a.outer = fds[0];
    a.sync = pair[1];
    pid = fork_outer(s, err);
    if (pid == 0)
        run_outer(&a, pidfd);
    (void)close(pair[1]);
    if (pid < 0) {
        (void)close(pair[0]);
        return (int)pid;
    }
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    x->id = req->id;
    x->sync = pair[0];
    x->slot = EXEC_NO_SLOT;
    sw_list_push_back(&s->execs, &x->link);
    x = NULL;
    return 0;
}

void exec_start(struct shim *s, const Swarm__V1__ShimExec *req, const int *fds, size_t n_fds)
{
    struct sw_err err;

    if (try_start(s, req, fds, n_fds, &err) < 0)
        tell_failed(s, req->id, err.code, PROCESS_EXIT_SETUP, err.msg);
    for (size_t i = 0; i < n_fds; i++)
        (void)close(fds[i]);
}

bool exec_signal(struct shim *s, uint64_t id, int signo)
{
    sw_list_each(l, &s->execs)
    {
        const struct exec *x = exec_of(l);

        if (x->id == id && x->pid != 0 && !x->reaped)
            return kill(x->pid, signo) == 0;
    }
    return false;
}

bool exec_knows(const struct shim *s, pid_t pid)
{
    sw_list_each(l, &s->execs) if (exec_of(l)->pid == pid) return true;
    return false;
}

void exec_reaped(struct shim *s, pid_t pid, int status)
{
    sw_list_each_safe(l, &s->execs)
    {
        struct exec *x = exec_of(l);

        if (x->pid != pid)
            continue;
        x->reaped = true;
        x->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        exec_step(s, x);
        return;
    }
}

size_t exec_count(const struct shim *s)
{
    size_t n = 0;

    sw_list_each(l, &s->execs) n++;
    return n;
}

size_t exec_poll(struct shim *s, struct pollfd *fds)
{
    size_t n = 0;

    sw_list_each(l, &s->execs)
    {
        exec_of(l)->slot = n;
        fds[n++] = (struct pollfd){ .fd = exec_of(l)->sync, .events = POLLIN };
    }
    return n;
}

static void exec_message(struct shim *s, struct exec *x)
{
    struct child_msg msg;
    int fd = -1;
    int r = child_recv(x->sync, &msg, &fd);

    if (fd >= 0)
        (void)close(fd);
    if (r == -EAGAIN || r == -EINTR)
        return;
    if (r == 1 && msg.kind == CHILD_PID) {
        x->pid = msg.pid;
        return;
    }
    if (r == 1 && msg.kind == CHILD_ERROR) {
        if (!x->failed)
            tell_failed(s, x->id, msg.code < 0 ? msg.code : SW_E_INTERNAL, msg.exit_code, msg.text);
        x->failed = true;
        return;
    }
    (void)close(x->sync);
    x->sync = -1;
    exec_step(s, x);
}

void exec_handle(struct shim *s, const struct pollfd *fds)
{
    sw_list_each_safe(l, &s->execs)
    {
        struct exec *x = exec_of(l);
        size_t slot = x->slot;

        x->slot = EXEC_NO_SLOT;
        if (slot != EXEC_NO_SLOT && x->sync >= 0 && fds[slot].revents != 0)
            exec_message(s, x);
    }
}

bool exec_pid_pending(struct shim *s)
{
    bool pending = false;

    sw_list_each_safe(l, &s->execs)
    {
        struct exec *x = exec_of(l);

        if (x->pid != 0 || x->failed || x->sync < 0)
            continue;
        exec_message(s, x); /* may free x, when it is known to have failed */
        pending = true;
    }
    if (!pending)
        return false;
    sw_list_each(l, &s->execs) if (exec_of(l)->pid == 0 && !exec_of(l)->failed &&
                                   exec_of(l)->sync >= 0) return true;
    return false;
}
