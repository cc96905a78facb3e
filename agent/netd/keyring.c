/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/keyring.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/netd/keyring_priv.h"
#include "agent/netd/packet/keymem.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/crypto/secret.h"

int netd_keyring_new(struct netd_keyring **out, unsigned workers,
                     const struct netd_keyring_hooks *hooks, struct sw_err *err)
{
    struct netd_keyring *k = sw_calloc(1, sizeof(*k));

    assert(workers >= 1 && workers <= VTEP_WORKERS);
    if (k == NULL)
        return sw_err_set(err, -ENOMEM, "keyring");
    k->workers = workers;
    k->hooks = *hooks;
    sw_list_init(&k->peers);
    sw_map_init(&k->by_node);
    *out = k;
    return 0;
}

/* --------------------------------------------------------------------------------------- epochs */

static struct epoch *epoch_find(struct netd_keyring *k, uint64_t number)
{
    for (size_t i = 0; i < k->n_epochs; i++) {
        if (k->epochs[i].number == number)
            return &k->epochs[i];
    }
    return NULL;
}

static void epoch_erase(struct netd_keyring *k, struct epoch *e)
{
    sw_list_each(l, &k->peers)
    {
        netd_peer_drop_epoch(k, sw_list_entry(l, struct peer, link), e->number);
    }
    keymem_put(e->key);
    k->n_epochs--;
    memmove(e, e + 1, (size_t)(k->epochs + k->n_epochs - e) * sizeof(*e));
}

/* Room for one more: the oldest one that managers no more list goes before its time. */
static int epoch_room(struct netd_keyring *k, struct sw_err *err)
{
    if (k->n_epochs < NETD_EPOCHS_MAX)
        return 0;
    for (size_t i = 0; i < k->n_epochs; i++) {
        if (!k->epochs[i].listed) {
            epoch_erase(k, &k->epochs[i]);
            return 0;
        }
    }
    return sw_err_set(err, SW_E_EXHAUSTED, "%u epochs of data keys are all in use",
                      NETD_EPOCHS_MAX);
}

int netd_keyring_make(struct netd_keyring *k, uint64_t number, uint8_t start_key[SW_KEY_BYTES],
                      struct sw_err *err)
{
    struct epoch *e = epoch_find(k, number);
    struct sw_dh_key *key;
    size_t at;
    int r;

    if (e != NULL) {
        memcpy(start_key, e->key->public_key, SW_KEY_BYTES);
        return 0;
    }
    r = epoch_room(k, err);
    if (r < 0)
        return r;
    key = keymem_get();
    if (key == NULL)
        return sw_err_set(err, -ENOMEM, "data key");
    sw_dh_key_make(key);
    for (at = k->n_epochs; at > 0 && k->epochs[at - 1].number > number; at--)
        k->epochs[at] = k->epochs[at - 1];
    k->epochs[at] = (struct epoch){ .number = number, .key = key };
    k->n_epochs++;
    memcpy(start_key, key->public_key, SW_KEY_BYTES);
    return 0;
}

size_t netd_keyring_epochs(const struct netd_keyring *k, struct netd_epoch_key out[NETD_EPOCHS_MAX])
{
    for (size_t i = 0; i < k->n_epochs; i++) {
        out[i].epoch = k->epochs[i].number;
        memcpy(out[i].start_key, k->epochs[i].key->public_key, SW_KEY_BYTES);
    }
    return k->n_epochs;
}

bool netd_keyring_expire(struct netd_keyring *k, int64_t now_ms)
{
    bool any = false;

    for (size_t i = k->n_epochs; i-- > 0;) {
        if (k->epochs[i].drop_at_ms != 0 && k->epochs[i].drop_at_ms <= now_ms) {
            epoch_erase(k, &k->epochs[i]);
            any = true;
        }
    }
    return any;
}

static void epochs_list(struct netd_keyring *k, const Swarm__V1__DataPlaneKeys *m, int64_t now_ms)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < m->n_epochs; i++)
        newest = SW_MAX(newest, m->epochs[i]->epoch);
    for (size_t i = 0; i < k->n_epochs; i++) {
        struct epoch *e = &k->epochs[i];

        e->listed = netd_epoch_secret(m, e->number) != NULL;
        if (e->listed || e->number > newest) /* just made: managers do not know it yet */
            e->drop_at_ms = 0;
        else if (e->drop_at_ms == 0)
            e->drop_at_ms = now_ms + NETD_EPOCH_GRACE_MS;
    }
}

/* ---------------------------------------------------------------------------------------- peers */

static int peers_check(const Swarm__V1__NetdSetPeers *m, struct sw_err *err)
{
    if (m->node == 0 || m->node_id.len != SW_ID_BYTES || m->keys == NULL)
        return sw_err_set(err, SW_E_INVALID, "peers without this node's identity");
    for (size_t i = 0; i < m->keys->n_epochs; i++) {
        if (m->keys->epochs[i]->secret.len != SW_KEY_BYTES)
            return sw_err_set(err, SW_E_INVALID, "secret of epoch %llu has %zu bytes",
                              (unsigned long long)m->keys->epochs[i]->epoch,
                              m->keys->epochs[i]->secret.len);
    }
    for (size_t i = 0; i < m->keys->n_peers; i++) {
        if (m->keys->peers[i]->node == 0)
            return sw_err_set(err, SW_E_INVALID, "peer without a key");
    }
    return 0;
}

static struct peer *peer_get(struct netd_keyring *k, uint64_t node)
{
    struct peer *p = sw_map_get(&k->by_node, node);

    if (p != NULL)
        return p;
    p = sw_calloc(1, sizeof(*p) + k->workers * sizeof(p->count[0]));
    if (p == NULL || sw_map_put(&k->by_node, node, p) < 0) {
        sw_free(p);
        return NULL;
    }
    p->node = node;
    p->n_count = k->workers;
    sw_list_init(&p->pairs);
    sw_list_push_back(&k->peers, &p->link);
    return p;
}

static void peer_free(struct netd_garbage *g)
{
    sw_free(sw_container_of(g, struct peer, garbage));
}

static void peers_sweep(struct netd_keyring *k)
{
    sw_list_each_safe(l, &k->peers)
    {
        struct peer *p = sw_list_entry(l, struct peer, link);

        if (p->present || !sw_list_empty(&p->pairs))
            continue;
        sw_list_del(&p->link);
        (void)sw_map_del(&k->by_node, p->node);
        p->garbage.free = peer_free;
        k->hooks.retire(k->hooks.ctx, &p->garbage);
    }
}

static int peers_update(struct netd_keyring *k, const Swarm__V1__NetdSetPeers *m,
                        struct sw_err *err)
{
    int result = 0;

    for (size_t i = 0; i < m->keys->n_peers; i++) {
        const Swarm__V1__DataPeer *d = m->keys->peers[i];
        struct peer *p;
        char why[160];

        if (d->node == m->node)
            continue;
        p = peer_get(k, d->node);
        if (p == NULL)
            return sw_err_set(err, -ENOMEM, "peers");
        p->present = true;
        why[0] = 0;
        if (netd_peer_update(k, p, d, m->keys, why, sizeof(why)) < 0)
            result = sw_err_set(err, -ENOMEM, "peers");
        if (why[0] != 0 && !p->mute)
            k->hooks.no_key(k->hooks.ctx, p->node, why);
        p->mute = why[0] != 0;
    }
    return result;
}

int netd_keyring_set_peers(struct netd_keyring *k, const Swarm__V1__NetdSetPeers *m, int64_t now_ms,
                           struct sw_err *err)
{
    int r = peers_check(m, err);

    if (r < 0)
        return r;
    k->self = m->node;
    memcpy(k->self_id.b, m->node_id.data, SW_ID_BYTES);
    k->send_epoch = m->keys->send_epoch;
    epochs_list(k, m->keys, now_ms);
    sw_list_each(l, &k->peers)
    {
        struct peer *p = sw_list_entry(l, struct peer, link);

        p->present = false;
        p->send = NULL;
    }
    r = peers_update(k, m, err);
    peers_sweep(k);
    return r;
}

/* ---------------------------------------------------------------------------------------- table */

void netd_keyring_sizes(const struct netd_keyring *k, size_t *n_peers, size_t *n_rx)
{
    *n_peers = 0;
    *n_rx = 0;
    sw_list_each(l, &k->peers)
    {
        const struct peer *p = sw_list_entry(l, struct peer, link);

        if (!p->present)
            continue;
        ++*n_peers;
        sw_list_each(pl, &p->pairs)
        {
            const struct pair *pair = sw_list_entry(pl, struct pair, link);

            *n_rx += pair->live ? pair->n_rx : 0;
        }
    }
}

static int peer_order(const void *a, const void *b)
{
    uint64_t x = ((const struct vtep_peer *)a)->node;
    uint64_t y = ((const struct vtep_peer *)b)->node;

    return x < y ? -1 : x > y;
}

void netd_keyring_fill(const struct netd_keyring *k, struct vtep_table *t)
{
    size_t n = 0;

    t->self = k->self;
    sw_list_each(l, &k->peers)
    {
        struct peer *p = sw_list_entry(l, struct peer, link);
        struct vtep_peer *v;

        if (!p->present)
            continue;
        v = &t->peers[n++];
        v->node = p->node;
        v->count = p->count;
        v->tx = p->send != NULL ? p->send->tx : NULL;
        v->addr_len = p->addr_len;
        memcpy(v->addr, &p->addr, p->addr_len);
        sw_list_each(pl, &p->pairs)
        {
            struct pair *pair = sw_list_entry(pl, struct pair, link);

            for (unsigned i = 0; pair->live && i < pair->n_rx; i++)
                vtep_table_add_rx(t, pair->rx[i]);
        }
    }
    assert(n == t->n_peers);
    qsort(t->peers, n, sizeof(t->peers[0]), peer_order);
}

uint64_t netd_keyring_send_epoch(const struct netd_keyring *k)
{
    return k->send_epoch;
}

static void peer_stats(const struct peer *p, Swarm__V1__NetdPeerStats *s)
{
    swarm__v1__netd_peer_stats__init(s);
    s->node = p->node;
    s->tx_epoch = p->send != NULL ? p->send->epoch : 0;
    for (unsigned w = 0; w < p->n_count; w++) {
        const struct vtep_peer_count *c = &p->count[w];
        uint64_t epoch = atomic_load_explicit(&c->rx_epoch, memory_order_relaxed);

        s->tx_packets += atomic_load_explicit(&c->tx_packets, memory_order_relaxed);
        s->rx_packets += atomic_load_explicit(&c->rx_packets, memory_order_relaxed);
        s->rx_bad += atomic_load_explicit(&c->rx_bad, memory_order_relaxed);
        s->rx_epoch = SW_MAX(s->rx_epoch, epoch);
    }
}

int netd_keyring_stats(const struct netd_keyring *k, Swarm__V1__NetdStats *s)
{
    size_t n_peers, n_rx;

    netd_keyring_sizes(k, &n_peers, &n_rx);
    s->peers = calloc(n_peers + 1, sizeof(s->peers[0]));
    s->epochs = calloc(k->n_epochs + 1, sizeof(s->epochs[0]));
    if (s->peers == NULL || s->epochs == NULL)
        return -ENOMEM;
    sw_list_each(l, &k->peers)
    {
        const struct peer *p = sw_list_entry(l, struct peer, link);

        if (!p->present)
            continue;
        s->peers[s->n_peers] = malloc(sizeof(*s->peers[0]));
        if (s->peers[s->n_peers] == NULL)
            return -ENOMEM;
        peer_stats(p, s->peers[s->n_peers++]);
    }
    for (size_t i = 0; i < k->n_epochs; i++) {
        if (k->epochs[i].listed)
            s->epochs[s->n_epochs++] = k->epochs[i].number;
    }
    s->send_epoch = k->send_epoch;
    return 0;
}

void netd_keyring_free(struct netd_keyring *k)
{
    if (k == NULL)
        return;
    while (k->n_epochs > 0)
        epoch_erase(k, &k->epochs[0]);
    sw_list_each(l, &k->peers)
    {
        sw_list_entry(l, struct peer, link)->present = false;
    }
    peers_sweep(k);
    sw_map_fini(&k->by_node);
    sw_free(k);
}
