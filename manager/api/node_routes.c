/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/base/alloc.h"
#include "manager/api/api_priv.h"
#include "proto/pb.h"

/* People call a node by its hostname: the list's names are hostnames, unless it was given one. */
static const char *name_of(const struct view_node *n)
{
    const Swarm__V1__Annotations *a = n->n->spec->annotations;

    if (a != NULL && a->name[0] != '\0')
        return a->name;
    return n->n->description != NULL ? n->n->description->hostname : "";
}

struct engine_labels {
    const Swarm__V1__NodeDescription *d;
};

static const char *engine_label(const void *labels, const char *name)
{
    const Swarm__V1__NodeDescription *d = ((const struct engine_labels *)labels)->d;

    for (size_t i = 0; d != NULL && i < d->n_engine_labels; i++) {
        if (strcmp(d->engine_labels[i]->key, name) == 0)
            return d->engine_labels[i]->value;
    }
    return NULL;
}

static bool matches(const struct docker_filters *f, const struct view_node *n)
{
    struct engine_labels labels = { n->n->description };

    return docker_filters_prefix(f, "id", n->o->id) &&
           docker_filters_prefix(f, "name", name_of(n)) &&
           docker_filters_labels(f, "label", engine_label, &labels) &&
           docker_filters_labels(f, "node.label", api_label, n->n->spec->annotations) &&
           docker_filters_match(
               f, "role", n->n->role == SWARM__V1__NODE_ROLE__MANAGER ? "manager" : "worker") &&
           docker_filters_match(f, "membership", "accepted");
}

static void list(struct http_request *req, void *arg)
{
    static const char *const keys[] = { "id",   "name",       "label", "node.label",
                                        "role", "membership", NULL };
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
    sw_list_each(l, view_list(a->view, VIEW_NODE))
    {
        struct view_node *n = view_as_node(sw_list_entry(l, struct view_object, link));

        if (matches(f, n))
            (void)json_array_append_new(out, api_node_json(a, n));
    }
    docker_filters_free(f);
    http_reply_json(req, 200, out);
}

/* By id, given name, hostname (unless several have it), prefix of an id. */
static int find(struct api *a, const char *what, struct view_object **out, struct sw_err *err)
{
    struct view_object *found = NULL;
    unsigned n = 0;

    if (view_by_id(a->view, VIEW_NODE, what) == NULL &&
        view_by_name(a->view, VIEW_NODE, what) == NULL) {
        sw_list_each(l, view_list(a->view, VIEW_NODE))
        {
            struct view_object *o = sw_list_entry(l, struct view_object, link);

            if (strcmp(name_of(view_as_node(o)), what) == 0) {
                found = o;
                n++;
            }
        }
        if (n > 1)
            return sw_err_set(err, SW_E_INVALID, "node %s is ambiguous (%u matches found)", what,
                              n);
    }
    if (n == 1) {
        *out = found;
        return 0;
    }
    return view_find(a->view, VIEW_NODE, what, out, err);
}

static void inspect(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct view_object *o;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    if (find(a, http_arg(req, "id"), &o, &err) < 0)
        http_reply_err(req, &err);
    else
        http_reply_json(req, 200, api_node_json(a, view_as_node(o)));
}

static int read_update(struct api *a, struct http_request *req, struct view_object **o,
                       uint64_t *version, Swarm__V1__NodeSpec **spec, struct sw_err *err)
{
    json_t *body;
    int r = find(a, http_arg(req, "id"), o, err);

    if (r == 0)
        r = api_version_of(req, "node", version, err);
    if (r == 0)
        r = http_body_json(req, false, &body, err);
    if (r < 0)
        return r;
    *spec = NULL;
    r = codec_decode(&codec_node_spec, body, spec, err);
    json_decref(body);
    return r;
}

static void update(struct http_request *req, void *arg)
{
    Swarm__V1__NodeSpec *spec;
    struct view_object *o;
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;
    uint64_t version;

    if (!api_enter(a, req))
        return;
    if (read_update(a, req, &o, &version, &spec, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_empty);
    if (w == NULL)
        pb_free(spec);
    else if (control_node_update(a->control, o->id, version, spec, api_done, w, &err) < 0)
        api_refuse(w, &err);
}

static void remove_node(struct http_request *req, void *arg)
{
    struct view_object *o;
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    if (find(a, http_arg(req, "id"), &o, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_empty);
    if (w != NULL && control_node_remove(a->control, o->id, http_query_bool(req, "force", false),
                                         api_done, w, &err) < 0)
        api_refuse(w, &err);
}

const struct http_route api_node_routes[] = {
    { "GET", "/nodes", list, HTTP_BODY_WHOLE, 0 },
    { "GET", "/nodes/{id}", inspect, HTTP_BODY_WHOLE, 0 },
    { "POST", "/nodes/{id}/update", update, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/nodes/{id}", remove_node, HTTP_BODY_WHOLE, 0 },
};
const size_t api_node_routes_n = SW_ARRAY_LEN(api_node_routes);
