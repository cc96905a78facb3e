/* SPDX-License-Identifier: Apache-2.0
 * nlk.h - netlink in batches.
 *
 * Changes are queued and go out together, so that hundreds of neighbours cost a handful of system
 * calls. Messages are built and parsed with libnl; this is only the sending. A socket belongs to
 * the namespace its thread was in when it was opened and keeps working from everywhere. */
#ifndef SWARM_AGENT_NET_NLK_H
#define SWARM_AGENT_NET_NLK_H

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct nl_sock;

#define NLK_BATCH 128 /* messages sent before their answers are read */

struct nlk {
    struct nl_sock *sk;
    uint32_t seq;
    struct sw_buf out;
    size_t queued;
    struct nlk_op {
        const char *what; /* static text for the error message */
        int tolerate;     /* errno that is no failure here: EEXIST, ENOENT ...; 0: none */
    } ops[NLK_BATCH];
    int failed; /* first failure of this commit, code only */
    struct sw_err first;
    uint64_t changes; /* acknowledged since nlk_open() */
};

/** nlk_open() - a socket in the calling thread's namespace.
 * @protocol: NETLINK_ROUTE or NETLINK_NETFILTER. Return: 0 or -errno. */
int nlk_open(struct nlk *k, int protocol, struct sw_err *err);
void nlk_close(struct nlk *k); /* also of an unopened, zeroed one */

/** nlk_msg() - a message with its fixed header copied from @hdr; NULL when memory is gone. */
struct nl_msg *nlk_msg(int type, int flags, const void *hdr, size_t len);

/** nlk_queue() - @m is owned (NULL: counts as out of memory). Errors appear in nlk_commit(). */
void nlk_queue(struct nlk *k, struct nl_msg *m, int tolerate, const char *what);

/** nlk_commit() - send what is queued and wait for the answers. All messages are tried, the first
 * failure is reported. Return: 0; -errno of the kernel; -ENOMEM. */
int nlk_commit(struct nlk *k, struct sw_err *err);

/** nlk_dump() - ask and call @each for every answer. @m is owned. Return: 0 or -errno. */
int nlk_dump(struct nlk *k, struct nl_msg *m, void (*each)(void *arg, struct nlmsghdr *h),
             void *arg, struct sw_err *err);

#endif
