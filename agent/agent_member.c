/* SPDX-License-Identifier: Apache-2.0
 * agent_member.c - life as a member: the session, what comes down, the certificate in time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "agent/agent_priv.h"
#include "agent/netd/netd_client.h"
#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/io/backoff.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define RENEW_AGAIN_MS 5000

/* ---- what this node is
 * ----------------------------------------------------------------------------- */

static int add_plugin(Swarm__V1__NodeDescription *d, const char *type, const char *name)
{
    Swarm__V1__Plugin *p = pb_new(&swarm__v1__plugin__descriptor);

    if (p == NULL || pb_set_string(&p->type, type) < 0 || pb_set_string(&p->name, name) < 0 ||
        pb_add(&d->n_plugins, &d->plugins, p) < 0) {
        pb_free(p);
        return -ENOMEM;
    }
    return 0;
}

static int add_images(const struct agent *a, Swarm__V1__NodeDescription *d)
{
    for (size_t i = 0; i < image_count(a->images); i++) {
        const struct image *img = image_at(a->images, i);

        for (size_t k = 0; k < img->n_names; k++) {
            char *copy = sw_strdup(img->names[k]);

            if (copy == NULL || pb_add(&d->n_images, &d->images, copy) < 0) {
                sw_free(copy);
                return -ENOMEM;
            }
        }
    }
    return 0;
}

static int fill_description(struct agent *a, Swarm__V1__NodeDescription *d)
{
    const Swarm__V1__NodeFile *node = a->node != NULL ? a->node : a->entering;
    struct sysinfo si;
    struct utsname un;
    char host[256] = "";
    char peer[300] = "";

    (void)sysinfo(&si);
    (void)uname(&un);
    d->resources = pb_new(&swarm__v1__resources__descriptor);
    if (d->resources == NULL)
        return -ENOMEM;
    d->resources->nano_cpus = (int64_t)get_nprocs() * SW_NS_PER_S;
    d->resources->memory_bytes = (int64_t)si.totalram * si.mem_unit;
    d->data_workers = net_data_workers(a->net);
    if (node != NULL) {
        agent_host_of(node->advertise_addr, host, sizeof(host));
        (void)snprintf(peer, sizeof(peer), "%s:%d", host, AGENT_PEER_PORT);
        d->data_port = node->data_port;
        if (pb_set_string(&d->data_addr, node->data_addr[0] != '\0' ? node->data_addr : host) < 0)
            return -ENOMEM;
    }
    if (pb_set_string(&d->hostname, a->hostname) < 0 || pb_set_string(&d->os, "linux") < 0 ||
        pb_set_string(&d->arch, un.machine) < 0 || pb_set_string(&d->kernel, un.release) < 0 ||
        pb_set_string(&d->engine_version, SWARM_VERSION) < 0 ||
        pb_set_string(&d->peer_addr, peer) < 0 || add_plugin(d, "Log", "json-file") < 0 ||
        add_plugin(d, "Log", "local") < 0 || add_plugin(d, "Log", "none") < 0 ||
        add_plugin(d, "Network", "overlay") < 0 || add_plugin(d, "Network", "bridge") < 0 ||
        add_plugin(d, "Network", "host") < 0 || add_plugin(d, "Volume", "local") < 0)
        return -ENOMEM;
    return add_images(a, d);
}

Swarm__V1__NodeDescription *agent_describe(void *arg)
{
    Swarm__V1__NodeDescription *d = pb_new(&swarm__v1__node_description__descriptor);

    if (d != NULL && fill_description(arg, d) < 0) {
        pb_free(d);
        return NULL;
    }
    return d;
}

/* ---- certificate
 * ----------------------------------------------------------------------------------- */

void agent_set_identity(struct agent *a, struct sw_identity *id)
{
    sw_identity_unref(a->identity);
    a->identity = id;
    if (a->fetcher != NULL && id != NULL)
        image_fetcher_set_identity(a->fetcher, id);
    if (a->peers != NULL && id != NULL)
        sw_rpc_server_set_identity(a->peers, id);
}

static void arm_renewal(struct agent *a)
{
    int64_t at = sw_cert_renew_at(&a->identity->cert, sw_random_unit());
    int64_t now = sw_now_ns();

    sw_timer_start(&a->renew, at > now ? (uint64_t)((at - now) / SW_NS_PER_MS) : 1000);
}

static int take_certificate(struct agent *a, const Swarm__V1__JoinReply *r, struct sw_err *err)
{
    struct sw_identity *id = NULL;
    struct sw_root roots[SW_ROOTS_MAX];
    struct sw_cert cert;
    size_t n = 0;
    int rc = sw_cert_decode(&cert, r->certificate.data, r->certificate.len, err);

    for (size_t i = 0; rc == 0 && i < r->n_roots && n < SW_ROOTS_MAX; i++, n++)
        rc = sw_root_decode(&roots[n], r->roots[i].data, r->roots[i].len, err);
    if (rc == 0)
        rc = sw_cert_verify(&cert, roots, n, sw_now_ns(), err);
    if (rc == 0)
        rc = sw_identity_renew(&id, a->identity, &cert, roots, n, err);
    if (rc < 0)
        return rc;
    agent_set_identity(a, id);
    return agent_files_save(a, err);
}

static void on_manager_joined(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                              const struct sw_err *err)
{
    (void)st;
    if (err->code == 0) {
        log_info("this node is a manager now");
        return;
    }
    log_error("this node could not become a manager: %s", err->msg);
    a->state_err = *err;
}

static int join_setup(struct agent *a, Swarm__V1__ManagerSetup **out, struct sw_err *err)
{
    const char *const *managers;
    size_t n = session_managers(a->session, &managers);
    int r = agent_setup_new(a, SWARM__V1__MANAGER_SETUP__MODE__JOIN, out, err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        Swarm__V1__ManagerPeer *p = pb_new(&swarm__v1__manager_peer__descriptor);

        if (p == NULL || pb_set_string(&p->addr, managers[i]) < 0 ||
            pb_add(&(*out)->n_managers, &(*out)->managers, p) < 0) {
            pb_free(p);
            pb_free(*out);
            return sw_err_set(err, -ENOMEM, "become a manager");
        }
    }
    return r;
}

/* The certificate's role is what this node must be: start or end its manager. */
static void follow_role(struct agent *a)
{
    bool manager = a->identity->cert.role == SW_ROLE_MANAGER;
    Swarm__V1__ManagerSetup *setup;
    struct sw_err err;

    if (manager == (bool)a->node->manager)
        return;
    a->node->manager = manager;
    if (agent_files_save(a, &err) < 0)
        log_error("%s", err.msg);
    if (!manager) {
        log_info("this node is no manager any more");
        manager_end(a, NULL);
    } else if (join_setup(a, &setup, &err) < 0) {
        log_error("%s", err.msg);
    } else {
        manager_start(a, setup, on_manager_joined);
    }
}

static void on_renewed(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__JoinReply *r = NULL;
    struct agent *a = arg;
    struct sw_err local = { 0 };

    a->renewing = false;
    if (a->state != AGENT_MEMBER)
        return;
    if (err != NULL)
        local = *err;
    else if (pb_unpack(&swarm__v1__join_reply__descriptor, bytes, len, &r, &local) == 0)
        (void)take_certificate(a, r, &local);
    if (local.code != 0) {
        log_warn("certificate not renewed: %s", local.msg);
        sw_timer_start(&a->renew, RENEW_AGAIN_MS);
        return;
    }
    log_info("certificate renewed role=%s serial=%llu", sw_role_name(a->identity->cert.role),
             (unsigned long long)a->identity->cert.serial);
    manager_set_identity(a);
    arm_renewal(a);
    follow_role(a);
    session_again(a->session); /* the leader knows us by the new one from now on */
}

static void renew(void *arg)
{
    Swarm__V1__RenewRequest req = SWARM__V1__RENEW_REQUEST__INIT;
    uint8_t wish[SW_CERT_REQUEST_MAX];
    struct agent *a = arg;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_RENEW,
                                .deadline_ms = 10000,
                                .msg = &req.base,
                                .done = on_renewed,
                                .arg = a };
    struct sw_err err;

    if (a->state != AGENT_MEMBER || a->renewing)
        return;
    req.request.data = wish;
    if (sw_cert_request_make(&a->identity->sign, &a->identity->dh, wish, &req.request.len, &err) <
            0 ||
        session_call(a->session, &call, &err) < 0) {
        sw_timer_start(&a->renew, RENEW_AGAIN_MS);
        return;
    }
    a->renewing = true;
}

/* ---- what comes down
 * ------------------------------------------------------------------------------- */

static void keep_managers(struct agent *a)
{
    const char *const *managers;
    size_t n = session_managers(a->session, &managers);
    bool same = n == a->node->n_managers;
    struct sw_err err;

    for (size_t i = 0; same && i < n; i++)
        same = strcmp(managers[i], a->node->managers[i]) == 0;
    if (same)
        return;
    for (size_t i = 0; i < a->node->n_managers; i++)
        sw_free(a->node->managers[i]);
    a->node->n_managers = 0;
    for (size_t i = 0; i < n; i++) {
        char *copy = sw_strdup(managers[i]);

        if (copy == NULL || pb_add(&a->node->n_managers, &a->node->managers, copy) < 0)
            sw_free(copy);
    }
    if (agent_files_save(a, &err) < 0)
        log_error("%s", err.msg);
}

static void take_info(struct agent *a, const Swarm__V1__SessionInfo *i)
{
    bool wants_manager = i->role == SWARM__V1__NODE_ROLE__MANAGER;
    bool is_manager = a->identity->cert.role == SW_ROLE_MANAGER;

    keep_managers(a);
    if (wants_manager != is_manager || a->identity->cert.serial < i->min_serial)
        renew(a);
    else
        follow_role(a);
}

static void take_networks(struct agent *a, const Swarm__V1__SessionDown *down)
{
    struct sw_err err;

    for (size_t i = 0; i < down->n_networks; i++) {
        if (net_apply_network(a->net, down->networks[i], &err) < 0)
            log_error("network=%s: %s", down->networks[i]->name, err.msg);
    }
    for (size_t i = 0; i < down->n_networks_gone; i++)
        net_remove_network(a->net, down->networks_gone[i]);
    if (!a->networks_complete || down->assignments == NULL || !down->assignments->complete)
        return;
    a->networks_complete = false;
    uint64_t keys[256];
    size_t n = 0;

    for (size_t i = 0; i < down->n_networks && n < SW_ARRAY_LEN(keys); i++)
        keys[n++] = down->networks[i]->key;
    if (n == down->n_networks)
        net_retain_networks(a->net, keys, n);
}

static void on_down(void *arg, const Swarm__V1__SessionDown *down)
{
    struct agent *a = arg;
    struct sw_err err;

    if (down->data_plane != NULL && net_apply_keys(a->net, down->data_plane, &err) < 0)
        log_error("keys of the data plane: %s", err.msg);
    take_networks(a, down);
    if (down->assignments != NULL)
        worker_assign(a->worker, down->assignments);
    if (down->info != NULL)
        take_info(a, down->info);
}

static void on_state(void *arg, bool up, const struct sw_err *err)
{
    struct agent *a = arg;

    if (!up) {
        a->state_err = *err;
        return;
    }
    memset(&a->state_err, 0, sizeof(a->state_err));
    log_info("session with the leader is up");
    a->networks_complete = true;
    worker_report_all(a->worker);
    agent_order_session_up(a);
}

static void on_refused(void *arg, const struct sw_err *err)
{
    struct agent *a = arg;

    /* Removed from the cluster, or too old a certificate: keep trying, quietly, and say so in info;
     * only the operator ends a membership. */
    log_warn("refused by the cluster: %s", err->msg);
    a->state_err = *err;
}

static struct sw_identity *identity(void *arg)
{
    return ((struct agent *)arg)->identity;
}

int agent_member_new_session(struct agent *a, struct sw_err *err)
{
    struct session_options o = {
        .loop = a->loop,
        .identity = identity,
        .describe = agent_describe,
        .on_down = on_down,
        .on_state = on_state,
        .on_refused = on_refused,
        .methods = a->session_methods,
        .n_methods = 1,
        .arg = a,
    };

    a->session_methods[0] = (struct sw_rpc_method){
        .method = SWARM__V1__METHOD__METHOD_LOGS,
        .name = "node.logs",
        .allow = SW_RPC_MANAGER,
        .on_open = worker_on_logs,
        .arg = a->worker,
    };
    if (sw_timer_init(&a->renew, a->loop, renew, a, err) < 0)
        return err->code;
    return session_new(&a->session, &o, err);
}

static int listen_for_peers(struct agent *a, struct sw_err *err)
{
    struct sw_rpc_listen l = {
        .loop = a->loop,
        .address = "0.0.0.0:7946",
        .identity = a->identity,
        .methods = a->peer_methods,
        .n_methods = IMAGE_PEER_METHODS,
    };

    image_peer_methods(a->images, a->peer_methods);
    return sw_rpc_server_new(&a->peers, &l, err);
}

int agent_member_tell_net(struct agent *a, struct sw_err *err)
{
    struct net_identity ni = {
        .node_key = a->node->node_key,
        .node_id = a->identity->cert.node_id,
        .data_addr = a->node->data_addr,
        .data_port = (uint16_t)a->node->data_port,
    };

    return net_set_identity(a->net, &ni, err);
}

int agent_member_begin(struct agent *a, struct sw_err *err)
{
    int r = listen_for_peers(a, err);

    if (r == 0)
        r = agent_member_tell_net(a, err);
    if (r == 0)
        r = image_fetcher_new(&a->fetcher, a->loop, a->images, a->identity, err);
    if (r == 0)
        r = session_start(a->session, (const char *const *)a->node->managers, a->node->n_managers,
                          err);
    if (r < 0) {
        agent_member_end(a);
        return r;
    }
    a->state = AGENT_MEMBER;
    arm_renewal(a);
    return 0;
}

void agent_member_end(struct agent *a)
{
    session_stop(a->session);
    sw_timer_stop(&a->renew);
    image_fetcher_free(a->fetcher);
    a->fetcher = NULL;
    sw_rpc_server_free(a->peers);
    a->peers = NULL;
}
