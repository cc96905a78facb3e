/* SPDX-License-Identifier: Apache-2.0
 * request.h - inside of struct http_request (private to common/http).
 *
 *   BODY --whole body there--> OPEN --start--> STREAM | HIJACK --end--> DONE
 *     \------------- answered early, e.g. 413 ------------------------/
 *
 * A stream route starts in OPEN. DONE is reached by exactly one finishing call; the object is freed
 * as soon as no callback into the handler is on the stack (depth == 0). */
#ifndef SWARM_COMMON_HTTP_REQUEST_H
#define SWARM_COMMON_HTTP_REQUEST_H

#include "common/base/buf.h"
#include "common/http/exchange.h"
#include "common/http/url.h"

enum request_state { REQ_BODY, REQ_OPEN, REQ_STREAM, REQ_HIJACK, REQ_DONE, REQ_STATES };

#define REQUEST_ARGS_MAX    4
#define REQUEST_HEADERS_MAX 24 /* answer headers a handler may set, ours included */

struct request_arg {
    const char *name; /* points into the pattern */
    size_t name_len;
    char *value;
};

struct request_out_header {
    char *name;
    char *value;
};

struct http_request {
    enum request_state state;
    unsigned depth; /* callbacks into the handler on the stack */
    struct http_router *router;
    const struct http_exchange_ops *ops;
    void *transport;

    char *method;
    char *target;
    struct http_header *headers; /* one allocation, strings behind the array */
    size_t n_headers;
    struct http_url url;
    const char *path; /* behind the version prefix */
    unsigned api_version;
    struct request_arg args[REQUEST_ARGS_MAX];
    size_t n_args;
    bool can_hijack;

    const struct http_route *route;
    void *route_arg;
    size_t body_max;
    struct sw_buf body;
    int64_t body_len; /* as announced, -1: unknown */
    bool body_end;    /* all of it has come in */

    bool gone;
    bool high; /* above the mark: a drain callback is due */
    void (*on_close)(struct http_request *req, void *arg);
    void *on_close_arg;
    void (*on_body)(struct http_request *req, const void *data, size_t len, void *arg);
    void *on_body_arg;
    bool paused;
    void (*on_drain)(struct http_request *req, void *arg);
    void *on_drain_arg;

    struct request_out_header out[REQUEST_HEADERS_MAX];
    size_t n_out;
};

/** request_call() - run the route's handler (the body, if wanted whole, is complete). */
void request_call(struct http_request *req);
/** request_unref_stack() - leave a callback; frees a finished request. Return: false if freed. */
bool request_leave(struct http_request *req);

/* router.c */
struct router_match {
    const struct http_route *route;
    void *arg;
};
/** router_route() - find the route, fill path, version and args. Return: false: answered. */
bool router_route(struct http_request *req, struct sw_err *err);
/** router_headers() - put the headers every answer of this router carries. */
void router_headers(const struct http_router *r, struct http_request *req);

#endif
