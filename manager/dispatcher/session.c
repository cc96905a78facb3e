/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/dispatcher/session.h"

#include <errno.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "manager/dispatcher/assign.h"
#include "manager/dispatcher/tables.h"
#include "proto/pb.h"

#define MARK ((void *)(uintptr_t)1)

struct session *session_get(struct dispatcher *d, uint64_t node)
{
    struct session *s = sw_map_get(&d->by_node, node);

    if (s != NULL)
        return s;
    s = sw_calloc(1, sizeof(*s));
    if (s == NULL || sw_map_put(&d->by_node, node, s) < 0) {
        sw_free(s);
        return NULL;
    }
    s->d = d;
    s->node = node;
    sw_map_init(&s->tasks);
    sw_map_init(&s->networks);
    sw_map_init(&s->known);
    sw_list_push_back(&d->sessions, &s->link);
    return s;
}

void session_free(struct session *s)
{
    if (s->node != 0)
        (void)sw_map_del(&s->d->by_node, s->node);
    sw_list_del(&s->link);
    if (s->writing) { /* the write's callback frees it */
        s->node = 0;
        return;
    }
    pb_free(s->request);
    pb_free(s->sent);
    sw_map_fini(&s->tasks);
    sw_map_fini(&s->networks);
    sw_map_fini(&s->known);
    sw_free(s);
}

void session_touch(struct session *s)
{
    s->deadline_ns = sw_mono_ns() + register_heartbeat_ms(s->d) * 11 / 10 * 3 * SW_NS_PER_MS;
}

void session_close(struct session *s, const struct sw_err *err)
{
    struct sw_rpc_stream *stream = s->stream;

    s->stream = NULL;
    s->up = false;
    if (stream != NULL)
        sw_rpc_stream_fail(stream, err);
}

void session_mark_task(struct session *s, uint64_t task)
{
    if (s->up && !s->all && sw_map_put(&s->tasks, task, MARK) < 0)
        s->all = true; /* no memory to be exact: send everything */
    if (s->up)
        dispatcher_arm_push(s->d);
}

void session_mark_network(struct session *s, uint64_t network)
{
    if (s->up && !s->all && sw_map_put(&s->networks, network, MARK) < 0)
        s->all = true;
    if (s->up)
        dispatcher_arm_push(s->d);
}

static int add_task(Swarm__V1__Assignments *a, const struct view_task *t)
{
    Swarm__V1__AssignedTask *at = assign_task(t);

    if (at == NULL || pb_add(&a->n_tasks, &a->tasks, at) < 0) {
        pb_free(at);
        return -ENOMEM;
    }
    return 0;
}

static int add_removed(Swarm__V1__Assignments *a, uint64_t key)
{
    uint64_t *p = sw_realloc(a->removed, (a->n_removed + 1) * sizeof(*p));

    if (p == NULL)
        return -ENOMEM;
    a->removed = p;
    a->removed[a->n_removed++] = key;
    return 0;
}

static int fill_all_tasks(struct session *s, struct view_node *n, Swarm__V1__Assignments *a)
{
    (void)s;
    a->complete = true;
    sw_list_each(l, &n->tasks)
    {
        const struct view_task *t = sw_list_entry(l, struct view_task, of_node);

        if (assign_is_for_node(t->t) && add_task(a, t) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int fill_marked_tasks(struct session *s, Swarm__V1__Assignments *a)
{
    for (size_t i = 0; i < s->tasks.cap; i++) {
        const struct sw_map_slot *slot = &s->tasks.slots[i];
        const struct view_task *t;
        int r;

        if (slot->value == NULL)
            continue;
        t = view_task(s->d->view, slot->key.num);
        if (t == NULL || t->t->node != s->node || !assign_is_for_node(t->t))
            r = add_removed(a, slot->key.num);
        else
            r = add_task(a, t);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_network(struct session *s, struct view_node *n, Swarm__V1__SessionDown *down,
                       uint64_t key)
{
    const Swarm__V1__Network *net = view_network(s->d->view, key);
    Swarm__V1__NetworkTable *tab;
    uint64_t *p;

    if (net == NULL || net->vni == 0 || !tables_node_takes_part(n, net)) {
        if (sw_map_get(&s->known, key) == NULL)
            return 0;
        p = sw_realloc(down->networks_gone, (down->n_networks_gone + 1) * sizeof(*p));
        if (p == NULL)
            return -ENOMEM;
        down->networks_gone = p;
        down->networks_gone[down->n_networks_gone++] = key;
        (void)sw_map_del(&s->known, key);
        return 0;
    }
    tab = tables_network(s->d->view, net);
    if (tab == NULL || pb_add(&down->n_networks, &down->networks, tab) < 0) {
        pb_free(tab);
        return -ENOMEM;
    }
    return sw_map_put(&s->known, key, MARK);
}

static int fill_networks(struct session *s, struct view_node *n, Swarm__V1__SessionDown *down)
{
    int r = 0;

    if (s->all) {
        sw_list_each(l, view_list(s->d->view, VIEW_NETWORK))
        {
            r = add_network(s, n, down, sw_list_entry(l, struct view_object, link)->key);
            if (r < 0)
                return r;
        }
        return 0;
    }
    for (size_t i = 0; r == 0 && i < s->networks.cap; i++) {
        if (s->networks.slots[i].value != NULL)
            r = add_network(s, n, down, s->networks.slots[i].key.num);
    }
    return r;
}

static int fill_info(struct session *s, struct view_node *n, Swarm__V1__SessionDown *down)
{
    const Swarm__V1__Cluster *c = view_cluster(s->d->view);
    Swarm__V1__SessionInfo *i = pb_new(&swarm__v1__session_info__descriptor);

    if (i == NULL)
        return -ENOMEM;
    down->info = i;
    i->node_key = s->node;
    i->role = n->n->role;
    i->availability = n->n->spec != NULL ? n->n->spec->availability : 0;
    i->heartbeat_ms = (uint64_t)register_heartbeat_ms(s->d);
    i->min_serial = n->n->certificate != NULL ? n->n->certificate->min_serial : 0;
    if (pb_set_bytes(&i->node_id, n->n->meta->id.data, n->n->meta->id.len) < 0)
        return -ENOMEM;
    if (c != NULL && pb_set_bytes(&i->cluster_id, c->meta->id.data, c->meta->id.len) < 0)
        return -ENOMEM;
    return s->d->o.managers(s->d->o.arg, i);
}

static int fill_down(struct session *s, struct view_node *n, Swarm__V1__SessionDown *down)
{
    int r = 0;

    if (s->all || s->tasks.len > 0) {
        down->assignments = pb_new(&swarm__v1__assignments__descriptor);
        if (down->assignments == NULL)
            return -ENOMEM;
        r = s->all ? fill_all_tasks(s, n, down->assignments)
                   : fill_marked_tasks(s, down->assignments);
    }
    if (r == 0)
        r = fill_networks(s, n, down);
    if (r == 0 && (s->info || s->all))
        r = fill_info(s, n, down);
    if (r == 0 && s->keys) {
        down->data_plane = tables_keys(s->d->view, sw_now_ns());
        r = down->data_plane != NULL ? 0 : -ENOMEM;
    }
    return r;
}

void session_push(struct session *s)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__SessionDown *down = NULL;
    struct view_node *n = view_node(s->d->view, s->node);
    struct sw_err err;

    if (!s->up || n == NULL ||
        (!s->all && !s->info && !s->keys && s->tasks.len == 0 && s->networks.len == 0))
        return;
    down = pb_new(&swarm__v1__session_down__descriptor);
    if (down == NULL || fill_down(s, n, down) < 0) {
        s->all = true; /* memory is short: everything again, at the next push */
        return;
    }
    down->sequence = ++s->sequence;
    s->all = s->info = s->keys = false;
    sw_map_fini(&s->tasks);
    sw_map_fini(&s->networks);
    if (sw_rpc_stream_send_msg(s->stream, &down->base, &err) < 0) {
        log_warn("session push failed node=%s: %s", n->o->id, err.msg);
        session_close(s, &err);
    }
}
