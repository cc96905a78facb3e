/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/compose.h"

#include <ctype.h>
#include <string.h>

#include "cli/compose/interp.h"
#include "cli/compose/merge.h"
#include "cli/compose/schema.h"
#include "cli/compose/yaml.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"

#define USE_RESOURCES "Set resource limits using deploy.resources"

static const struct {
    const char *key, *why;
} forbidden[] = {
    { "extends", "Support for `extends` is not implemented yet." },
    { "volume_driver",
      "Instead of setting the volume driver on the service, define a volume using the top-level "
      "`volumes` option and specify the driver there." },
    { "volumes_from",
      "To share a volume between services, define it using the top-level `volumes` option and "
      "reference it from each service that shares it using the service-level `volumes` option." },
    { "cpu_quota", USE_RESOURCES },
    { "cpu_shares", USE_RESOURCES },
    { "cpuset", USE_RESOURCES },
    { "mem_limit", USE_RESOURCES },
    { "memswap_limit", USE_RESOURCES },
};

static const char *const ignored[] = {
    "build",      "cgroupns_mode", "cgroup_parent", "devices",      "domainname", "external_links",
    "ipc",        "links",         "mac_address",   "network_mode", "pid",        "platform",
    "privileged", "pull_policy",   "restart",       "security_opt", "shm_size",   "userns_mode",
};

static const struct {
    const char *key, *why;
} deprecated[] = {
    { "container_name", "Setting the container name is not supported." },
    { "expose", "Exposing ports is unnecessary - services on the same network can access each "
                "other's containers "
                "on any port." },
};

char *compose_scope(const char *stack, const char *name)
{
    return cli_printf("%s_%s", stack, name);
}

int compose_stack_name(const char *s, struct sw_err *err)
{
    size_t n = strlen(s);

    if (n == 0 || strspn(s, " \t'\"") == n)
        return sw_err_set(err, SW_E_INVALID, "invalid stack name: \"%s\"", s);
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
            return sw_err_set(
                err, SW_E_INVALID,
                "invalid stack name: \"%s\": only letters, digits, '-' and '_' are allowed", s);
    }
    return 0;
}

static void add_once(struct strv *l, const char *s)
{
    if (!strv_has(l, s))
        strv_add(l, s);
}

/* Options docker knows of but a cluster has no use for. */
static int sort_out(struct compose *c, const struct yn *root, struct sw_err *err)
{
    const struct yn *services = yn_get(root, "services");
    SW_CLEANUP(strv_fini) struct strv bad = { 0 };
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;

    for (size_t i = 0; yn_is(services, YN_MAP) && i < services->n; i++) {
        const struct yn *s = services->items[i].value;

        for (size_t k = 0; k < SW_ARRAY_LEN(forbidden); k++) {
            const struct yn *v = yn_get(s, forbidden[k].key);

            if (v != NULL) {
                strv_take(&bad, cli_printf("%s: %s (%s:%u)", forbidden[k].key, forbidden[k].why,
                                           v->file, v->line));
            }
        }
        for (size_t k = 0; k < SW_ARRAY_LEN(ignored); k++) {
            if (yn_get(s, ignored[k]) != NULL)
                add_once(&c->unsupported, ignored[k]);
        }
        for (size_t k = 0; k < SW_ARRAY_LEN(deprecated); k++) {
            SW_CLEANUP(sw_free_ptr)
            char *line = cli_printf("%s: %s", deprecated[k].key, deprecated[k].why);

            if (yn_get(s, deprecated[k].key) != NULL)
                add_once(&c->deprecated, line);
        }
    }
    if (bad.n == 0)
        return 0;
    strv_sort(&bad);
    for (size_t i = 0; i < bad.n; i++)
        sw_buf_printf(&text, "\n\n%s", bad.v[i]);
    return sw_err_set(err, SW_E_INVALID, "Compose file contains unsupported options:%s",
                      sw_buf_str(&text));
}

static int check_version(const struct yn *root, struct sw_err *err)
{
    const struct yn *v = yn_get(root, "version");

    if (v == NULL || strcmp(yn_text(v), "3") == 0 || text_prefix(yn_text(v), "3."))
        return 0;
    return yn_fail(v, err, "unsupported Compose file version: %s", yn_text(v));
}

static int interpolate_file(struct yn *root, const struct compose_world *w, struct sw_err *err)
{
    static const char *const sections[] = { "services", "volumes", "networks", "secrets",
                                            "configs" };

    for (size_t i = 0; i < SW_ARRAY_LEN(sections); i++) {
        struct yn *s = yn_get(root, sections[i]);

        if (s != NULL && interp_tree(s, sections[i], w->getenv, w->arg, err) < 0)
            return err->code;
    }
    return 0;
}

static int load_one(struct compose *c, const struct compose_source *src, bool interpolate,
                    const struct compose_world *w, struct sw_err *err)
{
    SW_CLEANUP(yn_free_ptr) struct yn *root = NULL;

    if (yaml_parse(src->name, src->text, src->len, &root, err) < 0)
        return err->code;
    if (root->kind != YN_MAP) {
        root->file = src->name;
        root->line = SW_MAX(root->line, 1u);
        return yn_fail(root, err, "top-level object must be a mapping");
    }
    if (check_version(root, err) < 0 || (interpolate && interpolate_file(root, w, err) < 0) ||
        sort_out(c, root, err) < 0 || schema_check(root, &schema_root, "", err) < 0 ||
        normalize_file(root, src->dir, w, err) < 0)
        return err->code;
    if (c->root == NULL)
        c->root = sw_steal(root);
    else
        merge_file(c->root, sw_steal(root));
    return 0;
}

int compose_load(struct compose *out, const struct compose_source *sources, size_t n,
                 bool interpolate, const struct compose_world *world, struct sw_err *err)
{
    *out = (struct compose){ 0 };
    for (size_t i = 0; i < n; i++) {
        if (load_one(out, &sources[i], interpolate, world, err) < 0) {
            compose_fini(out);
            return err->code;
        }
    }
    strv_sort(&out->unsupported);
    strv_sort(&out->deprecated);
    if (out->root == NULL)
        return sw_err_set(err, SW_E_INVALID, "no compose file was given");
    return 0;
}

void compose_fini(struct compose *c)
{
    yn_free(c->root);
    strv_fini(&c->unsupported);
    strv_fini(&c->deprecated);
    *c = (struct compose){ 0 };
}
