/* SPDX-License-Identifier: Apache-2.0
 * ingest.c - an image from another node, blob by blob, on the thread of its operation. */
#include <errno.h>
#include <string.h>

#include "agent/image/disk.h"
#include "agent/image/op.h"
#include "common/base/alloc.h"

struct image_ingest {
    struct image_op *op;
    struct image_ingest_options opt;
    char *name; /* full reference, NULL for none */
    bool paused;
};

static void ingest_free(void *params)
{
    struct image_ingest *in = params;

    sw_free(in->name);
    sw_free(in);
}

/* ---- on the thread ----------------------------------------------------------------------------
 */

static int fetch_json(struct image_op *op, struct stage *s, const char *digest, uint64_t size,
                      struct staged_blob *b, char **json, struct sw_err *err)
{
    int r;

    if (size > MANIFEST_JSON_MAX)
        return sw_err_set(err, SW_E_INVALID, "%s is too large", digest);
    r = op_fetch(op, s, digest, size, b, err);
    if (r == 0)
        r = stage_blob_read(s, b, json, err);
    return r == 0 ? stage_blob_keep(s, b, err) : r;
}

static int fetch_layers(struct image_op *op, struct stage *s, const struct manifest *m,
                        struct staged_blob *blobs, const struct staged_blob **layers,
                        struct sw_err *err)
{
    for (size_t i = 0; i < m->n_items; i++) {
        char path[DISK_PATH_MAX];
        int r;

        for (size_t k = 0; k < i && layers[i] == NULL; k++) /* the same layer twice */
            if (layers[k] != NULL && strcmp(m->items[k].digest, m->items[i].digest) == 0)
                layers[i] = layers[k];
        disk_blob_path(s->dir, m->items[i].digest, path, sizeof(path));
        if (layers[i] != NULL || disk_exists(path))
            continue;
        r = op_fetch(op, s, m->items[i].digest, m->items[i].size, &blobs[i], err);
        if (r < 0)
            return r == SW_E_CANCELED ? r : sw_err_wrap(err, "layer %zu", i + 1);
        layers[i] = &blobs[i];
    }
    return 0;
}

static int add(struct image_op *op, struct stage *s, const struct manifest *m,
               const struct config_facts *facts, struct sw_err *err)
{
    struct image_ingest *in = op->params;
    struct staged_blob *blobs = sw_calloc(m->n_items + 1, sizeof(*blobs));
    const struct staged_blob *layers[MANIFEST_LAYERS_MAX] = { NULL };
    struct stage_image what = { m, in->opt.manifest, in->opt.manifest_size, facts, layers };
    struct image *img = NULL;
    int r = blobs == NULL ? sw_err_set(err, -ENOMEM, "ingest image") : 0;

    if (r == 0)
        r = fetch_layers(op, s, m, blobs, layers, err);
    if (r == 0)
        r = stage_image(s, &what, &img, err);
    sw_free(blobs);
    return r == 0 ? op_found(op, img, &in->name, in->name != NULL, err) : r;
}

static int ingest_run(struct image_op *op, struct stage *s, struct sw_err *err)
{
    struct image_ingest *in = op->params;
    struct staged_blob blob;
    struct manifest m = { 0 };
    struct config_facts facts = { 0 };
    SW_CLEANUP(sw_free_ptr) char *json = NULL;
    SW_CLEANUP(sw_free_ptr) char *config = NULL;
    int r = fetch_json(op, s, in->opt.manifest, in->opt.manifest_size, &blob, &json, err);

    if (r == 0)
        r = manifest_parse(&m, json, (size_t)in->opt.manifest_size, err);
    if (r == 0 && m.is_index)
        r = sw_err_set(err, SW_E_INVALID, "%s is an index, not an image", in->opt.manifest);
    if (r == 0)
        r = fetch_json(op, s, m.config.digest, m.config.size, &blob, &config, err);
    if (r == 0)
        r = config_facts_parse(&facts, config, (size_t)m.config.size, err);
    if (r == 0)
        r = add(op, s, &m, &facts, err);
    manifest_fini(&m);
    config_facts_fini(&facts);
    return r;
}

/* ---- on the loop --------------------------------------------------------------------------------
 */

static void on_drain(void *arg)
{
    struct image_ingest *in = arg;

    if (!in->paused)
        return;
    in->paused = false;
    in->opt.source.pause(false, in->opt.source.arg);
}

static void stop_fetching(struct image_ingest *in)
{
    if (!in->op->fetching)
        return;
    in->op->fetching = false;
    in->opt.source.cancel(in->opt.source.arg);
}

static void on_done(const struct sw_err *err, void *arg)
{
    struct image_ingest *in = arg;

    stop_fetching(in);
    in->opt.done(err, in->opt.arg);
}

static const struct image_op_cb ingest_cb = { NULL, on_drain, on_done };

int image_ingest(struct image_store *s, struct image_ingest **out,
                 const struct image_ingest_options *opt, struct sw_err *err)
{
    struct image_ingest *in = sw_calloc(1, sizeof(*in));
    struct op_options op = { ingest_run, in, ingest_free, &ingest_cb, in };
    int r;

    if (in == NULL)
        return sw_err_set(err, -ENOMEM, "ingest image");
    in->opt = *opt;
    in->opt.ref = NULL;
    if (opt->ref != NULL) {
        char full[IMAGE_REF_MAX + 32];
        struct image_ref ref = *opt->ref;

        ref.digest[0] = '\0';
        image_ref_default_tag(&ref);
        image_ref_full(&ref, full);
        in->name = sw_strdup(full);
        if (in->name == NULL) {
            ingest_free(in);
            return sw_err_set(err, -ENOMEM, "ingest image");
        }
    }
    if (!image_digest_is_valid(opt->manifest)) {
        ingest_free(in);
        return sw_err_set(err, SW_E_INVALID, "invalid digest of a manifest");
    }
    r = op_new(s, &in->op, &op, err);
    if (r < 0)
        return r;
    in->op->source = &in->opt.source;
    *out = in;
    return 0;
}

void image_ingest_data(struct image_ingest *in, const void *data, size_t len)
{
    if (image_input(in->op, data, len) <= IMAGE_INPUT_HIGH || in->paused)
        return;
    in->paused = true;
    in->opt.source.pause(true, in->opt.source.arg);
}

void image_ingest_end(struct image_ingest *in, const struct sw_err *err)
{
    in->op->fetching = false;
    if (err == NULL)
        return;
    in->op->fetch_err = *err;
    image_input_end(in->op);
}

void image_ingest_cancel(struct image_ingest *in)
{
    if (in == NULL)
        return;
    stop_fetching(in);
    image_op_cancel(in->op);
}
