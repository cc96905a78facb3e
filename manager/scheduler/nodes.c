/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/scheduler/nodes.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "proto/pb.h"

void nodes_init(struct nodes *t)
{
    memset(t, 0, sizeof(*t));
    sw_map_init(&t->index);
}

static void rare_clear(struct node_rare *r)
{
    for (size_t i = 0; i < r->n_claims; i++) {
        sw_free(r->claims[i].kind);
        sw_free(r->claims[i].value);
    }
    sw_free(r->claims);
    sw_free(r->ports);
    memset(r, 0, sizeof(*r));
}

void nodes_fini(struct nodes *t)
{
    for (size_t i = 0; i < t->n; i++)
        rare_clear(&t->rare[i]);
    sw_free(t->total_cpu);
    sw_free(t->total_mem);
    sw_free(t->used_cpu);
    sw_free(t->used_mem);
    sw_free(t->active);
    sw_free(t->ready);
    sw_free(t->rare);
    sw_map_fini(&t->index);
    nodes_init(t);
}

uint32_t nodes_find(const struct nodes *t, uint64_t key)
{
    uintptr_t i = (uintptr_t)sw_map_get(&t->index, key);

    return i != 0 ? (uint32_t)(i - 1) : NODES_NONE;
}

static int grow_one(void *array, size_t cap, size_t size)
{
    void *old;
    void *grown;

    memcpy(&old, array, sizeof(old));
    grown = sw_realloc(old, cap * size);
    if (grown == NULL)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    return 0;
}

static int grow(struct nodes *t)
{
    size_t cap = t->cap != 0 ? t->cap * 2 : 16;

    if (grow_one(&t->total_cpu, cap, sizeof(*t->total_cpu)) < 0 ||
        grow_one(&t->total_mem, cap, sizeof(*t->total_mem)) < 0 ||
        grow_one(&t->used_cpu, cap, sizeof(*t->used_cpu)) < 0 ||
        grow_one(&t->used_mem, cap, sizeof(*t->used_mem)) < 0 ||
        grow_one(&t->active, cap, sizeof(*t->active)) < 0 ||
        grow_one(&t->ready, cap, sizeof(*t->ready)) < 0 ||
        grow_one(&t->rare, cap, sizeof(*t->rare)) < 0)
        return -ENOMEM;
    t->cap = cap;
    return 0;
}

static bool is_ready(const Swarm__V1__Node *n)
{
    return n->status != NULL && n->status->state == SWARM__V1__NODE_STATE__NODE_READY &&
           (n->spec == NULL ||
            n->spec->availability == SWARM__V1__NODE_AVAILABILITY__AVAILABILITY_ACTIVE);
}

int nodes_put(struct nodes *t, const Swarm__V1__Node *n)
{
    uint32_t i = nodes_find(t, n->meta->key);
    const Swarm__V1__Resources *r = n->description != NULL ? n->description->resources : NULL;

    if (i == NODES_NONE) {
        if (t->n == t->cap && grow(t) < 0)
            return -ENOMEM;
        i = (uint32_t)t->n;
        if (sw_map_put(&t->index, n->meta->key, (void *)(uintptr_t)(i + 1)) < 0)
            return -ENOMEM;
        t->used_cpu[i] = 0;
        t->used_mem[i] = 0;
        t->active[i] = 0;
        memset(&t->rare[i], 0, sizeof(t->rare[i]));
        t->rare[i].key = n->meta->key;
        t->n++;
    }
    t->rare[i].msg = n;
    t->ready[i] = is_ready(n);
    t->total_cpu[i] = r != NULL ? r->nano_cpus : 0;
    t->total_mem[i] = r != NULL ? r->memory_bytes : 0;
    return 0;
}

void nodes_del(struct nodes *t, uint64_t key)
{
    uint32_t i = nodes_find(t, key);

    if (i == NODES_NONE)
        return;
    (void)sw_map_del(&t->index, key);
    rare_clear(&t->rare[i]);
    t->ready[i] = false;
}

/* ---- use ------------------------------------------------------------------------------------ */

static struct node_claim *find_claim(const struct node_rare *r, const char *kind, const char *value)
{
    for (size_t i = 0; i < r->n_claims; i++) {
        if (strcmp(r->claims[i].kind, kind) == 0 && strcmp(r->claims[i].value, value) == 0)
            return &r->claims[i];
    }
    return NULL;
}

static int claim(struct node_rare *r, const Swarm__V1__GenericResource *g)
{
    struct node_claim *c = find_claim(r, g->kind, g->value);
    int64_t count = g->value[0] != '\0' ? 1 : g->count;

    if (c == NULL) {
        c = sw_realloc(r->claims, (r->n_claims + 1) * sizeof(*c));
        if (c == NULL)
            return -ENOMEM;
        r->claims = c;
        c = &r->claims[r->n_claims];
        *c = (struct node_claim){ sw_strdup(g->kind), sw_strdup(g->value), 0 };
        if (c->kind == NULL || c->value == NULL) {
            sw_free(c->kind);
            sw_free(c->value);
            return -ENOMEM;
        }
        r->n_claims++;
    }
    c->count += count;
    return 0;
}

static void unclaim(struct node_rare *r, const Swarm__V1__GenericResource *g)
{
    struct node_claim *c = find_claim(r, g->kind, g->value);

    if (c == NULL)
        return;
    c->count -= g->value[0] != '\0' ? 1 : g->count;
    if (c->count > 0)
        return;
    sw_free(c->kind);
    sw_free(c->value);
    *c = r->claims[--r->n_claims];
}

int nodes_charge(struct nodes *t, uint32_t i, const struct node_load *load)
{
    struct node_rare *r = &t->rare[i];
    const struct spec *p = load->spec;

    if (p->n_host_ports > 0) {
        uint32_t *grown = sw_realloc(r->ports, (r->n_ports + p->n_host_ports) * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        r->ports = grown;
        for (size_t k = 0; k < p->n_host_ports; k++)
            r->ports[r->n_ports++] = p->host_ports[k];
    }
    for (size_t k = 0; k < load->n_generic; k++) {
        if (claim(r, load->generic[k]) < 0)
            return -ENOMEM;
    }
    t->used_cpu[i] += p->cpu;
    t->used_mem[i] += p->mem;
    t->active[i] += load->active;
    return 0;
}

void nodes_release(struct nodes *t, uint32_t i, const struct node_load *load)
{
    struct node_rare *r = &t->rare[i];
    const struct spec *p = load->spec;

    for (size_t k = 0; k < p->n_host_ports; k++) {
        for (size_t j = 0; j < r->n_ports; j++) {
            if (r->ports[j] == p->host_ports[k]) {
                r->ports[j] = r->ports[--r->n_ports];
                break;
            }
        }
    }
    for (size_t k = 0; k < load->n_generic; k++)
        unclaim(r, load->generic[k]);
    t->used_cpu[i] -= p->cpu;
    t->used_mem[i] -= p->mem;
    if (load->active && t->active[i] > 0)
        t->active[i]--;
}

/* ---- questions ------------------------------------------------------------------------------ */

static size_t offered(const struct nodes *t, uint32_t i, Swarm__V1__GenericResource ***out)
{
    const Swarm__V1__Node *n = t->rare[i].msg;

    *out = NULL;
    if (n == NULL || n->description == NULL || n->description->resources == NULL)
        return 0;
    *out = n->description->resources->generic;
    return n->description->resources->n_generic;
}

static int64_t free_of_kind(const struct nodes *t, uint32_t i, const char *kind)
{
    Swarm__V1__GenericResource **g;
    size_t n = offered(t, i, &g);
    int64_t room = 0;

    for (size_t k = 0; k < n; k++) {
        const struct node_claim *c;

        if (strcmp(g[k]->kind, kind) != 0)
            continue;
        c = find_claim(&t->rare[i], kind, g[k]->value);
        if (g[k]->value[0] != '\0')
            room += c == NULL;
        else
            room += g[k]->count - (c != NULL ? c->count : 0);
    }
    return room;
}

bool nodes_generic_fits(const struct nodes *t, uint32_t i, const struct spec *spec)
{
    for (size_t k = 0; k < spec->n_generic; k++) {
        if (free_of_kind(t, i, spec->generic[k]->kind) < spec->generic[k]->count)
            return false;
    }
    return true;
}

static int add_generic(size_t *n_out, Swarm__V1__GenericResource ***out, const char *kind,
                       const char *value, int64_t count)
{
    Swarm__V1__GenericResource *g = pb_new(&swarm__v1__generic_resource__descriptor);

    if (g == NULL || pb_set_string(&g->kind, kind) < 0 ||
        (value[0] != '\0' && pb_set_string(&g->value, value) < 0) || pb_add(n_out, out, g) < 0) {
        pb_free(g);
        return -ENOMEM;
    }
    g->count = value[0] != '\0' ? 0 : count;
    return 0;
}

int nodes_generic_pick(const struct nodes *t, uint32_t i, const struct spec *spec, size_t *n_out,
                       Swarm__V1__GenericResource ***out)
{
    Swarm__V1__GenericResource **g;
    size_t n = offered(t, i, &g);

    for (size_t k = 0; k < spec->n_generic; k++) {
        const char *kind = spec->generic[k]->kind;
        int64_t want = spec->generic[k]->count;

        for (size_t j = 0; j < n && want > 0; j++) {
            if (strcmp(g[j]->kind, kind) != 0)
                continue;
            if (g[j]->value[0] == '\0') {
                if (add_generic(n_out, out, kind, "", want) < 0)
                    return -ENOMEM;
                want = 0;
            } else if (find_claim(&t->rare[i], kind, g[j]->value) == NULL) {
                if (add_generic(n_out, out, kind, g[j]->value, 0) < 0)
                    return -ENOMEM;
                want--;
            }
        }
    }
    return 0;
}

bool nodes_ports_free(const struct nodes *t, uint32_t i, const struct spec *spec)
{
    const struct node_rare *r = &t->rare[i];

    for (size_t k = 0; k < spec->n_host_ports; k++) {
        for (size_t j = 0; j < r->n_ports; j++) {
            if (r->ports[j] == spec->host_ports[k])
                return false;
        }
    }
    return true;
}

uint32_t nodes_load_permille(const struct nodes *t, uint32_t i)
{
    double cpu = t->total_cpu[i] > 0 ? (double)t->used_cpu[i] / (double)t->total_cpu[i] : 0;
    double mem = t->total_mem[i] > 0 ? (double)t->used_mem[i] / (double)t->total_mem[i] : 0;
    double most = SW_MAX(cpu, mem);

    if (most < 0)
        return 0;
    return most > 4 ? 4000 : (uint32_t)(most * 1000);
}
