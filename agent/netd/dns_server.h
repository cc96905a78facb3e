/* SPDX-License-Identifier: Apache-2.0
 * dns_server.h - the resolvers of this node's containers: sockets around dns/answer.h.
 *
 * Each container has a UDP and a listening TCP socket inside its own namespace, made by swarmd. Who
 * asks is thus known by the socket alone. Names that are not ours go to the container's nameservers
 * one after the other (3 at most, 4 s each), from the host's namespace or from the container's.
 * Bounds: DNS_FLIGHTS_MAX questions under way on the node, DNS_FLIGHTS_EACH of a container, which
 * also has DNS_CONNS_MAX connections.
 *
 * Loop thread only. */
#ifndef SWARM_AGENT_NETD_DNS_SERVER_H
#define SWARM_AGENT_NETD_DNS_SERVER_H

#include <stdint.h>

#include "agent/netd/dns/names.h"
#include "common/base/err.h"
#include "swarm/v1/netd.pb-c.h"

#define DNS_FLIGHTS_MAX    1024u
#define DNS_FLIGHTS_EACH   256u /* of one container */
#define DNS_CONNS_MAX      32u
#define DNS_SERVERS_MAX    3u
#define DNS_SERVER_WAIT_MS 4000u
#define DNS_CONN_IDLE_MS   10000u
#define DNS_NETWORKS_MAX   64u

struct dns_server; /* opaque */
struct uv_loop_s;

/** dns_server_new() - @names: gives the names of a network by its key at the moment of a question;
 * NULL when unknown. Return: 0, -ENOMEM. */
int dns_server_new(struct dns_server **out, struct uv_loop_s *loop,
                   const struct dns_names *(*names)(void *ctx, uint64_t network), void *ctx,
                   struct sw_err *err);
/** dns_server_free() - closes everything; memory goes back as the loop turns. NULL is legal. */
void dns_server_free(struct dns_server *s);

/**
 * dns_server_attach() - serve a container, or change how
 * @fds: owned in any case: UDP, TCP and perhaps one to forward by; @n_fds 0 keeps those in place
 *
 * Return: 0; SW_E_INVALID; SW_E_NOT_FOUND when none are in place; -ENOMEM; UV_E*.
 */
int dns_server_attach(struct dns_server *s, const Swarm__V1__NetdDnsAttach *m, const int *fds,
                      size_t n_fds, struct sw_err *err);
void dns_server_detach(struct dns_server *s, const char *container_id);

/** dns_server_list(), dns_server_stats() - fill what protobuf-c will free. Return: 0, -ENOMEM. */
int dns_server_list(const struct dns_server *s, Swarm__V1__NetdHelloReply *m);
void dns_server_stats(const struct dns_server *s, Swarm__V1__NetdStats *m);

#endif
