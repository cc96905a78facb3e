/* SPDX-License-Identifier: Apache-2.0
 * sweep.c - remove what the index does not name. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/image/disk.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/map.h"
#include "common/log/log.h"

struct sweep {
    char *dir;
    struct sw_map keep; /* hex digests, borrowed from names */
    char (*names)[IMAGE_DIGEST_LEN + 1];
    size_t n;
    unsigned removed;
    struct sw_err err;
};

int sweep_tmp(const char *dir, struct sw_err *err)
{
    char path[DISK_PATH_MAX];
    DIR *d;
    int r = 0;

    snprintf(path, sizeof(path), "%s/tmp", dir);
    d = opendir(path);
    if (d == NULL)
        return sw_err_errno(err, errno, "open '%s'", path);
    for (struct dirent *e; r == 0 && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/tmp/%s", dir, e->d_name);
        r = disk_remove_tree(path, err);
    }
    closedir(d);
    return r;
}

/* A layer is renamed first: half a layer must never be found under its name. */
static int sweep_one(struct sweep *w, const char *kind, const char *name)
{
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];

    snprintf(from, sizeof(from), "%s/%s/%s", w->dir, kind, name);
    if (strcmp(kind, "layer") != 0)
        return disk_remove_tree(from, &w->err);
    snprintf(to, sizeof(to), "%s/tmp/swept-%.80s", w->dir, name);
    if (rename(from, to) < 0)
        return sw_err_errno(&w->err, errno, "move '%s'", from);
    return disk_remove_tree(to, &w->err);
}

static void sweep_folder(struct sweep *w, const char *kind)
{
    char path[DISK_PATH_MAX];
    DIR *d;

    snprintf(path, sizeof(path), "%s/%s", w->dir, kind);
    d = opendir(path);
    if (d == NULL)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            sw_strmap_get(&w->keep, e->d_name) != NULL)
            continue;
        if (sweep_one(w, kind, e->d_name) == 0)
            w->removed++;
    }
    closedir(d);
}

static void on_sweep(uv_work_t *work)
{
    struct sweep *w = work->data;

    sweep_folder(w, "layer");
    sweep_folder(w, "blobs/sha256");
}

static void sweep_free(struct sweep *w)
{
    sw_map_fini(&w->keep);
    sw_free(w->names);
    sw_free(w->dir);
    sw_free(w);
}

static void on_swept(uv_work_t *work, int status)
{
    struct sweep *w = work->data;
    struct image_store *s = sw_container_of(work, struct image_store, sweep_work);

    (void)status;
    if (w->err.code != 0)
        log_warn("images not swept: %s", w->err.msg);
    else if (w->removed > 0)
        log_info("images swept removed=%u", w->removed);
    sweep_free(w);
    s->sweeping = false;
    store_settle(s);
}

static int keep(struct sweep *w, const char *digest)
{
    strcpy(w->names[w->n], digest + 7);
    return sw_strmap_put(&w->keep, w->names[w->n++], w);
}

bool sweep_start(struct image_store *s)
{
    struct sweep *w = sw_calloc(1, sizeof(*w));
    size_t n = 0;
    int r;

    s->sweep_wanted = false; /* also when memory is short: the next removal tries again */
    if (w == NULL)
        return false;
    for (size_t i = 0; i < s->n_images; i++)
        n += 2 + s->images[i]->n_layers;
    sw_map_init(&w->keep);
    w->dir = sw_strdup(s->dir);
    w->names = sw_calloc(n + 1, sizeof(*w->names));
    r = w->dir == NULL || w->names == NULL ? -ENOMEM : 0;
    for (size_t i = 0; r == 0 && i < s->n_images; i++) {
        const struct image *img = s->images[i];

        r = keep(w, img->id);
        if (r == 0)
            r = keep(w, img->manifest);
        for (size_t k = 0; r == 0 && k < img->n_layers; k++)
            r = keep(w, img->layers[k].digest);
    }
    if (r < 0) {
        sweep_free(w);
        return false;
    }
    s->sweeping = true;
    s->sweep_work.data = w;
    uv_queue_work(s->loop, &s->sweep_work, on_sweep, on_swept);
    return true;
}
