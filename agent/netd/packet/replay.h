/* SPDX-License-Identifier: Apache-2.0
 * replay.h - which counters of one sender were seen already (RFC 6479). Pure.
 *
 * The bitmap has 8192 bits; the window covers the 8128 counters up to the highest one that was
 * accepted. Looking is lock-free and only a hint that saves work; marking is done under the owner's
 * lock after the tag was verified and looks again. */
#ifndef SWARM_AGENT_NETD_PACKET_REPLAY_H
#define SWARM_AGENT_NETD_PACKET_REPLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VTEP_REPLAY_WORDS  128u
#define VTEP_REPLAY_WINDOW ((VTEP_REPLAY_WORDS - 1u) * 64u) /* one word is being filled */

struct vtep_replay {      /* all zero: nothing seen */
    _Atomic uint64_t top; /* highest accepted + 1 */
    _Atomic uint64_t seen[VTEP_REPLAY_WORDS];
};

static inline bool vtep_replay_may(const struct vtep_replay *r, uint64_t counter)
{
    uint64_t top = atomic_load_explicit(&r->top, memory_order_relaxed);
    uint64_t word;

    if (counter >= top)
        return true;
    if (top - counter > VTEP_REPLAY_WINDOW)
        return false;
    word = atomic_load_explicit(&r->seen[counter / 64 % VTEP_REPLAY_WORDS], memory_order_relaxed);
    return (word >> (counter % 64) & 1) == 0;
}

/** vtep_replay_mark() - with the owner's lock held. Return: false when @counter was seen or is too
 * old; nothing has changed then. */
static inline bool vtep_replay_mark(struct vtep_replay *r, uint64_t counter)
{
    uint64_t top = atomic_load_explicit(&r->top, memory_order_relaxed);
    uint64_t bit = 1ull << (counter % 64);
    _Atomic uint64_t *word = &r->seen[counter / 64 % VTEP_REPLAY_WORDS];

    if (!vtep_replay_may(r, counter))
        return false;
    if (counter >= top) {
        /* Words between the old and the new top hold bits of a former turn. */
        uint64_t from = top == 0 ? 0 : (top - 1) / 64 + 1;
        uint64_t to = counter / 64;

        if (to - from >= VTEP_REPLAY_WORDS && to >= from)
            from = to - VTEP_REPLAY_WORDS + 1;
        for (uint64_t w = from; w <= to; w++)
            atomic_store_explicit(&r->seen[w % VTEP_REPLAY_WORDS], 0, memory_order_relaxed);
        atomic_store_explicit(&r->top, counter + 1, memory_order_relaxed);
    }
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) | bit,
                          memory_order_relaxed);
    return true;
}

#endif
