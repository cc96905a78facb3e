/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "cli/cmd/service.h"
#include "cli/cmd/wait.h"
#include "cli/spec/imageref.h"
#include "cli/spec/mounts.h"
#include "cli/spec/parts.h"
#include "cli/spec/ports.h"

#define TASK      "TaskTemplate."
#define CONTAINER "TaskTemplate.ContainerSpec."
#define SHOWN(x)  x

const struct option service_create_options[] = {
    SERVICE_OPTIONS(SHOWN),
    { "config", 0, OPT_LIST, "config", "Specify configurations to expose to the service", NULL,
      config_check, false },
    { "constraint", 0, OPT_LIST, NULL, "Placement constraints", NULL, NULL, false },
    { "container-label", 0, OPT_LIST, NULL, "Container labels", NULL, label_check, false },
    { "dns", 0, OPT_LIST, NULL, "Set custom DNS servers", NULL, ip_check, false },
    { "dns-option", 0, OPT_LIST, NULL, "Set DNS options", NULL, NULL, false },
    { "dns-search", 0, OPT_LIST, NULL, "Set custom DNS search domains", NULL, NULL, false },
    { "env", 'e', OPT_LIST, NULL, "Set environment variables", NULL, env_check, false },
    { "env-file", 0, OPT_LIST, NULL, "Read in a file of environment variables", NULL, NULL, false },
    { "generic-resource", 0, OPT_LIST, NULL, "User defined resources", NULL, generic_check, false },
    { "group", 0, OPT_LIST, NULL, "Set one or more supplementary user groups for the container",
      NULL, NULL, false },
    { "host", 0, OPT_LIST, NULL, "Set one or more custom host-to-IP mappings (host:ip)", NULL,
      host_check, false },
    { "label", 'l', OPT_LIST, NULL, "Service labels", NULL, label_check, false },
    { "mode", 0, OPT_STRING, NULL,
      "Service mode (\"replicated\", \"global\", \"replicated-job\", \"global-job\")", "replicated",
      NULL, false },
    { "mount", 0, OPT_LIST, "mount", "Attach a filesystem mount to the service", NULL, mounts_check,
      false },
    { "name", 0, OPT_STRING, NULL, "Service name", NULL, NULL, false },
    { "network", 0, OPT_LIST, "network", "Network attachments", NULL, network_check, false },
    { "placement-pref", 0, OPT_LIST, "pref", "Add a placement preference", NULL, pref_check,
      false },
    { "publish", 'p', OPT_LIST, "port", "Publish a port as a node port", NULL, ports_check, false },
    { "secret", 0, OPT_LIST, "secret", "Specify secrets to expose to the service", NULL,
      secret_check, false },
    { "sysctl", 0, OPT_LIST, NULL, "Sysctl options", NULL, NULL, false },
    { "ulimit", 0, OPT_LIST, "ulimit", "Ulimit options", "[]", ulimit_check, false },
    OPTION_END,
};

/* Members in the order in which docker sends them. */
static json_t *skeleton(const struct args *args)
{
    json_t *spec = json_object();

    js_set_str(spec, "Name", args_str(args, "name"));
    js_obj(spec, "Labels");
    js_set_str(spec, CONTAINER "Image", args->pos.v[0]);
    js_set_bool(spec, CONTAINER "Init", false);
    js_obj(spec, CONTAINER "DNSConfig");
    js_obj(spec, TASK "Resources.Limits");
    js_obj(spec, TASK "Resources.Reservations");
    js_obj(spec, TASK "Placement");
    js_set_int(spec, TASK "ForceUpdate", 0);
    js_obj(spec, "Mode");
    js_set_str(spec, "EndpointSpec.Mode", "vip");
    return spec;
}

static void set_list(json_t *spec, const struct args *args, const char *option, const char *path)
{
    const struct strv *l = args_list(args, option);

    if (l->n > 0)
        js_set(spec, path, js_strings(l));
}

static void set_map(json_t *spec, const struct args *args, const char *option, const char *path)
{
    const struct strv *l = args_list(args, option);

    for (size_t i = 0; i < l->n; i++)
        js_map_set(js_obj(spec, path), l->v[i]);
}

/* Each value of @option through @parse into the array at @path. */
static int set_parsed(json_t *spec, const struct args *args, const char *option, const char *path,
                      int (*parse)(const char *s, json_t **out, struct sw_err *err),
                      struct sw_err *err)
{
    const struct strv *l = args_list(args, option);

    for (size_t i = 0; i < l->n; i++) {
        json_t *one = NULL;

        if (parse(l->v[i], &one, err) < 0)
            return err->code;
        json_array_append_new(js_arr(spec, path), one);
    }
    return 0;
}

static int set_env(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *files = args_list(args, "env-file");
    const struct strv *vars = args_list(args, "env");
    SW_CLEANUP(strv_fini) struct strv all = { 0 };
    SW_CLEANUP(strv_fini) struct strv env = { 0 };

    for (size_t i = 0; i < files->n; i++) {
        SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;

        if (cmd_read(files->v[i], 1u << 20, &text, err) < 0 ||
            env_file_parse(sw_buf_str(&text), files->v[i], cmd_getenv, NULL, &all, err) < 0)
            return err->code;
    }
    for (size_t i = 0; i < vars->n; i++)
        strv_take(&all, env_resolve(vars->v[i], cmd_getenv, NULL));
    for (size_t i = 0; i < all.n; i++)
        env_merge(&env, all.v[i]);
    if (env.n > 0)
        js_set(spec, CONTAINER "Env", js_strings(&env));
    return 0;
}

static int set_mounts(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *l = args_list(args, "mount");
    char cwd[4096];

    if (getcwd(cwd, sizeof(cwd)) == NULL)
        strcpy(cwd, "/");
    for (size_t i = 0; i < l->n; i++) {
        json_t *m = NULL;

        if (mounts_parse(l->v[i], cwd, &m, err) < 0)
            return err->code;
        json_array_append_new(js_arr(spec, CONTAINER "Mounts"), m);
    }
    return 0;
}

static int set_hosts(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *l = args_list(args, "host");

    for (size_t i = 0; i < l->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *host = NULL;

        if (host_parse(l->v[i], &host, err) < 0)
            return err->code;
        js_append_str(js_arr(spec, CONTAINER "Hosts"), host);
    }
    return 0;
}

static int set_refs(struct cli *cli, json_t *spec, const struct args *args, const char *kind,
                    struct sw_err *err)
{
    bool secret = strcmp(kind, "Secret") == 0;
    const struct strv *l = args_list(args, secret ? "secret" : "config");
    SW_CLEANUP(sw_free_ptr) char *path = cli_printf(CONTAINER "%ss", kind);

    for (size_t i = 0; i < l->n; i++) {
        json_t *ref = NULL;

        if (file_ref_parse(l->v[i], kind, &ref, err) < 0)
            return err->code;
        json_array_append_new(js_arr(spec, path), ref);
    }
    return service_refs(cli, kind, js_get(spec, path), err);
}

static int set_networks(struct cli *cli, json_t *spec, const struct args *args, struct sw_err *err)
{
    size_t i;
    json_t *n;

    if (set_parsed(spec, args, "network", TASK "Networks", network_parse, err) < 0)
        return err->code;
    json_array_foreach(js_get(spec, TASK "Networks"), i, n)
    {
        SW_CLEANUP(sw_free_ptr) char *id = NULL;

        if (service_network_id(cli, js_str(n, "Target"), &id, err) < 0)
            return err->code;
        js_set_str(n, "Target", id);
    }
    return 0;
}

static int refuse(struct sw_err *err, const char *what)
{
    return sw_err_set(err, SW_E_INVALID, "%s", what);
}

static int set_mode(json_t *spec, const struct args *args, struct sw_err *err)
{
    const char *mode = args_set(args, "mode") ? args_str(args, "mode") : "replicated";
    bool replicas = args_set(args, "replicas");
    bool concurrent = args_set(args, "max-concurrent");
    bool global = strcmp(mode, "global") == 0 || strcmp(mode, "global-job") == 0;

    if (global && replicas)
        return refuse(err, "replicas can only be used with replicated or replicated-job mode");
    if (global && args_uint(args, "replicas-max-per-node") > 0)
        return refuse(
            err, "replicas-max-per-node can only be used with replicated or replicated-job mode");
    if (concurrent && strcmp(mode, "replicated-job") != 0)
        return refuse(err, "max-concurrent can only be used with replicated-job mode");
    if (strcmp(mode, "global") == 0) {
        js_obj(spec, "Mode.Global");
    } else if (strcmp(mode, "global-job") == 0) {
        js_obj(spec, "Mode.GlobalJob");
    } else if (strcmp(mode, "replicated") == 0) {
        js_obj(spec, "Mode.Replicated");
        if (replicas)
            js_set_int(spec, "Mode.Replicated.Replicas", args_int(args, "replicas"));
    } else if (strcmp(mode, "replicated-job") == 0) {
        js_obj(spec, "Mode.ReplicatedJob");
        if (replicas || concurrent)
            js_set_int(spec, "Mode.ReplicatedJob.MaxConcurrent",
                       args_int(args, concurrent ? "max-concurrent" : "replicas"));
        if (replicas)
            js_set_int(spec, "Mode.ReplicatedJob.TotalCompletions", args_int(args, "replicas"));
    } else {
        return sw_err_set(err, SW_E_INVALID,
                          "Unknown mode: %s, only replicated and global supported", mode);
    }
    return 0;
}

static int set_ports(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *l = args_list(args, "publish");

    for (size_t i = 0; i < l->n; i++) {
        if (ports_parse(l->v[i], js_arr(spec, "EndpointSpec.Ports"), err) < 0)
            return err->code;
    }
    return 0;
}

static void set_args(json_t *spec, const struct args *args)
{
    for (size_t i = 1; i < args->pos.n; i++)
        js_append_str(js_arr(spec, CONTAINER "Args"), args->pos.v[i]);
}

static void set_image(json_t *spec)
{
    SW_CLEANUP(sw_free_ptr) char *tagged = imageref_tagged(js_str(spec, CONTAINER "Image"));

    if (tagged != NULL)
        js_set_str(spec, CONTAINER "Image", tagged);
}

static int build(struct cli *cli, const struct args *args, json_t *spec, struct sw_err *err)
{
    set_map(spec, args, "label", "Labels");
    set_map(spec, args, "container-label", CONTAINER "Labels");
    set_args(spec, args);
    set_list(spec, args, "group", CONTAINER "Groups");
    set_list(spec, args, "dns", CONTAINER "DNSConfig.Nameservers");
    set_list(spec, args, "dns-search", CONTAINER "DNSConfig.Search");
    set_list(spec, args, "dns-option", CONTAINER "DNSConfig.Options");
    set_map(spec, args, "sysctl", CONTAINER "Sysctls");
    set_list(spec, args, "constraint", TASK "Placement.Constraints");
    caps_effective(args_list(args, "cap-add"), args_list(args, "cap-drop"),
                   js_obj(spec, "TaskTemplate.ContainerSpec"));
    if (set_env(spec, args, err) < 0 || set_mounts(spec, args, err) < 0 ||
        set_hosts(spec, args, err) < 0 ||
        set_parsed(spec, args, "ulimit", CONTAINER "Ulimits", ulimit_parse, err) < 0 ||
        set_parsed(spec, args, "placement-pref", TASK "Placement.Preferences", pref_parse, err) <
            0 ||
        set_parsed(spec, args, "generic-resource", TASK "Resources.Reservations.GenericResources",
                   generic_parse, err) < 0 ||
        service_flags(spec, args, err) < 0 || set_mode(spec, args, err) < 0 ||
        set_ports(spec, args, err) < 0)
        return err->code;
    if (set_networks(cli, spec, args, err) < 0 || set_refs(cli, spec, args, "Secret", err) < 0 ||
        set_refs(cli, spec, args, "Config", err) < 0)
        return err->code;
    return 0;
}

int service_run_create(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *spec = skeleton(args);
    SW_CLEANUP(sw_free_ptr) char *tagged = NULL;
    SW_CLEANUP(sw_free_ptr) char *auth = NULL;
    SW_CLEANUP(sw_free_ptr) char *id = NULL;
    bool resolved = true;

    if (build(cli, args, spec, err) < 0)
        return err->code;
    set_image(spec);
    tagged = cli_strdup(js_str(spec, CONTAINER "Image"));
    if (args_bool(args, "with-registry-auth"))
        auth = service_auth(spec);
    if (!args_bool(args, "no-resolve-image"))
        resolved = service_resolve_image(cli, spec, auth);
    if (service_send(cli, "/services/create", spec, auth, &id, err) < 0)
        return err->code;
    if (!resolved)
        service_warn_unresolved(tagged);
    printf("%s\n", id);
    fflush(stdout);
    if (args_bool(args, "detach"))
        return 0;
    return wait_service(cli, id, args_bool(args, "quiet"), err);
}
