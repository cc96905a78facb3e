/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/root.h"

#define GROUP(n, text)                                                                             \
    {                                                                                              \
        .name = #n, .summary = (text), .subs = cmd_##n                                             \
    }

const struct command root_groups[] = {
    GROUP(node, "Manage Swarm nodes"),
    GROUP(service, "Manage Swarm services"),
    GROUP(swarm, "Manage Swarm"),
    { .name = NULL },
};

const struct command root_commands[] = {
    { .name = NULL },
};
