/* SPDX-License-Identifier: Apache-2.0
 * container.h - the simple container commands, also offered as first words. */
#ifndef SWARM_CLI_CMD_CONTAINER_H
#define SWARM_CLI_CMD_CONTAINER_H

#include "cli/cmd/common.h"

extern const struct option container_ls_options[];
extern const struct option container_logs_options[];
extern const struct option container_stop_options[];
extern const struct option container_rm_options[];
int container_run_ls(struct cli *cli, const struct args *args, struct sw_err *err);
int container_run_logs(struct cli *cli, const struct args *args, struct sw_err *err);
int container_run_stop(struct cli *cli, const struct args *args, struct sw_err *err);
int container_run_start(struct cli *cli, const struct args *args, struct sw_err *err);
int container_run_rm(struct cli *cli, const struct args *args, struct sw_err *err);

#endif
