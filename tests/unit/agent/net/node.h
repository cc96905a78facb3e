/* SPDX-License-Identifier: Apache-2.0
 * node.h - a struct net in a process of its own, told what to do over a socket.
 *
 * A process because jobs run on libuv's pool, whose threads live in the namespace of whoever made
 * them, and because it can be killed as swarmd can. All calls fail the running test when refused.
 */
#ifndef SWARM_TESTS_UNIT_AGENT_NET_NODE_H
#define SWARM_TESTS_UNIT_AGENT_NET_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/net/net.h"

struct node {
    pid_t pid;
    int sock;
    int ns;
    char dir[80];
    char run[96];
    char addr[20];
    uint64_t key;
};

struct node_attach { /* plain bytes: crosses the socket */
    char id[16];
    int ns; /* descriptor of the test process */
    uint64_t net[2];
    uint32_t addr[2];
    unsigned n;
    uint16_t published; /* tcp to 80, 0: none */
};

/* Fork, net_new(), net_set_identity(). */
void node_start(struct node *n, int ns, const char *dir, const char *addr, uint64_t key);
void node_kill(struct node *n); /* -9: netd and the kernel go on */
void node_stop(struct node *n); /* net_free() */
void node_purge(struct node *n);
pid_t node_netd_pid(const struct node *n); /* 0: nobody listens */

void node_readopt(struct node *n, const struct node_attach *list, size_t count);
void node_apply(struct node *n, const Swarm__V1__NetworkTable *t);
void node_apply_keys(struct node *n, const Swarm__V1__DataPlaneKeys *k);
int node_try_attach(struct node *n, const struct node_attach *a); /* Return: code of net_attach() */
void node_attach(struct node *n, const struct node_attach *a);
void node_detach(struct node *n, const char *id);
void node_stats(struct node *n, struct net_stats *out);
/** node_key() - start key of @epoch made by its netd; waits for one that differs from @not. */
void node_key(struct node *n, uint64_t epoch, const uint8_t not [32], struct net_data_key *out);

#endif
