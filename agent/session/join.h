/* SPDX-License-Identifier: Apache-2.0
 * join.h - ask a manager to admit this node.
 *
 *   DIALING --server checked against the token--> ASKING --certificate--> done(0)
 *      \--------- error, deadline, cancel ----------\--> done(error)
 *
 * Nothing is written anywhere: the caller keeps the identity or forgets it. One loop thread. */
#ifndef SWARM_AGENT_SESSION_JOIN_H
#define SWARM_AGENT_SESSION_JOIN_H

#include "common/crypto/identity.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct uv_loop_s;
struct join; /* opaque */

struct join_options {
    struct uv_loop_s *loop;                        /* borrowed */
    const char *manager;                           /* "host:2377"; copied */
    const char *token;                             /* text; copied, wiped */
    const Swarm__V1__NodeDescription *description; /* copied */
    Swarm__V1__NodeAvailability availability;
    /** done() - exactly once, never inside join_start(). @identity: returned, one reference.
     * @reply: borrowed: who the managers are. @err: code 0 on success. The join is freed after it.
     */
    void (*done)(void *arg, struct sw_identity *identity, const Swarm__V1__JoinReply *reply,
                 const struct sw_err *err);
    void *arg;
};

/** join_start() - Return: 0; SW_E_INVALID for a malformed token or address: done never fires. */
int join_start(struct join **out, const struct join_options *o, struct sw_err *err);
void join_cancel(struct join *j); /* done does not fire */

#endif
