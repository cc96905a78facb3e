/* SPDX-License-Identifier: Apache-2.0
 * node.c - a node's own addresses: on ingress, and on each network on which it has tasks. */
#include "common/base/alloc.h"
#include "manager/allocator/alloc_private.h"
#include "proto/pb.h"

/* Do others wait for an address of this network, or is it going away? */
static bool is_pressed(const struct allocator *a, uint64_t network)
{
    const struct net *n = alloc_net(a, network);

    return n == NULL || n->pending_delete || (n->pool.room == 0 && n->waiting.keys.n > 0);
}

static bool node_needs(const struct alloc_step *s, struct alloc_node *n, uint64_t network)
{
    struct node_net *nn;

    if (network == s->a->ingress)
        return true;
    nn = alloc_node_net(s->a, n, network);
    if (nn == NULL || nn->tasks > 0)
        return true;
    if (nn->idle_ns == 0)
        nn->idle_ns = s->now_ns;
    if (is_pressed(s->a, network) || nn->idle_ns + ALLOC_LINGER_NS <= s->now_ns)
        return false;
    if (s->a->idle_wake_ns == 0 || nn->idle_ns + ALLOC_LINGER_NS < s->a->idle_wake_ns)
        s->a->idle_wake_ns = nn->idle_ns + ALLOC_LINGER_NS;
    return true;
}

static uint32_t addr_of(const Swarm__V1__Node *n, uint64_t network)
{
    for (size_t i = 0; i < n->n_network_addrs; i++) {
        if (n->network_addrs[i]->network == network)
            return n->network_addrs[i]->addr;
    }
    return 0;
}

static void drop_unneeded(struct alloc_step *s, const struct view_node *vn, struct alloc_node *an)
{
    const Swarm__V1__Node *cur = alloc_current(s, vn->o);
    Swarm__V1__Node *edit;
    size_t unneeded = 0;
    size_t n = 0;

    for (size_t i = 0; i < cur->n_network_addrs; i++)
        unneeded += !node_needs(s, an, cur->network_addrs[i]->network);
    if (unneeded == 0)
        return;
    edit = txn_edit_node(s->txn, vn);
    if (edit == NULL)
        return;
    for (size_t i = 0; i < edit->n_network_addrs; i++) {
        if (node_needs(s, an, edit->network_addrs[i]->network)) {
            edit->network_addrs[n++] = edit->network_addrs[i];
            continue;
        }
        pb_free(edit->network_addrs[i]);
    }
    edit->n_network_addrs = n;
    if (s->a->ingress == 0)
        edit->ingress_addr = 0;
    txn_mark(s->txn);
}

/* Entries that stand for nothing: no task, no address. */
static void drop_entries(const struct alloc_step *s, const struct view_node *vn,
                         struct alloc_node *an)
{
    const Swarm__V1__Node *cur = alloc_current(s, vn->o);
    size_t n = 0;

    for (size_t i = 0; i < an->n_nets; i++) {
        if (an->nets[i].tasks > 0 || addr_of(cur, an->nets[i].network) != 0)
            an->nets[n++] = an->nets[i];
    }
    an->n_nets = n;
}

static void give_addr(struct alloc_step *s, const struct view_node *vn, uint64_t network)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf why = SW_BUF_INIT;
    const Swarm__V1__Node *cur = alloc_current(s, vn->o);
    const Swarm__V1__Network *n = view_network(s->view, network);
    Swarm__V1__NodeNetworkAddr *na;
    Swarm__V1__Node *edit;
    uint32_t addr;

    if (n == NULL || !alloc_is_addressed(n) || addr_of(cur, network) != 0)
        return;
    addr = alloc_addr(s, network, vn->o->key, &why);
    if (addr == 0)
        return; /* waits there; the node has nobody to tell */
    edit = txn_edit_node(s->txn, vn);
    na = edit != NULL ? pb_new(&swarm__v1__node_network_addr__descriptor) : NULL;
    if (na == NULL || pb_add(&edit->n_network_addrs, &edit->network_addrs, na) < 0) {
        pb_free(na);
        s->a->stale = true;
        return;
    }
    na->network = network;
    na->addr = addr;
    if (network == s->a->ingress)
        edit->ingress_addr = addr;
    txn_mark(s->txn);
}

void alloc_node(struct alloc_step *s, const struct view_node *vn)
{
    struct alloc_node *an = sw_map_get(&s->a->nodes, vn->o->key);

    if (an == NULL)
        return;
    drop_unneeded(s, vn, an);
    drop_entries(s, vn, an);
    if (s->a->ingress != 0)
        give_addr(s, vn, s->a->ingress);
    for (size_t i = 0; i < an->n_nets; i++) {
        if (an->nets[i].tasks > 0)
            give_addr(s, vn, an->nets[i].network);
    }
}

void alloc_look_at_idle(struct alloc_step *s)
{
    struct allocator *a = s->a;
    bool due = a->idle_wake_ns != 0 && a->idle_wake_ns <= s->now_ns;
    struct alloc_node *n;
    size_t it = 0;

    if (!due && !a->pressed)
        return;
    if (due)
        a->idle_wake_ns = 0;
    a->pressed = false;
    while ((n = sw_map_next(&a->nodes, &it)) != NULL) {
        for (size_t i = 0; i < n->n_nets; i++) {
            if (n->nets[i].tasks == 0 && (due || is_pressed(a, n->nets[i].network)))
                alloc_dirty_node(a, n->key);
        }
    }
}
