/* SPDX-License-Identifier: Apache-2.0
 * visualizer.h - the page that shows where everything runs, live.
 *
 * Reads the local view, so it serves on every manager, without a leader too. One loop thread. */
#ifndef SWARM_MANAGER_VISUALIZER_VISUALIZER_H
#define SWARM_MANAGER_VISUALIZER_VISUALIZER_H

#include <stdint.h>

#include "common/base/err.h"
#include "manager/view/view.h"

struct uv_loop_s;
struct visualizer; /* opaque */

/**
 * visualizer_new() - listen and serve
 * @view:    borrowed, observed
 * @address: "127.0.0.1:8080"; port 0: any
 *
 * Return: 0; -EADDRINUSE and other errno of bind; SW_E_INVALID; -ENOMEM.
 */
int visualizer_new(struct visualizer **out, struct uv_loop_s *loop, struct view *view,
                   const char *address, struct sw_err *err);
/** visualizer_set_leader() - Raft id of the leader, 0: unknown. */
void visualizer_set_leader(struct visualizer *v, uint64_t raft_id);
uint16_t visualizer_port(const struct visualizer *v);
void visualizer_free(struct visualizer *v); /* NULL is fine */

#endif
