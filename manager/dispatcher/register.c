/* SPDX-License-Identifier: Apache-2.0
 * register.c - what the dispatcher writes about a node: that it is there, what it is, that it is
 * gone. A write that lost a race (the node changed meanwhile) is tried again from the new state. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/dispatcher/session.h"
#include "proto/pb.h"

int64_t register_heartbeat_ms(const struct dispatcher *d)
{
    const Swarm__V1__Cluster *c = view_cluster(d->view);
    int64_t period = c != NULL && c->spec != NULL && c->spec->heartbeat_period_ns > 0
                         ? c->spec->heartbeat_period_ns
                         : 5 * SW_NS_PER_S;

    return SW_MAX(period * 2 / 5 / SW_NS_PER_MS, 100);
}

/* "10.0.0.7:51234" -> "10.0.0.7", "[fd00::1]:2377" -> "fd00::1" */
static void host_of(const char *address, char *out, size_t cap)
{
    const char *start = address[0] == '[' ? address + 1 : address;
    const char *end = address[0] == '[' ? strchr(start, ']') : strrchr(start, ':');
    size_t n = end != NULL ? (size_t)(end - start) : strlen(start);

    n = SW_MIN(n, cap - 1);
    memcpy(out, start, n);
    out[n] = '\0';
}

static int set_status(Swarm__V1__Node *n, Swarm__V1__NodeState state, const char *message)
{
    if (n->status == NULL) {
        n->status = pb_new(&swarm__v1__node_status__descriptor);
        if (n->status == NULL)
            return -1;
    }
    if (n->status->state != state)
        n->status->since_ns = (uint64_t)sw_now_ns();
    n->status->state = state;
    return pb_set_string(&n->status->message, message);
}

static int set_keys(Swarm__V1__Node *n, size_t count, Swarm__V1__NodeDataKey **keys)
{
    for (size_t i = 0; i < n->n_data_keys; i++)
        pb_free(n->data_keys[i]);
    n->n_data_keys = 0;
    for (size_t i = 0; i < count; i++) {
        void *copy = pb_clone(keys[i]);

        if (copy == NULL || pb_add(&n->n_data_keys, &n->data_keys, copy) < 0) {
            pb_free(copy);
            return -1;
        }
    }
    return 0;
}

static int fill(struct session *s, Swarm__V1__Node *n)
{
    char host[SW_RPC_ADDRESS_MAX];

    if (set_status(n, SWARM__V1__NODE_STATE__NODE_READY, "") < 0)
        return -1;
    if (s->request->description != NULL) {
        void *copy = pb_clone(s->request->description);

        if (copy == NULL)
            return -1;
        pb_free(n->description);
        n->description = copy;
    }
    if (s->stream != NULL) {
        host_of(sw_rpc_stream_peer(s->stream)->address, host, sizeof(host));
        /* A manager reaches itself over loopback: its advertised address says more. */
        if (strncmp(host, "127.", 4) == 0 && n->description != NULL &&
            n->description->peer_addr[0] != '\0')
            host_of(n->description->peer_addr, host, sizeof(host));
        if (pb_set_string(&n->status->addr, host) < 0)
            return -1;
    }
    if (s->request->n_data_keys > 0)
        return set_keys(n, s->request->n_data_keys, s->request->data_keys);
    return 0;
}

static void registered(struct session *s);

static void on_registered(void *arg, uint64_t index, const struct sw_err *err)
{
    struct session *s = arg;

    (void)index;
    s->writing = false;
    if (s->node == 0) { /* forgotten while the write was under way */
        session_free(s);
        return;
    }
    if (err->code == SW_E_SEQUENCE && s->request == NULL)
        s->request = sw_steal(s->sent); /* the node changed meanwhile: from its new state again */
    pb_free(s->sent);
    s->sent = NULL;
    if (err->code != 0 && err->code != SW_E_SEQUENCE) {
        session_close(s, err);
        return;
    }
    if (err->code != 0) {
        register_node(s);
        return;
    }
    registered(s);
    if (s->request != NULL)
        register_node(s); /* something newer came in meanwhile */
}

static void registered(struct session *s)
{
    if (s->stream != NULL && !s->up) {
        s->up = true;
        s->all = true;
        s->info = true;
        s->keys = true;
        dispatcher_arm_push(s->d);
    }
}

void register_node(struct session *s)
{
    struct view_node *n = view_node(s->d->view, s->node);
    Swarm__V1__Node *copy;
    struct sw_err err;
    struct txn *x;

    if (n == NULL || s->request == NULL || s->writing)
        return;
    copy = pb_clone(n->n);
    x = txn_new(proposer_keys(s->d->proposer), sw_now_ns(), proposer_random());
    if (copy == NULL || x == NULL || fill(s, copy) < 0) {
        pb_free(copy);
        txn_free(x);
        (void)sw_err_set(&err, -ENOMEM, "register the node");
        session_close(s, &err);
        return;
    }
    if (pb_equal(copy, n->n)) { /* it says what is known already */
        pb_free(copy);
        txn_free(x);
        pb_free(s->request);
        s->request = NULL;
        registered(s);
        return;
    }
    txn_update(x, VIEW_NODE, copy);
    s->sent = sw_steal(s->request);
    s->writing = true;
    if (proposer_propose_all(s->d->proposer, x, on_registered, s, &err) < 0) {
        s->writing = false;
        pb_free(s->sent);
        s->sent = NULL;
        session_close(s, &err);
    }
}

static void on_down(void *arg, uint64_t index, const struct sw_err *err)
{
    struct session *s = arg;

    (void)index;
    s->writing = false;
    if (s->node == 0) {
        session_free(s);
        return;
    }
    if (err->code != 0 && s->deadline_ns == 0)
        s->deadline_ns = sw_mono_ns(); /* again at the next look */
    register_node(s);                  /* it may have come back meanwhile */
}

void register_down(struct session *s)
{
    struct view_node *n = view_node(s->d->view, s->node);
    struct sw_err err;
    struct txn *x;
    Swarm__V1__Node *copy;

    if (n == NULL || s->writing)
        return;
    log_info("node down node=%s: heartbeat failure", n->o->id);
    x = txn_new(proposer_keys(s->d->proposer), sw_now_ns(), proposer_random());
    copy = x != NULL ? txn_edit_node(x, n) : NULL;
    if (copy == NULL ||
        set_status(copy, SWARM__V1__NODE_STATE__NODE_DOWN, "heartbeat failure") < 0) {
        txn_free(x);
        return;
    }
    s->deadline_ns = 0;
    s->writing = true;
    if (proposer_propose_all(s->d->proposer, x, on_down, s, &err) < 0) {
        s->writing = false;
        s->deadline_ns = sw_mono_ns();
    }
}
