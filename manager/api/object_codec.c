/* SPDX-License-Identifier: Apache-2.0
 * object_codec.c - services, tasks and networks as the API shows them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/base/time.h"
#include "manager/api/api_priv.h"
#include "proto/pb.h"

void api_set_time(json_t *o, const char *name, uint64_t ns)
{
    char text[SW_RFC3339_MAX];

    sw_rfc3339((int64_t)ns, text);
    (void)json_object_set_new(o, name, json_string(text));
}

json_t *api_head(const struct view_object *o)
{
    const Swarm__V1__Meta *m = view_meta(o->msg);
    json_t *j = json_pack("{s:s,s:{s:I}}", "ID", o->id, "Version", "Index", (json_int_t)m->version);

    api_set_time(j, "CreatedAt", m->created_ns);
    api_set_time(j, "UpdatedAt", m->updated_ns);
    return j;
}

static json_t *address(uint32_t addr, unsigned len)
{
    struct in_addr in = { htonl(addr) };
    char host[INET_ADDRSTRLEN];
    char text[INET_ADDRSTRLEN + 12];

    (void)inet_ntop(AF_INET, &in, host, sizeof(host));
    if (len == 0)
        return json_string(host);
    (void)snprintf(text, sizeof(text), "%s/%u", host, len);
    return json_string(text);
}

/* ---- services -----------------------------------------------------------------------------------
 */

static void set_default(json_t *o, const char *key, json_t *value)
{
    if (json_object_get(o, key) == NULL)
        (void)json_object_set_new(o, key, value);
    else
        json_decref(value);
}

static json_t *sub(json_t *o, const char *key)
{
    set_default(o, key, json_object());
    return json_object_get(o, key);
}

static void default_update(json_t *spec, const char *key)
{
    json_t *u = json_object_get(spec, key);

    if (u == NULL) {
        (void)json_object_set_new(spec, key,
                                  json_pack("{s:i,s:s,s:I,s:i,s:s}", "Parallelism", 1,
                                            "FailureAction", "pause", "Monitor",
                                            (json_int_t)(5 * SW_NS_PER_S), "MaxFailureRatio", 0,
                                            "Order", "stop-first"));
        return;
    }
    set_default(u, "Monitor", json_integer(5 * SW_NS_PER_S));
}

/* insertDefaults=true: what the system will do where the user said nothing. */
static void insert_defaults(json_t *spec, const Swarm__V1__ServiceSpec *s)
{
    json_t *task = sub(spec, "TaskTemplate");
    json_t *container = sub(task, "ContainerSpec");
    json_t *restart = sub(task, "RestartPolicy");
    json_t *resources = sub(task, "Resources");

    set_default(container, "StopGracePeriod", json_integer(10 * SW_NS_PER_S));
    set_default(container, "DNSConfig", json_object());
    set_default(resources, "Limits", json_object());
    set_default(resources, "Reservations", json_object());
    set_default(restart, "Condition", json_string("any"));
    set_default(restart, "Delay", json_integer(5 * SW_NS_PER_S));
    set_default(restart, "MaxAttempts", json_integer(0));
    set_default(task, "Placement", json_object());
    if (s->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED ||
        s->mode_case == SWARM__V1__SERVICE_SPEC__MODE_GLOBAL) {
        default_update(spec, "UpdateConfig");
        default_update(spec, "RollbackConfig");
    }
    set_default(sub(spec, "EndpointSpec"), "Mode", json_string("vip"));
}

static json_t *endpoint_json(const struct view *v, const Swarm__V1__Service *s)
{
    const Swarm__V1__Endpoint *e = s->endpoint;
    json_t *o = json_object();
    json_t *list;

    (void)json_object_set_new(o, "Spec",
                              s->spec->endpoint != NULL
                                  ? codec_write(&codec_endpoint_spec, s->spec->endpoint)
                                  : json_object());
    if (e == NULL)
        return o;
    if (e->n_ports > 0) {
        list = json_array();
        for (size_t i = 0; i < e->n_ports; i++)
            (void)json_array_append_new(list, codec_write(&codec_port, e->ports[i]));
        (void)json_object_set_new(o, "Ports", list);
    }
    if (e->n_vips > 0) {
        list = json_array();
        for (size_t i = 0; i < e->n_vips; i++) {
            const struct view_object *net = view_object(v, e->vips[i]->network);
            const Swarm__V1__Network *n = net != NULL ? net->msg : NULL;

            if (n == NULL)
                continue;
            (void)json_array_append_new(list, json_pack("{s:s,s:o}", "NetworkID", net->id, "Addr",
                                                        address(e->vips[i]->addr, n->subnet_len)));
        }
        (void)json_object_set_new(o, "VirtualIPs", list);
    }
    return o;
}

static json_t *update_status_json(const Swarm__V1__UpdateStatus *u)
{
    static const char *const states[] = { "",
                                          "updating",
                                          "paused",
                                          "completed",
                                          "rollback_started",
                                          "rollback_paused",
                                          "rollback_completed" };
    json_t *o = json_object();

    (void)json_object_set_new(o, "State", json_string(states[u->state]));
    if (u->started_ns != 0)
        api_set_time(o, "StartedAt", u->started_ns);
    if (u->completed_ns != 0)
        api_set_time(o, "CompletedAt", u->completed_ns);
    (void)json_object_set_new(o, "Message", json_string(u->message));
    return o;
}

static bool wants(const struct view_task *t, const Swarm__V1__Service *s)
{
    return t->t->desired == SWARM__V1__TASK_STATE__TASK_RUNNING ||
           (t->t->desired == SWARM__V1__TASK_STATE__TASK_COMPLETE && s->job_status != NULL);
}

static json_t *service_status_json(const struct view_service *s)
{
    uint64_t running = 0;
    uint64_t wanted = 0;
    uint64_t completed = 0;

    sw_list_each(l, &s->tasks)
    {
        const struct view_task *t = sw_list_entry(l, struct view_task, of_service);
        int state = t->t->status != NULL ? (int)t->t->status->state : 0;

        running += state == SWARM__V1__TASK_STATE__TASK_RUNNING && wants(t, s->s);
        wanted += wants(t, s->s) && state <= SWARM__V1__TASK_STATE__TASK_RUNNING;
        completed += state == SWARM__V1__TASK_STATE__TASK_COMPLETE && s->s->job_status != NULL &&
                     t->t->job_iteration == s->s->job_status->iteration;
    }
    if (s->s->spec->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED)
        wanted = s->s->spec->replicated->replicas;
    return json_pack("{s:I,s:I,s:I}", "RunningTasks", (json_int_t)running, "DesiredTasks",
                     (json_int_t)wanted, "CompletedTasks", (json_int_t)completed);
}

json_t *api_service_json(const struct api *a, const struct view_service *s, bool defaults,
                         bool status)
{
    json_t *o = api_head(s->o);
    json_t *spec = codec_write(&codec_service_spec, s->s->spec);

    if (defaults)
        insert_defaults(spec, s->s->spec);
    (void)json_object_set_new(o, "Spec", spec);
    if (s->s->previous_spec != NULL)
        (void)json_object_set_new(o, "PreviousSpec",
                                  codec_write(&codec_service_spec, s->s->previous_spec));
    (void)json_object_set_new(o, "Endpoint", endpoint_json(a->view, s->s));
    if (s->s->update_status != NULL && s->s->update_status->state != 0)
        (void)json_object_set_new(o, "UpdateStatus", update_status_json(s->s->update_status));
    if (status)
        (void)json_object_set_new(o, "ServiceStatus", service_status_json(s));
    if (s->s->job_status != NULL) {
        json_t *j = json_pack("{s:{s:I}}", "JobIteration", "Index",
                              (json_int_t)s->s->job_status->iteration);

        api_set_time(j, "LastExecution", s->s->job_status->last_execution_ns);
        (void)json_object_set_new(o, "JobStatus", j);
    }
    return o;
}

/* ---- tasks --------------------------------------------------------------------------------------
 */

const char *api_task_state(int state)
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
        if (names[i].state == state)
            return names[i].name;
    }
    return "unknown";
}

static json_t *task_status_json(const Swarm__V1__TaskStatus *s)
{
    json_t *o = json_object();
    json_t *ports = json_object();

    if (s == NULL)
        return json_pack("{s:s,s:o}", "State", "new", "PortStatus", ports);
    api_set_time(o, "Timestamp", s->timestamp_ns);
    (void)json_object_set_new(o, "State", json_string(api_task_state((int)s->state)));
    if (s->message[0] != '\0')
        (void)json_object_set_new(o, "Message", json_string(s->message));
    if (s->err[0] != '\0')
        (void)json_object_set_new(o, "Err", json_string(s->err));
    if (s->container_id[0] != '\0')
        (void)json_object_set_new(o, "ContainerStatus",
                                  json_pack("{s:s,s:i,s:i}", "ContainerID", s->container_id, "PID",
                                            (int)s->pid, "ExitCode", (int)s->exit_code));
    if (s->n_host_ports > 0) {
        json_t *list = json_array();

        for (size_t i = 0; i < s->n_host_ports; i++)
            (void)json_array_append_new(list, codec_write(&codec_port, s->host_ports[i]));
        (void)json_object_set_new(ports, "Ports", list);
    }
    (void)json_object_set_new(o, "PortStatus", ports);
    return o;
}

static json_t *attachments_json(const struct view *v, const Swarm__V1__Task *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n_networks; i++) {
        const struct view_object *o = view_object(v, t->networks[i]->network);
        const Swarm__V1__Network *n = o != NULL && o->kind == VIEW_NETWORK ? o->msg : NULL;

        if (n == NULL)
            continue;
        (void)json_array_append_new(list, json_pack("{s:o,s:[o]}", "Network",
                                                    api_network_json(v, o), "Addresses",
                                                    address(t->networks[i]->addr, n->subnet_len)));
    }
    return list;
}

json_t *api_task_json(const struct view *v, const struct view_task *t)
{
    const Swarm__V1__TaskSpec *spec = view_task_spec(t, NULL);
    const Swarm__V1__Task *task = t->t;
    json_t *o = api_head(t->o);

    (void)json_object_set_new(o, "Labels", json_object());
    (void)json_object_set_new(o, "Spec",
                              spec != NULL ? codec_write(&codec_task_spec, spec) : json_object());
    if (t->service != NULL)
        (void)json_object_set_new(o, "ServiceID", json_string(t->service->o->id));
    if (task->slot != 0)
        (void)json_object_set_new(o, "Slot", json_integer((json_int_t)task->slot));
    if (t->node != NULL)
        (void)json_object_set_new(o, "NodeID", json_string(t->node->o->id));
    (void)json_object_set_new(o, "Status", task_status_json(task->status));
    (void)json_object_set_new(o, "DesiredState", json_string(api_task_state((int)task->desired)));
    if (task->n_networks > 0)
        (void)json_object_set_new(o, "NetworksAttachments", attachments_json(v, task));
    if (task->n_assigned_generic > 0) {
        json_t *list = json_array();

        for (size_t i = 0; i < task->n_assigned_generic; i++) {
            const Swarm__V1__GenericResource *g = task->assigned_generic[i];

            (void)json_array_append_new(
                list, g->value[0] != '\0'
                          ? json_pack("{s:{s:s,s:s}}", "NamedResourceSpec", "Kind", g->kind,
                                      "Value", g->value)
                          : json_pack("{s:{s:s,s:I}}", "DiscreteResourceSpec", "Kind", g->kind,
                                      "Value", (json_int_t)g->count));
        }
        (void)json_object_set_new(o, "GenericResources", list);
    }
    if (t->service != NULL && t->service->s->job_status != NULL)
        (void)json_object_set_new(o, "JobIteration",
                                  json_pack("{s:I}", "Index", (json_int_t)task->job_iteration));
    return o;
}

/* ---- networks -----------------------------------------------------------------------------------
 */

static json_t *ipam_json(const Swarm__V1__Network *n)
{
    json_t *config = json_array();

    if (n->subnet_len != 0)
        (void)json_array_append_new(config, json_pack("{s:o,s:o}", "Subnet",
                                                      address(n->subnet, n->subnet_len), "Gateway",
                                                      address(n->gateway, 0)));
    return json_pack("{s:s,s:n,s:o}", "Driver", "default", "Options", "Config", config);
}

static json_t *network_options(const Swarm__V1__Network *n)
{
    json_t *o = codec_labels(n->spec->n_driver_opts, (void *const *)n->spec->driver_opts);
    char vni[16];

    (void)snprintf(vni, sizeof(vni), "%u", n->vni);
    if (n->vni != 0)
        (void)json_object_set_new(o, "com.docker.network.driver.overlay.vxlanid_list",
                                  json_string(vni));
    if (n->spec->encrypted && json_object_get(o, "encrypted") == NULL)
        (void)json_object_set_new(o, "encrypted", json_string(""));
    return o;
}

json_t *api_network_json(const struct view *v, const struct view_object *o)
{
    const Swarm__V1__Network *n = o->msg;
    const Swarm__V1__NetworkSpec *s = n->spec;
    json_t *j = json_object();

    (void)v;
    (void)json_object_set_new(j, "Name", json_string(s->annotations->name));
    (void)json_object_set_new(j, "Id", json_string(o->id));
    api_set_time(j, "Created", n->meta->created_ns);
    (void)json_object_set_new(j, "Scope", json_string("swarm"));
    (void)json_object_set_new(j, "Driver", json_string(s->driver));
    (void)json_object_set_new(j, "EnableIPv6", json_boolean(s->ipv6));
    (void)json_object_set_new(j, "IPAM", ipam_json(n));
    (void)json_object_set_new(j, "Internal", json_boolean(s->internal));
    (void)json_object_set_new(j, "Attachable", json_boolean(s->attachable));
    (void)json_object_set_new(j, "Ingress", json_boolean(s->ingress));
    (void)json_object_set_new(j, "ConfigFrom", json_pack("{s:s}", "Network", ""));
    (void)json_object_set_new(j, "ConfigOnly", json_false());
    (void)json_object_set_new(j, "Containers", json_null());
    (void)json_object_set_new(j, "Options", network_options(n));
    (void)json_object_set_new(
        j, "Labels",
        s->annotations->n_labels > 0
            ? codec_labels(s->annotations->n_labels, (void *const *)s->annotations->labels)
            : json_null());
    return j;
}
