/* SPDX-License-Identifier: Apache-2.0
 * client.h - one HTTP/1.1 call over a Unix socket, streaming both ways, with upgrade.
 *
 * For talking to our own daemons (libcurl cannot take a connection over after 101). One connection
 * a call. */
#ifndef SWARM_COMMON_HTTP_CLIENT_H
#define SWARM_COMMON_HTTP_CLIENT_H

#include "common/http/http.h"

struct http_call; /* opaque, client.c */
struct uv_loop_s;

struct http_call_head {
    int status;
    const struct http_header *headers; /* borrowed for the call */
    size_t n_headers;
    bool hijacked;    /* 101: raw bytes both ways from here */
    int64_t body_len; /* Content-Length, -1: unknown */
};

/* All on the loop, never inside http_call_start(). */
struct http_call_ops {
    void (*on_head)(struct http_call *c, const struct http_call_head *head, void *arg);
    void (*on_body)(struct http_call *c, const void *data, size_t len, void *arg);
    void (*on_drain)(struct http_call *c, void *arg); /* everything sent so far has left */
    /** on_end() - last call, exactly once unless canceled. @err: NULL when the answer is complete;
     * SW_E_UNAVAILABLE when nobody listens, SW_E_PROTOCOL, SW_E_DEADLINE, errno. Frees @c behind.
     */
    void (*on_end)(struct http_call *c, const struct sw_err *err, void *arg);
};

struct http_call_options {
    const char *socket_path;
    const char *method;
    const char *target;                /* raw path and query */
    const struct http_header *headers; /* Host, Connection, Content-Length and such are ours */
    size_t n_headers;
    int64_t body_len;         /* bytes, 0: none, -1: unknown (chunked) */
    bool upgrade;             /* ask for "Upgrade: tcp" */
    uint64_t head_timeout_ms; /* until the answer's head, 0: none */
};

/** http_call_start() - @opt is copied, @ops and @arg borrowed. Return: 0, -ENOMEM, errno. */
int http_call_start(struct http_call **out, struct uv_loop_s *loop,
                    const struct http_call_options *opt, const struct http_call_ops *ops, void *arg,
                    struct sw_err *err);
/** http_call_write() - body bytes, or raw ones once hijacked; copied. Return: bytes waiting. */
size_t http_call_write(struct http_call *c, const void *data, size_t len);
/** http_call_write_end() - the body is complete; hijacked: half-close. */
void http_call_write_end(struct http_call *c);
void http_call_read(struct http_call *c, bool on); /* back-pressure on the answer */
/** http_call_cancel() - no callback follows, @c is gone for the caller. */
void http_call_cancel(struct http_call *c);

#endif
