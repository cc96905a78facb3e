/* SPDX-License-Identifier: Apache-2.0
 * Tables and keys as they come from managers: a NetdRequest with any content. */
// uses: agent_netd
#include <stdlib.h>

#include "agent/netd/dns/names.h"
#include "agent/netd/keyring.h"
#include "swarm/v1/netd.pb-c.h"

static void on_retire(void *ctx, struct netd_garbage *g)
{
    (void)ctx;
    g->free(g);
}

static void on_no_key(void *ctx, uint64_t node, const char *text)
{
    (void)ctx;
    (void)node;
    (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct netd_keyring_hooks hooks = { NULL, on_retire, on_no_key };
    Swarm__V1__NetdRequest *m = swarm__v1__netd_request__unpack(NULL, size, data);
    struct netd_keyring *k = NULL;
    struct dns_names *d = NULL;
    uint8_t key[32];
    struct sw_err err;

    if (m == NULL)
        return 0;
    if (sw_aead_init(&err) < 0)
        abort();
    if (m->what_case == SWARM__V1__NETD_REQUEST__WHAT_SET_TABLE) {
        if (dns_names_new(&d, m->set_table, &err) == 0)
            dns_names_free(d);
    } else if (m->what_case == SWARM__V1__NETD_REQUEST__WHAT_SET_PEERS) {
        if (netd_keyring_new(&k, 2, &hooks, &err) < 0)
            abort();
        (void)netd_keyring_make(k, 1, key, &err);
        (void)netd_keyring_set_peers(k, m->set_peers, 0, &err);
        (void)netd_keyring_set_peers(k, m->set_peers, 1, &err);
        netd_keyring_free(k);
    }
    swarm__v1__netd_request__free_unpacked(m, NULL);
    return 0;
}
