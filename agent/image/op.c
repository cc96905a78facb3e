/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/op.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/time.h"
#include "common/log/log.h"

#define THREADS_MAX 3 /* operations at once; others wait with their input unread */

struct op_write {
    uv_write_t req;
    uint8_t data[];
};

static void on_event(uv_async_t *async);

/* ---- life ---------------------------------------------------------------------------------------
 */

static void found_free(struct image_op *op)
{
    for (size_t i = 0; i < op->n_found; i++) {
        image_free(op->found[i].image);
        strings_free(op->found[i].names, op->found[i].n_names);
    }
    sw_free(op->found);
    op->found = NULL;
    op->n_found = 0;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct image_op *op = h->data;
    struct image_store *s = op->store;

    if (--op->open_handles > 0)
        return;
    found_free(op);
    if (op->free_params != NULL)
        op->free_params(op->params);
    if (op->in_fd >= 0)
        close(op->in_fd);
    close(op->cancel_fd);
    sw_list_del(&op->link);
    sw_free(op);
    store_settle(s);
}

static void close_input(struct image_op *op)
{
    if (op->in_closed)
        return;
    op->in_closed = true;
    uv_close((uv_handle_t *)&op->in, on_handle_closed);
}

/* Every ending comes through here. */
static void op_end(struct image_op *op, const struct sw_err *err)
{
    const struct image_op_cb *cb = op->cb;

    assert(op->state != OP_ENDED);
    op->state = OP_ENDED;
    op->cb = NULL;
    close_input(op);
    uv_close((uv_handle_t *)&op->async, on_handle_closed);
    if (cb != NULL)
        cb->on_done(err, op->arg);
}

int op_new(struct image_store *s, struct image_op **out, const struct op_options *opt,
           struct sw_err *err)
{
    struct image_op *op = sw_calloc(1, sizeof(*op));
    int fds[2] = { -1, -1 };

    if (op == NULL || s->closing || pipe2(fds, O_CLOEXEC) < 0)
        goto fail;
    op->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (op->cancel_fd < 0)
        goto fail;
    op->store = s;
    op->cb = opt->cb;
    op->arg = opt->arg;
    op->run = opt->run;
    op->params = opt->params;
    op->free_params = opt->free_params;
    op->in_fd = fds[0];
    uv_pipe_init(s->loop, &op->in, 0);
    uv_pipe_open(&op->in, fds[1]);
    uv_async_init(s->loop, &op->async, on_event);
    op->in.data = op;
    op->async.data = op;
    op->open_handles = 2;
    sw_list_push_back(&s->ops, &op->link);
    *out = op;
    store_settle(s);
    return 0;
fail:
    if (op == NULL)
        sw_err_set(err, -ENOMEM, "start image operation");
    else if (s->closing)
        sw_err_set(err, SW_E_UNAVAILABLE, "the node is shutting down");
    else
        sw_err_errno(err, errno, "start image operation");
    if (fds[0] >= 0) {
        close(fds[0]);
        close(fds[1]);
    }
    sw_free(op);
    opt->free_params(opt->params);
    return err->code;
}

/* ---- the thread
 * ----------------------------------------------------------------------------------- */

static void tell_loop(struct image_op *op, enum op_event event)
{
    atomic_store(&op->event, (int)event);
    uv_async_send(&op->async);
}

static void op_thread(void *arg)
{
    struct image_op *op = arg;
    struct stage *stage = sw_malloc(sizeof(*stage));
    int r;

    if (stage == NULL) {
        sw_err_set(&op->err, -ENOMEM, "image operation");
        tell_loop(op, OP_EVENT_END);
        return;
    }
    r = stage_open(stage, op->store->dir, &op->store->opt.limits, op->cancel_fd, &op->err);
    if (r == 0)
        r = op->run(op, stage, &op->err);
    if (r == 0)
        r = stage_commit(stage, &op->err);
    if (r == 0)
        op->err.code = 0; /* whatever was tried and did not matter */
    stage_close(stage);
    sw_free(stage);
    tell_loop(op, OP_EVENT_END);
}

int op_found(struct image_op *op, struct image *image, char *const *names, size_t n_names,
             struct sw_err *err)
{
    struct op_image *f = sw_realloc(op->found, (op->n_found + 1) * sizeof(*f));

    if (f == NULL) {
        image_free(image);
        return sw_err_set(err, -ENOMEM, "add image");
    }
    op->found = f;
    f += op->n_found++;
    *f = (struct op_image){ .image = image };
    for (size_t i = 0; i < n_names; i++)
        if (strings_add(&f->names, &f->n_names, names[i]) < 0)
            return sw_err_set(err, -ENOMEM, "add image");
    return 0;
}

static int fetch_into(struct image_op *op, struct stage *stage, struct staged_blob *b,
                      struct sw_err *err)
{
    uint64_t left = op->fetch_size;

    while (left > 0) {
        size_t n = (size_t)SW_MIN(left, (uint64_t)FRAME_MAX);
        int r = frame_read_bytes(op->in_fd, op->cancel_fd, stage->frame.payload, n, err);

        if (r == SW_E_PROTOCOL && op->fetch_err.code != 0) { /* set before the pipe was closed */
            *err = op->fetch_err;
            return err->code;
        }
        if (r == 0)
            r = stage_blob_add(b, stage->frame.payload, n, err);
        if (r < 0)
            return r;
        left -= n;
    }
    return 0;
}

int op_fetch(struct image_op *op, struct stage *stage, const char *digest, uint64_t size,
             struct staged_blob *b, struct sw_err *err)
{
    int r = stage_blob_begin(stage, b, err);

    if (r < 0)
        return r;
    if (size > stage->limits.archive_bytes)
        return sw_err_set(err, SW_E_INVALID, "%s is larger than %llu bytes", digest,
                          (unsigned long long)stage->limits.archive_bytes);
    strcpy(op->fetch_digest, digest);
    op->fetch_size = size;
    tell_loop(op, OP_EVENT_FETCH);
    r = fetch_into(op, stage, b, err);
    if (r == 0)
        r = stage_blob_end(b, err);
    else if (b->fd >= 0)
        close(sw_steal_fd(&b->fd));
    if (r == 0 && strcmp(b->digest, digest) != 0)
        r = sw_err_set(err, SW_E_INVALID, "digest mismatch: expected %s, got %s", digest,
                       b->digest);
    return r;
}

/* ---- back on the loop
 * ------------------------------------------------------------------------------- */

void op_start(struct image_op *op)
{
    struct image_store *s = op->store;

    if (op->state != OP_QUEUED || s->ops_running >= THREADS_MAX)
        return;
    op->state = OP_RUNNING;
    s->ops_running++;
    if (uv_thread_create(&op->thread, op_thread, op) == 0)
        return;
    s->ops_running--;
    op->state = OP_QUEUED;
    sw_err_set(&op->err, -EAGAIN, "start a thread");
    tell_loop(op, OP_EVENT_END);
}

static void say(struct image_op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct image_op *op, const char *fmt, ...)
{
    char line[IMAGE_REF_MAX + 256];
    va_list ap;

    if (op->cb == NULL || op->cb->on_line == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    op->cb->on_line(line, op->arg);
}

static int merge_names(struct image_op *op, struct image *img, const struct op_image *f)
{
    for (size_t i = 0; i < f->n_names; i++) {
        const char *shown = image_name_familiar(f->names[i]);
        struct image *loser = NULL;
        int r = store_name(op->store, img, f->names[i], &loser, &op->err);

        if (r < 0)
            return r;
        if (loser != NULL && !op->show_id)
            say(op,
                "The image %s already exists, renaming the old one with ID %s to empty string\n",
                shown, loser->id);
        if (!op->show_id)
            say(op, "Loaded image: %s\n", shown);
    }
    if (op->show_id)
        say(op, "%s", img->id);
    else if (f->n_names == 0)
        say(op, "Loaded image ID: %s\n", img->id);
    return 0;
}

static int merge(struct image_op *op)
{
    for (size_t i = 0; i < op->n_found; i++) {
        struct op_image *f = &op->found[i];
        struct image *img = store_add(op->store, sw_steal(f->image));
        int r;

        if (img == NULL)
            return sw_err_set(&op->err, -ENOMEM, "add image");
        r = merge_names(op, img, f);
        if (r < 0)
            return r;
        log_info("image added image=%s layers=%zu names=%zu", img->id, img->n_layers, f->n_names);
    }
    return 0;
}

static void on_committed(const struct sw_err *err, void *arg)
{
    op_end(arg, err);
}

static void on_thread_end(struct image_op *op)
{
    struct image_store *s = op->store;

    if (op->state == OP_RUNNING) {
        uv_thread_join(&op->thread);
        s->ops_running--;
    }
    s->sweep_wanted = true; /* what was staged and not needed in the end */
    if (op->err.code == 0 && op->cb != NULL)
        merge(op);
    if (op->err.code == 0 && op->cb != NULL) {
        op->state = OP_COMMITTING;
        if (store_commit(s, on_committed, op, &op->err) == 0)
            return;
    }
    op_end(op, op->err.code == 0 ? NULL : &op->err);
}

static void on_event(uv_async_t *async)
{
    struct image_op *op = async->data;
    int event = atomic_exchange(&op->event, OP_EVENT_NONE);

    if (op->state == OP_ENDED)
        return;
    if (event == OP_EVENT_END) {
        on_thread_end(op);
    } else if (event == OP_EVENT_FETCH && op->cb != NULL && op->source != NULL) {
        op->fetching = op->fetch_size > 0;
        if (op->source->fetch(op->fetch_digest, op->fetch_size, op->source->arg, &op->fetch_err) <
            0)
            close_input(op);
    }
}

static void on_written(uv_write_t *req, int status)
{
    struct image_op *op = req->data;

    (void)status; /* a reader that ended early says why in its result */
    sw_free(sw_container_of(req, struct op_write, req));
    if (op->cb != NULL && op->cb->on_drain != NULL && !op->in_closed &&
        uv_stream_get_write_queue_size((uv_stream_t *)&op->in) == 0)
        op->cb->on_drain(op->arg);
}

size_t image_input(struct image_op *op, const void *data, size_t len)
{
    struct op_write *w;
    uv_buf_t buf;

    if (op->in_closed || len == 0)
        return 0;
    w = sw_malloc(sizeof(*w) + len);
    if (w == NULL) {
        close_input(op); /* the reader reports a premature end */
        return 0;
    }
    memcpy(w->data, data, len);
    w->req.data = op;
    buf = uv_buf_init((char *)w->data, (unsigned)len);
    if (uv_write(&w->req, (uv_stream_t *)&op->in, &buf, 1, on_written) < 0) {
        sw_free(w);
        return 0;
    }
    return uv_stream_get_write_queue_size((uv_stream_t *)&op->in);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct image_op *op = req->data;

    (void)status;
    sw_free(req);
    close_input(op);
}

void image_input_end(struct image_op *op)
{
    uv_shutdown_t *req;

    if (op->in_closed)
        return;
    req = sw_malloc(sizeof(*req));
    if (req != NULL) {
        req->data = op;
        if (uv_shutdown(req, (uv_stream_t *)&op->in, on_shutdown) == 0) /* behind what is queued */
            return;
        sw_free(req);
    }
    close_input(op);
}

void image_op_cancel(struct image_op *op)
{
    uint64_t one = 1;

    if (op == NULL || op->state == OP_ENDED)
        return;
    op->cb = NULL;
    if (write(op->cancel_fd, &one, sizeof(one)) < 0)
        log_warn("image operation not canceled: %s", strerror(errno));
    close_input(op);
    if (op->state == OP_QUEUED)
        op_end(op, NULL);
}

void op_cancel_all(struct image_store *s)
{
    sw_list_each_safe(l, &s->ops)
    {
        struct image_op *op = sw_list_entry(l, struct image_op, link);
        const struct image_op_cb *cb = op->cb;
        void *arg = op->arg;
        struct sw_err err;

        if (op->state == OP_ENDED || cb == NULL)
            continue;
        image_op_cancel(op);
        sw_err_set(&err, SW_E_CANCELED, "the node is shutting down");
        cb->on_done(&err, arg);
    }
}
