/* SPDX-License-Identifier: Apache-2.0
 * peer_serve.c - this node's images for others. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "agent/image/peer.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/log/log.h"
#include "swarm/v1/dispatcher.pb-c.h"
#include "swarm/v1/node.pb-c.h"

#define CHUNK 65536u

/* ---- what an image consists of ------------------------------------------------------------------
 */

static void fail(struct sw_rpc_stream *s, int code, const char *text)
{
    struct sw_err err;

    sw_err_set(&err, code, "%s", text);
    sw_rpc_stream_fail(s, &err);
}

static void reply_image(struct sw_rpc_stream *stream, const struct image *img)
{
    Swarm__V1__ImageGetReply reply = SWARM__V1__IMAGE_GET_REPLY__INIT;
    SW_CLEANUP(sw_free_ptr) char *platform = sw_asprintf("%s/%s", img->os, img->architecture);
    char id[IMAGE_DIGEST_LEN + 1];
    char manifest[IMAGE_DIGEST_LEN + 1];

    if (platform == NULL) {
        fail(stream, -ENOMEM, "out of memory");
        return;
    }
    strcpy(id, img->id);
    strcpy(manifest, img->manifest);
    reply.id = id;
    reply.manifest = manifest;
    reply.manifest_size = img->manifest_size;
    reply.platform = platform;
    for (size_t i = 0; i < img->n_layers; i++)
        reply.bytes += img->layers[i].size;
    sw_rpc_reply_msg(stream, &reply.base);
}

static void on_image_get(struct sw_rpc_stream *stream, const uint8_t *bytes, size_t len, void *arg)
{
    const struct image_store *s = arg;
    Swarm__V1__ImageGetRequest *m = swarm__v1__image_get_request__unpack(NULL, len, bytes);
    const struct image *img = NULL;
    struct sw_err err = { 0 };

    if (m == NULL) {
        fail(stream, SW_E_PROTOCOL, "malformed image request");
        return;
    }
    if (image_find(s, m->reference, &img, &err) < 0)
        sw_rpc_stream_fail(stream, &err);
    else
        reply_image(stream, img);
    swarm__v1__image_get_request__free_unpacked(m, NULL);
}

/* ---- a blob
 * ---------------------------------------------------------------------------------------
 *
 *   WAIT --request--> READ <--> SEND --last byte--> END
 *
 * A read is on the thread pool; the struct outlives the stream until it has returned. */

struct blob_send {
    const struct image_store *store;
    struct sw_rpc_stream *stream; /* NULL once it is gone */
    int fd;
    bool reading;
    bool full; /* wait for credit */
    uint64_t offset;
    uint64_t size;
    uv_fs_t fs;
    uint8_t chunk[CHUNK];
};

static void blob_free(struct blob_send *b)
{
    if (b->fd >= 0)
        close(b->fd);
    sw_free(b);
}

static void blob_next(struct blob_send *b);

static void on_read(uv_fs_t *fs)
{
    struct blob_send *b = fs->data;
    ssize_t n = fs->result;
    struct sw_err err = { 0 };
    int r;

    uv_fs_req_cleanup(fs);
    b->reading = false;
    if (b->stream == NULL) {
        blob_free(b);
        return;
    }
    if (n <= 0) {
        sw_err_set(&err, n == 0 ? SW_E_CORRUPT : (int)n, "read blob: %s",
                   n == 0 ? "it is shorter than it was" : uv_strerror((int)n));
        sw_rpc_stream_fail(b->stream, &err);
        blob_free(b);
        return;
    }
    b->offset += (uint64_t)n;
    r = sw_rpc_stream_send(b->stream, b->chunk, (size_t)n, &err);
    if (r < 0) {
        sw_rpc_stream_fail(b->stream, &err);
        blob_free(b);
        return;
    }
    b->full = r == SW_RPC_FULL;
    blob_next(b);
}

static void blob_next(struct blob_send *b)
{
    uv_buf_t buf;

    if (b->reading || b->full)
        return;
    if (b->offset >= b->size) {
        sw_rpc_stream_end(b->stream);
        return;
    }
    buf = uv_buf_init((char *)b->chunk, (unsigned)SW_MIN((uint64_t)CHUNK, b->size - b->offset));
    b->reading = true;
    b->fs.data = b;
    uv_fs_read(b->store->loop, &b->fs, b->fd, &buf, 1, (int64_t)b->offset, on_read);
}

static void blob_on_writable(struct sw_rpc_stream *s, void *arg)
{
    struct blob_send *b = arg;

    (void)s;
    b->full = false;
    if (b->fd >= 0)
        blob_next(b);
}

static void blob_on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct blob_send *b = arg;

    (void)s;
    if (err != NULL)
        log_debug("blob transfer ended: %s", err->msg);
    b->stream = NULL;
    if (!b->reading)
        blob_free(b);
}

static int blob_begin(struct blob_send *b, const uint8_t *bytes, size_t len, struct sw_err *err)
{
    Swarm__V1__BlobGetRequest *m = swarm__v1__blob_get_request__unpack(NULL, len, bytes);
    Swarm__V1__BlobHead head = SWARM__V1__BLOB_HEAD__INIT;
    int fd;

    if (m == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "malformed blob request");
    fd = image_open_blob(b->store, m->digest, &b->size, err);
    b->offset = m->offset;
    swarm__v1__blob_get_request__free_unpacked(m, NULL);
    if (fd < 0)
        return fd;
    b->fd = fd;
    if (b->offset > b->size)
        return sw_err_set(err, SW_E_INVALID, "offset behind the end of the blob");
    head.size = b->size;
    return sw_rpc_stream_send_msg(b->stream, &head.base, err);
}

static void blob_on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct blob_send *b = arg;
    struct sw_err err = { 0 };
    int r = b->fd >= 0 ? sw_err_set(&err, SW_E_PROTOCOL, "a second blob request on one stream")
                       : blob_begin(b, bytes, len, &err);

    if (r < 0) {
        b->stream = NULL;
        sw_rpc_stream_fail(s, &err);
        if (!b->reading)
            blob_free(b);
        return;
    }
    b->full = r == SW_RPC_FULL;
    blob_next(b);
}

static const struct sw_rpc_stream_cb blob_cb = { blob_on_message, NULL, blob_on_writable,
                                                 blob_on_close };

static void on_blob_get(struct sw_rpc_stream *stream, void *arg)
{
    struct blob_send *b = sw_calloc(1, sizeof(*b));

    if (b == NULL) {
        fail(stream, -ENOMEM, "out of memory");
        return;
    }
    b->store = arg;
    b->stream = stream;
    b->fd = -1;
    sw_rpc_stream_set_cb(stream, &blob_cb, b);
}

void image_peer_methods(struct image_store *s, struct sw_rpc_method out[IMAGE_PEER_METHODS])
{
    out[0] = (struct sw_rpc_method){ .method = SWARM__V1__METHOD__METHOD_IMAGE_GET,
                                     .name = "image.get",
                                     .allow = SW_RPC_MEMBER | SW_RPC_LOCAL,
                                     .on_call = on_image_get,
                                     .arg = s };
    out[1] = (struct sw_rpc_method){ .method = SWARM__V1__METHOD__METHOD_BLOB_GET,
                                     .name = "image.blob",
                                     .allow = SW_RPC_MEMBER | SW_RPC_LOCAL,
                                     .on_open = on_blob_get,
                                     .arg = s };
}
