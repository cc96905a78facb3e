/* SPDX-License-Identifier: Apache-2.0
 * flush.c - end connections to endpoints that no longer exist.
 *
 * An endpoint that merely stopped serving keeps its connections (drain). Once it is gone from the
 * table, conntrack would send them into the void for hours, and a UDP client that goes on asking
 * for ever. Without its entry the next packet is a new connection: UDP finds another endpoint, and
 * TCP is answered with a reset by whoever gets it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/kern_priv.h"
#include "agent/net/ns.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

struct flush {
    const uint32_t *gone; /* ascending */
    size_t n;
    struct sw_buf found; /* encoded CTA_TUPLE_ORIG attributes, one behind the other */
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void flush_one(void *arg, struct nlmsghdr *h)
{
    struct flush *f = arg;
    struct nlattr *a[CTA_MAX + 1];
    struct nlattr *tuple[CTA_TUPLE_MAX + 1];
    struct nlattr *ip[CTA_IP_MAX + 1];
    uint32_t src;

    if (nlmsg_parse(h, sizeof(struct nfgenmsg), a, CTA_MAX, NULL) < 0 || a[CTA_STATUS] == NULL ||
        a[CTA_TUPLE_ORIG] == NULL || a[CTA_TUPLE_REPLY] == NULL)
        return;
    if (!(ntohl(nla_get_u32(a[CTA_STATUS])) & IPS_DST_NAT) ||
        nla_parse_nested(tuple, CTA_TUPLE_MAX, a[CTA_TUPLE_REPLY], NULL) < 0 ||
        tuple[CTA_TUPLE_IP] == NULL ||
        nla_parse_nested(ip, CTA_IP_MAX, tuple[CTA_TUPLE_IP], NULL) < 0 ||
        ip[CTA_IP_V4_SRC] == NULL)
        return;
    src = ntohl(nla_get_u32(ip[CTA_IP_V4_SRC]));
    if (bsearch(&src, f->gone, f->n, sizeof(src), by_number) != NULL)
        sw_buf_add(&f->found, a[CTA_TUPLE_ORIG],
                   (size_t)nla_total_size(nla_len(a[CTA_TUPLE_ORIG])));
}

static struct nl_msg *ct_msg(int type, int flags)
{
    struct nfgenmsg nf = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

    return nlk_msg(NFNL_SUBSYS_CTNETLINK << 8 | type, flags, &nf, sizeof(nf));
}

/* In the namespace the calling thread is in. */
static int flush_here(const uint32_t *gone, size_t n, struct sw_err *err)
{
    struct flush f = { gone, n, SW_BUF_INIT };
    struct nlk nl;
    size_t at = 0;
    int r = nlk_open(&nl, NETLINK_NETFILTER, err);

    if (r < 0)
        return r;
    r = nlk_dump(&nl, ct_msg(IPCTNL_MSG_CT_GET, NLM_F_DUMP), flush_one, &f, err);
    while (r == 0 && at < f.found.len) {
        const struct nlattr *a = (const void *)(f.found.data + at);
        struct nl_msg *m = ct_msg(IPCTNL_MSG_CT_DELETE, 0);

        if (m != NULL)
            nla_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(a), nla_data(a));
        nlk_queue(&nl, m, ENOENT, "delete connection");
        at += (size_t)nla_total_size(nla_len(a));
    }
    if (r == 0)
        r = nlk_commit(&nl, err);
    sw_buf_fini(&f.found);
    nlk_close(&nl);
    return r;
}

/* Addresses in @old and not in @new. Return: how many, in @out which has room for all of @old. */
static size_t flush_gone(const struct table *old, const struct table *new, uint32_t *out)
{
    size_t n = 0;
    size_t j = 0;

    for (size_t i = 0; i < old->n_addrs; i++) {
        while (j < new->n_addrs &&new->addrs[j] < old->addrs[i])
            j++;
        if (j == new->n_addrs || new->addrs[j] != old->addrs[i])
            out[n++] = old->addrs[i];
    }
    return n;
}

static bool flush_has_net(const struct kern_cont *c, const struct kern_net *net)
{
    for (size_t i = 0; i < c->n_ports; i++)
        if (c->ports[i].net == net)
            return true;
    return false;
}

static void flush_network(struct kern *k, const struct inside_delta *d, const uint32_t *gone,
                          size_t n)
{
    struct kern_cont *c;
    struct sw_err err = { 0 };
    size_t it = 0;
    int r = 0;

    if (d->new->ingress) {
        r = flush_here(gone, n, &err);
    } else {
        while ((c = sw_map_next(&k->conts, &it)) != NULL) {
            if (!flush_has_net(c, d->net) || ns_enter(c->ns, &err) < 0)
                continue;
            if (flush_here(gone, n, &err) < 0)
                r = err.code;
            ns_leave(k->home);
        }
    }
    if (r < 0)
        log_warn("connections to gone endpoints not flushed network=%llu error=%s",
                 (unsigned long long)d->net->key, err.msg);
}

void flush_conntrack(struct kern *k, const struct inside_delta *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        SW_CLEANUP(sw_free_ptr) uint32_t *gone = NULL;
        size_t n_gone;

        if (d[i].old == NULL)
            continue;
        gone = sw_calloc(d[i].old->n_addrs + 1, sizeof(*gone));
        if (gone == NULL) {
            log_warn("connections to gone endpoints not flushed error=out of memory");
            return;
        }
        n_gone = flush_gone(d[i].old, d[i].new, gone);
        if (n_gone > 0)
            flush_network(k, &d[i], gone, n_gone);
    }
}
