/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/client/auth.h"
#include "cli/spec/base64.h"

static void credentials_of_the_registry_are_found(void **state)
{
    char dir[] = "/tmp/test-cli-auth-XXXXXX";
    char path[64];
    struct sw_buf b = SW_BUF_INIT;
    FILE *f;
    char *h;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/config.json", dir);
    f = fopen(path, "w");
    fputs("{\"auths\":{\"127.0.0.1:5000\":{\"auth\":\"dTpw\"},\"https://index.docker.io/v1/"
          "\":{\"auth\":\"aDpxOnI=\"}}}",
          f);
    fclose(f);
    setenv("DOCKER_CONFIG", dir, 1);

    h = auth_header("127.0.0.1:5000/web:1");
    assert_true(base64_decode(h, &b));
    assert_string_equal(
        sw_buf_str(&b),
        "{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"127.0.0.1:5000\"}");
    sw_free(h);
    sw_buf_clear(&b);
    h = auth_header("busybox");
    assert_true(base64_decode(h, &b));
    assert_string_equal(sw_buf_str(&b), "{\"username\":\"h\",\"password\":\"q:r\","
                                        "\"serveraddress\":\"https://index.docker.io/v1/\"}");
    sw_free(h);
    assert_null(auth_header("other.example/x"));
    assert_null(auth_header("BAD"));
    sw_buf_fini(&b);
    unlink(path);
    rmdir(dir);
    assert_null(auth_header("busybox"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(credentials_of_the_registry_are_found) };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
