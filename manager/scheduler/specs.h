/* SPDX-License-Identifier: Apache-2.0
 * specs.h - what the scheduler must know of a service: per version of its specification the parsed
 * requirements, and per node how many of its tasks are there.
 *
 * A version is kept while it is the service's current one or a task of it is charged to a node:
 * longer than the service object, whose tasks are still running when it goes. */
#ifndef SWARM_MANAGER_SCHEDULER_SPECS_H
#define SWARM_MANAGER_SCHEDULER_SPECS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "manager/scheduler/constraint.h"
#include "swarm/v1/objects.pb-c.h"

struct service_specs;

struct spec {
    struct service_specs *svc; /* whose it is */
    uint64_t version;
    uint32_t refs; /* charged tasks */
    Swarm__V1__TaskSpec *task;
    int64_t cpu, mem; /* reserved by one task */
    Swarm__V1__GenericResource *const *generic;
    size_t n_generic;
    struct constraint_set constraints;
    bool unsatisfiable; /* a constraint does not parse: no node fits */
    uint64_t max_replicas;
    uint32_t *host_ports; /* protocol << 16 | port */
    size_t n_host_ports;

    /* unplaced tasks of this version */
    struct sw_list dirty;   /* scheduler.dirty while there is something to try */
    struct sw_list blocked; /* scheduler.blocked: waits for a node or resource */
    uint64_t *pending;      /* keys; those no longer pending are skipped */
    size_t n_pending, cap_pending;
    int64_t not_before_ns; /* of the next try */
};

struct spec_failure {
    uint64_t version;
    uint32_t node;
    int64_t at_ns;
};

struct spec_count { /* slot of an open-addressing table */
    uint32_t node;  /* index + 1, 0: free */
    uint32_t n;
};

struct service_specs {
    uint64_t key;
    const Swarm__V1__Service *msg; /* borrowed from the view; NULL: the service is gone */
    struct spec **specs;           /* oldest first */
    size_t n_specs;
    struct spec_count *counts; /* active tasks per node */
    size_t n_counts, cap_counts;
    struct spec_failure *failures; /* oldest first, of the last five minutes */
    size_t n_failures;
};

struct specs {
    struct sw_map services; /* key -> struct service_specs */
};

void specs_init(struct specs *s);
void specs_fini(struct specs *s);
/** specs_put() - a service is new or changed. Return: 0 or -ENOMEM. */
int specs_put(struct specs *s, const Swarm__V1__Service *msg);
/** specs_del() - it is gone; what its tasks use stays until they end. */
void specs_del(struct specs *s, uint64_t key);
/** specs_put_unknown() - a task runs on whose specification is lost: its service was removed under
 * an earlier leader. What the task itself tells, ports and generic resources, still counts. */
int specs_put_unknown(struct specs *s, const Swarm__V1__Task *t);
struct service_specs *specs_service(const struct specs *s, uint64_t key);
/** specs_find() - the specification of a task; that of the current version when its own is unknown,
 * as view_task_spec() has it. NULL: unknown. */
struct spec *specs_find(const struct service_specs *svc, uint64_t version);
/** specs_unref() - one charged task less; forgets versions and services nobody needs. */
void specs_unref(struct specs *s, struct service_specs *svc, struct spec *spec);
/** specs_tidy() - forget what is no longer needed; called when pending lists are empty. */
void specs_tidy(struct specs *s, struct service_specs *svc);

uint32_t specs_count(const struct service_specs *svc, uint32_t node);
int specs_count_add(struct service_specs *svc, uint32_t node, int delta); /* 0 or -ENOMEM */
int specs_failed(struct service_specs *svc, uint64_t version, uint32_t node, int64_t at_ns);
/** specs_failures() - how often tasks of @version failed on @node since @since_ns. */
unsigned specs_failures(const struct service_specs *svc, uint64_t version, uint32_t node,
                        int64_t since_ns);

#endif
