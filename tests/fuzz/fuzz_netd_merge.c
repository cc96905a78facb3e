/* SPDX-License-Identifier: Apache-2.0
 * A peer whose packets are authentic sends any frames: checks of the source, then the merger. Each
 * frame is two bytes: length (big-endian; top bit: checksum partial, next: a bad packet), bytes. */
// uses: agent_netd_packet
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/netd/packet/merge.h"
#include "agent/netd/packet/table.h"

static void on_emit(void *ctx, int slot, const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    (void)ctx;
    (void)slot;
    assert(n >= VTEP_VNET_LEN + VTEP_ETH && n <= VTEP_VNET_LEN + VTEP_FRAME_MAX + VTEP_ETH + 8u);
    for (size_t i = 0; i < n; i++) /* all of it must be there */
        sum ^= p[i];
    __asm__ volatile("" : : "r"(sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vtep_net *net;
    uint8_t *buf = malloc(VTEP_MERGE_BUF);
    struct vtep_merge m;

    if (net == NULL) {
        net = vtep_net_new(0x0a5a0000, 24, 2);
        vtep_net_add(net, 0x0a5a0001, 1);
    }
    vtep_merge_init(&m, buf);
    m.emit = on_emit;
    m.uso = true;
    while (size >= 2) {
        size_t n = ((size_t)data[0] << 8 | data[1]) & 0x3fff;
        bool partial = (data[0] & 0x80) != 0;
        bool bad = (data[0] & 0x40) != 0;
        struct vtep_frame f;
        uint8_t *dst;

        data += 2;
        size -= 2;
        n = n < size ? n : size;
        dst = vtep_merge_dst(&m);
        assert(dst >= buf && dst + VTEP_VXLAN + VTEP_FRAME_MAX <= buf + VTEP_MERGE_BUF);
        memcpy(dst + VTEP_VXLAN, data, n);
        data += n;
        size -= n;
        if (bad || n < VTEP_ETH || !vtep_frame_parse(dst + VTEP_VXLAN, n, &f) ||
            (partial && f.proto == 0)) {
            vtep_merge_cancel(&m);
            continue;
        }
        (void)vtep_source_ok(net, 1, dst + VTEP_VXLAN, n, &f);
        vtep_merge_push(&m, 1, n, &f, partial);
    }
    vtep_merge_flush(&m);
    free(buf);
    return 0;
}
