/* SPDX-License-Identifier: Apache-2.0
 * model.h - a leader in a box: the view as store, the control loops, a clock that only we move.
 *
 * model_round() is what the leader's driver does: all steps over one view, then the transactions.
 * API writes go through model_begin() and model_commit(). Memory failure aborts the test. */
#ifndef SWARM_TESTS_SIM_MODEL_H
#define SWARM_TESTS_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "manager/allocator/allocator.h"
#include "manager/orchestrator/orchestrator.h"
#include "manager/scheduler/scheduler.h"
#include "manager/view/status.h"
#include "manager/view/txn.h"
#include "manager/view/view.h"

#define MODEL_S(x)  ((int64_t)(x)*1000000000ll)
#define MODEL_MS(x) ((int64_t)(x)*1000000ll)

#define TASK_STATE(x) SWARM__V1__TASK_STATE__TASK_##x
#define NODE_STATE(x) SWARM__V1__NODE_STATE__NODE_##x

struct model {
    struct view *view;
    struct view_observer observer;
    struct allocator *alloc;
    struct scheduler *sched;
    struct orchestrator *orch;
    struct txn_random rnd;
    uint64_t seed;
    int64_t now_ns;
    int64_t wake_ns; /* earliest that a loop asked for; 0: none */
    uint64_t index, next_key;
    uint64_t conflicts; /* transactions refused so far */
    /* Called before each transaction of the loops applies; may write. Return: false: lose it (as
     * when leadership goes), without telling the loops. */
    bool (*interfere)(void *arg, struct model *m);
    void (*watch)(void *arg, struct model *m, const struct view_change *c);
    void *arg;
    bool trace;
    bool orchestrator_first; /* order of the steps in a round; both must do */
};

void model_init(struct model *m, uint64_t seed); /* with a cluster object and the ingress network */
void model_fini(struct model *m);
uint64_t model_random(struct model *m);
uint64_t model_below(struct model *m, uint64_t n); /* 0 .. n-1 */

/** model_round() - Return: changes applied. */
size_t model_round(struct model *m);
/** model_settle() - rounds until nothing changes; asserts that this ends. */
void model_settle(struct model *m);
/** model_advance() - let time pass, with rounds whenever a loop asked for one. */
void model_advance(struct model *m, int64_t ns);
/** model_new_leader() - fresh loops over the same store. */
void model_new_leader(struct model *m);
/** model_is_quiet() - neither these loops nor fresh ones would change anything now. */
bool model_is_quiet(struct model *m);

struct txn *model_begin(struct model *m);
void model_commit(struct model *m, struct txn *x); /* must apply; frees @x */

/* ---- what a dispatcher writes ---------------------------------------------------------------- */

/** model_report() - an agent's status; a backward one is ignored. */
void model_report(struct model *m, uint64_t task, Swarm__V1__TaskState state);
/** model_obey() - perfect agents: every task gets where it is wanted at once. */
void model_obey(struct model *m);
/** model_run() - settle and obey in turns until both are done. */
void model_run(struct model *m);
void model_node_state(struct model *m, uint64_t node, Swarm__V1__NodeState state);
void model_node_availability(struct model *m, uint64_t node, Swarm__V1__NodeAvailability a);
void model_node_label(struct model *m, uint64_t node, const char *key, const char *value);
void model_node_remove(struct model *m, uint64_t node);

/* ---- build.c: objects as the API makes them ---------------------------------------------------
 */

Swarm__V1__Service *build_service(const char *name, uint64_t replicas); /* pb_free() or create */
Swarm__V1__Service *build_global(const char *name);
Swarm__V1__Service *build_job(const char *name, uint64_t concurrent, uint64_t total);
void build_image(Swarm__V1__Service *s, const char *image);
void build_constraint(Swarm__V1__Service *s, const char *expr);
void build_spread(Swarm__V1__Service *s, const char *descriptor);
void build_reserve(Swarm__V1__Service *s, int64_t nano_cpus, int64_t memory_bytes);
void build_generic(Swarm__V1__Service *s, const char *kind, int64_t count);
void build_network(Swarm__V1__Service *s, uint64_t network);
void build_publish(Swarm__V1__Service *s, uint32_t published, uint32_t target, bool host);
void build_restart(Swarm__V1__Service *s, Swarm__V1__RestartPolicy__Condition c, int64_t delay_ns,
                   uint64_t max_attempts, int64_t window_ns);
Swarm__V1__UpdateConfig *build_update(Swarm__V1__Service *s, uint64_t parallelism, int64_t delay_ns,
                                      int64_t monitor_ns);
Swarm__V1__Placement *build_placement(Swarm__V1__Service *s);

uint64_t model_create(struct model *m, enum view_kind kind, void *msg);
uint64_t model_node(struct model *m, const char *name, int64_t nano_cpus, int64_t memory_bytes);
uint64_t model_network(struct model *m, const char *name, const char *subnet);
/** model_edit() - a copy of the service to change, for model_update() (which frees it). */
Swarm__V1__Service *model_edit(struct model *m, uint64_t service);
void model_update(struct model *m, Swarm__V1__Service *edited);
void model_scale(struct model *m, uint64_t service, uint64_t replicas);
void model_rollback(struct model *m, uint64_t service);
void model_delete(struct model *m, uint64_t key);

/* ---- questions --------------------------------------------------------------------------------
 */

const Swarm__V1__Task *model_task(struct model *m, uint64_t key); /* NULL when gone */
/** model_count() - tasks of a service with that desired state and at least that observed one. */
unsigned model_count(struct model *m, uint64_t service, Swarm__V1__TaskState desired,
                     Swarm__V1__TaskState at_least);
/** model_in_slot() - the newest wanted task of a slot, 0: none. */
uint64_t model_in_slot(struct model *m, uint64_t service, uint64_t slot);
uint64_t model_on_node(struct model *m, uint64_t service, uint64_t node);

#endif
