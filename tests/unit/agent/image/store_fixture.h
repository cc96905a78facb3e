/* SPDX-License-Identifier: Apache-2.0
 * store_fixture.h - an image store in a folder of its own, for tests. */
#ifndef SWARM_TESTS_UNIT_AGENT_IMAGE_STORE_FIXTURE_H
#define SWARM_TESTS_UNIT_AGENT_IMAGE_STORE_FIXTURE_H

#include <uv.h>

#include "agent/image/image.h"
#include "tests/unit/agent/image/archives.h"

struct fixture {
    uv_loop_t loop;
    char dir[64];
    struct image_store *store;
    struct image_limits limits;
    struct image_op *op;
    char lines[2048];
    bool done;
    struct sw_err err; /* of done, code 0: success */
    const char *user;  /* container that uses every image */
    bool user_runs;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
void open_store(struct fixture *f);
void close_store(struct fixture *f);
void on_done(const struct sw_err *err, void *fixture); /* image_done */
void wait_done(struct fixture *f);
extern const struct image_op_cb fixture_cb;
/** feed() - all of @b into f->op, then wait; frees @b. */
void feed(struct fixture *f, struct bytes b);
/** load() - Return: the error code of the load; f->lines has what it said. */
int load(struct fixture *f, struct bytes archive);
/** make_layers() - of the test image, lowest first. */
void make_layers(struct bytes out[2], enum packing packing);
struct bytes web_archive(enum packing packing); /* of that image: web:1, shop/web:stable */
struct bytes one_layer(const struct entry *entries, size_t n); /* evil:1 */

#endif
