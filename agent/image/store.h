/* SPDX-License-Identifier: Apache-2.0
 * store.h - inside of the store (private to agent/image).
 *
 * How it works: the index in memory is the truth; store_commit() writes all of it behind each
 * change, one write at a time, later changes joining the next. Whatever the index no longer names
 * is swept when no operation is under way and the index is on disk; an operation that starts
 * meanwhile waits for the sweep, so that nothing it counts on vanishes. */
#ifndef SWARM_AGENT_IMAGE_STORE_H
#define SWARM_AGENT_IMAGE_STORE_H

#include <uv.h>

#include "agent/image/image.h"
#include "common/base/list.h"

struct image_store {
    uv_loop_t *loop;
    char *dir;
    struct image_store_options opt;
    struct image **images; /* newest first */
    size_t n_images;

    struct sw_list ops;   /* struct image_op, in the order of arrival */
    struct sw_list saves; /* struct image_save under way: they read blobs, so nothing is swept */
    unsigned ops_running;

    bool dirty; /* the index in memory is newer than what was last handed to the writer */
    bool writing;
    struct sw_list waiters; /* for the next write */
    struct sw_list writers; /* for the one under way */
    uv_work_t write_work;
    char *write_text;
    struct sw_err write_err;

    bool sweep_wanted;
    bool sweeping;
    uv_work_t sweep_work;
    struct sweep *sweep;

    bool closing;
    uv_timer_t close_timer;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* store.c */
void image_free(struct image *img);
/** store_commit() - write the index; @done (may be NULL) as image_done. Return: 0, -ENOMEM. */
int store_commit(struct image_store *s, image_done *done, void *arg, struct sw_err *err);
/** store_settle() - after anything ended: sweep, start what waits, finish closing. */
void store_settle(struct image_store *s);
struct image *store_by_id(const struct image_store *s, const char *id);
struct image *store_by_manifest(const struct image_store *s, const char *digest);
/** store_find() - as image_find(), for changing. @by_name: the name it was found by, else NULL. */
int store_find(const struct image_store *s, const char *what, struct image **out,
               const char **by_name, struct sw_err *err);
/** store_add() - take @img over (owned); an equal id keeps its record. Return: the record; NULL
 * when memory is gone, @img is then freed. */
struct image *store_add(struct image_store *s, struct image *img);
void store_drop(struct image_store *s, struct image *img);
/** store_name() - give @img the name @full, taking it from whoever has it. @loser: that one. */
int store_name(struct image_store *s, struct image *img, const char *full, struct image **loser,
               struct sw_err *err);
/** store_add_digest() - "name@sha256:.." of the image's own manifest. */
int store_add_digest(struct image *img, const char *name, struct sw_err *err);
bool strings_remove(char **v, size_t *n, const char *s);
int strings_add(char ***v, size_t *n, const char *s); /* sorted, once; 0 or -ENOMEM */
void strings_free(char **v, size_t n);

/* index.c, pure */
char *index_encode(struct image *const *images, size_t n); /* sw_free(); NULL: memory is gone */
int index_decode(const char *text, size_t len, struct image ***out, size_t *n, struct sw_err *err);

/* sweep.c */
bool sweep_start(struct image_store *s); /* false: could not */
/** sweep_tmp() - empty tmp/; blocks, at start. */
int sweep_tmp(const char *dir, struct sw_err *err);

/* op.c */
void op_start(struct image_op *op);
void op_cancel_all(struct image_store *s);

/* save.c */
void save_cancel_all(struct image_store *s);

#endif
