/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/view/view.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "manager/view/view_private.h"
#include "proto/pb.h"

struct view *view_new(void)
{
    struct view *v = sw_calloc(1, sizeof(*v));

    if (v == NULL)
        return NULL;
    sw_map_init(&v->by_key);
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        sw_list_init(&v->objects[k]);
        sw_map_init(&v->by_id[k]);
        sw_map_init(&v->by_name[k]);
    }
    sw_list_init(&v->observers);
    v->next_key = 1;
    return v;
}

static void *allocation_of(struct view_object *o)
{
    switch (o->kind) {
    case VIEW_SERVICE:
        return sw_container_of(o, struct object_service, o);
    case VIEW_NODE:
        return sw_container_of(o, struct object_node, o);
    case VIEW_TASK:
        return sw_container_of(o, struct object_task, o);
    case VIEW_CLUSTER:
    case VIEW_NETWORK:
    case VIEW_SECRET:
    case VIEW_CONFIG:
    case VIEW_VOLUME:
    case VIEW_KINDS:
        break;
    }
    return o;
}

void view_clear(struct view *v)
{
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        sw_list_each_safe(l, &v->objects[k])
        {
            struct view_object *o = sw_list_entry(l, struct view_object, link);

            pb_free(o->msg);
            sw_free(allocation_of(o));
        }
        sw_list_init(&v->objects[k]);
        v->counts[k] = 0;
        sw_map_fini(&v->by_id[k]);
        sw_map_fini(&v->by_name[k]);
    }
    sw_map_fini(&v->by_key);
    v->index = 0;
    v->next_key = 1;
}

void view_free(struct view *v)
{
    if (v == NULL)
        return;
    view_clear(v);
    sw_free(v);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct view_object *view_object(const struct view *v, uint64_t key)
{
    return sw_map_get(&v->by_key, key);
}

static struct view_object *of_kind(const struct view *v, uint64_t key, enum view_kind kind)
{
    struct view_object *o = view_object(v, key);

    return o != NULL && o->kind == kind ? o : NULL;
}

static const void *msg_of_kind(const struct view *v, uint64_t key, enum view_kind kind)
{
    struct view_object *o = of_kind(v, key, kind);

    return o != NULL ? o->msg : NULL;
}

const Swarm__V1__Cluster *view_cluster(const struct view *v)
{
    if (sw_list_empty(&v->objects[VIEW_CLUSTER]))
        return NULL;
    return sw_list_entry(v->objects[VIEW_CLUSTER].next, struct view_object, link)->msg;
}

struct view_service *view_as_service(const struct view_object *o)
{
    if (o == NULL || o->kind != VIEW_SERVICE)
        return NULL;
    return &sw_container_of(o, struct object_service, o)->svc;
}

struct view_node *view_as_node(const struct view_object *o)
{
    if (o == NULL || o->kind != VIEW_NODE)
        return NULL;
    return &sw_container_of(o, struct object_node, o)->node;
}

struct view_task *view_as_task(const struct view_object *o)
{
    if (o == NULL || o->kind != VIEW_TASK)
        return NULL;
    return &sw_container_of(o, struct object_task, o)->task;
}

struct view_service *view_service(const struct view *v, uint64_t key)
{
    return view_as_service(view_object(v, key));
}

struct view_node *view_node(const struct view *v, uint64_t key)
{
    return view_as_node(view_object(v, key));
}

struct view_task *view_task(const struct view *v, uint64_t key)
{
    return view_as_task(view_object(v, key));
}

const Swarm__V1__Network *view_network(const struct view *v, uint64_t key)
{
    return msg_of_kind(v, key, VIEW_NETWORK);
}

const Swarm__V1__Secret *view_secret(const struct view *v, uint64_t key)
{
    return msg_of_kind(v, key, VIEW_SECRET);
}

const Swarm__V1__Config *view_config(const struct view *v, uint64_t key)
{
    return msg_of_kind(v, key, VIEW_CONFIG);
}

struct sw_list *view_list(const struct view *v, enum view_kind kind)
{
    return (struct sw_list *)(uintptr_t)&v->objects[kind];
}

size_t view_count(const struct view *v, enum view_kind kind)
{
    return v->counts[kind];
}

struct view_object *view_by_id(const struct view *v, enum view_kind kind, const char *id)
{
    return sw_strmap_get(&v->by_id[kind], id);
}

static void lower(char *s)
{
    for (; *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
}

struct view_object *view_by_name(const struct view *v, enum view_kind kind, const char *name)
{
    char key[256];

    if (strlen(name) >= sizeof(key))
        return NULL;
    strcpy(key, name);
    lower(key);
    return sw_strmap_get(&v->by_name[kind], key);
}

int view_find(const struct view *v, enum view_kind kind, const char *what, struct view_object **out,
              struct sw_err *err)
{
    struct view_object *found = view_by_id(v, kind, what);
    size_t len = strlen(what);
    unsigned matches = 0;

    if (found == NULL)
        found = view_by_name(v, kind, what);
    if (found == NULL && len > 0 && len < SW_ID_CHARS) {
        sw_list_each(l, &v->objects[kind])
        {
            struct view_object *o = sw_list_entry(l, struct view_object, link);

            if (strncmp(o->id, what, len) == 0) {
                found = o;
                matches++;
            }
        }
    }
    if (matches > 1)
        return sw_err_set(err, SW_E_INVALID, "%s %s is ambiguous (%u matches found)",
                          view_kind_name(kind), what, matches);
    if (found == NULL)
        return sw_err_set(err, SW_E_NOT_FOUND, "%s %s not found", view_kind_name(kind), what);
    *out = found;
    return 0;
}

struct view_node *view_node_by_id(const struct view *v, const uint8_t id[SW_ID_BYTES])
{
    char text[SW_ID_CHARS + 1];
    struct sw_id bin;

    memcpy(bin.b, id, sizeof(bin.b));
    sw_id_format(&bin, text);
    return view_as_node(view_by_id(v, VIEW_NODE, text));
}

uint64_t view_index(const struct view *v)
{
    return v->index;
}

uint64_t view_next_key(const struct view *v)
{
    return v->next_key;
}

const Swarm__V1__TaskSpec *view_task_spec(const struct view_task *t,
                                          const Swarm__V1__EndpointSpec **endpoint)
{
    const Swarm__V1__Service *s;

    if (t->service == NULL)
        return NULL;
    s = t->service->s;
    if (t->t->spec_version != s->spec_version) {
        for (size_t i = 0; i < s->n_history; i++) {
            if (s->history[i]->spec_version != t->t->spec_version)
                continue;
            if (endpoint != NULL)
                *endpoint = s->history[i]->endpoint;
            return s->history[i]->task;
        }
    }
    if (s->spec == NULL)
        return NULL;
    if (endpoint != NULL)
        *endpoint = s->spec->endpoint;
    return s->spec->task;
}

/* ---- links ---------------------------------------------------------------------------------- */

/* Lists are in order of keys, and new keys are nearly always the largest: search from the end. */
static void insert_object(struct sw_list *head, struct view_object *o)
{
    struct sw_list *pos = head->prev;

    while (pos != head && sw_list_entry(pos, struct view_object, link)->key > o->key)
        pos = pos->prev;
    sw_list_insert_after(pos, &o->link);
}

static void link_of_service(struct view_task *t, struct view_service *s)
{
    struct sw_list *pos = s->tasks.prev;

    while (pos != &s->tasks && sw_list_entry(pos, struct view_task, of_service)->o->key > t->o->key)
        pos = pos->prev;
    sw_list_insert_after(pos, &t->of_service);
    t->service = s;
    s->n_tasks++;
}

static void link_of_node(struct view_task *t, struct view_node *n)
{
    struct sw_list *pos = n->tasks.prev;

    while (pos != &n->tasks && sw_list_entry(pos, struct view_task, of_node)->o->key > t->o->key)
        pos = pos->prev;
    sw_list_insert_after(pos, &t->of_node);
    t->node = n;
    n->n_tasks++;
}

static void unlink_task(struct view_task *t)
{
    if (t->service != NULL)
        t->service->n_tasks--;
    if (t->node != NULL)
        t->node->n_tasks--;
    t->service = NULL;
    t->node = NULL;
    sw_list_del(&t->of_service);
    sw_list_del(&t->of_node);
}

static void link_task(struct view *v, struct view_task *t)
{
    struct view_service *s = view_service(v, t->t->service);
    struct view_node *n = t->t->node != 0 ? view_node(v, t->t->node) : NULL;

    if (s != NULL)
        link_of_service(t, s);
    if (n != NULL)
        link_of_node(t, n);
}

void view_adopt(struct view *v, struct view_object *o)
{
    if (o->kind != VIEW_SERVICE && o->kind != VIEW_NODE)
        return;
    sw_list_each(l, &v->objects[VIEW_TASK])
    {
        struct view_task *t = view_as_task(sw_list_entry(l, struct view_object, link));

        if (o->kind == VIEW_SERVICE && t->t->service == o->key && t->service == NULL)
            link_of_service(t, view_as_service(o));
        if (o->kind == VIEW_NODE && t->t->node == o->key && t->node == NULL)
            link_of_node(t, view_as_node(o));
    }
}

/* An object that tasks refer to goes away before them. */
static void orphan_tasks(struct view_object *o)
{
    struct view_service *s = view_as_service(o);
    struct view_node *n = view_as_node(o);

    if (s != NULL) {
        sw_list_each_safe(l, &s->tasks)
        {
            sw_list_entry(l, struct view_task, of_service)->service = NULL;
            sw_list_del(l);
        }
    }
    if (n != NULL) {
        sw_list_each_safe(l, &n->tasks)
        {
            sw_list_entry(l, struct view_task, of_node)->node = NULL;
            sw_list_del(l);
        }
    }
}

static struct view_object *allocate(enum view_kind kind, size_t name_len)
{
    if (kind == VIEW_SERVICE) {
        struct object_service *s = sw_calloc(1, sizeof(*s) + name_len + 1);

        if (s == NULL)
            return NULL;
        s->svc.o = &s->o;
        sw_list_init(&s->svc.tasks);
        return &s->o;
    }
    if (kind == VIEW_NODE) {
        struct object_node *n = sw_calloc(1, sizeof(*n) + name_len + 1);

        if (n == NULL)
            return NULL;
        n->node.o = &n->o;
        sw_list_init(&n->node.tasks);
        return &n->o;
    }
    if (kind == VIEW_TASK) {
        struct object_task *t = sw_calloc(1, sizeof(*t) + name_len + 1);

        if (t == NULL)
            return NULL;
        t->task.o = &t->o;
        sw_list_init(&t->task.of_service);
        sw_list_init(&t->task.of_node);
        return &t->o;
    }
    return sw_calloc(1, sizeof(struct view_object) + name_len + 1);
}

static const char *name_of(enum view_kind kind, const void *msg)
{
    const Swarm__V1__Annotations *a = view_annotations(kind, msg);

    return a != NULL ? a->name : "";
}

static void set_msg(struct view_object *o, void *msg)
{
    o->msg = msg;
    if (o->kind == VIEW_SERVICE)
        view_as_service(o)->s = msg;
    else if (o->kind == VIEW_NODE)
        view_as_node(o)->n = msg;
    else if (o->kind == VIEW_TASK)
        view_as_task(o)->t = msg;
}

int view_add(struct view *v, enum view_kind kind, void *msg, struct view_object **out)
{
    const Swarm__V1__Meta *meta = view_meta(msg);
    const char *name = name_of(kind, msg);
    struct view_object *o = allocate(kind, strlen(name));
    struct sw_id id;

    if (o == NULL)
        return -ENOMEM;
    o->kind = kind;
    o->key = meta->key;
    strcpy(o->name, name);
    lower(o->name);
    memset(&id, 0, sizeof(id));
    memcpy(id.b, meta->id.data, SW_MIN(meta->id.len, sizeof(id.b)));
    sw_id_format(&id, o->id);
    if (sw_map_put(&v->by_key, o->key, o) < 0 || sw_strmap_put(&v->by_id[kind], o->id, o) < 0 ||
        (o->name[0] != '\0' && sw_strmap_put(&v->by_name[kind], o->name, o) < 0)) {
        sw_free(allocation_of(o));
        return -ENOMEM;
    }
    set_msg(o, msg);
    insert_object(&v->objects[kind], o);
    v->counts[kind]++;
    if (kind == VIEW_TASK)
        link_task(v, view_as_task(o));
    if (out != NULL)
        *out = o;
    return 0;
}

void *view_remove(struct view *v, struct view_object *o)
{
    void *msg = o->msg;

    orphan_tasks(o);
    if (o->kind == VIEW_TASK)
        unlink_task(view_as_task(o));
    (void)sw_map_del(&v->by_key, o->key);
    (void)sw_strmap_del(&v->by_id[o->kind], o->id);
    if (o->name[0] != '\0' && sw_strmap_get(&v->by_name[o->kind], o->name) == o)
        (void)sw_strmap_del(&v->by_name[o->kind], o->name);
    sw_list_del(&o->link);
    v->counts[o->kind]--;
    sw_free(allocation_of(o));
    return msg;
}

int view_replace(struct view *v, struct view_object *o, void *msg, void **old)
{
    if (o->kind == VIEW_TASK) {
        struct view_task *t = view_as_task(o);
        const Swarm__V1__Task *next = msg;
        bool moved = next->node != t->t->node || next->service != t->t->service;

        *old = o->msg;
        set_msg(o, msg);
        if (moved) {
            unlink_task(t);
            link_task(v, t);
        }
        return 0;
    }
    if (strcasecmp(name_of(o->kind, msg), o->name) != 0) {
        /* Renamed (nodes only): the name is part of the allocation, so the object moves; its tasks
         * are found again because its key is an old one. */
        enum view_kind kind = o->kind;
        struct view_object *fresh;
        int r;

        *old = view_remove(v, o);
        r = view_add(v, kind, msg, &fresh);
        if (r == 0)
            view_adopt(v, fresh);
        return r;
    }
    *old = o->msg;
    set_msg(o, msg);
    return 0;
}

/* ---- observers ------------------------------------------------------------------------------ */

void view_observe(struct view *v, struct view_observer *o)
{
    sw_list_push_back(&v->observers, &o->link);
}

void view_unobserve(struct view_observer *o)
{
    sw_list_del(&o->link);
}

void view_told_reset(struct view *v)
{
    sw_list_each_safe(l, &v->observers)
    {
        struct view_observer *o = sw_list_entry(l, struct view_observer, link);

        if (o->on_reset != NULL)
            o->on_reset(o->arg, v);
    }
}
