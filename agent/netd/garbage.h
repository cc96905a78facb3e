/* SPDX-License-Identifier: Apache-2.0
 * garbage.h - things that workers may still look at after the control thread let go of them.
 *
 * Embedded in what is to be freed, so letting go can never fail. Freed by the control thread after
 * the next table was published and every worker has passed a quiescent point (worker.h). */
#ifndef SWARM_AGENT_NETD_GARBAGE_H
#define SWARM_AGENT_NETD_GARBAGE_H

#include <stdint.h>

#include "common/base/list.h"

struct netd_garbage {
    struct sw_list link;
    uint64_t gen; /* private */
    void (*free)(struct netd_garbage *g);
};

#endif
