/* SPDX-License-Identifier: Apache-2.0
 * shimlink.h - the agent's control connection to one shim. Private to agent/sandbox. */
#ifndef SWARM_AGENT_SANDBOX_SHIMLINK_H
#define SWARM_AGENT_SANDBOX_SHIMLINK_H

#include <swarm/v1/shim.pb-c.h>

#include "common/base/err.h"

struct uv_loop_s;
struct shimlink;

struct shimlink_events {
    void (*event)(const Swarm__V1__ShimEvent *event, void *arg); /* may call shimlink_free() */
    void (*end)(void *arg); /* once, the shim is gone or talks nonsense; may call shimlink_free() */
    void *arg;
};

/** shimlink_new() - @fd: owned, also on failure */
int shimlink_new(struct shimlink **out, struct uv_loop_s *loop, int fd,
                 const struct shimlink_events *events, struct sw_err *err);
void shimlink_free(struct shimlink *l); /* NULL is fine */
/** shimlink_send() - @fds: owned, at most FDIO_FDS */
int shimlink_send(struct shimlink *l, const Swarm__V1__ShimRequest *req, const int *fds,
                  size_t n_fds, struct sw_err *err);
/** shimlink_connect() - connect to the socket in the bundle @dir.
 * Return: descriptor; -ENOENT, -ECONNREFUSED when no shim listens; -errno. */
int shimlink_connect(int dir);

#endif
