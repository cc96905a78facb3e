/* SPDX-License-Identifier: Apache-2.0
 * conn.c - one request on a libmicrohttpd connection, as a transport of exchange.h. */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/http/listener.h"
#include "common/log/log.h"

#define HEADERS_MAX 256

static void watch_stop(struct conn *c);

void conn_unref(struct conn *c)
{
    struct http_server *s = c->server;

    assert(c->refs > 0);
    if (--c->refs > 0)
        return;
    if (c->response != NULL)
        MHD_destroy_response(c->response);
    sw_buf_fini(&c->out);
    sw_free(c->raw_head);
    sw_free(c->target);
    sw_free(c);
    server_conn_freed(s);
}

static void wake(struct conn *c)
{
    if (c->mhd == NULL || !c->suspended)
        return;
    c->suspended = false;
    watch_stop(c);
    MHD_resume_connection(c->mhd);
    listener_kick(c->l);
}

/* ---- the client's departure while libmicrohttpd does not look ----------------------------------
 */

static int conn_fd(struct conn *c)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

    return i == NULL ? -1 : i->connect_fd;
}

static void on_watch_closed(uv_handle_t *h)
{
    conn_unref(h->data);
}

static void watch_stop(struct conn *c)
{
    if (c->watch_open)
        uv_poll_stop(&c->watch);
}

static void watch_close(struct conn *c)
{
    if (!c->watch_open)
        return;
    c->watch_open = false;
    uv_close((uv_handle_t *)&c->watch, on_watch_closed);
}

/* A Unix client that only half-closed may still wait for a short answer; a stream to it, and any
 * TCP client that sent its FIN, counts as gone (Go's server does the same). */
static void on_watch(uv_poll_t *w, int status, int events)
{
    struct conn *c = w->data;
    struct pollfd p = { .fd = -1, .events = POLLRDHUP };

    (void)status;
    (void)events;
    uv_poll_stop(w);
    if (c->mhd == NULL)
        return;
    p.fd = conn_fd(c);
    poll(&p, 1, 0);
    if (c->l->is_unix && !c->started && (p.revents & (POLLHUP | POLLERR)) == 0)
        return;
    conn_gone(c);
}

static void suspend(struct conn *c)
{
    c->suspended = true;
    MHD_suspend_connection(c->mhd);
    if (c->raw != NULL)
        return;
    if (!c->watch_open) {
        if (uv_poll_init(c->server->loop, &c->watch, conn_fd(c)) < 0)
            return;
        c->watch.data = c;
        c->watch_open = true;
        c->refs++;
    }
    uv_poll_start(&c->watch, UV_DISCONNECT, on_watch);
}

void conn_gone(struct conn *c)
{
    c->refs++;
    c->drop = true;
    if (c->req != NULL)
        http_exchange_gone(c->req);
    if (c->raw != NULL)
        raw_close(c->raw, false);
    wake(c);
    conn_unref(c);
}

/* ---- answer: called by the request ----------------------------------------------------------- */

static ssize_t on_stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct conn *c = cls;
    size_t n = SW_MIN(max, c->out.len - c->out_pos);

    (void)pos;
    if (c->drop)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n > 0) {
        memcpy(buf, c->out.data + c->out_pos, n);
        c->out_pos += n;
        if (c->out_pos == c->out.len) {
            sw_buf_fini(&c->out); /* an idle stream holds no memory */
            sw_buf_init(&c->out);
            c->out_pos = 0;
            if (c->req != NULL)
                http_exchange_drained(c->req);
        }
        return (ssize_t)n;
    }
    if (c->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    suspend(c);
    return 0;
}

static void raw_data(void *arg, const void *data, size_t len)
{
    struct conn *c = arg;

    if (c->req == NULL)
        return;
    if (len > 0)
        http_exchange_body(c->req, data, len);
    else
        http_exchange_body_end(c->req);
}

static void raw_drained(void *arg)
{
    struct conn *c = arg;

    if (c->req != NULL)
        http_exchange_drained(c->req);
}

static void raw_error(void *arg)
{
    conn_gone(arg);
}

static void raw_closed(void *arg)
{
    struct conn *c = arg;

    c->raw = NULL;
    if (c->upgrade != NULL) {
        MHD_upgrade_action(c->upgrade, MHD_UPGRADE_ACTION_CLOSE);
        c->upgrade = NULL;
        listener_kick(c->l);
    } else {
        c->drop = true;
        wake(c);
    }
    conn_unref(c);
}

static const struct raw_ops raw_ops = { raw_data, raw_drained, raw_error, raw_closed };

/* The connection is ours from here. What was written before is in c->out. */
static void raw_begin(struct conn *c, int fd, const void *early, size_t early_len)
{
    watch_close(c);
    c->raw = raw_new(c->server->loop, fd, &raw_ops, c);
    if (c->raw == NULL) {
        conn_gone(c);
        return;
    }
    c->refs++;
    if (c->raw_head != NULL)
        raw_write(c->raw, c->raw_head, strlen(c->raw_head));
    if (c->out.len > 0)
        raw_write(c->raw, c->out.data, c->out.len);
    sw_buf_fini(&c->out);
    sw_buf_init(&c->out);
    raw_early(c->raw, early, early_len);
    if (c->req == NULL)
        raw_close(c->raw, true);
    else /* nobody takes the input: read it all the same, to see the client leave */
        raw_read(c->raw, c->reading || !c->paused);
}

static void on_upgraded(void *cls, struct MHD_Connection *mhd, void *con_cls, const char *extra,
                        size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *urh)
{
    struct conn *c = cls;

    (void)mhd;
    (void)con_cls;
    c->upgrade = urh;
    raw_begin(c, fd, extra, extra_len);
    if (c->raw == NULL && c->upgrade != NULL) {
        MHD_upgrade_action(c->upgrade, MHD_UPGRADE_ACTION_CLOSE);
        c->upgrade = NULL;
        listener_kick(c->l);
    }
}

static char *head_text(const struct http_answer_head *head)
{
    struct sw_buf b = SW_BUF_INIT;

    sw_buf_printf(&b, "HTTP/1.1 %d OK\r\n", head->status);
    for (size_t i = 0; i < head->n_headers; i++)
        sw_buf_printf(&b, "%s: %s\r\n", head->headers[i].name, head->headers[i].value);
    sw_buf_puts(&b, "\r\n");
    return sw_buf_steal(&b);
}

static struct MHD_Response *make_response(struct conn *c, const struct http_answer_head *head)
{
    if (head->kind == HTTP_ANSWER_STREAM)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32768, on_stream_read, c, NULL);
    if (head->kind == HTTP_ANSWER_HIJACK)
        return MHD_create_response_for_upgrade(on_upgraded, c);
    return MHD_create_response_from_buffer_with_free_callback(head->len, head->body, sw_free);
}

static bool is_framing(const char *name)
{
    return strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Content-Length") == 0 ||
           strcasecmp(name, "Transfer-Encoding") == 0 || strcasecmp(name, "Date") == 0;
}

static void on_start(void *transport, const struct http_answer_head *head)
{
    struct conn *c = transport;

    c->started = true;
    c->status = head->status;
    c->kind = head->kind;
    if (head->kind == HTTP_ANSWER_HIJACK && head->status != 101) {
        c->raw_head = head_text(head);
        c->drop = c->raw_head == NULL;
        wake(c);
        return;
    }
    c->response = make_response(c, head);
    if (c->response == NULL) {
        if (head->kind == HTTP_ANSWER_WHOLE)
            sw_free(head->body);
        c->drop = true;
    }
    for (size_t i = 0; i < head->n_headers && c->response != NULL; i++)
        if (!is_framing(head->headers[i].name))
            MHD_add_response_header(c->response, head->headers[i].name, head->headers[i].value);
    wake(c);
}

static size_t on_write(void *transport, const void *data, size_t len)
{
    struct conn *c = transport;
    size_t waiting;

    if (c->raw != NULL) {
        waiting = raw_write(c->raw, data, len);
    } else {
        if (c->out_pos > 0 && c->out_pos >= c->out.len / 2) {
            sw_buf_consume(&c->out, c->out_pos);
            c->out_pos = 0;
        }
        sw_buf_add(&c->out, data, len);
        waiting = c->out.len - c->out_pos;
        if (sw_buf_failed(&c->out))
            waiting = SIZE_MAX;
        wake(c);
    }
    if (waiting > HTTP_CONN_CUT && c->mhd != NULL) {
        log_warn("http client cut off unsent=%zu target=%s", waiting, c->target);
        shutdown(conn_fd(c), SHUT_RDWR); /* the watch, libmicrohttpd or raw.c report it */
    }
    return waiting;
}

static void on_want_read(void *transport, bool on)
{
    struct conn *c = transport;

    c->reading = on;
    c->paused = !on;
    if (c->raw != NULL)
        raw_read(c->raw, on);
    else if (on)
        wake(c);
}

static void on_end(void *transport, enum http_end how)
{
    struct conn *c = transport;

    c->req = NULL;
    c->ended = true;
    if (how == HTTP_END_ABORT)
        c->drop = true;
    if (c->raw != NULL)
        raw_close(c->raw, how == HTTP_END_OK);
    wake(c);
    conn_unref(c);
}

static const struct http_exchange_ops conn_ops = { on_start, on_write, on_want_read, on_end };

/* ---- called by libmicrohttpd ------------------------------------------------------------------
 */

void *conn_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct listener *l = cls;
    struct conn *c = sw_calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->target = sw_strdup(uri);
    if (c->target == NULL) {
        sw_free(c);
        return NULL;
    }
    c->l = l;
    c->server = l->server;
    c->mhd = mhd;
    c->refs = 1;
    sw_buf_init(&c->out);
    sw_list_push_back(&l->conns, &c->link);
    l->server->live_conns++;
    return c;
}

struct header_list {
    struct http_header h[HEADERS_MAX];
    size_t n;
};

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    struct header_list *list = cls;

    (void)kind;
    if (list->n == HEADERS_MAX)
        return MHD_NO;
    list->h[list->n++] = (struct http_header){ key, value == NULL ? "" : value };
    return MHD_YES;
}

static int64_t body_length(struct conn *c)
{
    const char *te = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Transfer-Encoding");
    const char *cl = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Content-Length");

    if (te != NULL)
        return -1;
    return cl == NULL ? 0 : (int64_t)strtoll(cl, NULL, 10); /* checked by libmicrohttpd */
}

static enum MHD_Result first_call(struct conn *c, const char *method)
{
    struct header_list list = { .n = 0 };
    struct http_exchange_head head = {
        .method = method,
        .target = c->target,
        .headers = list.h,
        .body_len = body_length(c),
        .can_hijack = true,
    };
    struct sw_err err = { 0 };
    struct http_request *req = NULL;

    c->seen = true;
    c->body_end = head.body_len == 0;
    MHD_set_connection_option(c->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, add_header, &list);
    head.n_headers = list.n;
    c->refs++; /* the request's */
    if (http_exchange_new(&req, c->server->router, &head, &conn_ops, c, &err) < 0) {
        conn_unref(c);
        return MHD_NO;
    }
    c->req = req;
    return MHD_YES;
}

/* The request has come in: answer, or wait for the answer. */
static enum MHD_Result last_call(struct conn *c)
{
    enum MHD_Result r;

    if (!c->started) {
        suspend(c);
        return MHD_YES;
    }
    if (c->raw != NULL || c->queued) { /* closed behind a raw 200 */
        suspend(c);
        return MHD_YES;
    }
    c->queued = true;
    if (c->raw_head != NULL) {
        c->suspended = true;
        MHD_suspend_connection(c->mhd);
        raw_begin(c, conn_fd(c), NULL, 0);
        return MHD_YES;
    }
    r = MHD_queue_response(c->mhd, (unsigned)c->status, c->response);
    MHD_destroy_response(c->response); /* libmicrohttpd has its own reference */
    c->response = NULL;
    return r;
}

enum MHD_Result conn_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **con_cls)
{
    struct conn *c = *con_cls;

    (void)cls;
    (void)mhd;
    (void)url;
    (void)version;
    if (c == NULL || c->drop)
        return MHD_NO;
    if (!c->seen)
        return first_call(c, method);
    if (*size > 0) {
        if (c->reading && c->req != NULL) {
            http_exchange_body(c->req, data, *size);
        } else if (c->req != NULL && !c->started) {
            suspend(c);
            return MHD_YES;
        }
        *size = 0; /* taken, or nobody wants it: the answer is known already */
        return c->drop ? MHD_NO : MHD_YES;
    }
    if (!c->body_end && c->req != NULL) {
        if (!c->reading && !c->started) {
            suspend(c);
            return MHD_YES;
        }
        c->body_end = true;
        c->reading = false;
        http_exchange_body_end(c->req);
        if (c->drop)
            return MHD_NO;
    }
    return last_call(c);
}

void conn_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                       enum MHD_RequestTerminationCode toe)
{
    struct conn *c = *con_cls;
    struct listener *l = cls;

    if (c == NULL)
        return;
    *con_cls = NULL;
    /* Behind an upgrade libmicrohttpd calls this with its mutex held. */
    if (toe == MHD_REQUEST_TERMINATED_COMPLETED_OK && c->kind != HTTP_ANSWER_HIJACK)
        MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                                  l->server->opt.idle_timeout_s);
    c->mhd = NULL;
    c->upgrade = NULL;
    sw_list_del(&c->link);
    watch_close(c);
    conn_gone(c);
    conn_unref(c);
}
