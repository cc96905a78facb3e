/* SPDX-License-Identifier: Apache-2.0
 * worker.h - the threads that move packets.
 *
 * How it works. Worker w reads queue w of every network's TAP and sends from its own socket; it
 * receives from its own socket of the shared port and writes queue w. One thread does both. All it
 * needs to know is in the published table. While it waits for packets it is *offline*: it holds no
 * pointer into any table. When it wakes it notes the table's generation, then loads the pointer.
 * Garbage tagged with a generation is freed when every worker is offline or has noted that
 * generation (quiescent-state reclamation): the packet path has neither locks nor reference counts.
 *
 * The functions below belong to the control thread. */
#ifndef SWARM_AGENT_NETD_WORKER_H
#define SWARM_AGENT_NETD_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/garbage.h"
#include "agent/netd/packet/table.h"
#include "common/base/err.h"

struct netd_workers; /* opaque */

/** netd_workers_count() - how many this machine gets: half its processors, at least 2 if there are
 * two, at most VTEP_WORKERS. */
unsigned netd_workers_count(unsigned cpus);

/** netd_workers_new() - start the threads. syscalls: clone, mmap, epoll_create1, eventfd2.
 * Return: 0, -ENOMEM, -errno. */
int netd_workers_new(struct netd_workers **out, unsigned n, unsigned cpus, struct sw_err *err);
/** netd_workers_free() - stop the threads, free all garbage; NULL is legal. */
void netd_workers_free(struct netd_workers *ws);

/**
 * netd_workers_set_udp() - use other sockets
 * @fds: 2 x workers, receiving and sending in turn; owned, closed when no longer used
 * Return: 0, -errno: the former ones stay and @fds are closed.
 */
int netd_workers_set_udp(struct netd_workers *ws, const int *fds, struct sw_err *err);
bool netd_workers_have_udp(const struct netd_workers *ws);

/**
 * netd_workers_watch_tap() - read frames of this network from now on
 * @slot: of the network in the tables; the published one must have it
 * @fds:  one per worker, borrowed until netd_workers_unwatch_tap()
 */
int netd_workers_watch_tap(struct netd_workers *ws, unsigned slot, const int *fds,
                           struct sw_err *err);
void netd_workers_unwatch_tap(struct netd_workers *ws, const int *fds);

/** netd_workers_set_uso() - the kernel's TAPs take UDP super-frames. */
void netd_workers_set_uso(struct netd_workers *ws, bool uso);

/** netd_workers_retire() - free @g some time after the next publish. Owned. */
void netd_workers_retire(struct netd_workers *ws, struct netd_garbage *g);
/** netd_workers_publish() - @t: owned; takes the place of the former table. */
void netd_workers_publish(struct netd_workers *ws, struct vtep_table *t);
/** netd_workers_reclaim() - free what nobody can see any more. Return: true when some is left: call
 * again in a while. */
bool netd_workers_reclaim(struct netd_workers *ws);

/** netd_workers_drops() - sum of all threads, for @v. */
uint64_t netd_workers_drops(const struct netd_workers *ws, enum vtep_verdict v);
/** netd_workers_path_mtu() - the last path MTU the kernel complained about, 0: none since the last
 * call. @node: returned, whose path it is. */
uint32_t netd_workers_path_mtu(struct netd_workers *ws, uint64_t *node);

#endif
