/* SPDX-License-Identifier: Apache-2.0
 * converge.h - is a service what its spec asks for? One pass over its tasks, and the bars of it.
 *
 * No clock and no requests: wait.c polls and calls converge_step(). The kind of service is fixed by
 * the first step. A replicated service whose restart policy lets tasks end counts a completed task
 * as running, else it would never converge. */
#ifndef SWARM_CLI_CMD_CONVERGE_H
#define SWARM_CLI_CMD_CONVERGE_H

#include "cli/render/progress.h"
#include "cli/spec/js.h"
#include "common/base/err.h"

struct converge {
    bool initialized;
    bool done;
    struct strv slots; /* replicated: slot numbers in the order first seen, as text */
    struct strv nodes; /* global job: nodes of the first step */
    int64_t iteration; /* jobs */
};

struct converge_input {
    const json_t *service;
    const json_t *tasks;        /* those of the current spec */
    const json_t *active_nodes; /* object: id -> true */
    bool rollback;
};

/** converge_step() - draw and judge. Return: 0, *converged set; SW_E_INVALID for an odd service. */
int converge_step(struct converge *c, const struct converge_input *in, struct progress *p,
                  bool *converged, struct sw_err *err);
void converge_fini(struct converge *c);
bool converge_is_job(const json_t *service);

#endif
