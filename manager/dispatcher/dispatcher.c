/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/dispatcher/dispatcher.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/dispatcher/assign.h"
#include "manager/dispatcher/session.h"
#include "manager/dispatcher/tables.h"
#include "proto/pb.h"

#define PUSH_MS  1   /* changes of one burst travel together */
#define LEASE_MS 200 /* how often leases are looked at */

/* ---- changes of the view --------------------------------------------------------------------- */

static void mark_network_everywhere(struct dispatcher *d, uint64_t network)
{
    sw_list_each(l, &d->sessions)
        session_mark_network(sw_list_entry(l, struct session, link), network);
}

static void task_changed(struct dispatcher *d, uint64_t key, const Swarm__V1__Task *before,
                         const Swarm__V1__Task *after)
{
    const Swarm__V1__Task *t = after != NULL ? after : before;
    struct session *s;

    if (t->node == 0)
        return;
    s = sw_map_get(&d->by_node, t->node);
    if (s != NULL && assign_differs(before, after))
        session_mark_task(s, key);
    if (!tables_differ(before, after))
        return;
    for (size_t i = 0; i < t->n_networks; i++)
        mark_network_everywhere(d, t->networks[i]->network);
}

static void service_changed(struct dispatcher *d, const Swarm__V1__Service *before,
                            const Swarm__V1__Service *after)
{
    const Swarm__V1__Service *both[] = { before, after };

    if (before != NULL && after != NULL && pb_equal(before->endpoint, after->endpoint) &&
        before->spec_version == after->spec_version)
        return;
    for (unsigned k = 0; k < 2; k++) {
        const Swarm__V1__Service *s = both[k];
        const Swarm__V1__TaskSpec *spec = s != NULL && s->spec != NULL ? s->spec->task : NULL;

        for (size_t i = 0; s != NULL && s->endpoint != NULL && i < s->endpoint->n_vips; i++)
            mark_network_everywhere(d, s->endpoint->vips[i]->network);
        for (size_t i = 0; spec != NULL && i < spec->n_networks; i++)
            mark_network_everywhere(d, spec->networks[i]->network);
    }
}

static bool node_info_differs(const Swarm__V1__Node *a, const Swarm__V1__Node *b)
{
    return a == NULL || b == NULL || a->role != b->role || !pb_equal(a->spec, b->spec) ||
           !pb_equal(a->manager, b->manager) || !pb_equal(a->certificate, b->certificate);
}

static bool node_net_differs(const Swarm__V1__Node *a, const Swarm__V1__Node *b)
{
    const Swarm__V1__NodeDescription *x = a != NULL ? a->description : NULL;
    const Swarm__V1__NodeDescription *y = b != NULL ? b->description : NULL;

    if (x == NULL || y == NULL)
        return true;
    if (strcmp(x->data_addr, y->data_addr) != 0 || x->data_port != y->data_port ||
        x->data_workers != y->data_workers || a->ingress_addr != b->ingress_addr ||
        a->n_network_addrs != b->n_network_addrs || a->n_data_keys != b->n_data_keys)
        return true;
    for (size_t i = 0; i < a->n_data_keys; i++) {
        if (!pb_equal(a->data_keys[i], b->data_keys[i]))
            return true;
    }
    for (size_t i = 0; i < a->n_network_addrs; i++) {
        if (!pb_equal(a->network_addrs[i], b->network_addrs[i]))
            return true;
    }
    return false;
}

static void forget_node(struct dispatcher *d, uint64_t key)
{
    struct session *s = sw_map_get(&d->by_node, key);
    struct sw_err err;

    if (s == NULL)
        return;
    (void)sw_err_set(&err, SW_E_PERMISSION, "this node was removed from the swarm");
    session_close(s, &err);
    session_free(s);
}

static void node_changed(struct dispatcher *d, uint64_t key, const Swarm__V1__Node *before,
                         const Swarm__V1__Node *after)
{
    if (after == NULL)
        forget_node(d, key);
    if (node_info_differs(before, after)) {
        struct session *s = sw_map_get(&d->by_node, key);

        if (s != NULL)
            s->info = true;
    }
    if (node_net_differs(before, after)) {
        sw_list_each(l, &d->sessions)
        {
            struct session *s = sw_list_entry(l, struct session, link);

            s->keys = true;
            sw_list_each(k, view_list(d->view, VIEW_NETWORK))
                session_mark_network(s, sw_list_entry(k, struct view_object, link)->key);
        }
    }
    if ((before != NULL && before->manager != NULL) || (after != NULL && after->manager != NULL)) {
        if (before == NULL || after == NULL || !pb_equal(before->manager, after->manager))
            dispatcher_managers_changed(d);
    }
    dispatcher_arm_push(d);
}

static void on_change(void *arg, const struct view *v, const struct view_change *c)
{
    struct dispatcher *d = arg;

    (void)v;
    if (!d->leading)
        return;
    if (c->kind == VIEW_TASK)
        task_changed(d, c->key, c->before, c->after);
    else if (c->kind == VIEW_SERVICE)
        service_changed(d, c->before, c->after);
    else if (c->kind == VIEW_NODE)
        node_changed(d, c->key, c->before, c->after);
    else if (c->kind == VIEW_NETWORK)
        mark_network_everywhere(d, c->key);
    else if (c->kind == VIEW_CLUSTER) {
        sw_list_each(l, &d->sessions)
        {
            struct session *s = sw_list_entry(l, struct session, link);

            s->info = true;
            s->keys = true;
        }
        dispatcher_arm_push(d);
    }
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void on_push(uv_timer_t *t)
{
    struct dispatcher *d = t->data;

    d->push_armed = false;
    sw_list_each_safe(l, &d->sessions) session_push(sw_list_entry(l, struct session, link));
}

void dispatcher_arm_push(struct dispatcher *d)
{
    if (d->push_armed || d->freed)
        return;
    d->push_armed = true;
    (void)uv_timer_start(&d->push, on_push, PUSH_MS, 0);
}

static void on_leases(uv_timer_t *t)
{
    struct dispatcher *d = t->data;
    int64_t now = sw_mono_ns();

    sw_list_each_safe(l, &d->sessions)
    {
        struct session *s = sw_list_entry(l, struct session, link);
        struct sw_err err;

        if (s->deadline_ns == 0 || now < s->deadline_ns)
            continue;
        (void)sw_err_set(&err, SW_E_DEADLINE, "no heartbeat");
        session_close(s, &err);
        register_down(s);
    }
}

/* ---- messages of a node ---------------------------------------------------------------------- */

static void keep_keys(struct session *s, Swarm__V1__NodeUp *up)
{
    if (s->request == NULL)
        s->request = pb_new(&swarm__v1__session_request__descriptor);
    if (s->request == NULL)
        return;
    for (size_t i = 0; i < s->request->n_data_keys; i++)
        pb_free(s->request->data_keys[i]);
    sw_free(s->request->data_keys);
    s->request->data_keys = up->data_keys->keys;
    s->request->n_data_keys = up->data_keys->n_keys;
    up->data_keys->keys = NULL;
    up->data_keys->n_keys = 0;
    register_node(s);
}

static void keep_description(struct session *s, Swarm__V1__NodeUp *up)
{
    if (s->request == NULL)
        s->request = pb_new(&swarm__v1__session_request__descriptor);
    if (s->request == NULL)
        return;
    pb_free(s->request->description);
    s->request->description = sw_steal(up->description);
    up->what_case = SWARM__V1__NODE_UP__WHAT__NOT_SET;
    register_node(s);
}

static void on_up_message(struct session *s, const uint8_t *bytes, size_t len)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__NodeUp *up = NULL;
    struct sw_err err;

    if (pb_unpack(&swarm__v1__node_up__descriptor, bytes, len, &up, &err) < 0) {
        session_close(s, &err);
        return;
    }
    if (up->what_case == SWARM__V1__NODE_UP__WHAT_STATUS && up->status != NULL) {
        for (size_t i = 0; i < up->status->n_tasks; i++)
            status_queue_add(s->d->statuses, s->node, up->status->tasks[i]);
    } else if (up->what_case == SWARM__V1__NODE_UP__WHAT_DESCRIPTION && up->description != NULL) {
        keep_description(s, up);
    } else if (up->what_case == SWARM__V1__NODE_UP__WHAT_DATA_KEYS && up->data_keys != NULL &&
               up->data_keys->n_keys > 0) {
        keep_keys(s, up);
    }
}

static void on_message(struct sw_rpc_stream *stream, const uint8_t *bytes, size_t len, void *arg)
{
    struct session *s = arg;
    struct sw_err err;

    session_touch(s);
    if (s->greeted) {
        on_up_message(s, bytes, len);
        return;
    }
    (void)stream;
    s->greeted = true;
    if (pb_unpack(&swarm__v1__session_request__descriptor, bytes, len, &s->request, &err) < 0) {
        session_close(s, &err);
        return;
    }
    register_node(s);
}

static void on_stream_end(struct sw_rpc_stream *stream, void *arg)
{
    struct session *s = arg;
    struct sw_err err;

    (void)stream;
    (void)sw_err_set(&err, SW_E_CANCELED, "the node ended its session");
    session_close(s, &err);
}

static void on_stream_close(struct sw_rpc_stream *stream, const struct sw_err *err, void *arg)
{
    struct session *s = arg;

    (void)stream;
    (void)err;
    s->stream = NULL;
    s->up = false;
}

static const struct sw_rpc_stream_cb session_cb = { on_message, on_stream_end, NULL,
                                                    on_stream_close };

/* Tell a node that came to the wrong manager who leads. */
static void refuse_not_leader(struct dispatcher *d, struct sw_rpc_stream *stream)
{
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__SessionDown *down = pb_new(&swarm__v1__session_down__descriptor);
    struct sw_err err;

    if (down != NULL) {
        down->info = pb_new(&swarm__v1__session_info__descriptor);
        if (down->info != NULL && d->o.managers(d->o.arg, down->info) == 0)
            (void)sw_rpc_stream_send_msg(stream, &down->base, &err);
    }
    (void)sw_err_set(&err, SW_E_NO_LEADER, "this manager does not lead");
    sw_rpc_stream_fail(stream, &err);
}

void dispatcher_on_session(struct sw_rpc_stream *stream, void *arg)
{
    struct dispatcher *d = arg;
    struct view_node *n = view_node_by_id(d->view, sw_rpc_stream_peer(stream)->node_id.b);
    struct session *s;
    struct sw_err err;

    if (!d->leading) {
        refuse_not_leader(d, stream);
        return;
    }
    s = n != NULL ? session_get(d, n->o->key) : NULL;
    if (s == NULL) {
        (void)sw_err_set(&err, n == NULL ? SW_E_PERMISSION : -ENOMEM,
                         "this node is not a member of the swarm (it was removed)");
        sw_rpc_stream_fail(stream, &err);
        return;
    }
    (void)sw_err_set(&err, SW_E_CANCELED, "a newer session of this node replaced this one");
    session_close(s, &err);
    pb_free(s->request);
    s->request = NULL;
    s->stream = stream;
    s->greeted = false;
    s->sequence = 0;
    sw_map_fini(&s->tasks);
    sw_map_fini(&s->networks);
    sw_map_fini(&s->known);
    session_touch(s);
    sw_rpc_stream_set_cb(stream, &session_cb, s);
}

struct sw_rpc_conn *dispatcher_conn(struct dispatcher *d, uint64_t node)
{
    struct session *s = sw_map_get(&d->by_node, node);

    return s != NULL && s->stream != NULL ? sw_rpc_stream_conn(s->stream) : NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

int dispatcher_new(struct dispatcher **out, const struct dispatcher_options *o, struct sw_err *err)
{
    struct dispatcher *d = sw_calloc(1, sizeof(*d));

    if (d == NULL)
        return sw_err_set(err, -ENOMEM, "create the dispatcher");
    d->o = *o;
    d->loop = o->loop;
    d->view = o->view;
    d->proposer = o->proposer;
    d->statuses = status_queue_new(o->loop, o->view, o->proposer);
    if (d->statuses == NULL) {
        sw_free(d);
        return sw_err_set(err, -ENOMEM, "create the dispatcher");
    }
    sw_list_init(&d->sessions);
    sw_map_init(&d->by_node);
    (void)uv_timer_init(o->loop, &d->push);
    (void)uv_timer_init(o->loop, &d->leases);
    d->push.data = d->leases.data = d;
    d->open_handles = 2;
    d->observer.on_change = on_change;
    d->observer.arg = d;
    view_observe(o->view, &d->observer);
    *out = d;
    return 0;
}

void dispatcher_start(struct dispatcher *d)
{
    if (d->leading)
        return;
    d->leading = true;
    sw_list_each(l, view_list(d->view, VIEW_NODE))
    {
        struct view_node *n = view_as_node(sw_list_entry(l, struct view_object, link));
        struct session *s;

        if (n->n->status != NULL && n->n->status->state == SWARM__V1__NODE_STATE__NODE_DOWN)
            continue;
        s = session_get(d, n->o->key);
        if (s == NULL)
            continue;
        session_touch(s); /* twice the usual grace: it has to find the new leader first */
        s->deadline_ns += s->deadline_ns - sw_mono_ns();
    }
    (void)uv_timer_start(&d->leases, on_leases, LEASE_MS, LEASE_MS);
}

void dispatcher_stop(struct dispatcher *d)
{
    struct sw_err err;

    if (!d->leading)
        return;
    d->leading = false;
    (void)uv_timer_stop(&d->leases);
    (void)uv_timer_stop(&d->push);
    d->push_armed = false;
    status_queue_clear(d->statuses);
    (void)sw_err_set(&err, SW_E_NO_LEADER, "this manager leads no more");
    sw_list_each_safe(l, &d->sessions)
    {
        struct session *s = sw_list_entry(l, struct session, link);

        session_close(s, &err);
        session_free(s);
    }
}

void dispatcher_managers_changed(struct dispatcher *d)
{
    sw_list_each(l, &d->sessions) sw_list_entry(l, struct session, link)->info = true;
    dispatcher_arm_push(d);
}

static void on_closed(uv_handle_t *h)
{
    struct dispatcher *d = h->data;

    if (--d->open_handles > 0)
        return;
    sw_map_fini(&d->by_node);
    sw_free(d);
}

void dispatcher_free(struct dispatcher *d)
{
    if (d == NULL)
        return;
    dispatcher_stop(d);
    d->freed = true;
    view_unobserve(&d->observer);
    status_queue_free(d->statuses);
    uv_close((uv_handle_t *)&d->push, on_closed);
    uv_close((uv_handle_t *)&d->leases, on_closed);
}
