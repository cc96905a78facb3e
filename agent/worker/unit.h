/* SPDX-License-Identifier: Apache-2.0
 * unit.h - one task of this node and its container. Private to the folder.
 *
 * What has been made of the container, in order; an order that was given up (stop() during
 * prepare()) ends at the next boundary:
 *
 *   NOTHING -> IMAGE -> CREATING -> ATTACHING -> PREPARED -> STARTING -> RUNNING -> DEAD
 *      \----------\---------\-----------\-----------\-----------\--------------------^
 */
#ifndef SWARM_AGENT_WORKER_UNIT_H
#define SWARM_AGENT_WORKER_UNIT_H

#include "agent/image/image.h"
#include "agent/net/net.h"
#include "agent/sandbox/container.h"
#include "agent/task/task.h"
#include "agent/worker/db.h"
#include "agent/worker/worker.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/io/timer.h"

enum unit_stage {
    UNIT_NOTHING,
    UNIT_IMAGE,     /* the image is being fetched */
    UNIT_CREATING,  /* container_create() is under way */
    UNIT_ATTACHING, /* net_attach() is under way */
    UNIT_BROKEN,    /* there is a container, but preparing it failed */
    UNIT_PREPARED,
    UNIT_STARTING,
    UNIT_RUNNING,
    UNIT_DEAD, /* the process ended; files and log are still there */
};

enum unit_answer { ANSWER_NONE, ANSWER_PREPARED, ANSWER_STARTED, ANSWER_STOPPED, ANSWER_REMOVED };

struct unit {
    struct sw_list link; /* worker.units */
    struct worker *w;
    uint64_t key;
    struct task *task;
    enum unit_stage stage;
    struct container *container; /* NULL: none, or forgotten */
    char container_id[CONTAINER_ID_CHARS + 1];
    char image_id[IMAGE_DIGEST_LEN + 1];
    bool fetched;     /* the image was asked for from other nodes */
    bool stopping;    /* the order is to stop */
    bool detached;    /* its network is taken away, or being taken */
    bool attach_open; /* net_attach()'s callback has not come yet */
    bool freed;       /* only that callback is waited for */
    int64_t grace_ns;
    int pid;
    int64_t created_ns, started_ns, finished_ns;
    struct sw_timer step;   /* when the machine wants to be called again */
    struct sw_timer answer; /* an answer that may not be given inside the order */
    struct sw_timer drain;  /* between leaving discovery and the stop signal */
    enum unit_answer pending;
    int result;
    struct sw_err err;
    struct unit_health *health; /* NULL: no health check */
    /* adoption */
    Swarm__V1__TaskStatus *old_status;
    struct container_exit exit;
    bool settled;
};

struct worker {
    struct worker_options o;
    char *data_dir, *hostname;
    struct db db;
    struct sw_list units;
    struct sw_map by_key;
    bool started;
    Swarm__V1__Assignments *waiting; /* came before the start was done */
    void (*start_done)(void *arg);
    void *start_arg;
    size_t adopting;
    struct sw_timer settle;
    void (*forget_done)(void *arg);
    void *forget_arg;
    struct sw_timer forget_limit;
};

struct unit *unit_new(struct worker *w, const Swarm__V1__AssignedTask *t);
/* unit_run() - let the machine act; frees the unit when its task is gone. */
void unit_run(struct unit *u);
void unit_free(struct unit *u);
char *unit_bundle(const struct unit *u); /* sw_free(); NULL: memory is gone */

/* unit_exec.c: the orders, and the container's events. */
extern const struct task_exec_ops unit_ops;
extern const struct container_events unit_container_events;
/* unit_attach_spec() - what net wants to know; arrays are sw_free()d by unit_attach_fini(). */
struct unit_attach {
    struct net_attach a;
    struct net_attachment *nets;
    struct net_port *ports;
};
int unit_attach_spec(const struct unit *u, const Swarm__V1__AssignedTask *t,
                     struct unit_attach *out);
void unit_attach_fini(struct unit_attach *a);
void unit_keep_ports(struct unit *u, const struct net_result *r);
void unit_container_ended(struct unit *u, const struct container_exit *exit);

/* unit_stop_now() - no order is open any more: stop what there is. */
void unit_stop_now(struct unit *u);

/* unit_prepare.c */
void unit_prepare(struct unit *u);
void unit_answer(struct unit *u, enum unit_answer what, int result, const struct sw_err *err);

/* health.c: probe loop of a running container. */
int unit_health_start(struct unit *u);
void unit_health_stop(struct unit *u);
bool unit_has_health(const struct unit *u);

/* adopt.c */
void adopt_all(struct worker *w);
void adopt_settled(struct unit *u);

void worker_unit_gone(struct worker *w); /* a unit was freed */

#endif
