/* SPDX-License-Identifier: Apache-2.0
 * net_tell.c - what swarm-netd is told: sockets, keys, networks, resolvers.
 *
 * All of it may be said again at any time. Descriptors are passed only when the greeting did not
 * list the thing: a netd that lived on while swarmd was away keeps its queues and sockets. Opening
 * TAP queues and resolver sockets is kernel work, hence a job; when netd was replaced meanwhile
 * (its round is over) the new one has asked for its own and these are closed. */
#include "agent/net/net_tell.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/net/hosts.h"
#include "agent/netd/netd_open.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

typedef Swarm__V1__NetdRequest request;

static void tell_reply(void *ctx, const struct sw_err *status, const Swarm__V1__NetdReply *reply)
{
    const char *what = ctx;

    (void)reply;
    if (status->code < 0 && status->code != SW_E_CANCELED && status->code != SW_E_UNAVAILABLE)
        log_warn("swarm-netd refused request=%s error=%s", what, status->msg);
}

/* @what: static text. Losses are not reported: the next greeting says everything again. */
static void tell(struct net *net, request *q, const int *fds, size_t n_fds, const char *what)
{
    struct sw_err err;
    int r = netd_client_request(net->netd.client, q, fds, n_fds, tell_reply,
                                (void *)(uintptr_t)what, &err);

    if (r < 0 && r != SW_E_UNAVAILABLE)
        log_warn("swarm-netd not told request=%s error=%s", what, err.msg);
}

/* ---------------------------------------------------------------------------------------- keys */

static void keys_report(struct net *net)
{
    struct net_netd *d = &net->netd;

    if (d->making == 0 && net->cb.on_data_keys != NULL)
        net->cb.on_data_keys(net->cb.arg, d->made, d->n_made);
}

static bool keys_have(const struct net_netd *d, uint64_t epoch)
{
    for (size_t i = 0; i < d->n_made; i++)
        if (d->made[i].epoch == epoch)
            return true;
    return false;
}

static bool keys_wanted(const struct net_netd *d, uint64_t epoch)
{
    for (size_t i = 0; d->keys != NULL && i < d->keys->n_epochs; i++)
        if (d->keys->epochs[i]->epoch == epoch)
            return true;
    return false;
}

static void keys_add(struct net *net, const Swarm__V1__NetdEpochReply *e)
{
    struct net_netd *d = &net->netd;
    struct net_data_key *made;

    if (e->start_key.len != sizeof(made->start_key) || keys_have(d, e->epoch))
        return;
    made = sw_realloc(d->made, (d->n_made + 1) * sizeof(*made));
    if (made == NULL) {
        log_error("start key lost error=out of memory");
        return;
    }
    d->made = made;
    made[d->n_made] = (struct net_data_key){ .epoch = e->epoch, .suites = e->suites };
    memcpy(made[d->n_made].start_key, e->start_key.data, e->start_key.len);
    d->n_made++;
}

/* Keys of epochs that nobody uses any more are of no interest to the managers either. */
static void keys_prune(struct net_netd *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n_made; i++)
        if (keys_wanted(d, d->made[i].epoch))
            d->made[n++] = d->made[i];
    d->n_made = n;
}

static void keys_on_made(void *ctx, const struct sw_err *status, const Swarm__V1__NetdReply *reply)
{
    struct net *net = ctx;

    net->netd.making--;
    if (status->code == 0 && reply->what_case == SWARM__V1__NETD_REPLY__WHAT_EPOCH)
        keys_add(net, reply->epoch);
    else if (status->code != SW_E_CANCELED && status->code != SW_E_UNAVAILABLE)
        log_warn("swarm-netd made no key error=%s", status->msg);
    if (net->netd.up)
        keys_report(net);
}

static void keys_make(struct net *net, uint64_t epoch)
{
    Swarm__V1__NetdNewEpoch m = SWARM__V1__NETD_NEW_EPOCH__INIT;
    request q = SWARM__V1__NETD_REQUEST__INIT;
    struct sw_err err;

    m.epoch = epoch;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_NEW_EPOCH;
    q.new_epoch = &m;
    if (netd_client_request(net->netd.client, &q, NULL, 0, keys_on_made, net, &err) == 0)
        net->netd.making++;
}

static void keys_on_installed(void *ctx, const struct sw_err *status,
                              const Swarm__V1__NetdReply *reply)
{
    struct net *net = ctx;
    const struct net_netd *d = &net->netd;
    uint64_t newest = 0;

    tell_reply((void *)(uintptr_t) "set_peers", status, reply);
    if (status->code < 0 || d->keys == NULL)
        return;
    for (size_t i = 0; i < d->keys->n_epochs; i++)
        if (keys_have(d, d->keys->epochs[i]->epoch))
            newest = SW_MAX(newest, d->keys->epochs[i]->epoch);
    if (newest != 0 && net->cb.on_epoch_installed != NULL)
        net->cb.on_epoch_installed(net->cb.arg, newest);
}

static void keys_peers(struct net *net)
{
    Swarm__V1__NetdSetPeers m = SWARM__V1__NETD_SET_PEERS__INIT;
    request q = SWARM__V1__NETD_REQUEST__INIT;
    struct sw_err err;

    m.node = net->node_key;
    m.node_id.data = net->node_id.b;
    m.node_id.len = sizeof(net->node_id.b);
    m.keys = net->netd.keys;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_SET_PEERS;
    q.set_peers = &m;
    if (netd_client_request(net->netd.client, &q, NULL, 0, keys_on_installed, net, &err) < 0 &&
        err.code != SW_E_UNAVAILABLE)
        log_warn("swarm-netd not told request=set_peers error=%s", err.msg);
}

void net_netd_keys(struct net *net)
{
    struct net_netd *d = &net->netd;
    size_t making = d->making;

    if (!d->up || net->data_addr == NULL || d->keys == NULL)
        return;
    keys_prune(d);
    for (size_t i = 0; i < d->keys->n_epochs; i++)
        if (!keys_have(d, d->keys->epochs[i]->epoch))
            keys_make(net, d->keys->epochs[i]->epoch);
    keys_peers(net);
    if (d->making == making && making == 0 && d->n_made > 0)
        keys_report(net);
}

void net_tell_forget_keys(struct net *net)
{
    Swarm__V1__DataPlaneKeys *k = net->netd.keys;

    for (size_t i = 0; k != NULL && i < k->n_epochs; i++)
        if (k->epochs[i]->secret.len > 0)
            explicit_bzero(k->epochs[i]->secret.data, k->epochs[i]->secret.len);
    if (k != NULL)
        swarm__v1__data_plane_keys__free_unpacked(k, NULL);
    net->netd.keys = NULL;
}

int net_apply_keys(struct net *net, const Swarm__V1__DataPlaneKeys *k, struct sw_err *err)
{
    size_t n = swarm__v1__data_plane_keys__get_packed_size(k);
    SW_CLEANUP(sw_free_ptr) uint8_t *bytes = sw_malloc(n + 1);
    Swarm__V1__DataPlaneKeys *copy = NULL;

    if (bytes != NULL) {
        swarm__v1__data_plane_keys__pack(k, bytes);
        copy = swarm__v1__data_plane_keys__unpack(NULL, n, bytes);
        explicit_bzero(bytes, n);
    }
    if (copy == NULL)
        return sw_err_set(err, -ENOMEM, "data plane keys");
    net_tell_forget_keys(net);
    net->netd.keys = copy;
    net_netd_keys(net);
    return 0;
}

/* ---------------------------------------------------------------------------------------- sockets
 */

void net_netd_identity(struct net *net)
{
    Swarm__V1__NetdConfigureUdp m = SWARM__V1__NETD_CONFIGURE_UDP__INIT;
    request q = SWARM__V1__NETD_REQUEST__INIT;
    int fds[2 * NETD_WORKERS_MAX];
    size_t n = 2 * SW_MIN(net->netd.workers, NETD_WORKERS_MAX);
    struct sw_err err;

    if (!net->netd.up || net->data_addr == NULL)
        return;
    if (net->netd.has_udp)
        n = 0;
    else if (netd_udp_open(net->data_addr, net->data_port, n / 2, fds, &err) < 0) {
        log_error("data path sockets not opened error=%s", err.msg);
        return;
    }
    m.local_addr = net->data_addr;
    m.port = net->data_port;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_CONFIGURE_UDP;
    q.configure_udp = &m;
    net->netd.has_udp = false; /* another address: other sockets */
    tell(net, &q, fds, n, "configure_udp");
    net_netd_keys(net);
}

/* ------------------------------------------------------------------------------------- networks */

struct taps_job {
    struct net_job job;
    uint64_t key;
    uint64_t round;
    size_t n;
    int fds[NETD_WORKERS_MAX];
};

static void taps_run(struct net_job *j)
{
    struct taps_job *t = (struct taps_job *)j;

    j->result = kern_taps(j->net->kern, t->key, t->n, t->fds, &j->err);
}

static void taps_tell(struct net *net, struct net_table *t, const int *fds, size_t n)
{
    Swarm__V1__NetdAddNetwork m = SWARM__V1__NETD_ADD_NETWORK__INIT;
    request q = SWARM__V1__NETD_REQUEST__INIT;

    m.key = t->key;
    m.vni = t->msg->vni;
    m.mtu = t->mtu;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_ADD_NETWORK;
    q.add_network = &m;
    t->tap_told = true;
    t->tap_mtu = t->mtu;
    t->tap_vni = t->msg->vni;
    tell(net, &q, fds, n, "add_network");
}

static void taps_done(struct net_job *j)
{
    struct taps_job *f = (struct taps_job *)j;
    struct net *net = j->net;
    struct net_table *t = sw_map_get(&net->tables, f->key);
    bool stale = !net->netd.up || f->round != net->netd.round || t == NULL;

    if (t != NULL)
        t->tap_job = false;
    if (j->result < 0)
        net_failed(net, "TAP queues not opened", &j->err);
    else if (stale)
        for (size_t i = 0; i < f->n; i++)
            close(f->fds[i]);
    else
        taps_tell(net, t, f->fds, f->n);
    sw_free(f);
    if (t != NULL && stale)
        net_netd_table(net, t); /* for the netd that is there now */
}

static void taps_open(struct net *net, struct net_table *t)
{
    struct taps_job *f = sw_calloc(1, sizeof(*f));

    if (f == NULL) {
        log_error("TAP queues not opened error=out of memory");
        return;
    }
    f->key = t->key;
    f->round = net->netd.round;
    f->n = SW_MIN(net->netd.workers, NETD_WORKERS_MAX);
    t->tap_job = true;
    net_job_submit(net, &f->job, taps_run, taps_done);
}

void net_netd_table(struct net *net, struct net_table *t)
{
    request q = SWARM__V1__NETD_REQUEST__INIT;

    if (!net->netd.up || t->mtu == 0)
        return;
    if (t->msg->encrypted && !t->tap_told && !t->tap_job)
        taps_open(net, t);
    else if (t->msg->encrypted && t->tap_told &&
             (t->tap_mtu != t->mtu || t->tap_vni != t->msg->vni))
        taps_tell(net, t, NULL, 0);
    if (t->told)
        return;
    t->told = true;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_SET_TABLE;
    q.set_table = t->msg;
    tell(net, &q, NULL, 0, "set_table");
}

void net_netd_table_gone(struct net *net, uint64_t key)
{
    Swarm__V1__NetdRemoveNetwork m = SWARM__V1__NETD_REMOVE_NETWORK__INIT;
    request q = SWARM__V1__NETD_REQUEST__INIT;

    if (!net->netd.up)
        return;
    m.key = key;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_REMOVE_NETWORK;
    q.remove_network = &m;
    tell(net, &q, NULL, 0, "remove_network");
}

/* ------------------------------------------------------------------------------------ resolvers */

#define DNS_SERVERS_MAX 3

static bool cont_has_egress(const struct net_cont *c)
{
    const struct net_result *r = c->result;

    return r->n_ifaces > 0 && r->ifaces[r->n_ifaces - 1].network == 0;
}

static void dns_tell(struct net *net, struct net_cont *c, const int *fds, size_t n_fds)
{
    Swarm__V1__NetdDnsAttach m = SWARM__V1__NETD_DNS_ATTACH__INIT;
    Swarm__V1__NetdNameserver servers[DNS_SERVERS_MAX];
    Swarm__V1__NetdNameserver *pointers[DNS_SERVERS_MAX];
    char node[HOSTS_SERVERS_MAX][64];
    uint64_t networks[NET_IFACE_MAX];
    request q = SWARM__V1__NETD_REQUEST__INIT;
    bool own = c->a.dns.n_servers > 0;
    size_t n = own ? c->a.dns.n_servers : hosts_node_servers(HOSTS_NODE_RESOLV, node);

    m.container_id = (char *)(uintptr_t)c->a.container_id;
    m.container_name = (char *)(uintptr_t)c->a.container_name;
    m.networks = networks;
    for (size_t i = 0; i < c->a.n_attachments; i++)
        networks[m.n_networks++] = c->a.attachments[i].network;
    m.nameservers = pointers;
    for (size_t i = 0; i < n && i < DNS_SERVERS_MAX; i++) {
        swarm__v1__netd_nameserver__init(&servers[i]);
        servers[i].addr = own ? (char *)(uintptr_t)c->a.dns.servers[i] : node[i];
        servers[i].in_container = own && cont_has_egress(c);
        pointers[m.n_nameservers++] = &servers[i];
    }
    m.forward = cont_has_egress(c);
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_DNS_ATTACH;
    q.dns_attach = &m;
    c->resolver_told = true;
    tell(net, &q, fds, n_fds, "dns_attach");
}

/* Descriptors of the container go to netd: the third only when it has nameservers of its own. */
static void dns_pass(struct net *net, struct net_cont *c, int fds[3])
{
    size_t n = c->a.dns.n_servers > 0 && cont_has_egress(c) ? 3 : 2;

    if (n == 2)
        sw_close_ptr(&fds[2]);
    dns_tell(net, c, fds, n);
    fds[0] = fds[1] = fds[2] = -1;
}

struct dns_job {
    struct net_job job;
    char *id;
    uint64_t round;
    int fds[3];
};

static void dns_run(struct net_job *j)
{
    struct dns_job *d = (struct dns_job *)j;

    j->result = kern_resolver(j->net->kern, d->id, d->fds, &j->err);
}

static void dns_done(struct net_job *j)
{
    struct dns_job *d = (struct dns_job *)j;
    struct net *net = j->net;
    struct net_cont *c = sw_strmap_get(&net->conts, d->id);

    if (c != NULL)
        c->resolver_job = false;
    if (j->result < 0 && c != NULL)
        net_failed(net, "resolver not set up", &j->err);
    else if (j->result == 0 && c != NULL && c->state == CONT_ATTACHED && net->netd.up &&
             d->round == net->netd.round)
        dns_pass(net, c, d->fds);
    else if (c != NULL && c->state == CONT_ATTACHED && !c->resolver_told)
        net_netd_dns(net, c);
    for (size_t i = 0; i < 3; i++)
        sw_close_ptr(&d->fds[i]);
    sw_free(d->id);
    sw_free(d);
}

static void dns_open(struct net *net, struct net_cont *c)
{
    struct dns_job *d = sw_calloc(1, sizeof(*d));

    if (d != NULL)
        d->id = sw_strdup(c->a.container_id);
    if (d == NULL || d->id == NULL) {
        sw_free(d);
        log_error("resolver not set up error=out of memory");
        return;
    }
    d->round = net->netd.round;
    d->fds[0] = d->fds[1] = d->fds[2] = -1;
    c->resolver_job = true;
    net_job_submit(net, &d->job, dns_run, dns_done);
}

static bool dns_known(const struct net_netd *d, const char *id)
{
    for (size_t i = 0; i < d->n_dns; i++)
        if (strcmp(d->dns[i], id) == 0)
            return true;
    return false;
}

void net_netd_dns(struct net *net, struct net_cont *c)
{
    if (!net->netd.up || c->state != CONT_ATTACHED || c->resolver_told || c->resolver_job)
        return;
    if (c->dns[0] >= 0)
        dns_pass(net, c, c->dns);
    else if (dns_known(&net->netd, c->a.container_id))
        dns_tell(net, c, NULL, 0);
    else
        dns_open(net, c);
}

void net_netd_dns_gone(struct net *net, const char *id)
{
    Swarm__V1__NetdDnsDetach m = SWARM__V1__NETD_DNS_DETACH__INIT;
    request q = SWARM__V1__NETD_REQUEST__INIT;

    if (!net->netd.up)
        return;
    m.container_id = (char *)(uintptr_t)id;
    q.what_case = SWARM__V1__NETD_REQUEST__WHAT_DNS_DETACH;
    q.dns_detach = &m;
    tell(net, &q, NULL, 0, "dns_detach");
}

/* ------------------------------------------------------------------------------------- greeting */

static void hello_dns(struct net_netd *d, const Swarm__V1__NetdHelloReply *hello)
{
    for (size_t i = 0; i < d->n_dns; i++)
        sw_free(d->dns[i]);
    sw_free(d->dns);
    d->n_dns = 0;
    d->dns = sw_calloc(hello->n_dns + 1, sizeof(*d->dns));
    for (size_t i = 0; d->dns != NULL && i < hello->n_dns; i++) {
        d->dns[d->n_dns] = sw_strdup(hello->dns[i]);
        if (d->dns[d->n_dns] != NULL)
            d->n_dns++;
    }
}

static void hello_networks(struct net *net, const Swarm__V1__NetdHelloReply *hello)
{
    struct net_table *t;
    size_t it = 0;

    while ((t = sw_map_next(&net->tables, &it)) != NULL)
        t->told = t->tap_told = false;
    for (size_t i = 0; i < hello->n_networks; i++) {
        t = sw_map_get(&net->tables, hello->networks[i]->key);
        if (t == NULL) {
            net_netd_table_gone(net, hello->networks[i]->key);
            continue;
        }
        t->tap_told = hello->networks[i]->taps > 0;
        t->tap_mtu = 0; /* say it again, without descriptors */
    }
}

void net_tell_all(struct net *net, const Swarm__V1__NetdHelloReply *hello)
{
    struct net_netd *d = &net->netd;
    struct net_table *t;
    struct net_cont *c;
    size_t it = 0;

    d->has_udp = hello->udp;
    d->n_made = 0;
    d->making = 0;
    for (size_t i = 0; i < hello->n_keys; i++)
        keys_add(net, hello->keys[i]);
    hello_dns(d, hello);
    hello_networks(net, hello);
    net_netd_identity(net);
    while ((t = sw_map_next(&net->tables, &it)) != NULL)
        net_netd_table(net, t);
    for (it = 0; (c = sw_map_next(&net->conts, &it)) != NULL;) {
        c->resolver_told = false;
        net_netd_dns(net, c);
    }
    net_netd_sweep(net);
}

void net_netd_sweep(struct net *net)
{
    struct net_netd *d = &net->netd;

    if (!net->adopted || net->readopt != NULL)
        return; /* it is not yet known who lives */
    for (size_t i = 0; i < d->n_dns; i++)
        if (sw_strmap_get(&net->conts, d->dns[i]) == NULL)
            net_netd_dns_gone(net, d->dns[i]);
}

void net_tell_free(struct net *net)
{
    struct net_netd *d = &net->netd;

    for (size_t i = 0; i < d->n_dns; i++)
        sw_free(d->dns[i]);
    sw_free(d->dns);
    net_tell_forget_keys(net);
    sw_free(d->made);
}
