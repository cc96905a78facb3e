/* SPDX-License-Identifier: Apache-2.0
 * pretty.h - "inspect --pretty": an object for people.
 *
 * Each is a template over a context made from the object, in Docker's layout. */
#ifndef SWARM_CLI_CMD_PRETTY_H
#define SWARM_CLI_CMD_PRETTY_H

#include "cli/cmd/command.h"

void node_pretty(struct cli *cli, struct sw_buf *out, const json_t *node);
void secret_pretty(struct cli *cli, struct sw_buf *out, const json_t *secret);
void config_pretty(struct cli *cli, struct sw_buf *out, const json_t *config);

/** pretty_print() - run @template (our own, hence never wrong) over @context (consumed). */
void pretty_print(struct sw_buf *out, const char *template, json_t *context);
/* Turn the number at @path into text when it is there: sizes, durations, times, CPUs. */
void pretty_bytes(json_t *context, const char *key, const json_t *from, const char *path);
void pretty_duration(json_t *context, const char *key, const json_t *from, const char *path);
void pretty_cpus(json_t *context, const char *key, const json_t *from, const char *path);
void pretty_time(json_t *context, const char *key, const json_t *from, const char *path);

#endif
