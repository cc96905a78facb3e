/* SPDX-License-Identifier: Apache-2.0
 * import.c - an image of one layer from a root file system's tar. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <jansson.h>

#include "agent/image/changes.h"
#include "agent/image/op.h"
#include "common/base/alloc.h"
#include "common/base/time.h"

struct import {
    char *name; /* full reference, "" for none */
    char *message;
    json_t *config; /* of the container: what the changes made */
    char created[SW_RFC3339_MAX];
};

static void import_free(void *params)
{
    struct import *p = params;

    if (p == NULL)
        return;
    sw_free(p->name);
    sw_free(p->message);
    json_decref(p->config);
    sw_free(p);
}

/* The stream without its compression becomes the layer's blob: its digest is then the diff id. */
static int read_layer(struct image_op *op, struct stage *s, struct staged_blob *b,
                      struct sw_err *err)
{
    char empty[4096];
    struct child_options opt = { CHILD_INFLATE, op->in_fd, empty, s->limits, false };
    struct child c = { 0, -1 };
    int r;

    snprintf(empty, sizeof(empty), "%s/tmp/%s/empty", s->dir, s->tmp);
    r = child_start(&c, &opt, err);
    if (r < 0)
        return r;
    close(sw_steal_fd(&op->in_fd)); /* the child's alone: writers see it go */
    for (bool more = true; r == 0 && more;) {
        r = frame_read(c.out, s->cancel_fd, &s->frame, err);
        if (r == 0 && s->frame.type == FRAME_ERROR)
            r = sw_err_set(err, SW_E_INVALID, "%s", (const char *)s->frame.payload);
        else if (r == 0 && s->frame.type == FRAME_DATA)
            r = stage_blob_add(b, s->frame.payload, s->frame.len, err);
        else if (r == 0)
            more = s->frame.type != FRAME_DONE;
    }
    if (r == 0)
        r = child_wait(&c, err);
    child_kill(&c);
    return r;
}

static char *make_config(const struct import *p, const char *diff_id)
{
    struct utsname u;
    const char *arch = "amd64";
    json_t *root;
    char *text;
    char *out;

    if (uname(&u) == 0 && strcmp(u.machine, "x86_64") != 0)
        arch = strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine;
    root = json_pack("{s:s, s:s, s:s, s:O, s:{s:s, s:[s]}, s:[{s:s, s:s}]}", "architecture", arch,
                     "os", "linux", "created", p->created, "config", p->config, "rootfs", "type",
                     "layers", "diff_ids", diff_id, "history", "created", p->created, "comment",
                     p->message);
    text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    out = sw_strdup(text);
    free(text); /* jansson's */
    return out;
}

static int make_image(struct image_op *op, struct stage *s, const struct staged_blob *layer,
                      struct sw_err *err)
{
    struct import *p = op->params;
    SW_CLEANUP(sw_free_ptr) char *config = make_config(p, layer->digest);
    SW_CLEANUP(sw_free_ptr) char *json = NULL;
    struct staged_blob config_blob = { .fd = -1 };
    struct staged_blob manifest_blob = { .fd = -1 };
    struct config_facts facts = { 0 };
    char docker_manifest[] = MEDIA_DOCKER_MANIFEST;
    char docker_config[] = MEDIA_DOCKER_CONFIG;
    char docker_layer[] = MEDIA_DOCKER_LAYER;
    struct manifest_desc item = { .media_type = docker_layer, .size = layer->size };
    struct manifest m = { .media_type = docker_manifest, .items = &item, .n_items = 1 };
    const struct staged_blob *layers[1] = { layer };
    struct stage_image what = { &m, manifest_blob.digest, 0, &facts, layers };
    struct image *img = NULL;
    size_t len = 0;
    int r = config == NULL ? sw_err_set(err, -ENOMEM, "import image") : 0;

    if (r == 0)
        r = stage_blob_put(s, &config_blob, config, strlen(config), err);
    if (r == 0)
        r = config_facts_parse(&facts, config, strlen(config), err);
    strcpy(item.digest, layer->digest);
    strcpy(m.config.digest, config_blob.digest);
    m.config.media_type = docker_config;
    m.config.size = config_blob.size;
    if (r == 0)
        json = manifest_make(&m.config, m.items, 1, &len);
    if (r == 0 && json == NULL)
        r = sw_err_set(err, -ENOMEM, "import image");
    if (r == 0)
        r = stage_blob_put(s, &manifest_blob, json, len, err);
    what.manifest_size = len;
    if (r == 0)
        r = stage_blob_keep(s, &config_blob, err);
    if (r == 0)
        r = stage_blob_keep(s, &manifest_blob, err);
    if (r == 0)
        r = stage_image(s, &what, &img, err);
    config_facts_fini(&facts);
    return r == 0 ? op_found(op, img, &p->name, *p->name != '\0', err) : r;
}

static int import_run(struct image_op *op, struct stage *stage, struct sw_err *err)
{
    struct staged_blob layer = { .fd = -1 };
    int r = stage_blob_begin(stage, &layer, err);

    if (r == 0)
        r = read_layer(op, stage, &layer, err);
    if (r == 0)
        r = stage_blob_end(&layer, err);
    sw_close_ptr(&layer.fd);
    return r == 0 ? make_image(op, stage, &layer, err) : r;
}

int image_import(struct image_store *s, struct image_op **out, const struct image_import *what,
                 const struct image_op_cb *cb, void *arg, struct sw_err *err)
{
    struct import *p = sw_calloc(1, sizeof(*p));
    struct op_options opt = { import_run, p, import_free, cb, arg };
    char full[IMAGE_REF_MAX + 32] = "";
    int r;

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "import image");
    if (what->ref != NULL) {
        struct image_ref ref = *what->ref;

        image_ref_default_tag(&ref);
        image_ref_full(&ref, full);
    }
    p->name = sw_strdup(full);
    p->message = sw_strdup(what->message == NULL ? "" : what->message);
    p->config = json_object();
    sw_rfc3339(sw_now_ns(), p->created);
    if (p->name == NULL || p->message == NULL || p->config == NULL) {
        import_free(p);
        return sw_err_set(err, -ENOMEM, "import image");
    }
    r = changes_apply(p->config, what->changes, what->n_changes, err);
    if (r < 0) {
        import_free(p);
        return r;
    }
    r = op_new(s, out, &opt, err);
    if (r == 0)
        (*out)->show_id = true;
    return r;
}
