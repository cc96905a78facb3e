// uses: swarm_http
/* SPDX-License-Identifier: Apache-2.0
 * Targets, queries, filters and JSON bodies through a router. Input: a line with the target, then
 * the body. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/http/docker.h"
#include "common/http/exchange.h"

static int ends;

static void on_start(void *t, const struct http_answer_head *head)
{
    (void)t;
    if (head->status < 200 || head->status > 599)
        abort();
    sw_free(head->body);
}

static size_t on_write(void *t, const void *data, size_t len)
{
    (void)t;
    (void)data;
    return len;
}

static void on_read(void *t, bool on)
{
    (void)t;
    (void)on;
}

static void on_end(void *t, enum http_end how)
{
    (void)t;
    (void)how;
    ends++;
}

static const struct http_exchange_ops ops = { on_start, on_write, on_read, on_end };

static const char *lookup(const void *labels, const char *name)
{
    (void)labels;
    return name;
}

static void handle(struct http_request *req, void *arg)
{
    struct docker_filters *f = NULL;
    struct sw_err err = { 0 };
    json_t *body = NULL;
    int64_t n;
    bool b;

    (void)arg;
    if (docker_filters_of(&f, req, NULL, &err) < 0 || http_query_int(req, "n", 0, &n, &err) < 0 ||
        http_body_json(req, true, &body, &err) < 0) {
        docker_filters_free(f);
        http_reply_err(req, &err);
        return;
    }
    docker_filters_labels(f, "label", lookup, NULL);
    docker_filters_prefix(f, "id", "abc");
    docker_filters_bool(f, "dangling", false, &b, &err);
    http_query_bool(req, "b", false);
    docker_json_str(docker_json_get(body, "Spec"), "Name");
    docker_json_check(body, "Name", JSON_STRING, "X", &err);
    docker_filters_free(f);
    json_decref(body);
    http_reply_error(req, 404, "no %s", http_arg(req, "name") == NULL ? "" : http_arg(req, "name"));
}

static const struct http_route routes[] = {
    { "GET", "/images/{name:.*}/json", handle, HTTP_BODY_WHOLE, 0 },
    { "*", "/a/{name}/b", handle, HTTP_BODY_WHOLE, 0 },
    { "*", "/{name:.*}", handle, HTTP_BODY_WHOLE, 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_router *router;
    struct http_router_options opt = { .engine = true, .server = "x" };
    const uint8_t *line_end = memchr(data, '\n', size);
    size_t len = line_end == NULL ? size : (size_t)(line_end - data);
    struct http_exchange_head head = { .method = "GET", .body_len = -1 };
    struct http_request *req = NULL;
    struct sw_err err;
    char *target;

    if (router == NULL && (http_router_new(&router, &opt, &err) < 0 ||
                           http_router_add(router, routes, SW_ARRAY_LEN(routes), NULL, &err) < 0))
        abort();
    target = sw_strndup((const char *)data, len);
    head.target = target;
    ends = 0;
    if (http_exchange_new(&req, router, &head, &ops, &ends, &err) < 0)
        abort();
    if (req != NULL && line_end != NULL)
        http_exchange_body(req, line_end + 1, size - len - 1);
    if (req != NULL && ends == 0)
        http_exchange_body_end(req);
    if (ends != 1)
        abort();
    sw_free(target);
    return 0;
}
