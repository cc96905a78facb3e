/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "agent/netd/keyring_priv.h"
#include "agent/netd/netd_client.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/crypto/secret.h"

const uint8_t *netd_epoch_secret(const Swarm__V1__DataPlaneKeys *m, uint64_t epoch)
{
    for (size_t i = 0; i < m->n_epochs; i++) {
        if (m->epochs[i]->epoch == epoch)
            return m->epochs[i]->secret.data;
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------------- pairs */

static void pair_free(struct netd_garbage *g)
{
    struct pair *pair = sw_container_of(g, struct pair, garbage);

    for (unsigned i = 0; i < pair->n_tx; i++)
        vtep_tx_sa_fini(&pair->tx[i]);
    for (unsigned i = 0; i < pair->n_rx; i++) {
        vtep_rx_sa_fini(pair->rx[i]);
        sw_secret_free(pair->rx[i]);
    }
    sw_secret_free(pair);
}

void netd_peer_drop_epoch(struct netd_keyring *k, struct peer *p, uint64_t epoch)
{
    sw_list_each_safe(l, &p->pairs)
    {
        struct pair *pair = sw_list_entry(l, struct pair, link);

        if (pair->epoch != epoch)
            continue;
        if (p->send == pair)
            p->send = NULL;
        sw_list_del(&pair->link);
        k->n_pairs--;
        pair->garbage.free = pair_free;
        k->hooks.retire(k->hooks.ctx, &pair->garbage);
    }
}

static void path_of(const struct pair *pair, const struct epoch *e, bool sending, uint32_t worker,
                    struct sw_vtep_path *path)
{
    path->src = sending ? pair->self_id : pair->peer_id;
    path->dst = sending ? pair->peer_id : pair->self_id;
    memcpy(path->src_key, sending ? e->key->public_key : pair->peer_key, SW_KEY_BYTES);
    memcpy(path->dst_key, sending ? pair->peer_key : e->key->public_key, SW_KEY_BYTES);
    path->epoch = e->number;
    path->worker = worker;
    path->suite = (uint32_t)pair->aead->suite;
}

/* A peer's workers are as many as it said; paths once made stay. */
static int pair_add_rx(struct pair *pair, struct peer *p, const struct epoch *e, unsigned n)
{
    while (pair->n_rx < n) {
        struct vtep_rx_sa *sa = sw_secret_alloc(sizeof(*sa));
        struct sw_vtep_path path;
        struct sw_vtep_secret secret;

        if (sa == NULL)
            return -ENOMEM;
        path_of(pair, e, false, pair->n_rx, &path);
        sw_vtep_derive(pair->root, &path, &secret);
        vtep_rx_sa_init(sa, pair->aead, &secret);
        sw_wipe(&secret, sizeof(secret));
        sa->count = p->count;
        sa->node = p->node;
        sa->epoch = e->number;
        pair->rx[pair->n_rx++] = sa;
    }
    return 0;
}

static struct pair *pair_find(const struct peer *p, const struct pair *want)
{
    sw_list_each(l, &p->pairs)
    {
        struct pair *pair = sw_list_entry(l, struct pair, link);

        if (pair->epoch == want->epoch && pair->aead == want->aead &&
            sw_id_equal(&pair->self_id, &want->self_id) &&
            sw_id_equal(&pair->peer_id, &want->peer_id) &&
            memcmp(pair->peer_key, want->peer_key, SW_KEY_BYTES) == 0 &&
            sw_secret_equal(pair->epoch_secret, want->epoch_secret, SW_KEY_BYTES))
            return pair;
    }
    return NULL;
}

/* @want: everything but root and paths. Return: the pair; NULL with *r set. */
static struct pair *pair_make(struct netd_keyring *k, struct peer *p, const struct epoch *e,
                              const struct pair *want, int *r)
{
    struct pair *pair;
    struct sw_err err;

    *r = SW_E_EXHAUSTED;
    if (k->n_pairs >= NETD_PAIRS_MAX)
        return NULL;
    *r = -ENOMEM;
    pair = sw_secret_alloc(sizeof(*pair) + k->workers * sizeof(pair->tx[0]));
    if (pair == NULL)
        return NULL;
    *pair = *want;
    *r = sw_vtep_root(e->key, pair->peer_key, pair->epoch_secret, pair->root, &err);
    if (*r < 0) {
        sw_secret_free(pair);
        return NULL;
    }
    for (pair->n_tx = 0; pair->n_tx < k->workers; pair->n_tx++) {
        struct sw_vtep_path path;
        struct sw_vtep_secret secret;

        path_of(pair, e, true, pair->n_tx, &path);
        sw_vtep_derive(pair->root, &path, &secret);
        vtep_tx_sa_init(&pair->tx[pair->n_tx], pair->aead, &secret);
        sw_wipe(&secret, sizeof(secret));
    }
    sw_list_push_back(&p->pairs, &pair->link);
    k->n_pairs++;
    return pair;
}

/* ---------------------------------------------------------------------------------------- peers */

static bool addr_set(struct peer *p, const Swarm__V1__DataPeer *d)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)d->data_port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                .sin6_port = htons((uint16_t)d->data_port) };

    p->addr_len = 0;
    if (d->data_port == 0 || d->data_port > UINT16_MAX)
        return false;
    if (inet_pton(AF_INET, d->data_addr, &in.sin_addr) == 1) {
        memcpy(&p->addr, &in, sizeof(in));
        p->addr_len = sizeof(in);
    } else if (inet_pton(AF_INET6, d->data_addr, &in6.sin6_addr) == 1) {
        memcpy(&p->addr, &in6, sizeof(in6));
        p->addr_len = sizeof(in6);
    }
    return p->addr_len != 0;
}

/* Signatures are dear (60 us): each is checked once. */
static bool key_verified(struct peer *p, const Swarm__V1__DataPeer *d,
                         const Swarm__V1__NodeDataKey *key)
{
    uint8_t msg[NETD_KEY_MSG_BYTES];
    struct verified v = { .epoch = key->epoch, .suites = key->suites };
    struct sw_id id;

    if (d->node_id.len != SW_ID_BYTES || d->public_key.len != SW_KEY_BYTES ||
        key->start_key.len != SW_KEY_BYTES || key->signature.len != SW_SIGNATURE_BYTES)
        return false;
    memcpy(v.start_key, key->start_key.data, SW_KEY_BYTES);
    memcpy(v.signer, d->public_key.data, SW_KEY_BYTES);
    memcpy(v.id, d->node_id.data, SW_ID_BYTES);
    memcpy(id.b, d->node_id.data, SW_ID_BYTES);
    for (size_t i = 0; i < p->n_verified; i++) {
        const struct verified *o = &p->verified[i];

        if (o->epoch == v.epoch && o->suites == v.suites &&
            memcmp(o->start_key, v.start_key, SW_KEY_BYTES) == 0 &&
            memcmp(o->signer, v.signer, SW_KEY_BYTES) == 0 && memcmp(o->id, v.id, SW_ID_BYTES) == 0)
            return true;
    }
    netd_key_message(&id, key->epoch, key->start_key.data, key->suites, msg);
    if (sw_sign_verify(d->public_key.data, NETD_KEY_DOMAIN, msg, sizeof(msg),
                       key->signature.data) != 0)
        return false;
    if (p->n_verified == NETD_EPOCHS_MAX) {
        p->n_verified--;
        memmove(p->verified, p->verified + 1, p->n_verified * sizeof(v));
    }
    p->verified[p->n_verified++] = v;
    return true;
}

static int key_use(struct netd_keyring *k, struct peer *p, const Swarm__V1__DataPeer *d,
                   const Swarm__V1__NodeDataKey *key, const struct epoch *e, const uint8_t *secret)
{
    struct pair want = { .live = true, .epoch = key->epoch, .self_id = k->self_id };
    struct pair *pair;
    int r = 0;

    want.aead = sw_aead_best(sw_aead_suites(), key->suites);
    if (want.aead == NULL)
        return SW_E_UNSUPPORTED;
    memcpy(want.peer_id.b, d->node_id.data, SW_ID_BYTES);
    memcpy(want.peer_key, key->start_key.data, SW_KEY_BYTES);
    memcpy(want.epoch_secret, secret, SW_KEY_BYTES);
    pair = pair_find(p, &want);
    if (pair == NULL)
        pair = pair_make(k, p, e, &want, &r);
    sw_wipe(want.epoch_secret, sizeof(want.epoch_secret));
    if (pair == NULL)
        return r;
    pair->live = true;
    r = pair_add_rx(pair, p, e, SW_MIN(SW_MAX(d->workers, 1u), VTEP_WORKERS));
    if (key->epoch <= k->send_epoch && (p->send == NULL || p->send->epoch < key->epoch))
        p->send = pair;
    return r;
}

static const struct epoch *own_epoch(const struct netd_keyring *k, uint64_t number)
{
    for (size_t i = 0; i < k->n_epochs; i++) {
        if (k->epochs[i].number == number)
            return &k->epochs[i];
    }
    return NULL;
}

int netd_peer_update(struct netd_keyring *k, struct peer *p, const Swarm__V1__DataPeer *d,
                     const Swarm__V1__DataPlaneKeys *m, char *why, size_t why_size)
{
    bool addr_ok = addr_set(p, d);
    const char *text = "it has published no key of an epoch in use";
    int result = 0;

    /* Packets of an epoch in its grace may still come; all others must be told again. */
    sw_list_each(l, &p->pairs)
    {
        struct pair *pair = sw_list_entry(l, struct pair, link);
        const struct epoch *e = own_epoch(k, pair->epoch);

        pair->live = pair->live && e != NULL && e->drop_at_ms != 0;
    }
    for (size_t i = 0; i < d->n_keys; i++) {
        const Swarm__V1__NodeDataKey *key = d->keys[i];
        const struct epoch *e = own_epoch(k, key->epoch);
        const uint8_t *secret = netd_epoch_secret(m, key->epoch);
        int r;

        if (e == NULL || secret == NULL)
            continue;
        if (!key_verified(p, d, key)) {
            text = "its key is not signed by it";
            continue;
        }
        r = key_use(k, p, d, key, e, secret);
        if (r == -ENOMEM)
            result = r;
        else if (r == SW_E_UNSUPPORTED)
            text = "no cipher in common";
        else if (r < 0)
            text = "its key is unusable";
    }
    if (!addr_ok) {
        p->send = NULL;
        text = "its data path address is malformed";
    }
    if (p->send == NULL)
        (void)snprintf(why, why_size, "%s", text);
    return result;
}
