/* SPDX-License-Identifier: Apache-2.0
 * world.h - a whole cluster in one process, from one seed.
 *
 * How it works. Everything that happens is an event with a time: a round of the leader's loops, a
 * status arriving, a node's agent being told, a container exiting, a user doing something. The
 * world takes the earliest, moves the clock there, and lets it act; what it causes becomes later
 * events. All chance comes from the seed, so a failing run is the same every time. */
#ifndef SWARM_TESTS_SIM_WORLD_H
#define SWARM_TESTS_SIM_WORLD_H

#include "agent/task/task.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "tests/sim/model.h"

enum event_kind {
    EVENT_ROUND,     /* the leader's loops */
    EVENT_ACTION,    /* a user */
    EVENT_SYNC,      /* an agent is told its tasks */
    EVENT_REPORT,    /* a status arrives at the dispatcher */
    EVENT_TASK_STEP, /* a back-off is over */
    EVENT_PREPARED,
    EVENT_STARTED,
    EVENT_HEALTH,
    EVENT_EXITED,
    EVENT_STOPPED,
    EVENT_REMOVED,
    EVENT_DOWN, /* the heartbeats of a cut-off node are missed */
    EVENT_HEAL, /* it is reachable again */
};

struct event {
    int64_t at_ns;
    uint64_t order; /* of creation: makes equal times deterministic */
    enum event_kind kind;
    uint64_t node, task;
    uint64_t epoch; /* of the container or session it belongs to */
    int value;
    Swarm__V1__TaskStatus *status; /* EVENT_REPORT: owned */
};

struct container { /* what a real node would have */
    bool exists, running, healthy;
    int exit_code;
    bool exited;
};

struct sim_task {
    struct sw_list link; /* agent.tasks */
    struct agent *agent;
    uint64_t key;
    struct task *task;
    struct container container;
    Swarm__V1__TaskStatus *recorded; /* in the agent's database */
    uint64_t epoch;                  /* orders of an earlier life of the agent are not answered */
    int64_t busy_until;              /* the open order answers then */
};

struct agent {
    struct sw_list link; /* world.agents */
    struct world *w;
    uint64_t node;
    bool connected;
    uint64_t session;
    bool sync_pending;
    int64_t last_report_ns; /* statuses arrive in order */
    struct sw_list tasks;
};

struct world {
    struct model m;
    struct event *heap;
    size_t n, cap;
    uint64_t order;
    struct sw_list agents;
    int64_t round_at_ns; /* of the earliest EVENT_ROUND, 0: none */
    bool calm;           /* nothing fails, one update at a time: for O7 */
    bool steady;         /* no service fails by itself: the end leaves all as it is */
    bool ending;         /* users and faults have stopped */
    bool one_leader;     /* what it forgets, no other will find */
    bool crowded;        /* many others write during a round: many conflicts */
    bool leader_lost;
    bool in_round;
    bool disturbed;   /* something else was written during this round */
    unsigned names;   /* for unique ones */
    int64_t still_ns; /* when the clock last moved */
    unsigned still;   /* events since then */
    struct oracle *oracle;
    uint64_t actions, rounds, leaders;
};

void world_init(struct world *w, uint64_t seed, bool verbose);
void world_fini(struct world *w);
/** world_run() - until @until_ns or @actions user actions have been done. */
void world_run(struct world *w, int64_t until_ns, uint64_t actions);
void world_post(struct world *w, struct event e); /* @e.at_ns is absolute */
void world_round_soon(struct world *w, int64_t in_ns);
int64_t world_between(struct world *w, int64_t from_ns, int64_t to_ns);
bool world_chance(struct world *w, unsigned percent);

/* ---- agent.c ----------------------------------------------------------------------------------
 */
struct agent *agent_new(struct world *w, uint64_t node);
struct agent *agent_find(struct world *w, uint64_t node);
void agent_free(struct agent *a);
void agent_event(struct world *w, const struct event *e);
void agent_told(struct world *w, uint64_t node); /* something of the node's tasks changed */
/** agent_restart() - the agent's process ends and comes back; containers go on. */
void agent_restart(struct agent *a);
/** agent_power_loss() - all containers are gone too. */
void agent_power_loss(struct agent *a);
void agent_cut(struct agent *a, int64_t heal_after_ns);

/* ---- action.c ---------------------------------------------------------------------------------
 */
void action_random(struct world *w);
/** action_write_random() - only one that is a single API write: may run in the middle of a round.
 */
void action_write_random(struct world *w);
void action_setup(struct world *w);
/** action_make_peace() - heal everything, let no service fail any more. */
void action_make_peace(struct world *w);

/* ---- oracle.c ---------------------------------------------------------------------------------
 */
struct oracle *oracle_new(struct world *w);
void oracle_free(struct oracle *o);
void oracle_change(struct oracle *o, const struct view_change *c); /* each applied change */
void oracle_scan(struct oracle *o);                                /* after each step */
void oracle_quiescent(struct oracle *o); /* at the end, when nothing moves any more */
void oracle_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
