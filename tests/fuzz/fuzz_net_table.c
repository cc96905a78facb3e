// uses: agent_net
/* SPDX-License-Identifier: Apache-2.0
 * fuzz_net_table.c - a network table from a manager: checked, sorted, turned into rules. */
#include "agent/net/rules.h"
#include "agent/net/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Swarm__V1__NetworkTable *m = swarm__v1__network_table__unpack(NULL, size, data);
    struct sw_buf b = SW_BUF_INIT;
    struct table *t = NULL;
    struct sw_err err;

    if (m == NULL)
        return 0;
    if (table_new(&t, m, 1, &err) == 0) {
        rules_vip(&b, NULL, t, 7);
        rules_vip(&b, t, NULL, 7);
        rules_return(&b, NULL, t, "eth0", 0);
        rules_mesh(&b, NULL, t);
        table_free(t);
    }
    sw_buf_fini(&b);
    swarm__v1__network_table__free_unpacked(m, NULL);
    return 0;
}
