/* SPDX-License-Identifier: Apache-2.0
 * test_container_confine.c - what a container may not do, and attacks that have worked on others.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/agent/sandbox/box.h"

static int setup(void **state)
{
    struct box *b = box_new();
    char cmd[256];

    *state = b;
    if (b == NULL)
        return 0;
    (void)snprintf(cmd, sizeof(cmd), "cp %s %s/bin/probe", SWARM_PROBE, b->image);
    return system(cmd);
}

static int teardown(void **state)
{
    if (*state != NULL)
        box_free(*state);
    return 0;
}

static struct box *box_of(void **state)
{
    if (*state == NULL)
        skip(); /* needs root: namespaces and mounts */
    return *state;
}

static void capabilities_are_exactly_dockers_fourteen(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(box_sh_code(b, "grep Cap /proc/self/status"), 0);
    assert_string_equal(sw_buf_str(&b->out), "CapInh:\t0000000000000000\n"
                                             "CapPrm:\t00000000a80425fb\n"
                                             "CapEff:\t00000000a80425fb\n"
                                             "CapBnd:\t00000000a80425fb\n"
                                             "CapAmb:\t0000000000000000\n");
}

static void capabilities_are_added_and_dropped(void **state)
{
    struct box *b = box_of(state);
    const char *const add[] = { "NET_ADMIN", "cap_sys_time", NULL };
    const char *const drop[] = { "CHOWN", NULL };
    const char *const all[] = { "ALL", NULL };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "grep CapBnd /proc/self/status");
    spec.cap_add = add;
    spec.cap_drop = drop;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "CapBnd:\t00000000aa0435fa");
    box_forget(b);
    box_sh(b, &spec, argv, "grep CapBnd /proc/self/status");
    spec.cap_add = add;
    spec.cap_drop = all;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "CapBnd:\t0000000002001000");
    box_forget(b);
    /* other users have none, and get none back by set-user-id root beyond the set */
    box_sh(b, &spec, argv, "grep -E 'CapPrm|CapEff|CapBnd|NoNew' /proc/self/status");
    spec.user = "app";
    spec.no_new_privs = true;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "CapPrm:\t0000000000000000\n"
                                             "CapEff:\t0000000000000000\n"
                                             "CapBnd:\t00000000a80425fb\n"
                                             "NoNewPrivs:\t1\n");
}

static void the_default_filter_refuses_what_it_should(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(box_sh_code(b,
                                 "probe mount; probe unshare 0x20000; probe unshare 0x10000000; "
                                 "probe clone 0x10000000; probe clone 0x20000000; probe clone3; "
                                 "probe keyctl; probe bpf; probe io_uring; probe socket 38; "
                                 "probe socket 40; probe socket 2; probe socket 1; "
                                 "probe personality 0; probe personality 0x40000; "
                                 "probe young; probe fchmodat2; grep Seccomp: /proc/self/status"),
                     0);
    assert_string_equal(sw_buf_str(&b->out),
                        "mount EPERM\nunshare EPERM\nunshare EPERM\nclone EPERM\nclone EPERM\n"
                        "clone3 ENOSYS\nkeyctl EPERM\nbpf EPERM\nio_uring EPERM\n"
                        "socket EPERM\nsocket EPERM\nsocket ok\nsocket ok\n"
                        "personality ok\npersonality EPERM\nyoung ENOSYS\nfchmodat2 ok\n"
                        "Seccomp:\t2\n");
}

static void the_filter_follows_the_capabilities(void **state)
{
    struct box *b = box_of(state);
    const char *const add[] = { "SYS_ADMIN", NULL };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "probe mount; probe unshare 0x20000; probe keyctl");
    spec.cap_add = add;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "mount ok\nunshare ok\nkeyctl EPERM\n");
    box_forget(b);
    box_sh(b, &spec, argv, "probe keyctl; grep Seccomp: /proc/self/status");
    spec.seccomp = CONTAINER_SECCOMP_UNCONFINED;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "keyctl ok\nSeccomp:\t0\n");
    box_forget(b);
    box_sh(b, &spec, argv, "probe socket 2; probe socket 1; probe keyctl");
    spec.seccomp = CONTAINER_SECCOMP_CUSTOM;
    spec.seccomp_profile =
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"socket\"],"
        "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13,"
        "\"args\":[{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}";
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "socket EACCES\nsocket ok\nkeyctl ok\n");
    box_forget(b);
    box_sh(b, &spec, argv, "true");
    spec.seccomp = CONTAINER_SECCOMP_CUSTOM;
    spec.seccomp_profile = "{]";
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
}

static void kernel_paths_are_masked_and_read_only(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(
        box_sh_code(b, "for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts "
                       "/proc/sched_debug /proc/latency_stats; do test -e $f && wc -c < $f; done; "
                       "for d in /proc/acpi /proc/scsi /proc/asound /sys/firmware "
                       "/sys/devices/virtual/powercap; do test -e $d && ls -A $d; done; "
                       "for d in bus fs irq sys sysrq-trigger; do test ! -e /proc/$d || "
                       "grep -q \" /proc/$d proc ro,\" /proc/mounts || echo rw $d; done; "
                       "echo 1 > /proc/sys/kernel/panic; echo h > /proc/sysrq-trigger; "
                       "touch /sys/x; true"),
        0);
    for (const char *p = sw_buf_str(&b->out); *p != '\0'; p++)
        if (*p != '0' && *p != '\n')
            fail_msg("%s", sw_buf_str(&b->out));
    assert_non_null(strstr(sw_buf_str(&b->errout), "Read-only file system"));
}

static void a_privileged_container_sees_all(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv,
           "grep -c ' /proc/sys ' /proc/mounts; probe mount; probe keyctl; "
           "test -b /dev/vda -o -b /dev/sda -o -c /dev/kmsg && echo nodes");
    spec.privileged = true;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "0\nmount ok\nkeyctl ok\nnodes\n");
}

static void the_root_can_be_read_only(void **state)
{
    struct box *b = box_of(state);
    const struct container_mount tmp = { .type = CONTAINER_MOUNT_TMPFS, .target = "/tmp" };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv,
           "echo x > /f; echo x > /etc/f; echo x > /tmp/f && cat /tmp/f; "
           "echo x > /dev/shm/f && echo shm");
    spec.read_only = true;
    spec.mounts = &tmp;
    spec.mounts_len = 1;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "x\nshm\n");
}

static void only_its_own_processes_and_descriptors_are_there(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(box_sh_code(b, "probe fds; echo $$; ls /proc | grep -c '^[0-9]'; "
                                    "cat /proc/self/cgroup | grep -v ':/$' | wc -l"),
                     0);
    assert_string_equal(sw_buf_str(&b->out), "0 1 2 \n1\n3\n0\n");
}

static void devices_are_the_standard_ones(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(
        box_sh_code(b,
                    "ls /dev | tr '\\n' ' '; echo; echo x > /dev/null; head -c 2 /dev/zero | wc -c;"
                    "head -c 3 /dev/urandom | wc -c; mknod /tmp/mem c 1 1 && cat /tmp/mem | wc -c; "
                    "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2"),
        0);
    assert_string_equal(
        sw_buf_str(&b->out),
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom "
        "zero \n2\n3\n0\n65536\n");
    assert_non_null(strstr(sw_buf_str(&b->errout), "Operation not permitted"));
}

static void a_device_can_be_given(void **state)
{
    struct box *b = box_of(state);
    const struct container_device dev = { .source = "/dev/kmsg",
                                          .target = "/dev/x/kmsg",
                                          .permissions = "r" };
    const struct container_device bad = { .source = "/etc/passwd" };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv,
           "test -c /dev/x/kmsg && echo node; probe open-write /dev/x/kmsg; probe open-write "
           "/dev/null");
    spec.devices = &dev;
    spec.devices_len = 1;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "node\nopen-write EPERM\nopen-write ok\n");
    box_forget(b);
    box_sh(b, &spec, argv, "true");
    spec.devices = &bad;
    spec.devices_len = 1;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
}

static void sysctls_ulimits_and_oom_score_are_set(void **state)
{
    struct box *b = box_of(state);
    const struct container_pair sysctl = { "net.core.somaxconn", "99" };
    const struct container_ulimit limits[] = { { "nofile", 100, 200 }, { "core", 0, 0 } };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv,
           "cat /proc/sys/net/core/somaxconn; ulimit -n; ulimit -Hn; ulimit -c; "
           "cat /proc/self/oom_score_adj");
    spec.sysctls = &sysctl;
    spec.sysctls_len = 1;
    spec.ulimits = limits;
    spec.ulimits_len = 2;
    spec.oom_score_adj_set = true;
    spec.oom_score_adj = 123;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "99\n100\n200\n0\n123\n");
}

static void running_out_of_memory_is_reported(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "probe", "eat", "64", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.resources.memory_bytes = 16 << 20;
    spec.resources.memory_swap_bytes = 16 << 20;
    assert_int_equal(box_run(b, &spec), 137);
    assert_true(b->exit.oom_killed);
}

static void the_number_of_processes_is_limited(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "probe", "fork", "20", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.resources.pids = 8;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "forked 7");
}

/* ---- attacks ---- */

/* CVE-2026-41579 and relatives: a link of the image must not lead a mount out of the root. */
static void links_in_the_image_do_not_lead_mounts_outside(void **state)
{
    struct box *b = box_of(state);
    struct container_mount m = { .source = "/etc" };
    struct container_spec spec;
    const char *argv[4];
    char outside[128];
    char path[256];

    (void)snprintf(outside, sizeof(outside), "%s/outside", b->dir);
    (void)snprintf(path, sizeof(path), "%s/abs", b->image);
    assert_int_equal(symlink(outside, path), 0);
    (void)snprintf(path, sizeof(path), "%s/rel", b->image);
    assert_int_equal(symlink("../../../../../../../../tmp/swarm-box-up", path), 0);
    box_sh(b, &spec, argv, "ls -d /abs/x /rel");
    struct container_mount two[] = { { .type = CONTAINER_MOUNT_TMPFS, .target = "/abs/x" },
                                     { .type = CONTAINER_MOUNT_TMPFS, .target = "/rel" } };
    spec.mounts = two;
    spec.mounts_len = 2;
    assert_int_equal(box_run(b, &spec), 0);
    assert_int_equal(access(outside, F_OK), -1);
    assert_int_equal(access("/tmp/swarm-box-up", F_OK), -1);
    box_forget(b);

    /* into /proc, directly and by a magic link */
    m.target = "/proc/sys";
    box_sh(b, &spec, argv, "true");
    spec.mounts = &m;
    spec.mounts_len = 1;
    assert_int_equal(box_run(b, &spec), 128);
    assert_string_equal(b->err.msg, "\"/proc/sys\" cannot be mounted because it is inside /proc");
    box_forget(b);
    (void)snprintf(path, sizeof(path), "%s/magic", b->image);
    assert_int_equal(symlink("/proc/self/cwd", path), 0);
    m.target = "/magic";
    box_sh(b, &spec, argv, "true");
    spec.mounts = &m;
    spec.mounts_len = 1;
    assert_int_equal(box_run(b, &spec), 128);
}

static void an_image_whose_proc_or_dev_is_a_link_is_refused(void **state)
{
    static const char *const names[] = { "proc", "dev", "sys" };
    struct box *b = box_of(state);
    const char *const argv[] = { "true", NULL };
    struct container_spec spec;
    char path[256];

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->image, names[i]);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("/tmp", path), 0);
        box_spec(b, &spec, argv);
        assert_int_equal(box_run(b, &spec), 128);
        assert_non_null(strstr(b->err.msg, "must be an ordinary directory"));
        box_forget(b);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
    }
}

/* CVE-2024-21626: a descriptor of the host as working directory. */
static void a_descriptor_is_no_working_directory(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "ls", "../../../..", NULL };
    struct container_spec spec;
    char cwd[32];

    for (int fd = 3; fd < 24; fd++) {
        box_spec(b, &spec, argv);
        (void)snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
        spec.cwd = cwd;
        assert_int_equal(box_run(b, &spec), 128);
        assert_true(b->failed);
        box_forget(b);
    }
}

/* CVE-2019-5736: the runtime's own program, reached through /proc/self/exe. */
static void the_shim_cannot_be_overwritten_from_inside(void **state)
{
    struct box *b = box_of(state);
    const char *const add[] = { "ALL", NULL };
    const char *const self[] = { "/proc/self/exe", NULL };
    struct container_spec spec;
    const char *argv[4];
    struct stat before;
    struct stat after;

    assert_int_equal(stat(SWARM_SHIM, &before), 0);
    box_spec(b, &spec, self);
    (void)box_run(b, &spec);
    box_forget(b);
    /* process 1 is the shim's program all its life here, and the attacker may do anything */
    box_sh(b, &spec, argv, "readlink /proc/1/exe; probe open-write /proc/1/exe");
    spec.init = true;
    spec.cap_add = add;
    spec.seccomp = CONTAINER_SECCOMP_UNCONFINED;
    assert_int_equal(box_run(b, &spec), 0);
    assert_true(strstr(sw_buf_str(&b->out), "open-write EROFS") != NULL ||
                strstr(sw_buf_str(&b->out), "open-write ETXTBSY") != NULL ||
                strstr(sw_buf_str(&b->out), "open-write EACCES") != NULL);
    assert_null(strstr(sw_buf_str(&b->out), "open-write ok"));
    assert_int_equal(stat(SWARM_SHIM, &after), 0);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(before.st_size, after.st_size);
}

static void the_hosts_null_device_cannot_be_changed(void **state)
{
    struct box *b = box_of(state);
    struct stat before;
    struct stat after;

    assert_int_equal(stat("/dev/null", &before), 0);
    assert_int_equal(box_sh_code(b, "probe chmod-fd 0; chmod 600 /proc/kcore /proc/keys"), 1);
    assert_string_equal(box_out(b), "chmod-fd EROFS");
    assert_int_equal(stat("/dev/null", &after), 0);
    assert_int_equal(before.st_mode, after.st_mode);
}

/* CVE-2022-0492 */
static void control_groups_are_read_only(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(
        box_sh_code(
            b, "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mkdir $d/x 2>/dev/null && echo "
               "made $d; for f in release_agent cgroup.procs notify_on_release; do test -e "
               "$d/$f && probe open-write $d/$f; done; done | sort | uniq 2>/dev/null || true; "
               "unshare -UrC true 2>/dev/null || echo refused"),
        0);
    assert_null(strstr(sw_buf_str(&b->out), "made"));
    assert_null(strstr(sw_buf_str(&b->out), "open-write ok"));
    assert_non_null(strstr(sw_buf_str(&b->out), "refused"));
}

/* CVE-2021-30465: two containers, one swaps a directory for a link below a shared volume while the
 * other mounts there. Nothing of the host may appear. */
static void a_swapped_mount_target_shows_nothing_of_the_host(void **state)
{
    struct box *b = box_of(state);
    struct container_mount mounts[2] = { { 0 } };
    struct container_spec spec;
    const char *argv[4];
    char volume[128];
    char a[160];
    char l[160];
    pid_t swapper;

    (void)snprintf(volume, sizeof(volume), "%s/volume", b->dir);
    (void)snprintf(a, sizeof(a), "%s/a", volume);
    (void)snprintf(l, sizeof(l), "%s/l", volume);
    assert_int_equal(mkdir(volume, 0755), 0);
    assert_int_equal(mkdir(a, 0755), 0);
    assert_int_equal(symlink("/../../../../../..", l), 0);
    swapper = fork();
    if (swapper == 0)
        for (;;)
            (void)renameat2(AT_FDCWD, a, AT_FDCWD, l, RENAME_EXCHANGE);
    for (int i = 0; i < 60; i++) {
        box_sh(b, &spec, argv, "test ! -e /v/a/work && test ! -e /v/a/var && test ! -e /var");
        mounts[0] = (struct container_mount){ .source = volume, .target = "/v" };
        mounts[1] = (struct container_mount){ .type = CONTAINER_MOUNT_TMPFS, .target = "/v/a" };
        spec.mounts = mounts;
        spec.mounts_len = 2;
        int r = box_run(b, &spec);

        /* a mount over the root or a refusal is the image's own loss */
        assert_true(r == 0 || b->failed || r == 127 || r == 126);
        box_forget(b);
    }
    (void)kill(swapper, SIGKILL);
}

/* CVE-2020-15257 */
static void no_abstract_socket_of_ours_exists(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;
    char line[512];
    FILE *f;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    f = fopen("/proc/net/unix", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        assert_true(strchr(line, '@') == NULL || strstr(line, "shim") == NULL);
    (void)fclose(f);
}

static void nothing_of_the_host_is_named_inside(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    /* bind mounts show where they come from in mountinfo, as everywhere; the root must not */
    box_sh(b, &spec, argv, "cat /proc/mounts; cat /proc/1/cmdline");
    spec.init = true;
    spec.hostname_file = "";
    assert_int_equal(box_run(b, &spec), 0);
    assert_null(strstr(sw_buf_str(&b->out), "swarm-box"));
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(capabilities_are_exactly_dockers_fourteen),
        BOX_TEST(capabilities_are_added_and_dropped),
        BOX_TEST(the_default_filter_refuses_what_it_should),
        BOX_TEST(the_filter_follows_the_capabilities),
        BOX_TEST(kernel_paths_are_masked_and_read_only),
        BOX_TEST(a_privileged_container_sees_all),
        BOX_TEST(the_root_can_be_read_only),
        BOX_TEST(only_its_own_processes_and_descriptors_are_there),
        BOX_TEST(devices_are_the_standard_ones),
        BOX_TEST(a_device_can_be_given),
        BOX_TEST(sysctls_ulimits_and_oom_score_are_set),
        BOX_TEST(running_out_of_memory_is_reported),
        BOX_TEST(the_number_of_processes_is_limited),
        BOX_TEST(links_in_the_image_do_not_lead_mounts_outside),
        BOX_TEST(an_image_whose_proc_or_dev_is_a_link_is_refused),
        BOX_TEST(a_descriptor_is_no_working_directory),
        BOX_TEST(the_shim_cannot_be_overwritten_from_inside),
        BOX_TEST(the_hosts_null_device_cannot_be_changed),
        BOX_TEST(control_groups_are_read_only),
        BOX_TEST(a_swapped_mount_target_shows_nothing_of_the_host),
        BOX_TEST(no_abstract_socket_of_ours_exists),
        BOX_TEST(nothing_of_the_host_is_named_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
