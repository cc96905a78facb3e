/* SPDX-License-Identifier: Apache-2.0
 *
 * version, events, inspect of anything. */
#include "cli/cmd/system.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "cli/cmd/pretty.h"
#include "cli/cmd/since.h"
#include "cli/cmd/stream.h"
#include "cli/render/template.h"
#include "common/base/macro.h"
#include "common/base/time.h"

int system_format(const char *format, const json_t *object, struct sw_err *err)
{
    static const struct tmpl_options opt = { .json_order = true };
    SW_CLEANUP(tmpl_free_ptr) struct tmpl *t = NULL;
    SW_CLEANUP(sw_free_ptr)
    char *plain = tmpl_unescape(strcmp(format, "json") == 0 ? "{{json .}}" : format);
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;

    if (tmpl_parse(&t, plain, err) < 0 || tmpl_exec(t, object, &opt, &out, err) < 0)
        return sw_err_wrap(err, "template parsing error");
    printf("%s\n", sw_buf_str(&out));
    return 0;
}

static const char *machine(void)
{
    static struct utsname u;

    if (uname(&u) < 0)
        return "";
    if (strcmp(u.machine, "x86_64") == 0)
        return "amd64";
    return strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine;
}

static json_t *client_part(struct cli *cli)
{
    json_t *c = json_object();
    const char *api = cli->client != NULL ? client_api_version(cli->client) : CLIENT_API_VERSION;

    js_set_str(c, "Version", SWARM_VERSION);
    js_set_str(c, "ApiVersion", api);
    js_set_str(c, "DefaultAPIVersion", CLIENT_API_VERSION);
    js_set_str(c, "Os", "linux");
    js_set_str(c, "Arch", machine());
    return c;
}

static const char client_template[] =
    "Client:\n Version:           {{.Version}}\n"
    " API version:       {{.ApiVersion}}{{if ne .ApiVersion .DefaultAPIVersion}} (downgraded from "
    "{{.DefaultAPIVersion}}){{end}}\n"
    " OS/Arch:           {{.Os}}/{{.Arch}}\n";
static const char server_template[] =
    "\nServer:{{if .Platform.Name}} {{.Platform.Name}}{{end}}\n"
    "{{- range .Components}}\n {{.Name}}:\n  Version:          {{.Version}}\n"
    "{{- if eq .Name \"Engine\"}}\n  API version:      {{.Details.ApiVersion}} (minimum version "
    "{{.Details.MinAPIVersion}})\n"
    "{{- if .Details.GoVersion}}\n  Go version:       {{.Details.GoVersion}}{{end}}\n"
    "{{- if .Details.GitCommit}}\n  Git commit:       {{.Details.GitCommit}}{{end}}\n"
    "{{- if .Details.BuildTime}}\n  Built:            {{.Details.BuildTime}}{{end}}\n"
    "  OS/Arch:          {{.Details.Os}}/{{.Details.Arch}}\n  Experimental:     "
    "{{.Details.Experimental}}\n"
    "{{- else}}{{range $k, $v := .Details}}\n  {{printf \"%-18s\" (print $k "
    "\":\")}}{{$v}}{{end}}{{end}}{{end}}\n";

/* Servers without components are shown as one engine. */
static void complete(json_t *server)
{
    json_t *engine;

    if (js_len(server, "Components") > 0)
        return;
    engine = json_object();
    js_set_str(engine, "Name", "Engine");
    js_set_str(engine, "Version", js_str(server, "Version"));
    json_object_set(engine, "Details", server);
    json_array_append_new(js_arr(server, "Components"), engine);
}

int system_run_version(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *format = args_str(args, "format");
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    json_auto_t *both = json_object();
    json_auto_t *server = NULL;
    int r = cli_get(cli, "/version", &server, err);

    json_object_set_new(both, "Client", client_part(cli));
    if (r == 0)
        json_object_set(both, "Server", server);
    if (*format != '\0') {
        struct sw_err why;

        if (system_format(format, both, &why) < 0) {
            *err = why;
            return err->code;
        }
        return r;
    }
    pretty_print(&out, client_template, json_incref(js_get(both, "Client")));
    if (r == 0) {
        json_auto_t *view = json_deep_copy(server);

        complete(view);
        pretty_print(&out, server_template, json_incref(view));
    }
    fputs(sw_buf_str(&out), stdout);
    return r;
}

static void local_time(struct sw_buf *out, int64_t ns)
{
    time_t s = (time_t)(ns / SW_NS_PER_S);
    char text[64];
    struct tm tm;

    localtime_r(&s, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    sw_buf_printf(out, "%s.%09lld", text, (long long)(ns % SW_NS_PER_S));
    if (tm.tm_gmtoff == 0) {
        sw_buf_putc(out, 'Z');
        return;
    }
    strftime(text, sizeof(text), "%z", &tm);
    sw_buf_printf(out, "%.3s:%s", text, text + 3);
}

void event_line(struct sw_buf *out, const json_t *event)
{
    int64_t ns = js_int(event, "timeNano") != 0 ? js_int(event, "timeNano")
                                                : js_int(event, "time") * SW_NS_PER_S;
    const json_t *attributes = js_get(event, "Actor.Attributes");
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };

    local_time(out, ns);
    sw_buf_printf(out, " %s %s %s", js_str(event, "Type"), js_str(event, "Action"),
                  js_str(event, "Actor.ID"));
    js_sorted_keys(attributes, &keys);
    for (size_t i = 0; i < keys.n; i++)
        sw_buf_printf(out, "%s%s=%s", i > 0 ? ", " : " (", keys.v[i],
                      json_string_value(json_object_get(attributes, keys.v[i])));
    sw_buf_puts(out, keys.n > 0 ? ")\n" : "\n");
}

static int on_event(void *arg, const json_t *event, struct sw_err *err)
{
    const struct args *args = arg;
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;

    if (args_set(args, "format")) {
        if (system_format(args_str(args, "format"), event, err) < 0)
            return err->code;
    } else {
        event_line(&out, event);
        fputs(sw_buf_str(&out), stdout);
    }
    fflush(stdout);
    return 0;
}

int system_run_events(struct cli *cli, const struct args *args, struct sw_err *err)
{
    static const char *const times[] = { "since", "until" };
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client_stream s = { .method = "GET", .upload_fd = -1, .on_data = json_lines_push };
    json_auto_t *filters = NULL;
    struct client *c = NULL;
    struct json_lines l;
    int r;

    if (cmd_filters(args, &filters, err) < 0 || cli_client(cli, &c, err) < 0)
        return err->code;
    sw_buf_puts(&url, "/events");
    url_filters(&url, filters);
    for (size_t i = 0; i < 2; i++) {
        SW_CLEANUP(sw_free_ptr) char *t = NULL;

        if (!args_set(args, times[i]))
            continue;
        if (since_format(args_str(args, times[i]), sw_now_ns(), &t, err) < 0)
            return err->code;
        url_query(&url, times[i], t);
    }
    json_lines_init(&l, false);
    l.on_object = on_event;
    l.arg = (void *)(uintptr_t)args;
    s.path = sw_buf_str(&url);
    s.arg = &l;
    r = client_stream(c, &s, err);
    json_lines_fini(&l);
    return r;
}

/* Where inspect looks for a name, in docker's order. */
static const struct {
    const char *type, *before, *after;
} kinds[] = {
    { "container", "/containers/", "/json" },
    { "image", "/images/", "/json" },
    { "network", "/networks/", "" },
    { "volume", "/volumes/", "" },
    { "service", "/services/", "?insertDefaults=true" },
    { "task", "/tasks/", "" },
    { "node", "/nodes/", "" },
    { "plugin", "/plugins/", "/json" },
    { "secret", "/secrets/", "" },
    { "config", "/configs/", "" },
};

static const char *wanted_type; /* of the inspect that runs: one a process */

static int get_any(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(kinds); i++) {
        int r;

        if (*wanted_type != '\0' && strcmp(wanted_type, kinds[i].type) != 0)
            continue;
        r = inspect_path(cli, kinds[i].before, name, kinds[i].after, raw, err);
        if (r == 0 || *wanted_type != '\0')
            return r;
        /* Not here, not a manager, not offered, or a name that cannot be one of these. */
        if (r != SW_E_NOT_FOUND && r != SW_E_UNSUPPORTED &&
            !(r == SW_E_UNAVAILABLE && strstr(err->msg, "swarm manager") != NULL) &&
            r != SW_E_INVALID)
            return r;
    }
    return sw_err_set(err, SW_E_NOT_FOUND, "Error: No such object: %s", name);
}

int system_run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    bool known = !args_set(args, "type");

    wanted_type = args_str(args, "type");
    for (size_t i = 0; i < SW_ARRAY_LEN(kinds); i++)
        known |= strcmp(wanted_type, kinds[i].type) == 0;
    if (!known)
        return sw_err_set(err, SW_E_INVALID,
                          "unknown type: \"%s\": must be one of \"config\", \"container\", "
                          "\"image\", \"network\", \"node\", "
                          "\"plugin\", \"secret\", \"service\", \"task\", \"volume\"",
                          wanted_type);
    return cmd_inspect(cli, args, get_any, NULL, err);
}

const struct option system_info_options[] = { OPTION_INSPECT_FORMAT, OPTION_END };
const struct option system_events_options[] = {
    OPTION_FILTER,
    { "format", 0, OPT_STRING, NULL, INSPECT_FORMAT_HELP, NULL, NULL, false },
    { "since", 0, OPT_STRING, NULL, "Show all events created since timestamp", NULL, NULL, false },
    { "until", 0, OPT_STRING, NULL, "Stream events until this timestamp", NULL, NULL, false },
    OPTION_END,
};
const struct option system_inspect_options[] = {
    OPTION_INSPECT_FORMAT,
    { "size", 's', OPT_BOOL, NULL, "Display total file sizes if the type is container", NULL, NULL,
      false },
    { "type", 0, OPT_STRING, NULL, "Only inspect objects of the given type", NULL, NULL, false },
    OPTION_END,
};

const struct command cmd_system[] = {
    { .name = "events",
      .usage = "[OPTIONS]",
      .summary = "Get real time events from the server",
      .options = system_events_options,
      .run = system_run_events },
    { .name = "info",
      .usage = "[OPTIONS]",
      .summary = "Display system-wide information",
      .options = system_info_options,
      .run = system_run_info },
    { .name = NULL },
};
