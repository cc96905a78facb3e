/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/visualizer/state.h"

#include <stdio.h>
#include <string.h>

#include "common/base/time.h"

static const char *task_state(int s)
{
    static const struct {
        int state;
        const char *name;
    } names[] = {
        { 0, "new" },         { 64, "pending" },   { 192, "assigned" }, { 256, "accepted" },
        { 320, "preparing" }, { 384, "ready" },    { 448, "starting" }, { 512, "running" },
        { 576, "complete" },  { 640, "shutdown" }, { 704, "failed" },   { 768, "rejected" },
        { 800, "remove" },    { 832, "orphaned" },
    };

    for (size_t i = 0; i < SW_ARRAY_LEN(names); i++) {
        if (names[i].state == s)
            return names[i].name;
    }
    return "unknown";
}

static void reserved(const struct view_node *n, int64_t *cpus, int64_t *memory)
{
    *cpus = *memory = 0;
    sw_list_each(l, &n->tasks)
    {
        const struct view_task *t = sw_list_entry(l, struct view_task, of_node);
        const Swarm__V1__TaskSpec *spec = view_task_spec(t, NULL);
        const Swarm__V1__Resources *r =
            spec != NULL && spec->resources != NULL ? spec->resources->reservations : NULL;

        if (r == NULL || t->t->desired > SWARM__V1__TASK_STATE__TASK_COMPLETE)
            continue;
        *cpus += r->nano_cpus;
        *memory += r->memory_bytes;
    }
}

static json_t *node_json(const struct view_node *n, uint64_t leader)
{
    static const char *const states[] = { "unknown", "down", "ready", "disconnected" };
    static const char *const availabilities[] = { "active", "pause", "drain" };
    const Swarm__V1__NodeDescription *d = n->n->description;
    const Swarm__V1__Resources *r = d != NULL ? d->resources : NULL;
    int64_t cpus;
    int64_t memory;

    reserved(n, &cpus, &memory);
    return json_pack("{s:s,s:s,s:s,s:b,s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "id", n->o->id, "name",
                     d != NULL ? d->hostname : "", "role",
                     n->n->role == SWARM__V1__NODE_ROLE__MANAGER ? "manager" : "worker", "leader",
                     n->n->manager != NULL && n->n->manager->raft_id == leader, "availability",
                     availabilities[n->n->spec != NULL ? (int)n->n->spec->availability : 0],
                     "state", states[n->n->status != NULL ? (int)n->n->status->state : 0], "addr",
                     n->n->status != NULL ? n->n->status->addr : "", "cpus",
                     (json_int_t)(r != NULL ? r->nano_cpus : 0), "memory",
                     (json_int_t)(r != NULL ? r->memory_bytes : 0), "reservedCpus",
                     (json_int_t)cpus, "reservedMemory", (json_int_t)memory);
}

static json_t *service_json(const struct view_service *s)
{
    const Swarm__V1__ServiceSpec *spec = s->s->spec;
    bool replicated = spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED;
    json_t *ports = json_array();

    for (size_t i = 0; s->s->endpoint != NULL && i < s->s->endpoint->n_ports; i++) {
        const Swarm__V1__PortConfig *p = s->s->endpoint->ports[i];
        char text[32];

        (void)snprintf(text, sizeof(text), "%u→%u", p->published, p->target);
        (void)json_array_append_new(ports, json_string(text));
    }
    return json_pack("{s:s,s:s,s:s,s:I,s:o}", "id", s->o->id, "name", spec->annotations->name,
                     "mode", replicated ? "replicated" : "global", "replicas",
                     (json_int_t)(replicated ? spec->replicated->replicas : 0), "ports", ports);
}

static json_t *task_json(const struct view_task *t)
{
    const Swarm__V1__TaskSpec *spec = view_task_spec(t, NULL);
    const Swarm__V1__TaskStatus *s = t->t->status;

    return json_pack("{s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:I,s:s}", "id", t->o->id, "service",
                     t->service != NULL ? t->service->o->id : "", "slot", (json_int_t)t->t->slot,
                     "node", t->node != NULL ? t->node->o->id : "", "state",
                     task_state(s != NULL ? (int)s->state : 0), "desired",
                     task_state((int)t->t->desired), "image",
                     spec != NULL && spec->container != NULL ? spec->container->image : "", "since",
                     (json_int_t)((s != NULL ? s->timestamp_ns : 0) / (uint64_t)SW_NS_PER_MS),
                     "error", s != NULL ? s->err : "");
}

json_t *state_json(const struct view *v, uint64_t leader)
{
    json_t *nodes = json_array();
    json_t *services = json_array();
    json_t *tasks = json_array();

    sw_list_each(l, view_list(v, VIEW_NODE))(void) json_array_append_new(
        nodes, node_json(view_as_node(sw_list_entry(l, struct view_object, link)), leader));
    sw_list_each(l, view_list(v, VIEW_SERVICE))(void) json_array_append_new(
        services, service_json(view_as_service(sw_list_entry(l, struct view_object, link))));
    sw_list_each(l, view_list(v, VIEW_TASK))(void) json_array_append_new(
        tasks, task_json(view_as_task(sw_list_entry(l, struct view_object, link))));
    return json_pack("{s:I,s:o,s:o,s:o}", "version", (json_int_t)view_index(v), "nodes", nodes,
                     "services", services, "tasks", tasks);
}
