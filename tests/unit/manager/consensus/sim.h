/* SPDX-License-Identifier: Apache-2.0
 * sim.h - members on memory disks with a network and a clock the test moves by hand. The same
 * calls give the same run: nothing here depends on real time. */
#ifndef SWARM_TESTS_CONSENSUS_SIM_H
#define SWARM_TESTS_CONSENSUS_SIM_H

#include <uv.h>

#include "cluster.h" /* struct machine */
#include "manager/consensus/core.h"
#include "memdisk.h"

#define SIM_MAX  6
#define SIM_TICK 100 /* ms; heartbeat */

struct sim;

struct sim_node {
    struct sim *s;
    uint64_t id;
    char address[32];
    struct memdisk disk;
    struct consensus *c; /* NULL: down */
    struct machine m;
    bool fatal;
    struct sw_err fatal_err;
    bool removed;
    unsigned disable; /* guards */
};

struct sim_msg {
    struct sw_list link;
    unsigned from, to;
    uint8_t *data;
    size_t len;
    bool held;
};

struct sim {
    uv_loop_t loop;
    unsigned n;
    struct sim_node node[SIM_MAX];
    struct sw_list wire; /* struct sim_msg, in order of sending */
    struct sw_list acks; /* transport completions due */
    bool cut[SIM_MAX][SIM_MAX];
    /* Called for each message sent; false: it is lost. May set m->held: kept until sim_unhold(). */
    bool (*filter)(struct sim *s, struct sim_msg *m, const struct cons_frame *f);
    void *filter_arg;
    void (*tweak)(struct consensus_options *o);
    int only_candidate; /* vote requests of others are lost; -1: of nobody */
    uint64_t now_ms;
};

/** sim_init() - @n voters, all down. */
void sim_init(struct sim *s, unsigned n, unsigned disable);
void sim_fini(struct sim *s);
void sim_open(struct sim *s, unsigned i);
void sim_open_all(struct sim *s);
/** sim_add() - one more directory, empty: a member that joins. Return: its place. */
unsigned sim_add(struct sim *s);
/** sim_crash() - what its disk has not stored is lost. */
void sim_crash(struct sim *s, unsigned i);

/** sim_turn() - run what is due on the loops, nothing of disks or network. */
void sim_turn(struct sim *s);
/** sim_settle() - deliver and store until nothing is left to do. */
void sim_settle(struct sim *s);
/** sim_deliver() - the oldest message that is not held. Return: false when there is none. */
bool sim_deliver(struct sim *s);
/** sim_pass() - @ms of clock in ticks, settling after each. */
void sim_pass(struct sim *s, unsigned ms);
/** sim_elect() - make @i campaign first and win; fails the test when it does not. */
void sim_elect(struct sim *s, unsigned i);
void sim_unhold(struct sim *s);
void sim_isolate(struct sim *s, unsigned i, bool isolated);
/** sim_propose() - queue it; @status receives done()'s, 1 until then. Return: the call's. */
int sim_propose(struct sim *s, unsigned i, const char *text, int *status);
/** sim_has_applied() - was @text among what member @i applied (since its start)? */
bool sim_has_applied(const struct sim *s, unsigned i, const char *text);

#endif
