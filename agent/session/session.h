/* SPDX-License-Identifier: Apache-2.0
 * session.h - this node's session with the leader.
 *
 *   IDLE --start--> DIALING --up--> OPENING --first message of the leader--> UP
 *                      ^--------------- lost, refused: back-off ---------------/
 *
 * The leader is looked for among the known managers: the last known leader first, then in turn; a
 * manager that does not lead says who does. Losing the session changes nothing on the node.
 * One loop thread. */
#ifndef SWARM_AGENT_SESSION_SESSION_H
#define SWARM_AGENT_SESSION_SESSION_H

#include <stdbool.h>

#include "common/crypto/identity.h"
#include "common/rpc/rpc.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct session; /* opaque */

struct session_options {
    struct uv_loop_s *loop; /* borrowed */
    /** identity() - as of now; borrowed. */
    struct sw_identity *(*identity)(void *arg);
    /** describe() - this node as of now; returned, pb_free(). NULL: memory is gone. */
    Swarm__V1__NodeDescription *(*describe)(void *arg);
    /** on_down() - the leader's message, in order; borrowed. The first one of a session is
     * complete. */
    void (*on_down)(void *arg, const Swarm__V1__SessionDown *down);
    /** on_state() - the session is up or not; with why it is not. */
    void (*on_state)(void *arg, bool up, const struct sw_err *err);
    /** on_refused() - this node is no member any more (removed, certificate withdrawn). */
    void (*on_refused)(void *arg, const struct sw_err *err);
    const struct sw_rpc_method *methods; /* what the leader may call; borrowed */
    size_t n_methods;
    void *arg;
};

int session_new(struct session **out, const struct session_options *o, struct sw_err *err);
void session_free(struct session *s);

/** session_start() - @managers: "host:2377", copied. */
int session_start(struct session *s, const char *const *managers, size_t n, struct sw_err *err);
void session_stop(struct session *s);
/** session_again() - close and connect anew, with the identity as of now. */
void session_again(struct session *s);
bool session_is_up(const struct session *s);
/** session_managers() - as known now; borrowed until the loop's next turn. */
size_t session_managers(const struct session *s, const char *const **out);

/** session_report() - a task's status, sent with others of the same moment. While the session is
 * down nothing is kept: after every new session all statuses are reported anew by the owner. */
void session_report(struct session *s, uint64_t task, const Swarm__V1__TaskStatus *status);
/** session_describe() - the description changed: send it. */
void session_describe(struct session *s);
/** session_data_keys() - public halves of the overlay's keys, signed. Kept for later sessions. */
int session_data_keys(struct session *s, size_t n, Swarm__V1__NodeDataKey *const *keys);
void session_epoch_installed(struct session *s, uint64_t epoch);

/** session_call() - one call of the leader. Return: as sw_rpc_call(); SW_E_UNAVAILABLE: not up. */
int session_call(struct session *s, const struct sw_rpc_call *call, struct sw_err *err);

#endif
