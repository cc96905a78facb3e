/* SPDX-License-Identifier: Apache-2.0
 *
 * service update, scale, rollback: read the spec, change it, write it back. */
#include <string.h>

#include "cli/cmd/service.h"
#include "cli/cmd/service_edit.h"
#include "cli/cmd/wait.h"
#include "cli/spec/imageref.h"
#include "cli/spec/mounts.h"
#include "cli/spec/parts.h"
#include "cli/spec/ports.h"
#include "cli/spec/text.h"

#define CONTAINER "TaskTemplate.ContainerSpec."
#define HIDDEN(x) NULL

#define LISTED(n, text)                                                                            \
    {                                                                                              \
        n, 0, OPT_LIST, NULL, text, NULL, NULL, false                                              \
    }

const struct option service_update_options[] = {
    SERVICE_OPTIONS(HIDDEN),
    { "args", 0, OPT_STRING, "command", "Service command args", NULL, words_check, false },
    { "config-add", 0, OPT_LIST, "config", "Add or update a config file on a service", NULL,
      config_check, false },
    LISTED("config-rm", "Remove a configuration file"),
    LISTED("constraint-add", "Add or update a placement constraint"),
    LISTED("constraint-rm", "Remove a constraint"),
    { "container-label-add", 0, OPT_LIST, NULL, "Add or update a container label", NULL,
      label_check, false },
    LISTED("container-label-rm", "Remove a container label by its key"),
    { "dns-add", 0, OPT_LIST, NULL, "Add or update a custom DNS server", NULL, ip_check, false },
    LISTED("dns-option-add", "Add or update a DNS option"),
    LISTED("dns-option-rm", "Remove a DNS option"),
    LISTED("dns-rm", "Remove a custom DNS server"),
    LISTED("dns-search-add", "Add or update a custom DNS search domain"),
    LISTED("dns-search-rm", "Remove a DNS search domain"),
    { "env-add", 0, OPT_LIST, NULL, "Add or update an environment variable", NULL, env_check,
      false },
    LISTED("env-rm", "Remove an environment variable"),
    { "force", 0, OPT_BOOL, NULL, "Force update even if no changes require it", NULL, NULL, false },
    { "generic-resource-add", 0, OPT_LIST, NULL, "Add a Generic resource", NULL, generic_check,
      false },
    LISTED("generic-resource-rm", "Remove a Generic resource"),
    LISTED("group-add", "Add an additional supplementary user group to the container"),
    LISTED("group-rm", "Remove a previously added supplementary user group from the container"),
    { "host-add", 0, OPT_LIST, NULL, "Add a custom host-to-IP mapping (\"host:ip\")", NULL,
      host_check, false },
    LISTED("host-rm", "Remove a custom host-to-IP mapping (\"host:ip\")"),
    { "image", 0, OPT_STRING, NULL, "Service image tag", NULL, NULL, false },
    { "label-add", 0, OPT_LIST, NULL, "Add or update a service label", NULL, label_check, false },
    LISTED("label-rm", "Remove a label by its key"),
    { "mount-add", 0, OPT_LIST, "mount", "Add or update a mount on a service", NULL, mounts_check,
      false },
    LISTED("mount-rm", "Remove a mount by its target path"),
    { "network-add", 0, OPT_LIST, "network", "Add a network", NULL, network_check, false },
    LISTED("network-rm", "Remove a network"),
    { "placement-pref-add", 0, OPT_LIST, "pref", "Add a placement preference", NULL, pref_check,
      false },
    { "placement-pref-rm", 0, OPT_LIST, "pref", "Remove a placement preference", NULL, pref_check,
      false },
    { "publish-add", 0, OPT_LIST, "port", "Add or update a published port", NULL, ports_check,
      false },
    { "publish-rm", 0, OPT_LIST, "port", "Remove a published port by its target port", NULL,
      ports_check, false },
    { "rollback", 0, OPT_BOOL, NULL, "Rollback to previous specification", NULL, NULL, false },
    { "secret-add", 0, OPT_LIST, "secret", "Add or update a secret on a service", NULL,
      secret_check, false },
    LISTED("secret-rm", "Remove a secret"),
    LISTED("sysctl-add", "Add or update a Sysctl option"),
    LISTED("sysctl-rm", "Remove a Sysctl option"),
    { "ulimit-add", 0, OPT_LIST, "ulimit", "Add or update a ulimit option", "[]", ulimit_check,
      false },
    LISTED("ulimit-rm", "Remove a ulimit option"),
    OPTION_END,
};

/* Update an existing service. @extra: query behind the version, without '?'. */
static int post_update(struct cli *cli, const json_t *service, const char *auth, const char *extra,
                       struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr)
    char *version = cli_printf("%lld", (long long)js_int(service, "Version.Index"));

    url_path(&url, "/services/", js_str(service, "ID"), "/update");
    url_query(&url, "version", version);
    sw_buf_puts(&url, extra);
    return service_send(cli, sw_buf_str(&url), js_get(service, "Spec"), auth, NULL, err);
}

static int check_rollback(const struct args *args, struct sw_err *err)
{
    for (size_t i = 0; i < args->n_options; i++) {
        const char *name = args->options[i].name;

        if (args->values[i].set && strcmp(name, "rollback") != 0 && strcmp(name, "detach") != 0 &&
            strcmp(name, "quiet") != 0)
            return sw_err_set(err, SW_E_INVALID, "other flags may not be combined with --rollback");
    }
    return 0;
}

static int new_mode(json_t *spec, const struct args *args, struct sw_err *err)
{
    bool job = js_get(spec, "Mode.ReplicatedJob") != NULL;

    if (args_set(args, "replicas")) {
        if (js_get(spec, "Mode.Replicated") == NULL && !job)
            return sw_err_set(err, SW_E_INVALID, "replicas can only be used with replicated mode");
        js_set_int(spec, job ? "Mode.ReplicatedJob.TotalCompletions" : "Mode.Replicated.Replicas",
                   args_int(args, "replicas"));
    }
    if (args_set(args, "max-concurrent")) {
        if (!job)
            return sw_err_set(err, SW_E_INVALID,
                              "max-concurrent can only be used with replicated-job mode");
        js_set_int(spec, "Mode.ReplicatedJob.MaxConcurrent", args_int(args, "max-concurrent"));
    }
    if (args_bool(args, "force"))
        js_set_int(spec, "TaskTemplate.ForceUpdate", js_int(spec, "TaskTemplate.ForceUpdate") + 1);
    return 0;
}

static int new_command(json_t *spec, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv words = { 0 };

    if (args_set(args, "args")) {
        if (text_words(args_str(args, "args"), &words, err) < 0)
            return err->code;
        js_set(spec, CONTAINER "Args", js_strings(&words));
    }
    if (args_set(args, "image")) {
        SW_CLEANUP(sw_free_ptr) char *tagged = imageref_tagged(args_str(args, "image"));

        js_set_str(spec, CONTAINER "Image", tagged != NULL ? tagged : args_str(args, "image"));
    }
    return 0;
}

/* Read, change, write: once. @unresolved: the image the registry knows nothing of, returned, or
 * NULL. */
static int update_once(struct cli *cli, const struct args *args, char **unresolved,
                       struct sw_err *err)
{
    const char *name = args->pos.v[0];
    SW_CLEANUP(sw_free_ptr) char *auth = NULL;
    SW_CLEANUP(sw_buf_fini) struct sw_buf extra = SW_BUF_INIT;
    json_auto_t *service = NULL;
    json_t *spec;

    if (cmd_get(cli, "/services/", name, &service, err) < 0 ||
        (args_bool(args, "rollback") && check_rollback(args, err) < 0))
        return err->code;
    spec = js_obj(service, "Spec");
    if (new_command(spec, args, err) < 0 || service_flags(spec, args, err) < 0 ||
        new_mode(spec, args, err) < 0 || service_edit(cli, spec, args, err) < 0)
        return err->code;
    if (args_bool(args, "with-registry-auth"))
        auth = service_auth(spec);
    if (args_set(args, "image") && !args_bool(args, "no-resolve-image")) {
        SW_CLEANUP(sw_free_ptr) char *image = cli_strdup(js_str(spec, CONTAINER "Image"));

        if (!service_resolve_image(cli, spec, auth) && *unresolved == NULL)
            *unresolved = sw_steal(image);
    }
    if (auth == NULL)
        sw_buf_puts(&extra, "&registryAuthFrom=spec");
    if (args_bool(args, "rollback"))
        sw_buf_puts(&extra, "&rollback=previous");
    return post_update(cli, service, auth, sw_buf_str(&extra), err);
}

int service_run_update(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *name = args->pos.v[0];
    SW_CLEANUP(sw_free_ptr) char *unresolved = NULL;
    unsigned tries = 0;
    int r;

    do
        r = update_once(cli, args, &unresolved, err);
    while (cmd_lost_race(r, err, &tries));
    if (r < 0)
        return r;
    if (unresolved != NULL)
        service_warn_unresolved(unresolved);
    printf("%s\n", name);
    fflush(stdout);
    if (args_bool(args, "detach"))
        return 0;
    return wait_service(cli, name, args_bool(args, "quiet"), err);
}

static int rollback_once(struct cli *cli, const char *name, struct sw_err *err)
{
    json_auto_t *service = NULL;

    if (cmd_get(cli, "/services/", name, &service, err) < 0)
        return err->code;
    return post_update(cli, service, NULL, "&rollback=previous", err);
}

int service_run_rollback(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *name = args->pos.v[0];
    unsigned tries = 0;
    int r;

    do
        r = rollback_once(cli, name, err);
    while (cmd_lost_race(r, err, &tries));
    if (r < 0)
        return r;
    printf("%s\n", name);
    fflush(stdout);
    if (args_bool(args, "detach"))
        return 0;
    return wait_service(cli, name, args_bool(args, "quiet"), err);
}

static int scale_once(struct cli *cli, const char *name, uint64_t n, struct sw_err *err)
{
    json_auto_t *service = NULL;

    if (cmd_get(cli, "/services/", name, &service, err) < 0)
        return sw_err_wrap(err, "%s", name);
    if (js_get(service, "Spec.Mode.Replicated") != NULL)
        js_set_int(service, "Spec.Mode.Replicated.Replicas", (int64_t)n);
    else if (js_get(service, "Spec.Mode.ReplicatedJob") != NULL)
        js_set_int(service, "Spec.Mode.ReplicatedJob.TotalCompletions", (int64_t)n);
    else
        return sw_err_set(err, SW_E_INVALID,
                          "%s: scale can only be used with replicated or replicated-job mode",
                          name);
    if (post_update(cli, service, NULL, "", err) < 0)
        return sw_err_wrap(err, "%s", name);
    return 0;
}

static int scale_one(struct cli *cli, const char *name, const char *count, struct sw_err *err)
{
    struct sw_err why;
    unsigned tries = 0;
    uint64_t n;
    int r;

    if (text_uint(count, &n, &why) < 0)
        return sw_err_set(err, SW_E_INVALID, "%s: invalid replicas value %s: %s", name, count,
                          why.msg);
    do
        r = scale_once(cli, name, n, err);
    while (cmd_lost_race(r, err, &tries));
    if (r < 0)
        return r;
    printf("%s scaled to %llu\n", name, (unsigned long long)n);
    fflush(stdout);
    return 0;
}

int service_run_scale(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv scaled = { 0 };
    SW_CLEANUP(strv_fini) struct strv failures = { 0 };

    for (size_t i = 0; i < args->pos.n; i++) {
        const char *arg = args->pos.v[i];
        const char *eq = strchr(arg, '=');
        SW_CLEANUP(sw_free_ptr) char *command = command_say(cli, "service scale");

        if (eq == NULL || eq == arg || eq[1] == '\0')
            return sw_err_set(err, SW_E_INVALID,
                              "invalid scale specifier '%s'.\nSee '%s --help'.\n\nUsage:  %s "
                              "SERVICE=REPLICAS [SERVICE=REPLICAS...]\n\nScale one or multiple "
                              "replicated services",
                              arg, command, command);
    }
    for (size_t i = 0; i < args->pos.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        const char *count = text_cut(args->pos.v[i], '=', &name);

        if (scale_one(cli, name, count, err) < 0)
            strv_add(&failures, err->msg);
        else
            strv_add(&scaled, name);
    }
    for (size_t i = 0; i < scaled.n && !args_bool(args, "detach"); i++) {
        if (wait_service(cli, scaled.v[i], false, err) < 0)
            strv_take(&failures, cli_printf("%s: %s", scaled.v[i], err->msg));
    }
    for (size_t i = 0; i < failures.n; i++)
        fprintf(stderr, "%s\n", failures.v[i]);
    return failures.n > 0;
}
