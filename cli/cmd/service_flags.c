/* SPDX-License-Identifier: Apache-2.0
 *
 * Options that create and update share: each changes one place of the spec, only when given. */
#include <string.h>

#include "cli/cmd/service.h"
#include "cli/spec/parts.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"
#include "common/base/time.h"

#define TASK      "TaskTemplate."
#define CONTAINER "TaskTemplate.ContainerSpec."

enum place_type { AS_STRING, AS_BOOL, AS_INT, AS_NS, AS_BYTES, AS_NANO, AS_FLOAT };

/* One option that is one member of the spec. */
struct place {
    const char *option;
    const char *path;
    enum place_type type;
};

static const struct place container_places[] = {
    { "hostname", CONTAINER "Hostname", AS_STRING },
    { "workdir", CONTAINER "Dir", AS_STRING },
    { "user", CONTAINER "User", AS_STRING },
    { "init", CONTAINER "Init", AS_BOOL },
    { "stop-signal", CONTAINER "StopSignal", AS_STRING },
    { "tty", CONTAINER "TTY", AS_BOOL },
    { "read-only", CONTAINER "ReadOnly", AS_BOOL },
    { "stop-grace-period", CONTAINER "StopGracePeriod", AS_NS },
    { "isolation", CONTAINER "Isolation", AS_STRING },
    { "oom-score-adj", CONTAINER "OomScoreAdj", AS_INT },
    { "limit-cpu", TASK "Resources.Limits.NanoCPUs", AS_NANO },
    { "limit-memory", TASK "Resources.Limits.MemoryBytes", AS_BYTES },
    { "limit-pids", TASK "Resources.Limits.Pids", AS_INT },
    { "reserve-cpu", TASK "Resources.Reservations.NanoCPUs", AS_NANO },
    { "reserve-memory", TASK "Resources.Reservations.MemoryBytes", AS_BYTES },
    { "endpoint-mode", "EndpointSpec.Mode", AS_STRING },
    { "replicas-max-per-node", TASK "Placement.MaxReplicas", AS_INT },
};

static const struct place restart_places[] = {
    { "restart-condition", TASK "RestartPolicy.Condition", AS_STRING },
    { "restart-delay", TASK "RestartPolicy.Delay", AS_NS },
    { "restart-max-attempts", TASK "RestartPolicy.MaxAttempts", AS_INT },
    { "restart-window", TASK "RestartPolicy.Window", AS_NS },
};

static const struct place update_places[] = {
    { "update-parallelism", "UpdateConfig.Parallelism", AS_INT },
    { "update-delay", "UpdateConfig.Delay", AS_NS },
    { "update-failure-action", "UpdateConfig.FailureAction", AS_STRING },
    { "update-monitor", "UpdateConfig.Monitor", AS_NS },
    { "update-max-failure-ratio", "UpdateConfig.MaxFailureRatio", AS_FLOAT },
    { "update-order", "UpdateConfig.Order", AS_STRING },
};

static const struct place rollback_places[] = {
    { "rollback-parallelism", "RollbackConfig.Parallelism", AS_INT },
    { "rollback-delay", "RollbackConfig.Delay", AS_NS },
    { "rollback-failure-action", "RollbackConfig.FailureAction", AS_STRING },
    { "rollback-monitor", "RollbackConfig.Monitor", AS_NS },
    { "rollback-max-failure-ratio", "RollbackConfig.MaxFailureRatio", AS_FLOAT },
    { "rollback-order", "RollbackConfig.Order", AS_STRING },
};

static const struct place health_places[] = {
    { "health-interval", CONTAINER "Healthcheck.Interval", AS_NS },
    { "health-timeout", CONTAINER "Healthcheck.Timeout", AS_NS },
    { "health-start-period", CONTAINER "Healthcheck.StartPeriod", AS_NS },
    { "health-start-interval", CONTAINER "Healthcheck.StartInterval", AS_NS },
    { "health-retries", CONTAINER "Healthcheck.Retries", AS_INT },
};

static json_t *value_of(const struct args *args, const struct place *p)
{
    switch (p->type) {
    case AS_STRING:
        return js_string(args_str(args, p->option));
    case AS_BOOL:
        return json_boolean(args_bool(args, p->option));
    case AS_INT:
        return json_integer(args_int(args, p->option));
    case AS_NS:
        return json_integer(args_ns(args, p->option));
    case AS_BYTES:
        return json_integer(args_bytes(args, p->option));
    case AS_NANO:
        return json_integer(args_nano(args, p->option));
    case AS_FLOAT:
        break;
    }
    return json_real(args_float(args, p->option));
}

static void apply(json_t *spec, const struct args *args, const struct place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (args_set(args, places[i].option))
            js_set(spec, places[i].path, value_of(args, &places[i]));
    }
}

static bool any(const struct args *args, const struct place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (args_set(args, places[i].option))
            return true;
    }
    return false;
}

static void flow_defaults(json_t *spec, const char *key)
{
    json_t *flow;

    if (js_get(spec, key) != NULL && !json_is_null(js_get(spec, key)))
        return;
    flow = js_obj(spec, key);
    js_set_int(flow, "Parallelism", 1);
    js_set_str(flow, "FailureAction", "pause");
    js_set_int(flow, "Monitor", 5 * SW_NS_PER_S);
    js_set_int(flow, "MaxFailureRatio", 0);
    js_set_str(flow, "Order", "stop-first");
}

static void restart_defaults(json_t *spec)
{
    if (json_is_object(js_get(spec, TASK "RestartPolicy")))
        return;
    js_set_str(spec, TASK "RestartPolicy.Condition", "any");
    js_set_int(spec, TASK "RestartPolicy.Delay", 5 * SW_NS_PER_S);
    js_set_int(spec, TASK "RestartPolicy.MaxAttempts", 0);
}

static int health(json_t *spec, const struct args *args, struct sw_err *err)
{
    bool settings =
        args_set(args, "health-cmd") || any(args, health_places, SW_ARRAY_LEN(health_places));

    if (args_bool(args, "no-healthcheck")) {
        json_t *none = json_array();

        js_append_str(none, "NONE");
        if (settings) {
            json_decref(none);
            return sw_err_set(err, SW_E_INVALID,
                              "--no-healthcheck conflicts with --health-* options");
        }
        js_set(spec, CONTAINER "Healthcheck", json_object());
        js_set(spec, CONTAINER "Healthcheck.Test", none);
        return 0;
    }
    if (!settings)
        return 0;
    if (js_array_has(js_get(spec, CONTAINER "Healthcheck.Test"), "NONE"))
        js_del(spec, CONTAINER "Healthcheck.Test");
    if (args_set(args, "health-cmd")) {
        json_t *test = json_array();

        js_append_str(test, "CMD-SHELL");
        js_append_str(test, args_str(args, "health-cmd"));
        js_set(spec, CONTAINER "Healthcheck.Test", test);
        if (*args_str(args, "health-cmd") == '\0')
            js_del(spec, CONTAINER "Healthcheck.Test");
    }
    apply(spec, args, health_places, SW_ARRAY_LEN(health_places));
    return 0;
}

static void log_driver(json_t *spec, const struct args *args)
{
    const struct strv *opts = args_list(args, "log-opt");

    if (*args_str(args, "log-driver") == '\0')
        return;
    js_set(spec, TASK "LogDriver", json_object());
    js_set_str(spec, TASK "LogDriver.Name", args_str(args, "log-driver"));
    for (size_t i = 0; i < opts->n; i++)
        js_map_set(js_obj(spec, TASK "LogDriver.Options"), opts->v[i]);
}

static int entrypoint(json_t *spec, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv words = { 0 };

    if (!args_set(args, "entrypoint"))
        return 0;
    if (text_words(args_str(args, "entrypoint"), &words, err) < 0)
        return err->code;
    if (words.n > 0)
        js_set(spec, CONTAINER "Command", js_strings(&words));
    else
        js_del(spec, CONTAINER "Command");
    return 0;
}

int service_flags(json_t *spec, const struct args *args, struct sw_err *err)
{
    if (entrypoint(spec, args, err) < 0)
        return err->code;
    apply(spec, args, container_places, SW_ARRAY_LEN(container_places));
    if (health(spec, args, err) < 0)
        return err->code;
    if (any(args, restart_places, SW_ARRAY_LEN(restart_places))) {
        restart_defaults(spec);
        apply(spec, args, restart_places, SW_ARRAY_LEN(restart_places));
    }
    log_driver(spec, args);
    if (any(args, update_places, SW_ARRAY_LEN(update_places))) {
        flow_defaults(spec, "UpdateConfig");
        apply(spec, args, update_places, SW_ARRAY_LEN(update_places));
    }
    if (any(args, rollback_places, SW_ARRAY_LEN(rollback_places))) {
        flow_defaults(spec, "RollbackConfig");
        apply(spec, args, rollback_places, SW_ARRAY_LEN(rollback_places));
    }
    return 0;
}
