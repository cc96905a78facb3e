/* SPDX-License-Identifier: Apache-2.0
 * adopt.c - after a restart of swarmd: find the containers of before, then their tasks.
 *
 *   rows of the local file -> container_adopt() each -> every one has told what it is
 *     -> net_readopt() of the living -> machines are made and run -> sweep of what nobody knows
 *
 * No machine exists before all of that: it then begins with what is true. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/worker/unit.h"
#include "common/base/alloc.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define SETTLE_MS 3000 /* a shim that has not answered by then is taken as it is known */

struct pending { /* an assigned task without machine yet */
    struct unit *u;
    Swarm__V1__AssignedTask *assigned;
};

struct adoption {
    struct worker *w;
    struct pending *list;
    size_t n;
    bool over;
};

static struct adoption *current; /* at most one, at the start of the process */

static void visit(void *arg, Swarm__V1__AssignedTask *t, Swarm__V1__TaskStatus *s,
                  const char *container_id, const char *image_id)
{
    struct adoption *a = arg;
    struct pending *p = sw_realloc(a->list, (a->n + 1) * sizeof(*p));
    struct unit *u = p != NULL ? unit_new(a->w, t) : NULL;

    if (p != NULL)
        a->list = p;
    if (u == NULL) {
        pb_free(t);
        pb_free(s);
        return;
    }
    (void)snprintf(u->container_id, sizeof(u->container_id), "%s", container_id);
    (void)snprintf(u->image_id, sizeof(u->image_id), "%s", image_id);
    u->old_status = s;
    a->list[a->n++] = (struct pending){ u, t };
}

/* ---- machines
 * ------------------------------------------------------------------------------------ */

static void make_machine(struct pending *p)
{
    struct unit *u = p->u;
    struct task_adopt adopt = { .found = TASK_FOUND_NOTHING, .status = u->old_status };

    if (u->stage == UNIT_PREPARED) {
        adopt.found = TASK_FOUND_PREPARED;
    } else if (u->stage == UNIT_RUNNING) {
        adopt.found = TASK_FOUND_STARTED;
        adopt.healthy = true;
    } else if (u->stage == UNIT_DEAD) {
        adopt.found = TASK_FOUND_EXITED;
        adopt.exit_code = u->exit.code;
    }
    u->task = task_new(p->assigned, &unit_ops, u, &adopt);
    if (u->task == NULL) {
        log_error("no memory for task=%s", p->assigned->id);
        unit_free(u);
        return;
    }
    u->pid = u->container != NULL ? (int)container_pid(u->container) : 0;
    if (u->stage == UNIT_RUNNING)
        (void)unit_health_start(u);
}

static bool is_known(const char *id, void *data)
{
    const struct worker *w = data;

    sw_list_each(l, &w->units)
    {
        if (strcmp(sw_list_entry(l, struct unit, link)->container_id, id) == 0)
            return true;
    }
    return false;
}

static void on_rubbish_removed(int status, const struct sw_err *err, void *data)
{
    (void)status;
    (void)err;
    (void)data;
}

/* Directories that no row mentions: a crash between making one and writing its row. */
static void sweep_bundles(struct worker *w)
{
    SW_CLEANUP(sw_free_ptr) char *dir = sw_asprintf("%s/containers", w->data_dir);
    DIR *d = dir != NULL ? opendir(dir) : NULL;
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        SW_CLEANUP(sw_free_ptr) char *bundle = NULL;
        struct sw_err err;

        if (strlen(e->d_name) != CONTAINER_ID_CHARS || is_known(e->d_name, w))
            continue;
        bundle = sw_asprintf("%s/%s", dir, e->d_name);
        if (bundle != NULL &&
            container_remove(w->o.host, e->d_name, bundle, on_rubbish_removed, NULL, &err) < 0)
            log_warn("left-over container=%.12s: %s", e->d_name, err.msg);
    }
    if (d != NULL)
        (void)closedir(d);
}

static void on_swept(unsigned ended, void *data)
{
    (void)data;
    if (ended > 0)
        log_info("containers nobody knows were ended count=%u", ended);
}

static void finish(void *arg)
{
    struct adoption *a = arg;
    struct worker *w = a->w;
    struct sw_err err;

    for (size_t i = 0; i < a->n; i++) {
        make_machine(&a->list[i]);
        pb_free(a->list[i].assigned);
    }
    if (container_host_sweep(w->o.host, is_known, on_swept, w, &err) < 0)
        log_warn("sweep of containers: %s", err.msg);
    sweep_bundles(w);
    sw_free(a->list);
    sw_free(a);
    current = NULL;
    w->started = true;
    sw_list_each_safe(l, &w->units) unit_run(sw_list_entry(l, struct unit, link));
    if (w->waiting != NULL) {
        Swarm__V1__Assignments *waiting = sw_steal(w->waiting);

        worker_assign(w, waiting);
        pb_free(waiting);
    }
    w->start_done(w->start_arg);
}

/* ---- network ------------------------------------------------------------------------------------
 */

static void on_each(void *arg, const char *container_id, const struct net_result *r,
                    const struct sw_err *err)
{
    (void)arg;
    (void)r;
    if (err->code != 0)
        log_warn("network of container=%.12s: %s", container_id, err->msg);
}

/* What net_attach() was told: from the assignment, with the ports that were chosen then. */
static int living(struct adoption *a, struct unit_attach *out, struct net_attach *list, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct unit *u = a->list[i].u;

        if (u->stage != UNIT_RUNNING && u->stage != UNIT_PREPARED)
            continue;
        u->pid = (int)container_pid(u->container);
        if (unit_attach_spec(u, a->list[i].assigned, &out[*n]) < 0)
            return -ENOMEM;
        for (size_t k = 0;
             u->old_status != NULL && k < u->old_status->n_host_ports && k < out[*n].a.n_ports; k++)
            out[*n].ports[k].published = (uint16_t)u->old_status->host_ports[k]->published;
        list[*n] = out[*n].a;
        (*n)++;
    }
    return 0;
}

static void readopt_network(struct adoption *a)
{
    struct unit_attach *attach = sw_calloc(a->n + 1, sizeof(*attach));
    struct net_attach *list = sw_calloc(a->n + 1, sizeof(*list));
    struct sw_err err;
    size_t n = 0;

    (void)sw_err_set(&err, -ENOMEM, "adopt networks");
    if (attach == NULL || list == NULL || living(a, attach, list, &n) < 0 ||
        net_readopt(a->w->o.net, list, n, on_each, finish, a, &err) < 0) {
        log_error("networks of running containers not taken over: %s", err.msg);
        finish(a);
    }
    for (size_t i = 0; i < n; i++)
        unit_attach_fini(&attach[i]);
    sw_free(attach);
    sw_free(list);
}

/* ---- containers
 * ---------------------------------------------------------------------------------- */

static void look(struct adoption *a, bool give_up)
{
    if (a == NULL || a->over)
        return;
    for (size_t i = 0; i < a->n && !give_up; i++) {
        if (!a->list[i].u->settled)
            return;
    }
    a->over = true;
    sw_timer_fini(&a->w->settle);
    for (size_t i = 0; i < a->n; i++) {
        struct unit *u = a->list[i].u;

        if (u->container == NULL || u->stage == UNIT_DEAD)
            continue;
        switch (container_state(u->container)) {
        case CONTAINER_CREATED:
            u->stage = UNIT_PREPARED;
            break;
        case CONTAINER_RUNNING:
            u->stage = UNIT_RUNNING;
            break;
        case CONTAINER_CREATING:
        case CONTAINER_STARTING:
        case CONTAINER_DEAD:
        case CONTAINER_STATES:
            u->stage = UNIT_DEAD;
            u->exit.code = CONTAINER_EXIT_LOST;
            break;
        }
    }
    readopt_network(a);
}

void adopt_settled(struct unit *u)
{
    u->settled = true;
    look(current, false);
}

static void on_settle(void *arg)
{
    (void)arg;
    look(current, true);
}

static void settled_started(struct container *c, pid_t pid, int64_t started_ns, void *data)
{
    struct unit *u = data;

    if (u->task == NULL && !u->settled) {
        u->pid = (int)pid;
        u->started_ns = started_ns;
        u->stage = UNIT_RUNNING;
        adopt_settled(u);
        return;
    }
    unit_container_events.started(c, pid, started_ns, data);
}

static void adopt_one(struct unit *u)
{
    SW_CLEANUP(sw_free_ptr) char *bundle = unit_bundle(u);
    struct container_events e = unit_container_events;
    struct sw_err err;

    if (u->container_id[0] == '\0' || bundle == NULL) {
        u->settled = true;
        return;
    }
    e.data = u;
    e.started = settled_started;
    if (container_adopt(&u->container, u->w->o.host, u->container_id, bundle, &e, &err) == 0)
        return;
    if (err.code != SW_E_NOT_FOUND)
        log_warn("container=%.12s not found again: %s", u->container_id, err.msg);
    u->container = NULL;
    u->stage = UNIT_DEAD;
    u->exit.code = CONTAINER_EXIT_LOST;
    u->settled = true;
}

void adopt_all(struct worker *w)
{
    struct adoption *a = sw_calloc(1, sizeof(*a));
    struct sw_err err;

    if (a == NULL || sw_timer_init(&w->settle, w->o.loop, on_settle, w, &err) < 0) {
        log_error("no memory to find containers again");
        sw_free(a);
        return;
    }
    a->w = w;
    current = a;
    if (db_each(&w->db, visit, a, &err) < 0)
        log_error("%s", err.msg);
    for (size_t i = 0; i < a->n; i++)
        adopt_one(a->list[i].u);
    if (a->n > 0)
        log_info("finding tasks again count=%zu", a->n);
    sw_timer_start(&w->settle, a->n > 0 ? SETTLE_MS : 0);
    /* Created-only containers tell nothing more: what settles them is the timer. */
}
