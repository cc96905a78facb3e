/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/container.h"

#include <stdlib.h>
#include <string.h>

#include "cli/client/frames.h"
#include "cli/cmd/since.h"
#include "cli/render/human.h"
#include "common/base/macro.h"
#include "common/base/time.h"

#define COMMAND_MAX 20

static const struct table_column columns[] = {
    { "ID", "CONTAINER ID" },    { "Image", "IMAGE" },          { "Command", "COMMAND" },
    { "RunningFor", "CREATED" }, { "Status", "STATUS" },        { "Ports", "PORTS" },
    { "Names", "NAMES" },        { "CreatedAt", "CREATED AT" }, { "State", "STATE" },
    { "Size", "SIZE" },          { "Labels", "LABELS" },        { "Mounts", "MOUNTS" },
    { "Networks", "NETWORKS" },
};
#define BASE_COLUMNS                                                                               \
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
static const struct table container_table = { columns, SW_ARRAY_LEN(columns), BASE_COLUMNS, "ID" };
static const struct table sized_table = { columns, SW_ARRAY_LEN(columns),
                                          BASE_COLUMNS "\t{{.Size}}", "ID" };

static int by_port(const void *x, const void *y)
{
    const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
    int64_t pa = js_int(a, "PrivatePort"), pb = js_int(b, "PrivatePort");
    int r = pa != pb ? (pa < pb ? -1 : 1) : strcmp(js_str(a, "IP"), js_str(b, "IP"));

    return r != 0 ? r : strcmp(js_str(a, "Type"), js_str(b, "Type"));
}

static char *ports(const json_t *list)
{
    size_t n = json_array_size(list);
    json_t **v = cli_alloc((n + 1) * sizeof(json_t *));
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    for (size_t i = 0; i < n; i++)
        v[i] = json_array_get(list, i);
    qsort(v, n, sizeof(*v), by_port);
    for (size_t i = 0; i < n; i++) {
        const char *ip = js_str(v[i], "IP");
        bool v6 = strchr(ip, ':') != NULL;

        sw_buf_puts(&b, i > 0 ? ", " : "");
        if (js_int(v[i], "PublicPort") != 0)
            sw_buf_printf(&b, "%s%s%s:%lld->", v6 ? "[" : "", ip, v6 ? "]" : "",
                          (long long)js_int(v[i], "PublicPort"));
        sw_buf_printf(&b, "%lld/%s", (long long)js_int(v[i], "PrivatePort"), js_str(v[i], "Type"));
    }
    sw_free(v);
    return cli_take(&b);
}

static char *names(const json_t *list, bool full)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    size_t i;
    json_t *n;

    json_array_foreach(list, i, n)
    {
        const char *s = json_string_value(n);

        s += *s == '/';
        if (strchr(s, '/') != NULL && !full)
            continue; /* a link's alias */
        sw_buf_printf(&b, b.len > 0 ? ",%s" : "%s", s);
    }
    return cli_take(&b);
}

static char *command_text(const char *s, bool full)
{
    if (!full && strlen(s) > COMMAND_MAX)
        return cli_printf("\"%.*s\xe2\x80\xa6\"", COMMAND_MAX - 1, s);
    return cli_printf("\"%s\"", s);
}

static char *joined(const json_t *object_or_array, const char *path)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    size_t i;
    json_t *each;

    js_sorted_keys(object_or_array, &keys);
    for (i = 0; i < keys.n; i++)
        sw_buf_printf(&b, i > 0 ? ",%s" : "%s", keys.v[i]);
    json_array_foreach(object_or_array, i, each)
    {
        const char *name = js_str(each, path);

        sw_buf_printf(&b, i > 0 ? ",%s" : "%s", *name != '\0' ? name : js_str(each, "Source"));
    }
    return cli_take(&b);
}

static char *size_of(const json_t *c)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_size(&b, (double)js_int(c, "SizeRw"), 3);
    if (js_int(c, "SizeRootFs") > 0) {
        sw_buf_puts(&b, " (virtual ");
        human_size(&b, (double)js_int(c, "SizeRootFs"), 3);
        sw_buf_puts(&b, ")");
    }
    return cli_take(&b);
}

static json_t *row_of(const json_t *c, bool full)
{
    int64_t created = js_int(c, "Created") * SW_NS_PER_S;
    SW_CLEANUP(sw_free_ptr) char *id = cmd_id(js_str(c, "Id"), full);
    SW_CLEANUP(sw_free_ptr) char *command = command_text(js_str(c, "Command"), full);
    SW_CLEANUP(sw_free_ptr) char *since = cmd_ago(created);
    SW_CLEANUP(sw_free_ptr) char *published = ports(js_get(c, "Ports"));
    SW_CLEANUP(sw_free_ptr) char *called = names(js_get(c, "Names"), full);
    SW_CLEANUP(sw_free_ptr) char *labels = cmd_labels(js_get(c, "Labels"));
    SW_CLEANUP(sw_free_ptr) char *mounts = joined(js_get(c, "Mounts"), "Name");
    SW_CLEANUP(sw_free_ptr) char *networks = joined(js_get(c, "NetworkSettings.Networks"), "");
    SW_CLEANUP(sw_free_ptr) char *size = size_of(c);
    SW_CLEANUP(sw_buf_fini) struct sw_buf at = SW_BUF_INIT;
    json_t *row = json_object();

    human_utc_go(&at, created);
    js_set_str(row, "ID", id);
    js_set_str(row, "Image", *js_str(c, "Image") != '\0' ? js_str(c, "Image") : "<no image>");
    js_set_str(row, "Command", command);
    js_set_str(row, "CreatedAt", sw_buf_str(&at));
    js_set_str(row, "RunningFor", since);
    js_set_str(row, "Status", js_str(c, "Status"));
    js_set_str(row, "State", js_str(c, "State"));
    js_set_str(row, "Ports", published);
    js_set_str(row, "Names", called);
    js_set_str(row, "Labels", labels);
    js_set_str(row, "Mounts", mounts);
    js_set_str(row, "Networks", networks);
    js_set_str(row, "Size", size);
    return row;
}

int container_run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    json_auto_t *filters = NULL;
    json_auto_t *list = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *c;

    if (cmd_filters(args, &filters, err) < 0)
        return err->code;
    sw_buf_puts(&url, "/containers/json");
    if (args_bool(args, "all"))
        url_query(&url, "all", "1");
    if (args_bool(args, "latest"))
        url_query(&url, "limit", "1");
    else if (args_set(args, "last"))
        url_query(&url, "limit", args_str(args, "last"));
    if (args_bool(args, "size"))
        url_query(&url, "size", "1");
    if (cmd_list(cli, sw_buf_str(&url), filters, &list, err) < 0)
        return err->code;
    json_array_foreach(list, i, c)
    {
        json_array_append_new(rows, row_of(c, args_bool(args, "no-trunc")));
    }
    return cmd_table(args_bool(args, "size") ? &sized_table : &container_table, rows, args, err);
}

static int put_frame(void *arg, enum frame_stream stream, const char *data, size_t n,
                     struct sw_err *err)
{
    FILE *out = stream == FRAME_STDERR ? stderr : stdout;

    (void)arg;
    (void)err;
    fwrite(data, 1, n, out);
    fflush(out);
    return 0;
}

static int put_framed(void *arg, const char *data, size_t n, struct sw_err *err)
{
    return frames_push(arg, data, n, err);
}

static int put_raw(void *arg, const char *data, size_t n, struct sw_err *err)
{
    return put_frame(arg, FRAME_STDOUT, data, n, err);
}

int container_run_logs(struct cli *cli, const struct args *args, struct sw_err *err)
{
    static const char *const times[] = { "since", "until" };
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(frames_fini) struct frames frames = { .on_frame = put_frame };
    json_auto_t *container = NULL;
    struct client *c = NULL;
    struct client_stream s = { .method = "GET", .upload_fd = -1, .arg = &frames };

    url_path(&url, "/containers/", args->pos.v[0], "/json");
    if (cli_get(cli, sw_buf_str(&url), &container, err) < 0)
        return err->code;
    sw_buf_clear(&url);
    url_path(&url, "/containers/", js_str(container, "Id"), "/logs?stderr=1&stdout=1");
    if (args_bool(args, "details"))
        url_query(&url, "details", "1");
    if (args_bool(args, "follow"))
        url_query(&url, "follow", "1");
    if (args_bool(args, "timestamps"))
        url_query(&url, "timestamps", "1");
    url_query(&url, "tail", args_set(args, "tail") ? args_str(args, "tail") : "all");
    for (size_t i = 0; i < 2; i++) {
        SW_CLEANUP(sw_free_ptr) char *t = NULL;

        if (!args_set(args, times[i]))
            continue;
        if (since_format(args_str(args, times[i]), sw_now_ns(), &t, err) < 0)
            return err->code;
        url_query(&url, times[i], t);
    }
    s.path = sw_buf_str(&url);
    s.on_data = js_bool(container, "Config.Tty") ? put_raw : put_framed;
    if (cli_client(cli, &c, err) < 0)
        return err->code;
    return client_stream(c, &s, err);
}

static int act(struct cli *cli, const char *method, const char *name, const char *after,
               struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client *c = NULL;

    url_path(&url, "/containers/", name, after);
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, method, sw_buf_str(&url), NULL, NULL, err) < 0)
        return err->code;
    printf("%s\n", name);
    return 0;
}

static int stop_one(struct cli *cli, const struct args *args, const char *name, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr)
    char *after = args_set(args, "timeout")
                      ? cli_printf("/stop?t=%lld", (long long)args_int(args, "timeout"))
                      : cli_strdup("/stop");

    return act(cli, "POST", name, after, err);
}

static int start_one(struct cli *cli, const struct args *args, const char *name, struct sw_err *err)
{
    (void)args;
    return act(cli, "POST", name, "/start", err);
}

static int remove_one(struct cli *cli, const struct args *args, const char *name,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr)
    char *after =
        cli_printf("?v=%d&force=%d", args_bool(args, "volumes"), args_bool(args, "force"));

    return act(cli, "DELETE", name, after, err);
}

int container_run_stop(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, stop_one);
}

int container_run_start(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, start_one);
}

int container_run_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    (void)err;
    return cmd_each(cli, args, remove_one);
}

static int get_container(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/containers/", name, "/json", raw, err);
}

static int run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_container, NULL, err);
}

const struct option container_ls_options[] = {
    { "all", 'a', OPT_BOOL, NULL, "Show all containers (default shows just running)", NULL, NULL,
      false },
    OPTION_FILTER,
    OPTION_FORMAT,
    { "last", 'n', OPT_INT, NULL, "Show n last created containers (includes all states)", "-1",
      NULL, false },
    { "latest", 'l', OPT_BOOL, NULL, "Show the latest created container (includes all states)",
      NULL, NULL, false },
    { "no-trunc", 0, OPT_BOOL, NULL, "Don't truncate output", NULL, NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Only display container IDs", NULL, NULL, false },
    { "size", 's', OPT_BOOL, NULL, "Display total file sizes", NULL, NULL, false },
    OPTION_END,
};
const struct option container_logs_options[] = {
    { "details", 0, OPT_BOOL, NULL, "Show extra details provided to logs", NULL, NULL, false },
    { "follow", 'f', OPT_BOOL, NULL, "Follow log output", NULL, NULL, false },
    { "since", 0, OPT_STRING, NULL,
      "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 "
      "minutes)",
      NULL, NULL, false },
    { "tail", 'n', OPT_STRING, NULL, "Number of lines to show from the end of the logs", "all",
      NULL, false },
    { "timestamps", 't', OPT_BOOL, NULL, "Show timestamps", NULL, NULL, false },
    { "until", 0, OPT_STRING, NULL,
      "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for "
      "42 minutes)",
      NULL, NULL, false },
    OPTION_END,
};
const struct option container_stop_options[] = {
    { "timeout", 't', OPT_INT, NULL, "Seconds to wait before killing the container", NULL, NULL,
      false },
    OPTION_END,
};
const struct option container_rm_options[] = {
    { "force", 'f', OPT_BOOL, NULL, "Force the removal of a running container (uses SIGKILL)", NULL,
      NULL, false },
    { "volumes", 'v', OPT_BOOL, NULL, "Remove anonymous volumes associated with the container",
      NULL, NULL, false },
    OPTION_END,
};
static const struct option inspect_options[] = { OPTION_INSPECT_FORMAT, OPTION_END };

const struct command cmd_container[] = {
    { .name = "inspect",
      .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
      .summary = "Display detailed information on one or more containers",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_inspect },
    { .name = "logs",
      .usage = "[OPTIONS] CONTAINER",
      .summary = "Fetch the logs of a container",
      .options = container_logs_options,
      .min = 1,
      .max = 1,
      .run = container_run_logs },
    { .name = "ls",
      .aliases = "list ps",
      .usage = "[OPTIONS]",
      .summary = "List containers",
      .options = container_ls_options,
      .run = container_run_ls },
    { .name = "rm",
      .aliases = "remove",
      .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
      .summary = "Remove one or more containers",
      .options = container_rm_options,
      .min = 1,
      .max = CMD_ANY,
      .run = container_run_rm },
    { .name = "start",
      .usage = "CONTAINER [CONTAINER...]",
      .summary = "Start one or more stopped containers",
      .min = 1,
      .max = CMD_ANY,
      .run = container_run_start },
    { .name = "stop",
      .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
      .summary = "Stop one or more running containers",
      .options = container_stop_options,
      .min = 1,
      .max = CMD_ANY,
      .run = container_run_stop },
    { .name = NULL },
};
