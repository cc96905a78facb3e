/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/leader/roles_priv.h"

#include <errno.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define LOOK_MS 1000

static void look(struct roles *r);

static void soon(struct roles *r)
{
    if (r->leading && !r->freed)
        (void)uv_timer_start(&r->timer, roles_on_timer, 1, LOOK_MS);
}

static void written(void *arg, uint64_t index, const struct sw_err *err)
{
    struct roles *r = arg;

    (void)index;
    r->busy = false;
    if (err->code != 0)
        log_debug("change of a role not written: %s", err->msg);
    if (roles_release(r))
        return;
    soon(r);
}

static void membership_changed(void *arg, int status, uint64_t index, int result)
{
    struct roles *r = arg;

    (void)index;
    (void)result;
    r->busy = false;
    if (status != 0)
        log_info("raft membership change: %s", sw_err_name(status));
    if (roles_release(r))
        return;
    soon(r);
}

static void write_role(struct roles *r, struct view_node *n, Swarm__V1__NodeRole role)
{
    struct txn *x = txn_new(proposer_keys(r->o.proposer), sw_now_ns(), proposer_random());
    Swarm__V1__Node *copy = x != NULL ? txn_edit_node(x, n) : NULL;
    struct sw_err err;

    if (copy == NULL) {
        txn_free(x);
        return;
    }
    copy->role = role;
    if (role == SWARM__V1__NODE_ROLE__WORKER) {
        pb_free(copy->manager);
        copy->manager = NULL;
        if (copy->certificate != NULL)
            copy->certificate->min_serial = copy->certificate->serial + 1;
    }
    log_info("role changed node=%s role=%s", n->o->id,
             role == SWARM__V1__NODE_ROLE__MANAGER ? "manager" : "worker");
    r->busy = proposer_propose_all(r->o.proposer, x, written, r, &err) == 0;
}

static void leave_raft(struct roles *r, const struct view_node *n, uint64_t member)
{
    struct sw_err err;
    int rc;

    if (member == r->self)
        rc = consensus_transfer(r->consensus, 0, membership_changed, r, &err);
    else
        rc = consensus_member_remove(r->consensus, member, membership_changed, r, &err);
    if (rc == 0) {
        log_info("manager leaves raft node=%s", n != NULL ? n->o->id : "removed");
        r->busy = true;
    } else if (rc != SW_E_CONFLICT) {
        log_warn("manager can't leave raft now: %s", err.msg);
    }
}

static bool is_member(const struct roles *r, uint64_t member)
{
    for (size_t i = 0; i < r->n_members; i++) {
        if (r->members[i].member == member)
            return true;
    }
    return false;
}

static struct view_node *node_of_member(const struct roles *r, uint64_t member)
{
    sw_list_each(l, view_list(r->o.view, VIEW_NODE))
    {
        struct view_node *n = view_as_node(sw_list_entry(l, struct view_object, link));

        if (n->n->manager != NULL && n->n->manager->raft_id == member)
            return n;
    }
    return NULL;
}

static void look_at_node(struct roles *r, struct view_node *n)
{
    Swarm__V1__NodeRole wanted = n->n->spec != NULL ? n->n->spec->desired_role : n->n->role;

    if (wanted == SWARM__V1__NODE_ROLE__MANAGER) {
        if (n->n->role != wanted)
            write_role(r, n, wanted);
        return;
    }
    if (n->n->role == SWARM__V1__NODE_ROLE__WORKER && n->n->manager == NULL)
        return;
    if (n->n->manager != NULL && is_member(r, n->n->manager->raft_id))
        leave_raft(r, n, n->n->manager->raft_id);
    else
        write_role(r, n, SWARM__V1__NODE_ROLE__WORKER);
}

static void look(struct roles *r)
{
    r->n_members = consensus_members(r->consensus, r->members, CONSENSUS_MEMBERS_MAX);
    sw_list_each(l, view_list(r->o.view, VIEW_NODE))
    {
        if (r->busy)
            return;
        look_at_node(r, view_as_node(sw_list_entry(l, struct view_object, link)));
    }
    for (size_t i = 0; !r->busy && i < r->n_members; i++) {
        uint64_t member = r->members[i].member;

        /* A member that is joining has its node written before it is added: none is missed here. */
        if (member != r->self && node_of_member(r, member) == NULL)
            leave_raft(r, NULL, member);
    }
}

void roles_on_timer(uv_timer_t *t)
{
    struct roles *r = t->data;

    if (r->leading && !r->busy)
        look(r);
}

static void on_change(void *arg, const struct view *v, const struct view_change *c)
{
    (void)v;
    if (c->kind == VIEW_NODE)
        soon(arg);
}

int roles_new(struct roles **out, const struct roles_options *o, struct sw_err *err)
{
    struct roles *r = sw_calloc(1, sizeof(*r));

    if (r == NULL)
        return sw_err_set(err, -ENOMEM, "create the role manager");
    r->o = *o;
    (void)uv_timer_init(o->loop, &r->timer);
    r->timer.data = r;
    sw_list_init(&r->joins);
    r->observer.on_change = on_change;
    r->observer.arg = r;
    view_observe(o->view, &r->observer);
    *out = r;
    return 0;
}

void roles_start(struct roles *r, struct consensus *c)
{
    struct consensus_status st;

    consensus_status(c, &st);
    r->consensus = c;
    r->self = st.member;
    r->leading = true;
    (void)uv_timer_start(&r->timer, roles_on_timer, 1, LOOK_MS);
}

void roles_stop(struct roles *r)
{
    r->leading = false;
    (void)uv_timer_stop(&r->timer);
}

bool roles_release(struct roles *r)
{
    if (!r->freed)
        return false;
    if (!r->busy && sw_list_empty(&r->joins))
        sw_free(r);
    return true;
}

static void on_closed(uv_handle_t *h)
{
    struct roles *r = h->data;

    r->freed = true;
    (void)roles_release(r);
}

void roles_free(struct roles *r)
{
    if (r == NULL)
        return;
    roles_stop(r);
    view_unobserve(&r->observer);
    uv_close((uv_handle_t *)&r->timer, on_closed);
}
