/* SPDX-License-Identifier: Apache-2.0
 * rules.h - the text of nftables transactions. Pure: tables in, text out.
 *
 * Table "swarm" of family ip exists in every container's namespace (VIPs, resolver, return path of
 * the mesh) and in the node's (mesh, host-mode ports, egress). With old == NULL a text adds
 * a network's part to the base, otherwise it takes the rules from one table to the next. */
#ifndef SWARM_AGENT_NET_RULES_H
#define SWARM_AGENT_NET_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/net/table.h"
#include "common/base/buf.h"

/* ------------------------------------------------------------------ in a container's namespace */

/** rules_resolver() - 127.0.0.11:53 is at these ports of it. In table "swarm_dns", which nothing
 * else touches: queries go on while VIPs are rebuilt. */
void rules_resolver(struct sw_buf *b, uint16_t udp, uint16_t tcp);

/** rules_task_base() - an empty table for VIPs. @fresh: there is none yet; otherwise what is there
 * goes in the same transaction. */
void rules_task_base(struct sw_buf *b, bool fresh);

/**
 * rules_vip() - the VIPs of one network
 * @old: what is in force; NULL: nothing
 * @new: what shall be; NULL: nothing
 * @turn: where the round robin begins, any number; so that containers do not all begin alike
 *
 * Appends nothing when there is no difference. A VIP without a serving endpoint refuses.
 */
void rules_vip(struct sw_buf *b, const struct table *old, const struct table *new, uint32_t turn);

/** rules_return() - the mesh's way back: connections that came in through a node leave through it.
 * @ifname: the container's interface on the ingress network; @old as above
 * @egress: its address where its default route is, 0: none */
void rules_return(struct sw_buf *b, const struct table *old, const struct table *new,
                  const char *ifname, uint32_t egress);

/* A connection's mark: which node it came in through. */
#define RULES_MARK      0x53000000u
#define RULES_MARK_MASK 0xff000000u
uint32_t rules_mark(const struct table *t, uint32_t node_addr);

/* ----------------------------------------------------------------------- in the node's namespace
 */

struct rules_node {
    const char *egress; /* what the names of the containers' outer egress links begin with */
    const char *leg;    /* swgw */
    uint32_t bridge_subnet;
    uint8_t bridge_len;
};
/** rules_node_base() - everything that does not depend on services and containers. @fresh as above:
 * the caller adds mesh and host ports behind it, in the same transaction. */
void rules_node_base(struct sw_buf *b, const struct rules_node *n, bool fresh);

/** rules_mesh() - published ports of the ingress network; arguments as of rules_vip(). */
void rules_mesh(struct sw_buf *b, const struct table *old, const struct table *new);

/* A host-mode port in force. */
struct rules_host_port {
    uint8_t proto;
    uint16_t published;
    uint16_t target;
    uint32_t host_addr; /* 0: all */
    uint32_t addr;      /* the container's on the bridge */
};
void rules_host_port_add(struct sw_buf *b, const struct rules_host_port *p);
void rules_host_port_del(struct sw_buf *b, const struct rules_host_port *p);

#endif
