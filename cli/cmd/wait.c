/* SPDX-License-Identifier: Apache-2.0
 *
 * How it works: every POLL_MS the service, its tasks and the nodes are read. Once all tasks are as
 * asked a clock starts; when they stay so for the monitor time (5 s, or the update's) the service
 * has converged. A failure in between stops the clock. The update's own verdict ends it at once. */
#include "cli/cmd/wait.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "cli/cmd/common.h"
#include "cli/cmd/converge.h"
#include "common/base/time.h"

#define POLL_MS    200
#define MONITOR_NS (5 * SW_NS_PER_S)

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

struct wait {
    struct cli *cli;
    const char *service;
    struct progress progress;
    struct converge converge;
    bool rollback;
    bool converged;
    int64_t since_ns; /* monotonic; 0: not converged */
    int64_t monitor_ns;
    char *last_word; /* printed behind "converged" */
};

static json_t *active_nodes(const json_t *nodes)
{
    json_t *active = json_object();
    size_t i;
    json_t *n;

    json_array_foreach(nodes, i, n)
    {
        if (strcmp(js_str(n, "Status.State"), "down") != 0)
            json_object_set_new(active, js_str(n, "ID"), json_true());
    }
    return active;
}

static int get_tasks(struct wait *w, const json_t *service, json_t **out, struct sw_err *err)
{
    json_auto_t *filters = json_object();

    filters_set(filters, "service", js_str(service, "ID"));
    filters_set(filters, "_up-to-date", "true");
    return cmd_list(w->cli, "/tasks", filters, out, err);
}

/* What the update says of itself. Return: 0 go on, 1 finished, < 0 failed. */
static int update_verdict(struct wait *w, const json_t *service, struct sw_err *err)
{
    const char *state = js_str(service, "UpdateStatus.State");
    const char *message = js_str(service, "UpdateStatus.Message");

    if (strcmp(state, "updating") == 0) {
        w->rollback = false;
    } else if (strcmp(state, "completed") == 0) {
        return w->converged ? 0 : 1;
    } else if (strcmp(state, "paused") == 0) {
        return sw_err_set(err, SW_E_INTERNAL, "service update paused: %s", message);
    } else if (strcmp(state, "rollback_started") == 0) {
        if (!w->rollback && *message != '\0')
            progress_put(&w->progress, "rollback", message, 0, 0);
        w->rollback = true;
    } else if (strcmp(state, "rollback_paused") == 0) {
        return sw_err_set(err, SW_E_INTERNAL, "service rollback paused: %s", message);
    } else if (strcmp(state, "rollback_completed") == 0) {
        if (!w->converged) {
            sw_free(w->last_word);
            w->last_word = cli_strdup(message);
        }
        w->rollback = true;
    }
    return 0;
}

static void say_converged(struct wait *w)
{
    SW_CLEANUP(sw_free_ptr) char *text = cli_printf("Service %s converged", w->service);

    progress_put(&w->progress, "verify", text, 0, 0);
    if (w->last_word != NULL)
        progress_message(&w->progress, "rollback", w->last_word);
}

/* After a step: start, show or reset the clock. Return: 1 when a job is complete. */
static int judge(struct wait *w, const json_t *service)
{
    int64_t now = sw_mono_ns();

    if (!w->converged) {
        if (w->since_ns != 0)
            progress_put(&w->progress, "verify", "Detected task failure", 0, 0);
        w->since_ns = 0;
        return 0;
    }
    if (converge_is_job(service)) {
        progress_message(&w->progress, "", "job complete");
        return 1;
    }
    if (w->since_ns == 0)
        w->since_ns = now;
    if (now - w->since_ns <= w->monitor_ns) {
        SW_CLEANUP(sw_free_ptr)
        char *text =
            cli_printf("Waiting %lld seconds to verify that tasks are stable...",
                       (long long)((w->monitor_ns - (now - w->since_ns) - 1) / SW_NS_PER_S + 1));

        progress_put(&w->progress, "verify", text, 0, 0);
    }
    return 0;
}

/* Return: 0 go on, 1 finished, < 0 failed. */
static int round_of(struct wait *w, struct sw_err *err)
{
    json_auto_t *service = NULL;
    json_auto_t *tasks = NULL;
    json_auto_t *nodes = NULL;
    json_auto_t *active = NULL;
    struct converge_input in;
    int r;

    if (cmd_get(w->cli, "/services/", w->service, &service, err) < 0)
        return err->code;
    if (js_int(service, "Spec.UpdateConfig.Monitor") != 0)
        w->monitor_ns = js_int(service, "Spec.UpdateConfig.Monitor");
    r = update_verdict(w, service, err);
    if (r != 0)
        return r;
    if (w->converged && sw_mono_ns() - w->since_ns >= w->monitor_ns) {
        say_converged(w);
        return 1;
    }
    if (get_tasks(w, service, &tasks, err) < 0 || cmd_list(w->cli, "/nodes", NULL, &nodes, err) < 0)
        return err->code;
    active = active_nodes(nodes);
    in = (struct converge_input){ service, tasks, active, w->rollback };
    if (converge_step(&w->converge, &in, &w->progress, &w->converged, err) < 0)
        return err->code;
    return judge(w, service);
}

static void say_interrupted(struct wait *w)
{
    SW_CLEANUP(sw_free_ptr) char *words = cli_printf("service ps %s", w->service);
    SW_CLEANUP(sw_free_ptr) char *command = command_say(w->cli, words);
    SW_CLEANUP(sw_free_ptr) char *hint = cli_printf("Use `%s` to check progress.", command);

    if (w->converged)
        return;
    progress_message(&w->progress, "", "Operation continuing in background.");
    progress_message(&w->progress, "", hint);
}

int wait_service(struct cli *cli, const char *service, bool quiet, struct sw_err *err)
{
    const struct timespec pause = { 0, POLL_MS * SW_NS_PER_MS };
    struct sigaction act = { .sa_handler = on_interrupt };
    struct sigaction old;
    struct wait w = { .cli = cli, .service = service, .monitor_ns = MONITOR_NS };
    int r = 0;

    progress_init(&w.progress, stdout, quiet);
    w.progress.once = strcmp(cli->program, "swarm") == 0; /* docker repeats itself in a log */
    interrupted = 0;
    sigaction(SIGINT, &act, &old);
    while (r == 0) {
        r = round_of(&w, err);
        if (r == 0)
            nanosleep(&pause, NULL);
        if (r == 0 && interrupted) {
            say_interrupted(&w);
            break;
        }
    }
    sigaction(SIGINT, &old, NULL);
    progress_fini(&w.progress);
    converge_fini(&w.converge);
    sw_free(w.last_word);
    return r < 0 ? r : 0;
}
