/* SPDX-License-Identifier: Apache-2.0
 * worker_priv.h - what worker.c (control side), worker_loop.c, worker_tx.c and worker_rx.c share.
 */
#ifndef SWARM_AGENT_NETD_WORKER_PRIV_H
#define SWARM_AGENT_NETD_WORKER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/netd/packet/rx.h"
#include "agent/netd/packet/tx.h"
#include "agent/netd/worker.h"

/* epoll data: slot of a network whose TAP queue is readable, or one of these. */
#define WORKER_WAKE UINT32_MAX
#define WORKER_UDP  (UINT32_MAX - 1)

struct netd_receiver; /* opaque, worker_rx.c */

struct netd_sender {
    struct vtep_tx tx;
    int64_t no_gso_until; /* 0: UDP_SEGMENT works as far as we know */
    uint8_t *runs, *frame;
};

struct netd_worker {
    _Atomic uint64_t seen; /* generation in use; 0: offline */
    struct netd_workers *ws;
    unsigned index;
    pthread_t id;
    bool started;
    int epoll, wake;
    _Atomic int udp_in, udp_out; /* -1: none */
    struct vtep_drops drops;
    struct netd_sender sender;
    struct netd_receiver *receiver;
} __attribute__((aligned(128)));

struct netd_workers {
    unsigned n;
    bool spin; /* enough processors to wait actively for a moment */
    _Atomic bool stop;
    _Atomic bool uso;
    _Atomic uint64_t gen;
    _Atomic(struct vtep_table *) table;
    _Atomic uint64_t mtu_node;
    _Atomic uint32_t mtu;
    struct sw_list fresh;   /* retired since the last publish */
    struct sw_list garbage; /* tagged, ascending */
    bool udp;
    struct netd_worker workers[VTEP_WORKERS];
};

void *netd_worker_main(void *arg); /* of struct netd_worker */

int netd_sender_init(struct netd_worker *w, struct sw_err *err);
void netd_sender_fini(struct netd_worker *w);
/** netd_sender_drain() - frames that wait in one TAP queue; netd_sender_flush() must follow. */
void netd_sender_drain(struct netd_worker *w, const struct vtep_table *t,
                       const struct vtep_slot *slot);
void netd_sender_flush(struct netd_worker *w);

int netd_receiver_init(struct netd_worker *w, struct sw_err *err);
void netd_receiver_fini(struct netd_worker *w);
/** netd_receiver_step() - one batch from the socket into the TAPs. */
void netd_receiver_step(struct netd_worker *w, const struct vtep_table *t);

/** netd_worker_map() - zeroed pages. Return: NULL when memory is gone. */
uint8_t *netd_worker_map(size_t n);

#endif
