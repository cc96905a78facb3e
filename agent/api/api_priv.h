/* SPDX-License-Identifier: Apache-2.0
 * api_priv.h - shared by the files of agent/api. One table of routes per file. */
#ifndef SWARM_AGENT_API_API_PRIV_H
#define SWARM_AGENT_API_API_PRIV_H

#include "agent/api/api.h"
#include "common/base/macro.h"

struct agent_api {
    struct uv_loop_s *loop;
    struct image_store *images;
    const struct agent_api_ops *ops;
    void *arg;
    char *version;
    char *data_dir;
    struct http_router *router;
};

struct api_table {
    const struct http_route *routes;
    size_t n;
};
extern const struct api_table api_system, api_images, api_transfer, api_containers, api_swarm,
    api_networks, api_absent;

/** api_proxy() - pass on to the manager, or refuse as docker does. A http_handler. */
void api_proxy(struct http_request *req, void *arg);
/** api_manager() - the manager's socket. Return: NULL with @err. */
const char *api_manager(const struct agent_api *a, struct sw_err *err);

/** api_names() - new array of image names as docker shows them. */
json_t *api_names(char *const *full, size_t n);

#endif
