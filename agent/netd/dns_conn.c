/* SPDX-License-Identifier: Apache-2.0
 * dns_conn.c - DNS over TCP (RFC 7766): messages with a length before them. */
#include <stdlib.h>
#include <string.h>

#include "agent/netd/dns_priv.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

#define READ_STEP 4096u

struct answer {
    uv_write_t req;
    uint8_t bytes[];
};

static void conn_on_closed(uv_handle_t *h)
{
    struct dns_conn *n = h->data;

    sw_buf_fini(&n->in);
    sw_free(n);
}

void dns_conn_close(struct dns_conn *n)
{
    struct dns_container *c = n->container;

    if (c == NULL)
        return;
    dns_forward_cancel(c, n);
    n->container = NULL;
    sw_list_del(&n->link);
    c->n_conns--;
    sw_timer_fini(&n->idle);
    uv_close((uv_handle_t *)&n->tcp, conn_on_closed);
}

static void on_idle(void *arg)
{
    dns_conn_close(arg);
}

static void on_written(uv_write_t *req, int status)
{
    struct dns_conn *n = req->handle->data;

    sw_free(sw_container_of(req, struct answer, req));
    if (status < 0)
        dns_conn_close(n);
}

void dns_conn_send(struct dns_conn *n, const uint8_t *p, size_t len)
{
    struct answer *a;
    uv_buf_t b;

    if (n->container == NULL)
        return;
    a = sw_malloc(sizeof(*a) + 2 + len);
    if (a == NULL) {
        dns_conn_close(n);
        return;
    }
    a->bytes[0] = (uint8_t)(len >> 8);
    a->bytes[1] = (uint8_t)len;
    memcpy(a->bytes + 2, p, len);
    b = uv_buf_init((char *)a->bytes, (unsigned)(2 + len));
    if (uv_write(&a->req, (uv_stream_t *)&n->tcp, &b, 1, on_written) < 0) {
        sw_free(a);
        dns_conn_close(n);
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct dns_conn *n = h->data;
    uint8_t *p = sw_buf_reserve(&n->in, READ_STEP);

    (void)suggested;
    *buf = uv_buf_init((char *)p, p != NULL ? READ_STEP : 0);
}

static void on_read(uv_stream_t *h, ssize_t got, const uv_buf_t *buf)
{
    struct dns_conn *n = h->data;
    struct dns_client from = { .conn = n };

    (void)buf;
    if (got < 0) {
        dns_conn_close(n);
        return;
    }
    sw_buf_commit(&n->in, (size_t)got);
    while (n->container != NULL && n->in.len >= 2) {
        size_t len = (size_t)n->in.data[0] << 8 | n->in.data[1];

        if (n->in.len < 2 + len)
            break;
        sw_timer_start(&n->idle, DNS_CONN_IDLE_MS);
        dns_take(n->container, &from, n->in.data + 2, len);
        sw_buf_consume(&n->in, 2 + len);
    }
}

void dns_conn_accept(struct dns_container *c)
{
    struct dns_conn *n = sw_calloc(1, sizeof(*n));
    struct sw_err err;

    /* Left in the queue when memory is short: the client waits or gives up. */
    if (n == NULL || sw_timer_init(&n->idle, c->server->loop, on_idle, n, &err) < 0) {
        sw_free(n);
        return;
    }
    (void)uv_tcp_init(c->server->loop, &n->tcp);
    n->tcp.data = n;
    n->container = c;
    sw_buf_init(&n->in);
    sw_list_push_back(&c->conns, &n->link);
    c->n_conns++;
    if (uv_accept((uv_stream_t *)&c->tcp, (uv_stream_t *)&n->tcp) < 0 ||
        uv_read_start((uv_stream_t *)&n->tcp, on_alloc, on_read) < 0) {
        dns_conn_close(n);
        return;
    }
    sw_timer_start(&n->idle, DNS_CONN_IDLE_MS);
    if (c->n_conns > DNS_CONNS_MAX) /* the oldest has had its time */
        dns_conn_close(sw_list_entry(c->conns.next, struct dns_conn, link));
}
