/* SPDX-License-Identifier: Apache-2.0
 * limiter.h - private to rpc: how many wrong join tokens an address may show. Pure.
 *
 * Every failure fills the address's bucket by one, every LIMITER_DRAIN_MS takes one out; a full
 * bucket refuses. IPv6 counts by /64, which is what one customer gets. The table is bounded: when
 * it is full the emptiest bucket makes room, so noise cannot free the worst offenders. */
#ifndef SWARM_COMMON_RPC_LIMITER_H
#define SWARM_COMMON_RPC_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITER_ENTRIES  256
#define LIMITER_DRAIN_MS 10000

struct limiter_entry {
    uint8_t key[16];   /* address: IPv4 as ::ffff:a.b.c.d, IPv6 the first 8 bytes */
    unsigned failures; /* 0: free */
    uint64_t since_ms; /* when the bucket was last brought up to date */
};

struct limiter {
    unsigned max;
    struct limiter_entry entries[LIMITER_ENTRIES];
};

/** rpc_limiter_fail() - @address: "10.0.0.7:51234" or "[fd00::1]:51234"; anything else is ignored.
 */
void rpc_limiter_fail(struct limiter *l, const char *address, uint64_t now_ms);
/** rpc_limiter_blocked() - Return: milliseconds until the address may try again, 0: now. */
uint64_t rpc_limiter_blocked(struct limiter *l, const char *address, uint64_t now_ms);

#endif
