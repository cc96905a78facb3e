/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <archive.h>
#include <seccomp.h>

#include "agent/image/frame.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

/* Creating files of any owner and mode, device nodes and file capabilities. */
#define UNPACK_CAPS                                                                                \
    ((1u << CAP_CHOWN) | (1u << CAP_DAC_OVERRIDE) | (1u << CAP_FOWNER) | (1u << CAP_FSETID) |      \
     (1u << CAP_MKNOD))

#define NOBODY 65534

/* The address sanitizer's runtime calls what we do not know and takes terabytes of addresses. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* What malloc, libarchive and the jobs call. */
static const int allowed[] = {
    SCMP_SYS(read),           SCMP_SYS(write),           SCMP_SYS(readv),
    SCMP_SYS(writev),         SCMP_SYS(pread64),         SCMP_SYS(lseek),
    SCMP_SYS(close),          SCMP_SYS(fstat),           SCMP_SYS(newfstatat),
    SCMP_SYS(statx),          SCMP_SYS(fcntl),           SCMP_SYS(brk),
    SCMP_SYS(mmap),           SCMP_SYS(munmap),          SCMP_SYS(mremap),
    SCMP_SYS(mprotect),       SCMP_SYS(madvise),         SCMP_SYS(futex),
    SCMP_SYS(exit),           SCMP_SYS(exit_group),      SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(getrandom),       SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),   SCMP_SYS(getpid),          SCMP_SYS(gettid),
    SCMP_SYS(tgkill),         SCMP_SYS(restart_syscall),
};
static const int allowed_unpack[] = {
    SCMP_SYS(openat),    SCMP_SYS(mkdirat),   SCMP_SYS(mknodat),    SCMP_SYS(symlinkat),
    SCMP_SYS(linkat),    SCMP_SYS(unlinkat),  SCMP_SYS(fchown),     SCMP_SYS(fchownat),
    SCMP_SYS(fchmod),    SCMP_SYS(fchmodat),  SCMP_SYS(utimensat),  SCMP_SYS(fsetxattr),
    SCMP_SYS(lsetxattr), SCMP_SYS(ftruncate), SCMP_SYS(getdents64), SCMP_SYS(readlinkat),
    SCMP_SYS(lchown),    SCMP_SYS(dup),       SCMP_SYS(setxattr),   SCMP_SYS(fstatfs),
};

static int fail_errno(const char *what)
{
    return child_fail("prepare the archive reader: %s: %s", what, strerror(errno));
}

int child_fail(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    frame_write(1, FRAME_ERROR, text, SW_MIN((size_t)n, sizeof(text) - 1));
    return 1;
}

static int confine_root(const struct child_options *opt)
{
    unsigned long flags = MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC;

    if (opt->job != CHILD_UNPACK)
        flags |= MS_RDONLY;
    if (unshare(CLONE_NEWNS | CLONE_FS) < 0)
        return fail_errno("mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(opt->dir, opt->dir, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, opt->dir, NULL, flags, NULL) < 0)
        return fail_errno("bind mount");
    if (chdir(opt->dir) < 0)
        return fail_errno("working folder");
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) < 0)
            return fail_errno("detach the old root");
    } else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
        return fail_errno("change root"); /* EINVAL: the root is an initramfs, which cannot move */
    }
    return chdir("/") < 0 ? fail_errno("change root") : 0;
}

static int confine_caps(const struct child_options *opt)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 0 } };

    if (opt->job == CHILD_UNPACK) {
        data[0].permitted = UNPACK_CAPS | (1u << CAP_SETFCAP);
        data[0].effective = data[0].permitted;
    } else if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0) {
        return fail_errno("drop user");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, data) < 0)
        return fail_errno("drop capabilities");
    return 0;
}

static void limit(int what, rlim_t max)
{
    struct rlimit r = { max, max };

    setrlimit((__rlimit_resource_t)what, &r);
}

static void confine_limits(const struct child_options *opt)
{
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_NOFILE, 64);
    limit(RLIMIT_FSIZE, (rlim_t)opt->limits.archive_bytes);
    if (!SANITIZED)
        limit(RLIMIT_AS, (rlim_t)1 << 30); /* xz and zstd windows are bounded by this */
}

static int confine_syscalls(const struct child_options *opt)
{
    scmp_filter_ctx f;
    int r;

    if (SANITIZED)
        return 0;
    f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    r = f == NULL ? -ENOMEM : 0;

    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(allowed); i++)
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; r == 0 && opt->job == CHILD_UNPACK && i < SW_ARRAY_LEN(allowed_unpack); i++)
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed_unpack[i], 0);
    if (r == 0)
        r = seccomp_load(f);
    seccomp_release(f);
    return r < 0 ? child_fail("prepare the archive reader: system call filter: %s", strerror(-r))
                 : 0;
}

static int child_main(const struct child_options *opt)
{
    if (confine_root(opt) != 0)
        return 1;
    umask(0);
    confine_limits(opt);
    if (confine_caps(opt) != 0 || confine_syscalls(opt) != 0)
        return 1;
    switch (opt->job) {
    case CHILD_SPLIT:
        return child_split(&opt->limits);
    case CHILD_INFLATE:
        return child_inflate(&opt->limits);
    case CHILD_UNPACK:
        return child_unpack(&opt->limits, opt->plain);
    }
    return 1;
}

/* Descriptors 0 and 1 are the input and the report, nothing else is open. */
static int child_descriptors(int in, int out, int null)
{
    int fds[3] = { in, out, SANITIZED ? 2 : null }; /* the sanitizer reports on 2 */

    for (int i = 0; i < 3; i++) { /* out of the way of 0..2 first */
        fds[i] = fcntl(fds[i], F_DUPFD, 3);
        if (fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    return (int)syscall(SYS_close_range, 3u, ~0u, 0u);
}

static void child_signals(void)
{
    sigset_t none;

    for (int i = 1; i < 32; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int child_start(struct child *c, const struct child_options *opt, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int report[2];
    pid_t pid;

    if (null < 0 || pipe2(report, O_CLOEXEC) < 0)
        return sw_err_errno(err, errno, "start archive reader");
    pid = fork();
    if (pid == 0) {
        child_signals();
        if (child_descriptors(opt->in, report[1], null) < 0)
            _exit(2);
        setlocale(LC_CTYPE, "C.UTF-8"); /* names of pax headers come out as they are */
        _exit(child_main(opt));
    }
    close(report[1]);
    if (pid < 0) {
        int e = errno;

        close(report[0]);
        return sw_err_errno(err, e, "start archive reader");
    }
    c->pid = pid;
    c->out = report[0];
    return 0;
}

int child_wait(struct child *c, struct sw_err *err)
{
    int status = 0;
    pid_t pid = c->pid;

    c->pid = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return sw_err_errno(err, errno, "wait for archive reader");
    if (WIFSIGNALED(status))
        return sw_err_set(err, SW_E_PROTOCOL, "archive reader was killed by signal %d",
                          WTERMSIG(status));
    return WEXITSTATUS(status) == 0
               ? 0
               : sw_err_set(err, SW_E_PROTOCOL, "archive reader ended with status %d",
                            WEXITSTATUS(status));
}

void child_kill(struct child *c)
{
    struct sw_err ignored;

    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        child_wait(c, &ignored);
    }
    if (c->out > 0)
        close(c->out);
    c->out = -1;
}

struct archive *child_reader(bool raw)
{
    struct archive *a = archive_read_new();

    if (a == NULL) {
        child_fail("out of memory");
        return NULL;
    }
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    if (raw) {
        archive_read_support_format_raw(a);
        archive_read_support_format_empty(a);
    } else {
        archive_read_support_format_tar(a);
    }
    if (archive_read_open_fd(a, 0, 65536) != ARCHIVE_OK) {
        child_fail("%s", archive_error_string(a));
        archive_read_free(a);
        return NULL;
    }
    return a;
}
