/* SPDX-License-Identifier: Apache-2.0
 * http.h - a request as its handler sees it, and the router that finds the handler.
 *
 * How it works: whoever received a request (server.h: a socket; exchange.h: anything else, such as
 * an RPC from another manager) hands it to a router. The router finds the route and calls its
 * handler once, on the loop thread. From then on the handler owns the request and may answer now
 * or much later, but must finish it exactly once, by one of
 *
 *   http_reply*()                                  a whole answer
 *   http_stream_start() ... http_stream_end()      pieces, with back-pressure
 *   http_hijack() ... http_stream_end()            101 and raw bytes both ways (attach, exec)
 *   http_abort()                                   cut the connection
 *
 * The finishing call frees the request: nothing may touch it afterwards. When the client goes away
 * earlier, on_close runs once; the request stays valid, what is written to it is dropped, and the
 * handler finishes it all the same (inside on_close or later).
 *
 * Memory failures inside never surface here: the client sees its connection closed. */
#ifndef SWARM_COMMON_HTTP_HTTP_H
#define SWARM_COMMON_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

struct http_request; /* opaque, request.c */
struct http_router;  /* opaque, router.c */

#define HTTP_BODY_MAX_DEFAULT ((size_t)4 << 20)   /* bytes of a body kept in memory */
#define HTTP_STREAM_HIGH      ((size_t)256 << 10) /* a producer pauses above this many unsent bytes */

struct http_header {
    const char *name;
    const char *value;
};

/* ---- what was asked ------------------------------------------------------------------------ */

const char *http_method(const struct http_request *req); /* "GET", upper case */
/** http_path() - decoded, without query and without a "/v1.44" prefix; always starts with '/'. */
const char *http_path(const struct http_request *req);
/** http_target() - as received, for forwarding: "/v1.44/services?filters=%7B%7D". */
const char *http_target(const struct http_request *req);
/** http_api_version() - 144 for "/v1.44/...", the newest when there was no prefix. */
unsigned http_api_version(const struct http_request *req);
/** http_arg() - what "{name}" of the route's pattern matched, decoded. NULL: no such name. */
const char *http_arg(const struct http_request *req, const char *name);
/** http_header() - first value of a header, any case. Return: NULL when absent. */
const char *http_header(const struct http_request *req, const char *name);
/** http_headers() - all of them, as received. Borrowed. */
const struct http_header *http_headers(const struct http_request *req, size_t *n);
/** http_query() - decoded value of the first "name=value"; "" for "name", NULL when absent. */
const char *http_query(const struct http_request *req, const char *name);
/** http_query_nth() - the @nth (from 0) value of a repeated name, NULL behind the last. */
const char *http_query_nth(const struct http_request *req, const char *name, size_t nth);
/** http_query_bool() - docker's rule: absent is @absent; false for "", 0, no, false, none. */
bool http_query_bool(const struct http_request *req, const char *name, bool absent);
/**
 * http_query_int() - a decimal number
 * Return: 0, @out is @absent when not given or empty; SW_E_INVALID with Go's text when malformed.
 */
int http_query_int(const struct http_request *req, const char *name, int64_t absent, int64_t *out,
                   struct sw_err *err);
/** http_body() - the whole body (HTTP_BODY_WHOLE routes), zero-terminated; "" when empty. */
const char *http_body(const struct http_request *req, size_t *len);
/** http_body_length() - bytes as the client announced them, 0: no body, -1: unknown (chunked). */
int64_t http_body_length(const struct http_request *req);
/** http_is_head() - HEAD is served by GET's handler; the body is dropped by itself. */
bool http_is_head(const struct http_request *req);
/** http_wants_upgrade() - the client sent "Connection: Upgrade". */
bool http_wants_upgrade(const struct http_request *req);

/* ---- events -------------------------------------------------------------------------------- */

/**
 * http_on_close() - hear of a client that left before the request was finished
 * @fn: at most once, on the loop, never inside this call; may finish the request
 */
void http_on_close(struct http_request *req, void (*fn)(struct http_request *req, void *arg),
                   void *arg);
bool http_is_gone(const struct http_request *req);

/**
 * http_on_body() - take the body of a HTTP_BODY_STREAM route, or a hijacked connection's input
 * @fn: on the loop, never inside this call. @data is borrowed for the call. len == 0, once: the end
 *      (the client half-closed). A client that breaks off is reported by on_close instead.
 *
 * Until this is called nothing is read from the client (back-pressure).
 */
void http_on_body(struct http_request *req,
                  void (*fn)(struct http_request *req, const void *data, size_t len, void *arg),
                  void *arg);
/** http_body_pause() - @fn is not called again until http_body_resume(). Safe inside @fn. */
void http_body_pause(struct http_request *req);
void http_body_resume(struct http_request *req);

/* ---- the answer ---------------------------------------------------------------------------- */

/** http_set_header() - for the answer; replaces an equal name. Copied. Before it is started. */
void http_set_header(struct http_request *req, const char *name, const char *value);

/** http_reply() - finish with a whole body. @body is copied; @content_type may be NULL. */
void http_reply(struct http_request *req, int status, const char *content_type, const void *body,
                size_t len);
/** http_reply_owned() - the same; @body is from sw_malloc() and owned. */
void http_reply_owned(struct http_request *req, int status, const char *content_type, void *body,
                      size_t len);
/** http_reply_empty() - no body: "Content-Length: 0", or none at all for 204 and 304. */
void http_reply_empty(struct http_request *req, int status);
/** http_reply_error() - {"message":"..."} and a newline. */
void http_reply_error(struct http_request *req, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** http_reply_err() - the same with http_status_of(err->code) and err->msg. */
void http_reply_err(struct http_request *req, const struct sw_err *err);
/** http_status_of() - the one table code -> status (docker's classes); 500 for what is not in it.
 */
int http_status_of(int code);

/** http_stream_start() - send status and headers now; chunked, or raw until close for HTTP/1.0. */
void http_stream_start(struct http_request *req, int status, const char *content_type);
/**
 * http_stream_write() - queue bytes, copied
 *
 * Return: bytes now waiting for the client. A producer stops above HTTP_STREAM_HIGH and goes on
 * when on_drain is called; nothing is lost by one that does not, except memory: above 64 times
 * HTTP_STREAM_HIGH the client is cut off.
 */
size_t http_stream_write(struct http_request *req, const void *data, size_t len);
/** http_on_drain() - @fn each time the queue has emptied after having been above the mark. */
void http_on_drain(struct http_request *req, void (*fn)(struct http_request *req, void *arg),
                   void *arg);
/** http_stream_end() - finish: what is queued is still sent. */
void http_stream_end(struct http_request *req);

/**
 * http_hijack() - take the connection over: 101 when the client asked for an upgrade, else a bare
 *                 200, headers at once
 * @content_type: "application/vnd.docker.raw-stream" or ".multiplexed-stream"
 *
 * Afterwards http_stream_write() sends raw bytes and http_on_body() receives them; a half-closed
 * client (len == 0) goes on receiving. http_stream_end() closes. The request's own body must have
 * come in completely (the JSON of exec start: a HTTP_BODY_WHOLE route).
 */
void http_hijack(struct http_request *req, const char *content_type);

/** http_abort() - finish by cutting the connection; before the start too. */
void http_abort(struct http_request *req);

/* ---- routes -------------------------------------------------------------------------------- */

typedef void http_handler(struct http_request *req, void *arg);

enum http_body_mode {
    HTTP_BODY_WHOLE,  /* the handler is called when the body is complete; larger: 413 */
    HTTP_BODY_STREAM, /* the handler is called after the headers and uses http_on_body() */
};

struct http_route {
    const char *method;  /* "GET" (also serves HEAD), "POST", ...; "*": any */
    const char *pattern; /* "/images/{name:.*}/json": {x} one segment, {x:.*} one or more */
    http_handler *handler;
    enum http_body_mode body;
    size_t body_max; /* bytes, 0: HTTP_BODY_MAX_DEFAULT; HTTP_BODY_WHOLE only */
};

struct http_router_options {
    bool engine;        /* Docker Engine rules: version prefix, headers on every answer, OPTIONS */
    const char *server; /* copied; value of "Server", NULL: none */
};

/**
 * http_router_new() - an empty router; unknown paths get 404 {"message":"page not found"}
 * @out: returned; release with http_router_free() after every server that uses it
 *
 * Return: 0, -ENOMEM.
 */
int http_router_new(struct http_router **out, const struct http_router_options *opt,
                    struct sw_err *err);
void http_router_free(struct http_router *r);
/**
 * http_router_add() - @n routes, first match wins in the order of adding
 * @routes: borrowed for the router's life (static tables)
 * @arg:    borrowed, passed to their handlers
 *
 * Return: 0; -ENOMEM; SW_E_INVALID for a malformed pattern.
 */
int http_router_add(struct http_router *r, const struct http_route *routes, size_t n, void *arg,
                    struct sw_err *err);

#endif
