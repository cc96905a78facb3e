/* SPDX-License-Identifier: Apache-2.0
 * config.c - an image's config as a container needs it.
 *
 * Source: OCI image specification, config.md; Healthcheck is docker's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "agent/image/disk.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"

static void list_free(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sw_free(v[i]);
    sw_free(v);
}

void image_config_free(struct image_config *c)
{
    if (c == NULL)
        return;
    list_free(c->entrypoint, c->n_entrypoint);
    list_free(c->cmd, c->n_cmd);
    list_free(c->env, c->n_env);
    list_free(c->labels, c->n_labels);
    list_free(c->ports, c->n_ports);
    list_free(c->volumes, c->n_volumes);
    list_free(c->health.test, c->health.n_test);
    list_free(c->lower, c->n_lower);
    sw_free(c->user);
    sw_free(c->workdir);
    sw_free(c->stop_signal);
    sw_free(c);
}

SW_DEFINE_CLEANUP(image_config_free, struct image_config *);

/* A list of strings; NULL when absent. */
static int take_array(char ***out, size_t *n, const json_t *a)
{
    char **v;

    if (!json_is_array(a))
        return 0;
    v = sw_calloc(json_array_size(a) + 1, sizeof(*v));
    if (v == NULL)
        return -ENOMEM;
    *out = v;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        v[*n] = sw_strdup(s == NULL ? "" : s);
        if (v[(*n)++] == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* The keys of an object, with "=value" for labels. */
static int take_keys(char ***out, size_t *n, json_t *o, bool values)
{
    char **v;

    if (!json_is_object(o))
        return 0;
    v = sw_calloc(json_object_size(o) + 1, sizeof(*v));
    if (v == NULL)
        return -ENOMEM;
    *out = v;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        const char *value = json_string_value(json_object_iter_value(it));

        if (values)
            v[*n] = sw_asprintf("%s=%s", json_object_iter_key(it), value == NULL ? "" : value);
        else
            v[*n] = sw_strdup(json_object_iter_key(it));
        if (v[(*n)++] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int take_string(char **out, const json_t *v)
{
    const char *s = json_string_value(v);

    *out = sw_strdup(s == NULL ? "" : s);
    return *out == NULL ? -ENOMEM : 0;
}

static int take_health(struct image_health *h, const json_t *o)
{
    h->interval_ns = json_integer_value(json_object_get(o, "Interval"));
    h->timeout_ns = json_integer_value(json_object_get(o, "Timeout"));
    h->start_period_ns = json_integer_value(json_object_get(o, "StartPeriod"));
    h->start_interval_ns = json_integer_value(json_object_get(o, "StartInterval"));
    h->retries = json_integer_value(json_object_get(o, "Retries"));
    return take_array(&h->test, &h->n_test, json_object_get(o, "Test"));
}

static int take_config(struct image_config *c, const json_t *o)
{
    int r = take_array(&c->entrypoint, &c->n_entrypoint, json_object_get(o, "Entrypoint"));

    if (r == 0)
        r = take_array(&c->cmd, &c->n_cmd, json_object_get(o, "Cmd"));
    if (r == 0)
        r = take_array(&c->env, &c->n_env, json_object_get(o, "Env"));
    if (r == 0)
        r = take_keys(&c->labels, &c->n_labels, json_object_get(o, "Labels"), true);
    if (r == 0)
        r = take_keys(&c->ports, &c->n_ports, json_object_get(o, "ExposedPorts"), false);
    if (r == 0)
        r = take_keys(&c->volumes, &c->n_volumes, json_object_get(o, "Volumes"), false);
    if (r == 0)
        r = take_string(&c->user, json_object_get(o, "User"));
    if (r == 0)
        r = take_string(&c->workdir, json_object_get(o, "WorkingDir"));
    if (r == 0)
        r = take_string(&c->stop_signal, json_object_get(o, "StopSignal"));
    return r == 0 ? take_health(&c->health, json_object_get(o, "Healthcheck")) : r;
}

static int take_layers(struct image_config *c, const struct image_store *s, const struct image *img)
{
    c->lower = sw_calloc(img->n_layers + 1, sizeof(*c->lower));
    if (c->lower == NULL)
        return -ENOMEM;
    for (; c->n_lower < img->n_layers; c->n_lower++) {
        char path[DISK_PATH_MAX];

        disk_layer_path(s->dir, img->layers[c->n_lower].digest, path, sizeof(path));
        c->lower[c->n_lower] = sw_asprintf("%s/fs", path);
        if (c->lower[c->n_lower] == NULL)
            return -ENOMEM;
    }
    return 0;
}

int image_resolve(const struct image_store *s, const char *what, struct image_config **out,
                  struct sw_err *err)
{
    SW_CLEANUP(image_config_free_ptr) struct image_config *c = NULL;
    SW_CLEANUP(sw_free_ptr) char *text = NULL;
    const struct image *img = NULL;
    json_t *root;
    size_t len;
    int r = image_find(s, what, &img, err);

    if (r == 0)
        r = image_config_json(s, img, &text, &len, err);
    if (r < 0)
        return r;
    root = json_loadb(text, len, 0, NULL);
    if (root == NULL)
        return sw_err_set(err, SW_E_CORRUPT, "the config of image %s is damaged", img->id);
    c = sw_calloc(1, sizeof(*c));
    r = c == NULL ? -ENOMEM : take_config(c, json_object_get(root, "config"));
    json_decref(root);
    if (r == 0)
        r = take_layers(c, s, img);
    if (r < 0)
        return sw_err_set(err, r, "read the config of image %s", img->id);
    memcpy(c->id, img->id, sizeof(c->id));
    *out = sw_steal(c);
    return 0;
}
