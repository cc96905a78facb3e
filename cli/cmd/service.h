/* SPDX-License-Identifier: Apache-2.0
 * service.h - what the files of "service" share. */
#ifndef SWARM_CLI_CMD_SERVICE_H
#define SWARM_CLI_CMD_SERVICE_H

#include "cli/cmd/common.h"

/* Options create and update have in common. STD(x): the default its help shows, create only. */
/* clang-format off */
#define SERVICE_OPTIONS(STD)                                                                       \
    { "cap-add", 0, OPT_LIST, NULL, "Add Linux capabilities", NULL, NULL, false },                 \
    { "cap-drop", 0, OPT_LIST, NULL, "Drop Linux capabilities", NULL, NULL, false },               \
    { "detach", 'd', OPT_BOOL, NULL, "Exit immediately instead of waiting for the service to converge", NULL, NULL, false }, \
    { "endpoint-mode", 0, OPT_STRING, NULL, "Endpoint mode (vip or dnsrr)", STD("vip"), NULL, false }, \
    { "entrypoint", 0, OPT_STRING, "command", "Overwrite the default ENTRYPOINT of the image", NULL, words_check, false }, \
    { "health-cmd", 0, OPT_STRING, NULL, "Command to run to check health", NULL, NULL, false },    \
    { "health-interval", 0, OPT_DURATION, NULL, "Time between running the check (ms|s|m|h)", NULL, NULL, false }, \
    { "health-retries", 0, OPT_INT, NULL, "Consecutive failures needed to report unhealthy", NULL, NULL, false }, \
    { "health-start-interval", 0, OPT_DURATION, NULL, "Time between running the check during the start period (ms|s|m|h)", NULL, NULL, false }, \
    { "health-start-period", 0, OPT_DURATION, NULL, "Start period for the container to initialize before counting retries towards unstable (ms|s|m|h)", NULL, NULL, false }, \
    { "health-timeout", 0, OPT_DURATION, NULL, "Maximum time to allow one check to run (ms|s|m|h)", NULL, NULL, false }, \
    { "hostname", 0, OPT_STRING, NULL, "Container hostname", NULL, NULL, false },                  \
    { "init", 0, OPT_BOOL, NULL, "Use an init inside each service container to forward signals and reap processes", NULL, NULL, false }, \
    { "isolation", 0, OPT_STRING, NULL, "Service container isolation mode", NULL, NULL, false },   \
    { "limit-cpu", 0, OPT_CPUS, NULL, "Limit CPUs", NULL, NULL, false },                           \
    { "limit-memory", 0, OPT_BYTES, NULL, "Limit Memory", NULL, NULL, false },                     \
    { "limit-pids", 0, OPT_INT, NULL, "Limit maximum number of processes (default 0 = unlimited)", NULL, NULL, false }, \
    { "log-driver", 0, OPT_STRING, NULL, "Logging driver for service", NULL, NULL, false },        \
    { "log-opt", 0, OPT_LIST, NULL, "Logging driver options", NULL, NULL, false },                 \
    { "max-concurrent", 0, OPT_UINT, NULL, "Number of job tasks to run concurrently (default equal to --replicas)", NULL, NULL, false }, \
    { "no-healthcheck", 0, OPT_BOOL, NULL, "Disable any container-specified HEALTHCHECK", NULL, NULL, false }, \
    { "no-resolve-image", 0, OPT_BOOL, NULL, "Do not query the registry to resolve image digest and supported platforms", NULL, NULL, false }, \
    { "oom-score-adj", 0, OPT_INT, NULL, "Tune host's OOM preferences (-1000 to 1000) ", NULL, NULL, false }, \
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress progress output", NULL, NULL, false },               \
    { "read-only", 0, OPT_BOOL, NULL, "Mount the container's root filesystem as read only", NULL, NULL, false }, \
    { "replicas", 0, OPT_UINT, NULL, "Number of tasks", NULL, NULL, false },                       \
    { "replicas-max-per-node", 0, OPT_UINT, NULL, "Maximum number of tasks per node (default 0 = unlimited)", NULL, NULL, false }, \
    { "reserve-cpu", 0, OPT_CPUS, NULL, "Reserve CPUs", NULL, NULL, false },                       \
    { "reserve-memory", 0, OPT_BYTES, NULL, "Reserve Memory", NULL, NULL, false },                 \
    { "restart-condition", 0, OPT_STRING, NULL, "Restart when condition is met (\"none\", \"on-failure\", \"any\")", STD("any"), NULL, false }, \
    { "restart-delay", 0, OPT_DURATION, NULL, "Delay between restart attempts (ns|us|ms|s|m|h)", STD("5s"), NULL, false }, \
    { "restart-max-attempts", 0, OPT_UINT, NULL, "Maximum number of restarts before giving up", NULL, NULL, false }, \
    { "restart-window", 0, OPT_DURATION, NULL, "Window used to evaluate the restart policy (ns|us|ms|s|m|h)", NULL, NULL, false }, \
    { "rollback-delay", 0, OPT_DURATION, NULL, "Delay between task rollbacks (ns|us|ms|s|m|h)", STD("0s"), NULL, false }, \
    { "rollback-failure-action", 0, OPT_STRING, NULL, "Action on rollback failure (\"pause\", \"continue\")", STD("pause"), NULL, false }, \
    { "rollback-max-failure-ratio", 0, OPT_FLOAT, NULL, "Failure rate to tolerate during a rollback", STD("0"), NULL, false }, \
    { "rollback-monitor", 0, OPT_DURATION, NULL, "Duration after each task rollback to monitor for failure (ns|us|ms|s|m|h)", STD("5s"), NULL, false }, \
    { "rollback-order", 0, OPT_STRING, NULL, "Rollback order (\"start-first\", \"stop-first\")", STD("stop-first"), NULL, false }, \
    { "rollback-parallelism", 0, OPT_UINT, NULL, "Maximum number of tasks rolled back simultaneously (0 to roll back all at once)", STD("1"), NULL, false }, \
    { "stop-grace-period", 0, OPT_DURATION, NULL, "Time to wait before force killing a container (ns|us|ms|s|m|h)", STD("10s"), NULL, false }, \
    { "stop-signal", 0, OPT_STRING, NULL, "Signal to stop the container", NULL, NULL, false },     \
    { "tty", 't', OPT_BOOL, NULL, "Allocate a pseudo-TTY", NULL, NULL, false },                    \
    { "update-delay", 0, OPT_DURATION, NULL, "Delay between updates (ns|us|ms|s|m|h)", STD("0s"), NULL, false }, \
    { "update-failure-action", 0, OPT_STRING, NULL, "Action on update failure (\"pause\", \"continue\", \"rollback\")", STD("pause"), NULL, false }, \
    { "update-max-failure-ratio", 0, OPT_FLOAT, NULL, "Failure rate to tolerate during an update", STD("0"), NULL, false }, \
    { "update-monitor", 0, OPT_DURATION, NULL, "Duration after each task update to monitor for failure (ns|us|ms|s|m|h)", STD("5s"), NULL, false }, \
    { "update-order", 0, OPT_STRING, NULL, "Update order (\"start-first\", \"stop-first\")", STD("stop-first"), NULL, false }, \
    { "update-parallelism", 0, OPT_UINT, NULL, "Maximum number of tasks updated simultaneously (0 to update all at once)", STD("1"), NULL, false }, \
    { "user", 'u', OPT_STRING, NULL, "Username or UID (format: <name|uid>[:<group|gid>])", NULL, NULL, false }, \
    { "with-registry-auth", 0, OPT_BOOL, NULL, "Send registry authentication details to swarm agents", NULL, NULL, false }, \
    { "workdir", 'w', OPT_STRING, NULL, "Working directory inside the container", NULL, NULL, false }
/* clang-format on */

/** service_flags() - put the options of SERVICE_OPTIONS that were given into @spec. */
int service_flags(json_t *spec, const struct args *args, struct sw_err *err);
/** service_networks() - replace names in the Networks array of the task template by ids. */
int service_network_id(struct cli *cli, const char *name, char **id, struct sw_err *err);
/** service_refs() - look the ids of Secrets or Configs up. @kind: "Secret" or "Config".
 * @refs: array of references, changed in place. Return: 0; SW_E_NOT_FOUND "secret not found: x". */
int service_refs(struct cli *cli, const char *kind, json_t *refs, struct sw_err *err);
/** service_resolve_image() - give the image its tag and, when the registry answers, its digest and
 * platforms. Never fails: what could not be found out is said on standard error by the caller.
 * @auth: X-Registry-Auth or NULL. Return: true when the registry answered. */
bool service_resolve_image(struct cli *cli, json_t *spec, const char *auth);
void service_warn_unresolved(const char *image);
/** service_auth() - X-Registry-Auth for the spec's image, NULL when nobody is logged in. Returned.
 */
char *service_auth(const json_t *spec);
/** service_send() - POST a spec to @path, print warnings. @id: "ID" of the answer, returned; or
 * NULL */
int service_send(struct cli *cli, const char *path, const json_t *spec, const char *auth, char **id,
                 struct sw_err *err);

extern const struct table task_table;
/** tasks_print() - a list of tasks, newest of each slot first, as "service ps" shows them. */
int tasks_print(struct cli *cli, const json_t *tasks, const struct args *args, struct sw_err *err);
extern const struct table service_table;
/** services_rows() - rows of "service ls" out of the API's list. Returned. */
json_t *services_rows(const json_t *services);

int service_run_create(struct cli *cli, const struct args *args, struct sw_err *err);
int service_run_update(struct cli *cli, const struct args *args, struct sw_err *err);
int service_run_rollback(struct cli *cli, const struct args *args, struct sw_err *err);
int service_run_scale(struct cli *cli, const struct args *args, struct sw_err *err);
int service_run_ls(struct cli *cli, const struct args *args, struct sw_err *err);
int service_run_ps(struct cli *cli, const struct args *args, struct sw_err *err);
int service_run_logs(struct cli *cli, const struct args *args, struct sw_err *err);
void service_pretty(struct cli *cli, struct sw_buf *out, const json_t *service);

extern const struct option service_create_options[];
extern const struct option service_update_options[];

#endif
