/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/service.h"

#include <string.h>

#include "common/base/macro.h"

static int remove_one(struct cli *cli, const struct args *args, const char *name,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client *c = NULL;

    (void)args;
    url_path(&url, "/services/", name, "");
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, "DELETE", sw_buf_str(&url), NULL, NULL, err) < 0)
        return err->code;
    printf("%s\n", name);
    return 0;
}

static int run_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, remove_one);
}

static int get_service(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    int r = inspect_path(cli, "/services/", name, "?insertDefaults=true", raw, err);

    if (r == SW_E_NOT_FOUND)
        return sw_err_set(err, SW_E_NOT_FOUND, "Error: no such service: %s", name);
    return r;
}

static int run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_service, service_pretty, err);
}

static const struct option ls_options[] = { OPTION_FILTER, OPTION_FORMAT, OPTION_QUIET_IDS,
                                            OPTION_END };
static const struct option ps_options[] = {
    OPTION_FILTER,
    { "format", 0, OPT_STRING, NULL, "Pretty-print tasks using a Go template", NULL, NULL, false },
    { "no-resolve", 0, OPT_BOOL, NULL, "Do not map IDs to Names", NULL, NULL, false },
    OPTION_NO_TRUNC,
    { "quiet", 'q', OPT_BOOL, NULL, "Only display task IDs", NULL, NULL, false },
    OPTION_END,
};
static const struct option inspect_options[] = { OPTION_INSPECT_FORMAT, OPTION_PRETTY, OPTION_END };
static const struct option detach_options[] = {
    { "detach", 'd', OPT_BOOL, NULL,
      "Exit immediately instead of waiting for the service to converge", NULL, NULL, false },
    OPTION_END,
};
static const struct option rollback_options[] = {
    { "detach", 'd', OPT_BOOL, NULL,
      "Exit immediately instead of waiting for the service to converge", NULL, NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress progress output", NULL, NULL, false },
    OPTION_END,
};
static const struct option logs_options[] = {
    { "details", 0, OPT_BOOL, NULL, "Show extra details provided to logs", NULL, NULL, false },
    { "follow", 'f', OPT_BOOL, NULL, "Follow log output", NULL, NULL, false },
    { "no-resolve", 0, OPT_BOOL, NULL, "Do not map IDs to Names in output", NULL, NULL, false },
    { "no-task-ids", 0, OPT_BOOL, NULL, "Do not include task IDs in output", NULL, NULL, false },
    { "no-trunc", 0, OPT_BOOL, NULL, "Do not truncate output", NULL, NULL, false },
    { "raw", 0, OPT_BOOL, NULL, "Do not neatly format logs", NULL, NULL, false },
    { "since", 0, OPT_STRING, NULL,
      "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 "
      "minutes)",
      NULL, NULL, false },
    { "tail", 'n', OPT_STRING, NULL, "Number of lines to show from the end of the logs", "all",
      NULL, false },
    { "timestamps", 't', OPT_BOOL, NULL, "Show timestamps", NULL, NULL, false },
    OPTION_END,
};

const struct command cmd_service[] = {
    { .name = "create",
      .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
      .summary = "Create a new service",
      .options = service_create_options,
      .min = 1,
      .max = CMD_ANY,
      .options_first = true,
      .run = service_run_create },
    { .name = "inspect",
      .usage = "[OPTIONS] SERVICE [SERVICE...]",
      .summary = "Display detailed information on one or more services",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_inspect },
    { .name = "logs",
      .usage = "[OPTIONS] SERVICE|TASK",
      .summary = "Fetch the logs of a service or task",
      .options = logs_options,
      .min = 1,
      .max = 1,
      .run = service_run_logs },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List services",
      .options = ls_options,
      .run = service_run_ls },
    { .name = "ps",
      .usage = "[OPTIONS] SERVICE [SERVICE...]",
      .summary = "List the tasks of one or more services",
      .options = ps_options,
      .min = 1,
      .max = CMD_ANY,
      .run = service_run_ps },
    { .name = "rm",
      .aliases = "remove",
      .usage = "SERVICE [SERVICE...]",
      .summary = "Remove one or more services",
      .min = 1,
      .max = CMD_ANY,
      .run = run_rm },
    { .name = "rollback",
      .usage = "[OPTIONS] SERVICE",
      .summary = "Revert changes to a service's configuration",
      .options = rollback_options,
      .min = 1,
      .max = 1,
      .run = service_run_rollback },
    { .name = "scale",
      .usage = "SERVICE=REPLICAS [SERVICE=REPLICAS...]",
      .summary = "Scale one or multiple replicated services",
      .options = detach_options,
      .min = 1,
      .max = CMD_ANY,
      .run = service_run_scale },
    { .name = "update",
      .usage = "[OPTIONS] SERVICE",
      .summary = "Update a service",
      .options = service_update_options,
      .min = 1,
      .max = 1,
      .run = service_run_update },
    { .name = NULL },
};
