/* SPDX-License-Identifier: Apache-2.0
 * timer.h - one-shot timers.
 *
 * The libuv handle lives apart from struct sw_timer and closes by itself, so the struct that embeds
 * a timer may be freed right after sw_timer_fini(); the callback never runs after that. */
#ifndef SWARM_COMMON_IO_TIMER_H
#define SWARM_COMMON_IO_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct uv_loop_s;
struct sw_timer_handle;

struct sw_timer {
    struct sw_timer_handle *handle; /* private; NULL before init and after fini */
};

/**
 * sw_timer_init() - prepare; does not run yet
 * @loop: borrowed, must outlive the timer by one turn
 * @fire: runs on the loop thread, once for each start; may start again or end the timer
 * Return: 0, -ENOMEM.
 */
int sw_timer_init(struct sw_timer *t, struct uv_loop_s *loop, void (*fire)(void *arg), void *arg,
                  struct sw_err *err);
/** sw_timer_fini() - stop and release; legal on a zeroed struct and twice. */
void sw_timer_fini(struct sw_timer *t);
/** sw_timer_start() - fire once in @ms milliseconds, in place of an earlier start. */
void sw_timer_start(struct sw_timer *t, uint64_t ms);
void sw_timer_stop(struct sw_timer *t);
bool sw_timer_is_running(const struct sw_timer *t);
/** sw_timer_unref() - a running timer alone shall not keep the loop alive. */
void sw_timer_unref(struct sw_timer *t);

#endif
