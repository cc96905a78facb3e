/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/scheduler/filter.h"

#include <string.h>
#include <strings.h>

#include "common/base/macro.h"

static bool has_plugin(const Swarm__V1__Node *n, const char *type, const char *name)
{
    if (n->description == NULL)
        return false;
    for (size_t i = 0; i < n->description->n_plugins; i++) {
        const Swarm__V1__Plugin *p = n->description->plugins[i];

        if (strcasecmp(p->type, type) == 0 && (name == NULL || strcmp(p->name, name) == 0))
            return true;
    }
    return false;
}

static bool built_in_network(const char *driver)
{
    return driver[0] == '\0' || strcmp(driver, "overlay") == 0 || strcmp(driver, "bridge") == 0 ||
           strcmp(driver, "host") == 0 || strcmp(driver, "null") == 0;
}

static bool plugins_present(const struct filter_run *f, const Swarm__V1__Node *n)
{
    const Swarm__V1__TaskSpec *t = f->spec->task;

    for (size_t i = 0; t->container != NULL && i < t->container->n_mounts; i++) {
        const Swarm__V1__Mount *m = t->container->mounts[i];

        if (m->type == SWARM__V1__MOUNT__TYPE__VOLUME && m->volume_driver[0] != '\0' &&
            strcmp(m->volume_driver, "local") != 0 && !has_plugin(n, "Volume", m->volume_driver))
            return false;
    }
    for (size_t i = 0; i < t->n_networks; i++) {
        const Swarm__V1__Network *net = view_network(f->view, t->networks[i]->network);

        if (net != NULL && net->spec != NULL && !built_in_network(net->spec->driver) &&
            !has_plugin(n, "Network", net->spec->driver))
            return false;
    }
    /* Log drivers are judged only where the node tells which ones it has. */
    if (t->log_driver != NULL && t->log_driver->name[0] != '\0' &&
        strcmp(t->log_driver->name, "none") != 0 && has_plugin(n, "Log", NULL) &&
        !has_plugin(n, "Log", t->log_driver->name))
        return false;
    return true;
}

static bool platform_fits(const struct filter_run *f, const Swarm__V1__Node *n)
{
    const Swarm__V1__Placement *p = f->spec->task->placement;

    if (p == NULL || p->n_platforms == 0)
        return true;
    if (n->description == NULL)
        return false;
    for (size_t i = 0; i < p->n_platforms; i++) {
        const Swarm__V1__Platform *w = p->platforms[i];

        if ((w->os[0] == '\0' || strcasecmp(w->os, n->description->os) == 0) &&
            (w->arch[0] == '\0' || constraint_same_arch(w->arch, n->description->arch)))
            return true;
    }
    return false;
}

static bool resources_fit(const struct filter_run *f, uint32_t i)
{
    const struct nodes *t = f->nodes;

    if (f->spec->cpu > 0 && t->total_cpu[i] - t->used_cpu[i] < f->spec->cpu)
        return false;
    if (f->spec->mem > 0 && t->total_mem[i] - t->used_mem[i] < f->spec->mem)
        return false;
    return nodes_generic_fits(t, i, f->spec);
}

static bool replicas_fit(const struct filter_run *f, uint32_t i)
{
    return f->spec->max_replicas == 0 || specs_count(f->svc, i) < f->spec->max_replicas;
}

static enum filter first_refusal(const struct filter_run *f, uint32_t i)
{
    const Swarm__V1__Node *n = f->nodes->rare[i].msg;

    if (!f->nodes->ready[i])
        return FILTER_READY;
    if (!resources_fit(f, i))
        return FILTER_RESOURCES;
    if (!plugins_present(f, n))
        return FILTER_PLUGINS;
    if (f->spec->unsatisfiable || !constraint_match(&f->spec->constraints, n))
        return FILTER_CONSTRAINTS;
    if (!platform_fits(f, n))
        return FILTER_PLATFORM;
    if (!nodes_ports_free(f->nodes, i, f->spec))
        return FILTER_HOST_PORT;
    if (!replicas_fit(f, i))
        return FILTER_MAX_REPLICAS;
    return FILTERS;
}

bool filter_node(struct filter_run *f, uint32_t node)
{
    enum filter r;

    if (f->nodes->rare[node].msg == NULL)
        return false; /* no such node any more: nothing to explain */
    r = first_refusal(f, node);
    if (r == FILTERS)
        return true;
    f->refused[r]++;
    return false;
}

bool filter_still_fits(const struct filter_run *f, uint32_t node)
{
    return resources_fit(f, node) && nodes_ports_free(f->nodes, node, f->spec) &&
           replicas_fit(f, node);
}

/* SwarmKit manager/scheduler/filter.go, Explain() of each filter. */
static void explain_one(enum filter which, unsigned n, struct sw_buf *out)
{
    static const char *const texts[FILTERS] = {
        [FILTER_RESOURCES] = "insufficient resources on",
        [FILTER_PLUGINS] = "missing plugin on",
        [FILTER_CONSTRAINTS] = "scheduling constraints not satisfied on",
        [FILTER_PLATFORM] = "unsupported platform on",
        [FILTER_HOST_PORT] = "host-mode port already in use on",
    };
    const char *noun = n == 1 ? "node" : "nodes";

    if (which == FILTER_READY)
        sw_buf_printf(out, "%u %s not available for new tasks", n, noun);
    else if (which == FILTER_MAX_REPLICAS)
        sw_buf_puts(out, "max replicas per node limit exceed");
    else
        sw_buf_printf(out, "%s %u %s", texts[which], n, noun);
}

void filter_explain(const struct filter_run *f, struct sw_buf *out)
{
    bool told[FILTERS] = { false };
    bool any = false;

    sw_buf_puts(out, "no suitable node");
    for (;;) {
        enum filter most = FILTERS;

        for (unsigned i = 0; i < FILTERS; i++) {
            if (!told[i] && f->refused[i] > 0 &&
                (most == FILTERS || f->refused[i] > f->refused[most]))
                most = (enum filter)i;
        }
        if (most == FILTERS)
            break;
        told[most] = true;
        sw_buf_puts(out, any ? "; " : " (");
        explain_one(most, f->refused[most], out);
        any = true;
    }
    if (any)
        sw_buf_putc(out, ')');
}
