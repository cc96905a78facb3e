/* SPDX-License-Identifier: Apache-2.0
 *
 * How it works: accepted connections are half open until the handshake is done (and, without a
 * certificate, until they end). Those stand in a queue of limited length. When it is full, the next
 * ones wait in the kernel's queue until one is done, or until the oldest has tried the others'
 * patience and is dropped: thousands of nodes that come back at once all get in, and a flood of
 * silent peers costs an honest one a moment and not the service. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "common/base/alloc.h"
#include "common/io/hostport.h"
#include "common/log/log.h"
#include "common/rpc/conn.h"
#include "common/rpc/limiter.h"

#define UNIX_PREFIX     "unix:"
#define BACKLOG         4096
#define SILENT_MS       250
#define SLOW_MS         1500
#define RETRY_MS        5
#define NO_FD_PAUSE_MS  200
#define REFUSALS_LOGGED 20u /* a minute; the rest is logged at level debug */

struct sw_rpc_server {
    struct uv_loop_s *loop;
    bool is_unix;
    bool freed;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_poll_t poll; /* on the listening descriptor */
    } uv;
    int fd; /* Unix */
    char *path;
    uint16_t port;
    struct sw_timer pause; /* accept again when it fires */
    bool waits;            /* for room among the half-open */
    struct sw_identity *identity;
    bool allow_join;
    const struct sw_rpc_method *methods;
    size_t n_methods;
    int (*verify)(const struct sw_rpc_peer *peer, void *arg, struct sw_err *err);
    void (*on_up)(struct sw_rpc_conn *conn, void *arg);
    void (*on_down)(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg);
    void *arg;
    struct sw_rpc_limits limits; /* filled from a connection's defaults when used */
    struct sw_list half_open;
    unsigned n_half_open;
    struct sw_list conns;
    unsigned n_conns; /* all */
    struct limiter *limiter;
    uint64_t logged_since_ms;
    unsigned logged;
};

/* ------------------------------------------------------------------ what connections tell */

static void room_again(struct sw_rpc_server *s)
{
    if (s->waits && !s->freed)
        sw_timer_start(&s->pause, 0);
}

void rpc_server_conn_up(struct sw_rpc_conn *c)
{
    struct sw_rpc_server *s = c->server;

    if (c->peer.kind == SW_RPC_ANONYMOUS || !c->half_open)
        return;
    c->half_open = false;
    s->n_half_open--;
    sw_list_del(&c->server_link);
    sw_list_push_back(&s->conns, &c->server_link);
    room_again(s);
}

static void log_refusal(struct sw_rpc_server *s, const struct sw_rpc_conn *c,
                        const struct sw_err *why)
{
    uint64_t now = uv_now(s->loop);

    if (now - s->logged_since_ms >= 60000) {
        s->logged_since_ms = now;
        s->logged = 0;
    }
    /* Who connects and leaves without a word is usually a health check. */
    if (c->heard_ms != c->started_ms && s->logged++ < REFUSALS_LOGGED)
        log_info("peer refused address=%s reason=\"%s\"", c->peer.address, why->msg);
    else
        log_debug("peer refused address=%s reason=\"%s\"", c->peer.address, why->msg);
}

void rpc_server_conn_gone(struct sw_rpc_conn *c, enum conn_state was, const struct sw_err *why)
{
    struct sw_rpc_server *s = c->server;

    c->server = NULL;
    sw_list_del(&c->server_link);
    s->n_conns--;
    if (c->half_open) {
        s->n_half_open--;
        room_again(s);
    }
    if (was != CONN_UP && !s->freed)
        log_refusal(s, c, why);
}

int rpc_server_verify(struct sw_rpc_conn *c, struct sw_err *err)
{
    struct sw_rpc_server *s = c->server;
    uint64_t wait_ms;

    if (c->peer.purpose == SW_RPC_JOIN) {
        wait_ms = rpc_limiter_blocked(s->limiter, c->peer.address, rpc_conn_now_ms(c));
        if (wait_ms > 0)
            return sw_err_set(err, SW_E_PERMISSION,
                              "too many wrong join tokens from your address, try again in %llu s",
                              (unsigned long long)(wait_ms + 999) / 1000);
        return 0;
    }
    return s->verify != NULL ? s->verify(&c->peer, s->arg, err) : 0;
}

void sw_rpc_token_failed(struct sw_rpc_conn *c)
{
    if (c->server != NULL)
        rpc_limiter_fail(c->server->limiter, c->peer.address, rpc_conn_now_ms(c));
}

/* ------------------------------------------------------------------ accepting */

/* How long a half-open connection may stand in the way of others: one that sent nothing yet less
 * than one in the middle of its handshake. */
static uint64_t patience_ms(const struct sw_rpc_conn *c)
{
    return c->heard_ms == c->started_ms ? SILENT_MS : SLOW_MS;
}

/* Return: false when the next connection must wait; the timer then says for how long. */
static bool make_room(struct sw_rpc_server *s)
{
    unsigned max = s->limits.half_open != 0 ? s->limits.half_open : 256;
    struct sw_rpc_conn *oldest;
    struct sw_err why;
    uint64_t age_ms;

    s->waits = false;
    if (s->n_half_open < max)
        return true;
    oldest = sw_list_entry(s->half_open.next, struct sw_rpc_conn, server_link);
    age_ms = uv_now(s->loop) - oldest->started_ms;
    if (age_ms >= patience_ms(oldest) && oldest->overdue) {
        (void)sw_err_set(&why, SW_E_EXHAUSTED, "too many unfinished handshakes");
        rpc_conn_die(oldest, &why, false, true);
        s->waits = false; /* that one's place is taken now */
        return true;
    }
    /* If this loop was busy, the oldest one's bytes may be waiting: it gets one more turn. */
    oldest->overdue = age_ms >= patience_ms(oldest);
    s->waits = true;
    sw_timer_start(&s->pause, oldest->overdue ? RETRY_MS : patience_ms(oldest) - age_ms);
    return false;
}

static struct sw_rpc_conn *new_conn(struct sw_rpc_server *s, struct sw_err *err)
{
    struct sw_rpc_conn *c = rpc_conn_new(s->loop, &s->limits, err);

    if (c == NULL)
        return NULL;
    c->state = CONN_HANDSHAKE;
    c->server = s;
    c->methods = s->methods;
    c->n_methods = s->n_methods;
    c->on_up = s->on_up;
    c->on_down = s->on_down;
    c->arg = s->arg;
    c->half_open = true;
    sw_list_push_back(&s->half_open, &c->server_link);
    s->n_half_open++;
    s->n_conns++;
    return c;
}

static int accept_tcp(struct sw_rpc_server *s, struct transport *t, const char *address,
                      struct sw_err *err)
{
    const struct handshake_options opt = { .identity = s->identity,
                                           .allow_join = s->allow_join,
                                           .now_ns = s->limits.now_ns != NULL ? s->limits.now_ns()
                                                                              : sw_now_ns() };
    struct sw_rpc_conn *c = new_conn(s, err);
    int r;

    if (c == NULL) {
        t->ops->close(t, false);
        return err->code;
    }
    (void)snprintf(c->peer.address, sizeof(c->peer.address), "%s", address);
    c->own_not_after_ns = s->identity->cert.not_after_ns;
    rpc_conn_attach(c, t);
    r = rpc_handshake_new(&c->hs, &opt, err);
    if (r == 0)
        r = rpc_transport_tcp_read(t);
    if (r < 0) {
        (void)sw_err_set(err, r, "cannot serve %s", address);
        rpc_conn_die(c, err, false, false);
    }
    return r;
}

static bool is_full(const struct sw_rpc_server *s)
{
    return s->n_conns >= (s->limits.conns != 0 ? s->limits.conns : 20000);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct sw_rpc_server *s = stream->data;
    char address[SW_RPC_ADDRESS_MAX];
    struct transport *t;
    struct sw_err err;

    if (status < 0) {
        log_warn("accept failed port=%u reason=\"%s\"", s->port, uv_strerror(status));
        return;
    }
    if (!make_room(s))
        return; /* libuv holds it, and looks for no other until it is taken */
    if (rpc_transport_tcp_accept(&t, stream, address, sizeof(address), &err) < 0) {
        if (err.code == UV_EAGAIN)
            return;
        log_warn("accept failed port=%u reason=\"%s\"", s->port, err.msg);
        sw_timer_start(&s->pause, NO_FD_PAUSE_MS); /* libuv waits until this one is taken */
        return;
    }
    if (is_full(s)) {
        t->ops->close(t, false);
        log_debug("connection refused address=%s reason=\"too many\"", address);
        return;
    }
    if (accept_tcp(s, t, address, &err) < 0)
        log_warn("connection lost address=%s reason=\"%s\"", address, err.msg);
}

static int accept_unix(struct sw_rpc_server *s, int fd, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int own = fd;
    struct sw_unix_cred cred;
    struct sw_rpc_conn *c;
    struct transport *t;
    int r;

    r = sw_unix_cred(fd, &cred, err);
    if (r < 0)
        return r;
    c = new_conn(s, err);
    if (c == NULL)
        return err->code;
    (void)snprintf(c->peer.address, sizeof(c->peer.address), "unix");
    c->peer.purpose = SW_RPC_UNIX;
    c->peer.kind = SW_RPC_LOCAL;
    c->peer.pid = cred.pid;
    c->peer.uid = cred.uid;
    c->peer.gid = cred.gid;
    c->fds_allowed = true;
    r = rpc_transport_unix_new(&t, s->loop, fd, err);
    if (r < 0) {
        rpc_conn_die(c, err, false, false);
        return r;
    }
    (void)sw_steal_fd(&own);
    rpc_conn_attach(c, t);
    rpc_conn_go(c, CONN_WELCOME);
    r = rpc_server_verify(c, err);
    if (r < 0) {
        rpc_conn_die(c, err, true, true);
        return 0; /* logged there */
    }
    rpc_conn_welcome(c);
    return 0;
}

static void on_listen_poll(uv_poll_t *poll, int status, int events)
{
    struct sw_rpc_server *s = poll->data;
    struct sw_err err;
    int fd;

    (void)events;
    if (status < 0)
        return;
    if (!make_room(s)) {
        (void)uv_poll_stop(&s->uv.poll);
        return;
    }
    fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            return; /* the peer has gone already */
        log_warn("accept failed socket=%s reason=\"%s\"", s->path, strerror(errno));
        (void)uv_poll_stop(&s->uv.poll); /* the queue stays readable: do not spin */
        sw_timer_start(&s->pause, NO_FD_PAUSE_MS);
        return;
    }
    if (is_full(s)) {
        (void)close(fd);
        return;
    }
    if (accept_unix(s, fd, &err) < 0)
        log_warn("connection lost socket=%s reason=\"%s\"", s->path, err.msg);
}

static void on_pause_over(void *arg)
{
    struct sw_rpc_server *s = arg;

    if (s->is_unix)
        (void)uv_poll_start(&s->uv.poll, UV_READABLE, on_listen_poll);
    else
        on_connection(&s->uv.stream, 0);
}

/* ------------------------------------------------------------------ listening */

static void server_release(struct sw_rpc_server *s)
{
    sw_identity_unref(s->identity);
    sw_free(s->limiter);
    sw_free(s->path);
    sw_free(s);
}

static void on_server_closed(uv_handle_t *h)
{
    struct sw_rpc_server *s = h->data;

    if (s->is_unix)
        (void)close(s->fd);
    server_release(s);
}

static int bind_error(const struct sw_hostport *hp, int code, struct sw_err *err)
{
    const char *host = hp->host[0] != '\0' ? hp->host : "any address";

    if (code == UV_EADDRINUSE)
        return sw_err_set(err, code, "port %u on %s is already in use", hp->port, host);
    if (code == UV_EADDRNOTAVAIL)
        return sw_err_set(err, code, "this machine has no address %s", host);
    if (code == UV_EACCES)
        return sw_err_set(err, code, "no permission to listen on port %u", hp->port);
    return sw_err_set(err, code, "listen on %s port %u: %s", host, hp->port, uv_strerror(code));
}

static int listen_tcp(struct sw_rpc_server *s, const char *address, struct sw_err *err)
{
    struct sw_hostport hp;
    struct sockaddr_storage sa;
    int len = sizeof(sa);
    int r;

    r = sw_hostport_parse(address, 0, &hp, err);
    if (r == 0)
        r = sw_hostport_numeric(&hp, &sa, err);
    if (r < 0)
        return r;
    (void)uv_tcp_init(s->loop, &s->uv.tcp);
    s->uv.handle.data = s;
    r = uv_tcp_bind(&s->uv.tcp, (const struct sockaddr *)&sa, 0);
    if (r == 0)
        r = uv_listen(&s->uv.stream, BACKLOG, on_connection);
    if (r < 0) {
        (void)bind_error(&hp, r, err);
        uv_close(&s->uv.handle, on_server_closed);
        return r;
    }
    if (uv_tcp_getsockname(&s->uv.tcp, (struct sockaddr *)&sa, &len) == 0)
        s->port = ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&sa)->sin_port
                                                : ((struct sockaddr_in6 *)(void *)&sa)->sin6_port);
    return 0;
}

static int listen_unix(struct sw_rpc_server *s, const char *path, unsigned mode, struct sw_err *err)
{
    int r;

    s->path = sw_strdup(path);
    if (s->path == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a server");
    r = sw_unix_listen(path, mode != 0 ? mode : 0600, &s->fd, err);
    if (r < 0)
        return r;
    r = uv_poll_init(s->loop, &s->uv.poll, s->fd);
    if (r < 0) {
        (void)unlink(path);
        (void)close(s->fd);
        return sw_err_set(err, r, "listen on '%s': %s", path, uv_strerror(r));
    }
    s->uv.handle.data = s;
    (void)uv_poll_start(&s->uv.poll, UV_READABLE, on_listen_poll);
    return 0;
}

static struct sw_rpc_server *server_new(const struct sw_rpc_listen *o, bool is_unix,
                                        struct sw_err *err)
{
    struct sw_rpc_server *s = sw_calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->limiter = sw_calloc(1, sizeof(*s->limiter));
    if (s->limiter == NULL || sw_timer_init(&s->pause, o->loop, on_pause_over, s, err) < 0) {
        sw_free(s->limiter);
        sw_free(s);
        return NULL;
    }
    s->loop = o->loop;
    s->is_unix = is_unix;
    s->identity = o->identity != NULL && !is_unix ? sw_identity_ref(o->identity) : NULL;
    s->allow_join = o->allow_join;
    s->methods = o->methods;
    s->n_methods = o->n_methods;
    s->verify = o->verify;
    s->on_up = o->on_up;
    s->on_down = o->on_down;
    s->arg = o->arg;
    if (o->limits != NULL)
        s->limits = *o->limits;
    s->limiter->max = s->limits.token_failures != 0 ? s->limits.token_failures : 10;
    sw_list_init(&s->half_open);
    sw_list_init(&s->conns);
    return s;
}

int sw_rpc_server_new(struct sw_rpc_server **out, const struct sw_rpc_listen *o, struct sw_err *err)
{
    bool is_unix = strncmp(o->address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
    struct sw_rpc_server *s;
    int r;

    if (!is_unix && (o->identity == NULL || !o->identity->has_cert || o->identity->n_roots == 0))
        return sw_err_set(err, SW_E_INVALID, "a server needs a certificate");
    s = server_new(o, is_unix, err);
    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a server");
    if (is_unix)
        r = listen_unix(s, o->address + strlen(UNIX_PREFIX), o->unix_mode, err);
    else
        r = listen_tcp(s, o->address, err);
    if (r < 0) {
        sw_timer_fini(&s->pause);
        if (s->uv.handle.data == NULL) /* else it frees itself when its handle has closed */
            server_release(s);
        return r;
    }
    *out = s;
    return 0;
}

/* ------------------------------------------------------------------ for the user */

static void close_all(struct sw_list *conns)
{
    while (!sw_list_empty(conns))
        sw_rpc_conn_close(sw_list_entry(conns->next, struct sw_rpc_conn, server_link));
}

void sw_rpc_server_free(struct sw_rpc_server *s)
{
    if (s == NULL)
        return;
    s->freed = true;
    close_all(&s->half_open);
    close_all(&s->conns);
    sw_timer_fini(&s->pause);
    if (s->is_unix)
        (void)unlink(s->path);
    uv_close(&s->uv.handle, on_server_closed);
}

uint16_t sw_rpc_server_port(const struct sw_rpc_server *s)
{
    return s->port;
}

void sw_rpc_server_set_identity(struct sw_rpc_server *s, struct sw_identity *identity)
{
    struct sw_identity *old = s->identity;

    assert(!s->is_unix && identity->has_cert && identity->n_roots > 0);
    s->identity = sw_identity_ref(identity);
    sw_identity_unref(old);
}

static struct sw_rpc_conn *find_node(struct sw_rpc_server *s, const struct sw_id *node_id)
{
    sw_list_each(l, &s->conns)
    {
        struct sw_rpc_conn *c = sw_list_entry(l, struct sw_rpc_conn, server_link);

        if (sw_id_equal(&c->peer.node_id, node_id))
            return c;
    }
    return NULL;
}

unsigned sw_rpc_server_close_node(struct sw_rpc_server *s, const struct sw_id *node_id,
                                  const struct sw_err *error)
{
    struct sw_rpc_conn *c;
    unsigned n = 0;

    while ((c = find_node(s, node_id)) != NULL) {
        rpc_conn_die(c, error, true, true);
        n++;
    }
    return n;
}

void sw_rpc_server_each(struct sw_rpc_server *s, void (*visit)(struct sw_rpc_conn *c, void *arg),
                        void *arg)
{
    sw_list_each_safe(l, &s->conns) visit(sw_list_entry(l, struct sw_rpc_conn, server_link), arg);
}
