/* SPDX-License-Identifier: Apache-2.0
 * Towards a connection: resolve, try one address after the other, shake hands. */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "common/base/alloc.h"
#include "common/crypto/secret.h"
#include "common/io/hostport.h"
#include "common/rpc/conn.h"

#define DIAL_TIMEOUT_MS 10000
#define UNIX_PREFIX     "unix:"

struct dial { /* secret */
    uv_getaddrinfo_t resolve;
    bool resolving;           /* the request is the loop's: it frees the struct */
    struct sw_rpc_conn *conn; /* NULL once the connection has died meanwhile */
    struct sw_turn start;
    char *path; /* of a Unix socket, or NULL */
    struct sw_hostport to;
    struct addrinfo *found;
    struct addrinfo *next;
    struct sw_identity *identity;
    struct sw_token token;
    bool has_node;
    struct sw_id node;
    unsigned expect;
    struct sw_err last; /* why the last address failed */
};

static void dial_destroy(struct dial *d)
{
    sw_turn_fini(&d->start);
    if (d->found != NULL)
        uv_freeaddrinfo(d->found);
    sw_identity_unref(d->identity);
    sw_free(d->path);
    sw_secret_free(d);
}

void rpc_dial_free(struct sw_rpc_conn *c)
{
    struct dial *d = c->dial;

    if (d == NULL)
        return;
    c->dial = NULL;
    d->conn = NULL;
    if (!d->resolving) {
        dial_destroy(d);
        return;
    }
    sw_turn_fini(&d->start);
    (void)uv_cancel((uv_req_t *)&d->resolve);
}

static void give_up(struct sw_rpc_conn *c, const struct sw_err *why)
{
    rpc_conn_die(c, why, false, true);
}

/* ------------------------------------------------------------------ TCP */

static void try_next(struct sw_rpc_conn *c)
{
    struct dial *d = c->dial;

    while (d->next != NULL) {
        const struct sockaddr *to = d->next->ai_addr;
        struct transport *t;

        d->next = d->next->ai_next;
        if (rpc_transport_tcp_dial(&t, c->loop, to, &d->last) == 0) {
            rpc_conn_attach(c, t);
            return;
        }
    }
    (void)sw_err_wrap(&d->last, "connect to %s", c->peer.address);
    give_up(c, &d->last);
}

static int shake_hands(struct sw_rpc_conn *c, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    struct dial *d = c->dial;
    const struct handshake_options opt = { .dialer = true,
                                           .purpose = c->peer.purpose,
                                           .identity = d->identity,
                                           .token = &d->token,
                                           .expect_node = d->has_node ? &d->node : NULL,
                                           .expect = d->expect,
                                           .now_ns = c->limits.now_ns() };
    size_t len;
    int r;

    r = rpc_handshake_new(&c->hs, &opt, err);
    if (r == 0)
        r = rpc_handshake_start(c->hs, &out, err);
    if (r < 0)
        return r;
    len = out.len;
    r = c->transport->ops->write(c->transport, (uint8_t *)sw_buf_steal(&out), len, NULL, 0);
    if (r == 0)
        r = rpc_transport_tcp_read(c->transport);
    if (r < 0)
        return sw_err_set(err, r, "connect to %s: %s", c->peer.address, uv_strerror(r));
    return 0;
}

void rpc_dial_opened(struct sw_rpc_conn *c, int status)
{
    struct dial *d = c->dial;
    struct sw_err err;

    if (status < 0) {
        c->transport->ops->close(c->transport, false);
        c->transport = NULL;
        (void)sw_err_set(&d->last, status, "%s", uv_strerror(status));
        try_next(c);
        return;
    }
    rpc_conn_go(c, CONN_HANDSHAKE);
    if (shake_hands(c, &err) < 0) {
        give_up(c, &err);
        return;
    }
    rpc_dial_free(c);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct dial *d = req->data;
    struct sw_rpc_conn *c = d->conn;
    struct sw_err err;

    d->resolving = false;
    d->found = found;
    if (c == NULL) {
        dial_destroy(d);
        return;
    }
    if (status < 0) {
        (void)sw_err_set(&err, status, "connect to %s: %s", c->peer.address, uv_strerror(status));
        give_up(c, &err);
        return;
    }
    d->next = found;
    rpc_conn_go(c, CONN_CONNECT);
    try_next(c);
}

static int resolve(struct sw_rpc_conn *c, struct sw_err *err)
{
    static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct dial *d = c->dial;
    char port[8];
    int r;

    (void)snprintf(port, sizeof(port), "%u", d->to.port);
    d->resolve.data = d;
    r = uv_getaddrinfo(c->loop, &d->resolve, on_resolved, d->to.host, port, &hints);
    if (r < 0)
        return sw_err_set(err, r, "connect to %s: %s", c->peer.address, uv_strerror(r));
    d->resolving = true;
    return 0;
}

/* A numeric address needs no resolver thread, which may be busy. */
static int start_tcp(struct sw_rpc_conn *c, struct sw_err *err)
{
    struct sockaddr_storage sa;
    struct transport *t;
    int r;

    if (sw_hostport_numeric(&c->dial->to, &sa, err) < 0)
        return resolve(c, err);
    rpc_conn_go(c, CONN_CONNECT);
    r = rpc_transport_tcp_dial(&t, c->loop, (const struct sockaddr *)&sa, err);
    if (r < 0)
        return sw_err_wrap(err, "connect to %s", c->peer.address);
    rpc_conn_attach(c, t);
    return 0;
}

/* ------------------------------------------------------------------ Unix sockets */

static int start_unix(struct sw_rpc_conn *c, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sw_unix_cred cred;
    struct transport *t;
    int r;

    r = sw_unix_connect(c->dial->path, &fd, err);
    if (r == 0)
        r = sw_unix_cred(fd, &cred, err);
    if (r == 0)
        r = rpc_transport_unix_new(&t, c->loop, fd, err);
    if (r < 0)
        return r;
    (void)sw_steal_fd(&fd);
    c->peer.kind = SW_RPC_LOCAL;
    c->peer.pid = cred.pid;
    c->peer.uid = cred.uid;
    c->peer.gid = cred.gid;
    c->fds_allowed = true;
    rpc_conn_attach(c, t);
    rpc_conn_go(c, CONN_WELCOME);
    rpc_dial_free(c);
    return 0;
}

/* ------------------------------------------------------------------ start */

static void on_start(void *arg)
{
    struct sw_rpc_conn *c = arg;
    struct sw_err err;
    int r;

    r = c->dial->path != NULL ? start_unix(c, &err) : start_tcp(c, &err);
    if (r < 0)
        give_up(c, &err);
}

static int check_dial(const struct sw_rpc_dial *dial, bool is_unix, struct sw_err *err)
{
    if (is_unix != (dial->purpose == SW_RPC_UNIX))
        return sw_err_set(err, SW_E_INVALID, "'%s' is no address for this purpose", dial->address);
    if (dial->purpose == SW_RPC_JOIN && dial->token == NULL)
        return sw_err_set(err, SW_E_INVALID, "joining takes a token");
    if ((dial->purpose == SW_RPC_NODE || dial->purpose == SW_RPC_RAFT) &&
        (dial->identity == NULL || !dial->identity->has_cert || dial->identity->n_roots == 0))
        return sw_err_set(err, SW_E_INVALID, "this node has no certificate yet");
    return 0;
}

static int fill(struct dial *d, const struct sw_rpc_dial *dial, bool is_unix, struct sw_err *err)
{
    if (is_unix) {
        d->path = sw_strdup(dial->address + strlen(UNIX_PREFIX));
        if (d->path == NULL)
            return sw_err_set(err, -ENOMEM, "no memory for a connection");
    } else {
        int r = sw_hostport_parse(dial->address, 0, &d->to, err);

        if (r < 0)
            return r;
        if (d->to.host[0] == '\0')
            return sw_err_set(err, SW_E_INVALID, "'%s' names no host", dial->address);
    }
    if (dial->purpose == SW_RPC_JOIN)
        d->token = *dial->token;
    else if (dial->identity != NULL)
        d->identity = sw_identity_ref(dial->identity);
    if (dial->expect_node != NULL) {
        d->has_node = true;
        d->node = *dial->expect_node;
    }
    d->expect = dial->expect;
    if (d->expect == 0)
        d->expect = dial->purpose == SW_RPC_NODE ? SW_RPC_MEMBER : SW_RPC_MANAGER;
    return 0;
}

static void set_up_conn(struct sw_rpc_conn *c, const struct sw_rpc_dial *dial)
{
    c->dialer = true;
    c->next_id = 1;
    c->peer.purpose = dial->purpose;
    (void)snprintf(c->peer.address, sizeof(c->peer.address), "%s", dial->address);
    c->methods = dial->methods;
    c->n_methods = dial->n_methods;
    c->on_up = dial->on_up;
    c->on_down = dial->on_down;
    c->arg = dial->arg;
    if (dial->identity != NULL && dial->purpose != SW_RPC_JOIN && dial->purpose != SW_RPC_UNIX)
        c->own_not_after_ns = dial->identity->cert.not_after_ns;
    c->timeout_ms = dial->timeout_ms != 0 ? dial->timeout_ms : DIAL_TIMEOUT_MS;
    sw_timer_stop(&c->tick);
    rpc_conn_due(c, c->started_ms + c->timeout_ms);
}

int sw_rpc_dial(struct sw_rpc_conn **out, const struct sw_rpc_dial *dial, struct sw_err *err)
{
    bool is_unix = strncmp(dial->address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
    struct sw_rpc_conn *c;
    struct dial *d;
    int r = check_dial(dial, is_unix, err);

    if (r < 0)
        return r;
    d = sw_secret_alloc(sizeof(*d));
    if (d == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a connection");
    r = fill(d, dial, is_unix, err);
    c = r == 0 ? rpc_conn_new(dial->loop, dial->limits, err) : NULL;
    if (c == NULL) {
        dial_destroy(d);
        return err->code;
    }
    d->conn = c;
    c->dial = d;
    set_up_conn(c, dial);
    r = sw_turn_init(&d->start, dial->loop, on_start, c, err);
    if (r < 0) {
        c->on_down = NULL;
        rpc_conn_die(c, err, false, false);
        return r;
    }
    sw_turn_ask(&d->start);
    *out = c;
    return 0;
}
