/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "common/base/macro.h"
#include "common/log/log.h"

#define FILES 65536

/* Locking all of memory under a limit would make later mappings fail: all or nothing. Without it
 * keymem still locks what holds keys. */
static void lock_memory(void)
{
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

    if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
        return;
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
        log_warn("memory is not locked err=\"%s\"", strerror(errno));
}

/* Each container takes two descriptors, each question under way one. */
static void raise_files(void)
{
    struct rlimit r = { FILES, FILES };

    if (setrlimit(RLIMIT_NOFILE, &r) == 0 || getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static int become(const char *user, const char *path, struct sw_err *err)
{
    const struct passwd *pw;

    errno = 0;
    pw = getpwnam(user);
    if (pw == NULL)
        return sw_err_set(err, SW_E_NOT_FOUND, "no user '%s'", user);
    if (path != NULL && chown(path, pw->pw_uid, pw->pw_gid) < 0)
        return sw_err_errno(err, errno, "give '%s' to %s", path, user);
    if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
        return sw_err_errno(err, errno, "become %s", user);
    return 0;
}

static int drop_capabilities(struct sw_err *err)
{
    bool bounding;

    if (capng_get_caps_process() < 0)
        return sw_err_set(err, SW_E_INTERNAL, "read capabilities");
    bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
    capng_clear(CAPNG_SELECT_ALL);
    if (bounding && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
        return sw_err_set(err, SW_E_INTERNAL, "drop the capability bounding set");
    if (capng_apply(CAPNG_SELECT_CAPS) < 0)
        return sw_err_set(err, SW_E_INTERNAL, "drop capabilities");
    return 0;
}

int netd_sandbox_enter(const char *user, const char *path, struct sw_err *err)
{
    int r;

    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return sw_err_errno(err, errno, "sandbox");
    raise_files();
    lock_memory();
    if (user != NULL) {
        r = become(user, path, err);
        if (r < 0)
            return r;
    }
    r = drop_capabilities(err);
    if (r < 0)
        return r;
    if (prctl(PR_SET_DUMPABLE, 0) < 0) /* a change of user turns it on again */
        return sw_err_errno(err, errno, "sandbox");
    return 0;
}

/* ------------------------------------------------------------------------------------- seccomp */

static const int allowed[] = {
    /* packets and sockets */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(accept4),
    SCMP_SYS(accept),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(fcntl),
    /* waiting */
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(futex),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield),
    SCMP_SYS(pipe2),
    /* memory */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock2),
    /* the process itself */
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(geteuid),
    SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
};

static const unsigned ioctls[] = { FIONBIO, FIOCLEX, FIONREAD, TUNSETOFFLOAD, TUNSETVNETHDRSZ };
static const int families[] = { AF_INET, AF_INET6 };
static const int mappers[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };

static int fill(scmp_filter_ctx ctx)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(allowed); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(ioctls); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1_32(SCMP_CMP_EQ, ioctls[i]));
    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(families); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0_32(SCMP_CMP_EQ, (unsigned)families[i]));
    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(mappers); i++) /* nothing becomes code */
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, mappers[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return r;
}

int netd_sandbox_seal(struct sw_err *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int r;

    if (ctx == NULL)
        return sw_err_set(err, -ENOMEM, "system call filter");
    tzset(); /* the log's clock reads its files now or never */
    r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r == 0)
        r = fill(ctx);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r < 0 ? sw_err_errno(err, -r, "system call filter") : 0;
}
