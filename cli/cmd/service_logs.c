/* SPDX-License-Identifier: Apache-2.0
 *
 * service logs. Each line begins with who said it, as attributes; they become
 * "web.1.sfnhq1d4v0a7@node1    | " in front of the text. */
#include <string.h>

#include "cli/client/frames.h"
#include "cli/cmd/names.h"
#include "cli/cmd/service.h"
#include "cli/cmd/since.h"
#include "cli/spec/text.h"
#include "common/base/time.h"

struct logs {
    struct cli *cli;
    const struct args *args;
    struct names names;
    struct frames frames;
    json_t *speakers; /* attributes -> formatted name */
    size_t pad;       /* digits of the largest slot */
    bool tty;
};

static size_t digits(int64_t n)
{
    size_t d = 1;

    for (; n >= 10; n /= 10)
        d++;
    return d;
}

/* "a=b,c=d" split into the three ids and the rest. */
struct origin {
    char *node, *service, *task;
    struct strv rest;
};

static void origin_fini(struct origin *o)
{
    sw_free(o->node);
    sw_free(o->service);
    sw_free(o->task);
    strv_fini(&o->rest);
}

static void parse_origin(const char *attributes, struct origin *o)
{
    SW_CLEANUP(strv_fini) struct strv all = { 0 };

    text_split(attributes, ',', &all);
    for (size_t i = 0; i < all.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *key = NULL;
        const char *value = text_cut(all.v[i], '=', &key);
        char **into = strcmp(key, "com.docker.swarm.node.id") == 0      ? &o->node
                      : strcmp(key, "com.docker.swarm.service.id") == 0 ? &o->service
                      : strcmp(key, "com.docker.swarm.task.id") == 0    ? &o->task
                                                                        : NULL;

        if (into == NULL) {
            strv_add(&o->rest, all.v[i]);
        } else {
            sw_free(*into);
            *into = cli_strdup(value);
        }
    }
    strv_sort(&o->rest);
}

static char *speaker(struct logs *l, const struct origin *o)
{
    SW_CLEANUP(sw_free_ptr) char *key = cli_printf("%s/%s/%s", o->node, o->service, o->task);
    SW_CLEANUP(sw_free_ptr) char *short_id = cmd_id(o->task, args_bool(l->args, "no-trunc"));
    bool ids = !args_bool(l->args, "no-task-ids");
    json_auto_t *task = NULL;
    struct sw_err err;
    size_t slot_digits;
    char *text;

    if (json_object_get(l->speakers, key) != NULL)
        return cli_strdup(json_string_value(json_object_get(l->speakers, key)));
    if (cmd_get(l->cli, "/tasks/", o->task, &task, &err) < 0)
        task = NULL; /* gone meanwhile: slot 0 */
    slot_digits = digits(js_int(task, "Slot"));
    text = cli_printf("%s.%lld%s%s@%s%*s", names_service(&l->names, o->service),
                      (long long)js_int(task, "Slot"), ids ? "." : "", ids ? short_id : "",
                      names_node(&l->names, o->node),
                      (int)(l->pad > slot_digits ? l->pad - slot_digits : 0), "");
    json_object_set_new(l->speakers, key, js_string(text));
    return text;
}

static int on_frame(void *arg, enum frame_stream stream, const char *data, size_t n,
                    struct sw_err *err)
{
    struct logs *l = arg;
    FILE *out = stream == FRAME_STDERR ? stderr : stdout;
    SW_CLEANUP(sw_free_ptr) char *line = NULL;
    SW_CLEANUP(sw_free_ptr) char *attributes = NULL;
    SW_CLEANUP(sw_free_ptr) char *who = NULL;
    SW_CLEANUP(origin_fini) struct origin o = { 0 };
    size_t skip;
    char *p;

    (void)err;
    if (args_bool(l->args, "raw")) {
        fwrite(data, 1, n, out);
        fflush(out);
        return 0;
    }
    line = cli_strndup(data, n);
    p = line;
    skip = args_bool(l->args, "timestamps") ? strcspn(p, " ") : 0;
    if (skip > 0 && p[skip] == ' ')
        p += skip + 1;
    attributes = cli_strndup(p, strcspn(p, " "));
    parse_origin(attributes, &o);
    if (o.node == NULL || o.service == NULL || o.task == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "invalid context in log message: %.100s", line);
    p += strlen(attributes);
    p += *p == ' ';
    who = speaker(l, &o);
    if (skip > 0)
        fprintf(out, "%.*s ", (int)skip, line);
    fprintf(out, "%s    | ", who);
    if (args_bool(l->args, "details")) {
        for (size_t i = 0; i < o.rest.n; i++)
            fprintf(out, i > 0 ? ",%s" : "%s", o.rest.v[i]);
        fputc(' ', out);
    }
    fwrite(p, 1, n - (size_t)(p - line), out);
    if (n == 0 || data[n - 1] != '\n')
        fputc('\n', out);
    fflush(out);
    return 0;
}

static int on_data(void *arg, const char *data, size_t n, struct sw_err *err)
{
    struct logs *l = arg;

    if (l->tty) {
        fwrite(data, 1, n, stdout);
        fflush(stdout);
        return 0;
    }
    return frames_push(&l->frames, data, n, err);
}

/* Where the logs are: a service of that name, else a task. */
static int find(struct logs *l, const char *name, struct sw_buf *url, struct sw_err *err)
{
    json_auto_t *object = NULL;
    int r = cmd_get(l->cli, "/services/", name, &object, err);
    int64_t replicas = 1;

    if (r == 0) {
        l->tty = js_bool(object, "Spec.TaskTemplate.ContainerSpec.TTY");
        replicas = js_int(object, "Spec.Mode.Replicated.Replicas");
        url_path(url, "/services/", name, "/logs");
        l->pad = digits(replicas);
        return 0;
    }
    if (r != SW_E_NOT_FOUND)
        return r;
    r = cmd_get(l->cli, "/tasks/", name, &object, err);
    if (r == SW_E_NOT_FOUND)
        return sw_err_set(err, SW_E_NOT_FOUND, "no such task or service: %s", name);
    if (r < 0)
        return r;
    l->tty = js_bool(object, "Spec.ContainerSpec.TTY");
    l->pad = digits(js_int(object, "Slot"));
    url_path(url, "/tasks/", name, "/logs");
    return 0;
}

static int build_query(struct sw_buf *url, const struct args *args, struct sw_err *err)
{
    if (args_bool(args, "details") || !args_bool(args, "raw"))
        url_query(url, "details", "1");
    if (args_bool(args, "follow"))
        url_query(url, "follow", "1");
    if (args_set(args, "since")) {
        SW_CLEANUP(sw_free_ptr) char *since = NULL;

        if (since_format(args_str(args, "since"), sw_now_ns(), &since, err) < 0)
            return err->code;
        url_query(url, "since", since);
    }
    url_query(url, "stderr", "1");
    url_query(url, "stdout", "1");
    url_query(url, "tail", args_set(args, "tail") ? args_str(args, "tail") : "all");
    if (args_bool(args, "timestamps"))
        url_query(url, "timestamps", "1");
    return 0;
}

int service_run_logs(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client_stream s = { .method = "GET", .upload_fd = -1, .on_data = on_data };
    struct logs l = { .cli = cli, .args = args };
    struct client *side = NULL; /* names are asked for while the stream is open */
    struct client *c = NULL;
    int r;

    if (find(&l, args->pos.v[0], &url, err) < 0 || build_query(&url, args, err) < 0)
        return err->code;
    if (l.tty && !args_bool(args, "raw"))
        return sw_err_set(err, SW_E_INVALID, "tty service logs only supported with --raw");
    if (cli_client(cli, &c, err) < 0 || client_clone(&side, c, err) < 0)
        return err->code;
    l.speakers = json_object();
    l.frames = (struct frames){ .on_frame = on_frame, .arg = &l };
    names_init(&l.names, cli, args_bool(args, "no-resolve"));
    s.path = sw_buf_str(&url);
    s.arg = &l;
    r = client_stream(side, &s, err);
    names_fini(&l.names);
    frames_fini(&l.frames);
    json_decref(l.speakers);
    client_free(side);
    return r;
}
