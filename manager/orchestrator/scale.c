/* SPDX-License-Identifier: Apache-2.0
 * scale.c - as many slots as replicas: SEMANTICS 8.2, 8.3. */
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/orchestrator/step.h"

uint64_t scale_lowest_free(struct svc *s)
{
    const struct slot *slot;

    while ((slot = cache_slot(s, s->free_hint)) != NULL && slot->class != SLOT_VACANT)
        s->free_hint++;
    return s->free_hint;
}

static void scale_up(struct orch_step *x, struct svc *s, uint64_t missing)
{
    uint64_t number = scale_lowest_free(s);

    for (; missing > 0 && x->budget > 0; number++) {
        const struct slot *slot = cache_slot(s, number);
        struct task_plan plan = { .slot = number, .desired = SWARM__V1__TASK_STATE__TASK_RUNNING };

        if (slot != NULL && slot->class != SLOT_VACANT)
            continue;
        task_create(x, s, &plan);
        txn_mark(x->txn);
        missing--;
        x->budget--;
    }
    if (missing > 0)
        cache_dirty_svc(x->o, s);
}

struct candidate {
    struct slot *slot;
    uint64_t node; /* 0: not assigned or not a single task */
    uint64_t nth;  /* how many of this service its node has up to here */
    bool running;
};

static struct candidate candidate_of(struct orch_step *x, struct slot *slot)
{
    SW_CLEANUP(sw_free_ptr) struct entry *e = NULL;
    struct candidate c = { .slot = slot };
    uint32_t n = slot_entries(x, slot, &e);
    unsigned wanted = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (!status_wanted(e[i].t))
            continue;
        c.node = wanted++ == 0 ? e[i].t->node : 0;
        c.running |= status_state(e[i].t) == SWARM__V1__TASK_STATE__TASK_RUNNING;
    }
    return c;
}

static int by_running(const void *pa, const void *pb)
{
    const struct candidate *a = pa;
    const struct candidate *b = pb;

    if (a->running != b->running)
        return a->running ? -1 : 1;
    return a->slot->id < b->slot->id ? -1 : a->slot->id > b->slot->id;
}

/* Those to stay come first. */
static int by_balance(const void *pa, const void *pb)
{
    const struct candidate *a = pa;
    const struct candidate *b = pb;

    if (a->nth != b->nth) /* unassigned ones, numbered 0, go before all others */
        return a->nth - 1 < b->nth - 1 ? -1 : 1;
    return by_running(pa, pb);
}

static void number_per_node(struct candidate *c, size_t n, bool *failed)
{
    struct sw_map seen;

    sw_map_init(&seen);
    for (size_t i = 0; i < n; i++) {
        uintptr_t k;

        if (c[i].node == 0)
            continue;
        k = (uintptr_t)sw_map_get(&seen, c[i].node) + 1;
        c[i].nth = k;
        if (sw_map_put(&seen, c[i].node, (void *)k) < 0)
            *failed = true;
    }
    sw_map_fini(&seen);
}

static void give_up(struct orch_step *x, struct slot *slot)
{
    SW_CLEANUP(sw_free_ptr) struct entry *e = NULL;
    uint32_t n = slot_entries(x, slot, &e);

    for (uint32_t i = 0; i < n; i++)
        slot_desire(x, &e[i], SWARM__V1__TASK_STATE__TASK_REMOVE);
    txn_mark(x->txn);
}

static void scale_down(struct orch_step *x, struct svc *s, uint64_t keep)
{
    size_t n = s->n_class[SLOT_LIVE] + s->n_class[SLOT_ENDED];
    SW_CLEANUP(sw_free_ptr) struct candidate *c = sw_calloc(n, sizeof(*c));
    size_t i = 0;

    if (c == NULL) {
        x->o->stale = true;
        return;
    }
    sw_list_each(l, &s->slots)
    {
        struct slot *slot = sw_list_entry(l, struct slot, order);

        if (slot->class != SLOT_VACANT && i < n)
            c[i++] = candidate_of(x, slot);
    }
    qsort(c, i, sizeof(*c), by_running);
    number_per_node(c, i, &x->o->stale);
    qsort(c, i, sizeof(*c), by_balance);
    while (i > keep && x->budget > 0) {
        give_up(x, c[--i].slot);
        x->budget--;
    }
    if (i > keep)
        cache_dirty_svc(x->o, s);
}

void scale_step(struct orch_step *x, struct svc *s)
{
    const Swarm__V1__ServiceSpec *spec = s->msg->spec;
    uint64_t have = s->n_class[SLOT_LIVE] + s->n_class[SLOT_ENDED];
    uint64_t want = spec != NULL && spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED
                        ? spec->replicated->replicas
                        : 0;

    if (have < want)
        scale_up(x, s, want - have);
    else if (have > want)
        scale_down(x, s, want);
}
