/* SPDX-License-Identifier: Apache-2.0
 * server.h - listens on Unix and TCP sockets and feeds requests to a router.
 *
 * libmicrohttpd parses; its epoll descriptor is polled by the libuv loop, so everything happens on
 * the one loop thread. Connections are kept alive; request heads are bounded by 64 KiB. */
#ifndef SWARM_COMMON_HTTP_SERVER_H
#define SWARM_COMMON_HTTP_SERVER_H

#include "common/http/http.h"

struct http_server; /* opaque, server.c */
struct uv_loop_s;

struct http_server_options {
    unsigned max_connections; /* per listener, 0: 1024 */
    unsigned idle_timeout_s;  /* between requests and while a head is read, 0: 300 */
};

/**
 * http_server_new() - a server without listeners
 * @out:    returned; release with http_server_close()
 * @loop:   borrowed, must outlive the server
 * @router: borrowed, must outlive the server
 * @opt:    copied, may be NULL
 *
 * Return: 0, -ENOMEM.
 */
int http_server_new(struct http_server **out, struct uv_loop_s *loop, struct http_router *router,
                    const struct http_server_options *opt, struct sw_err *err);
/**
 * http_server_listen_unix() - replaces a socket file nobody listens on
 * @path: copied; unlinked at close
 * @mode: of the socket file, e.g. 0660
 * @gid:  its group, (gid_t)-1: leave
 *
 * Return: 0; -EADDRINUSE when another process answers there; any errno.
 */
int http_server_listen_unix(struct http_server *s, const char *path, mode_t mode, gid_t gid,
                            struct sw_err *err);
/**
 * http_server_listen_tcp() - @addr is "127.0.0.1:8080", "[::1]:8080"; port 0: any
 * @port: filled with the port in use, may be NULL
 */
int http_server_listen_tcp(struct http_server *s, const char *addr, uint16_t *port,
                           struct sw_err *err);
/** http_server_listen_fd() - take over a listening socket (socket activation, inherited). Owned. */
int http_server_listen_fd(struct http_server *s, int fd, struct sw_err *err);
/**
 * http_server_close() - stop listening, tell every open request that its client left, free
 * @done: on the loop, when nothing of the server is left; may be NULL
 *
 * Requests whose handlers have not finished stay valid until they do; @done waits for them.
 */
void http_server_close(struct http_server *s, void (*done)(void *arg), void *arg);

#endif
