/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io/backoff.h"

#include <assert.h>

#include "common/base/id.h"

void sw_backoff_init(struct sw_backoff *b, uint64_t base_ms, uint64_t max_ms)
{
    assert(base_ms > 0 && base_ms <= max_ms);
    b->base_ms = base_ms;
    b->max_ms = max_ms;
    b->failures = 0;
}

uint64_t sw_backoff_next(struct sw_backoff *b, double random)
{
    uint64_t ceiling = b->base_ms;

    assert(random >= 0 && random < 1);
    for (unsigned i = 0; i < b->failures && ceiling < b->max_ms; i++)
        ceiling = ceiling > b->max_ms / 2 ? b->max_ms : ceiling * 2;
    if (ceiling < b->max_ms)
        b->failures++;
    return ceiling - ceiling / 2 + (uint64_t)((double)(ceiling / 2) * random);
}

void sw_backoff_reset(struct sw_backoff *b)
{
    b->failures = 0;
}

double sw_random_unit(void)
{
    uint64_t x;

    sw_random(&x, sizeof(x));
    return (double)(x >> 11) / (double)(1ull << 53);
}
