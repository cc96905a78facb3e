/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/dispatcher/tables.h"

#include "common/base/alloc.h"
#include "manager/dispatcher/assign.h"
#include "proto/pb.h"

bool tables_task_is_live(const Swarm__V1__Task *t)
{
    return t->node != 0 && t->status != NULL &&
           t->status->state >= SWARM__V1__TASK_STATE__TASK_ASSIGNED &&
           t->status->state <= SWARM__V1__TASK_STATE__TASK_RUNNING;
}

bool tables_task_serves(const Swarm__V1__Task *t)
{
    return t->status != NULL && t->status->state == SWARM__V1__TASK_STATE__TASK_RUNNING &&
           t->desired <= SWARM__V1__TASK_STATE__TASK_COMPLETE;
}

bool tables_differ(const Swarm__V1__Task *before, const Swarm__V1__Task *after)
{
    if (before == NULL || after == NULL)
        return true;
    return tables_task_is_live(before) != tables_task_is_live(after) ||
           tables_task_serves(before) != tables_task_serves(after) || assign_differs(before, after);
}

bool tables_node_takes_part(const struct view_node *n, const Swarm__V1__Network *net)
{
    if (net->spec != NULL && net->spec->ingress)
        return true;
    sw_list_each(l, &n->tasks)
    {
        const struct view_task *t = sw_list_entry(l, struct view_task, of_node);

        if (!tables_task_is_live(t->t))
            continue;
        for (size_t i = 0; i < t->t->n_networks; i++) {
            if (t->t->networks[i]->network == net->meta->key)
                return true;
        }
    }
    return false;
}

static const Swarm__V1__NetworkAttachment *attachment(const Swarm__V1__Task *t, uint64_t network)
{
    for (size_t i = 0; i < t->n_networks; i++) {
        if (t->networks[i]->network == network)
            return t->networks[i];
    }
    return NULL;
}

static int copy_strings(size_t n, char *const *src, size_t *out_n, char ***out)
{
    for (size_t i = 0; i < n; i++) {
        char *copy = sw_strdup(src[i]);

        if (copy == NULL || pb_add(out_n, out, copy) < 0) {
            sw_free(copy);
            return -1;
        }
    }
    return 0;
}

static int add_endpoint(Swarm__V1__NetworkTable *tab, const struct view_task *t,
                        const Swarm__V1__NetworkAttachment *at)
{
    Swarm__V1__NetworkEndpoint *e = pb_new(&swarm__v1__network_endpoint__descriptor);
    char name[256];

    if (e == NULL)
        return -1;
    assign_task_name(t, name, sizeof(name));
    e->task = t->o->key;
    e->service = t->t->service;
    e->node = t->t->node;
    e->addr = at->addr;
    e->serving = tables_task_serves(t->t);
    if (pb_set_string(&e->task_id, t->o->id) < 0 || pb_set_string(&e->container_name, name) < 0 ||
        copy_strings(at->n_aliases, at->aliases, &e->n_aliases, &e->aliases) < 0 ||
        pb_add(&tab->n_endpoints, &tab->endpoints, e) < 0) {
        pb_free(e);
        return -1;
    }
    return 0;
}

static const Swarm__V1__NetworkAttachmentSpec *attachment_spec(const Swarm__V1__Service *s,
                                                               uint64_t network)
{
    const Swarm__V1__TaskSpec *spec = s->spec != NULL ? s->spec->task : NULL;

    for (size_t i = 0; spec != NULL && i < spec->n_networks; i++) {
        if (spec->networks[i]->network == network)
            return spec->networks[i];
    }
    return NULL;
}

static uint32_t vip_on(const Swarm__V1__Service *s, uint64_t network)
{
    for (size_t i = 0; s->endpoint != NULL && i < s->endpoint->n_vips; i++) {
        if (s->endpoint->vips[i]->network == network)
            return s->endpoint->vips[i]->addr;
    }
    return 0;
}

static int fill_service(Swarm__V1__NetworkService *out, const struct view_service *svc,
                        const Swarm__V1__NetworkTable *tab)
{
    const Swarm__V1__NetworkAttachmentSpec *as = attachment_spec(svc->s, tab->key);
    const Swarm__V1__Annotations *a = view_annotations(VIEW_SERVICE, svc->s);

    out->key = svc->o->key;
    out->vip = vip_on(svc->s, tab->key);
    if (pb_set_string(&out->name, a != NULL ? a->name : "") < 0)
        return -1;
    if (as != NULL && copy_strings(as->n_aliases, as->aliases, &out->n_aliases, &out->aliases) < 0)
        return -1;
    for (size_t i = 0; tab->ingress && svc->s->endpoint != NULL && i < svc->s->endpoint->n_ports;
         i++) {
        const Swarm__V1__PortConfig *p = svc->s->endpoint->ports[i];
        Swarm__V1__PortConfig *copy;

        if (p->mode != SWARM__V1__PORT_CONFIG__MODE__INGRESS || p->published == 0)
            continue;
        copy = pb_clone(p);
        if (copy == NULL || pb_add(&out->n_ports, &out->ports, copy) < 0) {
            pb_free(copy);
            return -1;
        }
    }
    return 0;
}

/* A service shows on a network that it attaches to, has a VIP on, or has tasks on still. */
static int add_service(Swarm__V1__NetworkTable *tab, const struct view_service *svc)
{
    bool shown = attachment_spec(svc->s, tab->key) != NULL || vip_on(svc->s, tab->key) != 0;
    Swarm__V1__NetworkService *out;

    sw_list_each(l, &svc->tasks)
    {
        const struct view_task *t = sw_list_entry(l, struct view_task, of_service);
        const Swarm__V1__NetworkAttachment *at;

        if (!tables_task_is_live(t->t))
            continue;
        at = attachment(t->t, tab->key);
        if (at == NULL || at->addr == 0)
            continue;
        shown = true;
        if (add_endpoint(tab, t, at) < 0)
            return -1;
    }
    if (!shown)
        return 0;
    out = pb_new(&swarm__v1__network_service__descriptor);
    if (out == NULL || fill_service(out, svc, tab) < 0 ||
        pb_add(&tab->n_services, &tab->services, out) < 0) {
        pb_free(out);
        return -1;
    }
    return 0;
}

static int add_node(Swarm__V1__NetworkTable *tab, const struct view_node *n,
                    const Swarm__V1__Network *net)
{
    Swarm__V1__NetworkNode *out;

    if (n->n->description == NULL || !tables_node_takes_part(n, net))
        return 0;
    out = pb_new(&swarm__v1__network_node__descriptor);
    if (out == NULL)
        return -1;
    out->key = n->o->key;
    out->data_port = n->n->description->data_port;
    if (net->spec != NULL && net->spec->ingress)
        out->addr = n->n->ingress_addr;
    for (size_t i = 0; i < n->n->n_network_addrs; i++) {
        if (n->n->network_addrs[i]->network == net->meta->key)
            out->addr = n->n->network_addrs[i]->addr;
    }
    if (pb_set_string(&out->data_addr, n->n->description->data_addr) < 0 ||
        pb_add(&tab->n_nodes, &tab->nodes, out) < 0) {
        pb_free(out);
        return -1;
    }
    return 0;
}

static int fill_head(Swarm__V1__NetworkTable *tab, const struct view *v,
                     const Swarm__V1__Network *net)
{
    const struct view_object *o = view_object(v, net->meta->key);

    tab->key = net->meta->key;
    tab->version = view_index(v);
    tab->subnet = net->subnet;
    tab->subnet_len = net->subnet_len;
    tab->gateway = net->gateway;
    tab->vni = net->vni;
    tab->encrypted = net->spec != NULL && net->spec->encrypted;
    tab->internal = net->spec != NULL && net->spec->internal;
    tab->ingress = net->spec != NULL && net->spec->ingress;
    tab->mtu = net->spec != NULL ? net->spec->mtu : 0;
    if (o == NULL || pb_set_string(&tab->id, o->id) < 0)
        return -1;
    return pb_set_string(&tab->name, net->spec != NULL && net->spec->annotations != NULL
                                         ? net->spec->annotations->name
                                         : "");
}

Swarm__V1__NetworkTable *tables_network(const struct view *v, const Swarm__V1__Network *net)
{
    Swarm__V1__NetworkTable *tab = pb_new(&swarm__v1__network_table__descriptor);

    if (tab == NULL)
        return NULL;
    if (fill_head(tab, v, net) < 0)
        goto fail;
    sw_list_each(l, view_list(v, VIEW_SERVICE))
    {
        if (add_service(tab, view_as_service(sw_list_entry(l, struct view_object, link))) < 0)
            goto fail;
    }
    sw_list_each(l, view_list(v, VIEW_NODE))
    {
        if (add_node(tab, view_as_node(sw_list_entry(l, struct view_object, link)), net) < 0)
            goto fail;
    }
    return tab;
fail:
    pb_free(tab);
    return NULL;
}

static int add_peer(Swarm__V1__DataPlaneKeys *k, const struct view_node *n)
{
    const Swarm__V1__Node *node = n->n;
    Swarm__V1__DataPeer *p;

    if (node->n_data_keys == 0 || node->description == NULL || node->certificate == NULL)
        return 0;
    p = pb_new(&swarm__v1__data_peer__descriptor);
    if (p == NULL)
        return -1;
    p->node = n->o->key;
    p->data_port = node->description->data_port;
    p->workers = node->description->data_workers;
    if (pb_set_bytes(&p->node_id, node->meta->id.data, node->meta->id.len) < 0 ||
        pb_set_bytes(&p->public_key, node->certificate->public_key.data,
                     node->certificate->public_key.len) < 0 ||
        pb_set_string(&p->data_addr, node->description->data_addr) < 0)
        goto fail;
    for (size_t i = 0; i < node->n_data_keys; i++) {
        void *copy = pb_clone(node->data_keys[i]);

        if (copy == NULL || pb_add(&p->n_keys, &p->keys, copy) < 0) {
            pb_free(copy);
            goto fail;
        }
    }
    if (pb_add(&k->n_peers, &k->peers, p) < 0)
        goto fail;
    return 0;
fail:
    pb_free(p);
    return -1;
}

Swarm__V1__DataPlaneKeys *tables_keys(const struct view *v, int64_t now_ns)
{
    Swarm__V1__DataPlaneKeys *k = pb_new(&swarm__v1__data_plane_keys__descriptor);
    const Swarm__V1__Cluster *c = view_cluster(v);

    if (k == NULL)
        return NULL;
    for (size_t i = 0; c != NULL && i < c->n_epochs; i++) {
        void *copy = pb_clone(c->epochs[i]);

        if (copy == NULL || pb_add(&k->n_epochs, &k->epochs, copy) < 0) {
            pb_free(copy);
            goto fail;
        }
        if (i == 0 || (int64_t)c->epochs[i]->since_ns + TABLES_EPOCH_SETTLE_NS <= now_ns)
            k->send_epoch = c->epochs[i]->epoch;
    }
    sw_list_each(l, view_list(v, VIEW_NODE))
    {
        if (add_peer(k, view_as_node(sw_list_entry(l, struct view_object, link))) < 0)
            goto fail;
    }
    return k;
fail:
    pb_free(k);
    return NULL;
}
