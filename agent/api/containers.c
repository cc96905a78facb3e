/* SPDX-License-Identifier: Apache-2.0
 * containers.c - what the worker knows of its containers. */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "agent/api/api_priv.h"
#include "common/base/alloc.h"

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s == NULL ? "" : s;
}

static const char *label_of(const void *labels, const char *name)
{
    return json_string_value(json_object_get(labels, name));
}

/* A name filter is an expression, tried with and without the slash. */
static bool name_matches(const struct docker_filters *f, const json_t *names)
{
    size_t n;
    const char *const *v = docker_filters_get(f, "name", &n);
    bool found = n == 0;

    for (size_t i = 0; i < n && !found; i++) {
        regex_t re;
        const json_t *name;
        size_t k;

        if (regcomp(&re, v[i], REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        json_array_foreach(names, k, name)
        {
            const char *s = json_string_value(name);

            if (s != NULL && (regexec(&re, s, 0, NULL, 0) == 0 ||
                              (*s == '/' && regexec(&re, s + 1, 0, NULL, 0) == 0)))
                found = true;
        }
        regfree(&re);
    }
    return found;
}

static bool is_task_matches(const struct docker_filters *f, const json_t *labels)
{
    struct sw_err ignored;
    bool want = true;
    size_t n;

    docker_filters_get(f, "is-task", &n);
    if (n == 0 || docker_filters_bool(f, "is-task", true, &want, &ignored) < 0)
        return true;
    return want == (json_object_get(labels, "com.docker.swarm.task.id") != NULL);
}

static bool ancestor_matches(const struct docker_filters *f, const json_t *c)
{
    return docker_filters_match(f, "ancestor", str(c, "Image")) ||
           docker_filters_prefix(f, "ancestor", str(c, "ImageID"));
}

static bool matches(const struct docker_filters *f, const json_t *c)
{
    const json_t *labels = json_object_get(c, "Labels");

    return docker_filters_prefix(f, "id", str(c, "Id")) &&
           docker_filters_match(f, "status", str(c, "State")) &&
           name_matches(f, json_object_get(c, "Names")) && ancestor_matches(f, c) &&
           is_task_matches(f, labels) && docker_filters_labels(f, "label", label_of, labels);
}

static void on_list(struct http_request *req, void *arg)
{
    static const char *const allowed[] = { "ancestor", "id",      "is-task", "label",
                                           "name",     "status",  "before",  "since",
                                           "exited",   "expose",  "health",  "isolation",
                                           "network",  "publish", "volume",  NULL };
    const struct agent_api *a = arg;
    struct docker_filters *f = NULL;
    struct sw_err err = { 0 };
    json_t *all;
    json_t *out;
    const json_t *c;
    int64_t limit;
    size_t i;
    size_t n_status;

    if (docker_filters_of(&f, req, allowed, &err) < 0 ||
        http_query_int(req, "limit", -1, &limit, &err) < 0) {
        docker_filters_free(f);
        http_reply_err(req, &err);
        return;
    }
    docker_filters_get(f, "status", &n_status);
    all = a->ops->containers == NULL
              ? json_array()
              : a->ops->containers(http_query_bool(req, "all", false) || n_status > 0 || limit > 0,
                                   a->arg);
    out = json_array();
    json_array_foreach(all, i,
                       c) if (matches(f, c) && (limit <= 0 || json_array_size(out) < (size_t)limit))
        json_array_append(out, (json_t *)(uintptr_t)c);
    json_decref(all);
    docker_filters_free(f);
    http_reply_json(req, 200, out);
}

static void on_inspect(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    const char *id = http_arg(req, "id");
    struct sw_err err = { 0 };
    json_t *o = NULL;

    if (a->ops->container_inspect == NULL)
        http_reply_error(req, 404, "No such container: %s", id);
    else if (a->ops->container_inspect(id, &o, a->arg, &err) < 0)
        http_reply_err(req, &err);
    else
        http_reply_json(req, 200, o);
}

static void on_logs(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;

    if (a->ops->container_logs == NULL)
        http_reply_error(req, 501, "container logs are not supported by swarmd");
    else if (!http_query_bool(req, "stdout", false) && !http_query_bool(req, "stderr", false))
        http_reply_error(req, 400, "Bad parameters: you must choose at least one stream");
    else
        a->ops->container_logs(req, http_arg(req, "id"), a->arg);
}

static const struct http_route routes[] = {
    { "GET", "/containers/json", on_list, HTTP_BODY_WHOLE, 0 },
    { "GET", "/containers/{id}/json", on_inspect, HTTP_BODY_WHOLE, 0 },
    { "GET", "/containers/{id}/logs", on_logs, HTTP_BODY_WHOLE, 0 },
};
const struct api_table api_containers = { routes, SW_ARRAY_LEN(routes) };
