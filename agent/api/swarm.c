/* SPDX-License-Identifier: Apache-2.0
 * swarm.c - joining and leaving are this node's; everything else of the swarm is the manager's. */
#include "agent/api/api_priv.h"
#include "common/http/proxy.h"

const char *api_manager(const struct agent_api *a, struct sw_err *err)
{
    if (a->ops->manager_socket != NULL)
        return a->ops->manager_socket(a->arg, err);
    sw_err_set(err, SW_E_UNAVAILABLE, "%s", AGENT_API_NO_SWARM);
    return NULL;
}

void api_proxy(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    struct sw_err err = { 0 };
    const char *path = api_manager(a, &err);
    struct http_proxy_options opt = { .socket_path = path };

    if (path == NULL)
        http_reply_err(req, &err);
    else
        http_proxy(req, a->loop, &opt);
}

static void with_body(struct http_request *req, const struct agent_api *a,
                      void (*fn)(struct http_request *req, const json_t *body, void *arg),
                      const char *what)
{
    struct sw_err err = { 0 };
    json_t *body = NULL;

    if (fn == NULL) {
        http_reply_error(req, 501, "%s is not supported by swarmd", what);
        return;
    }
    if (http_body_json(req, false, &body, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    fn(req, body, a->arg);
    json_decref(body);
}

static void on_init(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;

    with_body(req, a, a->ops->swarm_init, "swarm init");
}

static void on_join(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;

    with_body(req, a, a->ops->swarm_join, "swarm join");
}

static void on_unlock(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;

    with_body(req, a, a->ops->swarm_unlock, "swarm unlock");
}

static void on_leave(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;

    if (a->ops->swarm_leave == NULL)
        http_reply_error(req, 501, "swarm leave is not supported by swarmd");
    else
        a->ops->swarm_leave(req, http_query_bool(req, "force", false), a->arg);
}

static const struct http_route routes[] = {
    { "POST", "/swarm/init", on_init, HTTP_BODY_WHOLE, 0 },
    { "POST", "/swarm/join", on_join, HTTP_BODY_WHOLE, 0 },
    { "POST", "/swarm/leave", on_leave, HTTP_BODY_WHOLE, 0 },
    { "POST", "/swarm/unlock", on_unlock, HTTP_BODY_WHOLE, 0 },
    { "GET", "/swarm", api_proxy, HTTP_BODY_STREAM, 0 },
    { "POST", "/swarm/update", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/swarm/unlockkey", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/nodes", api_proxy, HTTP_BODY_STREAM, 0 },
    { "*", "/nodes/{rest:.*}", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/services", api_proxy, HTTP_BODY_STREAM, 0 },
    { "*", "/services/{rest:.*}", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/tasks", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/tasks/{rest:.*}", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/secrets", api_proxy, HTTP_BODY_STREAM, 0 },
    { "*", "/secrets/{rest:.*}", api_proxy, HTTP_BODY_STREAM, 0 },
    { "GET", "/configs", api_proxy, HTTP_BODY_STREAM, 0 },
    { "*", "/configs/{rest:.*}", api_proxy, HTTP_BODY_STREAM, 0 },
};
const struct api_table api_swarm = { routes, SW_ARRAY_LEN(routes) };
