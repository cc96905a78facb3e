/* SPDX-License-Identifier: Apache-2.0
 * rootfs_open.c - a detached overlay, for the agent; apart because it needs threads. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/sandbox/rootfs.h"
#include "common/base/alloc.h"

struct open_job {
    const struct rootfs_options *opts;
    const char *scratch;
    struct sw_err *err;
    int result;
};

static void *open_run(void *arg)
{
    struct open_job *job = arg;
    SW_CLEANUP(sw_close_ptr) int root = -1;

    if (unshare(CLONE_FS | CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        job->result = sw_err_errno(job->err, errno, "leave the mount namespace");
        return NULL;
    }
    root = rootfs_mount(job->opts, job->scratch, job->err);
    if (root < 0) {
        job->result = root;
        return NULL;
    }
    job->result = open_tree(root, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (job->result < 0)
        job->result = sw_err_errno(job->err, errno, "detach overlay");
    return NULL; /* the namespace and its mounts end with the thread, the clone stays */
}

int rootfs_open(const struct rootfs_options *opts, const char *scratch, struct sw_err *err)
{
    struct open_job job = { .opts = opts, .scratch = scratch, .err = err };
    pthread_t thread;
    int r = pthread_create(&thread, NULL, open_run, &job);

    if (r != 0)
        return sw_err_errno(err, r, "start a thread");
    (void)pthread_join(thread, NULL);
    return job.result;
}
