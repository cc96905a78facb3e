/* SPDX-License-Identifier: Apache-2.0
 * net_priv.h - the loop half of agent/net.
 *
 *   net.c        life, identity, tables, flush and repair timers
 *   net_cont.c   containers: waiting for tables, attach, adopt, detach
 *   net_readopt.c  containers of the last swarmd; leaving the swarm
 *   net_netd.c   swarm-netd: starting it, its life
 *   net_tell.c   ... and telling it everything again
 *   net_job.c    one job at a time on libuv's pool
 *   net_save.c   tables on disk, for a start without managers */
#ifndef SWARM_AGENT_NET_NET_PRIV_H
#define SWARM_AGENT_NET_NET_PRIV_H

#include <uv.h>

#include "agent/net/kern.h"
#include "agent/net/net.h"
#include "agent/netd/netd_client.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/io/backoff.h"
#include "common/io/timer.h"

/* ---------------------------------------------------------------------------------------- jobs */

struct net_job;
typedef void (*net_job_fn)(struct net_job *j);

/* Embedded first in what a job needs; freed by its done(). */
struct net_job {
    struct sw_list link;
    struct net *net;
    net_job_fn run;  /* on the pool: may use net->kern and the job, nothing else */
    net_job_fn done; /* on the loop */
    struct sw_err err;
    int result;
};
void net_job_submit(struct net *net, struct net_job *j, net_job_fn run, net_job_fn done);

/* -------------------------------------------------------------------------------------- tables */

struct net_table {
    uint64_t key;
    Swarm__V1__NetworkTable *msg; /* owned: swarm-netd may need it again */
    struct table *next;           /* checked, waiting for the next flush; NULL: nothing new */
    bool unsaved;
    bool told;        /* this netd has the current msg */
    bool tap_told;    /* ... and the TAP queues */
    bool tap_job;     /* they are being opened */
    uint32_t tap_mtu; /* what it was told of them */
    uint32_t tap_vni;
    uint32_t mtu; /* of the containers' interfaces, once in force; 0 before */
};

/* ---------------------------------------------------------------------------------- containers */

enum net_cont_state {
    CONT_WAITING,   /* for tables */
    CONT_ATTACHING, /* job under way */
    CONT_ATTACHED,
    CONT_LEAVING, /* detached by the caller: no more callbacks, job to come or under way */
    CONT_STATES
};

struct net_cont {
    struct net *net;
    enum net_cont_state state;
    struct net_attach a; /* a copy, see net_spec.h */
    int ns;              /* owned until the attach job has it; -1 afterwards */
    bool adopt;
    uint64_t deadline_ms; /* loop time */
    net_attach_cb cb;
    void *cb_arg;
    const struct net_result *result;
    bool resolver_told; /* this netd has its sockets */
    bool resolver_job;
    int dns[3]; /* sockets on their way to netd; -1 */
};

/* ----------------------------------------------------------------------------------------- netd */

struct net_netd {
    struct netd_client *client; /* NULL: no netd wanted */
    bool up;
    bool off; /* after a purge: nothing to do for it, none is started */
    uint32_t workers;
    Swarm__V1__DataPlaneKeys *keys; /* owned; NULL: none yet */
    struct net_data_key *made;      /* start keys of this netd */
    size_t n_made;
    size_t making; /* requests under way */
    char **dns;    /* containers that this netd had when it greeted */
    size_t n_dns;
    bool has_udp;   /* it had its sockets when it greeted */
    uint64_t round; /* +1 with each greeting: descriptors made for an older one are stale */
    uint64_t up_since_ms;
    uv_process_t *process; /* child of this swarmd; NULL: none */
    struct sw_timer start; /* when nobody has answered until then: start one */
    struct sw_backoff pause;
    int pid; /* as it says itself */
};

/* ---------------------------------------------------------------------------------------- whole */

struct net_readopt; /* net_readopt.c: a readopt under way */

struct net {
    uv_loop_t *loop;
    struct net_callbacks cb;
    char *state_dir;
    char *run_dir;
    char *netd_path;
    char *data_addr; /* NULL: no identity yet */
    uint16_t data_port;
    uint64_t node_key;
    struct sw_id node_id;
    struct link_ip data_ip;
    struct kern *kern; /* belongs to the running job */
    struct sw_list jobs;
    struct net_job *running;
    uv_work_t work;
    struct sw_timer flush;  /* changes that came together go together */
    struct sw_timer repair; /* something could not be put into the kernel */
    struct sw_timer wait;   /* while containers wait for tables */
    struct sw_timer save;   /* tables to disk, rarely */
    struct sw_timer guard;  /* look after the host's firewall */
    struct sw_backoff repair_pause;
    bool flushing; /* a flush job is under way */
    bool adopted;  /* net_readopt() was called: the kernel may be changed */
    bool identity_new;
    struct sw_map tables;        /* key -> struct net_table */
    struct sw_map conts;         /* id -> struct net_cont */
    struct net_readopt *readopt; /* NULL: not under way */
    struct net_netd netd;
    uint64_t netd_starts;
    uint64_t failures;
    uint64_t stat_netlink, stat_nft; /* copied from kern after each job */
    bool closing;
    unsigned closes; /* still to come: client, process */
    void (*freed)(void *arg);
    void *freed_arg;
};

/* net.c */
void net_flush_now(struct net *net); /* submit what waits, if the kernel may be changed */
void net_flush_soon(struct net *net);
void net_failed(struct net *net, const char *what, const struct sw_err *err);
int net_retable(struct net *net, struct sw_err *err); /* every table anew from its message */
bool net_has_table(const struct net *net, uint64_t key);
void net_table_drop(struct net *net, struct net_table *t);
void net_idle(struct net *net); /* after each job: is this the end? */

/* net_cont.c */
/** net_cont_add() - net_attach() or one of net_readopt() */
int net_cont_add(struct net *net, const struct net_attach *a, bool adopt, net_attach_cb cb,
                 void *arg, struct sw_err *err);
void net_cont_poll(struct net *net); /* tables arrived, time passed */
void net_cont_wait_fire(void *arg);  /* the wait timer */
void net_cont_close_all(struct net *net);
void net_cont_free(struct net_cont *c);

/* net_netd.c */
int net_netd_start(struct net *net, struct sw_err *err);
void net_netd_close(struct net *net);
void net_netd_free(struct net *net);
void net_netd_end(struct net *net, bool off); /* tell the program to stop; @off: for good */
void net_netd_wanted(struct net *net);        /* there is something to do for it */
void net_netd_identity(struct net *net);
void net_netd_keys(struct net *net);
void net_netd_table(struct net *net, struct net_table *t);
void net_netd_table_gone(struct net *net, uint64_t key);
void net_netd_dns(struct net *net, struct net_cont *c);
void net_netd_dns_gone(struct net *net, const char *id);
void net_netd_sweep(struct net *net); /* remove what the greeting listed and nobody wants */

/* net_save.c */
void net_save_soon(struct net *net);
void net_save_remove(struct net *net, uint64_t key);
/** net_save_load() - hand every saved table to net_apply_network(); bad ones are removed. */
void net_save_load(struct net *net);
void net_save_fire(void *arg); /* the save timer */

#endif
