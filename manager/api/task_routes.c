/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "manager/api/api_priv.h"
#include "proto/pb.h"

/* A filter's value for a service or node may be an id, a name or a prefix of an id. */
static bool refers(const struct docker_filters *f, const char *key, const struct view_object *o)
{
    const char *const *values;
    size_t n;

    values = docker_filters_get(f, key, &n);
    if (values == NULL)
        return true;
    for (size_t i = 0; o != NULL && i < n; i++) {
        if (strcasecmp(values[i], o->name) == 0 ||
            strncmp(values[i], o->id, strlen(values[i])) == 0)
            return true;
    }
    return false;
}

/* Of the service's present specification, or of an older one that asks for the same task: a change of
 * replicas or labels leaves tasks as they are. */
static bool is_current(const struct view_task *t)
{
    const Swarm__V1__EndpointSpec *endpoint = NULL;
    const Swarm__V1__TaskSpec *spec = view_task_spec(t, &endpoint);

    if (t->service == NULL || t->service->s->spec == NULL)
        return false;
    return t->t->spec_version == t->service->s->spec_version ||
           (pb_equal(spec, t->service->s->spec->task) &&
            pb_equal(endpoint, t->service->s->spec->endpoint));
}

static const char *desired(const struct view_task *t)
{
    if (t->t->desired <= SWARM__V1__TASK_STATE__TASK_ACCEPTED)
        return "accepted";
    return t->t->desired <= SWARM__V1__TASK_STATE__TASK_COMPLETE ? "running" : "shutdown";
}

static bool matches(const struct docker_filters *f, const struct view_task *t, bool check_current,
                    bool current)
{
    char name[128];

    (void)snprintf(name, sizeof(name), "%s.%llu", t->service != NULL ? t->service->o->name : "",
                   (unsigned long long)t->t->slot);
    return docker_filters_prefix(f, "id", t->o->id) && docker_filters_prefix(f, "name", name) &&
           refers(f, "service", t->service != NULL ? t->service->o : NULL) &&
           refers(f, "node", t->node != NULL ? t->node->o : NULL) &&
           docker_filters_match(f, "desired-state", desired(t)) &&
           docker_filters_labels(f, "label", api_label,
                                 t->service != NULL ? t->service->s->spec->annotations : NULL) &&
           (!check_current || is_current(t) == current);
}

static void list(struct http_request *req, void *arg)
{
    static const char *const keys[] = { "id",    "name",    "service",     "node", "desired-state",
                                        "label", "runtime", "_up-to-date", NULL };
    struct docker_filters *f;
    struct api *a = arg;
    struct sw_err err;
    bool current = false;
    json_t *out;
    size_t n;

    if (!api_enter(a, req))
        return;
    if (docker_filters_of(&f, req, keys, &err) < 0 ||
        docker_filters_bool(f, "_up-to-date", false, &current, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    out = json_array();
    (void)docker_filters_get(f, "_up-to-date", &n);
    sw_list_each(l, view_list(a->view, VIEW_TASK))
    {
        struct view_task *t = view_as_task(sw_list_entry(l, struct view_object, link));

        if (matches(f, t, n > 0, current))
            (void)json_array_append_new(out, api_task_json(a->view, t));
    }
    docker_filters_free(f);
    http_reply_json(req, 200, out);
}

static void inspect(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct view_object *o;

    if (!api_enter(a, req))
        return;
    o = api_find(a, req, VIEW_TASK);
    if (o != NULL)
        http_reply_json(req, 200, api_task_json(a->view, view_as_task(o)));
}

const struct http_route api_task_routes[] = {
    { "GET", "/tasks", list, HTTP_BODY_WHOLE, 0 },
    { "GET", "/tasks/{id}", inspect, HTTP_BODY_WHOLE, 0 },
};
const size_t api_task_routes_n = SW_ARRAY_LEN(api_task_routes);
