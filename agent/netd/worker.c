/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/netd/worker_priv.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

unsigned netd_workers_count(unsigned cpus)
{
    if (cpus <= 1)
        return 1;
    return cpus < 4 ? 2 : SW_MIN(VTEP_WORKERS, cpus / 2);
}

/* ------------------------------------------------------------------------------- reclamation */

static uint64_t oldest_seen(const struct netd_workers *ws)
{
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < ws->n; i++) {
        uint64_t seen = atomic_load(&ws->workers[i].seen);

        if (seen != 0)
            oldest = SW_MIN(oldest, seen);
    }
    return oldest;
}

bool netd_workers_reclaim(struct netd_workers *ws)
{
    uint64_t oldest = oldest_seen(ws);

    while (!sw_list_empty(&ws->garbage)) {
        struct netd_garbage *g = sw_list_entry(ws->garbage.next, struct netd_garbage, link);

        if (g->gen > oldest)
            break;
        sw_list_del(&g->link);
        g->free(g);
    }
    return !sw_list_empty(&ws->garbage);
}

void netd_workers_retire(struct netd_workers *ws, struct netd_garbage *g)
{
    sw_list_push_back(&ws->fresh, &g->link);
}

/* A new generation: whoever is seen with it does not look at what was retired before. */
static void next_gen(struct netd_workers *ws)
{
    uint64_t gen = atomic_fetch_add(&ws->gen, 1) + 1;
    struct sw_list *l;

    while ((l = sw_list_pop_front(&ws->fresh)) != NULL) {
        sw_list_entry(l, struct netd_garbage, link)->gen = gen;
        sw_list_push_back(&ws->garbage, l);
    }
    (void)netd_workers_reclaim(ws);
}

static void table_free(struct netd_garbage *g)
{
    vtep_table_free(sw_container_of(g, struct vtep_table, garbage));
}

void netd_workers_publish(struct netd_workers *ws, struct vtep_table *t)
{
    struct vtep_table *old = atomic_exchange(&ws->table, t);

    if (old != NULL) {
        old->garbage.free = table_free;
        netd_workers_retire(ws, &old->garbage);
    }
    next_gen(ws);
}

/* ------------------------------------------------------------------------------------- threads */

static void wake_all(struct netd_workers *ws)
{
    uint64_t one = 1;

    for (unsigned i = 0; i < ws->n; i++)
        (void)!write(ws->workers[i].wake, &one, sizeof(one));
}

static int worker_init(struct netd_workers *ws, struct netd_worker *w, unsigned index,
                       struct sw_err *err)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u32 = WORKER_WAKE };
    int r;

    w->ws = ws;
    w->index = index;
    w->wake = -1;
    atomic_store(&w->udp_in, -1);
    atomic_store(&w->udp_out, -1);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    ws->n = index + 1;
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &ev) < 0)
        return sw_err_errno(err, errno, "packet worker");
    r = netd_sender_init(w, err);
    return r < 0 ? r : netd_receiver_init(w, err);
}

static int worker_start(struct netd_worker *w, struct sw_err *err)
{
    sigset_t all, old;
    int r;

    (void)sigfillset(&all); /* signals are the control thread's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&w->id, NULL, netd_worker_main, w);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return sw_err_errno(err, r, "packet worker");
    (void)pthread_setname_np(w->id, "packets");
    w->started = true;
    return 0;
}

int netd_workers_new(struct netd_workers **out, unsigned n, unsigned cpus, struct sw_err *err)
{
    struct netd_workers *ws;
    int r = 0;

    assert(n >= 1 && n <= VTEP_WORKERS);
    ws = aligned_alloc(128, sizeof(*ws));
    if (ws == NULL)
        return sw_err_set(err, -ENOMEM, "packet workers");
    memset(ws, 0, sizeof(*ws));
    sw_list_init(&ws->fresh);
    sw_list_init(&ws->garbage);
    ws->spin = cpus >= 4;
    atomic_store(&ws->gen, 1);
    atomic_store(&ws->table, vtep_table_new(0, 0, 0));
    if (atomic_load(&ws->table) == NULL) {
        free(ws);
        return sw_err_set(err, -ENOMEM, "packet workers");
    }
    for (unsigned i = 0; r == 0 && i < n; i++)
        r = worker_init(ws, &ws->workers[i], i, err);
    for (unsigned i = 0; r == 0 && i < n; i++)
        r = worker_start(&ws->workers[i], err);
    if (r < 0) {
        netd_workers_free(ws);
        return r;
    }
    *out = ws;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static void worker_fini(struct netd_worker *w)
{
    close_fd(atomic_load(&w->udp_in));
    close_fd(atomic_load(&w->udp_out));
    close_fd(w->epoll);
    close_fd(w->wake);
    netd_sender_fini(w);
    netd_receiver_fini(w);
}

void netd_workers_free(struct netd_workers *ws)
{
    if (ws == NULL)
        return;
    atomic_store(&ws->stop, true);
    wake_all(ws);
    for (unsigned i = 0; i < ws->n; i++) {
        if (ws->workers[i].started)
            (void)pthread_join(ws->workers[i].id, NULL);
    }
    netd_workers_publish(ws, NULL);
    assert(sw_list_empty(&ws->garbage));
    for (unsigned i = 0; i < ws->n; i++)
        worker_fini(&ws->workers[i]);
    free(ws);
}

/* ------------------------------------------------------------------------------- descriptors */

struct old_sockets {
    struct netd_garbage garbage;
    size_t n;
    int fds[2 * VTEP_WORKERS];
};

static void old_sockets_free(struct netd_garbage *g)
{
    struct old_sockets *o = sw_container_of(g, struct old_sockets, garbage);

    for (size_t i = 0; i < o->n; i++)
        close_fd(o->fds[i]);
    sw_free(o);
}

int netd_workers_set_udp(struct netd_workers *ws, const int *fds, struct sw_err *err)
{
    struct old_sockets *o = sw_calloc(1, sizeof(*o));
    struct epoll_event ev = { .events = EPOLLIN, .data.u32 = WORKER_UDP };
    int r = 0;

    if (o == NULL)
        r = sw_err_set(err, -ENOMEM, "data path sockets");
    for (unsigned i = 0; r == 0 && i < ws->n; i++) {
        if (epoll_ctl(ws->workers[i].epoll, EPOLL_CTL_ADD, fds[2 * i], &ev) < 0)
            r = sw_err_errno(err, errno, "data path socket");
    }
    if (r < 0) {
        for (unsigned i = 0; i < 2 * ws->n; i++)
            (void)close(fds[i]); /* takes them out of the epoll sets as well */
        sw_free(o);
        return r;
    }
    for (unsigned i = 0; i < ws->n; i++) {
        struct netd_worker *w = &ws->workers[i];

        o->fds[o->n++] = atomic_exchange(&w->udp_in, fds[2 * i]);
        o->fds[o->n++] = atomic_exchange(&w->udp_out, fds[2 * i + 1]);
        if (o->fds[2 * i] >= 0)
            (void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, o->fds[2 * i], NULL);
    }
    o->garbage.free = old_sockets_free;
    netd_workers_retire(ws, &o->garbage);
    next_gen(ws);
    ws->udp = true;
    return 0;
}

bool netd_workers_have_udp(const struct netd_workers *ws)
{
    return ws->udp;
}

int netd_workers_watch_tap(struct netd_workers *ws, unsigned slot, const int *fds,
                           struct sw_err *err)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u32 = slot };

    for (unsigned i = 0; i < ws->n; i++) {
        if (epoll_ctl(ws->workers[i].epoll, EPOLL_CTL_ADD, fds[i], &ev) < 0 && errno != EEXIST) {
            int e = errno;

            netd_workers_unwatch_tap(ws, fds);
            return sw_err_errno(err, e, "watch tap");
        }
    }
    return 0;
}

void netd_workers_set_uso(struct netd_workers *ws, bool uso)
{
    atomic_store(&ws->uso, uso);
}

void netd_workers_unwatch_tap(struct netd_workers *ws, const int *fds)
{
    for (unsigned i = 0; i < ws->n; i++)
        (void)epoll_ctl(ws->workers[i].epoll, EPOLL_CTL_DEL, fds[i], NULL);
}

/* ---------------------------------------------------------------------------------- statistics */

uint64_t netd_workers_drops(const struct netd_workers *ws, enum vtep_verdict v)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ws->n; i++)
        sum += atomic_load_explicit(&ws->workers[i].drops.n[v], memory_order_relaxed);
    return sum;
}

uint32_t netd_workers_path_mtu(struct netd_workers *ws, uint64_t *node)
{
    uint32_t mtu = atomic_exchange(&ws->mtu, 0);

    *node = atomic_load(&ws->mtu_node);
    return mtu;
}
