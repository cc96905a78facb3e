/* SPDX-License-Identifier: Apache-2.0
 * test_cgroup.c - what is written for version 2, into a directory that only looks like one; version
 * 1 and, where the machine mounts it, version 2 for real. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/container.h"
#include "agent/sandbox/remove.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct fake { /* a directory with the files a kernel would make */
    char root[64];
    struct cgroup cg;
    struct sw_err err;
};

static void put(const char *dir, const char *name, const char *text)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void expect(const struct fake *f, const char *sub, const char *name, const char *want)
{
    char path[512];
    char got[256] = "";
    FILE *in;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", f->root, sub, name);
    in = fopen(path, "r");
    assert_non_null(in);
    got[fread(got, 1, sizeof(got) - 1, in)] = '\0';
    (void)fclose(in);
    assert_string_equal(got, want);
}

static int fake_setup(void **state)
{
    static const char *const files[] = { "memory.max",  "memory.low",  "memory.swap.max",
                                         "cpu.max",     "cpu.weight",  "pids.max",
                                         "cpuset.cpus", "cpuset.mems", "cgroup.freeze",
                                         "cgroup.procs" };
    struct fake *f = calloc(1, sizeof(*f));
    char dir[256];

    assert_non_null(f);
    (void)snprintf(f->root, sizeof(f->root), "/tmp/swarm-box-cgroup-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    put(f->root, "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma\n");
    put(f->root, "cgroup.subtree_control", "cpu memory\n");
    (void)snprintf(dir, sizeof(dir), "%s/swarm", f->root);
    assert_int_equal(mkdir(dir, 0755), 0);
    put(dir, "cgroup.controllers", "cpuset cpu io memory pids\n");
    put(dir, "cgroup.subtree_control", "");
    (void)snprintf(dir, sizeof(dir), "%s/swarm/" ID, f->root);
    assert_int_equal(mkdir(dir, 0755), 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        put(dir, files[i], "");
    assert_int_equal(cgroup_init(&f->cg, f->root, "swarm", ID, &f->err), 0);
    assert_int_equal(f->cg.version, 2);
    *state = f;
    return 0;
}

static int fake_teardown(void **state)
{
    struct fake *f = *state;

    assert_int_equal(remove_tree(f->root, &f->err), 0);
    free(f);
    return 0;
}

static void v2_turns_controllers_on_from_the_root_down(void **state)
{
    struct fake *f = *state;
    const struct container_resources none = { 0 };

    assert_int_equal(cgroup_create(&f->cg, &none, &f->err), 0);
    expect(f, ".", "cgroup.subtree_control", "+cpuset +io +pids ");
    expect(f, "swarm", "cgroup.subtree_control", "+cpu +cpuset +io +memory +pids ");
    expect(f, "swarm/" ID, "memory.max", "");
    expect(f, "swarm/" ID, "cpu.max", "");
    expect(f, "swarm/" ID, "pids.max", "");
}

static void v2_limits_have_the_kernels_form(void **state)
{
    struct fake *f = *state;
    struct container_resources r = { .memory_bytes = 64 << 20,
                                     .nano_cpus = 500000000,
                                     .pids = 50,
                                     .cpu_shares = 1024,
                                     .memory_low_bytes = 1 << 20,
                                     .cpuset_cpus = "0-1" };

    assert_int_equal(cgroup_limit(&f->cg, &r, &f->err), 0);
    expect(f, "swarm/" ID, "memory.max", "67108864");
    expect(f, "swarm/" ID, "memory.low", "1048576");
    expect(f, "swarm/" ID, "memory.swap.max", "67108864"); /* as much again */
    expect(f, "swarm/" ID, "cpu.max", "50000 100000");
    expect(f, "swarm/" ID, "cpu.weight", "39");
    expect(f, "swarm/" ID, "pids.max", "50");
    expect(f, "swarm/" ID, "cpuset.cpus", "0-1");
    r = (struct container_resources){ .memory_bytes = -1, .nano_cpus = -1, .pids = -1 };
    assert_int_equal(cgroup_limit(&f->cg, &r, &f->err), 0);
    expect(f, "swarm/" ID, "memory.max", "max");
    expect(f, "swarm/" ID, "memory.swap.max", "max");
    expect(f, "swarm/" ID, "cpu.max", "max 100000");
    expect(f, "swarm/" ID, "pids.max", "max");
    r = (struct container_resources){ .memory_bytes = 8 << 20, .memory_swap_bytes = 8 << 20 };
    assert_int_equal(cgroup_limit(&f->cg, &r, &f->err), 0);
    expect(f, "swarm/" ID, "memory.swap.max", "0");
    r = (struct container_resources){ .memory_bytes = 8 << 20, .memory_swap_bytes = 4 << 20 };
    assert_int_equal(cgroup_limit(&f->cg, &r, &f->err), SW_E_INVALID);
}

static void a_thousandth_of_a_cpu_is_within_the_kernels_range(void **state)
{
    const struct container_resources tiny = { .nano_cpus = 1000000 };
    const struct container_resources own = { .cpu_quota_us = 20000, .cpu_period_us = 50000 };
    const struct container_resources none = { 0 };
    uint64_t period;
    int64_t quota;

    (void)state;
    assert_true(cgroup_cpu_quota(&tiny, &quota, &period));
    assert_int_equal(quota, 1000);
    assert_int_equal(period, 1000000);
    assert_true(cgroup_cpu_quota(&own, &quota, &period));
    assert_int_equal(quota, 20000);
    assert_int_equal(period, 50000);
    assert_false(cgroup_cpu_quota(&none, &quota, &period));
}

static void v2_numbers_are_read(void **state)
{
    struct fake *f = *state;
    struct container_stats st;
    char dir[256];

    (void)snprintf(dir, sizeof(dir), "%s/swarm/" ID, f->root);
    put(dir, "cpu.stat",
        "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 3\n"
        "nr_throttled 2\nthrottled_usec 7\n");
    put(dir, "memory.current", "4096\n");
    put(dir, "memory.max", "max\n");
    put(dir, "memory.stat", "anon 100\nfile 200\ninactive_file 50\n");
    put(dir, "memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n");
    put(dir, "pids.current", "5\n");
    put(dir, "pids.max", "50\n");
    put(dir, "io.stat",
        "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
        "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n");
    assert_int_equal(cgroup_stats(&f->cg, &st, &f->err), 0);
    assert_int_equal(st.cpu_ns, 1500000);
    assert_int_equal(st.cpu_system_ns, 500000);
    assert_int_equal(st.cpu_throttled_ns, 7000);
    assert_int_equal(st.memory_bytes, 4096);
    assert_true(st.memory_limit_bytes == UINT64_MAX);
    assert_int_equal(st.memory_inactive_file_bytes, 50);
    assert_int_equal(st.oom_kills, 2);
    assert_int_equal(st.pids, 5);
    assert_int_equal(st.pids_limit, 50);
    assert_int_equal(st.blk_read_bytes, 11);
    assert_int_equal(st.blk_writes, 6);
}

static void no_control_groups_is_an_error(void **state)
{
    struct cgroup cg;
    struct sw_err err;

    (void)state;
    assert_int_equal(cgroup_init(&cg, "/nosuch", "swarm", ID, &err), -ENOENT);
}

/* ---- for real ---- */

/* As the shim does it. */
static pid_t fork_into(const struct cgroup *cg)
{
    struct clone_args ca = { .exit_signal = SIGCHLD };
    int fd = cgroup_fd(cg);

    if (fd >= 0) {
        ca.flags = CLONE_INTO_CGROUP;
        ca.cgroup = (unsigned)fd;
    }
    return (pid_t)syscall(SYS_clone3, &ca, sizeof(ca));
}

static void join_and_leave_for_real(const char *root)
{
    const struct container_resources r = { .pids = 5 };
    struct sw_err err = { 0 };
    struct cgroup cg;
    int status;
    pid_t pid;
    int n;

    if (cgroup_init(&cg, root, "swarm-box-real/sub", ID, &err) != 0)
        skip();            /* not mounted here */
    if (cg.version == 2) { /* beside version 1 it has no controllers */
        const struct container_resources none = { 0 };

        assert_int_equal(cgroup_create(&cg, &none, &err), 0);
    } else if (cgroup_create(&cg, &r, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    assert_true(cgroup_exists(&cg));
    pid = fork_into(&cg);
    if (pid == 0) {
        if (cgroup_join(&cg, &err) != 0)
            _exit(1);
        for (;;)
            (void)pause();
    }
    for (int i = 0; i < 500; i++) {
        pid_t *pids = NULL;
        size_t len = 0;

        (void)usleep(2000);
        assert_int_equal(cgroup_pids(&cg, &pids, &len, &err), 0);
        n = (int)len;
        free(pids);
        if (n == 1)
            break;
    }
    assert_int_equal(n, 1);
    (void)usleep(20000); /* it may still be on its way through the hierarchies */
    assert_int_equal(cgroup_remove(&cg), -EBUSY);
    assert_int_equal(cgroup_freeze(&cg, true, &err) >= 0, 1);
    assert_int_equal(cgroup_kill(&cg), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    for (int i = 0; i < 500 && cgroup_remove(&cg) != 0; i++)
        (void)usleep(2000);
    assert_false(cgroup_exists(&cg));
    cg.id[0] = '\0';
    assert_int_equal(cgroup_remove(&cg), 0);
    (void)snprintf(cg.parent, sizeof(cg.parent), "swarm-box-real");
    assert_int_equal(cgroup_remove(&cg), 0);
}

static void the_machines_own_hierarchies_work(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    join_and_leave_for_real(CGROUP_ROOT);
}

static void the_unified_hierarchy_works(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    join_and_leave_for_real(CGROUP_ROOT "/unified");
}

/* The device policy of version 2 is a BPF program: attached, it must refuse and allow. */
static void the_device_program_decides(void **state)
{
    static const char *const rules[] = { "c 1:11 r", NULL }; /* kmsg, for reading */
    static const char *const bad[] = { "x 1:1 r", NULL };
    const struct container_resources none = { 0 };
    struct sw_err err = { 0 };
    struct cgroup cg;
    int status;
    pid_t pid;

    (void)state;
    if (geteuid() != 0 || cgroup_init(&cg, CGROUP_ROOT "/unified", "swarm-box-bpf", ID, &err) != 0)
        skip(); /* no version 2 here */
    assert_int_equal(cgroup_create(&cg, &none, &err), 0);
    assert_int_equal(cgroup_devices(&cg, bad, &err), SW_E_INVALID);
    if (cgroup_devices(&cg, rules, &err) != 0)
        fail_msg("%s", err.msg);
    pid = fork_into(&cg);
    if (pid == 0) {
        int wrong = 0;

        if (cgroup_join(&cg, &err) != 0)
            _exit(100);
        wrong |= open("/dev/null", O_RDWR) < 0 ? 1 : 0;
        wrong |= open("/dev/kmsg", O_WRONLY) >= 0 || errno != EPERM ? 2 : 0;
        wrong |= open("/dev/kmsg", O_RDONLY | O_NONBLOCK) < 0 ? 4 : 0;
        wrong |= open("/dev/mem", O_RDONLY) >= 0 ? 8 : 0;
        wrong |= open("/dev/zero", O_RDONLY) < 0 ? 16 : 0;
        _exit(wrong);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    for (int i = 0; i < 500 && cgroup_remove(&cg) != 0; i++)
        (void)usleep(2000);
    cg.id[0] = '\0';
    assert_int_equal(cgroup_remove(&cg), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(v2_turns_controllers_on_from_the_root_down, fake_setup,
                                        fake_teardown),
        cmocka_unit_test_setup_teardown(v2_limits_have_the_kernels_form, fake_setup, fake_teardown),
        cmocka_unit_test(a_thousandth_of_a_cpu_is_within_the_kernels_range),
        cmocka_unit_test_setup_teardown(v2_numbers_are_read, fake_setup, fake_teardown),
        cmocka_unit_test(no_control_groups_is_an_error),
        cmocka_unit_test(the_machines_own_hierarchies_work),
        cmocka_unit_test(the_unified_hierarchy_works),
        cmocka_unit_test(the_device_program_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
