/* SPDX-License-Identifier: Apache-2.0
 * logs.c - a task's log for the manager that asks: METHOD_LOGS. */
#include <errno.h>

#include "agent/worker/unit.h"
#include "common/base/alloc.h"
#include "proto/pb.h"

struct reader {
    struct worker *w;
    struct sw_rpc_stream *stream;
    struct container_log *log;
    bool waiting; /* for credit */
};

static void reader_free(struct reader *r)
{
    if (r->log != NULL)
        container_log_close(r->log);
    sw_free(r);
}

static void on_batch(struct container_log *log, int status,
                     const struct container_log_entry *entries, size_t n, void *data);

static void more(struct reader *r)
{
    container_log_next(r->log, on_batch, r);
}

static int fill(Swarm__V1__LogsChunk *c, const struct container_log_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Swarm__V1__LogMessage *m = pb_new(&swarm__v1__log_message__descriptor);

        if (m == NULL || pb_set_bytes(&m->data, entries[i].p, entries[i].len) < 0 ||
            pb_add(&c->n_messages, &c->messages, m) < 0) {
            pb_free(m);
            return -ENOMEM;
        }
        m->stream = entries[i].stream == CONTAINER_STDERR ? 2 : 1;
        m->timestamp_ns = (uint64_t)entries[i].ns;
    }
    return 0;
}

static void on_batch(struct container_log *log, int status,
                     const struct container_log_entry *entries, size_t n, void *data)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__LogsChunk *c = NULL;
    struct reader *r = data;
    struct sw_err err;
    int rc;

    (void)log;
    if (n == 0) {
        (void)sw_err_set(&err, status < 0 ? status : -EIO, "the log can't be read");
        sw_rpc_stream_set_cb(r->stream, NULL, NULL);
        if (status < 0)
            sw_rpc_stream_fail(r->stream, &err);
        else
            sw_rpc_stream_end(r->stream);
        reader_free(r);
        return;
    }
    c = pb_new(&swarm__v1__logs_chunk__descriptor);
    rc = c != NULL && fill(c, entries, n) == 0 ? sw_rpc_stream_send_msg(r->stream, &c->base, &err)
                                               : sw_err_set(&err, -ENOMEM, "read the log");
    if (rc < 0) {
        sw_rpc_stream_fail(r->stream, &err);
        reader_free(r);
    } else if (rc == SW_RPC_FULL) {
        r->waiting = true;
    } else {
        more(r);
    }
}

static void on_writable(struct sw_rpc_stream *s, void *arg)
{
    struct reader *r = arg;

    (void)s;
    if (!r->waiting)
        return;
    r->waiting = false;
    more(r);
}

static void on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    (void)s;
    (void)err;
    reader_free(arg);
}

static int open_log(struct reader *r, const Swarm__V1__LogsRequest *q, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *bundle = NULL;
    struct unit *u = sw_map_get(&r->w->by_key, q->task);
    struct container_log_options o = {
        .out = q->want_stdout,
        .err = q->want_stderr,
        .follow = q->follow,
        .since_ns = (int64_t)q->since_ns,
        .tail = q->tail < 0 ? -1 : q->tail,
    };

    if (u == NULL || u->container_id[0] == '\0')
        return sw_err_set(err, SW_E_NOT_FOUND, "the task has no container on this node");
    bundle = unit_bundle(u);
    if (bundle == NULL)
        return sw_err_set(err, -ENOMEM, "open a log");
    return container_log_open(&r->log, r->w->o.host, bundle, &o, err);
}

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__LogsRequest *q = NULL;
    struct reader *r = arg;
    struct sw_err err;

    if (r->log != NULL)
        return;
    if (pb_unpack(&swarm__v1__logs_request__descriptor, bytes, len, &q, &err) < 0 ||
        open_log(r, q, &err) < 0) {
        sw_rpc_stream_fail(s, &err);
        reader_free(r);
        return;
    }
    more(r);
}

static const struct sw_rpc_stream_cb reader_cb = { on_message, NULL, on_writable, on_close };

void worker_on_logs(struct sw_rpc_stream *s, void *arg)
{
    struct reader *r = sw_calloc(1, sizeof(*r));
    struct sw_err err;

    if (r == NULL) {
        (void)sw_err_set(&err, -ENOMEM, "open a log");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    r->w = arg;
    r->stream = s;
    sw_rpc_stream_set_cb(s, &reader_cb, r);
}
