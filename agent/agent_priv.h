/* SPDX-License-Identifier: Apache-2.0
 * agent_priv.h - what the files that wire an agent share. */
#ifndef SWARM_AGENT_AGENT_PRIV_H
#define SWARM_AGENT_AGENT_PRIV_H

#include <jansson.h>

#include "agent/agent.h"
#include "agent/api/api.h"
#include "agent/image/image.h"
#include "agent/image/peer.h"
#include "agent/net/net.h"
#include "agent/sandbox/container.h"
#include "agent/session/join.h"
#include "agent/session/session.h"
#include "agent/worker/worker.h"
#include "common/crypto/identity.h"
#include "common/http/server.h"
#include "common/io/timer.h"
#include "common/rpc/rpc.h"
#include "swarm/v1/local.pb-c.h"

#define AGENT_RAFT_PORT 2377
#define AGENT_PEER_PORT 7946

enum agent_state { AGENT_ALONE, AGENT_ENTERING, AGENT_MEMBER, AGENT_LEAVING, AGENT_STATES };

/* agent_manager.c: the process swarm-manager on this node. */
struct manager_proc {
    struct agent *a;
    bool wanted;
    uv_process_t process;
    bool spawned; /* by us: the handle is open */
    struct sw_rpc_conn *conn;
    struct sw_timer retry;
    unsigned tries;
    bool running; /* its setup is done */
    Swarm__V1__ManagerSetup *setup;
    /** done() - the outcome of manager_start(), once. */
    void (*done)(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                 const struct sw_err *err);
    void (*stopped)(struct agent *a);
};

struct agent {
    uv_loop_t *loop;
    struct agent_options o;
    char hostname[256];
    enum agent_state state;
    struct sw_err state_err; /* why the membership is in trouble */
    bool stopping;

    struct container_host *host;
    struct image_store *images;
    struct image_fetcher *fetcher;
    struct net *net;
    struct worker *worker;
    struct session *session;
    struct agent_api *api;
    struct http_server *http;
    struct sw_rpc_server *peers; /* 7946 */
    struct sw_rpc_method peer_methods[IMAGE_PEER_METHODS];
    struct sw_rpc_method session_methods[1];
    struct manager_proc manager;

    struct sw_identity *identity; /* NULL: alone */
    Swarm__V1__NodeFile *node;    /* NULL: alone */
    struct sw_timer renew;
    bool renewing;
    bool worker_ready;
    bool networks_complete; /* the next message of the session lists every network */
    struct sw_timer describe;

    /* The order under way: init, join or leave. */
    struct http_request *req;
    struct sw_timer order_limit;
    struct join *join;
    Swarm__V1__JoinRequest *join_request; /* description and availability */
    Swarm__V1__NodeFile *entering;
    char **remotes;
    size_t n_remotes, next_remote;
    char *token;
};

/* agent_files.c */
int agent_files_load(struct agent *a, struct sw_err *err); /* 0; 1: no member */
int agent_files_save(struct agent *a, struct sw_err *err);
void agent_files_remove(struct agent *a);
int agent_remove_tree(const char *path);

/* agent_member.c: life as a member. */
int agent_member_begin(struct agent *a, struct sw_err *err);
/** agent_member_tell_net() - who we are; before containers of an earlier run are taken over. */
int agent_member_tell_net(struct agent *a, struct sw_err *err);
void agent_member_end(struct agent *a);
int agent_member_new_session(struct agent *a, struct sw_err *err);
Swarm__V1__NodeDescription *agent_describe(void *arg);
void agent_set_identity(struct agent *a, struct sw_identity *id);

/* agent_manager.c */
int manager_proc_init(struct agent *a, struct sw_err *err);
void manager_proc_fini(struct agent *a); /* the process lives on */
/** manager_start() - spawn or find again, hand over @setup (owned), tell @done. */
void manager_start(struct agent *a, Swarm__V1__ManagerSetup *setup,
                   void (*done)(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                                const struct sw_err *err));
/** manager_end() - stop it and remove its state. @stopped: once, may be NULL. */
void manager_end(struct agent *a, void (*stopped)(struct agent *a));
void manager_set_identity(struct agent *a);
int agent_setup_new(struct agent *a, Swarm__V1__ManagerSetup__Mode mode,
                    Swarm__V1__ManagerSetup **out, struct sw_err *err);

/* agent_swarm.c: init, join, leave over the API. */
void agent_swarm_init(struct http_request *req, const json_t *body, void *arg);
void agent_swarm_join(struct http_request *req, const json_t *body, void *arg);
void agent_swarm_leave(struct http_request *req, bool force, void *arg);
void agent_order_session_up(struct agent *a);

/* agent_addr.c: which address to tell others. */
int agent_pick_address(const char *wish, uint16_t port, char *out, size_t cap, struct sw_err *err);
void agent_host_of(const char *address, char *out, size_t cap);

/* agent_info.c */
extern const struct agent_api_ops agent_ops;

#endif
