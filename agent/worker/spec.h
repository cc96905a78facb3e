/* SPDX-License-Identifier: Apache-2.0
 * spec.h - a task and its image to a container's specification. Pure, apart from naming paths.
 * Source: SEMANTICS 23; SwarmKit/moby executor/container. */
#ifndef SWARM_AGENT_WORKER_SPEC_H
#define SWARM_AGENT_WORKER_SPEC_H

#include "agent/image/image.h"
#include "agent/sandbox/container.h"
#include "agent/worker/template.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct spec; /* owns everything struct container_spec borrows */

struct spec_input {
    const Swarm__V1__AssignedTask *task;
    const struct image_config *image;
    const struct template_node *node;
    const char *container_id;
    const char *bundle;      /* containers/<id> */
    const char *volumes_dir; /* volumes/ */
};

/** spec_build() - @out: spec_free(). Return: 0; SW_E_INVALID with the reason; -ENOMEM. */
int spec_build(struct spec **out, const struct spec_input *in, struct sw_err *err);
void spec_free(struct spec *s);
const struct container_spec *spec_container(const struct spec *s);
/** spec_volumes() - named volumes it uses: their directories must exist before the create. */
size_t spec_volumes(const struct spec *s, const char *const **dirs);

/** spec_signal() - "SIGTERM", "TERM", "15" to a number; 0 when unknown. */
int spec_signal(const char *name);

#endif
