/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/io/timer.h"
#include "manager/api/api_priv.h"

int api_new(struct api **out, const struct api_options *o, struct sw_err *err)
{
    struct api *a = sw_calloc(1, sizeof(*a));

    if (a == NULL)
        return sw_err_set(err, -ENOMEM, "create the API");
    a->o = *o;
    a->control = o->control;
    a->view = o->control->view;
    *out = a;
    return 0;
}

void api_free(struct api *a)
{
    sw_free(a);
}

int api_add_routes(struct api *a, struct http_router *router, struct sw_err *err)
{
    const struct {
        const struct http_route *routes;
        size_t n;
    } tables[] = {
        { api_service_routes, api_service_routes_n }, { api_task_routes, api_task_routes_n },
        { api_node_routes, api_node_routes_n },       { api_network_routes, api_network_routes_n },
        { api_swarm_routes, api_swarm_routes_n },     { api_secret_routes, api_secret_routes_n },
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(tables); i++)
        r = http_router_add(router, tables[i].routes, tables[i].n, a, err);
    return r;
}

bool api_enter(struct api *a, struct http_request *req)
{
    if (a->o.is_leader(a->o.arg))
        return true;
    if (a->o.has_leader(a->o.arg)) {
        a->o.forward(a->o.arg, req);
        return false;
    }
    http_reply_error(req, 500,
                     "rpc error: code = Unknown desc = The swarm does not have a leader. It's "
                     "possible that too few managers are online. Make sure more than half of the "
                     "managers are online.");
    return false;
}

struct view_object *api_find(struct api *a, struct http_request *req, enum view_kind kind)
{
    struct view_object *o;
    struct sw_err err;

    if (view_find(a->view, kind, http_arg(req, "id"), &o, &err) == 0)
        return o;
    http_reply_err(req, &err);
    return NULL;
}

int api_version_of(struct http_request *req, const char *kind, uint64_t *out, struct sw_err *err)
{
    const char *s = http_query(req, "version");
    char *end;

    if (s == NULL)
        s = "";
    errno = 0;
    *out = strtoull(s, &end, 10);
    if (s[0] == '\0' || s[0] == '-' || *end != '\0' || errno != 0)
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid %s version '%s': strconv.ParseUint: parsing \"%s\": invalid syntax", kind, s,
            s);
    return 0;
}

const char *api_label(const void *annotations, const char *name)
{
    const Swarm__V1__Annotations *a = annotations;

    for (size_t i = 0; a != NULL && i < a->n_labels; i++) {
        if (strcmp(a->labels[i]->key, name) == 0)
            return a->labels[i]->value;
    }
    return NULL;
}

/* ---- writes -----------------------------------------------------------------------------------
 */

struct api_write {
    struct http_request *req; /* NULL: already answered */
    struct sw_timer deadline;
    void (*ok)(struct http_request *req, const char *id);
};

static void on_deadline(void *arg)
{
    struct api_write *w = arg;

    http_reply_error(
        w->req, 500,
        "rpc error: code = DeadlineExceeded desc = the write is not decided after %d s: "
        "it may still happen",
        API_DEADLINE_MS / 1000);
    w->req = NULL; /* control's callback frees the rest */
}

struct api_write *api_write_new(struct api *a, struct http_request *req,
                                void (*ok)(struct http_request *req, const char *id))
{
    struct api_write *w = sw_calloc(1, sizeof(*w));
    struct sw_err err;

    if (w == NULL || sw_timer_init(&w->deadline, a->o.loop, on_deadline, w, &err) < 0) {
        sw_free(w);
        http_reply_error(req, 500, "out of memory");
        return NULL;
    }
    w->req = req;
    w->ok = ok;
    sw_timer_start(&w->deadline, API_DEADLINE_MS);
    return w;
}

void api_done(void *arg, const char *id, const struct sw_err *err)
{
    struct api_write *w = arg;

    if (w->req != NULL) {
        if (err->code == 0)
            w->ok(w->req, id);
        else
            http_reply_err(w->req, err);
    }
    sw_timer_fini(&w->deadline);
    sw_free(w);
}

void api_refuse(struct api_write *w, const struct sw_err *err)
{
    api_done(w, "", err);
}

void api_ok_empty(struct http_request *req, const char *id)
{
    (void)id;
    http_reply_empty(req, 200);
}

void api_ok_no_content(struct http_request *req, const char *id)
{
    (void)id;
    http_reply_empty(req, 204);
}

void api_ok_created(struct http_request *req, const char *id)
{
    http_reply_json(req, 201, json_pack("{s:s}", "ID", id));
}

void api_ok_warnings(struct http_request *req, const char *id)
{
    (void)id;
    http_reply_json(req, 200, json_pack("{s:n}", "Warnings"));
}
