/* SPDX-License-Identifier: Apache-2.0
 * sock.c - see sock.h. Never closed: its process ends with _exit() or a signal. */
#include "sock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct out { /* one send */
    struct sw_list link;
    struct sock *s;
    uv_write_t req;
    uint32_t len;
    consensus_sent_cb *done;
    void *arg;
};

struct in { /* one accepted connection */
    struct sock *s;
    uv_tcp_t tcp;
    uint64_t from;
    uint8_t *buf;
    size_t len;
    size_t cap;
};

static void on_late(uv_idle_t *h)
{
    struct sock *s = h->data;
    struct sw_list *l;

    uv_idle_stop(h);
    while ((l = sw_list_pop_front(&s->failed)) != NULL) {
        struct out *o = sw_list_entry(l, struct out, link);

        o->done(o->arg, SW_E_UNAVAILABLE);
        free(o);
    }
}

static void fail_later(struct out *o)
{
    sw_list_push_back(&o->s->failed, &o->link);
    uv_idle_start(&o->s->late, on_late);
}

/* ---- dialing --------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    struct sock_peer *p = h->data;

    p->state = SOCK_DOWN;
}

static void drop(struct sock_peer *p)
{
    if (p->state == SOCK_CLOSING || p->state == SOCK_DOWN)
        return;
    p->state = SOCK_CLOSING;
    p->retry_at = uv_now(p->s->loop) + 50;
    uv_close((uv_handle_t *)&p->tcp, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    static char trash[256];

    (void)h;
    (void)n;
    *b = uv_buf_init(trash, sizeof(trash));
}

static void on_eof(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
    (void)b;
    if (n < 0)
        drop(st->data);
}

static void on_hello(uv_write_t *req, int status)
{
    (void)status;
    free(req);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct sock_peer *p = req->data;
    uv_buf_t b = uv_buf_init((char *)&p->s->self, sizeof(p->s->self));

    if (p->state != SOCK_DIALING)
        return;
    if (status < 0) {
        drop(p);
        return;
    }
    p->state = SOCK_UP;
    uv_tcp_nodelay(&p->tcp, 1);
    uv_write(malloc(sizeof(uv_write_t)), (uv_stream_t *)&p->tcp, &b, 1, on_hello);
    uv_read_start((uv_stream_t *)&p->tcp, on_alloc, on_eof);
}

static struct sock_peer *peer_of(struct sock *s, uint64_t member, const char *address)
{
    for (unsigned i = 0; i < SOCK_PEERS; i++) {
        struct sock_peer *p = &s->peers[i];

        if (p->member == member || p->member == 0) {
            p->s = s;
            p->member = member;
            if (address[0] != '\0')
                (void)snprintf(p->address, sizeof(p->address), "%s", address);
            return p;
        }
    }
    abort();
}

static void dial(struct sock_peer *p)
{
    const char *colon = strrchr(p->address, ':');
    struct sockaddr_in a;

    if (p->state != SOCK_DOWN || colon == NULL || uv_now(p->s->loop) < p->retry_at)
        return;
    uv_ip4_addr("127.0.0.1", atoi(colon + 1), &a);
    uv_tcp_init(p->s->loop, &p->tcp);
    p->tcp.data = p;
    p->connect.data = p;
    p->state = SOCK_DIALING;
    if (uv_tcp_connect(&p->connect, &p->tcp, (struct sockaddr *)&a, on_connect) < 0)
        drop(p);
}

static void on_sent(uv_write_t *req, int status)
{
    struct out *o = req->data;

    o->done(o->arg, status);
    free(o);
}

static void sock_send(void *arg, uint64_t member, const char *address, const uint8_t *data,
                      size_t len, consensus_sent_cb *done, void *done_arg)
{
    struct sock *s = arg;
    struct sock_peer *p = peer_of(s, member, address);
    struct out *o = calloc(1, sizeof(*o));
    uv_buf_t b[2];

    o->s = s;
    o->req.data = o;
    o->len = (uint32_t)len;
    o->done = done;
    o->arg = done_arg;
    b[0] = uv_buf_init((char *)&o->len, sizeof(o->len));
    b[1] = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    if (p->state != SOCK_UP || uv_write(&o->req, (uv_stream_t *)&p->tcp, b, 2, on_sent) < 0) {
        fail_later(o);
        dial(p);
    }
}

static void sock_prepare(void *arg, uint64_t member, const char *address)
{
    dial(peer_of(arg, member, address));
}

static void sock_stop(void *arg)
{
    struct sock *s = arg;

    for (unsigned i = 0; i < SOCK_PEERS; i++) {
        if (s->peers[i].member != 0)
            drop(&s->peers[i]);
    }
}

/* ---- listening ------------------------------------------------------------------------------- */

static void on_in_closed(uv_handle_t *h)
{
    struct in *in = h->data;

    free(in->buf);
    free(in);
}

static void on_room(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    struct in *in = h->data;

    (void)n;
    if (in->cap - in->len < 65536) {
        in->cap = in->len + 1024 * 1024;
        in->buf = realloc(in->buf, in->cap);
    }
    *b = uv_buf_init((char *)in->buf + in->len, (unsigned)(in->cap - in->len));
}

static void on_data(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
    struct in *in = st->data;
    size_t at = 0;
    uint32_t len;

    (void)b;
    if (n < 0) {
        uv_close((uv_handle_t *)st, on_in_closed);
        return;
    }
    in->len += (size_t)n;
    if (in->from == 0 && in->len >= 8) {
        memcpy(&in->from, in->buf, 8);
        at = 8;
    }
    while (in->from != 0 && in->len - at >= 4) {
        struct sw_err err;

        memcpy(&len, in->buf + at, 4);
        if (in->len - at - 4 < len)
            break;
        if (*in->s->c != NULL)
            (void)consensus_deliver(*in->s->c, in->from, in->buf + at + 4, len, &err);
        at += 4 + len;
    }
    memmove(in->buf, in->buf + at, in->len - at);
    in->len -= at;
}

static void on_accept(uv_stream_t *server, int status)
{
    struct in *in;

    if (status < 0)
        return;
    in = calloc(1, sizeof(*in));
    in->s = server->data;
    uv_tcp_init(in->s->loop, &in->tcp);
    in->tcp.data = in;
    if (uv_accept(server, (uv_stream_t *)&in->tcp) < 0)
        uv_close((uv_handle_t *)&in->tcp, on_in_closed);
    else
        uv_read_start((uv_stream_t *)&in->tcp, on_room, on_data);
}

int sock_init(struct sock *s, uv_loop_t *loop, uint64_t self, uint16_t port, struct consensus **c)
{
    struct sockaddr_in a;
    int r;

    memset(s, 0, sizeof(*s));
    s->loop = loop;
    s->self = self;
    s->c = c;
    sw_list_init(&s->failed);
    uv_idle_init(loop, &s->late);
    s->late.data = s;
    uv_tcp_init(loop, &s->listener);
    s->listener.data = s;
    uv_ip4_addr("127.0.0.1", port, &a);
    r = uv_tcp_bind(&s->listener, (struct sockaddr *)&a, 0);
    return r < 0 ? r : uv_listen((uv_stream_t *)&s->listener, 16, on_accept);
}

struct consensus_transport sock_transport(struct sock *s)
{
    return (struct consensus_transport){ s, sock_send, sock_prepare, NULL, sock_stop };
}
