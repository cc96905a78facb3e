/* SPDX-License-Identifier: Apache-2.0
 * exchange.h - the seam under a request: run one through a router without a socket.
 *
 * The receiving side ("transport") describes the request, feeds its body and implements five
 * functions for the answer. server.c does so for sockets; a manager does so for requests that
 * another manager forwarded. Everything runs on the loop thread.
 *
 * Life: http_exchange_new() -> feed body -> the handler finishes -> ops->end() is the last call the
 * transport gets; the request is freed behind it. The transport may not touch the request after
 * its end() was called. */
#ifndef SWARM_COMMON_HTTP_EXCHANGE_H
#define SWARM_COMMON_HTTP_EXCHANGE_H

#include "common/http/http.h"

enum http_end {
    HTTP_END_OK,    /* the answer is complete */
    HTTP_END_ABORT, /* cut off: the answer is incomplete, or there is none */
};

enum http_answer {
    HTTP_ANSWER_WHOLE,  /* @body and @len are everything; end() follows at once */
    HTTP_ANSWER_STREAM, /* write() until end() */
    HTTP_ANSWER_HIJACK, /* raw both ways until end() */
};

struct http_answer_head {
    int status;
    enum http_answer kind;
    const struct http_header *headers; /* borrowed for the call */
    size_t n_headers;
    void *body; /* WHOLE: owned by the transport, sw_free(); may be NULL */
    size_t len;
};

struct http_exchange_ops {
    /** start() - once, before write(); not called at all when the request is aborted early. */
    void (*start)(void *transport, const struct http_answer_head *head);
    /** write() - copy @data. Return: bytes waiting to be sent (0 when unknown). */
    size_t (*write)(void *transport, const void *data, size_t len);
    /** read() - @on: feed body bytes from now on, but not inside this call; false: hold them (and
     * the body's end) back. */
    void (*read)(void *transport, bool on);
    /** end() - the last call. */
    void (*end)(void *transport, enum http_end how);
};

struct http_exchange_head {
    const char *method;
    const char *target; /* raw: path and query */
    const struct http_header *headers;
    size_t n_headers;
    int64_t body_len; /* bytes when known (Content-Length), 0: none, -1: unknown */
    bool can_hijack;
};

/**
 * http_exchange_new() - create the request and route it
 * @out:       returned for the feed functions; freed by the handler's finishing call
 * @head:      copied
 * @ops:       borrowed, static
 * @transport: borrowed until ops->end()
 *
 * ops may be called before this returns (an answer at once): then *out is NULL.
 * Return: 0; -ENOMEM, nothing was called.
 */
int http_exchange_new(struct http_request **out, struct http_router *router,
                      const struct http_exchange_head *head, const struct http_exchange_ops *ops,
                      void *transport, struct sw_err *err);
/** http_exchange_body() - more of the body or of a hijacked stream. May finish the request. */
void http_exchange_body(struct http_request *req, const void *data, size_t len);
/** http_exchange_body_end() - no more will come. May finish the request. */
void http_exchange_body_end(struct http_request *req);
/** http_exchange_drained() - everything written has been sent. May finish the request. */
void http_exchange_drained(struct http_request *req);
/** http_exchange_gone() - the client left. Runs on_close, which may finish the request. */
void http_exchange_gone(struct http_request *req);

#endif
