/* SPDX-License-Identifier: Apache-2.0
 * manager_serve.c - what this manager answers: the table of methods on port 2377. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/api/forward.h"
#include "manager/manager_priv.h"
#include "proto/pb.h"

static void on_raft(struct sw_rpc_stream *s, void *arg)
{
    struct manager *m = arg;
    struct sw_err err;

    if (m->peers != NULL) {
        raft_peers_on_open(s, m->peers);
        return;
    }
    (void)sw_err_set(&err, SW_E_UNAVAILABLE, "this manager is still joining");
    sw_rpc_stream_fail(s, &err);
}

static void on_api(struct sw_rpc_stream *s, void *arg)
{
    struct manager *m = arg;
    struct sw_err err;

    if (m->leading) {
        forward_on_open(s, m->router);
        return;
    }
    (void)sw_err_set(&err, SW_E_NO_LEADER,
                     "rpc error: code = Unknown desc = The swarm does not have a leader. It's "
                     "possible that too few managers are online. Make sure more than half of the "
                     "managers are online.");
    sw_rpc_stream_fail(s, &err);
}

/* Which nodes have an image, as they reported it: peers to fetch it from. */
static void on_locate_image(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__LocateImageRequest *req = NULL;
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__LocateImageReply *reply = pb_new(&swarm__v1__locate_image_reply__descriptor);
    struct manager *m = arg;
    struct sw_err err;

    (void)sw_err_set(&err, -ENOMEM, "locate an image");
    if (reply == NULL ||
        pb_unpack(&swarm__v1__locate_image_request__descriptor, bytes, len, &req, &err) < 0) {
        sw_rpc_stream_fail(s, &err);
        return;
    }
    sw_list_each(l, view_list(m->view, VIEW_NODE))
    {
        const struct view_node *n = view_as_node(sw_list_entry(l, struct view_object, link));
        const Swarm__V1__NodeDescription *d = n->n->description;
        bool ready =
            n->n->status != NULL && n->n->status->state == SWARM__V1__NODE_STATE__NODE_READY;

        for (size_t i = 0; ready && d != NULL && i < d->n_images; i++) {
            char *copy;

            if (strcmp(d->images[i], req->reference) != 0)
                continue;
            copy = sw_strdup(d->peer_addr);
            if (copy == NULL || pb_add(&reply->n_peer_addrs, &reply->peer_addrs, copy) < 0)
                sw_free(copy);
            break;
        }
    }
    sw_rpc_reply_msg(s, &reply->base);
}

static void on_join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    ca_on_join(s, bytes, len, ((struct manager *)arg)->ca);
}

static void on_join_forward(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    ca_on_join_forward(s, bytes, len, ((struct manager *)arg)->ca);
}

static void on_renew(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    ca_on_renew(s, bytes, len, ((struct manager *)arg)->ca);
}

static void on_raft_join(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    roles_on_raft_join(s, bytes, len, ((struct manager *)arg)->roles);
}

static void on_session(struct sw_rpc_stream *s, void *arg)
{
    dispatcher_on_session(s, ((struct manager *)arg)->dispatcher);
}

static int verify(const struct sw_rpc_peer *peer, void *arg, struct sw_err *err)
{
    return ca_verify(((struct manager *)arg)->view, peer, err);
}

enum { METHODS = 8 };

static void fill_methods(struct manager *m)
{
    const struct sw_rpc_method table[METHODS] = {
        { SWARM__V1__METHOD__METHOD_JOIN, "ca.join", SW_RPC_ANONYMOUS, SW_BIT(SW_RPC_JOIN), NULL,
          on_join, m },
        { SWARM__V1__METHOD__METHOD_JOIN_FORWARD, "ca.join-forward", SW_RPC_MANAGER, 0, NULL,
          on_join_forward, m },
        { SWARM__V1__METHOD__METHOD_RENEW, "ca.renew", SW_RPC_MEMBER, 0, NULL, on_renew, m },
        { SWARM__V1__METHOD__METHOD_SESSION, "dispatcher.session", SW_RPC_MEMBER, 0, on_session,
          NULL, m },
        { SWARM__V1__METHOD__METHOD_LOCATE_IMAGE, "image.locate", SW_RPC_MEMBER, 0, NULL,
          on_locate_image, m },
        { SWARM__V1__METHOD__METHOD_RAFT, "raft", SW_RPC_MANAGER, SW_BIT(SW_RPC_RAFT), on_raft,
          NULL, m },
        { SWARM__V1__METHOD__METHOD_RAFT_JOIN, "raft.join", SW_RPC_MANAGER, 0, NULL, on_raft_join,
          m },
        { SWARM__V1__METHOD__METHOD_API, "api", SW_RPC_MANAGER, 0, on_api, NULL, m },
    };

    memcpy(m->methods, table, sizeof(table));
}

static void on_visualizer(struct manager *m)
{
    struct sw_err err;

    if (m->file->visualizer_addr[0] == '\0' || m->visualizer != NULL)
        return;
    if (visualizer_new(&m->visualizer, m->loop, m->view, m->file->visualizer_addr, &err) < 0)
        log_error("visualizer not started: %s", err.msg); /* the cluster works without it */
    else
        visualizer_set_leader(m->visualizer, m->leader_id);
}

int manager_serve(struct manager *m, struct sw_err *err)
{
    struct sw_rpc_listen l = {
        .loop = m->loop,
        .address = m->file->listen_addr,
        .identity = m->identity,
        .allow_join = true,
        .methods = m->methods,
        .n_methods = METHODS,
        .verify = verify,
        .arg = m,
    };
    int r;

    if (m->server != NULL)
        return 0;
    fill_methods(m);
    r = sw_rpc_server_new(&m->server, &l, err);
    if (r == 0)
        on_visualizer(m);
    return r;
}
