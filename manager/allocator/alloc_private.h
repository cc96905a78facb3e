/* SPDX-License-Identifier: Apache-2.0
 * alloc_private.h - what the parts of the allocator share. */
#ifndef SWARM_MANAGER_ALLOCATOR_ALLOC_PRIVATE_H
#define SWARM_MANAGER_ALLOCATOR_ALLOC_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/map.h"
#include "manager/allocator/allocator.h"
#include "manager/allocator/pool.h"

#define ALLOC_TASKS_PER_STEP 4000

struct keys { /* growing array of object keys, first in first out */
    uint64_t *v;
    size_t head, n, cap;
};

struct waiters { /* objects that wait for the same thing, each listed once */
    struct keys keys;
    uint64_t id; /* of the list: a network's key or one of those below */
};
#define WAIT_NETWORKS UINT64_MAX
#define WAIT_PORTS    (UINT64_MAX - 1)

struct net { /* one network object */
    uint64_t key;
    struct pool pool; /* bits NULL while no subnet is allocated */
    uint32_t
        next_addr;  /* where the search goes on, ahead of the object while a change is under way */
    uint32_t users; /* task attachments and VIPs */
    bool pending_delete;
    struct waiters waiting; /* objects that found no address here */
    bool freed;             /* listed in allocator.freed_nets */
    char why[128];          /* what kept it from getting a subnet */
};

enum claim_kind { CLAIM_ADDR, CLAIM_PORT, CLAIM_VNI };

struct claim { /* taken for a change that is not decided yet: claims.c */
    enum claim_kind kind;
    uint32_t value; /* address, port or VNI */
    uint64_t owner;
    uint64_t network; /* of a port: its protocol */
};

struct node_net {
    uint64_t network;
    uint32_t tasks;
    int64_t idle_ns; /* without tasks since; 0: has some, or was not looked at yet */
};

struct alloc_node {
    uint64_t key;
    struct node_net *nets;
    size_t n_nets;
    bool dirty;
};

struct allocator {
    bool stale;
    struct sw_map nets;  /* key -> struct net */
    struct sw_map nodes; /* key -> struct alloc_node */
    struct sw_map vnis;  /* vni -> anything */
    uint64_t ports[3][65536 / 64];
    uint64_t ingress; /* key of the ingress network, 0: none */
    struct keys dirty_nets, dirty_services, dirty_tasks, dirty_nodes;
    struct keys freed_nets;
    struct waiters waiting;       /* for a network object to appear or get its subnet */
    struct waiters waiting_ports; /* for a published port */
    struct sw_map waits;          /* who is in which list of waiters */
    struct claim *claims;
    size_t n_claims, cap_claims;
    bool networks_changed, ports_freed;
    int64_t idle_wake_ns; /* the next node address may be given up then, 0: none */
    bool pressed;         /* somebody found no address in this step */
    bool recheck;         /* some were woken or gave back in this step: is there room for more? */
};

struct alloc_step {
    struct allocator *a;
    const struct view *view;
    int64_t now_ns;
    struct txn *txn;
    uint64_t service; /* the last one that a task asked for: most tasks in a row are of one */
    bool service_ok;
    struct sw_buf service_why;
};

int keys_push(struct keys *k, uint64_t key); /* 0 or -ENOMEM */
bool keys_pop(struct keys *k, uint64_t *key);
void keys_fini(struct keys *k);

/** alloc_wait() - Return: false when @owner is listed there already. */
bool alloc_wait(struct allocator *a, struct waiters *w, uint64_t owner);
bool alloc_next_waiter(struct allocator *a, struct waiters *w, uint64_t *owner);

/** alloc_current() - the message of an object with what this round decided. */
const void *alloc_current(const struct alloc_step *s, const struct view_object *o);
struct net *alloc_net(const struct allocator *a, uint64_t key);
/** alloc_addr() - a new address on a network, taken at once. @owner: waits there if none is free.
 * @why: gets the reason. Return: 0: none. */
uint32_t alloc_addr(struct alloc_step *s, uint64_t network, uint64_t owner, struct sw_buf *why);
/** alloc_has_room() - the same question without taking one: asked for all networks first, so that
 * nothing is written for an object that then lacks another address. */
bool alloc_has_room(struct alloc_step *s, uint64_t network, uint64_t owner, struct sw_buf *why);
/** alloc_is_addressed() - overlay networks have addresses, the predefined shadows have none. */
bool alloc_is_addressed(const Swarm__V1__Network *n);
bool alloc_publishes(const Swarm__V1__EndpointSpec *e); /* any ingress port */

/* One object each; they leave it alone when nothing is missing. */
void alloc_network(struct alloc_step *s, const struct view_object *o);
/** alloc_service() - Return: false with the reason in @why when something cannot be had. */
bool alloc_service(struct alloc_step *s, const struct view_service *vs, struct sw_buf *why);
/** alloc_wake_tasks() - look again at its NEW tasks. */
void alloc_wake_tasks(struct alloc_step *s, const struct view_service *vs);
void alloc_task(struct alloc_step *s, const struct view_task *vt);
void alloc_node(struct alloc_step *s, const struct view_node *vn);
/** alloc_look_at_idle() - make nodes dirty whose idle addresses are due or wanted by others. */
void alloc_look_at_idle(struct alloc_step *s);

bool alloc_port_used(const struct allocator *a, unsigned protocol, unsigned port);
void alloc_port_set(struct allocator *a, unsigned protocol, unsigned port, bool used);

/* claims.c */
void alloc_claim(struct allocator *a, struct claim c);
void alloc_settle_claims(struct allocator *a, const struct view *v);

/* cache.c: what the view says is taken */
void alloc_cache_note(struct allocator *a, const struct view_change *c);
void alloc_cache_clear(struct allocator *a);
void alloc_hold(struct allocator *a, uint64_t network, uint32_t addr, bool taken);
/** alloc_node_net() - a node's entry for a network, made when it is missing. NULL: no memory. */
struct node_net *alloc_node_net(struct allocator *a, struct alloc_node *n, uint64_t network);
void alloc_dirty_node(struct allocator *a, uint64_t key);

#endif
