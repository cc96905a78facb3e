/* SPDX-License-Identifier: Apache-2.0
 * control_priv.h - what control.c (sockets) and request.c (meaning) share. */
#ifndef SWARM_AGENT_NETD_CONTROL_PRIV_H
#define SWARM_AGENT_NETD_CONTROL_PRIV_H

#include <stdbool.h>

#include <uv.h>

#include "agent/netd/control.h"
#include "agent/netd/dns_server.h"
#include "agent/netd/keyring.h"
#include "agent/netd/netd_pipe.h"
#include "agent/netd/network.h"
#include "agent/netd/worker.h"
#include "common/io/timer.h"
#include "swarm/v1/netd.pb-c.h"

struct conn;

struct netd_control {
    struct uv_loop_s *loop;
    uv_poll_t listen;
    int listen_fd;
    struct conn *conn; /* NULL: swarmd is away */
    unsigned n_workers;
    uint8_t instance[16];
    bool dirty; /* the workers' table is behind */
    struct netd_workers *workers;
    struct netd_keyring *keys;
    struct netd_networks *networks;
    struct dns_server *dns;
    struct sw_timer tick, reclaim, flush;
    unsigned events_waiting;
    uint64_t last_drops[8];
};

/* An answer under construction; what hangs on it comes from malloc(), as protobuf-c frees it. */
struct netd_answer {
    Swarm__V1__NetdReply m;
    Swarm__V1__NetdHelloReply hello;
    Swarm__V1__NetdEpochReply epoch;
    Swarm__V1__NetdStats stats;
    Swarm__V1__NetdDrops drops;
    struct netd_epoch_key keys[NETD_EPOCHS_MAX];
    Swarm__V1__NetdEpochReply key_msgs[NETD_EPOCHS_MAX];
    Swarm__V1__NetdEpochReply *key_ptrs[NETD_EPOCHS_MAX];
    struct netd_epoch_key key;
};

void netd_answer_init(struct netd_answer *a);
void netd_answer_fini(struct netd_answer *a);
void netd_close_fds(const int *fds, size_t n);
void netd_request_free(Swarm__V1__NetdRequest *m); /* wipes secrets first */

/** netd_control_do() - carry out one request. @fds: owned in any case. Return: code of the answer;
 * negative with @err filled. */
int netd_control_do(struct netd_control *c, const Swarm__V1__NetdRequest *m, const int *fds,
                    size_t n_fds, struct netd_answer *a, struct sw_err *err);
/** netd_control_event() - log, and tell swarmd when it is there. */
void netd_control_event(struct netd_control *c, Swarm__V1__NetdEvent__Kind kind, uint64_t node,
                        uint64_t value, const char *text);

#endif
