/* SPDX-License-Identifier: Apache-2.0
 * init.c - a process 1 for programs that are none: forwards signals and reaps orphans.
 *
 * It runs with the user, capabilities and filter of the container's program and executes nothing.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/shim/shim.h"

_Noreturn static void init_loop(pid_t main_pid, const sigset_t *all)
{
    for (;;) {
        siginfo_t info;
        int sig = sigwaitinfo(all, &info);
        pid_t pid;
        int status;

        if (sig > 0 && sig != SIGCHLD && sig != SIGTTIN && sig != SIGTTOU)
            (void)kill(main_pid, sig);
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == main_pid)
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
}

int init_run(int sync, struct sw_err *err)
{
    sigset_t all;
    sigset_t old;
    pid_t pid;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid < 0)
        return sw_err_errno(err, errno, "fork");
    if (pid == 0) {
        /* a process group of its own in the foreground, as a shell would make it */
        (void)setpgid(0, 0);
        (void)tcsetpgrp(0, getpid());
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        return 0;
    }
    child_name("swarm-init");
    (void)close(sync);
    init_loop(pid, &all);
}
