/* SPDX-License-Identifier: Apache-2.0
 * swarm_routes.c - the swarm itself, and what this manager adds to the node's /info. */
#include <string.h>

#include "common/base/alloc.h"
#include "manager/api/api_priv.h"
#include "manager/api/base64.h"
#include "manager/ca/ca.h"
#include "proto/pb.h"

static json_t *swarm_json(const struct api *a, bool tokens)
{
    const Swarm__V1__Cluster *c = view_cluster(a->view);
    json_t *o = api_head(view_object(a->view, c->meta->key));
    char worker[SW_TOKEN_CHARS + 1] = "";
    char manager[SW_TOKEN_CHARS + 1] = "";
    char *root = base64_encode(c->root_ca->root_record.data, c->root_ca->root_record.len);
    struct sw_err err;

    (void)json_object_set_new(o, "Spec", codec_write(&codec_cluster_spec, c->spec));
    (void)json_object_set_new(o, "TLSInfo",
                              json_pack("{s:s,s:s,s:s}", "TrustRoot", root != NULL ? root : "",
                                        "CertIssuerSubject", "c3dhcm0tY2E=", "CertIssuerPublicKey",
                                        root != NULL ? root : ""));
    sw_free(root);
    (void)json_object_set_new(o, "RootRotationInProgress", json_false());
    (void)json_object_set_new(o, "DefaultAddrPool", json_null());
    (void)json_object_set_new(o, "SubnetSize", json_integer(c->subnet_len));
    (void)json_object_set_new(o, "DataPathPort", json_integer(c->data_path_port));
    if (!tokens)
        return o;
    if (ca_token(a->view, SW_ROLE_WORKER, worker, &err) == 0 &&
        ca_token(a->view, SW_ROLE_MANAGER, manager, &err) == 0)
        (void)json_object_set_new(o, "JoinTokens",
                                  json_pack("{s:s,s:s}", "Worker", worker, "Manager", manager));
    return o;
}

static void inspect(struct http_request *req, void *arg)
{
    struct api *a = arg;

    if (api_enter(a, req))
        http_reply_json(req, 200, swarm_json(a, true));
}

static int read_update(struct http_request *req, struct control_cluster_update *u,
                       struct sw_err *err)
{
    json_t *body;
    int r = api_version_of(req, "swarm", &u->version, err);

    if (r == 0)
        r = http_body_json(req, false, &body, err);
    if (r < 0)
        return r;
    u->rotate_worker_token = http_query_bool(req, "rotateWorkerToken", false);
    u->rotate_manager_token = http_query_bool(req, "rotateManagerToken", false);
    u->rotate_unlock_key = http_query_bool(req, "rotateManagerUnlockKey", false);
    r = codec_decode(&codec_cluster_spec, body, &u->spec, err);
    json_decref(body);
    return r;
}

static void update(struct http_request *req, void *arg)
{
    struct control_cluster_update u = { 0 };
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    if (read_update(req, &u, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_empty);
    if (w == NULL)
        pb_free(u.spec);
    else if (control_cluster_update(a->control, &u, api_done, w, &err) < 0)
        api_refuse(w, &err);
}

static void unlock_key(struct http_request *req, void *arg)
{
    struct api *a = arg;

    if (api_enter(a, req))
        http_reply_json(req, 200, json_pack("{s:s}", "UnlockKey", ""));
}

/* The part of /info that only a manager knows. Answered here, from the local state: it must work
 * without a leader. */
static void info(struct http_request *req, void *arg)
{
    const struct api *a = arg;
    const Swarm__V1__Cluster *c = view_cluster(a->view);
    json_t *remote = json_array();
    json_int_t managers = 0;
    json_int_t nodes = 0;
    json_t *o;

    sw_list_each(l, view_list(a->view, VIEW_NODE))
    {
        const struct view_node *n = view_as_node(sw_list_entry(l, struct view_object, link));

        nodes++;
        if (n->n->manager == NULL)
            continue;
        managers++;
        (void)json_array_append_new(
            remote, json_pack("{s:s,s:s}", "NodeID", n->o->id, "Addr", n->n->manager->addr));
    }
    o = json_pack("{s:b,s:I,s:I,s:o}", "ControlAvailable", 1, "Nodes", nodes, "Managers", managers,
                  "RemoteManagers", remote);
    if (c != NULL)
        (void)json_object_set_new(o, "Cluster", swarm_json(a, false));
    if (!a->o.has_leader(a->o.arg))
        (void)json_object_set_new(
            o, "Error",
            json_string("rpc error: code = Unknown desc = The swarm does not have a leader. It's "
                        "possible that too few managers are online. Make sure more than half of "
                        "the managers are online."));
    http_reply_json(req, 200, json_pack("{s:o}", "Swarm", o));
}

const struct http_route api_swarm_routes[] = {
    { "GET", "/swarm", inspect, HTTP_BODY_WHOLE, 0 },
    { "POST", "/swarm/update", update, HTTP_BODY_WHOLE, 0 },
    { "GET", "/swarm/unlockkey", unlock_key, HTTP_BODY_WHOLE, 0 },
    { "GET", "/info", info, HTTP_BODY_WHOLE, 0 },
};
const size_t api_swarm_routes_n = SW_ARRAY_LEN(api_swarm_routes);
