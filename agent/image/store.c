/* SPDX-License-Identifier: Apache-2.0
 * store.c - opening, the index and its writer, closing. */
#include "agent/image/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/image/disk.h"
#include "agent/image/manifest.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/io/file.h"
#include "common/log/log.h"

#define INDEX_MAX ((size_t)64 << 20)

struct waiter {
    struct sw_list link;
    image_done *done;
    void *arg;
};

/* ---- lists of strings
 * ---------------------------------------------------------------------------- */

void strings_free(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sw_free(v[i]);
    sw_free(v);
}

int strings_add(char ***v, size_t *n, const char *s)
{
    size_t at = 0;
    char **grown;
    char *copy;

    while (at < *n && strcmp((*v)[at], s) < 0)
        at++;
    if (at < *n && strcmp((*v)[at], s) == 0)
        return 0;
    copy = sw_strdup(s);
    grown = copy == NULL ? NULL : sw_realloc(*v, (*n + 1) * sizeof(**v));
    if (grown == NULL) {
        sw_free(copy);
        return -ENOMEM;
    }
    *v = grown;
    memmove(grown + at + 1, grown + at, (*n - at) * sizeof(*grown));
    grown[at] = copy;
    ++*n;
    return 0;
}

bool strings_remove(char **v, size_t *n, const char *s)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(v[i], s) != 0)
            continue;
        sw_free(v[i]);
        memmove(v + i, v + i + 1, (*n - i - 1) * sizeof(*v));
        --*n;
        return true;
    }
    return false;
}

/* ---- images in memory
 * ------------------------------------------------------------------------------ */

void image_free(struct image *img)
{
    if (img == NULL)
        return;
    for (size_t i = 0; i < img->n_layers; i++)
        sw_free(img->layers[i].media_type);
    sw_free(img->layers);
    strings_free(img->names, img->n_names);
    strings_free(img->digests, img->n_digests);
    sw_free(img->manifest_type);
    sw_free(img->architecture);
    sw_free(img->os);
    sw_free(img);
}

size_t image_count(const struct image_store *s)
{
    return s->n_images;
}

const struct image *image_at(const struct image_store *s, size_t i)
{
    assert(i < s->n_images);
    return s->images[i];
}

uint64_t image_size(const struct image *img)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < img->n_layers; i++)
        sum += img->layers[i].disk_size;
    return sum;
}

struct image *store_by_id(const struct image_store *s, const char *id)
{
    for (size_t i = 0; i < s->n_images; i++)
        if (strcmp(s->images[i]->id, id) == 0)
            return s->images[i];
    return NULL;
}

struct image *store_by_manifest(const struct image_store *s, const char *digest)
{
    for (size_t i = 0; i < s->n_images; i++)
        if (strcmp(s->images[i]->manifest, digest) == 0)
            return s->images[i];
    return NULL;
}

struct image *store_add(struct image_store *s, struct image *img)
{
    struct image *have = store_by_id(s, img->id);
    struct image **grown;
    size_t at = 0;

    if (have != NULL) { /* containers may stand on its layers: it stays as it is */
        image_free(img);
        return have;
    }
    grown = sw_realloc(s->images, (s->n_images + 1) * sizeof(struct image *));
    if (grown == NULL) {
        image_free(img);
        return NULL;
    }
    s->images = grown;
    while (at < s->n_images && grown[at]->created_ns > img->created_ns)
        at++;
    memmove(grown + at + 1, grown + at, (s->n_images - at) * sizeof(struct image *));
    grown[at] = img;
    s->n_images++;
    return img;
}

void store_drop(struct image_store *s, struct image *img)
{
    for (size_t i = 0; i < s->n_images; i++) {
        if (s->images[i] != img)
            continue;
        memmove(s->images + i, s->images + i + 1, (s->n_images - i - 1) * sizeof(struct image *));
        s->n_images--;
        break;
    }
    image_free(img);
    s->sweep_wanted = true;
}

/* ---- opening
 * ----------------------------------------------------------------------------------------- */

static bool image_is_whole(const struct image_store *s, const struct image *img)
{
    char path[DISK_PATH_MAX];
    bool whole = image_has_blob(s, img->manifest) && image_has_blob(s, img->id);

    for (size_t i = 0; i < img->n_layers && whole; i++) {
        disk_layer_path(s->dir, img->layers[i].digest, path, sizeof(path));
        whole = disk_exists(path);
    }
    return whole;
}

static int read_index(struct image_store *s, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    char path[DISK_PATH_MAX];
    struct image **images;
    size_t n;
    int r;

    snprintf(path, sizeof(path), "%s/index.json", s->dir);
    r = sw_file_read(path, INDEX_MAX, &text, err);
    if (r == SW_FILE_ABSENT)
        return 0;
    if (r == 0)
        r = index_decode(sw_buf_str(&text), text.len, &images, &n, err);
    if (r < 0)
        return sw_err_wrap(err, "read '%s'", path);
    for (size_t i = 0; i < n; i++) {
        if (image_is_whole(s, images[i])) {
            if (store_add(s, images[i]) == NULL)
                r = sw_err_set(err, -ENOMEM, "read '%s'", path);
        } else {
            log_warn("image dropped, a part of it is missing on disk image=%s", images[i]->id);
            image_free(images[i]);
        }
    }
    sw_free(images);
    return r;
}

static int make_folders(const struct image_store *s, struct sw_err *err)
{
    static const char *const names[] = { "blobs/sha256", "layer", "tmp" };
    char path[DISK_PATH_MAX];
    int r = 0;

    for (size_t i = 0; i < SW_ARRAY_LEN(names) && r == 0; i++) {
        snprintf(path, sizeof(path), "%s/%s", s->dir, names[i]);
        r = sw_dir_make(path, 0700, err);
    }
    return r;
}

int image_store_open(struct image_store **out, struct uv_loop_s *loop,
                     const struct image_store_options *opt, struct sw_err *err)
{
    struct image_store *s = sw_calloc(1, sizeof(*s));
    int r;

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "open image store");
    s->loop = loop;
    s->opt = *opt;
    s->dir = sw_strdup(opt->dir);
    s->opt.dir = s->dir;
    if (s->opt.limits.archive_bytes == 0)
        s->opt.limits.archive_bytes = (uint64_t)64 << 30;
    if (s->opt.limits.entries == 0)
        s->opt.limits.entries = 2000000;
    if (s->opt.limits.layers == 0)
        s->opt.limits.layers = MANIFEST_LAYERS_MAX;
    sw_list_init(&s->ops);
    sw_list_init(&s->saves);
    sw_list_init(&s->waiters);
    sw_list_init(&s->writers);
    r = s->dir == NULL ? sw_err_set(err, -ENOMEM, "open image store") : make_folders(s, err);
    if (r == 0)
        r = sweep_tmp(s->dir, err);
    if (r == 0)
        r = read_index(s, err);
    if (r < 0) {
        for (size_t i = 0; i < s->n_images; i++)
            image_free(s->images[i]);
        sw_free(s->images);
        sw_free(s->dir);
        sw_free(s);
        return sw_err_wrap(err, "open image store");
    }
    s->sweep_wanted = true;
    store_settle(s);
    *out = s;
    return 0;
}

/* ---- writing the index
 * -------------------------------------------------------------------------------- */

static void on_write(uv_work_t *w)
{
    struct image_store *s = w->data;
    char path[DISK_PATH_MAX];

    if (s->write_text == NULL) {
        sw_err_set(&s->write_err, -ENOMEM, "write the image index");
        return;
    }
    snprintf(path, sizeof(path), "%s/index.json", s->dir);
    sw_file_write(path, s->write_text, strlen(s->write_text), 0600, &s->write_err);
}

static void on_written(uv_work_t *w, int status)
{
    struct image_store *s = w->data;
    struct sw_err err = s->write_err;

    (void)status;
    sw_free(s->write_text);
    s->write_text = NULL;
    s->writing = false;
    if (err.code != 0)
        log_error("image index not written: %s", err.msg);
    else if (s->opt.on_change != NULL && !s->closing)
        s->opt.on_change(s->opt.arg);
    for (struct sw_list *l; (l = sw_list_pop_front(&s->writers)) != NULL;) {
        struct waiter *waiter = sw_list_entry(l, struct waiter, link);

        if (waiter->done != NULL)
            waiter->done(err.code == 0 ? NULL : &err, waiter->arg);
        sw_free(waiter);
    }
    store_settle(s);
}

static void write_start(struct image_store *s)
{
    for (struct sw_list *l; (l = sw_list_pop_front(&s->waiters)) != NULL;)
        sw_list_push_back(&s->writers, l);
    s->dirty = false;
    s->writing = true;
    s->write_err.code = 0;
    s->write_text = index_encode(s->images, s->n_images);
    s->write_work.data = s;
    uv_queue_work(s->loop, &s->write_work, on_write, on_written);
}

int store_commit(struct image_store *s, image_done *done, void *arg, struct sw_err *err)
{
    struct waiter *w = sw_malloc(sizeof(*w));

    if (w == NULL)
        return sw_err_set(err, -ENOMEM, "write the image index");
    w->done = done;
    w->arg = arg;
    sw_list_push_back(&s->waiters, &w->link);
    s->dirty = true;
    store_settle(s);
    return 0;
}

/* ---- what comes next
 * ------------------------------------------------------------------------------------ */

static void on_close_timer_closed(uv_handle_t *h)
{
    struct image_store *s = h->data;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    for (size_t i = 0; i < s->n_images; i++)
        image_free(s->images[i]);
    sw_free(s->images);
    sw_free(s->dir);
    sw_free(s);
    if (closed != NULL)
        closed(arg);
}

void store_settle(struct image_store *s)
{
    if (s->writing || s->sweeping)
        return;
    if (s->dirty) {
        write_start(s);
        return;
    }
    if (s->sweep_wanted && s->ops_running == 0 && sw_list_empty(&s->saves) && !s->closing &&
        sweep_start(s))
        return;
    sw_list_each_safe(l, &s->ops) op_start((struct image_op *)l); /* link is its first member */
    if (s->closing && sw_list_empty(&s->ops) && sw_list_empty(&s->saves) &&
        !uv_is_closing((uv_handle_t *)&s->close_timer))
        uv_close((uv_handle_t *)&s->close_timer, on_close_timer_closed);
}

static void on_close_step(uv_timer_t *t)
{
    op_cancel_all(t->data);
    save_cancel_all(t->data);
    store_settle(t->data);
}

void image_store_close(struct image_store *s, void (*done)(void *arg), void *arg)
{
    if (s == NULL)
        return;
    assert(!s->closing);
    s->closing = true;
    s->closed = done;
    s->closed_arg = arg;
    uv_timer_init(s->loop, &s->close_timer);
    s->close_timer.data = s;
    uv_timer_start(&s->close_timer, on_close_step, 0, 0);
}
