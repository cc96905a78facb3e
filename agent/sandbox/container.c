/* SPDX-License-Identifier: Apache-2.0
 * container.c - life of a container as the agent sees it; container.h has the states.
 *
 * How it works. What happens is told by the shim over its link. The end is told once, by
 * container_end(): from the event failed or exited, or, when the link ends without one, from the
 * file "exit" the shim left, or as lost, after killing what is still in the cgroup. */
#include "agent/sandbox/container.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/sandbox/container_priv.h"
#include "agent/sandbox/spec.h"
#include "agent/sandbox/wire.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/base/time.h"
#include "common/log/log.h"

static const struct sw_state states[] = {
    [CONTAINER_CREATING] = { "creating", SW_BIT(CONTAINER_CREATED) | SW_BIT(CONTAINER_DEAD) },
    [CONTAINER_CREATED] = { "created", SW_BIT(CONTAINER_STARTING) | SW_BIT(CONTAINER_RUNNING) |
                                           SW_BIT(CONTAINER_DEAD) },
    [CONTAINER_STARTING] = { "starting", SW_BIT(CONTAINER_RUNNING) | SW_BIT(CONTAINER_DEAD) },
    [CONTAINER_RUNNING] = { "running", SW_BIT(CONTAINER_DEAD) },
    [CONTAINER_DEAD] = { "dead", 0 },
};
_Static_assert(SW_ARRAY_LEN(states) == CONTAINER_STATES, "one row per state");

static void container_go(struct container *c, enum container_state next)
{
    assert(states[c->state].next & SW_BIT(next));
    log_debug("container %.12s: %s -> %s", c->id, states[c->state].name, states[next].name);
    c->state = next;
}

void container_spec_init(struct container_spec *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->stop_grace_ms = -1;
}

enum container_state container_state(const struct container *c)
{
    return c->state;
}

const char *container_id(const struct container *c)
{
    return c->id;
}

pid_t container_pid(const struct container *c)
{
    return c->state == CONTAINER_DEAD ? 0 : c->pid;
}

bool container_is_paused(const struct container *c)
{
    return c->paused;
}

int container_not_running(const struct container *c, struct sw_err *err)
{
    return sw_err_set(err, SW_E_CONFLICT, "Container %s is not running", c->id);
}

/* ---- the end ---- */

static void drop_link(struct container *c)
{
    shimlink_free(c->link);
    c->link = NULL;
    host_reap(c->host, c->shim);
    c->shim = 0;
}

/* Moves to DEAD; nobody has been told yet. */
static void container_die(struct container *c)
{
    container_go(c, CONTAINER_DEAD);
    sw_timer_stop(&c->freeze);
    drop_link(c);
    container_exec_lost(c);
}

/* Last words to the owner, who may free @c: nothing may follow. */
static void end_failed(struct container *c, int exit_code, const struct sw_err *err)
{
    container_die(c);
    if (c->events.failed != NULL)
        c->events.failed(c, exit_code, err, c->events.data);
}

static void end_exited(struct container *c)
{
    container_die(c);
    if (c->events.exited != NULL)
        c->events.exited(c, &c->exit, c->events.data);
}

static bool read_exit(struct container *c)
{
    struct wire_exit x;

    if (wire_exit_read(c->dir, &x) < 0)
        return false;
    c->exit = (struct container_exit){ .code = x.code,
                                       .signal = x.signal,
                                       .oom_killed = x.oom_killed,
                                       .started = x.started,
                                       .started_ns = x.started_ns,
                                       .finished_ns = x.finished_ns };
    return true;
}

static void end_lost(struct container *c)
{
    struct wire_exit x = { .code = CONTAINER_EXIT_LOST, .finished_ns = sw_now_ns() };

    (void)cgroup_kill(&c->cg); /* they have lost their parent's PDEATHSIG otherwise */
    x.started = c->state == CONTAINER_RUNNING || c->adopted;
    x.started_ns = c->exit.started_ns;
    (void)wire_exit_write(c->dir, &x);
    log_warn("shim lost container=%.12s", c->id);
    (void)read_exit(c);
}

static void on_link_end(void *arg)
{
    struct container *c = arg;
    struct sw_err err;

    if (read_exit(c)) {
        end_exited(c);
        return;
    }
    end_lost(c);
    if (c->state == CONTAINER_CREATING) {
        (void)sw_err_set(&err, SW_E_INTERNAL, "swarm-shim ended unexpectedly");
        end_failed(c, 128, &err);
    } else {
        end_exited(c);
    }
}

/* ---- events of the shim ---- */

static void on_created(struct container *c, pid_t pid)
{
    if (c->state != CONTAINER_CREATING)
        return;
    c->pid = pid;
    container_go(c, CONTAINER_CREATED);
    if (c->events.created != NULL)
        c->events.created(c, pid, c->events.data);
}

static void on_started(struct container *c, const Swarm__V1__ShimStarted *m)
{
    if (c->state != CONTAINER_STARTING && c->state != CONTAINER_CREATED)
        return;
    c->pid = m->pid;
    c->exit.started_ns = m->started_ns;
    container_go(c, CONTAINER_RUNNING);
    if (c->events.started != NULL)
        c->events.started(c, m->pid, m->started_ns, c->events.data);
}

static void on_event(const Swarm__V1__ShimEvent *ev, void *arg)
{
    struct container *c = arg;
    struct sw_err err;

    switch (ev->kind_case) {
    case SWARM__V1__SHIM_EVENT__KIND_CREATED:
        on_created(c, ev->created->pid);
        break;
    case SWARM__V1__SHIM_EVENT__KIND_STARTED:
        on_started(c, ev->started);
        break;
    case SWARM__V1__SHIM_EVENT__KIND_FAILED:
        (void)sw_err_set(&err, ev->failed->code < 0 ? ev->failed->code : SW_E_INTERNAL, "%s",
                         ev->failed->message);
        end_failed(c, ev->failed->exit_code, &err);
        break;
    case SWARM__V1__SHIM_EVENT__KIND_EXITED:
        c->exit = (struct container_exit){ .code = ev->exited->code,
                                           .signal = ev->exited->signal,
                                           .oom_killed = ev->exited->oom_killed,
                                           .started = ev->exited->started,
                                           .started_ns = ev->exited->started_ns,
                                           .finished_ns = ev->exited->finished_ns };
        end_exited(c);
        break;
    case SWARM__V1__SHIM_EVENT__KIND_EXEC_STARTED:
    case SWARM__V1__SHIM_EVENT__KIND_EXEC_FAILED:
    case SWARM__V1__SHIM_EVENT__KIND_EXEC_EXITED:
        container_exec_event(c, ev);
        break;
    case SWARM__V1__SHIM_EVENT__KIND__NOT_SET:
    case _SWARM__V1__SHIM_EVENT__KIND__CASE_IS_INT_SIZE:
        break;
    }
}

/* ---- making and freeing ---- */

/* For adopt: what happened is known, but is told from the loop. */
static void on_later(void *arg)
{
    struct container *c = arg;

    end_exited(c);
}

void container_free(struct container *c)
{
    if (c == NULL)
        return;
    container_exec_orphan(c);
    container_stream_orphan(c);
    shimlink_free(c->link);
    if (c->shim > 0)
        host_reap(c->host, c->shim);
    sw_timer_fini(&c->later);
    sw_timer_fini(&c->freeze);
    if (c->dir >= 0)
        (void)close(c->dir);
    sw_free(c->bundle);
    sw_free(c);
}
SW_DEFINE_CLEANUP(container_free, struct container *);

static void on_freeze(void *arg);

static int container_make(struct container **out, struct container_host *host, const char *id,
                          const char *bundle, const struct container_events *events,
                          struct sw_err *err)
{
    SW_CLEANUP(container_free_ptr) struct container *c = sw_calloc(1, sizeof(*c));
    int r;

    if (c == NULL)
        return sw_err_set(err, -ENOMEM, "container");
    c->host = host;
    c->dir = -1;
    /* the shim may still know execs of an agent before us: never use their numbers again */
    c->next_exec = (uint64_t)sw_mono_ns();
    sw_list_init(&c->streams);
    sw_list_init(&c->execs);
    if (events != NULL)
        c->events = *events;
    (void)snprintf(c->id, sizeof(c->id), "%s", id);
    c->bundle = sw_strdup(bundle);
    if (c->bundle == NULL)
        return sw_err_set(err, -ENOMEM, "container");
    c->dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir < 0)
        return sw_err_errno(err, errno, "open bundle '%s'", bundle);
    r = host_cgroup(host, id, &c->cg, err);
    if (r == 0)
        r = sw_timer_init(&c->later, host->loop, on_later, c, err);
    if (r == 0)
        r = sw_timer_init(&c->freeze, host->loop, on_freeze, c, err);
    if (r < 0)
        return r;
    *out = sw_steal(c);
    return 0;
}

static int make_link(struct container *c, int fd, struct sw_err *err)
{
    struct shimlink_events ev = { .event = on_event, .end = on_link_end, .arg = c };

    return shimlink_new(&c->link, c->host->loop, fd, &ev, err);
}

static int refuse_living(const struct container *c, struct sw_err *err)
{
    int fd = faccessat(c->dir, WIRE_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                 ? shimlink_connect(c->dir)
                 : -ENOENT;

    if (fd < 0)
        return 0;
    (void)close(fd);
    return sw_err_set(err, SW_E_CONFLICT, "Container %s is already running", c->id);
}

int container_create(struct container **out, struct container_host *host,
                     const struct container_spec *spec, const struct container_events *events,
                     struct sw_err *err)
{
    SW_CLEANUP(container_free_ptr) struct container *c = NULL;
    int pair[2];
    int r;

    if (spec->id == NULL || spec->bundle == NULL || spec->upper == NULL || spec->work == NULL)
        return sw_err_set(err, SW_E_INVALID, "container without id, bundle or root");
    r = container_make(&c, host, spec->id, spec->bundle, events, err);
    if (r == 0)
        r = refuse_living(c, err);
    if (r == 0)
        r = spec_write(host, spec, c->dir, err);
    if (r < 0)
        return r;
    (void)unlinkat(c->dir, WIRE_EXIT, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return sw_err_errno(err, errno, "connect to swarm-shim");
    r = make_link(c, pair[0], err);
    if (r < 0) {
        (void)close(pair[1]);
        return r;
    }
    r = host_spawn(host, spec->bundle, pair[1], &c->shim, err);
    if (r < 0)
        return r;
    *out = sw_steal(c);
    return 0;
}

int container_adopt(struct container **out, struct container_host *host, const char *id,
                    const char *bundle, const struct container_events *events, struct sw_err *err)
{
    SW_CLEANUP(container_free_ptr) struct container *c = NULL;
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimHello hello = SWARM__V1__SHIM_HELLO__INIT;
    int fd;
    int r;

    r = container_make(&c, host, id, bundle, events, err);
    if (r < 0)
        return r == -ENOENT ? sw_err_set(err, SW_E_NOT_FOUND, "no container in '%s'", bundle) : r;
    if (faccessat(c->dir, WIRE_SPEC, F_OK, 0) < 0)
        return sw_err_set(err, SW_E_NOT_FOUND, "no container in '%s'", bundle);
    c->adopted = true;
    fd = read_exit(c) ? -ENOENT : shimlink_connect(c->dir);
    if (fd < 0) {
        if (!read_exit(c)) /* it may have ended between the two looks */
            end_lost(c);
        sw_timer_start(&c->later, 0);
        *out = sw_steal(c);
        return 0;
    }
    r = make_link(c, fd, err);
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_HELLO;
    req.hello = &hello;
    if (r == 0)
        r = shimlink_send(c->link, &req, NULL, 0, err);
    if (r < 0)
        return r;
    *out = sw_steal(c);
    return 0;
}

/* ---- requests ---- */

int container_send(struct container *c, const Swarm__V1__ShimRequest *req, const int *fds,
                   size_t n_fds, struct sw_err *err)
{
    if (c->link == NULL) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return container_not_running(c, err);
    }
    return shimlink_send(c->link, req, fds, n_fds, err);
}

int container_start(struct container *c, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimStart start = SWARM__V1__SHIM_START__INIT;
    int r;

    if (c->state != CONTAINER_CREATED)
        return sw_err_set(err, SW_E_CONFLICT, "container %s is %s", c->id, states[c->state].name);
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_START;
    req.start = &start;
    r = container_send(c, &req, NULL, 0, err);
    if (r == 0)
        container_go(c, CONTAINER_STARTING);
    return r;
}

int container_signal(struct container *c, int signo, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimSignal sig = SWARM__V1__SHIM_SIGNAL__INIT;

    if (c->state != CONTAINER_RUNNING)
        return container_not_running(c, err);
    sig.signo = signo;
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_SIGNAL;
    req.signal = &sig;
    return container_send(c, &req, NULL, 0, err);
}

int container_stop(struct container *c, int signo, int64_t grace_ms, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimStop stop = SWARM__V1__SHIM_STOP__INIT;

    if (c->state == CONTAINER_DEAD)
        return sw_err_set(err, SW_E_NOT_MODIFIED, "Container %s is already stopped", c->id);
    stop.signo = signo;
    stop.grace_ms = grace_ms;
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_STOP;
    req.stop = &stop;
    return container_send(c, &req, NULL, 0, err);
}

int container_resize(struct container *c, unsigned rows, unsigned cols, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimResize size = SWARM__V1__SHIM_RESIZE__INIT;

    if (c->state == CONTAINER_DEAD)
        return container_not_running(c, err);
    size.rows = rows;
    size.cols = cols;
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_RESIZE;
    req.resize = &size;
    return container_send(c, &req, NULL, 0, err);
}

int container_set_hosts(struct container *c, const char *text, struct sw_err *err)
{
    return spec_file(c->dir, "hosts", text, err);
}

int container_set_resolv_conf(struct container *c, const char *text, struct sw_err *err)
{
    return spec_file(c->dir, "resolv.conf", text, err);
}

/* ---- cgroup ---- */

#define FREEZE_POLL_MS   5
#define FREEZE_TRIES_MAX 2000

static void pause_end(struct container *c, int status)
{
    void (*done)(int, void *) = c->pause_done;

    c->pause_done = NULL;
    if (done != NULL)
        done(status, c->pause_data);
}

static void on_freeze(void *arg)
{
    struct container *c = arg;
    struct sw_err err;
    int r = cgroup_freeze(&c->cg, c->paused, &err);

    if (r == CGROUP_PENDING && --c->freeze_tries > 0) {
        sw_timer_start(&c->freeze, FREEZE_POLL_MS);
        return;
    }
    if (r != 0) {
        c->paused = !c->paused;
        (void)cgroup_freeze(&c->cg, c->paused, &err);
    }
    pause_end(c, r == CGROUP_PENDING ? SW_E_DEADLINE : r);
}

int container_pause(struct container *c, bool pause, void (*done)(int status, void *data),
                    void *data, struct sw_err *err)
{
    if (c->state != CONTAINER_RUNNING)
        return container_not_running(c, err);
    if (c->paused == pause)
        return sw_err_set(err, SW_E_CONFLICT, "Container %s is %s", c->id,
                          pause ? "already paused" : "not paused");
    if (c->pause_done != NULL)
        return sw_err_set(err, SW_E_CONFLICT, "Container %s is being paused or unpaused", c->id);
    c->paused = pause;
    c->pause_done = done;
    c->pause_data = data;
    c->freeze_tries = FREEZE_TRIES_MAX;
    sw_timer_start(&c->freeze, 0);
    return 0;
}

int container_update(struct container *c, const struct container_resources *res, struct sw_err *err)
{
    if (c->state == CONTAINER_DEAD)
        return container_not_running(c, err);
    return cgroup_limit(&c->cg, res, err);
}

int container_stats(struct container *c, struct container_stats *out, struct sw_err *err)
{
    if (c->state == CONTAINER_DEAD)
        return container_not_running(c, err);
    return cgroup_stats(&c->cg, out, err);
}

int container_pids(struct container *c, pid_t **out, size_t *n, struct sw_err *err)
{
    if (c->state == CONTAINER_DEAD)
        return container_not_running(c, err);
    return cgroup_pids(&c->cg, out, n, err);
}
