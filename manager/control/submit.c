/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/control/submit.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "proto/pb.h"

struct request {
    control_done *done;
    void *arg;
    char id[SW_ID_CHARS + 1];
};

struct txn *control_txn(struct control *c)
{
    return txn_new(proposer_keys(c->proposer), sw_now_ns(), proposer_random());
}

/* The store's refusals in the words of Docker's API. */
static void on_decided(void *arg, uint64_t index, const struct sw_err *err)
{
    struct request *r = arg;
    struct sw_err local = *err;

    (void)index;
    if (err->code == SW_E_SEQUENCE)
        (void)sw_err_set(&local, err->code,
                         "rpc error: code = Unknown desc = update out of sequence");
    else if (err->code == SW_E_CONFLICT)
        (void)sw_err_set(&local, err->code, "rpc error: code = AlreadyExists desc = %.400s",
                         err->msg);
    else if (err->code == SW_E_NO_LEADER)
        (void)sw_err_set(&local, err->code, "rpc error: code = Unknown desc = %.400s", err->msg);
    r->done(r->arg, r->id, &local);
    sw_free(r);
}

int control_submit(struct control *c, struct txn *x, const char *id, control_done *done, void *arg,
                   struct sw_err *err)
{
    struct request *r = sw_calloc(1, sizeof(*r));
    int rc;

    if (r == NULL || x == NULL) {
        sw_free(r);
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    r->done = done;
    r->arg = arg;
    (void)strncpy(r->id, id, sizeof(r->id) - 1);
    rc = proposer_propose_all(c->proposer, x, on_decided, r, err);
    if (rc < 0)
        sw_free(r);
    if (rc == SW_E_NO_LEADER)
        (void)sw_err_wrap(err, "rpc error: code = Unknown desc = The swarm does not have a leader. "
                               "It's possible that too few managers are online. Make sure more "
                               "than half of the managers are online");
    return rc;
}

int control_create(struct control *c, enum view_kind kind, void *msg, control_done *done, void *arg,
                   struct sw_err *err)
{
    struct txn *x = control_txn(c);
    char text[SW_ID_CHARS + 1];
    struct sw_id id;

    if (x == NULL) {
        pb_free(msg);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    if (txn_create(x, kind, msg) == 0) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    memcpy(id.b, view_meta(msg)->id.data, sizeof(id.b)); /* the collection owns it, we may look */
    sw_id_format(&id, text);
    return control_submit(c, x, text, done, arg, err);
}

int control_version(const struct view_object *o, uint64_t version, struct sw_err *err)
{
    if (view_meta(o->msg)->version != version)
        return sw_err_set(err, SW_E_SEQUENCE,
                          "rpc error: code = Unknown desc = update out of sequence");
    return 0;
}

int control_spec_version(const struct view_object *o, uint64_t version, uint64_t base,
                         struct sw_err *err)
{
    if (base != 0 && version > base && version < view_meta(o->msg)->version)
        return 0;
    return control_version(o, version, err);
}
