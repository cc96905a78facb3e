/* SPDX-License-Identifier: Apache-2.0
 *
 * info: one template over /info, a few numbers turned into text before. */
#include <string.h>

#include "cli/cmd/pretty.h"
#include "cli/cmd/system.h"
#include "cli/render/human.h"
#include "common/base/time.h"

static const char server_template[] =
    "\nServer:\n Containers: {{.Containers}}\n  Running: {{.ContainersRunning}}\n  Paused: "
    "{{.ContainersPaused}}\n"
    "  Stopped: {{.ContainersStopped}}\n Images: {{.Images}}\n"
    "{{- if .ServerVersion}}\n Server Version: {{.ServerVersion}}{{end}}\n Storage Driver: "
    "{{.Driver}}\n"
    "{{- range .DriverStatus}}\n  {{index . 0}}: {{index . 1}}{{end}}\n"
    "{{- if .LoggingDriver}}\n Logging Driver: {{.LoggingDriver}}{{end}}\n"
    "{{- if .CgroupDriver}}\n Cgroup Driver: {{.CgroupDriver}}{{end}}\n"
    "{{- if .CgroupVersion}}\n Cgroup Version: {{.CgroupVersion}}{{end}}\n"
    " Plugins:\n  Volume: {{join .Plugins.Volume \" \"}}\n  Network: {{join .Plugins.Network \" "
    "\"}}\n"
    "{{- if .Plugins.Authorization}}\n  Authorization: {{join .Plugins.Authorization \" "
    "\"}}{{end}}\n"
    "  Log: {{join .Plugins.Log \" \"}}\n"
    " Swarm: {{.Swarm.LocalNodeState}}\n"
    "{{- if .ShowSwarm}}\n  NodeID: {{.Swarm.NodeID}}\n"
    "{{- if .Swarm.Error}}\n  Error: {{.Swarm.Error}}{{end}}\n"
    "  Is Manager: {{.Swarm.ControlAvailable}}\n"
    "{{- if .ShowCluster}}\n  ClusterID: {{.Swarm.Cluster.ID}}\n  Managers: {{.Swarm.Managers}}\n  "
    "Nodes: {{.Swarm.Nodes}}\n"
    "{{- if .Pools}}\n  Default Address Pool: {{.Pools}}\n  SubnetSize: "
    "{{.Swarm.Cluster.SubnetSize}}{{end}}\n"
    "{{- if .Swarm.Cluster.DataPathPort}}\n  Data Path Port: "
    "{{.Swarm.Cluster.DataPathPort}}{{end}}\n"
    "  Orchestration:\n   Task History Retention Limit: {{.History}}\n"
    "  Raft:\n   Snapshot Interval: {{.Raft.SnapshotInterval}}\n"
    "{{- if .HasOld}}\n   Number of Old Snapshots to Retain: {{.Raft.KeepOldSnapshots}}{{end}}\n"
    "   Heartbeat Tick: {{.Raft.HeartbeatTick}}\n   Election Tick: {{.Raft.ElectionTick}}\n"
    "  Dispatcher:\n   Heartbeat Period: {{.Heartbeat}}\n"
    "  CA Configuration:\n   Expiry Duration: {{.Expiry}}\n   Force Rotate: {{.ForceRotate}}\n"
    "  Autolock Managers: {{.Autolock}}\n  Root Rotation In Progress: {{.Rotating}}{{end}}\n"
    "  Node Address: {{.Swarm.NodeAddr}}\n"
    "{{- if .Managers}}\n  Manager Addresses:{{range .Managers}}\n   {{.}}{{end}}{{end}}{{end}}\n"
    "{{- if .Runtimes}}\n Runtimes:{{range $k, $v := .Runtimes}} {{$k}}{{end}}\n Default Runtime: "
    "{{.DefaultRuntime}}{{end}}\n"
    "{{- if .InitBinary}}\n Init Binary: {{.InitBinary}}{{end}}\n"
    "{{- if .ContainerdCommit.ID}}\n containerd version: {{.ContainerdCommit.ID}}{{end}}\n"
    "{{- if .RuncCommit.ID}}\n runc version: {{.RuncCommit.ID}}{{end}}\n"
    "{{- if .InitCommit.ID}}\n init version: {{.InitCommit.ID}}{{end}}\n"
    "{{- if .Security}}\n Security Options:{{range .Security}}\n  {{.Name}}{{range .Options}}\n   "
    "{{.}}{{end}}{{end}}{{end}}\n"
    " Kernel Version: {{.KernelVersion}}\n Operating System: {{.OperatingSystem}}\n OSType: "
    "{{.OSType}}\n"
    " Architecture: {{.Architecture}}\n CPUs: {{.NCPU}}\n Total Memory: {{.Memory}}\n Name: "
    "{{.Name}}\n ID: {{.ID}}\n"
    " Docker Root Dir: {{.DockerRootDir}}\n Debug Mode: {{.Debug}}\n"
    "{{- if .Labels}}\n Labels:{{range .Labels}}\n  {{.}}{{end}}{{end}}\n"
    " Experimental: {{.ExperimentalBuild}}\n"
    "{{- if .Insecure}}\n Insecure Registries:{{range .Insecure}}\n  {{.}}{{end}}{{end}}\n"
    " Live Restore Enabled: {{.LiveRestoreEnabled}}\n\n";

static void human_ns(json_t *c, const char *key, int64_t ns)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_duration(&b, ns);
    js_set_str(c, key, sw_buf_str(&b));
}

static void cluster(json_t *c)
{
    const json_t *spec = js_get(c, "Swarm.Cluster.Spec");
    SW_CLEANUP(sw_buf_fini) struct sw_buf pools = SW_BUF_INIT;
    json_t *raft = json_object();
    size_t i;
    json_t *p;

    js_set_bool(c, "ShowCluster",
                js_bool(c, "Swarm.ControlAvailable") && *js_str(c, "Swarm.Error") == '\0' &&
                    js_get(c, "Swarm.Cluster") != NULL);
    json_array_foreach(js_get(c, "Swarm.Cluster.DefaultAddrPool"), i, p)
    {
        sw_buf_printf(&pools, "%s  ", json_string_value(p));
    }
    js_set_str(c, "Pools", sw_buf_str(&pools));
    js_set_int(c, "History", js_int(spec, "Orchestration.TaskHistoryRetentionLimit"));
    js_set_int(raft, "SnapshotInterval", js_int(spec, "Raft.SnapshotInterval"));
    js_set_int(raft, "KeepOldSnapshots", js_int(spec, "Raft.KeepOldSnapshots"));
    js_set_int(raft, "HeartbeatTick", js_int(spec, "Raft.HeartbeatTick"));
    js_set_int(raft, "ElectionTick", js_int(spec, "Raft.ElectionTick"));
    json_object_set_new(c, "Raft", raft);
    js_set_bool(c, "HasOld", js_get(spec, "Raft.KeepOldSnapshots") != NULL);
    human_ns(c, "Heartbeat", js_int(spec, "Dispatcher.HeartbeatPeriod"));
    human_ns(c, "Expiry", js_int(spec, "CAConfig.NodeCertExpiry"));
    js_set_int(c, "ForceRotate", js_int(spec, "CAConfig.ForceRotate"));
    js_set_bool(c, "Autolock", js_bool(spec, "EncryptionConfig.AutoLockManagers"));
    js_set_bool(c, "Rotating", js_bool(c, "Swarm.Cluster.RootRotationInProgress"));
}

static void managers(json_t *c)
{
    json_t *out = json_array();
    size_t i;
    json_t *m;

    json_array_foreach(js_get(c, "Swarm.RemoteManagers"), i, m)
    {
        js_append_str(out, js_str(m, "Addr"));
    }
    js_sort_strings(out);
    json_object_set_new(c, "Managers", out);
}

/* "name=seccomp,profile=default" -> {Name: "seccomp", Options: ["Profile: default"]} */
static void security(json_t *c)
{
    json_t *out = json_array();
    size_t i;
    json_t *s;

    json_array_foreach(js_get(c, "SecurityOptions"), i, s)
    {
        SW_CLEANUP(sw_free_ptr) char *text = cli_strdup(json_string_value(s));
        json_t *o = json_object();
        char *save = NULL;

        for (char *kv = strtok_r(text, ",", &save); kv != NULL; kv = strtok_r(NULL, ",", &save)) {
            char *eq = strchr(kv, '=');

            if (eq == NULL) {
                js_set_str(o, "Name", kv);
            } else if (strncmp(kv, "name=", 5) == 0) {
                js_set_str(o, "Name", eq + 1);
            } else {
                SW_CLEANUP(sw_free_ptr) char *line = NULL;

                *eq = '\0';
                line = cli_printf("%s: %s", strcmp(kv, "profile") == 0 ? "Profile" : kv, eq + 1);
                js_append_str(js_arr(o, "Options"), line);
            }
        }
        json_array_append_new(out, o);
    }
    json_object_set_new(c, "Security", out);
}

static void insecure(json_t *c)
{
    const json_t *index = js_get(c, "RegistryConfig.IndexConfigs");
    json_t *out = json_array();
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)index, key, v)
    {
        if (!js_bool(v, "Secure"))
            js_append_str(out, key);
    }
    json_array_foreach(js_get(c, "RegistryConfig.InsecureRegistryCIDRs"), i, v)
    {
        json_array_append(out, v);
    }
    json_object_set_new(c, "Insecure", out);
}

/* A cluster of two managers loses its state's majority with either of them. */
static void warn(const json_t *info)
{
    size_t i;
    json_t *w;

    if (js_bool(info, "Swarm.ControlAvailable") && js_int(info, "Swarm.Managers") == 2)
        fprintf(
            stderr,
            "WARNING: Running Swarm in a two-manager configuration. This configuration provides\n"
            "         no fault tolerance, and poses a high risk to lose control over the cluster.\n"
            "         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the\n"
            "         Swarm for fault-tolerance.\n\n");
    json_array_foreach(js_get(info, "Warnings"), i, w)
    {
        fprintf(stderr, "%s\n", json_string_value(w));
    }
}

int system_run_info(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *format = args_str(args, "format");
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    json_auto_t *info = NULL;
    json_t *c;
    const char *state;
    int r = cli_get(cli, "/info", &info, err);

    if (*format != '\0')
        return r < 0 ? r : system_format(format, info, err);
    printf("Client:\n Version:    %s\n Context:    default\n Debug Mode: false\n", SWARM_VERSION);
    if (r < 0) {
        printf("\nServer:\n");
        return r;
    }
    c = json_deep_copy(info);
    state = js_str(info, "Swarm.LocalNodeState");
    js_set_bool(c, "ShowSwarm",
                strcmp(state, "inactive") != 0 && strcmp(state, "locked") != 0 && *state != '\0');
    cluster(c);
    managers(c);
    security(c);
    insecure(c);
    js_set_str(c, "Memory", "0B");
    pretty_bytes(c, "Memory", info, "MemTotal");
    pretty_print(&out, server_template, c);
    fputs(sw_buf_str(&out), stdout);
    fflush(stdout);
    warn(info);
    return 0;
}
