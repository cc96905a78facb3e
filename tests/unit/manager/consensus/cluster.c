/* SPDX-License-Identifier: Apache-2.0
 * cluster.c - see cluster.h. */
#include "cluster.h"

#include <assert.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/map.h"
#include "common/base/time.h"

struct parcel {
    struct sw_list link;
    unsigned from, to;
    uint8_t *data; /* copy */
    size_t len;
    consensus_sent_cb *done;
    void *done_arg;
};

/* ---- the state machine ----------------------------------------------------------------------- */

static int machine_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    struct machine *m = arg;

    assert(index > m->last_index);
    m->last_index = index;
    m->count++;
    m->hash = sw_hash_u64(m->hash ^ sw_hash_bytes(data, len));
    if (m->keep)
        sw_buf_add(&m->state, data, len);
    return m->verdict != NULL ? m->verdict(data, len) : 0;
}

static int machine_snapshot(void *arg, struct consensus_snapshot *out, struct sw_err *err)
{
    struct machine *m = arg;

    (void)err;
    memcpy(m->head, &m->hash, 8);
    memcpy(m->head + 8, &m->count, 8);
    memcpy(m->head + 16, &m->last_index, 8);
    m->pieces[0] = (struct consensus_piece){ m->head, sizeof(m->head) };
    /* Appended to only: the first bytes stay, but the buffer may move, hence a copy. */
    m->pieces[1].len = m->state.len;
    m->pieces[1].base = m->state.len == 0 ? NULL : sw_memdup(m->state.data, m->state.len);
    out->pieces = m->pieces;
    out->n_pieces = m->state.len == 0 ? 1 : 2;
    m->snapshots++;
    return 0;
}

static void machine_release(struct consensus_snapshot *s)
{
    if (s->n_pieces == 2)
        sw_free((void *)(uintptr_t)s->pieces[1].base);
}

static int machine_snapshot_cb(void *arg, struct consensus_snapshot *out, struct sw_err *err)
{
    int r = machine_snapshot(arg, out, err);

    out->release = machine_release;
    return r;
}

static int machine_restore(void *arg, uint64_t index, const uint8_t *data, size_t len,
                           struct sw_err *err)
{
    struct machine *m = arg;

    if (len < 24)
        return sw_err_set(err, SW_E_CORRUPT, "snapshot of %zu bytes", len);
    memcpy(&m->hash, data, 8);
    memcpy(&m->count, data + 8, 8);
    memcpy(&m->last_index, data + 16, 8);
    assert(m->last_index <= index);
    sw_buf_clear(&m->state);
    sw_buf_add(&m->state, data + 24, len - 24);
    m->restores++;
    return 0;
}

void machine_init(struct machine *m)
{
    memset(m, 0, sizeof(*m));
}

void machine_fini(struct machine *m)
{
    sw_buf_fini(&m->state);
}

struct consensus_fsm machine_fsm(struct machine *m)
{
    return (struct consensus_fsm){ m, machine_apply, machine_snapshot_cb, machine_restore };
}

/* ---- the network ----------------------------------------------------------------------------- */

static void deliver(struct cluster *cl, struct parcel *p)
{
    struct consensus *to = cl->n[p->to].c;
    bool passes = !cl->cut[p->from][p->to] && to != NULL;
    struct sw_err err;

    p->done(p->done_arg, passes ? 0 : SW_E_UNAVAILABLE);
    if (passes) {
        int r = consensus_deliver(to, cl->n[p->from].id, p->data, p->len, &err);

        assert(r == 0 || r == SW_E_PERMISSION);
        cl->delivered++;
        if (p->len > cl->largest)
            cl->largest = p->len;
    }
    sw_free(p->data);
    sw_free(p);
}

static void on_pump(uv_idle_t *h)
{
    struct cluster *cl = h->data;
    struct sw_list now;
    struct sw_list *l;

    sw_list_init(&now);
    while ((l = sw_list_pop_front(&cl->wire)) != NULL)
        sw_list_push_back(&now, l);
    uv_idle_stop(h);
    while ((l = sw_list_pop_front(&now)) != NULL)
        deliver(cl, sw_list_entry(l, struct parcel, link));
}

static void net_send(void *arg, uint64_t member, const char *address, const uint8_t *data,
                     size_t len, consensus_sent_cb *done, void *done_arg)
{
    struct node *n = arg;
    struct parcel *p = sw_calloc(1, sizeof(*p));

    (void)address;
    assert(member >= 1 && member <= CLUSTER_MAX);
    p->from = (unsigned)(n - n->cl->n);
    p->to = (unsigned)member - 1;
    p->data = sw_memdup(data, len);
    p->len = len;
    p->done = done;
    p->done_arg = done_arg;
    sw_list_push_back(&n->cl->wire, &p->link);
    uv_idle_start(&n->cl->pump, on_pump);
}

static void net_stop(void *arg)
{
    struct node *n = arg;
    unsigned from = (unsigned)(n - n->cl->n);

    sw_list_each_safe(l, &n->cl->wire)
    {
        struct parcel *p = sw_list_entry(l, struct parcel, link);

        if (p->from != from)
            continue;
        sw_list_del(&p->link);
        p->done(p->done_arg, SW_E_CANCELED);
        sw_free(p->data);
        sw_free(p);
    }
}

void cluster_isolate(struct cluster *cl, unsigned i, bool isolated)
{
    for (unsigned k = 0; k < CLUSTER_MAX; k++)
        cl->cut[i][k] = cl->cut[k][i] = isolated;
}

/* ---- members --------------------------------------------------------------------------------- */

static void on_leader(void *arg, bool is_leader, uint64_t term)
{
    struct node *n = arg;

    (void)term;
    assert(n->is_leader != is_leader);
    n->is_leader = is_leader;
    if (is_leader)
        n->leader_events++;
    else
        n->lost_events++;
}

static void on_leader_changed(void *arg, uint64_t member, const char *address)
{
    struct node *n = arg;

    assert((member == 0) == (address[0] == '\0'));
    n->leader_seen = member;
}

static void on_removed(void *arg)
{
    struct node *n = arg;

    n->removed = true;
}

static void on_fatal(void *arg, const struct sw_err *err)
{
    struct node *n = arg;

    assert(!n->fatal);
    n->fatal = true;
    n->is_leader = false;
    n->fatal_err = *err;
}

void cluster_init(struct cluster *cl)
{
    memset(cl, 0, sizeof(*cl));
    assert(uv_loop_init(&cl->loop) == 0);
    (void)snprintf(cl->dir, sizeof(cl->dir), "%s/swarm-consensus-XXXXXX",
                   getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert(mkdtemp(cl->dir) != NULL);
    sw_list_init(&cl->wire);
    uv_idle_init(&cl->loop, &cl->pump);
    cl->pump.data = cl;
    for (unsigned i = 0; i < CLUSTER_MAX; i++) {
        struct node *n = &cl->n[i];

        n->cl = cl;
        n->id = i + 1;
        (void)snprintf(n->address, sizeof(n->address), "10.0.0.%u:2377", i + 1);
        (void)snprintf(n->dir, sizeof(n->dir), "%s/%u", cl->dir, i);
        machine_init(&n->m);
    }
}

int cluster_open(struct cluster *cl, unsigned i, bool bootstrap, struct sw_err *err)
{
    struct node *n = &cl->n[i];
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    bool keep = n->m.keep;
    int r;

    machine_fini(&n->m);
    machine_init(&n->m);
    n->m.keep = keep;
    n->removed = n->fatal = n->is_leader = false;
    if (bootstrap) {
        r = consensus_bootstrap(n->dir, n->id, n->address, err);
        if (r < 0)
            return r;
    }
    o.loop = &cl->loop;
    o.dir = n->dir;
    o.member = n->id;
    o.address = n->address;
    o.election_ms = 500;
    o.heartbeat_ms = 25;
    o.reserve_bytes = 0;
    o.fsm = machine_fsm(&n->m);
    o.transport = (struct consensus_transport){ n, net_send, NULL, NULL, net_stop };
    o.events = (struct consensus_events){ .arg = n,
                                          .on_leader = on_leader,
                                          .on_leader_changed = on_leader_changed,
                                          .on_removed = on_removed,
                                          .on_fatal = on_fatal };
    if (cl->tweak != NULL)
        cl->tweak(&o);
    if (cl->tweak_node != NULL)
        cl->tweak_node(n, &o);
    n->o = o;
    return consensus_open(&n->c, &o, err);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

void cluster_close(struct cluster *cl, unsigned i)
{
    bool closed = false;

    if (cl->n[i].c == NULL)
        return;
    consensus_close(cl->n[i].c, on_closed, &closed);
    cl->n[i].c = NULL;
    while (!closed)
        uv_run(&cl->loop, UV_RUN_ONCE);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void cluster_fini(struct cluster *cl)
{
    for (unsigned i = 0; i < CLUSTER_MAX; i++) {
        cluster_close(cl, i);
        machine_fini(&cl->n[i].m);
    }
    uv_close((uv_handle_t *)&cl->pump, NULL);
    uv_run(&cl->loop, UV_RUN_DEFAULT);
    assert(uv_loop_close(&cl->loop) == 0);
    remove_tree(cl->dir);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void on_wake(uv_timer_t *t)
{
    (void)t; /* only ends a uv_run() that found nothing to do */
}

bool cluster_until(struct cluster *cl, bool (*done)(struct cluster *cl, void *arg), void *arg,
                   unsigned ms)
{
    int64_t end = sw_mono_ns() + ms * SW_NS_PER_MS;
    uv_timer_t wake;
    bool r;

    uv_timer_init(&cl->loop, &wake);
    uv_timer_start(&wake, on_wake, 5, 5);
    while (!(r = done(cl, arg)) && sw_mono_ns() < end)
        uv_run(&cl->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&wake, NULL);
    uv_run(&cl->loop, UV_RUN_NOWAIT);
    return r;
}

static bool has_leader(struct cluster *cl, void *arg)
{
    int *which = arg;

    for (int i = 0; i < CLUSTER_MAX; i++) {
        if (cl->n[i].c != NULL && consensus_is_ready(cl->n[i].c)) {
            *which = i;
            return true;
        }
    }
    return false;
}

int cluster_leader(struct cluster *cl, unsigned ms)
{
    int which = -1;

    (void)cluster_until(cl, has_leader, &which, ms);
    return which;
}

struct answer {
    bool done;
    int status;
    uint64_t index;
};

static void on_answer(void *arg, int status, uint64_t index, int result)
{
    struct answer *a = arg;

    (void)result;
    assert(!a->done);
    a->done = true;
    a->status = status;
    a->index = index;
}

static bool answered(struct cluster *cl, void *arg)
{
    const struct answer *a = arg;

    (void)cl;
    return a->done;
}

int cluster_propose(struct cluster *cl, unsigned i, const void *data, size_t len, uint64_t *index)
{
    struct answer a = { 0 };
    struct sw_err err;
    int r = consensus_propose(cl->n[i].c, data, len, on_answer, &a, &err);

    if (r < 0)
        return r;
    assert(cluster_until(cl, answered, &a, 10000));
    if (index != NULL)
        *index = a.index;
    return a.status;
}

struct removal {
    struct consensus *c;
    uint64_t member;
    struct answer *a;
    int r;
};

/* Refused while another change is under way. */
static bool removing(struct cluster *cl, void *arg)
{
    struct removal *x = arg;
    struct sw_err err;

    (void)cl;
    x->r = consensus_member_remove(x->c, x->member, on_answer, x->a, &err);
    return x->r != SW_E_CONFLICT;
}

int cluster_remove(struct cluster *cl, unsigned leader, uint64_t member)
{
    struct answer a = { 0 };
    struct removal x = { cl->n[leader].c, member, &a, 0 };

    (void)cluster_until(cl, removing, &x, 5000);
    if (x.r < 0)
        return x.r;
    assert(cluster_until(cl, answered, &a, 10000));
    return a.status;
}

int cluster_transfer(struct cluster *cl, unsigned leader, uint64_t member)
{
    struct answer a = { 0 };
    struct sw_err err;
    int r = consensus_transfer(cl->n[leader].c, member, on_answer, &a, &err);

    if (r < 0)
        return r;
    assert(cluster_until(cl, answered, &a, 10000));
    return a.status;
}

static bool same(struct cluster *cl, void *arg)
{
    const struct node *first = NULL;

    (void)arg;
    for (unsigned i = 0; i < CLUSTER_MAX; i++) {
        const struct node *n = &cl->n[i];

        if (n->c == NULL || n->fatal)
            continue;
        if (first == NULL)
            first = n;
        if (n->m.count != first->m.count || n->m.hash != first->m.hash)
            return false;
    }
    return true;
}

bool cluster_converged(struct cluster *cl, unsigned ms)
{
    return cluster_until(cl, same, NULL, ms);
}

static bool all_vote(struct cluster *cl, void *arg)
{
    struct consensus_status s;
    int which;

    if (!has_leader(cl, &which))
        return false;
    consensus_status(cl->n[which].c, &s);
    return s.n_voters == *(unsigned *)arg;
}

struct addition {
    struct node *n;
    struct answer *a;
};

/* Refused while the promotion of the one before is not yet committed. */
static bool added(struct cluster *cl, void *arg)
{
    struct addition *x = arg;
    struct sw_err err;
    int r = consensus_member_add(cl->n[0].c, x->n->id, x->n->address, on_answer, x->a, &err);

    assert(r == 0 || r == SW_E_CONFLICT);
    return r == 0;
}

void cluster_grow(struct cluster *cl, unsigned n)
{
    struct sw_err err;

    assert(cluster_open(cl, 0, true, &err) == 0);
    assert(cluster_leader(cl, 5000) == 0);
    for (unsigned i = 1; i < n; i++) {
        struct answer a = { 0 };
        unsigned want = i + 1;

        assert(cluster_open(cl, i, false, &err) == 0);
        assert(cluster_until(cl, added, &(struct addition){ &cl->n[i], &a }, 5000));
        assert(cluster_until(cl, answered, &a, 5000));
        assert(a.status == 0);
        assert(cluster_until(cl, all_vote, &want, 10000));
    }
}
