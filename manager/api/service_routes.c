/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/api/api_priv.h"
#include "proto/pb.h"

static const char *mode_name(const Swarm__V1__ServiceSpec *s)
{
    switch (s->mode_case) {
    case SWARM__V1__SERVICE_SPEC__MODE_GLOBAL:
        return "global";
    case SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB:
        return "replicated-job";
    case SWARM__V1__SERVICE_SPEC__MODE_GLOBAL_JOB:
        return "global-job";
    case SWARM__V1__SERVICE_SPEC__MODE_REPLICATED:
    case SWARM__V1__SERVICE_SPEC__MODE__NOT_SET:
    case _SWARM__V1__SERVICE_SPEC__MODE__CASE_IS_INT_SIZE:
        break;
    }
    return "replicated";
}

static void list(struct http_request *req, void *arg)
{
    static const char *const keys[] = { "id", "name", "label", "mode", "runtime", NULL };
    struct docker_filters *f;
    struct api *a = arg;
    struct sw_err err;
    json_t *out;
    bool status;

    if (!api_enter(a, req))
        return;
    if (docker_filters_of(&f, req, keys, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    status = http_query_bool(req, "status", false);
    out = json_array();
    sw_list_each(l, view_list(a->view, VIEW_SERVICE))
    {
        struct view_service *s = view_as_service(sw_list_entry(l, struct view_object, link));
        const Swarm__V1__Annotations *ann = s->s->spec->annotations;

        if (docker_filters_prefix(f, "id", s->o->id) &&
            docker_filters_prefix(f, "name", ann->name) &&
            docker_filters_labels(f, "label", api_label, ann) &&
            docker_filters_match(f, "mode", mode_name(s->s->spec)))
            (void)json_array_append_new(out, api_service_json(a, s, false, status));
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
    o = api_find(a, req, VIEW_SERVICE);
    if (o != NULL)
        http_reply_json(req, 200,
                        api_service_json(a, view_as_service(o),
                                         http_query_bool(req, "insertDefaults", false), false));
}

/* What the API itself fills in when a specification is posted. */
static int complete(Swarm__V1__ServiceSpec *s, struct sw_err *err)
{
    if (s->mode_case == SWARM__V1__SERVICE_SPEC__MODE__NOT_SET) {
        s->replicated = pb_new(&swarm__v1__replicated_mode__descriptor);
        if (s->replicated == NULL)
            return sw_err_set(err, -ENOMEM, "out of memory");
        s->mode_case = SWARM__V1__SERVICE_SPEC__MODE_REPLICATED;
        s->replicated->replicas = 1;
    }
    if (s->task != NULL && s->task->container == NULL)
        return sw_err_set(err, SW_E_INVALID, "mismatched Runtime and *Spec fields");
    if (s->task != NULL && s->task->runtime[0] == '\0')
        return pb_set_string(&s->task->runtime, "container") < 0
                   ? sw_err_set(err, -ENOMEM, "out of memory")
                   : 0;
    if (s->task != NULL && strcmp(s->task->runtime, "container") != 0)
        return sw_err_set(err, SW_E_UNSUPPORTED, "runtime %s is not supported by swarmd",
                          s->task->runtime);
    return s->task == NULL ? sw_err_set(err, SW_E_INVALID, "mismatched Runtime and *Spec fields")
                           : 0;
}

static int read_spec(struct http_request *req, Swarm__V1__ServiceSpec **out, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ServiceSpec *spec = NULL;
    json_t *body;
    int r = http_body_json(req, false, &body, err);

    if (r < 0)
        return r;
    r = codec_decode(&codec_service_spec, body, &spec, err);
    json_decref(body);
    if (r == 0)
        r = complete(spec, err);
    if (r == 0)
        *out = sw_steal(spec);
    return r;
}

static void create(struct http_request *req, void *arg)
{
    Swarm__V1__ServiceSpec *spec;
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    if (read_spec(req, &spec, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_created);
    if (w == NULL)
        pb_free(spec);
    else if (control_service_create(a->control, spec, api_done, w, &err) < 0)
        api_refuse(w, &err);
}

static void update(struct http_request *req, void *arg)
{
    const char *rollback = http_query(req, "rollback");
    struct control_service_update u = { 0 };
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;
    int r;

    if (!api_enter(a, req))
        return;
    u.what = http_arg(req, "id");
    u.rollback = rollback != NULL && strcmp(rollback, "previous") == 0;
    r = api_version_of(req, "service", &u.version, &err);
    if (r == 0 && !u.rollback)
        r = read_spec(req, &u.spec, &err);
    if (r < 0) {
        http_reply_err(req, &err);
        return;
    }
    w = api_write_new(a, req, api_ok_warnings);
    if (w == NULL)
        pb_free(u.spec);
    else if (control_service_update(a->control, &u, api_done, w, &err) < 0)
        api_refuse(w, &err);
}

static void remove_service(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct api_write *w;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    w = api_write_new(a, req, api_ok_empty);
    if (w != NULL && control_service_remove(a->control, http_arg(req, "id"), api_done, w, &err) < 0)
        api_refuse(w, &err);
}

/* ---- logs ---------------------------------------------------------------------------------------
 */

static int log_request(struct http_request *req, struct api_log_request *r, struct sw_err *err)
{
    const char *tail = http_query(req, "tail");
    const char *since = http_query(req, "since");
    int64_t n;

    memset(r, 0, sizeof(*r));
    r->follow = http_query_bool(req, "follow", false);
    r->want_stdout = http_query_bool(req, "stdout", false);
    r->want_stderr = http_query_bool(req, "stderr", false);
    r->timestamps = http_query_bool(req, "timestamps", false);
    r->details = http_query_bool(req, "details", false);
    r->tail = -1;
    if (!r->want_stdout && !r->want_stderr)
        return sw_err_set(err, SW_E_INVALID, "Bad parameters: you must choose at least one stream");
    if (tail != NULL && tail[0] != '\0' && strcmp(tail, "all") != 0) {
        if (http_query_int(req, "tail", -1, &n, err) < 0)
            return err->code;
        r->tail = n;
    }
    if (since != NULL && since[0] != '\0') {
        char *end;
        double s = strtod(since, &end);

        if (*end != '\0' || s < 0 || s > 9e9)
            return sw_err_set(err, SW_E_INVALID, "invalid value for \"since\": %s", since);
        r->since_ns = (int64_t)(s * 1e9);
    }
    return 0;
}

static void service_logs(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct api_log_request r;
    struct view_object *o;
    struct sw_err err;
    uint64_t *keys;
    size_t n = 0;

    if (!api_enter(a, req))
        return;
    o = api_find(a, req, VIEW_SERVICE);
    if (o == NULL)
        return;
    if (log_request(req, &r, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    keys = sw_calloc(view_as_service(o)->n_tasks + 1, sizeof(*keys));
    if (keys == NULL) {
        http_reply_error(req, 500, "out of memory");
        return;
    }
    sw_list_each(l, &view_as_service(o)->tasks) keys[n++] =
        sw_list_entry(l, struct view_task, of_service)->o->key;
    api_logs(a, req, keys, n, &r);
    sw_free(keys);
}

static void task_logs(struct http_request *req, void *arg)
{
    struct api *a = arg;
    struct api_log_request r;
    struct view_object *o;
    struct sw_err err;

    if (!api_enter(a, req))
        return;
    o = api_find(a, req, VIEW_TASK);
    if (o == NULL)
        return;
    if (log_request(req, &r, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    api_logs(a, req, &o->key, 1, &r);
}

const struct http_route api_service_routes[] = {
    { "GET", "/services", list, HTTP_BODY_WHOLE, 0 },
    { "POST", "/services/create", create, HTTP_BODY_WHOLE, 0 },
    { "GET", "/services/{id}", inspect, HTTP_BODY_WHOLE, 0 },
    { "POST", "/services/{id}/update", update, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/services/{id}", remove_service, HTTP_BODY_WHOLE, 0 },
    { "GET", "/services/{id}/logs", service_logs, HTTP_BODY_WHOLE, 0 },
    { "GET", "/tasks/{id}/logs", task_logs, HTTP_BODY_WHOLE, 0 },
};
const size_t api_service_routes_n = SW_ARRAY_LEN(api_service_routes);
