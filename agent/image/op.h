/* SPDX-License-Identifier: Apache-2.0
 * op.h - one load, import or ingest: a thread that works, and its input pipe from the loop.
 *
 *   QUEUED --thread started--> RUNNING --thread ended--> COMMITTING --index written--> ENDED
 *      \---------- canceled ----------\---------- failed or canceled ---------^
 *
 * The thread sees only the fields of the lower half of struct image_op; it tells the loop about
 * events through one uv_async. Its input is a pipe that the loop fills, its cancellation an
 * eventfd. */
#ifndef SWARM_AGENT_IMAGE_OP_H
#define SWARM_AGENT_IMAGE_OP_H

#include <stdatomic.h>

#include "agent/image/stage.h"
#include "agent/image/store.h"

enum op_state { OP_QUEUED, OP_RUNNING, OP_COMMITTING, OP_ENDED };
enum op_event { OP_EVENT_NONE = 0, OP_EVENT_FETCH = 1, OP_EVENT_END = 2 };

/* What the thread found. */
struct op_image {
    struct image *image;
    char **names; /* full references */
    size_t n_names;
};

struct image_op {
    struct sw_list link; /* in image_store.ops; first */
    struct image_store *store;
    enum op_state state;
    const struct image_op_cb *cb; /* NULL once canceled */
    void *arg;
    const struct image_source *source; /* ingest only */
    uv_pipe_t in;
    bool in_closed;
    bool fetching; /* the source sends a blob */
    uv_async_t async;
    uv_thread_t thread;
    unsigned open_handles;

    int in_fd; /* the thread's end of the pipe */
    int cancel_fd;
    atomic_int event;
    /** run() - on the thread. Return: 0 or < 0 with @err. */
    int (*run)(struct image_op *op, struct stage *stage, struct sw_err *err);
    void *params;
    void (*free_params)(void *params);
    bool show_id; /* import: the only line is the id */
    struct op_image *found;
    size_t n_found;
    struct sw_err err;
    struct sw_err fetch_err; /* set by the loop before it closes the pipe */
    char fetch_digest[IMAGE_DIGEST_LEN + 1];
    uint64_t fetch_size;
};

struct op_options {
    int (*run)(struct image_op *op, struct stage *stage, struct sw_err *err);
    void *params; /* owned, also on failure */
    void (*free_params)(void *params);
    const struct image_op_cb *cb;
    void *arg;
};
int op_new(struct image_store *s, struct image_op **out, const struct op_options *opt,
           struct sw_err *err);

/* ---- on the thread -------------------------------------------------------------------------- */

/** op_found() - one more image; @image is owned, @names copied. */
int op_found(struct image_op *op, struct image *image, char *const *names, size_t n_names,
             struct sw_err *err);
/** op_fetch() - ask the source for a blob and put it into @b, digest and size checked. */
int op_fetch(struct image_op *op, struct stage *stage, const char *digest, uint64_t size,
             struct staged_blob *b, struct sw_err *err);

/* load.c, import.c: on the thread */
int load_run(struct image_op *op, struct stage *stage, struct sw_err *err);

#endif
