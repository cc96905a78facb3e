/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cmd/common.h"
#include "cli/cmd/natural.h"
#include "cli/cmd/network.h"
#include "cli/render/human.h"
#include "cli/spec/parts.h"
#include "common/base/macro.h"

static const struct table_column columns[] = {
    { "ID", "NETWORK ID" },     { "Name", "NAME" },     { "Driver", "DRIVER" },
    { "Scope", "SCOPE" },       { "IPv4", "IPV4" },     { "IPv6", "IPV6" },
    { "Internal", "INTERNAL" }, { "Labels", "LABELS" }, { "CreatedAt", "CREATED AT" },
};
static const struct table network_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    "ID",
};

static const char *yes_no(bool b)
{
    return b ? "true" : "false";
}

static json_t *row_of(const json_t *n, bool full)
{
    const char *raw_id = *js_str(n, "Id") != '\0' ? js_str(n, "Id") : js_str(n, "ID");
    SW_CLEANUP(sw_free_ptr) char *id = cmd_id(raw_id, full);
    SW_CLEANUP(sw_free_ptr) char *labels = cmd_labels(js_get(n, "Labels"));
    SW_CLEANUP(sw_buf_fini) struct sw_buf created = SW_BUF_INIT;
    json_t *row = json_object();

    human_utc_go(&created, cmd_time(n, "Created"));
    js_set_str(row, "ID", id);
    js_set_str(row, "Name", js_str(n, "Name"));
    js_set_str(row, "Driver", js_str(n, "Driver"));
    js_set_str(row, "Scope", js_str(n, "Scope"));
    js_set_str(row, "IPv4", yes_no(js_bool(n, "EnableIPv4")));
    js_set_str(row, "IPv6", yes_no(js_bool(n, "EnableIPv6")));
    js_set_str(row, "Internal", yes_no(js_bool(n, "Internal")));
    js_set_str(row, "Labels", labels);
    js_set_str(row, "CreatedAt", sw_buf_str(&created));
    return row;
}

static int run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *networks = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *n;

    if (cmd_filters(args, &filters, err) < 0 ||
        cmd_list(cli, "/networks", filters, &networks, err) < 0)
        return err->code;
    json_array_foreach(networks, i, n)
    {
        json_array_append_new(rows, row_of(n, args_bool(args, "no-trunc")));
    }
    natural_sort(rows, "Name");
    return cmd_table(&network_table, rows, args, err);
}

static void set_map(json_t *body, const struct args *args, const char *option, const char *key)
{
    const struct strv *l = args_list(args, option);
    json_t *map = js_obj(body, key);

    for (size_t i = 0; i < l->n; i++)
        js_map_set(map, l->v[i]);
}

static int run_create(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *b = json_object();
    json_auto_t *answer = NULL;
    struct client *c = NULL;

    js_set_str(b, "Driver", args_set(args, "driver") ? args_str(args, "driver") : "bridge");
    js_set_str(b, "Scope", args_str(args, "scope"));
    if (args_set(args, "ipv4"))
        js_set_bool(b, "EnableIPv4", args_bool(args, "ipv4"));
    if (args_set(args, "ipv6"))
        js_set_bool(b, "EnableIPv6", args_bool(args, "ipv6"));
    js_set_str(b, "IPAM.Driver",
               args_set(args, "ipam-driver") ? args_str(args, "ipam-driver") : "default");
    set_map(b, args, "ipam-opt", "IPAM.Options");
    if (network_ipam(args, js_arr(b, "IPAM.Config"), err) < 0)
        return err->code;
    js_set_bool(b, "Internal", args_bool(args, "internal"));
    js_set_bool(b, "Attachable", args_bool(args, "attachable"));
    js_set_bool(b, "Ingress", args_bool(args, "ingress"));
    js_set_bool(b, "ConfigOnly", args_bool(args, "config-only"));
    if (args_set(args, "config-from"))
        js_set_str(b, "ConfigFrom.Network", args_str(args, "config-from"));
    else
        js_set(b, "ConfigFrom", json_null());
    set_map(b, args, "opt", "Options");
    set_map(b, args, "label", "Labels");
    js_set_str(b, "Name", args->pos.v[0]);
    js_set_bool(b, "CheckDuplicate", true); /* asked for up to API 1.43 */
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, "POST", "/networks/create", b, &answer, err) < 0)
        return err->code;
    if (*js_str(answer, "Warning") != '\0')
        fprintf(stderr, "WARNING: %s\n", js_str(answer, "Warning"));
    printf("%s\n", js_str(answer, "Id"));
    return 0;
}

static int remove_one(struct cli *cli, const struct args *args, const char *name,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    json_auto_t *network = NULL;
    struct client *c = NULL;
    int r;

    url_path(&url, "/networks/", name, "");
    if (cli_client(cli, &c, err) < 0)
        return err->code;
    if (cmd_get(cli, "/networks/", name, &network, err) == 0 && js_bool(network, "Ingress") &&
        !cmd_confirm(
            "WARNING! Before removing the routing-mesh network, make sure all the nodes in your "
            "swarm "
            "run the same docker engine version. Otherwise, removal may not be effective and "
            "functionality of newly create ingress networks will be impaired.\nAre you sure you "
            "want "
            "to continue?"))
        return 0;
    r = client_call(c, "DELETE", sw_buf_str(&url), NULL, NULL, err);
    if (r == SW_E_NOT_FOUND && args_bool(args, "force"))
        return 0;
    if (r < 0)
        return r;
    printf("%s\n", name);
    return 0;
}

static int run_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, remove_one);
}

static int get_plain(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/networks/", name, "", raw, err);
}

static int get_verbose(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/networks/", name, "?verbose=true", raw, err);
}

static int run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, args_bool(args, "verbose") ? get_verbose : get_plain, NULL, err);
}

static int run_prune(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    json_auto_t *filters = NULL;
    json_auto_t *answer = NULL;
    struct client *c = NULL;
    size_t i;
    json_t *n;

    if (!args_bool(args, "force") && !cmd_confirm("WARNING! This will remove all custom networks "
                                                  "not used by at least one container.\nAre you "
                                                  "sure you want to continue?"))
        return 0;
    if (cmd_filters(args, &filters, err) < 0 || cli_client(cli, &c, err) < 0)
        return err->code;
    sw_buf_puts(&url, "/networks/prune");
    url_filters(&url, filters);
    if (client_call(c, "POST", sw_buf_str(&url), NULL, &answer, err) < 0)
        return err->code;
    if (js_len(answer, "NetworksDeleted") > 0)
        printf("Deleted Networks:\n");
    json_array_foreach(js_get(answer, "NetworksDeleted"), i, n)
    {
        printf("%s\n", json_string_value(n));
    }
    return 0;
}

static const struct option ls_options[] = {
    OPTION_FILTER,
    OPTION_FORMAT,
    OPTION_NO_TRUNC,
    { "quiet", 'q', OPT_BOOL, NULL, "Only display network IDs", NULL, NULL, false },
    OPTION_END,
};
static const struct option create_options[] = {
    { "attachable", 0, OPT_BOOL, NULL, "Enable manual container attachment", NULL, NULL, false },
    { "aux-address", 0, OPT_LIST, "map", "Auxiliary IPv4 or IPv6 addresses used by Network driver",
      "map[]", NULL, false },
    { "config-from", 0, OPT_STRING, NULL, "The network from which to copy the configuration", NULL,
      NULL, false },
    { "config-only", 0, OPT_BOOL, NULL, "Create a configuration only network", NULL, NULL, false },
    { "driver", 'd', OPT_STRING, NULL, "Driver to manage the Network", "bridge", NULL, false },
    { "gateway", 0, OPT_LIST, "strings", "IPv4 or IPv6 Gateway for the master subnet", NULL, NULL,
      false },
    { "ingress", 0, OPT_BOOL, NULL, "Create swarm routing-mesh network", NULL, NULL, false },
    { "internal", 0, OPT_BOOL, NULL, "Restrict external access to the network", NULL, NULL, false },
    { "ip-range", 0, OPT_LIST, "strings", "Allocate container ip from a sub-range", NULL, NULL,
      false },
    { "ipam-driver", 0, OPT_STRING, NULL, "IP Address Management Driver", "default", NULL, false },
    { "ipam-opt", 0, OPT_LIST, "map", "Set IPAM driver specific options", "map[]", NULL, false },
    { "ipv4", 0, OPT_BOOL, NULL, "Enable or disable IPv4 address assignment", NULL, NULL, false },
    { "ipv6", 0, OPT_BOOL, NULL, "Enable or disable IPv6 address assignment", NULL, NULL, false },
    { "label", 0, OPT_LIST, NULL, "Set metadata on a network", NULL, label_check, false },
    { "opt", 'o', OPT_LIST, "map", "Set driver specific options", "map[]", NULL, false },
    { "scope", 0, OPT_STRING, NULL, "Control the network's scope", NULL, NULL, false },
    { "subnet", 0, OPT_LIST, "strings", "Subnet in CIDR format that represents a network segment",
      NULL, NULL, false },
    OPTION_END,
};
static const struct option inspect_options[] = {
    OPTION_INSPECT_FORMAT,
    { "verbose", 'v', OPT_BOOL, NULL, "Verbose output for diagnostics", NULL, NULL, false },
    OPTION_END,
};
static const struct option rm_options[] = {
    { "force", 'f', OPT_BOOL, NULL, "Do not error if the network does not exist", NULL, NULL,
      false },
    OPTION_END,
};
static const struct option prune_options[] = {
    { "filter", 0, OPT_LIST, "filter", "Provide filter values (e.g. \"until=<timestamp>\")", NULL,
      filters_check, false },
    { "force", 'f', OPT_BOOL, NULL, "Do not prompt for confirmation", NULL, NULL, false },
    OPTION_END,
};

const struct command cmd_network[] = {
    { .name = "create",
      .usage = "[OPTIONS] NETWORK",
      .summary = "Create a network",
      .options = create_options,
      .min = 1,
      .max = 1,
      .run = run_create },
    { .name = "inspect",
      .usage = "[OPTIONS] NETWORK [NETWORK...]",
      .summary = "Display detailed information on one or more networks",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_inspect },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List networks",
      .options = ls_options,
      .run = run_ls },
    { .name = "prune",
      .usage = "[OPTIONS]",
      .summary = "Remove all unused networks",
      .options = prune_options,
      .run = run_prune },
    { .name = "rm",
      .aliases = "remove",
      .usage = "NETWORK [NETWORK...]",
      .summary = "Remove one or more networks",
      .options = rm_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_rm },
    { .name = NULL },
};
