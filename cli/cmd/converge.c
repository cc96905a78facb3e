/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/converge.h"

#include <string.h>

#include "common/base/macro.h"

#define BARS_MAX         20
#define STEPS_TO_RUNNING 9
#define STEPS_OF_JOB     10
#define STATE_WIDTH      9 /* of the longest state that is shown */
#define ERROR_WIDTH      75

/* Order of states; the numbers are the progress shown. 0: unknown. */
static long state_number(const char *s)
{
    static const char *const states[] = { "new",      "allocated", "pending",  "assigned",
                                          "accepted", "preparing", "ready",    "starting",
                                          "running",  "complete",  "shutdown", "failed",
                                          "rejected" };

    for (size_t i = 0; i < SW_ARRAY_LEN(states); i++) {
        if (strcmp(states[i], s) == 0)
            return (long)i + 1;
    }
    return 0;
}

static long observed(const json_t *task)
{
    return state_number(js_str(task, "Status.State"));
}

static long desired(const json_t *task)
{
    return state_number(js_str(task, "DesiredState"));
}

static bool is_terminal(long state)
{
    return state > STEPS_TO_RUNNING;
}

bool converge_is_job(const json_t *service)
{
    return js_get(service, "Spec.Mode.ReplicatedJob") != NULL ||
           js_get(service, "Spec.Mode.GlobalJob") != NULL;
}

/* Tasks may end by themselves and then stay ended. */
static bool may_complete(const json_t *service)
{
    const char *condition = js_str(service, "Spec.TaskTemplate.RestartPolicy.Condition");

    return strcmp(condition, "none") == 0 || strcmp(condition, "on-failure") == 0;
}

static bool is_up(const struct converge_input *in, const json_t *task)
{
    if (!is_terminal(desired(task)) && strcmp(js_str(task, "Status.State"), "running") == 0)
        return true;
    return strcmp(js_str(task, "Status.State"), "complete") == 0 && may_complete(in->service);
}

static char *one_line(const char *error)
{
    char *s = cli_strdup(error);

    for (char *p = s; *p != '\0'; p++) {
        if (*p == '\n')
            *p = ' ';
    }
    if (strlen(s) > ERROR_WIDTH) {
        char *cut = cli_printf("%.*s\xe2\x80\xa6", ERROR_WIDTH - 1, s);

        sw_free(s);
        return cut;
    }
    return s;
}

static void draw_task(struct progress *p, const char *id, const json_t *task, long current,
                      long total)
{
    SW_CLEANUP(sw_free_ptr) char *text = NULL;

    if (*js_str(task, "Status.Err") != '\0') {
        text = one_line(js_str(task, "Status.Err"));
        progress_put(p, id, text, 0, 0);
        return;
    }
    text = cli_printf("%-*s", STATE_WIDTH, js_str(task, "Status.State"));
    progress_put(p, id, text, current, total);
}

static void draw_service_task(struct progress *p, const struct converge_input *in, const char *id,
                              const json_t *task)
{
    long state = observed(task);

    if (*js_str(task, "Status.Err") == '\0' && (is_terminal(desired(task)) || is_terminal(state)))
        return;
    draw_task(p, id, task, in->rollback ? STEPS_TO_RUNNING - state : state, STEPS_TO_RUNNING);
}

static void draw_overall(struct progress *p, long up, long wanted, bool rollback)
{
    SW_CLEANUP(sw_free_ptr)
    char *text =
        cli_printf("%s%ld out of %ld tasks", rollback ? "rolling back update: " : "", up, wanted);

    progress_put(p, "overall progress", text, 0, 0);
}

/* Of two tasks in one place the one with the lower desired, then observed, state speaks. */
static bool takes_over(const json_t *task, const json_t *old)
{
    if (desired(old) != desired(task))
        return desired(old) > desired(task);
    return observed(old) > observed(task);
}

static bool is_known(const json_t *task)
{
    return desired(task) != 0 && observed(task) != 0;
}

/* Key of a task in its service: slot or node. */
static char *place_of(const json_t *task, bool by_node)
{
    return by_node ? cli_strdup(js_str(task, "NodeID"))
                   : cli_printf("%08lld", (long long)js_int(task, "Slot"));
}

/* One task per slot or node, in an object whose values are the tasks. */
static json_t *by_place(const struct converge_input *in, bool by_node)
{
    json_t *chosen = json_object();
    size_t i;
    json_t *task;

    json_array_foreach(in->tasks, i, task)
    {
        SW_CLEANUP(sw_free_ptr) char *key = place_of(task, by_node);
        const char *node = js_str(task, "NodeID");
        json_t *old = json_object_get(chosen, key);

        if (!is_known(task) || (old != NULL && !takes_over(task, old)))
            continue;
        if (!by_node && *node != '\0' && json_object_get(in->active_nodes, node) == NULL)
            continue;
        json_object_set(chosen, key, task);
    }
    return chosen;
}

static void still_done(struct converge *c, const struct converge_input *in, const json_t *chosen)
{
    const char *key;
    json_t *task;
    json_t *o = (json_t *)(uintptr_t)chosen;

    json_object_foreach(o, key, task)
    {
        if (strcmp(js_str(task, "Status.State"), "running") != 0 && !is_up(in, task))
            c->done = false;
    }
}

static size_t slot_number(struct converge *c, const char *key)
{
    for (size_t i = 0; i < c->slots.n; i++) {
        if (strcmp(c->slots.v[i], key) == 0)
            return i + 1;
    }
    strv_add(&c->slots, key);
    return c->slots.n;
}

static bool step_replicated(struct converge *c, const struct converge_input *in, struct progress *p)
{
    long replicas = (long)js_int(in->service, "Spec.Mode.Replicated.Replicas");
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    json_auto_t *chosen = by_place(in, false);
    long up = 0;

    if (!c->initialized) {
        draw_overall(p, 0, replicas, in->rollback);
        for (long i = 1; i <= replicas && replicas <= BARS_MAX; i++) {
            SW_CLEANUP(sw_free_ptr) char *id = cli_printf("%ld/%ld", i, replicas);

            progress_put(p, id, " ", 0, 0);
        }
        c->initialized = true;
    }
    if (c->done)
        still_done(c, in, chosen);
    js_sorted_keys(chosen, &keys);
    for (size_t i = 0; i < keys.n; i++) {
        const json_t *task = json_object_get(chosen, keys.v[i]);
        size_t slot = slot_number(c, keys.v[i]);
        SW_CLEANUP(sw_free_ptr) char *id = cli_printf("%zu/%ld", slot, replicas);

        up += is_up(in, task);
        if (!c->done && replicas <= BARS_MAX && (long)slot <= replicas)
            draw_service_task(p, in, id, task);
    }
    if (!c->done) {
        draw_overall(p, up, replicas, in->rollback);
        c->done = up == replicas;
    }
    return up == replicas;
}

static bool step_global(struct converge *c, const struct converge_input *in, struct progress *p)
{
    json_auto_t *chosen = by_place(in, true);
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    long wanted = (long)json_object_size(chosen);
    long up = 0;

    if (!c->initialized) {
        if (wanted == 0) { /* not yet scheduled, or no node fits: wait */
            progress_put(p, "overall progress", "waiting for new tasks", 0, 0);
            return false;
        }
        draw_overall(p, 0, wanted, in->rollback);
        c->initialized = true;
    }
    if (c->done)
        still_done(c, in, chosen);
    js_sorted_keys(chosen, &keys);
    for (size_t i = 0; i < keys.n; i++) {
        const json_t *task = json_object_get(chosen, keys.v[i]);
        SW_CLEANUP(sw_free_ptr) char *id = cli_strndup(keys.v[i], 12);

        if (json_object_get(in->active_nodes, keys.v[i]) == NULL)
            continue;
        up += is_up(in, task);
        if (!c->done && wanted <= BARS_MAX)
            draw_service_task(p, in, id, task);
    }
    if (!c->done) {
        draw_overall(p, up, wanted, in->rollback);
        c->done = up == wanted;
    }
    return up == wanted;
}

static int digits(long n)
{
    int d = 1;

    for (; n >= 10; n /= 10)
        d++;
    return d;
}

static void draw_job(struct progress *p, long completed, long total)
{
    SW_CLEANUP(sw_free_ptr)
    char *text = cli_printf("%*ld out of %ld complete", digits(total), completed, total);

    progress_put(p, "job progress", text, completed, total);
}

static void draw_active(struct progress *p, long active, long total, long completed,
                        long concurrent)
{
    long wanted = SW_MIN(total - completed, concurrent);
    SW_CLEANUP(sw_free_ptr)
    char *text = cli_printf("%*ld out of %*ld tasks", digits(concurrent), active,
                            digits(concurrent), wanted);

    progress_put(p, "active tasks", text, 0, 0);
}

/* Of a job a task counts when it belongs to this run of it. */
static json_t *job_tasks(const struct converge *c, const struct converge_input *in, bool by_node)
{
    json_t *chosen = json_object();
    size_t i;
    json_t *task;

    json_array_foreach(in->tasks, i, task)
    {
        SW_CLEANUP(sw_free_ptr) char *key = place_of(task, by_node);
        json_t *old = json_object_get(chosen, key);

        if (js_get(task, "JobIteration") == NULL ||
            js_int(task, "JobIteration.Index") != c->iteration || !is_known(task) ||
            (by_node && c->initialized && !strv_has(&c->nodes, key)))
            continue;
        if (old == NULL || observed(old) > observed(task))
            json_object_set(chosen, key, task);
    }
    return chosen;
}

static bool step_replicated_job(struct converge *c, const struct converge_input *in,
                                struct progress *p)
{
    long total = (long)js_int(in->service, "Spec.Mode.ReplicatedJob.TotalCompletions");
    long concurrent = (long)js_int(in->service, "Spec.Mode.ReplicatedJob.MaxConcurrent");
    json_auto_t *chosen = job_tasks(c, in, false);
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    long active = 0;
    long completed = 0;

    if (!c->initialized) {
        draw_job(p, 0, total);
        draw_active(p, 0, total, 0, concurrent);
        for (long i = 1; i <= total && total <= BARS_MAX; i++) {
            SW_CLEANUP(sw_free_ptr) char *id = cli_printf("%ld/%ld", i, total);

            progress_put(p, id, " ", 0, 0);
        }
        c->initialized = true;
    }
    js_sorted_keys(chosen, &keys);
    for (size_t i = 0; i < keys.n; i++) {
        const json_t *task = json_object_get(chosen, keys.v[i]);
        SW_CLEANUP(sw_free_ptr)
        char *id = cli_printf("%lld/%ld", (long long)js_int(task, "Slot") + 1, total);

        if (total <= BARS_MAX)
            draw_task(p, id, task, observed(task), STEPS_OF_JOB);
        active += !is_terminal(observed(task));
        completed += strcmp(js_str(task, "Status.State"), "complete") == 0;
    }
    draw_job(p, completed, total);
    draw_active(p, active, total, completed, concurrent);
    return completed == total;
}

static bool step_global_job(struct converge *c, const struct converge_input *in, struct progress *p)
{
    json_auto_t *chosen = job_tasks(c, in, true);
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    long completed = 0;

    js_sorted_keys(chosen, &keys);
    if (!c->initialized) {
        if (json_array_size(in->tasks) == 0 && json_object_size(in->active_nodes) > 0) {
            progress_put(p, "job progress", "waiting for tasks", 0, 0);
            return false;
        }
        /* Nodes that join later run the job too, but are not waited for. */
        for (size_t i = 0; i < keys.n; i++)
            strv_add(&c->nodes, keys.v[i]);
        draw_job(p, 0, (long)c->nodes.n);
        c->initialized = true;
    }
    for (size_t i = 0; i < keys.n; i++) {
        const json_t *task = json_object_get(chosen, keys.v[i]);

        if (c->nodes.n <= BARS_MAX)
            draw_task(p, keys.v[i], task, observed(task), STEPS_OF_JOB);
        completed += strcmp(js_str(task, "Status.State"), "complete") == 0;
    }
    draw_job(p, completed, (long)c->nodes.n);
    return completed == (long)c->nodes.n;
}

int converge_step(struct converge *c, const struct converge_input *in, struct progress *p,
                  bool *converged, struct sw_err *err)
{
    const json_t *mode = js_get(in->service, "Spec.Mode");

    if (!c->initialized)
        c->iteration = js_int(in->service, "JobStatus.JobIteration.Index");
    if (js_get(mode, "Replicated.Replicas") != NULL)
        *converged = step_replicated(c, in, p);
    else if (js_get(mode, "Global") != NULL)
        *converged = step_global(c, in, p);
    else if (js_get(mode, "ReplicatedJob") != NULL)
        *converged = step_replicated_job(c, in, p);
    else if (js_get(mode, "GlobalJob") != NULL)
        *converged = step_global_job(c, in, p);
    else
        return sw_err_set(err, SW_E_INVALID,
                          js_get(mode, "Replicated") != NULL ? "no replica count"
                                                             : "unrecognized service mode");
    return 0;
}

void converge_fini(struct converge *c)
{
    strv_fini(&c->slots);
    strv_fini(&c->nodes);
}
