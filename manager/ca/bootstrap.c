/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ca/bootstrap.h"

#include <errno.h>

#include "common/base/time.h"
#include "common/crypto/token.h"
#include "proto/pb.h"

static Swarm__V1__Meta *meta_with_id(const struct sw_id *id)
{
    Swarm__V1__Meta *m = pb_new(&swarm__v1__meta__descriptor);

    if (m != NULL && pb_set_bytes(&m->id, id->b, sizeof(id->b)) < 0) {
        pb_free(m);
        return NULL;
    }
    return m;
}

static int fill_root(Swarm__V1__RootCa *ca, const Swarm__V1__Bootstrap *b)
{
    uint8_t secret[SW_TOKEN_SECRET_BYTES];
    int r = pb_set_bytes(&ca->root_record, b->root_record.data, b->root_record.len);

    if (r == 0)
        r = pb_set_bytes(&ca->root_key, b->root_key.data, b->root_key.len);
    sw_token_secret_make(secret);
    if (r == 0)
        r = pb_set_bytes(&ca->worker_token_secret, secret, sizeof(secret));
    sw_token_secret_make(secret);
    if (r == 0)
        r = pb_set_bytes(&ca->manager_token_secret, secret, sizeof(secret));
    sw_wipe(secret, sizeof(secret));
    return r;
}

static int add_epoch(Swarm__V1__Cluster *c, int64_t now_ns)
{
    Swarm__V1__EpochSecret *e = pb_new(&swarm__v1__epoch_secret__descriptor);
    uint8_t secret[32];

    if (e == NULL)
        return -ENOMEM;
    sw_random(secret, sizeof(secret));
    e->epoch = 1;
    e->since_ns = (uint64_t)now_ns;
    if (pb_set_bytes(&e->secret, secret, sizeof(secret)) < 0 ||
        pb_add(&c->n_epochs, &c->epochs, e) < 0) {
        pb_free(e);
        return -ENOMEM;
    }
    sw_wipe(secret, sizeof(secret));
    return 0;
}

static int fill_spec(Swarm__V1__Cluster *c, const Swarm__V1__Bootstrap *b)
{
    c->spec = b->spec != NULL ? pb_clone(b->spec) : pb_new(&swarm__v1__cluster_spec__descriptor);
    if (c->spec == NULL)
        return -ENOMEM;
    if (b->spec == NULL)
        c->spec->task_history_limit = 5;
    /* What `docker swarm init` fills in: SwarmKit api/defaults. */
    if (c->spec->snapshot_interval == 0)
        c->spec->snapshot_interval = 10000;
    if (c->spec->log_entries_for_slow_followers == 0)
        c->spec->log_entries_for_slow_followers = 500;
    if (c->spec->election_tick == 0)
        c->spec->election_tick = 10;
    if (c->spec->heartbeat_tick == 0)
        c->spec->heartbeat_tick = 1;
    if (c->spec->heartbeat_period_ns == 0)
        c->spec->heartbeat_period_ns = 5 * SW_NS_PER_S;
    if (c->spec->node_cert_expiry_ns == 0)
        c->spec->node_cert_expiry_ns = SW_CERT_EXPIRY_NS;
    if (c->spec->annotations == NULL)
        c->spec->annotations = pb_new(&swarm__v1__annotations__descriptor);
    if (c->spec->annotations == NULL)
        return -ENOMEM;
    return pb_set_string(&c->spec->annotations->name, "default");
}

static int add_cluster(struct txn *x, const Swarm__V1__Bootstrap *b, const struct sw_id *id,
                       int64_t now_ns)
{
    Swarm__V1__Cluster *c = pb_new(&swarm__v1__cluster__descriptor);

    if (c == NULL)
        return -ENOMEM;
    c->meta = meta_with_id(id);
    c->root_ca = pb_new(&swarm__v1__root_ca__descriptor);
    c->default_pool = b->default_pool != 0 ? b->default_pool : 0x0a000000;
    c->default_pool_len = b->default_pool_len != 0 ? b->default_pool_len : 8;
    c->subnet_len = b->subnet_len != 0 ? b->subnet_len : 24;
    c->data_path_port = b->data_path_port != 0 ? b->data_path_port : 4789;
    if (c->meta == NULL || c->root_ca == NULL || fill_root(c->root_ca, b) < 0 ||
        fill_spec(c, b) < 0 || add_epoch(c, now_ns) < 0) {
        pb_free(c);
        return -ENOMEM;
    }
    return txn_create(x, VIEW_CLUSTER, c) != 0 ? 0 : -ENOMEM;
}

static int add_ingress(struct txn *x)
{
    Swarm__V1__Network *n = pb_new(&swarm__v1__network__descriptor);

    if (n == NULL)
        return -ENOMEM;
    n->spec = pb_new(&swarm__v1__network_spec__descriptor);
    if (n->spec != NULL)
        n->spec->annotations = pb_new(&swarm__v1__annotations__descriptor);
    if (n->spec == NULL || n->spec->annotations == NULL ||
        pb_set_string(&n->spec->annotations->name, "ingress") < 0 ||
        pb_set_string(&n->spec->driver, "overlay") < 0) {
        pb_free(n);
        return -ENOMEM;
    }
    n->spec->ingress = true;
    n->spec->encrypted = true;
    return txn_create(x, VIEW_NETWORK, n) != 0 ? 0 : -ENOMEM;
}

static int fill_certificate(Swarm__V1__Node *n, const struct sw_cert *cert)
{
    Swarm__V1__NodeCertificate *c = pb_new(&swarm__v1__node_certificate__descriptor);

    if (c == NULL)
        return -ENOMEM;
    n->certificate = c;
    c->serial = cert->serial;
    c->not_before_ns = (uint64_t)cert->not_before_ns;
    c->not_after_ns = (uint64_t)cert->not_after_ns;
    if (pb_set_bytes(&c->public_key, cert->public_key, sizeof(cert->public_key)) < 0 ||
        pb_set_bytes(&c->static_key, cert->static_key, sizeof(cert->static_key)) < 0)
        return -ENOMEM;
    return pb_set_bytes(&c->issuer_key, cert->issuer, sizeof(cert->issuer));
}

static int add_node(struct txn *x, const Swarm__V1__Bootstrap *b, const struct sw_identity *self,
                    uint64_t raft_id, const char *advertise_addr)
{
    Swarm__V1__Node *n = pb_new(&swarm__v1__node__descriptor);

    if (n == NULL)
        return -ENOMEM;
    n->meta = meta_with_id(&self->cert.node_id);
    n->spec = pb_new(&swarm__v1__node_spec__descriptor);
    n->status = pb_new(&swarm__v1__node_status__descriptor);
    n->manager = pb_new(&swarm__v1__manager_status__descriptor);
    n->role = SWARM__V1__NODE_ROLE__MANAGER;
    if (b->description != NULL)
        n->description = pb_clone(b->description);
    if (n->meta == NULL || n->spec == NULL || n->status == NULL || n->manager == NULL ||
        fill_certificate(n, &self->cert) < 0 ||
        pb_set_string(&n->manager->addr, advertise_addr) < 0) {
        pb_free(n);
        return -ENOMEM;
    }
    n->spec->desired_role = SWARM__V1__NODE_ROLE__MANAGER;
    n->spec->availability = b->availability;
    n->manager->raft_id = raft_id;
    n->spec_base = 1;
    return txn_create(x, VIEW_NODE, n) != 0 ? 0 : -ENOMEM;
}

int bootstrap_fill(struct txn *x, const Swarm__V1__Bootstrap *b, const struct sw_identity *self,
                   uint64_t raft_id, const char *advertise_addr, int64_t now_ns, struct sw_err *err)
{
    if (!self->has_cert || b->root_record.len == 0 || b->root_key.len == 0)
        return sw_err_set(err, SW_E_INVALID, "a new cluster needs a root and a certified node");
    if (add_cluster(x, b, &self->cert.cluster_id, now_ns) < 0 || add_ingress(x) < 0 ||
        add_node(x, b, self, raft_id, advertise_addr) < 0)
        return sw_err_set(err, -ENOMEM, "make the first objects of the cluster");
    return 0;
}
