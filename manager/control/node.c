/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "manager/control/names.h"
#include "manager/control/submit.h"
#include "proto/pb.h"

static size_t count_managers(const struct view *v)
{
    size_t n = 0;

    sw_list_each(l, view_list(v, VIEW_NODE))
    {
        const struct view_node *node = view_as_node(sw_list_entry(l, struct view_object, link));

        n += node->n->spec->desired_role == SWARM__V1__NODE_ROLE__MANAGER;
    }
    return n;
}

int control_node_update(struct control *c, const char *what, uint64_t version,
                        Swarm__V1__NodeSpec *spec, control_done *done, void *arg,
                        struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__NodeSpec *next = spec;
    const Swarm__V1__Node *n;
    Swarm__V1__Node *copy;
    struct view_object *o;
    struct txn *x;
    int r = view_find(c->view, VIEW_NODE, what, &o, err);

    if (r == 0)
        r = control_spec_version(o, version, ((const Swarm__V1__Node *)o->msg)->spec_base, err);
    if (r < 0)
        return r;
    n = o->msg;
    if (next->annotations != NULL && next->annotations->name[0] != '\0' &&
        !name_is_dns(next->annotations->name))
        return sw_err_set(
            err, SW_E_INVALID,
            "rpc error: code = InvalidArgument desc = name must be valid as a DNS name "
            "component");
    if (n->spec->desired_role == SWARM__V1__NODE_ROLE__MANAGER &&
        next->desired_role == SWARM__V1__NODE_ROLE__WORKER && count_managers(c->view) == 1)
        return sw_err_set(
            err, SW_E_PRECONDITION,
            "rpc error: code = FailedPrecondition desc = attempting to demote the last "
            "manager of the swarm");
    next->membership = n->spec->membership;
    x = control_txn(c);
    copy = x != NULL ? txn_edit_node(x, view_as_node(o)) : NULL;
    if (copy == NULL) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    pb_free(copy->spec);
    copy->spec = sw_steal(next);
    copy->spec_base = n->meta->version;
    return control_submit(c, x, o->id, done, arg, err);
}

/* SEMANTICS 5.4: its tasks that did not end are orphaned in the same transaction. */
static int orphan_tasks(struct txn *x, const struct view_node *n)
{
    sw_list_each(l, &n->tasks)
    {
        const struct view_task *t = sw_list_entry(l, struct view_task, of_node);
        Swarm__V1__TaskStatus *s;

        if (t->t->status == NULL || t->t->status->state > SWARM__V1__TASK_STATE__TASK_RUNNING)
            continue;
        s = pb_clone(t->t->status);
        if (s == NULL)
            return -ENOMEM;
        s->state = SWARM__V1__TASK_STATE__TASK_ORPHANED;
        s->timestamp_ns = (uint64_t)sw_now_ns();
        s->applied_ns = s->timestamp_ns;
        if (pb_set_string(&s->message, "node was removed") < 0) {
            pb_free(s);
            return -ENOMEM;
        }
        txn_task_status(x, t->o->key, s);
    }
    return 0;
}

int control_node_remove(struct control *c, const char *what, bool force, control_done *done,
                        void *arg, struct sw_err *err)
{
    const Swarm__V1__Node *n;
    struct view_object *o;
    struct txn *x;
    int r = view_find(c->view, VIEW_NODE, what, &o, err);

    if (r < 0)
        return r;
    n = o->msg;
    if (n->manager != NULL || n->spec->desired_role == SWARM__V1__NODE_ROLE__MANAGER)
        return sw_err_set(
            err, SW_E_PRECONDITION,
            "rpc error: code = FailedPrecondition desc = node %s is a cluster manager "
            "and is a member of the raft cluster. It must be demoted to worker before "
            "removal",
            o->id);
    if (!force && n->status != NULL && n->status->state == SWARM__V1__NODE_STATE__NODE_READY)
        return sw_err_set(
            err, SW_E_PRECONDITION,
            "rpc error: code = FailedPrecondition desc = node %s is not down and can't "
            "be removed",
            o->id);
    x = control_txn(c);
    if (x == NULL || orphan_tasks(x, view_as_node(o)) < 0) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    txn_delete(x, VIEW_NODE, n);
    return control_submit(c, x, o->id, done, arg, err);
}
