/* SPDX-License-Identifier: Apache-2.0
 * health.c - the probe loop of a running container.
 *
 * Exit 0 is healthy, anything else a failure; `retries` failures in a row make it unhealthy, except
 * within start_period before the first success. A probe that takes longer than its timeout is
 * killed and counts as a failure. Source: SEMANTICS 23.6; Docker Engine API HealthConfig. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "agent/worker/unit.h"
#include "common/base/alloc.h"
#include "common/base/time.h"

#define DEFAULT_INTERVAL_NS (30 * SW_NS_PER_S)
#define DEFAULT_TIMEOUT_NS  (30 * SW_NS_PER_S)
#define DEFAULT_RETRIES     3
#define START_INTERVAL_NS   (5 * SW_NS_PER_S)

struct unit_health {
    struct unit *u;
    struct sw_timer next;    /* the next probe */
    struct sw_timer timeout; /* of the one that runs */
    struct container_exec *exec;
    bool timed_out;
    bool succeeded; /* at least once */
    unsigned failures;
    int64_t began_ns;
    int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
    unsigned retries;
    const char **argv;
};

static const Swarm__V1__HealthConfig *config(const struct unit *u)
{
    const Swarm__V1__AssignedTask *t = task_assigned(u->task);

    return t->spec != NULL && t->spec->container != NULL ? t->spec->container->health : NULL;
}

bool unit_has_health(const struct unit *u)
{
    const Swarm__V1__HealthConfig *h = config(u);

    return h != NULL && h->n_test > 1 && strcmp(h->test[0], "NONE") != 0;
}

static void schedule(struct unit_health *h)
{
    bool starting = !h->succeeded && sw_mono_ns() - h->began_ns < h->start_period_ns;

    sw_timer_start(&h->next,
                   (uint64_t)((starting ? h->start_interval_ns : h->interval_ns) / SW_NS_PER_MS));
}

static void verdict(struct unit_health *h, bool ok)
{
    struct unit *u = h->u;

    if (ok) {
        h->failures = 0;
        if (!h->succeeded) {
            h->succeeded = true;
            task_on_health(u->task, TASK_HEALTHY);
        }
    } else if (h->succeeded || sw_mono_ns() - h->began_ns >= h->start_period_ns) {
        h->failures++;
    }
    schedule(h);
    if (h->failures >= h->retries) {
        sw_timer_stop(&h->next);
        task_on_health(u->task, TASK_UNHEALTHY);
    }
    unit_run(u); /* may end the probe loop */
}

static void probe_over(struct unit_health *h, bool ok)
{
    sw_timer_stop(&h->timeout);
    container_exec_free(h->exec);
    h->exec = NULL;
    verdict(h, ok && !h->timed_out);
}

static void on_failed(struct container_exec *x, int exit_code, const struct sw_err *err, void *data)
{
    (void)x;
    (void)exit_code;
    (void)err;
    probe_over(data, false);
}

static void on_exited(struct container_exec *x, int exit_code, void *data)
{
    (void)x;
    probe_over(data, exit_code == 0);
}

static void on_timeout(void *arg)
{
    struct unit_health *h = arg;
    struct sw_err err;

    h->timed_out = true;
    if (h->exec != NULL)
        (void)container_exec_signal(h->exec, SIGKILL, &err);
}

static void on_next(void *arg)
{
    struct unit_health *h = arg;
    struct container_exec_options o = { .argv = h->argv, .discard = true };
    struct container_exec_events e = { .failed = on_failed, .exited = on_exited, .data = h };
    struct sw_err err;

    if (h->u->container == NULL || h->u->stage != UNIT_RUNNING)
        return;
    h->timed_out = false;
    if (container_exec(&h->exec, h->u->container, &o, &e, &err) < 0) {
        h->exec = NULL;
        verdict(h, false);
        return;
    }
    sw_timer_start(&h->timeout, (uint64_t)(h->timeout_ns / SW_NS_PER_MS));
}

static int64_t or_default(int64_t v, int64_t fallback)
{
    return v > 0 ? v : fallback;
}

/* ["CMD","x"] runs x; ["CMD-SHELL","text"] runs sh -c text. */
static int build_argv(struct unit_health *h, const Swarm__V1__HealthConfig *c)
{
    size_t n = 0;

    h->argv = sw_calloc(c->n_test + 3, sizeof(*h->argv));
    if (h->argv == NULL)
        return -ENOMEM;
    if (strcmp(c->test[0], "CMD-SHELL") == 0) {
        h->argv[n++] = "/bin/sh";
        h->argv[n++] = "-c";
    }
    for (size_t i = 1; i < c->n_test; i++)
        h->argv[n++] = c->test[i];
    return 0;
}

int unit_health_start(struct unit *u)
{
    const Swarm__V1__HealthConfig *c = config(u);
    struct unit_health *h;
    struct sw_err err;

    if (!unit_has_health(u) || u->health != NULL)
        return 0;
    h = sw_calloc(1, sizeof(*h));
    if (h == NULL || sw_timer_init(&h->next, u->w->o.loop, on_next, h, &err) < 0 ||
        sw_timer_init(&h->timeout, u->w->o.loop, on_timeout, h, &err) < 0 || build_argv(h, c) < 0) {
        if (h != NULL) {
            sw_timer_fini(&h->next);
            sw_timer_fini(&h->timeout);
        }
        sw_free(h);
        return -ENOMEM;
    }
    h->u = u;
    h->interval_ns = or_default(c->interval_ns, DEFAULT_INTERVAL_NS);
    h->timeout_ns = or_default(c->timeout_ns, DEFAULT_TIMEOUT_NS);
    h->start_period_ns = c->start_period_ns;
    h->start_interval_ns = or_default(c->start_interval_ns, START_INTERVAL_NS);
    h->retries = c->retries > 0 ? (unsigned)c->retries : DEFAULT_RETRIES;
    h->began_ns = sw_mono_ns();
    u->health = h;
    schedule(h);
    return 0;
}

void unit_health_stop(struct unit *u)
{
    struct unit_health *h = u->health;

    if (h == NULL)
        return;
    u->health = NULL;
    sw_timer_fini(&h->next);
    sw_timer_fini(&h->timeout);
    if (h->exec != NULL)
        container_exec_free(h->exec);
    sw_free(h->argv);
    sw_free(h);
}
