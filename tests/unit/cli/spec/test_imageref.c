/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/spec/imageref.h"

#define D "sha256:9c75f49bc15d9ffeece796f409486f484204bc04d0d1e60005d37fa241c4f96c"

static void tags(void **state)
{
    static const char *const rows[][2] = {
        { "busybox", "busybox:latest" },
        { "busybox:1", "busybox:1" },
        { "docker.io/library/busybox", "busybox:latest" },
        { "index.docker.io/library/busybox:2", "busybox:2" },
        { "user/app", "user/app:latest" },
        { "127.0.0.1:5000/web:1", "127.0.0.1:5000/web:1" },
        { "localhost/x", "localhost/x:latest" },
        { "reg.example/a/b@" D, "reg.example/a/b@" D },
        { "UPPER/Case:1", NULL },
        { "a..b", NULL },
        { "a__b", "a__b:latest" },
        { "a___b", NULL },
        { "a:", NULL },
        { "a:-x", NULL },
        { "", NULL },
        { "a@sha256:12", NULL },
        { "9c75f49bc15d9ffeece796f409486f484204bc04d0d1e60005d37fa241c4f96c", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *got = imageref_tagged(rows[i][0]);

        if ((got == NULL) != (rows[i][1] == NULL) || (got != NULL && strcmp(got, rows[i][1]) != 0))
            fail_msg("%s: %s", rows[i][0], got != NULL ? got : "(none)");
        sw_free(got);
    }
}

static void digests(void **state)
{
    char *s = imageref_pinned("127.0.0.1:5000/web:1", D);

    (void)state;
    assert_string_equal(s, "127.0.0.1:5000/web:1@" D);
    assert_null(imageref_pinned(s, D));
    {
        char *bare = imageref_undigested(s);

        assert_string_equal(bare, "127.0.0.1:5000/web:1");
        sw_free(bare);
    }
    sw_free(s);
    s = imageref_undigested("web@" D); /* without a tag the digest is all there is */
    assert_string_equal(s, "web@" D);
    sw_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tags), cmocka_unit_test(digests) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
