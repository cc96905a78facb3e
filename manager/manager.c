/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "manager/api/forward.h"
#include "manager/manager_priv.h"
#include "proto/pb.h"

/* ---- what the modules ask of each other ---------------------------------------------------------
 */

static bool is_leader(void *arg)
{
    return ((struct manager *)arg)->leading;
}

static bool has_leader(void *arg)
{
    return ((struct manager *)arg)->leader_id != 0;
}

static uint64_t leader(void *arg)
{
    return ((struct manager *)arg)->leader_id;
}

static struct sw_identity *identity(void *arg)
{
    return ((struct manager *)arg)->identity;
}

static struct sw_id self(void *arg)
{
    return ((struct manager *)arg)->identity->cert.node_id;
}

static bool reachable(void *arg, uint64_t raft_id)
{
    const struct manager *m = arg;
    struct consensus_member members[CONSENSUS_MEMBERS_MAX];
    size_t n =
        m->consensus != NULL ? consensus_members(m->consensus, members, CONSENSUS_MEMBERS_MAX) : 0;

    for (size_t i = 0; i < n; i++) {
        if (members[i].member == raft_id)
            return members[i].self || members[i].reachable;
    }
    return false;
}

static void api_forward(void *arg, struct http_request *req)
{
    struct manager *m = arg;
    struct sw_rpc_conn *conn;
    struct sw_err err;

    conn = leader_link_conn(m->link, &err);
    if (conn != NULL)
        forward_request(conn, req);
    else
        http_reply_error(req, 500, "rpc error: code = Unavailable desc = %s", err.msg);
}

static struct sw_rpc_conn *node_conn(void *arg, uint64_t node)
{
    return dispatcher_conn(((struct manager *)arg)->dispatcher, node);
}

static int session_managers(void *arg, Swarm__V1__SessionInfo *info)
{
    return manager_list_managers(arg, &info->n_managers, &info->managers);
}

static int managers(void *arg, size_t *n, Swarm__V1__ManagerPeer ***out)
{
    return manager_list_managers(arg, n, out);
}

static int data_key(void *arg, Swarm__V1__RaftJoinReply *reply)
{
    const struct manager *m = arg;

    reply->data_key_id = m->file->data_key_id;
    return pb_set_bytes(&reply->data_key, m->file->data_key.data, m->file->data_key.len);
}

static int ca_forward(void *arg, uint32_t method, const ProtobufCMessage *msg,
                      void (*done)(const uint8_t *bytes, size_t len, const struct sw_err *err,
                                   void *done_arg),
                      void *done_arg, struct sw_err *err)
{
    struct manager *m = arg;
    struct sw_rpc_conn *conn = leader_link_conn(m->link, err);
    struct sw_rpc_call call = { .method = method, .msg = msg, .done = done, .arg = done_arg };

    return conn != NULL ? sw_rpc_call(conn, &call, err) : err->code;
}

static void on_store_fatal(void *arg, const struct sw_err *err)
{
    (void)arg;
    log_error("the store can't follow the log, ending: %s", err->msg);
    _Exit(70);
}

/* ---- building
 * ------------------------------------------------------------------------------------ */

static int build_core(struct manager *m, struct sw_err *err)
{
    struct dispatcher_options d = { .loop = m->loop, .managers = session_managers, .arg = m };
    struct leader_link_options l = { .loop = m->loop, .identity = identity, .arg = m };
    struct roles_options r = {
        .loop = m->loop, .identity = identity, .managers = managers, .data_key = data_key, .arg = m
    };
    struct ca_options c = {
        .is_leader = is_leader, .managers = managers, .forward = ca_forward, .arg = m
    };

    m->view = view_new();
    if (m->view == NULL)
        return sw_err_set(err, -ENOMEM, "start the manager");
    if (store_new(&m->store, m->view, err) < 0 ||
        proposer_new(&m->proposer, m->store, m->view, on_store_fatal, m, err) < 0)
        return err->code;
    d.view = r.view = c.view = m->control.view = m->view;
    d.proposer = r.proposer = c.proposer = m->control.proposer = m->proposer;
    if (dispatcher_new(&m->dispatcher, &d, err) < 0 ||
        driver_new(&m->driver, m->loop, m->view, m->proposer, err) < 0 ||
        roles_new(&m->roles, &r, err) < 0 || ca_new(&m->ca, &c, err) < 0 ||
        leader_link_new(&m->link, &l, err) < 0)
        return err->code;
    return 0;
}

static int build_api(struct manager *m, struct sw_err *err)
{
    struct http_router_options ro = { .engine = true, .server = "swarm" };
    struct api_options a = { .loop = m->loop,
                             .control = &m->control,
                             .is_leader = is_leader,
                             .has_leader = has_leader,
                             .forward = api_forward,
                             .reachable = reachable,
                             .leader = leader,
                             .self = self,
                             .node_conn = node_conn,
                             .arg = m };
    char path[512];

    if (http_router_new(&m->router, &ro, err) < 0 || api_new(&m->api, &a, err) < 0 ||
        api_add_routes(m->api, m->router, err) < 0 ||
        http_server_new(&m->http, m->loop, m->router, NULL, err) < 0)
        return err->code;
    (void)snprintf(path, sizeof(path), "%s/manager.sock", m->run_dir);
    return http_server_listen_unix(m->http, path, 0600, (gid_t)-1, err);
}

static int build_control(struct manager *m, struct sw_err *err)
{
    const struct sw_rpc_method table[] = {
        { SWARM__V1__METHOD__METHOD_LOCAL_SETUP, "local.setup", SW_RPC_LOCAL, 0, NULL,
          manager_on_setup, m },
        { SWARM__V1__METHOD__METHOD_LOCAL_STATUS, "local.status", SW_RPC_LOCAL, 0, NULL,
          manager_on_status, m },
        { SWARM__V1__METHOD__METHOD_LOCAL_IDENTITY, "local.identity", SW_RPC_LOCAL, 0, NULL,
          manager_on_identity, m },
    };
    struct sw_rpc_listen l = {
        .loop = m->loop, .methods = m->local_methods, .n_methods = SW_ARRAY_LEN(table), .arg = m
    };
    char address[512];

    memcpy(m->local_methods, table, sizeof(table));
    (void)snprintf(address, sizeof(address), "unix:%s/manager-control.sock", m->run_dir);
    l.address = address;
    return sw_rpc_server_new(&m->local, &l, err);
}

int manager_new(struct manager **out, uv_loop_t *loop, const struct manager_options *o,
                struct sw_err *err)
{
    struct manager *m = sw_calloc(1, sizeof(*m));

    if (m == NULL)
        return sw_err_set(err, -ENOMEM, "start the manager");
    m->loop = loop;
    m->state_dir = o->state_dir;
    m->run_dir = o->run_dir;
    sw_list_init(&m->observer.link);
    if (sw_dir_make(m->state_dir, 0700, err) < 0 || build_core(m, err) < 0 ||
        build_api(m, err) < 0 || build_control(m, err) < 0) {
        sw_free(m); /* the process ends: the rest goes with it */
        return err->code;
    }
    *out = m;
    return 0;
}

/* ---- ending
 * -------------------------------------------------------------------------------------- */

static void on_raft_closed(void *arg)
{
    struct manager *m = arg;

    m->consensus = NULL;
    raft_peers_free(m->peers);
    m->peers = NULL;
}

void manager_stop(struct manager *m)
{
    if (m->stopping)
        return;
    m->stopping = true;
    log_info("manager stopping");
    manager_setup_cancel(m);
    roles_stop(m->roles);
    driver_stop(m->driver);
    dispatcher_stop(m->dispatcher);
    visualizer_free(m->visualizer);
    m->visualizer = NULL;
    sw_rpc_server_free(m->server);
    sw_rpc_server_free(m->local);
    m->server = m->local = NULL;
    http_server_close(m->http, NULL, NULL);
    leader_link_free(m->link);
    m->link = NULL;
    proposer_attach(m->proposer, NULL);
    if (m->consensus != NULL)
        consensus_close(m->consensus, on_raft_closed, m);
    roles_free(m->roles);
    driver_free(m->driver);
    dispatcher_free(m->dispatcher);
}

void manager_free(struct manager *m)
{
    if (m == NULL)
        return;
    view_unobserve(&m->observer);
    http_router_free(m->router);
    api_free(m->api);
    ca_free(m->ca);
    proposer_free(m->proposer);
    store_free(m->store);
    view_free(m->view);
    pb_free(m->file);
    sw_identity_unref(m->identity);
    sw_wipe(&m->ring, sizeof(m->ring));
    sw_free(m);
}
