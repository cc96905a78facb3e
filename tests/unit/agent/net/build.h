/* SPDX-License-Identifier: Apache-2.0
 * build.h - NetworkTables for tests, one line an entry. */
#ifndef SWARM_TESTS_UNIT_AGENT_NET_BUILD_H
#define SWARM_TESTS_UNIT_AGENT_NET_BUILD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "swarm/v1/network.pb-c.h"

#define BUILD_MAX 32

struct build {
    Swarm__V1__NetworkTable t;
    Swarm__V1__NetworkEndpoint ep[BUILD_MAX], *ep_p[BUILD_MAX];
    Swarm__V1__NetworkService sv[BUILD_MAX], *sv_p[BUILD_MAX];
    Swarm__V1__NetworkNode no[BUILD_MAX], *no_p[BUILD_MAX];
    Swarm__V1__PortConfig po[BUILD_MAX], *po_p[BUILD_MAX];
    size_t n_po;
};

static inline void build_start(struct build *b, uint64_t key, uint32_t subnet, uint32_t len)
{
    memset(b, 0, sizeof(*b));
    swarm__v1__network_table__init(&b->t);
    b->t.key = key;
    b->t.name = (char *)(uintptr_t) "net";
    b->t.version = 1;
    b->t.subnet = subnet;
    b->t.subnet_len = len;
    b->t.gateway = subnet + 1;
    b->t.vni = (uint32_t)(4096 + key);
    b->t.endpoints = b->ep_p;
    b->t.services = b->sv_p;
    b->t.nodes = b->no_p;
}

static inline void build_node(struct build *b, uint64_t key, const char *data_addr, uint32_t addr)
{
    Swarm__V1__NetworkNode *n = &b->no[b->t.n_nodes];

    swarm__v1__network_node__init(n);
    n->key = key;
    n->data_addr = (char *)(uintptr_t)data_addr;
    n->addr = addr;
    b->no_p[b->t.n_nodes++] = n;
}

static inline Swarm__V1__NetworkEndpoint *build_endpoint(struct build *b, uint64_t service,
                                                         uint64_t node, uint32_t addr)
{
    Swarm__V1__NetworkEndpoint *e = &b->ep[b->t.n_endpoints];

    swarm__v1__network_endpoint__init(e);
    e->task = 100 + b->t.n_endpoints;
    e->service = service;
    e->node = node;
    e->addr = addr;
    e->serving = true;
    b->ep_p[b->t.n_endpoints++] = e;
    return e;
}

static inline Swarm__V1__NetworkService *build_service(struct build *b, uint64_t key, uint32_t vip)
{
    Swarm__V1__NetworkService *s = &b->sv[b->t.n_services];

    swarm__v1__network_service__init(s);
    s->key = key;
    s->vip = vip;
    b->sv_p[b->t.n_services++] = s;
    return s;
}

/* Ports of the service added last. */
static inline void build_port(struct build *b, Swarm__V1__PortConfig__Protocol proto,
                              uint32_t published, uint32_t target)
{
    Swarm__V1__NetworkService *s = b->sv_p[b->t.n_services - 1];
    Swarm__V1__PortConfig *p = &b->po[b->n_po];

    swarm__v1__port_config__init(p);
    p->protocol = proto;
    p->published = published;
    p->target = target;
    b->po_p[b->n_po] = p;
    if (s->n_ports == 0)
        s->ports = &b->po_p[b->n_po];
    s->n_ports++;
    b->n_po++;
}

#endif
