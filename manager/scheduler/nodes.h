/* SPDX-License-Identifier: Apache-2.0
 * nodes.h - the scheduler's table of nodes: what each has and what is used of it.
 *
 * An index into the table is given at a node's first sight and never used again for another one. */
#ifndef SWARM_MANAGER_SCHEDULER_NODES_H
#define SWARM_MANAGER_SCHEDULER_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/map.h"
#include "manager/scheduler/specs.h"
#include "swarm/v1/objects.pb-c.h"

#define NODES_NONE UINT32_MAX

struct node_claim { /* of a generic resource */
    char *kind;
    char *value; /* "" for a discrete one */
    int64_t count;
};

struct node_rare {
    uint64_t key;
    const Swarm__V1__Node *msg; /* borrowed from the view; NULL: the node is gone */
    struct node_claim *claims;
    size_t n_claims;
    uint32_t *ports; /* host-mode ports in use: protocol << 16 | port; one entry a user */
    size_t n_ports;
};

struct nodes {
    size_t n, cap;
    int64_t *total_cpu, *total_mem;
    int64_t *used_cpu, *used_mem; /* reservations of tasks assigned and not ended */
    uint32_t *active;             /* such tasks that are still wanted */
    bool *ready;
    struct node_rare *rare;
    struct sw_map index; /* key -> index + 1 */
};

void nodes_init(struct nodes *t);
void nodes_fini(struct nodes *t);
/** nodes_put() - a node is new or changed. @n: borrowed until the next call for it.
 * Return: 0 or -ENOMEM. */
int nodes_put(struct nodes *t, const Swarm__V1__Node *n);
void nodes_del(struct nodes *t, uint64_t key);
uint32_t nodes_find(const struct nodes *t, uint64_t key); /* NODES_NONE when absent */

/* What one task takes of a node. */
struct node_load {
    const struct spec *spec;
    Swarm__V1__GenericResource *const *generic; /* as assigned */
    size_t n_generic;
    bool active; /* desired at most COMPLETE */
};

/** nodes_charge() - @load is there now. Return: 0 or -ENOMEM. */
int nodes_charge(struct nodes *t, uint32_t i, const struct node_load *load);
void nodes_release(struct nodes *t, uint32_t i, const struct node_load *load);

/** nodes_generic_fits() - are enough of every generic resource of @spec free? */
bool nodes_generic_fits(const struct nodes *t, uint32_t i, const struct spec *spec);
/** nodes_generic_pick() - choose them. @out, @n_out: returned, appended to a task's
 * assigned_generic with pb_add(). Return: 0 or -ENOMEM. */
int nodes_generic_pick(const struct nodes *t, uint32_t i, const struct spec *spec, size_t *n_out,
                       Swarm__V1__GenericResource ***out);
bool nodes_ports_free(const struct nodes *t, uint32_t i, const struct spec *spec);
/** nodes_load_permille() - the larger of reserved CPU and memory shares. */
uint32_t nodes_load_permille(const struct nodes *t, uint32_t i);

#endif
