/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/spec/text.h"

int network_parse(const char *s, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv fields = { 0 };
    json_auto_t *n = json_object();

    if (strchr(s, '=') == NULL) {
        js_set_str(n, "Target", s);
        *out = json_incref(n);
        return *s != '\0' ? 0 : sw_err_set(err, SW_E_INVALID, "network name/id is not specified");
    }
    if (text_csv(s, &fields, err) < 0)
        return err->code;
    for (size_t i = 0; i < fields.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *cut = NULL;
        const char *value = text_cut(fields.v[i], '=', &cut);
        SW_CLEANUP(sw_free_ptr) char *key = text_lower(cut);

        if (value == NULL)
            return sw_err_set(err, SW_E_INVALID, "invalid field %s", fields.v[i]);
        if (strcmp(key, "name") == 0) {
            js_set_str(n, "Target", value);
        } else if (strcmp(key, "alias") == 0) {
            SW_CLEANUP(sw_free_ptr) char *alias = text_lower(value);

            js_append_str(js_arr(n, "Aliases"), alias);
        } else if (strcmp(key, "driver-opt") == 0) {
            if (strchr(value, '=') == NULL)
                return sw_err_set(err, SW_E_INVALID,
                                  "invalid key value pair format in driver options");
            js_map_set(js_obj(n, "DriverOpts"), value);
        } else {
            return sw_err_set(err, SW_E_INVALID, "invalid field key %s", key);
        }
    }
    if (*js_str(n, "Target") == '\0')
        return sw_err_set(err, SW_E_INVALID, "network name/id is not specified");
    *out = json_incref(n);
    return 0;
}

int network_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = NULL;

    return network_parse(s, &scratch, err);
}

static int file_mode(const char *value, json_t *ref, struct sw_err *err)
{
    char *end = NULL;
    unsigned long mode;

    errno = 0;
    mode = strtoul(text_prefix(value, "0o") ? value + 2 : value, &end,
                   text_prefix(value, "0o") ? 8 : 0);
    if (!isdigit((unsigned char)*value) || *end != '\0' || errno != 0 || mode > UINT32_MAX)
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid mode specified: strconv.ParseUint: parsing \"%s\": invalid syntax", value);
    js_set_int(ref, "File.Mode", (int64_t)mode);
    return 0;
}

int file_ref_parse(const char *s, const char *kind, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv fields = { 0 };
    SW_CLEANUP(sw_free_ptr) char *name_key = cli_printf("%sName", kind);
    SW_CLEANUP(sw_free_ptr) char *kind_lower = text_lower(kind);
    json_auto_t *ref = json_object();

    if (text_csv(s, &fields, err) < 0)
        return err->code;
    js_set_str(ref, "File.Name", "");
    js_set_str(ref, "File.UID", "0");
    js_set_str(ref, "File.GID", "0");
    js_set_int(ref, "File.Mode", 0444);
    if (fields.n == 1 && strchr(s, '=') == NULL)
        js_set_str(ref, name_key, fields.v[0]);
    for (size_t i = 0; i < fields.n && strchr(s, '=') != NULL; i++) {
        SW_CLEANUP(sw_free_ptr) char *cut = NULL;
        const char *value = text_cut(fields.v[i], '=', &cut);
        SW_CLEANUP(sw_free_ptr) char *key = text_lower(cut);

        if (value == NULL)
            return sw_err_set(err, SW_E_INVALID, "invalid field '%s' must be a key=value pair",
                              fields.v[i]);
        if (strcmp(key, "source") == 0 || strcmp(key, "src") == 0)
            js_set_str(ref, name_key, value);
        else if (strcmp(key, "target") == 0)
            js_set_str(ref, "File.Name", value);
        else if (strcmp(key, "uid") == 0)
            js_set_str(ref, "File.UID", value);
        else if (strcmp(key, "gid") == 0)
            js_set_str(ref, "File.GID", value);
        else if (strcmp(key, "mode") != 0)
            return sw_err_set(err, SW_E_INVALID, "invalid field in %s request: %s", kind_lower,
                              key);
        else if (file_mode(value, ref, err) < 0)
            return err->code;
    }
    if (*js_str(ref, name_key) == '\0')
        return sw_err_set(err, SW_E_INVALID, "source is required");
    if (*js_str(ref, "File.Name") == '\0')
        js_set_str(ref, "File.Name", js_str(ref, name_key));
    *out = json_incref(ref);
    return 0;
}

int secret_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = NULL;

    return file_ref_parse(s, "Secret", &scratch, err);
}

int config_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = NULL;

    return file_ref_parse(s, "Config", &scratch, err);
}

int ulimit_parse(const char *s, json_t **out, struct sw_err *err)
{
    static const char *const known[] = { "core",    "cpu",      "data",   "fsize",      "locks",
                                         "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                         "rss",     "rtprio",   "rttime", "sigpending", "stack" };
    SW_CLEANUP(sw_free_ptr) char *name = NULL;
    SW_CLEANUP(strv_fini) struct strv limits = { 0 };
    const char *value = text_cut(s, '=', &name);
    bool is_known = false;
    int64_t soft = 0;
    int64_t hard;

    if (value == NULL)
        return sw_err_set(err, SW_E_INVALID, "invalid ulimit argument: %s", s);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        is_known |= strcmp(known[i], name) == 0;
    if (!is_known)
        return sw_err_set(err, SW_E_INVALID, "invalid ulimit type: %s", name);
    text_split(value, ':', &limits);
    if (limits.n > 2)
        return sw_err_set(err, SW_E_INVALID,
                          "too many limit values - %s, can only have up to two, `soft[:hard]`",
                          value);
    if (text_int(limits.v[0], &soft, err) < 0)
        return err->code;
    hard = soft;
    if (limits.n == 2 && text_int(limits.v[1], &hard, err) < 0)
        return err->code;
    if (hard != -1 && (soft > hard || soft == -1))
        return sw_err_set(err, SW_E_INVALID,
                          "ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
                          (long long)soft, (long long)hard);
    *out = json_object();
    js_set_str(*out, "Name", name);
    js_set_int(*out, "Hard", hard);
    js_set_int(*out, "Soft", soft);
    return 0;
}

int ulimit_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = NULL;

    return ulimit_parse(s, &scratch, err);
}

int pref_parse(const char *s, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *cut = NULL;
    const char *value = text_cut(s, '=', &cut);
    SW_CLEANUP(sw_free_ptr) char *strategy = text_lower(cut);

    if (value == NULL || *strategy == '\0')
        return sw_err_set(err, SW_E_INVALID,
                          "placement preference must be of the format \"<strategy>=<arg>\"");
    if (strcmp(strategy, "spread") != 0)
        return sw_err_set(err, SW_E_INVALID,
                          "unsupported placement preference %s (only spread is supported)",
                          strategy);
    *out = json_object();
    js_set_str(*out, "Spread.SpreadDescriptor", value);
    return 0;
}

int pref_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = NULL;

    return pref_parse(s, &scratch, err);
}

int generic_parse(const char *s, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *kind = NULL;
    const char *value = text_cut(s, '=', &kind);
    struct sw_err why;
    int64_t n;

    if (generic_check(s, err) < 0)
        return err->code;
    if (text_int(value, &n, &why) < 0)
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid generic-resource request `%s=%s`, Named Generic Resources is not "
            "supported for service create or update",
            kind, value);
    *out = json_object();
    js_set_str(*out, "DiscreteResourceSpec.Kind", kind);
    js_set_int(*out, "DiscreteResourceSpec.Value", n);
    return 0;
}

int generic_check(const char *s, struct sw_err *err)
{
    const char *eq = strchr(s, '=');

    if (eq == NULL || eq == s || eq[1] == '\0')
        return sw_err_set(err, SW_E_INVALID,
                          "invalid generic-resource format `%s` expected `name=value`", s);
    return 0;
}

int host_parse(const char *s, char **out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *name = NULL;
    SW_CLEANUP(sw_free_ptr) char *bare = NULL;
    const char *ip = text_cut(s, '=', &name);

    if (ip == NULL) {
        sw_free(name);
        ip = text_cut(s, ':', &name);
    }
    if (ip == NULL || *name == '\0')
        return sw_err_set(err, SW_E_INVALID, "bad format for add-host: \"%s\"", s);
    bare =
        *ip == '[' && text_suffix(ip, "]") ? cli_strndup(ip + 1, strlen(ip) - 2) : cli_strdup(ip);
    if (strcmp(bare, "host-gateway") != 0 && !text_is_ip(bare))
        return sw_err_set(err, SW_E_INVALID, "invalid IP address in add-host: \"%s\"", ip);
    *out = cli_printf("%s %s", bare, name);
    return 0;
}

int host_check(const char *s, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *scratch = NULL;

    return host_parse(s, &scratch, err);
}

int label_check(const char *s, struct sw_err *err)
{
    if (*s == '\0' || *s == '=')
        return sw_err_set(err, SW_E_INVALID, "invalid label '%s': empty name", s);
    return 0;
}

int env_check(const char *s, struct sw_err *err)
{
    if (*s == '\0' || *s == '=')
        return sw_err_set(err, SW_E_INVALID, "invalid environment variable: %s", s);
    return 0;
}

int words_check(const char *s, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv scratch = { 0 };

    return text_words(s, &scratch, err);
}

int ip_check(const char *s, struct sw_err *err)
{
    return text_is_ip(s)
               ? 0
               : sw_err_set(err, SW_E_INVALID, "IP address is not correctly formatted: %s", s);
}

char *env_resolve(const char *s, env_lookup lookup, void *arg)
{
    const char *v = strchr(s, '=') == NULL ? lookup(arg, s) : NULL;

    return v != NULL ? cli_printf("%s=%s", s, v) : cli_strdup(s);
}

int env_file_parse(const char *text, const char *name, env_lookup lookup, void *arg,
                   struct strv *out, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv lines = { 0 };

    if (text_prefix(text, "\xef\xbb\xbf"))
        text += 3; /* byte order mark */
    text_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *key = NULL;
        char *line = lines.v[i];
        const char *value;
        size_t n = strlen(line);

        if (n > 0 && line[n - 1] == '\r')
            line[n - 1] = '\0';
        while (isspace((unsigned char)*line))
            line++;
        if (*line == '\0' || *line == '#')
            continue;
        value = text_cut(line, '=', &key);
        if (*key == '\0')
            return sw_err_set(err, SW_E_INVALID,
                              "invalid env file (%s): no variable name on line '%s'", name, line);
        if (strpbrk(key, " \t") != NULL)
            return sw_err_set(err, SW_E_INVALID,
                              "invalid env file (%s): variable '%s' contains whitespaces", name,
                              key);
        if (value != NULL)
            strv_take(out, cli_printf("%s=%s", key, value));
        else if (lookup(arg, key) != NULL)
            strv_take(out, cli_printf("%s=%s", key, lookup(arg, key)));
    }
    return 0;
}

void env_merge(struct strv *list, const char *add)
{
    size_t n = strcspn(add, "=");

    for (size_t i = list->n; i-- > 0;) {
        if (strncmp(list->v[i], add, n) == 0 && (list->v[i][n] == '=' || list->v[i][n] == '\0'))
            strv_remove(list, i);
    }
    strv_add(list, add);
}

static char *normal_cap(const char *s)
{
    SW_CLEANUP(sw_free_ptr) char *upper = cli_strdup(s);

    for (char *p = upper; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    if (strcmp(upper, "ALL") == 0 || strcmp(upper, "RESET") == 0 || text_prefix(upper, "CAP_"))
        return cli_strdup(upper);
    return cli_printf("CAP_%s", upper);
}

static void normal_caps(const struct strv *in, const struct strv *except, struct strv *out)
{
    for (size_t i = 0; i < in->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *cap = normal_cap(in->v[i]);

        if (!strv_has(out, cap) && !(except != NULL && strv_has(except, cap)))
            strv_add(out, cap);
    }
    if (strv_has(out, "ALL") && out->n > 1) {
        strv_fini(out);
        strv_add(out, "ALL");
    }
    strv_sort(out);
}

void caps_effective(const struct strv *add, const struct strv *drop, json_t *container)
{
    SW_CLEANUP(strv_fini) struct strv a = { 0 };
    SW_CLEANUP(strv_fini) struct strv d = { 0 };

    normal_caps(add, NULL, &a);
    normal_caps(drop, &a, &d);
    if (a.n > 0)
        json_object_set_new(container, "CapabilityAdd", js_strings(&a));
    if (d.n > 0)
        json_object_set_new(container, "CapabilityDrop", js_strings(&d));
}
