/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of tasks: service ps, node ps, stack ps. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd/names.h"
#include "cli/cmd/natural.h"
#include "cli/cmd/service.h"
#include "cli/render/human.h"
#include "cli/spec/imageref.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"
#include "common/base/time.h"

#define ERROR_MAX 30

static const struct table_column columns[] = {
    { "ID", "ID" },
    { "Name", "NAME" },
    { "Image", "IMAGE" },
    { "Node", "NODE" },
    { "DesiredState", "DESIRED STATE" },
    { "CurrentState", "CURRENT STATE" },
    { "Error", "ERROR" },
    { "Ports", "PORTS" },
};
const struct table task_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{"
    "{.Ports}}",
    "ID",
};

static char *task_name(struct names *names, const json_t *task)
{
    const char *service = names_service(names, js_str(task, "ServiceID"));

    if (js_int(task, "Slot") != 0)
        return cli_printf("%s.%lld", service, (long long)js_int(task, "Slot"));
    return cli_printf("%s.%s", service, js_str(task, "NodeID"));
}

static char *current_state(const json_t *task)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf age = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *lower = NULL;

    human_state(&b, js_str(task, "Status.State"));
    human_duration(&age, sw_now_ns() - cmd_time(task, "Status.Timestamp"));
    lower = text_lower(sw_buf_str(&age));
    sw_buf_printf(&b, " %s ago", lower);
    return cli_take(&b);
}

static char *error_text(const json_t *task, bool full)
{
    const char *e = js_str(task, "Status.Err");

    if (*e == '\0')
        return cli_strdup("");
    if (full || strlen(e) <= ERROR_MAX)
        return cli_printf("\"%s\"", e);
    return cli_printf("\"%.*s\xe2\x80\xa6\"", ERROR_MAX - 1, e);
}

static char *port_text(const json_t *task)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    size_t i;
    json_t *p;

    json_array_foreach(js_get(task, "Status.PortStatus.Ports"), i, p)
    {
        sw_buf_printf(&b, i > 0 ? ",*:%lld->%lld/%s" : "*:%lld->%lld/%s",
                      (long long)js_int(p, "PublishedPort"), (long long)js_int(p, "TargetPort"),
                      js_str(p, "Protocol"));
    }
    return cli_take(&b);
}

static json_t *row_of(struct names *names, const json_t *task, bool full)
{
    SW_CLEANUP(sw_free_ptr) char *id = cmd_id(js_str(task, "ID"), full);
    SW_CLEANUP(sw_free_ptr) char *name = task_name(names, task);
    SW_CLEANUP(sw_free_ptr) char *current = current_state(task);
    SW_CLEANUP(sw_free_ptr) char *error = error_text(task, full);
    SW_CLEANUP(sw_free_ptr) char *ports = port_text(task);
    SW_CLEANUP(sw_buf_fini) struct sw_buf desired = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *image = NULL;
    json_t *row = json_object();

    image = full ? cli_strdup(js_str(task, "Spec.ContainerSpec.Image"))
                 : imageref_undigested(js_str(task, "Spec.ContainerSpec.Image"));
    human_state(&desired, js_str(task, "DesiredState"));
    js_set_str(row, "ID", id);
    js_set_str(row, "Name", name);
    js_set_str(row, "Image", image);
    js_set_str(row, "Node", names_node(names, js_str(task, "NodeID")));
    js_set_str(row, "DesiredState", sw_buf_str(&desired));
    js_set_str(row, "CurrentState", current);
    js_set_str(row, "Error", error);
    js_set_str(row, "Ports", ports);
    return row;
}

static int newest_first(const void *x, const void *y)
{
    const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
    int64_t ta = cmd_time(a, "CreatedAt"), tb = cmd_time(b, "CreatedAt");

    return (ta < tb) - (ta > tb);
}

static json_t *by_age(const json_t *tasks)
{
    size_t n = json_array_size(tasks);
    json_t **v = cli_alloc((n + 1) * sizeof(json_t *));
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        v[i] = json_array_get(tasks, i);
    qsort(v, n, sizeof(*v), newest_first);
    for (size_t i = 0; i < n; i++)
        json_array_append(out, v[i]);
    sw_free(v);
    return out;
}

int tasks_print(struct cli *cli, const json_t *tasks, const struct args *args, struct sw_err *err)
{
    const char *format = args_str(args, "format");
    bool is_table = (*format == '\0' || text_prefix(format, "table")) && !args_bool(args, "quiet");
    json_auto_t *sorted = by_age(tasks);
    json_auto_t *rows = json_array();
    SW_CLEANUP(sw_free_ptr) char *previous = cli_strdup("");
    struct names names;
    size_t i;
    json_t *each;

    names_init(&names, cli, args_bool(args, "no-resolve"));
    json_array_foreach(sorted, i, each)
    {
        json_array_append_new(rows, row_of(&names, each, args_bool(args, "no-trunc")));
    }
    names_fini(&names);
    natural_sort(rows, "Name");
    json_array_foreach(rows, i, each) /* earlier tasks of a slot hang below the newest */
    {
        SW_CLEANUP(sw_free_ptr) char *name = cli_strdup(js_str(each, "Name"));

        if (is_table && strcmp(name, previous) == 0) {
            SW_CLEANUP(sw_free_ptr) char *indented = cli_printf(" \\_ %s", name);

            js_set_str(each, "Name", indented);
        }
        sw_free(previous);
        previous = sw_steal(name);
    }
    return cmd_table(&task_table, rows, args, err);
}
