/* SPDX-License-Identifier: Apache-2.0
 * list.h - intrusive doubly linked list.
 *
 * A struct sw_list is both head and link. A link that is in no list points at itself, so
 * sw_list_del() may be called twice. The list owns nothing. */
#ifndef SWARM_COMMON_BASE_LIST_H
#define SWARM_COMMON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/macro.h"

struct sw_list {
    struct sw_list *next, *prev;
};

static inline void sw_list_init(struct sw_list *l)
{
    l->next = l->prev = l;
}

static inline bool sw_list_empty(const struct sw_list *l)
{
    return l->next == l;
}

static inline void sw_list_insert_after(struct sw_list *pos, struct sw_list *l)
{
    l->prev = pos;
    l->next = pos->next;
    pos->next->prev = l;
    pos->next = l;
}

static inline void sw_list_push_front(struct sw_list *head, struct sw_list *l)
{
    sw_list_insert_after(head, l);
}

static inline void sw_list_push_back(struct sw_list *head, struct sw_list *l)
{
    sw_list_insert_after(head->prev, l);
}

static inline void sw_list_del(struct sw_list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    sw_list_init(l);
}

static inline struct sw_list *sw_list_pop_front(struct sw_list *head)
{
    struct sw_list *l = head->next;

    if (l == head)
        return NULL;
    sw_list_del(l);
    return l;
}

#define sw_list_entry(l, type, member) sw_container_of(l, type, member)
#define sw_list_each(l, head)          for (struct sw_list *l = (head)->next; l != (head); l = l->next)
/* The current element may be removed inside the loop, no other one. */
#define sw_list_each_safe(l, head)                                                                 \
    for (struct sw_list *l = (head)->next, *l##_next = l->next; l != (head);                       \
         l = l##_next, l##_next = l->next)

#endif
