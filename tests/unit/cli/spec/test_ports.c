/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/spec/ports.h"

/* The array as text, or the error. Static: good until the next call. */
static const char *parsed(const char *s)
{
    static char text[2048];
    json_auto_t *a = json_array();
    struct sw_err err;

    if (ports_parse(s, a, &err) < 0) {
        snprintf(text, sizeof(text), "error: %s", err.msg);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *p = json_array_get(a, i);
        size_t n = strlen(text);

        snprintf(text + n, sizeof(text) - n, "%s%lld:%lld/%s %s", i > 0 ? ", " : "",
                 (long long)js_int(p, "PublishedPort"), (long long)js_int(p, "TargetPort"),
                 js_str(p, "Protocol"), js_str(p, "PublishMode"));
    }

    return text;
}

static void forms(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "80", "0:80/tcp ingress" },
        { "8080:80", "8080:80/tcp ingress" },
        { "53:53/udp", "53:53/udp ingress" },
        { "53:53/SCTP", "53:53/sctp ingress" },
        { "8000-8002:80-82", "8000:80/tcp ingress, 8001:81/tcp ingress, 8002:82/tcp ingress" },
        { "8000-8001:80", "8000:80/tcp ingress, 8001:80/tcp ingress" },
        { "80-81", "0:80/tcp ingress, 0:81/tcp ingress" },
        { "published=8080,target=80", "8080:80/tcp ingress" },
        { "mode=host,target=80,published=8091,protocol=udp", "8091:80/udp host" },
        { "TARGET=80", "0:80/tcp ingress" },
        { "target=80,published=0", "0:80/tcp ingress" },
        { "10.0.0.1:8080:80", "error: hostip is not supported" },
        { "[::1]:8080:80", "error: hostip is not supported" },
        { "8000-8001:80-82",
          "error: invalid ranges specified for container and host Ports: 80-82 and 8000-8001" },
        { "x", "error: invalid containerPort: x" },
        { "x:80", "error: invalid hostPort: x" },
        { "70000:80", "error: invalid hostPort: 70000" },
        { "80/icmp", "error: invalid proto: icmp" },
        { "81-80", "error: invalid containerPort: 81-80" },
        { "", "error: no port specified: <empty>" },
        { "published=1", "error: missing mandatory field 'target'" },
        { "target=80,mode=x", "error: invalid publish mode value x" },
        { "target=80,protocol=x", "error: invalid protocol value x" },
        { "target=x", "error: invalid target port (x): value must be an integer: invalid syntax" },
        { "target=80,published=65536",
          "error: invalid published port (65536): value must be an integer: value out of range" },
        { "target=80,foo=1", "error: invalid field key: foo" },
        { "target=80,foo", "error: invalid field foo" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(parsed(rows[i].in), rows[i].out) != 0)
            fail_msg("%s: %s", rows[i].in, parsed(rows[i].in));
    }
}

static void compose_drops_the_address(void **state)
{
    json_auto_t *a = json_array();
    struct sw_err err;

    (void)state;
    assert_int_equal(ports_parse_short("127.0.0.1:8001:80", true, a, &err), 0);
    assert_int_equal(js_int(json_array_get(a, 0), "PublishedPort"), 8001);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(forms),
                                        cmocka_unit_test(compose_drops_the_address) };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
