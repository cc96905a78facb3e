/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/nlk.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/macro.h"

#define NLK_RCVBUF (1 << 20)

int nlk_open(struct nlk *k, int protocol, struct sw_err *err)
{
    int one = 1;
    int r;

    memset(k, 0, sizeof(*k));
    sw_buf_init(&k->out);
    sw_random(&k->seq, sizeof(k->seq));
    k->sk = nl_socket_alloc();
    if (k->sk == NULL)
        return sw_err_set(err, -ENOMEM, "netlink socket");
    r = nl_connect(k->sk, protocol);
    if (r < 0) {
        nl_socket_free(k->sk);
        k->sk = NULL;
        return sw_err_set(err, -EIO, "netlink socket: %s", nl_geterror(r));
    }
    nl_socket_set_buffer_size(k->sk, NLK_RCVBUF, 0);
    nl_socket_set_msg_buf_size(k->sk, 64 * 1024);
    /* Both only make answers smaller or clearer: old kernels may refuse. */
    (void)setsockopt(nl_socket_get_fd(k->sk), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    (void)setsockopt(nl_socket_get_fd(k->sk), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)setsockopt(nl_socket_get_fd(k->sk), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
                     sizeof(one));
    return 0;
}

void nlk_close(struct nlk *k)
{
    if (k->sk != NULL)
        nl_socket_free(k->sk);
    k->sk = NULL;
    sw_buf_fini(&k->out);
}

struct nl_msg *nlk_msg(int type, int flags, const void *hdr, size_t len)
{
    struct nl_msg *m = nlmsg_alloc_size(1024);

    if (m == NULL)
        return NULL;
    if (nlmsg_put(m, NL_AUTO_PORT, 0, type, (int)len, NLM_F_REQUEST | flags) == NULL) {
        nlmsg_free(m);
        return NULL;
    }
    memcpy(nlmsg_data(nlmsg_hdr(m)), hdr, len);
    return m;
}

static void nlk_fail(struct nlk *k, int code, const char *what, const char *detail)
{
    if (k->failed != 0)
        return;
    k->failed = code;
    if (detail != NULL)
        sw_err_set(&k->first, code, "%s: %s (%s)", what, strerror(-code), detail);
    else
        sw_err_set(&k->first, code, "%s: %s", what, strerror(-code));
}

/* The kernel's own words, when it has any (NLMSGERR_ATTR_MSG). */
static const char *nlk_ext_text(const struct nlmsghdr *h)
{
    static const char none[] = "";
    const struct nlmsgerr *e = NLMSG_DATA(h);
    size_t at = NLMSG_LENGTH(sizeof(*e));
    struct nlattr *a;

    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
        return none;
    if (!(h->nlmsg_flags & NLM_F_CAPPED))
        at += e->msg.nlmsg_len - NLMSG_HDRLEN;
    if (at >= h->nlmsg_len)
        return none;
    a = nla_find((const struct nlattr *)(const void *)((const char *)h + at),
                 (int)(h->nlmsg_len - at), NLMSGERR_ATTR_MSG);
    return a != NULL ? nla_get_string(a) : none;
}

static void nlk_on_answer(struct nlk *k, const struct nlmsghdr *h, uint32_t first)
{
    const struct nlmsgerr *e = NLMSG_DATA(h);
    const struct nlk_op *op = &k->ops[h->nlmsg_seq - first];
    const char *text = nlk_ext_text(h);

    if (e->error == 0 || -e->error == op->tolerate) {
        k->changes += e->error == 0;
        return;
    }
    nlk_fail(k, e->error, op->what, text[0] != '\0' ? text : NULL);
}

/* Read one datagram. Return: how many of the @left answers it held, or -errno. */
static int nlk_read_answers(struct nlk *k, uint32_t first, size_t left)
{
    struct sockaddr_nl from;
    unsigned char *data = NULL;
    struct nlmsghdr *h;
    int seen = 0;
    int n = nl_recv(k->sk, &from, &data, NULL);

    if (n <= 0)
        return n == -NLE_NOMEM ? -ENOBUFS : -EIO;
    for (h = (struct nlmsghdr *)(void *)data; nlmsg_ok(h, n); h = nlmsg_next(h, &n)) {
        if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq - first >= k->queued)
            continue; /* left over from something that failed half-way */
        nlk_on_answer(k, h, first);
        seen++;
    }
    free(data);
    return SW_MIN(seen, (int)left);
}

/* Numbered only now: queries may have been sent since a message was queued. */
static uint32_t nlk_number(struct nlk *k)
{
    uint32_t first = k->seq;
    size_t at = 0;

    while (at < k->out.len) {
        struct nlmsghdr *h = (struct nlmsghdr *)(void *)(k->out.data + at);

        h->nlmsg_seq = k->seq++;
        at += NLMSG_ALIGN(h->nlmsg_len);
    }
    return first;
}

static void nlk_flush(struct nlk *k)
{
    uint32_t first = nlk_number(k);
    size_t left = k->queued;
    int r = 0;

    if (left == 0)
        return;
    if (sw_buf_failed(&k->out))
        nlk_fail(k, -ENOMEM, "netlink batch", NULL);
    else if (nl_sendto(k->sk, k->out.data, k->out.len) < 0)
        nlk_fail(k, -errno, "netlink send", NULL);
    else
        while (left > 0 && r >= 0) {
            r = nlk_read_answers(k, first, left);
            if (r < 0)
                nlk_fail(k, r, "netlink receive", NULL);
            else
                left -= (size_t)r;
        }
    sw_buf_clear(&k->out);
    k->queued = 0;
}

void nlk_queue(struct nlk *k, struct nl_msg *m, int tolerate, const char *what)
{
    struct nlmsghdr *h;

    if (m == NULL) {
        nlk_fail(k, -ENOMEM, what, NULL);
        return;
    }
    if (k->queued == NLK_BATCH)
        nlk_flush(k);
    h = nlmsg_hdr(m);
    h->nlmsg_flags |= NLM_F_ACK;
    h->nlmsg_pid = nl_socket_get_local_port(k->sk);
    k->ops[k->queued].what = what;
    k->ops[k->queued].tolerate = tolerate;
    k->queued++;
    sw_buf_add(&k->out, h, NLMSG_ALIGN(h->nlmsg_len));
    nlmsg_free(m);
}

int nlk_commit(struct nlk *k, struct sw_err *err)
{
    int r;

    nlk_flush(k);
    r = k->failed;
    if (r != 0)
        *err = k->first;
    k->failed = 0;
    return r;
}

struct nlk_dump_state {
    void (*each)(void *arg, struct nlmsghdr *h);
    void *arg;
    uint32_t seq;
    int result; /* 1: not yet finished */
};

static int nlk_dump_datagram(struct nlk *k, struct nlk_dump_state *d)
{
    struct sockaddr_nl from;
    unsigned char *data = NULL;
    struct nlmsghdr *h;
    int n = nl_recv(k->sk, &from, &data, NULL);

    if (n <= 0)
        return -EIO;
    for (h = (struct nlmsghdr *)(void *)data; nlmsg_ok(h, n); h = nlmsg_next(h, &n)) {
        if (h->nlmsg_seq != d->seq)
            continue;
        if (h->nlmsg_type == NLMSG_DONE) {
            d->result = 0;
        } else if (h->nlmsg_type == NLMSG_ERROR) {
            d->result = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
        } else {
            d->each(d->arg, h);
            if (!(h->nlmsg_flags & NLM_F_MULTI))
                d->result = 0;
        }
    }
    free(data);
    return 0;
}

int nlk_dump(struct nlk *k, struct nl_msg *m, void (*each)(void *arg, struct nlmsghdr *h),
             void *arg, struct sw_err *err)
{
    struct nlk_dump_state d = { each, arg, k->seq++, 1 };
    struct nlmsghdr *h;
    int r = 0;

    if (m == NULL)
        return sw_err_set(err, -ENOMEM, "netlink query");
    h = nlmsg_hdr(m);
    h->nlmsg_seq = d.seq;
    h->nlmsg_pid = nl_socket_get_local_port(k->sk);
    if (nl_sendto(k->sk, h, h->nlmsg_len) < 0)
        r = -errno;
    nlmsg_free(m);
    while (r == 0 && d.result == 1)
        r = nlk_dump_datagram(k, &d);
    if (r == 0)
        r = d.result;
    if (r < 0)
        return sw_err_errno(err, -r, "netlink query");
    return 0;
}
