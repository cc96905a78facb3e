/* SPDX-License-Identifier: Apache-2.0
 * References, paths in archives, changes: the pure parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/image/changes.h"
#include "agent/image/ref.h"
#include "agent/image/tarpath.h"
#include "common/base/macro.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void references_are_read_and_shown_as_docker_does(void **state)
{
    static const struct {
        const char *in, *full, *familiar;
    } cases[] = {
        { "web", "docker.io/library/web:latest", "web:latest" },
        { "web:1", "docker.io/library/web:1", "web:1" },
        { "docker.io/web", "docker.io/library/web:latest", "web:latest" },
        { "index.docker.io/web", "docker.io/library/web:latest", "web:latest" },
        { "docker.io/library/web:2", "docker.io/library/web:2", "web:2" },
        { "shop/web", "docker.io/shop/web:latest", "shop/web:latest" },
        { "docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest" },
        { "docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest" },
        { "a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest" },
        { "localhost/x", "localhost/x:latest", "localhost/x:latest" },
        { "127.0.0.1:5000/x/y:3", "127.0.0.1:5000/x/y:3", "127.0.0.1:5000/x/y:3" },
        { "Host/x", "Host/x:latest", "Host/x:latest" }, /* upper case: must be a host */
        { "[fd00::1]:5000/x", "[fd00::1]:5000/x:latest", "[fd00::1]:5000/x:latest" },
        { "a__b--c.d_e", "docker.io/library/a__b--c.d_e:latest", "a__b--c.d_e:latest" },
        { "web@sha256:" HEX64, "docker.io/library/web@sha256:" HEX64, "web@sha256:" HEX64 },
        { "web:1@sha256:" HEX64, "docker.io/library/web:1@sha256:" HEX64, "web:1@sha256:" HEX64 },
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        struct image_ref r;
        struct sw_err err;
        char text[IMAGE_REF_MAX + 32];

        assert_int_equal(image_ref_parse(&r, cases[i].in, &err), 0);
        image_ref_default_tag(&r);
        image_ref_full(&r, text);
        assert_string_equal(text, cases[i].full);
        image_ref_familiar(&r, text);
        assert_string_equal(text, cases[i].familiar);
    }
}

static void malformed_references_are_refused(void **state)
{
    static const char *const bad[] = { "",
                                       ":1",
                                       "web:",
                                       "web:-x",
                                       "a//b",
                                       "/a",
                                       "a/",
                                       "-a",
                                       "a-",
                                       "a_.b",
                                       "a..b",
                                       "a___b",
                                       "web@x",
                                       "web@sha256:12",
                                       "a b",
                                       "a/b:c/d:",
                                       "h:x/a",
                                       "ho_st.x:1/a",
                                       "a\nb",
                                       "[::1/a",
                                       "[]/a",
                                       "a.-b/c",
                                       ".a/c",
                                       HEX64,
                                       "web@sha256:" HEX64 "0" };
    struct image_ref r;
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        assert_int_equal(image_ref_parse(&r, bad[i], &err), SW_E_INVALID);
    assert_int_equal(image_ref_parse(&r, "UPPER:1", &err), SW_E_INVALID);
    assert_string_equal(
        err.msg, "invalid reference format: repository name (library/UPPER) must be lowercase");
    assert_int_equal(image_ref_parse(&r, "web", &err), 0);
    assert_int_equal(image_ref_set_tag(&r, "a/b", &err), SW_E_INVALID);
    assert_int_equal(image_ref_set_tag(&r, "_1.x-y", &err), 0);
}

static void long_names_are_refused(void **state)
{
    char name[400];
    struct image_ref r;
    struct sw_err err;

    (void)state;
    memset(name, 'a', sizeof(name));
    name[255 - strlen("docker.io/library/")] = '\0';
    assert_int_equal(image_ref_parse(&r, name, &err), 0);
    name[255 - strlen("docker.io/library/")] = 'a';
    name[300] = '\0';
    assert_int_equal(image_ref_parse(&r, name, &err), SW_E_INVALID);
    assert_string_equal(err.msg, "repository name must not be more than 255 characters");
}

static void ids_are_hex_of_any_length(void **state)
{
    (void)state;
    assert_string_equal(image_id_prefix("sha256:abc"), "abc");
    assert_string_equal(image_id_prefix("0"), "0");
    assert_null(image_id_prefix("sha256:"));
    assert_null(image_id_prefix("xyz"));
    assert_null(image_id_prefix(HEX64 "0"));
    assert_true(image_digest_is_valid("sha256:" HEX64));
    assert_false(image_digest_is_valid("sha256:" HEX64 "0"));
    assert_false(image_digest_is_valid("SHA256:" HEX64));
}

static void globs_stop_at_slashes(void **state)
{
    (void)state;
    assert_true(image_glob("web*", "web:1"));
    assert_true(image_glob("*/web", "shop/web"));
    assert_false(image_glob("*", "shop/web"));
    assert_true(image_glob("w?b", "web"));
}

static void paths_are_cleaned_and_may_not_leave(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } cases[] = {
        { "a", "a" },
        { "/a/b", "a/b" },
        { "./a/./b/", "a/b" },
        { "", "" },
        { "/", "" },
        { ".", "" },
        { "a/../b", "b" },
        { "a/b/..", "a" },
        { "a/..", "" },
        { "..", NULL },
        { "../x", NULL },
        { "a/../../x", NULL },
        { "/../x", NULL },
        { "a//b", "a/b" },
        { "...", "..." },
        { "a/..b", "a/..b" },
        { "a/b/../../c", "c" },
        { "toolongpath1", NULL },
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        char out[12];
        bool ok = tarpath_clean(cases[i].in, out, sizeof(out));

        assert_int_equal(ok, cases[i].out != NULL);
        if (ok)
            assert_string_equal(out, cases[i].out);
    }
}

static void whiteouts_are_told_from_files(void **state)
{
    char t[64] = "";

    (void)state;
    assert_int_equal(tarpath_kind("a/b", t, sizeof(t)), TARPATH_PLAIN);
    assert_int_equal(tarpath_kind("a/.wh.b", t, sizeof(t)), TARPATH_WHITEOUT);
    assert_string_equal(t, "a/b");
    assert_int_equal(tarpath_kind(".wh.b", t, sizeof(t)), TARPATH_WHITEOUT);
    assert_string_equal(t, "b");
    assert_int_equal(tarpath_kind("a/c/.wh..wh..opq", t, sizeof(t)), TARPATH_OPAQUE);
    assert_string_equal(t, "a/c");
    assert_int_equal(tarpath_kind(".wh..wh..opq", t, sizeof(t)), TARPATH_OPAQUE);
    assert_string_equal(t, "");
    assert_int_equal(tarpath_kind("a/.wh..wh.plnk", t, sizeof(t)), TARPATH_IGNORE);
    assert_int_equal(tarpath_kind("a/.wh.", t, sizeof(t)), TARPATH_IGNORE);
    assert_int_equal(tarpath_kind("a/.wh...", t, sizeof(t)), TARPATH_IGNORE); /* would be ".." */
    assert_int_equal(tarpath_kind("a/.wh.b/c", t, sizeof(t)), TARPATH_PLAIN);
}

static void changes_make_a_config(void **state)
{
    static const char *const changes[] = {
        "CMD [\"sh\",\"-c\"]",
        "ENTRYPOINT /run me",
        "ENV A=1 B=\"two words\"",
        "env A=3",
        "ENV OLD form of it",
        "LABEL x=y",
        "EXPOSE 80 53/udp",
        "USER www",
        "WORKDIR /srv",
        "VOLUME [\"/d\",\"/e\"]",
        "STOPSIGNAL SIGINT",
        "",
    };
    const char *expected =
        "{\"Cmd\":[\"sh\",\"-c\"],\"Entrypoint\":[\"/bin/sh\",\"-c\",\"/run me\"],\"Env\":"
        "[\"A=3\",\"B=two words\",\"OLD=form of it\"],\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":"
        "{}},\"Labels\":{\"x\":\"y\"},\"StopSignal\":\"SIGINT\",\"User\":\"www\",\"Volumes\":"
        "{\"/d\":{},\"/e\":{}},\"WorkingDir\":\"/srv\"}";
    json_t *config = json_object();
    struct sw_err err;
    char *text;

    (void)state;
    assert_int_equal(changes_apply(config, changes, SW_ARRAY_LEN(changes), &err), 0);
    text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(config);
}

static void bad_changes_are_refused(void **state)
{
    static const char *const bad[] = { "RUN x",  "HEALTHCHECK NONE", "ENV",
                                       "ENV =x", "ENV A=1 B",        "LABEL" };
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        json_t *config = json_object();

        assert_int_equal(changes_apply(config, &bad[i], 1, &err), SW_E_INVALID);
        json_decref(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_read_and_shown_as_docker_does),
        cmocka_unit_test(malformed_references_are_refused),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(ids_are_hex_of_any_length),
        cmocka_unit_test(globs_stop_at_slashes),
        cmocka_unit_test(paths_are_cleaned_and_may_not_leave),
        cmocka_unit_test(whiteouts_are_told_from_files),
        cmocka_unit_test(changes_make_a_config),
        cmocka_unit_test(bad_changes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
