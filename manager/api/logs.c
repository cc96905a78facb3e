/* SPDX-License-Identifier: Apache-2.0
 * logs.c - logs of services and tasks: one stream to each node's agent, merged as they arrive.
 *
 * Each line becomes one frame of Docker's multiplexed stream: {stream,0,0,0,length}, then the
 * timestamp and the details that were asked for, then the text. A task with a terminal is sent raw.
 * A node that is not connected, or fails, costs its part of the logs and one line on stderr. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/api/api_priv.h"
#include "proto/pb.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct source {
    struct sw_list link;
    struct merge *m;
    struct sw_rpc_stream *stream;
    char details[256];
    char node[SW_ID_CHARS + 1];
    bool tty;
    bool paused;
};

struct merge {
    struct http_request *req;
    struct sw_list sources;
    struct api_log_request r;
    bool starting;
};

static void frame(struct merge *m, unsigned stream, bool tty, const char *prefix, const void *data,
                  size_t len)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    size_t total = strlen(prefix) + len;
    uint8_t head[8] = { (uint8_t)stream,
                        0,
                        0,
                        0,
                        (uint8_t)(total >> 24),
                        (uint8_t)(total >> 16),
                        (uint8_t)(total >> 8),
                        (uint8_t)total };

    if (!tty)
        sw_buf_add(&b, head, sizeof(head));
    sw_buf_puts(&b, prefix);
    sw_buf_add(&b, data, len);
    if (!sw_buf_failed(&b))
        (void)http_stream_write(m->req, b.data, b.len);
}

static void merge_end(struct merge *m)
{
    if (m->starting || !sw_list_empty(&m->sources))
        return;
    http_stream_end(m->req);
    sw_free(m);
}

static void source_end(struct source *s, const struct sw_err *err)
{
    struct merge *m = s->m;
    char text[SW_ERR_MSG_MAX + 128];

    if (err != NULL && err->code != SW_E_CANCELED) {
        (void)snprintf(text, sizeof(text),
                       "warning: incomplete log stream. some logs could not be "
                       "retrieved for the following reasons: node %s: %s\n",
                       s->node, err->msg);
        frame(m, 2, s->tty, m->r.details ? s->details : "", text, strlen(text));
    }
    sw_list_del(&s->link);
    sw_free(s);
    merge_end(m);
}

static void write_line(struct source *s, const Swarm__V1__LogMessage *l)
{
    char prefix[SW_RFC3339_MAX + sizeof(s->details) + 2] = "";
    char when[SW_RFC3339_MAX];

    if (s->m->r.timestamps) {
        sw_rfc3339((int64_t)l->timestamp_ns, when);
        (void)snprintf(prefix, sizeof(prefix), "%s ", when);
    }
    if (s->m->r.details)
        (void)strncat(prefix, s->details, sizeof(prefix) - strlen(prefix) - 1);
    frame(s->m, l->stream, s->tty, prefix, l->data.data, l->data.len);
}

static void on_message(struct sw_rpc_stream *stream, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__LogsChunk *c = NULL;
    struct source *s = arg;
    struct sw_err err;

    if (pb_unpack(&swarm__v1__logs_chunk__descriptor, bytes, len, &c, &err) < 0) {
        sw_rpc_stream_cancel(stream);
        source_end(s, &err);
        return;
    }
    for (size_t i = 0; i < c->n_messages; i++)
        write_line(s, c->messages[i]);
    if (http_stream_write(s->m->req, "", 0) > HTTP_STREAM_HIGH) {
        s->paused = true;
        sw_rpc_stream_pause(stream);
    }
}

static void on_end(struct sw_rpc_stream *stream, void *arg)
{
    sw_rpc_stream_cancel(stream);
    source_end(arg, NULL);
}

static void on_close(struct sw_rpc_stream *stream, const struct sw_err *err, void *arg)
{
    (void)stream;
    source_end(arg, err);
}

static const struct sw_rpc_stream_cb source_cb = { on_message, on_end, NULL, on_close };

static void on_drain(struct http_request *req, void *arg)
{
    struct merge *m = arg;

    (void)req;
    sw_list_each(l, &m->sources)
    {
        struct source *s = sw_list_entry(l, struct source, link);

        if (s->paused)
            sw_rpc_stream_resume(s->stream);
        s->paused = false;
    }
}

static void on_client_gone(struct http_request *req, void *arg)
{
    struct merge *m = arg;

    sw_list_each_safe(l, &m->sources)
    {
        struct source *s = sw_list_entry(l, struct source, link);

        sw_rpc_stream_cancel(s->stream);
        sw_list_del(&s->link);
        sw_free(s);
    }
    http_abort(req);
    sw_free(m);
}

static int ask(struct source *s, struct sw_rpc_conn *conn, uint64_t task, struct sw_err *err)
{
    const struct api_log_request *r = &s->m->r;
    Swarm__V1__LogsRequest q = SWARM__V1__LOGS_REQUEST__INIT;
    struct sw_rpc_open open = { .method = SWARM__V1__METHOD__METHOD_LOGS,
                                .priority = SW_RPC_BULK,
                                .cb = &source_cb,
                                .arg = s };
    int rc;

    if (conn == NULL)
        return sw_err_set(err, SW_E_UNAVAILABLE, "it is not connected");
    q.task = task;
    q.follow = r->follow;
    q.want_stdout = r->want_stdout;
    q.want_stderr = r->want_stderr;
    q.since_ns = (uint64_t)r->since_ns;
    q.tail = r->tail;
    rc = sw_rpc_stream_open(&s->stream, conn, &open, err);
    if (rc == 0)
        rc = sw_rpc_stream_send_msg(s->stream, &q.base, err);
    return rc < 0 ? rc : 0;
}

static bool has_tty(const struct view_task *t)
{
    const Swarm__V1__TaskSpec *spec = view_task_spec(t, NULL);

    return spec != NULL && spec->container != NULL && spec->container->tty;
}

static void add_source(struct api *a, struct merge *m, const struct view_task *t)
{
    struct source *s = sw_calloc(1, sizeof(*s));
    struct sw_err err;

    if (s == NULL)
        return;
    s->m = m;
    s->tty = has_tty(t);
    (void)snprintf(s->node, sizeof(s->node), "%s", t->node->o->id);
    (void)snprintf(s->details, sizeof(s->details),
                   "com.docker.swarm.node.id=%s,com.docker.swarm.service.id=%s,"
                   "com.docker.swarm.task.id=%s ",
                   t->node->o->id, t->service != NULL ? t->service->o->id : "", t->o->id);
    sw_list_push_back(&m->sources, &s->link);
    if (ask(s, a->o.node_conn(a->o.arg, t->node->o->key), t->o->key, &err) < 0) {
        if (s->stream != NULL)
            sw_rpc_stream_cancel(s->stream);
        source_end(s, &err);
    }
}

void api_logs(struct api *a, struct http_request *req, const uint64_t *tasks, size_t n,
              const struct api_log_request *r)
{
    struct merge *m = sw_calloc(1, sizeof(*m));
    bool tty = false;

    if (m == NULL) {
        http_reply_error(req, 500, "out of memory");
        return;
    }
    m->req = req;
    m->r = *r;
    m->starting = true;
    sw_list_init(&m->sources);
    for (size_t i = 0; i < n; i++)
        tty = tty || has_tty(view_task(a->view, tasks[i]));
    http_stream_start(req, 200,
                      tty ? "application/vnd.docker.raw-stream"
                          : "application/vnd.docker.multiplexed-stream");
    http_on_close(req, on_client_gone, m);
    http_on_drain(req, on_drain, m);
    for (size_t i = 0; i < n; i++) {
        const struct view_task *t = view_task(a->view, tasks[i]);

        if (t != NULL && t->node != NULL && t->t->status != NULL &&
            t->t->status->state >= SWARM__V1__TASK_STATE__TASK_STARTING)
            add_source(a, m, t);
    }
    m->starting = false;
    merge_end(m);
}
