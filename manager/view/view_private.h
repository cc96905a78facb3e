/* SPDX-License-Identifier: Apache-2.0
 * view_private.h - what view.c and apply.c share. */
#ifndef SWARM_MANAGER_VIEW_VIEW_PRIVATE_H
#define SWARM_MANAGER_VIEW_VIEW_PRIVATE_H

#include "manager/view/view.h"

/* The richer structures live in the same allocation as their view_object. */
struct object_service {
    struct view_service svc;
    struct view_object o; /* last: it ends in the name */
};

struct object_node {
    struct view_node node;
    struct view_object o;
};

struct object_task {
    struct view_task task;
    struct view_object o;
};

struct view {
    struct sw_list objects[VIEW_KINDS];
    size_t counts[VIEW_KINDS];
    struct sw_map by_key;
    struct sw_map by_id[VIEW_KINDS];   /* view_object.id */
    struct sw_map by_name[VIEW_KINDS]; /* view_object.name; tasks have none */
    struct sw_list observers;
    uint64_t index;
    uint64_t next_key;
};

/* view_add() - insert a new object; @msg is owned when it succeeds. */
int view_add(struct view *v, enum view_kind kind, void *msg, struct view_object **out);
/* view_adopt() - link tasks that were there before the service or node they refer to: needed after
 * a restore and a rename, never for a new object, whose key no task can know yet. */
void view_adopt(struct view *v, struct view_object *o);
/* view_remove() - take an object out; its message stays the caller's. */
void *view_remove(struct view *v, struct view_object *o);
/* view_replace() - give an object a new message; returns the old one. The name may not change
 * for services, secrets, configs; node names may. */
int view_replace(struct view *v, struct view_object *o, void *msg, void **old);

#endif
