/* SPDX-License-Identifier: Apache-2.0
 * net_cont.c - containers, from the loop's side.
 *
 *   WAITING --tables here--> ATTACHING --job--> ATTACHED --net_detach--> LEAVING --job--> gone
 *      |                         |                                          ^
 *      +--- too late ---> gone   +--- job failed ---> gone                  |
 *      +-------------------------+------------ net_detach ------------------+
 *
 * The callback of an attach fires when WAITING or ATTACHING is left, whatever the way. An id whose
 * former bearer is still LEAVING can be attached again: jobs run in order. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/net/net_priv.h"
#include "agent/net/net_spec.h"
#include "agent/net/ns.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

#define CONT_WAIT_STEP_MS 100

static const struct sw_state cont_states[] = {
    [CONT_WAITING] = { "waiting", SW_BIT(CONT_ATTACHING) | SW_BIT(CONT_LEAVING) },
    [CONT_ATTACHING] = { "attaching", SW_BIT(CONT_ATTACHED) | SW_BIT(CONT_LEAVING) },
    [CONT_ATTACHED] = { "attached", SW_BIT(CONT_LEAVING) },
    [CONT_LEAVING] = { "leaving", 0 },
};
_Static_assert(SW_ARRAY_LEN(cont_states) == CONT_STATES, "one row per state");

static void cont_go(struct net_cont *c, enum net_cont_state next)
{
    assert(cont_states[c->state].next & SW_BIT(next));
    log_debug("container network container=%.12s %s -> %s", c->a.container_id,
              cont_states[c->state].name, cont_states[next].name);
    c->state = next;
}

static void cont_close_dns(struct net_cont *c)
{
    for (size_t i = 0; i < 3; i++)
        sw_close_ptr(&c->dns[i]);
}

void net_cont_free(struct net_cont *c)
{
    sw_close_ptr(&c->ns);
    cont_close_dns(c);
    net_spec_free(&c->a);
    sw_free(c);
}

/* Tell the caller how the attach ended; the container may be gone afterwards. */
static void cont_report(struct net_cont *c, const struct sw_err *err)
{
    net_attach_cb cb = c->cb;

    c->cb = NULL;
    if (cb != NULL)
        cb(c->cb_arg, err->code == 0 ? c->result : NULL, err);
}

static void cont_forget(struct net_cont *c)
{
    if (sw_strmap_get(&c->net->conts, c->a.container_id) == c)
        sw_strmap_del(&c->net->conts, c->a.container_id);
}

/* -------------------------------------------------------------------------------------- attach */

struct attach_job {
    struct net_job job;
    struct net_cont *c;
    bool resolver;
    int dns[3];
    const struct net_result *result;
};

static void attach_run(struct net_job *j)
{
    struct attach_job *a = (struct attach_job *)j;
    struct kern_spec s = { .a = &a->c->a, .ns = a->c->ns, .adopt = a->c->adopt };
    struct kern_cont *k = NULL;

    a->c->ns = -1;
    j->result = kern_attach(j->net->kern, &s, &k, &j->err);
    if (j->result < 0)
        return;
    a->result = &k->result;
    /* An adopted container's sockets are in netd, unless that says otherwise. */
    if (!a->resolver || a->c->adopt)
        return;
    j->result = kern_resolver(j->net->kern, a->c->a.container_id, a->dns, &j->err);
    if (j->result < 0)
        kern_detach(j->net->kern, &a->c->a.container_id, 1);
}

static void cont_attached(struct net_cont *c, struct attach_job *a)
{
    struct sw_err none = { 0 };

    cont_go(c, CONT_ATTACHED);
    c->result = a->result;
    memcpy(c->dns, a->dns, sizeof(c->dns));
    net_netd_dns(c->net, c);
    cont_report(c, &none);
}

static void attach_done(struct net_job *j)
{
    struct attach_job *a = (struct attach_job *)j;
    struct net_cont *c = a->c;

    if (c->state == CONT_LEAVING) { /* its detach job comes next and frees it */
        for (size_t i = 0; i < 3; i++)
            sw_close_ptr(&a->dns[i]);
    } else if (j->result < 0) {
        j->net->failures++;
        cont_forget(c);
        cont_report(c, &j->err);
        net_cont_free(c);
    } else {
        cont_attached(c, a);
    }
    sw_free(a);
}

static void cont_fail(struct net_cont *c, const struct sw_err *err)
{
    cont_forget(c);
    cont_report(c, err);
    net_cont_free(c);
}

static void cont_attach(struct net_cont *c)
{
    struct attach_job *a = sw_calloc(1, sizeof(*a));
    struct sw_err err;

    if (a == NULL) {
        sw_err_set(&err, -ENOMEM, "attach");
        cont_fail(c, &err);
        return;
    }
    cont_go(c, CONT_ATTACHING);
    a->c = c;
    a->resolver = c->net->netd.client != NULL;
    a->dns[0] = a->dns[1] = a->dns[2] = -1;
    net_flush_now(c->net); /* its networks come before it */
    net_job_submit(c->net, &a->job, attach_run, attach_done);
}

/* ------------------------------------------------------------------------------------- waiting */

static bool cont_ready(const struct net_cont *c)
{
    if (!c->net->adopted)
        return false;
    for (size_t i = 0; i < c->a.n_attachments; i++)
        if (!net_has_table(c->net, c->a.attachments[i].network))
            return false;
    return true;
}

static void cont_too_late(struct net_cont *c)
{
    struct sw_err err;

    for (size_t i = 0; i < c->a.n_attachments; i++)
        if (!net_has_table(c->net, c->a.attachments[i].network)) {
            sw_err_set(&err, SW_E_NOT_FOUND, "network %llu is not known on this node",
                       (unsigned long long)c->a.attachments[i].network);
            cont_fail(c, &err);
            return;
        }
}

static void cont_check(struct net *net)
{
    struct net_cont *c;
    size_t it = 0;
    bool waiting = false;

    /* Callbacks may attach and detach: start again after each. */
    while ((c = sw_map_next(&net->conts, &it)) != NULL) {
        if (c->state != CONT_WAITING)
            continue;
        if (cont_ready(c)) {
            cont_attach(c);
            it = 0;
        } else if (uv_now(net->loop) >= c->deadline_ms && net->adopted) {
            cont_too_late(c);
            it = 0;
        } else {
            waiting = true;
        }
    }
    if (waiting && !net->closing && !sw_timer_is_running(&net->wait))
        sw_timer_start(&net->wait, CONT_WAIT_STEP_MS);
}

void net_cont_wait_fire(void *arg)
{
    cont_check(arg);
}

void net_cont_poll(struct net *net)
{
    if (!net->closing)
        sw_timer_start(&net->wait, 0); /* from the loop, never inside the caller's call */
}

/* --------------------------------------------------------------------------------------- public */

static int attach_check(const struct net_attach *a, struct sw_err *err)
{
    if (a->container_id == NULL || a->container_id[0] == '\0')
        return sw_err_set(err, SW_E_INVALID, "container without id");
    if (a->n_attachments >= NET_IFACE_MAX)
        return sw_err_set(err, SW_E_INVALID, "more than %d networks", NET_IFACE_MAX - 1);
    for (size_t i = 0; i < a->n_attachments; i++)
        for (size_t j = 0; j < i; j++)
            if (a->attachments[i].network == a->attachments[j].network)
                return sw_err_set(err, SW_E_INVALID, "attached twice to one network");
    for (size_t i = 0; i < a->n_ports; i++)
        if (a->ports[i].target == 0 ||
            (a->ports[i].proto != NET_TCP && a->ports[i].proto != NET_UDP &&
             a->ports[i].proto != NET_SCTP))
            return sw_err_set(err, SW_E_INVALID, "port %u", a->ports[i].target);
    return 0;
}

static int cont_new(struct net *net, const struct net_attach *a, struct net_cont **out,
                    struct sw_err *err)
{
    struct net_cont *c;

    if (attach_check(a, err) < 0)
        return err->code;
    if (sw_strmap_get(&net->conts, a->container_id) != NULL)
        return sw_err_set(err, SW_E_CONFLICT, "container %s is attached already", a->container_id);
    c = sw_calloc(1, sizeof(*c));
    if (c == NULL || net_spec_copy(&c->a, a) < 0) {
        sw_free(c);
        return sw_err_set(err, -ENOMEM, "attach");
    }
    c->net = net;
    c->state = CONT_WAITING;
    c->dns[0] = c->dns[1] = c->dns[2] = -1;
    c->deadline_ms = uv_now(net->loop) + NET_TABLE_WAIT_MS;
    c->ns = a->netns_fd >= 0 ? fcntl(a->netns_fd, F_DUPFD_CLOEXEC, 3) : ns_open_pid(a->pid, err);
    if (c->ns < 0 && a->netns_fd >= 0)
        sw_err_errno(err, errno, "network namespace");
    if (c->ns >= 0 && sw_strmap_put(&net->conts, c->a.container_id, c) < 0)
        sw_err_set(err, -ENOMEM, "attach");
    else if (c->ns >= 0)
        err->code = 0;
    if (err->code != 0) {
        net_cont_free(c);
        return err->code;
    }
    *out = c;
    return 0;
}

int net_cont_add(struct net *net, const struct net_attach *a, bool adopt, net_attach_cb cb,
                 void *arg, struct sw_err *err)
{
    struct net_cont *c = NULL;

    if (net->closing)
        return sw_err_set(err, SW_E_CANCELED, "shutting down");
    if (cont_new(net, a, &c, err) < 0)
        return err->code;
    c->adopt = adopt;
    c->cb = cb;
    c->cb_arg = arg;
    net_netd_wanted(net);
    net_cont_poll(net);
    return 0;
}

int net_attach(struct net *net, const struct net_attach *a, net_attach_cb cb, void *arg,
               struct sw_err *err)
{
    return net_cont_add(net, a, false, cb, arg, err);
}

const struct net_result *net_result_of(const struct net *net, const char *container_id)
{
    const struct net_cont *c = sw_strmap_get(&net->conts, container_id);

    return c != NULL && c->state == CONT_ATTACHED ? c->result : NULL;
}

/* --------------------------------------------------------------------------------------- detach */

/* Detaches that come while another job runs go together in one. */
struct detach_one {
    struct net_cont *c; /* NULL: nothing of that name */
    void (*done)(void *arg);
    void *arg;
};

struct detach_job {
    struct net_job job;
    struct detach_one *all;
    const char **ids;
    size_t n, room;
};

static void detach_run(struct net_job *j)
{
    struct detach_job *d = (struct detach_job *)j;
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++)
        if (d->all[i].c != NULL)
            d->ids[n++] = d->all[i].c->a.container_id;
    kern_detach(j->net->kern, d->ids, n);
}

static void detach_free(struct detach_job *d)
{
    sw_free(d->all);
    sw_free(d->ids);
    sw_free(d);
}

static void detach_done(struct net_job *j)
{
    struct detach_job *d = (struct detach_job *)j;

    for (size_t i = 0; i < d->n; i++) {
        if (d->all[i].c != NULL)
            net_cont_free(d->all[i].c);
        if (d->all[i].done != NULL)
            d->all[i].done(d->all[i].arg);
    }
    detach_free(d);
}

static bool detach_grow(struct detach_job *d)
{
    size_t room = d->room == 0 ? 8 : 2 * d->room;
    struct detach_one *all = sw_realloc(d->all, room * sizeof(*all));
    const char **ids;

    if (all == NULL)
        return false;
    d->all = all;
    ids = sw_realloc((void *)(uintptr_t)d->ids, room * sizeof(*ids));
    if (ids == NULL)
        return false;
    d->ids = ids;
    d->room = room;
    return true;
}

/* The last job of the queue, when it is one of these and has not begun: anything before it keeps
 * its place, an attach of the same container above all. */
static struct detach_job *detach_join(struct net *net)
{
    struct sw_list *last = net->jobs.prev;
    struct net_job *j;

    if (sw_list_empty(&net->jobs))
        return NULL;
    j = sw_list_entry(last, struct net_job, link);
    return j->run == detach_run ? (struct detach_job *)j : NULL;
}

static int detach_submit(struct net *net, const struct detach_one *one)
{
    struct detach_job *d = detach_join(net);
    bool fresh = d == NULL;

    if (fresh)
        d = sw_calloc(1, sizeof(*d));
    if (d == NULL || (d->n == d->room && !detach_grow(d))) {
        if (fresh && d != NULL)
            detach_free(d);
        return -ENOMEM;
    }
    d->all[d->n++] = *one;
    if (fresh)
        net_job_submit(net, &d->job, detach_run, detach_done);
    return 0;
}

void net_detach(struct net *net, const char *container_id, void (*done)(void *arg), void *arg)
{
    struct net_cont *c = sw_strmap_get(&net->conts, container_id);
    struct detach_one one = { c, done, arg };
    struct sw_err err;

    if (detach_submit(net, &one) < 0) {
        log_error("container network not removed container=%.12s error=out of memory",
                  container_id);
        return;
    }
    if (c == NULL)
        return;
    cont_forget(c);
    cont_go(c, CONT_LEAVING);
    net_netd_dns_gone(net, c->a.container_id);
    if (c->cb != NULL) {
        sw_err_set(&err, SW_E_CANCELED, "detached");
        cont_report(c, &err);
    }
}

void net_cont_close_all(struct net *net)
{
    struct net_cont *c;
    struct sw_err err;
    size_t it = 0;

    sw_err_set(&err, SW_E_CANCELED, "shutting down");
    while ((c = sw_map_next(&net->conts, &it)) != NULL) {
        cont_report(c, &err);
        if (c->state != CONT_ATTACHING) {
            cont_forget(c);
            net_cont_free(c);
        }
    }
}
