/* SPDX-License-Identifier: Apache-2.0
 * turn.h - do something in a later turn of the loop, but soon.
 *
 * For everything that must not happen inside the call that asks for it. Unlike a timer of 0 ms,
 * which libuv may run again and again in one pass, this lets sockets have their say in between.
 * Lifetime as with sw_timer: the owner may be freed right after sw_turn_fini(). */
#ifndef SWARM_COMMON_IO_TURN_H
#define SWARM_COMMON_IO_TURN_H

#include <stdbool.h>

#include "common/base/err.h"

struct uv_loop_s;
struct sw_turn_handle;

struct sw_turn {
    struct sw_turn_handle *handle; /* private; NULL before init and after fini */
};

/**
 * sw_turn_init() - prepare; does not run yet
 * @loop: borrowed, must outlive the turn by one turn
 * @run:  runs on the loop thread, once for each ask; may ask again or end it
 * Return: 0, -ENOMEM.
 */
int sw_turn_init(struct sw_turn *t, struct uv_loop_s *loop, void (*run)(void *arg), void *arg,
                 struct sw_err *err);
/** sw_turn_fini() - legal on a zeroed struct and twice. */
void sw_turn_fini(struct sw_turn *t);
/** sw_turn_ask() - run once; asking again before it ran changes nothing. */
void sw_turn_ask(struct sw_turn *t);

#endif
