/* SPDX-License-Identifier: Apache-2.0
 * A container says anything about its frame: virtio header, then the frame. */
// uses: agent_netd_packet
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/netd/packet/cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vtep_vnet v;
    struct vtep_cut c;
    uint8_t *room, *pkt;
    size_t n, len, total = 0;

    if (size < sizeof(v))
        return 0;
    memcpy(&v, data, sizeof(v));
    n = size - sizeof(v);
    room = malloc(VTEP_VXLAN + n);
    memcpy(room + VTEP_VXLAN, data + sizeof(v), n);
    if (n >= VTEP_ETH && vtep_cut_start(&c, &v, room + VTEP_VXLAN, n)) {
        while (vtep_cut_next(&c, &pkt, &len)) {
            assert(pkt >= room + VTEP_VXLAN && pkt + len <= room + VTEP_VXLAN + n);
            memset(pkt - VTEP_VXLAN, 0xee, VTEP_VXLAN);
            total += len;
        }
        assert(total >= n);
    }
    free(room);
    return 0;
}
