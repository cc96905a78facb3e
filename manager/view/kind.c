/* SPDX-License-Identifier: Apache-2.0
 * kind.c - what the kinds of object have in common: meta, name, descriptor. */
#include <assert.h>

#include "manager/view/view.h"

struct kind {
    const char *name;
    const ProtobufCMessageDescriptor *desc;
    Swarm__V1__Change__ObjectCase change_case;
};

static const struct kind kinds[VIEW_KINDS] = {
    [VIEW_CLUSTER] = { "cluster", &swarm__v1__cluster__descriptor,
                       SWARM__V1__CHANGE__OBJECT_CLUSTER },
    [VIEW_NODE] = { "node", &swarm__v1__node__descriptor, SWARM__V1__CHANGE__OBJECT_NODE },
    [VIEW_SERVICE] = { "service", &swarm__v1__service__descriptor,
                       SWARM__V1__CHANGE__OBJECT_SERVICE },
    [VIEW_TASK] = { "task", &swarm__v1__task__descriptor, SWARM__V1__CHANGE__OBJECT_TASK },
    [VIEW_NETWORK] = { "network", &swarm__v1__network__descriptor,
                       SWARM__V1__CHANGE__OBJECT_NETWORK },
    [VIEW_SECRET] = { "secret", &swarm__v1__secret__descriptor, SWARM__V1__CHANGE__OBJECT_SECRET },
    [VIEW_CONFIG] = { "config", &swarm__v1__config__descriptor, SWARM__V1__CHANGE__OBJECT_CONFIG },
    [VIEW_VOLUME] = { "volume", &swarm__v1__volume__descriptor, SWARM__V1__CHANGE__OBJECT_VOLUME },
};

/* Every object's message starts with its meta, so that one cast serves all kinds. */
struct any_object {
    ProtobufCMessage base;
    Swarm__V1__Meta *meta;
};

static_assert(offsetof(Swarm__V1__Cluster, meta) == offsetof(struct any_object, meta),
              "meta first");
static_assert(offsetof(Swarm__V1__Node, meta) == offsetof(struct any_object, meta), "meta first");
static_assert(offsetof(Swarm__V1__Service, meta) == offsetof(struct any_object, meta),
              "meta first");
static_assert(offsetof(Swarm__V1__Task, meta) == offsetof(struct any_object, meta), "meta first");
static_assert(offsetof(Swarm__V1__Network, meta) == offsetof(struct any_object, meta),
              "meta first");
static_assert(offsetof(Swarm__V1__Secret, meta) == offsetof(struct any_object, meta), "meta first");
static_assert(offsetof(Swarm__V1__Config, meta) == offsetof(struct any_object, meta), "meta first");
static_assert(offsetof(Swarm__V1__Volume, meta) == offsetof(struct any_object, meta), "meta first");

const char *view_kind_name(enum view_kind kind)
{
    assert(kind < VIEW_KINDS);
    return kinds[kind].name;
}

const ProtobufCMessageDescriptor *view_descriptor(enum view_kind kind)
{
    assert(kind < VIEW_KINDS);
    return kinds[kind].desc;
}

Swarm__V1__Meta *view_meta(const void *msg)
{
    return ((const struct any_object *)msg)->meta;
}

const Swarm__V1__Annotations *view_annotations(enum view_kind kind, const void *msg)
{
    switch (kind) {
    case VIEW_CLUSTER: {
        const Swarm__V1__Cluster *c = msg;
        return c->spec != NULL ? c->spec->annotations : NULL;
    }
    case VIEW_NODE: {
        const Swarm__V1__Node *n = msg;
        return n->spec != NULL ? n->spec->annotations : NULL;
    }
    case VIEW_SERVICE: {
        const Swarm__V1__Service *s = msg;
        return s->spec != NULL ? s->spec->annotations : NULL;
    }
    case VIEW_NETWORK: {
        const Swarm__V1__Network *n = msg;
        return n->spec != NULL ? n->spec->annotations : NULL;
    }
    case VIEW_SECRET: {
        const Swarm__V1__Secret *s = msg;
        return s->spec != NULL ? s->spec->annotations : NULL;
    }
    case VIEW_CONFIG: {
        const Swarm__V1__Config *c = msg;
        return c->spec != NULL ? c->spec->annotations : NULL;
    }
    case VIEW_VOLUME:
        return ((const Swarm__V1__Volume *)msg)->annotations;
    case VIEW_TASK:
    case VIEW_KINDS:
        break;
    }
    return NULL;
}

bool view_change_object(const Swarm__V1__Change *c, enum view_kind *kind, void **msg)
{
    for (unsigned k = 0; k < VIEW_KINDS; k++) {
        if (c->object_case == kinds[k].change_case) {
            *kind = (enum view_kind)k;
            *msg = c->node; /* one union of pointers */
            return *msg != NULL;
        }
    }
    return false;
}
