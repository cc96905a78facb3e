/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/scheduler/place.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "manager/scheduler/scheduler.h"

struct candidate {
    uint32_t failures; /* 0 below SCHED_MAX_FAILURES */
    uint32_t of_service;
    uint32_t active;
    uint32_t load;
    uint32_t node;
};

struct branch {
    const char *value; /* borrowed from the node's message */
    struct branch **kids;
    size_t n_kids;
    uint64_t tasks; /* of this service, below this branch */
    bool full;
    struct candidate *heap;
    size_t n, cap;
};

struct place {
    struct filter_run *f;
    int64_t since_ns; /* failures before do not count */
    struct branch root;
    struct branch *path[16]; /* from the root to the leaf of the last choice */
    size_t depth;
};

static bool better(const struct candidate *a, const struct candidate *b)
{
    if (a->failures != b->failures)
        return a->failures < b->failures;
    if (a->of_service != b->of_service)
        return a->of_service < b->of_service;
    if (a->active != b->active)
        return a->active < b->active;
    if (a->load != b->load)
        return a->load < b->load;
    return a->node < b->node;
}

static void sift_down(struct branch *b, size_t i)
{
    for (;;) {
        size_t best = i;
        struct candidate swap;

        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < b->n; k++) {
            if (better(&b->heap[k], &b->heap[best]))
                best = k;
        }
        if (best == i)
            return;
        swap = b->heap[i];
        b->heap[i] = b->heap[best];
        b->heap[best] = swap;
        i = best;
    }
}

static struct candidate candidate_of(const struct place *p, uint32_t node)
{
    const struct filter_run *f = p->f;
    unsigned failures = 0;

    if (f->svc->n_failures > 0)
        failures = specs_failures(f->svc, f->spec->version, node, p->since_ns);
    return (struct candidate){
        .failures = failures >= SCHED_MAX_FAILURES ? failures : 0,
        .of_service = specs_count(f->svc, node),
        .active = f->nodes->active[node],
        .load = nodes_load_permille(f->nodes, node),
        .node = node,
    };
}

static int add_candidate(struct place *p, struct branch *b, uint32_t node)
{
    if (b->n == b->cap) {
        size_t cap = b->cap != 0 ? b->cap * 2 : 16;
        struct candidate *grown = sw_realloc(b->heap, cap * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        b->heap = grown;
        b->cap = cap;
    }
    b->heap[b->n++] = candidate_of(p, node);
    return 0;
}

static struct branch *kid_of(struct branch *b, const char *value)
{
    struct branch **grown;
    struct branch *kid;

    for (size_t i = 0; i < b->n_kids; i++) {
        if (strcmp(b->kids[i]->value, value) == 0)
            return b->kids[i];
    }
    grown = sw_realloc(b->kids, (b->n_kids + 1) * sizeof(struct branch *));
    if (grown == NULL)
        return NULL;
    b->kids = grown;
    kid = sw_calloc(1, sizeof(*kid));
    if (kid == NULL)
        return NULL;
    kid->value = value;
    b->kids[b->n_kids++] = kid;
    return kid;
}

/* Value of a preference's label on a node; other preferences than labels are ignored. */
static const char *preference_value(const char *descriptor, const Swarm__V1__Node *n)
{
    static const char node_labels[] = "node.labels.";
    static const char engine_labels[] = "engine.labels.";

    if (strncasecmp(descriptor, node_labels, sizeof(node_labels) - 1) == 0) {
        if (n->spec == NULL || n->spec->annotations == NULL)
            return "";
        return constraint_label(n->spec->annotations->labels, n->spec->annotations->n_labels,
                                descriptor + sizeof(node_labels) - 1);
    }
    if (strncasecmp(descriptor, engine_labels, sizeof(engine_labels) - 1) == 0) {
        if (n->description == NULL)
            return "";
        return constraint_label(n->description->engine_labels, n->description->n_engine_labels,
                                descriptor + sizeof(engine_labels) - 1);
    }
    return NULL;
}

static int add_node(struct place *p, uint32_t node)
{
    const Swarm__V1__Placement *pl = p->f->spec->task->placement;
    const Swarm__V1__Node *n = p->f->nodes->rare[node].msg;
    struct branch *b = &p->root;
    uint32_t count = specs_count(p->f->svc, node);
    size_t depth = 1;

    b->tasks += count;
    for (size_t i = 0; pl != NULL && i < pl->n_spread && depth < sizeof(p->path) / sizeof(*p->path);
         i++) {
        const char *value = preference_value(pl->spread[i], n);

        if (value == NULL)
            continue;
        b = kid_of(b, value);
        if (b == NULL)
            return -ENOMEM;
        b->tasks += count;
        depth++;
    }
    return filter_node(p->f, node) ? add_candidate(p, b, node) : 0;
}

static void heapify(struct branch *b)
{
    for (size_t i = b->n / 2; i-- > 0;)
        sift_down(b, i);
    for (size_t i = 0; i < b->n_kids; i++)
        heapify(b->kids[i]);
}

static void branch_fini(struct branch *b)
{
    for (size_t i = 0; i < b->n_kids; i++) {
        branch_fini(b->kids[i]);
        sw_free(b->kids[i]);
    }
    sw_free(b->kids);
    sw_free(b->heap);
}

struct place *place_new(struct filter_run *f, int64_t now_ns)
{
    struct place *p = sw_calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->f = f;
    p->since_ns = now_ns - SCHED_FAILURE_WINDOW_NS;
    for (size_t i = 0; i < f->nodes->n; i++) {
        if (f->nodes->rare[i].msg != NULL && add_node(p, (uint32_t)i) < 0) {
            place_free(p);
            return NULL;
        }
    }
    heapify(&p->root);
    return p;
}

void place_free(struct place *p)
{
    if (p == NULL)
        return;
    branch_fini(&p->root);
    sw_free(p);
}

static struct branch *least_filled(const struct branch *b)
{
    struct branch *best = NULL;

    for (size_t i = 0; i < b->n_kids; i++) {
        if (!b->kids[i]->full && (best == NULL || b->kids[i]->tasks < best->tasks))
            best = b->kids[i];
    }
    return best;
}

/* Drops nodes at the top that no longer fit; the first one that does stays there. */
static uint32_t best_of_leaf(struct place *p, struct branch *b)
{
    while (b->n > 0) {
        if (filter_still_fits(p->f, b->heap[0].node))
            return b->heap[0].node;
        b->heap[0] = b->heap[--b->n];
        sift_down(b, 0);
    }
    return NODES_NONE;
}

static uint32_t descend(struct place *p, struct branch *b)
{
    size_t depth = p->depth;

    p->path[p->depth++] = b;
    if (b->n_kids == 0) {
        uint32_t node = best_of_leaf(p, b);

        b->full = node == NODES_NONE;
        return node;
    }
    for (;;) {
        struct branch *kid = least_filled(b);
        uint32_t node;

        if (kid == NULL) {
            b->full = true;
            return NODES_NONE;
        }
        p->depth = depth + 1;
        node = descend(p, kid);
        if (node != NODES_NONE)
            return node;
    }
}

uint32_t place_choose(struct place *p)
{
    p->depth = 0;
    return descend(p, &p->root);
}

void place_charged(struct place *p)
{
    struct branch *leaf = p->path[p->depth - 1];

    assert(p->depth > 0 && leaf->n > 0);
    for (size_t i = 0; i < p->depth; i++)
        p->path[i]->tasks++;
    leaf->heap[0] = candidate_of(p, leaf->heap[0].node);
    sift_down(leaf, 0);
}
