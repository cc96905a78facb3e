/* SPDX-License-Identifier: Apache-2.0
 * image.h - what the files of "image" share. */
#ifndef SWARM_CLI_CMD_IMAGE_H
#define SWARM_CLI_CMD_IMAGE_H

#include "cli/cmd/common.h"

int image_run_ls(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_history(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_load(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_import(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_save(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_pull(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_push(struct cli *cli, const struct args *args, struct sw_err *err);

/* Rows used both below "image" and at the top: image ls / images, image rm / rmi ... */
extern const struct option image_ls_options[];
extern const struct option image_rm_options[];
extern const struct option image_load_options[];
extern const struct option image_import_options[];
extern const struct option image_save_options[];
extern const struct option image_pull_options[];
extern const struct option image_push_options[];
extern const struct option image_history_options[];
int image_run_rm(struct cli *cli, const struct args *args, struct sw_err *err);
int image_run_tag(struct cli *cli, const struct args *args, struct sw_err *err);

#endif
