/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/netd_pipe.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/crypto/secret.h"
#include "common/io/unixsock.h"

#define READ_STEP (64u * 1024u)

struct out_frame {
    struct sw_list link;
    size_t n_fds; /* 0 once they are sent */
    int fds[SW_UNIX_FDS_MAX];
    size_t len, sent;
    uint8_t bytes[];
};

void netd_pipe_init(struct netd_pipe *p, int fd)
{
    memset(p, 0, sizeof(*p));
    p->fd = fd;
    sw_buf_init(&p->in);
    sw_list_init(&p->out);
}

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

static void out_free(struct out_frame *o)
{
    sw_list_del(&o->link);
    close_fds(o->fds, o->n_fds);
    sw_wipe(o->bytes, o->len);
    sw_free(o);
}

static void in_wipe(struct netd_pipe *p)
{
    if (p->in.data != NULL)
        sw_wipe(p->in.data, p->in.cap);
    sw_buf_fini(&p->in);
    sw_buf_init(&p->in);
}

void netd_pipe_fini(struct netd_pipe *p)
{
    close_fds(p->fds, p->n_fds);
    p->n_fds = 0;
    in_wipe(p);
    while (!sw_list_empty(&p->out))
        out_free(sw_list_entry(p->out.next, struct out_frame, link));
}

/* ------------------------------------------------------------------------------------- reading */

static int read_some(struct netd_pipe *p, struct sw_err *err)
{
    uint8_t *to = sw_buf_reserve(&p->in, READ_STEP);
    int fds[SW_UNIX_FDS_MAX];
    size_t n_fds = 0;
    ssize_t n;

    if (to == NULL)
        return sw_err_set(err, -ENOMEM, "control message");
    n = sw_unix_recv(p->fd, to, READ_STEP, fds, &n_fds);
    if (n == -EAGAIN)
        return 1;
    if (n < 0)
        return sw_err_errno(err, (int)-n, "read control socket");
    if (n == 0)
        return sw_err_set(err, SW_E_UNAVAILABLE, "control socket was closed by the other end");
    if (p->n_fds + n_fds > NETD_PIPE_FDS) {
        close_fds(fds, n_fds);
        return sw_err_set(err, SW_E_PROTOCOL, "too many descriptors on the control socket");
    }
    memcpy(p->fds + p->n_fds, fds, n_fds * sizeof(fds[0]));
    p->n_fds += n_fds;
    sw_buf_commit(&p->in, (size_t)n);
    return 0;
}

static uint32_t frame_len(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static int hand_out(struct netd_pipe *p, netd_pipe_frame_fn *frame, void *ctx, struct sw_err *err)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && p->in.len - at >= 4) {
        uint32_t n = frame_len(p->in.data + at);

        if (n == 0 || n > NETD_FRAME_MAX)
            return sw_err_set(err, SW_E_PROTOCOL, "control message of %u bytes", n);
        if (p->in.len - at - 4 < n)
            break;
        r = frame(ctx, p, p->in.data + at + 4, n, err);
        at += 4 + n;
    }
    if (at == p->in.len)
        in_wipe(p);
    else if (at > 0)
        sw_buf_consume(&p->in, at);
    return r;
}

int netd_pipe_read(struct netd_pipe *p, netd_pipe_frame_fn *frame, void *ctx, struct sw_err *err)
{
    for (;;) {
        int r = read_some(p, err);

        if (r != 0)
            return r < 0 ? r : 0;
        r = hand_out(p, frame, ctx, err);
        if (r < 0)
            return r;
    }
}

int netd_pipe_take(struct netd_pipe *p, int *fds, size_t n, struct sw_err *err)
{
    if (n > p->n_fds)
        return sw_err_set(err, SW_E_PROTOCOL, "%zu descriptors announced, %zu came", n, p->n_fds);
    memcpy(fds, p->fds, n * sizeof(fds[0]));
    p->n_fds -= n;
    memmove(p->fds, p->fds + n, p->n_fds * sizeof(fds[0]));
    return 0;
}

/* ------------------------------------------------------------------------------------- writing */

int netd_pipe_write(struct netd_pipe *p, const void *bytes, size_t n, const int *fds, size_t n_fds,
                    struct sw_err *err)
{
    struct out_frame *o;

    if (n == 0 || n > NETD_FRAME_MAX || n_fds > SW_UNIX_FDS_MAX) {
        close_fds(fds, n_fds);
        return sw_err_set(err, SW_E_INVALID, "control message of %zu bytes, %zu descriptors", n,
                          n_fds);
    }
    o = sw_malloc(sizeof(*o) + 4 + n);
    if (o == NULL) {
        close_fds(fds, n_fds);
        return sw_err_set(err, -ENOMEM, "control message");
    }
    o->n_fds = n_fds;
    if (n_fds > 0)
        memcpy(o->fds, fds, n_fds * sizeof(fds[0]));
    o->len = 4 + n;
    o->sent = 0;
    for (unsigned i = 0; i < 4; i++)
        o->bytes[i] = (uint8_t)(n >> (8 * i));
    memcpy(o->bytes + 4, bytes, n);
    sw_list_push_back(&p->out, &o->link);
    return 0;
}

int netd_pipe_flush(struct netd_pipe *p, struct sw_err *err)
{
    while (!sw_list_empty(&p->out)) {
        struct out_frame *o = sw_list_entry(p->out.next, struct out_frame, link);
        struct iovec iov = { o->bytes + o->sent, o->len - o->sent };
        ssize_t n = sw_unix_send(p->fd, &iov, 1, o->fds, o->n_fds);

        if (n == -EAGAIN)
            return 1;
        if (n < 0)
            return sw_err_errno(err, (int)-n, "write control socket");
        close_fds(o->fds, o->n_fds);
        o->n_fds = 0;
        o->sent += (size_t)n;
        if (o->sent == o->len)
            out_free(o);
    }
    return 0;
}
