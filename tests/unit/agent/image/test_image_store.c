/* SPDX-License-Identifier: Apache-2.0
 * The store over time: restarts, names, removal, import, save. Needs root. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "tests/unit/agent/image/store_fixture.h"

static void images_survive_and_leftovers_do_not(void **state)
{
    struct fixture *f = *state;
    const struct image *img;
    char path[256];
    char junk[600];

    assert_int_equal(load(f, web_archive(PLAIN)), 0);
    close_store(f);
    snprintf(path, sizeof(path), "%s/tmp/left/deep", f->dir);
    snprintf(junk, sizeof(junk), "mkdir -p %s && touch %s/blobs/sha256/junk && mkdir %s/layer/junk",
             path, f->dir, f->dir);
    assert_int_equal(system(junk), 0);
    open_store(f);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(image_find(f->store, "shop/web:stable", &img, &f->err), 0);
    assert_int_equal(img->n_layers, 2);
    close_store(f); /* the sweep was queued at open */
    open_store(f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    snprintf(path, sizeof(path), "%s/blobs/sha256/junk", f->dir);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/layer/junk", f->dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(image_has_blob(f->store, img == NULL ? "" : image_at(f->store, 0)->id));
}

static void an_image_with_a_missing_layer_is_dropped_at_open(void **state)
{
    struct fixture *f = *state;
    struct image_config *c;
    char command[600];

    assert_int_equal(load(f, web_archive(PLAIN)), 0);
    assert_int_equal(image_resolve(f->store, "web:1", &c, &f->err), 0);
    close_store(f);
    snprintf(command, sizeof(command), "rm -rf $(dirname %s)", c->lower[1]);
    assert_int_equal(system(command), 0);
    image_config_free(c);
    open_store(f);
    assert_int_equal(image_count(f->store), 0);
    assert_int_equal(load(f, web_archive(PLAIN)), 0); /* and can be had again */
}

static void images_are_found_by_name_id_and_prefix(void **state)
{
    struct fixture *f = *state;
    const struct image *img;
    char id[80];

    assert_int_equal(load(f, web_archive(PLAIN)), 0);
    strcpy(id, image_at(f->store, 0)->id);
    assert_int_equal(image_find(f->store, id, &img, &f->err), 0);
    assert_int_equal(image_find(f->store, id + 7, &img, &f->err), 0);
    id[19] = '\0';
    assert_int_equal(image_find(f->store, id, &img, &f->err), 0);
    assert_int_equal(image_find(f->store, id + 7, &img, &f->err), 0);
    assert_int_equal(image_find(f->store, "docker.io/library/web:1", &img, &f->err), 0);
    assert_int_equal(image_find(f->store, "nosuch", &img, &f->err), SW_E_NOT_FOUND);
    assert_string_equal(f->err.msg, "No such image: nosuch:latest");
    assert_int_equal(image_find(f->store, "a b", &img, &f->err), SW_E_INVALID);
}

static void names_move_and_go(void **state)
{
    struct fixture *f = *state;
    struct image_removed removed;
    struct image_ref ref;
    struct entry e = { 'f', "a", "x", 0, 0 };

    assert_int_equal(load(f, web_archive(PLAIN)), 0);
    image_ref_parse(&ref, "127.0.0.1:5000/x:3", &f->err);
    assert_int_equal(image_tag(f->store, "web:1", &ref, on_done, f, &f->err), 0);
    wait_done(f);
    assert_int_equal(image_tag(f->store, "nosuch", &ref, on_done, f, &f->err), SW_E_NOT_FOUND);
    /* By name: only the name while there are others. */
    assert_int_equal(image_remove(f->store, "web:1", false, &removed, on_done, f, &f->err), 0);
    wait_done(f);
    assert_int_equal(removed.n_untagged, 1);
    assert_string_equal(removed.untagged[0], "web:1");
    assert_int_equal(removed.n_deleted, 0);
    image_removed_fini(&removed);
    /* By id with two names: refused, forced it goes. */
    char id[80];

    strcpy(id, image_at(f->store, 0)->id);
    assert_int_equal(image_remove(f->store, id, false, &removed, on_done, f, &f->err),
                     SW_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, "image is referenced in multiple repositories"));
    assert_int_equal(image_remove(f->store, id, true, &removed, on_done, f, &f->err), 0);
    wait_done(f);
    assert_int_equal(removed.n_untagged, 2);
    assert_int_equal(removed.n_deleted, 3); /* and its two layers */
    assert_string_equal(removed.deleted[0], id);
    image_removed_fini(&removed);
    assert_int_equal(image_count(f->store), 0);
    /* A name that is loaded anew leaves its old image. */
    assert_int_equal(load(f, one_layer(&e, 1)), 0);
    e.data = "y";
    assert_int_equal(load(f, one_layer(&e, 1)), 0);
    assert_non_null(strstr(f->lines, "The image evil:1 already exists, renaming the old one with "
                                     "ID sha256:"));
    assert_int_equal(image_count(f->store), 2);
    assert_int_equal(image_prune(f->store, false, NULL, NULL, &removed, on_done, f, &f->err), 0);
    wait_done(f);
    assert_int_equal(removed.n_deleted, 2);
    image_removed_fini(&removed);
    assert_int_equal(image_count(f->store), 1);
}

static void an_image_in_use_stays(void **state)
{
    struct fixture *f = *state;
    struct image_removed removed;
    struct entry e = { 'f', "a", "x", 0, 0 };

    assert_int_equal(load(f, one_layer(&e, 1)), 0);
    f->user = "0123456789abcdef";
    assert_int_equal(image_remove(f->store, "evil:1", false, &removed, on_done, f, &f->err),
                     SW_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, "conflict: unable to remove repository reference "
                                       "\"evil:1\" (must force) - container 0123456789ab is "
                                       "using its referenced image "));
    assert_int_equal(image_prune(f->store, true, NULL, NULL, &removed, on_done, f, &f->err), 0);
    wait_done(f);
    assert_int_equal(removed.n_deleted, 0);
    image_removed_fini(&removed);
    assert_int_equal(image_remove(f->store, "evil:1", true, &removed, on_done, f, &f->err), 0);
    wait_done(f);
    assert_int_equal(removed.n_untagged, 1);
    assert_int_equal(removed.n_deleted, 0);
    image_removed_fini(&removed);
    assert_int_equal(image_count(f->store), 1);
}

static void import_makes_an_image_of_one_layer(void **state)
{
    struct fixture *f = *state;
    struct entry e = { 'f', "bin/sh", "x", 0, 0755 };
    static const char *const changes[] = { "CMD [\"sh\"]", "ENV A=b" };
    static const char *const wrong[] = { "RUN x" };
    struct image_ref ref;
    struct image_import what = { &ref, "from tar", changes, 2 };
    struct image_config *c;

    image_ref_parse(&ref, "imported:1", &f->err);
    assert_int_equal(image_import(f->store, &f->op, &what, &fixture_cb, f, &f->err), 0);
    feed(f, make_tar(&e, 1, GZIP));
    assert_int_equal(f->err.code, 0);
    assert_true(image_digest_is_valid(f->lines));
    assert_int_equal(image_resolve(f->store, "imported:1", &c, &f->err), 0);
    assert_string_equal(c->cmd[0], "sh");
    assert_string_equal(c->env[0], "A=b");
    assert_int_equal(c->n_lower, 1);
    image_config_free(c);
    what.changes = wrong;
    what.n_changes = 1;
    assert_int_equal(image_import(f->store, &f->op, &what, &fixture_cb, f, &f->err), SW_E_INVALID);
}

static void canceled_loads_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct bytes b = web_archive(PLAIN);

    assert_int_equal(image_load(f->store, &f->op, &fixture_cb, f, &f->err), 0);
    image_input(f->op, b.p, b.n / 2);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    image_op_cancel(f->op);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_false(f->done);
    assert_int_equal(image_count(f->store), 0);
    /* Closing cancels too, and says so. */
    assert_int_equal(image_load(f->store, &f->op, &fixture_cb, f, &f->err), 0);
    image_input(f->op, b.p, b.n / 2);
    close_store(f);
    assert_true(f->done);
    assert_int_equal(f->err.code, SW_E_CANCELED);
    f->done = false;
    free(b.p);
    open_store(f);
}

struct saved {
    struct fixture *f;
    struct bytes bytes;
};

static void save_data(const void *data, size_t len, void *arg)
{
    struct saved *s = arg;

    s->bytes.p = realloc(s->bytes.p, s->bytes.n + len);
    memcpy(s->bytes.p + s->bytes.n, data, len);
    s->bytes.n += len;
}

static void save_done(const struct sw_err *err, void *arg)
{
    on_done(err, ((struct saved *)arg)->f);
}

static const struct image_save_cb save_cb = { save_data, save_done };

static struct bytes save(struct fixture *f, const char *const *names, size_t n)
{
    struct saved s = { f, { NULL, 0 } };
    struct image_save *op;

    assert_int_equal(image_save(f->store, &op, names, n, &save_cb, &s, &f->err), 0);
    wait_done(f);
    assert_int_equal(f->err.code, 0);
    return s.bytes;
}

static void what_is_saved_can_be_loaded_again(void **state)
{
    struct fixture *f = *state;
    static const char *const both[] = { "web:1", "shop/web:stable" };
    struct image_removed removed;
    struct image_save *op;
    struct bytes first, second;
    char manifest[80];

    assert_int_equal(load(f, web_archive(PLAIN)), 0);
    strcpy(manifest, image_at(f->store, 0)->manifest);
    first = save(f, both, 2);
    assert_int_equal(image_prune(f->store, true, NULL, NULL, &removed, on_done, f, &f->err), 0);
    wait_done(f);
    image_removed_fini(&removed);
    second = save(f, NULL, 0); /* no image is an archive, too */
    free(second.p);
    assert_int_equal(load(f, (struct bytes){ memcpy(malloc(first.n), first.p, first.n), first.n }),
                     0);
    assert_int_equal(image_at(f->store, 0)->n_names, 2);
    assert_string_equal(image_at(f->store, 0)->manifest, manifest);
    second = save(f, both, 2);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.p, second.p, first.n);
    free(first.p);
    free(second.p);
    assert_int_equal(
        image_save(f->store, &op, (const char *const[]){ "nosuch" }, 1, &save_cb, f, &f->err),
        SW_E_NOT_FOUND);
}

static void a_save_can_be_canceled_and_closed_upon(void **state)
{
    struct fixture *f = *state;
    static const char *const name[] = { "web:1" };
    struct saved s = { f, { NULL, 0 } };
    struct image_save *op;

    assert_int_equal(load(f, web_archive(PLAIN)), 0);
    assert_int_equal(image_save(f->store, &op, name, 1, &save_cb, &s, &f->err), 0);
    image_save_cancel(op);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_false(f->done);
    assert_int_equal(image_save(f->store, &op, name, 1, &save_cb, &s, &f->err), 0);
    image_save_read(op, false);
    close_store(f);
    assert_true(f->done);
    assert_int_equal(f->err.code, SW_E_CANCELED);
    f->done = false;
    free(s.bytes.p);
    open_store(f);
}

static void count_done(const struct sw_err *err, void *arg)
{
    assert_null(err);
    ++*(unsigned *)arg;
}

static void many_loads_at_once_share_what_they_bring(void **state)
{
    static const struct image_op_cb counting = { NULL, NULL, count_done };
    struct fixture *f = *state;
    struct image_op *op;
    struct bytes b = web_archive(PLAIN);
    unsigned done = 0;

    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(image_load(f->store, &op, &counting, &done, &f->err), 0);
        image_input(op, b.p, b.n);
        image_input_end(op);
    }
    while (done < 6)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(image_count(f->store), 1);
    free(b.p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(images_survive_and_leftovers_do_not),
        T(an_image_with_a_missing_layer_is_dropped_at_open),
        T(images_are_found_by_name_id_and_prefix),
        T(names_move_and_go),
        T(an_image_in_use_stays),
        T(import_makes_an_image_of_one_layer),
        T(canceled_loads_leave_nothing),
        T(what_is_saved_can_be_loaded_again),
        T(a_save_can_be_canceled_and_closed_upon),
        T(many_loads_at_once_share_what_they_bring),
    };

    if (geteuid() != 0) {
        puts("skipped: needs root to confine the archive readers");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
