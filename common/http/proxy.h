/* SPDX-License-Identifier: Apache-2.0
 * proxy.h - pass a request to another daemon's Unix socket and its answer back.
 *
 * Bodies stream both ways with back-pressure, upgrades are passed through, and whichever side goes
 * away first takes the other down. Serve it from a HTTP_BODY_STREAM route, or from a
 * HTTP_BODY_WHOLE one that looks at the body first. */
#ifndef SWARM_COMMON_HTTP_PROXY_H
#define SWARM_COMMON_HTTP_PROXY_H

#include "common/http/http.h"

struct uv_loop_s;

struct http_proxy_options {
    const char *socket_path;
    const struct http_header *add; /* more request headers, may be NULL */
    size_t n_add;
    const char *unavailable; /* text of the 503 when nobody listens, NULL: a general one */
};

/** http_proxy() - takes the request over and finishes it. @opt is copied. */
void http_proxy(struct http_request *req, struct uv_loop_s *loop,
                const struct http_proxy_options *opt);

/**
 * http_fetch() - a whole answer from another daemon, for endpoints that merge
 * @done: once, on the loop, never inside this call; @status is 0 and @err set when there is none.
 *        @body is borrowed, zero-terminated
 *
 * Answers above @max bytes fail. Return: 0, -ENOMEM, errno.
 */
int http_fetch(struct uv_loop_s *loop, const char *socket_path, const char *method,
               const char *target, size_t max,
               void (*done)(int status, const char *body, size_t len, const struct sw_err *err,
                            void *arg),
               void *arg, struct sw_err *err);

#endif
