/* SPDX-License-Identifier: Apache-2.0
 * view.h - the cluster's state as C structures: what control loops, dispatcher and API read.
 *
 * How it works: the view holds one decoded message per object plus the links that make the usual
 * questions cheap (tasks of a service, tasks of a node). It is written by view_apply() alone, which
 * the store calls for each committed transaction and the simulator for each transaction of its
 * model cluster. Objects are replaced, never changed in place: a pointer into the view is borrowed
 * until the next view_apply().
 *
 * Lists are in the order of keys, hence the same on every manager; iterate over them, not over the
 * maps, when a decision depends on order. One thread. */
#ifndef SWARM_MANAGER_VIEW_VIEW_H
#define SWARM_MANAGER_VIEW_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "swarm/v1/objects.pb-c.h"
#include "swarm/v1/store.pb-c.h"

enum view_kind {
    VIEW_CLUSTER,
    VIEW_NODE,
    VIEW_SERVICE,
    VIEW_TASK,
    VIEW_NETWORK,
    VIEW_SECRET,
    VIEW_CONFIG,
    VIEW_VOLUME,
    VIEW_KINDS
};

/* What every object has; the first member of the richer ones below. */
struct view_object {
    struct sw_list link; /* view.objects[kind], in order of keys */
    enum view_kind kind;
    uint64_t key;
    void *msg; /* Swarm__V1__Node *, ...: owned by the view */
    char id[SW_ID_CHARS + 1];
    char name[]; /* lower case, "" for tasks */
};

struct view_service {
    struct view_object *o;
    const Swarm__V1__Service *s; /* current message; changes with every update */
    struct sw_list tasks;        /* view_task.of_service, in order of keys */
    uint32_t n_tasks;
};

struct view_node {
    struct view_object *o;
    const Swarm__V1__Node *n;
    struct sw_list tasks; /* view_task.of_node, in order of keys */
    uint32_t n_tasks;
};

struct view_task {
    struct sw_list of_service;
    struct sw_list of_node;
    struct view_object *o;
    const Swarm__V1__Task *t;
    struct view_service *service; /* NULL when its service object is gone */
    struct view_node *node;       /* NULL when not assigned or its node object is gone */
};

/* One applied change, told to observers after the view has it. @before NULL: created,
 * @after NULL: deleted; both borrowed during the call. */
struct view_change {
    enum view_kind kind;
    uint64_t key;
    const void *before;
    const void *after;
};

struct view;

struct view *view_new(void); /* NULL when memory is gone */
void view_free(struct view *v);

/* ---- reading: NULL when absent -------------------------------------------------------------- */

const Swarm__V1__Cluster *view_cluster(const struct view *v);
struct view_service *view_service(const struct view *v, uint64_t key);
struct view_node *view_node(const struct view *v, uint64_t key);
struct view_task *view_task(const struct view *v, uint64_t key);
const Swarm__V1__Network *view_network(const struct view *v, uint64_t key);
const Swarm__V1__Secret *view_secret(const struct view *v, uint64_t key);
const Swarm__V1__Config *view_config(const struct view *v, uint64_t key);
struct view_object *view_object(const struct view *v, uint64_t key);

/** view_list() - head of all objects of a kind, links are view_object.link. */
struct sw_list *view_list(const struct view *v, enum view_kind kind);
size_t view_count(const struct view *v, enum view_kind kind);
/* From a view_object to the richer structure; NULL when the kind is another. */
struct view_service *view_as_service(const struct view_object *o);
struct view_node *view_as_node(const struct view_object *o);
struct view_task *view_as_task(const struct view_object *o);

/** view_by_id() - by 25-character id. */
struct view_object *view_by_id(const struct view *v, enum view_kind kind, const char *id);
/** view_by_name() - names are compared without case. */
struct view_object *view_by_name(const struct view *v, enum view_kind kind, const char *name);
/**
 * view_find() - what a person typed: full id, then full name, then unique id prefix
 *
 * Return: 0; SW_E_NOT_FOUND "<kind> <what> not found"; SW_E_INVALID when a prefix fits several.
 */
int view_find(const struct view *v, enum view_kind kind, const char *what, struct view_object **out,
              struct sw_err *err);
/** view_node_by_id() - by the 16 bytes of a certificate. */
struct view_node *view_node_by_id(const struct view *v, const uint8_t id[SW_ID_BYTES]);

uint64_t view_index(const struct view *v);    /* Raft index of the last applied transaction */
uint64_t view_next_key(const struct view *v); /* smallest key never used */

/** view_task_spec() - the spec that a task was made from: its service's current one, or that of
 * its version from the service's history. NULL when its service is gone. @endpoint may be NULL. */
const Swarm__V1__TaskSpec *view_task_spec(const struct view_task *t,
                                          const Swarm__V1__EndpointSpec **endpoint);

/* ---- the common part of every message ------------------------------------------------------- */

const char *view_kind_name(enum view_kind kind); /* "node", "service", ... */
const ProtobufCMessageDescriptor *view_descriptor(enum view_kind kind);
Swarm__V1__Meta *view_meta(const void *msg); /* never NULL in a stored object */
const Swarm__V1__Annotations *view_annotations(enum view_kind kind, const void *msg); /* or NULL */
/** view_change_object() - what a change carries. Return: false for TASK_STATUS and DELETE. */
bool view_change_object(const Swarm__V1__Change *c, enum view_kind *kind, void **msg);

/* ---- writing: the store and the simulator only ---------------------------------------------- */

/**
 * view_check() - would this transaction apply?
 *
 * Checks versions, existence, names, and that keys grow. Changes nothing.
 * Return: 0; SW_E_SEQUENCE "update out of sequence"; SW_E_CONFLICT; SW_E_NOT_FOUND; SW_E_INVALID.
 */
int view_check(const struct view *v, const Swarm__V1__Transaction *txn, struct sw_err *err);

/**
 * view_apply() - apply a transaction that view_check() accepted
 * @txn:   its objects move into the view; what is left of it stays the caller's to pb_free()
 * @index: Raft index, becomes the version of every object written
 *
 * Sets meta.version, meta.updated_ns, and meta.created_ns of new objects.
 * Return: 0 or -ENOMEM: the view is then unusable and the process must end.
 */
int view_apply(struct view *v, Swarm__V1__Transaction *txn, uint64_t index);

/** view_status_is_late() - a task's status that would go back: something else was written while it
 * was under way. It is skipped when applied, alike on every manager, and harms no other change. */
bool view_status_is_late(const struct view *v, const Swarm__V1__Change *c);

/** view_load() - add one object as it is (restoring a snapshot); observers are not told. */
int view_load(struct view *v, enum view_kind kind, void *msg);
void view_set_position(struct view *v, uint64_t index, uint64_t next_key);
/** view_clear() - forget everything but the observers. */
void view_clear(struct view *v);

struct view_observer {
    struct sw_list link;
    void (*on_change)(void *arg, const struct view *v, const struct view_change *c);
    void (*on_commit)(void *arg, const struct view *v); /* after all changes of one transaction */
    void (*on_reset)(void *arg, const struct view *v);  /* a snapshot replaced everything */
    void *arg;
};

/** view_observe() - @o is borrowed until view_unobserve(); may not apply from inside its calls. */
void view_observe(struct view *v, struct view_observer *o);
void view_unobserve(struct view_observer *o);
void view_told_reset(struct view *v); /* the store calls this after a restore */

#endif
