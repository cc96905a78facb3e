/* SPDX-License-Identifier: Apache-2.0
 * ca.h - admission of nodes and renewal of their certificates.
 *
 * The handlers run on every manager; one that does not lead hands a join to @forward. One thread.
 */
#ifndef SWARM_MANAGER_CA_CA_H
#define SWARM_MANAGER_CA_CA_H

#include <stdbool.h>

#include "common/rpc/rpc.h"
#include "manager/leader/proposer.h"
#include "manager/view/view.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct ca; /* opaque */

struct ca_options {
    struct view *view;         /* borrowed */
    struct proposer *proposer; /* borrowed */
    bool (*is_leader)(void *arg);
    /** managers() - append the managers as known to a list. Return: 0, -ENOMEM. */
    int (*managers)(void *arg, size_t *n, Swarm__V1__ManagerPeer ***out);
    /** forward() - call a method of the leader. @done as of sw_rpc_call(). Return: 0;
     * SW_E_NO_LEADER. */
    int (*forward)(void *arg, uint32_t method, const ProtobufCMessage *msg,
                   void (*done)(const uint8_t *bytes, size_t len, const struct sw_err *err,
                                void *done_arg),
                   void *done_arg, struct sw_err *err);
    void *arg;
};

int ca_new(struct ca **out, const struct ca_options *o, struct sw_err *err);
void ca_free(struct ca *ca);

/* Handlers for the table of methods; @arg is the ca. */
void ca_on_join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
void ca_on_join_forward(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
void ca_on_renew(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);

/**
 * ca_verify() - is this peer, whose certificate is good, still who it says?
 * @view: its nodes decide; an empty one (a manager that is joining) accepts managers
 *
 * Return: 0; SW_E_PERMISSION with the reason.
 */
int ca_verify(const struct view *view, const struct sw_rpc_peer *peer, struct sw_err *err);

/** ca_token() - the join token for a role. Return: 0; SW_E_UNAVAILABLE before the cluster exists.
 */
int ca_token(const struct view *view, enum sw_role role, char out[SW_TOKEN_CHARS + 1],
             struct sw_err *err);

#endif
