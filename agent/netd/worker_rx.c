/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/netd/worker_priv.h"
#include "common/base/time.h"
#include "common/log/log.h"

#define BATCH      16u /* datagrams of up to 64 KB a call */
#define DATAGRAM   65536u
#define EVENTS_MAX 4
#define SPIN_NS    (30 * SW_NS_PER_US)

struct receiver {
    struct thread *t;
    const struct vtep_table *table;
    struct vtep_rx rx;
    uint8_t *buf;
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control[BATCH];
};

static void write_tap(void *ctx, int slot, const uint8_t *p, size_t n)
{
    struct receiver *r = ctx;

    if (write(r->table->slots[slot].taps[r->t->worker->index], p, n) < 0)
        vtep_count(&r->t->drops.n[VTEP_TAP_FULL], 1);
}

static size_t gro_size(struct msghdr *m)
{
    int size = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(c), sizeof(size));
    }
    return size > 0 ? (size_t)size : 0;
}

/* Return: datagrams handled. */
static int receive(struct receiver *r)
{
    int fd = atomic_load_explicit(&r->t->udp, memory_order_acquire);
    int n = fd >= 0 ? recvmmsg(fd, r->msgs, BATCH, MSG_DONTWAIT, NULL) : -1;

    r->rx.merge.uso = atomic_load_explicit(&r->t->ws->uso, memory_order_relaxed);
    for (int i = 0; i < n; i++) {
        struct msghdr *m = &r->msgs[i].msg_hdr;

        if ((m->msg_flags & MSG_TRUNC) != 0)
            vtep_count(&r->t->drops.n[VTEP_MALFORMED], 1);
        else
            vtep_rx_datagram(&r->rx, r->table, r->iov[i].iov_base, r->msgs[i].msg_len, gro_size(m));
        m->msg_controllen = sizeof(r->control[0]);
    }
    if (n > 0)
        vtep_merge_flush(&r->rx.merge);
    return n;
}

/* Take what is there; on machines with processors to spare look again for a moment, which saves
 * the next packet's receiver a wake-up. Return: false to stop. */
static bool drain(struct receiver *r)
{
    int64_t idle_since = 0;

    for (;;) {
        if (receive(r) > 0) {
            idle_since = 0;
        } else {
            int64_t now;

            if (!r->t->ws->spin)
                return true;
            now = sw_mono_ns();
            if (idle_since == 0)
                idle_since = now;
            else if (now - idle_since > SPIN_NS)
                return true;
        }
        r->table = netd_thread_renew(r->t);
        if (r->table == NULL)
            return false;
    }
}

static void receiver_init(struct receiver *r, struct thread *t, uint8_t *room)
{
    memset(r, 0, sizeof(*r));
    r->t = t;
    r->rx.worker = t->worker->index;
    r->rx.drops = &t->drops;
    vtep_merge_init(&r->rx.merge, room + (size_t)BATCH * DATAGRAM);
    r->rx.merge.emit = write_tap;
    r->rx.merge.ctx = r;
    for (unsigned i = 0; i < BATCH; i++) {
        r->iov[i] = (struct iovec){ room + (size_t)i * DATAGRAM, DATAGRAM };
        r->msgs[i].msg_hdr = (struct msghdr){
            .msg_iov = &r->iov[i],
            .msg_iovlen = 1,
            .msg_control = &r->control[i],
            .msg_controllen = sizeof(r->control[i]),
        };
    }
}

void *netd_rx_main(void *arg)
{
    struct thread *t = arg;
    size_t n_room = (size_t)BATCH * DATAGRAM + VTEP_MERGE_BUF;
    void *room = mmap(NULL, n_room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct epoll_event ev[EVENTS_MAX];
    struct receiver r;
    int n;

    if (room == MAP_FAILED) {
        log_error("packet worker: out of memory");
        return NULL;
    }
    receiver_init(&r, t, room);
    while ((r.table = netd_thread_wait(t, ev, EVENTS_MAX, &n)) != NULL) {
        if (!drain(&r))
            break;
    }
    (void)munmap(room, n_room);
    return NULL;
}
