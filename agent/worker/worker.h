/* SPDX-License-Identifier: Apache-2.0
 * worker.h - the tasks of this node. One loop thread. */
#ifndef SWARM_AGENT_WORKER_WORKER_H
#define SWARM_AGENT_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/rpc/rpc.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct uv_loop_s;
struct container_host;
struct image_store;
struct net;
struct worker; /* opaque */

struct worker_options {
    struct uv_loop_s *loop; /* all borrowed */
    struct container_host *host;
    struct image_store *images;
    struct net *net;
    const char *data_dir; /* containers/, volumes/ and worker.db in it; copied */
    const char *hostname; /* of the node, for templates; copied */
    /** report() - a task's status changed; @status is borrowed. */
    void (*report)(void *arg, uint64_t task, const Swarm__V1__TaskStatus *status);
    /** fetch_image() - get an image from a node that has it. @done: once, never inside the call.
     * @done_arg goes with it. */
    void (*fetch_image)(void *arg, const char *reference,
                        void (*done)(void *done_arg, const struct sw_err *err), void *done_arg);
    void *arg;
};

/** worker_new() - open the local file. Return: 0; SW_E_CORRUPT; -errno. */
int worker_new(struct worker **out, const struct worker_options *o, struct sw_err *err);
/** worker_free() - forget; containers live on. */
void worker_free(struct worker *w);

/** worker_start() - find the containers of before again, then go on with their tasks.
 * @done: once, on the loop; assignments are taken from then on (earlier ones wait). */
void worker_start(struct worker *w, void (*done)(void *arg), void *arg);

/** worker_assign() - what the managers want; complete or a change. Borrowed. */
void worker_assign(struct worker *w, const Swarm__V1__Assignments *a);
/** worker_report_all() - a new session: say every status again. */
void worker_report_all(struct worker *w);
/** worker_forget_all() - the node leaves its swarm: stop and remove every task. @done: once, when
 * the last container is gone, or after @limit_ms. */
void worker_forget_all(struct worker *w, uint64_t limit_ms, void (*done)(void *arg), void *arg);

/** worker_on_logs() - on_open of METHOD_LOGS; @arg is the worker. */
void worker_on_logs(struct sw_rpc_stream *s, void *arg);

/* One task with its container, for lists and inspection. Borrowed for the call. */
struct worker_task {
    const Swarm__V1__AssignedTask *assigned;
    const Swarm__V1__TaskStatus *status;
    const char *container_id; /* "" before there is one */
    const char *image_id;     /* "" before it is known */
    const char *bundle;
    int64_t created_ns, started_ns, finished_ns;
};
void worker_each(struct worker *w, void (*visit)(void *arg, const struct worker_task *t),
                 void *arg);

#endif
