/* SPDX-License-Identifier: Apache-2.0
 * stage.h - getting blobs and layers into the store, on the thread of an operation.
 *
 * How it works: everything is written below tmp/<name>/ first, hashed on the way. stage_commit()
 * makes it durable and moves it into place; only then the loop writes the index that names it.
 * Content is addressed by digest, so two stages that bring the same thing do not disturb each
 * other, and what the index never comes to name is swept later. */
#ifndef SWARM_AGENT_IMAGE_STAGE_H
#define SWARM_AGENT_IMAGE_STAGE_H

#include "agent/image/child.h"
#include "agent/image/frame.h"
#include "agent/image/image.h"
#include "agent/image/manifest.h"
#include "common/crypto/secret.h"

struct stage {
    const char *dir; /* the store's; borrowed */
    char tmp[160];   /* name of the folder below dir/tmp */
    struct image_limits limits;
    int cancel_fd;
    unsigned next_blob;
    struct staged_layer {
        char digest[IMAGE_DIGEST_LEN + 1];
    } * layers; /* unpacked and to be moved */
    size_t n_layers;
    struct staged_blob_move {
        unsigned index;
        char digest[IMAGE_DIGEST_LEN + 1];
    } * moves;
    size_t n_moves;
    struct frame frame; /* too large for a thread's stack */
};

int stage_open(struct stage *s, const char *dir, const struct image_limits *limits, int cancel_fd,
               struct sw_err *err);
/** stage_close() - remove what was not committed. */
void stage_close(struct stage *s);

/* A blob being written, then complete: file "tmp/<stage>/<index>". */
struct staged_blob {
    unsigned index;
    int fd;
    struct sw_sha256 hash;
    char digest[IMAGE_DIGEST_LEN + 1];
    uint64_t size;
};

int stage_blob_begin(struct stage *s, struct staged_blob *b, struct sw_err *err);
int stage_blob_add(struct staged_blob *b, const void *p, size_t n, struct sw_err *err);
int stage_blob_end(struct staged_blob *b, struct sw_err *err);
/** stage_blob_put() - all three. */
int stage_blob_put(struct stage *s, struct staged_blob *b, const void *p, size_t n,
                   struct sw_err *err);
/** stage_blob_read() - a small one into memory, zero-terminated; sw_free(). */
int stage_blob_read(struct stage *s, const struct staged_blob *b, char **out, struct sw_err *err);
/** stage_blob_keep() - it is to become a blob of the store at commit. */
int stage_blob_keep(struct stage *s, const struct staged_blob *b, struct sw_err *err);
/** stage_blob_media_type() - of a layer, by its first bytes; static text. */
const char *stage_blob_media_type(struct stage *s, const struct staged_blob *b);

/**
 * stage_layer() - have the layer unpacked, unless the store has it already
 * @b:       its blob; NULL: the store has the blob
 * @diff_id: what the uncompressed tar must hash to
 * @bytes:   filled: unpacked size
 *
 * Return: 0; SW_E_INVALID "digest mismatch: expected .. got ..", or what the archive does wrong.
 */
int stage_layer(struct stage *s, const char *digest, const struct staged_blob *b,
                const char *diff_id, uint64_t *bytes, struct sw_err *err);

int stage_commit(struct stage *s, struct sw_err *err);

/** stage_image() - an image of known manifest and config; its layers' blobs are kept and unpacked.
 * @layer_blobs: one per layer, NULL entries: the store has it. Return: an image without names. */
struct stage_image {
    const struct manifest *manifest;
    const char *manifest_digest;
    uint64_t manifest_size;
    const struct config_facts *facts;
    const struct staged_blob *const *layer_blobs;
};
int stage_image(struct stage *s, const struct stage_image *what, struct image **out,
                struct sw_err *err);

#endif
