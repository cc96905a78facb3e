/* SPDX-License-Identifier: Apache-2.0
 *
 * inspect of anything: the objects found are printed, then what was not found is an error. */
#include <string.h>

#include "cli/cmd/common.h"
#include "cli/render/gojson.h"
#include "cli/render/template.h"
#include "common/base/macro.h"

int inspect_path(struct cli *cli, const char *before, const char *name, const char *after,
                 struct sw_buf *raw, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client *c = NULL;

    url_path(&url, before, name, after);
    if (cli_client(cli, &c, err) < 0)
        return err->code;
    return client_raw(c, sw_buf_str(&url), raw, err);
}

/* Fields that are absent when they are empty, and what empty is. */
static const struct {
    const char *name;
    char kind; /* s: "", i: 0, b: false, l: [], m: {}, n: nothing */
} zeros[] = {
    { "Hostname", 's' },      { "User", 's' },
    { "Dir", 's' },           { "StopSignal", 's' },
    { "Command", 'l' },       { "Args", 'l' },
    { "Env", 'l' },           { "Groups", 'l' },
    { "Mounts", 'l' },        { "Secrets", 'l' },
    { "Configs", 'l' },       { "Hosts", 'l' },
    { "CapabilityAdd", 'l' }, { "CapabilityDrop", 'l' },
    { "Ulimits", 'l' },       { "Constraints", 'l' },
    { "Preferences", 'l' },   { "Networks", 'l' },
    { "Ports", 'l' },         { "VirtualIPs", 'l' },
    { "Aliases", 'l' },       { "Labels", 'm' },
    { "Sysctls", 'm' },       { "Options", 'm' },
    { "DriverOpts", 'm' },    { "TTY", 'b' },
    { "OpenStdin", 'b' },     { "ReadOnly", 'b' },
    { "Image", 's' },         { "Source", 's' },
    { "Target", 's' },        { "Mode", 's' },
    { "NanoCPUs", 'i' },      { "MemoryBytes", 'i' },
    { "Pids", 'i' },          { "MaxReplicas", 'i' },
    { "Name", 's' },          { "Err", 's' },
    { "Message", 's' },       { "State", 's' },
    { "Slot", 'i' },          { "NodeID", 's' },
    { "ServiceID", 's' },     { "DesiredState", 's' },
    { "Addr", 's' },          { "Leader", 'b' },
    { "Reachability", 's' },  { "Isolation", 's' },
    { "PublishedPort", 'i' }, { "TargetPort", 'i' },
    { "Parallelism", 'i' },   { "Delay", 'i' },
    { "Monitor", 'i' },       { "FailureAction", 's' },
    { "Order", 's' },         { "Retries", 'i' },
    { "Interval", 'i' },      { "Timeout", 'i' },
    { "StartPeriod", 'i' },   { "ForceUpdate", 'i' },
    { "Global", 'n' },        { "Replicated", 'n' },
    { "GlobalJob", 'n' },     { "ReplicatedJob", 'n' },
    { "ManagerStatus", 'n' }, { "Healthcheck", 'n' },
    { "PreviousSpec", 'n' },  { "LogDriver", 'n' },
};

static json_t *zero_of(const char *parent, const char *field)
{
    static const char *const maps[] = { "Labels", "Sysctls", "Options", "DriverOpts" };

    for (size_t i = 0; i < SW_ARRAY_LEN(maps); i++) {
        if (strcmp(parent, maps[i]) == 0) /* the user's own names: any may be absent */
            return json_null();
    }
    for (size_t i = 0; i < SW_ARRAY_LEN(zeros); i++) {
        if (strcmp(zeros[i].name, field) != 0)
            continue;
        switch (zeros[i].kind) {
        case 'i':
            return json_integer(0);
        case 'b':
            return json_false();
        case 'l':
            return json_array();
        case 'm':
            return json_object();
        case 'n':
            return json_null();
        default:
            return js_string("");
        }
    }
    return NULL;
}

/* What has been gathered of one inspect. */
struct inspected {
    struct cli *cli;
    const struct tmpl *tm; /* NULL: JSON */
    inspect_pretty pretty;
    bool compact;
    size_t n;
    struct sw_buf out;
};

static void add_json(struct inspected *x, const struct sw_buf *raw)
{
    if (x->compact) {
        /* one line: the same text without the white space between tokens */
        json_auto_t *j = json_loadb(sw_buf_str(raw), raw->len, JSON_DECODE_ANY, NULL);

        sw_buf_puts(&x->out, x->n > 0 ? "," : "[");
        gojson_compact(&x->out, j, false);
    } else {
        sw_buf_puts(&x->out, x->n > 0 ? ",\n    " : "[\n    ");
        gojson_indent(&x->out, sw_buf_str(raw), raw->len, "    ", "    ");
    }
    x->n++;
}

static int add(struct inspected *x, const struct sw_buf *raw, struct sw_err *err)
{
    static const struct tmpl_options opt = { .json_order = true, .zero = zero_of };
    json_auto_t *j = NULL;

    if (x->tm == NULL && x->pretty == NULL) {
        add_json(x, raw);
        return 0;
    }
    j = json_loadb(sw_buf_str(raw), raw->len, JSON_DECODE_ANY, NULL);
    if (x->tm != NULL) {
        if (tmpl_exec(x->tm, j, &opt, &x->out, err) < 0)
            return sw_err_wrap(err, "template parsing error");
        sw_buf_putc(&x->out, '\n');
    } else {
        x->pretty(x->cli, &x->out, j);
    }
    x->n++;
    return 0;
}

int cmd_inspect_names(struct cli *cli, const struct strv *names, const char *format,
                      inspect_get get, inspect_pretty pretty, struct sw_err *err)
{
    SW_CLEANUP(tmpl_free_ptr) struct tmpl *tm = NULL;
    SW_CLEANUP(strv_fini) struct strv failures = { 0 };
    struct inspected x = { .cli = cli,
                           .pretty = *format == '\0' ? pretty : NULL,
                           .compact = strcmp(format, "json") == 0 };

    if (*format != '\0' && !x.compact) {
        SW_CLEANUP(sw_free_ptr) char *plain = tmpl_unescape(format);

        if (tmpl_parse(&tm, plain, err) < 0)
            return sw_err_wrap(err, "template parsing error");
        x.tm = tm;
    }
    for (size_t i = 0; i < names->n; i++) {
        SW_CLEANUP(sw_buf_fini) struct sw_buf raw = SW_BUF_INIT;
        struct sw_err why = { 0 };

        if (get(cli, names->v[i], &raw, &why) < 0 || add(&x, &raw, &why) < 0)
            strv_add(&failures, why.msg);
    }
    if (x.tm == NULL && x.pretty == NULL) {
        if (x.n > 0)
            sw_buf_puts(&x.out, x.compact ? "]\n" : "\n]\n");
        else
            sw_buf_puts(&x.out, "[]\n");
    } else if (x.n == 0) {
        sw_buf_puts(&x.out, "\n");
    }
    fwrite(sw_buf_str(&x.out), 1, x.out.len, stdout);
    fflush(stdout);
    sw_buf_fini(&x.out);
    for (size_t i = 0; i < failures.n; i++)
        fprintf(stderr, "%s\n", failures.v[i]);
    return failures.n > 0;
}

int cmd_inspect(struct cli *cli, const struct args *args, inspect_get get, inspect_pretty pretty,
                struct sw_err *err)
{
    bool human = args_bool(args, "pretty");

    if (human && *args_str(args, "format") != '\0')
        return sw_err_set(err, SW_E_INVALID, "--format is incompatible with human friendly format");
    return cmd_inspect_names(cli, &args->pos, args_str(args, "format"), get, human ? pretty : NULL,
                             err);
}
