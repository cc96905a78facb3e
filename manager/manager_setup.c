/* SPDX-License-Identifier: Apache-2.0
 * manager_setup.c - from an empty process to a running manager, as swarmd orders.
 *
 * The answer to the setup call comes when this manager knows a leader and has its own node in the
 * store: only then can swarmd promise that the node is a manager. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/ca/bootstrap.h"
#include "manager/manager_priv.h"
#include "proto/pb.h"

#define JOIN_ROUNDS   5 /* times all known managers are asked */
#define JOIN_AGAIN_MS 1000

/* ---- answering --------------------------------------------------------------------------------
 */

static int fill_status(const struct manager *m, Swarm__V1__ManagerLocalStatus *s)
{
    const struct view_node *n;

    s->running = m->state != MANAGER_WAITING;
    s->leader = m->leading;
    s->has_leader = m->leader_id != 0;
    if (m->file != NULL)
        s->raft_id = m->file->raft_id;
    if (m->identity != NULL && m->view != NULL) {
        n = view_node_by_id(m->view, m->identity->cert.node_id.b);
        s->node_key = n != NULL ? n->o->key : 0;
    }
    return pb_set_string(&s->leader_addr, m->leader_addr);
}

static void reply_status(const struct manager *m, struct sw_rpc_stream *s)
{
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__ManagerLocalStatus *st = pb_new(&swarm__v1__manager_local_status__descriptor);
    struct sw_err err;

    if (st == NULL || fill_status(m, st) < 0) {
        (void)sw_err_set(&err, -ENOMEM, "report the status");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    sw_rpc_reply_msg(s, &st->base);
}

void manager_on_status(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    (void)bytes;
    (void)len;
    reply_status(arg, s);
}

static void setup_clear(struct manager *m)
{
    pb_free(m->setup);
    m->setup = NULL;
    m->setup_stream = NULL;
    sw_timer_fini(&m->join_timer);
}

void manager_setup_failed(struct manager *m, const struct sw_err *err)
{
    struct sw_rpc_stream *s = m->setup_stream;

    log_error("setup failed: %s", err->msg);
    if (s != NULL) {
        sw_rpc_stream_set_cb(s, NULL, NULL);
        sw_rpc_stream_fail(s, err);
    }
    setup_clear(m);
    /* swarmd ends this process when it has read the answer; one that lost its caller ends itself.
     */
}

void manager_setup_cancel(struct manager *m)
{
    sw_rpc_conn_close(m->join_conn);
    m->join_conn = NULL;
    setup_clear(m);
}

static void propose_first(struct manager *m);

void manager_setup_progress(struct manager *m)
{
    struct sw_err err;

    if (m->state == MANAGER_STARTING && m->leading && m->setup != NULL && !m->bootstrapping &&
        m->setup->bootstrap != NULL && view_cluster(m->view) == NULL) {
        m->bootstrapping = true;
        propose_first(m);
        return;
    }
    if (m->state != MANAGER_STARTING || m->leader_id == 0 || view_cluster(m->view) == NULL ||
        view_node_by_id(m->view, m->identity->cert.node_id.b) == NULL)
        return;
    if (m->server == NULL && manager_serve(m, &err) < 0) {
        manager_setup_failed(m, &err);
        return;
    }
    m->state = MANAGER_RUNNING;
    log_info("manager running addr=%s leader=%s", m->file->advertise_addr, m->leader_addr);
    if (m->setup_stream != NULL) {
        sw_rpc_stream_set_cb(m->setup_stream, NULL, NULL);
        reply_status(m, m->setup_stream);
    }
    setup_clear(m);
}

/* ---- bootstrap --------------------------------------------------------------------------------
 */

static void on_bootstrapped(void *arg, uint64_t index, const struct sw_err *err)
{
    struct manager *m = arg;

    (void)index;
    if (err->code != 0)
        manager_setup_failed(m, err);
    else
        manager_setup_progress(m);
}

/* Called when this manager leads an empty store. */
static void propose_first(struct manager *m)
{
    int64_t now = sw_now_ns();
    struct txn *x = txn_new(proposer_keys(m->proposer), now, proposer_random());
    struct sw_err err;

    (void)sw_err_set(&err, -ENOMEM, "make the cluster");
    if (x != NULL && bootstrap_fill(x, m->setup->bootstrap, m->identity, m->file->raft_id,
                                    m->file->advertise_addr, now, &err) == 0) {
        if (proposer_propose_all(m->proposer, x, on_bootstrapped, m, &err) == 0)
            return;
    } else {
        txn_free(x);
    }
    manager_setup_failed(m, &err);
}

static void on_view_commit(void *arg, const struct view *v)
{
    (void)v;
    manager_setup_progress(arg);
}

static void on_view_change(void *arg, const struct view *v, const struct view_change *c)
{
    const Swarm__V1__Node *before = c->kind == VIEW_NODE ? c->before : NULL;
    const Swarm__V1__Node *after = c->kind == VIEW_NODE ? c->after : NULL;

    (void)v;
    if (c->kind == VIEW_NODE &&
        !pb_equal(before != NULL ? before->manager : NULL, after != NULL ? after->manager : NULL))
        manager_keep_members(arg);
}

static void on_view_reset(void *arg, const struct view *v)
{
    manager_keep_members(arg);
    on_view_commit(arg, v);
}

static int make_file(struct manager *m, const Swarm__V1__ManagerSetup *s, struct sw_err *err)
{
    m->file = pb_new(&swarm__v1__manager_file__descriptor);
    if (m->file == NULL || pb_set_string(&m->file->listen_addr, s->listen_addr) < 0 ||
        pb_set_string(&m->file->advertise_addr, s->advertise_addr) < 0 ||
        pb_set_string(&m->file->visualizer_addr, s->visualizer_addr) < 0 ||
        pb_set_bytes(&m->file->cluster_id, m->identity->cert.cluster_id.b, SW_ID_BYTES) < 0)
        return sw_err_set(err, -ENOMEM, "set up the manager");
    return 0;
}

static int bootstrap(struct manager *m, struct sw_err *err)
{
    uint8_t key[SW_KEY_BYTES];
    char dir[512];
    int r;

    if (m->setup->bootstrap == NULL)
        return sw_err_set(err, SW_E_INVALID, "bootstrap without a root");
    r = make_file(m, m->setup, err);
    if (r < 0)
        return r;
    do
        sw_random(&m->file->raft_id, sizeof(m->file->raft_id));
    while (m->file->raft_id == 0);
    sw_random(key, sizeof(key));
    m->file->data_key_id = 1;
    r = pb_set_bytes(&m->file->data_key, key, sizeof(key));
    sw_wipe(key, sizeof(key));
    if (r < 0)
        return sw_err_set(err, r, "set up the manager");
    r = manager_serve(m, err); /* a port in use must be noticed before anything is written */
    if (r < 0)
        return r;
    (void)snprintf(dir, sizeof(dir), "%s/raft", m->state_dir);
    r = consensus_bootstrap(dir, m->file->raft_id, m->file->advertise_addr, err);
    if (r == 0)
        r = manager_file_save(m->state_dir, m->file, err);
    if (r == 0)
        r = manager_raft_open(m, err);
    return r;
}

/* ---- join ---------------------------------------------------------------------------------------
 */

static void join_next(void *arg);

static void join_failed(struct manager *m, const struct sw_err *err)
{
    m->join_err = *err;
    m->join_next++;
    sw_timer_start(&m->join_timer, m->join_next % m->setup->n_managers == 0 ? JOIN_AGAIN_MS : 1);
}

static int keep_reply(struct manager *m, const Swarm__V1__RaftJoinReply *r, struct sw_err *err)
{
    m->file->raft_id = r->raft_id;
    m->file->data_key_id = r->data_key_id;
    if (pb_set_bytes(&m->file->data_key, r->data_key.data, r->data_key.len) < 0)
        return sw_err_set(err, -ENOMEM, "join raft");
    for (size_t i = 0; i < r->n_members; i++) {
        void *copy = pb_clone(r->members[i]);

        if (copy == NULL || pb_add(&m->file->n_members, &m->file->members, copy) < 0) {
            pb_free(copy);
            return sw_err_set(err, -ENOMEM, "join raft");
        }
    }
    return manager_file_save(m->state_dir, m->file, err);
}

static void on_join_reply(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__RaftJoinReply *reply = NULL;
    struct manager *m = arg;
    struct sw_err local;
    int r;

    if (m->setup == NULL)
        return;
    sw_rpc_conn_close(m->join_conn);
    m->join_conn = NULL;
    if (err != NULL) {
        join_failed(m, err);
        return;
    }
    r = pb_unpack(&swarm__v1__raft_join_reply__descriptor, bytes, len, &reply, &local);
    if (r == 0)
        r = keep_reply(m, reply, &local);
    if (r == 0)
        r = manager_raft_open(m, &local);
    if (r < 0)
        manager_setup_failed(m, &local);
}

static void on_join_up(struct sw_rpc_conn *conn, void *arg)
{
    struct manager *m = arg;
    Swarm__V1__RaftJoinRequest req = SWARM__V1__RAFT_JOIN_REQUEST__INIT;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_RAFT_JOIN,
                                .deadline_ms = 15000,
                                .msg = &req.base,
                                .done = on_join_reply,
                                .arg = m };
    struct sw_err err;

    req.addr = m->file->advertise_addr;
    if (sw_rpc_call(conn, &call, &err) < 0) {
        sw_rpc_conn_close(m->join_conn);
        m->join_conn = NULL;
        join_failed(m, &err);
    }
}

static void on_join_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct manager *m = arg;

    (void)conn;
    m->join_conn = NULL;
    join_failed(m, err);
}

static void join_next(void *arg)
{
    struct manager *m = arg;
    size_t n = m->setup->n_managers;
    struct sw_rpc_dial d = {
        .loop = m->loop,
        .purpose = SW_RPC_NODE,
        .identity = m->identity,
        .expect = SW_RPC_MANAGER,
        .timeout_ms = 5000,
        .on_up = on_join_up,
        .on_down = on_join_down,
        .arg = m,
    };
    struct sw_err err;

    if (m->join_next >= n * JOIN_ROUNDS) {
        (void)sw_err_wrap(&m->join_err, "no manager admits this one to raft");
        manager_setup_failed(m, &m->join_err);
        return;
    }
    d.address = m->setup->managers[m->join_next % n]->addr;
    if (sw_rpc_dial(&m->join_conn, &d, &err) < 0) {
        m->join_conn = NULL;
        join_failed(m, &err);
    }
}

static int join(struct manager *m, struct sw_err *err)
{
    int r = make_file(m, m->setup, err);

    if (r == 0 && m->setup->n_managers == 0)
        r = sw_err_set(err, SW_E_INVALID, "join without managers to ask");
    if (r == 0)
        r = sw_timer_init(&m->join_timer, m->loop, join_next, m, err);
    if (r == 0)
        r = manager_serve(m, err); /* the leader reaches us before it admits us */
    if (r < 0)
        return r;
    (void)sw_err_set(&m->join_err, SW_E_UNAVAILABLE, "nobody answered");
    sw_timer_start(&m->join_timer, 1);
    return 0;
}

/* ---- open ---------------------------------------------------------------------------------------
 */

static int reopen(struct manager *m, struct sw_err *err)
{
    char dir[512];
    int r = manager_file_load(m->state_dir, &m->file, err);

    if (r == 0 && m->setup->listen_addr[0] != '\0' &&
        pb_set_string(&m->file->listen_addr, m->setup->listen_addr) < 0)
        r = sw_err_set(err, -ENOMEM, "open the manager");
    if (r == 0 && m->setup->visualizer_addr[0] != '\0' &&
        pb_set_string(&m->file->visualizer_addr, m->setup->visualizer_addr) < 0)
        r = sw_err_set(err, -ENOMEM, "open the manager");
    if (r == 0)
        r = manager_serve(m, err);
    (void)snprintf(dir, sizeof(dir), "%s/raft", m->state_dir);
    if (r == 0 && m->setup->mode == SWARM__V1__MANAGER_SETUP__MODE__FORCE_NEW)
        r = consensus_recover(dir, m->file->raft_id, m->file->advertise_addr, err);
    if (r == 0)
        r = manager_raft_open(m, err);
    return r;
}

/* ---- the call
 * ------------------------------------------------------------------------------------ */

static void on_caller_gone(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct manager *m = arg;

    (void)s;
    (void)err;
    m->setup_stream = NULL; /* go on: swarmd may have restarted and will ask for the status */
}

static const struct sw_rpc_stream_cb setup_cb = { NULL, NULL, NULL, on_caller_gone };

static int begin(struct manager *m, struct sw_err *err)
{
    int r = sw_identity_decode(&m->identity, m->setup->identity.data, m->setup->identity.len, err);

    if (r < 0)
        return r;
    m->observer.on_commit = on_view_commit;
    m->observer.on_reset = on_view_reset;
    m->observer.on_change = on_view_change;
    m->observer.arg = m;
    view_observe(m->view, &m->observer);
    switch (m->setup->mode) {
    case SWARM__V1__MANAGER_SETUP__MODE__BOOTSTRAP:
        return bootstrap(m, err);
    case SWARM__V1__MANAGER_SETUP__MODE__JOIN:
        return join(m, err);
    case SWARM__V1__MANAGER_SETUP__MODE__OPEN:
    case SWARM__V1__MANAGER_SETUP__MODE__FORCE_NEW:
    case _SWARM__V1__MANAGER_SETUP__MODE_IS_INT_SIZE:
        break;
    }
    return reopen(m, err);
}

void manager_on_setup(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct manager *m = arg;
    struct sw_err err;

    if (m->state != MANAGER_WAITING) {
        (void)sw_err_set(&err, SW_E_CONFLICT, "this manager is set up already");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    if (pb_unpack(&swarm__v1__manager_setup__descriptor, bytes, len, &m->setup, &err) < 0) {
        sw_rpc_stream_fail(s, &err);
        return;
    }
    m->state = MANAGER_STARTING;
    m->setup_stream = s;
    sw_rpc_stream_set_cb(s, &setup_cb, m);
    if (begin(m, &err) < 0)
        manager_setup_failed(m, &err);
}

void manager_on_identity(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ManagerIdentity *msg = NULL;
    Swarm__V1__Empty empty = SWARM__V1__EMPTY__INIT;
    struct sw_identity *id = NULL;
    struct manager *m = arg;
    struct sw_err err;
    int r = pb_unpack(&swarm__v1__manager_identity__descriptor, bytes, len, &msg, &err);

    if (r == 0)
        r = sw_identity_decode(&id, msg->identity.data, msg->identity.len, &err);
    if (r < 0) {
        sw_rpc_stream_fail(s, &err);
        return;
    }
    sw_identity_unref(m->identity);
    m->identity = id;
    if (m->server != NULL)
        sw_rpc_server_set_identity(m->server, id);
    sw_rpc_reply_msg(s, &empty.base);
}
