/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/image/manifest.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

static void a_manifest_names_config_and_layers(void **state)
{
    const char *text = "{\"schemaVersion\":2,\"mediaType\":\"m\",\"config\":{\"mediaType\":\"c\","
                       "\"digest\":\"" D1 "\",\"size\":7},\"layers\":[{\"mediaType\":\"l\","
                       "\"digest\":\"" D2 "\",\"size\":9}]}";
    struct manifest m;
    struct sw_err err;

    (void)state;
    assert_int_equal(manifest_parse(&m, text, strlen(text), &err), 0);
    assert_false(m.is_index);
    assert_string_equal(m.config.digest, D1);
    assert_int_equal(m.n_items, 1);
    assert_string_equal(m.items[0].digest, D2);
    assert_int_equal(m.items[0].size, 9);
    manifest_fini(&m);
}

static void an_index_is_chosen_from_by_platform(void **state)
{
    const char *text =
        "{\"schemaVersion\":2,\"manifests\":["
        "{\"digest\":\"" D1
        "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
        "{\"digest\":\"" D2
        "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
        "{\"digest\":\"" D3 "\",\"size\":1,\"platform\":{\"os\":\"unknown\",\"architecture\":"
        "\"unknown\"}}]}";
    struct manifest m;
    struct sw_err err;

    (void)state;
    assert_int_equal(manifest_parse(&m, text, strlen(text), &err), 0);
    assert_true(m.is_index);
    assert_string_equal(manifest_choose(&m, "amd64")->digest, D2);
    assert_null(manifest_choose(&m, "riscv64"));
    manifest_fini(&m);
}

static void malformed_manifests_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"schemaVersion\":1}",
        "{\"schemaVersion\":2}",
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:12\",\"size\":1},\"layers\":[]}",
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\",\"size\":-1},\"layers\":[]}",
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\",\"size\":1},\"layers\":[1]}",
        "{\"schemaVersion\":2,\"schemaVersion\":2}",
        "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"../../etc\"}]}",
    };
    struct manifest m;
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        assert_int_equal(manifest_parse(&m, bad[i], strlen(bad[i]), &err), SW_E_INVALID);
}

static void rows_of_docker_save_are_read(void **state)
{
    const char *text = "[{\"Config\":\"c.json\",\"RepoTags\":[\"a:1\",\"b:2\"],\"Layers\":[\"l/"
                       "layer.tar\"]},{\"Config\":\"d\",\"RepoTags\":null,\"Layers\":[]}]";
    static const char *const bad[] = { "{}", "[1]", "[{\"RepoTags\":[]}]",
                                       "[{\"Config\":\"c\",\"Layers\":[1]}]",
                                       "[{\"Config\":\"\",\"Layers\":[]}]" };
    struct archive_row *rows;
    size_t n;
    struct sw_err err;

    (void)state;
    assert_int_equal(archive_rows_parse(&rows, &n, text, strlen(text), &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].tags[1], "b:2");
    assert_string_equal(rows[0].layers[0], "l/layer.tar");
    assert_int_equal(rows[1].n_tags, 0);
    archive_rows_free(rows, n);
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        assert_int_equal(archive_rows_parse(&rows, &n, bad[i], strlen(bad[i]), &err), SW_E_INVALID);
}

static void facts_of_a_config_are_read(void **state)
{
    const char *text = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":"
                       "\"1970-01-01T00:00:01.5Z\",\"rootfs\":{\"diff_ids\":[\"" D1 "\"]}}";
    struct config_facts f;
    struct sw_err err;

    (void)state;
    assert_int_equal(config_facts_parse(&f, text, strlen(text), &err), 0);
    assert_int_equal(f.created_ns, 1500000000);
    assert_string_equal(f.diff_ids[0], D1);
    config_facts_fini(&f);
    assert_int_equal(config_facts_parse(&f, "{}", 2, &err), SW_E_INVALID);
    text = "{\"rootfs\":{\"diff_ids\":[\"x\"]}}";
    assert_int_equal(config_facts_parse(&f, text, strlen(text), &err), SW_E_INVALID);
}

static void the_index_survives_a_round_trip(void **state)
{
    struct image_layer layer = { .digest = D2, .diff_id = D3, .size = 5, .disk_size = 6 };
    struct image img = { .id = D1,
                         .manifest = D2,
                         .manifest_size = 3,
                         .config_size = 4,
                         .created_ns = 5,
                         .tagged_ns = 6,
                         .n_layers = 1,
                         .n_names = 1 };
    char *names[] = { sw_strdup("docker.io/library/a:1") };
    struct image *one = &img;
    struct image **back;
    struct sw_err err;
    size_t n;
    char *text;
    char *again;

    (void)state;
    layer.media_type = sw_strdup("t");
    img.layers = &layer;
    img.names = names;
    img.manifest_type = sw_strdup("m");
    img.architecture = sw_strdup("amd64");
    img.os = sw_strdup("linux");
    text = index_encode(&one, 1);
    assert_int_equal(index_decode(text, strlen(text), &back, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(back[0]->names[0], "docker.io/library/a:1");
    again = index_encode(back, n);
    assert_string_equal(text, again);
    assert_int_equal(index_decode(text, strlen(text) - 2, &back, &n, &err), SW_E_CORRUPT);
    assert_int_equal(index_decode("{\"version\":2,\"images\":[]}", 25, &back, &n, &err),
                     SW_E_CORRUPT);
    image_free(back[0]);
    sw_free(back);
    sw_free(text);
    sw_free(again);
    sw_free(layer.media_type);
    sw_free(names[0]);
    sw_free(img.manifest_type);
    sw_free(img.architecture);
    sw_free(img.os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_names_config_and_layers),
        cmocka_unit_test(an_index_is_chosen_from_by_platform),
        cmocka_unit_test(malformed_manifests_are_refused),
        cmocka_unit_test(rows_of_docker_save_are_read),
        cmocka_unit_test(facts_of_a_config_are_read),
        cmocka_unit_test(the_index_survives_a_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
