/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"
#include "common/http/request.h"

struct route_set {
    const struct http_route *routes;
    size_t n;
    void *arg;
};

struct http_router {
    bool engine;
    char *server;
    struct route_set *sets;
    size_t n_sets;
};

int http_router_new(struct http_router **out, const struct http_router_options *opt,
                    struct sw_err *err)
{
    struct http_router *r = sw_calloc(1, sizeof(*r));

    if (r == NULL)
        return sw_err_set(err, -ENOMEM, "create router");
    r->engine = opt->engine;
    if (opt->server != NULL) {
        r->server = sw_strdup(opt->server);
        if (r->server == NULL) {
            sw_free(r);
            return sw_err_set(err, -ENOMEM, "create router");
        }
    }
    *out = r;
    return 0;
}

void http_router_free(struct http_router *r)
{
    if (r == NULL)
        return;
    sw_free(r->server);
    sw_free(r->sets);
    sw_free(r);
}

static bool pattern_is_valid(const char *p)
{
    size_t args = 0;

    if (*p != '/')
        return false;
    for (; *p != '\0'; p++) {
        if (*p == '}')
            return false;
        if (*p != '{')
            continue;
        size_t len = strcspn(p + 1, "}:{/");

        if (len == 0 || ++args > REQUEST_ARGS_MAX)
            return false;
        p += 1 + len;
        if (strncmp(p, ":.*}", 4) == 0)
            p += 3;
        else if (*p != '}')
            return false;
    }
    return true;
}

int http_router_add(struct http_router *r, const struct http_route *routes, size_t n, void *arg,
                    struct sw_err *err)
{
    struct route_set *sets;

    for (size_t i = 0; i < n; i++)
        if (!pattern_is_valid(routes[i].pattern))
            return sw_err_set(err, SW_E_INVALID, "route pattern '%s' is malformed",
                              routes[i].pattern);
    sets = sw_realloc(r->sets, (r->n_sets + 1) * sizeof(*sets));
    if (sets == NULL)
        return sw_err_set(err, -ENOMEM, "add routes");
    r->sets = sets;
    sets[r->n_sets++] = (struct route_set){ routes, n, arg };
    return 0;
}

/* ---- matching ------------------------------------------------------------------------------ */

struct capture {
    const char *name;
    size_t name_len;
    const char *value;
    size_t len;
};

/* Patterns are ours and have at most REQUEST_ARGS_MAX captures, so the recursion is shallow. */
static bool match(const char *pattern, const char *path, struct capture *caps, size_t *n)
{
    while (*pattern != '\0' && *pattern != '{') {
        if (*pattern++ != *path++)
            return false;
    }
    if (*pattern == '\0')
        return *path == '\0';

    const char *name = pattern + 1;
    size_t name_len = strcspn(name, "}:");
    bool greedy = name[name_len] == ':';
    const char *rest = name + name_len + (greedy ? 4 : 1);
    size_t len = greedy ? strlen(path) : strcspn(path, "/");
    size_t slot = *n;

    for (; len > 0; len--) {
        *n = slot + 1;
        caps[slot] = (struct capture){ name, name_len, path, len };
        if (match(rest, path + len, caps, n))
            return true;
    }
    *n = slot;
    return false;
}

static bool method_fits(const char *route, const char *method)
{
    return strcmp(route, "*") == 0 || strcmp(route, method) == 0 ||
           (strcmp(route, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static bool find(struct http_request *req)
{
    const struct http_router *r = req->router;

    for (size_t s = 0; s < r->n_sets; s++) {
        const struct route_set *set = &r->sets[s];

        for (size_t i = 0; i < set->n; i++) {
            struct capture caps[REQUEST_ARGS_MAX];
            size_t n = 0;

            if (!method_fits(set->routes[i].method, req->method) ||
                !match(set->routes[i].pattern, req->path, caps, &n))
                continue;
            req->route = &set->routes[i];
            req->route_arg = set->arg;
            for (size_t c = 0; c < n; c++) {
                struct request_arg *a = &req->args[c];

                a->name = caps[c].name;
                a->name_len = caps[c].name_len;
                a->value = sw_strndup(caps[c].value, caps[c].len);
                if (a->value == NULL) {
                    http_abort(req);
                    return false;
                }
                req->n_args++;
            }
            return true;
        }
    }
    http_reply_error(req, 404, "page not found");
    return false;
}

/* "/v1.44/x" -> "/x". A path that only looks similar is left alone. */
static void strip_version(struct http_request *req, char *text, size_t size)
{
    unsigned major = 0;
    unsigned minor = 0;
    int used = 0;

    if (sscanf(req->path, "/v%3u.%4u%n", &major, &minor, &used) != 2 || req->path[used] != '/')
        return;
    if (req->path[2] < '0' || req->path[2] > '9') /* scanf takes signs and blanks */
        return;
    snprintf(text, size, "%.*s", used - 2, req->path + 2);
    req->api_version = major * 100u + (minor > 99 ? 99 : minor);
    req->path += used;
}

static bool check_version(struct http_request *req, const char *text)
{
    if (req->api_version > DOCKER_API_MAX) {
        http_reply_error(req, 400,
                         "client version %s is too new. Maximum supported API version is %s", text,
                         DOCKER_API_VERSION);
        return false;
    }
    if (req->api_version < DOCKER_API_MIN) {
        http_reply_error(req, 400,
                         "client version %s is too old. Minimum supported API version is %s, "
                         "please upgrade your client to a newer version",
                         text, DOCKER_API_VERSION_MIN);
        return false;
    }
    return true;
}

bool router_route(struct http_request *req, struct sw_err *err)
{
    char text[16] = "";

    req->api_version = DOCKER_API_MAX;
    req->path = "/";
    if (http_url_parse(&req->url, req->target, err) < 0) {
        if (err->code == -ENOMEM)
            http_abort(req);
        else
            http_reply_err(req, err);
        return false;
    }
    req->path = req->url.path;
    if (req->router->engine) {
        if (strcmp(req->method, "OPTIONS") == 0) {
            http_reply_empty(req, 200);
            return false;
        }
        strip_version(req, text, sizeof(text));
    }
    return find(req) && (text[0] == '\0' || check_version(req, text));
}

void router_headers(const struct http_router *r, struct http_request *req)
{
    if (r->engine) {
        http_set_header(req, "Api-Version", DOCKER_API_VERSION);
        http_set_header(req, "Docker-Experimental", "false");
        http_set_header(req, "Ostype", "linux");
    }
    if (r->server != NULL)
        http_set_header(req, "Server", r->server);
}
