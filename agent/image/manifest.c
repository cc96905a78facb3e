/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/base/alloc.h"
#include "common/base/time.h"

static json_t *load(const char *json, size_t len, const char *what, struct sw_err *err)
{
    json_error_t je;
    json_t *v = len > MANIFEST_JSON_MAX ? NULL : json_loadb(json, len, JSON_REJECT_DUPLICATES, &je);

    if (v == NULL && len > MANIFEST_JSON_MAX)
        sw_err_set(err, SW_E_INVALID, "%s is too large", what);
    else if (v == NULL)
        sw_err_set(err, SW_E_INVALID, "%s is not valid JSON: line %d: %s", what, je.line, je.text);
    return v;
}

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s == NULL ? "" : s;
}

/* ---- descriptors, manifests, indexes -----------------------------------------------------------
 */

static void desc_fini(struct manifest_desc *d)
{
    sw_free(d->media_type);
    sw_free(d->name);
    sw_free(d->os);
    sw_free(d->architecture);
}

static int parse_desc(struct manifest_desc *d, const json_t *o, struct sw_err *err)
{
    const json_t *platform = json_object_get(o, "platform");
    const json_t *notes = json_object_get(o, "annotations");
    const char *digest = str(o, "digest");
    const char *name = str(notes, "io.containerd.image.name");
    json_int_t size = json_integer_value(json_object_get(o, "size"));

    if (!image_digest_is_valid(digest))
        return sw_err_set(err, SW_E_INVALID, "invalid digest '%.80s'", digest);
    if (size < 0)
        return sw_err_set(err, SW_E_INVALID, "negative size of %s", digest);
    strcpy(d->digest, digest);
    d->size = (uint64_t)size;
    if (*name == '\0')
        name = str(notes, "org.opencontainers.image.ref.name");
    d->media_type = sw_strdup(str(o, "mediaType"));
    if (d->media_type == NULL)
        return sw_err_set(err, -ENOMEM, "read manifest");
    if (*name != '\0')
        d->name = sw_strdup(name);
    if (platform != NULL) {
        d->os = sw_strdup(str(platform, "os"));
        d->architecture = sw_strdup(str(platform, "architecture"));
    }
    return 0;
}

static int parse_items(struct manifest *m, const json_t *items, struct sw_err *err)
{
    size_t n = json_array_size(items);
    size_t max = m->is_index ? MANIFEST_IMAGES_MAX : MANIFEST_LAYERS_MAX;

    if (n > max)
        return sw_err_set(err, SW_E_INVALID, "more than %zu %s", max,
                          m->is_index ? "manifests" : "layers");
    m->items = sw_calloc(n + 1, sizeof(*m->items));
    if (m->items == NULL)
        return sw_err_set(err, -ENOMEM, "read manifest");
    for (; m->n_items < n; m->n_items++) {
        int r = parse_desc(&m->items[m->n_items], json_array_get(items, m->n_items), err);

        if (r < 0) {
            desc_fini(&m->items[m->n_items]);
            return sw_err_wrap(err, "%s %zu", m->is_index ? "manifest" : "layer", m->n_items + 1);
        }
    }
    return 0;
}

int manifest_parse(struct manifest *out, const char *json, size_t len, struct sw_err *err)
{
    struct manifest m = { 0 };
    json_t *root = load(json, len, "manifest", err);
    const json_t *manifests = json_object_get(root, "manifests");
    int r = 0;

    if (root == NULL)
        return err->code;
    m.is_index = json_is_array(manifests);
    m.media_type = sw_strdup(str(root, "mediaType"));
    if (m.media_type == NULL)
        r = sw_err_set(err, -ENOMEM, "read manifest");
    else if (json_integer_value(json_object_get(root, "schemaVersion")) != 2)
        r = sw_err_set(err, SW_E_INVALID, "manifest: schemaVersion is not 2");
    else if (m.is_index)
        r = parse_items(&m, manifests, err);
    else if (parse_desc(&m.config, json_object_get(root, "config"), err) < 0)
        r = sw_err_wrap(err, "manifest: config");
    else
        r = parse_items(&m, json_object_get(root, "layers"), err);
    json_decref(root);
    if (r < 0) {
        manifest_fini(&m);
        return r;
    }
    *out = m;
    return 0;
}

void manifest_fini(struct manifest *m)
{
    for (size_t i = 0; i < m->n_items; i++)
        desc_fini(&m->items[i]);
    sw_free(m->items);
    desc_fini(&m->config);
    sw_free(m->media_type);
    memset(m, 0, sizeof(*m));
}

const struct manifest_desc *manifest_choose(const struct manifest *index, const char *arch)
{
    const struct manifest_desc *any = NULL;

    for (size_t i = 0; i < index->n_items; i++) {
        const struct manifest_desc *d = &index->items[i];

        if (d->os == NULL || d->architecture == NULL) {
            if (any == NULL)
                any = d;
        } else if (strcmp(d->os, "linux") == 0 && strcmp(d->architecture, arch) == 0) {
            return d;
        }
    }
    return any;
}

/* ---- docker save's manifest.json
 * ----------------------------------------------------------------- */

static void strings_free(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sw_free(v[i]);
    sw_free(v);
}

static int parse_strings(char ***out, size_t *n_out, const json_t *a, size_t max, const char *what,
                         struct sw_err *err)
{
    size_t n = json_array_size(a);
    char **v;

    if (n > max)
        return sw_err_set(err, SW_E_INVALID, "manifest.json: more than %zu %s", max, what);
    v = sw_calloc(n + 1, sizeof(*v));
    for (size_t i = 0; v != NULL && i < n; i++) {
        const char *s = json_string_value(json_array_get(a, i));

        v[i] = sw_strdup(s);
        if (v[i] == NULL) {
            strings_free(v, i);
            if (s == NULL)
                return sw_err_set(err, SW_E_INVALID, "manifest.json: %s are not strings", what);
            v = NULL;
        }
    }
    if (v == NULL)
        return sw_err_set(err, -ENOMEM, "read manifest.json");
    *out = v;
    *n_out = n;
    return 0;
}

static int parse_row(struct archive_row *row, const json_t *o, struct sw_err *err)
{
    const char *config = str(o, "Config");
    int r;

    if (*config == '\0')
        return sw_err_set(err, SW_E_INVALID, "manifest.json: an image without Config");
    row->config = sw_strdup(config);
    if (row->config == NULL)
        return sw_err_set(err, -ENOMEM, "read manifest.json");
    r = parse_strings(&row->tags, &row->n_tags, json_object_get(o, "RepoTags"), MANIFEST_IMAGES_MAX,
                      "names", err);
    if (r == 0)
        r = parse_strings(&row->layers, &row->n_layers, json_object_get(o, "Layers"),
                          MANIFEST_LAYERS_MAX, "layers", err);
    return r;
}

int archive_rows_parse(struct archive_row **out, size_t *n_out, const char *json, size_t len,
                       struct sw_err *err)
{
    json_t *root = load(json, len, "manifest.json", err);
    size_t n = json_array_size(root);
    struct archive_row *rows;
    int r = 0;

    if (root == NULL)
        return err->code;
    if (!json_is_array(root) || n > MANIFEST_IMAGES_MAX) {
        json_decref(root);
        return sw_err_set(err, SW_E_INVALID, "manifest.json: a list of images is expected");
    }
    rows = sw_calloc(n + 1, sizeof(*rows));
    if (rows == NULL)
        r = sw_err_set(err, -ENOMEM, "read manifest.json");
    for (size_t i = 0; r == 0 && i < n; i++)
        r = parse_row(&rows[i], json_array_get(root, i), err);
    json_decref(root);
    if (r < 0) {
        archive_rows_free(rows, rows == NULL ? 0 : n);
        return r;
    }
    *out = rows;
    *n_out = n;
    return 0;
}

void archive_rows_free(struct archive_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sw_free(rows[i].config);
        strings_free(rows[i].tags, rows[i].n_tags);
        strings_free(rows[i].layers, rows[i].n_layers);
    }
    sw_free(rows);
}

/* ---- config -------------------------------------------------------------------------------------
 */

int config_facts_parse(struct config_facts *out, const char *json, size_t len, struct sw_err *err)
{
    struct config_facts f = { 0 };
    json_t *root = load(json, len, "image config", err);
    const json_t *ids = json_object_get(json_object_get(root, "rootfs"), "diff_ids");
    int r = 0;

    if (root == NULL)
        return err->code;
    f.architecture = sw_strdup(str(root, "architecture"));
    f.os = sw_strdup(str(root, "os"));
    f.diff_ids = sw_calloc(json_array_size(ids) + 1, sizeof(*f.diff_ids));
    if (f.architecture == NULL || f.os == NULL || f.diff_ids == NULL)
        r = sw_err_set(err, -ENOMEM, "read image config");
    else if (!json_is_object(root) || !json_is_array(ids))
        r = sw_err_set(err, SW_E_INVALID, "image config has no rootfs.diff_ids");
    else if (json_array_size(ids) > MANIFEST_LAYERS_MAX)
        r = sw_err_set(err, SW_E_INVALID, "more than %d layers", MANIFEST_LAYERS_MAX);
    for (size_t i = 0; r == 0 && i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));

        if (id == NULL || !image_digest_is_valid(id))
            r = sw_err_set(err, SW_E_INVALID, "image config: invalid diff_id of layer %zu", i + 1);
        else
            strcpy(f.diff_ids[f.n_diff_ids++], id);
    }
    if (r == 0 && !sw_rfc3339_parse(str(root, "created"), &f.created_ns))
        f.created_ns = 0;
    json_decref(root);
    if (r < 0) {
        config_facts_fini(&f);
        return r;
    }
    *out = f;
    return 0;
}

void config_facts_fini(struct config_facts *f)
{
    sw_free(f->architecture);
    sw_free(f->os);
    sw_free(f->diff_ids);
    memset(f, 0, sizeof(*f));
}

/* ---- making one
 * ---------------------------------------------------------------------------------- */

static json_t *desc_json(const struct manifest_desc *d)
{
    return json_pack("{s:s, s:I, s:s}", "mediaType", d->media_type, "size", (json_int_t)d->size,
                     "digest", d->digest);
}

char *manifest_make(const struct manifest_desc *config, const struct manifest_desc *layers,
                    size_t n, size_t *len)
{
    json_t *list = json_array();
    json_t *root = NULL;
    char *text = NULL;
    char *out = NULL;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, desc_json(&layers[i]));
    root = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", MEDIA_DOCKER_MANIFEST,
                     "config", desc_json(config), "layers", list);
    if (root != NULL)
        text = json_dumps(root, JSON_INDENT(3));
    json_decref(root);
    if (text != NULL) {
        *len = strlen(text);
        out = sw_memdup(text, *len + 1);
        free(text); /* jansson's */
    }
    return out;
}
