/* SPDX-License-Identifier: Apache-2.0
 * probe.c - what this kernel lacks, found by trying in a namespace that is thrown away. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/net/kern_priv.h"
#include "agent/net/nft.h"
#include "agent/net/ns.h"
#include "agent/net/rules.h"
#include "agent/netd/netd_open.h"
#include "common/base/alloc.h"

struct probe {
    struct nlk nl;
    int ns;
    struct sw_buf missing; /* text */
};

static void lacks(struct probe *p, const char *feature, const char *needed_for, const char *why)
{
    sw_buf_printf(&p->missing, "%s%s (%s): %s", p->missing.len > 0 ? "; " : "", feature, needed_for,
                  why);
}

static void probe_links(struct probe *p)
{
    static const uint8_t mac[6] = { 0x02, 0x42, 0, 0, 0, 1 };
    struct link_ip local = { 4, { 127, 0, 0, 1 } };
    struct link_veth veth = { .name = "probe0", .mtu = 1400, .peer_name = "probe1", .peer_ns = -1 };
    struct link_vxlan vxlan = { "probe2", p->ns, 42, &local, NET_DATA_PORT + 1, 1400 };
    struct sw_err err;

    link_add_bridge(&p->nl, "probe3", mac, 1400);
    if (nlk_commit(&p->nl, &err) < 0)
        lacks(p, "CONFIG_BRIDGE", "every overlay network", err.msg);
    link_add_veth(&p->nl, &veth);
    if (nlk_commit(&p->nl, &err) < 0)
        lacks(p, "CONFIG_VETH", "every container", err.msg);
    link_add_vxlan(&p->nl, &vxlan);
    if (nlk_commit(&p->nl, &err) < 0)
        lacks(p, "CONFIG_VXLAN", "unencrypted networks", err.msg);
}

static void probe_tun(struct probe *p)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sw_err err;

    if (netd_tap_open("probe4", 1, &fd, &err) < 0)
        lacks(p, "CONFIG_TUN and /dev/net/tun", "encrypted networks", err.msg);
}

struct probe_rule {
    const char *feature;
    const char *needed_for;
    const char *rule;
};

static void probe_nft(struct probe *p)
{
    static const struct probe_rule rules[] = {
        { "CONFIG_NFT_NAT", "VIPs and published ports", "nat dnat to 10.0.0.1" },
        { "CONFIG_NFT_NUMGEN", "VIPs and published ports",
          "nat dnat to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }" },
        { "CONFIG_NFT_FIB_IPV4", "published ports", "nat fib daddr type local accept" },
        { "CONFIG_NFT_MASQ", "egress", "post masquerade" },
        { "CONFIG_NFT_CT", "VIPs and published ports", "refuse ct state new accept" },
        { "CONFIG_NFT_REJECT_IPV4", "refusing instead of hanging",
          "refuse meta l4proto tcp reject with tcp reset" },
    };
    static const char base[] =
        "add table ip probe\n"
        "add chain ip probe nat { type nat hook output priority -100 ; }\n"
        "add chain ip probe post { type nat hook postrouting priority 100 ; }\n"
        "add chain ip probe refuse { type filter hook output priority -150 ; }\n"
        "add chain ip probe rerouted { type route hook output priority -150 ; }\n";
    struct sw_buf b = SW_BUF_INIT;
    struct nft_ctx *ctx = nft_open();
    struct sw_err err;

    sw_buf_puts(&b, base);
    if (nft_run(ctx, &b, &err) < 0) {
        lacks(p, "CONFIG_NF_TABLES_IPV4 with CONFIG_NFT_NAT", "every service", err.msg);
    } else {
        for (size_t i = 0; i < SW_ARRAY_LEN(rules); i++) {
            sw_buf_clear(&b);
            sw_buf_printf(&b, "add rule ip probe %s\n", rules[i].rule);
            if (nft_run(ctx, &b, &err) < 0)
                lacks(p, rules[i].feature, rules[i].needed_for, err.msg);
        }
    }
    sw_buf_fini(&b);
    nft_close(ctx);
}

static int probe_all(struct probe *p, struct sw_err *err)
{
    int r = nlk_open(&p->nl, NETLINK_ROUTE, err);

    if (r < 0)
        return r;
    probe_links(p);
    probe_tun(p);
    probe_nft(p);
    nlk_close(&p->nl);
    return 0;
}

int net_probe(struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int home = -1;
    struct probe p = { .ns = -1, .missing = SW_BUF_INIT };
    int r;

    home = ns_open_self(err);
    if (home < 0)
        return home;
    if (unshare(CLONE_NEWNET) < 0)
        return sw_err_errno(err, errno, "make a network namespace");
    p.ns = ns_open_self(err);
    r = p.ns < 0 ? p.ns : probe_all(&p, err);
    ns_leave(home);
    sw_close_ptr(&p.ns);
    if (r == 0 && (p.missing.len > 0 || sw_buf_failed(&p.missing)))
        r = sw_err_set(err, SW_E_UNSUPPORTED, "this kernel lacks %s", sw_buf_str(&p.missing));
    sw_buf_fini(&p.missing);
    return r;
}
