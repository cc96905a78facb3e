/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/sa.h"

#include <assert.h>
#include <string.h>

#include "agent/netd/packet/keymem.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/crypto/secret.h"

#define NO_PERIOD UINT64_MAX

struct vtep_key {
    struct sw_aead_state st;
    _Atomic uint64_t period; /* NO_PERIOD while being derived */
};
static_assert(sizeof(struct vtep_key) <= KEYMEM_SLOT, "a key fits its slot");

static void key_derive(struct vtep_key *k, const struct sw_aead *aead,
                       const struct sw_vtep_secret *secret, uint64_t period)
{
    uint8_t sub[SW_KEY_BYTES];

    sw_vtep_subkey(secret->key, period, sub);
    aead->expand(&k->st, sub);
    sw_wipe(sub, sizeof(sub));
}

static void nonce_of(const struct sw_vtep_secret *secret, const uint8_t *pkt,
                     uint8_t nonce[SW_AEAD_NONCE_BYTES])
{
    memcpy(nonce, secret->salt, 4);
    memcpy(nonce + 4, pkt + 8, 8);
}

/* ------------------------------------------------------------------------------------- sending */

void vtep_tx_sa_init(struct vtep_tx_sa *sa, const struct sw_aead *aead,
                     const struct sw_vtep_secret *secret)
{
    *sa = (struct vtep_tx_sa){ .aead = aead, .secret = *secret };
}

void vtep_tx_sa_fini(struct vtep_tx_sa *sa)
{
    keymem_put(sa->key);
    sw_wipe(sa, sizeof(*sa));
}

static bool tx_next_key(struct vtep_tx_sa *sa)
{
    uint64_t period = sa->counter >> SW_VTEP_PERIOD_BITS;

    if (sa->counter >= VTEP_COUNTER_MAX)
        return false;
    if (sa->key == NULL)
        sa->key = keymem_get();
    if (sa->key == NULL)
        return false;
    key_derive(sa->key, sa->aead, &sa->secret, period);
    sa->limit = (period + 1) << SW_VTEP_PERIOD_BITS;
    return true;
}

bool vtep_seal(struct vtep_tx_sa *sa, uint8_t flags, const uint8_t *plain, size_t n, uint8_t *out)
{
    uint8_t nonce[SW_AEAD_NONCE_BYTES];

    if (sa->counter >= sa->limit && !tx_next_key(sa))
        return false;
    out[0] = VTEP_TYPE_DATA;
    out[1] = flags;
    out[2] = out[3] = 0;
    vtep_put_le32(out + 4, sa->secret.index);
    vtep_put_le64(out + 8, sa->counter);
    nonce_of(&sa->secret, out, nonce);
    sa->counter++;
    sa->aead->seal(&sa->key->st, nonce, out, VTEP_HDR, plain, n, out + VTEP_HDR);
    return true;
}

/* ----------------------------------------------------------------------------------- receiving */

void vtep_rx_sa_init(struct vtep_rx_sa *sa, const struct sw_aead *aead,
                     const struct sw_vtep_secret *secret)
{
    memset(sa, 0, sizeof(*sa));
    sa->aead = aead;
    sa->secret = *secret;
    atomic_flag_clear(&sa->lock);
}

void vtep_rx_sa_fini(struct vtep_rx_sa *sa)
{
    for (unsigned i = 0; i < 3; i++)
        keymem_put(atomic_load(&sa->keys[i]));
    sw_free(atomic_load(&sa->replay));
    sw_wipe(&sa->secret, sizeof(sa->secret));
}

static void rx_lock(struct vtep_rx_sa *sa)
{
    while (atomic_flag_test_and_set_explicit(&sa->lock, memory_order_acquire)) {
#ifdef __x86_64__
        __builtin_ia32_pause();
#endif
    }
}

static void rx_unlock(struct vtep_rx_sa *sa)
{
    atomic_flag_clear_explicit(&sa->lock, memory_order_release);
}

/* The slot of a period is reused only when the newest verified period has moved three on, some
 * 2^31 packets later: a thread still opening a packet under the old one would at worst find a wrong
 * tag. Slots are never freed while the path lives. */
static struct vtep_key *rx_make_key(struct vtep_rx_sa *sa, uint64_t period)
{
    _Atomic(struct vtep_key *) *slot = &sa->keys[period % 3];
    struct vtep_key *k;

    rx_lock(sa);
    k = atomic_load_explicit(slot, memory_order_relaxed);
    if (k == NULL) {
        k = keymem_get();
        if (k != NULL)
            atomic_store_explicit(&k->period, NO_PERIOD, memory_order_relaxed);
    }
    if (k != NULL && atomic_load_explicit(&k->period, memory_order_relaxed) != period) {
        atomic_store_explicit(&k->period, NO_PERIOD, memory_order_release);
        key_derive(k, sa->aead, &sa->secret, period);
        atomic_store_explicit(&k->period, period, memory_order_release);
        atomic_store_explicit(slot, k, memory_order_release);
    }
    rx_unlock(sa);
    return k;
}

static struct vtep_key *rx_key(struct vtep_rx_sa *sa, uint64_t period)
{
    uint64_t newest = atomic_load_explicit(&sa->newest, memory_order_relaxed);
    struct vtep_key *k;

    /* newest is one more than the period: period - 1, period and period + 1 are good. */
    if (newest != 0 && (period + 2 < newest || period > newest))
        return NULL;
    k = atomic_load_explicit(&sa->keys[period % 3], memory_order_acquire);
    if (k != NULL && atomic_load_explicit(&k->period, memory_order_acquire) == period)
        return k;
    return rx_make_key(sa, period);
}

/* Only verified packets come here, so nobody else can make us spend the memory. */
static bool rx_mark(struct vtep_rx_sa *sa, uint64_t counter)
{
    uint64_t period = counter >> SW_VTEP_PERIOD_BITS;
    struct vtep_replay *r;
    bool ok = false;

    rx_lock(sa);
    r = atomic_load_explicit(&sa->replay, memory_order_relaxed);
    if (r == NULL) {
        r = sw_calloc(1, sizeof(*r));
        atomic_store_explicit(&sa->replay, r, memory_order_release);
    }
    if (r != NULL)
        ok = vtep_replay_mark(r, counter);
    if (ok && atomic_load_explicit(&sa->newest, memory_order_relaxed) < period + 1)
        atomic_store_explicit(&sa->newest, period + 1, memory_order_relaxed);
    rx_unlock(sa);
    return ok;
}

bool vtep_hdr_ok(const uint8_t *pkt, size_t n)
{
    return n >= VTEP_PKT_MIN && pkt[0] == VTEP_TYPE_DATA && (pkt[1] & ~VTEP_F_CSUM_PARTIAL) == 0 &&
           pkt[2] == 0 && pkt[3] == 0;
}

enum vtep_verdict vtep_open(struct vtep_rx_sa *sa, const uint8_t *pkt, size_t n, uint8_t *out)
{
    uint64_t counter = vtep_le64(pkt + 8);
    const struct vtep_replay *r = atomic_load_explicit(&sa->replay, memory_order_acquire);
    uint8_t nonce[SW_AEAD_NONCE_BYTES];
    struct vtep_key *k;

    if (counter >= VTEP_COUNTER_MAX || (r != NULL && !vtep_replay_may(r, counter)))
        return VTEP_REPLAYED;
    k = rx_key(sa, counter >> SW_VTEP_PERIOD_BITS);
    if (k == NULL)
        return VTEP_BAD_TAG;
    nonce_of(&sa->secret, pkt, nonce);
    if (!sa->aead->open(&k->st, nonce, pkt, VTEP_HDR, pkt + VTEP_HDR, n - VTEP_HDR, out))
        return VTEP_BAD_TAG;
    return rx_mark(sa, counter) ? VTEP_OK : VTEP_REPLAYED;
}
