/* SPDX-License-Identifier: Apache-2.0
 * api_priv.h - what the files of routes share. */
#ifndef SWARM_MANAGER_API_API_PRIV_H
#define SWARM_MANAGER_API_API_PRIV_H

#include <jansson.h>

#include "common/http/docker.h"
#include "manager/api/api.h"
#include "manager/api/spec_codec.h"

struct api {
    struct api_options o;
    struct control *control;
    struct view *view;
};

/* A write under way: the request waits for the store. One per request. */
struct api_write;

/**
 * api_write_new() - from here on the request is answered by api_done() or api_refuse()
 * @ok: called when the change is committed; finishes the request
 *
 * A client that goes away does not undo the write. A write undecided for API_DEADLINE_MS is
 * answered with an error that says it may still happen.
 */
#define API_DEADLINE_MS 20000
struct api_write *api_write_new(struct api *a, struct http_request *req,
                                void (*ok)(struct http_request *req, const char *id));
control_done api_done; /* control's callback; its arg is the api_write */
/** api_refuse() - control refused at once. */
void api_refuse(struct api_write *w, const struct sw_err *err);

/* Ready-made ok(): 200 empty, 204, 201 {"ID"}, 200 {"Warnings":null}. */
void api_ok_empty(struct http_request *req, const char *id);
void api_ok_no_content(struct http_request *req, const char *id);
void api_ok_created(struct http_request *req, const char *id);
void api_ok_warnings(struct http_request *req, const char *id);

/** api_enter() - first line of every handler. Return: false: the request was forwarded or refused.
 */
bool api_enter(struct api *a, struct http_request *req);
/** api_find() - view_find() of the request's {id}; answers 404 itself. NULL: answered. */
struct view_object *api_find(struct api *a, struct http_request *req, enum view_kind kind);
/** api_version_of() - the query's version. Return: 0; SW_E_INVALID "invalid node version ''...". */
int api_version_of(struct http_request *req, const char *kind, uint64_t *out, struct sw_err *err);

/* ---- encoders (object_codec.c, node_object.c) --------------------------------------------------
 */

/** api_head() - {"ID","Version":{"Index"},"CreatedAt","UpdatedAt"} to begin an object with. */
json_t *api_head(const struct view_object *o);
void api_set_time(json_t *o, const char *name, uint64_t ns);
json_t *api_service_json(const struct api *a, const struct view_service *s, bool defaults,
                         bool status);
json_t *api_task_json(const struct view *v, const struct view_task *t);
json_t *api_node_json(const struct api *a, const struct view_node *n);
json_t *api_network_json(const struct view *v, const struct view_object *o);
const char *api_task_state(int state);

/* ---- logs (logs.c) ------------------------------------------------------------------------------
 */

struct api_log_request {
    bool follow, want_stdout, want_stderr, timestamps, details;
    int64_t since_ns;
    int64_t tail; /* < 0: all */
};

/** api_logs() - stream the logs of @n tasks (keys) and finish the request. */
void api_logs(struct api *a, struct http_request *req, const uint64_t *tasks, size_t n,
              const struct api_log_request *r);

/* ---- tables of routes --------------------------------------------------------------------------
 */

extern const struct http_route api_service_routes[], api_task_routes[], api_node_routes[],
    api_network_routes[], api_swarm_routes[], api_secret_routes[];
extern const size_t api_service_routes_n, api_task_routes_n, api_node_routes_n,
    api_network_routes_n, api_swarm_routes_n, api_secret_routes_n;

/* Label lookup for docker_filters_labels(); @annotations: Swarm__V1__Annotations. */
const char *api_label(const void *annotations, const char *name);

#endif
