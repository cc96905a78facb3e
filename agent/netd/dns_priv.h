/* SPDX-License-Identifier: Apache-2.0
 * dns_priv.h - what dns_server.c, dns_conn.c and dns_forward.c share. */
#ifndef SWARM_AGENT_NETD_DNS_PRIV_H
#define SWARM_AGENT_NETD_DNS_PRIV_H

#include <stdbool.h>

#include <uv.h>

#include "agent/netd/dns/answer.h"
#include "agent/netd/dns_server.h"
#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/io/timer.h"

struct dns_nameserver {
    struct sockaddr_storage addr;
    bool in_container;
};

struct dns_server {
    struct uv_loop_s *loop;
    const struct dns_names *(*names)(void *ctx, uint64_t network);
    void *ctx;
    struct sw_list containers;
    struct sw_map by_id;
    unsigned n_flights;
    uint64_t queries, forwarded, failed;
    uint8_t in[DNS_TCP_MAX + 1];  /* one datagram; handled before the next is read */
    uint8_t out[DNS_TCP_MAX + 1]; /* one answer */
};

struct dns_container {
    struct sw_list link;
    struct dns_server *server; /* NULL: detached, waiting for its handles to close */
    char *id;
    size_t n_networks;
    uint64_t networks[DNS_NETWORKS_MAX];
    size_t n_servers;
    struct dns_nameserver servers[DNS_SERVERS_MAX];
    bool forward;
    unsigned n_flights;
    struct sw_list flights;
    unsigned n_conns;
    struct sw_list conns;
    unsigned open_handles;
    bool has_fwd;
    uv_udp_t udp, fwd;
    uv_tcp_t tcp;
};

struct dns_conn { /* a client's TCP connection; freed when its handle has closed */
    struct sw_list link;
    struct dns_container *container; /* NULL: closing */
    struct sw_buf in;
    struct sw_timer idle;
    uv_tcp_t tcp;
};

/* Who waits for an answer. */
struct dns_client {
    struct dns_conn *conn;        /* NULL: UDP */
    struct sockaddr_storage addr; /* UDP */
};

/** dns_take() - one query of a container: answer it, or send it on. */
void dns_take(struct dns_container *c, const struct dns_client *from, const uint8_t *p, size_t n);
void dns_reply(struct dns_container *c, const struct dns_client *to, const uint8_t *p, size_t n);

/** dns_forward() - ask the container's nameservers. Return: false when that is not possible now. */
bool dns_forward(struct dns_container *c, const struct dns_client *from, const uint8_t *p,
                 size_t n);
/** dns_forward_taken() - the container's own forwarding socket received this. */
void dns_forward_taken(struct dns_container *c, const struct sockaddr *from, const uint8_t *p,
                       size_t n);
/** dns_forward_cancel() - forget the questions of @conn, or all when NULL. */
void dns_forward_cancel(struct dns_container *c, const struct dns_conn *conn);

void dns_conn_accept(struct dns_container *c);
void dns_conn_send(struct dns_conn *n, const uint8_t *p, size_t len);
void dns_conn_close(struct dns_conn *n);

bool dns_sockaddr_equal(const struct sockaddr *a, const struct sockaddr *b);

#endif
