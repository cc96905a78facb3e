/* SPDX-License-Identifier: Apache-2.0
 * manager_priv.h - what the files that wire a manager share. */
#ifndef SWARM_MANAGER_MANAGER_PRIV_H
#define SWARM_MANAGER_MANAGER_PRIV_H

#include "common/crypto/identity.h"
#include "common/crypto/seal.h"
#include "common/http/server.h"
#include "common/io/timer.h"
#include "common/rpc/rpc.h"
#include "manager/api/api.h"
#include "manager/ca/ca.h"
#include "manager/consensus/consensus.h"
#include "manager/consensus/peer.h"
#include "manager/dispatcher/dispatcher.h"
#include "manager/leader/driver.h"
#include "manager/leader/link.h"
#include "manager/leader/proposer.h"
#include "manager/leader/roles.h"
#include "manager/manager.h"
#include "manager/store/store.h"
#include "manager/visualizer/visualizer.h"
#include "swarm/v1/local.pb-c.h"

enum manager_state { MANAGER_WAITING, MANAGER_STARTING, MANAGER_RUNNING, MANAGER_STATES };

struct manager {
    uv_loop_t *loop;
    const char *state_dir;
    const char *run_dir;
    enum manager_state state;
    bool stopping;

    struct sw_identity *identity;
    Swarm__V1__ManagerFile *file;
    struct sw_seal_ring ring;

    struct view *view;
    struct view_observer observer;
    struct store *store;
    struct proposer *proposer;
    struct consensus *consensus;
    struct raft_peers *peers;
    struct control control;
    struct dispatcher *dispatcher;
    struct driver *driver;
    struct roles *roles;
    struct ca *ca;
    struct leader_link *link;
    struct api *api;
    struct visualizer *visualizer;

    struct http_router *router;
    struct http_server *http;
    struct sw_rpc_server *local;  /* control socket */
    struct sw_rpc_server *server; /* 2377 */
    struct sw_rpc_method methods[8];
    struct sw_rpc_method local_methods[3];

    bool leading;
    uint64_t leader_id;
    char leader_addr[SW_RPC_ADDRESS_MAX];

    /* The setup under way. */
    struct sw_rpc_stream *setup_stream;
    Swarm__V1__ManagerSetup *setup;
    struct sw_rpc_conn *join_conn;
    size_t join_next; /* which of setup->managers is asked */
    struct sw_err join_err;
    struct sw_timer join_timer;
    bool bootstrapping; /* the first transaction was proposed */
};

/* manager_file.c */
int manager_file_load(const char *dir, Swarm__V1__ManagerFile **out, struct sw_err *err);
int manager_file_save(const char *dir, const Swarm__V1__ManagerFile *f, struct sw_err *err);

/* manager_setup.c */
void manager_on_setup(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
void manager_on_status(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
void manager_on_identity(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
void manager_setup_failed(struct manager *m, const struct sw_err *err);
/* manager_setup_progress() - look whether the setup can be answered now. */
void manager_setup_progress(struct manager *m);
void manager_setup_cancel(struct manager *m);

/* manager_raft.c */
int manager_raft_open(struct manager *m, struct sw_err *err);
int manager_list_managers(const struct manager *m, size_t *n, Swarm__V1__ManagerPeer ***out);

/* manager_keep_members() - the managers changed: remember them for the next start. */
void manager_keep_members(struct manager *m);

/* manager_serve.c */
int manager_serve(struct manager *m, struct sw_err *err); /* listen for nodes and browsers */

#endif
