/* SPDX-License-Identifier: Apache-2.0
 *
 * The top level: networks, secrets, configs; the list of services. */
#include "cli/compose/convert.h"

#include <string.h>

#include "cli/spec/base64.h"
#include "common/base/time.h"

json_t *convert_strings(const struct yn *list)
{
    json_t *a = json_array();

    for (size_t i = 0; list != NULL && i < list->n; i++)
        js_append_str(a, yn_text(list->items[i].value));
    return a;
}

static void put_key(json_t *o, const char *key, json_t *value)
{
    json_t *k = js_string(key);

    json_object_set_new(o, json_string_value(k), value);
    json_decref(k);
}

json_t *convert_map(const struct yn *map)
{
    SW_CLEANUP(yn_free_ptr) struct yn *sorted = yn_copy(map);
    json_t *o = json_object();

    yn_sort_keys(sorted);
    for (size_t i = 0; sorted != NULL && i < sorted->n; i++)
        put_key(o, sorted->items[i].key, js_string(yn_text(sorted->items[i].value)));
    return o;
}

json_t *convert_labels(const struct convert *x, const struct yn *labels)
{
    SW_CLEANUP(yn_free_ptr)
    struct yn *all = labels != NULL ? yn_copy(labels) : yn_new(YN_MAP, NULL);

    yn_set(all, STACK_LABEL, yn_string(x->stack, NULL));
    return convert_map(all);
}

char *convert_object_name(const struct convert *x, const char *key, const struct yn *object)
{
    const char *name = yn_text(yn_get(object, "name"));

    return *name != '\0' ? cli_strdup(name) : compose_scope(x->stack, key);
}

bool convert_true(const struct yn *n)
{
    return yn_is(n, YN_BOOL) && n->flag;
}

bool convert_is_external(const struct yn *object)
{
    return convert_true(yn_get(object, "external"));
}

int64_t convert_duration(const struct yn *n)
{
    int64_t ns = 0;

    if (n != NULL)
        (void)sw_duration_parse(yn_text(n), &ns);
    return ns;
}

static json_t *ipam(const struct yn *n)
{
    const struct yn *config = yn_get(n, "config");
    json_t *o = json_object();

    if (n == NULL || (yn_get(n, "driver") == NULL && (config == NULL || config->n == 0))) {
        json_decref(o);
        return json_null();
    }
    js_set_str(o, "Driver", yn_text(yn_get(n, "driver")));
    json_object_set_new(o, "Options",
                        yn_get(n, "options") != NULL ? convert_map(yn_get(n, "options"))
                                                     : json_null());
    for (size_t i = 0; config != NULL && i < config->n; i++) {
        const struct yn *c = config->items[i].value;
        json_t *one = json_object();

        if (yn_get(c, "subnet") != NULL)
            js_set_str(one, "Subnet", yn_text(yn_get(c, "subnet")));
        if (yn_get(c, "ip_range") != NULL)
            js_set_str(one, "IPRange", yn_text(yn_get(c, "ip_range")));
        if (yn_get(c, "gateway") != NULL)
            js_set_str(one, "Gateway", yn_text(yn_get(c, "gateway")));
        if (yn_get(c, "aux_addresses") != NULL)
            json_object_set_new(one, "AuxiliaryAddresses", convert_map(yn_get(c, "aux_addresses")));
        json_array_append_new(js_arr(o, "Config"), one);
    }
    if (config == NULL)
        js_arr(o, "Config");
    return o;
}

static json_t *network_body(struct convert *x, const char *key, const struct yn *n)
{
    SW_CLEANUP(sw_free_ptr) char *name = convert_object_name(x, key, n);
    const struct yn *driver = yn_get(n, "driver");
    const struct yn *opts = yn_get(n, "driver_opts");
    json_t *b = json_object();

    js_set_str(b, "Driver", *yn_text(driver) != '\0' ? yn_text(driver) : "overlay");
    js_set_str(b, "Scope", "");
    if (convert_true(yn_get(n, "enable_ipv6")))
        js_set_bool(b, "EnableIPv6", true);
    json_object_set_new(b, "IPAM", ipam(yn_get(n, "ipam")));
    js_set_bool(b, "Internal", convert_true(yn_get(n, "internal")));
    js_set_bool(b, "Attachable", convert_true(yn_get(n, "attachable")));
    js_set_bool(b, "Ingress", false);
    js_set_bool(b, "ConfigOnly", false);
    json_object_set_new(b, "ConfigFrom", json_null());
    json_object_set_new(b, "Options", opts != NULL ? convert_map(opts) : json_null());
    json_object_set_new(b, "Labels", convert_labels(x, yn_get(n, "labels")));
    js_set_str(b, "Name", name);
    js_set_bool(b, "CheckDuplicate", true);
    return b;
}

/* Only networks that a service uses are made; a service without any uses "default". */
static void networks(struct convert *x, json_t *out)
{
    const struct yn *services = yn_get(x->c->root, "services");
    const struct yn *declared = yn_get(x->c->root, "networks");
    SW_CLEANUP(strv_fini) struct strv used = { 0 };

    for (size_t i = 0; services != NULL && i < services->n; i++) {
        const struct yn *n = yn_get(services->items[i].value, "networks");

        if ((n == NULL || n->n == 0) && !strv_has(&used, "default"))
            strv_add(&used, "default");
        for (size_t k = 0; n != NULL && k < n->n; k++) {
            if (!strv_has(&used, n->items[k].key))
                strv_add(&used, n->items[k].key);
        }
    }
    strv_sort(&used);
    for (size_t i = 0; i < used.n; i++) {
        const struct yn *n = yn_get(declared, used.v[i]);

        if (convert_is_external(n))
            js_append_str(js_arr(out, "external"), yn_text(yn_get(n, "name")));
        else
            json_array_append_new(js_arr(out, "networks"), network_body(x, used.v[i], n));
    }
}

static int file_object(struct convert *x, const char *key, const struct yn *o, json_t **out)
{
    SW_CLEANUP(sw_free_ptr) char *name = convert_object_name(x, key, o);
    SW_CLEANUP(sw_buf_fini) struct sw_buf data = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *text = NULL;
    json_auto_t *spec = json_object();

    js_set_str(spec, "Name", name);
    json_object_set_new(spec, "Labels", convert_labels(x, yn_get(o, "labels")));
    if (yn_get(o, "driver") != NULL) {
        js_set_str(spec, "Driver.Name", yn_text(yn_get(o, "driver")));
        if (yn_get(o, "driver_opts") != NULL)
            js_set(spec, "Driver.Options", convert_map(yn_get(o, "driver_opts")));
    } else {
        const struct yn *file = yn_get(o, "file");
        struct sw_err why;

        if (file == NULL)
            return yn_fail(o, x->err, "%s has neither file nor external", key);
        if (x->world->read(x->world->arg, yn_text(file), &data, &why) < 0)
            return yn_fail(file, x->err, "%s", why.msg);
        text = base64_encode(data.data, data.len, false);
        if (data.len > 0)
            explicit_bzero(data.data, data.len);
        js_set_str(spec, "Data", text);
    }
    if (yn_get(o, "template_driver") != NULL)
        js_set_str(spec, "Templating.Name", yn_text(yn_get(o, "template_driver")));
    *out = json_incref(spec);
    return 0;
}

static int file_objects(struct convert *x, const char *section, json_t *out)
{
    const struct yn *map = yn_get(x->c->root, section);
    json_t *list = js_arr(out, section);

    for (size_t i = 0; map != NULL && i < map->n; i++) {
        json_t *spec = NULL;

        if (convert_is_external(map->items[i].value))
            continue;
        if (file_object(x, map->items[i].key, map->items[i].value, &spec) < 0)
            return x->err->code;
        json_array_append_new(list, spec);
    }
    return 0;
}

/* A volume of somebody else has no properties of ours. */
static int check_volumes(struct convert *x)
{
    static const char *const conflicts[] = { "driver", "driver_opts", "labels" };
    const struct yn *map = yn_get(x->c->root, "volumes");

    for (size_t i = 0; map != NULL && i < map->n; i++) {
        const struct yn *v = map->items[i].value;

        for (size_t k = 0; convert_is_external(v) && k < 3; k++) {
            if (yn_get(v, conflicts[k]) != NULL)
                return yn_fail(
                    v, x->err,
                    "conflicting parameters \"external\" and \"%s\" specified for volume \"%s\"",
                    conflicts[k], map->items[i].key);
        }
    }
    return 0;
}

int compose_convert(const struct compose *c, const char *stack, const struct compose_world *world,
                    json_t **out, struct sw_err *err)
{
    struct convert x = { c, stack, world, err };
    const struct yn *services = yn_get(c->root, "services");
    json_auto_t *all = json_object();
    json_t *list = js_arr(all, "services");

    js_arr(all, "networks");
    js_arr(all, "external");
    networks(&x, all);
    if (check_volumes(&x) < 0 || file_objects(&x, "secrets", all) < 0 ||
        file_objects(&x, "configs", all) < 0)
        return err->code;
    for (size_t i = 0; services != NULL && i < services->n; i++) {
        json_t *spec = NULL;

        if (convert_service(&x, services->items[i].key, services->items[i].value, &spec) < 0)
            return err->code;
        json_array_append_new(list, spec);
    }
    *out = json_incref(all);
    return 0;
}
