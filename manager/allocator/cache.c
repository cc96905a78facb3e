/* SPDX-License-Identifier: Apache-2.0
 * cache.c - which addresses, ports and VNIs the view's objects hold. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/allocator/alloc_private.h"
#include "manager/view/status.h"

int keys_push(struct keys *k, uint64_t key)
{
    if (k->head + k->n == k->cap) {
        if (k->head > k->n) {
            memmove(k->v, k->v + k->head, k->n * sizeof(*k->v));
        } else {
            size_t cap = k->cap != 0 ? k->cap * 2 : 16;
            uint64_t *grown = sw_realloc(k->v, cap * sizeof(*grown));

            if (grown == NULL)
                return -ENOMEM;
            memmove(grown, grown + k->head, k->n * sizeof(*grown));
            k->v = grown;
            k->cap = cap;
        }
        k->head = 0;
    }
    k->v[k->head + k->n++] = key;
    return 0;
}

bool keys_pop(struct keys *k, uint64_t *key)
{
    if (k->n == 0)
        return false;
    *key = k->v[k->head++];
    if (--k->n == 0)
        k->head = 0;
    return true;
}

void keys_fini(struct keys *k)
{
    sw_free(k->v);
    memset(k, 0, sizeof(*k));
}

static void push(struct allocator *a, struct keys *k, uint64_t key)
{
    if (keys_push(k, key) < 0)
        a->stale = true;
}

bool alloc_wait(struct allocator *a, struct waiters *w, uint64_t owner)
{
    uint64_t id = sw_hash_u64(w->id) ^ owner;

    if (sw_map_get(&a->waits, id) != NULL)
        return false;
    push(a, &w->keys, owner);
    if (sw_map_put(&a->waits, id, a) < 0)
        a->stale = true;
    return true;
}

bool alloc_next_waiter(struct allocator *a, struct waiters *w, uint64_t *owner)
{
    if (!keys_pop(&w->keys, owner))
        return false;
    (void)sw_map_del(&a->waits, sw_hash_u64(w->id) ^ *owner);
    return true;
}

struct net *alloc_net(const struct allocator *a, uint64_t key)
{
    return sw_map_get(&a->nets, key);
}

static struct net *net_of(struct allocator *a, uint64_t key)
{
    struct net *n = alloc_net(a, key);

    if (n != NULL)
        return n;
    n = sw_calloc(1, sizeof(*n));
    if (n == NULL || sw_map_put(&a->nets, key, n) < 0) {
        sw_free(n);
        a->stale = true;
        return NULL;
    }
    n->key = key;
    n->waiting.id = key;
    return n;
}

static struct alloc_node *node_of(struct allocator *a, uint64_t key)
{
    struct alloc_node *n = sw_map_get(&a->nodes, key);

    if (n != NULL)
        return n;
    n = sw_calloc(1, sizeof(*n));
    if (n == NULL || sw_map_put(&a->nodes, key, n) < 0) {
        sw_free(n);
        a->stale = true;
        return NULL;
    }
    n->key = key;
    return n;
}

void alloc_dirty_node(struct allocator *a, uint64_t key)
{
    struct alloc_node *n = sw_map_get(&a->nodes, key);

    if (n == NULL || n->dirty)
        return;
    n->dirty = true;
    push(a, &a->dirty_nodes, key);
}

void alloc_hold(struct allocator *a, uint64_t network, uint32_t addr, bool taken)
{
    struct net *n = alloc_net(a, network);

    if (n == NULL || addr == 0)
        return;
    if (taken) {
        pool_take(&n->pool, addr);
    } else {
        pool_give(&n->pool, addr);
        if (!n->freed && n->waiting.keys.n > 0) {
            n->freed = true;
            push(a, &a->freed_nets, network);
        }
    }
}

static void use(struct allocator *a, uint64_t network, int delta)
{
    struct net *n = alloc_net(a, network);

    if (n == NULL)
        return;
    n->users += (uint32_t)delta;
    if (n->users == 0 && n->pending_delete)
        push(a, &a->dirty_nets, network);
}

bool alloc_port_used(const struct allocator *a, unsigned protocol, unsigned port)
{
    return (a->ports[protocol % 3][port % 65536 / 64] >> (port % 64) & 1) != 0;
}

void alloc_port_set(struct allocator *a, unsigned protocol, unsigned port, bool used)
{
    uint64_t *word = &a->ports[protocol % 3][port % 65536 / 64];

    if (used)
        *word |= 1ull << (port % 64);
    else
        *word &= ~(1ull << (port % 64));
    a->ports_freed |= !used;
}

/* ---- tasks ---------------------------------------------------------------------------------- */

struct node_net *alloc_node_net(struct allocator *a, struct alloc_node *n, uint64_t network)
{
    struct node_net *nn;

    for (size_t k = 0; k < n->n_nets; k++) {
        if (n->nets[k].network == network)
            return &n->nets[k];
    }
    nn = sw_realloc(n->nets, (n->n_nets + 1) * sizeof(*nn));
    if (nn == NULL) {
        a->stale = true;
        return NULL;
    }
    n->nets = nn;
    nn = &n->nets[n->n_nets++];
    *nn = (struct node_net){ .network = network };
    return nn;
}

static void count_on_node(struct allocator *a, const Swarm__V1__Task *t, int delta)
{
    struct alloc_node *n = sw_map_get(&a->nodes, t->node);

    if (n == NULL || status_state(t) < SWARM__V1__TASK_STATE__TASK_ASSIGNED)
        return;
    for (size_t i = 0; i < t->n_networks; i++) {
        struct node_net *nn = alloc_node_net(a, n, t->networks[i]->network);

        if (nn == NULL)
            return;
        if (delta < 0 && nn->tasks > 0)
            nn->tasks--;
        else if (delta > 0)
            nn->tasks++;
        nn->idle_ns = 0;
        if (nn->tasks == 0 || (delta > 0 && nn->tasks == 1))
            alloc_dirty_node(a, n->key);
    }
}

static void hold_task(struct allocator *a, const Swarm__V1__Task *t, bool taken)
{
    if (t == NULL || status_ended(t))
        return; /* an ended task has given its addresses back */
    for (size_t i = 0; i < t->n_networks; i++) {
        alloc_hold(a, t->networks[i]->network, t->networks[i]->addr, taken);
        use(a, t->networks[i]->network, taken ? 1 : -1);
    }
    count_on_node(a, t, taken ? 1 : -1);
}

static bool same_holding(const Swarm__V1__Task *a, const Swarm__V1__Task *b)
{
    Swarm__V1__TaskState limit = SWARM__V1__TASK_STATE__TASK_ASSIGNED;

    return a != NULL && b != NULL && a->networks == b->networks &&
           status_ended(a) == status_ended(b) && a->node == b->node &&
           (status_state(a) < limit) == (status_state(b) < limit);
}

static void note_task(struct allocator *a, const Swarm__V1__Task *before,
                      const Swarm__V1__Task *after)
{
    if (!same_holding(before, after)) {
        hold_task(a, before, false);
        hold_task(a, after, true);
    }
    if (after != NULL && status_state(after) == SWARM__V1__TASK_STATE__TASK_NEW &&
        status_wanted(after) && before == NULL)
        push(a, &a->dirty_tasks, after->meta->key);
}

/* ---- services, nodes, networks -------------------------------------------------------------- */

static void hold_service(struct allocator *a, const Swarm__V1__Service *s, bool taken)
{
    const Swarm__V1__Endpoint *e = s != NULL ? s->endpoint : NULL;

    for (size_t i = 0; e != NULL && i < e->n_vips; i++) {
        alloc_hold(a, e->vips[i]->network, e->vips[i]->addr, taken);
        use(a, e->vips[i]->network, taken ? 1 : -1);
    }
    for (size_t i = 0; e != NULL && i < e->n_ports; i++) {
        const Swarm__V1__PortConfig *p = e->ports[i];

        if (p->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS && p->published != 0)
            alloc_port_set(a, p->protocol, p->published, taken);
    }
}

static void hold_node(struct allocator *a, const Swarm__V1__Node *n, bool taken)
{
    for (size_t i = 0; n != NULL && i < n->n_network_addrs; i++)
        alloc_hold(a, n->network_addrs[i]->network, n->network_addrs[i]->addr, taken);
}

static void note_node(struct allocator *a, uint64_t key, const Swarm__V1__Node *before,
                      const Swarm__V1__Node *after)
{
    hold_node(a, before, false);
    hold_node(a, after, true);
    if (after == NULL) {
        struct alloc_node *n = sw_map_del(&a->nodes, key);

        if (n != NULL)
            sw_free(n->nets);
        sw_free(n);
    } else if (before == NULL && node_of(a, key) != NULL) {
        alloc_dirty_node(a, key);
    }
}

static struct subnet range_of(const Swarm__V1__Network *n, struct subnet net)
{
    const Swarm__V1__IpamOptions *ipam = n->spec != NULL ? n->spec->ipam : NULL;
    struct subnet r;

    if (ipam != NULL && ipam->n_configs > 0 && subnet_parse(ipam->configs[0]->range, &r) &&
        subnet_has(net, r.base) && r.len >= net.len)
        return r;
    return net;
}

static void forget_net(struct allocator *a, const Swarm__V1__Network *before)
{
    struct net *n = sw_map_del(&a->nets, before->meta->key);
    uint64_t key;

    if (n == NULL)
        return;
    while (alloc_next_waiter(a, &n->waiting, &key))
        (void)alloc_wait(a, &a->waiting, key);
    keys_fini(&n->waiting.keys);
    pool_fini(&n->pool);
    sw_free(n);
}

static void dirty_nodes_on(struct allocator *a, uint64_t network)
{
    struct alloc_node *n;
    size_t it = 0;

    while ((n = sw_map_next(&a->nodes, &it)) != NULL) {
        for (size_t i = 0; i < n->n_nets; i++) {
            if (n->nets[i].network == network)
                alloc_dirty_node(a, n->key);
        }
    }
}

static void note_network(struct allocator *a, const Swarm__V1__Network *before,
                         const Swarm__V1__Network *after)
{
    struct net *n;

    a->networks_changed = true;
    if (before != NULL && before->vni != 0)
        (void)sw_map_del(&a->vnis, before->vni);
    if (after == NULL || after->pending_delete)
        dirty_nodes_on(a, (after != NULL ? after : before)->meta->key);
    if (after == NULL) {
        if (a->ingress == before->meta->key)
            a->ingress = 0;
        forget_net(a, before);
        return;
    }
    if (after->vni != 0 && sw_map_put(&a->vnis, after->vni, a) < 0)
        a->stale = true;
    if (after->spec != NULL && after->spec->ingress && a->ingress != after->meta->key) {
        struct alloc_node *node;
        size_t it = 0;

        a->ingress = after->meta->key;
        while ((node = sw_map_next(&a->nodes, &it)) != NULL)
            alloc_dirty_node(a, node->key);
    }
    n = net_of(a, after->meta->key);
    if (n == NULL)
        return;
    n->next_addr = after->next_addr;
    n->pending_delete = after->pending_delete;
    if (n->pool.bits == NULL && after->subnet != 0) {
        struct subnet net = { after->subnet, after->subnet_len };

        if (net.len < POOL_LEN_MIN || net.len > 32 ||
            pool_init(&n->pool, net, range_of(after, net)) < 0)
            a->stale = net.len >= POOL_LEN_MIN && net.len <= 32;
        pool_take(&n->pool, after->gateway);
    }
    if (after->subnet == 0 || after->vni == 0 || after->pending_delete)
        push(a, &a->dirty_nets, after->meta->key);
}

void alloc_cache_note(struct allocator *a, const struct view_change *c)
{
    switch (c->kind) {
    case VIEW_TASK:
        note_task(a, c->before, c->after);
        break;
    case VIEW_SERVICE:
        hold_service(a, c->before, false);
        hold_service(a, c->after, true);
        if (c->after != NULL)
            push(a, &a->dirty_services, c->key);
        break;
    case VIEW_NODE:
        note_node(a, c->key, c->before, c->after);
        break;
    case VIEW_NETWORK:
        note_network(a, c->before, c->after);
        break;
    case VIEW_CLUSTER:
    case VIEW_SECRET:
    case VIEW_CONFIG:
    case VIEW_VOLUME:
    case VIEW_KINDS:
        break;
    }
}

void alloc_cache_clear(struct allocator *a)
{
    struct net *n;
    struct alloc_node *node;
    size_t it = 0;

    while ((n = sw_map_next(&a->nets, &it)) != NULL) {
        keys_fini(&n->waiting.keys);
        pool_fini(&n->pool);
        sw_free(n);
    }
    it = 0;
    while ((node = sw_map_next(&a->nodes, &it)) != NULL) {
        sw_free(node->nets);
        sw_free(node);
    }
    sw_map_fini(&a->nets);
    sw_map_fini(&a->nodes);
    sw_map_fini(&a->vnis);
    keys_fini(&a->dirty_nets);
    keys_fini(&a->dirty_services);
    keys_fini(&a->dirty_tasks);
    keys_fini(&a->dirty_nodes);
    keys_fini(&a->freed_nets);
    keys_fini(&a->waiting.keys);
    keys_fini(&a->waiting_ports.keys);
    sw_free(a->claims);
    sw_map_fini(&a->waits);
    memset(a, 0, sizeof(*a));
    a->waiting.id = WAIT_NETWORKS;
    a->waiting_ports.id = WAIT_PORTS;
}
