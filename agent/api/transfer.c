/* SPDX-License-Identifier: Apache-2.0
 * transfer.c - images in and out: load, import and save, streamed between client and store. */
#include <errno.h>
#include <string.h>

#include "agent/api/api_priv.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

#define CHANGES_MAX 128
#define SAVE_MAX    256

struct transfer {
    struct http_request *req;
    struct image_op *op;
    json_t *lines; /* for the answer, which starts when the upload is complete */
    bool import;
    bool ended; /* the client's body */
};

static void on_line(const char *text, void *arg)
{
    struct transfer *t = arg;

    json_array_append_new(t->lines, json_pack("{s:s}", t->import ? "status" : "stream", text));
}

static void on_drain(void *arg)
{
    struct transfer *t = arg;

    http_body_resume(t->req);
}

static void transfer_free(struct transfer *t)
{
    json_decref(t->lines);
    sw_free(t);
}

/* As docker does it: status 200, and a failure is the last object. */
static void on_done(const struct sw_err *err, void *arg)
{
    struct transfer *t = arg;
    json_t *line;
    size_t i;

    http_stream_start(t->req, 200, "application/json");
    json_array_foreach(t->lines, i, line) http_stream_json(t->req, json_incref(line));
    if (err != NULL)
        http_stream_json(t->req, json_pack("{s:{s:s}, s:s}", "errorDetail", "message", err->msg,
                                           "error", err->msg));
    http_stream_end(t->req);
    transfer_free(t);
}

static const struct image_op_cb op_cb = { on_line, on_drain, on_done };

static void on_gone(struct http_request *req, void *arg)
{
    struct transfer *t = arg;

    image_op_cancel(t->op);
    transfer_free(t);
    http_abort(req);
}

static void on_body(struct http_request *req, const void *data, size_t len, void *arg)
{
    struct transfer *t = arg;

    if (len == 0)
        image_input_end(t->op);
    else if (image_input(t->op, data, len) > IMAGE_INPUT_HIGH)
        http_body_pause(req);
}

static struct transfer *transfer_new(struct http_request *req)
{
    struct transfer *t = sw_calloc(1, sizeof(*t));

    if (t != NULL)
        t->lines = json_array();
    if (t == NULL || t->lines == NULL) {
        sw_free(t);
        http_reply_error(req, 500, "out of memory");
        return NULL;
    }
    t->req = req;
    return t;
}

static void transfer_start(struct transfer *t, int r, const struct sw_err *err)
{
    if (r < 0) {
        http_reply_err(t->req, err);
        transfer_free(t);
        return;
    }
    http_on_close(t->req, on_gone, t);
    http_on_body(t->req, on_body, t);
}

static void on_load(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    struct transfer *t = transfer_new(req);
    struct sw_err err = { 0 };

    if (t != NULL)
        transfer_start(t, image_load(a->images, &t->op, &op_cb, t, &err), &err);
}

/* ---- import
 * -------------------------------------------------------------------------------------------- */

static int import_ref(const struct http_request *req, struct image_ref *ref, bool *named,
                      struct sw_err *err)
{
    const char *repo = http_query(req, "repo");
    const char *tag = http_query(req, "tag");
    int r;

    *named = repo != NULL && *repo != '\0';
    if (!*named)
        return 0;
    r = image_ref_parse(ref, repo, err);
    if (r == 0 && tag != NULL && *tag != '\0')
        r = image_ref_set_tag(ref, tag, err);
    return r;
}

static void import_start(struct http_request *req, const struct agent_api *a)
{
    const char *changes[CHANGES_MAX];
    struct image_ref ref;
    struct image_import what = { .changes = changes, .message = http_query(req, "message") };
    struct transfer *t = transfer_new(req);
    struct sw_err err = { 0 };
    bool named = false;
    int r;

    if (t == NULL)
        return;
    t->import = true;
    while (what.n_changes < CHANGES_MAX &&
           (changes[what.n_changes] = http_query_nth(req, "changes", what.n_changes)) != NULL)
        what.n_changes++;
    r = import_ref(req, &ref, &named, &err);
    what.ref = named ? &ref : NULL;
    if (r == 0)
        r = image_import(a->images, &t->op, &what, &op_cb, t, &err);
    transfer_start(t, r, &err);
}

static void on_create(struct http_request *req, void *arg)
{
    const char *source = http_query(req, "fromSrc");

    if (source == NULL || *source == '\0')
        http_reply_error(req, 501,
                         "pulling images from a registry is not supported by swarmd; use "
                         "\"docker image load\", other nodes of the swarm then fetch the image "
                         "from this one");
    else if (strcmp(source, "-") != 0)
        http_reply_error(req, 501, "importing from a URL is not supported by swarmd");
    else
        import_start(req, arg);
}

/* ---- save
 * ---------------------------------------------------------------------------------------------- */

struct saving {
    struct http_request *req;
    struct image_save *save;
};

static void save_data(const void *data, size_t len, void *arg)
{
    struct saving *s = arg;

    if (http_stream_write(s->req, data, len) > HTTP_STREAM_HIGH)
        image_save_read(s->save, false);
}

static void save_done(const struct sw_err *err, void *arg)
{
    struct saving *s = arg;

    if (err == NULL) {
        http_stream_end(s->req);
    } else {
        log_warn("image not saved: %s", err->msg);
        http_abort(s->req); /* an archive that is cut off must not look complete */
    }
    sw_free(s);
}

static const struct image_save_cb save_cb = { save_data, save_done };

static void save_drained(struct http_request *req, void *arg)
{
    (void)req;
    image_save_read(((struct saving *)arg)->save, true);
}

static void save_gone(struct http_request *req, void *arg)
{
    struct saving *s = arg;

    image_save_cancel(s->save);
    sw_free(s);
    http_abort(req);
}

static void save_start(struct http_request *req, const struct agent_api *a,
                       const char *const *names, size_t n)
{
    struct saving *s = sw_calloc(1, sizeof(*s));
    struct sw_err err = { 0 };

    if (s == NULL) {
        http_reply_error(req, 500, "out of memory");
        return;
    }
    s->req = req;
    if (image_save(a->images, &s->save, names, n, &save_cb, s, &err) < 0) {
        sw_free(s);
        http_reply_err(req, &err);
        return;
    }
    http_on_close(req, save_gone, s);
    http_on_drain(req, save_drained, s);
    http_stream_start(req, 200, "application/x-tar");
}

static void on_get_many(struct http_request *req, void *arg)
{
    const char *names[SAVE_MAX];
    size_t n = 0;

    while (n < SAVE_MAX && (names[n] = http_query_nth(req, "names", n)) != NULL)
        n++;
    if (n == 0)
        http_reply_error(req, 400, "names of images are required");
    else
        save_start(req, arg, names, n);
}

static void on_get_one(struct http_request *req, void *arg)
{
    const char *name = http_arg(req, "name");

    save_start(req, arg, &name, 1);
}

static const struct http_route routes[] = {
    { "GET", "/images/get", on_get_many, HTTP_BODY_WHOLE, 0 },
    { "GET", "/images/{name:.*}/get", on_get_one, HTTP_BODY_WHOLE, 0 },
    { "POST", "/images/load", on_load, HTTP_BODY_STREAM, 0 },
    { "POST", "/images/create", on_create, HTTP_BODY_STREAM, 0 },
};
const struct api_table api_transfer = { routes, SW_ARRAY_LEN(routes) };
