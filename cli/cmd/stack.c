/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/stack.h"

#include <string.h>

#include "cli/cmd/natural.h"
#include "cli/cmd/service.h"
#include "common/base/macro.h"

static const struct table_column columns[] = { { "Name", "NAME" }, { "Services", "SERVICES" } };
static const struct table stack_table = { columns, SW_ARRAY_LEN(columns),
                                          "{{.Name}}\t{{.Services}}", "Name" };

int stack_filter(const struct args *args, const char *stack, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *label = cli_printf("%s=%s", STACK_LABEL, stack);
    json_t *filters = NULL;

    if (args == NULL)
        filters = json_object();
    else if (cmd_filters(args, &filters, err) < 0)
        return err->code;
    filters_set(filters, "label", label);
    *out = filters;
    return 0;
}

static int run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *filters = json_object();
    json_auto_t *services = NULL;
    json_auto_t *counts = json_object();
    json_auto_t *rows = json_array();
    const char *name;
    json_t *each;
    size_t i;

    filters_set(filters, "label", STACK_LABEL);
    if (cmd_list(cli, "/services", filters, &services, err) < 0)
        return err->code;
    json_array_foreach(services, i, each)
    {
        const json_t *stack = json_object_get(js_get(each, "Spec.Labels"), STACK_LABEL);

        if (json_is_string(stack))
            json_object_set_new(
                counts, json_string_value(stack),
                json_integer(json_integer_value(json_object_get(counts, json_string_value(stack))) +
                             1));
    }
    json_object_foreach(counts, name, each)
    {
        SW_CLEANUP(sw_free_ptr) char *n = cli_printf("%lld", (long long)json_integer_value(each));
        json_t *row = json_object();

        js_set_str(row, "Name", name);
        js_set_str(row, "Services", n);
        json_array_append_new(rows, row);
    }
    natural_sort(rows, "Name");
    return cmd_table(&stack_table, rows, args, err);
}

static int run_ps(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *stack = args->pos.v[0];
    json_auto_t *filters = NULL;
    json_auto_t *tasks = NULL;

    if (stack_filter(args, stack, &filters, err) < 0 ||
        cmd_list(cli, "/tasks", filters, &tasks, err) < 0)
        return err->code;
    if (json_array_size(tasks) == 0)
        return sw_err_set(err, SW_E_NOT_FOUND, "nothing found in stack: %s", stack);
    return tasks_print(cli, tasks, args, err);
}

static int run_services(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *stack = args->pos.v[0];
    json_auto_t *filters = NULL;
    json_auto_t *services = NULL;
    json_auto_t *rows = NULL;

    if (stack_filter(args, stack, &filters, err) < 0 ||
        cmd_list(cli, "/services?status=true", filters, &services, err) < 0)
        return err->code;
    if (json_array_size(services) == 0) {
        fprintf(stderr, "Nothing found in stack: %s\n", stack);
        return 0;
    }
    rows = services_rows(services);
    return cmd_table(&service_table, rows, args, err);
}

static int run_config(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    struct stack_files files;
    struct compose c;
    int r = stack_load(args, &files, &c, err);

    (void)cli;
    if (r == 0) {
        compose_dump(&c, &out);
        printf("%s", sw_buf_str(&out));
    }
    stack_unload(&files, &c);
    return r;
}

#define OPTION_COMPOSE                                                                             \
    {                                                                                              \
        "compose-file", 'c', OPT_LIST, "strings",                                                  \
            "Path to a Compose file, or \"-\" to read from stdin", NULL, NULL, false               \
    }

static const struct option config_options[] = {
    OPTION_COMPOSE,
    { "skip-interpolation", 0, OPT_BOOL, NULL, "Skip interpolation and output only merged config",
      NULL, NULL, false },
    OPTION_END,
};
static const struct option deploy_options[] = {
    OPTION_COMPOSE,
    { "detach", 'd', OPT_BOOL, NULL,
      "Exit immediately instead of waiting for the stack services to converge", "true", NULL,
      false },
    { "prune", 0, OPT_BOOL, NULL, "Prune services that are no longer referenced", NULL, NULL,
      false },
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress progress output", NULL, NULL, false },
    { "resolve-image", 0, OPT_STRING, NULL,
      "Query the registry to resolve image digest and supported platforms (\"always\", "
      "\"changed\", \"never\")",
      "always", NULL, false },
    { "with-registry-auth", 0, OPT_BOOL, NULL,
      "Send registry authentication details to Swarm agents", NULL, NULL, false },
    OPTION_END,
};
static const struct option ls_options[] = { OPTION_FORMAT, OPTION_END };
static const struct option ps_options[] = {
    OPTION_FILTER,
    OPTION_FORMAT,
    { "no-resolve", 0, OPT_BOOL, NULL, "Do not map IDs to Names", NULL, NULL, false },
    OPTION_NO_TRUNC,
    { "quiet", 'q', OPT_BOOL, NULL, "Only display task IDs", NULL, NULL, false },
    OPTION_END,
};
static const struct option services_options[] = { OPTION_FILTER, OPTION_FORMAT, OPTION_QUIET_IDS,
                                                  OPTION_END };
static const struct option rm_options[] = {
    { "detach", 'd', OPT_BOOL, NULL, "Do not wait for stack removal", "true", NULL, false },
    OPTION_END,
};

const struct command cmd_stack[] = {
    { .name = "config",
      .usage = "[OPTIONS]",
      .summary = "Outputs the final config file, after doing merges and interpolations",
      .options = config_options,
      .run = run_config },
    { .name = "deploy",
      .aliases = "up",
      .usage = "[OPTIONS] STACK",
      .summary = "Deploy a new stack or update an existing stack",
      .options = deploy_options,
      .min = 1,
      .max = 1,
      .run = stack_run_deploy },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List stacks",
      .options = ls_options,
      .run = run_ls },
    { .name = "ps",
      .usage = "[OPTIONS] STACK",
      .summary = "List the tasks in the stack",
      .options = ps_options,
      .min = 1,
      .max = 1,
      .run = run_ps },
    { .name = "rm",
      .aliases = "remove down",
      .usage = "[OPTIONS] STACK [STACK...]",
      .summary = "Remove one or more stacks",
      .options = rm_options,
      .min = 1,
      .max = CMD_ANY,
      .run = stack_run_rm },
    { .name = "services",
      .usage = "[OPTIONS] STACK",
      .summary = "List the services in the stack",
      .options = services_options,
      .min = 1,
      .max = 1,
      .run = run_services },
    { .name = NULL },
};
