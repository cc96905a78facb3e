/* SPDX-License-Identifier: Apache-2.0
 * dns_forward.c - questions that others must answer.
 *
 * A flight is one question under way. For each nameserver in turn it makes a probe: a socket of its
 * own, connected, so that the kernel sorts out foreign senders and every question has a port of its
 * own (RFC 5452); or it shares the container's forwarding socket and checks the sender itself.
 * The id is fresh for each probe, and the answer must repeat the question.
 *
 *   flight: ASKING server 0 --4 s, refused, SERVFAIL--> ASKING server 1 --> ... --> SERVFAIL
 *              \--- answer that fits: handed to the client with its own id ---/
 *
 * The answer of the last nameserver is passed on whatever it says. */
#include <stdlib.h>
#include <string.h>

#include "agent/netd/dns_priv.h"
#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/macro.h"

#define RCODE(p) ((p)[3] & 15)
#define REFUSED  5

struct probe;

struct flight {
    struct sw_list link;
    struct dns_container *container;
    struct dns_client client;
    size_t server;       /* being asked */
    struct probe *probe; /* NULL: by the container's socket */
    struct sw_timer wait;
    uint8_t client_id[2];
    size_t n;
    uint8_t query[]; /* with the id of the present probe */
};

struct probe {             /* freed when its handle has closed */
    struct flight *flight; /* NULL: over */
    union {
        uv_handle_t any;
        uv_udp_t udp;
        uv_tcp_t tcp;
        uv_stream_t stream;
    } h;
    uv_connect_t connect;
    uv_write_t write;
    uint8_t len[2];
    struct sw_buf in; /* TCP */
};

/* --------------------------------------------------------------------------------------- endings
 */

static void probe_on_closed(uv_handle_t *h)
{
    struct probe *p = h->data;

    sw_buf_fini(&p->in);
    sw_free(p);
}

static void probe_drop(struct flight *f)
{
    struct probe *p = f->probe;

    if (p == NULL)
        return;
    f->probe = NULL;
    p->flight = NULL;
    uv_close(&p->h.any, probe_on_closed);
}

static void flight_free(struct flight *f)
{
    probe_drop(f);
    sw_timer_fini(&f->wait);
    sw_list_del(&f->link);
    f->container->n_flights--;
    f->container->server->n_flights--;
    sw_free(f);
}

static void flight_answer(struct flight *f, uint8_t *p, size_t n)
{
    struct dns_container *c = f->container;
    struct dns_client client = f->client;

    memcpy(p, f->client_id, 2);
    flight_free(f);
    dns_reply(c, &client, p, n);
}

static void flight_fail(struct flight *f)
{
    struct dns_server *s = f->container->server;
    size_t n;

    s->failed++;
    n = dns_error(f->query, f->n, DNS_SERVFAIL, s->out, sizeof(s->out));
    if (n == 0)
        flight_free(f);
    else
        flight_answer(f, s->out, n);
}

void dns_forward_cancel(struct dns_container *c, const struct dns_conn *conn)
{
    sw_list_each_safe(l, &c->flights)
    {
        struct flight *f = sw_list_entry(l, struct flight, link);

        if (conn == NULL || f->client.conn == conn)
            flight_free(f);
    }
}

/* --------------------------------------------------------------------------------------- probing
 */

static bool flight_probe(struct flight *f);

static void flight_next(struct flight *f)
{
    probe_drop(f);
    while (++f->server < f->container->n_servers) {
        if (flight_probe(f))
            return;
    }
    flight_fail(f);
}

static void on_wait(void *arg)
{
    flight_next(arg);
}

/* An answer came from where it should. */
static void flight_take(struct flight *f, const uint8_t *p, size_t n)
{
    struct dns_server *s = f->container->server;
    bool last = f->server + 1 == f->container->n_servers;
    bool cut;

    if (n < DNS_HDR || n > DNS_TCP_MAX || memcmp(p, f->query, 2) != 0 ||
        !dns_same_question(f->query, f->n, p, n))
        return; /* somebody guesses: the right one may still come */
    if (!last && (RCODE(p) == DNS_SERVFAIL || RCODE(p) == REFUSED || RCODE(p) == DNS_NOTIMP)) {
        flight_next(f);
        return;
    }
    cut = (p[2] & 2) != 0;
    if (cut && f->client.conn != NULL) { /* asked by UDP for a TCP client: nothing more to be had */
        flight_fail(f);
        return;
    }
    if (p != s->out)
        memmove(s->out, p, n);
    flight_answer(f, s->out, n);
}

static void probe_on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct probe *p = h->data;

    (void)suggested;
    *buf = uv_buf_init(NULL, 0);
    if (p->flight == NULL)
        return;
    if (h->type == UV_UDP) {
        struct dns_server *s = p->flight->container->server;

        *buf = uv_buf_init((char *)s->in, sizeof(s->in));
    } else {
        uint8_t *to = sw_buf_reserve(&p->in, 4096);

        *buf = uv_buf_init((char *)to, to != NULL ? 4096 : 0);
    }
}

static void probe_on_udp(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *addr,
                         unsigned flags)
{
    struct probe *p = h->data;

    (void)addr;
    if (p->flight == NULL || n == 0 || (flags & UV_UDP_PARTIAL) != 0)
        return;
    if (n < 0) /* the port is closed there */
        flight_next(p->flight);
    else
        flight_take(p->flight, (const uint8_t *)buf->base, (size_t)n);
}

static void probe_on_tcp(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    struct probe *p = h->data;
    size_t len;

    (void)buf;
    if (p->flight == NULL)
        return;
    if (n < 0) {
        flight_next(p->flight);
        return;
    }
    sw_buf_commit(&p->in, (size_t)n);
    if (p->in.len < 2)
        return;
    len = (size_t)p->in.data[0] << 8 | p->in.data[1];
    if (p->in.len >= 2 + len)
        flight_take(p->flight, p->in.data + 2, len);
}

static void probe_on_written(uv_write_t *req, int status)
{
    struct probe *p = req->handle->data;

    if (status < 0 && p->flight != NULL)
        flight_next(p->flight);
}

static void probe_on_connect(uv_connect_t *req, int status)
{
    struct probe *p = req->handle->data;
    struct flight *f = p->flight;
    uv_buf_t b[2];

    if (f == NULL)
        return;
    p->len[0] = (uint8_t)(f->n >> 8);
    p->len[1] = (uint8_t)f->n;
    b[0] = uv_buf_init((char *)p->len, 2);
    b[1] = uv_buf_init((char *)f->query, (unsigned)f->n);
    if (status < 0 || uv_read_start(&p->h.stream, probe_on_alloc, probe_on_tcp) < 0 ||
        uv_write(&p->write, &p->h.stream, b, 2, probe_on_written) < 0)
        flight_next(f);
}

static bool probe_start(struct flight *f, const struct sockaddr *to)
{
    struct probe *p = sw_calloc(1, sizeof(*p));
    struct dns_server *s = f->container->server;
    uv_buf_t b = uv_buf_init((char *)f->query, (unsigned)f->n);
    bool ok;

    if (p == NULL)
        return false;
    sw_buf_init(&p->in);
    p->flight = f;
    f->probe = p;
    if (f->client.conn != NULL) {
        (void)uv_tcp_init(s->loop, &p->h.tcp);
        p->h.any.data = p;
        ok = uv_tcp_connect(&p->connect, &p->h.tcp, to, probe_on_connect) == 0;
    } else {
        (void)uv_udp_init(s->loop, &p->h.udp);
        p->h.any.data = p;
        ok = uv_udp_connect(&p->h.udp, to) == 0 &&
             uv_udp_recv_start(&p->h.udp, probe_on_alloc, probe_on_udp) == 0 &&
             uv_udp_try_send(&p->h.udp, &b, 1, NULL) >= 0;
    }
    if (!ok)
        probe_drop(f);
    return ok;
}

static bool flight_probe(struct flight *f)
{
    const struct dns_nameserver *ns = &f->container->servers[f->server];
    const struct sockaddr *to = (const struct sockaddr *)&ns->addr;
    uv_buf_t b = uv_buf_init((char *)f->query, (unsigned)f->n);

    sw_random(f->query, 2);
    sw_timer_start(&f->wait, DNS_SERVER_WAIT_MS);
    if (ns->in_container)
        return uv_udp_try_send(&f->container->fwd, &b, 1, to) >= 0;
    return probe_start(f, to);
}

void dns_forward_taken(struct dns_container *c, const struct sockaddr *from, const uint8_t *p,
                       size_t n)
{
    sw_list_each_safe(l, &c->flights)
    {
        struct flight *f = sw_list_entry(l, struct flight, link);
        const struct dns_nameserver *ns = &c->servers[f->server];

        if (f->probe == NULL && ns->in_container && n >= DNS_HDR && memcmp(p, f->query, 2) == 0 &&
            dns_sockaddr_equal(from, (const struct sockaddr *)&ns->addr)) {
            flight_take(f, p, n);
            return;
        }
    }
}

bool dns_forward(struct dns_container *c, const struct dns_client *from, const uint8_t *p, size_t n)
{
    struct flight *f;
    struct sw_err err;

    if (c->n_servers == 0 || c->n_flights >= DNS_FLIGHTS_EACH ||
        c->server->n_flights >= DNS_FLIGHTS_MAX)
        return false;
    f = sw_calloc(1, sizeof(*f) + n);
    if (f == NULL || sw_timer_init(&f->wait, c->server->loop, on_wait, f, &err) < 0) {
        sw_free(f);
        return false;
    }
    f->container = c;
    f->client = *from;
    f->n = n;
    memcpy(f->query, p, n);
    memcpy(f->client_id, p, 2);
    sw_list_push_back(&c->flights, &f->link);
    c->n_flights++;
    c->server->n_flights++;
    c->server->forwarded++;
    if (!flight_probe(f))
        flight_next(f);
    return true;
}
