/* SPDX-License-Identifier: Apache-2.0
 *
 *   WAITING --timer: connected--> GREETING --hello reply--> UP
 *      ^----- error, deadline, end of stream, from both -----/
 *   any --netd_client_close()--> CLOSED
 *
 * The poll handle lives apart from the client, so that a connection can be given up inside its own
 * callback. Requests are answered in order: the oldest waiting one belongs to the next reply. */
#include "agent/netd/netd_client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

#include "agent/netd/netd_pipe.h"
#include "common/base/list.h"
#include "common/base/macro.h"
#include "common/io/backoff.h"
#include "common/io/timer.h"
#include "common/io/unixsock.h"

enum client_state { CLIENT_WAITING, CLIENT_GREETING, CLIENT_UP, CLIENT_CLOSED, CLIENT_STATES };

static const struct sw_state client_states[] = {
    [CLIENT_WAITING] = { "waiting", SW_BIT(CLIENT_GREETING) | SW_BIT(CLIENT_CLOSED) },
    [CLIENT_GREETING] = { "greeting",
                          SW_BIT(CLIENT_UP) | SW_BIT(CLIENT_WAITING) | SW_BIT(CLIENT_CLOSED) },
    [CLIENT_UP] = { "up", SW_BIT(CLIENT_WAITING) | SW_BIT(CLIENT_CLOSED) },
    [CLIENT_CLOSED] = { "closed", 0 },
};
static_assert(SW_ARRAY_LEN(client_states) == CLIENT_STATES, "one row per state");

struct conn { /* freed when its poll handle has closed */
    uv_poll_t poll;
    struct netd_client *client; /* NULL: given up */
    struct netd_pipe pipe;
};

struct pending {
    struct sw_list link;
    uint64_t seq;
    uint64_t deadline_ms;
    netd_client_reply_fn *reply;
    void *ctx;
};

struct netd_client {
    uv_loop_t *loop;
    struct netd_client_watch watch;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    enum client_state state;
    struct conn *conn;
    struct sw_list pending;
    uint64_t seq;
    struct sw_timer retry, deadline, finish;
    struct sw_backoff backoff;
    bool up_told;
    void (*done)(void *ctx);
    void *done_ctx;
};

static void client_go(struct netd_client *c, enum client_state next)
{
    assert(client_states[c->state].next & SW_BIT(next));
    c->state = next;
}

/* ---------------------------------------------------------------------------------- connection */

static void conn_on_closed(uv_handle_t *h)
{
    struct conn *n = sw_container_of((uv_poll_t *)h, struct conn, poll);

    (void)close(n->pipe.fd);
    netd_pipe_fini(&n->pipe);
    sw_free(n);
}

static void conn_drop(struct netd_client *c)
{
    if (c->conn == NULL)
        return;
    c->conn->client = NULL;
    uv_close((uv_handle_t *)&c->conn->poll, conn_on_closed);
    c->conn = NULL;
}

static void pending_fail(struct netd_client *c, const struct sw_err *why)
{
    struct sw_list all;
    struct sw_list *l;

    sw_list_init(&all); /* a callback may send again: that is not ours to fail */
    while ((l = sw_list_pop_front(&c->pending)) != NULL)
        sw_list_push_back(&all, l);
    while ((l = sw_list_pop_front(&all)) != NULL) {
        struct pending *p = sw_list_entry(l, struct pending, link);

        if (p->reply != NULL)
            p->reply(p->ctx, why, NULL);
        sw_free(p);
    }
}

/* Every loss comes through here. The last callback may close the client: nothing may follow. */
static void client_lost(struct netd_client *c, const struct sw_err *why)
{
    struct sw_err status = *why;

    if (c->state == CLIENT_WAITING || c->state == CLIENT_CLOSED)
        return;
    if (status.code != SW_E_DEADLINE)
        status.code = SW_E_UNAVAILABLE;
    client_go(c, CLIENT_WAITING);
    conn_drop(c);
    sw_timer_stop(&c->deadline);
    sw_timer_start(&c->retry, sw_backoff_next(&c->backoff, sw_random_unit()));
    pending_fail(c, &status);
    if (c->state != CLIENT_CLOSED && c->up_told) {
        c->up_told = false;
        c->watch.on_down(c->watch.ctx, why);
    }
}

static void conn_arm(struct conn *n, bool writable);

static int conn_flush(struct netd_client *c, struct sw_err *err)
{
    int r = netd_pipe_flush(&c->conn->pipe, err);

    if (r < 0)
        return r;
    conn_arm(c->conn, r == 1);
    return 0;
}

/* --------------------------------------------------------------------------------- replies */

static void deadline_arm(struct netd_client *c)
{
    const struct pending *p;
    uint64_t now = uv_now(c->loop);

    if (sw_list_empty(&c->pending)) {
        sw_timer_stop(&c->deadline);
        return;
    }
    p = sw_list_entry(c->pending.next, struct pending, link);
    sw_timer_start(&c->deadline, p->deadline_ms > now ? p->deadline_ms - now : 1);
}

static void on_deadline(void *arg)
{
    struct netd_client *c = arg;
    struct sw_err why;

    (void)sw_err_set(&why, SW_E_DEADLINE, "swarm-netd does not answer");
    client_lost(c, &why);
}

static int reply_take(struct netd_client *c, const Swarm__V1__NetdReply *m, struct sw_err *err)
{
    struct sw_err status = { 0 };
    struct pending *p;

    if (sw_list_empty(&c->pending))
        return sw_err_set(err, SW_E_PROTOCOL, "swarm-netd answered what was not asked");
    p = sw_list_entry(c->pending.next, struct pending, link);
    if (p->seq != m->seq)
        return sw_err_set(err, SW_E_PROTOCOL, "swarm-netd answered out of order");
    sw_list_del(&p->link);
    deadline_arm(c);
    if (m->code < 0)
        (void)sw_err_set(&status, m->code, "%s", m->error);
    if (p->reply != NULL)
        p->reply(p->ctx, &status, status.code == 0 ? m : NULL);
    sw_free(p);
    return 0;
}

static int conn_on_frame(void *ctx, struct netd_pipe *pipe, const uint8_t *bytes, size_t n,
                         struct sw_err *err)
{
    struct conn *conn = ctx;
    Swarm__V1__NetdReply *m = NULL;
    int r = 0;

    (void)pipe;
    if (conn->client == NULL)
        return sw_err_set(err, SW_E_CANCELED, "connection given up");
    m = swarm__v1__netd_reply__unpack(NULL, n, bytes);
    if (m == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "malformed message from swarm-netd");
    if (m->seq != 0)
        r = reply_take(conn->client, m, err);
    else if (m->what_case == SWARM__V1__NETD_REPLY__WHAT_EVENT &&
             conn->client->watch.on_event != NULL)
        conn->client->watch.on_event(conn->client->watch.ctx, m->event);
    swarm__v1__netd_reply__free_unpacked(m, NULL);
    return r;
}

static void conn_on_poll(uv_poll_t *h, int status, int events)
{
    struct conn *conn = sw_container_of(h, struct conn, poll);
    struct sw_err err;
    int r = 0;

    if (conn->client == NULL)
        return;
    if (status < 0)
        r = sw_err_set(&err, status, "control socket");
    if (r == 0 && (events & UV_WRITABLE) != 0)
        r = conn_flush(conn->client, &err);
    if (r == 0 && (events & (UV_READABLE | UV_DISCONNECT)) != 0)
        r = netd_pipe_read(&conn->pipe, conn_on_frame, conn, &err);
    if (r < 0 && conn->client != NULL)
        client_lost(conn->client, &err);
}

static void conn_arm(struct conn *n, bool writable)
{
    int r = uv_poll_start(&n->poll, UV_READABLE | (writable ? UV_WRITABLE : 0), conn_on_poll);

    assert(r == 0);
    (void)r;
}

/* ------------------------------------------------------------------------------------ requests */

static int request_pack(struct netd_client *c, const Swarm__V1__NetdRequest *req, const int *fds,
                        size_t n_fds, struct sw_err *err)
{
    size_t n = swarm__v1__netd_request__get_packed_size(req);
    SW_CLEANUP(sw_free_ptr) uint8_t *bytes = NULL;
    int r;

    if (n <= NETD_FRAME_MAX)
        bytes = sw_malloc(n);
    if (bytes == NULL) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return n > NETD_FRAME_MAX
                   ? sw_err_set(err, SW_E_INVALID, "message of %zu bytes to swarm-netd", n)
                   : sw_err_set(err, -ENOMEM, "message to swarm-netd");
    }
    (void)swarm__v1__netd_request__pack(req, bytes);
    r = netd_pipe_write(&c->conn->pipe, bytes, n, fds, n_fds, err);
    explicit_bzero(bytes, n);
    return r;
}

static int request_send(struct netd_client *c, Swarm__V1__NetdRequest *req, const int *fds,
                        size_t n_fds, netd_client_reply_fn *reply, void *ctx, struct sw_err *err)
{
    struct pending *p = sw_calloc(1, sizeof(*p));
    int r;

    if (p == NULL) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return sw_err_set(err, -ENOMEM, "message to swarm-netd");
    }
    req->seq = ++c->seq;
    req->fds = (uint32_t)n_fds;
    r = request_pack(c, req, fds, n_fds, err);
    if (r < 0) {
        sw_free(p);
        return r;
    }
    p->seq = req->seq;
    p->deadline_ms = uv_now(c->loop) + NETD_DEADLINE_MS;
    p->reply = reply;
    p->ctx = ctx;
    sw_list_push_back(&c->pending, &p->link);
    if (!sw_timer_is_running(&c->deadline))
        deadline_arm(c);
    conn_arm(c->conn, true); /* sent from the loop: a failure there is a loss like any other */
    return 0;
}

int netd_client_request(struct netd_client *c, Swarm__V1__NetdRequest *req, const int *fds,
                        size_t n_fds, netd_client_reply_fn *reply, void *ctx, struct sw_err *err)
{
    if (c->state == CLIENT_UP && n_fds <= NETD_FDS_MAX)
        return request_send(c, req, fds, n_fds, reply, ctx, err);
    for (size_t i = 0; i < n_fds; i++)
        (void)close(fds[i]);
    return c->state != CLIENT_UP
               ? sw_err_set(err, SW_E_UNAVAILABLE, "swarm-netd is not connected")
               : sw_err_set(err, SW_E_INVALID, "%zu descriptors in one message", n_fds);
}

/* ---------------------------------------------------------------------------------- connecting */

static void on_hello(void *ctx, const struct sw_err *status, const Swarm__V1__NetdReply *reply)
{
    struct netd_client *c = ctx;
    struct sw_err err = *status;

    if (c->state != CLIENT_GREETING)
        return;
    if (status->code == 0 &&
        (reply->what_case != SWARM__V1__NETD_REPLY__WHAT_HELLO || reply->hello->version != 1))
        (void)sw_err_set(&err, SW_E_PROTOCOL, "swarm-netd speaks another version");
    if (err.code < 0) {
        client_lost(c, &err);
        return;
    }
    sw_backoff_reset(&c->backoff);
    client_go(c, CLIENT_UP);
    c->up_told = true;
    c->watch.on_up(c->watch.ctx, reply->hello);
}

static int conn_new(struct netd_client *c, struct sw_err *err)
{
    struct conn *n;
    int fd = -1;
    int r;

    r = sw_unix_connect(c->path, &fd, err);
    if (r < 0)
        return r;
    n = sw_calloc(1, sizeof(*n));
    if (n == NULL) {
        (void)close(fd);
        return sw_err_set(err, -ENOMEM, "connect to swarm-netd");
    }
    r = uv_poll_init(c->loop, &n->poll, fd);
    if (r < 0) {
        (void)close(fd);
        sw_free(n);
        return sw_err_set(err, r, "connect to swarm-netd");
    }
    netd_pipe_init(&n->pipe, fd);
    n->client = c;
    c->conn = n;
    return 0;
}

static void on_retry(void *arg)
{
    struct netd_client *c = arg;
    Swarm__V1__NetdHello hello = SWARM__V1__NETD_HELLO__INIT;
    Swarm__V1__NetdRequest req = SWARM__V1__NETD_REQUEST__INIT;
    struct sw_err err;

    hello.version = 1;
    req.what_case = SWARM__V1__NETD_REQUEST__WHAT_HELLO;
    req.hello = &hello;
    if (conn_new(c, &err) < 0) {
        sw_timer_start(&c->retry, sw_backoff_next(&c->backoff, sw_random_unit()));
        return;
    }
    client_go(c, CLIENT_GREETING);
    if (request_send(c, &req, NULL, 0, on_hello, c, &err) < 0)
        client_lost(c, &err);
}

/* ------------------------------------------------------------------------------------- lifetime */

static void on_finish(void *arg)
{
    struct netd_client *c = arg;
    void (*done)(void *) = c->done;
    void *ctx = c->done_ctx;

    sw_timer_fini(&c->finish);
    sw_free(c);
    if (done != NULL)
        done(ctx);
}

int netd_client_new(struct netd_client **out, struct uv_loop_s *loop, const char *path,
                    const struct netd_client_watch *watch, struct sw_err *err)
{
    struct netd_client *c = NULL;
    size_t n = strlen(path);

    if (n >= sizeof(c->path))
        return sw_err_set(err, -ENAMETOOLONG, "socket '%s'", path);
    c = sw_calloc(1, sizeof(*c));
    if (c == NULL)
        return sw_err_set(err, -ENOMEM, "client of swarm-netd");
    c->loop = loop;
    c->watch = *watch;
    memcpy(c->path, path, n + 1);
    sw_list_init(&c->pending);
    sw_backoff_init(&c->backoff, NETD_RETRY_MIN_MS, NETD_RETRY_MAX_MS);
    if (sw_timer_init(&c->retry, loop, on_retry, c, err) < 0 ||
        sw_timer_init(&c->deadline, loop, on_deadline, c, err) < 0 ||
        sw_timer_init(&c->finish, loop, on_finish, c, err) < 0) {
        sw_timer_fini(&c->retry);
        sw_timer_fini(&c->deadline);
        sw_timer_fini(&c->finish);
        sw_free(c);
        return err->code;
    }
    sw_timer_start(&c->retry, 0);
    *out = c;
    return 0;
}

void netd_client_close(struct netd_client *c, void (*done)(void *ctx), void *ctx)
{
    struct sw_err why;

    assert(c->state != CLIENT_CLOSED);
    client_go(c, CLIENT_CLOSED);
    c->done = done;
    c->done_ctx = ctx;
    conn_drop(c);
    sw_timer_fini(&c->retry);
    sw_timer_fini(&c->deadline);
    sw_timer_start(&c->finish, 0);
    (void)sw_err_set(&why, SW_E_CANCELED, "client of swarm-netd was closed");
    pending_fail(c, &why);
}

void netd_key_message(const struct sw_id *node_id, uint64_t epoch, const uint8_t start_key[32],
                      uint32_t suites, uint8_t out[NETD_KEY_MSG_BYTES])
{
    memcpy(out, node_id->b, SW_ID_BYTES);
    for (unsigned i = 0; i < 8; i++)
        out[16 + i] = (uint8_t)(epoch >> (8 * i));
    memcpy(out + 24, start_key, 32);
    for (unsigned i = 0; i < 4; i++)
        out[56 + i] = (uint8_t)(suites >> (8 * i));
}
