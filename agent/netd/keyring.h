/* SPDX-License-Identifier: Apache-2.0
 * keyring.h - this node's private keys by epoch, the peers, and the paths agreed with each.
 *
 * How it works. An epoch's private key is made here and never leaves. With a peer's public half,
 * the epoch's secret and the identities of both, a *pair* is made: one sending path per own worker,
 * one receiving path per worker of the peer. A pair lives until its epoch's private key is erased,
 * even when the peer goes away meanwhile: should the same keys be told again, counters and replay
 * windows go on where they were. That is why a nonce is never used twice.
 *
 *   epoch:  made -> listed by the managers -> no more listed: kept NETD_EPOCH_GRACE_MS for packets
 *           under way -> erased with all its pairs
 *
 * A start key counts only with the signature of its node. A peer without a usable one gets nothing
 * (fail closed). Control thread only; what workers may see goes through the garbage hook. */
#ifndef SWARM_AGENT_NETD_KEYRING_H
#define SWARM_AGENT_NETD_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/garbage.h"
#include "agent/netd/packet/table.h"
#include "common/base/err.h"
#include "swarm/v1/netd.pb-c.h"

#define NETD_EPOCHS_MAX     4u
#define NETD_EPOCH_GRACE_MS 300000
#define NETD_PAIRS_MAX      65536u /* all peers and epochs: bounds what lying managers can cost */

struct netd_keyring; /* opaque, secret */

struct netd_keyring_hooks {
    void *ctx;
    void (*retire)(void *ctx, struct netd_garbage *g);
    /** A peer that had a key, or is new, has none; @text says why. Once until it has one again. */
    void (*no_key)(void *ctx, uint64_t node, const char *text);
};

struct netd_epoch_key {
    uint64_t epoch;
    uint8_t start_key[SW_KEY_BYTES];
};

/** netd_keyring_new() - @workers: of this node. Return: 0, -ENOMEM. */
int netd_keyring_new(struct netd_keyring **out, unsigned workers,
                     const struct netd_keyring_hooks *hooks, struct sw_err *err);
/** netd_keyring_free() - at the end, when no worker runs any more; wipes. NULL is legal. */
void netd_keyring_free(struct netd_keyring *k);

/**
 * netd_keyring_make() - the public half of @epoch, making the pair of keys unless it exists
 *
 * Return: 0; SW_E_EXHAUSTED when NETD_EPOCHS_MAX epochs are all in use; -ENOMEM.
 */
int netd_keyring_make(struct netd_keyring *k, uint64_t epoch, uint8_t start_key[SW_KEY_BYTES],
                      struct sw_err *err);
/** netd_keyring_epochs() - every private key, ascending. Return: how many. */
size_t netd_keyring_epochs(const struct netd_keyring *k,
                           struct netd_epoch_key out[NETD_EPOCHS_MAX]);

/**
 * netd_keyring_set_peers() - take the managers' word on peers and epochs
 * @m: borrowed for the call
 *
 * Return: 0; SW_E_INVALID when malformed, nothing has changed then; -ENOMEM: some peers may be
 * without keys, say it again.
 */
int netd_keyring_set_peers(struct netd_keyring *k, const Swarm__V1__NetdSetPeers *m, int64_t now_ms,
                           struct sw_err *err);
/** netd_keyring_expire() - erase epochs whose grace is over. Return: true when something went. */
bool netd_keyring_expire(struct netd_keyring *k, int64_t now_ms);

/** netd_keyring_sizes() - peers and receiving paths that netd_keyring_fill() will put in. */
void netd_keyring_sizes(const struct netd_keyring *k, size_t *n_peers, size_t *n_rx);
void netd_keyring_fill(const struct netd_keyring *k, struct vtep_table *t);

uint64_t netd_keyring_send_epoch(const struct netd_keyring *k);
/** netd_keyring_stats() - appends to @s, allocated with malloc() as protobuf-c frees it.
 * Return: 0, -ENOMEM. */
int netd_keyring_stats(const struct netd_keyring *k, Swarm__V1__NetdStats *s);

#endif
