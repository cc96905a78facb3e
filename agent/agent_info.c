/* SPDX-License-Identifier: Apache-2.0
 * agent_info.c - what the API asks of the rest of the agent. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "common/base/alloc.h"
#include "common/base/time.h"

static const char *swarm_state(void *arg)
{
    const struct agent *a = arg;

    switch (a->state) {
    case AGENT_ENTERING:
    case AGENT_LEAVING:
        return "pending";
    case AGENT_MEMBER:
        return a->node->manager ? "active/manager" : "active/worker";
    case AGENT_ALONE:
    case AGENT_STATES:
        break;
    }
    return "inactive";
}

struct counts {
    int total, running, stopped;
};

static bool is_running(const struct worker_task *t)
{
    return t->status->state == SWARM__V1__TASK_STATE__TASK_RUNNING ||
           t->status->state == SWARM__V1__TASK_STATE__TASK_STARTING;
}

static void count(void *arg, const struct worker_task *t)
{
    struct counts *c = arg;

    if (t->container_id[0] == '\0')
        return;
    c->total++;
    if (is_running(t))
        c->running++;
    else
        c->stopped++;
}

static json_t *swarm_info(const struct agent *a)
{
    static const char *const states[] = { "inactive", "pending", "active", "pending" };
    json_t *s = json_object();
    char id[SW_ID_CHARS + 1] = "";
    char host[256] = "";

    if (a->state == AGENT_MEMBER) {
        sw_id_format(&a->identity->cert.node_id, id);
        agent_host_of(a->node->advertise_addr, host, sizeof(host));
    }
    (void)json_object_set_new(s, "NodeID", json_string(id));
    (void)json_object_set_new(s, "NodeAddr", json_string(host));
    (void)json_object_set_new(s, "LocalNodeState", json_string(states[a->state]));
    (void)json_object_set_new(s, "ControlAvailable", json_false());
    (void)json_object_set_new(s, "Error", json_string(a->state_err.msg));
    if (a->state == AGENT_MEMBER) {
        json_t *remote = json_array();

        for (size_t i = 0; i < a->node->n_managers; i++)
            (void)json_array_append_new(
                remote, json_pack("{s:s,s:s}", "NodeID", "", "Addr", a->node->managers[i]));
        (void)json_object_set_new(s, "RemoteManagers", remote);
    } else {
        (void)json_object_set_new(s, "RemoteManagers", json_null());
    }
    return s;
}

static void info(json_t *o, void *arg)
{
    struct agent *a = arg;
    struct counts c = { 0, 0, 0 };
    char version[4];

    worker_each(a->worker, count, &c);
    (void)snprintf(version, sizeof(version), "%d", container_host_cgroup_version(a->host));
    (void)json_object_set_new(o, "Containers", json_integer(c.total));
    (void)json_object_set_new(o, "ContainersRunning", json_integer(c.running));
    (void)json_object_set_new(o, "ContainersPaused", json_integer(0));
    (void)json_object_set_new(o, "ContainersStopped", json_integer(c.stopped));
    (void)json_object_set_new(o, "CgroupVersion", json_string(version));
    (void)json_object_set_new(o, "Name", json_string(a->hostname));
    (void)json_object_set_new(o, "Swarm", swarm_info(a));
}

static const char *manager_socket(void *arg, struct sw_err *err)
{
    static char path[600];
    const struct agent *a = arg;

    if (a->state != AGENT_MEMBER) {
        (void)sw_err_set(err, SW_E_UNAVAILABLE, "%s", AGENT_API_NO_SWARM);
        return NULL;
    }
    if (!a->node->manager) {
        (void)sw_err_set(err, SW_E_UNAVAILABLE, "%s", AGENT_API_WORKER);
        return NULL;
    }
    (void)snprintf(path, sizeof(path), "%s/manager/manager.sock", a->o.run_dir);
    return path;
}

/* ---- containers
 * ------------------------------------------------------------------------------------ */

static const char *container_state_name(const struct worker_task *t)
{
    if (is_running(t))
        return "running";
    return t->status->state > SWARM__V1__TASK_STATE__TASK_RUNNING ? "exited" : "created";
}

static void status_text(const struct worker_task *t, char out[96])
{
    int64_t s = t->started_ns != 0 ? (sw_now_ns() - t->started_ns) / SW_NS_PER_S : 0;

    if (!is_running(t))
        (void)snprintf(out, 96, t->started_ns != 0 ? "Exited (%d)" : "Created",
                       (int)t->status->exit_code);
    else if (s < 120)
        (void)snprintf(out, 96, "Up %lld seconds", (long long)s);
    else if (s < 7200)
        (void)snprintf(out, 96, "Up %lld minutes", (long long)s / 60);
    else
        (void)snprintf(out, 96, "Up %lld hours", (long long)s / 3600);
}

static json_t *labels_of(const Swarm__V1__AssignedTask *t)
{
    const Swarm__V1__ContainerSpec *c = t->spec != NULL ? t->spec->container : NULL;
    json_t *l = json_object();

    for (size_t i = 0; c != NULL && i < c->n_labels; i++)
        (void)json_object_set_new(l, c->labels[i]->key, json_string(c->labels[i]->value));
    (void)json_object_set_new(l, "com.docker.swarm.task", json_string(""));
    (void)json_object_set_new(l, "com.docker.swarm.task.id", json_string(t->id));
    (void)json_object_set_new(l, "com.docker.swarm.task.name", json_string(t->name));
    (void)json_object_set_new(l, "com.docker.swarm.node.id", json_string(t->node_id));
    (void)json_object_set_new(l, "com.docker.swarm.service.id", json_string(t->service_id));
    (void)json_object_set_new(l, "com.docker.swarm.service.name", json_string(t->service_name));
    return l;
}

static const char *image_of(const struct worker_task *t)
{
    return t->assigned->spec != NULL && t->assigned->spec->container != NULL
               ? t->assigned->spec->container->image
               : "";
}

struct listing {
    json_t *out;
    bool all;
};

static void list_one(void *arg, const struct worker_task *t)
{
    struct listing *l = arg;
    char name[300];
    char status[96];

    if (t->container_id[0] == '\0' || (!l->all && !is_running(t)))
        return;
    (void)snprintf(name, sizeof(name), "/%s", t->assigned->name);
    status_text(t, status);
    (void)json_array_insert_new(
        l->out, 0,
        json_pack("{s:s,s:[s],s:s,s:s,s:s,s:I,s:[],s:o,s:s,s:s,s:{s:s},s:{s:{}},s:[]}", "Id",
                  t->container_id, "Names", name, "Image", image_of(t), "ImageID", t->image_id,
                  "Command", "", "Created", (json_int_t)(t->created_ns / SW_NS_PER_S), "Ports",
                  "Labels", labels_of(t->assigned), "State", container_state_name(t), "Status",
                  status, "HostConfig", "NetworkMode", "default", "NetworkSettings", "Networks",
                  "Mounts"));
}

static json_t *containers(bool all, void *arg)
{
    struct listing l = { json_array(), all };

    worker_each(((struct agent *)arg)->worker, list_one, &l);
    return l.out;
}

struct search {
    const char *what;
    size_t len;
    unsigned found;
    json_t *out;
};

static void inspect_one(void *arg, const struct worker_task *t)
{
    struct search *s = arg;
    char created[SW_RFC3339_MAX];
    char started[SW_RFC3339_MAX];
    char finished[SW_RFC3339_MAX];
    const Swarm__V1__ContainerSpec *c;
    char name[300];

    if (t->container_id[0] == '\0' ||
        (strcmp(t->assigned->name, s->what) != 0 &&
         (s->len == 0 || strncmp(t->container_id, s->what, s->len) != 0)))
        return;
    if (s->found++ > 0)
        return;
    c = t->assigned->spec != NULL ? t->assigned->spec->container : NULL;
    sw_rfc3339(t->created_ns, created);
    sw_rfc3339(t->started_ns, started);
    sw_rfc3339(t->finished_ns, finished);
    (void)snprintf(name, sizeof(name), "/%s", t->assigned->name);
    s->out = json_pack(
        "{s:s,s:s,s:s,s:s,s:{s:s,s:b,s:b,s:b,s:b,s:i,s:i,s:s,s:s},s:{s:s,s:o,s:b},s:{s:{}}}", "Id",
        t->container_id, "Created", created, "Name", name, "Image", t->image_id, "State", "Status",
        container_state_name(t), "Running", (int)is_running(t), "Paused", 0, "Restarting", 0,
        "Dead", 0, "Pid", is_running(t) ? (int)t->status->pid : 0, "ExitCode",
        (int)t->status->exit_code, "StartedAt", started, "FinishedAt", finished, "Config", "Image",
        image_of(t), "Labels", labels_of(t->assigned), "Tty", c != NULL && c->tty ? 1 : 0,
        "HostConfig", "LogConfig");
}

static int container_inspect(const char *name, json_t **out, void *arg, struct sw_err *err)
{
    struct search s = { name[0] == '/' ? name + 1 : name, 0, 0, NULL };

    s.len = strlen(s.what);
    worker_each(((struct agent *)arg)->worker, inspect_one, &s);
    if (s.found == 1) {
        *out = s.out;
        return 0;
    }
    json_decref(s.out);
    if (s.found > 1)
        return sw_err_set(err, SW_E_INVALID, "Multiple IDs found with provided prefix: %s", name);
    return sw_err_set(err, SW_E_NOT_FOUND, "No such container: %s", name);
}

const struct agent_api_ops agent_ops = {
    .swarm_state = swarm_state,
    .info = info,
    .manager_socket = manager_socket,
    .swarm_init = agent_swarm_init,
    .swarm_join = agent_swarm_join,
    .swarm_leave = agent_swarm_leave,
    .containers = containers,
    .container_inspect = container_inspect,
};
