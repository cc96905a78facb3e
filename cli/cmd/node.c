/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cmd/common.h"
#include "cli/cmd/names.h"
#include "cli/cmd/natural.h"
#include "cli/cmd/pretty.h"
#include "cli/cmd/service.h"
#include "cli/render/human.h"
#include "common/base/macro.h"

static const struct table_column columns[] = {
    { "ID", "ID" },
    { "Hostname", "HOSTNAME" },
    { "Status", "STATUS" },
    { "Availability", "AVAILABILITY" },
    { "ManagerStatus", "MANAGER STATUS" },
    { "EngineVersion", "ENGINE VERSION" },
    { "TLSStatus", "TLS STATUS" },
};
/* The star that marks this node is part of the ID cell, as a blank is for the others. */
static const struct table node_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t"
    "{{.ManagerStatus}}\t{{.EngineVersion}}",
    "ID",
};

static char *capital(const char *s)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_state(&b, s);
    return cli_take(&b);
}

static const char *tls_status(const json_t *node, const json_t *root)
{
    const json_t *theirs = js_get(node, "Description.TLSInfo");

    if (root == NULL || theirs == NULL || json_object_size(theirs) == 0)
        return "Unknown";
    return json_equal(theirs, root) ? "Ready" : "Needs Rotation";
}

static json_t *row_of(const json_t *node, const char *self, const json_t *tls_root)
{
    SW_CLEANUP(sw_free_ptr) char *status = capital(js_str(node, "Status.State"));
    SW_CLEANUP(sw_free_ptr) char *availability = capital(js_str(node, "Spec.Availability"));
    SW_CLEANUP(sw_free_ptr) char *reachability = NULL;
    json_t *row = json_object();

    reachability = js_bool(node, "ManagerStatus.Leader")
                       ? cli_strdup("Leader")
                       : capital(js_str(node, "ManagerStatus.Reachability"));
    js_set_str(row, "ID", js_str(node, "ID"));
    js_set_str(row, "Hostname", js_str(node, "Description.Hostname"));
    js_set_str(row, "Status", status);
    js_set_str(row, "Availability", availability);
    js_set_str(row, "ManagerStatus", reachability);
    js_set_str(row, "EngineVersion", js_str(node, "Description.Engine.EngineVersion"));
    js_set_str(row, "TLSStatus", tls_status(node, tls_root));
    js_set_bool(row, "Self", strcmp(self, js_str(node, "ID")) == 0);
    return row;
}

static int run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *nodes = NULL;
    json_auto_t *info = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *n;

    if (cmd_filters(args, &filters, err) < 0 || cmd_list(cli, "/nodes", filters, &nodes, err) < 0)
        return err->code;
    if (json_array_size(nodes) > 0 && !args_bool(args, "quiet") &&
        cli_get(cli, "/info", &info, err) < 0)
        return err->code;
    natural_sort(nodes, "Description.Hostname");
    json_array_foreach(nodes, i, n)
    {
        json_array_append_new(
            rows, row_of(n, js_str(info, "Swarm.NodeID"), js_get(info, "Swarm.Cluster.TLSInfo")));
    }
    return cmd_table(&node_table, rows, args, err);
}

static int run_ps(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *tasks = json_array();
    size_t n = args->pos.n > 0 ? args->pos.n : 1;

    if (cmd_filters(args, &filters, err) < 0)
        return err->code;
    for (size_t i = 0; i < n; i++) {
        SW_CLEANUP(sw_free_ptr) char *id = NULL;
        json_auto_t *node = NULL;
        json_auto_t *some = NULL;

        if (names_self(cli, args->pos.n > 0 ? args->pos.v[i] : "self", &id, err) < 0 ||
            cmd_get(cli, "/nodes/", id, &node, err) < 0)
            return err->code;
        json_object_del(filters, "node");
        filters_set(filters, "node", js_str(node, "ID"));
        if (cmd_list(cli, "/tasks", filters, &some, err) < 0)
            return err->code;
        json_array_extend(tasks, some);
    }
    return tasks_print(cli, tasks, args, err);
}

static int get_node(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *id = NULL;

    if (names_self(cli, name, &id, err) < 0)
        return err->code;
    return inspect_path(cli, "/nodes/", id, "", raw, err);
}

static int run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_node, node_pretty, err);
}

/* Read a node, let @change edit its spec, write it back. @change: > 0 nothing to write. @id: of the
 * node, returned; NULL when there is none. */
static int edit_once(struct cli *cli, const char *name, const struct args *args,
                     int (*change)(json_t *spec, const struct args *args, struct sw_err *err),
                     char **id, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *version = NULL;
    json_auto_t *node = NULL;
    int r;

    if (cmd_get(cli, "/nodes/", name, &node, err) < 0)
        return err->code;
    sw_free(*id);
    *id = cli_strdup(js_str(node, "ID"));
    r = change(js_obj(node, "Spec"), args, err);
    if (r != 0)
        return r;
    version = cli_printf("%lld", (long long)js_int(node, "Version.Index"));
    url_path(&url, "/nodes/", js_str(node, "ID"), "/update");
    url_query(&url, "version", version);
    return cmd_post(cli, sw_buf_str(&url), js_get(node, "Spec"), err);
}

static int edit(struct cli *cli, const char *name, const struct args *args,
                int (*change)(json_t *spec, const struct args *args, struct sw_err *err), char **id,
                struct sw_err *err)
{
    unsigned tries = 0;
    int r;

    do
        r = edit_once(cli, name, args, change, id, err);
    while (cmd_lost_race(r, err, &tries));
    return r;
}

static int change_spec(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "label-add");
    const struct strv *rm = args_list(args, "label-rm");

    if (args_set(args, "role"))
        js_set_str(spec, "Role", args_str(args, "role"));
    if (args_set(args, "availability"))
        js_set_str(spec, "Availability", args_str(args, "availability"));
    for (size_t i = 0; i < add->n; i++)
        js_map_set(js_obj(spec, "Labels"), add->v[i]);
    for (size_t i = 0; i < rm->n; i++) {
        if (json_object_get(js_obj(spec, "Labels"), rm->v[i]) == NULL)
            return sw_err_set(err, SW_E_NOT_FOUND, "key %s doesn't exist in node's labels",
                              rm->v[i]);
        json_object_del(js_obj(spec, "Labels"), rm->v[i]);
    }
    return 0;
}

static int run_update(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *name = NULL;
    SW_CLEANUP(sw_free_ptr) char *id = NULL;

    if (names_self(cli, args->pos.v[0], &name, err) < 0 ||
        edit(cli, name, args, change_spec, &id, err) < 0)
        return err->code;
    printf("%s\n", args->pos.v[0]);
    return 0;
}

static int to_manager(json_t *spec, const struct args *args, struct sw_err *err)
{
    (void)args;
    (void)err;
    if (strcmp(js_str(spec, "Role"), "manager") == 0)
        return 1;
    js_set_str(spec, "Role", "manager");
    return 0;
}

static int to_worker(json_t *spec, const struct args *args, struct sw_err *err)
{
    (void)args;
    (void)err;
    if (strcmp(js_str(spec, "Role"), "worker") == 0)
        return 1;
    js_set_str(spec, "Role", "worker");
    return 0;
}

static int run_promote(struct cli *cli, const struct args *args, struct sw_err *err)
{
    for (size_t i = 0; i < args->pos.n; i++) {
        const char *name = args->pos.v[i];
        SW_CLEANUP(sw_free_ptr) char *id = NULL;
        int r = edit(cli, name, args, to_manager, &id, err);

        if (r < 0)
            return r;
        if (r > 0)
            printf("Node %s is already a manager.\n", id);
        else
            printf("Node %s promoted to a manager in the swarm.\n", name);
    }
    return 0;
}

static int run_demote(struct cli *cli, const struct args *args, struct sw_err *err)
{
    for (size_t i = 0; i < args->pos.n; i++) {
        const char *name = args->pos.v[i];
        SW_CLEANUP(sw_free_ptr) char *id = NULL;
        int r = edit(cli, name, args, to_worker, &id, err);

        if (r < 0)
            return r;
        if (r > 0)
            printf("Node %s is already a worker.\n", id);
        else
            printf("Manager %s demoted in the swarm.\n", name);
    }
    return 0;
}

static int remove_one(struct cli *cli, const struct args *args, const char *name,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client *c = NULL;

    url_path(&url, "/nodes/", name, args_bool(args, "force") ? "?force=1" : "");
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
static const struct option update_options[] = {
    { "availability", 0, OPT_STRING, NULL,
      "Availability of the node (\"active\", \"pause\", \"drain\")", NULL, NULL, false },
    { "label-add", 0, OPT_LIST, NULL, "Add or update a node label (\"key=value\")", NULL, NULL,
      false },
    { "label-rm", 0, OPT_LIST, NULL, "Remove a node label if exists", NULL, NULL, false },
    { "role", 0, OPT_STRING, NULL, "Role of the node (\"worker\", \"manager\")", NULL, NULL,
      false },
    OPTION_END,
};
static const struct option rm_options[] = {
    { "force", 'f', OPT_BOOL, NULL, "Force remove a node from the swarm", NULL, NULL, false },
    OPTION_END,
};

const struct command cmd_node[] = {
    { .name = "demote",
      .usage = "NODE [NODE...]",
      .summary = "Demote one or more nodes from manager in the swarm",
      .min = 1,
      .max = CMD_ANY,
      .run = run_demote },
    { .name = "inspect",
      .usage = "[OPTIONS] self|NODE [NODE...]",
      .summary = "Display detailed information on one or more nodes",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_inspect },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List nodes in the swarm",
      .options = ls_options,
      .run = run_ls },
    { .name = "promote",
      .usage = "NODE [NODE...]",
      .summary = "Promote one or more nodes to manager in the swarm",
      .min = 1,
      .max = CMD_ANY,
      .run = run_promote },
    { .name = "ps",
      .usage = "[OPTIONS] [NODE...]",
      .summary = "List tasks running on one or more nodes, defaults to current node",
      .options = ps_options,
      .max = CMD_ANY,
      .run = run_ps },
    { .name = "rm",
      .aliases = "remove",
      .usage = "[OPTIONS] NODE [NODE...]",
      .summary = "Remove one or more nodes from the swarm",
      .options = rm_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_rm },
    { .name = "update",
      .usage = "[OPTIONS] NODE",
      .summary = "Update a node",
      .options = update_options,
      .min = 1,
      .max = 1,
      .run = run_update },
    { .name = NULL },
};
