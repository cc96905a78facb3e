/* SPDX-License-Identifier: Apache-2.0
 * claims.c - what the last step took for objects whose changes were still to be decided.
 *
 * A change may be refused, or another loop may delete the object in the same round. At the next
 * step everything is decided: what its owner does not hold then is free again. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/allocator/alloc_private.h"
#include "manager/view/status.h"

void alloc_claim(struct allocator *a, struct claim c)
{
    if (a->n_claims == a->cap_claims) {
        size_t cap = a->cap_claims != 0 ? a->cap_claims * 2 : 64;
        struct claim *grown = sw_realloc(a->claims, cap * sizeof(*grown));

        if (grown == NULL) {
            a->stale = true;
            return;
        }
        a->claims = grown;
        a->cap_claims = cap;
    }
    a->claims[a->n_claims++] = c;
}

static bool task_holds(const Swarm__V1__Task *t, const struct claim *c)
{
    for (size_t i = 0; !status_ended(t) && i < t->n_networks; i++) {
        if (t->networks[i]->network == c->network && t->networks[i]->addr == c->value)
            return true;
    }
    return false;
}

static bool service_holds(const Swarm__V1__Service *s, const struct claim *c)
{
    const Swarm__V1__Endpoint *e = s->endpoint;

    for (size_t i = 0; e != NULL && c->kind == CLAIM_ADDR && i < e->n_vips; i++) {
        if (e->vips[i]->network == c->network && e->vips[i]->addr == c->value)
            return true;
    }
    for (size_t i = 0; e != NULL && c->kind == CLAIM_PORT && i < e->n_ports; i++) {
        if (e->ports[i]->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS &&
            e->ports[i]->protocol == c->network && e->ports[i]->published == c->value)
            return true;
    }
    return false;
}

static bool node_holds(const Swarm__V1__Node *n, const struct claim *c)
{
    for (size_t i = 0; i < n->n_network_addrs; i++) {
        if (n->network_addrs[i]->network == c->network && n->network_addrs[i]->addr == c->value)
            return true;
    }
    return false;
}

static bool is_held(const struct view *v, const struct claim *c)
{
    const struct view_object *o = view_object(v, c->owner);

    if (o == NULL)
        return false;
    if (o->kind == VIEW_TASK)
        return task_holds(o->msg, c);
    if (o->kind == VIEW_SERVICE)
        return service_holds(o->msg, c);
    if (o->kind == VIEW_NODE)
        return node_holds(o->msg, c);
    return o->kind == VIEW_NETWORK && ((const Swarm__V1__Network *)o->msg)->vni == c->value;
}

static void mark(struct allocator *a, const struct claim *c, bool taken)
{
    if (c->kind == CLAIM_ADDR)
        alloc_hold(a, c->network, c->value, taken);
    else if (c->kind == CLAIM_PORT)
        alloc_port_set(a, (unsigned)c->network, c->value, taken);
    else if (!taken)
        (void)sw_map_del(&a->vnis, c->value);
    else if (sw_map_put(&a->vnis, c->value, a) < 0)
        a->stale = true;
}

void alloc_settle_claims(struct allocator *a, const struct view *v)
{
    /* An address given back within a step may have been claimed again by another owner: all that
     * came to nothing is freed first, then all that is held is taken. */
    for (size_t i = 0; i < a->n_claims; i++) {
        if (!is_held(v, &a->claims[i]))
            mark(a, &a->claims[i], false);
    }
    for (size_t i = 0; i < a->n_claims; i++) {
        if (is_held(v, &a->claims[i]))
            mark(a, &a->claims[i], true);
    }
    a->n_claims = 0;
}
