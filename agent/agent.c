/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent_priv.h"
#include "agent/netd/netd_client.h"
#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define DESCRIBE_MS 20000 /* how often the node looks at itself; SEMANTICS 6.12 */
#define LOCATE_MS   5000

/* ---- what the modules ask of each other
 * ------------------------------------------------------------- */

static void report(void *arg, uint64_t task, const Swarm__V1__TaskStatus *status)
{
    session_report(((struct agent *)arg)->session, task, status);
}

struct fetch {
    struct agent *a;
    void (*done)(void *done_arg, const struct sw_err *err);
    void *done_arg;
    char reference[IMAGE_REF_MAX + 32]; /* full: what nodes report */
    struct sw_timer later;
    struct sw_err err;
};

static void fetch_end(struct fetch *f, const struct sw_err *err)
{
    f->done(f->done_arg, err);
    sw_timer_fini(&f->later);
    sw_free(f);
}

static void fetch_failed_later(void *arg)
{
    struct fetch *f = arg;

    fetch_end(f, &f->err);
}

static void on_fetched(const struct sw_err *err, void *arg)
{
    struct fetch *f = arg;
    struct sw_err local = { 0 };

    if (err != NULL)
        local = *err;
    fetch_end(f, &local);
}

static void no_such_image(struct fetch *f, const char *why)
{
    (void)sw_err_set(&f->err, SW_E_NOT_FOUND, "No such image: %s%s%s",
                     image_name_familiar(f->reference), why[0] != '\0' ? ": " : "", why);
}

static void on_located(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__LocateImageReply *r = NULL;
    struct fetch *f = arg;
    struct image_fetch_options o = { .reference = f->reference, .done = on_fetched, .arg = f };

    if (err != NULL) {
        no_such_image(f, err->msg);
        fetch_end(f, &f->err);
        return;
    }
    if (pb_unpack(&swarm__v1__locate_image_reply__descriptor, bytes, len, &r, &f->err) == 0) {
        o.addresses = (const char *const *)r->peer_addrs;
        o.n_addresses = r->n_peer_addrs;
        no_such_image(f, "");
        if (f->a->fetcher != NULL && r->n_peer_addrs > 0 &&
            image_fetch(f->a->fetcher, NULL, &o, &f->err) == 0)
            return;
    }
    fetch_end(f, &f->err);
}

static void fetch_image(void *arg, const char *reference,
                        void (*done)(void *done_arg, const struct sw_err *err), void *done_arg)
{
    struct agent *a = arg;
    struct fetch *f = sw_calloc(1, sizeof(*f));
    Swarm__V1__LocateImageRequest req = SWARM__V1__LOCATE_IMAGE_REQUEST__INIT;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_LOCATE_IMAGE,
                                .deadline_ms = LOCATE_MS,
                                .msg = &req.base,
                                .done = on_located,
                                .arg = f };
    struct image_ref ref;
    struct sw_err err;

    if (f == NULL || sw_timer_init(&f->later, a->loop, fetch_failed_later, f, &err) < 0) {
        log_error("no memory to fetch image=%s", reference);
        sw_free(f);
        return;
    }
    f->a = a;
    f->done = done;
    f->done_arg = done_arg;
    if (image_ref_parse(&ref, reference, &f->err) == 0) {
        image_ref_default_tag(&ref);
        image_ref_full(&ref, f->reference);
        req.reference = f->reference;
        if (session_call(a->session, &call, &err) == 0)
            return;
        no_such_image(f, err.msg);
    }
    sw_timer_start(&f->later, 0); /* never inside the call */
}

/* swarm-netd made new start keys: sign them, tell the managers. */
static void on_data_keys(void *arg, const struct net_data_key *keys, size_t n)
{
    struct agent *a = arg;
    Swarm__V1__NodeDataKey made[8];
    Swarm__V1__NodeDataKey *list[8];
    uint8_t sig[8][SW_SIGNATURE_BYTES];
    uint8_t msg[NETD_KEY_MSG_BYTES];

    if (a->identity == NULL || a->session == NULL)
        return;
    n = SW_MIN(n, SW_ARRAY_LEN(made));
    for (size_t i = 0; i < n; i++) {
        swarm__v1__node_data_key__init(&made[i]);
        netd_key_message(&a->identity->cert.node_id, keys[i].epoch, keys[i].start_key,
                         keys[i].suites, msg);
        if (sw_sign(&a->identity->sign, NETD_KEY_DOMAIN, msg, sizeof(msg), sig[i]) < 0)
            return;
        made[i].epoch = keys[i].epoch;
        made[i].suites = keys[i].suites;
        made[i].start_key.data = (uint8_t *)(uintptr_t)keys[i].start_key;
        made[i].start_key.len = sizeof(keys[i].start_key);
        made[i].signature.data = sig[i];
        made[i].signature.len = sizeof(sig[i]);
        list[i] = &made[i];
    }
    if (session_data_keys(a->session, n, list) < 0)
        log_error("no memory for the data plane's keys");
    session_describe(a->session); /* the number of workers is known now */
}

static void on_epoch_installed(void *arg, uint64_t epoch)
{
    struct agent *a = arg;

    if (a->session != NULL)
        session_epoch_installed(a->session, epoch);
}

static void visit_use(void *arg, const struct worker_task *t);

struct use {
    const char *image;
    const char *container;
    bool running;
};

static void visit_use(void *arg, const struct worker_task *t)
{
    struct use *u = arg;

    if (t->container_id[0] == '\0' || strcmp(t->image_id, u->image) != 0)
        return;
    u->container = t->container_id;
    u->running = u->running || t->status->state == SWARM__V1__TASK_STATE__TASK_RUNNING;
}

static const char *in_use(const char *id, bool *running, void *arg)
{
    struct agent *a = arg;
    struct use u = { id, NULL, false };

    if (a->worker != NULL)
        worker_each(a->worker, visit_use, &u);
    *running = u.running;
    return u.container;
}

static void on_images_changed(void *arg)
{
    struct agent *a = arg;

    if (a->session != NULL)
        session_describe(a->session); /* other nodes may fetch what is new here */
}

static void on_describe(void *arg)
{
    struct agent *a = arg;

    session_describe(a->session);
    sw_timer_start(&a->describe, DESCRIBE_MS);
}

/* ---- building
 * ---------------------------------------------------------------------------------------- */

static int build_images(struct agent *a, struct sw_err *err)
{
    struct image_store_options o = { .in_use = in_use, .on_change = on_images_changed, .arg = a };
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/image", a->o.state_dir);
    o.dir = dir;
    return image_store_open(&a->images, a->loop, &o, err);
}

static int build_net(struct agent *a, struct sw_err *err)
{
    char netd[512];
    struct net_options o = { .state_dir = a->o.state_dir, .run_dir = a->o.run_dir };
    struct net_callbacks cb = { a, on_data_keys, on_epoch_installed };

    (void)snprintf(netd, sizeof(netd), "%s/swarm-netd", a->o.libexec_dir);
    o.netd_path = netd;
    return net_new(&a->net, a->loop, &o, &cb, err);
}

static int build_containers(struct agent *a, struct sw_err *err)
{
    char shim[512];
    struct container_host_options o = { .cgroup_parent = a->o.cgroup_parent };
    struct worker_options w = {
        .loop = a->loop,
        .data_dir = a->o.state_dir,
        .hostname = a->hostname,
        .report = report,
        .fetch_image = fetch_image,
        .arg = a,
    };
    int r;

    (void)snprintf(shim, sizeof(shim), "%s/swarm-shim", a->o.libexec_dir);
    o.shim_path = shim;
    r = container_host_new(&a->host, a->loop, &o, err);
    if (r < 0)
        return r;
    w.host = a->host;
    w.images = a->images;
    w.net = a->net;
    return worker_new(&a->worker, &w, err);
}

static int build_api(struct agent *a, struct sw_err *err)
{
    struct agent_api_options o = {
        .loop = a->loop,
        .images = a->images,
        .ops = &agent_ops,
        .arg = a,
        .version = SWARM_VERSION,
        .data_dir = a->o.state_dir,
    };
    char path[512];
    int r = agent_api_new(&a->api, &o, err);

    if (r == 0)
        r = http_server_new(&a->http, a->loop, agent_api_router(a->api), NULL, err);
    if (r < 0)
        return r;
    if (a->o.socket != NULL)
        (void)snprintf(path, sizeof(path), "%s", a->o.socket);
    else
        (void)snprintf(path, sizeof(path), "%s/swarm.sock", a->o.run_dir);
    return http_server_listen_unix(a->http, path, 0660, (gid_t)-1, err);
}

static void on_manager_reopened(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                                const struct sw_err *err)
{
    (void)a;
    (void)st;
    if (err->code != 0)
        log_error("the manager of this node does not run: %s", err->msg);
}

/* Containers are known again: go on as a member, if we are one. */
static void on_worker_started(void *arg)
{
    struct agent *a = arg;
    Swarm__V1__ManagerSetup *setup;
    struct sw_err err;

    a->worker_ready = true;
    if (a->identity == NULL)
        return;
    if (a->node->manager) {
        if (agent_setup_new(a, SWARM__V1__MANAGER_SETUP__MODE__OPEN, &setup, &err) == 0)
            manager_start(a, setup, on_manager_reopened);
        else
            log_error("%s", err.msg);
    }
    if (agent_member_begin(a, &err) < 0) {
        log_error("can't take part in the swarm: %s", err.msg);
        a->state_err = err;
    }
}

int agent_new(struct agent **out, uv_loop_t *loop, const struct agent_options *o,
              struct sw_err *err)
{
    struct agent *a = sw_calloc(1, sizeof(*a));
    int r;

    if (a == NULL)
        return sw_err_set(err, -ENOMEM, "start the node agent");
    a->loop = loop;
    a->o = *o;
    if (o->hostname != NULL)
        (void)snprintf(a->hostname, sizeof(a->hostname), "%s", o->hostname);
    else
        (void)gethostname(a->hostname, sizeof(a->hostname) - 1);
    r = net_probe(err);
    if (r == 0)
        r = sw_dir_make(o->state_dir, 0711, err);
    if (r == 0)
        r = sw_dir_make(o->run_dir, 0711, err);
    if (r == 0)
        r = agent_files_load(a, err);
    if (r >= 0)
        r = build_images(a, err);
    if (r == 0)
        r = build_net(a, err);
    if (r == 0)
        r = build_containers(a, err);
    if (r == 0)
        r = agent_member_new_session(a, err);
    if (r == 0)
        r = manager_proc_init(a, err);
    if (r == 0)
        r = sw_timer_init(&a->describe, loop, on_describe, a, err);
    if (r == 0)
        r = build_api(a, err);
    if (r < 0) {
        sw_free(a); /* the process ends: the rest goes with it */
        return r;
    }
    sw_timer_start(&a->describe, DESCRIBE_MS);
    if (a->identity != NULL && agent_member_tell_net(a, err) < 0)
        log_error("networks of running containers can't be taken over: %s", err->msg);
    worker_start(a->worker, on_worker_started, a);
    *out = a;
    return 0;
}

/* ---- ending
 * ------------------------------------------------------------------------------------------ */

void agent_stop(struct agent *a)
{
    if (a->stopping)
        return;
    a->stopping = true;
    log_info("node agent stopping; containers go on");
    agent_member_end(a);
    http_server_close(a->http, NULL, NULL);
    manager_proc_fini(a);
    session_free(a->session);
    a->session = NULL;
    sw_timer_fini(&a->renew);
    sw_timer_fini(&a->describe);
    worker_free(a->worker);
    a->worker = NULL;
    container_host_free(a->host);
    net_free(a->net, NULL, NULL);
    image_store_close(a->images, NULL, NULL);
}

void agent_free(struct agent *a)
{
    if (a == NULL)
        return;
    agent_api_free(a->api);
    sw_identity_unref(a->identity);
    pb_free(a->node);
    sw_free(a);
}
