/* SPDX-License-Identifier: Apache-2.0
 * backoff.h - how long to wait before the next attempt. Pure: random numbers are arguments. */
#ifndef SWARM_COMMON_IO_BACKOFF_H
#define SWARM_COMMON_IO_BACKOFF_H

#include <stdint.h>

struct sw_backoff {
    uint64_t base_ms; /* the first ceiling */
    uint64_t max_ms;  /* the last */
    unsigned failures;
};

void sw_backoff_init(struct sw_backoff *b, uint64_t base_ms, uint64_t max_ms);
/**
 * sw_backoff_next() - one more failure
 * @random: in [0,1)
 *
 * Return: milliseconds in [ceiling / 2, ceiling), where the ceiling doubles from base_ms to max_ms:
 * half is jitter, so that thousands of agents that lost one manager do not come back as one.
 */
uint64_t sw_backoff_next(struct sw_backoff *b, double random);
void sw_backoff_reset(struct sw_backoff *b); /* it worked */
/** sw_random_unit() - in [0,1), from the kernel's generator: for those who may be impure. */
double sw_random_unit(void);

#endif
