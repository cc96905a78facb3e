/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/scheduler/specs.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "proto/pb.h"

#define MAX_FAILURES_KEPT 1024

static void spec_free(struct spec *p)
{
    if (p == NULL)
        return;
    sw_list_del(&p->dirty);
    sw_list_del(&p->blocked);
    constraint_fini(&p->constraints);
    sw_free(p->host_ports);
    sw_free(p->pending);
    pb_free(p->task);
    sw_free(p);
}

static int take_host_ports(struct spec *p, const Swarm__V1__EndpointSpec *e)
{
    if (e == NULL || e->n_ports == 0)
        return 0;
    p->host_ports = sw_calloc(e->n_ports, sizeof(*p->host_ports));
    if (p->host_ports == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < e->n_ports; i++) {
        const Swarm__V1__PortConfig *c = e->ports[i];

        if (c->mode == SWARM__V1__PORT_CONFIG__MODE__HOST && c->published != 0)
            p->host_ports[p->n_host_ports++] = (uint32_t)c->protocol << 16 | c->published;
    }
    return 0;
}

static int take_placement(struct spec *p)
{
    const Swarm__V1__Placement *pl = p->task->placement;
    struct sw_err err;
    int r;

    if (pl == NULL)
        return 0;
    p->max_replicas = pl->max_replicas;
    r = constraint_parse(pl->constraints, pl->n_constraints, &p->constraints, &err);
    if (r == SW_E_INVALID)
        p->unsatisfiable = true;
    return r == -ENOMEM ? r : 0;
}

static struct spec *spec_new(uint64_t version, const Swarm__V1__TaskSpec *task,
                             const Swarm__V1__EndpointSpec *endpoint)
{
    static const Swarm__V1__TaskSpec empty = SWARM__V1__TASK_SPEC__INIT;
    struct spec *p = sw_calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->version = version;
    sw_list_init(&p->dirty);
    sw_list_init(&p->blocked);
    p->task = pb_clone(task != NULL ? task : &empty);
    if (p->task == NULL || take_placement(p) < 0 || take_host_ports(p, endpoint) < 0) {
        spec_free(p);
        return NULL;
    }
    if (p->task->resources != NULL && p->task->resources->reservations != NULL) {
        const Swarm__V1__Resources *r = p->task->resources->reservations;

        p->cpu = r->nano_cpus;
        p->mem = r->memory_bytes;
        p->generic = r->generic;
        p->n_generic = r->n_generic;
    }
    return p;
}

static void service_free(struct service_specs *svc)
{
    for (size_t i = 0; i < svc->n_specs; i++)
        spec_free(svc->specs[i]);
    sw_free(svc->specs);
    sw_free(svc->counts);
    sw_free(svc->failures);
    sw_free(svc);
}

void specs_init(struct specs *s)
{
    sw_map_init(&s->services);
}

void specs_fini(struct specs *s)
{
    struct service_specs *svc;
    size_t it = 0;

    while ((svc = sw_map_next(&s->services, &it)) != NULL)
        service_free(svc);
    sw_map_fini(&s->services);
}

struct service_specs *specs_service(const struct specs *s, uint64_t key)
{
    return sw_map_get(&s->services, key);
}

static struct spec *exact(const struct service_specs *svc, uint64_t version)
{
    for (size_t i = svc->n_specs; i-- > 0;) {
        if (svc->specs[i]->version == version)
            return svc->specs[i];
    }
    return NULL;
}

struct spec *specs_find(const struct service_specs *svc, uint64_t version)
{
    struct spec *p = exact(svc, version);

    if (p != NULL || svc->msg == NULL)
        return p;
    return exact(svc, svc->msg->spec_version);
}

static int add_version(struct service_specs *svc, uint64_t version, const Swarm__V1__TaskSpec *task,
                       const Swarm__V1__EndpointSpec *endpoint)
{
    struct spec **grown;
    struct spec *p;

    if (exact(svc, version) != NULL)
        return 0;
    grown = sw_realloc(svc->specs, (svc->n_specs + 1) * sizeof(struct spec *));
    if (grown == NULL)
        return -ENOMEM;
    svc->specs = grown;
    p = spec_new(version, task, endpoint);
    if (p == NULL)
        return -ENOMEM;
    p->svc = svc;
    svc->specs[svc->n_specs++] = p;
    return 0;
}

static struct service_specs *service_made(struct specs *s, uint64_t key)
{
    struct service_specs *svc = specs_service(s, key);

    if (svc != NULL)
        return svc;
    svc = sw_calloc(1, sizeof(*svc));
    if (svc == NULL)
        return NULL;
    svc->key = key;
    if (sw_map_put(&s->services, key, svc) < 0) {
        sw_free(svc);
        return NULL;
    }
    return svc;
}

int specs_put_unknown(struct specs *s, const Swarm__V1__Task *t)
{
    Swarm__V1__EndpointSpec e = SWARM__V1__ENDPOINT_SPEC__INIT;
    struct service_specs *svc = service_made(s, t->service);

    e.n_ports = t->n_ports;
    e.ports = t->ports;
    return svc != NULL ? add_version(svc, t->spec_version, NULL, &e) : -ENOMEM;
}

int specs_put(struct specs *s, const Swarm__V1__Service *msg)
{
    struct service_specs *svc = service_made(s, msg->meta->key);
    int r = 0;

    if (svc == NULL)
        return -ENOMEM;
    svc->msg = msg;
    for (size_t i = 0; r == 0 && i < msg->n_history; i++)
        r = add_version(svc, msg->history[i]->spec_version, msg->history[i]->task,
                        msg->history[i]->endpoint);
    if (r == 0 && msg->spec != NULL)
        r = add_version(svc, msg->spec_version, msg->spec->task, msg->spec->endpoint);
    if (r == 0)
        specs_tidy(s, svc);
    return r;
}

static bool in_history(const struct service_specs *svc, uint64_t version)
{
    if (svc->msg == NULL)
        return false;
    if (svc->msg->spec_version == version)
        return true;
    for (size_t i = 0; i < svc->msg->n_history; i++) {
        if (svc->msg->history[i]->spec_version == version)
            return true;
    }
    return false;
}

void specs_tidy(struct specs *s, struct service_specs *svc)
{
    size_t n = 0;

    for (size_t i = 0; i < svc->n_specs; i++) {
        struct spec *p = svc->specs[i];

        if (p->refs == 0 && p->n_pending == 0 && !in_history(svc, p->version))
            spec_free(p);
        else
            svc->specs[n++] = p;
    }
    svc->n_specs = n;
    if (n == 0 && svc->msg == NULL) {
        (void)sw_map_del(&s->services, svc->key);
        service_free(svc);
    }
}

void specs_del(struct specs *s, uint64_t key)
{
    struct service_specs *svc = specs_service(s, key);

    if (svc == NULL)
        return;
    svc->msg = NULL;
    specs_tidy(s, svc);
}

void specs_unref(struct specs *s, struct service_specs *svc, struct spec *spec)
{
    if (--spec->refs == 0)
        specs_tidy(s, svc);
}

/* ---- tasks per node ------------------------------------------------------------------------- */

static size_t probe(const struct service_specs *svc, uint32_t node)
{
    size_t mask = svc->cap_counts - 1;
    size_t i = sw_hash_u64(node) & mask;

    while (svc->counts[i].node != 0 && svc->counts[i].node != node + 1)
        i = (i + 1) & mask;
    return i;
}

uint32_t specs_count(const struct service_specs *svc, uint32_t node)
{
    return svc->cap_counts != 0 ? svc->counts[probe(svc, node)].n : 0;
}

static int grow_counts(struct service_specs *svc)
{
    struct service_specs next = *svc;

    next.cap_counts = 8;
    while (next.cap_counts < svc->n_counts * 2 + 2)
        next.cap_counts *= 2;
    next.counts = sw_calloc(next.cap_counts, sizeof(*next.counts));
    if (next.counts == NULL)
        return -ENOMEM;
    next.n_counts = 0;
    for (size_t i = 0; i < svc->cap_counts; i++) {
        if (svc->counts[i].n != 0) { /* entries that fell to zero are dropped */
            next.counts[probe(&next, svc->counts[i].node - 1)] = svc->counts[i];
            next.n_counts++;
        }
    }
    sw_free(svc->counts);
    *svc = next;
    return 0;
}

int specs_count_add(struct service_specs *svc, uint32_t node, int delta)
{
    struct spec_count *c;

    if ((svc->n_counts + 1) * 4 > svc->cap_counts * 3 && grow_counts(svc) < 0)
        return -ENOMEM;
    c = &svc->counts[probe(svc, node)];
    if (c->node == 0) {
        c->node = node + 1;
        svc->n_counts++;
    }
    if (delta > 0)
        c->n++;
    else if (c->n > 0)
        c->n--;
    return 0;
}

/* ---- recent failures ------------------------------------------------------------------------ */

int specs_failed(struct service_specs *svc, uint64_t version, uint32_t node, int64_t at_ns)
{
    struct spec_failure *f;

    if (svc->n_failures == MAX_FAILURES_KEPT) {
        memmove(svc->failures, svc->failures + 1, (svc->n_failures - 1) * sizeof(*f));
        svc->n_failures--;
    }
    f = sw_realloc(svc->failures, (svc->n_failures + 1) * sizeof(*f));
    if (f == NULL)
        return -ENOMEM;
    svc->failures = f;
    f[svc->n_failures++] = (struct spec_failure){ version, node, at_ns };
    return 0;
}

unsigned specs_failures(const struct service_specs *svc, uint64_t version, uint32_t node,
                        int64_t since_ns)
{
    unsigned n = 0;

    for (size_t i = 0; i < svc->n_failures; i++)
        n += svc->failures[i].version == version && svc->failures[i].node == node &&
             svc->failures[i].at_ns > since_ns;
    return n;
}
