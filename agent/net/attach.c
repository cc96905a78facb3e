/* SPDX-License-Identifier: Apache-2.0
 * attach.c - a container's interfaces: made, found again, taken away.
 *
 * Every step can be repeated: adopting a container after a restart is attaching it again, with what
 * is already there left alone. Names of links are a function of container and network. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/net/hosts.h"
#include "agent/net/kern_priv.h"
#include "agent/net/nft.h"
#include "agent/net/ns.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

void kern_cont_free(struct kern_cont *c)
{
    if (c == NULL)
        return;
    sw_close_ptr(&c->ns);
    sw_free(c->id);
    sw_free(c->ports);
    sw_free(c->result.ports);
    sw_free(c->result.resolv_conf);
    sw_free(c->result.hosts);
    sw_free(c);
}

struct kern_cont *kern_cont_find(const struct kern *k, const char *id)
{
    return sw_strmap_get(&k->conts, id);
}

/* ------------------------------------------------------------------------------------ deciding */

static bool cont_wants_egress(const struct kern_cont *c, const struct net_attach *a)
{
    if (a->egress == NET_EGRESS_NEVER)
        return false;
    if (a->egress == NET_EGRESS_ALWAYS || a->n_ports > 0 || c->n_ports == 0)
        return true;
    for (size_t i = 0; i < c->n_ports; i++)
        if (!c->ports[i].net->t->internal)
            return true;
    return false;
}

struct cont_own {
    const struct kern *k;
    uint32_t addr;
};

static void cont_own_addr(void *arg, int index, const struct link_ip *ip, uint8_t prefix_len)
{
    struct cont_own *o = arg;
    uint32_t a =
        (uint32_t)ip->b[0] << 24 | (uint32_t)ip->b[1] << 16 | (uint32_t)ip->b[2] << 8 | ip->b[3];
    uint32_t mask = table_mask(o->k->bridge_len);

    (void)index;
    if (ip->len == 4 && prefix_len == o->k->bridge_len && (a & mask) == o->k->bridge_subnet)
        o->addr = a;
}

/* The address on the bridge that an adopted container has already. Thread is inside. */
static int cont_find_egress(const struct kern *k, struct kern_cont *c, struct sw_err *err)
{
    struct cont_own own = { k, 0 };
    struct nlk nl;
    int r = nlk_open(&nl, NETLINK_ROUTE, err);

    if (r < 0)
        return r;
    r = link_addr_list(&nl, cont_own_addr, &own, err);
    nlk_close(&nl);
    c->egress_addr = own.addr;
    return r;
}

static void cont_iface(struct net_iface *i, size_t at, uint32_t addr, uint8_t len)
{
    snprintf(i->name, sizeof(i->name), "eth%u", (unsigned)at);
    i->addr = addr;
    i->prefix_len = len;
    link_mac_of(addr, i->mac);
}

static void cont_describe(struct kern *k, struct kern_cont *c)
{
    struct net_result *r = &c->result;

    for (size_t i = 0; i < c->n_ports; i++) {
        const struct kern_port *p = &c->ports[i];

        cont_iface(&r->ifaces[i], i, p->addr, p->net->t->subnet_len);
        r->ifaces[i].network = p->net->key;
        r->ifaces[i].mtu = p->net->mtu;
    }
    r->n_ifaces = c->n_ports;
    if (c->egress_addr == 0)
        return;
    cont_iface(&r->ifaces[r->n_ifaces], r->n_ifaces, c->egress_addr, k->bridge_len);
    r->ifaces[r->n_ifaces].gateway = k->bridge_subnet + 1;
    r->ifaces[r->n_ifaces].mtu = k->underlay_mtu != 0 ? k->underlay_mtu : 1500;
    r->n_ifaces++;
}

static int cont_networks(struct kern *k, struct kern_cont *c, const struct net_attach *a,
                         struct sw_err *err)
{
    c->ports = sw_calloc(a->n_attachments + 1, sizeof(*c->ports));
    if (c->ports == NULL)
        return sw_err_set(err, -ENOMEM, "attach");
    for (size_t i = 0; i < a->n_attachments; i++) {
        struct kern_port *p = &c->ports[i];

        p->net = kern_net_find(k, a->attachments[i].network);
        if (p->net == NULL || p->net->gone)
            return sw_err_set(err, SW_E_NOT_FOUND, "network %llu is not known on this node",
                              (unsigned long long)a->attachments[i].network);
        if (p->net->bridge == 0)
            return sw_err_set(err, SW_E_UNAVAILABLE, "network %llu could not be set up",
                              (unsigned long long)p->net->key);
        p->addr = a->attachments[i].addr;
        snprintf(p->inner_name, sizeof(p->inner_name), "eth%u", (unsigned)i);
        p->net->users++;
        c->n_ports++;
    }
    return 0;
}

static int cont_new(struct kern *k, const struct kern_spec *s, struct kern_cont **out,
                    struct sw_err *err)
{
    const struct net_attach *a = s->a;
    struct kern_cont *c = sw_calloc(1, sizeof(*c));
    int r = 0;

    if (c == NULL)
        return sw_err_set(err, -ENOMEM, "attach");
    c->ns = -1;
    c->dirty = true;
    c->id = sw_strdup(a->container_id);
    c->result.ports = sw_memdup(a->ports, a->n_ports * sizeof(*a->ports));
    if (c->id == NULL || (a->n_ports > 0 && c->result.ports == NULL))
        r = sw_err_set(err, -ENOMEM, "attach");
    c->result.n_ports = a->n_ports;
    if (r == 0)
        r = cont_networks(k, c, a, err);
    if (r == 0 && sw_strmap_put(&k->conts, c->id, c) < 0)
        r = sw_err_set(err, -ENOMEM, "attach");
    *out = c; /* on failure too: the caller undoes */
    return r;
}

static void cont_remove(struct kern *k, struct kern_cont *c, bool links);
static void cont_del_doomed(struct kern *k);

/* -------------------------------------------------------------------------------------- links */

/* A veth pair whose outer end is @v->name. Left-overs of the name are replaced, living ones kept.
 */
static int cont_veth(struct nlk *nl, const struct link_veth *v, bool adopt, int *index,
                     struct sw_err *err)
{
    struct link_info l;
    int r = link_get(nl, v->name, &l, err);

    if (r == 0 && (!adopt || l.master != v->master)) {
        link_del(nl, l.index);
        r = nlk_commit(nl, err);
        if (r == 0)
            r = LINK_ABSENT;
    }
    if (r == LINK_ABSENT) {
        link_add_veth(nl, v);
        r = nlk_commit(nl, err);
        if (r == 0)
            r = link_get(nl, v->name, &l, err);
    }
    if (r != 0)
        return r < 0 ? sw_err_wrap(err, "%s", v->peer_name)
                     : sw_err_set(err, -EIO, "%s vanished", v->name);
    *index = l.index;
    return 0;
}

static int cont_veths(struct kern *k, struct kern_cont *c, bool adopt, struct sw_err *err)
{
    char name[NET_IFNAME_MAX];
    uint8_t gateway[6];
    int index = 0;
    int r = 0;

    for (size_t i = 0; i < c->n_ports && r == 0; i++) {
        const struct kern_port *p = &c->ports[i];
        struct link_veth v = { .name = name,
                               .master = p->net->bridge,
                               .mtu = p->net->mtu,
                               .peer_name = p->inner_name,
                               .peer_mac = c->result.ifaces[i].mac,
                               .peer_ns = c->ns,
                               .gso_max = KERN_GSO_MAX };

        name_of_port(name, c->id, p->net->key);
        r = cont_veth(&k->over, &v, adopt, &index, err);
        if (r < 0)
            return r;
        link_set_port(&k->over, index, LINK_PORT_CONTAINER);
        link_fdb_put(&k->over, index, p->addr, NULL);
    }
    if (c->n_ports > 0)
        r = nlk_commit(&k->over, err);
    if (r == 0 && c->egress_addr != 0) {
        const struct net_iface *e = &c->result.ifaces[c->n_ports];
        struct link_veth v = { .name = name,
                               .mtu = e->mtu,
                               .mac = gateway,
                               .peer_name = e->name,
                               .peer_mac = e->mac,
                               .peer_ns = c->ns };

        link_mac_of(e->gateway, gateway);
        name_of_port(name, c->id, 0);
        r = cont_veth(&k->node, &v, adopt, &index, err);
        if (r < 0)
            return r;
        r = egress_link(k, c, name, index, err);
    }
    return r;
}

static void cont_settle(struct kern *k, const struct kern_cont *c)
{
    char name[NET_IFNAME_MAX];

    for (size_t i = 0; i < c->result.n_ifaces; i++) {
        name_of_port(name, c->id, c->result.ifaces[i].network);
        link_settle(c->result.ifaces[i].network != 0 ? &k->over : &k->node, name);
    }
}

static bool cont_on_mesh(const struct kern_cont *c)
{
    for (size_t i = 0; i < c->n_ports; i++)
        if (c->ports[i].net->t->ingress)
            return true;
    return false;
}

/* Everything for which the thread has to be in the container's namespace. */
static int cont_inside(struct kern *k, struct kern_cont *c, const struct kern_spec *s,
                       struct sw_err *err)
{
    struct nft_ctx *ctx;
    int r = inside_sysctls(cont_on_mesh(c), err);

    if (r == 0 && s->adopt)
        r = cont_find_egress(k, c, err);
    if (r == 0 && cont_wants_egress(c, s->a) && c->egress_addr == 0)
        r = egress_addr_take(k, &c->egress_addr, err);
    if (r < 0)
        return r;
    cont_describe(k, c);
    r = cont_veths(k, c, s->adopt, err);
    if (r == 0)
        r = inside_links(k, c, err);
    if (r < 0)
        return r;
    cont_settle(k, c);
    c->has_table = s->adopt;
    ctx = nft_open();
    r = inside_rules(k, c, ctx, err);
    nft_close(ctx);
    return r;
}

static int cont_publish(struct kern *k, struct kern_cont *c, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    int r;

    if (c->result.n_ports == 0 || k->node_dirty)
        return 0; /* when dirty, everything is written soon, these included */
    egress_ports_text(&b, c, true);
    r = kern_nft(k, k->nft, &b, err);
    return r < 0 ? sw_err_wrap(err, "publish ports") : 0;
}

static int cont_texts(struct kern_cont *c, const struct net_attach *a, struct sw_err *err)
{
    c->result.resolv_conf = hosts_resolv_conf(&a->dns);
    c->result.hosts = hosts_file(a, &c->result);
    if (c->result.resolv_conf == NULL || c->result.hosts == NULL)
        return sw_err_set(err, -ENOMEM, "resolver configuration");
    return 0;
}

/* Bridge and base rules of the node must be there before the first container that needs them. */
static int cont_node_rules(struct kern *k, struct sw_err *err)
{
    struct kern_options o = { .bridge_subnet = k->bridge_subnet, .bridge_len = k->bridge_len };

    if (k->bridge == 0 && egress_init(k, &o, err) < 0) /* removed by a purge */
        return err->code;
    if (!k->node_dirty || k->node_hold)
        return 0;
    return mesh_rules(k, NULL, k->mesh != NULL ? k->mesh->t : NULL, err);
}

int kern_attach(struct kern *k, struct kern_spec *s, struct kern_cont **out, struct sw_err *err)
{
    struct kern_cont *c = NULL;
    int r =
        kern_cont_find(k, s->a->container_id) != NULL
            ? sw_err_set(err, SW_E_CONFLICT, "container %s is attached already", s->a->container_id)
            : cont_new(k, s, &c, err);

    if (c == NULL) {
        sw_close_ptr(&s->ns);
        return r;
    }
    c->ns = s->ns;
    s->ns = -1;
    if (r == 0)
        r = egress_ports_choose(k, c, s->adopt, err);
    if (r == 0 && !s->adopt)
        r = cont_node_rules(k, err);
    if (r == 0)
        r = ns_enter(c->ns, err);
    if (r == 0) {
        r = cont_inside(k, c, s, err);
        ns_leave(k->home);
    }
    if (r == 0)
        r = cont_texts(c, s->a, err);
    if (r == 0)
        r = cont_publish(k, c, err);
    if (r < 0) {
        cont_remove(k, c, !s->adopt);
        if (!s->adopt)
            cont_del_doomed(k);
        return sw_err_wrap(err, "network of container %.12s", s->a->container_id);
    }
    *out = c;
    return 0;
}

/* ------------------------------------------------------------------------------------- removal */

static void cont_unpublish(struct kern *k, const struct kern_cont *c)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    struct sw_err err;

    egress_ports_text(&b, c, false);
    if (b.len > 0 && !k->node_dirty && kern_nft(k, k->nft, &b, &err) < 0) {
        log_warn("published ports not removed container=%.12s error=%s", c->id, err.msg);
        k->node_dirty = true;
    }
}

static void cont_del_doomed(struct kern *k)
{
    struct sw_err err;

    link_del_doomed(&k->node);
    if (nlk_commit(&k->node, &err) < 0)
        log_warn("links of containers not removed error=%s", err.msg);
    if (k->overlay < 0)
        return;
    link_del_doomed(&k->over);
    if (nlk_commit(&k->over, &err) < 0)
        log_warn("links of containers not removed error=%s", err.msg);
}

/* Everything but the links themselves, which are doomed. @links: false leaves what is in the kernel
 * of an adopted container as it was. */
static void cont_remove(struct kern *k, struct kern_cont *c, bool links)
{
    char name[NET_IFNAME_MAX];

    if (sw_strmap_get(&k->conts, c->id) == c)
        sw_strmap_del(&k->conts, c->id);
    if (links)
        cont_unpublish(k, c);
    for (size_t i = 0; i < c->n_ports; i++) {
        name_of_port(name, c->id, c->ports[i].net->key);
        if (links && k->overlay >= 0)
            link_doom(&k->over, name);
        kern_net_release(k, c->ports[i].net);
    }
    if (links && c->egress_addr != 0) {
        name_of_port(name, c->id, 0);
        link_doom(&k->node, name);
    }
    kern_cont_free(c);
}

void kern_detach(struct kern *k, const char *const *ids, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        struct kern_cont *c = kern_cont_find(k, ids[i]);

        if (c != NULL)
            cont_remove(k, c, true);
        any = any || c != NULL;
    }
    if (any)
        cont_del_doomed(k);
}

/* After the networks are gone: containers keep their egress, if that stays. */
void kern_cont_forget(struct kern *k, bool egress_too)
{
    struct kern_cont *c;
    size_t it = 0;

    while ((c = sw_map_next(&k->conts, &it)) != NULL) {
        c->n_ports = 0;
        if (egress_too)
            c->egress_addr = 0;
    }
}

/* ---------------------------------------------------------------------------------- afterwards */

int kern_resolver(struct kern *k, const char *id, int fds[3], struct sw_err *err)
{
    struct kern_cont *c = kern_cont_find(k, id);
    struct nft_ctx *ctx;
    int r;

    if (c == NULL)
        return sw_err_set(err, SW_E_NOT_FOUND, "container %s is not attached", id);
    r = ns_enter(c->ns, err);
    if (r < 0)
        return r;
    ctx = nft_open();
    r = inside_resolver(k, ctx, fds, err);
    ns_leave(k->home);
    nft_close(ctx);
    return r < 0 ? sw_err_wrap(err, "container %.12s", id) : 0;
}

static bool cont_counter(struct nlk *nl, const char *outer, const char *inner,
                         struct net_counters *o)
{
    struct link_info l;
    struct sw_err err;

    if (link_get(nl, outer, &l, &err) != 0)
        return false;
    /* Seen from the other end of the pair: what we received it sent. */
    *o = (struct net_counters){ .rx_bytes = l.tx_bytes,
                                .rx_packets = l.tx_packets,
                                .rx_errors = l.tx_errors,
                                .rx_dropped = l.tx_dropped,
                                .tx_bytes = l.rx_bytes,
                                .tx_packets = l.rx_packets,
                                .tx_errors = l.rx_errors,
                                .tx_dropped = l.rx_dropped };
    snprintf(o->name, sizeof(o->name), "%s", inner);
    return true;
}

size_t kern_counters(struct kern *k, const char *id, struct net_counters *out, size_t max)
{
    const struct kern_cont *c = kern_cont_find(k, id);
    char name[NET_IFNAME_MAX];
    size_t n = 0;

    for (size_t i = 0; c != NULL && i < c->result.n_ifaces && n < max; i++) {
        const struct net_iface *f = &c->result.ifaces[i];

        if (f->network != 0 && k->overlay < 0)
            continue;
        name_of_port(name, c->id, f->network);
        n += cont_counter(f->network != 0 ? &k->over : &k->node, name, f->name, &out[n]);
    }
    return n;
}
