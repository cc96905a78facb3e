/* SPDX-License-Identifier: Apache-2.0
 * The store on a real file system, archives through the confined children. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "agent/image/disk.h"
#include "agent/image/image.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"
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

static const char *in_use(const char *id, bool *running, void *arg)
{
    struct fixture *f = arg;

    (void)id;
    *running = f->user_runs;
    return f->user;
}

static void open_store(struct fixture *f)
{
    struct image_store_options opt = { .dir = f->dir, .limits = f->limits, .in_use = in_use,
                                       .arg = f };

    assert_int_equal(image_store_open(&f->store, &f->loop, &opt, &f->err), 0);
}

static void close_store(struct fixture *f)
{
    image_store_close(f->store, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    f->store = NULL;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    *state = f;
    strcpy(f->dir, "/tmp/swarm-test-image-XXXXXX");
    if (mkdtemp(f->dir) == NULL || uv_loop_init(&f->loop) < 0)
        return -1;
    open_store(f);
    return 0;
}

static int teardown(void **state)
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

static void on_done(const struct sw_err *err, void *arg)
{
    struct fixture *f = arg;

    assert_false(f->done);
    f->done = true;
    f->err.code = 0;
    if (err != NULL)
        f->err = *err;
}

static const struct image_op_cb cb = { on_line, NULL, on_done };

static void wait_done(struct fixture *f)
{
    while (!f->done)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->done = false;
}

static void feed(struct fixture *f, struct bytes b)
{
    for (size_t i = 0; i < b.n; i += 5000)
        image_input(f->op, b.p + i, SW_MIN((size_t)5000, b.n - i));
    image_input_end(f->op);
    free(b.p);
    wait_done(f);
}

static int load(struct fixture *f, struct bytes archive)
{
    f->lines[0] = '\0';
    assert_int_equal(image_load(f->store, &f->op, &cb, f, &f->err), 0);
    feed(f, archive);
    return f->err.code;
}

/* The layers of the test image, lowest first. */
static void make_layers(struct bytes out[2], enum packing packing)
{
    static const struct entry base[] = {
        { 'd', "etc", NULL, 0, 0 },           { 'f', "etc/conf", "old", 0, 0600 },
        { 'f', "gone", "x", 0, 0 },           { 'd', "dir", NULL, 0, 01777 },
        { 'f', "dir/below", "x", 0, 0 },      { 'f', "suid", "x", 0, 04755 },
        { 'h', "again", "suid", 0, 04755 },   { 'l', "link", "/etc/conf", 0, 0 },
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

static struct bytes web_archive(enum packing packing)
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

static void check_layers(const struct image_config *c)
{
    struct stat st;
    struct stat other;
    char path[512];
    char value[8];

    assert_int_equal(c->n_lower, 2);
#define AT(layer, name) (snprintf(path, sizeof(path), "%s/%s", c->lower[layer], name), path)
    assert_int_equal(lstat(AT(0, "etc/conf"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_uid, 7);
    assert_int_equal(st.st_mtime, 1700000000);
    assert_int_equal(lstat(AT(0, "dir"), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 01777);
    assert_int_equal(st.st_mtime, 1700000000);
    assert_int_equal(lstat(AT(0, "suid"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 04755);
    assert_int_equal(lstat(AT(0, "again"), &other), 0);
    assert_int_equal(st.st_ino, other.st_ino);
    assert_int_equal(lstat(AT(0, "link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(AT(0, "dev/null"), &st), 0);
    assert_int_equal(st.st_mode, S_IFCHR | 0666);
    assert_int_equal(st.st_rdev, makedev(1, 3));
    assert_int_equal(lstat(AT(1, "gone"), &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(st.st_rdev, makedev(0, 0));
    assert_int_equal(lstat(AT(1, ".wh.gone"), &st), -1);
    assert_int_equal(getxattr(AT(1, "dir"), "trusted.overlay.opaque", value, sizeof(value)), 1);
    assert_int_equal(value[0], 'y');
    assert_int_equal(lstat(AT(1, "dir/.wh..wh..opq"), &st), -1);
}

static void archives_of_docker_are_loaded_in_every_packing(void **state)
{
    struct fixture *f = *state;
    static const enum packing packings[] = { PLAIN, GZIP, ZSTD, XZ };

    for (size_t i = 0; i < SW_ARRAY_LEN(packings); i++) {
        struct image_config *c;

        assert_int_equal(load(f, web_archive(packings[i])), 0);
        assert_string_equal(f->lines,
                            "Loaded image: web:1\nLoaded image: shop/web:stable\n");
        assert_int_equal(image_count(f->store), 1);
        assert_int_equal(image_resolve(f->store, "web:1", &c, &f->err), 0);
        check_layers(c);
        assert_string_equal(c->entrypoint[0], "/run");
        assert_int_equal(c->n_cmd, 2);
        assert_string_equal(c->cmd[1], "b");
        assert_string_equal(c->env[0], "A=1");
        assert_string_equal(c->user, "www");
        assert_string_equal(c->workdir, "/srv");
        assert_string_equal(c->stop_signal, "SIGINT");
        assert_string_equal(c->labels[0], "k=v");
        assert_string_equal(c->ports[0], "80/tcp");
        assert_string_equal(c->volumes[0], "/data");
        assert_int_equal(c->health.interval_ns, 5000000000);
        assert_int_equal(c->health.retries, 3);
        assert_string_equal(c->health.test[1], "true");
        image_config_free(c);
    }
}

static void an_oci_layout_is_loaded_with_its_own_manifest(void **state)
{
    struct fixture *f = *state;
    struct bytes plain[2];
    struct bytes packed[2];
    struct image_config *c;

    make_layers(plain, PLAIN);
    make_layers(packed, GZIP);
    assert_int_equal(load(f, oci_archive(plain, packed, 2, "docker.io/library/oci:2")), 0);
    assert_string_equal(f->lines, "Loaded image: oci:2\n");
    assert_int_equal(image_resolve(f->store, "oci:2", &c, &f->err), 0);
    check_layers(c);
    image_config_free(c);
    assert_int_equal(load(f, oci_archive(plain, packed, 2, NULL)), 0);
    assert_non_null(strstr(f->lines, "Loaded image ID: sha256:"));
    /* A blob that is not what its name says. */
    packed[1].p[packed[1].n - 9] ^= 1;
    {
        struct bytes broken = oci_archive(plain, packed, 2, "x:1");
        char was[IMAGE_DIGEST_LEN + 1];
        char *at;

        digest_of(packed[1].p, packed[1].n, was);
        at = memmem(broken.p, broken.n, packed[1].p, packed[1].n);
        assert_non_null(at);
        at[20] ^= 1;
        assert_int_equal(load(f, broken), SW_E_INVALID);
        assert_non_null(strstr(f->err.msg, "layer 2: digest mismatch: expected sha256:"));
        assert_non_null(strstr(f->err.msg, was));
    }
    for (int i = 0; i < 2; i++) {
        free(plain[i].p);
        free(packed[i].p);
    }
}

static struct bytes one_layer(const struct entry *entries, size_t n)
{
    struct bytes layer = make_tar(entries, n, PLAIN);
    struct bytes config = image_json(&layer, 1, "{}");
    struct bytes out = docker_archive(&layer, 1, config.p, "[\"evil:1\"]", PLAIN);

    free(layer.p);
    free(config.p);
    return out;
}

static void entries_that_lead_out_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct entry entry;
        const char *text;
    } cases[] = {
        { { 'f', "../../evil", "x", 0, 0 }, "layer 1: ../../evil: the path is outside" },
        { { 'h', "x", "../../etc/passwd", 0, 0 }, "layer 1: x: the hard link's target" },
        { { 'h', "x", "nothing", 0, 0 }, "layer 1: x: create hard link: No such file" },
    };

    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        assert_int_equal(load(f, one_layer(&cases[i].entry, 1)), SW_E_INVALID);
        assert_non_null(strstr(f->err.msg, cases[i].text));
        assert_int_equal(image_count(f->store), 0);
    }
}

static void links_cannot_be_written_through(void **state)
{
    struct fixture *f = *state;
    char marker[128];
    static char link_target[160];
    struct entry entries[2] = { { 'l', "out", link_target, 0, 0 },
                                { 'f', "out/escaped", "x", 0, 0 } };
    struct image_config *c;
    char path[512];
    struct stat st;

    snprintf(marker, sizeof(marker), "%s/escaped", f->dir);
    snprintf(link_target, sizeof(link_target), "../../../../../../../../..%s", f->dir);
    assert_int_equal(load(f, one_layer(entries, 2)), 0); /* the link is replaced by a folder */
    assert_int_equal(access(marker, F_OK), -1);
    assert_int_equal(image_resolve(f->store, "evil:1", &c, &f->err), 0);
    snprintf(path, sizeof(path), "%s/out", c->lower[0]);
    assert_int_equal(lstat(path, &st), 0);
    image_config_free(c);
}

static void a_wrong_diff_id_is_told(void **state)
{
    struct fixture *f = *state;
    struct entry e = { 'f', "a", "x", 0, 0 };
    struct bytes layer = make_tar(&e, 1, PLAIN);
    struct bytes other = { strdup("other"), 5 };
    struct bytes config = image_json(&other, 1, "{}");

    assert_int_equal(load(f, docker_archive(&layer, 1, config.p, "[\"x:1\"]", PLAIN)),
                     SW_E_INVALID);
    assert_non_null(strstr(f->err.msg, "layer 1: digest mismatch: expected sha256:"));
    assert_int_equal(image_count(f->store), 0);
    free(layer.p);
    free(other.p);
    free(config.p);
}

static void what_is_no_image_is_refused(void **state)
{
    struct fixture *f = *state;
    struct entry e = { 'f', "readme", "x", 0, 0 };
    struct entry m[] = { { 'f', "manifest.json", "[{\"Config\":\"c\",\"Layers\":[]}]", 0, 0 } };
    struct bytes cut = web_archive(PLAIN);

    assert_int_equal(load(f, (struct bytes){ strdup("hello"), 5 }), SW_E_INVALID);
    assert_int_equal(load(f, (struct bytes){ NULL, 0 }), SW_E_INVALID);
    assert_int_equal(load(f, make_tar(&e, 1, PLAIN)), SW_E_INVALID);
    assert_non_null(strstr(f->err.msg, "not an image archive"));
    assert_int_equal(load(f, make_tar(m, 1, PLAIN)), SW_E_INVALID);
    assert_string_equal(f->err.msg, "the archive lacks 'c'");
    cut.n /= 2;
    assert_true(load(f, cut) < 0);
}

static void limits_hold(void **state)
{
    struct fixture *f = *state;

    close_store(f);
    f->limits = (struct image_limits){ .entries = 3 };
    open_store(f);
    assert_int_equal(load(f, web_archive(PLAIN)), SW_E_INVALID);
    assert_non_null(strstr(f->err.msg, "more than 3 files"));
    close_store(f);
    f->limits = (struct image_limits){ .archive_bytes = 5000 };
    open_store(f);
    assert_int_equal(load(f, web_archive(PLAIN)), SW_E_INVALID);
    assert_non_null(strstr(f->err.msg, "larger than 5000 bytes"));
    close_store(f);
    f->limits = (struct image_limits){ .layers = 1 };
    open_store(f);
    assert_int_equal(load(f, web_archive(PLAIN)), SW_E_INVALID);
    assert_non_null(strstr(f->err.msg, "more than 1 layers"));
}

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
    assert_int_equal(image_import(f->store, &f->op, &what, &cb, f, &f->err), 0);
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
    assert_int_equal(image_import(f->store, &f->op, &what, &cb, f, &f->err), SW_E_INVALID);
}

static void canceled_loads_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct bytes b = web_archive(PLAIN);

    assert_int_equal(image_load(f->store, &f->op, &cb, f, &f->err), 0);
    image_input(f->op, b.p, b.n / 2);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    image_op_cancel(f->op);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_false(f->done);
    assert_int_equal(image_count(f->store), 0);
    /* Closing cancels too, and says so. */
    assert_int_equal(image_load(f->store, &f->op, &cb, f, &f->err), 0);
    image_input(f->op, b.p, b.n / 2);
    close_store(f);
    assert_true(f->done);
    assert_int_equal(f->err.code, SW_E_CANCELED);
    f->done = false;
    free(b.p);
    open_store(f);
}

static void many_loads_at_once_share_what_they_bring(void **state)
{
    struct fixture *f = *state;
    struct image_op *ops[6];
    struct bytes b = web_archive(PLAIN);
    unsigned done = 0;

    for (size_t i = 0; i < SW_ARRAY_LEN(ops); i++) {
        assert_int_equal(image_load(f->store, &ops[i], &cb, f, &f->err), 0);
        image_input(ops[i], b.p, b.n);
        image_input_end(ops[i]);
    }
    while (done < SW_ARRAY_LEN(ops)) {
        uv_run(&f->loop, UV_RUN_ONCE);
        if (f->done) {
            assert_int_equal(f->err.code, 0);
            f->done = false;
            done++;
        }
    }
    assert_int_equal(image_count(f->store), 1);
    free(b.p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(archives_of_docker_are_loaded_in_every_packing),
        T(an_oci_layout_is_loaded_with_its_own_manifest),
        T(entries_that_lead_out_are_refused_by_name),
        T(links_cannot_be_written_through),
        T(a_wrong_diff_id_is_told),
        T(what_is_no_image_is_refused),
        T(limits_hold),
        T(images_survive_and_leftovers_do_not),
        T(an_image_with_a_missing_layer_is_dropped_at_open),
        T(images_are_found_by_name_id_and_prefix),
        T(names_move_and_go),
        T(an_image_in_use_stays),
        T(import_makes_an_image_of_one_layer),
        T(canceled_loads_leave_nothing),
        T(many_loads_at_once_share_what_they_bring),
    };

    if (geteuid() != 0) {
        puts("skipped: needs root to confine the archive readers");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
