/* SPDX-License-Identifier: Apache-2.0
 * load.c - an image archive into the store, on the thread of its operation.
 *
 * How it works: the child reports the archive's files as they come; each is written to the stage
 * and hashed, its path remembered. When all are there, manifest.json (docker save) or index.json
 * (OCI layout) says which of them make images. A file that no image names goes with the stage. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/image/op.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/map.h"

#define FILES_MAX 100000u /* of one archive: the paths are kept in memory */
#define LINKS_MAX 8u

struct file {
    char *path;
    char *link; /* path it stands for, or NULL */
    struct staged_blob blob;
};

struct load {
    struct image_op *op;
    struct stage *stage;
    struct file **files;
    size_t n_files;
    struct sw_map by_path;
};

static void load_fini(struct load *l)
{
    for (size_t i = 0; i < l->n_files; i++) {
        sw_close_ptr(&l->files[i]->blob.fd);
        sw_free(l->files[i]->path);
        sw_free(l->files[i]->link);
        sw_free(l->files[i]);
    }
    sw_free(l->files);
    sw_map_fini(&l->by_path);
}

/* ---- the archive's files
 * -------------------------------------------------------------------------- */

static int add_file(struct load *l, const char *path, const char *link, struct sw_err *err)
{
    struct file *f;
    struct file **grown;

    if (l->n_files >= FILES_MAX)
        return sw_err_set(err, SW_E_INVALID, "the archive has more than %u files", FILES_MAX);
    if ((l->n_files & (l->n_files + 1)) == 0 || l->files == NULL) { /* grow by doubling */
        grown = sw_realloc(l->files, 2 * (l->n_files + 1) * sizeof(*grown));
        if (grown == NULL)
            return sw_err_set(err, -ENOMEM, "read archive");
        l->files = grown;
    }
    f = sw_calloc(1, sizeof(*f));
    if (f == NULL)
        return sw_err_set(err, -ENOMEM, "read archive");
    f->blob.fd = -1;
    l->files[l->n_files++] = f;
    f->path = sw_strdup(path);
    f->link = sw_strdup(link);
    if (f->path == NULL || (link != NULL && f->link == NULL) ||
        sw_strmap_put(&l->by_path, f->path, f) < 0)
        return sw_err_set(err, -ENOMEM, "read archive");
    return 0;
}

static int take_frame(struct load *l, struct file **open, struct sw_err *err)
{
    const struct frame *f = &l->stage->frame;
    const char *text = (const char *)f->payload;
    int r = SW_E_PROTOCOL;

    if (f->type == FRAME_FILE && *open == NULL) {
        r = add_file(l, text, NULL, err);
        if (r == 0) {
            *open = l->files[l->n_files - 1];
            r = stage_blob_begin(l->stage, &(*open)->blob, err);
        }
    } else if (f->type == FRAME_DATA && *open != NULL) {
        r = stage_blob_add(&(*open)->blob, f->payload, f->len, err);
    } else if (f->type == FRAME_END && *open != NULL) {
        r = stage_blob_end(&(*open)->blob, err);
        *open = NULL;
    } else if (f->type == FRAME_LINK && *open == NULL && strlen(text) < f->len) {
        r = add_file(l, text, text + strlen(text) + 1, err);
    } else if (f->type == FRAME_ERROR) {
        r = sw_err_set(err, SW_E_INVALID, "%s", text);
    } else {
        r = sw_err_set(err, SW_E_PROTOCOL, "archive reader sent an unexpected frame");
    }
    return r;
}

static int read_files(struct load *l, struct child *c, struct sw_err *err)
{
    struct file *open = NULL;

    for (;;) {
        int r = frame_read(c->out, l->stage->cancel_fd, &l->stage->frame, err);

        if (r == 0 && l->stage->frame.type == FRAME_DONE)
            return open == NULL ? 0
                                : sw_err_set(err, SW_E_PROTOCOL, "archive reader ended in a file");
        if (r == 0)
            r = take_frame(l, &open, err);
        if (r < 0)
            return r;
    }
}

static int read_archive(struct load *l, struct sw_err *err)
{
    char empty[4096];
    struct child_options opt = { CHILD_SPLIT, l->op->in_fd, empty, l->stage->limits, false };
    struct child c = { 0, -1 };
    int r;

    snprintf(empty, sizeof(empty), "%s/tmp/%s/empty", l->stage->dir, l->stage->tmp);
    r = child_start(&c, &opt, err);
    if (r < 0)
        return r;
    close(sw_steal_fd(&l->op->in_fd)); /* the child's alone: writers see it go */
    r = read_files(l, &c, err);
    if (r == 0)
        r = child_wait(&c, err);
    child_kill(&c);
    return r;
}

static struct file *find(struct load *l, const char *path)
{
    struct file *f = sw_strmap_get(&l->by_path, path);

    for (unsigned i = 0; f != NULL && f->link != NULL; i++)
        f = i < LINKS_MAX ? sw_strmap_get(&l->by_path, f->link) : NULL;
    return f;
}

/* Return: NULL with @err. */
static struct file *need(struct load *l, const char *path, struct sw_err *err)
{
    struct file *f = find(l, path);

    if (f == NULL)
        sw_err_set(err, SW_E_INVALID, "the archive lacks '%.200s'", path);
    return f;
}

/* A file of an OCI layout is named by its digest. */
static struct file *need_blob(struct load *l, const char *digest, struct sw_err *err)
{
    char path[128];
    struct file *f;

    snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
    f = need(l, path, err);
    if (f == NULL || strcmp(f->blob.digest, digest) == 0)
        return f;
    sw_err_set(err, SW_E_INVALID, "digest mismatch: expected %s, got %s", digest, f->blob.digest);
    return NULL;
}

/* ---- one image
 * -------------------------------------------------------------------------------------- */

struct parts {
    struct manifest manifest;
    struct staged_blob manifest_blob;
    struct config_facts facts;
    const struct staged_blob *layers[MANIFEST_LAYERS_MAX];
};

static int add_parts(struct load *l, struct parts *p, char *const *names, size_t n,
                     struct sw_err *err)
{
    struct stage_image what = { &p->manifest, p->manifest_blob.digest, p->manifest_blob.size,
                                &p->facts, p->layers };
    struct image *img = NULL;
    int r = stage_blob_keep(l->stage, &p->manifest_blob, err);

    if (r == 0)
        r = stage_image(l->stage, &what, &img, err);
    return r == 0 ? op_found(l->op, img, names, n, err) : r;
}

static int parse_config(struct load *l, struct parts *p, const struct staged_blob *config,
                        struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *json = NULL;
    int r = stage_blob_read(l->stage, config, &json, err);

    if (r == 0)
        r = config_facts_parse(&p->facts, json, (size_t)config->size, err);
    return r == 0 ? stage_blob_keep(l->stage, config, err) : r;
}

/* From a manifest of the OCI layout. */
static int add_manifest(struct load *l, struct parts *p, const struct file *manifest,
                        struct sw_err *err)
{
    struct file *config = need_blob(l, p->manifest.config.digest, err);
    int r;

    p->manifest_blob = manifest->blob;
    if (config == NULL)
        return sw_err_wrap(err, "config");
    r = parse_config(l, p, &config->blob, err);
    p->manifest.config.size = config->blob.size;
    for (size_t i = 0; r == 0 && i < p->manifest.n_items; i++) {
        struct file *layer = need_blob(l, p->manifest.items[i].digest, err);

        if (layer == NULL)
            return sw_err_wrap(err, "layer %zu", i + 1);
        p->layers[i] = &layer->blob;
        p->manifest.items[i].size = layer->blob.size;
    }
    return r;
}

static int parse_manifest(struct load *l, const struct file *f, struct manifest *out,
                          struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *json = NULL;
    int r = stage_blob_read(l->stage, &f->blob, &json, err);

    return r == 0 ? manifest_parse(out, json, (size_t)f->blob.size, err) : r;
}

static const char *this_arch(void)
{
    static char arch[65];
    struct utsname u;

    if (uname(&u) < 0)
        return "amd64";
    if (strcmp(u.machine, "x86_64") == 0)
        return "amd64";
    if (strcmp(u.machine, "aarch64") == 0)
        return "arm64";
    snprintf(arch, sizeof(arch), "%s", u.machine);
    return arch;
}

/* Follow an index of platforms to the manifest for this machine. */
static int resolve_manifest(struct load *l, const char *digest, struct manifest *out,
                            struct file **file, struct sw_err *err)
{
    char next[IMAGE_DIGEST_LEN + 1];

    strcpy(next, digest);
    for (unsigned depth = 0; depth < 4; depth++) {
        const struct manifest_desc *d;
        int r;

        *file = need_blob(l, next, err);
        r = *file == NULL ? err->code : parse_manifest(l, *file, out, err);
        if (r < 0 || !out->is_index)
            return r;
        d = manifest_choose(out, this_arch());
        if (d != NULL)
            strcpy(next, d->digest);
        manifest_fini(out);
        if (d == NULL)
            return sw_err_set(err, SW_E_INVALID, "the image is not for linux/%s", this_arch());
    }
    return sw_err_set(err, SW_E_INVALID, "indexes of indexes are nested too deeply");
}

/* ---- docker save
 * -------------------------------------------------------------------------------------- */

static int add_row_parts(struct load *l, struct parts *p, const struct archive_row *row,
                         struct sw_err *err)
{
    struct manifest *m = &p->manifest;
    SW_CLEANUP(sw_free_ptr) char *json = NULL;
    struct file *config = need(l, row->config, err);
    size_t len;
    int r;

    if (config == NULL)
        return err->code;
    r = parse_config(l, p, &config->blob, err);
    if (r < 0)
        return r;
    m->media_type = sw_strdup(MEDIA_DOCKER_MANIFEST);
    m->config.media_type = sw_strdup(MEDIA_DOCKER_CONFIG);
    strcpy(m->config.digest, config->blob.digest);
    m->config.size = config->blob.size;
    m->items = sw_calloc(row->n_layers + 1, sizeof(*m->items));
    if (m->media_type == NULL || m->config.media_type == NULL || m->items == NULL)
        return sw_err_set(err, -ENOMEM, "add image");
    for (size_t i = 0; i < row->n_layers; i++) {
        struct file *layer = need(l, row->layers[i], err);
        struct manifest_desc *d = &m->items[i];

        if (layer == NULL)
            return err->code;
        p->layers[i] = &layer->blob;
        strcpy(d->digest, layer->blob.digest);
        d->size = layer->blob.size;
        d->media_type = sw_strdup(stage_blob_media_type(l->stage, &layer->blob));
        m->n_items++;
        if (d->media_type == NULL)
            return sw_err_set(err, -ENOMEM, "add image");
    }
    json = manifest_make(&m->config, m->items, m->n_items, &len);
    if (json == NULL)
        return sw_err_set(err, -ENOMEM, "add image");
    return stage_blob_put(l->stage, &p->manifest_blob, json, len, err);
}

/* The manifest that the archive's index.json has for this config, if any: its digest is then the
 * registry's. Return: whether found. */
static bool manifest_for_config(struct load *l, const struct manifest *index, const char *config,
                                struct parts *p, struct file **file)
{
    struct sw_err ignored;

    for (size_t i = 0; index != NULL && i < index->n_items; i++) {
        if (resolve_manifest(l, index->items[i].digest, &p->manifest, file, &ignored) < 0)
            continue;
        if (strcmp(p->manifest.config.digest, config) == 0)
            return true;
        manifest_fini(&p->manifest);
    }
    return false;
}

static int full_names(const struct archive_row *row, char ***names, size_t *n, struct sw_err *err)
{
    for (size_t i = 0; i < row->n_tags; i++) {
        char full[IMAGE_REF_MAX + 32];
        struct image_ref ref;
        int r = image_ref_parse(&ref, row->tags[i], err);

        if (r < 0)
            return sw_err_wrap(err, "invalid tag '%.200s'", row->tags[i]);
        image_ref_default_tag(&ref);
        image_ref_full(&ref, full);
        if (strings_add(names, n, full) < 0)
            return sw_err_set(err, -ENOMEM, "add image");
    }
    return 0;
}

static int add_row(struct load *l, const struct archive_row *row, const struct manifest *index,
                   struct sw_err *err)
{
    struct parts p = { .manifest = { 0 } };
    struct file *config = need(l, row->config, err);
    struct file *file = NULL;
    char **names = NULL;
    size_t n = 0;
    int r;

    if (config == NULL)
        return err->code;
    r = full_names(row, &names, &n, err);
    if (r == 0 && manifest_for_config(l, index, config->blob.digest, &p, &file))
        r = add_manifest(l, &p, file, err);
    else if (r == 0)
        r = add_row_parts(l, &p, row, err);
    if (r == 0)
        r = add_parts(l, &p, names, n, err);
    strings_free(names, n);
    manifest_fini(&p.manifest);
    config_facts_fini(&p.facts);
    return r;
}

/* ---- OCI layout
 * ---------------------------------------------------------------------------------------- */

/* "1.0" alone says nothing about the image; a name has a path or a colon. */
static bool desc_name(const struct manifest_desc *d, char full[IMAGE_REF_MAX + 32])
{
    struct image_ref ref;
    struct sw_err ignored;

    if (d->name == NULL || strpbrk(d->name, ":/") == NULL ||
        image_ref_parse(&ref, d->name, &ignored) < 0)
        return false;
    image_ref_default_tag(&ref);
    image_ref_full(&ref, full);
    return true;
}

static int add_desc(struct load *l, const struct manifest_desc *d, struct sw_err *err)
{
    struct parts p = { .manifest = { 0 } };
    char full[IMAGE_REF_MAX + 32];
    char *name = full;
    struct file *file;
    int r = resolve_manifest(l, d->digest, &p.manifest, &file, err);

    if (r < 0)
        return r;
    r = add_manifest(l, &p, file, err);
    if (r == 0)
        r = add_parts(l, &p, &name, desc_name(d, full) ? 1 : 0, err);
    manifest_fini(&p.manifest);
    config_facts_fini(&p.facts);
    return r;
}

static int add_images(struct load *l, struct sw_err *err)
{
    struct file *rows_file = find(l, "manifest.json");
    struct file *index_file = find(l, "index.json");
    struct archive_row *rows = NULL;
    struct manifest index = { 0 };
    size_t n_rows = 0;
    int r = 0;

    if (rows_file == NULL && index_file == NULL)
        return sw_err_set(err, SW_E_INVALID,
                          "not an image archive: neither manifest.json nor index.json is in it");
    if (index_file != NULL)
        r = parse_manifest(l, index_file, &index, err);
    if (r == 0 && rows_file != NULL) {
        SW_CLEANUP(sw_free_ptr) char *json = NULL;

        r = stage_blob_read(l->stage, &rows_file->blob, &json, err);
        if (r == 0)
            r = archive_rows_parse(&rows, &n_rows, json, (size_t)rows_file->blob.size, err);
    }
    for (size_t i = 0; r == 0 && i < n_rows; i++)
        r = add_row(l, &rows[i], index_file == NULL ? NULL : &index, err);
    for (size_t i = 0; r == 0 && rows_file == NULL && index.is_index && i < index.n_items; i++)
        r = add_desc(l, &index.items[i], err);
    if (r == 0 && l->op->n_found == 0)
        r = sw_err_set(err, SW_E_INVALID, "the archive names no image");
    archive_rows_free(rows, n_rows);
    manifest_fini(&index);
    return r;
}

int load_run(struct image_op *op, struct stage *stage, struct sw_err *err)
{
    struct load l = { .op = op, .stage = stage };
    int r;

    sw_map_init(&l.by_path);
    r = read_archive(&l, err);
    if (r == 0)
        r = add_images(&l, err);
    load_fini(&l);
    return r;
}

static void no_params(void *params)
{
    (void)params;
}

int image_load(struct image_store *s, struct image_op **out, const struct image_op_cb *cb,
               void *arg, struct sw_err *err)
{
    struct op_options opt = { load_run, NULL, no_params, cb, arg };

    return op_new(s, out, &opt, err);
}
