/* SPDX-License-Identifier: Apache-2.0
 * lab.h - nodes, containers and a client in network namespaces of this process.
 *
 * One wire (a bridge in a namespace of its own) joins two nodes 198.51.100.1 and .2 and a client
 * 198.51.100.9. Sockets stay in the namespace they were made in, hence everything is one thread. */
#ifndef SWARM_TESTS_UNIT_AGENT_NET_LAB_H
#define SWARM_TESTS_UNIT_AGENT_NET_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/net/kern.h"

#define LAB_NODES 2

struct lab_node {
    int ns;
    char dir[64];
    char addr[20];
    struct kern *k;
};

struct lab {
    int home;
    int wire;
    int client;
    char dir[32];
    struct lab_node nodes[LAB_NODES];
};

bool lab_possible(void);                   /* root, and namespaces can be made */
void lab_start(struct lab *l, bool kerns); /* kerns: lab_kern_start() for each node */
void lab_stop(struct lab *l);
int lab_ns(struct lab *l); /* a new namespace with lo up */

/* Into node @i's namespace and back; kern_*() wants to be called from there. */
struct kern *lab_in(struct lab *l, unsigned i);
void lab_out(struct lab *l);
void lab_kern_start(struct lab *l, unsigned i); /* kern_new() and kern_identity(), node key i + 1 */
void lab_kern_stop(struct lab *l, unsigned i);  /* as swarmd stops: the kernel stays as it is */

/* Sockets of namespace @ns. Addresses are numbers; 0 as source: any. All with a short deadline. */
int lab_listen(int ns, uint32_t addr, uint16_t port);
int lab_connect(int ns, uint32_t addr, uint16_t port); /* connected descriptor or -errno */
int lab_accept(int fd, uint32_t *peer);                /* descriptor or -errno */
bool lab_echo(int a, int b);                           /* a byte each way */
int lab_udp(int ns, uint32_t addr, uint16_t port);     /* bound; addr 0: any */

/** lab_udp_echo() - @a sends to @addr:@port, @b answers to whom it saw, which must be @peer. */
bool lab_udp_echo(int a, uint32_t addr, uint16_t port, int b, uint32_t peer);

/** lab_udp_ask() - one question, one answer. Return: its length or -1. */
ssize_t lab_udp_ask(int fd, uint32_t addr, uint16_t port, const void *q, size_t n, void *answer,
                    size_t max);

/** lab_reaches() - a TCP connection from @ns to @addr:@port ends at @listener; @peer: who it sees.
 */
bool lab_reaches(int ns, uint32_t addr, uint16_t port, int listener, uint32_t *peer);

/* How many lines of `nft list ruleset` in @ns contain @text. */
int lab_nft_lines(int ns, const char *text);
/** lab_run() - a shell command in @ns; Return: its exit status. */
int lab_run(int ns, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define IP(a, b, c, d)                                                                             \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

#endif
