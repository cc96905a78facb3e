/* SPDX-License-Identifier: Apache-2.0
 * Archives into the store, through the confined children. Needs root. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "tests/unit/agent/image/store_fixture.h"

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
        assert_string_equal(f->lines, "Loaded image: web:1\nLoaded image: shop/web:stable\n");
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(archives_of_docker_are_loaded_in_every_packing),
        T(an_oci_layout_is_loaded_with_its_own_manifest),
        T(entries_that_lead_out_are_refused_by_name),
        T(links_cannot_be_written_through),
        T(a_wrong_diff_id_is_told),
        T(what_is_no_image_is_refused),
        T(limits_hold),
    };

    if (geteuid() != 0) {
        puts("skipped: needs root to confine the archive readers");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
