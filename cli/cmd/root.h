/* SPDX-License-Identifier: Apache-2.0
 * root.h - the first words: groups (service, node ...) and commands that stand alone. */
#ifndef SWARM_CLI_CMD_ROOT_H
#define SWARM_CLI_CMD_ROOT_H

#include "cli/cmd/command.h"

extern const struct command root_groups[];
extern const struct command root_commands[];

#endif
