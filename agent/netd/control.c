/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "agent/netd/control_priv.h"
#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/macro.h"
#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "common/io/unixsock.h"
#include "common/log/log.h"

#define TICK_MS     1000u
#define RECLAIM_MS  20u
#define BACKLOG_MAX 1024u /* events are dropped when swarmd does not read */

struct conn { /* freed when its poll handle has closed */
    uv_poll_t poll;
    struct netd_control *control; /* NULL: given up */
    struct netd_pipe pipe;
    bool greeted;
};

/* -------------------------------------------------------------------------------------- tables */

static int64_t now_ms(void)
{
    return sw_mono_ns() / SW_NS_PER_MS;
}

static int publish(struct netd_control *c)
{
    struct vtep_table *t;
    size_t n_peers, n_rx;

    netd_keyring_sizes(c->keys, &n_peers, &n_rx);
    t = vtep_table_new(netd_networks_slots(c->networks), n_peers, n_rx);
    if (t == NULL)
        return -ENOMEM;
    netd_keyring_fill(c->keys, t);
    netd_networks_fill(c->networks, t);
    netd_workers_publish(c->workers, t);
    netd_networks_watch(c->networks);
    return 0;
}

static void reclaim_later(struct netd_control *c)
{
    if (netd_workers_reclaim(c->workers))
        sw_timer_start(&c->reclaim, RECLAIM_MS);
}

static void on_reclaim(void *arg)
{
    struct netd_control *c = arg;

    if (c->dirty && publish(c) == 0)
        c->dirty = false;
    if (c->dirty)
        sw_timer_start(&c->reclaim, RECLAIM_MS);
    else
        reclaim_later(c);
}

static void settle(struct netd_control *c)
{
    if (!c->dirty)
        return;
    if (publish(c) == 0)
        c->dirty = false;
    else
        log_error("out of memory for a table, the former one stays in force");
    sw_timer_start(&c->reclaim, RECLAIM_MS);
}

/* ---------------------------------------------------------------------------------- connection */

static void conn_on_closed(uv_handle_t *h)
{
    struct conn *n = sw_container_of((uv_poll_t *)h, struct conn, poll);

    (void)close(n->pipe.fd);
    netd_pipe_fini(&n->pipe);
    sw_free(n);
}

static void conn_drop(struct netd_control *c)
{
    if (c->conn == NULL)
        return;
    c->conn->control = NULL;
    uv_close((uv_handle_t *)&c->conn->poll, conn_on_closed);
    c->conn = NULL;
}

static void conn_on_poll(uv_poll_t *h, int status, int events);

static int conn_flush(struct conn *n, struct sw_err *err)
{
    int r = netd_pipe_flush(&n->pipe, err);

    if (r < 0)
        return r;
    r = uv_poll_start(&n->poll, UV_READABLE | (r == 1 ? UV_WRITABLE : 0), conn_on_poll);
    return r < 0 ? sw_err_set(err, r, "control socket") : 0;
}

static int conn_send(struct conn *n, const Swarm__V1__NetdReply *m, struct sw_err *err)
{
    size_t len = swarm__v1__netd_reply__get_packed_size(m);
    SW_CLEANUP(sw_free_ptr) uint8_t *bytes = sw_malloc(len);

    if (bytes == NULL)
        return sw_err_set(err, -ENOMEM, "answer to swarmd");
    (void)swarm__v1__netd_reply__pack(m, bytes);
    return netd_pipe_write(&n->pipe, bytes, len, NULL, 0, err);
}

static int reply(struct conn *n, uint64_t seq, struct netd_answer *a, int code,
                 const struct sw_err *why, struct sw_err *err)
{
    Swarm__V1__NetdReply *m = &a->m;

    m->seq = seq;
    m->code = code;
    if (code < 0) {
        m->what_case = SWARM__V1__NETD_REPLY__WHAT__NOT_SET;
        m->error = (char *)(uintptr_t)why->msg;
    }
    return conn_send(n, m, err);
}

static int conn_on_frame(void *ctx, struct netd_pipe *pipe, const uint8_t *bytes, size_t n,
                         struct sw_err *err)
{
    struct conn *conn = ctx;
    Swarm__V1__NetdRequest *m = NULL;
    struct netd_answer a;
    int fds[SW_UNIX_FDS_MAX];
    struct sw_err why;
    int code;
    int r;

    if (conn->control == NULL)
        return sw_err_set(err, SW_E_CANCELED, "connection given up");
    m = swarm__v1__netd_request__unpack(NULL, n, bytes);
    if (m == NULL || m->seq == 0 || m->fds > SW_UNIX_FDS_MAX) {
        r = sw_err_set(err, SW_E_PROTOCOL, "malformed message from swarmd");
    } else if ((r = netd_pipe_take(pipe, fds, m->fds, err)) == 0) {
        netd_answer_init(&a);
        if (!conn->greeted && m->what_case != SWARM__V1__NETD_REQUEST__WHAT_HELLO) {
            netd_close_fds(fds, m->fds);
            code = sw_err_set(&why, SW_E_PROTOCOL, "say hello first");
        } else {
            code = netd_control_do(conn->control, m, fds, m->fds, &a, &why);
        }
        if (code == 0)
            conn->greeted = true;
        r = reply(conn, m->seq, &a, code, &why, err);
        netd_answer_fini(&a);
    }
    if (m != NULL)
        netd_request_free(m);
    return r;
}

static void conn_on_poll(uv_poll_t *h, int status, int events)
{
    struct conn *conn = sw_container_of(h, struct conn, poll);
    struct netd_control *c = conn->control;
    struct sw_err err;
    int r = 0;

    if (c == NULL)
        return;
    if (status < 0)
        r = sw_err_set(&err, status, "control socket");
    if (r == 0 && (events & UV_READABLE) != 0) {
        r = netd_pipe_read(&conn->pipe, conn_on_frame, conn, &err);
        settle(c); /* what was taken in before a failure counts too */
    }
    if (r == 0)
        r = conn_flush(conn, &err);
    if (r < 0) {
        log_info("swarmd disconnected err=\"%s\"", err.msg);
        conn_drop(c);
    }
}

static bool peer_allowed(int fd)
{
    struct sw_unix_cred cred;
    struct sw_err err;

    if (sw_unix_cred(fd, &cred, &err) == 0 && (cred.uid == 0 || cred.uid == geteuid()))
        return true;
    log_warn("control connection refused uid=%d", (int)cred.uid);
    return false;
}

static void on_listen(uv_poll_t *h, int status, int events)
{
    struct netd_control *c = h->data;
    struct conn *n = NULL;
    int fd;

    (void)events;
    fd = status == 0 ? accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
    if (fd < 0)
        return;
    if (peer_allowed(fd))
        n = sw_calloc(1, sizeof(*n));
    if (n == NULL || uv_poll_init(c->loop, &n->poll, fd) < 0) {
        sw_free(n);
        (void)close(fd);
        return;
    }
    conn_drop(c);
    netd_pipe_init(&n->pipe, fd);
    n->control = c;
    c->conn = n;
    (void)uv_poll_start(&n->poll, UV_READABLE, conn_on_poll);
}

/* -------------------------------------------------------------------------------------- events */

void netd_control_event(struct netd_control *c, Swarm__V1__NetdEvent__Kind kind, uint64_t node,
                        uint64_t value, const char *text)
{
    Swarm__V1__NetdEvent ev = SWARM__V1__NETD_EVENT__INIT;
    Swarm__V1__NetdReply m = SWARM__V1__NETD_REPLY__INIT;
    struct sw_err err;

    log_warn("%s node=%llu value=%llu", text, (unsigned long long)node, (unsigned long long)value);
    if (c->conn == NULL || !c->conn->greeted || c->events_waiting >= BACKLOG_MAX)
        return;
    ev.kind = kind;
    ev.node = node;
    ev.value = value;
    ev.text = (char *)(uintptr_t)text;
    m.what_case = SWARM__V1__NETD_REPLY__WHAT_EVENT;
    m.event = &ev;
    if (conn_send(c->conn, &m, &err) == 0)
        c->events_waiting++;
    sw_timer_start(&c->flush, 0);
}

static void on_flush(void *arg)
{
    struct netd_control *c = arg;
    struct sw_err err;

    c->events_waiting = 0;
    if (c->conn != NULL && conn_flush(c->conn, &err) < 0)
        conn_drop(c);
}

/* Once a second: epochs that are over, a path that became narrower, packets that should not be. */
static void on_tick(void *arg)
{
    static const struct {
        enum vtep_verdict v;
        const char *text;
    } bad[] = {
        { VTEP_BAD_TAG, "packets with a wrong tag" },
        { VTEP_REPLAYED, "packets seen before" },
        { VTEP_BAD_NETWORK, "packets for a network that is not here" },
        { VTEP_BAD_SOURCE, "packets from a source that is not their sender's" },
        { VTEP_SEND_FULL, "packets that the socket did not take" },
        { VTEP_TOO_BIG, "packets above the MTU" },
    };
    struct netd_control *c = arg;
    uint64_t node;
    uint32_t mtu = netd_workers_path_mtu(c->workers, &node);

    static_assert(SW_ARRAY_LEN(bad) <= SW_ARRAY_LEN(c->last_drops), "one memory a row");
    if (mtu != 0)
        netd_control_event(c, SWARM__V1__NETD_EVENT__KIND__PATH_MTU, node, mtu,
                           "packet does not fit the path");
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        uint64_t n = netd_workers_drops(c->workers, bad[i].v);

        if (n != c->last_drops[i])
            netd_control_event(c, SWARM__V1__NETD_EVENT__KIND__DROPPING, 0, n - c->last_drops[i],
                               bad[i].text);
        c->last_drops[i] = n;
    }
    if (netd_keyring_expire(c->keys, now_ms())) {
        c->dirty = true;
        settle(c);
    }
    sw_timer_start(&c->tick, TICK_MS);
}

/* ------------------------------------------------------------------------------------ lifetime */

static void hook_retire(void *ctx, struct netd_garbage *g)
{
    netd_workers_retire(((struct netd_control *)ctx)->workers, g);
}

static void hook_no_key(void *ctx, uint64_t node, const char *text)
{
    netd_control_event(ctx, SWARM__V1__NETD_EVENT__KIND__NO_KEY, node, 0, text);
}

static const struct dns_names *hook_names(void *ctx, uint64_t network)
{
    return netd_networks_names(((struct netd_control *)ctx)->networks, network);
}

static int control_init(struct netd_control *c, unsigned cpus, struct sw_err *err)
{
    const struct netd_keyring_hooks hooks = { c, hook_retire, hook_no_key };
    int r = netd_workers_new(&c->workers, c->n_workers, cpus, err);

    if (r == 0)
        r = netd_keyring_new(&c->keys, c->n_workers, &hooks, err);
    if (r == 0)
        r = netd_networks_new(&c->networks, c->workers, c->n_workers, err);
    if (r == 0)
        r = dns_server_new(&c->dns, c->loop, hook_names, c, err);
    if (r == 0)
        r = sw_timer_init(&c->tick, c->loop, on_tick, c, err);
    if (r == 0)
        r = sw_timer_init(&c->reclaim, c->loop, on_reclaim, c, err);
    if (r == 0)
        r = sw_timer_init(&c->flush, c->loop, on_flush, c, err);
    return r;
}

static void listen_on_closed(uv_handle_t *h)
{
    sw_free(sw_container_of((uv_poll_t *)h, struct netd_control, listen));
}

static void control_fini(struct netd_control *c)
{
    conn_drop(c);
    sw_timer_fini(&c->tick);
    sw_timer_fini(&c->reclaim);
    sw_timer_fini(&c->flush);
    dns_server_free(c->dns);
    netd_networks_free(c->networks);
    netd_keyring_free(c->keys);
    netd_workers_free(c->workers);
}

int netd_control_new(struct netd_control **out, struct uv_loop_s *loop, int listen_fd,
                     unsigned cpus, struct sw_err *err)
{
    struct netd_control *c = sw_calloc(1, sizeof(*c));
    int r;

    if (c == NULL)
        return sw_err_set(err, -ENOMEM, "control");
    c->loop = loop;
    c->listen_fd = listen_fd;
    c->n_workers = netd_workers_count(cpus);
    sw_random(c->instance, sizeof(c->instance));
    r = control_init(c, cpus, err);
    if (r == 0 && (r = uv_poll_init(loop, &c->listen, listen_fd)) < 0)
        (void)sw_err_set(err, r, "control socket");
    if (r < 0) {
        control_fini(c);
        sw_free(c);
        return r;
    }
    c->listen.data = c;
    (void)uv_poll_start(&c->listen, UV_READABLE, on_listen);
    sw_timer_start(&c->tick, TICK_MS);
    *out = c;
    return 0;
}

void netd_control_free(struct netd_control *c)
{
    control_fini(c);
    (void)close(c->listen_fd);
    uv_close((uv_handle_t *)&c->listen, listen_on_closed);
}
