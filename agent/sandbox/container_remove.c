/* SPDX-License-Identifier: Apache-2.0
 * container_remove.c - what must be gone afterwards: processes, cgroups, files. On worker threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "agent/sandbox/container.h"
#include "agent/sandbox/host.h"
#include "agent/sandbox/remove.h"
#include "agent/sandbox/rootfs.h"
#include "common/base/alloc.h"

#define END_TRIES   2000 /* of END_WAIT_US: four seconds */
#define END_WAIT_US 2000
#define DIR_TRIES   50

/* Kills and removes one cgroup. Thread-safe. */
static int end_cgroup(const struct cgroup *cg, struct sw_err *err)
{
    int r = 0;

    if (!cgroup_exists(cg))
        return 0;
    for (int i = 0; i < END_TRIES; i++) {
        if (i > 0)
            (void)usleep(END_WAIT_US);
        r = cgroup_remove(cg);
        if (r == 0)
            return 0;
        if (r == -EBUSY && cgroup_kill(cg) < 0)
            break;
    }
    return sw_err_errno(err, -r, "remove cgroup of %.12s", cg->id);
}

/* ---- one container ---- */

struct remove_job {
    uv_work_t work;
    struct cgroup cg;
    char *bundle;
    int status;
    struct sw_err err;
    void (*done)(int status, const struct sw_err *err, void *data);
    void *data;
};

static void remove_work(uv_work_t *req)
{
    struct remove_job *job = req->data;

    job->status = end_cgroup(&job->cg, &job->err);
    if (job->status < 0)
        return;
    /* a shim that is just ending may still write its last file */
    for (int i = 0; i < DIR_TRIES; i++) {
        job->status = remove_tree(job->bundle, &job->err);
        if (job->status != -ENOTEMPTY)
            break;
        (void)usleep(END_WAIT_US);
    }
}

static void remove_after(uv_work_t *req, int status)
{
    struct remove_job *job = req->data;

    (void)status;
    if (job->done != NULL)
        job->done(job->status, &job->err, job->data);
    sw_free(job->bundle);
    sw_free(job);
}

int container_remove(struct container_host *host, const char *id, const char *bundle,
                     void (*done)(int status, const struct sw_err *err, void *data), void *data,
                     struct sw_err *err)
{
    struct remove_job *job = sw_calloc(1, sizeof(*job));
    int r;

    if (job == NULL)
        return sw_err_set(err, -ENOMEM, "remove container");
    job->work.data = job;
    job->done = done;
    job->data = data;
    job->bundle = sw_strdup(bundle);
    r = job->bundle == NULL ? sw_err_set(err, -ENOMEM, "remove container") : 0;
    if (r == 0 && strlen(id) != CONTAINER_ID_CHARS)
        r = sw_err_set(err, SW_E_INVALID, "invalid container id"); /* "" would be all of them */
    if (r == 0)
        r = host_cgroup(host, id, &job->cg, err);
    if (r == 0) {
        r = uv_queue_work(host->loop, &job->work, remove_work, remove_after);
        if (r < 0)
            r = sw_err_set(err, r, "remove container: %s", uv_strerror(r));
    }
    if (r < 0) {
        sw_free(job->bundle);
        sw_free(job);
    }
    return r;
}

/* ---- all that nobody knows ---- */

struct sweep_job {
    uv_work_t work;
    struct container_host *host;
    bool (*known)(const char *id, void *data);
    char (*ids)[CONTAINER_ID_CHARS + 1];
    size_t len, cap;
    unsigned ended;
    void (*done)(unsigned ended, void *data);
    void *data;
};

static void sweep_found(const char *id, void *data)
{
    struct sweep_job *job = data;

    for (size_t i = 0; i < job->len; i++)
        if (strcmp(job->ids[i], id) == 0)
            return;
    if (job->known(id, job->data))
        return;
    if (job->len == job->cap) {
        size_t cap = job->cap != 0 ? 2 * job->cap : 16;
        void *more = sw_realloc(job->ids, cap * sizeof(*job->ids));

        if (more == NULL)
            return; /* left for the next sweep */
        job->ids = more;
        job->cap = cap;
    }
    (void)snprintf(job->ids[job->len++], sizeof(*job->ids), "%.64s", id);
}

static void sweep_work(uv_work_t *req)
{
    struct sweep_job *job = req->data;
    struct sw_err err;
    struct cgroup cg;

    for (size_t i = 0; i < job->len; i++)
        if (host_cgroup(job->host, job->ids[i], &cg, &err) == 0 && end_cgroup(&cg, &err) == 0)
            job->ended++;
}

static void sweep_after(uv_work_t *req, int status)
{
    struct sweep_job *job = req->data;

    (void)status;
    if (job->done != NULL)
        job->done(job->ended, job->data);
    sw_free(job->ids);
    sw_free(job);
}

int container_host_sweep(struct container_host *host, bool (*known)(const char *id, void *data),
                         void (*done)(unsigned ended, void *data), void *data, struct sw_err *err)
{
    struct sweep_job *job = sw_calloc(1, sizeof(*job));
    struct cgroup all;
    int r;

    if (job == NULL)
        return sw_err_set(err, -ENOMEM, "sweep containers");
    job->work.data = job;
    job->host = host;
    job->known = known;
    job->done = done;
    job->data = data;
    r = host_cgroup(host, "", &all, err);
    if (r == 0) {
        cgroup_children(&all, sweep_found, job);
        r = uv_queue_work(host->loop, &job->work, sweep_work, sweep_after);
        if (r < 0)
            r = sw_err_set(err, r, "sweep containers: %s", uv_strerror(r));
    }
    if (r < 0) {
        sw_free(job->ids);
        sw_free(job);
    }
    return r;
}

/* ---- the root directory ---- */

int container_root_open(struct container *c, const char *const *lower, const char *upper,
                        const char *work, struct sw_err *err)
{
    struct rootfs_options o = { .lower = lower, .upper = upper, .work = work, .sync = true };
    pid_t pid = c != NULL ? container_pid(c) : 0;
    char path[64];
    int fd;

    if (pid > 0) {
        (void)snprintf(path, sizeof(path), "/proc/%d/root", pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 ? fd : sw_err_errno(err, errno, "open the container's root");
    }
    while (lower[o.lower_len] != NULL)
        o.lower_len++;
    return rootfs_open(&o, upper, err);
}
