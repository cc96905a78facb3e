/* SPDX-License-Identifier: Apache-2.0
 * inside.h - what is done within a container's network namespace.
 *
 * Except for inside_update() the calling thread is in that namespace already. */
#ifndef SWARM_AGENT_NET_INSIDE_H
#define SWARM_AGENT_NET_INSIDE_H

#include "agent/net/kern.h"

/** inside_sysctls() - before the interfaces are made. @mesh: one of them is on the ingress network.
 * Return: 0 or -errno. */
int inside_sysctls(bool mesh, struct sw_err *err);

/** inside_links() - loopback, addresses, routes; safe to repeat. Return: 0 or -errno. */
int inside_links(struct kern *k, struct kern_cont *c, struct sw_err *err);

/** inside_rules() - all rules of the container from nothing. Return: 0 or -errno. */
int inside_rules(struct kern *k, struct kern_cont *c, struct nft_ctx *ctx, struct sw_err *err);

/** inside_resolver() - sockets at 127.0.0.11 and the rules that lead port 53 to them.
 * @fds: returned: UDP, listening TCP, and one for the container's own nameservers.
 * Return: 0 or -errno. */
int inside_resolver(struct kern *k, struct nft_ctx *ctx, int fds[3], struct sw_err *err);

/* A network whose table changed; net->t is the new one already. */
struct inside_delta {
    const struct kern_net *net;
    const struct table *old; /* NULL: there was nothing */
    const struct table *new;
};

/** inside_update() - take every container on one of the networks from old to new, and those that
 * are dirty from nothing. The thread visits and comes back. Return: 0 or the first failure. */
int inside_update(struct kern *k, const struct inside_delta *d, size_t n, struct sw_err *err);

#endif
