/* SPDX-License-Identifier: Apache-2.0
 * networks.h - two network tables for tests of the resolver.
 *
 *   "Backend" 10.90.0.0/24: service web (VIP .2, alias www) with web.1 (.11) and web.2 (.12), web.3
 *             not serving; service db (no VIP) with db.1 (.21); service idle (VIP .3) without
 * tasks, service none (no VIP) without tasks; container Tool (.31, alias t1)
 *   "front"   10.91.0.0/24: container tool (.31), service web (VIP .9) */
#ifndef SWARM_TESTS_NETD_NETWORKS_H
#define SWARM_TESTS_NETD_NETWORKS_H

#include <string.h>

#include "swarm/v1/network.pb-c.h"

#define NET_MAX 8

struct test_net {
    Swarm__V1__NetworkTable t;
    Swarm__V1__NetworkService s[NET_MAX];
    Swarm__V1__NetworkService *sp[NET_MAX];
    Swarm__V1__NetworkEndpoint e[NET_MAX];
    Swarm__V1__NetworkEndpoint *ep[NET_MAX];
    char *aliases[2 * NET_MAX];
};

static inline void net_begin(struct test_net *n, const char *name, uint32_t subnet)
{
    memset(n, 0, sizeof(*n));
    swarm__v1__network_table__init(&n->t);
    n->t.key = subnet;
    n->t.name = (char *)(uintptr_t)name;
    n->t.subnet = subnet;
    n->t.subnet_len = 24;
    n->t.services = n->sp;
    n->t.endpoints = n->ep;
}

static inline void net_service(struct test_net *n, uint64_t key, const char *name, uint32_t vip,
                               const char *alias)
{
    size_t i = n->t.n_services++;

    swarm__v1__network_service__init(&n->s[i]);
    n->sp[i] = &n->s[i];
    n->s[i].key = key;
    n->s[i].name = (char *)(uintptr_t)name;
    n->s[i].vip = vip;
    n->aliases[i] = (char *)(uintptr_t)alias;
    n->s[i].aliases = &n->aliases[i];
    n->s[i].n_aliases = alias != NULL;
}

static inline void net_endpoint(struct test_net *n, uint64_t service, const char *name,
                                uint32_t addr, int serving, const char *alias)
{
    size_t i = n->t.n_endpoints++;

    swarm__v1__network_endpoint__init(&n->e[i]);
    n->ep[i] = &n->e[i];
    n->e[i].service = service;
    n->e[i].container_name = (char *)(uintptr_t)name;
    n->e[i].addr = addr;
    n->e[i].serving = serving;
    n->aliases[NET_MAX + i] = (char *)(uintptr_t)alias;
    n->e[i].aliases = &n->aliases[NET_MAX + i];
    n->e[i].n_aliases = alias != NULL;
}

static inline void net_backend(struct test_net *n)
{
    net_begin(n, "Backend", 0x0a5a0000);
    net_service(n, 1, "web", 0x0a5a0002, "www");
    net_service(n, 2, "db", 0, NULL);
    net_service(n, 3, "idle", 0x0a5a0003, NULL);
    net_service(n, 4, "none", 0, NULL);
    net_endpoint(n, 1, "web.1.abc", 0x0a5a000b, 1, NULL);
    net_endpoint(n, 1, "web.2.def", 0x0a5a000c, 1, NULL);
    net_endpoint(n, 1, "web.3.ghi", 0x0a5a000d, 0, NULL);
    net_endpoint(n, 2, "db.1.jkl", 0x0a5a0015, 1, NULL);
    net_endpoint(n, 0, "Tool", 0x0a5a001f, 1, "T1");
}

static inline void net_front(struct test_net *n)
{
    net_begin(n, "front", 0x0a5b0000);
    net_service(n, 7, "web", 0x0a5b0009, NULL);
    net_endpoint(n, 0, "tool", 0x0a5b001f, 1, NULL);
}

#endif
