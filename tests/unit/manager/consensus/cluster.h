/* SPDX-License-Identifier: Apache-2.0
 * cluster.h - members in one process on one loop, with real log directories and a network of
 * queues, for the tests of manager/consensus. */
#ifndef SWARM_TESTS_CONSENSUS_CLUSTER_H
#define SWARM_TESTS_CONSENSUS_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "manager/consensus/consensus.h"

#define CLUSTER_MAX 8

/* A state machine that can tell whether two members applied the same. */
struct machine {
    uint64_t hash;
    uint64_t count;
    uint64_t last_index;
    uint64_t restores;
    uint64_t snapshots;
    struct sw_buf state; /* everything applied, when `keep`: makes snapshots large */
    bool keep;
    uint8_t head[24];
    struct consensus_piece pieces[2];
    int (*verdict)(const uint8_t *data, size_t len);
};

struct cluster;

struct node {
    struct cluster *cl;
    uint64_t id;
    char address[32];
    char dir[128];
    struct consensus *c; /* NULL: down */
    struct machine m;
    struct consensus_options o;
    unsigned leader_events; /* on_leader(true) */
    unsigned lost_events;
    bool is_leader;
    bool removed;
    bool fatal;
    struct sw_err fatal_err;
    uint64_t leader_seen;
};

struct cluster {
    uv_loop_t loop;
    char dir[96];
    struct node n[CLUSTER_MAX];
    bool cut[CLUSTER_MAX][CLUSTER_MAX]; /* no message passes from row to column */
    struct sw_list wire;
    uv_idle_t pump;
    bool pump_open;
    uint64_t delivered;
    size_t largest; /* message delivered */
    void (*tweak)(struct consensus_options *o);
    void (*tweak_node)(struct node *n, struct consensus_options *o);
};

void machine_init(struct machine *m);
void machine_fini(struct machine *m);
struct consensus_fsm machine_fsm(struct machine *m);

/** cluster_init() - an empty directory and a loop. */
void cluster_init(struct cluster *cl);
/** cluster_fini() - close what is open, check that nothing is left on the loop, delete. */
void cluster_fini(struct cluster *cl);
/** cluster_open() - start member @i (id 1 + i); bootstrap first when told. Return: 0 or error. */
int cluster_open(struct cluster *cl, unsigned i, bool bootstrap, struct sw_err *err);
/** cluster_close() - in order, waits. */
void cluster_close(struct cluster *cl, unsigned i);
/** cluster_grow() - member 0 bootstrapped, the others added and promoted. Waits for it. */
void cluster_grow(struct cluster *cl, unsigned n);
/** cluster_until() - run the loop until @done(cl, arg). Return: false after @ms. */
bool cluster_until(struct cluster *cl, bool (*done)(struct cluster *cl, void *arg), void *arg,
                   unsigned ms);
/** cluster_leader() - index of the ready leader, waiting up to @ms; -1. */
int cluster_leader(struct cluster *cl, unsigned ms);
/** cluster_propose() - and wait. Return: the status of done(), or of the call. */
int cluster_propose(struct cluster *cl, unsigned i, const void *data, size_t len, uint64_t *index);
/** cluster_converged() - wait until all open members applied the same number. */
bool cluster_converged(struct cluster *cl, unsigned ms);
/** cluster_remove(), cluster_transfer() - and wait. Return: as cluster_propose(). */
int cluster_remove(struct cluster *cl, unsigned leader, uint64_t member);
int cluster_transfer(struct cluster *cl, unsigned leader, uint64_t member);
void cluster_isolate(struct cluster *cl, unsigned i, bool isolated);
void remove_tree(const char *path);

#endif
