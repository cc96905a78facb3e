/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster.h"
#include "common/log/log.h"

struct fixture {
    struct cluster cl;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    cluster_init(&f->cl);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    cluster_fini(&f->cl);
    free(f);
    return 0;
}

static void a_single_member_applies_what_was_proposed(void **state)
{
    struct fixture *f = *state;
    uint64_t index = 0;

    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_int_equal(cluster_propose(&f->cl, 0, "hello", 5, &index), 0);
    assert_int_equal(f->cl.n[0].m.count, 1);
    assert_int_equal(f->cl.n[0].m.last_index, index);
    assert_int_equal(f->cl.n[0].leader_seen, 1);
}

/* The child proposes entries of awkward lengths until it is killed; acknowledged ones must be
 * there afterwards. */
static void run_until_killed(struct cluster *cl, int fd)
{
    struct sw_err err;
    uint8_t data[64];

    if (cluster_open(cl, 0, true, &err) < 0 || cluster_leader(cl, 5000) != 0)
        _exit(1);
    for (uint32_t i = 1;; i++) {
        memset(data, (int)i, sizeof(data));
        if (cluster_propose(cl, 0, data, 1 + i % 61, NULL) != 0)
            _exit(2);
        if (write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(3);
    }
}

static void a_single_member_keeps_acknowledged_entries_over_kill_9(void **state)
{
    struct fixture *f = *state;
    uint32_t acked = 0;
    int fds[2];
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        run_until_killed(&f->cl, fds[1]);
    close(fds[1]);
    while (acked < 300 && read(fds[0], &acked, sizeof(acked)) == sizeof(acked))
        ;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(fds[0], &acked, sizeof(acked)) == sizeof(acked))
        ;
    close(fds[0]);
    assert_true(acked >= 300);
    assert_int_equal(cluster_open(&f->cl, 0, false, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_true(f->cl.n[0].m.count >= acked);
    assert_true(f->cl.n[0].m.count <= acked + 1);
}

static void three_members_apply_the_same(void **state)
{
    struct fixture *f = *state;
    char text[32];

    cluster_grow(&f->cl, 3);
    for (int i = 0; i < 100; i++) {
        int n = snprintf(text, sizeof(text), "entry %d", i);

        assert_int_equal(cluster_propose(&f->cl, 0, text, (size_t)n, NULL), 0);
    }
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[2].m.count, 100);
}

static void another_leads_when_the_leader_is_gone(void **state)
{
    struct fixture *f = *state;
    int leader;

    cluster_grow(&f->cl, 3);
    assert_int_equal(cluster_propose(&f->cl, 0, "one", 3, NULL), 0);
    cluster_close(&f->cl, 0);
    leader = cluster_leader(&f->cl, 10000);
    assert_true(leader == 1 || leader == 2);
    assert_int_equal(cluster_propose(&f->cl, (unsigned)leader, "two", 3, NULL), 0);
    assert_int_equal(cluster_open(&f->cl, 0, false, &f->err), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[0].m.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_single_member_applies_what_was_proposed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_single_member_keeps_acknowledged_entries_over_kill_9,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(three_members_apply_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(another_leads_when_the_leader_is_gone, setup, teardown),
    };

    sw_log_init("test_consensus", getenv("V") != NULL ? SW_LOG_DEBUG : SW_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
