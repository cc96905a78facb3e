/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/netd/worker_priv.h"
#include "common/base/time.h"

/* Of one queue, before the runs are flushed and the socket gets its turn. */
#define FRAMES_MAX 64
#define BYTES_MAX  (256u * 1024u)

#define WAIT_MS     1  /* for a full socket, then drop */
#define GSO_RETRY_S 60 /* after the kernel refused UDP_SEGMENT */
#define RUNS_ROOM   ((size_t)VTEP_RUNS * VTEP_BATCH_MAX)
#define ROOM        (RUNS_ROOM + VTEP_HEADROOM + VTEP_VNET_LEN + VTEP_FRAME_MAX + 1u)

static void drop(struct netd_worker *w, enum vtep_verdict v, size_t len, size_t size)
{
    vtep_count(&w->drops.n[v], (len + size - 1) / size);
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
static void send_singly(struct netd_worker *w, int fd, const struct vtep_peer *peer,
                        struct msghdr *m, size_t len, size_t size)
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
            atomic_store(&w->ws->mtu_node, peer->node);
            atomic_store(&w->ws->mtu, (uint32_t)iov.iov_len);
            drop(w, VTEP_TOO_BIG, 1, 1);
        } else {
            drop(w, VTEP_SEND_FULL, 1, 1);
        }
    }
}

static bool gso_usable(struct netd_worker *w)
{
    if (w->sender.no_gso_until == 0)
        return true;
    if (sw_mono_ns() < w->sender.no_gso_until)
        return false;
    w->sender.no_gso_until = 0;
    return true;
}

static void send_run(void *ctx, const struct vtep_peer *peer, const uint8_t *buf, size_t len,
                     size_t size)
{
    struct netd_worker *w = ctx;
    int fd = atomic_load_explicit(&w->udp_out, memory_order_acquire);
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
        drop(w, VTEP_SEND_FULL, len, size);
        return;
    }
    if (len > size) {
        uint16_t seg = (uint16_t)size;

        if (!gso_usable(w)) {
            send_singly(w, fd, peer, &m, len, size);
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
            w->sender.no_gso_until = sw_mono_ns() + GSO_RETRY_S * SW_NS_PER_S;
        send_singly(w, fd, peer, &m, len, size);
        return;
    }
    drop(w, VTEP_SEND_FULL, len, size);
}

void netd_sender_drain(struct netd_worker *w, const struct vtep_table *t,
                       const struct vtep_slot *slot)
{
    uint8_t *p = w->sender.frame + VTEP_HEADROOM;
    size_t bytes = 0;

    for (unsigned i = 0; i < FRAMES_MAX && bytes < BYTES_MAX; i++) {
        ssize_t n = read(slot->taps[w->index], p, VTEP_VNET_LEN + VTEP_FRAME_MAX + 1);
        struct vtep_vnet vnet;

        if (n < (ssize_t)VTEP_VNET_LEN)
            return;
        bytes += (size_t)n;
        memcpy(&vnet, p, sizeof(vnet));
        vtep_tx_frame(&w->sender.tx, t, slot, &vnet, p + VTEP_VNET_LEN, (size_t)n - VTEP_VNET_LEN);
    }
}

void netd_sender_flush(struct netd_worker *w)
{
    vtep_tx_flush(&w->sender.tx);
}

int netd_sender_init(struct netd_worker *w, struct sw_err *err)
{
    struct netd_sender *s = &w->sender;

    s->runs = netd_worker_map(ROOM);
    if (s->runs == NULL)
        return sw_err_set(err, -ENOMEM, "packet worker");
    s->frame = s->runs + RUNS_ROOM;
    vtep_tx_init(&s->tx, w->index, s->runs);
    s->tx.drops = &w->drops;
    s->tx.send = send_run;
    s->tx.ctx = w;
    return 0;
}

void netd_sender_fini(struct netd_worker *w)
{
    if (w->sender.runs != NULL)
        (void)munmap(w->sender.runs, ROOM);
}
