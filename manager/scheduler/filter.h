/* SPDX-License-Identifier: Apache-2.0
 * filter.h - may a task of this specification go on that node, and if on none: why.
 *
 * The filters run in the order of enum filter and stop at the first that refuses; refusals are
 * counted for the explanation that the user reads in the task's status. */
#ifndef SWARM_MANAGER_SCHEDULER_FILTER_H
#define SWARM_MANAGER_SCHEDULER_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "manager/scheduler/nodes.h"
#include "manager/scheduler/specs.h"
#include "manager/view/view.h"

enum filter {
    FILTER_READY,
    FILTER_RESOURCES,
    FILTER_PLUGINS,
    FILTER_CONSTRAINTS,
    FILTER_PLATFORM,
    FILTER_HOST_PORT,
    FILTER_MAX_REPLICAS,
    FILTERS
};

struct filter_run {
    const struct view *view;
    const struct nodes *nodes;
    const struct service_specs *svc;
    const struct spec *spec;
    unsigned refused[FILTERS];
};

/** filter_node() - do all filters pass? Counts the one that did not. */
bool filter_node(struct filter_run *f, uint32_t node);
/** filter_still_fits() - the filters whose answer changes while tasks are being placed. */
bool filter_still_fits(const struct filter_run *f, uint32_t node);
/** filter_explain() - "no suitable node (insufficient resources on 2 nodes; ...)". */
void filter_explain(const struct filter_run *f, struct sw_buf *out);

#endif
