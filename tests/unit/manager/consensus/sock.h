/* SPDX-License-Identifier: Apache-2.0
 * sock.h - a consensus transport over plain TCP on loopback, for programs of several processes.
 *
 * One connection per direction, dialed by the sender, which says its member id first and is
 * believed: for tests and benchmarks only. Frames: u32 length, bytes (host byte order). */
#ifndef SWARM_TESTS_CONSENSUS_SOCK_H
#define SWARM_TESTS_CONSENSUS_SOCK_H

#include <stdint.h>
#include <uv.h>

#include "common/base/list.h"
#include "manager/consensus/consensus.h"

#define SOCK_PEERS 8

struct sock_peer {
    struct sock *s;
    uint64_t member; /* 0: free */
    char address[64];
    uv_tcp_t tcp;
    uv_connect_t connect;
    enum { SOCK_DOWN, SOCK_DIALING, SOCK_UP, SOCK_CLOSING } state;
    uint64_t retry_at;
};

struct sock {
    uv_loop_t *loop;
    uint64_t self;
    struct consensus **c; /* where to deliver; may point at NULL */
    uv_tcp_t listener;
    uv_idle_t late; /* completes sends that failed at once */
    struct sw_list failed;
    struct sock_peer peers[SOCK_PEERS];
};

/** sock_init() - listen on 127.0.0.1:@port. Return: 0, negative errno. */
int sock_init(struct sock *s, uv_loop_t *loop, uint64_t self, uint16_t port, struct consensus **c);
struct consensus_transport sock_transport(struct sock *s);

#endif
