/* SPDX-License-Identifier: Apache-2.0
 * net_job.c - one job at a time on libuv's pool.
 *
 * Order is that of submission. Between run() and done() the loop touches neither the job nor the
 * kernel half. */
#include "agent/net/net_priv.h"

static void job_start(struct net *net);

static void job_work(uv_work_t *w)
{
    struct net *net = w->data;

    net->running->run(net->running);
}

static void job_after(uv_work_t *w, int status)
{
    struct net *net = w->data;
    struct net_job *j = net->running;

    (void)status; /* jobs are never cancelled */
    net->running = NULL;
    net->stat_netlink = net->kern->node.changes + net->kern->over.changes;
    net->stat_nft = net->kern->nft_runs;
    job_start(net);
    j->done(j); /* may free the job */
    net_idle(net);
}

static void job_start(struct net *net)
{
    struct sw_list *l;

    if (net->running != NULL)
        return;
    l = sw_list_pop_front(&net->jobs);
    if (l == NULL)
        return;
    net->running = sw_list_entry(l, struct net_job, link);
    net->work.data = net;
    (void)uv_queue_work(net->loop, &net->work, job_work, job_after);
}

void net_job_submit(struct net *net, struct net_job *j, net_job_fn run, net_job_fn done)
{
    j->net = net;
    j->run = run;
    j->done = done;
    j->result = 0;
    j->err.code = 0;
    sw_list_push_back(&net->jobs, &j->link);
    job_start(net);
}
