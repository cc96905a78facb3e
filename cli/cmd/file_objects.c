/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets and configs: the same commands on two kinds of named files. */
#include <string.h>

#include "cli/cmd/common.h"
#include "cli/cmd/natural.h"
#include "cli/cmd/pretty.h"
#include "cli/spec/base64.h"
#include "cli/spec/parts.h"
#include "common/base/macro.h"

#define SECRET_MAX (500u << 10)
#define CONFIG_MAX (1000u << 10)

static const struct table_column columns[] = {
    { "ID", "ID" },
    { "Name", "NAME" },
    { "Driver", "DRIVER" },
    { "CreatedAt", "CREATED" },
    { "UpdatedAt", "UPDATED" },
    { "Labels", "LABELS" },
};
static const struct table secret_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    "ID",
};
static const struct table config_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    "ID",
};

static json_t *row_of(const json_t *o, bool secret)
{
    SW_CLEANUP(sw_free_ptr) char *created = cmd_ago(cmd_time(o, "CreatedAt"));
    SW_CLEANUP(sw_free_ptr) char *updated = cmd_ago(cmd_time(o, "UpdatedAt"));
    SW_CLEANUP(sw_free_ptr) char *labels = cmd_labels(js_get(o, "Spec.Labels"));
    json_t *row = json_object();

    js_set_str(row, "ID", js_str(o, "ID"));
    js_set_str(row, "Name", js_str(o, "Spec.Name"));
    if (secret)
        js_set_str(row, "Driver", js_str(o, "Spec.Driver.Name"));
    js_set_str(row, "CreatedAt", created);
    js_set_str(row, "UpdatedAt", updated);
    js_set_str(row, "Labels", labels);
    return row;
}

static int list(struct cli *cli, const struct args *args, bool secret, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *objects = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *o;

    if (cmd_filters(args, &filters, err) < 0 ||
        cmd_list(cli, secret ? "/secrets" : "/configs", filters, &objects, err) < 0)
        return err->code;
    json_array_foreach(objects, i, o)
    {
        json_array_append_new(rows, row_of(o, secret));
    }
    natural_sort(rows, "Name");
    return cmd_table(secret ? &secret_table : &config_table, rows, args, err);
}

static int create(struct cli *cli, const struct args *args, bool secret, struct sw_err *err)
{
    const struct strv *labels = args_list(args, "label");
    const char *file = args->pos.n > 1 ? args->pos.v[1] : NULL;
    SW_CLEANUP(sw_buf_fini) struct sw_buf data = SW_BUF_INIT;
    json_auto_t *b = json_object();
    json_auto_t *answer = NULL;
    struct client *c = NULL;

    if (file == NULL && !args_set(args, "driver"))
        return sw_err_set(err, SW_E_INVALID, "%s file is required", secret ? "secret" : "config");
    js_set_str(b, "Name", args->pos.v[0]);
    js_obj(b, "Labels");
    for (size_t i = 0; i < labels->n; i++)
        js_map_set(js_obj(b, "Labels"), labels->v[i]);
    if (file != NULL) {
        const char *shown = strcmp(file, "-") == 0 ? "STDIN" : file;
        SW_CLEANUP(sw_free_ptr) char *text = NULL;

        if (cmd_read(file, secret ? SECRET_MAX : CONFIG_MAX, &data, err) < 0)
            return sw_err_wrap(err, "error reading from %s", shown);
        if (data.len == 0)
            return sw_err_set(err, SW_E_INVALID, "error reading from %s: data is empty", shown);
        text = base64_encode(data.data, data.len, false);
        explicit_bzero(data.data, data.len);
        js_set_str(b, "Data", text);
    }
    if (args_set(args, "driver"))
        js_set_str(b, "Driver.Name", args_str(args, "driver"));
    if (args_set(args, "template-driver"))
        js_set_str(b, "Templating.Name", args_str(args, "template-driver"));
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, "POST", secret ? "/secrets/create" : "/configs/create", b, &answer, err) < 0)
        return err->code;
    printf("%s\n", js_str(answer, "ID"));
    return 0;
}

static int remove_path(struct cli *cli, const char *before, const char *name, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client *c = NULL;

    url_path(&url, before, name, "");
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, "DELETE", sw_buf_str(&url), NULL, NULL, err) < 0)
        return err->code;
    printf("%s\n", name);
    return 0;
}

static int remove_secret(struct cli *cli, const struct args *args, const char *name,
                         struct sw_err *err)
{
    (void)args;
    return remove_path(cli, "/secrets/", name, err);
}

static int remove_config(struct cli *cli, const struct args *args, const char *name,
                         struct sw_err *err)
{
    (void)args;
    return remove_path(cli, "/configs/", name, err);
}

static int get_secret(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/secrets/", name, "", raw, err);
}

static int get_config(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/configs/", name, "", raw, err);
}

static int secret_create(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return create(cli, args, true, err);
}

static int secret_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return list(cli, args, true, err);
}

static int secret_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, remove_secret);
}

static int secret_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_secret, secret_pretty, err);
}

static int config_create(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return create(cli, args, false, err);
}

static int config_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return list(cli, args, false, err);
}

static int config_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, remove_config);
}

static int config_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_config, config_pretty, err);
}

static const struct option ls_options[] = { OPTION_FILTER, OPTION_FORMAT, OPTION_QUIET_IDS,
                                            OPTION_END };
static const struct option inspect_options[] = { OPTION_INSPECT_FORMAT, OPTION_PRETTY, OPTION_END };
static const struct option secret_create_options[] = {
    { "driver", 'd', OPT_STRING, NULL, "Secret driver", NULL, NULL, false },
    { "label", 'l', OPT_LIST, NULL, "Secret labels", NULL, label_check, false },
    { "template-driver", 0, OPT_STRING, NULL, "Template driver", NULL, NULL, false },
    OPTION_END,
};
static const struct option config_create_options[] = {
    { "label", 'l', OPT_LIST, NULL, "Config labels", NULL, label_check, false },
    { "template-driver", 0, OPT_STRING, NULL, "Template driver", NULL, NULL, false },
    OPTION_END,
};

const struct command cmd_secret[] = {
    { .name = "create",
      .usage = "[OPTIONS] SECRET [file|-]",
      .summary = "Create a secret from a file or STDIN as content",
      .options = secret_create_options,
      .min = 1,
      .max = 2,
      .run = secret_create },
    { .name = "inspect",
      .usage = "[OPTIONS] SECRET [SECRET...]",
      .summary = "Display detailed information on one or more secrets",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = secret_inspect },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List secrets",
      .options = ls_options,
      .run = secret_ls },
    { .name = "rm",
      .aliases = "remove",
      .usage = "SECRET [SECRET...]",
      .summary = "Remove one or more secrets",
      .min = 1,
      .max = CMD_ANY,
      .run = secret_rm },
    { .name = NULL },
};

const struct command cmd_config[] = {
    { .name = "create",
      .usage = "[OPTIONS] CONFIG file|-",
      .summary = "Create a config from a file or STDIN",
      .options = config_create_options,
      .min = 2,
      .max = 2,
      .run = config_create },
    { .name = "inspect",
      .usage = "[OPTIONS] CONFIG [CONFIG...]",
      .summary = "Display detailed information on one or more configs",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = config_inspect },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS]",
      .summary = "List configs",
      .options = ls_options,
      .run = config_ls },
    { .name = "rm",
      .aliases = "remove",
      .usage = "CONFIG [CONFIG...]",
      .summary = "Remove one or more configs",
      .min = 1,
      .max = CMD_ANY,
      .run = config_rm },
    { .name = NULL },
};
