/* SPDX-License-Identifier: Apache-2.0
 * box.h - real containers for tests: a busybox image in a temporary directory, one at a time. */
#ifndef SWARM_TESTS_UNIT_AGENT_SANDBOX_BOX_H
#define SWARM_TESTS_UNIT_AGENT_SANDBOX_BOX_H

#include <limits.h>
#include <uv.h>

#include "agent/sandbox/container.h"
#include "common/base/buf.h"

struct box {
    uv_loop_t loop;
    struct container_host *host;
    char dir[64];     /* /tmp/swarm-box-XXXXXX */
    char image[96];   /* the layer: change it before the start */
    char bundle[192]; /* of the one container */
    char upper[224], work[224];
    char id[CONTAINER_ID_CHARS + 1];
    const char *lower[2];
    const char *cgroup_root;
    struct container *c;
    /* what has been told */
    bool created, started, failed, exited;
    int fail_code;
    struct sw_err err;
    struct container_exit exit;
    pid_t pid;
    struct sw_buf out, errout; /* after box_run(): the log */
};

/** box_new() - NULL when not root. The image has /bin/busybox with its applets, passwd and group.
 */
struct box *box_new(void);
/** box_new_in() - the same with control groups mounted at @cgroup_root. NULL also without them. */
struct box *box_new_in(const char *cgroup_root);
void box_free(
    struct box *b); /* removes the container and every trace, asserts that nothing is left */
/** box_spec() - a specification that runs @argv (NULL-terminated, borrowed). */
void box_spec(struct box *b, struct container_spec *spec, const char *const *argv);
/** box_sh() - the same for sh -c @script; @argv: room for four. */
void box_sh(struct box *b, struct container_spec *spec, const char *argv[4], const char *script);
int box_create(struct box *b, const struct container_spec *spec);
/** box_start() - create, start and wait until it runs; asserts. */
void box_start(struct box *b, const struct container_spec *spec);
/** box_run() - to its end; output is then in @out and @errout. Return: exit code, or the failure's.
 */
int box_run(struct box *b, const struct container_spec *spec);
/** box_until() - run the loop until *@flag. Return: false after 20 s. */
bool box_until(struct box *b, const bool *flag);
void box_read_log(struct box *b);
/** box_forget() - free the handle and remove the container, so that another can be made. */
void box_forget(struct box *b);
/** box_sh_code() - run a script with default confinement. Return: exit code. */
int box_sh_code(struct box *b, const char *script);
const char *box_out(struct box *b); /* stdout without the last newline */

#endif
