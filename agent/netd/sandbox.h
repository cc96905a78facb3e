/* SPDX-License-Identifier: Apache-2.0
 * sandbox.h - what swarm-netd gives up before it handles foreign bytes.
 *
 * First step, before threads: no core dumps, no tracing by others of the same user, memory locked,
 * another user when asked, no capability at all, none to be gained by exec. Second step, when
 * everything is set up: a list of system calls outside of which the process is killed. Everything
 * it needs later comes as a descriptor. */
#ifndef SWARM_AGENT_NETD_SANDBOX_H
#define SWARM_AGENT_NETD_SANDBOX_H

#include "common/base/err.h"

/**
 * netd_sandbox_enter() - give up privileges of the process
 * @user: name of a user to become, NULL: stay who we are
 * @path: file to hand over to that user (the control socket), may be NULL
 *
 * syscalls: prctl, mlockall, setrlimit, setgroups, setresgid, setresuid, capset.
 * Return: 0; SW_E_NOT_FOUND for an unknown user; -errno.
 */
int netd_sandbox_enter(const char *user, const char *path, struct sw_err *err);

/** netd_sandbox_seal() - install the system call filter for all threads. Return: 0, -errno. */
int netd_sandbox_seal(struct sw_err *err);

#endif
