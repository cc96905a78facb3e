/* SPDX-License-Identifier: Apache-2.0
 * enforcer.c - tasks that their node no longer fits are rejected; restart.c then acts:
 * SEMANTICS 14.
 *
 * Constraints are looked at with each evaluation of a slot, resources of a node when it changes.
 * A task is judged by its service's current constraints, except when it waits for an update: then
 * by its own, since the update will replace it in its turn and a paused one must not be overtaken.
 */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/orchestrator/step.h"

struct room { /* what the node has left for the tasks not looked at yet */
    int64_t cpu, mem;
    Swarm__V1__GenericResource **offered;
    size_t n_offered;
    int64_t *generic; /* per offered one */
};

static bool take_generic(struct room *r, const Swarm__V1__GenericResource *g)
{
    for (size_t i = 0; i < r->n_offered; i++) {
        int64_t want = g->value[0] != '\0' ? 1 : g->count;

        if (strcmp(r->offered[i]->kind, g->kind) != 0 ||
            strcmp(r->offered[i]->value, g->value) != 0)
            continue;
        if (r->generic[i] < want)
            return false;
        r->generic[i] -= want;
        return true;
    }
    return false;
}

static bool own_constraints_hold(struct orch_step *x, const struct view_node *vn,
                                 const Swarm__V1__TaskSpec *spec)
{
    struct constraint_set set = { NULL, 0 };
    struct sw_err err;
    bool ok;
    int r;

    if (spec == NULL || spec->placement == NULL)
        return true;
    r = constraint_parse(spec->placement->constraints, spec->placement->n_constraints, &set, &err);
    if (r < 0) {
        x->o->stale |= r == -ENOMEM;
        return r == -ENOMEM;
    }
    ok = constraint_match(&set, vn->n);
    constraint_fini(&set);
    return ok;
}

static bool is_active(const struct view_node *vn)
{
    return vn->n->spec == NULL ||
           vn->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE;
}

static bool is_judged(const Swarm__V1__Task *t)
{
    return status_wanted(t) && !status_ended(t) &&
           status_state(t) >= SWARM__V1__TASK_STATE__TASK_ASSIGNED;
}

bool enforce_constraints(struct orch_step *x, struct svc *s, const struct entry *e)
{
    const struct view_node *vn = e->vt->node;

    if (vn == NULL || !is_judged(e->t) || !is_active(vn))
        return true;
    if (s->mode == SVC_GLOBAL || s->mode == SVC_GLOBAL_JOB)
        return true; /* follow their constraints by themselves: global.c */
    if (!e->clean)
        return own_constraints_hold(x, vn, view_task_spec(e->vt, NULL));
    return !s->constraints_bad && constraint_match(&s->constraints, vn->n);
}

static bool fits(const struct view_task *vt, struct room *r)
{
    const Swarm__V1__TaskSpec *spec = view_task_spec(vt, NULL);
    const Swarm__V1__Resources *want =
        spec != NULL && spec->resources != NULL ? spec->resources->reservations : NULL;

    if (want != NULL) {
        if ((want->nano_cpus > 0 && want->nano_cpus > r->cpu) ||
            (want->memory_bytes > 0 && want->memory_bytes > r->mem))
            return false;
        r->cpu -= want->nano_cpus;
        r->mem -= want->memory_bytes;
    }
    for (size_t i = 0; i < vt->t->n_assigned_generic; i++) {
        if (!take_generic(r, vt->t->assigned_generic[i]))
            return false;
    }
    return true;
}

void enforce_reject(struct orch_step *x, struct entry *e)
{
    Swarm__V1__Task *t = txn_edit_task(x->txn, e->vt);

    if (t == NULL)
        return;
    if (status_write(t, SWARM__V1__TASK_STATE__TASK_REJECTED, x->now_ns,
                     "task rejected by constraint enforcer",
                     "assigned node no longer meets constraints") < 0)
        x->o->stale = true;
    e->t = t;
}

static bool room_init(struct room *r, const struct view_node *vn)
{
    const Swarm__V1__Resources *have =
        vn->n->description != NULL ? vn->n->description->resources : NULL;

    memset(r, 0, sizeof(*r));
    if (have == NULL)
        return true;
    r->cpu = have->nano_cpus;
    r->mem = have->memory_bytes;
    r->offered = have->generic;
    r->n_offered = have->n_generic;
    r->generic = sw_calloc(have->n_generic + 1, sizeof(*r->generic));
    for (size_t i = 0; r->generic != NULL && i < have->n_generic; i++)
        r->generic[i] = have->generic[i]->value[0] != '\0' ? 1 : have->generic[i]->count;
    return r->generic != NULL;
}

void enforce(struct orch_step *x, const struct view_node *vn)
{
    struct room room;

    if (!is_active(vn))
        return;
    if (!room_init(&room, vn)) {
        x->o->stale = true;
        return;
    }
    sw_list_each(l, &vn->tasks)
    {
        const struct view_task *vt = sw_list_entry(l, struct view_task, of_node);
        const Swarm__V1__Task *edited = txn_peek(x->txn, vt->o->key);
        struct entry e = { .vt = vt, .t = edited != NULL ? edited : vt->t };
        struct slot *slot = cache_slot_of(x->o, vt->t);

        if (txn_is_deleted(x->txn, vt->o->key) || !is_judged(e.t) || fits(vt, &room))
            continue;
        enforce_reject(x, &e);
        if (slot != NULL)
            cache_dirty_slot(x->o, slot); /* replaced in the same round */
        txn_mark(x->txn);
    }
    sw_free(room.generic);
}
