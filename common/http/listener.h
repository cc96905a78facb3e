/* SPDX-License-Identifier: Apache-2.0
 * listener.h - one listening socket, one libmicrohttpd daemon (private to common/http).
 *
 * How it works. libmicrohttpd keeps an epoll set of its own; the loop polls that descriptor and a
 * timer, and both call MHD_run(). A connection whose request waits for its handler is suspended:
 * libmicrohttpd then looks at neither its socket nor its request until it is resumed and run. While
 * it is suspended conn.c watches the socket for the client's departure by itself.
 *
 * One struct conn per request. It is referenced by libmicrohttpd (until "completed"), by the
 * request (until end()) and by its libuv handles (until closed). */
#ifndef SWARM_COMMON_HTTP_LISTENER_H
#define SWARM_COMMON_HTTP_LISTENER_H

#include <microhttpd.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/http/exchange.h"
#include "common/http/server.h"

#if MHD_VERSION < 0x00097002
#error "libmicrohttpd 0.9.71 or later is required"
#endif

#define HTTP_HEAD_MAX ((size_t)64 << 10)
#define HTTP_CONN_CUT (64 * HTTP_STREAM_HIGH) /* unsent bytes at which a client is given up */

struct listener {
    struct sw_list link; /* in http_server.listeners */
    struct http_server *server;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    bool is_unix;
    char *path; /* of the socket file, to unlink */
    struct sw_list conns;
    bool kicked;
    unsigned open_handles;
};

struct http_server {
    uv_loop_t *loop;
    struct http_router *router;
    struct http_server_options opt;
    struct sw_list listeners;
    size_t live_conns;
    bool closing;
    uv_timer_t close_timer;
    bool close_timer_open;
    void (*done)(void *arg);
    void *done_arg;
};

struct conn {
    struct listener *l; /* gone once completed */
    struct http_server *server;
    struct sw_list link; /* in listener.conns while libmicrohttpd knows it */
    unsigned refs;
    struct MHD_Connection *mhd; /* NULL when completed */
    struct http_request *req;   /* NULL before the head is complete and after end() */
    char *target;

    bool seen;      /* the access handler ran once */
    bool suspended; /* libmicrohttpd is not to touch it */
    bool drop;      /* close it at the next chance */
    bool reading;   /* the request takes body bytes */
    bool paused;    /* it said that it does not */
    bool body_end;
    bool started; /* answer head known */
    bool ended;   /* end() was called */
    bool queued;  /* the answer was given to libmicrohttpd */

    int status;
    enum http_answer kind;
    struct MHD_Response *response;
    struct sw_buf out; /* STREAM: unsent bytes */
    size_t out_pos;
    char *raw_head;  /* HIJACK without upgrade: the answer's head as text */
    struct raw *raw; /* HIJACK: the socket, raw.c */
    struct MHD_UpgradeResponseHandle *upgrade;

    uv_poll_t watch; /* for the client's departure while suspended */
    bool watch_open;
};

/* conn.c */
void *conn_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result conn_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **con_cls);
void conn_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                       enum MHD_RequestTerminationCode toe);
/** conn_gone() - the client left, or the server closes. May free @c. */
void conn_gone(struct conn *c);
void conn_unref(struct conn *c);

/* raw.c */
struct raw_ops {
    void (*on_data)(void *arg, const void *data, size_t len); /* len 0: half-closed */
    void (*on_drain)(void *arg);
    void (*on_error)(void *arg);  /* the peer is gone; raw_close() is still to be called */
    void (*on_closed)(void *arg); /* after raw_close(): freed */
};
/** raw_new() - @fd is duplicated. Return: NULL when memory or descriptors are gone. */
struct raw *raw_new(uv_loop_t *loop, int fd, const struct raw_ops *ops, void *arg);
/** raw_early() - bytes that were read with the request's head; delivered before all others. */
void raw_early(struct raw *r, const void *data, size_t len);
size_t raw_write(struct raw *r, const void *data, size_t len); /* bytes waiting */
void raw_read(struct raw *r, bool on);
/** raw_close() - @flush: after what is queued was sent. No callback but on_closed follows. */
void raw_close(struct raw *r, bool flush);

/* server.c */
/** listener_kick() - a connection was resumed: let libmicrohttpd run in the next turn of the loop
 * (in this mode it does not wake its own epoll set). */
void listener_kick(struct listener *l);
void server_conn_freed(struct http_server *s);

#endif
