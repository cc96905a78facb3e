/* SPDX-License-Identifier: Apache-2.0
 * log.c - see log.h. */
#include "manager/consensus/log.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/consensus/entry.h"

void cons_log_init(struct cons_log *l)
{
    memset(l, 0, sizeof(*l));
    l->next_index = 1;
    l->applied_chain = CONS_CHAIN_INITIAL;
}

void cons_log_fini(struct cons_log *l)
{
    sw_free(l->links);
    cons_log_init(l);
}

static struct cons_link *at(const struct cons_log *l, size_t i)
{
    return &l->links[(l->head + i) & (l->cap - 1)];
}

static int grow(struct cons_log *l)
{
    size_t cap = l->cap == 0 ? 64 : l->cap * 2;
    struct cons_link *links = sw_calloc(cap, sizeof(*links));

    if (links == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++)
        links[i] = *at(l, i);
    sw_free(l->links);
    l->links = links;
    l->cap = cap;
    l->head = 0;
    return 0;
}

int cons_log_push(struct cons_log *l, uint64_t index, uint64_t chain)
{
    if (l->n == l->cap && grow(l) < 0)
        return -ENOMEM;
    l->n++;
    *at(l, l->n - 1) = (struct cons_link){ index, chain };
    return 0;
}

void cons_log_truncate(struct cons_log *l, uint64_t index)
{
    while (l->n > 0 && at(l, l->n - 1)->index >= index)
        l->n--;
    if (index < l->next_index)
        l->next_index = index;
    l->cuts++;
}

static void drop_through(struct cons_log *l, uint64_t index)
{
    while (l->n > 0 && at(l, 0)->index <= index) {
        l->head = (l->head + 1) & (l->cap - 1);
        l->n--;
    }
}

void cons_log_applied(struct cons_log *l, uint64_t index, uint64_t chain)
{
    drop_through(l, index);
    l->applied_chain = chain;
}

void cons_log_restored(struct cons_log *l, uint64_t index, uint64_t chain)
{
    drop_through(l, index);
    l->applied_chain = chain;
}

uint64_t cons_log_tail(const struct cons_log *l)
{
    return l->n > 0 ? at(l, l->n - 1)->chain : l->applied_chain;
}
