/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/service_edit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd/service.h"
#include "cli/spec/mounts.h"
#include "cli/spec/parts.h"
#include "cli/spec/ports.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"

#define TASK      "TaskTemplate."
#define CONTAINER "TaskTemplate.ContainerSpec."

static void drop_if_empty(json_t *spec, const char *path)
{
    if (js_get(spec, path) != NULL && js_len(spec, path) == 0)
        js_del(spec, path);
}

/* Maps: labels, sysctls. Each has <name>-add and <name>-rm. */
static void edit_map(json_t *spec, const struct args *args, const char *name, const char *path)
{
    SW_CLEANUP(sw_free_ptr) char *add_name = cli_printf("%s-add", name);
    SW_CLEANUP(sw_free_ptr) char *rm_name = cli_printf("%s-rm", name);
    const struct strv *add = args_list(args, add_name);
    const struct strv *rm = args_list(args, rm_name);

    for (size_t i = 0; i < add->n; i++)
        js_map_set(js_obj(spec, path), add->v[i]);
    for (size_t i = 0; i < rm->n; i++)
        json_object_del(js_get(spec, path), rm->v[i]);
}

/* Lists of plain strings: dns, group, constraint. */
static void edit_list(json_t *spec, const struct args *args, const char *name, const char *path,
                      bool sort)
{
    SW_CLEANUP(sw_free_ptr) char *add_name = cli_printf("%s-add", name);
    SW_CLEANUP(sw_free_ptr) char *rm_name = cli_printf("%s-rm", name);
    const struct strv *add = args_list(args, add_name);
    const struct strv *rm = args_list(args, rm_name);
    json_t *list;

    if (add->n == 0 && rm->n == 0)
        return;
    list = js_arr(spec, path);
    for (size_t i = 0; i < add->n; i++) {
        if (!js_array_has(list, add->v[i]))
            js_append_str(list, add->v[i]);
    }
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (strv_has(rm, json_string_value(json_array_get(list, i))))
            json_array_remove(list, i);
    }
    if (sort)
        js_sort_strings(list);
    drop_if_empty(spec, path);
}

static void edit_env(json_t *spec, const struct args *args)
{
    const struct strv *add = args_list(args, "env-add");
    const struct strv *rm = args_list(args, "env-rm");
    const json_t *old = js_get(spec, CONTAINER "Env");
    SW_CLEANUP(strv_fini) struct strv env = { 0 };
    size_t i;
    json_t *e;

    if (add->n == 0 && rm->n == 0)
        return;
    json_array_foreach(old, i, e)
    {
        SW_CLEANUP(sw_free_ptr) char *key = NULL;

        (void)text_cut(json_string_value(e), '=', &key);
        if (!strv_has(rm, key))
            strv_add(&env, json_string_value(e));
    }
    for (i = 0; i < add->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *resolved = env_resolve(add->v[i], cmd_getenv, NULL);
        size_t n = strcspn(resolved, "=");
        size_t k = 0;

        while (k < env.n &&
               (strncmp(env.v[k], resolved, n) != 0 || (env.v[k][n] != '=' && env.v[k][n] != '\0')))
            k++;
        if (k < env.n) { /* in place: the order of the rest stays */
            sw_free(env.v[k]);
            env.v[k] = sw_steal(resolved);
        } else {
            strv_take(&env, sw_steal(resolved));
        }
    }
    js_set(spec, CONTAINER "Env", js_strings(&env));
    drop_if_empty(spec, CONTAINER "Env");
}

/* Position of the object in @list whose @key is @value, the size when there is none. */
static size_t find(const json_t *list, const char *key, const char *value)
{
    size_t i = 0;

    while (i < json_array_size(list) && strcmp(js_str(json_array_get(list, i), key), value) != 0)
        i++;
    return i;
}

static void put(json_t *list, const char *key, json_t *object)
{
    size_t at = find(list, key, js_str(object, key));

    if (at < json_array_size(list))
        json_array_set_new(list, at, object);
    else
        json_array_append_new(list, object);
}

static void sort_objects(json_t *list, int (*order)(const void *, const void *))
{
    size_t n = json_array_size(list);
    json_t **v = cli_alloc((n + 1) * sizeof(json_t *));

    for (size_t i = 0; i < n; i++)
        v[i] = json_incref(json_array_get(list, i));
    qsort(v, n, sizeof(*v), order);
    for (size_t i = 0; i < n; i++)
        json_array_set_new(list, i, v[i]);
    sw_free(v);
}

static int by_source(const void *x, const void *y)
{
    const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
    int r = strcmp(js_str(a, "Source"), js_str(b, "Source"));

    return r != 0 ? r : strcmp(js_str(a, "Target"), js_str(b, "Target"));
}

static int edit_mounts(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "mount-add");
    const struct strv *rm = args_list(args, "mount-rm");
    SW_CLEANUP(strv_fini) struct strv targets = { 0 };
    char cwd[4096];
    json_t *list;

    if (add->n == 0 && rm->n == 0)
        return 0;
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        strcpy(cwd, "/");
    list = js_arr(spec, CONTAINER "Mounts");
    for (size_t i = 0; i < add->n; i++) {
        json_t *m = NULL;

        if (mounts_parse(add->v[i], cwd, &m, err) < 0)
            return err->code;
        if (strv_has(&targets, js_str(m, "Target"))) {
            json_decref(m);
            return sw_err_set(err, SW_E_INVALID, "duplicate mount target");
        }
        strv_add(&targets, js_str(m, "Target"));
        put(list, "Target", m);
    }
    for (size_t i = 0; i < rm->n; i++)
        json_array_remove(list, find(list, "Target", rm->v[i]));
    sort_objects(list, by_source);
    drop_if_empty(spec, CONTAINER "Mounts");
    return 0;
}

static bool same_port(const json_t *a, const json_t *b, bool published_too)
{
    return strcmp(js_str(a, "Protocol"), js_str(b, "Protocol")) == 0 &&
           js_int(a, "TargetPort") == js_int(b, "TargetPort") &&
           strcmp(js_str(a, "PublishMode"), js_str(b, "PublishMode")) == 0 &&
           (!published_too || js_int(a, "PublishedPort") == js_int(b, "PublishedPort"));
}

static bool has_port(const json_t *list, const json_t *port, bool published_too)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (same_port(json_array_get(list, i), port, published_too))
            return true;
    }
    return false;
}

static int by_port(const void *x, const void *y)
{
    const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
    int64_t pa = js_int(a, "PublishedPort"), pb = js_int(b, "PublishedPort");

    if (pa != pb)
        return pa < pb ? -1 : 1;
    pa = js_int(a, "TargetPort");
    pb = js_int(b, "TargetPort");
    return pa != pb ? (pa < pb ? -1 : 1) : strcmp(js_str(a, "Protocol"), js_str(b, "Protocol"));
}

static int parse_ports(const struct strv *l, json_t *out, struct sw_err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (ports_parse(l->v[i], out, err) < 0)
            return err->code;
    }
    return 0;
}

static int edit_ports(json_t *spec, const struct args *args, struct sw_err *err)
{
    json_auto_t *add = json_array();
    json_auto_t *rm = json_array();
    json_t *list;

    if (!args_set(args, "publish-add") && !args_set(args, "publish-rm"))
        return 0;
    if (parse_ports(args_list(args, "publish-add"), add, err) < 0 ||
        parse_ports(args_list(args, "publish-rm"), rm, err) < 0)
        return err->code;
    list = js_arr(spec, "EndpointSpec.Ports");
    for (size_t i = json_array_size(list); i-- > 0;) {
        json_t *port = json_array_get(list, i);

        if (js_get(port, "Protocol") == NULL)
            js_set_str(port, "Protocol", "tcp");
        if (js_get(port, "PublishMode") == NULL)
            js_set_str(port, "PublishMode", "ingress");
        if (has_port(rm, port, false))
            json_array_remove(list, i);
    }
    for (size_t i = 0; i < json_array_size(add); i++) {
        if (!has_port(list, json_array_get(add, i), true))
            json_array_append(list, json_array_get(add, i));
    }
    sort_objects(list, by_port);
    drop_if_empty(spec, "EndpointSpec.Ports");
    return 0;
}

static int by_target(const void *x, const void *y)
{
    return strcmp(js_str(*(json_t *const *)x, "Target"), js_str(*(json_t *const *)y, "Target"));
}

static int edit_networks(struct cli *cli, json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "network-add");
    const struct strv *rm = args_list(args, "network-rm");
    json_t *list;

    if (add->n == 0 && rm->n == 0)
        return 0;
    if (js_len(spec, TASK "Networks") == 0 && js_len(spec, "Networks") > 0)
        js_set(spec, TASK "Networks", json_incref(js_get(spec, "Networks"))); /* the old place */
    js_del(spec, "Networks");
    list = js_arr(spec, TASK "Networks");
    for (size_t i = 0; i < rm->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *id = NULL;

        if (service_network_id(cli, rm->v[i], &id, err) < 0)
            return err->code;
        json_array_remove(list, find(list, "Target", id));
    }
    for (size_t i = 0; i < add->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *id = NULL;
        json_auto_t *n = NULL;

        if (network_parse(add->v[i], &n, err) < 0 ||
            service_network_id(cli, js_str(n, "Target"), &id, err) < 0)
            return err->code;
        if (find(list, "Target", id) < json_array_size(list))
            return sw_err_set(err, SW_E_INVALID, "service is already attached to network %s",
                              js_str(n, "Target"));
        js_set_str(n, "Target", id);
        json_array_append(list, n);
    }
    sort_objects(list, by_target);
    drop_if_empty(spec, TASK "Networks");
    return 0;
}

static int edit_refs(struct cli *cli, json_t *spec, const struct args *args, const char *kind,
                     struct sw_err *err)
{
    bool secret = strcmp(kind, "Secret") == 0;
    const char *path = secret ? CONTAINER "Secrets" : CONTAINER "Configs";
    const char *name_key = secret ? "SecretName" : "ConfigName";
    const struct strv *add = args_list(args, secret ? "secret-add" : "config-add");
    const struct strv *rm = args_list(args, secret ? "secret-rm" : "config-rm");
    json_auto_t *fresh = json_array();
    json_t *list;

    if (add->n == 0 && rm->n == 0)
        return 0;
    for (size_t i = 0; i < add->n; i++) {
        json_t *ref = NULL;

        if (file_ref_parse(add->v[i], kind, &ref, err) < 0)
            return err->code;
        json_array_append_new(fresh, ref);
    }
    if (service_refs(cli, kind, fresh, err) < 0)
        return err->code;
    list = js_arr(spec, path);
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (strv_has(rm, js_str(json_array_get(list, i), name_key)))
            json_array_remove(list, i);
    }
    json_array_extend(list, fresh);
    drop_if_empty(spec, path);
    return 0;
}

static int edit_hosts(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "host-add");
    const struct strv *rm = args_list(args, "host-rm");
    json_t *list;

    if (add->n == 0 && rm->n == 0)
        return 0;
    list = js_arr(spec, CONTAINER "Hosts");
    for (size_t k = 0; k < rm->n; k++) { /* "name" or "name:ip" */
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        const char *ip = text_cut(rm->v[k], ':', &name);

        for (size_t i = json_array_size(list); i-- > 0;) {
            SW_CLEANUP(sw_free_ptr) char *their_ip = NULL;
            const char *their_name =
                text_cut(json_string_value(json_array_get(list, i)), ' ', &their_ip);

            if (their_name != NULL && strcmp(their_name, name) == 0 &&
                (ip == NULL || strcmp(ip, their_ip) == 0))
                json_array_remove(list, i);
        }
    }
    for (size_t i = 0; i < add->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *host = NULL;

        if (host_parse(add->v[i], &host, err) < 0)
            return err->code;
        if (!js_array_has(list, host))
            js_append_str(list, host);
    }
    drop_if_empty(spec, CONTAINER "Hosts");
    return 0;
}

static int edit_ulimits(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "ulimit-add");
    const struct strv *rm = args_list(args, "ulimit-rm");
    json_t *list;

    if (add->n == 0 && rm->n == 0)
        return 0;
    list = js_arr(spec, CONTAINER "Ulimits");
    for (size_t i = 0; i < rm->n; i++)
        json_array_remove(list, find(list, "Name", rm->v[i]));
    for (size_t i = 0; i < add->n; i++) {
        json_t *u = NULL;

        if (ulimit_parse(add->v[i], &u, err) < 0)
            return err->code;
        put(list, "Name", u);
    }
    drop_if_empty(spec, CONTAINER "Ulimits");
    return 0;
}

static int edit_prefs(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "placement-pref-add");
    const struct strv *rm = args_list(args, "placement-pref-rm");
    const char *path = TASK "Placement.Preferences";

    for (size_t i = 0; i < rm->n; i++) {
        json_auto_t *p = NULL;
        json_t *list = js_arr(spec, path);

        if (pref_parse(rm->v[i], &p, err) < 0)
            return err->code;
        json_array_remove(
            list, find(list, "Spread.SpreadDescriptor", js_str(p, "Spread.SpreadDescriptor")));
    }
    for (size_t i = 0; i < add->n; i++) {
        json_t *p = NULL;

        if (pref_parse(add->v[i], &p, err) < 0)
            return err->code;
        json_array_append_new(js_arr(spec, path), p);
    }
    drop_if_empty(spec, path);
    return 0;
}

static int edit_generic(json_t *spec, const struct args *args, struct sw_err *err)
{
    const struct strv *add = args_list(args, "generic-resource-add");
    const struct strv *rm = args_list(args, "generic-resource-rm");
    const char *path = TASK "Resources.Reservations.GenericResources";

    for (size_t i = 0; i < rm->n; i++) {
        json_t *list = js_arr(spec, path);
        size_t at = find(list, "DiscreteResourceSpec.Kind", rm->v[i]);

        if (at == json_array_size(list))
            return sw_err_set(err, SW_E_NOT_FOUND,
                              "could not find generic-resource `%s` to remove it", rm->v[i]);
        json_array_remove(list, at);
    }
    for (size_t i = 0; i < add->n; i++) {
        json_t *g = NULL;

        if (generic_parse(add->v[i], &g, err) < 0)
            return err->code;
        put(js_arr(spec, path), "DiscreteResourceSpec.Kind", g);
    }
    drop_if_empty(spec, path);
    return 0;
}

static void json_to_strv(const json_t *array, struct strv *out)
{
    size_t i;
    json_t *v;

    json_array_foreach(array, i, v)
    {
        strv_add(out, json_string_value(v));
    }
}

/* Dropping what was added takes it back, and the other way round; RESET empties a list first. */
static void move_caps(const struct strv *wanted, const struct strv *except, struct strv *into,
                      struct strv *from)
{
    for (size_t i = 0; i < wanted->n; i++) {
        size_t k = 0;

        if (except != NULL && strv_has(except, wanted->v[i]))
            continue;
        if (strcmp(wanted->v[i], "RESET") == 0) {
            strv_fini(into);
            continue;
        }
        while (k < from->n && strcmp(from->v[k], wanted->v[i]) != 0)
            k++;
        if (k < from->n)
            strv_remove(from, k);
        else if (!strv_has(into, wanted->v[i]))
            strv_add(into, wanted->v[i]);
    }
}

static void edit_caps(json_t *spec, const struct args *args)
{
    SW_CLEANUP(strv_fini) struct strv added = { 0 };
    SW_CLEANUP(strv_fini) struct strv dropped = { 0 };
    SW_CLEANUP(strv_fini) struct strv add = { 0 };
    SW_CLEANUP(strv_fini) struct strv drop = { 0 };
    json_auto_t *normal = json_object();
    json_t *container = js_obj(spec, "TaskTemplate.ContainerSpec");

    if (!args_set(args, "cap-add") && !args_set(args, "cap-drop"))
        return;
    json_to_strv(js_get(container, "CapabilityAdd"), &added);
    json_to_strv(js_get(container, "CapabilityDrop"), &dropped);
    caps_effective(args_list(args, "cap-add"), args_list(args, "cap-drop"), normal);
    json_to_strv(js_get(normal, "CapabilityAdd"), &add);
    json_to_strv(js_get(normal, "CapabilityDrop"), &drop);
    move_caps(&drop, &add, &dropped, &added);
    move_caps(&add, NULL, &added, &dropped);
    json_object_del(container, "CapabilityAdd");
    json_object_del(container, "CapabilityDrop");
    caps_effective(&added, &dropped, container);
}

int service_edit(struct cli *cli, json_t *spec, const struct args *args, struct sw_err *err)
{
    edit_map(spec, args, "label", "Labels");
    edit_map(spec, args, "container-label", CONTAINER "Labels");
    edit_map(spec, args, "sysctl", CONTAINER "Sysctls");
    edit_env(spec, args);
    edit_caps(spec, args);
    edit_list(spec, args, "group", CONTAINER "Groups", false);
    edit_list(spec, args, "dns", CONTAINER "DNSConfig.Nameservers", false);
    edit_list(spec, args, "dns-search", CONTAINER "DNSConfig.Search", false);
    edit_list(spec, args, "dns-option", CONTAINER "DNSConfig.Options", false);
    edit_list(spec, args, "constraint", TASK "Placement.Constraints", true);
    if (edit_mounts(spec, args, err) < 0 || edit_ports(spec, args, err) < 0 ||
        edit_hosts(spec, args, err) < 0 || edit_ulimits(spec, args, err) < 0 ||
        edit_prefs(spec, args, err) < 0 || edit_generic(spec, args, err) < 0 ||
        edit_networks(cli, spec, args, err) < 0 || edit_refs(cli, spec, args, "Secret", err) < 0 ||
        edit_refs(cli, spec, args, "Config", err) < 0)
        return err->code;
    return 0;
}
