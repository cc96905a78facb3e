/* SPDX-License-Identifier: Apache-2.0
 * sa.h - one direction between two nodes, one worker of the sender, one epoch: keys, counter,
 * replay window.
 *
 * Source: DATAPLANE section 5 in short. The key of the path is never used itself: every 2^30
 * packets have a subkey of their own, which both ends derive from the counter, hence without a
 * word between them. The receiver accepts the period of the newest packet it has verified and the
 * two beside it.
 *
 * Threads. A sending path belongs to one worker thread. A receiving path may be used by several at
 * once (a copied packet may arrive on any socket): subkeys are published by an atomic mark, the
 * replay window is marked under a spin lock that is held for a few instructions.
 *
 * Nonces never repeat: a path object lives until its epoch's private key is erased (keyring.h), so
 * its counter is never begun again under the same key. */
#ifndef SWARM_AGENT_NETD_PACKET_SA_H
#define SWARM_AGENT_NETD_PACKET_SA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/packet/count.h"
#include "agent/netd/packet/replay.h"
#include "agent/netd/packet/wire.h"
#include "common/crypto/aead.h"
#include "common/crypto/vtep_kdf.h"

#define VTEP_COUNTER_MAX (1ull << 60)

struct vtep_key; /* a slot of keymem: period and expanded subkey */

struct vtep_tx_sa {
    const struct sw_aead *aead;
    uint64_t counter; /* of the next packet */
    uint64_t limit;   /* counters below it use the subkey in place; 0: none derived yet */
    struct vtep_key *key;
    struct sw_vtep_secret secret;
};

struct vtep_rx_sa {
    const struct sw_aead *aead;
    struct vtep_peer_count *count; /* of the sending node, an array by own worker */
    uint64_t node;                 /* key of the sending node */
    uint64_t epoch;
    _Atomic(struct vtep_key *) keys[3]; /* by period modulo 3 */
    _Atomic(struct vtep_replay *) replay;
    _Atomic uint64_t newest; /* newest verified period + 1; 0: nothing verified yet */
    atomic_flag lock;
    struct sw_vtep_secret secret;
};

/** vtep_tx_sa_init() - @secret is copied; the whole struct is secret then. */
void vtep_tx_sa_init(struct vtep_tx_sa *sa, const struct sw_aead *aead,
                     const struct sw_vtep_secret *secret);
void vtep_tx_sa_fini(struct vtep_tx_sa *sa); /* wipes */

/**
 * vtep_seal() - make one packet
 * @flags: VTEP_F_*
 * @plain: VXLAN header and frame, @n bytes
 * @out:   @n + VTEP_HDR + VTEP_TAG bytes, not overlapping
 *
 * Return: false when the path is used up (2^60 packets) or memory for the key is gone: drop.
 */
bool vtep_seal(struct vtep_tx_sa *sa, uint8_t flags, const uint8_t *plain, size_t n, uint8_t *out);

void vtep_rx_sa_init(struct vtep_rx_sa *sa, const struct sw_aead *aead,
                     const struct sw_vtep_secret *secret);
void vtep_rx_sa_fini(struct vtep_rx_sa *sa); /* wipes; no thread may use it any more */

/** vtep_hdr_ok() - is this a data packet's clear part, and long enough for the rest? */
bool vtep_hdr_ok(const uint8_t *pkt, size_t n);

/**
 * vtep_open() - verify and decrypt one packet whose header is fine and whose index is @sa's
 * @out: @n - VTEP_HDR - VTEP_TAG bytes; garbage unless VTEP_OK
 *
 * Return: VTEP_OK, VTEP_BAD_TAG or VTEP_REPLAYED.
 */
enum vtep_verdict vtep_open(struct vtep_rx_sa *sa, const uint8_t *pkt, size_t n, uint8_t *out);

#endif
