/* SPDX-License-Identifier: Apache-2.0
 * api.h - the Docker Engine API as this node serves it.
 *
 * How it works: one router. Images, version, _ping and info are answered here; what concerns the
 * swarm goes to the manager on this node by a streaming proxy, or is refused with docker's text;
 * what needs the rest of the agent goes through struct agent_api_ops. Whatever API 1.44 knows and
 * nobody serves answers 501 and names itself (absent.c).
 *
 * Everything runs on the loop thread. */
#ifndef SWARM_AGENT_API_API_H
#define SWARM_AGENT_API_API_H

#include <jansson.h>

#include "agent/image/image.h"
#include "common/http/docker.h"

struct agent_api; /* opaque */
struct uv_loop_s;

/* Refusals that clients match on. */
#define AGENT_API_NO_SWARM                                                                         \
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "     \
    "connect this node to swarm and try again."
#define AGENT_API_WORKER                                                                           \
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster "      \
    "state. Please run this command on a manager node or promote the current node to a manager."
#define AGENT_API_LOCKED                                                                           \
    "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker "      \
    "swarm unlock\" to unlock it."
#define AGENT_API_IN_SWARM                                                                         \
    "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and "    \
    "join another one."
#define AGENT_API_NOT_PART "This node is not part of a swarm"

/* A handler takes the request over and finishes it (http.h). NULL members: see each. */
struct agent_api_ops {
    /** swarm_state() - of the "Swarm" header: "inactive", "pending", "error", "locked",
     * "active/worker", "active/manager". NULL: inactive. */
    const char *(*swarm_state)(void *arg);
    /** info() - set or replace members of the /info answer: "Swarm", "Containers",
     * "ContainersRunning", ... The manager's part is merged into "Swarm" behind this. May be NULL.
     */
    void (*info)(json_t *info, void *arg);
    /**
     * manager_socket() - HTTP socket of the manager on this node
     * Return: path, valid for the call; NULL with @err: SW_E_UNAVAILABLE and one of the texts
     * above. NULL member: AGENT_API_NO_SWARM.
     */
    const char *(*manager_socket)(void *arg, struct sw_err *err);

    /* @body is borrowed for the call (json_incref to keep). NULL: 501. */
    void (*swarm_init)(struct http_request *req, const json_t *body, void *arg);
    void (*swarm_join)(struct http_request *req, const json_t *body, void *arg);
    void (*swarm_unlock)(struct http_request *req, const json_t *body, void *arg);
    void (*swarm_leave)(struct http_request *req, bool force, void *arg);

    /**
     * containers() - objects as of GET /containers/json, newest first, unfiltered but for @all
     * Return: a new array. NULL member: an empty list.
     */
    json_t *(*containers)(bool all, void *arg);
    /** container_inspect() - @name: id, unique id prefix or name. Return: 0 and a new object;
     * SW_E_NOT_FOUND "No such container: x". NULL member: always that. */
    int (*container_inspect)(const char *name, json_t **out, void *arg, struct sw_err *err);
    /** container_logs() - query parameters are checked already. NULL: 501. */
    void (*container_logs)(struct http_request *req, const char *name, void *arg);
    /** networks() - overlay networks in use on a worker, as of GET /networks. NULL: none. */
    json_t *(*networks)(void *arg);
    void (*events)(struct http_request *req, void *arg); /* NULL: 501 */
};

struct agent_api_options {
    struct uv_loop_s *loop;          /* borrowed */
    struct image_store *images;      /* borrowed */
    const struct agent_api_ops *ops; /* borrowed, static */
    void *arg;                       /* for ops */
    const char *version;             /* "0.1.0", copied */
    const char *data_dir;            /* DockerRootDir, copied */
    const struct http_route *extra;  /* looked at first; borrowed, may be NULL */
    size_t n_extra;
    void *extra_arg;
};

/**
 * agent_api_new() - build the router
 * @out: returned; agent_api_free() after every server that uses its router
 *
 * Return: 0, -ENOMEM.
 */
int agent_api_new(struct agent_api **out, const struct agent_api_options *opt, struct sw_err *err);
void agent_api_free(struct agent_api *a);
struct http_router *agent_api_router(struct agent_api *a);

#endif
