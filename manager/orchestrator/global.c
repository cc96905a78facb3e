/* SPDX-License-Identifier: Apache-2.0
 * global.c - which nodes a global service runs on: SEMANTICS 9. */
#include "manager/orchestrator/step.h"

enum fitness global_fitness(const struct orch_step *x, const struct svc *s, uint64_t node)
{
    const struct view_node *vn = view_node(x->view, node);

    if (vn == NULL)
        return FIT_NODE_GONE;
    if (vn->n->status != NULL && vn->n->status->state == SWARM__V1__NODE_STATE__NODE_DOWN)
        return FIT_NO;
    if (vn->n->spec != NULL &&
        vn->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_DRAIN)
        return FIT_NO;
    if (s->constraints_bad || !constraint_match(&s->constraints, vn->n))
        return FIT_NO;
    if (vn->n->spec != NULL &&
        vn->n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_PAUSE)
        return FIT_PAUSED;
    return FIT_YES;
}

void global_add_slots(struct orch_step *x, struct svc *s)
{
    s->nodes_missing = false;
    sw_list_each(l, view_list(x->view, VIEW_NODE))(void)
        cache_make_slot(x->o, s, sw_list_entry(l, struct view_object, link)->key);
}

void global_note_node(struct orch_step *x, uint64_t node)
{
    bool exists = view_node(x->view, node) != NULL;

    sw_list_each(l, &x->o->globals)
    {
        struct svc *s = sw_list_entry(l, struct svc, global);
        struct slot *slot = exists ? cache_make_slot(x->o, s, node) : cache_slot(s, node);

        if (slot != NULL)
            cache_dirty_slot(x->o, slot);
    }
}
