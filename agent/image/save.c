/* SPDX-License-Identifier: Apache-2.0
 * save.c - images as one archive: an OCI layout with docker's manifest.json beside.
 *
 * How it works: a thread writes the tar into a pipe that the loop reads; a loop that does not read
 * stops the thread. Everything the thread needs is copied before it starts, and nothing is swept
 * while it runs. Canceling closes the pipe, which the thread meets as EPIPE.
 *
 *   RUNNING --thread ended and pipe empty--> ENDED */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>

#include "agent/image/disk.h"
#include "agent/image/manifest.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"

struct save_image { /* what the thread knows of one */
    char id[IMAGE_DIGEST_LEN + 1];
    char manifest[IMAGE_DIGEST_LEN + 1];
    char *manifest_type;
    uint64_t manifest_size;
    char **layers;
    size_t n_layers;
    char **names; /* full */
    size_t n_names;
};

struct image_save {
    struct sw_list link; /* in image_store.saves */
    struct image_store *store;
    const struct image_save_cb *cb; /* NULL once canceled */
    void *arg;
    uv_pipe_t in;
    uv_async_t async;
    uv_thread_t thread;
    unsigned open_handles;
    bool pipe_closed;
    bool thread_ended;
    bool paused;

    int out_fd;  /* the thread's */
    bool broken; /* nobody reads any more */
    struct save_image *images;
    size_t n_images;
    char **written; /* digests of blobs that are in the archive */
    size_t n_written;
    struct sw_err err;
};

/* ---- the thread --------------------------------------------------------------------------------
 */

/* Never fails for libarchive, which leaks its buffers after a failed write (3.6): a reader that
 * went away is noticed through s->broken. */
static la_ssize_t write_out(struct archive *a, void *arg, const void *block, size_t n)
{
    struct image_save *s = arg;
    const uint8_t *p = block;
    size_t left = n;

    (void)a;
    while (left > 0 && !s->broken) {
        ssize_t w = write(s->out_fd, p, left);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0) {
            s->broken = true;
            break;
        }
        p += w;
        left -= (size_t)w;
    }
    return (la_ssize_t)n;
}

static int begin_file(struct archive *a, const char *path, uint64_t size, struct sw_err *err)
{
    struct archive_entry *e = archive_entry_new();
    int r;

    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, (la_int64_t)size);
    archive_entry_set_mtime(e, 0, 0); /* the same images make the same archive */
    r = archive_write_header(a, e);
    archive_entry_free(e);
    return r == ARCHIVE_OK
               ? 0
               : sw_err_set(err, SW_E_INTERNAL, "%s: %s", path, archive_error_string(a));
}

static int write_all(struct archive *a, const void *p, size_t n, struct sw_err *err)
{
    return archive_write_data(a, p, n) == (la_ssize_t)n
               ? 0
               : sw_err_set(err, SW_E_INTERNAL, "write archive: %s", archive_error_string(a));
}

static int save_blob(struct image_save *s, struct archive *a, const char *digest,
                     struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    char path[IMAGE_DIGEST_LEN + 32];
    char block[65536];
    uint64_t size;
    size_t before = s->n_written;
    int r;

    if (strings_add(&s->written, &s->n_written, digest) < 0)
        return sw_err_set(err, -ENOMEM, "save image");
    if (s->n_written == before)
        return 0;
    fd = image_open_blob(s->store, digest, &size, err);
    if (fd < 0)
        return fd;
    snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
    r = begin_file(a, path, size, err);
    while (r == 0 && size > 0) {
        ssize_t n = read(fd, block, sizeof(block));

        if (s->broken)
            return sw_err_set(err, SW_E_CANCELED, "canceled");
        if (n <= 0)
            return sw_err_set(err, SW_E_CORRUPT, "blob %s is cut short", digest);
        r = write_all(a, block, (size_t)n, err);
        size -= (uint64_t)n;
    }
    return r;
}

static int save_json(struct archive *a, const char *path, json_t *value, struct sw_err *err)
{
    char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    int r;

    json_decref(value);
    if (text == NULL)
        return sw_err_set(err, -ENOMEM, "save image");
    r = begin_file(a, path, strlen(text), err);
    if (r == 0)
        r = write_all(a, text, strlen(text), err);
    free(text); /* jansson's */
    return r;
}

static json_t *blob_name(const char *digest)
{
    char path[IMAGE_DIGEST_LEN + 32];

    snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
    return json_string(path);
}

static json_t *docker_row(const struct save_image *img)
{
    json_t *tags = json_array();
    json_t *layers = json_array();

    for (size_t i = 0; i < img->n_names; i++)
        json_array_append_new(tags, json_string(image_name_familiar(img->names[i])));
    for (size_t i = 0; i < img->n_layers; i++)
        json_array_append_new(layers, blob_name(img->layers[i]));
    return json_pack("{s:o, s:o, s:o}", "Config", blob_name(img->id), "RepoTags",
                     img->n_names > 0 ? tags : (json_decref(tags), json_null()), "Layers", layers);
}

static void add_descs(json_t *list, const struct save_image *img)
{
    for (size_t i = 0; i < img->n_names || i == 0; i++) {
        json_t *d = json_pack("{s:s, s:s, s:I}", "mediaType", img->manifest_type, "digest",
                              img->manifest, "size", (json_int_t)img->manifest_size);

        if (i < img->n_names)
            json_object_set_new(d, "annotations",
                                json_pack("{s:s, s:s}", "io.containerd.image.name", img->names[i],
                                          "org.opencontainers.image.ref.name",
                                          strrchr(img->names[i], ':') + 1));
        json_array_append_new(list, d);
    }
}

static int save_images(struct image_save *s, struct archive *a, struct sw_err *err)
{
    json_t *rows = json_array();
    json_t *descs = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->n_images; i++) {
        const struct save_image *img = &s->images[i];

        r = save_blob(s, a, img->id, err);
        for (size_t k = 0; r == 0 && k < img->n_layers; k++)
            r = save_blob(s, a, img->layers[k], err);
        if (r == 0)
            r = save_blob(s, a, img->manifest, err);
        json_array_append_new(rows, docker_row(img));
        add_descs(descs, img);
    }
    if (r == 0)
        r = save_json(a, "index.json",
                      json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX,
                                "manifests", descs),
                      err);
    if (r == 0)
        r = save_json(a, "manifest.json", json_incref(rows), err);
    if (r == 0)
        r = save_json(a, "oci-layout", json_pack("{s:s}", "imageLayoutVersion", "1.0.0"), err);
    json_decref(rows);
    json_decref(descs);
    return r;
}

static void save_thread(void *arg)
{
    struct image_save *s = arg;
    struct archive *a = archive_write_new();
    int r = 0;

    if (a == NULL || archive_write_set_format_ustar(a) != ARCHIVE_OK ||
        archive_write_open(a, s, NULL, write_out, NULL) != ARCHIVE_OK)
        r = sw_err_set(&s->err, -ENOMEM, "save image");
    if (r == 0)
        r = save_images(s, a, &s->err);
    if (r == 0 && archive_write_close(a) != ARCHIVE_OK)
        sw_err_set(&s->err, SW_E_INTERNAL, "write archive: %s", archive_error_string(a));
    if (a != NULL)
        archive_write_free(a);
    close(sw_steal_fd(&s->out_fd));
    uv_async_send(&s->async);
}

/* ---- the loop
 * ------------------------------------------------------------------------------------ */

static void images_free(struct image_save *s)
{
    for (size_t i = 0; i < s->n_images; i++) {
        sw_free(s->images[i].manifest_type);
        strings_free(s->images[i].layers, s->images[i].n_layers);
        strings_free(s->images[i].names, s->images[i].n_names);
    }
    sw_free(s->images);
    strings_free(s->written, s->n_written);
}

static void on_closed(uv_handle_t *h)
{
    struct image_save *s = h->data;
    struct image_store *store = s->store;

    if (--s->open_handles > 0)
        return;
    images_free(s);
    sw_list_del(&s->link);
    sw_free(s);
    store_settle(store);
}

static void close_pipe(struct image_save *s)
{
    if (s->pipe_closed)
        return;
    s->pipe_closed = true;
    uv_close((uv_handle_t *)&s->in, on_closed);
}

static void save_check_end(struct image_save *s)
{
    const struct image_save_cb *cb = s->cb;

    if (!s->thread_ended || !s->pipe_closed)
        return;
    s->cb = NULL;
    uv_close((uv_handle_t *)&s->async, on_closed);
    if (cb != NULL)
        cb->on_done(s->err.code == 0 ? NULL : &s->err, s->arg);
}

static void on_thread_end(uv_async_t *async)
{
    struct image_save *s = async->data;

    if (s->thread_ended)
        return;
    uv_thread_join(&s->thread);
    s->thread_ended = true;
    save_check_end(s);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    static char block[65536]; /* one loop thread; consumed before the next read */

    (void)h;
    (void)suggested;
    *buf = uv_buf_init(block, sizeof(block));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct image_save *s = stream->data;

    if (n > 0 && s->cb != NULL)
        s->cb->on_data(buf->base, (size_t)n, s->arg);
    if (n < 0) {
        close_pipe(s);
        save_check_end(s);
    }
}

void image_save_read(struct image_save *s, bool on)
{
    if (s->pipe_closed)
        return;
    if (on)
        uv_read_start((uv_stream_t *)&s->in, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&s->in);
}

void image_save_cancel(struct image_save *s)
{
    if (s == NULL)
        return;
    s->cb = NULL;
    close_pipe(s);
    save_check_end(s);
}

void save_cancel_all(struct image_store *store)
{
    struct sw_err err;

    sw_err_set(&err, SW_E_CANCELED, "the node is shutting down");
    sw_list_each_safe(l, &store->saves)
    {
        struct image_save *s = sw_list_entry(l, struct image_save, link);
        const struct image_save_cb *cb = s->cb;

        image_save_cancel(s);
        if (cb != NULL)
            cb->on_done(&err, s->arg);
    }
}

static int copy_image(struct save_image *out, const struct image *img, const char *by_name)
{
    int r = 0;

    strcpy(out->id, img->id);
    strcpy(out->manifest, img->manifest);
    out->manifest_size = img->manifest_size;
    out->manifest_type = sw_strdup(img->manifest_type);
    out->layers = sw_calloc(img->n_layers + 1, sizeof(*out->layers));
    if (out->manifest_type == NULL || out->layers == NULL)
        return -ENOMEM;
    for (; out->n_layers < img->n_layers; out->n_layers++) {
        out->layers[out->n_layers] = sw_strdup(img->layers[out->n_layers].digest);
        if (out->layers[out->n_layers] == NULL)
            return -ENOMEM;
    }
    if (by_name != NULL && strchr(by_name, '@') == NULL)
        r = strings_add(&out->names, &out->n_names, by_name);
    return r;
}

static int copy_images(struct image_save *s, const char *const *names, size_t n, struct sw_err *err)
{
    s->images = sw_calloc(n + 1, sizeof(*s->images));
    if (s->images == NULL)
        return sw_err_set(err, -ENOMEM, "save image");
    for (size_t i = 0; i < n; i++) {
        struct image *img = NULL;
        const char *by_name;
        size_t k = 0;
        int r = store_find(s->store, names[i], &img, &by_name, err);

        if (r < 0)
            return r;
        while (k < s->n_images && strcmp(s->images[k].id, img->id) != 0)
            k++;
        if (k == s->n_images) {
            s->n_images++;
            r = copy_image(&s->images[k], img, by_name);
        } else if (by_name != NULL && strchr(by_name, '@') == NULL) {
            r = strings_add(&s->images[k].names, &s->images[k].n_names, by_name);
        }
        if (r < 0)
            return sw_err_set(err, r, "save image");
    }
    return 0;
}

int image_save(struct image_store *store, struct image_save **out, const char *const *names,
               size_t n, const struct image_save_cb *cb, void *arg, struct sw_err *err)
{
    struct image_save *s = sw_calloc(1, sizeof(*s));
    int fds[2] = { -1, -1 };
    int r;

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "save image");
    s->store = store;
    s->cb = cb;
    s->arg = arg;
    r = store->closing ? sw_err_set(err, SW_E_UNAVAILABLE, "the node is shutting down")
                       : copy_images(s, names, n, err);
    if (r == 0 && pipe2(fds, O_CLOEXEC) < 0)
        r = sw_err_errno(err, errno, "save image");
    if (r < 0) {
        images_free(s);
        sw_free(s);
        return r;
    }
    s->out_fd = fds[1];
    sw_list_push_back(&store->saves, &s->link);
    uv_pipe_init(store->loop, &s->in, 0);
    uv_pipe_open(&s->in, fds[0]);
    uv_async_init(store->loop, &s->async, on_thread_end);
    s->in.data = s;
    s->async.data = s;
    s->open_handles = 2;
    if (uv_thread_create(&s->thread, save_thread, s) != 0) {
        close(fds[1]);
        s->thread_ended = true;
        image_save_cancel(s);
        return sw_err_set(err, -EAGAIN, "save image: start a thread");
    }
    image_save_read(s, true);
    *out = s;
    return 0;
}
