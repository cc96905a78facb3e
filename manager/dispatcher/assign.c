/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/dispatcher/assign.h"

#include <stdio.h>
#include <string.h>

#include "proto/pb.h"

bool assign_is_for_node(const Swarm__V1__Task *t)
{
    return t->node != 0 && t->status != NULL &&
           t->status->state >= SWARM__V1__TASK_STATE__TASK_ASSIGNED;
}

static const char *service_name(const struct view_task *t)
{
    const Swarm__V1__Annotations *a =
        t->service != NULL ? view_annotations(VIEW_SERVICE, t->service->s) : NULL;

    return a != NULL ? a->name : "";
}

void assign_task_name(const struct view_task *t, char *out, size_t cap)
{
    if (t->t->slot != 0)
        (void)snprintf(out, cap, "%s.%llu.%s", service_name(t), (unsigned long long)t->t->slot,
                       t->o->id);
    else
        (void)snprintf(out, cap, "%s.%s.%s", service_name(t), t->node != NULL ? t->node->o->id : "",
                       t->o->id);
}

/* Copies of submessages that the view goes on owning. */
static int copy_all(size_t n, void *items, size_t *out_n, void *out)
{
    void **src = items;

    for (size_t i = 0; i < n; i++) {
        void *copy = pb_clone(src[i]);

        if (copy == NULL || pb_add(out_n, out, copy) < 0) {
            pb_free(copy);
            return -1;
        }
    }
    return 0;
}

static int fill(Swarm__V1__AssignedTask *a, const struct view_task *t)
{
    const Swarm__V1__TaskSpec *spec = view_task_spec(t, NULL);
    const Swarm__V1__Task *task = t->t;
    char name[256];

    assign_task_name(t, name, sizeof(name));
    a->key = t->o->key;
    a->service = task->service;
    a->slot = task->slot;
    a->desired = task->desired;
    a->state = task->status->state;
    a->spec_version = task->spec_version;
    if (pb_set_string(&a->id, t->o->id) < 0 || pb_set_string(&a->name, name) < 0 ||
        pb_set_string(&a->service_name, service_name(t)) < 0 ||
        pb_set_string(&a->service_id, t->service != NULL ? t->service->o->id : "") < 0 ||
        pb_set_string(&a->node_id, t->node != NULL ? t->node->o->id : "") < 0)
        return -1;
    if (copy_all(task->n_networks, task->networks, &a->n_networks, &a->networks) < 0 ||
        copy_all(task->n_ports, task->ports, &a->n_ports, &a->ports) < 0 ||
        copy_all(task->n_assigned_generic, task->assigned_generic, &a->n_generic, &a->generic) < 0)
        return -1;
    if (t->service != NULL) {
        const Swarm__V1__Annotations *ann = view_annotations(VIEW_SERVICE, t->service->s);

        if (ann != NULL &&
            copy_all(ann->n_labels, ann->labels, &a->n_service_labels, &a->service_labels) < 0)
            return -1;
    }
    if (spec != NULL) {
        a->spec = pb_clone(spec);
        if (a->spec == NULL)
            return -1;
    }
    return 0;
}

Swarm__V1__AssignedTask *assign_task(const struct view_task *t)
{
    Swarm__V1__AssignedTask *a = pb_new(&swarm__v1__assigned_task__descriptor);

    if (a == NULL)
        return NULL;
    if (fill(a, t) < 0) {
        pb_free(a);
        return NULL;
    }
    return a;
}

bool assign_differs(const Swarm__V1__Task *before, const Swarm__V1__Task *after)
{
    if (before == NULL || after == NULL)
        return true;
    if (assign_is_for_node(before) != assign_is_for_node(after))
        return true;
    if (before->desired != after->desired || before->node != after->node ||
        before->n_networks != after->n_networks || before->n_ports != after->n_ports)
        return true;
    for (size_t i = 0; i < after->n_networks; i++) {
        if (before->networks[i]->addr != after->networks[i]->addr ||
            before->networks[i]->network != after->networks[i]->network)
            return true;
    }
    return false;
}
