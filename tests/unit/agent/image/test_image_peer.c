/* SPDX-License-Identifier: Apache-2.0
 * Two stores, one fetching from the other over a Unix socket. Needs root. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "agent/image/disk.h"
#include "agent/image/peer.h"
#include "common/base/macro.h"
#include "tests/unit/agent/image/archives.h"

struct fixture {
    uv_loop_t loop;
    char dir[64], a_dir[96], b_dir[96], address[128], nobody[128], empty_address[128];
    struct image_store *a, *b;
    struct sw_rpc_server *server, *empty_server; /* of a's images, of b's */
    struct sw_rpc_method methods[IMAGE_PEER_METHODS], empty_methods[IMAGE_PEER_METHODS];
    struct image_fetcher *fetcher; /* into b */
    struct image_op *op;
    int done;
    struct sw_err err;
};

static void serve(struct fixture *f, struct sw_rpc_server **out, const char *address,
                  const struct sw_rpc_method *methods)
{
    struct sw_rpc_listen l = {
        .loop = &f->loop, .address = address, .methods = methods, .n_methods = IMAGE_PEER_METHODS
    };

    assert_int_equal(sw_rpc_server_new(out, &l, &f->err), 0);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct image_store_options a = { 0 };
    struct image_store_options b = { 0 };

    *state = f;
    strcpy(f->dir, "/tmp/swarm-test-peer-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->a_dir, sizeof(f->a_dir), "%s/a", f->dir);
    snprintf(f->b_dir, sizeof(f->b_dir), "%s/b", f->dir);
    snprintf(f->address, sizeof(f->address), "unix:%s/a.sock", f->dir);
    snprintf(f->empty_address, sizeof(f->empty_address), "unix:%s/b.sock", f->dir);
    snprintf(f->nobody, sizeof(f->nobody), "unix:%s/nobody.sock", f->dir);
    uv_loop_init(&f->loop);
    a.dir = f->a_dir;
    b.dir = f->b_dir;
    if (image_store_open(&f->a, &f->loop, &a, &f->err) < 0 ||
        image_store_open(&f->b, &f->loop, &b, &f->err) < 0 ||
        image_fetcher_new(&f->fetcher, &f->loop, f->b, NULL, &f->err) < 0)
        return -1;
    image_peer_methods(f->a, f->methods);
    image_peer_methods(f->b, f->empty_methods);
    serve(f, &f->server, f->address, f->methods);
    serve(f, &f->empty_server, f->empty_address, f->empty_methods);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct sw_err err;

    image_fetcher_free(f->fetcher);
    sw_rpc_server_free(f->server);
    sw_rpc_server_free(f->empty_server);
    image_store_close(f->a, NULL, NULL);
    image_store_close(f->b, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    disk_remove_tree(f->dir, &err);
    test_free(f);
    return 0;
}

static void on_done(const struct sw_err *err, void *arg)
{
    struct fixture *f = arg;

    f->done++;
    f->err.code = 0;
    if (err != NULL)
        f->err = *err;
}

static void wait_done(struct fixture *f, int n)
{
    while (f->done < n)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->done, n);
    f->done = 0;
}

static void load_into_a(struct fixture *f, size_t bytes)
{
    static const struct image_op_cb cb = { NULL, NULL, on_done };
    char *data = malloc(bytes);
    struct entry e = { 'f', "big", data, bytes, 0 };
    struct bytes layer, config, archive;

    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    layer = make_tar(&e, 1, PLAIN);
    config = image_json(&layer, 1, "{}");
    archive = docker_archive(&layer, 1, config.p, "[\"web:1\"]", PLAIN);
    assert_int_equal(image_load(f->a, &f->op, &cb, f, &f->err), 0);
    image_input(f->op, archive.p, archive.n);
    image_input_end(f->op);
    wait_done(f, 1);
    assert_int_equal(f->err.code, 0);
    free(data);
    free(layer.p);
    free(config.p);
    free(archive.p);
}

static struct image_fetch_options options(struct fixture *f, const char *const *addresses, size_t n)
{
    return (struct image_fetch_options){
        .reference = "web:1", .addresses = addresses, .n_addresses = n, .done = on_done, .arg = f
    };
}

static void an_image_is_taken_over_from_the_first_that_has_it(void **state)
{
    struct fixture *f = *state;
    const char *addresses[] = { f->nobody, f->empty_address, f->address };
    struct image_fetch_options opt = options(f, addresses, 3);
    const struct image *in_a, *in_b;
    struct image_config *c;

    load_into_a(f, 5 * 1000 * 1000);
    for (int i = 0; i < 3; i++) /* three want it: one transfer */
        assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0);
    wait_done(f, 3);
    assert_int_equal(f->err.code, 0);
    assert_int_equal(image_find(f->a, "web:1", &in_a, &f->err), 0);
    assert_int_equal(image_find(f->b, "web:1", &in_b, &f->err), 0);
    assert_string_equal(in_a->id, in_b->id);
    assert_string_equal(in_a->manifest, in_b->manifest);
    assert_int_equal(image_resolve(f->b, "web:1", &c, &f->err), 0);
    assert_int_equal(access(c->lower[0], F_OK), 0);
    image_config_free(c);
    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0); /* it is there now */
    wait_done(f, 1);
    assert_int_equal(f->err.code, 0);
}

static void an_image_that_nobody_has_is_not_found(void **state)
{
    struct fixture *f = *state;
    const char *addresses[] = { f->address };
    struct image_fetch_options opt = options(f, addresses, 1);

    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0);
    wait_done(f, 1);
    assert_int_equal(f->err.code, SW_E_NOT_FOUND);
    assert_string_equal(f->err.msg, "No such image: web:1");
    opt.addresses = (const char *const[]){ f->nobody };
    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0);
    wait_done(f, 1);
    assert_int_not_equal(f->err.code, 0);
    assert_int_not_equal(f->err.code, SW_E_NOT_FOUND);
    opt.n_addresses = 0;
    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), SW_E_NOT_FOUND);
}

static void a_damaged_blob_is_not_taken(void **state)
{
    struct fixture *f = *state;
    const char *addresses[] = { f->address };
    struct image_fetch_options opt = options(f, addresses, 1);
    const struct image *img;
    char path[256];
    FILE *blob;

    load_into_a(f, 300000);
    assert_int_equal(image_find(f->a, "web:1", &img, &f->err), 0);
    disk_blob_path(f->a_dir, img->layers[0].digest, path, sizeof(path));
    blob = fopen(path, "r+");
    fseek(blob, 200000, SEEK_SET);
    fputs("damage", blob);
    fclose(blob);
    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0);
    wait_done(f, 1);
    assert_int_equal(f->err.code, SW_E_INVALID);
    assert_non_null(strstr(f->err.msg, "layer 1: digest mismatch: expected sha256:"));
    assert_int_equal(image_count(f->b), 0);
    assert_int_equal(truncate(path, 1000), 0); /* shorter than the manifest says */
    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0);
    wait_done(f, 1);
    assert_int_not_equal(f->err.code, 0);
    assert_int_equal(image_count(f->b), 0);
}

static void fetches_can_be_canceled_at_any_time(void **state)
{
    struct fixture *f = *state;
    const char *addresses[] = { f->address };
    struct image_fetch_options opt = options(f, addresses, 1);

    load_into_a(f, 2000000);
    for (int turns = 0; turns < 30; turns++) {
        struct image_fetch *w;

        assert_int_equal(image_fetch(f->fetcher, &w, &opt, &f->err), 0);
        for (int i = 0; i < turns && f->done == 0; i++)
            uv_run(&f->loop, UV_RUN_ONCE);
        if (f->done > 0)
            break; /* it was quicker */
        image_fetch_cancel(w);
    }
    f->done = 0;
    assert_int_equal(image_fetch(f->fetcher, NULL, &opt, &f->err), 0); /* teardown ends this one */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_image_is_taken_over_from_the_first_that_has_it),
        T(an_image_that_nobody_has_is_not_found),
        T(a_damaged_blob_is_not_taken),
        T(fetches_can_be_canceled_at_any_time),
    };

    if (geteuid() != 0) {
        puts("skipped: needs root to confine the archive readers");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
