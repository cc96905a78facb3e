/* SPDX-License-Identifier: Apache-2.0
 * build.c - objects as the API makes them. */
#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "proto/pb.h"
#include "tests/sim/model.h"

#define NEW(type) must(pb_new(&swarm__v1__##type##__descriptor))

static void *must(void *p)
{
    assert(p != NULL);
    return p;
}

static void set(char **field, const char *s)
{
    int r = pb_set_string(field, s);

    assert(r == 0);
}

#define ADD(m, field, item)                                                                        \
    do {                                                                                           \
        int added_ = pb_add(&(m)->n_##field, &(m)->field, item);                                   \
        assert(added_ == 0);                                                                       \
    } while (0)

static Swarm__V1__Service *blank(const char *name)
{
    Swarm__V1__Service *s = NEW(service);

    s->spec_version = 1;
    s->spec = NEW(service_spec);
    s->spec->annotations = NEW(annotations);
    set(&s->spec->annotations->name, name);
    s->spec->task = NEW(task_spec);
    s->spec->task->container = NEW(container_spec);
    set(&s->spec->task->container->image, "nginx:1");
    return s;
}

Swarm__V1__Service *build_service(const char *name, uint64_t replicas)
{
    Swarm__V1__Service *s = blank(name);

    s->spec->mode_case = SWARM__V1__SERVICE_SPEC__MODE_REPLICATED;
    s->spec->replicated = NEW(replicated_mode);
    s->spec->replicated->replicas = replicas;
    return s;
}

Swarm__V1__Service *build_global(const char *name)
{
    Swarm__V1__Service *s = blank(name);

    s->spec->mode_case = SWARM__V1__SERVICE_SPEC__MODE_GLOBAL;
    s->spec->global = NEW(global_mode);
    return s;
}

Swarm__V1__Service *build_job(const char *name, uint64_t concurrent, uint64_t total)
{
    Swarm__V1__Service *s = blank(name);

    s->spec->mode_case = SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB;
    s->spec->replicated_job = NEW(replicated_job_mode);
    s->spec->replicated_job->max_concurrent = concurrent;
    s->spec->replicated_job->total_completions = total;
    s->job_status = NEW(job_status);
    return s;
}

void build_image(Swarm__V1__Service *s, const char *image)
{
    set(&s->spec->task->container->image, image);
}

Swarm__V1__Placement *build_placement(Swarm__V1__Service *s)
{
    if (s->spec->task->placement == NULL)
        s->spec->task->placement = NEW(placement);
    return s->spec->task->placement;
}

void build_constraint(Swarm__V1__Service *s, const char *expr)
{
    ADD(build_placement(s), constraints, must(sw_strdup(expr)));
}

void build_spread(Swarm__V1__Service *s, const char *descriptor)
{
    ADD(build_placement(s), spread, must(sw_strdup(descriptor)));
}

static Swarm__V1__Resources *reservations(Swarm__V1__Service *s)
{
    if (s->spec->task->resources == NULL)
        s->spec->task->resources = NEW(resource_requirements);
    if (s->spec->task->resources->reservations == NULL)
        s->spec->task->resources->reservations = NEW(resources);
    return s->spec->task->resources->reservations;
}

void build_reserve(Swarm__V1__Service *s, int64_t nano_cpus, int64_t memory_bytes)
{
    reservations(s)->nano_cpus = nano_cpus;
    reservations(s)->memory_bytes = memory_bytes;
}

void build_generic(Swarm__V1__Service *s, const char *kind, int64_t count)
{
    Swarm__V1__GenericResource *g = NEW(generic_resource);

    set(&g->kind, kind);
    g->count = count;
    ADD(reservations(s), generic, g);
}

void build_network(Swarm__V1__Service *s, uint64_t network)
{
    Swarm__V1__NetworkAttachmentSpec *a = NEW(network_attachment_spec);

    a->network = network;
    ADD(s->spec->task, networks, a);
}

void build_publish(Swarm__V1__Service *s, uint32_t published, uint32_t target, bool host)
{
    Swarm__V1__PortConfig *p = NEW(port_config);

    if (s->spec->endpoint == NULL)
        s->spec->endpoint = NEW(endpoint_spec);
    p->published = published;
    p->target = target;
    p->mode = host ? SWARM__V1__PORT_CONFIG__MODE__HOST : SWARM__V1__PORT_CONFIG__MODE__INGRESS;
    ADD(s->spec->endpoint, ports, p);
}

void build_restart(Swarm__V1__Service *s, Swarm__V1__RestartPolicy__Condition c, int64_t delay_ns,
                   uint64_t max_attempts, int64_t window_ns)
{
    Swarm__V1__RestartPolicy *p = s->spec->task->restart;

    if (p == NULL)
        p = s->spec->task->restart = NEW(restart_policy);
    p->condition = c;
    if (p->delay_ns == NULL)
        p->delay_ns = NEW(optional_int64);
    p->delay_ns->value = delay_ns;
    p->max_attempts = max_attempts;
    p->window_ns = window_ns;
}

Swarm__V1__UpdateConfig *build_update(Swarm__V1__Service *s, uint64_t parallelism, int64_t delay_ns,
                                      int64_t monitor_ns)
{
    Swarm__V1__UpdateConfig *c = s->spec->update;

    if (c == NULL)
        c = s->spec->update = NEW(update_config);
    c->parallelism = parallelism;
    c->delay_ns = delay_ns;
    if (c->monitor_ns == NULL)
        c->monitor_ns = NEW(optional_int64);
    c->monitor_ns->value = monitor_ns;
    return c;
}

/* ---- writes -----------------------------------------------------------------------------------
 */

uint64_t model_create(struct model *m, enum view_kind kind, void *msg)
{
    struct txn *x = model_begin(m);
    uint64_t key = txn_create(x, kind, msg);

    model_commit(m, x);
    return key;
}

uint64_t model_node(struct model *m, const char *name, int64_t nano_cpus, int64_t memory_bytes)
{
    Swarm__V1__Node *n = NEW(node);

    n->spec = NEW(node_spec);
    n->spec->annotations = NEW(annotations);
    n->status = NEW(node_status);
    n->status->state = NODE_STATE(READY);
    n->description = NEW(node_description);
    set(&n->description->hostname, name);
    set(&n->description->os, "linux");
    set(&n->description->arch, "x86_64");
    n->description->resources = NEW(resources);
    n->description->resources->nano_cpus = nano_cpus;
    n->description->resources->memory_bytes = memory_bytes;
    return model_create(m, VIEW_NODE, n);
}

uint64_t model_network(struct model *m, const char *name, const char *subnet)
{
    Swarm__V1__Network *n = NEW(network);

    n->spec = NEW(network_spec);
    n->spec->annotations = NEW(annotations);
    set(&n->spec->annotations->name, name);
    set(&n->spec->driver, "overlay");
    if (subnet != NULL) {
        Swarm__V1__IpamConfig *c = NEW(ipam_config);

        set(&c->subnet, subnet);
        n->spec->ipam = NEW(ipam_options);
        ADD(n->spec->ipam, configs, c);
    }
    return model_create(m, VIEW_NETWORK, n);
}

Swarm__V1__Service *model_edit(struct model *m, uint64_t service)
{
    return must(pb_clone(view_service(m->view, service)->s));
}

static void remember(Swarm__V1__Service *next, const Swarm__V1__Service *old)
{
    Swarm__V1__ServiceSpecVersion *h = NEW(service_spec_version);

    h->spec_version = old->spec_version;
    h->task = old->spec->task != NULL ? must(pb_clone(old->spec->task)) : NULL;
    h->endpoint = old->spec->endpoint != NULL ? must(pb_clone(old->spec->endpoint)) : NULL;
    ADD(next, history, h);
}

/* SEMANTICS 12.3. */
void model_update(struct model *m, Swarm__V1__Service *edited)
{
    const Swarm__V1__Service *old = view_service(m->view, edited->meta->key)->s;
    struct txn *x = model_begin(m);

    remember(edited, old);
    pb_free(edited->previous_spec);
    edited->previous_spec = must(pb_clone(old->spec));
    edited->previous_spec_version = old->spec_version;
    edited->spec_version = old->spec_version + 1;
    pb_free(edited->update_status);
    edited->update_status = NULL;
    if (edited->job_status != NULL)
        edited->job_status->iteration++;
    txn_update(x, VIEW_SERVICE, edited);
    model_commit(m, x);
}

void model_scale(struct model *m, uint64_t service, uint64_t replicas)
{
    Swarm__V1__Service *s = model_edit(m, service);

    s->spec->replicated->replicas = replicas;
    model_update(m, s);
}

void model_rollback(struct model *m, uint64_t service)
{
    const Swarm__V1__Service *old = view_service(m->view, service)->s;
    struct txn *x = model_begin(m);
    Swarm__V1__Service *s = model_edit(m, service);
    Swarm__V1__ServiceSpec *current = s->spec;

    remember(s, old);
    assert(s->previous_spec != NULL);
    s->spec = s->previous_spec;
    s->previous_spec = current;
    s->previous_spec_version = old->spec_version;
    s->spec_version = old->spec_version + 1;
    pb_free(s->update_status);
    s->update_status = NEW(update_status);
    s->update_status->state = SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED;
    s->update_status->started_ns = (uint64_t)m->now_ns;
    set(&s->update_status->message, "manually requested rollback");
    txn_update(x, VIEW_SERVICE, s);
    model_commit(m, x);
}

void model_delete(struct model *m, uint64_t key)
{
    const struct view_object *o = view_object(m->view, key);
    struct txn *x = model_begin(m);

    txn_delete(x, o->kind, o->msg);
    model_commit(m, x);
}
