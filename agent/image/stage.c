/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/image/disk.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/macro.h"
#include "common/io/file.h"

static void stage_path(const struct stage *s, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/tmp/%s/%s", s->dir, s->tmp, name);
}

static void blob_tmp_path(const struct stage *s, unsigned index, char *out, size_t size)
{
    char name[16];

    snprintf(name, sizeof(name), "%u", index);
    stage_path(s, name, out, size);
}

int stage_open(struct stage *s, const char *dir, const struct image_limits *limits, int cancel_fd,
               struct sw_err *err)
{
    struct sw_id id;
    char path[DISK_PATH_MAX];

    memset(s, 0, sizeof(*s));
    s->dir = dir;
    s->limits = *limits;
    s->cancel_fd = cancel_fd;
    sw_id_random(&id);
    sw_id_format(&id, s->tmp);
    stage_path(s, "empty", path, sizeof(path)); /* all that readers of archives see */
    return sw_dir_make(path, 0755, err);
}

void stage_close(struct stage *s)
{
    char path[DISK_PATH_MAX];
    struct sw_err ignored;

    snprintf(path, sizeof(path), "%s/tmp/%s", s->dir, s->tmp);
    if (s->tmp[0] != '\0')
        disk_remove_tree(path, &ignored); /* what stays goes when the store is opened again */
    sw_free(s->layers);
    sw_free(s->moves);
}

/* ---- blobs --------------------------------------------------------------------------------------
 */

int stage_blob_begin(struct stage *s, struct staged_blob *b, struct sw_err *err)
{
    char path[DISK_PATH_MAX];

    memset(b, 0, sizeof(*b));
    b->index = s->next_blob++;
    blob_tmp_path(s, b->index, path, sizeof(path));
    b->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (b->fd < 0)
        return sw_err_errno(err, errno, "create '%s'", path);
    sw_sha256_init(&b->hash);
    return 0;
}

int stage_blob_add(struct staged_blob *b, const void *data, size_t n, struct sw_err *err)
{
    const uint8_t *p = data;

    sw_sha256_add(&b->hash, p, n);
    b->size += n;
    while (n > 0) {
        ssize_t w = write(b->fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0) {
            sw_err_errno(err, errno, "write image data");
            close(sw_steal_fd(&b->fd));
            return err->code;
        }
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static void digest_format(const uint8_t sha256[32], char out[IMAGE_DIGEST_LEN + 1])
{
    memcpy(out, "sha256:", 7);
    sw_hex(sha256, 32, out + 7);
}

int stage_blob_end(struct staged_blob *b, struct sw_err *err)
{
    uint8_t sha256[SW_SHA256_BYTES];
    int fd = sw_steal_fd(&b->fd);

    if (close(fd) < 0)
        return sw_err_errno(err, errno, "write image data");
    sw_sha256_final(&b->hash, sha256);
    digest_format(sha256, b->digest);
    return 0;
}

int stage_blob_put(struct stage *s, struct staged_blob *b, const void *p, size_t n,
                   struct sw_err *err)
{
    int r = stage_blob_begin(s, b, err);

    if (r == 0)
        r = stage_blob_add(b, p, n, err);
    return r == 0 ? stage_blob_end(b, err) : r;
}

int stage_blob_read(struct stage *s, const struct staged_blob *b, char **out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    char path[DISK_PATH_MAX];
    int r;

    if (b->size > MANIFEST_JSON_MAX)
        return sw_err_set(err, SW_E_INVALID, "the document is larger than %zu bytes",
                          MANIFEST_JSON_MAX);
    blob_tmp_path(s, b->index, path, sizeof(path));
    r = sw_file_read(path, MANIFEST_JSON_MAX, &text, err);
    if (r != 0)
        return r < 0 ? r : sw_err_set(err, SW_E_INTERNAL, "'%s' vanished", path);
    *out = text.len == 0 ? sw_strdup("") : sw_buf_steal(&text);
    return *out == NULL ? sw_err_set(err, -ENOMEM, "read image data") : 0;
}

int stage_blob_keep(struct stage *s, const struct staged_blob *b, struct sw_err *err)
{
    struct staged_blob_move *m;

    for (size_t i = 0; i < s->n_moves; i++)
        if (strcmp(s->moves[i].digest, b->digest) == 0)
            return 0;
    m = sw_realloc(s->moves, (s->n_moves + 1) * sizeof(*m));
    if (m == NULL)
        return sw_err_set(err, -ENOMEM, "keep image data");
    s->moves = m;
    m += s->n_moves++;
    m->index = b->index;
    strcpy(m->digest, b->digest);
    return 0;
}

const char *stage_blob_media_type(struct stage *s, const struct staged_blob *b)
{
    char path[DISK_PATH_MAX];
    uint8_t magic[4] = { 0 };
    SW_CLEANUP(sw_close_ptr) int fd = -1;

    blob_tmp_path(s, b->index, path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic)) {
        if (magic[0] == 0x1f && magic[1] == 0x8b)
            return MEDIA_DOCKER_LAYER_GZ;
        if (memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0)
            return "application/vnd.oci.image.layer.v1.tar+zstd";
    }
    return MEDIA_DOCKER_LAYER;
}

/* ---- layers -------------------------------------------------------------------------------------
 */

/* The folder came from the child and may be anything: no links, never above the layer. */
static int set_opaque(int root, const char *path, struct sw_err *err)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                            .resolve =
                                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    SW_CLEANUP(sw_close_ptr)
    int fd = (int)syscall(SYS_openat2, root, *path == '\0' ? "." : path, &how, sizeof(how));

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0; /* replaced by something that hides all below anyway, or reached by a link */
    if (fd < 0 || fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
        return sw_err_errno(err, errno, "%.200s: mark as opaque", path);
    return 0;
}

static int unpack_frames(struct stage *s, struct child *c, int root, struct frame_totals *totals,
                         struct sw_err *err)
{
    for (;;) {
        int r = frame_read(c->out, s->cancel_fd, &s->frame, err);

        if (r == 0 && s->frame.type == FRAME_DONE)
            return frame_unpack_totals(&s->frame, totals)
                       ? 0
                       : sw_err_set(err, SW_E_PROTOCOL, "archive reader sent a malformed result");
        if (r == 0 && s->frame.type == FRAME_ERROR)
            r = sw_err_set(err, SW_E_INVALID, "%s", (const char *)s->frame.payload);
        else if (r == 0 && s->frame.type == FRAME_OPAQUE)
            r = set_opaque(root, (const char *)s->frame.payload, err);
        else if (r == 0)
            r = sw_err_set(err, SW_E_PROTOCOL, "archive reader sent an unexpected frame");
        if (r < 0)
            return r;
    }
}

static int unpack(struct stage *s, int blob, const char *fs, bool plain,
                  struct frame_totals *totals, struct sw_err *err)
{
    struct child_options opt = { CHILD_UNPACK, blob, fs, s->limits, plain };
    SW_CLEANUP(sw_close_ptr) int root = open(fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct child c = { 0, -1 };
    int r;

    if (root < 0)
        return sw_err_errno(err, errno, "open '%s'", fs);
    r = child_start(&c, &opt, err);
    if (r < 0)
        return r;
    r = unpack_frames(s, &c, root, totals, err);
    if (r == 0)
        r = child_wait(&c, err);
    child_kill(&c);
    return r;
}

static int check_diff_id(const char *expected, const char *got, struct sw_err *err)
{
    return strcmp(expected, got) == 0
               ? 0
               : sw_err_set(err, SW_E_INVALID, "digest mismatch: expected %s, got %s", expected,
                            got);
}

static int stage_unpacked(struct stage *s, const char *digest, const char *layer, int blob,
                          const char *diff_id, uint64_t *bytes, struct sw_err *err)
{
    char fs[DISK_PATH_MAX + 8];
    struct frame_totals totals;
    struct disk_layer_meta meta = { "", 0 };
    struct staged_layer *l;
    bool plain = strcmp(digest, diff_id) == 0; /* we have hashed the blob ourselves */
    int r;

    snprintf(fs, sizeof(fs), "%s/fs", layer);
    r = sw_dir_make(fs, 0755, err);
    if (r == 0)
        r = unpack(s, blob, fs, plain, &totals, err);
    if (r < 0)
        return r;
    if (plain)
        strcpy(meta.diff_id, digest);
    else
        digest_format(totals.sha256, meta.diff_id);
    meta.bytes = totals.bytes;
    r = check_diff_id(diff_id, meta.diff_id, err);
    if (r == 0)
        r = disk_layer_meta_write(layer, &meta, err);
    if (r < 0)
        return r;
    l = sw_realloc(s->layers, (s->n_layers + 1) * sizeof(*l));
    if (l == NULL)
        return sw_err_set(err, -ENOMEM, "unpack layer");
    s->layers = l;
    strcpy(l[s->n_layers++].digest, digest);
    *bytes = totals.bytes;
    return 0;
}

int stage_layer(struct stage *s, const char *digest, const struct staged_blob *b,
                const char *diff_id, uint64_t *bytes, struct sw_err *err)
{
    char layer[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    struct disk_layer_meta meta;
    struct sw_err absent;
    SW_CLEANUP(sw_close_ptr) int blob = -1;

    disk_layer_path(s->dir, digest, path, sizeof(path));
    stage_path(s, digest + 7, layer, sizeof(layer)); /* once before in this image */
    if (disk_layer_meta_read(path, &meta, &absent) == 0 ||
        disk_layer_meta_read(layer, &meta, &absent) == 0) {
        *bytes = meta.bytes;
        return check_diff_id(diff_id, meta.diff_id, err);
    }
    if (b != NULL)
        blob_tmp_path(s, b->index, path, sizeof(path));
    else
        disk_blob_path(s->dir, digest, path, sizeof(path));
    blob = open(path, O_RDONLY | O_CLOEXEC);
    if (blob < 0)
        return sw_err_errno(err, errno, "open layer %s", digest);
    return stage_unpacked(s, digest, layer, blob, diff_id, bytes, err);
}

/* ---- commit -------------------------------------------------------------------------------------
 */

/* Renaming onto what is there already means that another stage brought the same. */
static int move_into_place(const char *from, const char *to, struct sw_err *err)
{
    if (disk_exists(to) || rename(from, to) == 0 || errno == EEXIST || errno == ENOTEMPTY)
        return 0;
    return sw_err_errno(err, errno, "move '%s'", to);
}

int stage_commit(struct stage *s, struct sw_err *err)
{
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    int r = disk_sync(s->dir, err);

    for (size_t i = 0; r == 0 && i < s->n_layers; i++) {
        stage_path(s, s->layers[i].digest + 7, from, sizeof(from));
        disk_layer_path(s->dir, s->layers[i].digest, to, sizeof(to));
        r = move_into_place(from, to, err);
    }
    for (size_t i = 0; r == 0 && i < s->n_moves; i++) {
        blob_tmp_path(s, s->moves[i].index, from, sizeof(from));
        disk_blob_path(s->dir, s->moves[i].digest, to, sizeof(to));
        r = move_into_place(from, to, err);
    }
    return r == 0 ? disk_sync(s->dir, err) : r;
}

static int stage_image_layers(struct stage *s, const struct stage_image *what, struct image *img,
                              struct sw_err *err)
{
    const struct manifest *m = what->manifest;

    for (size_t i = 0; i < m->n_items; i++) {
        struct image_layer *l = &img->layers[i];
        const struct staged_blob *b = what->layer_blobs[i];
        int r;

        strcpy(l->digest, m->items[i].digest);
        strcpy(l->diff_id, what->facts->diff_ids[i]);
        l->size = m->items[i].size;
        l->media_type = sw_strdup(m->items[i].media_type);
        if (l->media_type == NULL)
            return sw_err_set(err, -ENOMEM, "add image");
        img->n_layers++;
        r = stage_layer(s, l->digest, b, l->diff_id, &l->disk_size, err);
        if (r == 0 && b != NULL)
            r = stage_blob_keep(s, b, err);
        if (r < 0)
            return r == SW_E_CANCELED ? r : sw_err_wrap(err, "layer %zu", i + 1);
    }
    return 0;
}

int stage_image(struct stage *s, const struct stage_image *what, struct image **out,
                struct sw_err *err)
{
    const struct manifest *m = what->manifest;
    struct image *img;
    int r;

    if (m->n_items != what->facts->n_diff_ids)
        return sw_err_set(err, SW_E_INVALID, "the image has %zu layers, its config names %zu",
                          m->n_items, what->facts->n_diff_ids);
    if (m->n_items > s->limits.layers)
        return sw_err_set(err, SW_E_INVALID, "the image has more than %u layers", s->limits.layers);
    img = sw_calloc(1, sizeof(*img));
    if (img == NULL)
        return sw_err_set(err, -ENOMEM, "add image");
    strcpy(img->id, m->config.digest);
    strcpy(img->manifest, what->manifest_digest);
    img->manifest_size = what->manifest_size;
    img->config_size = m->config.size;
    img->created_ns = what->facts->created_ns;
    img->manifest_type = sw_strdup(*m->media_type == '\0' ? MEDIA_OCI_MANIFEST : m->media_type);
    img->architecture = sw_strdup(what->facts->architecture);
    img->os = sw_strdup(what->facts->os);
    img->layers = sw_calloc(m->n_items + 1, sizeof(*img->layers));
    if (img->manifest_type == NULL || img->architecture == NULL || img->os == NULL ||
        img->layers == NULL)
        r = sw_err_set(err, -ENOMEM, "add image");
    else
        r = stage_image_layers(s, what, img, err);
    if (r < 0) {
        image_free(img);
        return r;
    }
    *out = img;
    return 0;
}
