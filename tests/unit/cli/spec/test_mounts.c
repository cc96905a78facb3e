/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/spec/mounts.h"

static char *parsed(const char *s)
{
    json_auto_t *m = NULL;
    struct sw_err err;

    if (mounts_parse(s, "/home/u/x", &m, &err) < 0)
        return cli_printf("error: %s", err.msg);
    return json_dumps(m, JSON_COMPACT);
}

static void forms(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "type=volume,source=data,target=/data",
          "{\"Type\":\"volume\",\"Source\":\"data\",\"Target\":\"/data\"}" },
        { "target=/data", "{\"Type\":\"volume\",\"Target\":\"/data\"}" },
        { "type=bind,src=/etc,dst=/e,ro",
          "{\"Type\":\"bind\",\"Source\":\"/etc\",\"Target\":\"/e\",\"ReadOnly\":true}" },
        { "type=bind,src=/etc,dst=/e,readonly=false",
          "{\"Type\":\"bind\",\"Source\":\"/etc\",\"Target\":\"/e\"}" },
        { "type=bind,src=./a/../b,dst=/e",
          "{\"Type\":\"bind\",\"Source\":\"/home/u/x/b\",\"Target\":\"/e\"}" },
        { "type=bind,src=/a,dst=/e,bind-propagation=RSLAVE",
          "{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/"
          "e\",\"BindOptions\":{\"Propagation\":\"rslave\"}}" },
        { "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770",
          "{\"Type\":\"tmpfs\",\"Target\":\"/"
          "t\",\"TmpfsOptions\":{\"SizeBytes\":1048576,\"Mode\":1016}}" },
        { "type=volume,source=d,target=/d,volume-label=k=v,volume-nocopy",
          "{\"Type\":\"volume\",\"Source\":\"d\",\"Target\":\"/"
          "d\",\"VolumeOptions\":{\"Labels\":{\"k\":\"v\"},"
          "\"DriverConfig\":{},\"NoCopy\":true}}" },
        { "source=d,target=/d,volume-driver=nfs,volume-opt=o=addr",
          "{\"Type\":\"volume\",\"Source\":\"d\",\"Target\":\"/"
          "d\",\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"nfs\","
          "\"Options\":{\"o\":\"addr\"}}}}" },
        { "type=bind,source=/x", "error: target is required" },
        { "type=", "error: type is required" },
        { "foo", "error: invalid field 'foo' must be a key=value pair" },
        { "target=/x,foo=1", "error: unexpected key 'foo' in 'foo=1'" },
        { "target=/x,readonly=maybe", "error: invalid value for readonly: maybe" },
        { "type=bind,source=/a,target=/x,volume-nocopy",
          "error: cannot mix 'volume-*' options with mount type 'bind'" },
        { "type=volume,target=/x,tmpfs-size=1",
          "error: cannot mix 'tmpfs-*' options with mount type 'volume'" },
        { "type=volume,target=/x,bind-propagation=shared",
          "error: cannot mix 'bind-*' options with mount type 'volume'" },
        { "type=tmpfs,target=/x,tmpfs-size=big", "error: invalid value for tmpfs-size: big" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *got = parsed(rows[i].in);

        if (strcmp(got, rows[i].out) != 0)
            fail_msg("%s: %s", rows[i].in, got);
        sw_free(got);
    }
}

static void paths_are_cleaned(void **state)
{
    static const char *const rows[][2] = { { "/a/./b/../c", "/a/c" },
                                           { "/..", "/" },
                                           { "a/../..", ".." },
                                           { "", "." },
                                           { "//a//", "/a" } };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        char *got = mounts_clean_path(rows[i][0]);

        assert_string_equal(got, rows[i][1]);
        sw_free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(forms),
                                        cmocka_unit_test(paths_are_cleaned) };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
