/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "proto/pb.h"

int64_t world_between(struct world *w, int64_t from_ns, int64_t to_ns)
{
    return from_ns + (int64_t)model_below(&w->m, (uint64_t)(to_ns - from_ns) + 1);
}

bool world_chance(struct world *w, unsigned percent)
{
    return model_below(&w->m, 100) < percent;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void world_post(struct world *w, struct event e)
{
    size_t i;

    e.order = ++w->order;
    e.at_ns = SW_MAX(e.at_ns, w->m.now_ns);
    if (w->n == w->cap) {
        w->cap = w->cap != 0 ? w->cap * 2 : 64;
        w->heap = sw_realloc(w->heap, w->cap * sizeof(*w->heap));
        assert(w->heap != NULL);
    }
    for (i = w->n++; i > 0 && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = e;
}

static struct event pop(struct world *w)
{
    struct event top = w->heap[0];
    struct event last = w->heap[--w->n];
    size_t i = 0;

    for (;;) {
        size_t k = 2 * i + 1;

        if (k + 1 < w->n && before(&w->heap[k + 1], &w->heap[k]))
            k++;
        if (k >= w->n || before(&last, &w->heap[k]))
            break;
        w->heap[i] = w->heap[k];
        i = k;
    }
    if (w->n > 0)
        w->heap[i] = last;
    return top;
}

void world_round_soon(struct world *w, int64_t in_ns)
{
    int64_t at = w->m.now_ns + in_ns;

    if (w->round_at_ns != 0 && w->round_at_ns <= at)
        return;
    w->round_at_ns = at;
    world_post(w, (struct event){ .at_ns = at, .kind = EVENT_ROUND });
}

static void on_change(void *arg, struct model *m, const struct view_change *c)
{
    struct world *w = arg;

    (void)m;
    if (w->oracle != NULL)
        oracle_change(w->oracle, c);
    if (c->kind == VIEW_TASK) {
        const Swarm__V1__Task *t = c->after != NULL ? c->after : c->before;

        if (t->node != 0)
            agent_told(w, t->node);
    }
    if (!w->in_round)
        world_round_soon(w, world_between(w, 0, MODEL_MS(2)));
}

/* Between the transactions of one round others write too, and now and then the leader is lost. */
static bool interfere(void *arg, struct model *m)
{
    struct world *w = arg;

    (void)m;
    if (w->ending || w->calm)
        return true;
    if (!w->one_leader && world_chance(w, 1) && world_chance(w, 40)) {
        w->leader_lost = true;
        return false;
    }
    if (world_chance(w, w->crowded ? 20 : 3)) {
        w->disturbed = true;
        action_write_random(w);
    }
    while (world_chance(w, w->crowded ? 80 : 30) && w->n > 0 && w->heap[0].kind == EVENT_REPORT) {
        struct event e = pop(w);

        w->disturbed = true;
        agent_event(w, &e);
        pb_free(e.status);
    }
    return true;
}

static void do_round(struct world *w)
{
    size_t n;

    w->round_at_ns = 0;
    w->rounds++;
    w->in_round = true;
    w->disturbed = false;
    n = model_round(&w->m);
    w->in_round = false;
    if (w->leader_lost ||
        (!w->ending && !w->one_leader && world_chance(w, 1) && world_chance(w, 30))) {
        w->leader_lost = false;
        w->leaders++;
        model_new_leader(&w->m);
    }
    if (n > 0)
        world_round_soon(w, MODEL_MS(1));
    else if (w->m.wake_ns != 0)
        world_round_soon(w, SW_MAX(w->m.wake_ns - w->m.now_ns, 0));
    oracle_scan(w->oracle);
}

void world_init(struct world *w, uint64_t seed, bool verbose)
{
    memset(w, 0, sizeof(*w));
    sw_list_init(&w->agents);
    model_init(&w->m, seed);
    w->m.trace = verbose;
    w->m.watch = on_change;
    w->m.interfere = interfere;
    w->m.arg = w;
    w->calm = world_chance(w, 25);
    w->m.orchestrator_first = world_chance(w, 50);
    w->crowded = world_chance(w, 40);
    w->one_leader = world_chance(w, 50);
    w->steady = w->calm || world_chance(w, 40);
    w->oracle = oracle_new(w);
    action_setup(w);
    world_post(w, (struct event){ .at_ns = w->m.now_ns + MODEL_S(1), .kind = EVENT_ACTION });
    world_round_soon(w, 0);
}

void world_fini(struct world *w)
{
    sw_list_each_safe(l, &w->agents) agent_free(sw_list_entry(l, struct agent, link));
    for (size_t i = 0; i < w->n; i++)
        pb_free(w->heap[i].status);
    sw_free(w->heap);
    oracle_free(w->oracle);
    w->oracle = NULL;
    model_fini(&w->m);
}

void world_run(struct world *w, int64_t until_ns, uint64_t actions)
{
    uint64_t stop = w->actions + actions;

    while (w->n > 0 && w->heap[0].at_ns <= until_ns && w->actions < stop) {
        struct event e = pop(w);

        w->m.now_ns = SW_MAX(w->m.now_ns, e.at_ns);
        w->still = w->still_ns == w->m.now_ns ? w->still + 1 : 0;
        w->still_ns = w->m.now_ns;
        if (w->still > 100000)
            oracle_fail(w, "the loops do not come to rest");
        if (e.kind == EVENT_ROUND) {
            if (e.at_ns == w->round_at_ns)
                do_round(w);
        } else if (e.kind == EVENT_ACTION) {
            if (!w->ending) {
                w->actions++;
                action_random(w);
                world_post(w, (struct event){ .at_ns = w->m.now_ns +
                                                       (world_chance(w, 50)
                                                            ? world_between(w, 0, MODEL_S(1))
                                                            : world_between(w, 0, MODEL_S(20))),
                                              .kind = EVENT_ACTION });
            }
        } else {
            agent_event(w, &e);
        }
        pb_free(e.status);
    }
    if (w->actions < stop)
        w->m.now_ns = SW_MAX(w->m.now_ns, until_ns);
}
