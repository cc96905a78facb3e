/* SPDX-License-Identifier: Apache-2.0
 * link.h - the agent's control connection to one shim. Private to agent/sandbox. */
#ifndef SWARM_AGENT_SANDBOX_LINK_H
#define SWARM_AGENT_SANDBOX_LINK_H

#include <swarm/v1/shim.pb-c.h>

#include "common/base/err.h"

struct uv_loop_s;
struct link;

struct link_events {
    void (*event)(const Swarm__V1__ShimEvent *event, void *arg); /* may call link_free() */
    void (*end)(void *arg); /* once, the shim is gone or talks nonsense; may call link_free() */
    void *arg;
};

/** link_new() - @fd: owned, also on failure */
int link_new(struct link **out, struct uv_loop_s *loop, int fd, const struct link_events *events,
             struct sw_err *err);
void link_free(struct link *l); /* NULL is fine */
/** link_send() - @fds: owned, at most FDIO_FDS */
int link_send(struct link *l, const Swarm__V1__ShimRequest *req, const int *fds, size_t n_fds,
              struct sw_err *err);
/** link_connect() - connect to the socket in the bundle @dir.
 * Return: descriptor; -ENOENT, -ECONNREFUSED when no shim listens; -errno. */
int link_connect(int dir);

#endif
