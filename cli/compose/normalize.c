/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/normalize.h"

#include <stdlib.h>
#include <string.h>

#include "cli/spec/js.h"
#include "cli/spec/mounts.h"
#include "cli/spec/ports.h"
#include "cli/spec/text.h"
#include "common/base/time.h"

char *normalize_path(const char *path, const char *dir)
{
    SW_CLEANUP(sw_free_ptr)
    char *joined = *path == '/' ? cli_strdup(path) : cli_printf("%s/%s", dir, path);

    return mounts_clean_path(joined);
}

/* A scalar as the text it was written in; a null stays null. */
static struct yn *as_text(const struct yn *n)
{
    return n->kind == YN_NULL ? yn_new(YN_NULL, n) : yn_string(yn_text(n), n);
}

/* ["K=V", "K"] or {K: V} -> {K: "V"}. @sep: what stands between; a bare K becomes @bare. */
static void to_map(struct yn *parent, const char *key, const char *sep, bool bare_is_null)
{
    struct yn *old = yn_take(parent, key);
    struct yn *map;

    if (old == NULL)
        return;
    map = yn_new(YN_MAP, old);
    for (size_t i = 0; i < old->n; i++) {
        const struct yn *v = old->items[i].value;
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        const char *value;

        if (old->kind == YN_MAP) {
            struct yn *text = as_text(v);

            if (text->kind == YN_NULL && !bare_is_null) {
                yn_free(text);
                text = yn_string("", v);
            }
            yn_set(map, old->items[i].key, text);
            continue;
        }
        value = text_cut(yn_text(v), sep[0], &name);
        if (value != NULL)
            yn_set(map, name, yn_string(value, v));
        else
            yn_set(map, name, bare_is_null ? yn_new(YN_NULL, v) : yn_string("", v));
    }
    yn_free(old);
    yn_sort_keys(map);
    yn_set(parent, key, map);
}

static void to_list(struct yn *parent, const char *key)
{
    struct yn *v = yn_get(parent, key);
    struct yn *list;

    if (v == NULL || v->kind == YN_SEQ)
        return;
    list = yn_new(YN_SEQ, v);
    if (v->kind != YN_NULL)
        yn_append(list, yn_string(yn_text(v), v));
    yn_set(parent, key, list);
}

/* A string is split like a shell does it. */
static int to_words(struct yn *parent, const char *key, struct sw_err *err)
{
    struct yn *v = yn_get(parent, key);
    SW_CLEANUP(strv_fini) struct strv words = { 0 };
    struct yn *list;
    struct sw_err why;

    if (v == NULL || v->kind == YN_SEQ)
        return 0;
    list = yn_new(YN_SEQ, v);
    if (v->kind == YN_STRING && text_words(v->text, &words, &why) < 0) {
        int r = yn_fail(v, err, "%s: %s", key, why.msg);

        yn_free(list);
        return r;
    }
    for (size_t i = 0; i < words.n; i++)
        yn_append(list, yn_string(words.v[i], v));
    yn_set(parent, key, list);
    return 0;
}

/* Sizes and durations in one spelling. */
static int to_bytes(struct yn *parent, const char *key, const char *path, struct sw_err *err)
{
    struct yn *v = yn_get(parent, key);
    SW_CLEANUP(sw_free_ptr) char *text = NULL;
    struct sw_err why;
    int64_t bytes;

    if (v == NULL)
        return 0;
    if (text_bytes(yn_text(v), &bytes, &why) < 0)
        return yn_fail(v, err, "%s.%s: %s", path, key, why.msg);
    text = cli_printf("%lld", (long long)bytes);
    yn_set(parent, key, yn_string(text, v));
    return 0;
}

static void to_duration(struct yn *parent, const char *key)
{
    struct yn *v = yn_get(parent, key);
    char text[SW_DURATION_MAX];
    int64_t ns;

    if (v == NULL || !sw_duration_parse(yn_text(v), &ns))
        return;
    sw_duration_format(ns, text);
    yn_set(parent, key, yn_string(text, v));
}

/* A service listens on every address of every node: one that was written is not kept. */
static void warn_address(const char *spec, const struct compose_world *w)
{
    const char *first = strchr(spec, ':');
    SW_CLEANUP(sw_free_ptr) char *text = NULL;

    if (first == NULL || strchr(first + 1, ':') == NULL || w->warn == NULL)
        return;
    text = cli_printf("ignoring IP-address (%s) service will listen on '0.0.0.0'", spec);
    w->warn(w->arg, text);
}

static int ports(struct yn *service, const struct compose_world *w, struct sw_err *err)
{
    struct yn *old = yn_get(service, "ports");
    SW_CLEANUP(yn_free_ptr) struct yn *list = NULL;

    if (old == NULL)
        return 0;
    list = yn_new(YN_SEQ, old);
    for (size_t i = 0; i < old->n; i++) {
        const struct yn *v = old->items[i].value;
        json_auto_t *expanded = json_array();
        struct sw_err why;

        if (v->kind == YN_MAP) {
            struct yn *p = yn_copy(v);

            if (yn_get(p, "mode") == NULL)
                yn_set(p, "mode", yn_string("ingress", v));
            if (yn_get(p, "protocol") == NULL)
                yn_set(p, "protocol", yn_string("tcp", v));
            yn_append(list, p);
            continue;
        }
        if (ports_parse_short(yn_text(v), true, expanded, &why) < 0)
            return yn_fail(v, err, "invalid port \"%s\": %s", yn_text(v), why.msg);
        warn_address(yn_text(v), w);
        for (size_t k = 0; k < json_array_size(expanded); k++) {
            const json_t *one = json_array_get(expanded, k);
            struct yn *p = yn_new(YN_MAP, v);

            yn_set(p, "mode", yn_string(js_str(one, "PublishMode"), v));
            yn_set(p, "target", yn_int(js_int(one, "TargetPort"), v));
            if (js_int(one, "PublishedPort") != 0)
                yn_set(p, "published", yn_int(js_int(one, "PublishedPort"), v));
            yn_set(p, "protocol", yn_string(js_str(one, "Protocol"), v));
            yn_append(list, p);
        }
    }
    yn_set(service, "ports", sw_steal(list));
    return 0;
}

static int volumes(struct yn *service, const char *dir, const struct compose_world *w,
                   struct sw_err *err)
{
    struct yn *old = yn_get(service, "volumes");
    SW_CLEANUP(yn_free_ptr) struct yn *list = NULL;

    if (old == NULL)
        return 0;
    list = yn_new(YN_SEQ, old);
    for (size_t i = 0; i < old->n; i++) {
        struct yn *m = NULL;

        if (normalize_mount(old->items[i].value, dir, w, &m, err) < 0)
            return err->code;
        yn_append(list, m);
    }
    yn_set(service, "volumes", sw_steal(list));
    return 0;
}

static void file_refs(struct yn *service, const char *key)
{
    struct yn *list = yn_get(service, key);

    for (size_t i = 0; list != NULL && i < list->n; i++) {
        struct yn *v = list->items[i].value;

        if (v->kind != YN_MAP) {
            struct yn *ref = yn_new(YN_MAP, v);

            yn_set(ref, "source", yn_string(yn_text(v), v));
            list->items[i].value = ref;
            yn_free(v);
        }
    }
}

/* [a, b] -> {a: null, b: null} */
static void attachments(struct yn *service)
{
    struct yn *v = yn_take(service, "networks");
    struct yn *map;

    if (v == NULL)
        return;
    map = yn_new(YN_MAP, v);
    for (size_t i = 0; i < v->n; i++) {
        if (v->kind == YN_SEQ)
            yn_set(map, yn_text(v->items[i].value), yn_new(YN_NULL, v->items[i].value));
        else
            yn_set(map, v->items[i].key, yn_copy(v->items[i].value));
    }
    yn_free(v);
    yn_sort_keys(map);
    yn_set(service, "networks", map);
}

/* A variable of the client takes the place of an empty or missing value. */
static void put_env(struct yn *env, const char *name, const char *value,
                    const struct compose_world *w, const struct yn *at)
{
    const char *mine = w->getenv(w->arg, name);

    if ((value == NULL || *value == '\0') && mine != NULL)
        value = mine;
    yn_set(env, name, value != NULL ? yn_string(value, at) : yn_new(YN_NULL, at));
}

static int environment(struct yn *service, const char *dir, const struct compose_world *w,
                       struct sw_err *err)
{
    SW_CLEANUP(yn_free_ptr) struct yn *files = NULL;
    SW_CLEANUP(yn_free_ptr) struct yn *own = NULL;
    SW_CLEANUP(yn_free_ptr) struct yn *env = NULL;

    to_list(service, "env_file");
    to_map(service, "environment", "=", true);
    files = yn_take(service, "env_file");
    own = yn_take(service, "environment");
    if (files == NULL && own == NULL)
        return 0;
    env = yn_new(YN_MAP, own != NULL ? own : files);
    for (size_t i = 0; files != NULL && i < files->n; i++) {
        const struct yn *f = files->items[i].value;
        SW_CLEANUP(sw_free_ptr) char *path = normalize_path(yn_text(f), dir);
        SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
        SW_CLEANUP(strv_fini) struct strv vars = { 0 };
        struct sw_err why;

        if (w->read(w->arg, path, &text, &why) < 0 ||
            env_file_parse(sw_buf_str(&text), path, w->getenv, w->arg, &vars, &why) < 0)
            return yn_fail(f, err, "%s", why.msg);
        for (size_t k = 0; k < vars.n; k++) {
            SW_CLEANUP(sw_free_ptr) char *name = NULL;
            const char *value = text_cut(vars.v[k], '=', &name);

            put_env(env, name, value, w, f);
        }
    }
    for (size_t i = 0; own != NULL && i < own->n; i++) {
        const struct yn *v = own->items[i].value;

        put_env(env, own->items[i].key, v->kind == YN_NULL ? NULL : yn_text(v), w, v);
    }
    yn_sort_keys(env);
    yn_set(service, "environment", sw_steal(env));
    return 0;
}

static void healthcheck(struct yn *service)
{
    struct yn *h = yn_get(service, "healthcheck");
    struct yn *test = yn_get(h, "test");

    if (h == NULL)
        return;
    if (yn_is(test, YN_STRING)) {
        struct yn *list = yn_new(YN_SEQ, test);

        yn_append(list, yn_string("CMD-SHELL", test));
        yn_append(list, yn_string(test->text, test));
        yn_set(h, "test", list);
    }
    to_duration(h, "interval");
    to_duration(h, "timeout");
    to_duration(h, "start_period");
    to_duration(h, "start_interval");
}

static int deploy(struct yn *service, const char *name, struct sw_err *err)
{
    static const char *const flows[] = { "update_config", "rollback_config" };
    SW_CLEANUP(sw_free_ptr) char *path = cli_printf("services.%s.deploy.resources.limits", name);
    struct yn *d = yn_get(service, "deploy");

    if (!yn_is(d, YN_MAP)) {
        yn_del(service, "deploy");
        return 0;
    }
    to_map(d, "labels", "=", false);
    for (size_t i = 0; i < 2; i++) {
        struct yn *flow = yn_get(d, flows[i]);

        if (flow != NULL) {
            to_duration(flow, "delay");
            to_duration(flow, "monitor");
        }
    }
    if (yn_get(d, "restart_policy") != NULL) {
        to_duration(yn_get(d, "restart_policy"), "delay");
        to_duration(yn_get(d, "restart_policy"), "window");
    }
    if (yn_at(d, "resources.limits") != NULL &&
        to_bytes(yn_at(d, "resources.limits"), "memory", path, err) < 0)
        return err->code;
    if (yn_at(d, "resources.reservations") != NULL &&
        to_bytes(yn_at(d, "resources.reservations"), "memory", path, err) < 0)
        return err->code;
    return 0;
}

int normalize_service(struct yn *service, const char *name, const char *dir,
                      const struct compose_world *w, struct sw_err *err)
{
    to_map(service, "labels", "=", false);
    to_map(service, "sysctls", "=", false);
    to_list(service, "dns");
    to_list(service, "dns_search");
    to_list(service, "tmpfs");
    file_refs(service, "secrets");
    file_refs(service, "configs");
    attachments(service);
    healthcheck(service);
    to_map(yn_get(service, "logging"), "options", "=", false);
    to_duration(service, "stop_grace_period");
    if (yn_is(yn_get(service, "extra_hosts"), YN_MAP)) {
        struct yn *old = yn_take(service, "extra_hosts");
        struct yn *list = yn_new(YN_SEQ, old);

        yn_sort_keys(old);
        for (size_t i = 0; i < old->n; i++) {
            SW_CLEANUP(sw_free_ptr)
            char *s = cli_printf("%s:%s", old->items[i].key, yn_text(old->items[i].value));

            yn_append(list, yn_string(s, old->items[i].value));
        }
        yn_free(old);
        yn_set(service, "extra_hosts", list);
    }
    if (to_words(service, "command", err) < 0 || to_words(service, "entrypoint", err) < 0 ||
        ports(service, w, err) < 0 || volumes(service, dir, w, err) < 0 ||
        environment(service, dir, w, err) < 0 || deploy(service, name, err) < 0)
        return err->code;
    return 0;
}

/* Top-level things: labels as maps, paths absolute, "external: {name: x}" as name and true. */
static int objects(struct yn *root, const char *section, const char *kind, const char *dir,
                   struct sw_err *err)
{
    struct yn *map = yn_get(root, section);

    for (size_t i = 0; map != NULL && i < map->n; i++) {
        struct yn *o = map->items[i].value;
        const char *key = map->items[i].key;
        struct yn *external;

        if (o->kind != YN_MAP) {
            struct yn *empty = yn_new(YN_MAP, o);

            map->items[i].value = empty;
            yn_free(o);
            o = empty;
        }
        to_map(o, "labels", "=", false);
        to_map(o, "driver_opts", "=", false);
        external = yn_get(o, "external");
        if (yn_is(external, YN_MAP)) {
            const char *name = yn_text(yn_get(external, "name"));

            if (*name != '\0' && yn_get(o, "name") != NULL)
                return yn_fail(external, err,
                               "%s %s: %s.external.name and %s.name conflict; only use %s.name",
                               kind, key, kind, kind, kind);
            if (*name != '\0')
                yn_set(o, "name", yn_string(name, external));
            yn_set(o, "external", yn_bool(true, external));
        }
        if (yn_is(yn_get(o, "external"), YN_BOOL) && yn_get(o, "external")->flag &&
            yn_get(o, "name") == NULL)
            yn_set(o, "name", yn_string(key, o));
        if (yn_get(o, "file") != NULL) {
            SW_CLEANUP(sw_free_ptr) char *path = normalize_path(yn_text(yn_get(o, "file")), dir);

            yn_set(o, "file", yn_string(path, o));
        }
    }
    return 0;
}

int normalize_file(struct yn *root, const char *dir, const struct compose_world *w,
                   struct sw_err *err)
{
    struct yn *services = yn_get(root, "services");

    for (size_t i = 0; services != NULL && i < services->n; i++) {
        if (normalize_service(services->items[i].value, services->items[i].key, dir, w, err) < 0)
            return err->code;
    }
    if (objects(root, "networks", "network", dir, err) < 0 ||
        objects(root, "volumes", "volume", dir, err) < 0 ||
        objects(root, "secrets", "secret", dir, err) < 0 ||
        objects(root, "configs", "config", dir, err) < 0)
        return err->code;
    return 0;
}
