/* SPDX-License-Identifier: Apache-2.0
 * networks.c - this node's three networks and the swarm's, as one. */
#include <string.h>

#include "agent/api/api_priv.h"
#include "common/base/alloc.h"
#include "common/http/proxy.h"

#define FETCH_MAX ((size_t)16 << 20)

/* SHA-256 of "swarm network <name>": the same on every node, as they are. */
static const struct local {
    const char *name;
    const char *driver;
    const char *id;
} locals[] = {
    { "bridge", "bridge", "b77062aa0f3d50bd86f6ff717047c20075058d89f6afba91d06ea2ba2bfabe51" },
    { "host", "host", "770e0bf9ea52a9e00524f9284532f26cafebcb86dab0f224a2cf7cd99bb7090e" },
    { "none", "null", "871f7da5145db5b92157ab9667d25ece48a7923939b93df66e7e4ec6bb722867" },
};

static json_t *local_json(const struct local *l)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:{s:s, s:n, s:[]}, s:b, s:b, s:b, s:{s:s}, "
                     "s:b, s:{}, s:{}, s:{}}",
                     "Name", l->name, "Id", l->id, "Created", "0001-01-01T00:00:00Z", "Scope",
                     "local", "Driver", l->driver, "EnableIPv6", 0, "IPAM", "Driver", "default",
                     "Options", "Config", "Internal", 0, "Attachable", 0, "Ingress", 0,
                     "ConfigFrom", "Network", "", "ConfigOnly", 0, "Containers", "Options",
                     "Labels");
}

static const struct local *find_local(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < SW_ARRAY_LEN(locals); i++)
        if (strcmp(locals[i].name, name) == 0 || strcmp(locals[i].id, name) == 0 ||
            (len >= 12 && strncmp(locals[i].id, name, len) == 0))
            return &locals[i];
    return NULL;
}

static const char *no_label(const void *labels, const char *name)
{
    (void)labels;
    (void)name;
    return NULL;
}

/* A name filter is a part of the name. */
static bool name_matches(const struct docker_filters *f, const char *name)
{
    size_t n;
    const char *const *v = docker_filters_get(f, "name", &n);

    for (size_t i = 0; i < n; i++)
        if (strstr(name, v[i]) != NULL)
            return true;
    return n == 0;
}

static bool local_matches(const struct docker_filters *f, const struct local *l)
{
    return docker_filters_prefix(f, "id", l->id) && name_matches(f, l->name) &&
           docker_filters_match(f, "driver", l->driver) &&
           docker_filters_match(f, "scope", "local") &&
           docker_filters_match(f, "type", "builtin") &&
           docker_filters_labels(f, "label", no_label, NULL);
}

/* ---- list
 * ---------------------------------------------------------------------------------------------- */

struct list_wait {
    struct http_request *req;
    json_t *list;
};

static void on_managers_list(int status, const char *body, size_t len, const struct sw_err *err,
                             void *arg)
{
    struct list_wait *w = arg;
    json_t *theirs = err == NULL && status == 200 ? json_loadb(body, len, 0, NULL) : NULL;

    if (err == NULL && status != 200) {
        json_decref(w->list);
        http_reply(w->req, status, "application/json", body, len);
    } else if (err != NULL) {
        json_decref(w->list);
        http_reply_error(w->req, 503, "the networks of the swarm are not known: %s", err->msg);
    } else {
        json_array_extend(w->list, theirs);
        http_reply_json(w->req, 200, w->list);
    }
    json_decref(theirs);
    sw_free(w);
}

static json_t *local_list(const struct agent_api *a, const struct docker_filters *f)
{
    json_t *list = json_array();
    struct sw_err ignored;

    for (size_t i = 0; i < SW_ARRAY_LEN(locals); i++)
        if (local_matches(f, &locals[i]))
            json_array_append_new(list, local_json(&locals[i]));
    if (a->ops->networks != NULL && api_manager(a, &ignored) == NULL &&
        docker_filters_match(f, "scope", "swarm")) {
        json_t *theirs = a->ops->networks(a->arg);
        const json_t *n;
        size_t i;

        json_array_foreach(theirs, i, n)
        {
            const char *name = json_string_value(json_object_get(n, "Name"));
            const char *id = json_string_value(json_object_get(n, "Id"));

            if (name != NULL && id != NULL && name_matches(f, name) &&
                docker_filters_prefix(f, "id", id) &&
                docker_filters_match(f, "driver", "overlay") &&
                docker_filters_match(f, "type", "custom"))
                json_array_append(list, (json_t *)(uintptr_t)n);
        }
        json_decref(theirs);
    }
    return list;
}

static void on_list(struct http_request *req, void *arg)
{
    static const char *const allowed[] = { "driver", "id",   "label",    "name",
                                           "scope",  "type", "dangling", NULL };
    const struct agent_api *a = arg;
    struct docker_filters *f = NULL;
    struct sw_err err = { 0 };
    struct list_wait *w;
    const char *path;
    json_t *list;

    if (docker_filters_of(&f, req, allowed, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    list = local_list(a, f);
    docker_filters_free(f);
    path = api_manager(a, &err);
    w = path == NULL ? NULL : sw_malloc(sizeof(*w));
    if (w != NULL) {
        w->req = req;
        w->list = list;
        if (http_fetch(a->loop, path, "GET", http_target(req), FETCH_MAX, on_managers_list, w,
                       &err) == 0)
            return;
        sw_free(w);
    }
    http_reply_json(req, 200, list);
}

/* ---- one
 * -------------------------------------------------------------------------------------------------
 */

static json_t *workers_network(const struct agent_api *a, const char *name)
{
    json_t *all = a->ops->networks == NULL ? NULL : a->ops->networks(a->arg);
    json_t *found = NULL;
    json_t *n;
    size_t i;

    json_array_foreach(all, i, n)
    {
        const char *its = json_string_value(json_object_get(n, "Name"));
        const char *id = json_string_value(json_object_get(n, "Id"));

        if (found == NULL && ((its != NULL && strcmp(its, name) == 0) ||
                              (id != NULL && strncmp(id, name, strlen(name)) == 0)))
            found = json_incref(n);
    }
    json_decref(all);
    return found;
}

static void on_inspect(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    const char *name = http_arg(req, "id");
    const char *scope = http_query(req, "scope");
    const struct local *l = find_local(name);
    struct sw_err err = { 0 };
    json_t *n;

    if (l != NULL && (scope == NULL || *scope == '\0' || strcmp(scope, "local") == 0)) {
        http_reply_json(req, 200, local_json(l));
    } else if (api_manager(a, &err) != NULL) {
        api_proxy(req, arg);
    } else {
        n = workers_network(a, name);
        if (n != NULL)
            http_reply_json(req, 200, n);
        else
            http_reply_error(req, 404, "network %s not found", name);
    }
}

static void on_delete(struct http_request *req, void *arg)
{
    const char *name = http_arg(req, "id");
    const struct local *l = find_local(name);
    struct sw_err err = { 0 };

    if (l != NULL)
        http_reply_error(req, 403, "%s is a pre-defined network and cannot be removed", l->name);
    else if (api_manager(arg, &err) != NULL)
        api_proxy(req, arg);
    else
        http_reply_error(req, 404, "network %s not found", name);
}

static void on_create(struct http_request *req, void *arg)
{
    struct sw_err err = { 0 };
    json_t *body = NULL;
    const char *driver;
    const char *name;
    const char *scope;
    bool swarm;

    if (http_body_json(req, false, &body, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    driver = docker_json_str(body, "Driver");
    scope = docker_json_str(body, "Scope");
    name = docker_json_str(body, "Name");
    swarm = (driver != NULL && strcmp(driver, "overlay") == 0) ||
            (scope != NULL && strcmp(scope, "swarm") == 0);
    if (name != NULL && find_local(name) != NULL)
        http_reply_error(req, 403, "operation is not permitted on predefined %s network", name);
    else if (swarm)
        api_proxy(req, arg);
    else
        http_reply_error(req, 501,
                         "networks of the driver \"%s\" are not supported by swarmd, only those "
                         "of \"overlay\"",
                         driver == NULL || *driver == '\0' ? "bridge" : driver);
    json_decref(body);
}

static void on_prune(struct http_request *req, void *arg)
{
    struct sw_err err = { 0 };

    if (api_manager(arg, &err) != NULL)
        api_proxy(req, arg);
    else
        http_reply_json(req, 200, json_pack("{s:n}", "NetworksDeleted"));
}

static const struct http_route routes[] = {
    { "GET", "/networks", on_list, HTTP_BODY_WHOLE, 0 },
    { "POST", "/networks/create", on_create, HTTP_BODY_WHOLE, 0 },
    { "POST", "/networks/prune", on_prune, HTTP_BODY_WHOLE, 0 },
    { "GET", "/networks/{id}", on_inspect, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/networks/{id}", on_delete, HTTP_BODY_WHOLE, 0 },
};
const struct api_table api_networks = { routes, SW_ARRAY_LEN(routes) };
