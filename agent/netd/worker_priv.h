/* SPDX-License-Identifier: Apache-2.0
 * worker_priv.h - what worker.c, worker_tx.c and worker_rx.c share. */
#ifndef SWARM_AGENT_NETD_WORKER_PRIV_H
#define SWARM_AGENT_NETD_WORKER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/netd/packet/rx.h"
#include "agent/netd/packet/tx.h"
#include "agent/netd/worker.h"

#define WAKE_ID UINT32_MAX /* epoll data of the eventfd that wakes a thread */

struct thread {
    _Atomic uint64_t seen; /* generation in use; 0: offline */
    pthread_t id;
    bool started;
    int epoll, wake;
    _Atomic int udp; /* receiving or sending socket of this thread, -1: none */
    struct vtep_drops drops;
    struct worker *worker;
    struct netd_workers *ws;
} __attribute__((aligned(128)));

struct worker {
    unsigned index;
    struct thread tx, rx;
};

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
    struct worker workers[VTEP_WORKERS];
};

/* Wait for events as an offline thread; then online. *n: events returned, 0 when woken only.
 * Return: the table, valid until the next call; NULL: stop. */
struct epoll_event;
const struct vtep_table *netd_thread_wait(struct thread *t, struct epoll_event *ev, int max,
                                          int *n);
/* The same without waiting: pass a quiescent point. NULL: stop. */
const struct vtep_table *netd_thread_renew(struct thread *t);

void *netd_tx_main(void *arg); /* of struct thread */
void *netd_rx_main(void *arg);

#endif
