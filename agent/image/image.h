/* SPDX-License-Identifier: Apache-2.0
 * image.h - the images of this node: content-addressed blobs, unpacked layers, names.
 *
 * On disk, below the store's folder:
 *   blobs/sha256/<hex>  manifests, configs and layers, each verified against its name
 *   layer/<hex>/        a layer unpacked for overlayfs, named by the digest of its blob
 *   index.json          images and names, replaced atomically: what it does not list is garbage
 *   tmp/                work in progress, emptied at open
 * Blobs and layers are complete and on disk before index.json names them, so a crash at any point
 * leaves the images of before.
 *
 * Archives are read by child processes without privileges or file system (child.h); what they say
 * is checked again. One loop thread owns the store; slow work runs on threads of its own. */
#ifndef SWARM_AGENT_IMAGE_IMAGE_H
#define SWARM_AGENT_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/image/ref.h"
#include "common/base/err.h"

struct uv_loop_s;
struct image_store; /* opaque, store.h */
struct image_op;    /* a load or import under way, opaque, load.c */

struct image_limits {       /* zero: the default in parentheses */
    uint64_t archive_bytes; /* unpacked size of one archive or layer (64 GiB) */
    uint64_t entries;       /* files in one archive or layer (2 million) */
    unsigned layers;        /* of one image (127) */
};

struct image_store_options {
    const char *dir; /* copied; made when missing */
    struct image_limits limits;
    /** in_use() - the container that uses the image @id ("sha256:..."), NULL when none does. May
     * itself be NULL. @running: filled, whether that container runs. */
    const char *(*in_use)(const char *id, bool *running, void *arg);
    /** on_change() - images or names changed and are on disk; before the change's done(). May be
     * NULL. */
    void (*on_change)(void *arg);
    void *arg;
};

/**
 * image_store_open() - read the index, throw away what a crash left
 * @out:  returned, image_store_close()
 * @loop: borrowed, must outlive the store
 * @opt:  copied
 *
 * Blocks: call at start. Return: 0; SW_E_CORRUPT when index.json does not parse; errno.
 */
int image_store_open(struct image_store **out, struct uv_loop_s *loop,
                     const struct image_store_options *opt, struct sw_err *err);
/** image_store_close() - cancel what is under way, then @done (may be NULL), on the loop. */
void image_store_close(struct image_store *s, void (*done)(void *arg), void *arg);

/* ---- what is there ------------------------------------------------------------------------- */

struct image_layer {
    char digest[IMAGE_DIGEST_LEN + 1];  /* of the blob */
    char diff_id[IMAGE_DIGEST_LEN + 1]; /* of the uncompressed tar */
    char *media_type;
    uint64_t size;      /* of the blob, bytes */
    uint64_t disk_size; /* unpacked, bytes */
};

/* One image. Borrowed from the store until the loop's next turn. */
struct image {
    char id[IMAGE_DIGEST_LEN + 1];       /* digest of the config */
    char manifest[IMAGE_DIGEST_LEN + 1]; /* digest of the manifest */
    char *manifest_type;
    uint64_t manifest_size;
    uint64_t config_size;
    int64_t created_ns; /* from the config; 0 unknown */
    int64_t tagged_ns;  /* 0 never */
    char *architecture;
    char *os;
    struct image_layer *layers; /* lowest first */
    size_t n_layers;
    char **names; /* "docker.io/library/web:1", sorted */
    size_t n_names;
    char **digests; /* "docker.io/library/web@sha256:..", of the manifest */
    size_t n_digests;
};

size_t image_count(const struct image_store *s);
const struct image *image_at(const struct image_store *s, size_t i); /* newest first */
/**
 * image_find() - by name ("web", "web:1", "web@sha256:.."), id or unique id prefix
 * Return: 0; SW_E_NOT_FOUND "No such image: web:latest"; SW_E_INVALID for a bad reference.
 */
int image_find(const struct image_store *s, const char *what, const struct image **out,
               struct sw_err *err);
uint64_t image_size(const struct image *img); /* unpacked, all layers */

/* What a container needs to know of its image; see the OCI image specification, config.md. */
struct image_health {
    char **test; /* NULL: the image has no health check */
    size_t n_test;
    int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
    int64_t retries;
};

struct image_config {
    char id[IMAGE_DIGEST_LEN + 1];
    char **entrypoint;
    size_t n_entrypoint;
    char **cmd;
    size_t n_cmd;
    char **env; /* "NAME=value" */
    size_t n_env;
    char *user;        /* "" when not given */
    char *workdir;     /* "" when not given */
    char *stop_signal; /* "" when not given */
    char **labels;     /* "name=value" */
    size_t n_labels;
    char **ports; /* "80/tcp" */
    size_t n_ports;
    char **volumes; /* "/data" */
    size_t n_volumes;
    struct image_health health;
    char **lower; /* layer folders, absolute, lowest first: rootfs_options.lower */
    size_t n_lower;
};

/**
 * image_resolve() - find an image and read its config
 * @out: returned, image_config_free(); a copy, independent of the store
 *
 * Reads one small file. Return: as image_find(); SW_E_CORRUPT.
 */
int image_resolve(const struct image_store *s, const char *what, struct image_config **out,
                  struct sw_err *err);
void image_config_free(struct image_config *c);
/** image_config_json() - the config's bytes, zero-terminated, sw_free(). Reads one small file. */
int image_config_json(const struct image_store *s, const struct image *img, char **out, size_t *len,
                      struct sw_err *err);

/* ---- changes ------------------------------------------------------------------------------- */

/** Once, on the loop, never inside the call that took it; the change is on disk when @err is NULL.
 */
typedef void image_done(const struct sw_err *err, void *arg);

/** image_tag() - give the image @what the name @ref as well. Return: 0: @done follows; < 0: not. */
int image_tag(struct image_store *s, const char *what, const struct image_ref *ref,
              image_done *done, void *arg, struct sw_err *err);

struct image_removed {
    char **untagged; /* "web:1", "web@sha256:..": as docker shows them */
    size_t n_untagged;
    char **deleted; /* "sha256:...": the image, and layers that went with it */
    size_t n_deleted;
    uint64_t bytes;
};
void image_removed_fini(struct image_removed *r);

/**
 * image_remove() - take the name away; the image itself when that was its last, or @what is an id
 * @out: filled on success, image_removed_fini()
 *
 * Return: 0: @done follows; as image_find(); SW_E_CONFLICT with docker's text when a container
 * uses it or, for an id, several names refer to it (unless @force).
 */
int image_remove(struct image_store *s, const char *what, bool force, struct image_removed *out,
                 image_done *done, void *arg, struct sw_err *err);
/**
 * image_prune() - remove images that no container uses and @keep() does not hold
 * @keep: may be NULL
 * @all:  also those that have a name
 */
int image_prune(struct image_store *s, bool all, bool (*keep)(const struct image *img, void *arg),
                void *keep_arg, struct image_removed *out, image_done *done, void *arg,
                struct sw_err *err);

/* ---- load, import --------------------------------------------------------------------------- */

struct image_op_cb {
    /** on_line() - progress for a client: "Loaded image: web:1\n", or for import the id. */
    void (*on_line)(const char *text, void *arg);
    /** on_drain() - image_input() may go on. */
    void (*on_drain)(void *arg);
    /** on_done() - the last callback, exactly once unless canceled. */
    void (*on_done)(const struct sw_err *err, void *arg);
};

/**
 * image_load() - read an archive: docker save of any version, or an OCI layout; plain, gzip, bzip2,
 *                xz or zstd
 * @out: borrowed until on_done or image_op_cancel()
 * @cb:  borrowed, static
 *
 * Return: 0; -ENOMEM, -EMFILE, SW_E_UNAVAILABLE while closing.
 */
int image_load(struct image_store *s, struct image_op **out, const struct image_op_cb *cb,
               void *arg, struct sw_err *err);

struct image_import {
    const struct image_ref *ref; /* NULL: no name; copied */
    const char *message;         /* NULL: none; copied */
    const char *const *changes;  /* "CMD [\"sh\"]", ...; copied */
    size_t n_changes;
};
/** image_import() - make a one-layer image from a root file system's tar. SW_E_INVALID: changes. */
int image_import(struct image_store *s, struct image_op **out, const struct image_import *what,
                 const struct image_op_cb *cb, void *arg, struct sw_err *err);

#define IMAGE_INPUT_HIGH ((size_t)512 << 10)
/** image_input() - bytes of the archive, copied. Return: bytes waiting; pause above
 * IMAGE_INPUT_HIGH until on_drain. */
size_t image_input(struct image_op *op, const void *data, size_t len);
void image_input_end(struct image_op *op);
void image_op_cancel(struct image_op *op);

/* ---- save ------------------------------------------------------------------------------------ */

struct image_save; /* opaque, save.c */
struct image_save_cb {
    /** on_data() - more of the archive, borrowed for the call. */
    void (*on_data)(const void *data, size_t len, void *arg);
    void (*on_done)(const struct sw_err *err, void *arg); /* the last callback, unless canceled */
};

/**
 * image_save() - an archive as docker save of 25 and later writes it, which both kinds of load read
 * @names: as image_find(); a name is saved with the image, an id without
 *
 * Return: 0; as image_find(); -ENOMEM, -EMFILE.
 */
int image_save(struct image_store *s, struct image_save **out, const char *const *names, size_t n,
               const struct image_save_cb *cb, void *arg, struct sw_err *err);
void image_save_read(struct image_save *save, bool on); /* back-pressure; on at first */
void image_save_cancel(struct image_save *save);

/* ---- blobs, for other nodes ------------------------------------------------------------------ */

/** image_open_blob() - read-only descriptor. Return: fd; SW_E_NOT_FOUND. @size: bytes. */
int image_open_blob(const struct image_store *s, const char *digest, uint64_t *size,
                    struct sw_err *err);
bool image_has_blob(const struct image_store *s, const char *digest);

/* Where image_ingest() gets blobs from. One fetch at a time. */
struct image_source {
    /** fetch() - start sending the blob @digest: image_ingest_data() ..., image_ingest_end().
     * Return: 0 or < 0 with @err. */
    int (*fetch)(const char *digest, uint64_t size, void *arg, struct sw_err *err);
    /** pause() - @on: hold the data back; false: go on. */
    void (*pause)(bool on, void *arg);
    void (*cancel)(void *arg); /* the fetch under way is no longer wanted */
    void *arg;
};

struct image_ingest; /* opaque, ingest.c */
struct image_ingest_options {
    char manifest[IMAGE_DIGEST_LEN + 1];
    uint64_t manifest_size;
    const struct image_ref *ref; /* the name it gets, may be NULL; copied */
    struct image_source source;  /* copied */
    image_done *done;
    void *arg;
};

/**
 * image_ingest() - take an image over from a peer: manifest, config, then the layers that are
 *                  missing here, each verified by digest and size, committed as one
 * @out: borrowed until done or image_ingest_cancel()
 */
int image_ingest(struct image_store *s, struct image_ingest **out,
                 const struct image_ingest_options *opt, struct sw_err *err);
void image_ingest_data(struct image_ingest *in, const void *data, size_t len);
void image_ingest_end(struct image_ingest *in, const struct sw_err *err); /* of one blob */
void image_ingest_cancel(struct image_ingest *in);

#endif
