/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "manager/api/api_priv.h"
#include "proto/pb.h"

static bool matches(const struct docker_filters *f, const struct view_object *o)
{
    const Swarm__V1__Network *n = o->msg;

    return docker_filters_prefix(f, "id", o->id) &&
           docker_filters_prefix(f, "name", n->spec->annotations->name) &&
           docker_filters_match(f, "driver", n->spec->driver) &&
           docker_filters_match(f, "scope", "swarm") &&
           docker_filters_match(f, "type", n->spec->ingress ? "builtin" : "custom") &&
           docker_filters_labels(f, "label", api_label, n->spec->annotations);
}

static void list(struct http_request *req, void *arg)
{
    static const char *const keys[] = { "id",    "name", "driver",   "scope",
                                        "label", "type", "dangling", NULL };
    struct docker_filters *f;
    struct api *a = arg;
    struct sw_err err;
    json_t *out;

    if (!api_enter(a, req))
        return;
    if (docker_filters_of(&f, req, keys, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    out = json_array();
    sw_list_each(l, view_list(a->view, VIEW_NETWORK))
    {
        const struct view_object *o = sw_list_entry(l, struct view_object, link);

        if (matches(f, o))
            (void)json_array_append_new(out, api_network_json(a->view, o));
    }
    docker_filters_free(f);
    http_reply_json(req, 200, out);
}

/* verbose=true: who is on it. {"web":{"VIP","Ports","LocalLBIndex","Tasks":[...]}} */
static json_t *services_json(const struct api *a, uint64_t network)
{
    json_t *out = json_object();

    sw_list_each(l, view_list(a->view, VIEW_SERVICE))
    {
        const struct view_service *s = view_as_service(sw_list_entry(l, struct view_object, link));
        json_t *tasks = json_array();

        sw_list_each(k, &s->tasks)
        {
            const struct view_task *t = sw_list_entry(k, struct view_task, of_service);

            for (size_t i = 0; i < t->t->n_networks; i++) {
                char ip[16];
                uint32_t addr = t->t->networks[i]->addr;

                if (t->t->networks[i]->network != network || t->t->status == NULL ||
                    t->t->status->state != SWARM__V1__TASK_STATE__TASK_RUNNING)
                    continue;
                (void)snprintf(ip, sizeof(ip), "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
                               addr >> 8 & 255, addr & 255);
                (void)json_array_append_new(tasks, json_pack("{s:s,s:s,s:s,s:n}", "Name", t->o->id,
                                                             "EndpointID", t->o->id, "EndpointIP",
                                                             ip, "Info"));
            }
        }
        if (json_array_size(tasks) > 0)
            (void)json_object_set_new(
                out, s->s->spec->annotations->name,
                json_pack("{s:[],s:i,s:o}", "Ports", "LocalLBIndex", 0, "Tasks", tasks));
        else
            json_decref(tasks);
    }
    return out;
}

static void inspect(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct view_object *o;
    json_t *j;

    if (!api_enter(a, req))
        return;
    o = api_find(a, req, VIEW_NETWORK);
    if (o == NULL)
        return;
    j = api_network_json(a->view, o);
    if (http_query_bool(req, "verbose", false))
        (void)json_object_set_new(j, "Services", services_json(a, o->key));
    http_reply_json(req, 200, j);
}

static void ok_network(struct http_request *req, const char *id)
{
    http_reply_json(req, 201, json_pack("{s:s,s:s}", "Id", id, "Warning", ""));
}

static int read_spec(struct http_request *req, Swarm__V1__NetworkSpec **out, struct sw_err *err)
{
    json_t *body;
    int r = http_body_json(req, false, &body, err);

    if (r < 0)
        return r;
    *out = NULL;
    r = codec_decode(&codec_network_spec, body, out, err);
    if (r == 0 && docker_json_bool(body, "ConfigOnly", false))
        r = sw_err_set(err, SW_E_UNSUPPORTED, "config-only networks are not supported by swarmd");
    json_decref(body);
    if (r < 0)
        pb_free(*out);
    return r;
}

static void create(struct http_request *req, void *arg)
{
    Swarm__V1__NetworkSpec *spec;
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    if (read_spec(req, &spec, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, ok_network);
    if (w == NULL)
        pb_free(spec);
    else if (control_network_create(a->control, spec, api_done, w, &err) < 0)
        api_refuse(w, &err);
}

static void remove_network(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    w = api_write_new(a, req, api_ok_no_content);
    if (w != NULL && control_network_remove(a->control, http_arg(req, "id"), api_done, w, &err) < 0)
        api_refuse(w, &err);
}

const struct http_route api_network_routes[] = {
    { "GET", "/networks", list, HTTP_BODY_WHOLE, 0 },
    { "POST", "/networks/create", create, HTTP_BODY_WHOLE, 0 },
    { "GET", "/networks/{id}", inspect, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/networks/{id}", remove_network, HTTP_BODY_WHOLE, 0 },
};
const size_t api_network_routes_n = SW_ARRAY_LEN(api_network_routes);
