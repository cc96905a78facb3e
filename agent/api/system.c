/* SPDX-License-Identifier: Apache-2.0
 * system.c - _ping, version, info, auth, events, disk usage. */
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/api/api_priv.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/time.h"
#include "common/http/proxy.h"
#include "common/io/file.h"

#define FETCH_MAX ((size_t)1 << 20)

static const char *go_arch(const char *machine)
{
    if (strcmp(machine, "x86_64") == 0)
        return "amd64";
    return strcmp(machine, "aarch64") == 0 ? "arm64" : machine;
}

static void on_ping(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    const char *state = a->ops->swarm_state == NULL ? NULL : a->ops->swarm_state(a->arg);

    http_set_header(req, "Cache-Control", "no-cache, no-store, must-revalidate");
    http_set_header(req, "Pragma", "no-cache");
    http_set_header(req, "Builder-Version", "1");
    http_set_header(req, "Swarm", state == NULL ? "inactive" : state);
    if (http_is_head(req))
        http_reply(req, 200, "text/plain; charset=utf-8", NULL, 0);
    else
        http_reply(req, 200, "text/plain; charset=utf-8", "OK", 2);
}

/* GoVersion must be there, the client prints it. */
static void on_version(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    struct utsname u = { .machine = "", .release = "" };
    json_t *engine;

    uname(&u);
    engine = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}}", "Name", "Engine",
                       "Version", a->version, "Details", "ApiVersion", DOCKER_API_VERSION, "Arch",
                       go_arch(u.machine), "Experimental", "false", "GitCommit", "", "GoVersion",
                       "none (C)", "KernelVersion", u.release, "MinAPIVersion",
                       DOCKER_API_VERSION_MIN, "Os", "linux");
    http_reply_json(req, 200,
                    json_pack("{s:{s:s}, s:[o], s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                              "Platform", "Name", "swarm", "Components", engine, "Version",
                              a->version, "ApiVersion", DOCKER_API_VERSION, "MinAPIVersion",
                              DOCKER_API_VERSION_MIN, "GitCommit", "", "GoVersion", "none (C)",
                              "Os", "linux", "Arch", go_arch(u.machine), "KernelVersion",
                              u.release));
}

/* ---- info
 * ---------------------------------------------------------------------------------------- */

/* NAME="value" of /etc/os-release. */
static void os_release(const char *name, char *out, size_t size)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    struct sw_err ignored;
    size_t len = strlen(name);
    const char *p;

    snprintf(out, size, "%s", "");
    if (sw_file_read("/etc/os-release", 65536, &text, &ignored) != 0)
        return;
    p = sw_buf_str(&text);
    while (p != NULL && (strncmp(p, name, len) != 0 || p[len] != '=')) {
        p = strchr(p, '\n');
        p = p == NULL ? NULL : p + 1;
    }
    if (p == NULL)
        return;
    p += len + 1;
    if (*p == '"')
        p++;
    snprintf(out, size, "%.*s", (int)strcspn(p, "\"\n"), p);
}

static void set(json_t *o, const char *key, json_t *value)
{
    json_object_set_new(o, key, value);
}

static void info_limits(json_t *info)
{
    static const char *const yes[] = { "MemoryLimit",      "SwapLimit",      "CpuCfsPeriod",
                                       "CpuCfsQuota",      "CPUShares",      "CPUSet",
                                       "PidsLimit",        "IPv4Forwarding", "BridgeNfIptables",
                                       "BridgeNfIp6tables" };

    for (size_t i = 0; i < SW_ARRAY_LEN(yes); i++)
        set(info, yes[i], json_true());
    set(info, "OomKillDisable", json_false());
    set(info, "Debug", json_false());
    set(info, "ExperimentalBuild", json_false());
    set(info, "LiveRestoreEnabled", json_true()); /* containers outlive the daemon */
    set(info, "NEventsListener", json_integer(0));
    set(info, "NFd", json_integer(0));
    set(info, "NGoroutines", json_integer(0));
}

static void info_host(json_t *info)
{
    struct utsname u = { .machine = "", .release = "" };
    struct sysinfo mem = { .totalram = 0, .mem_unit = 1 };
    char text[256];

    uname(&u);
    sysinfo(&mem);
    set(info, "KernelVersion", json_string(u.release));
    set(info, "Architecture", json_string(u.machine));
    set(info, "OSType", json_string("linux"));
    os_release("PRETTY_NAME", text, sizeof(text));
    set(info, "OperatingSystem", json_string(text[0] == '\0' ? "Linux" : text));
    os_release("VERSION_ID", text, sizeof(text));
    set(info, "OSVersion", json_string(text));
    set(info, "NCPU", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    set(info, "MemTotal", json_integer((json_int_t)mem.totalram * mem.mem_unit));
    set(info, "Name", json_string(u.nodename));
    set(info, "CgroupDriver", json_string("cgroupfs"));
    set(info, "CgroupVersion",
        json_string(access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "2" : "1"));
}

static json_t *make_info(const struct agent_api *a)
{
    json_t *info = json_object();
    char now[SW_RFC3339_MAX];

    sw_rfc3339(sw_now_ns(), now);
    set(info, "ID", json_string(""));
    set(info, "Containers", json_integer(0));
    set(info, "ContainersRunning", json_integer(0));
    set(info, "ContainersPaused", json_integer(0));
    set(info, "ContainersStopped", json_integer(0));
    set(info, "Images", json_integer((json_int_t)image_count(a->images)));
    set(info, "Driver", json_string("overlay2"));
    set(info, "DriverStatus", json_pack("[[s,s]]", "Supports d_type", "true"));
    set(info, "Plugins",
        json_pack("{s:[s], s:[s,s,s,s], s:n, s:[s]}", "Volume", "local", "Network", "bridge",
                  "host", "null", "overlay", "Authorization", "Log", "local"));
    info_limits(info);
    set(info, "SystemTime", json_string(now));
    set(info, "LoggingDriver", json_string("local"));
    info_host(info);
    set(info, "IndexServerAddress", json_string("https://index.docker.io/v1/"));
    set(info, "RegistryConfig",
        json_pack("{s:[], s:[], s:[s], s:{s:{s:s, s:[], s:b, s:b}}, s:[]}",
                  "AllowNondistributableArtifactsCIDRs", "AllowNondistributableArtifactsHostnames",
                  "InsecureRegistryCIDRs", "127.0.0.0/8", "IndexConfigs", "docker.io", "Name",
                  "docker.io", "Mirrors", "Secure", 1, "Official", 1, "Mirrors"));
    set(info, "GenericResources", json_null());
    set(info, "DockerRootDir", json_string(a->data_dir));
    set(info, "HttpProxy", json_string(""));
    set(info, "HttpsProxy", json_string(""));
    set(info, "NoProxy", json_string(""));
    set(info, "Labels", json_array());
    set(info, "ServerVersion", json_string(a->version));
    set(info, "Runtimes", json_pack("{s:{s:s}}", "swarm-shim", "path", "swarm-shim"));
    set(info, "DefaultRuntime", json_string("swarm-shim"));
    set(info, "Swarm",
        json_pack("{s:s, s:s, s:s, s:b, s:s, s:n}", "NodeID", "", "NodeAddr", "", "LocalNodeState",
                  "inactive", "ControlAvailable", 0, "Error", "", "RemoteManagers"));
    set(info, "Isolation", json_string(""));
    set(info, "InitBinary", json_string(""));
    set(info, "ContainerdCommit", json_pack("{s:s, s:s}", "ID", "", "Expected", ""));
    set(info, "RuncCommit", json_pack("{s:s, s:s}", "ID", "", "Expected", ""));
    set(info, "InitCommit", json_pack("{s:s, s:s}", "ID", "", "Expected", ""));
    set(info, "SecurityOptions", json_pack("[s]", "name=seccomp,profile=default"));
    set(info, "Warnings", json_null());
    if (a->ops->info != NULL)
        a->ops->info(info, a->arg);
    return info;
}

struct info_wait {
    struct http_request *req;
    json_t *info;
};

/* What the manager knows better: Nodes, Managers, Cluster, RemoteManagers. */
static void on_manager_info(int status, const char *body, size_t len, const struct sw_err *err,
                            void *arg)
{
    struct info_wait *w = arg;
    json_t *theirs = err == NULL && status == 200 ? json_loadb(body, len, 0, NULL) : NULL;
    json_t *swarm = json_object_get(theirs, "Swarm");

    if (json_is_object(swarm))
        json_object_update(json_object_get(w->info, "Swarm"), swarm);
    else if (err != NULL)
        set(json_object_get(w->info, "Swarm"), "Error", json_string(err->msg));
    json_decref(theirs);
    http_reply_json(w->req, 200, w->info);
    sw_free(w);
}

static void on_info(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    struct sw_err err = { 0 };
    json_t *info = make_info(a);
    const char *socket_path = api_manager(a, &err);
    struct info_wait *w = socket_path == NULL ? NULL : sw_malloc(sizeof(*w));

    if (w != NULL) {
        w->req = req;
        w->info = info;
        if (http_fetch(a->loop, socket_path, "GET", "/info", FETCH_MAX, on_manager_info, w, &err) ==
            0)
            return;
        sw_free(w);
    }
    http_reply_json(req, 200, info);
}

/* ---- the rest
 * -------------------------------------------------------------------------------------- */

/* There are no registries to ask; the client only stores the credentials. */
static void on_auth(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_error(req, 501, "registry logins are not supported by swarmd");
}

static void on_events(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;

    if (a->ops->events == NULL)
        http_reply_error(req, 501, "events are not supported by swarmd");
    else
        a->ops->events(req, a->arg);
}

static void on_df(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    json_t *images = json_array();
    json_int_t sum = 0;

    for (size_t i = 0; i < image_count(a->images); i++) {
        const struct image *img = image_at(a->images, i);

        sum += (json_int_t)image_size(img);
        json_array_append_new(images, json_pack("{s:i, s:I, s:s, s:n, s:s, s:o, s:o, s:i, s:I}",
                                                "Containers", 0, "Created",
                                                (json_int_t)(img->created_ns / SW_NS_PER_S), "Id",
                                                img->id, "Labels", "ParentId", "", "RepoDigests",
                                                api_names(img->digests, img->n_digests), "RepoTags",
                                                api_names(img->names, img->n_names), "SharedSize",
                                                0, "Size", (json_int_t)image_size(img)));
    }
    http_reply_json(req, 200,
                    json_pack("{s:I, s:o, s:[], s:[], s:[]}", "LayersSize", sum, "Images", images,
                              "Containers", "Volumes", "BuildCache"));
}

static const struct http_route routes[] = {
    { "GET", "/_ping", on_ping, HTTP_BODY_WHOLE, 0 },
    { "GET", "/version", on_version, HTTP_BODY_WHOLE, 0 },
    { "GET", "/info", on_info, HTTP_BODY_WHOLE, 0 },
    { "POST", "/auth", on_auth, HTTP_BODY_WHOLE, 0 },
    { "GET", "/events", on_events, HTTP_BODY_WHOLE, 0 },
    { "GET", "/system/df", on_df, HTTP_BODY_WHOLE, 0 },
};
const struct api_table api_system = { routes, SW_ARRAY_LEN(routes) };
