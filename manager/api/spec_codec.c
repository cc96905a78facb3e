/* SPDX-License-Identifier: Apache-2.0
 * spec_codec.c - service specifications. */
#include "manager/api/spec_codec.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"
#include "manager/api/part_codec.h"
#include "proto/pb.h"
#include "swarm/v1/objects.pb-c.h"

/* ---- task -------------------------------------------------------------------------------------
 */

typedef Swarm__V1__ResourceRequirements Req;
static const struct codec_field requirement_fields[] = {
    F_MSG(Req, limits, "Limits", codec_resources),
    F_MSG(Req, reservations, "Reservations", codec_resources),
    F(Req, swap_bytes, "SwapBytes", CODEC_OPT_I64),
    F(Req, swappiness, "MemorySwappiness", CODEC_OPT_I64),
};
static const struct codec codec_requirements =
    CODEC("ResourceRequirements", swarm__v1__resource_requirements__descriptor, requirement_fields);

static const char *const conditions[] = { "any", "none", "on-failure", NULL };

static int read_attempts(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__RestartPolicy *p = msg;

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return codec_type_error(v, "MaxAttempts", "uint64", err);
    p->max_attempts = (uint64_t)json_integer_value(v);
    p->max_attempts_set = true;
    return 0;
}

static int write_attempts(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__RestartPolicy *p = msg;

    if (!p->max_attempts_set && p->max_attempts == 0)
        return 0;
    return json_object_set_new(o, name, json_integer((json_int_t)p->max_attempts));
}

typedef Swarm__V1__RestartPolicy Restart;
static const struct codec_field restart_fields[] = {
    F_ENUM(Restart, condition, "Condition", conditions, "invalid RestartCondition"),
    F(Restart, delay_ns, "Delay", CODEC_OPT_I64),
    F_CUSTOM("MaxAttempts", read_attempts, write_attempts),
    F(Restart, window_ns, "Window", CODEC_I64),
};
static const struct codec codec_restart =
    CODEC("RestartPolicy", swarm__v1__restart_policy__descriptor, restart_fields);

/* [{"Spread":{"SpreadDescriptor":"node.labels.zone"}}] */
static int read_preferences(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__Placement *p = msg;

    if (!json_is_array(v))
        return codec_type_error(v, "Preferences", "[]PlacementPreference", err);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *spread = docker_json_get(json_array_get(v, i), "Spread");
        const char *s = spread != NULL ? docker_json_str(spread, "SpreadDescriptor") : NULL;
        char *copy;

        if (s == NULL)
            continue;
        copy = sw_strdup(s);
        if (copy == NULL || pb_add(&p->n_spread, &p->spread, copy) < 0) {
            sw_free(copy);
            return sw_err_set(err, -ENOMEM, "out of memory");
        }
    }
    return 0;
}

static int write_preferences(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__Placement *p = msg;
    json_t *a;

    if (p->n_spread == 0)
        return 0;
    a = json_array();
    for (size_t i = 0; i < p->n_spread; i++)
        (void)json_array_append_new(
            a, json_pack("{s:{s:s}}", "Spread", "SpreadDescriptor", p->spread[i]));
    return json_object_set_new(o, name, a);
}

typedef Swarm__V1__Placement Place;
static const struct codec_field placement_fields[] = {
    F_LIST(Place, constraints, "Constraints", CODEC_STRINGS),
    F_CUSTOM("Preferences", read_preferences, write_preferences),
    F(Place, max_replicas, "MaxReplicas", CODEC_U64),
    F_MSGS(Place, platforms, "Platforms", codec_platform),
};
static const struct codec codec_placement =
    CODEC("Placement", swarm__v1__placement__descriptor, placement_fields);

typedef Swarm__V1__NetworkAttachmentSpec Attach;
static const struct codec_field attachment_fields[] = {
    F(Attach, target, "Target", CODEC_STRING),
    F_LIST(Attach, aliases, "Aliases", CODEC_STRINGS),
    F_LIST(Attach, driver_opts, "DriverOpts", CODEC_LABELS),
};
static const struct codec codec_attachment = CODEC(
    "NetworkAttachmentConfig", swarm__v1__network_attachment_spec__descriptor, attachment_fields);

typedef Swarm__V1__LogDriver LogDriver;
static const struct codec_field log_fields[] = {
    F(LogDriver, name, "Name", CODEC_STRING),
    F_LIST(LogDriver, options, "Options", CODEC_LABELS),
};
static const struct codec codec_log =
    CODEC("Driver", swarm__v1__log_driver__descriptor, log_fields);

typedef Swarm__V1__TaskSpec Task;
static const struct codec_field task_fields[] = {
    F_MSG(Task, container, "ContainerSpec", codec_container_spec),
    F_MSG(Task, resources, "Resources", codec_requirements),
    F_MSG(Task, restart, "RestartPolicy", codec_restart),
    F_MSG(Task, placement, "Placement", codec_placement),
    F_MSGS(Task, networks, "Networks", codec_attachment),
    F_MSG(Task, log_driver, "LogDriver", codec_log),
    F_ALWAYS(Task, force_update, "ForceUpdate", CODEC_U64),
    F(Task, runtime, "Runtime", CODEC_STRING),
};
const struct codec codec_task_spec =
    CODEC("TaskSpec", swarm__v1__task_spec__descriptor, task_fields);

/* ---- update -----------------------------------------------------------------------------------
 */

static const char *const actions[] = { "pause", "continue", "rollback", NULL };
static const char *const orders[] = { "stop-first", "start-first", NULL };

static int read_action(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__UpdateConfig *u = msg;
    const char *s = json_string_value(v);

    if (s == NULL)
        return codec_type_error(v, "FailureAction", "string", err);
    for (int i = 0; s[0] != '\0'; i++) {
        if (actions[i] == NULL)
            return sw_err_set(err, SW_E_INVALID, "unrecognized update failure action %s", s);
        if (strcmp(actions[i], s) == 0) {
            u->failure_action = (Swarm__V1__UpdateConfig__FailureAction)i;
            break;
        }
    }
    return pb_set_string(&u->failure_action_sent, s) < 0 ? sw_err_set(err, -ENOMEM, "out of memory")
                                                         : 0;
}

static int read_order(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__UpdateConfig *u = msg;
    const char *s = json_string_value(v);

    if (s == NULL)
        return codec_type_error(v, "Order", "string", err);
    for (int i = 0; s[0] != '\0'; i++) {
        if (orders[i] == NULL)
            return sw_err_set(err, SW_E_INVALID, "unrecognized update order %s", s);
        if (strcmp(orders[i], s) == 0) {
            u->order = (Swarm__V1__UpdateConfig__Order)i;
            break;
        }
    }
    return pb_set_string(&u->order_sent, s) < 0 ? sw_err_set(err, -ENOMEM, "out of memory") : 0;
}

static int write_action(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__UpdateConfig *u = msg;

    return json_object_set_new(o, name, json_string(actions[u->failure_action]));
}

static int write_order(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__UpdateConfig *u = msg;

    return json_object_set_new(o, name, json_string(orders[u->order]));
}

typedef Swarm__V1__UpdateConfig Update;
static const struct codec_field update_fields[] = {
    F_ALWAYS(Update, parallelism, "Parallelism", CODEC_U64),
    F(Update, delay_ns, "Delay", CODEC_I64),
    F_CUSTOM("FailureAction", read_action, write_action),
    F(Update, monitor_ns, "Monitor", CODEC_OPT_I64),
    F_ALWAYS(Update, max_failure_ratio, "MaxFailureRatio", CODEC_DOUBLE),
    F_CUSTOM("Order", read_order, write_order),
};
static const struct codec codec_update =
    CODEC("UpdateConfig", swarm__v1__update_config__descriptor, update_fields);

/* ---- endpoint ---------------------------------------------------------------------------------
 */

static const char *const protocols[] = { "tcp", "udp", "sctp", NULL };
static const char *const publish_modes[] = { "ingress", "host", NULL };

typedef Swarm__V1__PortConfig Port;
static const struct codec_field port_fields[] = {
    F(Port, name, "Name", CODEC_STRING),
    F_ENUM(Port, protocol, "Protocol", protocols, "invalid protocol value"),
    F(Port, target, "TargetPort", CODEC_U32),
    F(Port, published, "PublishedPort", CODEC_U32),
    F_ENUM(Port, mode, "PublishMode", publish_modes, "invalid publish mode value"),
};
const struct codec codec_port =
    CODEC("PortConfig", swarm__v1__port_config__descriptor, port_fields);

static int read_endpoint_mode(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__EndpointSpec *e = msg;
    const char *s = json_string_value(v);

    if (s == NULL)
        return codec_type_error(v, "Mode", "string", err);
    if (s[0] == '\0')
        return 0;
    e->mode_set = true;
    if (strcmp(s, "vip") == 0)
        e->mode = SWARM__V1__ENDPOINT_SPEC__MODE__VIP;
    else if (strcmp(s, "dnsrr") == 0)
        e->mode = SWARM__V1__ENDPOINT_SPEC__MODE__DNSRR;
    else
        return sw_err_set(err, SW_E_INVALID, "invalid resolution mode: %s", s);
    return 0;
}

static int write_endpoint_mode(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__EndpointSpec *e = msg;

    if (!e->mode_set)
        return 0;
    return json_object_set_new(
        o, name, json_string(e->mode == SWARM__V1__ENDPOINT_SPEC__MODE__DNSRR ? "dnsrr" : "vip"));
}

static const struct codec_field endpoint_fields[] = {
    F_CUSTOM("Mode", read_endpoint_mode, write_endpoint_mode),
    F_MSGS(Swarm__V1__EndpointSpec, ports, "Ports", codec_port),
};
const struct codec codec_endpoint_spec =
    CODEC("EndpointSpec", swarm__v1__endpoint_spec__descriptor, endpoint_fields);

/* ---- service ----------------------------------------------------------------------------------
 */

static int set_mode(Swarm__V1__ServiceSpec *s, Swarm__V1__ServiceSpec__ModeCase which,
                    const ProtobufCMessageDescriptor *d, struct sw_err *err)
{
    void *m;

    if (s->mode_case != SWARM__V1__SERVICE_SPEC__MODE__NOT_SET)
        return sw_err_set(err, SW_E_INVALID, "must specify only one service mode");
    m = pb_new(d);
    if (m == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    s->mode_case = which;
    s->replicated = m;
    return 0;
}

static int read_mode(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__ServiceSpec *s = msg;
    const json_t *m;
    int r = 0;

    if (!json_is_object(v))
        return codec_type_error(v, "Mode", "ServiceMode", err);
    if ((m = docker_json_get(v, "Replicated")) != NULL) {
        r = set_mode(s, SWARM__V1__SERVICE_SPEC__MODE_REPLICATED,
                     &swarm__v1__replicated_mode__descriptor, err);
        if (r == 0 && docker_json_int(m, "Replicas", 1) < 0)
            r = codec_type_error(docker_json_get(m, "Replicas"), "Replicas", "uint64", err);
        if (r == 0)
            s->replicated->replicas = (uint64_t)docker_json_int(m, "Replicas", 1);
    }
    if (r == 0 && docker_json_get(v, "Global") != NULL)
        r = set_mode(s, SWARM__V1__SERVICE_SPEC__MODE_GLOBAL, &swarm__v1__global_mode__descriptor,
                     err);
    if (r == 0 && (m = docker_json_get(v, "ReplicatedJob")) != NULL) {
        r = set_mode(s, SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB,
                     &swarm__v1__replicated_job_mode__descriptor, err);
        if (r == 0) {
            int64_t total = docker_json_int(m, "TotalCompletions", 0);
            int64_t most = docker_json_int(m, "MaxConcurrent", 0);

            s->replicated_job->total_completions =
                (uint64_t)(total > 0 ? total : (most > 0 ? most : 1));
            s->replicated_job->max_concurrent = (uint64_t)(most > 0 ? most : 1);
        }
    }
    if (r == 0 && docker_json_get(v, "GlobalJob") != NULL)
        r = set_mode(s, SWARM__V1__SERVICE_SPEC__MODE_GLOBAL_JOB,
                     &swarm__v1__global_job_mode__descriptor, err);
    return r;
}

static int write_mode(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__ServiceSpec *s = msg;
    json_t *m = NULL;

    switch (s->mode_case) {
    case SWARM__V1__SERVICE_SPEC__MODE_GLOBAL:
        m = json_pack("{s:{}}", "Global");
        break;
    case SWARM__V1__SERVICE_SPEC__MODE_GLOBAL_JOB:
        m = json_pack("{s:{}}", "GlobalJob");
        break;
    case SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB:
        m = json_pack("{s:{s:I,s:I}}", "ReplicatedJob", "MaxConcurrent",
                      (json_int_t)s->replicated_job->max_concurrent, "TotalCompletions",
                      (json_int_t)s->replicated_job->total_completions);
        break;
    case SWARM__V1__SERVICE_SPEC__MODE_REPLICATED:
        m = json_pack("{s:{s:I}}", "Replicated", "Replicas", (json_int_t)s->replicated->replicas);
        break;
    case SWARM__V1__SERVICE_SPEC__MODE__NOT_SET:
    case _SWARM__V1__SERVICE_SPEC__MODE__CASE_IS_INT_SIZE:
        return 0;
    }
    return json_object_set_new(o, name, m);
}

/* Old clients put networks beside the task's specification (deprecated since 1.44, still read). */
static int read_old_networks(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__ServiceSpec *s = msg;

    if (s->task == NULL || s->task->n_networks > 0 || !json_is_array(v))
        return 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        void *a = NULL;
        int r = codec_decode(&codec_attachment, json_array_get(v, i), &a, err);

        if (r < 0)
            return r;
        if (pb_add(&s->task->n_networks, &s->task->networks, a) < 0) {
            pb_free(a);
            return sw_err_set(err, -ENOMEM, "out of memory");
        }
    }
    return 0;
}

typedef Swarm__V1__ServiceSpec Spec;
static const struct codec_field service_fields[] = {
    F_CUSTOM("Name", part_read_name_service, part_write_name_service),
    F_CUSTOM("Labels", part_read_labels_service, part_write_labels_service),
    F_MSG(Spec, task, "TaskTemplate", codec_task_spec),
    F_CUSTOM("Mode", read_mode, write_mode),
    F_MSG(Spec, update, "UpdateConfig", codec_update),
    F_MSG(Spec, rollback, "RollbackConfig", codec_update),
    F_MSG(Spec, endpoint, "EndpointSpec", codec_endpoint_spec),
    F_CUSTOM("Networks", read_old_networks, NULL),
};
const struct codec codec_service_spec =
    CODEC("ServiceSpec", swarm__v1__service_spec__descriptor, service_fields);
