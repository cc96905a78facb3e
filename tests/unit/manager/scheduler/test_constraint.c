/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 13.6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "manager/scheduler/constraint.h"

/* One expression against a node: 1 matches, 0 does not, < 0 does not parse. */
static int check(const char *expr, const Swarm__V1__Node *n)
{
    char *copy = sw_strdup(expr);
    struct constraint_set set = { NULL, 0 };
    struct sw_err err;
    int r = constraint_parse(&copy, 1, &set, &err);

    if (r == 0)
        r = constraint_match(&set, n);
    constraint_fini(&set);
    sw_free(copy);
    return r;
}

static void expressions_match_as_documented(void **state)
{
    static const struct {
        const char *expr;
        int expected;
    } rows[] = {
        { "node.hostname == n1", 1 },
        { "node.hostname==N1", 1 },
        { " node.hostname  !=  n1 ", 0 },
        { "node.hostname == n", 0 }, /* as a whole */
        { "node.role == manager", 0 },
        { "node.role != manager", 1 },
        { "node.role == Worker", 1 },
        { "node.platform.os == linux", 1 },
        { "node.platform.arch == x86_64", 1 },
        { "node.platform.arch == amd64", 1 },
        { "node.platform.arch != aarch64", 1 },
        { "node.labels.zone == east", 1 },
        { "node.labels.zone == EAST", 1 },
        { "node.labels.Zone == east", 0 }, /* label keys keep their case */
        { "node.labels.none == x", 0 },
        { "node.labels.none != x", 1 },
        { "engine.labels.gpu == yes", 1 },
        { "engine.labels.zone == east", 0 },
        { "node.ip == 10.1.2.3", 1 },
        { "node.ip != 10.1.2.3", 0 },
        { "node.ip == 10.1.0.0/16", 1 },
        { "node.ip != 10.1.0.0/16", 0 },
        { "node.ip == 10.2.0.0/16", 0 },
        { "node.ip == 10.1.2.3/99", 0 },
        { "node.ip != nonsense", 0 }, /* a malformed address never matches */
        { "node.ip == 10.1.2.0/25", 1 },
        { "node.ip == 10.1.2.128/25", 0 },
        { "node.id == 0000000000000000000000001", 1 },
        { "node.id == 0000000000000000000000002", 0 },
        { "node.unknown == x", 0 },
        { "node.unknown != x", 0 },
        { "node.hostname = n1", SW_E_INVALID },
        { "node.hostname > n1", SW_E_INVALID },
        { "node.hostname ==", SW_E_INVALID },
        { "== n1", SW_E_INVALID },
        { "1node == n1", SW_E_INVALID },
        { "node.hostname == n{1}", SW_E_INVALID },
    };
    Swarm__V1__Node n = SWARM__V1__NODE__INIT;
    Swarm__V1__Meta meta = SWARM__V1__META__INIT;
    Swarm__V1__NodeSpec spec = SWARM__V1__NODE_SPEC__INIT;
    Swarm__V1__Annotations a = SWARM__V1__ANNOTATIONS__INIT;
    Swarm__V1__NodeDescription d = SWARM__V1__NODE_DESCRIPTION__INIT;
    Swarm__V1__NodeStatus status = SWARM__V1__NODE_STATUS__INIT;
    Swarm__V1__Label zone = SWARM__V1__LABEL__INIT;
    Swarm__V1__Label gpu = SWARM__V1__LABEL__INIT;
    Swarm__V1__Label *labels[] = { &zone };
    Swarm__V1__Label *engine[] = { &gpu };
    uint8_t id[16] = { [15] = 1 };
    char text[8][16] = { "zone", "east", "gpu", "yes", "n1", "linux", "x86_64", "10.1.2.3" };

    (void)state;
    zone.key = text[0];
    zone.value = text[1];
    gpu.key = text[2];
    gpu.value = text[3];
    d.hostname = text[4];
    d.os = text[5];
    d.arch = text[6];
    status.addr = text[7];
    meta.id.data = id;
    meta.id.len = sizeof(id);
    a.labels = labels;
    a.n_labels = 1;
    d.engine_labels = engine;
    d.n_engine_labels = 1;
    spec.annotations = &a;
    n.meta = &meta;
    n.spec = &spec;
    n.description = &d;
    n.status = &status;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (check(rows[i].expr, &n) != rows[i].expected)
            fail_msg("%s", rows[i].expr);
    }
}

static void errors_say_what_is_wrong(void **state)
{
    static const char *const rows[][2] = {
        { "node.hostname", "constraint expected one operator from ==, !=" },
        { "a == b", "key 'a' is invalid" },
        { "node.id == {", "value '{' is invalid" },
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct constraint_set set;
        struct sw_err err;
        char *copy = sw_strdup(rows[i][0]);

        assert_int_equal(constraint_parse(&copy, 1, &set, &err), SW_E_INVALID);
        assert_string_equal(err.msg, rows[i][1]);
        sw_free(copy);
    }
}

static void a_node_without_description_has_empty_values(void **state)
{
    Swarm__V1__Node n = SWARM__V1__NODE__INIT;

    (void)state;
    assert_int_equal(check("node.hostname != x", &n), 1);
    assert_int_equal(check("node.labels.a == x", &n), 0);
    assert_int_equal(check("node.ip == 10.0.0.0/8", &n), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_match_as_documented),
        cmocka_unit_test(errors_say_what_is_wrong),
        cmocka_unit_test(a_node_without_description_has_empty_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
