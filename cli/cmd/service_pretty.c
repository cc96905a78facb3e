/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cmd/names.h"
#include "cli/cmd/pretty.h"
#include "cli/cmd/service.h"
#include "cli/render/human.h"

#define FLOW(title, key, order)                                                                    \
    "{{- with ." key "}}\n" title ":\n"                                                            \
    " Parallelism:\t{{.Parallelism}}\n"                                                            \
    "{{- if .DelayNs}}\n Delay:\t\t{{.Delay}}{{end}}\n"                                            \
    " On failure:\t{{.FailureAction}}\n"                                                           \
    "{{- if .MonitorNs}}\n Monitoring Period: {{.Monitor}}{{end}}\n"                               \
    " Max failure ratio: {{.MaxFailureRatio}}\n " order "{{.Order}}{{end}}\n"

static const char template[] =
    "\nID:\t\t{{.ID}}\n"
    "Name:\t\t{{.Name}}\n"
    "{{- if .Labels}}\nLabels:{{range $k, $v := .Labels}}\n {{$k}}{{if "
    "$v}}={{$v}}{{end}}{{end}}{{end}}\n"
    "Service Mode:\t{{.Mode}}\n"
    "{{- if .Replicas}}\n Replicas:\t{{.Replicas}}{{end}}\n"
    "{{- with .Job}}\n Max Concurrent:\t{{.MaxConcurrent}}\n Total "
    "Completions:\t{{.TotalCompletions}}{{end}}\n"
    "{{- with .UpdateStatus}}\nUpdateStatus:\n State:\t\t{{.State}}\n"
    "{{- if .Started}}\n Started:\t{{.Started}}{{end}}\n"
    "{{- if .Completed}}\n Completed:\t{{.Completed}}{{end}}\n Message:\t{{.Message}}{{end}}\n"
    "Placement:\n"
    "{{- if .Placement.Constraints}}\n Constraints:\t{{.Placement.Constraints}}{{end}}\n"
    "{{- if .Preferences}}\n Preferences:   {{.Preferences}}{{end}}\n"
    "{{- if .Placement.MaxReplicas}}\n Max Replicas Per Node:   "
    "{{.Placement.MaxReplicas}}{{end}}\n" FLOW("UpdateConfig", "Update", "Update order:      ")
        FLOW("RollbackConfig", "Rollback",
             "Rollback order:    ") "ContainerSpec:\n"
                                    " Image:\t\t{{.Container.Image}}\n"
                                    "{{- if .Container.Args}}\n Args:\t\t{{range "
                                    ".Container.Args}}{{.}} {{end}}{{end}}\n"
                                    "{{- if .Container.Env}}\n Env:\t\t{{range "
                                    ".Container.Env}}{{.}} {{end}}{{end}}\n"
                                    "{{- if .Container.Dir}}\n Dir:\t\t{{.Container.Dir}}{{end}}\n"
                                    "{{- if .HasInit}}\n Init:\t\t{{.Container.Init}}{{end}}\n"
                                    "{{- if .Container.User}}\n User: {{.Container.User}}{{end}}\n"
                                    "{{- if or .Container.CapabilityAdd "
                                    ".Container.CapabilityDrop}}\nCapabilities:"
                                    "{{if .Container.CapabilityAdd}}\n Add: {{join "
                                    ".Container.CapabilityAdd \", \"}}{{end}}"
                                    "{{if .Container.CapabilityDrop}}\n Drop: {{join "
                                    ".Container.CapabilityDrop \", \"}}{{end}}{{end}}\n"
                                    "{{- if .Container.Sysctls}}\nSysCtls:{{range $k, $v := "
                                    ".Container.Sysctls}}\n {{$k}}{{if $v}}: "
                                    "{{$v}}{{end}}{{end}}{{end}}\n"
                                    "{{- if .Container.Ulimits}}\nUlimits:{{range "
                                    ".Container.Ulimits}}\n {{.Name}}: "
                                    "{{.Soft}}:{{.Hard}}{{end}}{{end}}\n"
                                    "{{- if .Container.Mounts}}\nMounts:{{range "
                                    ".Container.Mounts}}\n Target:\t{{.Target}}\n  Source:\t{{if "
                                    ".Source}}{{.Source}}{{end}}\n"
                                    "  ReadOnly:\t{{if .ReadOnly}}true{{else}}false{{end}}\n  "
                                    "Type:\t\t{{.Type}}{{end}}{{end}}\n"
                                    "{{- if .Container.Configs}}\nConfigs:{{range "
                                    ".Container.Configs}}\n Target:\t{{.File.Name}}\n  "
                                    "Source:\t{{.ConfigName}}{{end}}{{end}}\n"
                                    "{{- if .Container.Secrets}}\nSecrets:{{range "
                                    ".Container.Secrets}}\n Target:\t{{.File.Name}}\n  "
                                    "Source:\t{{.SecretName}}{{end}}{{end}}\n"
                                    "{{- with .LogDriver}}\nLog Driver:{{if .Name}}\n "
                                    "Name:\t\t{{.Name}}{{end}}"
                                    "{{if .Options}}\n LogOpts:{{range $k, $v := .Options}}\n  "
                                    "{{$k}}{{if $v}}:       {{$v}}{{end}}{{end}}{{end}}\n{{end}}\n"
                                    "{{- if .HasResources}}\nResources:"
                                    "{{with .Reservations}}\n Reservations:{{if .CPU}}\n  "
                                    "CPU:\t\t{{.CPU}}{{end}}{{if .Memory}}\n  "
                                    "Memory:\t{{.Memory}}{{end}}{{end}}"
                                    "{{with .Limits}}\n Limits:{{if .CPU}}\n  "
                                    "CPU:\t\t{{.CPU}}{{end}}{{if .Memory}}\n  "
                                    "Memory:\t{{.Memory}}{{end}}"
                                    "{{if .Pids}}\n  PIDs:\t\t{{.Pids}}{{end}}{{end}}{{end}}\n"
                                    "{{- if .Networks}}\nNetworks:{{range .Networks}} {{.}}{{end}} "
                                    "{{end}}\n"
                                    "Endpoint Mode:\t{{.EndpointMode}}\n"
                                    "{{- if .Ports}}\nPorts:{{range .Ports}}\n PublishedPort = "
                                    "{{if .PublishedPort}}{{.PublishedPort}}{{else}}0{{end}}\n  "
                                    "Protocol = {{.Protocol}}\n"
                                    "  TargetPort = {{.TargetPort}}\n  PublishMode = "
                                    "{{.PublishMode}}{{end}} {{end}}\n"
                                    "{{- with .Health}}\n Healthcheck:\n  Interval = "
                                    "{{.Interval}}\n  Retries = {{.Retries}}\n"
                                    "  StartPeriod =\t{{.StartPeriod}}\n  Timeout =\t{{.Timeout}}\n"
                                    "{{- if .Test}}\n  Tests:{{range .Test}}\n\t Test = "
                                    "{{.}}{{end}} {{end}}{{end}}\n\n";

static void flow(json_t *c, const char *key, const json_t *spec, const char *path)
{
    const json_t *from = js_get(spec, path);
    json_t *f;

    if (!json_is_object(from))
        return;
    f = json_copy((json_t *)(uintptr_t)from);
    js_set_int(f, "DelayNs", js_int(from, "Delay"));
    js_set_int(f, "MonitorNs", js_int(from, "Monitor"));
    pretty_duration(f, "Delay", from, "Delay");
    pretty_duration(f, "Monitor", from, "Monitor");
    json_object_set_new(c, key, f);
}

static void resources(json_t *c, const char *key, const json_t *spec, const char *path)
{
    const json_t *from = js_get(spec, path);
    json_t *r = json_object();

    pretty_cpus(r, "CPU", from, "NanoCPUs");
    pretty_bytes(r, "Memory", from, "MemoryBytes");
    if (js_int(from, "Pids") > 0)
        js_set_int(r, "Pids", js_int(from, "Pids"));
    json_object_set_new(c, key, r);
}

static void mode(json_t *c, const json_t *spec)
{
    if (js_get(spec, "Mode.Global") != NULL)
        js_set_str(c, "Mode", "Global");
    else if (js_get(spec, "Mode.GlobalJob") != NULL)
        js_set_str(c, "Mode", "Global Job");
    else if (js_get(spec, "Mode.ReplicatedJob") != NULL) {
        js_set_str(c, "Mode", "Replicated Job");
        json_object_set(c, "Job", js_get(spec, "Mode.ReplicatedJob"));
    } else {
        js_set_str(c, "Mode", "Replicated");
        json_object_set(c, "Replicas", js_get(spec, "Mode.Replicated.Replicas"));
    }
}

static void ago(json_t *c, const char *key, const json_t *from, const char *path)
{
    int64_t then = cmd_time(from, path);
    SW_CLEANUP(sw_free_ptr) char *text = NULL;

    if (then == 0)
        return;
    text = cmd_ago(then);
    js_set_str(c, key, text);
}

static void update_status(json_t *c, const json_t *service)
{
    const json_t *from = js_get(service, "UpdateStatus");
    json_t *u;

    if (*js_str(from, "State") == '\0')
        return;
    u = json_object();
    js_set_str(u, "State", js_str(from, "State"));
    js_set_str(u, "Message", js_str(from, "Message"));
    ago(u, "Started", from, "StartedAt");
    if (strcmp(js_str(from, "State"), "completed") == 0)
        ago(u, "Completed", from, "CompletedAt");
    json_object_set_new(c, "UpdateStatus", u);
}

static void networks(struct cli *cli, json_t *c, const json_t *spec)
{
    const json_t *list = js_get(spec, "TaskTemplate.Networks");
    json_t *names = json_array();
    size_t i;
    json_t *n;

    json_array_foreach(list, i, n)
    {
        json_auto_t *network = NULL;
        struct sw_err err;
        bool found = cmd_get(cli, "/networks/", js_str(n, "Target"), &network, &err) == 0;

        js_append_str(names, found && *js_str(network, "Name") != '\0' ? js_str(network, "Name")
                                                                       : js_str(n, "Target"));
    }
    json_object_set_new(c, "Networks", names);
}

static void health(json_t *c, const json_t *container)
{
    const json_t *from = js_get(container, "Healthcheck");
    json_t *h;

    if (!json_is_object(from))
        return;
    h = json_copy((json_t *)(uintptr_t)from);
    js_set_int(h, "Retries", js_int(from, "Retries"));
    js_set_str(h, "Interval", "0s");
    js_set_str(h, "StartPeriod", "0s");
    js_set_str(h, "Timeout", "0s");
    pretty_duration(h, "Interval", from, "Interval");
    pretty_duration(h, "StartPeriod", from, "StartPeriod");
    pretty_duration(h, "Timeout", from, "Timeout");
    json_object_set_new(c, "Health", h);
}

static void preferences(json_t *c, const json_t *spec)
{
    const json_t *list = js_get(spec, "TaskTemplate.Placement.Preferences");
    json_t *out = json_array();
    size_t i;
    json_t *p;

    json_array_foreach(list, i, p)
    {
        SW_CLEANUP(sw_free_ptr)
        char *text = cli_printf("spread=%s", js_str(p, "Spread.SpreadDescriptor"));

        js_append_str(out, text);
    }
    json_object_set_new(c, "Preferences", out);
}

void service_pretty(struct cli *cli, struct sw_buf *out, const json_t *service)
{
    const json_t *spec = js_get(service, "Spec");
    const json_t *container = js_get(spec, "TaskTemplate.ContainerSpec");
    json_t *c = json_object();

    js_set_str(c, "ID", js_str(service, "ID"));
    js_set_str(c, "Name", js_str(spec, "Name"));
    json_object_set(c, "Labels", js_get(spec, "Labels"));
    mode(c, spec);
    update_status(c, service);
    json_object_set(c, "Placement", js_get(spec, "TaskTemplate.Placement"));
    preferences(c, spec);
    flow(c, "Update", spec, "UpdateConfig");
    flow(c, "Rollback", spec, "RollbackConfig");
    json_object_set(c, "Container", (json_t *)(uintptr_t)container);
    js_set_bool(c, "HasInit", js_get(container, "Init") != NULL);
    json_object_set(c, "LogDriver", js_get(spec, "TaskTemplate.LogDriver"));
    js_set_bool(c, "HasResources", json_is_object(js_get(spec, "TaskTemplate.Resources")));
    resources(c, "Reservations", spec, "TaskTemplate.Resources.Reservations");
    resources(c, "Limits", spec, "TaskTemplate.Resources.Limits");
    networks(cli, c, spec);
    js_set_str(c, "EndpointMode", js_str(spec, "EndpointSpec.Mode"));
    json_object_set(c, "Ports", js_get(service, "Endpoint.Ports"));
    health(c, container);
    pretty_print(out, template, c);
}
