/* SPDX-License-Identifier: Apache-2.0
 * kern_priv.h - what the files of the kernel half share. */
#ifndef SWARM_AGENT_NET_KERN_PRIV_H
#define SWARM_AGENT_NET_KERN_PRIV_H

#include "agent/net/inside.h"
#include "agent/net/kern.h"
#include "common/base/buf.h"

#define KERN_PORT_PREFIX   "swv"
#define KERN_EGRESS_PREFIX "swe"

/* Names of links. Those of a network carry its key, those of a container a hash of its id. */
void name_of_net(char out[NET_IFNAME_MAX], char kind, uint64_t key);       /* 'B' 'T' 'X' 'L' */
void name_of_port(char out[NET_IFNAME_MAX], const char *id, uint64_t net); /* net 0: egress */
bool name_is_container(const char *name);
bool name_is_egress(const char *name);

/* overlay.c */
/** overlay_ns() - the overlay namespace and its socket are there. Return: 0 or negative. */
int overlay_ns(struct kern *k, struct sw_err *err);
/** overlay_apply() - bridge, uplink and entries as @t wants them; n->t is still the old table or
 * NULL. Return: 0 or negative with n->dirty set. */
int overlay_apply(struct kern *k, struct kern_net *n, const struct table *t, struct sw_err *err);
void overlay_delete(struct kern *k, struct kern_net *n);

/* mesh.c: ingress leg and the node's rules */
int mesh_leg(struct kern *k, struct kern_net *n, const struct table *t, struct sw_err *err);
void mesh_leg_delete(struct kern *k, struct kern_net *n);
/** mesh_rules() - from one table to the next; everything anew when node_dirty. */
int mesh_rules(struct kern *k, const struct table *old, const struct table *new,
               struct sw_err *err);

/* egress.c */
int egress_init(struct kern *k, const struct kern_options *o, struct sw_err *err);
int egress_delete(struct kern *k, struct sw_err *err);
/** egress_link() - the node's side of container @c's link @name, whose index is @index. */
int egress_link(struct kern *k, const struct kern_cont *c, const char *name, int index,
                struct sw_err *err);
int egress_addr_take(struct kern *k, uint32_t *addr, struct sw_err *err);
/** egress_ports_choose() - fill in published; Return: 0; SW_E_CONFLICT; SW_E_EXHAUSTED. */
int egress_ports_choose(struct kern *k, struct kern_cont *c, bool adopt, struct sw_err *err);
void egress_ports_text(struct sw_buf *b, const struct kern_cont *c, bool add);

/* flush.c: connections to endpoints that are gone */
void flush_conntrack(struct kern *k, const struct inside_delta *d, size_t n);

/* attach.c */
void kern_cont_free(struct kern_cont *c);
void kern_cont_forget(struct kern *k, bool egress_too); /* what a purge is about to remove */

/* kern.c */
void kern_net_release(struct kern *k, struct kern_net *n); /* one user less */
int kern_nft(struct kern *k, struct nft_ctx *c, const struct sw_buf *text, struct sw_err *err);

#endif
