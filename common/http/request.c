/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http/request.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/log/log.h"

static void request_free(struct http_request *req)
{
    for (size_t i = 0; i < req->n_args; i++)
        sw_free(req->args[i].value);
    for (size_t i = 0; i < req->n_out; i++) {
        sw_free(req->out[i].name);
        sw_free(req->out[i].value);
    }
    sw_buf_fini(&req->body);
    http_url_fini(&req->url);
    sw_free(req->headers);
    sw_free(req->target);
    sw_free(req->method);
    sw_free(req);
}

bool request_leave(struct http_request *req)
{
    assert(req->depth > 0);
    if (--req->depth > 0 || req->state != REQ_DONE)
        return true;
    request_free(req);
    return false;
}

/* Every ending comes through here. */
static void request_finish(struct http_request *req, enum http_end how)
{
    assert(req->state != REQ_DONE);
    req->state = REQ_DONE;
    req->ops->end(req->transport, req->gone ? HTTP_END_ABORT : how);
    if (req->depth == 0)
        request_free(req);
}

/* ---- what was asked ------------------------------------------------------------------------ */

const char *http_method(const struct http_request *req)
{
    return req->method;
}

const char *http_path(const struct http_request *req)
{
    return req->path;
}

const char *http_target(const struct http_request *req)
{
    return req->target;
}

unsigned http_api_version(const struct http_request *req)
{
    return req->api_version;
}

const char *http_arg(const struct http_request *req, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < req->n_args; i++)
        if (req->args[i].name_len == len && memcmp(req->args[i].name, name, len) == 0)
            return req->args[i].value;
    return NULL;
}

const char *http_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_headers; i++)
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    return NULL;
}

const struct http_header *http_headers(const struct http_request *req, size_t *n)
{
    *n = req->n_headers;
    return req->headers;
}

const char *http_query_nth(const struct http_request *req, const char *name, size_t nth)
{
    for (size_t i = 0; i < req->url.n_params; i++)
        if (strcmp(req->url.params[i].name, name) == 0 && nth-- == 0)
            return req->url.params[i].value;
    return NULL;
}

const char *http_query(const struct http_request *req, const char *name)
{
    return http_query_nth(req, name, 0);
}

bool http_query_bool(const struct http_request *req, const char *name, bool absent)
{
    static const char *const no[] = { "", "0", "no", "false", "none" };
    const char *v = http_query(req, name);

    if (v == NULL)
        return absent;
    for (size_t i = 0; i < SW_ARRAY_LEN(no); i++)
        if (strcasecmp(v, no[i]) == 0)
            return false;
    return true;
}

int http_query_int(const struct http_request *req, const char *name, int64_t absent, int64_t *out,
                   struct sw_err *err)
{
    const char *v = http_query(req, name);
    char *end = NULL;
    long long n;

    if (v == NULL || *v == '\0') {
        *out = absent;
        return 0;
    }
    errno = 0;
    n = strtoll(v, &end, 10);
    if (errno != 0 || *end != '\0' || *v == ' ')
        return sw_err_set(err, SW_E_INVALID, "strconv.Atoi: parsing \"%s\": invalid syntax", v);
    *out = n;
    return 0;
}

const char *http_body(const struct http_request *req, size_t *len)
{
    if (len != NULL)
        *len = req->body.len;
    return sw_buf_str(&req->body);
}

int64_t http_body_length(const struct http_request *req)
{
    return req->body_len;
}

bool http_is_head(const struct http_request *req)
{
    return strcmp(req->method, "HEAD") == 0;
}

bool http_wants_upgrade(const struct http_request *req)
{
    const char *connection = http_header(req, "Connection");

    return connection != NULL && strcasestr(connection, "upgrade") != NULL &&
           http_header(req, "Upgrade") != NULL;
}

/* ---- events -------------------------------------------------------------------------------- */

void http_on_close(struct http_request *req, void (*fn)(struct http_request *req, void *arg),
                   void *arg)
{
    req->on_close = fn;
    req->on_close_arg = arg;
}

bool http_is_gone(const struct http_request *req)
{
    return req->gone;
}

void http_on_body(struct http_request *req,
                  void (*fn)(struct http_request *req, const void *data, size_t len, void *arg),
                  void *arg)
{
    req->on_body = fn;
    req->on_body_arg = arg;
    if (!req->paused)
        req->ops->read(req->transport, true);
}

void http_body_pause(struct http_request *req)
{
    if (req->paused)
        return;
    req->paused = true;
    req->ops->read(req->transport, false);
}

void http_body_resume(struct http_request *req)
{
    if (!req->paused)
        return;
    req->paused = false;
    if (req->on_body != NULL)
        req->ops->read(req->transport, true);
}

void http_on_drain(struct http_request *req, void (*fn)(struct http_request *req, void *arg),
                   void *arg)
{
    req->on_drain = fn;
    req->on_drain_arg = arg;
}

/* ---- the answer ---------------------------------------------------------------------------- */

/* A header that would end the head or smuggle another in is our own mistake or a hostile peer's
 * value passed on: it is left out. */
static bool header_is_clean(const char *name, const char *value)
{
    return *name != '\0' && strpbrk(name, "\r\n: ") == NULL && strpbrk(value, "\r\n") == NULL;
}

void http_set_header(struct http_request *req, const char *name, const char *value)
{
    struct request_out_header *h = NULL;
    char *copy;

    if (!header_is_clean(name, value))
        return;
    for (size_t i = 0; i < req->n_out && h == NULL; i++)
        if (strcasecmp(req->out[i].name, name) == 0)
            h = &req->out[i];
    if (h == NULL && req->n_out == REQUEST_HEADERS_MAX) {
        log_warn("http answer header left out name=%s: too many", name);
        return;
    }
    copy = sw_strdup(value);
    if (copy == NULL)
        return;
    if (h != NULL) {
        sw_free(h->value);
        h->value = copy;
        return;
    }
    h = &req->out[req->n_out];
    h->name = sw_strdup(name);
    h->value = copy;
    if (h->name == NULL)
        sw_free(copy);
    else
        req->n_out++;
}

static void request_start(struct http_request *req, int status, enum http_answer kind, void *body,
                          size_t len)
{
    struct http_header headers[REQUEST_HEADERS_MAX];
    struct http_answer_head head = { status, kind, headers, 0, body, len };

    assert(req->state == REQ_BODY || req->state == REQ_OPEN);
    router_headers(req->router, req);
    for (size_t i = 0; i < req->n_out; i++)
        headers[i] = (struct http_header){ req->out[i].name, req->out[i].value };
    head.n_headers = req->n_out;
    req->ops->start(req->transport, &head);
}

void http_reply_owned(struct http_request *req, int status, const char *content_type, void *body,
                      size_t len)
{
    if (req->gone) {
        sw_free(body);
        request_finish(req, HTTP_END_ABORT);
        return;
    }
    if (content_type != NULL)
        http_set_header(req, "Content-Type", content_type);
    request_start(req, status, HTTP_ANSWER_WHOLE, body, len);
    request_finish(req, HTTP_END_OK);
}

void http_reply(struct http_request *req, int status, const char *content_type, const void *body,
                size_t len)
{
    void *copy = NULL;

    if (len > 0) {
        copy = sw_memdup(body, len);
        if (copy == NULL) {
            http_abort(req);
            return;
        }
    }
    http_reply_owned(req, status, content_type, copy, len);
}

void http_reply_empty(struct http_request *req, int status)
{
    http_reply_owned(req, status, NULL, NULL, 0);
}

void http_stream_start(struct http_request *req, int status, const char *content_type)
{
    if (content_type != NULL)
        http_set_header(req, "Content-Type", content_type);
    if (!req->gone)
        request_start(req, status, HTTP_ANSWER_STREAM, NULL, 0);
    req->state = REQ_STREAM;
}

void http_hijack(struct http_request *req, const char *content_type)
{
    assert(req->body_end);
    http_set_header(req, "Content-Type", content_type);
    if (!req->can_hijack) {
        http_stream_start(req, 200, NULL);
        return;
    }
    if (http_wants_upgrade(req))
        http_set_header(req, "Upgrade", "tcp");
    if (!req->gone)
        request_start(req, http_wants_upgrade(req) ? 101 : 200, HTTP_ANSWER_HIJACK, NULL, 0);
    req->state = REQ_HIJACK;
    req->body_end = false;
}

size_t http_stream_write(struct http_request *req, const void *data, size_t len)
{
    size_t waiting;

    assert(req->state == REQ_STREAM || req->state == REQ_HIJACK);
    if (req->gone || len == 0)
        return 0;
    waiting = req->ops->write(req->transport, data, len);
    if (waiting > HTTP_STREAM_HIGH)
        req->high = true;
    return waiting;
}

void http_stream_end(struct http_request *req)
{
    assert(req->state == REQ_STREAM || req->state == REQ_HIJACK);
    request_finish(req, HTTP_END_OK);
}

void http_abort(struct http_request *req)
{
    request_finish(req, HTTP_END_ABORT);
}

/* ---- the transport's side ------------------------------------------------------------------ */

static int copy_headers(struct http_request *req, const struct http_exchange_head *head)
{
    size_t size = head->n_headers * sizeof(*req->headers);
    char *text;

    for (size_t i = 0; i < head->n_headers; i++)
        size += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 2;
    req->headers = sw_malloc(size + 1);
    if (req->headers == NULL)
        return -ENOMEM;
    text = (char *)(req->headers + head->n_headers);
    for (size_t i = 0; i < head->n_headers; i++) {
        req->headers[i].name = strcpy(text, head->headers[i].name);
        text += strlen(text) + 1;
        req->headers[i].value = strcpy(text, head->headers[i].value);
        text += strlen(text) + 1;
    }
    req->n_headers = head->n_headers;
    return 0;
}

void request_call(struct http_request *req)
{
    req->state = REQ_OPEN;
    req->route->handler(req, req->route_arg);
}

/* depth is 1: whatever the handler does, the request is still there. */
static void request_begin(struct http_request *req, int64_t body_len)
{
    struct sw_err err = { 0 };

    if (!router_route(req, &err))
        return;
    req->body_end = body_len == 0;
    if (req->route->body == HTTP_BODY_STREAM || req->body_end) {
        request_call(req);
        return;
    }
    req->body_max = req->route->body_max > 0 ? req->route->body_max : HTTP_BODY_MAX_DEFAULT;
    if (body_len > 0 && (uint64_t)body_len > req->body_max)
        http_reply_error(req, 413, "http: request body too large");
    else
        req->ops->read(req->transport, true);
}

int http_exchange_new(struct http_request **out, struct http_router *router,
                      const struct http_exchange_head *head, const struct http_exchange_ops *ops,
                      void *transport, struct sw_err *err)
{
    struct http_request *req = sw_calloc(1, sizeof(*req));

    if (req == NULL)
        return sw_err_set(err, -ENOMEM, "receive request");
    req->method = sw_strdup(head->method);
    req->target = sw_strdup(head->target);
    if (req->method == NULL || req->target == NULL || copy_headers(req, head) < 0) {
        request_free(req);
        return sw_err_set(err, -ENOMEM, "receive request");
    }
    req->router = router;
    req->ops = ops;
    req->transport = transport;
    req->can_hijack = head->can_hijack;
    req->body_len = head->body_len;
    *out = req;
    req->depth = 1;
    request_begin(req, head->body_len);
    if (!request_leave(req))
        *out = NULL;
    return 0;
}

void http_exchange_body(struct http_request *req, const void *data, size_t len)
{
    if (req->gone || len == 0)
        return;
    req->depth++;
    if (req->state == REQ_BODY) {
        if (len > req->body_max - req->body.len) {
            http_reply_error(req, 413, "http: request body too large");
        } else {
            sw_buf_add(&req->body, data, len);
            if (sw_buf_failed(&req->body))
                http_abort(req);
        }
    } else if (req->on_body != NULL) {
        req->on_body(req, data, len, req->on_body_arg);
    }
    request_leave(req);
}

void http_exchange_body_end(struct http_request *req)
{
    if (req->gone || req->body_end)
        return;
    req->body_end = true;
    req->depth++;
    if (req->state == REQ_BODY)
        request_call(req);
    else if (req->on_body != NULL)
        req->on_body(req, NULL, 0, req->on_body_arg);
    request_leave(req);
}

void http_exchange_drained(struct http_request *req)
{
    if (!req->high || req->gone)
        return;
    req->high = false;
    if (req->on_drain == NULL)
        return;
    req->depth++;
    req->on_drain(req, req->on_drain_arg);
    request_leave(req);
}

void http_exchange_gone(struct http_request *req)
{
    if (req->gone)
        return;
    req->gone = true;
    req->depth++;
    if (req->state == REQ_BODY) /* no handler has it yet */
        request_finish(req, HTTP_END_ABORT);
    else if (req->on_close != NULL)
        req->on_close(req, req->on_close_arg);
    request_leave(req);
}
