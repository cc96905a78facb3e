/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/netd/control_priv.h"
#include "common/base/macro.h"
#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"

void netd_close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

void netd_request_free(Swarm__V1__NetdRequest *m)
{
    if (m->what_case == SWARM__V1__NETD_REQUEST__WHAT_SET_PEERS && m->set_peers->keys != NULL) {
        const Swarm__V1__DataPlaneKeys *k = m->set_peers->keys;

        for (size_t i = 0; i < k->n_epochs; i++)
            sw_wipe(k->epochs[i]->secret.data, k->epochs[i]->secret.len);
    }
    swarm__v1__netd_request__free_unpacked(m, NULL);
}

void netd_answer_init(struct netd_answer *a)
{
    swarm__v1__netd_reply__init(&a->m);
    swarm__v1__netd_hello_reply__init(&a->hello);
    swarm__v1__netd_epoch_reply__init(&a->epoch);
    swarm__v1__netd_stats__init(&a->stats);
    swarm__v1__netd_drops__init(&a->drops);
}

void netd_answer_fini(struct netd_answer *a)
{
    for (size_t i = 0; i < a->hello.n_networks; i++)
        free(a->hello.networks[i]);
    free(a->hello.networks);
    for (size_t i = 0; i < a->hello.n_dns; i++)
        free(a->hello.dns[i]);
    free(a->hello.dns);
    for (size_t i = 0; i < a->stats.n_networks; i++)
        free(a->stats.networks[i]);
    free(a->stats.networks);
    for (size_t i = 0; i < a->stats.n_peers; i++)
        free(a->stats.peers[i]);
    free(a->stats.peers);
    free(a->stats.epochs);
}

static void epoch_message(Swarm__V1__NetdEpochReply *m, struct netd_epoch_key *key)
{
    swarm__v1__netd_epoch_reply__init(m);
    m->epoch = key->epoch;
    m->start_key.data = key->start_key;
    m->start_key.len = sizeof(key->start_key);
    m->suites = sw_aead_suites();
}

static const char *cipher_name(void)
{
    const struct sw_aead *a = sw_aead_best(sw_aead_suites(), sw_aead_suites());

    return a != NULL ? a->name : "none";
}

static int do_hello(struct netd_control *c, const Swarm__V1__NetdHello *m, struct netd_answer *a,
                    struct sw_err *err)
{
    Swarm__V1__NetdHelloReply *h = &a->hello;

    if (m->version != 1)
        return sw_err_set(err, SW_E_UNSUPPORTED, "swarm-netd speaks version 1, not %u", m->version);
    h->version = 1;
    h->pid = (uint32_t)getpid();
    h->instance.data = c->instance;
    h->instance.len = sizeof(c->instance);
    h->workers = c->n_workers;
    h->suites = sw_aead_suites();
    h->cipher = (char *)(uintptr_t)cipher_name();
    h->udp = netd_workers_have_udp(c->workers);
    h->n_keys = netd_keyring_epochs(c->keys, a->keys);
    h->keys = a->key_ptrs;
    for (size_t i = 0; i < h->n_keys; i++) {
        epoch_message(&a->key_msgs[i], &a->keys[i]);
        a->key_ptrs[i] = &a->key_msgs[i];
    }
    if (netd_networks_list(c->networks, h) < 0 || dns_server_list(c->dns, h) < 0)
        return sw_err_set(err, -ENOMEM, "hello");
    a->m.what_case = SWARM__V1__NETD_REPLY__WHAT_HELLO;
    a->m.hello = h;
    return 0;
}

static int do_configure_udp(struct netd_control *c, const Swarm__V1__NetdConfigureUdp *m,
                            const int *fds, size_t n_fds, struct sw_err *err)
{
    int r;

    if (n_fds == 0)
        return netd_workers_have_udp(c->workers)
                   ? 0
                   : sw_err_set(err, SW_E_NOT_FOUND, "no data path sockets are in place");
    if (n_fds != 2 * (size_t)c->n_workers) {
        netd_close_fds(fds, n_fds);
        return sw_err_set(err, SW_E_INVALID, "%zu sockets for %u workers", n_fds, c->n_workers);
    }
    r = netd_workers_set_udp(c->workers, fds, err);
    if (r == 0)
        log_info("data path addr=%s port=%u", m->local_addr, m->port);
    return r;
}

static int do_new_epoch(struct netd_control *c, const Swarm__V1__NetdNewEpoch *m,
                        struct netd_answer *a, struct sw_err *err)
{
    int r = netd_keyring_make(c->keys, m->epoch, a->key.start_key, err);

    if (r < 0)
        return r;
    a->key.epoch = m->epoch;
    epoch_message(&a->epoch, &a->key);
    a->m.what_case = SWARM__V1__NETD_REPLY__WHAT_EPOCH;
    a->m.epoch = &a->epoch;
    c->dirty = true; /* an older epoch may have gone */
    return 0;
}

static void fill_drops(const struct netd_control *c, Swarm__V1__NetdDrops *d)
{
    d->no_key = netd_workers_drops(c->workers, VTEP_NO_KEY);
    d->malformed = netd_workers_drops(c->workers, VTEP_MALFORMED);
    d->unknown_index = netd_workers_drops(c->workers, VTEP_UNKNOWN_INDEX);
    d->bad_tag = netd_workers_drops(c->workers, VTEP_BAD_TAG);
    d->replayed = netd_workers_drops(c->workers, VTEP_REPLAYED);
    d->bad_network = netd_workers_drops(c->workers, VTEP_BAD_NETWORK);
    d->bad_source = netd_workers_drops(c->workers, VTEP_BAD_SOURCE);
    d->send_full = netd_workers_drops(c->workers, VTEP_SEND_FULL);
    d->tap_full = netd_workers_drops(c->workers, VTEP_TAP_FULL);
    d->bad_frame = netd_workers_drops(c->workers, VTEP_BAD_FRAME);
    d->too_big = netd_workers_drops(c->workers, VTEP_TOO_BIG);
}

static int do_stats(struct netd_control *c, struct netd_answer *a, struct sw_err *err)
{
    if (netd_keyring_stats(c->keys, &a->stats) < 0 ||
        netd_networks_stats(c->networks, &a->stats) < 0)
        return sw_err_set(err, -ENOMEM, "statistics");
    dns_server_stats(c->dns, &a->stats);
    fill_drops(c, &a->drops);
    a->stats.drops = &a->drops;
    a->m.what_case = SWARM__V1__NETD_REPLY__WHAT_STATS;
    a->m.stats = &a->stats;
    return 0;
}

static int do_set_peers(struct netd_control *c, const Swarm__V1__NetdSetPeers *m,
                        struct sw_err *err)
{
    c->dirty = true;
    return netd_keyring_set_peers(c->keys, m, sw_mono_ns() / SW_NS_PER_MS, err);
}

/* Requests that bring no descriptors. */
static int do_plain(struct netd_control *c, const Swarm__V1__NetdRequest *m, struct netd_answer *a,
                    struct sw_err *err)
{
    switch (m->what_case) {
    case SWARM__V1__NETD_REQUEST__WHAT_HELLO:
        return do_hello(c, m->hello, a, err);
    case SWARM__V1__NETD_REQUEST__WHAT_REMOVE_NETWORK:
        netd_networks_remove(c->networks, m->remove_network->key);
        c->dirty = true;
        return 0;
    case SWARM__V1__NETD_REQUEST__WHAT_SET_TABLE:
        c->dirty = true;
        return netd_networks_set_table(c->networks, m->set_table, err);
    case SWARM__V1__NETD_REQUEST__WHAT_SET_PEERS:
        return do_set_peers(c, m->set_peers, err);
    case SWARM__V1__NETD_REQUEST__WHAT_NEW_EPOCH:
        return do_new_epoch(c, m->new_epoch, a, err);
    case SWARM__V1__NETD_REQUEST__WHAT_DNS_DETACH:
        dns_server_detach(c->dns, m->dns_detach->container_id);
        return 0;
    case SWARM__V1__NETD_REQUEST__WHAT_GET_STATS:
        return do_stats(c, a, err);
    case SWARM__V1__NETD_REQUEST__WHAT_CONFIGURE_UDP:
    case SWARM__V1__NETD_REQUEST__WHAT_ADD_NETWORK:
    case SWARM__V1__NETD_REQUEST__WHAT_DNS_ATTACH:
    case SWARM__V1__NETD_REQUEST__WHAT__NOT_SET:
    case _SWARM__V1__NETD_REQUEST__WHAT__CASE_IS_INT_SIZE:
        break;
    }
    return sw_err_set(err, SW_E_UNSUPPORTED, "request %d is not known here", (int)m->what_case);
}

int netd_control_do(struct netd_control *c, const Swarm__V1__NetdRequest *m, const int *fds,
                    size_t n_fds, struct netd_answer *a, struct sw_err *err)
{
    if (m->what_case == SWARM__V1__NETD_REQUEST__WHAT_CONFIGURE_UDP)
        return do_configure_udp(c, m->configure_udp, fds, n_fds, err);
    if (m->what_case == SWARM__V1__NETD_REQUEST__WHAT_ADD_NETWORK) {
        c->dirty = true;
        return netd_networks_add(c->networks, m->add_network, fds, n_fds, err);
    }
    if (m->what_case == SWARM__V1__NETD_REQUEST__WHAT_DNS_ATTACH)
        return dns_server_attach(c->dns, m->dns_attach, fds, n_fds, err);
    netd_close_fds(fds, n_fds); /* nobody asked for them */
    return do_plain(c, m, a, err);
}
