/* SPDX-License-Identifier: Apache-2.0
 *
 * The deploy section: how many, where, with what, and how they change. */
#include <string.h>

#include "cli/compose/convert.h"
#include "cli/spec/text.h"
#include "common/base/time.h"

#define TASK "TaskTemplate."

static int set_mode(struct convert *x, const char *name, const struct yn *d, json_t *spec)
{
    const struct yn *node = yn_get(d, "mode");
    const char *mode = yn_text(node);
    const struct yn *replicas = yn_get(d, "replicas");

    if (strcmp(mode, "global") == 0 || strcmp(mode, "global-job") == 0) {
        if (replicas != NULL)
            return yn_fail(
                replicas, x->err,
                "service %s: replicas can only be used with replicated or replicated-job mode",
                name);
        js_obj(spec, strcmp(mode, "global") == 0 ? "Mode.Global" : "Mode.GlobalJob");
    } else if (*mode == '\0' || strcmp(mode, "replicated") == 0) {
        js_obj(spec, "Mode.Replicated");
        if (replicas != NULL)
            js_set_int(spec, "Mode.Replicated.Replicas", yn_number(replicas));
    } else if (strcmp(mode, "replicated-job") == 0) {
        js_obj(spec, "Mode.ReplicatedJob");
        if (replicas != NULL) {
            js_set_int(spec, "Mode.ReplicatedJob.MaxConcurrent", yn_number(replicas));
            js_set_int(spec, "Mode.ReplicatedJob.TotalCompletions", yn_number(replicas));
        }
    } else {
        return yn_fail(node, x->err, "service %s: Unknown mode: %s", name, mode);
    }
    return 0;
}

static int amounts(struct convert *x, const char *name, const struct yn *from, json_t *o)
{
    const struct yn *cpus = yn_get(from, "cpus");
    const struct yn *memory = yn_get(from, "memory");
    struct sw_err why;
    int64_t v;

    if (cpus != NULL) {
        if (text_cpus(yn_text(cpus), &v, &why) < 0)
            return yn_fail(cpus, x->err, "service %s: %s", name, why.msg);
        js_set_int(o, "NanoCPUs", v);
    }
    if (memory != NULL) {
        if (text_bytes(yn_text(memory), &v, &why) < 0)
            return yn_fail(memory, x->err, "service %s: %s", name, why.msg);
        js_set_int(o, "MemoryBytes", v);
    }
    return 0;
}

static int set_resources(struct convert *x, const char *name, const struct yn *r, json_t *spec)
{
    const struct yn *limits = yn_get(r, "limits");
    const struct yn *reservations = yn_get(r, "reservations");
    const struct yn *generic = yn_get(reservations, "generic_resources");

    js_obj(spec, TASK "Resources");
    if (limits != NULL) {
        json_t *o = js_obj(spec, TASK "Resources.Limits");

        if (amounts(x, name, limits, o) < 0)
            return x->err->code;
        if (yn_get(limits, "pids") != NULL)
            js_set_int(o, "Pids", yn_number(yn_get(limits, "pids")));
    }
    if (reservations != NULL &&
        amounts(x, name, reservations, js_obj(spec, TASK "Resources.Reservations")) < 0)
        return x->err->code;
    for (size_t i = 0; generic != NULL && i < generic->n; i++) {
        const struct yn *d = yn_get(generic->items[i].value, "discrete_resource_spec");
        json_t *g = json_object();

        js_set_str(g, "DiscreteResourceSpec.Kind", yn_text(yn_get(d, "kind")));
        js_set_int(g, "DiscreteResourceSpec.Value", yn_number(yn_get(d, "value")));
        json_array_append_new(js_arr(spec, TASK "Resources.Reservations.GenericResources"), g);
    }
    return 0;
}

/* The service's own "restart" speaks when deploy.restart_policy does not. */
static int fallback_restart(struct convert *x, const char *name, const struct yn *restart,
                            json_t *spec)
{
    SW_CLEANUP(sw_free_ptr) char *word = NULL;
    const char *count = text_cut(yn_text(restart), ':', &word);
    struct sw_err why;
    uint64_t attempts = 0;

    if (*word == '\0' || strcmp(word, "no") == 0)
        return 0;
    if (strcmp(word, "always") == 0 || strcmp(word, "unless-stopped") == 0) {
        js_set_str(spec, TASK "RestartPolicy.Condition", "any");
        return 0;
    }
    if (strcmp(word, "on-failure") != 0)
        return yn_fail(restart, x->err, "service %s: unknown restart policy: %s", name,
                       yn_text(restart));
    if (count != NULL && text_uint(count, &attempts, &why) < 0)
        return yn_fail(
            restart, x->err,
            "service %s: invalid restart policy format: maximum retry count must be an integer",
            name);
    js_set_str(spec, TASK "RestartPolicy.Condition", "on-failure");
    js_set_int(spec, TASK "RestartPolicy.MaxAttempts", (int64_t)attempts);
    return 0;
}

static int set_restart(struct convert *x, const char *name, const struct yn *s, json_t *spec)
{
    const struct yn *p = yn_at(s, "deploy.restart_policy");
    json_t *o;

    if (p == NULL)
        return fallback_restart(x, name, yn_get(s, "restart"), spec);
    o = js_obj(spec, TASK "RestartPolicy");
    if (yn_get(p, "condition") != NULL)
        js_set_str(o, "Condition", yn_text(yn_get(p, "condition")));
    if (yn_get(p, "delay") != NULL)
        js_set_int(o, "Delay", convert_duration(yn_get(p, "delay")));
    if (yn_get(p, "max_attempts") != NULL)
        js_set_int(o, "MaxAttempts", yn_number(yn_get(p, "max_attempts")));
    if (yn_get(p, "window") != NULL)
        js_set_int(o, "Window", convert_duration(yn_get(p, "window")));
    return 0;
}

static void set_placement(const struct yn *p, json_t *spec)
{
    const struct yn *constraints = yn_get(p, "constraints");
    const struct yn *prefs = yn_get(p, "preferences");

    js_obj(spec, TASK "Placement");
    if (constraints != NULL && constraints->n > 0)
        js_set(spec, TASK "Placement.Constraints", convert_strings(constraints));
    for (size_t i = 0; prefs != NULL && i < prefs->n; i++) {
        json_t *o = json_object();

        js_set_str(o, "Spread.SpreadDescriptor", yn_text(yn_get(prefs->items[i].value, "spread")));
        json_array_append_new(js_arr(spec, TASK "Placement.Preferences"), o);
    }
    if (yn_number(yn_get(p, "max_replicas_per_node")) > 0)
        js_set_int(spec, TASK "Placement.MaxReplicas",
                   yn_number(yn_get(p, "max_replicas_per_node")));
}

static void set_flow(const struct yn *f, json_t *spec, const char *key)
{
    const struct yn *ratio = yn_get(f, "max_failure_ratio");
    json_t *o;

    if (f == NULL)
        return;
    o = js_obj(spec, key);
    js_set_int(o, "Parallelism",
               yn_get(f, "parallelism") != NULL ? yn_number(yn_get(f, "parallelism")) : 1);
    if (convert_duration(yn_get(f, "delay")) != 0)
        js_set_int(o, "Delay", convert_duration(yn_get(f, "delay")));
    if (*yn_text(yn_get(f, "failure_action")) != '\0')
        js_set_str(o, "FailureAction", yn_text(yn_get(f, "failure_action")));
    if (convert_duration(yn_get(f, "monitor")) != 0)
        js_set_int(o, "Monitor", convert_duration(yn_get(f, "monitor")));
    js_set(o, "MaxFailureRatio",
           yn_is(ratio, YN_FLOAT) ? json_real(ratio->real) : json_integer(yn_number(ratio)));
    js_set_str(o, "Order", yn_text(yn_get(f, "order")));
}

int convert_deploy(struct convert *x, const char *name, const struct yn *s, json_t *spec)
{
    const struct yn *d = yn_get(s, "deploy");

    if (set_resources(x, name, yn_get(d, "resources"), spec) < 0 ||
        set_restart(x, name, s, spec) < 0)
        return x->err->code;
    set_placement(yn_get(d, "placement"), spec);
    if (set_mode(x, name, d, spec) < 0)
        return x->err->code;
    set_flow(yn_get(d, "update_config"), spec, "UpdateConfig");
    set_flow(yn_get(d, "rollback_config"), spec, "RollbackConfig");
    return 0;
}
