/* SPDX-License-Identifier: Apache-2.0
 * overlay.c - one network in the overlay namespace: bridge, uplink, who is where.
 *
 * Every remote endpoint is one permanent neighbour of the bridge (ARP is answered from it) and one
 * static forwarding entry towards the uplink; with kernel VXLAN also one on the device. The bridge
 * gets its MAC when it is made: changing it later would flush the neighbours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/net/kern_priv.h"
#include "agent/net/ns.h"
#include "agent/netd/netd_open.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

#define VXLAN_OVERHEAD_V4 50u
#define VXLAN_OVERHEAD_V6 70u
#define OVERLAY_MTU_MIN   576u

int overlay_ns(struct kern *k, struct sw_err *err)
{
    static const char *const knobs[][2] = {
        { "net/ipv6/conf/all/disable_ipv6", "1" },
        { "net/ipv6/conf/default/disable_ipv6", "1" },
        { "net/bridge/bridge-nf-call-iptables", "0" },
        { "net/bridge/bridge-nf-call-ip6tables", "0" },
        { "net/bridge/bridge-nf-call-arptables", "0" },
    };
    SW_CLEANUP(sw_free_ptr) char *dir = sw_asprintf("%s/netns", k->state_dir);
    SW_CLEANUP(sw_free_ptr) char *path = sw_asprintf("%s/netns/overlay", k->state_dir);
    struct sw_err ignored;
    bool made;
    int r;

    if (k->overlay >= 0)
        return 0;
    if (dir == NULL || path == NULL)
        return sw_err_set(err, -ENOMEM, "overlay namespace");
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return sw_err_errno(err, errno, "create %s", dir);
    k->overlay = ns_open_pinned(path, k->home, &made, err);
    if (k->overlay < 0)
        return sw_err_wrap(err, "overlay namespace");
    r = ns_enter(k->overlay, err);
    if (r < 0)
        return r;
    r = nlk_open(&k->over, NETLINK_ROUTE, err);
    for (size_t i = 0; made && i < SW_ARRAY_LEN(knobs); i++)
        (void)ns_sysctl(knobs[i][0], knobs[i][1], &ignored); /* absent: nothing to turn off */
    ns_leave(k->home);
    return r;
}

/* -------------------------------------------------------------------------------------- links */

static uint32_t overlay_mtu(const struct kern *k, const struct table *t)
{
    bool v6 = k->data_addr.len == 16;
    uint32_t overhead = t->encrypted ? (v6 ? NETD_MTU_OVERHEAD_V6 : NETD_MTU_OVERHEAD_V4)
                                     : (v6 ? VXLAN_OVERHEAD_V6 : VXLAN_OVERHEAD_V4);
    uint32_t fits =
        k->underlay_mtu > overhead + OVERLAY_MTU_MIN ? k->underlay_mtu - overhead : OVERLAY_MTU_MIN;

    return t->mtu != 0 ? t->mtu : fits;
}

static int overlay_bridge(struct kern *k, struct kern_net *n, const struct table *t,
                          struct sw_err *err)
{
    char name[NET_IFNAME_MAX];
    struct link_info l;
    uint8_t mac[6];
    int r;

    name_of_net(name, 'B', n->key);
    r = link_get(&k->over, name, &l, err);
    if (r == LINK_ABSENT) {
        link_mac_of(t->gateway != 0 ? t->gateway : t->subnet, mac);
        link_add_bridge(&k->over, name, mac, n->mtu);
        r = nlk_commit(&k->over, err);
        if (r == 0)
            r = link_get(&k->over, name, &l, err);
    } else if (r == 0 && l.mtu != n->mtu) {
        link_set_mtu(&k->over, l.index, n->mtu);
        r = nlk_commit(&k->over, err);
    }
    if (r < 0)
        return r;
    n->bridge = l.index;
    return r == 0 && l.index != 0 ? 0 : sw_err_set(err, -EIO, "bridge %s vanished", name);
}

static int overlay_make_tap(struct kern *k, const char *name, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int queue = -1;
    int r = ns_enter(k->overlay, err);

    if (r < 0)
        return r;
    r = netd_tap_open(name, 1, &queue, err);
    ns_leave(k->home);
    return r;
}

static int overlay_make_uplink(struct kern *k, struct kern_net *n, const struct table *t,
                               const char *name, struct sw_err *err)
{
    struct link_vxlan v = { .name = name,
                            .ns = k->overlay,
                            .vni = t->vni,
                            .local = &k->data_addr,
                            .port = (uint16_t)(k->data_port + 1),
                            .mtu = n->mtu };

    if (t->encrypted)
        return overlay_make_tap(k, name, err);
    if (!k->data_addr_here)
        return sw_err_set(err, SW_E_PRECONDITION,
                          "unencrypted networks need a data path address of this node");
    link_add_vxlan(&k->node, &v);
    return nlk_commit(&k->node, err);
}

static bool overlay_uplink_fits(const struct kern *k, const struct table *t,
                                const struct link_info *l)
{
    if (t->encrypted)
        return true;
    return l->vni == t->vni && l->vxlan_port == k->data_port + 1 &&
           memcmp(l->vxlan_local, k->data_addr.b, k->data_addr.len) == 0;
}

static int overlay_remove_link(struct kern *k, char kind, uint64_t key, struct sw_err *err)
{
    char name[NET_IFNAME_MAX];
    struct link_info l;
    int r;

    name_of_net(name, kind, key);
    r = link_get(&k->over, name, &l, err);
    if (r != 0)
        return r < 0 ? r : 0;
    link_del(&k->over, l.index);
    return nlk_commit(&k->over, err);
}

static int overlay_uplink(struct kern *k, struct kern_net *n, const struct table *t,
                          struct sw_err *err)
{
    char name[NET_IFNAME_MAX];
    struct link_info l;
    int r = overlay_remove_link(k, t->encrypted ? 'X' : 'T', n->key, err); /* switched */

    if (r < 0)
        return r;
    name_of_net(name, t->encrypted ? 'T' : 'X', n->key);
    r = link_get(&k->over, name, &l, err);
    if (r == 0 && !overlay_uplink_fits(k, t, &l)) {
        link_del(&k->over, l.index);
        r = nlk_commit(&k->over, err);
        if (r == 0)
            r = LINK_ABSENT;
    }
    if (r == LINK_ABSENT) {
        r = overlay_make_uplink(k, n, t, name, err);
        if (r == 0)
            r = link_get(&k->over, name, &l, err);
        if (r == LINK_ABSENT)
            r = sw_err_set(err, -EIO, "%s vanished", name);
    }
    if (r < 0)
        return sw_err_wrap(err, "uplink");
    if (l.mtu != n->mtu)
        link_set_mtu(&k->over, l.index, n->mtu);
    if (l.master != n->bridge)
        link_set_master(&k->over, l.index, n->bridge);
    link_set_port(&k->over, l.index, LINK_PORT_UPLINK);
    if (!(l.flags & IFF_UP))
        link_up(&k->over, l.index);
    n->uplink = l.index;
    return nlk_commit(&k->over, err);
}

/* ------------------------------------------------------------------------------------ entries */

/* What one network has in the kernel, while it is compared with what it shall have. */
struct overlay_scan {
    const struct table *t;
    unsigned char *seen; /* per remote: bits of SCAN_* */
    struct sw_buf gone;  /* struct overlay_gone: not to be changed while the dump is read */
};
enum { SCAN_NEIGH = 1, SCAN_FDB = 2, SCAN_DST = 4 };

struct overlay_gone {
    uint32_t addr;
    int what; /* SCAN_* */
    struct link_ip dst;
};

static long overlay_find(const struct table *t, uint32_t addr)
{
    size_t lo = 0;
    size_t hi = t->n_remotes;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (t->remotes[mid].addr == addr)
            return (long)mid;
        if (t->remotes[mid].addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

static void overlay_scan_neigh(void *arg, uint32_t addr, bool usable)
{
    struct overlay_scan *s = arg;
    struct overlay_gone gone = { addr, SCAN_NEIGH, { 0 } };
    long at = overlay_find(s->t, addr);

    if (at < 0)
        sw_buf_add(&s->gone, &gone, sizeof(gone));
    else if (usable)
        s->seen[at] |= SCAN_NEIGH;
}

static void overlay_scan_fdb(void *arg, uint32_t addr, const struct link_ip *dst)
{
    struct overlay_scan *s = arg;
    struct overlay_gone gone = { addr, dst != NULL ? SCAN_DST : SCAN_FDB, { 0 } };
    long at = overlay_find(s->t, addr);

    if (dst != NULL)
        gone.dst = *dst;
    if (at < 0)
        sw_buf_add(&s->gone, &gone, sizeof(gone));
    else if (dst == NULL)
        s->seen[at] |= SCAN_FDB;
    else if (link_ip_equal(dst, &s->t->remotes[at].dst))
        s->seen[at] |= SCAN_DST;
}

static void overlay_scan_apply(struct kern *k, struct kern_net *n, const struct overlay_scan *s)
{
    unsigned want = SCAN_NEIGH | SCAN_FDB | (s->t->encrypted ? 0 : SCAN_DST);
    const struct overlay_gone *gone = (const void *)s->gone.data;

    for (size_t i = 0; i < s->gone.len / sizeof(*gone); i++) {
        if (gone[i].what == SCAN_NEIGH)
            link_neigh_del(&k->over, n->bridge, gone[i].addr);
        else
            link_fdb_del(&k->over, n->uplink, gone[i].addr,
                         gone[i].what == SCAN_DST ? &gone[i].dst : NULL);
    }
    for (size_t i = 0; i < s->t->n_remotes; i++) {
        const struct table_remote *m = &s->t->remotes[i];

        if ((s->seen[i] & want) == want)
            continue;
        link_neigh_put(&k->over, n->bridge, m->addr);
        link_fdb_put(&k->over, n->uplink, m->addr, s->t->encrypted ? NULL : &m->dst);
    }
}

static int overlay_entries_scan(struct kern *k, struct kern_net *n, const struct table *t,
                                struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) unsigned char *seen = sw_calloc(t->n_remotes + 1, 1);
    struct overlay_scan s = { t, seen, SW_BUF_INIT };
    struct link_entries e = { &s, overlay_scan_neigh, overlay_scan_fdb };
    int r;

    if (seen == NULL)
        return sw_err_set(err, -ENOMEM, "forwarding entries");
    r = link_entries_list(&k->over, n->bridge, n->uplink, &e, err);
    if (r == 0 && sw_buf_failed(&s.gone))
        r = sw_err_set(err, -ENOMEM, "forwarding entries");
    if (r == 0) {
        overlay_scan_apply(k, n, &s);
        r = nlk_commit(&k->over, err);
    }
    sw_buf_fini(&s.gone);
    return r;
}

static void overlay_entry(struct kern *k, struct kern_net *n, const struct table *t,
                          const struct table_remote *m, bool put)
{
    const struct link_ip *dst = t->encrypted ? NULL : &m->dst;

    if (put) {
        link_neigh_put(&k->over, n->bridge, m->addr);
        link_fdb_put(&k->over, n->uplink, m->addr, dst);
    } else {
        link_neigh_del(&k->over, n->bridge, m->addr);
        link_fdb_del(&k->over, n->uplink, m->addr, dst);
    }
}

static int overlay_entries_diff(struct kern *k, struct kern_net *n, const struct table *old,
                                const struct table *new, struct sw_err *err)
{
    size_t i = 0;
    size_t j = 0;

    while (i < old->n_remotes || j < new->n_remotes) {
        const struct table_remote *o = &old->remotes[i];
        const struct table_remote *w = &new->remotes[j];

        if (j == new->n_remotes || (i < old->n_remotes && o->addr < w->addr)) {
            overlay_entry(k, n, old, o, false);
            i++;
        } else if (i == old->n_remotes || w->addr < o->addr) {
            overlay_entry(k, n, new, w, true);
            j++;
        } else {
            if (!link_ip_equal(&o->dst, &w->dst))
                overlay_entry(k, n, new, w, true);
            i++;
            j++;
        }
    }
    return nlk_commit(&k->over, err);
}

/* -------------------------------------------------------------------------------------- whole */

static bool overlay_links_changed(const struct kern *k, const struct kern_net *n,
                                  const struct table *t)
{
    return n->dirty || n->t == NULL || n->t->encrypted != t->encrypted || n->t->vni != t->vni ||
           n->mtu != overlay_mtu(k, t) || n->port != k->data_port ||
           !link_ip_equal(&n->local, &k->data_addr);
}

int overlay_apply(struct kern *k, struct kern_net *n, const struct table *t, struct sw_err *err)
{
    bool anew = overlay_links_changed(k, n, t);
    int r = overlay_ns(k, err);

    if (r == 0 && anew) {
        n->dirty = true;
        n->mtu = overlay_mtu(k, t);
        n->local = k->data_addr;
        n->port = k->data_port;
        r = overlay_bridge(k, n, t, err);
        if (r == 0)
            r = overlay_uplink(k, n, t, err);
    }
    if (r == 0)
        r = anew ? overlay_entries_scan(k, n, t, err) : overlay_entries_diff(k, n, n->t, t, err);
    n->dirty = r < 0;
    return r < 0 ? sw_err_wrap(err, "overlay network %llu", (unsigned long long)n->key) : 0;
}

void overlay_delete(struct kern *k, struct kern_net *n)
{
    struct sw_err err;

    if (k->overlay < 0)
        return;
    for (const char *kind = "TXB"; *kind != '\0'; kind++)
        if (overlay_remove_link(k, *kind, n->key, &err) < 0)
            log_warn("link of network not removed network=%llu error=%s",
                     (unsigned long long)n->key, err.msg);
    n->bridge = n->uplink = 0;
}
