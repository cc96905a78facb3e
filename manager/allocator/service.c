/* SPDX-License-Identifier: Apache-2.0
 * service.c - endpoint of a service: published ports and virtual IPs. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/allocator/alloc_private.h"
#include "manager/view/status.h"
#include "proto/pb.h"

bool alloc_publishes(const Swarm__V1__EndpointSpec *e)
{
    for (size_t i = 0; e != NULL && i < e->n_ports; i++) {
        if (e->ports[i]->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS)
            return true;
    }
    return false;
}

static bool is_ingress(const Swarm__V1__PortConfig *p)
{
    return p->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS;
}

static bool listed(const Swarm__V1__Endpoint *e, const Swarm__V1__PortConfig *like, uint32_t port)
{
    for (size_t i = 0; e != NULL && i < e->n_ports; i++) {
        if (is_ingress(e->ports[i]) && e->ports[i]->protocol == like->protocol &&
            e->ports[i]->published == port)
            return true;
    }
    return false;
}

/* The number that the same port of the specification had before. */
static uint32_t earlier_port(const Swarm__V1__Endpoint *old, const Swarm__V1__Endpoint *next,
                             const Swarm__V1__PortConfig *p)
{
    for (size_t i = 0; old != NULL && i < old->n_ports; i++) {
        const Swarm__V1__PortConfig *o = old->ports[i];

        if (is_ingress(o) && o->protocol == p->protocol && o->target == p->target &&
            o->published >= ALLOC_PORT_FIRST && o->published <= ALLOC_PORT_LAST &&
            strcmp(o->name, p->name) == 0 && !listed(next, p, o->published))
            return o->published;
    }
    return 0;
}

static uint32_t dynamic_port(const struct alloc_step *s, const Swarm__V1__Endpoint *old,
                             const Swarm__V1__Endpoint *next, const Swarm__V1__PortConfig *p)
{
    uint32_t port = earlier_port(old, next, p);

    if (port != 0)
        return port;
    for (port = ALLOC_PORT_FIRST; port <= ALLOC_PORT_LAST; port++) {
        if (!alloc_port_used(s->a, p->protocol, port) && !listed(next, p, port))
            return port;
    }
    return 0;
}

static bool fill_ports(const struct alloc_step *s, const Swarm__V1__Endpoint *old,
                       Swarm__V1__Endpoint *next, struct sw_buf *why)
{
    for (size_t i = 0; i < next->n_ports; i++) {
        Swarm__V1__PortConfig *p = next->ports[i];

        if (!is_ingress(p))
            continue;
        if (p->published != 0) {
            if (!alloc_port_used(s->a, p->protocol, p->published) || listed(old, p, p->published))
                continue;
            sw_buf_printf(why, "port %u is already in use", p->published);
            return false;
        }
        p->published = dynamic_port(s, old, next, p);
        if (p->published == 0) {
            sw_buf_printf(why, "no free port in %u-%u", ALLOC_PORT_FIRST, ALLOC_PORT_LAST);
            return false;
        }
    }
    return true;
}

static uint32_t vip_on(const Swarm__V1__Endpoint *e, uint64_t network)
{
    for (size_t i = 0; e != NULL && i < e->n_vips; i++) {
        if (e->vips[i]->network == network)
            return e->vips[i]->addr;
    }
    return 0;
}

static bool vip_possible(struct alloc_step *s, const struct view_service *vs, uint64_t network,
                         const Swarm__V1__Endpoint *old, struct sw_buf *why)
{
    return vip_on(old, network) != 0 || alloc_has_room(s, network, vs->o->key, why);
}

/* Return: 1: nothing to do or done, 0: cannot be had, -ENOMEM. */
static int add_vip(struct alloc_step *s, const struct view_service *vs, uint64_t network,
                   const Swarm__V1__Endpoint *old, Swarm__V1__Endpoint *next, struct sw_buf *why)
{
    const Swarm__V1__Network *n = view_network(s->view, network);
    uint32_t addr = vip_on(old, network);
    Swarm__V1__VirtualIp *vip;

    if (vip_on(next, network) != 0 || (n != NULL && !alloc_is_addressed(n)))
        return 1;
    if (addr == 0)
        addr = alloc_addr(s, network, vs->o->key, why);
    if (addr == 0)
        return 0;
    vip = pb_new(&swarm__v1__virtual_ip__descriptor);
    if (vip == NULL || pb_add(&next->n_vips, &next->vips, vip) < 0) {
        pb_free(vip);
        return -ENOMEM;
    }
    vip->network = network;
    vip->addr = addr;
    return 1;
}

static int add_vips(struct alloc_step *s, const struct view_service *vs,
                    const Swarm__V1__Endpoint *old, Swarm__V1__Endpoint *next, struct sw_buf *why)
{
    const Swarm__V1__TaskSpec *t = vs->s->spec->task;
    int r = 1;

    if (next->spec != NULL && next->spec->mode == SWARM__V1__ENDPOINT_SPEC__MODE__DNSRR)
        return 1;
    for (size_t i = 0; t != NULL && i < t->n_networks; i++) {
        if (!vip_possible(s, vs, t->networks[i]->network, old, why))
            return 0;
    }
    if (alloc_publishes(next->spec) && !vip_possible(s, vs, s->a->ingress, old, why))
        return 0;
    for (size_t i = 0; r == 1 && t != NULL && i < t->n_networks; i++)
        r = add_vip(s, vs, t->networks[i]->network, old, next, why);
    if (r == 1 && alloc_publishes(next->spec))
        r = add_vip(s, vs, s->a->ingress, old, next, why);
    return r;
}

/* Addresses taken for an endpoint that did not come about. */
static void give_back(struct alloc_step *s, const Swarm__V1__Endpoint *old,
                      const Swarm__V1__Endpoint *next)
{
    s->a->recheck = true;
    for (size_t i = 0; i < next->n_vips; i++) {
        struct net *n = alloc_net(s->a, next->vips[i]->network);

        if (n != NULL && vip_on(old, next->vips[i]->network) != next->vips[i]->addr)
            pool_give(&n->pool, next->vips[i]->addr);
    }
}

static Swarm__V1__Endpoint *blank(const Swarm__V1__ServiceSpec *spec)
{
    Swarm__V1__Endpoint *e = pb_new(&swarm__v1__endpoint__descriptor);

    if (e == NULL || spec->endpoint == NULL)
        return e;
    e->spec = pb_clone(spec->endpoint);
    if (e->spec == NULL)
        goto fail;
    for (size_t i = 0; i < spec->endpoint->n_ports; i++) {
        void *p = pb_clone(spec->endpoint->ports[i]);

        if (p == NULL || pb_add(&e->n_ports, &e->ports, p) < 0) {
            pb_free(p);
            goto fail;
        }
    }
    return e;
fail:
    pb_free(e);
    return NULL;
}

void alloc_wake_tasks(struct alloc_step *s, const struct view_service *vs)
{
    sw_list_each(l, &vs->tasks)
    {
        const struct view_task *vt = sw_list_entry(l, struct view_task, of_service);

        if (status_state(vt->t) == SWARM__V1__TASK_STATE__TASK_NEW &&
            keys_push(&s->a->dirty_tasks, vt->o->key) < 0)
            s->a->stale = true;
    }
}

static void store_endpoint(struct alloc_step *s, const struct view_service *vs,
                           Swarm__V1__Endpoint *next)
{
    Swarm__V1__Service *edit = txn_edit_service(s->txn, vs);

    if (edit == NULL) {
        pb_free(next);
        return;
    }
    for (size_t i = 0; i < next->n_ports; i++) {
        const Swarm__V1__PortConfig *p = next->ports[i];

        if (!is_ingress(p) || listed(edit->endpoint, p, p->published))
            continue;
        alloc_port_set(s->a, p->protocol, p->published, true);
        alloc_claim(s->a, (struct claim){ CLAIM_PORT, p->published, vs->o->key, p->protocol });
    }
    pb_free(edit->endpoint);
    edit->endpoint = next;
    txn_mark(s->txn);
    alloc_wake_tasks(s, vs);
}

bool alloc_service(struct alloc_step *s, const struct view_service *vs, struct sw_buf *why)
{
    const Swarm__V1__Service *cur = alloc_current(s, vs->o);
    const Swarm__V1__Endpoint *old = cur->endpoint;
    Swarm__V1__Endpoint *next;
    int r;

    if (cur->spec == NULL)
        return true;
    next = blank(cur->spec);
    if (next == NULL) {
        s->a->stale = true;
        return false;
    }
    if (!fill_ports(s, old, next, why)) {
        (void)alloc_wait(s->a, &s->a->waiting_ports, vs->o->key);
        pb_free(next);
        return false;
    }
    r = add_vips(s, vs, old, next, why);
    if (r < 1) {
        s->a->stale |= r < 0;
        give_back(s, old, next);
        pb_free(next);
        return false;
    }
    if (pb_equal(old, next) || (old == NULL && next->spec == NULL && next->n_vips == 0)) {
        pb_free(next);
        return true;
    }
    store_endpoint(s, vs, next);
    return true;
}
