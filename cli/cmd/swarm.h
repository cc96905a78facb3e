/* SPDX-License-Identifier: Apache-2.0
 * swarm.h - what the files of "swarm" share. */
#ifndef SWARM_CLI_CMD_SWARM_H
#define SWARM_CLI_CMD_SWARM_H

#include "cli/cmd/common.h"

/* Settings that init and update have in common. STD(x): the default its help shows. */
/* clang-format off */
#define SWARM_OPTIONS                                                                              \
    { "autolock", 0, OPT_BOOL, NULL, AUTOLOCK_HELP, NULL, NULL, false },                           \
    { "cert-expiry", 0, OPT_DURATION, NULL, "Validity period for node certificates (ns|us|ms|s|m|h)", "2160h0m0s", NULL, false }, \
    { "dispatcher-heartbeat", 0, OPT_DURATION, NULL, "Dispatcher heartbeat period (ns|us|ms|s|m|h)", "5s", NULL, false }, \
    { "max-snapshots", 0, OPT_UINT, NULL, "Number of additional Raft snapshots to retain", NULL, NULL, false }, \
    { "snapshot-interval", 0, OPT_UINT, NULL, "Number of log entries between Raft snapshots", "10000", NULL, false }, \
    { "task-history-limit", 0, OPT_INT, NULL, "Task history retention limit", "5", NULL, false }
/* clang-format on */

/** swarm_settings() - put the SWARM_OPTIONS that were given into a cluster spec. */
void swarm_settings(json_t *spec, const struct args *args);
/** swarm_inspect() - GET /swarm. */
int swarm_inspect(struct cli *cli, json_t **out, struct sw_err *err);
/** swarm_update() - POST the spec of @cluster back. @rotate: "", "Worker", "Manager" (tokens) or
 * "Key" (unlock key). */
int swarm_update(struct cli *cli, const json_t *cluster, const char *rotate, struct sw_err *err);
/** swarm_say_join() - the command that joins as @role ("worker", "manager") via manager @node. */
int swarm_say_join(struct cli *cli, const char *node, bool worker, bool manager,
                   struct sw_err *err);
/** swarm_say_unlock_key() - the key and what to do with it. */
int swarm_say_unlock_key(struct cli *cli, struct sw_err *err);

int swarm_run_unlock(struct cli *cli, const struct args *args, struct sw_err *err);
int swarm_run_unlock_key(struct cli *cli, const struct args *args, struct sw_err *err);
int swarm_run_ca(struct cli *cli, const struct args *args, struct sw_err *err);

#endif
