/* SPDX-License-Identifier: Apache-2.0
 * change.c - names given and taken, images removed. Texts are docker's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/time.h"

int store_name(struct image_store *s, struct image *img, const char *full, struct image **loser,
               struct sw_err *err)
{
    *loser = NULL;
    if (strings_add(&img->names, &img->n_names, full) < 0)
        return sw_err_set(err, -ENOMEM, "name image");
    for (size_t i = 0; i < s->n_images; i++) {
        struct image *other = s->images[i];

        if (other != img && strings_remove(other->names, &other->n_names, full))
            *loser = other;
    }
    img->tagged_ns = sw_now_ns();
    return 0;
}

int store_add_digest(struct image *img, const char *name, struct sw_err *err)
{
    char full[IMAGE_REF_MAX + 32];

    snprintf(full, sizeof(full), "%s@%s", name, img->manifest);
    return strings_add(&img->digests, &img->n_digests, full) < 0
               ? sw_err_set(err, -ENOMEM, "name image")
               : 0;
}

int image_tag(struct image_store *s, const char *what, const struct image_ref *ref,
              image_done *done, void *arg, struct sw_err *err)
{
    char full[IMAGE_REF_MAX + 32];
    struct image_ref named = *ref;
    struct image *img = NULL;
    struct image *loser;
    const char *by_name;
    int r = store_find(s, what, &img, &by_name, err);

    if (r < 0)
        return r;
    if (ref->digest[0] != '\0')
        return sw_err_set(err, SW_E_INVALID, "refusing to create a tag with a digest reference");
    image_ref_default_tag(&named);
    image_ref_full(&named, full);
    r = store_name(s, img, full, &loser, err);
    return r < 0 ? r : store_commit(s, done, arg, err);
}

/* ---- removing
 * -------------------------------------------------------------------------------------- */

void image_removed_fini(struct image_removed *r)
{
    strings_free(r->untagged, r->n_untagged);
    strings_free(r->deleted, r->n_deleted);
    memset(r, 0, sizeof(*r));
}

static int append(char ***v, size_t *n, const char *s)
{
    char **grown = sw_realloc(*v, (*n + 1) * sizeof(*grown));

    if (grown == NULL)
        return -ENOMEM;
    *v = grown;
    grown[*n] = sw_strdup(s);
    return grown[*n] == NULL ? -ENOMEM : (++*n, 0);
}

static int untag(struct image *img, const char *full, struct image_removed *out)
{
    int r = append(&out->untagged, &out->n_untagged, image_name_familiar(full));

    if (r == 0 && !strings_remove(img->names, &img->n_names, full))
        strings_remove(img->digests, &img->n_digests, full);
    return r;
}

static bool layer_is_shared(const struct image_store *s, const struct image *img,
                            const char *digest)
{
    for (size_t i = 0; i < s->n_images; i++)
        for (size_t k = 0; s->images[i] != img && k < s->images[i]->n_layers; k++)
            if (strcmp(s->images[i]->layers[k].digest, digest) == 0)
                return true;
    return false;
}

static int drop(struct image_store *s, struct image *img, struct image_removed *out)
{
    int r = append(&out->deleted, &out->n_deleted, img->id);

    for (size_t i = img->n_layers; r == 0 && i-- > 0;) {
        if (layer_is_shared(s, img, img->layers[i].digest))
            continue;
        out->bytes += img->layers[i].disk_size;
        r = append(&out->deleted, &out->n_deleted, img->layers[i].diff_id);
    }
    if (r == 0)
        store_drop(s, img);
    return r;
}

/* The short form of an id, as docker's texts have it. */
#define SHORT_ID(id) ((strncmp((id), "sha256:", 7) == 0) ? (id) + 7 : (id))

static const char *user_of(const struct image_store *s, const struct image *img, bool *running)
{
    *running = false;
    return s->opt.in_use == NULL ? NULL : s->opt.in_use(img->id, running, s->opt.arg);
}

static int check_in_use(const struct image_store *s, const struct image *img, const char *by_name,
                        bool force, struct sw_err *err)
{
    bool running;
    const char *container = user_of(s, img, &running);

    if (container == NULL)
        return 0;
    if (by_name != NULL && !force)
        return sw_err_set(err, SW_E_CONFLICT,
                          "conflict: unable to remove repository reference \"%.200s\" (must force) "
                          "- container %.12s is using its referenced image %.12s",
                          image_name_familiar(by_name), container, SHORT_ID(img->id));
    if (by_name != NULL)
        return 0; /* the name goes, the image stays */
    return sw_err_set(
        err, SW_E_CONFLICT,
        "conflict: unable to delete %.12s (cannot be forced) - image is being used by "
        "%s container %.12s",
        SHORT_ID(img->id), running ? "running" : "stopped", container);
}

static int remove_names(struct image *img, struct image_removed *out)
{
    int r = 0;

    while (r == 0 && img->n_names > 0)
        r = untag(img, img->names[0], out);
    while (r == 0 && img->n_digests > 0)
        r = untag(img, img->digests[0], out);
    return r;
}

static int remove_found(struct image_store *s, struct image *img, const char *by_name, bool force,
                        struct image_removed *out, struct sw_err *err)
{
    bool running;
    bool last = img->n_names + (img->n_names == 0 ? img->n_digests : 0) <= 1;
    int r;

    if (by_name != NULL && !last) {
        r = untag(img, by_name, out);
        return r < 0 ? sw_err_set(err, r, "remove image") : 0;
    }
    if (by_name == NULL && img->n_names > 1 && !force)
        return sw_err_set(err, SW_E_CONFLICT,
                          "conflict: unable to delete %.12s (must be forced) - image is referenced "
                          "in multiple repositories",
                          SHORT_ID(img->id));
    r = check_in_use(s, img, by_name, force, err);
    if (r < 0)
        return r;
    r = by_name != NULL && user_of(s, img, &running) != NULL ? untag(img, by_name, out)
                                                             : remove_names(img, out);
    if (r == 0 && user_of(s, img, &running) == NULL)
        r = drop(s, img, out);
    return r < 0 ? sw_err_set(err, r, "remove image") : 0;
}

int image_remove(struct image_store *s, const char *what, bool force, struct image_removed *out,
                 image_done *done, void *arg, struct sw_err *err)
{
    struct image_removed removed = { 0 };
    SW_CLEANUP(sw_free_ptr) char *name = NULL; /* the record's own text goes away */
    struct image *img = NULL;
    const char *by_name;
    int r = store_find(s, what, &img, &by_name, err);

    if (r < 0)
        return r;
    if (by_name != NULL) {
        name = sw_strdup(by_name);
        if (name == NULL)
            return sw_err_set(err, -ENOMEM, "remove image");
    }
    r = remove_found(s, img, name, force, &removed, err);
    if (r == 0)
        r = store_commit(s, done, arg, err);
    if (r < 0) {
        image_removed_fini(&removed);
        return r;
    }
    *out = removed;
    return 0;
}

int image_prune(struct image_store *s, bool all, bool (*keep)(const struct image *img, void *arg),
                void *keep_arg, struct image_removed *out, image_done *done, void *arg,
                struct sw_err *err)
{
    struct image_removed removed = { 0 };
    bool running;
    int r = 0;

    for (size_t i = s->n_images; r == 0 && i-- > 0;) {
        struct image *img = s->images[i];

        if ((img->n_names > 0 && !all) || user_of(s, img, &running) != NULL ||
            (keep != NULL && keep(img, keep_arg)))
            continue;
        r = remove_names(img, &removed);
        if (r == 0)
            r = drop(s, img, &removed);
    }
    if (r < 0)
        sw_err_set(err, r, "remove images");
    else
        r = store_commit(s, done, arg, err);
    if (r < 0) {
        image_removed_fini(&removed);
        return r;
    }
    *out = removed;
    return 0;
}
