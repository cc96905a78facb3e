/* SPDX-License-Identifier: Apache-2.0
 *
 * One service: the container, its networks, ports, secrets and configs. */
#include <stdlib.h>
#include <string.h>

#include "cli/compose/convert.h"
#include "cli/spec/imageref.h"
#include "cli/spec/parts.h"
#include "cli/spec/ports.h"
#include "cli/spec/text.h"

static void set_text(json_t *o, const char *key, const struct yn *v)
{
    if (v != NULL && *yn_text(v) != '\0')
        json_object_set_new(o, key, js_string(yn_text(v)));
}

static void set_list(json_t *o, const char *key, const struct yn *v)
{
    if (v != NULL && v->n > 0)
        json_object_set_new(o, key, convert_strings(v));
}

static void set_true(json_t *o, const char *key, const struct yn *v)
{
    if (convert_true(v))
        json_object_set_new(o, key, json_true());
}

static void set_env(json_t *c, const struct yn *env)
{
    SW_CLEANUP(strv_fini) struct strv list = { 0 };

    for (size_t i = 0; env != NULL && i < env->n; i++) {
        const struct yn *v = env->items[i].value;

        if (v->kind == YN_NULL)
            strv_add(&list, env->items[i].key);
        else
            strv_take(&list, cli_printf("%s=%s", env->items[i].key, yn_text(v)));
    }
    strv_sort(&list);
    if (list.n > 0)
        json_object_set_new(c, "Env", js_strings(&list));
}

static int set_health(struct convert *x, json_t *c, const struct yn *h)
{
    static const struct {
        const char *key, *member;
    } durations[] = {
        { "interval", "Interval" },
        { "timeout", "Timeout" },
        { "start_period", "StartPeriod" },
        { "start_interval", "StartInterval" },
    };
    const struct yn *test = yn_get(h, "test");
    json_t *o;

    if (h == NULL)
        return 0;
    o = json_object();
    json_object_set_new(c, "Healthcheck", o);
    if (convert_true(yn_get(h, "disable"))) {
        if (test != NULL && test->n > 0)
            return yn_fail(h, x->err, "test and disable can't be set at the same time");
        js_append_str(js_arr(o, "Test"), "NONE");
        return 0;
    }
    set_list(o, "Test", test);
    for (size_t i = 0; i < 4; i++) {
        if (convert_duration(yn_get(h, durations[i].key)) != 0)
            js_set_int(o, durations[i].member, convert_duration(yn_get(h, durations[i].key)));
    }
    if (yn_number(yn_get(h, "retries")) != 0)
        js_set_int(o, "Retries", yn_number(yn_get(h, "retries")));
    return 0;
}

static void set_hosts(json_t *c, const struct yn *hosts)
{
    for (size_t i = 0; hosts != NULL && i < hosts->n; i++) {
        const char *text = yn_text(hosts->items[i].value);
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        SW_CLEANUP(sw_free_ptr) char *line = NULL;
        const char *ip = text_cut(text, strchr(text, '=') != NULL ? '=' : ':', &name);

        if (ip == NULL)
            continue; /* not a mapping: docker drops it */
        line = cli_printf("%s %s", ip, name);
        js_append_str(js_arr(c, "Hosts"), line);
    }
}

static void set_dns(json_t *c, const struct yn *s)
{
    const struct yn *dns = yn_get(s, "dns");
    const struct yn *search = yn_get(s, "dns_search");

    if (dns == NULL && search == NULL)
        return;
    js_obj(c, "DNSConfig");
    set_list(js_get(c, "DNSConfig"), "Nameservers", dns);
    set_list(js_get(c, "DNSConfig"), "Search", search);
}

static void set_caps(json_t *c, const struct yn *s)
{
    SW_CLEANUP(strv_fini) struct strv add = { 0 };
    SW_CLEANUP(strv_fini) struct strv drop = { 0 };
    const struct yn *a = yn_get(s, "cap_add");
    const struct yn *d = yn_get(s, "cap_drop");

    for (size_t i = 0; a != NULL && i < a->n; i++)
        strv_add(&add, yn_text(a->items[i].value));
    for (size_t i = 0; d != NULL && i < d->n; i++)
        strv_add(&drop, yn_text(d->items[i].value));
    caps_effective(&add, &drop, c);
}

static void set_ulimits(json_t *c, const struct yn *map)
{
    SW_CLEANUP(yn_free_ptr) struct yn *sorted = yn_copy(map);

    yn_sort_keys(sorted);
    for (size_t i = 0; sorted != NULL && i < sorted->n; i++) {
        const struct yn *v = sorted->items[i].value;
        json_t *u = json_object();

        js_set_str(u, "Name", sorted->items[i].key);
        js_set_int(u, "Hard", v->kind == YN_MAP ? yn_number(yn_get(v, "hard")) : yn_number(v));
        js_set_int(u, "Soft", v->kind == YN_MAP ? yn_number(yn_get(v, "soft")) : yn_number(v));
        json_array_append_new(js_arr(c, "Ulimits"), u);
    }
}

static int by_name(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int r = strcmp(js_str(x, "SecretName"), js_str(y, "SecretName"));

    return r != 0 ? r : strcmp(js_str(x, "ConfigName"), js_str(y, "ConfigName"));
}

static int set_refs(struct convert *x, const char *service, json_t *c, const struct yn *list,
                    const char *kind)
{
    bool secret = strcmp(kind, "Secret") == 0;
    const struct yn *declared = yn_get(x->c->root, secret ? "secrets" : "configs");
    size_t n = list != NULL ? list->n : 0;
    json_t **refs = cli_alloc((n + 1) * sizeof(json_t *));
    size_t made = 0;
    int r = 0;

    for (; made < n; made++) {
        const struct yn *v = list->items[made].value;
        const char *source = yn_text(yn_get(v, "source"));
        const char *target = yn_text(yn_get(v, "target"));
        const struct yn *object = yn_get(declared, source);
        SW_CLEANUP(sw_free_ptr) char *name = NULL;

        if (object == NULL) {
            r = yn_fail(v, x->err, "service %s: undefined %s \"%s\"", service,
                        secret ? "secret" : "config", source);
            break;
        }
        name = convert_object_name(x, source, object);
        refs[made] = json_object();
        js_set_str(refs[made], "File.Name", *target != '\0' ? target : source);
        js_set_str(refs[made], "File.UID",
                   yn_get(v, "uid") != NULL ? yn_text(yn_get(v, "uid")) : "0");
        js_set_str(refs[made], "File.GID",
                   yn_get(v, "gid") != NULL ? yn_text(yn_get(v, "gid")) : "0");
        js_set_int(refs[made], "File.Mode",
                   yn_get(v, "mode") != NULL ? yn_number(yn_get(v, "mode")) : 0444);
        js_set_str(refs[made], secret ? "SecretName" : "ConfigName", name);
    }
    qsort(refs, made, sizeof(*refs), by_name);
    for (size_t i = 0; i < made; i++)
        json_array_append_new(js_arr(c, secret ? "Secrets" : "Configs"), refs[i]);
    sw_free(refs);
    return r;
}

static int set_credentials(struct convert *x, json_t *c, const struct yn *spec)
{
    static const struct {
        const char *key, *member;
    } forms[] = { { "config", "Config" }, { "file", "File" }, { "registry", "Registry" } };
    size_t given = 0;

    js_set(c, "Privileges.CredentialSpec", json_null());
    js_set(c, "Privileges.SELinuxContext", json_null());
    js_set_bool(c, "Privileges.NoNewPrivileges", false);
    for (size_t i = 0; spec != NULL && i < 3; i++) {
        if (*yn_text(yn_get(spec, forms[i].key)) == '\0')
            continue;
        js_obj(c, "Privileges.CredentialSpec");
        set_text(js_get(c, "Privileges.CredentialSpec"), forms[i].member,
                 yn_get(spec, forms[i].key));
        given++;
    }
    if (spec != NULL && given != 1)
        return yn_fail(
            spec, x->err,
            "invalid credential spec: exactly one of config, file and registry must be given");
    return 0;
}

static int container(struct convert *x, const char *name, const struct yn *s, json_t *c)
{
    set_text(c, "Image", yn_get(s, "image"));
    json_object_set_new(c, "Labels", convert_labels(x, yn_get(s, "labels")));
    set_list(c, "Command", yn_get(s, "entrypoint"));
    set_list(c, "Args", yn_get(s, "command"));
    set_text(c, "Hostname", yn_get(s, "hostname"));
    set_env(c, yn_get(s, "environment"));
    set_text(c, "Dir", yn_get(s, "working_dir"));
    set_text(c, "User", yn_get(s, "user"));
    if (set_credentials(x, c, yn_get(s, "credential_spec")) < 0)
        return x->err->code;
    if (yn_get(s, "init") != NULL)
        js_set_bool(c, "Init", convert_true(yn_get(s, "init")));
    set_text(c, "StopSignal", yn_get(s, "stop_signal"));
    set_true(c, "TTY", yn_get(s, "tty"));
    set_true(c, "OpenStdin", yn_get(s, "stdin_open"));
    set_true(c, "ReadOnly", yn_get(s, "read_only"));
    if (convert_mounts(x, name, s, c) < 0)
        return x->err->code;
    if (yn_get(s, "stop_grace_period") != NULL)
        js_set_int(c, "StopGracePeriod", convert_duration(yn_get(s, "stop_grace_period")));
    if (set_health(x, c, yn_get(s, "healthcheck")) < 0)
        return x->err->code;
    set_hosts(c, yn_get(s, "extra_hosts"));
    set_dns(c, s);
    if (set_refs(x, name, c, yn_get(s, "secrets"), "Secret") < 0 ||
        set_refs(x, name, c, yn_get(s, "configs"), "Config") < 0)
        return x->err->code;
    set_text(c, "Isolation", yn_get(s, "isolation"));
    if (yn_get(s, "sysctls") != NULL)
        json_object_set_new(c, "Sysctls", convert_map(yn_get(s, "sysctls")));
    set_caps(c, s);
    set_ulimits(c, yn_get(s, "ulimits"));
    if (yn_get(s, "oom_score_adj") != NULL)
        js_set_int(c, "OomScoreAdj", yn_number(yn_get(s, "oom_score_adj")));
    return 0;
}

/* Names that are not networks of the user take no aliases. */
static bool is_user_defined(const char *target)
{
    static const char *const modes[] = { "bridge", "host", "none", "default" };

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(target, modes[i]) == 0)
            return false;
    }
    return !text_prefix(target, "container:");
}

static int by_target(const void *a, const void *b)
{
    return strcmp(js_str(*(json_t *const *)a, "Target"), js_str(*(json_t *const *)b, "Target"));
}

static json_t *attachment(struct convert *x, const char *service, const char *key,
                          const struct yn *declared, const struct yn *v)
{
    SW_CLEANUP(sw_free_ptr) char *target = convert_object_name(x, key, declared);
    json_t *a = json_object();

    js_set_str(a, "Target", target);
    if (yn_get(v, "aliases") != NULL)
        json_object_set_new(a, "Aliases", convert_strings(yn_get(v, "aliases")));
    if (is_user_defined(target))
        js_append_str(js_arr(a, "Aliases"), service);
    if (yn_get(v, "driver_opts") != NULL)
        json_object_set_new(a, "DriverOpts", convert_map(yn_get(v, "driver_opts")));
    return a;
}

static int set_networks(struct convert *x, const char *name, const struct yn *s, json_t *spec)
{
    const struct yn *used = yn_get(s, "networks");
    const struct yn *declared = yn_get(x->c->root, "networks");
    size_t n = used != NULL ? used->n : 0;
    json_t **list = cli_alloc((n + 1) * sizeof(json_t *));
    size_t made = 0;
    int r = 0;

    if (n == 0)
        list[made++] = attachment(x, name, "default", yn_get(declared, "default"), NULL);
    for (size_t i = 0; i < n; i++) {
        const char *key = used->items[i].key;
        const struct yn *network = yn_get(declared, key);

        if (network == NULL && strcmp(key, "default") != 0) {
            r = yn_fail(used->items[i].value, x->err, "service %s: undefined network \"%s\"", name,
                        key);
            break;
        }
        list[made++] = attachment(x, name, key, network, used->items[i].value);
    }
    qsort(list, made, sizeof(*list), by_target);
    for (size_t i = 0; i < made; i++)
        json_array_append_new(js_arr(spec, "TaskTemplate.Networks"), list[i]);
    sw_free(list);
    return r;
}

static int by_published(const void *a, const void *b)
{
    int64_t x = js_int(*(json_t *const *)a, "PublishedPort"),
            y = js_int(*(json_t *const *)b, "PublishedPort");

    return (x > y) - (x < y);
}

static void set_endpoint(const struct yn *s, json_t *spec)
{
    const struct yn *ports = yn_get(s, "ports");
    size_t n = ports != NULL ? ports->n : 0;
    json_t **list = cli_alloc((n + 1) * sizeof(json_t *));

    js_obj(spec, "EndpointSpec");
    set_text(js_get(spec, "EndpointSpec"), "Mode", yn_at(s, "deploy.endpoint_mode"));
    for (size_t i = 0; i < n; i++) {
        const struct yn *p = ports->items[i].value;

        list[i] = ports_config(yn_text(yn_get(p, "protocol")), (int)yn_number(yn_get(p, "target")),
                               (int)yn_number(yn_get(p, "published")), yn_text(yn_get(p, "mode")));
    }
    qsort(list, n, sizeof(*list), by_published);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(js_arr(spec, "EndpointSpec.Ports"), list[i]);
    sw_free(list);
}

static int check_image(struct convert *x, const char *name, const struct yn *s)
{
    const struct yn *image = yn_get(s, "image");
    SW_CLEANUP(imageref_fini) struct imageref ref = { 0 };
    const char *text = yn_text(image);

    if (*text == '\0')
        return yn_fail(s, x->err, "invalid image reference for service %s: no image specified",
                       name);
    if (!imageref_parse(text, &ref) &&
        !(strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64))
        return yn_fail(image, x->err,
                       "invalid image reference for service %s: invalid reference format", name);
    return 0;
}

int convert_service(struct convert *x, const char *name, const struct yn *s, json_t **out)
{
    SW_CLEANUP(sw_free_ptr) char *full = compose_scope(x->stack, name);
    const struct yn *logging = yn_get(s, "logging");
    json_auto_t *spec = json_object();
    SW_CLEANUP(yn_free_ptr) struct yn *labels = yn_copy(yn_at(s, "deploy.labels"));

    if (check_image(x, name, s) < 0)
        return x->err->code;
    if (labels == NULL)
        labels = yn_new(YN_MAP, NULL);
    yn_set(labels, IMAGE_LABEL, yn_string(yn_text(yn_get(s, "image")), NULL));
    js_set_str(spec, "Name", full);
    json_object_set_new(spec, "Labels", convert_labels(x, labels));
    if (container(x, name, s, js_obj(spec, "TaskTemplate.ContainerSpec")) < 0 ||
        convert_deploy(x, name, s, spec) < 0 || set_networks(x, name, s, spec) < 0)
        return x->err->code;
    if (logging != NULL) {
        js_obj(spec, "TaskTemplate.LogDriver");
        set_text(js_get(spec, "TaskTemplate.LogDriver"), "Name", yn_get(logging, "driver"));
        if (yn_get(logging, "options") != NULL)
            js_set(spec, "TaskTemplate.LogDriver.Options", convert_map(yn_get(logging, "options")));
    }
    js_set_int(spec, "TaskTemplate.ForceUpdate", 0);
    set_endpoint(s, spec);
    *out = json_incref(spec);
    return 0;
}
