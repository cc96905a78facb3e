/* SPDX-License-Identifier: Apache-2.0
 * Anybody sends any datagram to the data port. First byte: size of the packets GRO put together. */
// uses: agent_netd_packet
#include <stdlib.h>
#include <string.h>

#include "agent/netd/packet/rx.h"

static void on_emit(void *ctx, int slot, const uint8_t *p, size_t n)
{
    (void)ctx;
    (void)slot;
    (void)p;
    (void)n;
    abort(); /* nothing here can carry a valid tag */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vtep_table *t;
    static struct vtep_rx_sa sa;
    static struct vtep_peer_count count;
    static struct vtep_drops drops;
    static struct vtep_rx rx;
    static uint8_t buf[VTEP_MERGE_BUF];
    struct sw_vtep_secret secret = { .key = "a key that no input can guess..",
                                     .index = 0x41414141 };
    struct sw_err err;

    if (t == NULL) {
        if (sw_aead_init(&err) < 0)
            abort();
        t = vtep_table_new(0, 0, 1);
        vtep_rx_sa_init(&sa, sw_aead_get(SW_AEAD_CHACHA20_POLY1305), &secret);
        sa.count = &count;
        vtep_table_add_rx(t, &sa);
        vtep_merge_init(&rx.merge, buf);
        rx.merge.emit = on_emit;
        rx.drops = &drops;
    }
    if (size > 1)
        vtep_rx_datagram(&rx, t, data + 1, size - 1, (size_t)data[0] * 4);
    vtep_merge_flush(&rx.merge);
    return 0;
}
