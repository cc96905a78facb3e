/* SPDX-License-Identifier: Apache-2.0
 * inside.c - what is done within a container's network namespace. */
#include "agent/net/inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/net/kern_priv.h"
#include "agent/net/nft.h"
#include "agent/net/ns.h"
#include "agent/net/rules.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

#define INSIDE_LO         1
#define INSIDE_CHUNK      32 /* contexts open at a time */
#define INSIDE_RULE_JUMP  1000
#define INSIDE_RULE_NODES 1001
#define INSIDE_RULE_MAIN  32766
#define INSIDE_TCP_IDLE_S 7200

/* -------------------------------------------------------------------------------- preparation */

int inside_sysctls(bool mesh, struct sw_err *err)
{
    struct sw_err ignored;
    int r = 0;

    /* Before there are interfaces, else they have link-local addresses already. */
    (void)ns_sysctl("net/ipv6/conf/default/disable_ipv6", "1", &ignored);
    (void)ns_sysctl("net/ipv4/ip_unprivileged_port_start", "0", &ignored);
    (void)ns_sysctl("net/ipv4/ping_group_range", "0 2147483647", &ignored);
    if (!mesh)
        return 0;
    /* Clients come in by the ingress interface although the default route is elsewhere. */
    r = ns_sysctl("net/ipv4/conf/all/rp_filter", "2", err);
    if (r == 0)
        r = ns_sysctl("net/ipv4/tcp_fwmark_accept", "1", err);
    return r;
}

/* An idle connection to a VIP lives as long as conntrack knows it. */
static void inside_conntrack(void)
{
    static const char knob[] = "net/netfilter/nf_conntrack_tcp_timeout_established";
    struct sw_err ignored;
    long s;

    if (ns_sysctl_get(knob, &s) == 0 && s < INSIDE_TCP_IDLE_S)
        (void)ns_sysctl(knob, "432000", &ignored);
}

/* ------------------------------------------------------------------------------ links, routes */

static void inside_node_route(struct nlk *nl, const struct kern_port *p, const struct table *t,
                              uint32_t node, bool add)
{
    uint32_t mark = rules_mark(t, node);
    struct link_rule rule = {
        .pref = INSIDE_RULE_NODES, .mark = mark, .mask = UINT32_MAX, .table = mark
    };
    struct link_route route = { .gateway = node, .oif = p->inner, .table = mark };

    if (add) {
        link_route_add(nl, &route);
        link_rule_add(nl, &rule);
    } else {
        link_rule_del(nl, &rule);
        link_route_del(nl, &route);
    }
}

/* One rule sends everything that did not come through the mesh past the rules of the nodes. */
static void inside_return_routes(struct nlk *nl, const struct kern_port *p, const struct table *old,
                                 const struct table *new)
{
    struct link_rule jump = { .pref = INSIDE_RULE_JUMP,
                              .mark = RULES_MARK,
                              .mask = RULES_MARK_MASK,
                              .invert = true,
                              .jump_to = INSIDE_RULE_MAIN };
    size_t n_old = old != NULL ? old->n_nodes : 0;
    size_t i = 0;
    size_t j = 0;

    if (old == NULL)
        link_rule_add(nl, &jump);
    while (i < n_old || j < new->n_nodes) {
        if (j == new->n_nodes || (i < n_old && old->nodes[i] < new->nodes[j])) {
            inside_node_route(nl, p, old, old->nodes[i++], false);
        } else if (i == n_old || new->nodes[j] < old->nodes[i]) {
            inside_node_route(nl, p, new, new->nodes[j++], true);
        } else {
            i++;
            j++;
        }
    }
}

static int inside_port(struct nlk *nl, struct kern_port *p, struct sw_err *err)
{
    struct link_info l;
    int r = link_get(nl, p->inner_name, &l, err);

    if (r != 0)
        return r < 0 ? r : sw_err_set(err, -ENODEV, "%s vanished", p->inner_name);
    p->inner = l.index;
    link_addr_add(nl, p->inner, p->addr, p->net->t->subnet_len);
    if (!(l.flags & IFF_UP))
        link_up(nl, p->inner);
    if (p->net->t->ingress)
        inside_return_routes(nl, p, NULL, p->net->t);
    return 0;
}

static int inside_egress(struct kern *k, struct nlk *nl, struct kern_cont *c, struct sw_err *err)
{
    const struct net_iface *i = &c->result.ifaces[c->n_ports];
    struct link_route route = { .gateway = k->bridge_subnet + 1 };
    struct link_info l;
    int r = link_get(nl, i->name, &l, err);

    if (r != 0)
        return r < 0 ? r : sw_err_set(err, -ENODEV, "%s vanished", i->name);
    link_addr_add(nl, l.index, c->egress_addr, k->bridge_len);
    if (!(l.flags & IFF_UP))
        link_up(nl, l.index);
    link_neigh_put(nl, l.index, route.gateway);
    route.oif = l.index;
    link_route_add(nl, &route);
    return 0;
}

int inside_links(struct kern *k, struct kern_cont *c, struct sw_err *err)
{
    struct nlk nl;
    int r = nlk_open(&nl, NETLINK_ROUTE, err);

    if (r < 0)
        return r;
    link_up(&nl, INSIDE_LO);
    for (size_t i = 0; i < c->n_ports && r == 0; i++)
        r = inside_port(&nl, &c->ports[i], err);
    if (r == 0 && c->egress_addr != 0)
        r = inside_egress(k, &nl, c, err);
    if (r == 0)
        r = nlk_commit(&nl, err);
    for (size_t i = 0; r == 0 && i < c->result.n_ifaces; i++)
        link_settle(&nl, c->result.ifaces[i].name);
    nlk_close(&nl);
    return r;
}

/* -------------------------------------------------------------------------------------- rules */

static void inside_full_text(struct sw_buf *b, const struct kern_cont *c)
{
    uint32_t turn = (uint32_t)sw_hash_bytes(c->id, strlen(c->id)) >> 1;

    rules_task_base(b, !c->has_table);
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct kern_port *p = &c->ports[i];

        if (p->net->t->ingress)
            rules_return(b, NULL, p->net->t, p->inner_name, c->egress_addr);
        else
            rules_vip(b, NULL, p->net->t, turn);
    }
}

static int inside_run(struct kern *k, struct kern_cont *c, struct nft_ctx *ctx,
                      const struct sw_buf *text, struct sw_err *err)
{
    int r = kern_nft(k, ctx, text, err);

    c->dirty = r < 0;
    if (r < 0)
        return sw_err_wrap(err, "rules of container %.12s", c->id);
    c->has_table = true;
    return 0;
}

int inside_rules(struct kern *k, struct kern_cont *c, struct nft_ctx *ctx, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    int r;

    if (c->n_ports == 0)
        return 0;
    inside_full_text(&b, c);
    r = inside_run(k, c, ctx, &b, err);
    inside_conntrack();
    return r;
}

/* ------------------------------------------------------------------------------------ updates */

static const struct inside_delta *delta_of(const struct inside_delta *d, size_t n,
                                           const struct kern_net *net)
{
    for (size_t i = 0; i < n; i++)
        if (d[i].net == net)
            return &d[i];
    return NULL;
}

/* Text that takes container @c from the old tables to the new; net->t is the new one already. */
static void inside_delta_text(struct sw_buf *b, const struct kern_cont *c,
                              const struct inside_delta *d, size_t n)
{
    if (c->dirty) {
        inside_full_text(b, c);
        return;
    }
    for (size_t i = 0; i < c->n_ports; i++) {
        const struct kern_port *p = &c->ports[i];
        const struct inside_delta *x = delta_of(d, n, p->net);

        if (x == NULL)
            continue;
        if (x->new->ingress)
            rules_return(b, x->old, x->new, p->inner_name, c->egress_addr);
        else
            rules_vip(b, x->old, x->new, (uint32_t)x->new->version);
    }
}

static bool nodes_same(const struct table *a, const struct table *b)
{
    return a->n_nodes == b->n_nodes &&
           memcmp(a->nodes, b->nodes, a->n_nodes * sizeof(*a->nodes)) == 0;
}

static int inside_routes_update(struct kern_cont *c, const struct inside_delta *d, size_t n,
                                struct sw_err *err)
{
    struct nlk nl;
    int r = 0;

    for (size_t i = 0; i < c->n_ports && r == 0; i++) {
        const struct kern_port *p = &c->ports[i];
        const struct inside_delta *x = delta_of(d, n, p->net);
        const struct table *old = c->dirty || x == NULL ? NULL : x->old;

        if (!p->net->t->ingress || (x == NULL && !c->dirty))
            continue;
        if (old != NULL && nodes_same(old, p->net->t))
            continue;
        r = nlk_open(&nl, NETLINK_ROUTE, err);
        if (r < 0)
            return r;
        inside_return_routes(&nl, p, old, p->net->t);
        r = nlk_commit(&nl, err);
        nlk_close(&nl);
    }
    return r;
}

/* One container, with the thread in its namespace. *@ctx is left open for the caller to close. */
static int inside_update_one(struct kern *k, struct kern_cont *c, const struct inside_delta *d,
                             size_t n, struct nft_ctx **ctx, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    int r = inside_routes_update(c, d, n, err);

    if (r < 0) {
        c->dirty = true;
        return r;
    }
    inside_delta_text(&b, c, d, n);
    if (b.len == 0 && !sw_buf_failed(&b))
        return 0;
    *ctx = nft_open();
    return inside_run(k, c, *ctx, &b, err);
}

static bool inside_concerned(const struct kern_cont *c, const struct inside_delta *d, size_t n)
{
    if (c->n_ports > 0 && c->dirty)
        return true;
    for (size_t i = 0; i < c->n_ports; i++)
        if (delta_of(d, n, c->ports[i].net) != NULL)
            return true;
    return false;
}

int inside_update(struct kern *k, const struct inside_delta *d, size_t n, struct sw_err *err)
{
    struct nft_ctx *open[INSIDE_CHUNK];
    struct sw_err one;
    struct kern_cont *c;
    size_t n_open = 0;
    size_t it = 0;
    int first = 0;

    while ((c = sw_map_next(&k->conts, &it)) != NULL) {
        int r;

        if (!inside_concerned(c, d, n))
            continue;
        open[n_open] = NULL;
        r = ns_enter(c->ns, &one);
        if (r == 0) {
            r = inside_update_one(k, c, d, n, &open[n_open], &one);
            ns_leave(k->home);
        } else {
            c->dirty = true;
        }
        if (r < 0 && first == 0) {
            first = r;
            *err = one;
        }
        n_open += open[n_open] != NULL;
        if (n_open == INSIDE_CHUNK)
            while (n_open > 0)
                nft_close(open[--n_open]);
    }
    while (n_open > 0)
        nft_close(open[--n_open]);
    return first;
}

/* ----------------------------------------------------------------------------------- resolver */

static int resolver_socket(int type, uint16_t *port, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t len = sizeof(sa);

    sa.sin_addr.s_addr = inet_addr(NET_RESOLVER_ADDR);
    fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return sw_err_errno(err, errno, "resolver socket");
    if (type == SOCK_STREAM && listen(fd, 64) < 0)
        return sw_err_errno(err, errno, "resolver socket");
    *port = ntohs(sa.sin_port);
    return sw_steal_fd(&fd);
}

/* Not port 53 itself: a name server in the container could not bind it any more. */
int inside_resolver(struct kern *k, struct nft_ctx *ctx, int fds[3], struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    SW_CLEANUP(sw_close_ptr) int udp = -1;
    SW_CLEANUP(sw_close_ptr) int tcp = -1;
    SW_CLEANUP(sw_close_ptr) int own = -1;
    uint16_t udp_port = 0;
    uint16_t tcp_port = 0;

    udp = resolver_socket(SOCK_DGRAM, &udp_port, err);
    if (udp < 0)
        return udp;
    tcp = resolver_socket(SOCK_STREAM, &tcp_port, err);
    if (tcp < 0)
        return tcp;
    own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (own < 0)
        return sw_err_errno(err, errno, "resolver socket");
    rules_resolver(&b, udp_port, tcp_port);
    if (kern_nft(k, ctx, &b, err) < 0)
        return sw_err_wrap(err, "resolver rules");
    fds[0] = sw_steal_fd(&udp);
    fds[1] = sw_steal_fd(&tcp);
    fds[2] = sw_steal_fd(&own);
    return 0;
}
