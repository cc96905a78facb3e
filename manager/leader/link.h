/* SPDX-License-Identifier: Apache-2.0
 * link.h - a follower's connection to whoever leads.
 *
 * Kept up while another manager leads; dialed again with back-off when it breaks. One thread. */
#ifndef SWARM_MANAGER_LEADER_LINK_H
#define SWARM_MANAGER_LEADER_LINK_H

#include "common/base/err.h"
#include "common/rpc/rpc.h"

struct leader_link; /* opaque */

struct leader_link_options {
    struct uv_loop_s *loop; /* borrowed */
    /** identity() - this node's as of now. Borrowed. */
    struct sw_identity *(*identity)(void *arg);
    void *arg;
};

int leader_link_new(struct leader_link **out, const struct leader_link_options *o,
                    struct sw_err *err);
void leader_link_free(struct leader_link *l);
/** leader_link_set() - who leads: "host:port"; "" when it is us or nobody. */
void leader_link_set(struct leader_link *l, const char *address);
/** leader_link_conn() - the connection if it is up. Return: NULL with @err SW_E_NO_LEADER else. */
struct sw_rpc_conn *leader_link_conn(struct leader_link *l, struct sw_err *err);

#endif
