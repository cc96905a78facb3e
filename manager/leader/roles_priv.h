/* SPDX-License-Identifier: Apache-2.0
 * roles_priv.h - what roles.c and raft_join.c share. */
#ifndef SWARM_MANAGER_LEADER_ROLES_PRIV_H
#define SWARM_MANAGER_LEADER_ROLES_PRIV_H

#include <uv.h>

#include "common/base/list.h"
#include "manager/leader/roles.h"

struct roles {
    struct roles_options o;
    uv_timer_t timer;
    struct view_observer observer;
    struct consensus *consensus;
    uint64_t self; /* this manager's member id */
    struct consensus_member members[CONSENSUS_MEMBERS_MAX];
    size_t n_members;
    struct sw_list joins; /* raft_join.c: members being added */
    bool leading;
    bool busy; /* a change is under way */
    bool freed;
};

void roles_on_timer(uv_timer_t *t);
/* roles_release() - free it when that was asked for and nothing is under way. Return: it was asked
 * for, do not touch @r any more. */
bool roles_release(struct roles *r);

#endif
