/* SPDX-License-Identifier: Apache-2.0
 * secret_routes.c - secrets and configs: the same calls, but only a config shows its data. */
#include <string.h>

#include "common/base/alloc.h"
#include "manager/api/api_priv.h"
#include "proto/pb.h"

static enum view_kind kind_of(const struct http_request *req)
{
    return strncmp(http_path(req), "/secrets", 8) == 0 ? VIEW_SECRET : VIEW_CONFIG;
}

static json_t *object_json(const struct view_object *o)
{
    json_t *j = api_head(o);

    (void)json_object_set_new(
        j, "Spec",
        o->kind == VIEW_SECRET
            ? codec_write(&codec_secret_spec, ((const Swarm__V1__Secret *)o->msg)->spec)
            : codec_write(&codec_config_spec, ((const Swarm__V1__Config *)o->msg)->spec));
    return j;
}

static void list(struct http_request *req, void *arg)
{
    static const char *const keys[] = { "id", "name", "names", "label", NULL };
    enum view_kind kind = kind_of(req);
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
    sw_list_each(l, view_list(a->view, kind))
    {
        const struct view_object *o = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__Annotations *ann = view_annotations(kind, o->msg);

        if (docker_filters_prefix(f, "id", o->id) && docker_filters_prefix(f, "name", ann->name) &&
            docker_filters_match(f, "names", ann->name) &&
            docker_filters_labels(f, "label", api_label, ann))
            (void)json_array_append_new(out, object_json(o));
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
    o = api_find(a, req, kind_of(req));
    if (o != NULL)
        http_reply_json(req, 200, object_json(o));
}

static int read_spec(struct http_request *req, const struct codec *c, void *out, struct sw_err *err)
{
    json_t *body;
    int r = http_body_json(req, false, &body, err);

    if (r < 0)
        return r;
    if (docker_json_get(body, "Driver") != NULL || docker_json_get(body, "Templating") != NULL)
        r = sw_err_set(err, SW_E_UNSUPPORTED,
                       "secret drivers and templated data are not supported by swarmd");
    if (r == 0)
        r = codec_decode(c, body, out, err);
    json_decref(body);
    return r;
}

static void create(struct http_request *req, void *arg)
{
    enum view_kind kind = kind_of(req);
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;
    void *spec = NULL;
    int r;

    if (!api_enter(a, req))
        return;
    if (read_spec(req, kind == VIEW_SECRET ? &codec_secret_spec : &codec_config_spec, &spec, &err) <
        0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_created);
    if (w == NULL) {
        pb_free(spec);
        return;
    }
    r = kind == VIEW_SECRET ? control_secret_create(a->control, spec, api_done, w, &err)
                            : control_config_create(a->control, spec, api_done, w, &err);
    if (r < 0)
        api_refuse(w, &err);
}

/* Clients send the whole specification back; a config's data must then be what is stored. */
static int submit_update(struct api *a, struct http_request *req, enum view_kind kind,
                         uint64_t version, void *spec, struct api_write *w, struct sw_err *err)
{
    Swarm__V1__Annotations **ann = kind == VIEW_SECRET
                                       ? &((Swarm__V1__SecretSpec *)spec)->annotations
                                       : &((Swarm__V1__ConfigSpec *)spec)->annotations;
    const ProtobufCBinaryData *data = kind == VIEW_SECRET ? &((Swarm__V1__SecretSpec *)spec)->data
                                                          : &((Swarm__V1__ConfigSpec *)spec)->data;

    if (*ann == NULL)
        return sw_err_set(err, SW_E_INVALID,
                          "rpc error: code = InvalidArgument desc = meta: name must be provided");
    return control_data_update(a->control, kind, http_arg(req, "id"), version, sw_steal(*ann),
                               data->len > 0 ? data : NULL, api_done, w, err);
}

static void update(struct http_request *req, void *arg)
{
    SW_CLEANUP(pb_free_ptr) void *spec = NULL;
    enum view_kind kind = kind_of(req);
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;
    uint64_t version;

    if (!api_enter(a, req))
        return;
    if (api_version_of(req, view_kind_name(kind), &version, &err) < 0 ||
        read_spec(req, kind == VIEW_SECRET ? &codec_secret_spec : &codec_config_spec, &spec, &err) <
            0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_empty);
    if (w != NULL && submit_update(a, req, kind, version, spec, w, &err) < 0)
        api_refuse(w, &err);
}

static void remove_data(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    w = api_write_new(a, req, api_ok_no_content);
    if (w != NULL &&
        control_data_remove(a->control, kind_of(req), http_arg(req, "id"), api_done, w, &err) < 0)
        api_refuse(w, &err);
}

const struct http_route api_secret_routes[] = {
    { "GET", "/secrets", list, HTTP_BODY_WHOLE, 0 },
    { "POST", "/secrets/create", create, HTTP_BODY_WHOLE, 0 },
    { "GET", "/secrets/{id}", inspect, HTTP_BODY_WHOLE, 0 },
    { "POST", "/secrets/{id}/update", update, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/secrets/{id}", remove_data, HTTP_BODY_WHOLE, 0 },
    { "GET", "/configs", list, HTTP_BODY_WHOLE, 0 },
    { "POST", "/configs/create", create, HTTP_BODY_WHOLE, 0 },
    { "GET", "/configs/{id}", inspect, HTTP_BODY_WHOLE, 0 },
    { "POST", "/configs/{id}/update", update, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/configs/{id}", remove_data, HTTP_BODY_WHOLE, 0 },
};
const size_t api_secret_routes_n = SW_ARRAY_LEN(api_secret_routes);
