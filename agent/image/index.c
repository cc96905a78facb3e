/* SPDX-License-Identifier: Apache-2.0
 * index.c - index.json, to and from memory. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "agent/image/manifest.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"

#define INDEX_VERSION 1

static json_t *encode_strings(char *const *v, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(v[i]));
    return a;
}

static json_t *encode_image(const struct image *img)
{
    json_t *layers = json_array();

    for (size_t i = 0; i < img->n_layers; i++) {
        const struct image_layer *l = &img->layers[i];

        json_array_append_new(layers,
                              json_pack("{s:s, s:s, s:s, s:I, s:I}", "digest", l->digest, "diffId",
                                        l->diff_id, "type", l->media_type, "size",
                                        (json_int_t)l->size, "disk", (json_int_t)l->disk_size));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:o}", "id", img->id,
                     "manifest", img->manifest, "manifestType", img->manifest_type, "manifestSize",
                     (json_int_t)img->manifest_size, "configSize", (json_int_t)img->config_size,
                     "created", (json_int_t)img->created_ns, "tagged", (json_int_t)img->tagged_ns,
                     "arch", img->architecture, "os", img->os, "layers", layers, "names",
                     encode_strings(img->names, img->n_names), "digests",
                     encode_strings(img->digests, img->n_digests));
}

char *index_encode(struct image *const *images, size_t n)
{
    json_t *list = json_array();
    json_t *root;
    char *text;
    char *out;
    bool ok = list != NULL;

    for (size_t i = 0; i < n; i++)
        ok = json_array_append_new(list, encode_image(images[i])) == 0 && ok;
    root = json_pack("{s:i, s:o}", "version", INDEX_VERSION, "images", list);
    text = root == NULL || !ok ? NULL : json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    out = sw_strdup(text);
    free(text); /* jansson's */
    return out;
}

static int decode_strings(char ***out, size_t *n, const json_t *a)
{
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s == NULL || strings_add(out, n, s) < 0)
            return -1;
    }
    return 0;
}

static bool copy_digest(char *out, const char *s)
{
    if (s == NULL || !image_digest_is_valid(s))
        return false;
    strcpy(out, s);
    return true;
}

static int decode_layers(struct image *img, const json_t *a)
{
    size_t n = json_array_size(a);

    if (n > MANIFEST_LAYERS_MAX)
        return -1;
    img->layers = sw_calloc(n + 1, sizeof(*img->layers));
    for (size_t i = 0; img->layers != NULL && i < n; i++) {
        const json_t *o = json_array_get(a, i);
        struct image_layer *l = &img->layers[i];

        l->media_type = sw_strdup(json_string_value(json_object_get(o, "type")));
        l->size = (uint64_t)json_integer_value(json_object_get(o, "size"));
        l->disk_size = (uint64_t)json_integer_value(json_object_get(o, "disk"));
        img->n_layers++;
        if (l->media_type == NULL ||
            !copy_digest(l->digest, json_string_value(json_object_get(o, "digest"))) ||
            !copy_digest(l->diff_id, json_string_value(json_object_get(o, "diffId"))))
            return -1;
    }
    return img->layers == NULL ? -1 : 0;
}

static struct image *decode_image(json_t *o)
{
    struct image *img = sw_calloc(1, sizeof(*img));
    const char *id, *manifest, *type, *arch, *os;
    json_int_t manifest_size, config_size, created, tagged;
    json_t *layers, *names, *digests;

    if (img == NULL)
        return NULL;
    if (json_unpack(o, "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:o}", "id", &id,
                    "manifest", &manifest, "manifestType", &type, "manifestSize", &manifest_size,
                    "configSize", &config_size, "created", &created, "tagged", &tagged, "arch",
                    &arch, "os", &os, "layers", &layers, "names", &names, "digests",
                    &digests) == 0 &&
        copy_digest(img->id, id) && copy_digest(img->manifest, manifest)) {
        img->manifest_type = sw_strdup(type);
        img->manifest_size = (uint64_t)manifest_size;
        img->config_size = (uint64_t)config_size;
        img->created_ns = created;
        img->tagged_ns = tagged;
        img->architecture = sw_strdup(arch);
        img->os = sw_strdup(os);
        if (img->manifest_type != NULL && img->architecture != NULL && img->os != NULL &&
            decode_layers(img, layers) == 0 &&
            decode_strings(&img->names, &img->n_names, names) == 0 &&
            decode_strings(&img->digests, &img->n_digests, digests) == 0)
            return img;
    }
    image_free(img);
    return NULL;
}

int index_decode(const char *text, size_t len, struct image ***out, size_t *n_out,
                 struct sw_err *err)
{
    json_error_t je;
    json_t *root = json_loadb(text, len, 0, &je);
    json_t *list = json_object_get(root, "images");
    size_t n = json_array_size(list);
    struct image **v = sw_calloc(n + 1, sizeof(*v));
    size_t i = 0;

    if (root != NULL && v != NULL && json_is_array(list) &&
        json_integer_value(json_object_get(root, "version")) == INDEX_VERSION)
        for (; i < n; i++) {
            v[i] = decode_image(json_array_get(list, i));
            if (v[i] == NULL)
                break;
        }
    if (v == NULL || root == NULL || !json_is_array(list) || i < n ||
        json_integer_value(json_object_get(root, "version")) != INDEX_VERSION) {
        while (i-- > 0)
            image_free(v[i]);
        sw_free(v);
        json_decref(root);
        return sw_err_set(err, SW_E_CORRUPT, "the image index is damaged (image %zu)", i + 1);
    }
    json_decref(root);
    *out = v;
    *n_out = n;
    return 0;
}
