/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/token.h"
#include "manager/control/submit.h"
#include "proto/pb.h"

static int rotate(ProtobufCBinaryData *field)
{
    uint8_t secret[SW_TOKEN_SECRET_BYTES];
    int r;

    sw_token_secret_make(secret);
    r = pb_set_bytes(field, secret, sizeof(secret));
    sw_wipe(secret, sizeof(secret));
    return r;
}

static int check_spec(const Swarm__V1__ClusterSpec *s, struct sw_err *err)
{
    if (s->node_cert_expiry_ns != 0 && s->node_cert_expiry_ns < 3600 * SW_NS_PER_S)
        return sw_err_set(
            err, SW_E_INVALID,
            "rpc error: code = InvalidArgument desc = minimum certificate expiry time "
            "is: 1h0m0s");
    if (s->heartbeat_period_ns < 0)
        return sw_err_set(
            err, SW_E_INVALID,
            "rpc error: code = InvalidArgument desc = heartbeat time period cannot be a "
            "negative duration");
    if (s->autolock)
        return sw_err_set(err, SW_E_UNSUPPORTED, "autolock is not supported by swarmd");
    return 0;
}

int control_cluster_update(struct control *c, const struct control_cluster_update *u,
                           control_done *done, void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ClusterSpec *spec = u->spec;
    Swarm__V1__Cluster *copy;
    struct view_object *o;
    struct txn *x;
    int r = 0;

    if (view_cluster(c->view) == NULL)
        return sw_err_set(err, SW_E_UNAVAILABLE, "the cluster is not ready yet");
    o = view_object(c->view, view_cluster(c->view)->meta->key);
    r = control_version(o, u->version, err);
    if (r == 0 && spec != NULL)
        r = check_spec(spec, err);
    if (r == 0 && u->rotate_unlock_key)
        r = sw_err_set(err, SW_E_UNSUPPORTED, "autolock is not supported by swarmd");
    if (r < 0)
        return r;
    x = control_txn(c);
    copy = x != NULL ? txn_edit(x, o) : NULL;
    if (copy == NULL ||
        (u->rotate_worker_token && rotate(&copy->root_ca->worker_token_secret) < 0) ||
        (u->rotate_manager_token && rotate(&copy->root_ca->manager_token_secret) < 0)) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    if (spec != NULL) {
        pb_free(copy->spec);
        copy->spec = sw_steal(spec);
    }
    return control_submit(c, x, o->id, done, arg, err);
}
