/* SPDX-License-Identifier: Apache-2.0
 *
 * stack deploy. Everything is converted before anything is changed; then, in this order: services
 * that are no longer wanted go (--prune), networks, secrets, configs and services come. */
#include <string.h>

#include "cli/cmd/service.h"
#include "cli/cmd/stack.h"
#include "cli/cmd/wait.h"
#include "cli/spec/imageref.h"
#include "cli/spec/text.h"

#define IMAGE "TaskTemplate.ContainerSpec.Image"

struct deploy {
    struct cli *cli;
    struct client *client;
    const struct args *args;
    const char *stack;
    json_t *wanted;   /* of compose_convert() */
    json_t *services; /* name -> existing service */
    struct strv ids;  /* of all services, to wait for */
};

static int check_manager(struct deploy *d, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *init = command_say(d->cli, "swarm init");
    SW_CLEANUP(sw_free_ptr) char *join = command_say(d->cli, "swarm join");
    json_auto_t *info = NULL;

    if (cli_get(d->cli, "/info", &info, err) < 0)
        return err->code;
    if (js_bool(info, "Swarm.ControlAvailable"))
        return 0;
    return sw_err_set(
        err, SW_E_UNAVAILABLE,
        "this node is not a swarm manager. Use \"%s\" or \"%s\" to connect this node to swarm and "
        "try again",
        init, join);
}

/* Objects of the stack by name. @name_path: where the name is. */
static int existing(struct deploy *d, const char *path, const char *name_path, json_t **out,
                    struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *list = NULL;
    json_t *by_name;
    size_t i;
    json_t *o;

    if (stack_filter(NULL, d->stack, &filters, err) < 0 ||
        cmd_list(d->cli, path, filters, &list, err) < 0)
        return err->code;
    by_name = json_object();
    json_array_foreach(list, i, o)
    {
        json_object_set(by_name, js_str(o, name_path), o);
    }
    *out = by_name;
    return 0;
}

static int prune(struct deploy *d, struct sw_err *err)
{
    const char *name;
    json_t *old;
    void *next;

    json_object_foreach_safe(d->services, next, name, old)
    {
        SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
        bool wanted = false;
        size_t i;
        json_t *s;

        json_array_foreach(js_get(d->wanted, "services"), i, s)
        {
            wanted |= strcmp(js_str(s, "Name"), name) == 0;
        }
        if (wanted)
            continue;
        printf("Removing service %s\n", name);
        url_path(&url, "/services/", js_str(old, "ID"), "");
        if (client_call(d->client, "DELETE", sw_buf_str(&url), NULL, NULL, err) < 0)
            return sw_err_wrap(err, "failed to remove service %s", name);
        json_object_del(d->services, name);
    }
    return 0;
}

static int check_external(struct deploy *d, struct sw_err *err)
{
    static const char *const builtin[] = { "bridge", "host", "none", "default" };
    size_t i;
    json_t *each;

    json_array_foreach(js_get(d->wanted, "external"), i, each)
    {
        const char *name = json_string_value(each);
        json_auto_t *network = NULL;
        bool skip = text_prefix(name, "container:");
        int r;

        for (size_t k = 0; k < 4; k++)
            skip |= strcmp(name, builtin[k]) == 0;
        if (skip)
            continue;
        r = cmd_get(d->cli, "/networks/", name, &network, err);
        if (r == SW_E_NOT_FOUND)
            return sw_err_set(err, SW_E_NOT_FOUND,
                              "network \"%s\" is declared as external, but could not be found. You "
                              "need to create a "
                              "swarm-scoped network before the stack is deployed",
                              name);
        if (r < 0)
            return r;
        if (strcmp(js_str(network, "Scope"), "swarm") != 0)
            return sw_err_set(
                err, SW_E_INVALID,
                "network \"%s\" is declared as external, but it is not in the right scope: \"%s\" "
                "instead of \"swarm\"",
                name, js_str(network, "Scope"));
    }
    return 0;
}

/* Networks that exist are left as they are. */
static int create_networks(struct deploy *d, struct sw_err *err)
{
    json_auto_t *have = NULL;
    size_t i;
    json_t *body;

    if (existing(d, "/networks", "Name", &have, err) < 0)
        return err->code;
    json_array_foreach(js_get(d->wanted, "networks"), i, body)
    {
        const char *name = js_str(body, "Name");

        if (json_object_get(have, name) != NULL)
            continue;
        printf("Creating network %s\n", name);
        fflush(stdout);
        if (client_call(d->client, "POST", "/networks/create", body, NULL, err) < 0)
            return sw_err_wrap(err, "failed to create network %s", name);
    }
    return 0;
}

/* Secrets and configs: the labels of an existing one may change, its content may not. */
static int put_file_objects(struct deploy *d, const char *section, const char *kind,
                            struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *base = cli_printf("/%s/", section);
    SW_CLEANUP(sw_free_ptr) char *create = cli_printf("/%s/create", section);
    size_t i;
    json_t *spec;

    json_array_foreach(js_get(d->wanted, section), i, spec)
    {
        const char *name = js_str(spec, "Name");
        SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
        json_auto_t *old = NULL;
        int r = cmd_get(d->cli, base, name, &old, err);

        if (r == SW_E_NOT_FOUND) {
            printf("Creating %s %s\n", kind, name);
            fflush(stdout);
            if (client_call(d->client, "POST", create, spec, NULL, err) < 0)
                return sw_err_wrap(err, "failed to create %s %s", kind, name);
            continue;
        }
        if (r < 0)
            return r;
        SW_CLEANUP(sw_free_ptr)
        char *version = cli_printf("%lld", (long long)js_int(old, "Version.Index"));
        url_path(&url, base, js_str(old, "ID"), "/update");
        url_query(&url, "version", version);
        if (client_call(d->client, "POST", sw_buf_str(&url), spec, NULL, err) < 0)
            return sw_err_wrap(err, "failed to update %s %s", kind, name);
    }
    return 0;
}

static void tag_image(json_t *spec)
{
    SW_CLEANUP(sw_free_ptr) char *tagged = imageref_tagged(js_str(spec, IMAGE));

    if (tagged != NULL)
        js_set_str(spec, IMAGE, tagged);
}

/* Pin the image as --resolve-image says. @old: the running service or NULL. */
static void pin_image(struct deploy *d, json_t *spec, const json_t *old, const char *auth)
{
    const char *how =
        args_set(d->args, "resolve-image") ? args_str(d->args, "resolve-image") : "always";
    const char *before =
        json_string_value(json_object_get(js_get(old, "Spec.Labels"), IMAGE_LABEL));
    bool same = before != NULL && strcmp(before, js_str(spec, IMAGE)) == 0;
    SW_CLEANUP(sw_free_ptr) char *image = NULL;

    if (same && strcmp(how, "always") != 0) { /* the pinned one stays, or tasks would restart */
        js_set_str(spec, IMAGE, js_str(old, "Spec.TaskTemplate.ContainerSpec.Image"));
        return;
    }
    tag_image(spec);
    image = cli_strdup(js_str(spec, IMAGE));
    if (strcmp(how, "never") != 0 && !service_resolve_image(d->cli, spec, auth))
        service_warn_unresolved(image);
}

/* The whole spec is ours: when the service changed meanwhile only its version has to be new. */
static int update_service(struct deploy *d, json_t *spec, const json_t *old, const char *auth,
                          struct sw_err *err)
{
    json_auto_t *now = json_incref((json_t *)(uintptr_t)old);
    unsigned tries = 0;

    for (;;) {
        SW_CLEANUP(sw_free_ptr)
        char *version = cli_printf("%lld", (long long)js_int(now, "Version.Index"));
        SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
        int r;

        js_set_int(spec, "TaskTemplate.ForceUpdate", js_int(now, "Spec.TaskTemplate.ForceUpdate"));
        url_path(&url, "/services/", js_str(old, "ID"), "/update");
        url_query(&url, "version", version);
        r = service_send(d->cli, sw_buf_str(&url), spec, auth, NULL, err);
        if (!cmd_lost_race(r, err, &tries))
            return r;
        json_decref(now);
        now = NULL;
        if (cmd_get(d->cli, "/services/", js_str(old, "ID"), &now, err) < 0)
            return err->code;
    }
}

static int put_service(struct deploy *d, json_t *spec, struct sw_err *err)
{
    const char *name = js_str(spec, "Name");
    const json_t *old = json_object_get(d->services, name);
    SW_CLEANUP(sw_free_ptr) char *auth = NULL;
    SW_CLEANUP(sw_free_ptr) char *id = NULL;

    if (args_bool(d->args, "with-registry-auth"))
        auth = service_auth(spec);
    if (old == NULL) {
        printf("Creating service %s\n", name);
        fflush(stdout);
        pin_image(d, spec, NULL, auth);
        if (service_send(d->cli, "/services/create", spec, auth, &id, err) < 0)
            return sw_err_wrap(err, "failed to create service %s", name);
        strv_add(&d->ids, id);
        return 0;
    }
    printf("Updating service %s (id: %s)\n", name, js_str(old, "ID"));
    fflush(stdout);
    pin_image(d, spec, old, auth);
    if (update_service(d, spec, old, auth, err) < 0)
        return sw_err_wrap(err, "failed to update service %s", name);
    strv_add(&d->ids, js_str(old, "ID"));
    return 0;
}

static int put_services(struct deploy *d, struct sw_err *err)
{
    size_t i;
    json_t *spec;

    json_array_foreach(js_get(d->wanted, "services"), i, spec)
    {
        json_t *container = js_get(spec, "TaskTemplate.ContainerSpec");

        if (service_refs(d->cli, "Secret", js_get(container, "Secrets"), err) < 0 ||
            service_refs(d->cli, "Config", js_get(container, "Configs"), err) < 0 ||
            put_service(d, spec, err) < 0)
            return err->code;
    }
    return 0;
}

static int wait_all(struct deploy *d, struct sw_err *err)
{
    int status = 0;

    for (size_t i = 0; i < d->ids.n; i++) {
        if (wait_service(d->cli, d->ids.v[i], args_bool(d->args, "quiet"), err) < 0) {
            fflush(stdout);
            fprintf(stderr, "%s: %s\n", d->ids.v[i], err->msg);
            status = 1;
        }
    }
    return status;
}

static int run(struct deploy *d, struct sw_err *err)
{
    bool wait = args_set(d->args, "detach") && !args_bool(d->args, "detach");

    if (check_manager(d, err) < 0 || existing(d, "/services", "Spec.Name", &d->services, err) < 0 ||
        check_external(d, err) < 0 || (args_bool(d->args, "prune") && prune(d, err) < 0) ||
        create_networks(d, err) < 0 || put_file_objects(d, "secrets", "secret", err) < 0 ||
        put_file_objects(d, "configs", "config", err) < 0 || put_services(d, err) < 0)
        return err->code;
    return wait ? wait_all(d, err) : 0;
}

static void say_ignored(const struct compose *c)
{
    for (size_t i = 0; i < c->unsupported.n; i++)
        fprintf(stderr, "%s%s%s", i == 0 ? "Ignoring unsupported options: " : ", ",
                c->unsupported.v[i], i + 1 == c->unsupported.n ? "\n\n" : "");
    if (c->deprecated.n > 0)
        fprintf(stderr, "Ignoring deprecated options:\n\n");
    for (size_t i = 0; i < c->deprecated.n; i++)
        fprintf(stderr, "%s\n\n", c->deprecated.v[i]);
}

/* Docker's own notice; the swarm program has always deployed in the background. */
static void say_detached(const struct cli *cli, const struct args *args)
{
    if (!args_set(args, "detach") && strcmp(cli->program, "docker") == 0)
        fprintf(stderr,
                "Since --detach=false was not specified, tasks will be created in the background.\n"
                "In a future release, --detach=false will become the default.\n");
}

int stack_run_deploy(struct cli *cli, const struct args *args, struct sw_err *err)
{
    static const char *const modes[] = { "always", "changed", "never" };
    const char *resolve =
        args_set(args, "resolve-image") ? args_str(args, "resolve-image") : "always";
    struct deploy d = { .cli = cli, .args = args, .stack = args->pos.v[0] };
    struct stack_files files;
    struct compose c;
    bool known = false;
    int r;

    for (size_t i = 0; i < 3; i++)
        known |= strcmp(resolve, modes[i]) == 0;
    if (!known)
        return sw_err_set(err, SW_E_INVALID, "Invalid option %s for flag --resolve-image", resolve);
    if (compose_stack_name(d.stack, err) < 0)
        return err->code;
    r = stack_load(args, &files, &c, err);
    if (r == 0) {
        say_ignored(&c);
        say_detached(cli, args);
        r = compose_convert(&c, d.stack, &stack_world, &d.wanted, err);
    }
    if (r == 0)
        r = cli_client(cli, &d.client, err);
    if (r == 0)
        r = run(&d, err);
    json_decref(d.wanted);
    json_decref(d.services);
    strv_fini(&d.ids);
    stack_unload(&files, &c);
    return r;
}
