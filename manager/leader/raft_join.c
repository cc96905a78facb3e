/* SPDX-License-Identifier: Apache-2.0
 * raft_join.c - a new manager asks to be a Raft member.
 *
 *   DIALING --reached--> WRITING --node has its raft id--> ADDING --committed--> replied
 *      \--------------------\-------------------------------\--> refused, with the reason
 *
 * The leader first checks that it can reach the joiner where it says it listens: a member that
 * nobody reaches would only weigh on the quorum. Then the id is written to the joiner's node, so
 * that a member never exists without a node. */
#include <errno.h>
#include <stdio.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/leader/roles_priv.h"
#include "proto/pb.h"

#define DIAL_MS 5000

struct join {
    struct sw_list link;
    struct roles *r;
    struct sw_rpc_stream *stream; /* NULL: the joiner went away */
    struct sw_rpc_conn *probe;
    struct sw_id node_id;
    uint64_t raft_id;
    char addr[SW_RPC_ADDRESS_MAX];
};

static void join_end(struct join *j, const struct sw_err *err)
{
    struct roles *r = j->r;

    if (err != NULL) {
        log_warn("manager not admitted to raft addr=%s: %s", j->addr, err->msg);
        if (j->stream != NULL)
            sw_rpc_stream_fail(j->stream, err);
    }
    sw_rpc_conn_close(j->probe);
    sw_list_del(&j->link);
    sw_free(j);
    (void)roles_release(r);
}

static void on_stream_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    (void)s;
    (void)err;
    ((struct join *)arg)->stream = NULL;
}

static const struct sw_rpc_stream_cb join_cb = { NULL, NULL, NULL, on_stream_close };

static void reply(struct join *j)
{
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__RaftJoinReply *m = pb_new(&swarm__v1__raft_join_reply__descriptor);
    const struct roles_options *o = &j->r->o;
    struct sw_err err;

    if (m == NULL || o->managers(o->arg, &m->n_members, &m->members) < 0 ||
        o->data_key(o->arg, m) < 0) {
        (void)sw_err_set(&err, -ENOMEM, "answer a new manager");
        join_end(j, &err);
        return;
    }
    m->raft_id = j->raft_id;
    log_info("manager admitted to raft addr=%s raft=%llx", j->addr, (unsigned long long)j->raft_id);
    if (j->stream != NULL) {
        sw_rpc_stream_set_cb(j->stream, NULL, NULL);
        sw_rpc_reply_msg(j->stream, &m->base);
    }
    join_end(j, NULL);
}

static void on_added(void *arg, int status, uint64_t index, int result)
{
    struct join *j = arg;
    struct sw_err err;

    (void)index;
    (void)result;
    if (status == 0) {
        reply(j);
        return;
    }
    (void)sw_err_set(&err, status, "add the manager to raft: %s", sw_err_name(status));
    join_end(j, &err);
}

static void on_written(void *arg, uint64_t index, const struct sw_err *err)
{
    struct join *j = arg;
    struct sw_err local;

    (void)index;
    if (err->code != 0) {
        join_end(j, err);
        return;
    }
    if (!j->r->leading)
        (void)sw_err_set(&local, SW_E_NO_LEADER, "this manager leads no more");
    else if (consensus_member_add(j->r->consensus, j->raft_id, j->addr, on_added, j, &local) == 0)
        return;
    join_end(j, &local);
}

static void write_node(struct join *j)
{
    struct roles *r = j->r;
    struct view_node *n = view_node_by_id(r->o.view, j->node_id.b);
    struct txn *x = txn_new(proposer_keys(r->o.proposer), sw_now_ns(), proposer_random());
    Swarm__V1__Node *copy = NULL;
    struct sw_err err;

    (void)sw_err_set(&err, SW_E_PERMISSION, "this node was removed from the swarm");
    if (n != NULL) {
        (void)sw_err_set(&err, -ENOMEM, "add a manager");
        copy = x != NULL ? txn_edit_node(x, n) : NULL;
    }
    if (copy != NULL && copy->manager == NULL)
        copy->manager = pb_new(&swarm__v1__manager_status__descriptor);
    if (copy == NULL || copy->manager == NULL || pb_set_string(&copy->manager->addr, j->addr) < 0) {
        txn_free(x);
        join_end(j, &err);
        return;
    }
    copy->manager->raft_id = j->raft_id;
    if (proposer_propose_all(r->o.proposer, x, on_written, j, &err) < 0)
        join_end(j, &err);
}

static void on_probe_up(struct sw_rpc_conn *conn, void *arg)
{
    struct join *j = arg;

    (void)conn;
    sw_rpc_conn_close(j->probe);
    j->probe = NULL;
    write_node(j);
}

static void on_probe_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct join *j = arg;
    struct sw_err local = *err;

    (void)conn;
    j->probe = NULL;
    (void)sw_err_wrap(&local, "the leader can't reach the new manager at %s", j->addr);
    join_end(j, &local);
}

static int probe(struct join *j, struct sw_err *err)
{
    struct sw_rpc_dial dial = {
        .loop = j->r->o.loop,
        .address = j->addr,
        .purpose = SW_RPC_NODE,
        .identity = j->r->o.identity(j->r->o.arg),
        .expect_node = &j->node_id,
        .timeout_ms = DIAL_MS,
        .on_up = on_probe_up,
        .on_down = on_probe_down,
        .arg = j,
    };

    return sw_rpc_dial(&j->probe, &dial, err);
}

void roles_on_raft_join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__RaftJoinRequest *req = NULL;
    struct roles *r = arg;
    struct join *j;
    struct sw_err err;

    if (!r->leading) {
        (void)sw_err_set(&err, SW_E_NO_LEADER, "this manager does not lead");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    if (pb_unpack(&swarm__v1__raft_join_request__descriptor, bytes, len, &req, &err) < 0) {
        sw_rpc_stream_fail(s, &err);
        return;
    }
    j = sw_calloc(1, sizeof(*j));
    if (j == NULL) {
        (void)sw_err_set(&err, -ENOMEM, "add a manager");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    j->r = r;
    j->stream = s;
    j->node_id = sw_rpc_stream_peer(s)->node_id;
    do
        sw_random(&j->raft_id, sizeof(j->raft_id));
    while (j->raft_id == 0 || consensus_is_removed(r->consensus, j->raft_id));
    (void)snprintf(j->addr, sizeof(j->addr), "%s", req->addr);
    sw_list_push_back(&r->joins, &j->link);
    sw_rpc_stream_set_cb(s, &join_cb, j);
    if (probe(j, &err) < 0)
        join_end(j, &err);
}
