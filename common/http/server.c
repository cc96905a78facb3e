/* SPDX-License-Identifier: Apache-2.0
 * server.c - listeners, and libmicrohttpd inside the libuv loop. listener.h says how. */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/http/listener.h"
#include "common/log/log.h"

#define BACKLOG 128

static void listener_run(struct listener *l);
static void server_check_closed(struct http_server *s);

int http_server_new(struct http_server **out, struct uv_loop_s *loop, struct http_router *router,
                    const struct http_server_options *opt, struct sw_err *err)
{
    struct http_server *s = sw_calloc(1, sizeof(*s));

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "create http server");
    s->loop = loop;
    s->router = router;
    if (opt != NULL)
        s->opt = *opt;
    if (s->opt.max_connections == 0)
        s->opt.max_connections = 1024;
    if (s->opt.idle_timeout_s == 0)
        s->opt.idle_timeout_s = 300;
    sw_list_init(&s->listeners);
    *out = s;
    return 0;
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *t)
{
    listener_run(t->data);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    listener_run(p->data);
}

static void listener_run(struct listener *l)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    l->kicked = false;
    MHD_run(l->daemon);
    if (l->kicked)
        uv_timer_start(&l->timer, on_timer, 0, 0);
    else if (MHD_get_timeout(l->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&l->timer, on_timer, wait_ms, 0);
    else
        uv_timer_stop(&l->timer);
}

void listener_kick(struct listener *l)
{
    l->kicked = true;
    if (l->open_handles == 2 && !uv_is_closing((uv_handle_t *)&l->timer))
        uv_timer_start(&l->timer, on_timer, 0, 0);
}

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
    char line[512];

    (void)cls;
    vsnprintf(line, sizeof(line), fmt, ap);
    line[strcspn(line, "\r\n")] = '\0';
    log_debug("http library: %s", line);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct listener *l = h->data;
    struct http_server *s = l->server;

    if (--l->open_handles > 0)
        return;
    sw_list_del(&l->link);
    sw_free(l->path);
    sw_free(l);
    server_check_closed(s);
}

static int listener_start(struct listener *l, int fd, struct sw_err *err)
{
    const union MHD_DaemonInfo *info;
    struct http_server *s = l->server;

    l->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, conn_on_access, l, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, conn_on_uri, l,
        MHD_OPTION_NOTIFY_COMPLETED, conn_on_completed, l, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        HTTP_HEAD_MAX, MHD_OPTION_CONNECTION_LIMIT, s->opt.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, s->opt.idle_timeout_s, MHD_OPTION_STRICT_FOR_CLIENT, -1,
        MHD_OPTION_END);
    if (l->daemon == NULL)
        return sw_err_set(err, SW_E_INTERNAL, "start http listener");
    info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || uv_poll_init(s->loop, &l->poll, info->epoll_fd) < 0) {
        MHD_stop_daemon(l->daemon);
        l->daemon = NULL;
        return sw_err_set(err, SW_E_INTERNAL, "start http listener: no epoll descriptor");
    }
    uv_timer_init(s->loop, &l->timer);
    l->poll.data = l;
    l->timer.data = l;
    l->open_handles = 2;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return 0;
}

static struct listener *listener_new(struct http_server *s, const char *path, struct sw_err *err)
{
    struct listener *l = sw_calloc(1, sizeof(*l));

    if (l == NULL) {
        sw_err_set(err, -ENOMEM, "create http listener");
        return NULL;
    }
    l->server = s;
    sw_list_init(&l->conns);
    if (path != NULL) {
        l->path = sw_strdup(path);
        if (l->path == NULL) {
            sw_free(l);
            sw_err_set(err, -ENOMEM, "create http listener");
            return NULL;
        }
    }
    return l;
}

/* Takes @fd in any case. */
static int server_add(struct http_server *s, int fd, const char *path, struct sw_err *err)
{
    struct listener *l = listener_new(s, path, err);
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);

    if (l != NULL && getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
        l->is_unix = ss.ss_family == AF_UNIX;
    if (l == NULL || listener_start(l, fd, err) < 0) {
        close(fd);
        if (l != NULL) {
            sw_free(l->path);
            sw_free(l);
        }
        return err->code;
    }
    sw_list_push_back(&s->listeners, &l->link);
    return 0;
}

/* ---- listening ---------------------------------------------------------------------------------
 */

int http_server_listen_fd(struct http_server *s, int fd, struct sw_err *err)
{
    return server_add(s, fd, NULL, err);
}

static int unix_bind(const char *path, struct sw_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    SW_CLEANUP(sw_close_ptr) int fd = -1;

    if (strlen(path) >= sizeof(a.sun_path))
        return sw_err_set(err, -ENAMETOOLONG, "listen on '%s': path too long", path);
    strcpy(a.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sw_err_errno(err, errno, "listen on '%s'", path);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN)
        return sw_err_set(err, -EADDRINUSE, "listen on '%s': another process answers there", path);
    if (errno == ECONNREFUSED && unlink(path) < 0 && errno != ENOENT)
        return sw_err_errno(err, errno, "remove old socket '%s'", path);
    close(sw_steal_fd(&fd));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return sw_err_errno(err, errno, "listen on '%s'", path);
    return sw_steal_fd(&fd);
}

int http_server_listen_unix(struct http_server *s, const char *path, mode_t mode, gid_t gid,
                            struct sw_err *err)
{
    mode_t mask = umask(0177); /* nobody else may connect before the mode is set */
    int fd = unix_bind(path, err);
    int r = 0;

    umask(mask);
    if (fd < 0)
        return fd;
    if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0)
        r = sw_err_errno(err, errno, "set group of '%s'", path);
    else if (chmod(path, mode) < 0)
        r = sw_err_errno(err, errno, "set mode of '%s'", path);
    else if (listen(fd, BACKLOG) < 0)
        r = sw_err_errno(err, errno, "listen on '%s'", path);
    if (r < 0) {
        close(fd);
        unlink(path);
        return r;
    }
    return server_add(s, fd, path, err);
}

static int tcp_bind(const char *addr, struct sw_err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *ai = NULL;
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    const char *colon = strrchr(addr, ':');
    char host[64] = "";
    int one = 1;
    int e = EINVAL;

    if (colon == NULL || (size_t)(colon - addr) >= sizeof(host))
        return sw_err_set(err, SW_E_INVALID, "listen on '%s': address:port is expected", addr);
    memcpy(host, addr, (size_t)(colon - addr));
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        memmove(host, host + 1, strlen(host));
    }
    if (getaddrinfo(host[0] == '\0' ? NULL : host, colon + 1, &hints, &ai) != 0)
        return sw_err_set(err, SW_E_INVALID, "listen on '%s': not a numeric address", addr);
    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        e = errno;
    else
        e = 0;
    freeaddrinfo(ai);
    if (e != 0)
        return sw_err_errno(err, e, "listen on '%s'", addr);
    return sw_steal_fd(&fd);
}

int http_server_listen_tcp(struct http_server *s, const char *addr, uint16_t *port,
                           struct sw_err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = { 0 };
    socklen_t len = sizeof(a);
    int fd = tcp_bind(addr, err);

    if (fd < 0)
        return fd;
    if (port != NULL && getsockname(fd, &a.any, &len) == 0)
        *port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
    return server_add(s, fd, NULL, err);
}

/* ---- closing -----------------------------------------------------------------------------------
 *
 * From a timer, because libmicrohttpd may be on the caller's stack: the requests hear that their
 * clients left, raw connections close over some turns of the loop, and when libmicrohttpd has no
 * connection that waits for us its daemon is stopped. The server is freed when the last request
 * was finished by its handler. */

static void on_server_closed(uv_handle_t *h)
{
    struct http_server *s = h->data;
    void (*done)(void *arg) = s->done;
    void *arg = s->done_arg;

    sw_free(s);
    if (done != NULL)
        done(arg);
}

static void server_check_closed(struct http_server *s)
{
    if (s->closing && s->live_conns == 0 && sw_list_empty(&s->listeners) && s->close_timer_open) {
        s->close_timer_open = false;
        uv_close((uv_handle_t *)&s->close_timer, on_server_closed);
    }
}

void server_conn_freed(struct http_server *s)
{
    assert(s->live_conns > 0);
    s->live_conns--;
    server_check_closed(s);
}

static bool listener_stop(struct listener *l)
{
    bool raw_left = false;

    sw_list_each_safe(i, &l->conns)
    {
        struct conn *c = sw_list_entry(i, struct conn, link);

        if (!c->drop)
            conn_gone(c);
    }
    MHD_run(l->daemon);
    sw_list_each(i, &l->conns)
    {
        struct conn *c = sw_list_entry(i, struct conn, link);

        raw_left = raw_left || c->raw != NULL || c->upgrade != NULL || c->suspended;
    }
    if (raw_left)
        return false;
    uv_poll_stop(&l->poll);
    uv_timer_stop(&l->timer);
    MHD_stop_daemon(l->daemon);
    l->daemon = NULL;
    if (l->path != NULL)
        unlink(l->path);
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    uv_close((uv_handle_t *)&l->timer, on_listener_closed);
    return true;
}

static void on_close_step(uv_timer_t *t)
{
    struct http_server *s = t->data;
    bool again = false;

    sw_list_each_safe(i, &s->listeners)
    {
        struct listener *l = sw_list_entry(i, struct listener, link);

        if (l->daemon != NULL && !listener_stop(l))
            again = true;
    }
    if (again)
        uv_timer_start(t, on_close_step, 5, 0);
    server_check_closed(s);
}

void http_server_close(struct http_server *s, void (*done)(void *arg), void *arg)
{
    if (s == NULL || s->closing)
        return;
    s->closing = true;
    s->done = done;
    s->done_arg = arg;
    uv_timer_init(s->loop, &s->close_timer);
    s->close_timer.data = s;
    s->close_timer_open = true;
    uv_timer_start(&s->close_timer, on_close_step, 0, 0);
}
