/* SPDX-License-Identifier: Apache-2.0
 * system.h - info, version, events and inspect of anything. */
#ifndef SWARM_CLI_CMD_SYSTEM_H
#define SWARM_CLI_CMD_SYSTEM_H

#include "cli/cmd/common.h"

int system_run_info(struct cli *cli, const struct args *args, struct sw_err *err);
int system_run_version(struct cli *cli, const struct args *args, struct sw_err *err);
int system_run_events(struct cli *cli, const struct args *args, struct sw_err *err);
int system_run_inspect(struct cli *cli, const struct args *args, struct sw_err *err);
extern const struct option system_info_options[];
extern const struct option system_events_options[];
extern const struct option system_inspect_options[];
/** system_format() - print one object by --format ("json" or a template). */
int system_format(const char *format, const json_t *object, struct sw_err *err);
/** event_line() - "2026-11-23T22:24:21.805787776Z network create dme5en6agbq9 (name=att1)". */
void event_line(struct sw_buf *out, const json_t *event);

#endif
