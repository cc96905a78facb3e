/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/session/session.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/io/backoff.h"
#include "common/io/timer.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define DIAL_MS      4000
#define BACKOFF_MS   100
#define BACKOFF_MAX  4000 /* below the leader's patience for a lost node */
#define FLUSH_MS     1    /* statuses of one burst travel together */
#define HEARTBEAT_MS 2000 /* until the leader says otherwise */

enum state { IDLE, DIALING, OPENING, UP };

struct session {
    struct session_options o;
    enum state state;
    struct sw_rpc_conn *conn;
    struct sw_rpc_stream *stream;
    struct sw_timer retry;
    struct sw_timer beat;
    struct sw_timer flush;
    struct sw_backoff backoff;
    char **managers;
    size_t n_managers;
    size_t next; /* whom to try next */
    int leader;  /* index of the one said to lead, -1: unknown */
    uint64_t heartbeat_ms;
    uint64_t sequence;
    Swarm__V1__StatusUpdate *statuses; /* waiting for the flush */
    Swarm__V1__DataKeyUpdate *keys;    /* last known */
};

static void lost(struct session *s, const struct sw_err *err);

/* ---- sending ----------------------------------------------------------------------------------
 */

static void send_up(struct session *s, Swarm__V1__NodeUp *up)
{
    struct sw_err err;

    if (s->state == UP && sw_rpc_stream_send_msg(s->stream, &up->base, &err) < 0)
        lost(s, &err);
}

static void on_flush(void *arg)
{
    struct session *s = arg;
    Swarm__V1__NodeUp up = SWARM__V1__NODE_UP__INIT;
    Swarm__V1__StatusUpdate *update = s->statuses;

    s->statuses = NULL;
    if (update == NULL)
        return;
    up.what_case = SWARM__V1__NODE_UP__WHAT_STATUS;
    up.status = update;
    send_up(s, &up);
    pb_free(update);
}

void session_report(struct session *s, uint64_t task, const Swarm__V1__TaskStatus *status)
{
    Swarm__V1__TaskStatusReport *r;

    if (s->state != UP)
        return;
    if (s->statuses == NULL)
        s->statuses = pb_new(&swarm__v1__status_update__descriptor);
    r = pb_new(&swarm__v1__task_status_report__descriptor);
    if (r != NULL)
        r->status = pb_clone(status);
    if (s->statuses == NULL || r == NULL || r->status == NULL ||
        pb_add(&s->statuses->n_tasks, &s->statuses->tasks, r) < 0) {
        struct sw_err err;

        pb_free(r);
        (void)sw_err_set(&err, -ENOMEM, "report a status"); /* the next session reports all */
        lost(s, &err);
        return;
    }
    r->task = task;
    if (!sw_timer_is_running(&s->flush))
        sw_timer_start(&s->flush, FLUSH_MS);
}

static void on_beat(void *arg)
{
    struct session *s = arg;
    Swarm__V1__NodeUp up = SWARM__V1__NODE_UP__INIT;
    Swarm__V1__Heartbeat beat = SWARM__V1__HEARTBEAT__INIT;

    up.what_case = SWARM__V1__NODE_UP__WHAT_HEARTBEAT;
    up.heartbeat = &beat;
    send_up(s, &up);
    if (s->state == UP) /* +-10 %: thousands of nodes shall not beat as one */
        sw_timer_start(&s->beat,
                       (uint64_t)((double)s->heartbeat_ms * (0.9 + 0.2 * sw_random_unit())));
}

void session_describe(struct session *s)
{
    Swarm__V1__NodeUp up = SWARM__V1__NODE_UP__INIT;
    SW_CLEANUP(pb_free_ptr) Swarm__V1__NodeDescription *d = NULL;

    if (s->state != UP)
        return;
    d = s->o.describe(s->o.arg);
    if (d == NULL)
        return;
    up.what_case = SWARM__V1__NODE_UP__WHAT_DESCRIPTION;
    up.description = d;
    send_up(s, &up);
}

static void send_keys(struct session *s)
{
    Swarm__V1__NodeUp up = SWARM__V1__NODE_UP__INIT;

    if (s->keys == NULL)
        return;
    up.what_case = SWARM__V1__NODE_UP__WHAT_DATA_KEYS;
    up.data_keys = s->keys;
    send_up(s, &up);
}

int session_data_keys(struct session *s, size_t n, Swarm__V1__NodeDataKey *const *keys)
{
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__DataKeyUpdate *u = pb_new(&swarm__v1__data_key_update__descriptor);

    for (size_t i = 0; u != NULL && i < n; i++) {
        void *copy = pb_clone(keys[i]);

        if (copy == NULL || pb_add(&u->n_keys, &u->keys, copy) < 0) {
            pb_free(copy);
            return -ENOMEM;
        }
    }
    if (u == NULL)
        return -ENOMEM;
    if (s->keys != NULL)
        u->installed_epoch = s->keys->installed_epoch;
    pb_free(s->keys);
    s->keys = sw_steal(u);
    send_keys(s);
    return 0;
}

void session_epoch_installed(struct session *s, uint64_t epoch)
{
    if (s->keys == NULL || s->keys->installed_epoch == epoch)
        return;
    s->keys->installed_epoch = epoch;
    send_keys(s);
}

/* ---- who the managers are -----------------------------------------------------------------------
 */

static void drop_managers(struct session *s)
{
    for (size_t i = 0; i < s->n_managers; i++)
        sw_free(s->managers[i]);
    sw_free(s->managers);
    s->managers = NULL;
    s->n_managers = 0;
    s->leader = -1;
}

static int keep_managers(struct session *s, const char *const *list, size_t n)
{
    char **copy = sw_calloc(n + 1, sizeof(*copy));

    if (copy == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        copy[i] = sw_strdup(list[i]);
        if (copy[i] == NULL) {
            while (i-- > 0)
                sw_free(copy[i]);
            sw_free(copy);
            return -ENOMEM;
        }
    }
    drop_managers(s);
    s->managers = copy;
    s->n_managers = n;
    return 0;
}

static void learn_managers(struct session *s, const Swarm__V1__SessionInfo *info)
{
    const char *list[64];
    size_t n = 0;
    int leader = -1;

    for (size_t i = 0; i < info->n_managers && n < SW_ARRAY_LEN(list); i++) {
        if (info->managers[i]->addr[0] == '\0')
            continue;
        if (info->managers[i]->leader)
            leader = (int)n;
        list[n++] = info->managers[i]->addr;
    }
    if (n > 0 && keep_managers(s, list, n) == 0)
        s->leader = leader;
}

size_t session_managers(const struct session *s, const char *const **out)
{
    *out = (const char *const *)s->managers;
    return s->n_managers;
}

/* ---- the stream
 * ---------------------------------------------------------------------------------- */

static void become_up(struct session *s)
{
    s->state = UP;
    sw_backoff_reset(&s->backoff);
    on_beat(s);
    if (s->state == UP)
        s->o.on_state(s->o.arg, true, NULL);
}

static void on_message(struct sw_rpc_stream *stream, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__SessionDown *down = NULL;
    struct session *s = arg;
    struct sw_err err;

    (void)stream;
    if (pb_unpack(&swarm__v1__session_down__descriptor, bytes, len, &down, &err) < 0) {
        lost(s, &err);
        return;
    }
    if (down->info != NULL) {
        learn_managers(s, down->info);
        if (down->info->heartbeat_ms != 0)
            s->heartbeat_ms = down->info->heartbeat_ms;
    }
    if (down->sequence == 0)
        return; /* a manager that does not lead: its refusal follows */
    if (down->sequence != s->sequence + 1) {
        (void)sw_err_set(&err, SW_E_PROTOCOL, "message %llu of the session is missing",
                         (unsigned long long)s->sequence + 1);
        lost(s, &err);
        return;
    }
    s->sequence = down->sequence;
    if (s->state == OPENING)
        become_up(s);
    if (s->state == UP)
        s->o.on_down(s->o.arg, down);
}

static void on_end(struct sw_rpc_stream *stream, void *arg)
{
    struct sw_err err;

    (void)stream;
    (void)sw_err_set(&err, SW_E_UNAVAILABLE, "the manager ended the session");
    lost(arg, &err);
}

static void on_close(struct sw_rpc_stream *stream, const struct sw_err *err, void *arg)
{
    struct session *s = arg;
    struct sw_err local;

    (void)stream;
    s->stream = NULL;
    (void)sw_err_set(&local, SW_E_UNAVAILABLE, "the manager ended the session");
    lost(s, err != NULL ? err : &local);
}

static const struct sw_rpc_stream_cb stream_cb = { on_message, on_end, NULL, on_close };

static int open_stream(struct session *s, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__SessionRequest *req = pb_new(&swarm__v1__session_request__descriptor);
    struct sw_rpc_open open = { .method = SWARM__V1__METHOD__METHOD_SESSION,
                                .cb = &stream_cb,
                                .arg = s };
    int r;

    if (req == NULL)
        return sw_err_set(err, -ENOMEM, "open a session");
    req->description = s->o.describe(s->o.arg);
    for (size_t i = 0; s->keys != NULL && i < s->keys->n_keys; i++) {
        void *copy = pb_clone(s->keys->keys[i]);

        if (copy == NULL || pb_add(&req->n_data_keys, &req->data_keys, copy) < 0) {
            pb_free(copy);
            return sw_err_set(err, -ENOMEM, "open a session");
        }
    }
    r = sw_rpc_stream_open(&s->stream, s->conn, &open, err);
    if (r == 0)
        r = sw_rpc_stream_send_msg(s->stream, &req->base, err);
    return r < 0 ? r : 0;
}

/* ---- the connection
 * ------------------------------------------------------------------------------ */

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct session *s = arg;
    struct sw_err err;

    (void)conn;
    s->state = OPENING;
    s->sequence = 0;
    if (open_stream(s, &err) < 0)
        lost(s, &err);
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct session *s = arg;

    (void)conn;
    s->conn = NULL;
    s->stream = NULL;
    lost(s, err);
}

static void dial(void *arg)
{
    struct session *s = arg;
    struct sw_rpc_dial d = {
        .loop = s->o.loop,
        .purpose = SW_RPC_NODE,
        .identity = s->o.identity(s->o.arg),
        .expect = SW_RPC_MANAGER,
        .timeout_ms = DIAL_MS,
        .methods = s->o.methods,
        .n_methods = s->o.n_methods,
        .on_up = on_up,
        .on_down = on_down,
        .arg = s,
    };
    struct sw_err err;

    if (s->n_managers == 0)
        return;
    d.address = s->managers[s->leader >= 0 ? (size_t)s->leader : s->next++ % s->n_managers];
    s->leader = -1; /* one try; then the others */
    s->state = DIALING;
    if (sw_rpc_dial(&s->conn, &d, &err) < 0) {
        s->conn = NULL;
        lost(s, &err);
    }
}

static void disconnect(struct session *s)
{
    struct sw_rpc_conn *conn = s->conn;

    s->conn = NULL;
    s->stream = NULL;
    sw_timer_stop(&s->beat);
    sw_timer_stop(&s->flush);
    pb_free(s->statuses);
    s->statuses = NULL;
    sw_rpc_conn_close(conn);
}

static void lost(struct session *s, const struct sw_err *err)
{
    enum state was = s->state;
    struct sw_err why = *err;
    uint64_t wait_ms;

    if (was == IDLE)
        return;
    s->state = IDLE;
    disconnect(s);
    if (was == UP) {
        log_info("session lost: %s", why.msg);
        s->o.on_state(s->o.arg, false, &why);
    } else {
        log_debug("session not opened: %s", why.msg);
    }
    if (why.code == SW_E_PERMISSION)
        s->o.on_refused(s->o.arg, &why);
    if (s->state != IDLE || sw_timer_is_running(&s->retry))
        return; /* somebody started or stopped it meanwhile */
    wait_ms = sw_backoff_next(&s->backoff, sw_random_unit());
    if (s->leader >= 0 && s->backoff.failures == 1)
        wait_ms = 1; /* we were just told who leads */
    sw_timer_start(&s->retry, wait_ms);
}

int session_new(struct session **out, const struct session_options *o, struct sw_err *err)
{
    struct session *s = sw_calloc(1, sizeof(*s));

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "create the session");
    s->o = *o;
    s->leader = -1;
    s->heartbeat_ms = HEARTBEAT_MS;
    sw_backoff_init(&s->backoff, BACKOFF_MS, BACKOFF_MAX);
    if (sw_timer_init(&s->retry, o->loop, dial, s, err) < 0 ||
        sw_timer_init(&s->beat, o->loop, on_beat, s, err) < 0 ||
        sw_timer_init(&s->flush, o->loop, on_flush, s, err) < 0) {
        session_free(s);
        return err->code;
    }
    *out = s;
    return 0;
}

int session_start(struct session *s, const char *const *managers, size_t n, struct sw_err *err)
{
    session_stop(s);
    if (keep_managers(s, managers, n) < 0)
        return sw_err_set(err, -ENOMEM, "start the session");
    sw_backoff_reset(&s->backoff);
    sw_timer_start(&s->retry, 1);
    return 0;
}

void session_stop(struct session *s)
{
    s->state = IDLE;
    sw_timer_stop(&s->retry);
    disconnect(s);
}

void session_again(struct session *s)
{
    session_stop(s);
    sw_backoff_reset(&s->backoff);
    sw_timer_start(&s->retry, 1);
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    session_stop(s);
    sw_timer_fini(&s->retry);
    sw_timer_fini(&s->beat);
    sw_timer_fini(&s->flush);
    drop_managers(s);
    pb_free(s->keys);
    sw_free(s);
}

bool session_is_up(const struct session *s)
{
    return s->state == UP;
}

int session_call(struct session *s, const struct sw_rpc_call *call, struct sw_err *err)
{
    if (s->state != UP)
        return sw_err_set(err, SW_E_UNAVAILABLE, "this node has no session with a manager");
    return sw_rpc_call(s->conn, call, err);
}
