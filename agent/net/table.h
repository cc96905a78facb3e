/* SPDX-License-Identifier: Apache-2.0
 * table.h - one network as this node sees it: checked, sorted, ready to be compared.
 *
 * Made from a NetworkTable and never changed afterwards. Everything derived from it (kernel
 * entries, nftables text) is a difference between two of these. Pure. */
#ifndef SWARM_AGENT_NET_TABLE_H
#define SWARM_AGENT_NET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/net/link.h"
#include "common/base/alloc.h"
#include "common/base/err.h"
#include "swarm/v1/network.pb-c.h"

/* An address that is reached through another node. */
struct table_remote {
    uint32_t addr;
    struct link_ip dst; /* that node's underlay address */
};

struct table_port {
    uint8_t proto; /* IPPROTO_* */
    uint16_t published;
    uint16_t target;
};

struct table_service {
    uint64_t key;
    uint32_t vip;             /* 0: none */
    const uint32_t *backends; /* serving endpoints, ascending */
    size_t n_backends;
    const struct table_port *ports; /* ingress only; by protocol, then published */
    size_t n_ports;
};

struct table {
    uint64_t key;
    uint64_t version;
    uint32_t subnet;
    uint8_t subnet_len;
    uint32_t gateway;
    uint32_t vni;
    bool encrypted;
    bool internal;
    bool ingress;
    uint32_t mtu;      /* of the containers' interfaces as the managers want it, 0: derive */
    uint32_t own_addr; /* of this node on it, 0: none */
    struct table_remote *remotes; /* ascending by address */
    size_t n_remotes;
    struct table_service *services; /* ascending by key */
    size_t n_services;
    uint32_t *nodes; /* addresses of all nodes on it, this one too, ascending */
    size_t n_nodes;
    uint32_t *addrs; /* every endpoint's address, ascending */
    size_t n_addrs;
    uint32_t *backend_pool; /* what services point into */
    struct table_port *port_pool;
};

/**
 * table_new() - check and sort
 * @out: returned, release with table_free()
 * @t: borrowed for the call
 * @node_key: this node; its own endpoints are no remotes
 *
 * Endpoints on nodes without a usable underlay address are left out of the remotes: they cannot be
 * reached until it is known.
 *
 * Return: 0; SW_E_INVALID; -ENOMEM.
 */
int table_new(struct table **out, const Swarm__V1__NetworkTable *t, uint64_t node_key,
              struct sw_err *err);
void table_free(struct table *t);
SW_DEFINE_CLEANUP(table_free, struct table *);

bool table_service_same(const struct table_service *a, const struct table_service *b);
uint32_t table_mask(uint8_t prefix_len);

#define TABLE_IP_FMT "%u.%u.%u.%u"
#define TABLE_IP_ARGS(a)                                                                           \
    (unsigned)((a) >> 24), (unsigned)((a) >> 16 & 255), (unsigned)((a) >> 8 & 255),                \
        (unsigned)((a)&255)

#endif
