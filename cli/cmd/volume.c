/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/common.h"
#include "cli/cmd/natural.h"
#include "cli/spec/parts.h"
#include "common/base/macro.h"

static const struct table_column columns[] = {
    { "Name", "VOLUME NAME" },      { "Driver", "DRIVER" }, { "Scope", "SCOPE" },
    { "Mountpoint", "MOUNTPOINT" }, { "Labels", "LABELS" },
};
static const struct table volume_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.Driver}}\t{{.Name}}",
    "Name",
};

static int run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *answer = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *v;

    if (cmd_filters(args, &filters, err) < 0 ||
        cmd_list(cli, "/volumes", filters, &answer, err) < 0)
        return err->code;
    json_array_foreach(js_get(answer, "Volumes"), i, v)
    {
        SW_CLEANUP(sw_free_ptr) char *labels = cmd_labels(js_get(v, "Labels"));
        json_t *row = json_object();

        js_set_str(row, "Name", js_str(v, "Name"));
        js_set_str(row, "Driver", js_str(v, "Driver"));
        js_set_str(row, "Scope", js_str(v, "Scope"));
        js_set_str(row, "Mountpoint", js_str(v, "Mountpoint"));
        js_set_str(row, "Labels", labels);
        json_array_append_new(rows, row);
    }
    natural_sort(rows, "Name");
    return cmd_table(&volume_table, rows, args, err);
}

static int run_create(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const struct strv *labels = args_list(args, "label");
    const struct strv *opts = args_list(args, "opt");
    json_auto_t *b = json_object();
    json_auto_t *answer = NULL;
    struct client *c = NULL;

    js_set_str(b, "Driver", args_set(args, "driver") ? args_str(args, "driver") : "local");
    for (size_t i = 0; i < opts->n; i++)
        js_map_set(js_obj(b, "DriverOpts"), opts->v[i]);
    for (size_t i = 0; i < labels->n; i++)
        js_map_set(js_obj(b, "Labels"), labels->v[i]);
    if (args->pos.n > 0)
        js_set_str(b, "Name", args->pos.v[0]);
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, "POST", "/volumes/create", b, &answer, err) < 0)
        return err->code;
    printf("%s\n", js_str(answer, "Name"));
    return 0;
}

static int remove_one(struct cli *cli, const struct args *args, const char *name,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client *c = NULL;

    url_path(&url, "/volumes/", name, args_bool(args, "force") ? "?force=1" : "");
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

static int get_volume(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/volumes/", name, "", raw, err);
}

static int run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_volume, NULL, err);
}

static const struct option ls_options[] = {
    OPTION_FILTER,
    OPTION_FORMAT,
    { "quiet", 'q', OPT_BOOL, NULL, "Only display volume names", NULL, NULL, false },
    OPTION_END,
};
static const struct option create_options[] = {
    { "driver", 'd', OPT_STRING, NULL, "Specify volume driver name", "local", NULL, false },
    { "label", 0, OPT_LIST, NULL, "Set metadata for a volume", NULL, label_check, false },
    { "opt", 'o', OPT_LIST, "map", "Set driver specific options", "map[]", NULL, false },
    OPTION_END,
};
static const struct option rm_options[] = {
    { "force", 'f', OPT_BOOL, NULL, "Force the removal of one or more volumes", NULL, NULL, false },
    OPTION_END,
};
static const struct option inspect_options[] = { OPTION_INSPECT_FORMAT, OPTION_END };

const struct command cmd_volume[] = {
    { .name = "create",
      .usage = "[OPTIONS] [VOLUME]",
      .summary = "Create a volume",
      .options = create_options,
      .max = 1,
      .run = run_create },
    { .name = "inspect",
      .usage = "[OPTIONS] VOLUME [VOLUME...]",
      .summary = "Display detailed information on one or more volumes",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_inspect },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List volumes",
      .options = ls_options,
      .run = run_ls },
    { .name = "rm",
      .aliases = "remove",
      .usage = "[OPTIONS] VOLUME [VOLUME...]",
      .summary = "Remove one or more volumes",
      .options = rm_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_rm },
    { .name = NULL },
};
