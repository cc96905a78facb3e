/* SPDX-License-Identifier: Apache-2.0
 * macro.h - the few macros used everywhere. */
#ifndef SWARM_COMMON_BASE_MACRO_H
#define SWARM_COMMON_BASE_MACRO_H

#include <stddef.h>
#include <stdint.h>

#define SW_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SW_BIT(n)       (1u << (n))
#define SW_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define SW_MAX(a, b)    ((a) > (b) ? (a) : (b))

#define sw_container_of(p, type, member)                                                           \
    __extension__({                                                                                \
        const __typeof__(((type *)0)->member) *sw_member_p_ = (p);                                 \
        (type *)((uintptr_t)sw_member_p_ - offsetof(type, member));                                \
    })

/* One row of an explicit state machine: its name in logs and the states it may move to. */
struct sw_state {
    const char *name;
    unsigned next; /* SW_BIT() of each legal next state */
};

#endif
