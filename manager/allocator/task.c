/* SPDX-License-Identifier: Apache-2.0
 * task.c - addresses of a task: NEW becomes PENDING. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/allocator/alloc_private.h"
#include "manager/view/status.h"
#include "proto/pb.h"

struct attachments {
    Swarm__V1__NetworkAttachment **v;
    size_t n;
};

static void attachments_free(struct alloc_step *s, struct attachments *a)
{
    s->a->recheck = true;
    for (size_t i = 0; i < a->n; i++) {
        struct net *n = alloc_net(s->a, a->v[i]->network);

        if (n != NULL && a->v[i]->addr != 0)
            pool_give(&n->pool, a->v[i]->addr);
        pb_free(a->v[i]);
    }
    sw_free(a->v);
}

/* Return: 1; 0: not now, with the reason in @why; -ENOMEM. */
static int attach(struct alloc_step *s, const struct view_task *vt, uint64_t network,
                  const Swarm__V1__NetworkAttachmentSpec *spec, struct attachments *out,
                  struct sw_buf *why)
{
    const Swarm__V1__Network *n = view_network(s->view, network);
    Swarm__V1__NetworkAttachment *at;
    uint32_t addr = 0;

    for (size_t i = 0; i < out->n; i++) {
        if (out->v[i]->network == network)
            return 1;
    }
    if (n == NULL || alloc_is_addressed(n)) {
        addr = alloc_addr(s, network, vt->o->key, why);
        if (addr == 0)
            return 0;
    }
    at = pb_new(&swarm__v1__network_attachment__descriptor);
    if (at == NULL || pb_add(&out->n, &out->v, at) < 0) {
        pb_free(at);
        return -ENOMEM;
    }
    at->network = network;
    at->addr = addr;
    for (size_t i = 0; spec != NULL && i < spec->n_aliases; i++) {
        char *alias = sw_strdup(spec->aliases[i]);

        if (alias == NULL || pb_add(&at->n_aliases, &at->aliases, alias) < 0) {
            sw_free(alias);
            return -ENOMEM;
        }
    }
    return 1;
}

static int attach_all(struct alloc_step *s, const struct view_task *vt, struct attachments *out,
                      struct sw_buf *why)
{
    const Swarm__V1__EndpointSpec *endpoint = NULL;
    const Swarm__V1__TaskSpec *spec = view_task_spec(vt, &endpoint);
    int r = 1;

    for (size_t i = 0; spec != NULL && i < spec->n_networks; i++) {
        if (!alloc_has_room(s, spec->networks[i]->network, vt->o->key, why))
            return 0;
    }
    if (alloc_publishes(endpoint) && !alloc_has_room(s, s->a->ingress, vt->o->key, why))
        return 0;
    for (size_t i = 0; r == 1 && spec != NULL && i < spec->n_networks; i++)
        r = attach(s, vt, spec->networks[i]->network, spec->networks[i], out, why);
    if (r == 1 && alloc_publishes(endpoint))
        r = attach(s, vt, s->a->ingress, NULL, out, why);
    return r;
}

/* Ports of the endpoint as they are now; of an older specification those it names itself. */
static int copy_ports(struct alloc_step *s, const struct view_task *vt, Swarm__V1__Task *t)
{
    const Swarm__V1__Service *svc = alloc_current(s, vt->service->o);
    const Swarm__V1__EndpointSpec *spec = NULL;
    Swarm__V1__PortConfig **from = NULL;
    size_t n = 0;

    (void)view_task_spec(vt, &spec);
    if (t->spec_version == svc->spec_version && svc->endpoint != NULL) {
        from = svc->endpoint->ports;
        n = svc->endpoint->n_ports;
    } else if (spec != NULL) {
        from = spec->ports;
        n = spec->n_ports;
    }
    for (size_t i = 0; i < n; i++) {
        void *copy = pb_clone(from[i]);

        if (copy == NULL || pb_add(&t->n_ports, &t->ports, copy) < 0) {
            pb_free(copy);
            return -ENOMEM;
        }
    }
    return 0;
}

static void tell_why(struct alloc_step *s, const struct view_task *vt, const char *why)
{
    const Swarm__V1__Task *cur = alloc_current(s, vt->o);
    Swarm__V1__Task *t;

    if (cur->status != NULL && strcmp(cur->status->err, why) == 0)
        return;
    t = txn_edit_task(s->txn, vt);
    if (t == NULL || status_write(t, SWARM__V1__TASK_STATE__TASK_NEW, s->now_ns,
                                  "waiting for network resources", why) < 0)
        s->a->stale = true;
    txn_mark(s->txn);
}

static bool service_is_allocated(struct alloc_step *s, const struct view_service *vs)
{
    if (s->service != vs->o->key) {
        sw_buf_clear(&s->service_why);
        s->service = vs->o->key;
        s->service_ok = alloc_service(s, vs, &s->service_why);
    }
    return s->service_ok;
}

void alloc_task(struct alloc_step *s, const struct view_task *vt)
{
    const Swarm__V1__Task *cur = alloc_current(s, vt->o);
    SW_CLEANUP(sw_buf_fini) struct sw_buf why = SW_BUF_INIT;
    struct attachments got = { NULL, 0 };
    Swarm__V1__Task *t;
    int r;

    if (status_state(cur) != SWARM__V1__TASK_STATE__TASK_NEW || !status_wanted(cur) ||
        vt->service == NULL)
        return;
    if (!service_is_allocated(s, vt->service)) { /* its success wakes the tasks */
        tell_why(s, vt, sw_buf_str(&s->service_why));
        return;
    }
    r = attach_all(s, vt, &got, &why);
    if (r < 1) {
        attachments_free(s, &got);
        s->a->stale |= r < 0;
        if (r == 0)
            tell_why(s, vt, sw_buf_str(&why));
        return;
    }
    t = txn_edit_task(s->txn, vt);
    if (t == NULL || copy_ports(s, vt, t) < 0 ||
        status_write(t, SWARM__V1__TASK_STATE__TASK_PENDING, s->now_ns, "pending task scheduling",
                     "") < 0) {
        attachments_free(s, &got);
        s->a->stale = true;
        return;
    }
    for (size_t i = 0; i < t->n_networks; i++)
        pb_free(t->networks[i]);
    sw_free(t->networks);
    t->networks = got.v;
    t->n_networks = got.n;
    txn_mark(s->txn);
}
