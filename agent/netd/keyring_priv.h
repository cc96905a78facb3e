/* SPDX-License-Identifier: Apache-2.0
 * keyring_priv.h - what keyring.c and pair.c share. */
#ifndef SWARM_AGENT_NETD_KEYRING_PRIV_H
#define SWARM_AGENT_NETD_KEYRING_PRIV_H

#include <sys/socket.h>

#include "agent/netd/keyring.h"
#include "common/base/id.h"
#include "common/base/map.h"

struct epoch {
    uint64_t number;
    struct sw_dh_key *key; /* a slot of keymem */
    bool listed;           /* managers hold a secret for it */
    int64_t drop_at_ms;    /* 0: not to be dropped */
};

struct pair { /* secret: from sw_secret_alloc() */
    struct sw_list link;
    struct netd_garbage garbage;
    bool live; /* in the tables */
    uint64_t epoch;
    struct sw_id self_id, peer_id; /* all that went into the keys: */
    uint8_t peer_key[SW_KEY_BYTES];
    uint8_t epoch_secret[SW_KEY_BYTES];
    uint8_t root[SW_KEY_BYTES];
    const struct sw_aead *aead;
    unsigned n_rx;
    struct vtep_rx_sa *rx[VTEP_WORKERS];
    unsigned n_tx;
    struct vtep_tx_sa tx[]; /* one per own worker */
};

struct verified { /* a start key whose signature was found good */
    uint64_t epoch;
    uint32_t suites;
    uint8_t start_key[SW_KEY_BYTES];
    uint8_t signer[SW_KEY_BYTES];
    uint8_t id[SW_ID_BYTES];
};

struct peer {
    struct sw_list link;
    struct netd_garbage garbage;
    uint64_t node;
    bool present;
    bool mute; /* has no usable key, and that was told */
    struct sockaddr_storage addr;
    uint32_t addr_len;
    struct pair *send; /* borrowed from pairs; NULL: nothing in common */
    struct sw_list pairs;
    size_t n_verified;
    struct verified verified[NETD_EPOCHS_MAX];
    unsigned n_count;
    struct vtep_peer_count count[];
};

struct netd_keyring {
    unsigned workers;
    struct netd_keyring_hooks hooks;
    uint64_t self;
    struct sw_id self_id;
    uint64_t send_epoch;
    size_t n_pairs;
    size_t n_epochs;
    struct epoch epochs[NETD_EPOCHS_MAX]; /* ascending */
    struct sw_list peers;
    struct sw_map by_node;
};

/** netd_epoch_secret() - Return: 32 bytes, borrowed from @m; NULL when the epoch is not listed. */
const uint8_t *netd_epoch_secret(const Swarm__V1__DataPlaneKeys *m, uint64_t epoch);
/** netd_peer_update() - address, keys and pairs of one peer.
 * @why: filled when it ends without a sending path. Return: 0, -ENOMEM. */
int netd_peer_update(struct netd_keyring *k, struct peer *p, const Swarm__V1__DataPeer *d,
                     const Swarm__V1__DataPlaneKeys *m, char *why, size_t why_size);
void netd_peer_drop_epoch(struct netd_keyring *k, struct peer *p, uint64_t epoch);

#endif
