/* SPDX-License-Identifier: Apache-2.0
 * The filters= parameter.
 *
 * Source: moby api/types/filters/parse.go (FromJSON, Match, GetBoolOrDefault). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"

struct filter {
    const char *key; /* into the JSON value */
    const char **values;
    size_t n;
};

struct docker_filters {
    json_t *root;
    struct filter *keys;
    size_t n;
};

void docker_filters_free(struct docker_filters *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n; i++)
        sw_free(f->keys[i].values);
    sw_free(f->keys);
    json_decref(f->root);
    sw_free(f);
}

static int bad(struct sw_err *err, const char *key)
{
    return sw_err_set(err, SW_E_INVALID, "invalid filter '%s': an object or a list is expected",
                      key);
}

static int parse_values(struct filter *k, json_t *v, struct sw_err *err)
{
    size_t n = json_is_object(v) ? json_object_size(v) : json_array_size(v);

    if (!json_is_object(v) && !json_is_array(v) && !json_is_null(v))
        return bad(err, k->key);
    k->values = sw_calloc(n + 1, sizeof(*k->values));
    if (k->values == NULL)
        return sw_err_set(err, -ENOMEM, "parse filters");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = json_string_value(json_array_get(v, i));

        if (s == NULL)
            return bad(err, k->key);
        k->values[k->n++] = s;
    }
    for (void *it = json_object_iter(v); it != NULL; it = json_object_iter_next(v, it))
        if (!json_is_false(json_object_iter_value(it)))
            k->values[k->n++] = json_object_iter_key(it);
    return 0;
}

static bool is_allowed(const char *key, const char *const *allowed)
{
    if (allowed == NULL)
        return true;
    for (; *allowed != NULL; allowed++)
        if (strcmp(*allowed, key) == 0)
            return true;
    return false;
}

static int parse_keys(struct docker_filters *f, const char *const *allowed, struct sw_err *err)
{
    f->keys = sw_calloc(json_object_size(f->root) + 1, sizeof(*f->keys));
    if (f->keys == NULL)
        return sw_err_set(err, -ENOMEM, "parse filters");
    for (void *it = json_object_iter(f->root); it != NULL;
         it = json_object_iter_next(f->root, it)) {
        struct filter *k = &f->keys[f->n++];
        int r;

        k->key = json_object_iter_key(it);
        if (!is_allowed(k->key, allowed))
            return sw_err_set(err, SW_E_INVALID, "Invalid filter '%s'", k->key);
        r = parse_values(k, json_object_iter_value(it), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int docker_filters_parse(struct docker_filters **out, const char *text, const char *const *allowed,
                         struct sw_err *err)
{
    struct docker_filters *f = sw_calloc(1, sizeof(*f));
    json_error_t je;
    int r = 0;

    if (f == NULL)
        return sw_err_set(err, -ENOMEM, "parse filters");
    if (text != NULL && *text != '\0') {
        f->root = json_loads(text, JSON_DECODE_ANY, &je);
        if (f->root == NULL)
            r = sw_err_set(err, SW_E_INVALID, "invalid filters: %s", je.text);
        else if (!json_is_object(f->root) && !json_is_null(f->root))
            r = sw_err_set(err, SW_E_INVALID, "invalid filters: an object is expected");
        else
            r = parse_keys(f, allowed, err);
    }
    if (r < 0) {
        docker_filters_free(f);
        return r;
    }
    *out = f;
    return 0;
}

int docker_filters_of(struct docker_filters **out, const struct http_request *req,
                      const char *const *allowed, struct sw_err *err)
{
    return docker_filters_parse(out, http_query(req, "filters"), allowed, err);
}

const char *const *docker_filters_get(const struct docker_filters *f, const char *key, size_t *n)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->keys[i].key, key) == 0) {
            *n = f->keys[i].n;
            return f->keys[i].values;
        }
    }
    *n = 0;
    return NULL;
}

bool docker_filters_match(const struct docker_filters *f, const char *key, const char *value)
{
    size_t n;
    const char *const *v = docker_filters_get(f, key, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i], value) == 0)
            return true;
    return n == 0;
}

bool docker_filters_prefix(const struct docker_filters *f, const char *key, const char *value)
{
    size_t n;
    const char *const *v = docker_filters_get(f, key, &n);

    for (size_t i = 0; i < n; i++)
        if (strncmp(v[i], value, strlen(v[i])) == 0)
            return true;
    return n == 0;
}

bool docker_filters_labels(const struct docker_filters *f, const char *key,
                           const char *(*lookup)(const void *labels, const char *name),
                           const void *labels)
{
    size_t n;
    const char *const *v = docker_filters_get(f, key, &n);

    for (size_t i = 0; i < n; i++) {
        const char *eq = strchr(v[i], '=');
        char *name = eq == NULL ? NULL : sw_strndup(v[i], (size_t)(eq - v[i]));
        const char *have = lookup(labels, name == NULL ? v[i] : name);

        sw_free(name);
        if (have == NULL || (eq != NULL && strcmp(have, eq + 1) != 0))
            return false;
    }
    return true;
}

int docker_filters_bool(const struct docker_filters *f, const char *key, bool absent, bool *out,
                        struct sw_err *err)
{
    size_t n;
    const char *const *v = docker_filters_get(f, key, &n);
    bool yes = false;
    bool no = false;

    if (n == 0) {
        *out = absent;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        yes = yes || strcmp(v[i], "1") == 0 || strcmp(v[i], "true") == 0;
        no = no || strcmp(v[i], "0") == 0 || strcmp(v[i], "false") == 0;
    }
    if (yes == no)
        return sw_err_set(err, SW_E_INVALID, "Invalid filter '%s=[%s]'", key, v[0]);
    *out = yes;
    return 0;
}
