/* SPDX-License-Identifier: Apache-2.0
 * node_object.c - nodes as the API shows them. */
#include <string.h>

#include "common/base/alloc.h"
#include "manager/api/api_priv.h"
#include "manager/api/base64.h"

static json_t *engine_json(const Swarm__V1__NodeDescription *d)
{
    json_t *o = json_object();
    json_t *plugins = json_array();

    (void)json_object_set_new(o, "EngineVersion", json_string(d->engine_version));
    if (d->n_engine_labels > 0)
        (void)json_object_set_new(
            o, "Labels", codec_labels(d->n_engine_labels, (void *const *)d->engine_labels));
    for (size_t i = 0; i < d->n_plugins; i++)
        (void)json_array_append_new(plugins, json_pack("{s:s,s:s}", "Type", d->plugins[i]->type,
                                                       "Name", d->plugins[i]->name));
    (void)json_object_set_new(o, "Plugins", plugins);
    return o;
}

/* The root is no X.509 certificate here; clients only compare these texts between nodes. */
static json_t *tls_json(const struct api *a, const Swarm__V1__Node *n)
{
    const Swarm__V1__Cluster *c = view_cluster(a->view);
    json_t *o = json_object();
    char *root = NULL;
    char *issuer = NULL;

    if (c != NULL && c->root_ca != NULL)
        root = base64_encode(c->root_ca->root_record.data, c->root_ca->root_record.len);
    if (n->certificate != NULL)
        issuer = base64_encode(n->certificate->issuer_key.data, n->certificate->issuer_key.len);
    (void)json_object_set_new(o, "TrustRoot", json_string(root != NULL ? root : ""));
    (void)json_object_set_new(o, "CertIssuerSubject", json_string("c3dhcm0tY2E="));
    (void)json_object_set_new(o, "CertIssuerPublicKey", json_string(issuer != NULL ? issuer : ""));
    sw_free(root);
    sw_free(issuer);
    return o;
}

static json_t *description_json(const struct api *a, const Swarm__V1__Node *n)
{
    const Swarm__V1__NodeDescription *d = n->description;
    json_t *o = json_object();

    if (d == NULL)
        return o;
    (void)json_object_set_new(o, "Hostname", json_string(d->hostname));
    (void)json_object_set_new(o, "Platform",
                              json_pack("{s:s,s:s}", "Architecture", d->arch, "OS", d->os));
    (void)json_object_set_new(o, "Resources",
                              d->resources != NULL ? codec_write(&codec_resources, d->resources)
                                                   : json_object());
    (void)json_object_set_new(o, "Engine", engine_json(d));
    (void)json_object_set_new(o, "TLSInfo", tls_json(a, n));
    return o;
}

json_t *api_node_json(const struct api *a, const struct view_node *n)
{
    static const char *const states[] = { "unknown", "down", "ready", "disconnected" };
    const Swarm__V1__Node *node = n->n;
    json_t *o = api_head(n->o);
    json_t *status = json_object();

    (void)json_object_set_new(o, "Spec", codec_write(&codec_node_spec, node->spec));
    (void)json_object_set_new(o, "Description", description_json(a, node));
    (void)json_object_set_new(
        status, "State", json_string(states[node->status != NULL ? (int)node->status->state : 0]));
    if (node->status != NULL && node->status->message[0] != '\0')
        (void)json_object_set_new(status, "Message", json_string(node->status->message));
    (void)json_object_set_new(status, "Addr",
                              json_string(node->status != NULL ? node->status->addr : ""));
    (void)json_object_set_new(o, "Status", status);
    if (node->manager != NULL) {
        bool leader = a->o.leader(a->o.arg) == node->manager->raft_id;
        json_t *m = json_object();

        if (leader)
            (void)json_object_set_new(m, "Leader", json_true());
        (void)json_object_set_new(
            m, "Reachability",
            json_string(leader || a->o.reachable(a->o.arg, node->manager->raft_id)
                            ? "reachable"
                            : "unreachable"));
        (void)json_object_set_new(m, "Addr", json_string(node->manager->addr));
        (void)json_object_set_new(o, "ManagerStatus", m);
    }
    return o;
}
