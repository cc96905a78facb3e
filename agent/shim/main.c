/* SPDX-License-Identifier: Apache-2.0
 * main.c - swarm-shim <bundle>: parse, build the sandbox, run the loop.
 *
 * Descriptor 3 is the control connection of the agent that started us. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/sandbox/container.h"
#include "agent/sandbox/process.h"
#include "agent/shim/shim.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/time.h"

#define SHIM_CONTROL_FD 3
#define ARENA_FACTOR    8 /* decoded strings have pointers and terminators of their own */
#define ARENA_BASE      65536

static const struct sw_state states[] = {
    [SHIM_CREATING] = { "creating", SW_BIT(SHIM_CREATED) | SW_BIT(SHIM_DYING) },
    [SHIM_CREATED] = { "created", SW_BIT(SHIM_STARTING) | SW_BIT(SHIM_DYING) },
    [SHIM_STARTING] = { "starting", SW_BIT(SHIM_RUNNING) | SW_BIT(SHIM_DYING) },
    [SHIM_RUNNING] = { "running", SW_BIT(SHIM_DYING) },
    [SHIM_DYING] = { "dying", 0 },
};
_Static_assert(SW_ARRAY_LEN(states) == SHIM_STATES, "one row per state");

int64_t shim_now_ms(void)
{
    return sw_mono_ns() / SW_NS_PER_MS;
}

void shim_go(struct shim *s, enum shim_state next)
{
    if ((states[s->state].next & SW_BIT(next)) == 0)
        __builtin_trap();
    s->state = next;
}

/* ---- the specification ---- */

struct arena {
    uint8_t *base;
    size_t len, used;
};

static void *arena_alloc(void *data, size_t size)
{
    struct arena *a = data;
    size_t at = (a->used + 15) & ~(size_t)15;

    if (size > a->len || at > a->len - size)
        return NULL;
    a->used = at + size;
    return a->base + at;
}

static void arena_free(void *data, void *p)
{
    (void)data;
    (void)p; /* the mapping goes as a whole */
}

int shim_spec_read(int bundle, Swarm__V1__ShimSpec **out, void **arena, size_t *arena_len,
                   struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = openat(bundle, WIRE_SPEC, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct arena a = { 0 };
    ProtobufCAllocator alloc = { arena_alloc, arena_free, &a };
    struct stat st;
    void *file;

    if (fd < 0 || fstat(fd, &st) < 0)
        return sw_err_errno(err, errno, "open " WIRE_SPEC);
    if (st.st_size <= 0 || st.st_size > (off_t)WIRE_SPEC_MAX)
        return sw_err_set(err, SW_E_CORRUPT, WIRE_SPEC " has %lld bytes", (long long)st.st_size);
    file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED)
        return sw_err_errno(err, errno, "read " WIRE_SPEC);
    a.len = (size_t)st.st_size * ARENA_FACTOR + ARENA_BASE;
    a.base = mmap(NULL, a.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *out = a.base == MAP_FAILED ? NULL
                                : swarm__v1__shim_spec__unpack(&alloc, (size_t)st.st_size, file);
    (void)munmap(file, (size_t)st.st_size);
    if (*out == NULL)
        return sw_err_set(err, SW_E_CORRUPT, "cannot decode " WIRE_SPEC);
    if ((*out)->n_argv == 0 || (*out)->resources == NULL)
        return sw_err_set(err, SW_E_CORRUPT, WIRE_SPEC " lacks a command");
    *arena = a.base;
    *arena_len = a.len;
    return 0;
}

static void keep_from_spec(struct shim *s)
{
    const Swarm__V1__ShimSpec *spec = s->spec;

    s->tty = spec->tty;
    s->host_pids = spec->pid_ns != SWARM__V1__SHIM_SPEC__NS__PRIVATE;
    s->stop_signal = spec->stop_signal != 0 ? spec->stop_signal : SIGTERM;
    s->stop_grace_ms = spec->stop_grace_ms;
    s->tty_rows = spec->tty_rows;
    s->tty_cols = spec->tty_cols;
    s->setns_flags = CLONE_NEWNS;
    if (spec->pid_ns != SWARM__V1__SHIM_SPEC__NS__HOST)
        s->setns_flags |= CLONE_NEWPID;
    if (spec->net_ns != SWARM__V1__SHIM_SPEC__NS__HOST)
        s->setns_flags |= CLONE_NEWNET;
    if (spec->ipc_ns != SWARM__V1__SHIM_SPEC__NS__HOST)
        s->setns_flags |= CLONE_NEWIPC;
    if (spec->uts_ns != SWARM__V1__SHIM_SPEC__NS__HOST)
        s->setns_flags |= CLONE_NEWUTS;
    if (spec->cgroup_ns == SWARM__V1__SHIM_SPEC__NS__PRIVATE)
        s->setns_flags |= CLONE_NEWCGROUP;
}

static void resources_of(const Swarm__V1__ShimResources *p, struct container_resources *r)
{
    *r = (struct container_resources){
        .nano_cpus = p->nano_cpus,
        .memory_bytes = p->memory_bytes,
        .memory_swap_bytes = p->memory_swap_bytes,
        .memory_low_bytes = p->memory_low_bytes,
        .swappiness_set = p->swappiness_set,
        .swappiness = p->swappiness,
        .pids = p->pids,
        .cpu_shares = p->cpu_shares,
        .cpu_period_us = p->cpu_period_us,
        .cpu_quota_us = p->cpu_quota_us,
        .cpuset_cpus = p->cpuset_cpus,
        .cpuset_mems = p->cpuset_mems,
        .oom_kill_disable = p->oom_kill_disable,
    };
}

static int make_cgroup(struct shim *s, struct sw_err *err)
{
    const Swarm__V1__ShimSpec *spec = s->spec;
    SW_CLEANUP(sw_free_ptr) const char **rules = NULL;
    struct container_resources res;
    int r;

    resources_of(spec->resources, &res);
    r = cgroup_init(&s->cg, spec->cgroup_root, spec->cgroup_parent, spec->id, err);
    if (r == 0)
        r = cgroup_create(&s->cg, &res, err);
    if (r < 0)
        return r;
    rules = sw_calloc(spec->n_device_rules + 1, sizeof(*rules));
    if (rules == NULL)
        return sw_err_set(err, -ENOMEM, "prepare device policy");
    for (size_t i = 0; i < spec->n_device_rules; i++)
        rules[i] = spec->device_rules[i];
    return cgroup_devices(&s->cg, rules, err);
}

/* ---- life ---- */

static void event_created(struct shim *s)
{
    Swarm__V1__ShimCreated m = SWARM__V1__SHIM_CREATED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    m.pid = s->pid;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_CREATED;
    ev.created = &m;
    ctl_event(s, &ev);
}

static void event_started(struct shim *s)
{
    Swarm__V1__ShimStarted m = SWARM__V1__SHIM_STARTED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    m.pid = s->pid;
    m.started_ns = s->exit.started_ns;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_STARTED;
    ev.started = &m;
    ctl_event(s, &ev);
}

static void event_exited(struct shim *s)
{
    Swarm__V1__ShimExited m = SWARM__V1__SHIM_EXITED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    m.code = s->exit.code;
    m.signal = s->exit.signal;
    m.oom_killed = s->exit.oom_killed;
    m.started = s->exit.started;
    m.started_ns = s->exit.started_ns;
    m.finished_ns = s->exit.finished_ns;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_EXITED;
    ev.exited = &m;
    ctl_event(s, &ev);
}

static void event_failed(struct shim *s)
{
    Swarm__V1__ShimFailed m = SWARM__V1__SHIM_FAILED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    m.code = s->failure.code;
    m.exit_code = s->exit.code;
    m.message = s->failure.msg;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_FAILED;
    ev.failed = &m;
    ctl_event(s, &ev);
}

void shim_fail(struct shim *s, int code, int exit_code, const char *msg)
{
    if (s->failed)
        return;
    s->failed = true;
    s->exit.code = exit_code;
    s->exit.finished_ns = sw_now_ns();
    (void)sw_err_set(&s->failure, code < 0 ? code : SW_E_INTERNAL, "%s", msg);
    if (s->pid > 0 && !s->reaped)
        (void)kill(s->pid, SIGKILL);
}

void shim_start(struct shim *s)
{
    struct child_msg msg = { 0 };

    if (s->state != SHIM_CREATED)
        return;
    shim_go(s, SHIM_STARTING);
    (void)child_send(s->sync, &msg, -1);
}

static void kill_now(struct shim *s)
{
    struct sw_err err;

    s->kill_at_ms = 0;
    if (s->reaped || s->pid <= 0)
        return;
    (void)kill(s->pid, SIGKILL);
    (void)cgroup_freeze(&s->cg, false, &err); /* what is frozen does not die */
}

void shim_stop(struct shim *s, int signo, int64_t grace_ms)
{
    int64_t at;

    if (s->reaped || s->pid <= 0)
        return;
    if (grace_ms < 0)
        grace_ms = s->stop_grace_ms;
    if (s->state != SHIM_RUNNING || grace_ms == 0) {
        kill_now(s);
        return;
    }
    (void)kill(s->pid, signo != 0 ? signo : s->stop_signal);
    at = s->now_ms + grace_ms;
    if (s->kill_at_ms == 0 || at < s->kill_at_ms)
        s->kill_at_ms = at;
}

static void sync_end(struct shim *s)
{
    (void)close(s->sync);
    s->sync = -1;
    if (s->failed || s->state != SHIM_STARTING)
        return; /* the child has ended: waitpid() tells how */
    shim_go(s, SHIM_RUNNING);
    s->started = s->exit.started = true;
    s->exit.started_ns = sw_now_ns();
    event_started(s);
}

static void sync_read(struct shim *s)
{
    struct child_msg msg;
    int fd = -1;
    int r = child_recv(s->sync, &msg, &fd);

    if (r == -EAGAIN || r == -EINTR)
        return;
    if (r == 1 && msg.kind == CHILD_READY && s->state == SHIM_CREATING) {
        if (fd >= 0)
            stdio_terminal(s, fd);
        shim_go(s, SHIM_CREATED);
        event_created(s);
        return;
    }
    if (fd >= 0)
        (void)close(fd);
    if (r == 1 && msg.kind == CHILD_ERROR)
        shim_fail(s, msg.code, msg.exit_code, msg.text);
    else
        sync_end(s);
}

/* ---- the end ---- */

static void first_reaped(struct shim *s, int status)
{
    s->reaped = true;
    s->kill_at_ms = 0;
    if (!s->failed && s->state == SHIM_CREATING)
        shim_fail(s, SW_E_INTERNAL, PROCESS_EXIT_SETUP, "the container's first process died");
    if (!s->failed) {
        s->exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        s->exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + s->exit.signal;
        s->exit.finished_ns = sw_now_ns();
        s->exit.oom_killed = cgroup_oom_kills(&s->cg) > 0;
    }
    if (s->host_pids)
        (void)cgroup_kill(&s->cg); /* no namespace did that */
    shim_go(s, SHIM_DYING);
    s->finish_at_ms = s->now_ms + SHIM_DRAIN_MS;
}

static void reap(struct shim *s)
{
    for (;;) {
        siginfo_t info = { 0 };
        bool pending = exec_pid_pending(s);
        int status;
        pid_t pid;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        pid = info.si_pid;
        if (pending && pid != s->pid && !exec_knows(s, pid))
            return; /* whose it is comes with a message: this runs again then */
        if (waitpid(pid, &status, WNOHANG) != pid)
            return;
        if (pid == s->pid)
            first_reaped(s, status);
        else
            exec_reaped(s, pid, status);
    }
}

static bool output_ended(const struct shim *s)
{
    return s->out[0].fd < 0 && s->out[1].fd < 0;
}

/* Who hears of the end may use the bundle again at once: first everything is gone, then it is on
 * disk, then it is told. Afterwards only clients that have output to take are waited for. */
static void finish(struct shim *s)
{
    stdio_drain(s);
    stdio_close(s);
    if (s->listen_fd >= 0)
        (void)close(s->listen_fd);
    s->listen_fd = -1;
    (void)unlinkat(s->bundle, WIRE_SOCKET, 0);
    if (s->cg.version != 0)
        (void)cgroup_remove(&s->cg);
    (void)wire_exit_write(s->bundle, &s->exit);
    if (s->failed)
        event_failed(s);
    else
        event_exited(s);
    for (int64_t end = shim_now_ms() + SHIM_LINGER_MS; !ctl_flushed(s);) {
        struct pollfd fds[80];
        size_t n;

        s->now_ms = shim_now_ms();
        if (s->now_ms >= end)
            break;
        n = ctl_poll(s, fds);
        (void)poll(fds, n, (int)(end - s->now_ms));
        ctl_handle(s, fds);
        ctl_sweep(s);
    }
    ctl_close_all(s);
}

/* ---- loop ---- */

static int timeout_ms(const struct shim *s)
{
    int64_t at[] = { s->kill_at_ms, s->finish_at_ms, ctl_deadline_ms(s) };
    int64_t first = 0;

    for (size_t i = 0; i < SW_ARRAY_LEN(at); i++)
        if (at[i] != 0 && (first == 0 || at[i] < first))
            first = at[i];
    if (first == 0)
        return -1;
    return (int)SW_MIN(SW_MAX(first - s->now_ms, 0), 3600 * 1000);
}

static void turn(struct shim *s, struct pollfd *fds)
{
    bool blocked = ctl_blocked(s);
    size_t n = 4;
    size_t execs;
    size_t conns;

    fds[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = s->sync, .events = POLLIN };
    for (int i = 0; i < 2; i++)
        fds[2 + i] = (struct pollfd){ .fd = blocked ? -1 : s->out[i].fd, .events = POLLIN };
    conns = n;
    n += ctl_poll(s, fds + n);
    execs = n;
    n += exec_poll(s, fds + n);
    if (poll(fds, n, timeout_ms(s)) < 0)
        return;
    s->now_ms = shim_now_ms();

    /* the child's last word before its death */
    if (fds[1].revents != 0 && s->sync >= 0)
        sync_read(s);
    for (int i = 0; i < 2; i++)
        if (fds[2 + i].revents != 0 && s->out[i].fd >= 0)
            stdio_read(s, &s->out[i]);
    exec_handle(s, fds + execs);
    ctl_handle(s, fds + conns);
    if (fds[0].revents != 0) {
        struct signalfd_siginfo info;

        while (read(s->signal_fd, &info, sizeof(info)) > 0)
            continue;
    }
    reap(s);
    if (s->kill_at_ms != 0 && s->now_ms >= s->kill_at_ms)
        kill_now(s);
    ctl_timeout(s);
    ctl_sweep(s);
}

static void run(struct shim *s)
{
    struct pollfd *fds = NULL;
    size_t cap = 0;

    while (s->state != SHIM_DYING || !(output_ended(s) || s->now_ms >= s->finish_at_ms)) {
        size_t need = 8 + ctl_conns(s) + exec_count(s);

        if (need > cap) {
            struct pollfd *more = sw_realloc(fds, need * sizeof(*fds));

            if (more == NULL) {
                (void)poll(NULL, 0, 100); /* a moment without memory: try again */
                continue;
            }
            fds = more;
            cap = need;
        }
        turn(s, fds);
    }
    sw_free(fds);
}

/* ---- beginning ---- */

static void set_up_process(struct shim *s)
{
    sigset_t mask;

    (void)setsid();
    (void)umask(0077);
    if (chdir("/") < 0)
        _exit(PROCESS_EXIT_SETUP);
    (void)prctl(PR_SET_NAME, "swarm-shim", 0, 0, 0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* nobody inside may look at us before execve(2) */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)close_range(SHIM_CONTROL_FD + 1, ~0u, 0);
    (void)fcntl(SHIM_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    (void)signal(SIGPIPE, SIG_IGN);
    /* one end only: a request, or the container's own. A stray signal shall not orphan it. */
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int create(struct shim *s, struct sw_err *err)
{
    struct child_args args = { 0 };
    int pair[2];
    pid_t pid;
    int r;

    r = shim_spec_read(s->bundle, &s->spec, &s->arena, &s->arena_len, err);
    if (r < 0)
        return r;
    keep_from_spec(s);
    if (!s->spec->log_none)
        r = logfile_open(&s->log, s->bundle, s->spec->log_bytes, s->spec->log_files, err);
    if (r == 0)
        r = ctl_listen(s, err);
    if (r == 0)
        r = make_cgroup(s, err);
    if (r == 0)
        r = stdio_open(s, args.stdio, err);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return sw_err_errno(err, errno, "make a socket");
    args.sync = pair[1];
    pid = child_spawn(s, &args, err);
    (void)close(pair[1]);
    for (int i = 0; i < 3; i++)
        if (args.stdio[i] >= 0)
            (void)close(args.stdio[i]);
    if (pid < 0) {
        (void)close(pair[0]);
        return pid;
    }
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    s->sync = pair[0];
    s->pid = pid;
    return 0;
}

int main(int argc, char **argv)
{
    static struct shim s = { .state = SHIM_CREATING,
                             .sync = -1,
                             .listen_fd = -1,
                             .tty_fd = -1,
                             .stdin_fd = -1,
                             .log.fd = -1 };
    struct sw_err err;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: swarm-shim BUNDLE\nStarted by swarmd, not by people.\n");
        return 2;
    }
    child_name_init(argc, argv);
    set_up_process(&s);
    s.out[0].fd = s.out[1].fd = -1;
    sw_list_init(&s.conns);
    sw_list_init(&s.execs);
    s.now_ms = shim_now_ms();
    (void)ctl_adopt(&s, SHIM_CONTROL_FD);
    s.bundle = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.bundle < 0 || create(&s, &err) < 0) {
        if (s.bundle < 0)
            (void)sw_err_errno(&err, errno, "open bundle '%s'", argv[1]);
        shim_fail(&s, err.code, PROCESS_EXIT_SETUP, err.msg);
        shim_go(&s, SHIM_DYING);
    }
    if (s.arena != NULL)
        (void)munmap(s.arena, s.arena_len);
    s.spec = NULL;
    (void)malloc_trim(0);
    run(&s);
    finish(&s);
    return 0;
}
