/* SPDX-License-Identifier: Apache-2.0
 * user.h - who a container's process is, by the image's own /etc/passwd and /etc/group.
 *
 * The rules are those of Docker (moby/sys/user GetExecUser): names come before numbers, a number
 * need not exist, supplementary groups come from /etc/group only when no group is named. */
#ifndef SWARM_AGENT_SANDBOX_USER_H
#define SWARM_AGENT_SANDBOX_USER_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/err.h"

#define USER_GROUPS_MAX 256
#define USER_HOME_MAX   256

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX]; /* supplementary; the primary one is among them */
    size_t groups_len;
    char home[USER_HOME_MAX]; /* "/" when unknown */
};

/**
 * user_resolve() - @root: descriptor of the container's root directory
 * @who:    "", "name", "uid", "name:group", "uid:gid"
 * @groups: additional, names or numbers; @groups_len of them
 *
 * Return: 0; SW_E_INVALID "unable to find user x: no matching entries in passwd file"; -errno.
 */
int user_resolve(int root, const char *who, char *const *groups, size_t groups_len,
                 struct user *out, struct sw_err *err);

#endif
