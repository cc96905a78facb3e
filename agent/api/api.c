/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api.h"

#include <errno.h>

#include "agent/api/api_priv.h"
#include "common/base/alloc.h"

static const struct api_table *const tables[] = {
    &api_system, &api_images,   &api_transfer, &api_containers,
    &api_swarm,  &api_networks, &api_absent,
};

static int build(struct agent_api *a, const struct agent_api_options *opt, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *server = sw_asprintf("Docker/%s (linux)", opt->version);
    struct http_router_options ropt = { .engine = true, .server = server };
    int r;

    a->version = sw_strdup(opt->version);
    a->data_dir = sw_strdup(opt->data_dir);
    if (server == NULL || a->version == NULL || a->data_dir == NULL)
        return sw_err_set(err, -ENOMEM, "create engine api");
    r = http_router_new(&a->router, &ropt, err);
    if (r == 0 && opt->n_extra > 0)
        r = http_router_add(a->router, opt->extra, opt->n_extra, opt->extra_arg, err);
    for (size_t i = 0; r == 0 && i < SW_ARRAY_LEN(tables); i++)
        r = http_router_add(a->router, tables[i]->routes, tables[i]->n, a, err);
    return r;
}

int agent_api_new(struct agent_api **out, const struct agent_api_options *opt, struct sw_err *err)
{
    struct agent_api *a = sw_calloc(1, sizeof(*a));
    int r;

    if (a == NULL)
        return sw_err_set(err, -ENOMEM, "create engine api");
    a->loop = opt->loop;
    a->images = opt->images;
    a->ops = opt->ops;
    a->arg = opt->arg;
    r = build(a, opt, err);
    if (r < 0) {
        agent_api_free(a);
        return r;
    }
    *out = a;
    return 0;
}

void agent_api_free(struct agent_api *a)
{
    if (a == NULL)
        return;
    http_router_free(a->router);
    sw_free(a->version);
    sw_free(a->data_dir);
    sw_free(a);
}

struct http_router *agent_api_router(struct agent_api *a)
{
    return a->router;
}

json_t *api_names(char *const *full, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(image_name_familiar(full[i])));
    return a;
}
