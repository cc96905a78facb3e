/* SPDX-License-Identifier: Apache-2.0
 * stack.h - what the files of "stack" share. */
#ifndef SWARM_CLI_CMD_STACK_H
#define SWARM_CLI_CMD_STACK_H

#include "cli/cmd/common.h"
#include "cli/compose/compose.h"

/* The texts of the compose files while they are in use. */
struct stack_files {
    struct compose_source *sources;
    struct sw_buf *texts;
    struct strv names;
    char *dir;
    size_t n;
};

/** stack_load() - read the files of --compose-file and load them.
 * @files: must live as long as @out; release both with stack_unload() */
int stack_load(const struct args *args, struct stack_files *files, struct compose *out,
               struct sw_err *err);
void stack_unload(struct stack_files *files, struct compose *c);
extern const struct compose_world stack_world; /* this process: its environment and files */

/** stack_filter() - filters with the label of @stack; @args may add its --filter options. */
int stack_filter(const struct args *args, const char *stack, json_t **out, struct sw_err *err);

int stack_run_deploy(struct cli *cli, const struct args *args, struct sw_err *err);
int stack_run_rm(struct cli *cli, const struct args *args, struct sw_err *err);

#endif
