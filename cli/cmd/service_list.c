/* SPDX-License-Identifier: Apache-2.0
 *
 * service ls, and the same table for "stack services". */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd/natural.h"
#include "cli/cmd/service.h"
#include "cli/spec/imageref.h"
#include "common/base/macro.h"

static const struct table_column columns[] = {
    { "ID", "ID" },       { "Name", "NAME" },   { "Mode", "MODE" }, { "Replicas", "REPLICAS" },
    { "Image", "IMAGE" }, { "Ports", "PORTS" },
};
const struct table service_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}",
    "ID",
};

static const char *mode_name(const json_t *service)
{
    const json_t *mode = js_get(service, "Spec.Mode");

    if (js_get(mode, "Global") != NULL)
        return "global";
    if (js_get(mode, "Replicated") != NULL)
        return "replicated";
    if (js_get(mode, "ReplicatedJob") != NULL)
        return "replicated job";
    return js_get(mode, "GlobalJob") != NULL ? "global job" : "";
}

static char *replicas(const json_t *s)
{
    long long running = js_int(s, "ServiceStatus.RunningTasks");
    long long desired = js_int(s, "ServiceStatus.DesiredTasks");
    long long completed = js_int(s, "ServiceStatus.CompletedTasks");
    long long max = js_int(s, "Spec.TaskTemplate.Placement.MaxReplicas");

    if (js_get(s, "Spec.Mode.ReplicatedJob") != NULL)
        return cli_printf("%lld/%lld (%lld/%lld completed)", running, desired, completed,
                          (long long)js_int(s, "Spec.Mode.ReplicatedJob.TotalCompletions"));
    if (js_get(s, "Spec.Mode.GlobalJob") != NULL)
        return cli_printf("%lld/%lld (%lld/%lld completed)", running, desired, completed,
                          desired + completed);
    if (max > 0 && js_get(s, "Spec.Mode.Replicated") != NULL)
        return cli_printf("%lld/%lld (max %lld per node)", running, desired, max);
    return cli_printf("%lld/%lld", running, desired);
}

/* Consecutive ports are shown as one range. */
struct range {
    const char *protocol;
    int64_t p0, p1, t0, t1;
};

static void put_range(struct sw_buf *b, const struct range *r)
{
    if (r->p0 == 0)
        return;
    sw_buf_printf(b, b->len > 0 ? ", *:%lld" : "*:%lld", (long long)r->p0);
    if (r->p1 > r->p0)
        sw_buf_printf(b, "-%lld", (long long)r->p1);
    sw_buf_printf(b, "->%lld", (long long)r->t0);
    if (r->t1 > r->t0)
        sw_buf_printf(b, "-%lld", (long long)r->t1);
    sw_buf_printf(b, "/%s", r->protocol);
}

static int by_port(const void *x, const void *y)
{
    const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
    int r = strcmp(js_str(a, "Protocol"), js_str(b, "Protocol"));

    if (r != 0)
        return r;
    return (js_int(a, "PublishedPort") > js_int(b, "PublishedPort")) -
           (js_int(a, "PublishedPort") < js_int(b, "PublishedPort"));
}

static char *ports(const json_t *service)
{
    const json_t *list = js_get(service, "Endpoint.Ports");
    size_t n = json_array_size(list);
    json_t **sorted = cli_alloc((n + 1) * sizeof(json_t *));
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    struct range r = { .protocol = "" };

    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(list, i);
    qsort(sorted, n, sizeof(*sorted), by_port);
    for (size_t i = 0; i < n; i++) {
        int64_t p = js_int(sorted[i], "PublishedPort");
        int64_t t = js_int(sorted[i], "TargetPort");
        const char *protocol = js_str(sorted[i], "Protocol");
        bool joins = strcmp(protocol, r.protocol) == 0 && p - r.p1 <= 1 && t >= r.t1 &&
                     t - r.t1 <= 1 && !(r.t1 != r.t0 && t <= r.t1);

        if (strcmp(js_str(sorted[i], "PublishMode"), "ingress") != 0)
            continue;
        if (joins) {
            r.p1 = p;
            r.t1 = t;
        } else {
            put_range(&b, &r);
            r = (struct range){ protocol, p, p, t, t };
        }
    }
    put_range(&b, &r);
    sw_free(sorted);
    return cli_take(&b);
}

json_t *services_rows(const json_t *services)
{
    json_t *rows = json_array();
    size_t i;
    json_t *s;

    json_array_foreach(services, i, s)
    {
        SW_CLEANUP(sw_free_ptr) char *id = cmd_id(js_str(s, "ID"), false);
        SW_CLEANUP(sw_free_ptr) char *count = replicas(s);
        SW_CLEANUP(sw_free_ptr)
        char *image = imageref_undigested(js_str(s, "Spec.TaskTemplate.ContainerSpec.Image"));
        SW_CLEANUP(sw_free_ptr) char *published = ports(s);
        json_t *row = json_object();

        js_set_str(row, "ID", id);
        js_set_str(row, "Name", js_str(s, "Spec.Name"));
        js_set_str(row, "Mode", mode_name(s));
        js_set_str(row, "Replicas", count);
        js_set_str(row, "Image", image);
        js_set_str(row, "Ports", published);
        json_array_append_new(rows, row);
    }
    natural_sort(rows, "Name");
    return rows;
}

int service_run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *services = NULL;
    json_auto_t *rows = NULL;

    if (cmd_filters(args, &filters, err) < 0 ||
        cmd_list(cli, "/services?status=true", filters, &services, err) < 0)
        return err->code;
    rows = services_rows(services);
    return cmd_table(&service_table, rows, args, err);
}
