/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/netd/worker_priv.h"
#include "common/base/alloc.h"

#define BATCH    8u /* datagrams of up to 64 KB a call */
#define DATAGRAM 65536u
#define ROOM     ((size_t)BATCH * DATAGRAM + VTEP_MERGE_BUF)

struct netd_receiver {
    struct netd_worker *w;
    const struct vtep_table *table;
    struct vtep_rx rx;
    uint8_t *room;
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control[BATCH];
};

static void write_tap(void *ctx, int slot, const uint8_t *p, size_t n)
{
    struct netd_receiver *r = ctx;

    if (write(r->table->slots[slot].taps[r->w->index], p, n) < 0)
        vtep_count(&r->w->drops.n[VTEP_TAP_FULL], 1);
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

void netd_receiver_step(struct netd_worker *w, const struct vtep_table *t)
{
    struct netd_receiver *r = w->receiver;
    int fd = atomic_load_explicit(&w->udp_in, memory_order_acquire);
    int n = fd >= 0 ? recvmmsg(fd, r->msgs, BATCH, MSG_DONTWAIT, NULL) : -1;

    r->table = t;
    r->rx.merge.uso = atomic_load_explicit(&w->ws->uso, memory_order_relaxed);
    for (int i = 0; i < n; i++) {
        struct msghdr *m = &r->msgs[i].msg_hdr;

        if ((m->msg_flags & MSG_TRUNC) != 0)
            vtep_count(&w->drops.n[VTEP_MALFORMED], 1);
        else
            vtep_rx_datagram(&r->rx, t, r->iov[i].iov_base, r->msgs[i].msg_len, gro_size(m));
        m->msg_controllen = sizeof(r->control[0]);
    }
    vtep_merge_flush(&r->rx.merge);
}

int netd_receiver_init(struct netd_worker *w, struct sw_err *err)
{
    struct netd_receiver *r = sw_calloc(1, sizeof(*r));

    if (r == NULL)
        return sw_err_set(err, -ENOMEM, "packet worker");
    w->receiver = r;
    r->room = netd_worker_map(ROOM);
    if (r->room == NULL)
        return sw_err_set(err, -ENOMEM, "packet worker");
    r->w = w;
    r->rx.worker = w->index;
    r->rx.drops = &w->drops;
    vtep_merge_init(&r->rx.merge, r->room + (size_t)BATCH * DATAGRAM);
    r->rx.merge.emit = write_tap;
    r->rx.merge.ctx = r;
    for (unsigned i = 0; i < BATCH; i++) {
        r->iov[i] = (struct iovec){ r->room + (size_t)i * DATAGRAM, DATAGRAM };
        r->msgs[i].msg_hdr = (struct msghdr){
            .msg_iov = &r->iov[i],
            .msg_iovlen = 1,
            .msg_control = &r->control[i],
            .msg_controllen = sizeof(r->control[i]),
        };
    }
    return 0;
}

void netd_receiver_fini(struct netd_worker *w)
{
    if (w->receiver != NULL && w->receiver->room != NULL)
        (void)munmap(w->receiver->room, ROOM);
    sw_free(w->receiver);
}
