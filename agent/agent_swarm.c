/* SPDX-License-Identifier: Apache-2.0
 * agent_swarm.c - init, join and leave: one order at a time, all or nothing.
 *
 *   init:  make a root and our own certificate -> manager (bootstrap) -> keep files -> session
 *   join:  ask each given manager in turn -> certificate -> (manager: join Raft) -> keep files
 *          -> session
 *   leave: end tasks -> end the manager -> forget networks -> remove files
 *
 * What fails before the files are kept leaves this node as it was. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/cert.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define SESSION_WAIT_MS                                                                            \
    8000 /* the answer waits for the first session, so that `node ls` is right */
#define LEAVE_TASKS_MS 15000

/* ---- the order under way
 * --------------------------------------------------------------------------- */

static void order_clear(struct agent *a)
{
    a->req = NULL;
    sw_timer_fini(&a->order_limit);
    join_cancel(a->join);
    a->join = NULL;
    pb_free(a->join_request);
    a->join_request = NULL;
    pb_free(a->entering);
    a->entering = NULL;
    for (size_t i = 0; i < a->n_remotes; i++)
        sw_free(a->remotes[i]);
    sw_free(a->remotes);
    a->remotes = NULL;
    a->n_remotes = a->next_remote = 0;
    if (a->token != NULL)
        sw_wipe(a->token, strlen(a->token));
    sw_free(a->token);
    a->token = NULL;
}

static void order_refuse(struct agent *a, const struct sw_err *err)
{
    struct http_request *req = a->req;

    a->state = AGENT_ALONE;
    agent_set_identity(a, NULL);
    pb_free(a->node);
    a->node = NULL;
    order_clear(a);
    if (req != NULL)
        http_reply_err(req, err);
}

static void order_ok(struct agent *a)
{
    struct http_request *req = a->req;
    char id[SW_ID_CHARS + 1];

    sw_id_format(&a->identity->cert.node_id, id);
    order_clear(a);
    if (req != NULL)
        http_reply_json(req, 200, json_string(id));
}

static void on_order_limit(void *arg)
{
    struct agent *a = arg;

    if (a->state == AGENT_MEMBER && a->req != NULL)
        order_ok(a); /* a member, though without session yet: it goes on trying */
}

void agent_order_session_up(struct agent *a)
{
    if (a->state == AGENT_MEMBER && a->req != NULL)
        order_ok(a);
}

/* Return: false: answered. */
static bool order_begin(struct agent *a, struct http_request *req)
{
    struct sw_err err;

    if (a->state != AGENT_ALONE) {
        http_reply_error(req, 503,
                         a->state == AGENT_MEMBER
                             ? AGENT_API_IN_SWARM
                             : "another swarm operation is in progress on this node");
        return false;
    }
    if (!a->worker_ready) {
        http_reply_error(req, 503, "this node is still starting: try again in a moment");
        return false;
    }
    if (sw_timer_init(&a->order_limit, a->loop, on_order_limit, a, &err) < 0) {
        http_reply_err(req, &err);
        return false;
    }
    a->state = AGENT_ENTERING;
    a->req = req;
    return true;
}

/* Files are kept: this node is a member from here on. */
static void enter(struct agent *a)
{
    struct sw_err err;

    if (agent_files_save(a, &err) < 0 || agent_member_begin(a, &err) < 0) {
        agent_files_remove(a);
        manager_end(a, NULL);
        order_refuse(a, &err);
        return;
    }
    sw_timer_start(&a->order_limit, SESSION_WAIT_MS);
}

static int parse_availability(const json_t *body, Swarm__V1__NodeAvailability *out,
                              struct sw_err *err)
{
    const char *s = docker_json_str(body, "Availability");

    *out = SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE;
    if (s == NULL || s[0] == '\0' || strcmp(s, "active") == 0)
        return 0;
    if (strcmp(s, "pause") == 0)
        *out = SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_PAUSE;
    else if (strcmp(s, "drain") == 0)
        *out = SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_DRAIN;
    else
        return sw_err_set(err, SW_E_INVALID, "invalid Availability: \"%s\"", s);
    return 0;
}

static int fill_listen(Swarm__V1__NodeFile *n, const json_t *body, struct sw_err *err)
{
    const char *listen = docker_json_str(body, "ListenAddr");
    char text[300];

    if (listen == NULL || listen[0] == '\0')
        listen = "0.0.0.0:2377";
    if (strrchr(listen, ':') == NULL)
        (void)snprintf(text, sizeof(text), "%s:%d", listen, AGENT_RAFT_PORT);
    else
        (void)snprintf(text, sizeof(text), "%s", listen);
    if (pb_set_string(&n->listen_addr, text) < 0)
        return sw_err_set(err, -ENOMEM, "out of memory");
    return 0;
}

static int fill_data(Swarm__V1__NodeFile *n, const json_t *body, struct sw_err *err)
{
    const char *data = docker_json_str(body, "DataPathAddr");
    int64_t port = docker_json_int(body, "DataPathPort", 0);
    char text[300];
    char host[256];

    if (port != 0 && (port < 1024 || port > 49151))
        return sw_err_set(err, SW_E_INVALID, "invalid DataPathPort %lld: 1024 to 49151 is wanted",
                          (long long)port);
    n->data_port = port != 0 ? (uint32_t)port : NET_DATA_PORT;
    if (data != NULL && data[0] != '\0') {
        if (agent_pick_address(data, 1, text, sizeof(text), err) < 0)
            return sw_err_wrap(err, "data path address");
        agent_host_of(text, host, sizeof(host));
    } else {
        agent_host_of(n->advertise_addr, host, sizeof(host));
    }
    return pb_set_string(&n->data_addr, host) < 0 ? sw_err_set(err, -ENOMEM, "out of memory") : 0;
}

/* ---- init
 * -------------------------------------------------------------------------------------------- */

static uint32_t parse_pool(const json_t *pool, uint32_t *len, struct sw_err *err)
{
    unsigned a, b, c, d, n;
    const char *s = json_string_value(pool);

    if (s == NULL || sscanf(s, "%3u.%3u.%3u.%3u/%2u", &a, &b, &c, &d, &n) != 5 || a > 255 ||
        b > 255 || c > 255 || d > 255 || n < 8 || n > 24) {
        (void)sw_err_set(err, SW_E_INVALID, "invalid default address pool \"%s\"",
                         s != NULL ? s : "");
        return 0;
    }
    *len = n;
    return (a << 24 | b << 16 | c << 8 | d) & (0xffffffffu << (32 - n));
}

static int fill_bootstrap(struct agent *a, const json_t *body, const struct sw_root_key *root,
                          Swarm__V1__Bootstrap *b, struct sw_err *err)
{
    const json_t *pools = docker_json_get(body, "DefaultAddrPool");
    int64_t subnet = docker_json_int(body, "SubnetSize", 0);
    const json_t *spec = docker_json_get(body, "Spec");
    int r = parse_availability(body, &b->availability, err);

    if (r < 0)
        return r;
    if (docker_json_bool(body, "AutoLockManagers", false) ||
        docker_json_bool(docker_json_get(spec, "EncryptionConfig"), "AutoLockManagers", false))
        return sw_err_set(err, SW_E_UNSUPPORTED, "autolock is not supported by swarmd");
    if (json_array_size(pools) > 0) {
        err->code = 0;
        b->default_pool = parse_pool(json_array_get(pools, 0), &b->default_pool_len, err);
        if (err->code < 0)
            return err->code;
    }
    if (subnet != 0 && (subnet < 8 || subnet > 29))
        return sw_err_set(err, SW_E_INVALID, "invalid subnet size %lld: it must be at most 29",
                          (long long)subnet);
    b->subnet_len = (uint32_t)subnet;
    b->data_path_port = a->node->data_port;
    b->description = agent_describe(a);
    if (b->description == NULL ||
        pb_set_bytes(&b->root_record, root->root.record, root->root.record_len) < 0 ||
        pb_set_bytes(&b->root_key, root->key.secret, sizeof(root->key.secret)) < 0 ||
        pb_set_bytes(&b->node_id, a->identity->cert.node_id.b, SW_ID_BYTES) < 0)
        return sw_err_set(err, -ENOMEM, "make the cluster");
    return 0;
}

/* The first node certifies itself: it has just made the root. */
static int make_identity(struct agent *a, struct sw_root_key *root, struct sw_err *err)
{
    struct sw_identity *keys = NULL;
    struct sw_identity *id = NULL;
    struct sw_cert_grant grant = { .role = SW_ROLE_MANAGER, .serial = 1, .now_ns = sw_now_ns() };
    struct sw_cert_request wish;
    struct sw_id cluster;
    struct sw_cert cert;
    int r;

    sw_id_random(&cluster);
    sw_id_random(&grant.node_id);
    r = sw_root_key_make(root, &cluster, grant.now_ns, err);
    if (r == 0)
        r = sw_identity_new(&keys, err);
    if (r == 0) {
        memcpy(wish.public_key, keys->sign.public_key, SW_KEY_BYTES);
        memcpy(wish.static_key, keys->dh.public_key, SW_KEY_BYTES);
        r = sw_cert_issue(&cert, root, &wish, &grant, err);
    }
    if (r == 0)
        r = sw_identity_renew(&id, keys, &cert, &root->root, 1, err);
    sw_identity_unref(keys);
    if (r == 0)
        agent_set_identity(a, id);
    return r;
}

static void on_bootstrapped(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                            const struct sw_err *err)
{
    struct sw_err local = *err;

    if (err->code != 0) {
        manager_end(a, NULL);
        order_refuse(a, &local);
        return;
    }
    a->node->node_key = st->node_key;
    enter(a);
}

static int begin_init(struct agent *a, const json_t *body, struct sw_err *err)
{
    Swarm__V1__ManagerSetup *setup = NULL;
    struct sw_root_key root;
    char addr[300];
    char *first;
    int r;

    if (docker_json_bool(body, "ForceNewCluster", false))
        return sw_err_set(err, SW_E_UNSUPPORTED, "--force-new-cluster is not supported by swarmd");
    a->node = pb_new(&swarm__v1__node_file__descriptor);
    if (a->node == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    a->node->manager = true;
    r = fill_listen(a->node, body, err);
    if (r == 0)
        r = agent_pick_address(docker_json_str(body, "AdvertiseAddr"), AGENT_RAFT_PORT, addr,
                               sizeof(addr), err);
    if (r < 0)
        return r;
    first = sw_strdup(addr);
    if (pb_set_string(&a->node->advertise_addr, addr) < 0 || first == NULL ||
        pb_add(&a->node->n_managers, &a->node->managers, first) < 0)
        return sw_err_set(err, -ENOMEM, "out of memory");
    r = fill_data(a->node, body, err);
    if (r == 0)
        r = make_identity(a, &root, err);
    if (r == 0)
        r = agent_setup_new(a, SWARM__V1__MANAGER_SETUP__MODE__BOOTSTRAP, &setup, err);
    if (r == 0) {
        setup->bootstrap = pb_new(&swarm__v1__bootstrap__descriptor);
        r = setup->bootstrap == NULL ? sw_err_set(err, -ENOMEM, "out of memory")
                                     : fill_bootstrap(a, body, &root, setup->bootstrap, err);
    }
    sw_wipe(&root, sizeof(root));
    if (r < 0) {
        pb_free(setup);
        return r;
    }
    manager_end(a, NULL); /* what a crash may have left */
    manager_start(a, setup, on_bootstrapped);
    return 0;
}

void agent_swarm_init(struct http_request *req, const json_t *body, void *arg)
{
    struct agent *a = arg;
    struct sw_err err;

    if (order_begin(a, req) && begin_init(a, body, &err) < 0)
        order_refuse(a, &err);
}

/* ---- join
 * --------------------------------------------------------------------------------------------- */

static void try_next(struct agent *a, const struct sw_err *last);

static void on_raft_joined(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                           const struct sw_err *err)
{
    struct sw_err local = *err;

    (void)st;
    if (err->code != 0) {
        manager_end(a, NULL);
        order_refuse(a, &local);
        return;
    }
    enter(a);
}

static int take_membership(struct agent *a, const Swarm__V1__JoinReply *reply, struct sw_err *err)
{
    a->node = a->entering;
    a->entering = NULL;
    a->node->node_key = reply->node_key;
    a->node->manager = reply->role == SWARM__V1__NODE_ROLE__MANAGER;
    for (size_t i = 0; i < reply->n_managers; i++) {
        char *copy = sw_strdup(reply->managers[i]->addr);

        if (copy == NULL || pb_add(&a->node->n_managers, &a->node->managers, copy) < 0) {
            sw_free(copy);
            return sw_err_set(err, -ENOMEM, "out of memory");
        }
    }
    return 0;
}

static int start_manager(struct agent *a, const Swarm__V1__JoinReply *reply, struct sw_err *err)
{
    Swarm__V1__ManagerSetup *setup;
    int r = agent_setup_new(a, SWARM__V1__MANAGER_SETUP__MODE__JOIN, &setup, err);

    for (size_t i = 0; r == 0 && i < reply->n_managers; i++) {
        void *copy = pb_clone(reply->managers[i]);

        if (copy == NULL || pb_add(&setup->n_managers, &setup->managers, copy) < 0) {
            pb_free(copy);
            pb_free(setup);
            return sw_err_set(err, -ENOMEM, "out of memory");
        }
    }
    if (r < 0)
        return r;
    manager_end(a, NULL);
    manager_start(a, setup, on_raft_joined);
    return 0;
}

static void on_joined(void *arg, struct sw_identity *identity, const Swarm__V1__JoinReply *reply,
                      const struct sw_err *err)
{
    struct agent *a = arg;
    struct sw_err local = *err;
    int r;

    a->join = NULL;
    if (identity == NULL) {
        try_next(a, &local);
        return;
    }
    agent_set_identity(a, identity);
    r = take_membership(a, reply, &local);
    if (r == 0 && a->node->manager) {
        r = start_manager(a, reply, &local);
        if (r == 0)
            return;
    }
    if (r < 0)
        order_refuse(a, &local);
    else
        enter(a);
}

/* The address to advertise: what the user said, or the one we reach the manager from. */
static int fill_advertise(struct agent *a, struct sw_err *err)
{
    char text[300];

    if (a->entering->advertise_addr[0] != '\0')
        return 0;
    if (agent_pick_address(NULL, AGENT_RAFT_PORT, text, sizeof(text), err) < 0)
        return err->code;
    return pb_set_string(&a->entering->advertise_addr, text) < 0
               ? sw_err_set(err, -ENOMEM, "out of memory")
               : 0;
}

static void try_next(struct agent *a, const struct sw_err *last)
{
    struct join_options o = { .loop = a->loop, .token = a->token, .done = on_joined, .arg = a };
    struct sw_err err = *last;

    /* A manager that answered has spoken for all; one that could not be reached has not. */
    if (a->next_remote == a->n_remotes ||
        (a->next_remote > 0 && (last->code == SW_E_INVALID || last->code == SW_E_PERMISSION ||
                                last->code == SW_E_CRYPTO))) {
        order_refuse(a, &err);
        return;
    }
    o.manager = a->remotes[a->next_remote++];
    o.availability = a->join_request->availability;
    o.description = a->join_request->description;
    if (join_start(&a->join, &o, &err) < 0)
        order_refuse(a, &err);
}

static int read_remotes(struct agent *a, const json_t *body, struct sw_err *err)
{
    const json_t *list = docker_json_get(body, "RemoteAddrs");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        char text[300];
        char *copy;

        if (s == NULL || s[0] == '\0')
            continue;
        if (strchr(s, ':') == NULL)
            (void)snprintf(text, sizeof(text), "%s:%d", s, AGENT_RAFT_PORT);
        else
            (void)snprintf(text, sizeof(text), "%s", s);
        copy = sw_strdup(text);
        if (copy == NULL || pb_add(&a->n_remotes, &a->remotes, copy) < 0) {
            sw_free(copy);
            return sw_err_set(err, -ENOMEM, "out of memory");
        }
    }
    if (a->n_remotes == 0)
        return sw_err_set(err, SW_E_INVALID, "at least 1 RemoteAddr is required to join");
    return 0;
}

static int begin_join(struct agent *a, const json_t *body, struct sw_err *err)
{
    const char *token = docker_json_str(body, "JoinToken");
    const char *wish = docker_json_str(body, "AdvertiseAddr");
    char addr[300];
    int r;

    a->entering = pb_new(&swarm__v1__node_file__descriptor);
    a->join_request = pb_new(&swarm__v1__join_request__descriptor);
    a->token = sw_strdup(token != NULL ? token : "");
    if (a->entering == NULL || a->join_request == NULL || a->token == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    r = read_remotes(a, body, err);
    if (r == 0)
        r = parse_availability(body, &a->join_request->availability, err);
    if (r == 0)
        r = fill_listen(a->entering, body, err);
    if (r == 0 && wish != NULL && wish[0] != '\0') {
        r = agent_pick_address(wish, AGENT_RAFT_PORT, addr, sizeof(addr), err);
        if (r == 0 && pb_set_string(&a->entering->advertise_addr, addr) < 0)
            r = sw_err_set(err, -ENOMEM, "out of memory");
    }
    if (r == 0)
        r = fill_advertise(a, err);
    if (r == 0)
        r = fill_data(a->entering, body, err);
    if (r == 0) {
        a->join_request->description = agent_describe(a);
        if (a->join_request->description == NULL)
            r = sw_err_set(err, -ENOMEM, "out of memory");
    }
    return r;
}

void agent_swarm_join(struct http_request *req, const json_t *body, void *arg)
{
    struct agent *a = arg;
    struct sw_err err;

    if (!order_begin(a, req))
        return;
    if (begin_join(a, body, &err) < 0) {
        order_refuse(a, &err);
        return;
    }
    (void)sw_err_set(&err, SW_E_UNAVAILABLE, "no manager answered");
    try_next(a, &err);
}

/* ---- leave
 * -------------------------------------------------------------------------------------------- */

static void on_purged(void *arg, const struct sw_err *err)
{
    struct agent *a = arg;
    struct http_request *req = a->req;

    if (err->code != 0)
        log_warn("networks not wholly removed: %s", err->msg);
    agent_files_remove(a);
    agent_set_identity(a, NULL);
    pb_free(a->node);
    a->node = NULL;
    a->state = AGENT_ALONE;
    memset(&a->state_err, 0, sizeof(a->state_err));
    log_info("left the swarm");
    order_clear(a);
    if (req != NULL)
        http_reply_empty(req, 200);
}

static void on_manager_ended(struct agent *a)
{
    net_purge(a->net, false, on_purged, a);
}

static void on_tasks_gone(void *arg)
{
    manager_end(arg, on_manager_ended);
}

void agent_swarm_leave(struct http_request *req, bool force, void *arg)
{
    struct agent *a = arg;

    if (a->state != AGENT_MEMBER) {
        http_reply_error(req, 503, AGENT_API_NOT_PART);
        return;
    }
    if (a->node->manager && !force) {
        http_reply_error(
            req, 503, "%s",
            a->node->n_managers > 1
                ? "You are attempting to leave the swarm on a node that is "
                  "participating as a manager. The only way to restore a swarm that has "
                  "lost consensus is to reinitialize it with `--force-new-cluster`. Use "
                  "`--force` to suppress this message."
                : "You are attempting to leave the swarm on a node that is "
                  "participating as a manager. Removing the last manager erases all "
                  "current state of the swarm. Use `--force` to ignore this message.");
        return;
    }
    a->state = AGENT_LEAVING;
    a->req = req;
    agent_member_end(a);
    worker_forget_all(a->worker, LEAVE_TASKS_MS, on_tasks_gone, a);
}
