/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/image/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/image/disk.h"
#include "common/base/macro.h"

static const char *in_use(const char *id, bool *running, void *arg)
{
    struct fixture *f = arg;

    (void)id;
    *running = f->user_runs;
    return f->user;
}

void open_store(struct fixture *f)
{
    struct image_store_options opt = {
        .dir = f->dir, .limits = f->limits, .in_use = in_use, .arg = f
    };

    assert_int_equal(image_store_open(&f->store, &f->loop, &opt, &f->err), 0);
}

void close_store(struct fixture *f)
{
    image_store_close(f->store, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    f->store = NULL;
}

int fixture_setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    *state = f;
    strcpy(f->dir, "/tmp/swarm-test-image-XXXXXX");
    if (mkdtemp(f->dir) == NULL || uv_loop_init(&f->loop) < 0)
        return -1;
    open_store(f);
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    struct sw_err err;

    close_store(f);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    disk_remove_tree(f->dir, &err);
    test_free(f);
    return 0;
}

static void on_line(const char *text, void *arg)
{
    struct fixture *f = arg;

    strncat(f->lines, text, sizeof(f->lines) - strlen(f->lines) - 1);
}

void on_done(const struct sw_err *err, void *arg)
{
    struct fixture *f = arg;

    assert_false(f->done);
    f->done = true;
    f->err.code = 0;
    if (err != NULL)
        f->err = *err;
}

const struct image_op_cb fixture_cb = { on_line, NULL, on_done };

void wait_done(struct fixture *f)
{
    while (!f->done)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->done = false;
}

void feed(struct fixture *f, struct bytes b)
{
    for (size_t i = 0; i < b.n; i += 5000)
        image_input(f->op, b.p + i, SW_MIN((size_t)5000, b.n - i));
    image_input_end(f->op);
    free(b.p);
    wait_done(f);
}

int load(struct fixture *f, struct bytes archive)
{
    f->lines[0] = '\0';
    assert_int_equal(image_load(f->store, &f->op, &fixture_cb, f, &f->err), 0);
    feed(f, archive);
    return f->err.code;
}

void make_layers(struct bytes out[2], enum packing packing)
{
    static const struct entry base[] = {
        { 'd', "etc", NULL, 0, 0 },         { 'f', "etc/conf", "old", 0, 0600 },
        { 'f', "gone", "x", 0, 0 },         { 'd', "dir", NULL, 0, 01777 },
        { 'f', "dir/below", "x", 0, 0 },    { 'f', "suid", "x", 0, 04755 },
        { 'h', "again", "suid", 0, 04755 }, { 'l', "link", "/etc/conf", 0, 0 },
        { 'c', "dev/null", NULL, 0, 0666 },
    };
    static const struct entry top[] = {
        { 'f', "etc/conf", "new", 0, 0 },
        { 'f', ".wh.gone", "", 0, 0 },
        { 'f', "dir/.wh..wh..opq", "", 0, 0 },
        { 'f', "dir/above", "x", 0, 0 },
    };

    out[0] = make_tar(base, SW_ARRAY_LEN(base), packing);
    out[1] = make_tar(top, SW_ARRAY_LEN(top), packing);
}

struct bytes web_archive(enum packing packing)
{
    struct bytes layers[2];
    struct bytes config;
    struct bytes out;

    make_layers(layers, PLAIN);
    config = image_json(layers, 2,
                        "{\"Entrypoint\":[\"/run\"],\"Cmd\":[\"a\",\"b\"],\"Env\":[\"A=1\"],"
                        "\"User\":\"www\",\"WorkingDir\":\"/srv\",\"Labels\":{\"k\":\"v\"},"
                        "\"StopSignal\":\"SIGINT\",\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":"
                        "{\"/data\":{}},\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],"
                        "\"Interval\":5000000000,\"Retries\":3}}");
    out = docker_archive(layers, 2, config.p, "[\"web:1\",\"shop/web:stable\"]", packing);
    free(config.p);
    free(layers[0].p);
    free(layers[1].p);
    return out;
}

struct bytes one_layer(const struct entry *entries, size_t n)
{
    struct bytes layer = make_tar(entries, n, PLAIN);
    struct bytes config = image_json(&layer, 1, "{}");
    struct bytes out = docker_archive(&layer, 1, config.p, "[\"evil:1\"]", PLAIN);

    free(layer.p);
    free(config.p);
    return out;
}
