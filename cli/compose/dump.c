/* SPDX-License-Identifier: Apache-2.0
 *
 * The merged file as YAML. Known maps are written in a fixed order, free ones (labels, variables,
 * sections) by key. A text that would read back as something else is quoted. */
#include <string.h>

#include "cli/compose/compose.h"
#include "common/base/macro.h"

/* Orders of the maps whose members are fixed; each ends with NULL. */
static const char *const service_order[] = {
    "build",
    "cap_add",
    "cap_drop",
    "cgroupns_mode",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "credential_spec",
    "depends_on",
    "deploy",
    "devices",
    "dns",
    "dns_search",
    "domainname",
    "entrypoint",
    "environment",
    "env_file",
    "expose",
    "external_links",
    "extra_hosts",
    "hostname",
    "healthcheck",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "links",
    "logging",
    "mac_address",
    "network_mode",
    "networks",
    "oom_score_adj",
    "pid",
    "ports",
    "privileged",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "volumes",
    "working_dir",
    NULL,
};
static const char *const build_order[] = { "context",    "dockerfile", "args",   "labels",
                                           "cache_from", "network",    "target", NULL };
static const char *const ipam_order[] = { "driver", "config", NULL };
static const char *const deploy_order[] = {
    "mode",      "replicas",       "labels",    "update_config", "rollback_config",
    "resources", "restart_policy", "placement", "endpoint_mode", NULL
};
static const char *const flow_order[] = {
    "parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order", NULL
};
static const char *const resources_order[] = { "limits", "reservations", NULL };
static const char *const amount_order[] = { "cpus", "memory", "pids", "generic_resources", NULL };
static const char *const restart_order[] = { "condition", "delay", "max_attempts", "window", NULL };
static const char *const placement_order[] = { "constraints", "preferences",
                                               "max_replicas_per_node", NULL };
static const char *const health_order[] = { "test",         "timeout",        "interval", "retries",
                                            "start_period", "start_interval", "disable",  NULL };
static const char *const port_order[] = { "mode", "target", "published", "protocol", NULL };
static const char *const mount_order[] = { "type", "source", "target", "read_only", "consistency",
                                           "bind", "volume", "tmpfs",  "cluster",   NULL };
static const char *const ref_order[] = { "source", "target", "uid", "gid", "mode", NULL };
static const char *const ulimit_order[] = { "soft", "hard", NULL };
static const char *const attachment_order[] = { "aliases", "driver_opts", "ipv4_address",
                                                "ipv6_address", NULL };
static const char *const network_order[] = { "name",       "driver",   "driver_opts",
                                             "ipam",       "external", "internal",
                                             "attachable", "labels",   NULL };
static const char *const volume_order[] = { "name",     "driver", "driver_opts",
                                            "external", "labels", NULL };
static const char *const file_order[] = { "name",   "file",        "external",        "labels",
                                          "driver", "driver_opts", "template_driver", NULL };
static const char *const root_order[] = { "version", "services", "networks", "volumes",
                                          "secrets", "configs",  NULL };

/* Which order a map at a path has; '*' stands for one name, '[]' for an item. */
static const struct {
    const char *path;
    const char *const *order;
} orders[] = {
    { "", root_order },
    { ".services.*", service_order },
    { ".services.*.build", build_order },
    { ".networks.*.ipam", ipam_order },
    { ".services.*.deploy", deploy_order },
    { ".services.*.deploy.update_config", flow_order },
    { ".services.*.deploy.rollback_config", flow_order },
    { ".services.*.deploy.resources", resources_order },
    { ".services.*.deploy.resources.*", amount_order },
    { ".services.*.deploy.restart_policy", restart_order },
    { ".services.*.deploy.placement", placement_order },
    { ".services.*.healthcheck", health_order },
    { ".services.*.ports.[]", port_order },
    { ".services.*.volumes.[]", mount_order },
    { ".services.*.secrets.[]", ref_order },
    { ".services.*.configs.[]", ref_order },
    { ".services.*.ulimits.*", ulimit_order },
    { ".services.*.networks.*", attachment_order },
    { ".networks.*", network_order },
    { ".volumes.*", volume_order },
    { ".secrets.*", file_order },
    { ".configs.*", file_order },
};

static bool path_matches(const char *pattern, const char *path)
{
    while (*pattern != '\0' && *path != '\0') {
        size_t a = strcspn(pattern + 1, ".") + 1;
        size_t b = strcspn(path + 1, ".") + 1;

        if (!(a == 2 && pattern[1] == '*') && (a != b || memcmp(pattern, path, a) != 0))
            return false;
        pattern += a;
        path += b;
    }
    return *pattern == *path;
}

static const char *const *order_of(const char *path)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(orders); i++) {
        if (path_matches(orders[i].path, path))
            return orders[i].order;
    }
    return NULL;
}

static bool needs_quotes(const char *s)
{
    static const char *const words[] = { "y",   "n",  "yes", "no",  "on",  "off", "Y",  "N",
                                         "Yes", "No", "On",  "Off", "YES", "NO",  "ON", "OFF" };
    struct yn typed = { .text = (char *)(uintptr_t)s };
    size_t n = strlen(s);

    yn_type_scalar(&typed);
    if (typed.kind != YN_STRING)
        return true;
    for (size_t i = 0; i < SW_ARRAY_LEN(words); i++) {
        if (strcmp(s, words[i]) == 0)
            return true;
    }
    return n == 1 && *s == '=';
}

static bool needs_single_quotes(const char *s)
{
    size_t n = strlen(s);

    if (strchr("-?:,[]{}#&*!|>'\"%@`", *s) != NULL && !(*s == '-' && n > 1 && s[1] != ' ') &&
        !((*s == '?' || *s == ':') && n > 1 && s[1] != ' '))
        return true;
    if (*s == ' ' || s[n - 1] == ' ' || s[n - 1] == ':')
        return true;
    return strstr(s, ": ") != NULL || strstr(s, " #") != NULL;
}

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    }
    return false;
}

static void double_quoted(struct sw_buf *out, const char *s)
{
    sw_buf_putc(out, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            sw_buf_printf(out, "\\%c", *s);
        else if (*s == '\n')
            sw_buf_puts(out, "\\n");
        else if (*s == '\t')
            sw_buf_puts(out, "\\t");
        else if ((unsigned char)*s < 0x20 || *s == 0x7f)
            sw_buf_printf(out, "\\x%02x", (unsigned)*s);
        else
            sw_buf_putc(out, *s);
    }
    sw_buf_putc(out, '"');
}

/* Text of several lines is written as a block; "|-" when it does not end in a newline. */
static void block_text(struct sw_buf *out, const char *s, unsigned depth)
{
    size_t n = strlen(s);
    bool ends = s[n - 1] == '\n';

    sw_buf_puts(out, ends ? (n > 1 && s[n - 2] == '\n' ? "|+" : "|") : "|-");
    for (size_t i = 0; i < n - ends;) {
        size_t len = strcspn(s + i, "\n");

        sw_buf_putc(out, '\n');
        if (len > 0)
            sw_buf_printf(out, "%*s%.*s", (int)(2 * depth), "", (int)len, s + i);
        i += len + 1;
    }
}

static void text(struct sw_buf *out, const char *s, unsigned depth)
{
    bool lines = strchr(s, '\n') != NULL && *s != '\n' && *s != ' ' && strchr(s, '\t') == NULL;

    for (const char *p = s; lines && *p != '\0'; p++)
        lines = *p == '\n' || !((unsigned char)*p < 0x20 || *p == 0x7f);
    if (lines)
        block_text(out, s, depth);
    else if (needs_quotes(s) || has_control(s))
        double_quoted(out, s);
    else if (needs_single_quotes(s)) {
        sw_buf_putc(out, '\'');
        for (; *s != '\0'; s++)
            sw_buf_printf(out, *s == '\'' ? "''" : "%c", *s);
        sw_buf_putc(out, '\'');
    } else {
        sw_buf_puts(out, s);
    }
}

static void value(struct sw_buf *out, const struct yn *n, const char *path, unsigned depth);

static void members(struct sw_buf *out, const struct yn *map, const char *path, unsigned depth,
                    bool first_inline)
{
    const char *const *fixed = order_of(path);
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    SW_CLEANUP(strv_fini) struct strv rest = { 0 };

    for (; fixed != NULL && *fixed != NULL; fixed++) {
        if (yn_get(map, *fixed) != NULL)
            strv_add(&keys, *fixed);
    }
    for (size_t i = 0; i < map->n; i++) {
        if (!strv_has(&keys, map->items[i].key))
            strv_add(&rest, map->items[i].key);
    }
    strv_sort(&rest);
    for (size_t i = 0; i < rest.n; i++)
        strv_add(&keys, rest.v[i]);
    for (size_t i = 0; i < keys.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *below = cli_printf("%s.%s", path, keys.v[i]);

        if (!first_inline || i > 0)
            sw_buf_printf(out, "%*s", (int)(2 * depth), "");
        text(out, keys.v[i], depth);
        sw_buf_putc(out, ':');
        value(out, yn_get(map, keys.v[i]), below, depth + 1);
    }
}

static void items(struct sw_buf *out, const struct yn *seq, const char *path, unsigned depth)
{
    SW_CLEANUP(sw_free_ptr) char *below = cli_printf("%s.[]", path);

    for (size_t i = 0; i < seq->n; i++) {
        const struct yn *v = seq->items[i].value;

        sw_buf_printf(out, "%*s-", (int)(2 * depth), "");
        if (v->kind == YN_MAP && v->n > 0) {
            sw_buf_putc(out, ' ');
            members(out, v, below, depth + 1, true);
        } else {
            value(out, v, below, depth + 1);
        }
    }
}

/* What stands behind "key:" or "-", with its newline. */
static void value(struct sw_buf *out, const struct yn *n, const char *path, unsigned depth)
{
    if (n->kind == YN_MAP && n->n > 0) {
        sw_buf_putc(out, '\n');
        members(out, n, path, depth, false);
    } else if (n->kind == YN_SEQ && n->n > 0) {
        sw_buf_putc(out, '\n');
        items(out, n, path, depth);
    } else {
        sw_buf_putc(out, ' ');
        if (n->kind == YN_MAP || n->kind == YN_SEQ)
            sw_buf_puts(out, n->kind == YN_MAP ? "{}" : "[]");
        else if (n->kind == YN_NULL)
            sw_buf_puts(out, "null");
        else if (n->kind == YN_BOOL)
            sw_buf_puts(out, n->flag ? "true" : "false");
        else if (n->kind == YN_INT)
            sw_buf_printf(out, "%lld", (long long)n->number);
        else if (n->kind == YN_FLOAT)
            sw_buf_puts(out, n->text);
        else
            text(out, n->text, depth);
        sw_buf_putc(out, '\n');
    }
}

void compose_dump(const struct compose *c, struct sw_buf *out)
{
    SW_CLEANUP(yn_free_ptr) struct yn *root = yn_copy(c->root);
    const char *version = yn_text(yn_get(root, "version"));
    SW_CLEANUP(sw_free_ptr) char *shown = cli_strdup(*version != '\0' ? version : "3.13");

    yn_set(root, "version", yn_string(shown, NULL));
    for (size_t i = 0; i < root->n;) { /* empty sections say nothing */
        const struct yn *v = root->items[i].value;

        if ((v->kind == YN_MAP && v->n == 0) || v->kind == YN_NULL)
            yn_del(root, root->items[i].key);
        else
            i++;
    }
    members(out, root, "", 0, false);
}
