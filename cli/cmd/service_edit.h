/* SPDX-License-Identifier: Apache-2.0
 * service_edit.h - the -add and -rm options of "service update". */
#ifndef SWARM_CLI_CMD_SERVICE_EDIT_H
#define SWARM_CLI_CMD_SERVICE_EDIT_H

#include "cli/cmd/command.h"

/** service_edit() - apply them to @spec. Lists keep their order where the engine sees it (env,
 * hosts), and are sorted where it does not, so that nothing looks changed that is not. */
int service_edit(struct cli *cli, json_t *spec, const struct args *args, struct sw_err *err);

#endif
