/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/dns_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/netd/dns_priv.h"
#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/macro.h"
#include "common/log/log.h"

#define TCP_BACKLOG 64

int dns_server_new(struct dns_server **out, struct uv_loop_s *loop,
                   const struct dns_names *(*names)(void *ctx, uint64_t network), void *ctx,
                   struct sw_err *err)
{
    struct dns_server *s = sw_calloc(1, sizeof(*s));

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "resolver");
    s->loop = loop;
    s->names = names;
    s->ctx = ctx;
    sw_list_init(&s->containers);
    sw_map_init(&s->by_id);
    *out = s;
    return 0;
}

/* ------------------------------------------------------------------------------------- queries */

bool dns_sockaddr_equal(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)(const void *)a;
        const struct sockaddr_in *y = (const struct sockaddr_in *)(const void *)b;

        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)(const void *)a;
        const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)(const void *)b;

        return x->sin6_port == y->sin6_port &&
               memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
    }
    return false;
}

void dns_reply(struct dns_container *c, const struct dns_client *to, const uint8_t *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);

    if (to->conn != NULL)
        dns_conn_send(to->conn, p, n);
    else /* a full socket loses the answer, as any network may: the client asks again */
        (void)uv_udp_try_send(&c->udp, &b, 1, (const struct sockaddr *)&to->addr);
}

void dns_take(struct dns_container *c, const struct dns_client *from, const uint8_t *p, size_t n)
{
    struct dns_server *s = c->server;
    const struct dns_names *names[DNS_NETWORKS_MAX];
    struct dns_asker a = { .networks = names, .n_networks = c->n_networks };
    enum dns_verdict v;
    size_t len = 0;

    s->queries++;
    for (size_t i = 0; i < c->n_networks; i++)
        names[i] = s->names(s->ctx, c->networks[i]);
    a.forward = c->forward;
    a.tcp = from->conn != NULL;
    sw_random(&a.random, sizeof(a.random));
    v = dns_answer(&a, p, n, s->out, sizeof(s->out), &len);
    if (v == DNS_IGNORE)
        return;
    if (v == DNS_FORWARD) {
        if (dns_forward(c, from, p, n))
            return;
        s->failed++;
        len = dns_error(p, n, DNS_SERVFAIL, s->out, sizeof(s->out));
    }
    dns_reply(c, from, s->out, len);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct dns_container *c = h->data;

    (void)suggested;
    *buf = c->server != NULL ? uv_buf_init((char *)c->server->in, sizeof(c->server->in))
                             : uv_buf_init(NULL, 0);
}

static void on_query(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *addr,
                     unsigned flags)
{
    struct dns_container *c = h->data;
    struct dns_client from = { 0 };

    if (n <= 0 || addr == NULL || (flags & UV_UDP_PARTIAL) != 0 || c->server == NULL)
        return;
    memcpy(&from.addr, addr,
           addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    dns_take(c, &from, (const uint8_t *)buf->base, (size_t)n);
}

static void on_forwarded(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *addr,
                         unsigned flags)
{
    struct dns_container *c = h->data;

    if (n > 0 && addr != NULL && (flags & UV_UDP_PARTIAL) == 0 && c->server != NULL)
        dns_forward_taken(c, addr, (const uint8_t *)buf->base, (size_t)n);
}

static void on_connection(uv_stream_t *h, int status)
{
    struct dns_container *c = h->data;

    if (status == 0 && c->server != NULL)
        dns_conn_accept(c);
}

/* ---------------------------------------------------------------------------------- containers */

static void container_on_closed(uv_handle_t *h)
{
    struct dns_container *c = h->data;

    if (--c->open_handles > 0)
        return;
    sw_free(c->id);
    sw_free(c);
}

static void container_close(struct dns_container *c)
{
    dns_forward_cancel(c, NULL);
    while (!sw_list_empty(&c->conns))
        dns_conn_close(sw_list_entry(c->conns.next, struct dns_conn, link));
    (void)sw_strmap_del(&c->server->by_id, c->id);
    sw_list_del(&c->link);
    c->server = NULL;
    c->open_handles = c->has_fwd ? 3 : 2;
    uv_close((uv_handle_t *)&c->udp, container_on_closed);
    uv_close((uv_handle_t *)&c->tcp, container_on_closed);
    if (c->has_fwd)
        uv_close((uv_handle_t *)&c->fwd, container_on_closed);
}

static int open_udp(struct dns_container *c, uv_udp_t *h, int *fd, uv_udp_recv_cb cb)
{
    int r = uv_udp_open(h, *fd);

    (void)c;
    if (r < 0)
        return r;
    *fd = -1; /* the handle's from here on */
    return uv_udp_recv_start(h, on_alloc, cb);
}

/* Closes the container when it fails; it owns what it took from @fds (set to -1). */
static int container_open(struct dns_container *c, int *fds, size_t n_fds, struct sw_err *err)
{
    int r;

    (void)uv_udp_init(c->server->loop, &c->udp);
    (void)uv_tcp_init(c->server->loop, &c->tcp);
    c->udp.data = c->tcp.data = c->fwd.data = c;
    if (n_fds == 3) {
        (void)uv_udp_init(c->server->loop, &c->fwd);
        c->has_fwd = true;
    }
    r = open_udp(c, &c->udp, &fds[0], on_query);
    if (r == 0 && n_fds == 3)
        r = open_udp(c, &c->fwd, &fds[2], on_forwarded);
    if (r == 0 && (r = uv_tcp_open(&c->tcp, fds[1])) == 0) {
        fds[1] = -1;
        r = uv_listen((uv_stream_t *)&c->tcp, TCP_BACKLOG, on_connection);
    }
    if (r < 0) {
        (void)sw_err_set(err, r, "resolver of container %s", c->id);
        container_close(c);
    }
    return r;
}

static int container_new(struct dns_server *s, const char *id, int *fds, size_t n_fds,
                         struct dns_container **out, struct sw_err *err)
{
    struct dns_container *c = sw_calloc(1, sizeof(*c));
    int r;

    if (c != NULL)
        c->id = sw_strdup(id);
    if (c == NULL || c->id == NULL || sw_strmap_put(&s->by_id, c->id, c) < 0) {
        if (c != NULL)
            sw_free(c->id);
        sw_free(c);
        return sw_err_set(err, -ENOMEM, "resolver of container %s", id);
    }
    c->server = s;
    sw_list_init(&c->flights);
    sw_list_init(&c->conns);
    sw_list_push_back(&s->containers, &c->link);
    r = container_open(c, fds, n_fds, err);
    if (r == 0)
        *out = c;
    return r;
}

static bool nameserver_set(struct dns_nameserver *o, const Swarm__V1__NetdNameserver *m)
{
    int port = m->port != 0 ? (int)m->port : 53;

    memset(o, 0, sizeof(*o));
    o->in_container = m->in_container;
    if (port > UINT16_MAX)
        return false;
    return uv_ip4_addr(m->addr, port, (struct sockaddr_in *)&o->addr) == 0 ||
           uv_ip6_addr(m->addr, port, (struct sockaddr_in6 *)&o->addr) == 0;
}

static void container_set(struct dns_container *c, const Swarm__V1__NetdDnsAttach *m)
{
    c->forward = m->forward;
    c->n_networks = SW_MIN(m->n_networks, (size_t)DNS_NETWORKS_MAX);
    for (size_t i = 0; i < c->n_networks; i++)
        c->networks[i] = m->networks[i];
    dns_forward_cancel(c, NULL); /* questions under way count on the old nameservers */
    c->n_servers = 0;
    for (size_t i = 0; i < m->n_nameservers && c->n_servers < DNS_SERVERS_MAX; i++) {
        struct dns_nameserver *o = &c->servers[c->n_servers];

        if (!nameserver_set(o, m->nameservers[i]))
            log_warn("nameserver ignored container=%s addr=%s", c->id, m->nameservers[i]->addr);
        else if (!o->in_container || c->has_fwd)
            c->n_servers++;
    }
}

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
}

int dns_server_attach(struct dns_server *s, const Swarm__V1__NetdDnsAttach *m, const int *fds_in,
                      size_t n_fds, struct sw_err *err)
{
    struct dns_container *c = sw_strmap_get(&s->by_id, m->container_id);
    int fds[3] = { -1, -1, -1 };
    int r = 0;

    if (m->container_id[0] == 0 || n_fds == 1 || n_fds > SW_ARRAY_LEN(fds)) {
        close_fds(fds_in, n_fds);
        return sw_err_set(err, SW_E_INVALID, "resolver with %zu descriptors for container '%s'",
                          n_fds, m->container_id);
    }
    for (size_t i = 0; i < n_fds; i++)
        fds[i] = fds_in[i];
    if (n_fds == 0 && c == NULL)
        return sw_err_set(err, SW_E_NOT_FOUND, "container %s has no resolver", m->container_id);
    if (n_fds > 0) {
        if (c != NULL)
            container_close(c);
        r = container_new(s, m->container_id, fds, n_fds, &c, err);
        close_fds(fds, n_fds);
    }
    if (r == 0)
        container_set(c, m);
    return r;
}

void dns_server_detach(struct dns_server *s, const char *container_id)
{
    struct dns_container *c = sw_strmap_get(&s->by_id, container_id);

    if (c != NULL)
        container_close(c);
}

void dns_server_free(struct dns_server *s)
{
    if (s == NULL)
        return;
    while (!sw_list_empty(&s->containers))
        container_close(sw_list_entry(s->containers.next, struct dns_container, link));
    assert(s->n_flights == 0);
    sw_map_fini(&s->by_id);
    sw_free(s);
}

int dns_server_list(const struct dns_server *s, Swarm__V1__NetdHelloReply *m)
{
    m->dns = calloc(s->by_id.len + 1, sizeof(m->dns[0]));
    if (m->dns == NULL)
        return -ENOMEM;
    sw_list_each(l, &s->containers)
    {
        m->dns[m->n_dns] = strdup(sw_list_entry(l, struct dns_container, link)->id);
        if (m->dns[m->n_dns] == NULL)
            return -ENOMEM;
        m->n_dns++;
    }
    return 0;
}

void dns_server_stats(const struct dns_server *s, Swarm__V1__NetdStats *m)
{
    m->dns_queries = s->queries;
    m->dns_forwarded = s->forwarded;
    m->dns_failed = s->failed;
}
