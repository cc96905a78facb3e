/* SPDX-License-Identifier: Apache-2.0
 * control.h - the control socket: swarmd's word in, tables for the workers out.
 *
 * One connection at a time, from root or netd's own user; a new one takes the place of the old.
 * Changes that arrive together become one new table, and answers leave after it is in force. */
#ifndef SWARM_AGENT_NETD_CONTROL_H
#define SWARM_AGENT_NETD_CONTROL_H

#include "common/base/err.h"

struct netd_control; /* opaque */
struct uv_loop_s;

/**
 * netd_control_new() - make keyring, networks, resolvers and workers, and listen
 * @listen_fd: listening Unix socket; owned once this returned 0
 *
 * Return: 0; -ENOMEM; -errno; UV_E*.
 */
int netd_control_new(struct netd_control **out, struct uv_loop_s *loop, int listen_fd,
                     unsigned cpus, struct sw_err *err);
/** netd_control_free() - stop the workers and close; the loop then runs out of handles. */
void netd_control_free(struct netd_control *c);

#endif
