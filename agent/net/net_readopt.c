/* SPDX-License-Identifier: Apache-2.0
 * net_readopt.c - containers of the last swarmd; counters; leaving the swarm. */
#include <errno.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

/* ------------------------------------------------------------------------------------- readopt */

struct readopt_one {
    struct net_readopt *run;
    char *id;
    struct sw_err err; /* code not 0: failed before it began */
};

struct net_readopt {
    struct net *net;
    void (*each)(void *arg, const char *id, const struct net_result *r, const struct sw_err *err);
    void (*done)(void *arg);
    void *arg;
    struct readopt_one *all;
    size_t n;
    size_t left; /* containers still to be reported, and one for the start itself */
};

static void readopt_free(struct net_readopt *run)
{
    for (size_t i = 0; i < run->n; i++)
        sw_free(run->all[i].id);
    sw_free(run->all);
    sw_free(run);
}

struct readopt_job {
    struct net_job job;
    struct net_readopt *run;
};

static void release_run(struct net_job *j)
{
    struct sw_err err;

    j->result = kern_sweep(j->net->kern, false, &j->err);
    if (kern_release(j->net->kern, &err) < 0 && j->result == 0) {
        j->result = err.code;
        j->err = err;
    }
}

static void release_done(struct net_job *j)
{
    struct net_readopt *run = ((struct readopt_job *)j)->run;

    j->net->readopt = NULL;
    if (j->result < 0)
        net_failed(j->net, "start of the node's network incomplete", &j->err);
    net_netd_sweep(j->net);
    if (run->done != NULL)
        run->done(run->arg);
    readopt_free(run);
    sw_free(j);
}

static void readopt_less(struct net_readopt *run)
{
    struct readopt_job *j;

    if (--run->left > 0)
        return;
    j = sw_calloc(1, sizeof(*j));
    if (j == NULL) { /* the node's rules stay as they were: as good as it gets */
        log_error("start of the node's network incomplete error=out of memory");
        run->net->readopt = NULL;
        readopt_free(run);
        return;
    }
    j->run = run;
    net_job_submit(run->net, &j->job, release_run, release_done);
}

static void readopt_on_one(void *arg, const struct net_result *r, const struct sw_err *err)
{
    struct readopt_one *one = arg;

    if (err->code < 0)
        log_warn("container not adopted container=%.12s error=%s", one->id, err->msg);
    one->run->each(one->run->arg, one->id, r, err);
    readopt_less(one->run);
}

static void begin_run(struct net_job *j)
{
    (void)j;
}

/* The first turn of the loop: those that failed at once. */
static void begin_done(struct net_job *j)
{
    struct net_readopt *run = ((struct readopt_job *)j)->run;

    sw_free(j);
    for (size_t i = 0; i < run->n; i++)
        if (run->all[i].err.code < 0)
            readopt_on_one(&run->all[i], NULL, &run->all[i].err);
    readopt_less(run);
}

static struct net_readopt *readopt_new(const struct net_attach *list, size_t n)
{
    struct net_readopt *run = sw_calloc(1, sizeof(*run));

    if (run == NULL)
        return NULL;
    run->all = sw_calloc(n + 1, sizeof(*run->all));
    for (size_t i = 0; run->all != NULL && i < n; i++) {
        run->all[i].run = run;
        run->all[i].id = sw_strdup(list[i].container_id);
        run->n++;
        if (run->all[i].id == NULL) {
            readopt_free(run);
            return NULL;
        }
    }
    if (run->all == NULL) {
        sw_free(run);
        return NULL;
    }
    return run;
}

int net_readopt(struct net *net, const struct net_attach *list, size_t n,
                void (*each)(void *arg, const char *container_id, const struct net_result *r,
                             const struct sw_err *err),
                void (*done)(void *arg), void *arg, struct sw_err *err)
{
    struct readopt_job *j;
    struct net_readopt *run;

    if (net->adopted || net->closing)
        return sw_err_set(err, SW_E_INVALID, "containers were adopted already");
    for (size_t i = 0; i < n; i++)
        if (list[i].container_id == NULL)
            return sw_err_set(err, SW_E_INVALID, "container without id");
    j = sw_calloc(1, sizeof(*j));
    run = j != NULL ? readopt_new(list, n) : NULL;
    if (run == NULL) {
        sw_free(j);
        return sw_err_set(err, -ENOMEM, "adopt containers");
    }
    j->run = run;
    run->net = net;
    run->each = each;
    run->done = done;
    run->arg = arg;
    run->left = n + 1;
    net->readopt = run;
    net->adopted = true;
    for (size_t i = 0; i < n; i++)
        (void)net_cont_add(net, &list[i], true, readopt_on_one, &run->all[i], &run->all[i].err);
    net_flush_now(net);
    net_job_submit(net, &j->job, begin_run, begin_done);
    return 0;
}

/* ------------------------------------------------------------------------------------ counters */

struct counters_job {
    struct net_job job;
    char *id;
    struct net_counters c[NET_IFACE_MAX];
    size_t n;
    void (*cb)(void *arg, const struct net_counters *c, size_t n);
    void *arg;
};

static void counters_run(struct net_job *j)
{
    struct counters_job *c = (struct counters_job *)j;

    if (c->id != NULL)
        c->n = kern_counters(j->net->kern, c->id, c->c, NET_IFACE_MAX);
}

static void counters_done(struct net_job *j)
{
    struct counters_job *c = (struct counters_job *)j;

    c->cb(c->arg, c->c, c->n);
    sw_free(c->id);
    sw_free(c);
}

void net_counters(struct net *net, const char *container_id,
                  void (*cb)(void *arg, const struct net_counters *c, size_t n), void *arg)
{
    struct counters_job *c = sw_calloc(1, sizeof(*c));

    if (c == NULL) {
        log_error("counters not read container=%.12s error=out of memory", container_id);
        return;
    }
    c->id = sw_strdup(container_id);
    c->cb = cb;
    c->arg = arg;
    net_job_submit(net, &c->job, counters_run, counters_done);
}

/* --------------------------------------------------------------------------------------- purge */

struct purge_job {
    struct net_job job;
    bool egress_too;
    void (*done)(void *arg, const struct sw_err *err);
    void *arg;
};

static void purge_run(struct net_job *j)
{
    j->result = kern_purge(j->net->kern, ((struct purge_job *)j)->egress_too, &j->err);
}

static void purge_done(struct net_job *j)
{
    struct purge_job *p = (struct purge_job *)j;

    if (p->done != NULL)
        p->done(p->arg, &j->err);
    sw_free(p);
}

void net_purge(struct net *net, bool egress_too, void (*done)(void *arg, const struct sw_err *err),
               void *arg)
{
    struct purge_job *p = sw_calloc(1, sizeof(*p));
    struct net_table *t;
    struct sw_err err;
    size_t it = 0;

    while ((t = sw_map_next(&net->tables, &it)) != NULL) {
        net_save_remove(net, t->key);
        net_table_drop(net, t);
    }
    sw_free(net->data_addr);
    net->data_addr = NULL;
    net->node_key = 0;
    net_netd_end(net, egress_too);
    if (p == NULL) {
        sw_err_set(&err, -ENOMEM, "purge");
        log_error("network not removed error=%s", err.msg);
        return;
    }
    p->egress_too = egress_too;
    p->done = done;
    p->arg = arg;
    net_job_submit(net, &p->job, purge_run, purge_done);
}
