/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/conn.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"

#define EXPIRY_LOOK_MS 60000 /* the wall clock may be set: look again at least this often */

static const struct sw_state conn_states[] = {
    [CONN_RESOLVE] = { "resolve", SW_BIT(CONN_CONNECT) | SW_BIT(CONN_WELCOME) | SW_BIT(CONN_DEAD) },
    [CONN_CONNECT] = { "connect",
                       SW_BIT(CONN_CONNECT) | SW_BIT(CONN_HANDSHAKE) | SW_BIT(CONN_DEAD) },
    [CONN_HANDSHAKE] = { "handshake", SW_BIT(CONN_WELCOME) | SW_BIT(CONN_DEAD) },
    [CONN_WELCOME] = { "welcome", SW_BIT(CONN_UP) | SW_BIT(CONN_DEAD) },
    [CONN_UP] = { "up", SW_BIT(CONN_DEAD) },
    [CONN_DEAD] = { "dead", 0 },
};
static_assert(SW_ARRAY_LEN(conn_states) == CONN_STATES, "one row per state");

void rpc_conn_go(struct sw_rpc_conn *c, enum conn_state next)
{
    assert(conn_states[c->state].next & SW_BIT(next));
    log_debug("connection %s: %s -> %s", c->peer.address, conn_states[c->state].name,
              conn_states[next].name);
    c->state = next;
}

uint64_t rpc_conn_now_ms(const struct sw_rpc_conn *c)
{
    return uv_now(c->loop);
}

static int64_t wall_ns(const struct sw_rpc_conn *c)
{
    return c->limits.now_ns();
}

void rpc_conn_hold(struct sw_rpc_conn *c)
{
    c->hold++;
}

void rpc_conn_release(struct sw_rpc_conn *c)
{
    if (--c->hold > 0)
        return;
    assert(c->state == CONN_DEAD && sw_list_empty(&c->all));
    sw_buf_fini(&c->rx);
    sw_buf_fini(&c->control);
    sw_map_fini(&c->streams);
    sw_free(c->root);
    rpc_channel_fini(&c->channel);
    sw_free(c);
}

/* ------------------------------------------------------------------ turns: what runs later */

/* Streams with something to tell: more room, messages kept while paused. */
static void run_due(struct sw_rpc_conn *c)
{
    struct sw_list *l;

    while (c->state != CONN_DEAD && (l = sw_list_pop_front(&c->writable)) != NULL) {
        struct sw_rpc_stream *s = sw_list_entry(l, struct sw_rpc_stream, writable_link);

        rpc_stream_hold(s);
        rpc_stream_deliver(s);
        rpc_stream_writable(s);
        rpc_stream_release(s);
    }
    while (c->state != CONN_DEAD && (l = sw_list_pop_front(&c->finished)) != NULL)
        rpc_stream_finish(sw_list_entry(l, struct sw_rpc_stream, finished_link), NULL);
}

static void conn_turn(struct sw_rpc_conn *c)
{
    rpc_conn_hold(c);
    if (c->state == CONN_WELCOME && !c->dialer)
        rpc_conn_welcome(c);
    rpc_conn_send(c);
    run_due(c);
    rpc_conn_release(c);
}

static void on_kick(void *arg)
{
    conn_turn(arg);
}

void rpc_conn_kick(struct sw_rpc_conn *c)
{
    if (c->state != CONN_DEAD)
        sw_turn_ask(&c->kick);
}

/* ------------------------------------------------------------------ time */

static int64_t expires_ns(const struct sw_rpc_conn *c)
{
    int64_t at = c->own_not_after_ns;

    if (c->peer.not_after_ns != 0 && (at == 0 || c->peer.not_after_ns < at))
        at = c->peer.not_after_ns;
    return at; /* 0: no certificates */
}

/* How long the answer to a ping may take. */
static uint64_t answer_ms(const struct sw_rpc_conn *c)
{
    return c->limits.idle_ms > c->limits.ping_ms ? c->limits.idle_ms - c->limits.ping_ms : 1;
}

static uint64_t next_due(const struct sw_rpc_conn *c)
{
    uint64_t due =
        c->pinged_ms == 0 ? c->heard_ms + c->limits.ping_ms : c->pinged_ms + answer_ms(c);
    int64_t expires = expires_ns(c);

    if (c->state != CONN_UP)
        return c->started_ms + c->timeout_ms;
    if (c->peer.kind == SW_RPC_ANONYMOUS && !c->dialer)
        due = SW_MIN(due, c->up_ms + c->limits.join_ms);
    if (expires != 0) {
        int64_t left_ms = (expires - wall_ns(c)) / SW_NS_PER_MS + 1;

        due =
            SW_MIN(due, rpc_conn_now_ms(c) + (uint64_t)SW_MAX(0, SW_MIN(left_ms, EXPIRY_LOOK_MS)));
    }
    sw_list_each(l, &c->all)
    {
        const struct sw_rpc_stream *s = sw_list_entry(l, struct sw_rpc_stream, link);

        if (s->deadline_ms != 0)
            due = SW_MIN(due, s->deadline_ms);
    }
    return due;
}

void rpc_conn_due(struct sw_rpc_conn *c, uint64_t ms)
{
    uint64_t now = rpc_conn_now_ms(c);

    if (c->state == CONN_DEAD || (sw_timer_is_running(&c->tick) && c->tick_due_ms <= ms))
        return;
    c->tick_due_ms = ms;
    sw_timer_start(&c->tick, ms > now ? ms - now : 0);
}

/* Return: < 0 when the connection has lived long enough. */
static int check_life(struct sw_rpc_conn *c, uint64_t now, struct sw_err *err)
{
    int64_t expires = expires_ns(c);

    if (c->state != CONN_UP && now >= c->started_ms + c->timeout_ms)
        return sw_err_set(err, SW_E_DEADLINE, "%s: no %s within %llu ms", c->peer.address,
                          c->state <= CONN_CONNECT ? "connection" : "complete handshake",
                          (unsigned long long)c->timeout_ms);
    if (c->state != CONN_UP)
        return 0;
    if (c->pinged_ms != 0 && now >= c->pinged_ms + answer_ms(c)) {
        /* When this process itself was stopped, the answer may still wait to be read. */
        if (c->last_look)
            return sw_err_set(err, SW_E_UNAVAILABLE, "no sign of life from %s for %llu ms",
                              c->peer.address, (unsigned long long)(now - c->heard_ms));
        c->last_look = true;
    }
    if (c->peer.kind == SW_RPC_ANONYMOUS && !c->dialer && now >= c->up_ms + c->limits.join_ms)
        return sw_err_set(err, SW_E_DEADLINE, "joining took longer than %llu ms",
                          (unsigned long long)c->limits.join_ms);
    if (expires != 0 && wall_ns(c) > expires)
        return sw_err_set(err, SW_E_PERMISSION, "the certificate of %s has expired",
                          expires == c->own_not_after_ns ? "this end" : "the peer");
    return 0;
}

static struct sw_rpc_stream *find_overdue(struct sw_rpc_conn *c, uint64_t now)
{
    sw_list_each(l, &c->all)
    {
        struct sw_rpc_stream *s = sw_list_entry(l, struct sw_rpc_stream, link);

        if (s->deadline_ms != 0 && now >= s->deadline_ms)
            return s;
    }
    return NULL;
}

static void expire_streams(struct sw_rpc_conn *c, uint64_t now)
{
    struct sw_rpc_stream *s;
    struct sw_err why;

    while (c->state != CONN_DEAD && (s = find_overdue(c, now)) != NULL) {
        (void)sw_err_set(&why, SW_E_DEADLINE, "%s did not answer in time",
                         s->by_peer ? "we" : c->peer.address);
        rpc_stream_reset(s, &why);
        rpc_stream_finish(s, &why);
    }
}

static void keep_alive(struct sw_rpc_conn *c, uint64_t now)
{
    const struct frame ping = { .type = FRAME_PING };

    if (c->state != CONN_UP || c->pinged_ms != 0 || now < c->heard_ms + c->limits.ping_ms)
        return;
    c->pinged_ms = now;
    rpc_frame_put(&c->control, &ping);
    rpc_conn_kick(c);
}

static void on_tick(void *arg)
{
    struct sw_rpc_conn *c = arg;
    uint64_t now = rpc_conn_now_ms(c);
    struct sw_err why;

    rpc_conn_hold(c);
    if (check_life(c, now, &why) < 0) {
        rpc_conn_die(c, &why, true, true);
    } else {
        expire_streams(c, now);
        keep_alive(c, now);
        if (c->state != CONN_DEAD)
            rpc_conn_due(c, SW_MAX(next_due(c), now + 1));
    }
    rpc_conn_release(c);
}

/* ------------------------------------------------------------------ transport's callbacks */

static void on_transport_open(void *arg, int status)
{
    rpc_dial_opened(arg, status);
}

static void on_transport_fd(void *arg, int fd)
{
    struct sw_rpc_conn *c = arg;
    struct sw_err why;

    if (c->n_fds < CONN_FDS_MAX && c->fds_allowed) {
        c->fds[c->n_fds++] = fd;
        return;
    }
    (void)close(fd);
    (void)sw_err_set(&why, SW_E_PROTOCOL, "more descriptors than messages");
    rpc_conn_die(c, &why, true, true);
}

static void on_transport_bytes(void *arg, uint8_t *bytes, size_t n)
{
    struct sw_rpc_conn *c = arg;
    struct sw_err why;

    rpc_conn_hold(c);
    c->heard_ms = rpc_conn_now_ms(c);
    c->pinged_ms = 0;
    c->last_look = false;
    if (rpc_conn_bytes(c, bytes, n, &why) < 0)
        rpc_conn_die(c, &why, true, true);
    rpc_conn_release(c);
}

static void on_transport_drained(void *arg)
{
    conn_turn(arg);
}

static void on_transport_closed(void *arg, int status)
{
    struct sw_rpc_conn *c = arg;
    struct sw_err why;

    if (status == UV_EOF || status == UV_ECONNRESET || status == UV_EPIPE)
        (void)sw_err_set(&why, SW_E_UNAVAILABLE, "%s closed the connection%s", c->peer.address,
                         c->state == CONN_UP ? "" : " during the handshake");
    else
        (void)sw_err_set(&why, status, "connection to %s: %s", c->peer.address,
                         uv_strerror(status));
    rpc_conn_die(c, &why, false, true);
}

const struct transport_cb rpc_conn_transport_cb = { on_transport_open, on_transport_fd,
                                                    on_transport_bytes, on_transport_drained,
                                                    on_transport_closed };

/* ------------------------------------------------------------------ birth and death */

static void set_limits(struct sw_rpc_limits *l, const struct sw_rpc_limits *given)
{
    static const struct sw_rpc_limits none;
    const struct sw_rpc_limits *g = given != NULL ? given : &none;

    l->handshake_ms = g->handshake_ms != 0 ? g->handshake_ms : 5000;
    l->ping_ms = g->ping_ms != 0 ? g->ping_ms : 10000;
    l->idle_ms = g->idle_ms != 0 ? g->idle_ms : 30000;
    l->rekey_ms = g->rekey_ms != 0 ? g->rekey_ms : 3600000;
    l->rekey_records = g->rekey_records != 0 ? g->rekey_records : 1u << 20;
    l->half_open = g->half_open != 0 ? g->half_open : 256;
    l->conns = g->conns != 0 ? g->conns : 20000;
    l->streams = g->streams != 0 ? g->streams : 4096;
    l->token_failures = g->token_failures != 0 ? g->token_failures : 10;
    l->join_ms = g->join_ms != 0 ? g->join_ms : 60000;
    l->now_ns = g->now_ns != NULL ? g->now_ns : sw_now_ns;
}

struct sw_rpc_conn *rpc_conn_new(struct uv_loop_s *loop, const struct sw_rpc_limits *limits,
                                 struct sw_err *err)
{
    struct sw_rpc_conn *c = sw_calloc(1, sizeof(*c));

    if (c == NULL || sw_turn_init(&c->kick, loop, on_kick, c, err) < 0 ||
        sw_timer_init(&c->tick, loop, on_tick, c, err) < 0) {
        if (c != NULL)
            sw_turn_fini(&c->kick);
        sw_free(c);
        (void)sw_err_set(err, -ENOMEM, "no memory for a connection");
        return NULL;
    }
    c->hold = 1;
    c->loop = loop;
    set_limits(&c->limits, limits);
    sw_list_init(&c->all);
    sw_list_init(&c->finished);
    sw_list_init(&c->writable);
    sw_list_init(&c->server_link);
    for (int i = 0; i < PRIORITIES; i++)
        sw_list_init(&c->ready[i]);
    c->next_id = 2;
    uv_update_time(loop);
    c->started_ms = c->heard_ms = rpc_conn_now_ms(c);
    c->timeout_ms = c->limits.handshake_ms;
    c->channel.max_records = c->limits.rekey_records;
    c->channel.max_ms = c->limits.rekey_ms;
    rpc_conn_due(c, c->started_ms + c->timeout_ms);
    return c;
}

void rpc_conn_attach(struct sw_rpc_conn *c, struct transport *t)
{
    c->transport = t;
    t->cb = &rpc_conn_transport_cb;
    t->arg = c;
}

void rpc_conn_up(struct sw_rpc_conn *c)
{
    rpc_conn_go(c, CONN_UP);
    c->up_ms = rpc_conn_now_ms(c);
    c->channel.keyed_ms = c->up_ms;
    sw_timer_stop(&c->tick);
    rpc_conn_due(c, next_due(c));
    if (c->server != NULL)
        rpc_server_conn_up(c);
    if (c->on_up != NULL)
        c->on_up(c, c->arg);
}

void rpc_conn_welcome(struct sw_rpc_conn *c)
{
    rpc_frame_put_welcome(&c->control, c->peer.address, wall_ns(c));
    rpc_conn_kick(c);
    rpc_conn_up(c);
}

static void close_fds(struct sw_rpc_conn *c)
{
    for (size_t i = 0; i < c->n_fds; i++)
        (void)close(c->fds[i]);
    c->n_fds = 0;
}

void rpc_conn_die(struct sw_rpc_conn *c, const struct sw_err *why, bool tell_peer, bool notify)
{
    struct sw_err copy = *why;
    enum conn_state was = c->state;

    if (was == CONN_DEAD)
        return;
    rpc_conn_go(c, CONN_DEAD);
    if (c->transport != NULL) {
        if (tell_peer)
            rpc_conn_flush_goaway(c, was, &copy);
        c->transport->ops->close(c->transport, tell_peer);
        c->transport = NULL;
    }
    sw_turn_fini(&c->kick);
    sw_timer_fini(&c->tick);
    rpc_dial_free(c);
    rpc_handshake_free(c->hs);
    c->hs = NULL;
    close_fds(c);
    while (!sw_list_empty(&c->all))
        rpc_stream_finish(sw_list_entry(c->all.next, struct sw_rpc_stream, link), &copy);
    if (c->server != NULL)
        rpc_server_conn_gone(c, was, &copy);
    if (notify && c->on_down != NULL && (was == CONN_UP || c->dialer))
        c->on_down(c, &copy, c->arg);
    rpc_conn_release(c); /* the hold of being alive */
}

/* ------------------------------------------------------------------ for the user */

void sw_rpc_conn_close(struct sw_rpc_conn *c)
{
    struct sw_err why;

    if (c == NULL)
        return;
    c->on_down = NULL;
    (void)sw_err_set(&why, SW_E_CANCELED, "connection closed");
    rpc_conn_die(c, &why, false, false);
}

void sw_rpc_conn_fail(struct sw_rpc_conn *c, const struct sw_err *error)
{
    c->on_down = NULL;
    rpc_conn_die(c, error, true, false);
}

bool sw_rpc_conn_is_up(const struct sw_rpc_conn *c)
{
    return c->state == CONN_UP;
}

const struct sw_rpc_peer *sw_rpc_conn_peer(const struct sw_rpc_conn *c)
{
    return &c->peer;
}

const struct sw_root *sw_rpc_conn_root(const struct sw_rpc_conn *c)
{
    return c->root;
}

void sw_rpc_conn_set_data(struct sw_rpc_conn *c, void *data)
{
    c->data = data;
}

void *sw_rpc_conn_data(const struct sw_rpc_conn *c)
{
    return c->data;
}

size_t sw_rpc_conn_queued(const struct sw_rpc_conn *c)
{
    size_t n = c->control.len + (c->transport != NULL ? c->transport->queued : 0);

    sw_list_each(l, &c->all) n += sw_list_entry(l, struct sw_rpc_stream, link)->queued;
    return n;
}
