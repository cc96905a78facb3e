/* SPDX-License-Identifier: Apache-2.0
 * process.h - the last steps of a container's process: who it is, what it may, execve(2).
 *
 * Order matters and is the same for the first process and for later ones: working directory while
 * still root; limits; seccomp (before capabilities go, unless no_new_privs lets it be last); the
 * bounding set; groups and ids; capabilities; lookup and execve as the user. */
#ifndef SWARM_AGENT_SANDBOX_PROCESS_H
#define SWARM_AGENT_SANDBOX_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <swarm/v1/shim.pb-c.h>

#include "common/base/err.h"

#define PROCESS_EXIT_NOT_FOUND 127
#define PROCESS_EXIT_CANNOT    126
#define PROCESS_EXIT_SETUP     128

struct process_options {
    char *const *argv;
    size_t argv_len; /* >= 1 */
    char *const *env;
    size_t env_len;
    char *const *env_more; /* of an exec: replaces what has the same name */
    size_t env_more_len;
    const char *cwd;
    const char *user;
    char *const *groups;
    size_t groups_len;
    const char *hostname;
    uint64_t capabilities;
    const void *seccomp; /* struct sock_filter[], NULL: none */
    size_t seccomp_len;  /* bytes */
    bool no_new_privs;
    bool tty; /* adds TERM */
    Swarm__V1__ShimRlimit *const *rlimits;
    size_t rlimits_len;
};

/**
 * process_prepare() - become the user and confine; the root directory is the container's
 * @env_out: returned, NULL-terminated, never freed: execve or exit follows
 *
 * Return: 0; negative with @err: the process must exit.
 */
int process_prepare(const struct process_options *o, char ***env_out, struct sw_err *err);

/**
 * process_exec() - look up argv[0] in PATH of @env and execute; returns on failure only
 * @exit_code: returned, 126 or 127
 * Return: negative; @err in Docker's words: exec: "x": executable file not found in $PATH
 */
int process_exec(const struct process_options *o, char *const *env, int *exit_code,
                 struct sw_err *err);

/** process_make_cwd() - make the working directory when it is missing. @root: the root's
 * descriptor. */
int process_make_cwd(int root, const char *cwd, struct sw_err *err);

#endif
