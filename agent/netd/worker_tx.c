/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/netd/worker_priv.h"
#include "common/base/time.h"
#include "common/log/log.h"

#define FRAMES_MAX  64 /* of one queue before the runs are flushed */
#define EVENTS_MAX  32
#define WAIT_MS     1  /* for a full socket, then drop */
#define GSO_RETRY_S 60 /* after the kernel refused UDP_SEGMENT */
#define FRAME_ROOM  (VTEP_HEADROOM + VTEP_VNET_LEN + VTEP_FRAME_MAX + 1u)

struct sender {
    struct thread *t;
    struct vtep_tx tx;
    int64_t no_gso_until; /* 0: UDP_SEGMENT works as far as we know */
    uint8_t *frame;
};

static void drop(struct sender *s, enum vtep_verdict v, size_t len, size_t size)
{
    vtep_count(&s->t->drops.n[v], (len + size - 1) / size);
}

static ssize_t send_msg(int fd, const struct msghdr *m)
{
    ssize_t r = sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (r < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };

        if (poll(&p, 1, WAIT_MS) == 1)
            r = sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return r;
}

/* The slow way: a packet a call. Also finds out which of them is too big. */
static void send_singly(struct sender *s, int fd, const struct vtep_peer *peer, struct msghdr *m,
                        size_t len, size_t size)
{
    uint8_t *p = m->msg_iov->iov_base;

    m->msg_control = NULL;
    m->msg_controllen = 0;
    for (size_t at = 0; at < len; at += size) {
        struct iovec iov = { p + at, len - at < size ? len - at : size };

        m->msg_iov = &iov;
        if (send_msg(fd, m) >= 0)
            continue;
        if (errno == EMSGSIZE) {
            atomic_store(&s->t->ws->mtu_node, peer->node);
            atomic_store(&s->t->ws->mtu, (uint32_t)iov.iov_len);
            drop(s, VTEP_TOO_BIG, 1, 1);
        } else {
            drop(s, VTEP_SEND_FULL, 1, 1);
        }
    }
}

static bool gso_usable(struct sender *s)
{
    if (s->no_gso_until == 0)
        return true;
    if (sw_mono_ns() < s->no_gso_until)
        return false;
    s->no_gso_until = 0;
    return true;
}

static void send_run(void *ctx, const struct vtep_peer *peer, const uint8_t *buf, size_t len,
                     size_t size)
{
    struct sender *s = ctx;
    int fd = atomic_load_explicit(&s->t->udp, memory_order_acquire);
    struct iovec iov = { (uint8_t *)(uintptr_t)buf, len };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(uint16_t))];
    } control;
    struct msghdr m = {
        .msg_name = (uint8_t *)(uintptr_t)peer->addr,
        .msg_namelen = peer->addr_len,
        .msg_iov = &iov,
        .msg_iovlen = 1,
    };

    if (fd < 0) {
        drop(s, VTEP_SEND_FULL, len, size);
        return;
    }
    if (len > size) {
        uint16_t seg = (uint16_t)size;

        if (!gso_usable(s)) {
            send_singly(s, fd, peer, &m, len, size);
            return;
        }
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        control.align.cmsg_level = SOL_UDP;
        control.align.cmsg_type = UDP_SEGMENT;
        control.align.cmsg_len = CMSG_LEN(sizeof(seg));
        memcpy(CMSG_DATA(&control.align), &seg, sizeof(seg));
    }
    if (send_msg(fd, &m) >= 0)
        return;
    if (errno == EMSGSIZE || errno == EINVAL || errno == EIO) {
        if (len > size && errno != EMSGSIZE) /* EIO: the route's device computes no checksums */
            s->no_gso_until = sw_mono_ns() + GSO_RETRY_S * SW_NS_PER_S;
        send_singly(s, fd, peer, &m, len, size);
        return;
    }
    drop(s, VTEP_SEND_FULL, len, size);
}

static void drain_tap(struct sender *s, const struct vtep_table *table,
                      const struct vtep_slot *slot)
{
    int fd = slot->taps[s->t->worker->index];
    uint8_t *p = s->frame + VTEP_HEADROOM;

    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        ssize_t n = read(fd, p, VTEP_VNET_LEN + VTEP_FRAME_MAX + 1);
        struct vtep_vnet vnet;

        if (n < (ssize_t)VTEP_VNET_LEN)
            return;
        memcpy(&vnet, p, sizeof(vnet));
        vtep_tx_frame(&s->tx, table, slot, &vnet, p + VTEP_VNET_LEN, (size_t)n - VTEP_VNET_LEN);
    }
}

static uint8_t *map(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void *netd_tx_main(void *arg)
{
    struct thread *t = arg;
    struct sender s = { .t = t };
    struct epoll_event ev[EVENTS_MAX];
    const struct vtep_table *table;
    uint8_t *room = map((size_t)VTEP_RUNS * VTEP_BATCH_MAX + FRAME_ROOM);
    int n;

    if (room == NULL) {
        log_error("packet worker: out of memory");
        return NULL;
    }
    s.frame = room + (size_t)VTEP_RUNS * VTEP_BATCH_MAX;
    vtep_tx_init(&s.tx, t->worker->index, room);
    s.tx.drops = &t->drops;
    s.tx.send = send_run;
    s.tx.ctx = &s;
    while ((table = netd_thread_wait(t, ev, EVENTS_MAX, &n)) != NULL) {
        for (int i = 0; i < n; i++) {
            uint32_t slot = ev[i].data.u32;

            if (slot < table->n_slots && table->slots[slot].net != NULL)
                drain_tap(&s, table, &table->slots[slot]);
        }
        vtep_tx_flush(&s.tx);
    }
    (void)munmap(room, (size_t)VTEP_RUNS * VTEP_BATCH_MAX + FRAME_ROOM);
    return NULL;
}
