/* SPDX-License-Identifier: Apache-2.0
 * cache.h - slots of services: which tasks share one, and which are to be looked at.
 *
 * Fed by orchestrator_note() alone. A service's counters are sums over its slots as they were at
 * their last evaluation (slot.c), hence they are right whenever the service has no dirty slot. */
#ifndef SWARM_MANAGER_ORCHESTRATOR_CACHE_H
#define SWARM_MANAGER_ORCHESTRATOR_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "manager/orchestrator/orchestrator.h"
#include "manager/scheduler/constraint.h"

#define ORCH_SLOTS_PER_STEP 4000
#define ORCH_NOT_BUSY       INT64_MIN
#define ORCH_BUSY           INT64_MAX

enum slot_class {
    SLOT_VACANT, /* nothing in it that should run: its number is free */
    SLOT_LIVE,   /* a task is wanted */
    SLOT_ENDED,  /* its task ended and is not restarted: still occupied */
    SLOT_DONE,   /* job: completed in this iteration */
};

enum relation { /* of a task's specification to its service's current one */
                RELATION_UNKNOWN,
                RELATION_CLEAN,
                RELATION_PLACEMENT, /* only the placement differs: clean where the node satisfies it
                                     */
                RELATION_OUTDATED,
};

struct version {
    uint64_t version;
    uint32_t tasks;
    enum relation relation;
    uint64_t relation_to; /* the service's version for which @relation holds */
};

struct svc;

struct slot {
    struct svc *svc;
    uint64_t id;             /* slot number; node key for global services */
    struct sw_list order;    /* svc.slots, in order of ids */
    struct sw_list dirty;    /* orchestrator.dirty_slots */
    struct sw_list outdated; /* svc.outdated: waits to be updated */
    uint64_t *tasks;         /* keys, ascending */
    uint32_t n_tasks;
    uint32_t failures; /* tasks of the running update that ended early */
    enum slot_class class;
    bool touched;        /* by the running update */
    struct sw_list busy; /* svc.busy: the update waits for it */
    int64_t busy_until_ns;
    int64_t done_ns; /* when the update's task got to RUNNING or ended; 0: not yet */
    int64_t wake_ns; /* of its entry in the timers, 0: none */
};

enum svc_mode { SVC_REPLICATED, SVC_GLOBAL, SVC_JOB, SVC_GLOBAL_JOB };

struct svc {
    uint64_t key;
    const Swarm__V1__Service *msg; /* borrowed from the view; NULL: the service is gone */
    enum svc_mode mode;
    struct sw_map by_id;   /* slot id -> struct slot */
    struct sw_list slots;  /* slot.order */
    struct sw_list dirty;  /* orchestrator.dirty_svcs */
    struct sw_list global; /* orchestrator.globals */
    struct sw_list outdated;
    struct sw_list busy;
    uint64_t free_hint; /* no free slot number below */
    uint32_t n_dirty;   /* slots of it in orchestrator.dirty_slots */
    uint32_t n_class[4];
    uint32_t n_touched, n_outdated, n_failures;
    uint64_t failed_task; /* newest of them */
    int64_t last_done_ns; /* of the running update */
    struct version *versions;
    size_t n_versions;
    struct constraint_set constraints;
    bool constraints_bad;
    bool nodes_missing; /* global: slots for all nodes are to be made */
    int64_t wake_ns;
};

struct timer {
    int64_t at_ns;
    uint64_t svc;
    uint64_t slot;
    bool of_slot;
};

struct node_mark { /* a node to be looked at */
    uint64_t key;
    bool health; /* state or availability changed: its tasks' slots */
    bool fit;    /* labels, resources ... changed: enforcer and global services */
};

struct orchestrator {
    bool stale; /* rebuild from the view */
    struct sw_map svcs;
    struct sw_list dirty_slots, dirty_svcs, globals;
    struct node_mark *nodes;
    size_t n_nodes, cap_nodes;
    struct timer *timers; /* binary heap, earliest first */
    size_t n_timers, cap_timers;
    int32_t history_limit;
};

struct svc *cache_svc(const struct orchestrator *o, uint64_t key);
struct slot *cache_slot(const struct svc *s, uint64_t id);
/** cache_slot_of() - the slot of a task, NULL when unknown. */
struct slot *cache_slot_of(const struct orchestrator *o, const Swarm__V1__Task *t);
/** cache_make_slot() - the slot, made empty and dirty when it is new. NULL: memory is gone. */
struct slot *cache_make_slot(struct orchestrator *o, struct svc *s, uint64_t id);
void cache_drop_slot(struct orchestrator *o, struct slot *slot);
void cache_dirty_slot(struct orchestrator *o, struct slot *slot);
void cache_clean_slot(struct slot *slot);
void cache_dirty_svc(struct orchestrator *o, struct svc *s);
void cache_drop_svc(struct orchestrator *o, struct svc *s);
void cache_note(struct orchestrator *o, const struct view_change *c);
void cache_clear(struct orchestrator *o);
struct version *cache_version(struct svc *s, uint64_t version);

/** cache_mark_node() - look at a node at the next step. */
void cache_mark_node(struct orchestrator *o, struct node_mark mark);

/** cache_wake_slot(), cache_wake_svc() - make dirty at @at_ns. */
void cache_wake_slot(struct orchestrator *o, struct slot *slot, int64_t at_ns);
void cache_wake_svc(struct orchestrator *o, struct svc *s, int64_t at_ns);
/** cache_run_timers() - make dirty whose time has come. Return: the next time, 0: none. */
int64_t cache_run_timers(struct orchestrator *o, int64_t now_ns);

#endif
