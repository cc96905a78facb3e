/* SPDX-License-Identifier: Apache-2.0
 * absent.c - what API 1.44 knows and this node does not serve: 501 that names it, or the small
 * answer that lets a client go on. The last table: whatever is served elsewhere was found before.
 *
 * Source: docker-api/v1.44.yaml's list of paths. */
#include <stdio.h>
#include <string.h>

#include "agent/api/api_priv.h"

/* First part of the path and what it is about; the longest fit names it. */
static const struct {
    const char *method;
    const char *path;
    const char *what;
} names[] = {
    { "POST", "/containers/create", "creating containers" },
    { "POST", "/containers/prune", "pruning containers" },
    { "DELETE", "/containers/", "removing containers" },
    { "*", "/containers/", "this operation on containers" },
    { "*", "/exec/", "exec" },
    { "*", "/build", "building images" },
    { "*", "/images/search", "searching registries" },
    { "POST", "/images/", "pushing images to a registry" },
    { "*", "/commit", "committing containers" },
    { "*", "/session", "BuildKit" },
    { "*", "/grpc", "BuildKit" },
    { "POST", "/volumes/", "creating volumes by hand" },
    { "*", "/volumes/", "this operation on volumes" },
    { "*", "/networks/", "connecting containers by hand" },
    { "*", "/plugins", "plugins" },
};

static void on_absent(struct http_request *req, void *arg)
{
    const char *path = http_path(req);
    const char *what = "this operation";
    size_t best = 0;

    (void)arg;
    for (size_t i = 0; i < SW_ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i].path);

        if (len <= best || strncmp(path, names[i].path, len) != 0 ||
            (strcmp(names[i].method, "*") != 0 && strcmp(names[i].method, http_method(req)) != 0))
            continue;
        best = len;
        what = names[i].what;
    }
    http_reply_error(req, 501, "%s (%s %s) is not supported by swarmd", what, http_method(req),
                     path);
}

static void on_volumes(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("{s:[], s:n}", "Volumes", "Warnings"));
}

static void on_volume(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_error(req, 404, "get %s: no such volume", http_arg(req, "name"));
}

static void on_volumes_prune(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("{s:n, s:i}", "VolumesDeleted", "SpaceReclaimed", 0));
}

static void on_build_prune(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("{s:n, s:i}", "CachesDeleted", "SpaceReclaimed", 0));
}

static void on_containers_prune(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("{s:n, s:i}", "ContainersDeleted", "SpaceReclaimed", 0));
}

static void on_plugins(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_array());
}

static void on_plugin(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_error(req, 404, "plugin \"%s\" not found", http_arg(req, "name"));
}

static const struct http_route routes[] = {
    { "GET", "/volumes", on_volumes, HTTP_BODY_WHOLE, 0 },
    { "POST", "/volumes/prune", on_volumes_prune, HTTP_BODY_WHOLE, 0 },
    { "GET", "/volumes/{name}", on_volume, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/volumes/{name}", on_volume, HTTP_BODY_WHOLE, 0 },
    { "POST", "/build/prune", on_build_prune, HTTP_BODY_WHOLE, 0 },
    { "POST", "/containers/prune", on_containers_prune, HTTP_BODY_WHOLE, 0 },
    { "GET", "/plugins", on_plugins, HTTP_BODY_WHOLE, 0 },
    { "GET", "/plugins/{name:.*}/json", on_plugin, HTTP_BODY_WHOLE, 0 },

    { "POST", "/containers/create", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/containers/{id}/top", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/containers/{id}/changes", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/containers/{id}/export", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/containers/{id}/stats", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/resize", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/start", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/stop", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/restart", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/kill", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/update", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/rename", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/pause", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/unpause", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/attach", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/containers/{id}/attach/ws", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/wait", on_absent, HTTP_BODY_STREAM, 0 },
    { "DELETE", "/containers/{id}", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/containers/{id}/archive", on_absent, HTTP_BODY_STREAM, 0 },
    { "PUT", "/containers/{id}/archive", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/containers/{id}/exec", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/exec/{id}/start", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/exec/{id}/resize", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/exec/{id}/json", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/build", on_absent, HTTP_BODY_STREAM, 0 },
    { "GET", "/images/search", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/images/{name:.*}/push", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/commit", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/volumes/create", on_absent, HTTP_BODY_STREAM, 0 },
    { "PUT", "/volumes/{name}", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/networks/{id}/connect", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/networks/{id}/disconnect", on_absent, HTTP_BODY_STREAM, 0 },
    { "*", "/plugins/{rest:.*}", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/session", on_absent, HTTP_BODY_STREAM, 0 },
    { "POST", "/grpc", on_absent, HTTP_BODY_STREAM, 0 },
};
const struct api_table api_absent = { routes, SW_ARRAY_LEN(routes) };
