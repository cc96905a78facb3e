/* SPDX-License-Identifier: Apache-2.0
 * oracle.h - the oracle's records, shared by its two halves. */
#ifndef SWARM_TESTS_SIM_ORACLE_H
#define SWARM_TESTS_SIM_ORACLE_H

#include "tests/sim/world.h"

struct restart { /* a replacement made by the restart supervisor */
    uint64_t task, service, slot, node, version, iteration;
    int64_t at_ns;
};

struct made { /* a task of a rolling update */
    uint64_t task, service, slot, version;
    bool failed;
};

struct oracle {
    struct made *made;
    size_t n_made, cap_made;
    struct world *w;
    struct restart *restarts;
    size_t n_restarts, cap_restarts;
    struct sw_map full; /* calm: services that had all tasks running when their update began */
};

static inline unsigned long ul(uint64_t x)
{
    return (unsigned long)x;
}

static inline int update_state(const Swarm__V1__Service *s)
{
    return s->update_status != NULL ? (int)s->update_status->state : 0;
}

/* It takes resources of its node. */
static inline bool on_node(const Swarm__V1__Task *t)
{
    return t->node != 0 && status_state(t) >= TASK_STATE(ASSIGNED) && !status_ended(t);
}

#endif
