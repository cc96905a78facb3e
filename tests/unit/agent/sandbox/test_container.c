/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/time.h"
#include "tests/unit/agent/sandbox/box.h"

static int setup(void **state)
{
    *state = box_new();
    return 0;
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

static void it_runs_a_program_and_keeps_its_output_and_code(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "/bin/busybox", "echo", "hello", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    assert_int_equal(box_run(b, &spec), 0);
    assert_false(b->failed);
    assert_string_equal(sw_buf_str(&b->out), "hello\n");
    assert_true(b->exit.started);
    assert_false(b->exit.oom_killed);
    assert_true(b->exit.finished_ns >= b->exit.started_ns);
}

static void exit_code_and_both_streams_are_kept_apart(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(box_sh_code(b, "echo to-stdout; echo to-stderr >&2; exit 3"), 3);
    assert_string_equal(sw_buf_str(&b->out), "to-stdout\n");
    assert_string_equal(sw_buf_str(&b->errout), "to-stderr\n");
    assert_int_equal(b->exit.signal, 0);
}

static void a_last_line_without_newline_is_not_lost(void **state)
{
    struct box *b = box_of(state);

    assert_int_equal(box_sh_code(b, "printf 'a\\nb'"), 0);
    assert_string_equal(sw_buf_str(&b->out), "a\nb");
}

static void missing_and_not_executable_commands_fail_in_dockers_words(void **state)
{
    static const struct {
        const char *command;
        int code;
        const char *text;
    } cases[] = {
        { "nosuchcmd", 127, "exec: \"nosuchcmd\": executable file not found in $PATH" },
        { "/etc", 126, "exec: \"/etc\": permission denied" },
        { "/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied" },
        { "/nosuch", 127, "exec: \"/nosuch\": stat /nosuch: no such file or directory" },
        { "/bin/noformat", 126, "exec /bin/noformat: exec format error" },
        { "/bin/nointerp", 127, "exec /bin/nointerp: no such file or directory" },
    };
    struct box *b = box_of(state);
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/bin/noformat", b->image);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("no program\n", f);
    (void)fclose(f);
    (void)chmod(path, 0755);
    (void)snprintf(path, sizeof(path), "%s/bin/nointerp", b->image);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("#!/no/interpreter\n", f);
    (void)fclose(f);
    (void)chmod(path, 0755);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const argv[] = { cases[i].command, NULL };
        struct container_spec spec;

        box_spec(b, &spec, argv);
        assert_int_equal(box_run(b, &spec), cases[i].code);
        assert_true(b->created);
        assert_false(b->started);
        assert_true(b->failed);
        assert_string_equal(b->err.msg, cases[i].text);
        box_forget(b);
    }
}

static void a_specification_that_cannot_work_is_refused_at_once(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "true", NULL };
    const struct container_mount missing = { .source = "/nosuchdir", .target = "/x" };
    const struct container_mount relative = { .source = "/etc", .target = "x" };
    const struct container_mount twice[] = { { .source = "/etc", .target = "/x" },
                                             { .source = "/usr", .target = "/x" } };
    const char *const caps[] = { "FOO", NULL };
    const struct container_pair sysctl = { "kernel.panic", "1" };
    const struct container_ulimit ulimit = { "nosuch", 1, 1 };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.mounts = &missing;
    spec.mounts_len = 1;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
    assert_string_equal(b->err.msg, "invalid mount config for type \"bind\": bind source path does "
                                    "not exist: /nosuchdir");
    spec.mounts = &relative;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
    spec.mounts = twice;
    spec.mounts_len = 2;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
    assert_string_equal(b->err.msg, "Duplicate mount point: /x");
    spec.mounts_len = 0;
    spec.cap_add = caps;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
    assert_string_equal(b->err.msg, "invalid capability: \"FOO\"");
    spec.cap_add = NULL;
    spec.sysctls = &sysctl;
    spec.sysctls_len = 1;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
    assert_string_equal(b->err.msg,
                        "sysctl \"kernel.panic\" is not in a separate kernel namespace");
    spec.sysctls_len = 0;
    spec.ulimits = &ulimit;
    spec.ulimits_len = 1;
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
    spec.ulimits_len = 0;
    spec.id = "short";
    assert_int_equal(box_create(b, &spec), SW_E_INVALID);
}

static void a_signal_ends_it_with_128_and_the_signal(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "trap 'exit 9' TERM; while :; do sleep 0.05; done");
    box_start(b, &spec);
    assert_int_equal(container_signal(b->c, SIGKILL, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 137);
    assert_int_equal(b->exit.signal, SIGKILL);
    assert_int_equal(container_signal(b->c, SIGKILL, &b->err), SW_E_CONFLICT);
}

static void stop_lets_it_end_by_itself(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    /* a shell may get the signal before its trap is set: it tells when it is ready */
    box_sh(b, &spec, argv, "trap 'exit 9' TERM; touch /tmp/ready; while :; do sleep 0.02; done");
    box_start(b, &spec);
    for (int i = 0; i < 400; i++) {
        char path[300];

        (void)snprintf(path, sizeof(path), "%s/tmp/ready", b->upper);
        if (access(path, F_OK) == 0)
            break;
        (void)usleep(10000);
    }
    assert_int_equal(container_stop(b->c, 0, -1, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 9);
    assert_int_equal(container_stop(b->c, 0, -1, &b->err), SW_E_NOT_MODIFIED);
}

static void stop_kills_what_does_not_end_in_time(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL }; /* as process 1 it ignores SIGTERM */
    struct container_spec spec;
    int64_t t;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    t = sw_mono_ns();
    assert_int_equal(container_stop(b->c, 0, 300, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_true(sw_mono_ns() - t >= 290 * SW_NS_PER_MS);
    assert_int_equal(b->exit.code, 137);
}

static void stop_before_the_start_ends_it_unstarted(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "true", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    assert_int_equal(container_stop(b->c, 0, -1, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_false(b->failed);
    assert_false(b->exit.started);
}

static void created_means_that_the_network_namespace_can_be_entered(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "ip", "link", "show", "swtest0", NULL };
    struct container_spec spec;
    char cmd[160];

    box_spec(b, &spec, argv);
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    assert_int_equal(container_state(b->c), CONTAINER_CREATED);
    (void)snprintf(cmd, sizeof(cmd),
                   "nsenter --net=/proc/%d/ns/net ip link add swtest0 type veth peer name swtest1",
                   b->pid);
    assert_int_equal(system(cmd), 0);
    assert_int_equal(container_start(b->c, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 0);
}

static void environment_has_dockers_order_and_home(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "env", NULL };
    const char *const env[] = { "A=1", "PATH=/bin", "A=2", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.hostname = "h1";
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out),
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                        "HOSTNAME=h1\nHOME=/root\n");
    box_forget(b);
    box_spec(b, &spec, argv);
    spec.hostname = "h1";
    spec.env = env;
    spec.user = "nobody";
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "PATH=/bin\nHOSTNAME=h1\nA=2\nHOME=/home\n");
}

static void user_and_groups_are_those_of_the_image(void **state)
{
    static const struct {
        const char *user;
        const char *out;
    } cases[] = {
        { "", "uid=0(root) gid=0(root) groups=0(root),10(wheel)" },
        { "app", "uid=1000(app) gid=1000(app) groups=10(wheel),44(video),1000(app)" },
        { "1000", "uid=1000(app) gid=1000(app) groups=10(wheel),44(video),1000(app)" },
        { "nobody", "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)" },
        { "app:video", "uid=1000(app) gid=44(video) groups=44(video)" },
        { "4321:8765", "uid=4321 gid=8765 groups=8765" },
        { "4321", "uid=4321 gid=0(root) groups=0(root)" },
    };
    struct box *b = box_of(state);
    const char *const argv[] = { "id", NULL };
    const char *const groups[] = { "44", "7777", NULL };
    struct container_spec spec;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        box_spec(b, &spec, argv);
        spec.user = cases[i].user;
        assert_int_equal(box_run(b, &spec), 0);
        assert_string_equal(box_out(b), cases[i].out);
        box_forget(b);
    }
    box_spec(b, &spec, argv);
    spec.user = "nobody";
    spec.groups = groups;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(
        box_out(b), "uid=65534(nobody) gid=65534(nogroup) groups=44(video),7777,65534(nogroup)");
    box_forget(b);
    box_spec(b, &spec, argv);
    spec.user = "nosuch";
    assert_int_equal(box_run(b, &spec), 128);
    assert_string_equal(b->err.msg,
                        "unable to find user nosuch: no matching entries in passwd file");
}

static void a_user_may_open_its_standard_output_again(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "echo again > /dev/stdout");
    spec.user = "nobody";
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "again");
}

static void working_directory_is_made_when_missing(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "pwd", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.cwd = "/srv/a/b";
    spec.read_only = true;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "/srv/a/b");
}

static void hostname_and_injected_files_are_seen(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf");
    spec.hostname = "web-1";
    spec.hosts = "127.0.0.1 localhost\n";
    spec.resolv_conf = "nameserver 127.0.0.11\n";
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    assert_int_equal(container_set_hosts(b->c, "10.0.0.2 web-1\n", &b->err), 0);
    assert_int_equal(container_start(b->c, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    box_read_log(b);
    assert_string_equal(sw_buf_str(&b->out),
                        "web-1\nweb-1\n10.0.0.2 web-1\nnameserver 127.0.0.11\n");
}

static void the_default_hostname_is_the_short_id(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "hostname", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    assert_int_equal(box_run(b, &spec), 0);
    assert_int_equal(strlen(box_out(b)), 12);
    assert_memory_equal(box_out(b), b->id, 12);
}

static void binds_and_tmpfs_are_mounted(void **state)
{
    struct box *b = box_of(state);
    struct container_mount mounts[4] = { { 0 } };
    struct container_spec spec;
    const char *argv[4];
    char src[128];
    char file[160];

    (void)snprintf(src, sizeof(src), "%s/src", b->dir);
    (void)snprintf(file, sizeof(file), "%s/made/here", b->dir);
    assert_int_equal(mkdir(src, 0755), 0);
    box_sh(b, &spec, argv,
           "echo x > /data/sub/f && echo y > /ro/f; cat /deep/link/nested/f; "
           "echo z > /scratch/f; df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2; "
           "stat -c %a /scratch; test -d /made && echo made");
    mounts[0] = (struct container_mount){ .source = src, .target = "/ro", .read_only = true };
    mounts[1] = (struct container_mount){ .type = CONTAINER_MOUNT_TMPFS,
                                          .target = "/scratch",
                                          .tmpfs_bytes = 1 << 20,
                                          .tmpfs_mode = 0700 };
    mounts[2] = (struct container_mount){ .type = CONTAINER_MOUNT_TMPFS, .target = "/data/sub" };
    mounts[3] =
        (struct container_mount){ .source = file, .target = "/made", .create_source = true };
    spec.mounts = mounts;
    spec.mounts_len = 4;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "1024\n700\nmade\n");
    assert_non_null(strstr(sw_buf_str(&b->errout), "Read-only file system"));
    assert_int_equal(access(file, F_OK), 0);
}

static void a_fresh_volume_starts_with_the_images_files(void **state)
{
    struct box *b = box_of(state);
    struct container_mount m = { 0 };
    struct container_spec spec;
    const char *argv[4];
    char path[512];
    struct stat st;

    (void)snprintf(path, sizeof(path),
                   "mkdir -p %s/data/sub && echo 1 > %s/data/sub/f && ln -s sub/f %s/data/l",
                   b->image, b->image, b->image);
    assert_int_equal(system(path), 0);
    (void)snprintf(path, sizeof(path), "%s/data/sub/f", b->image);
    assert_int_equal(chown(path, 1000, 44), 0);
    (void)snprintf(path, sizeof(path), "%s/data", b->image);
    assert_int_equal(chown(path, 1000, 1000), 0);
    assert_int_equal(chmod(path, 0750), 0);
    (void)snprintf(path, sizeof(path), "%s/volume", b->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    m = (struct container_mount){ .source = path, .target = "/data", .copy_up = true };
    box_sh(b, &spec, argv, "cat /data/l; stat -c '%u:%g %a' /data /data/sub/f; rm /data/l");
    spec.mounts = &m;
    spec.mounts_len = 1;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(sw_buf_str(&b->out), "1\n1000:1000 750\n1000:44 644\n");
    box_forget(b);
    /* no longer empty: left as it is */
    box_sh(b, &spec, argv, "ls /data");
    spec.mounts = &m;
    spec.mounts_len = 1;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "sub");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 1000);
}

static void injected_files_lie_over_a_volume_at_etc(void **state)
{
    struct box *b = box_of(state);
    const struct container_mount m = { .type = CONTAINER_MOUNT_TMPFS, .target = "/etc" };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "cat /etc/hosts");
    spec.hosts = "10.0.0.9 mine\n";
    spec.mounts = &m;
    spec.mounts_len = 1;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "10.0.0.9 mine");
}

static void namespaces_can_be_joined_or_left_out(void **state)
{
    struct box *a = box_of(state);
    struct box *b = box_new();
    const char *const sleeper[] = { "sleep", "1000", NULL };
    struct container_spec spec;
    const char *argv[4];
    char host[256] = "";
    char want[512];
    pid_t pid;

    box_spec(a, &spec, sleeper);
    spec.hostname = "first";
    box_start(a, &spec);
    pid = a->pid;
    box_sh(b, &spec, argv,
           "for n in net pid ipc uts; do test $(readlink /proc/1/ns/$n) = $(readlink "
           "/proc/self/ns/$n) && echo $n; done; hostname; cat /proc/1/cmdline | tr "
           "'\\0' ' '");
    spec.net_ns = spec.pid_ns = spec.ipc_ns = spec.uts_ns = CONTAINER_NS_JOIN;
    spec.join_pid = pid;
    if (box_run(b, &spec) != 0)
        fail_msg("%s", b->failed ? b->err.msg : sw_buf_str(&b->errout));
    assert_string_equal(box_out(b), "net\npid\nipc\nuts\nfirst\nsleep 1000 ");
    box_forget(b);
    assert_int_equal(kill(pid, 0), 0); /* it is not ours to end */
    box_sh(b, &spec, argv, "readlink /proc/self/ns/net; readlink /proc/self/ns/pid; sleep 1000 &");
    spec.net_ns = spec.pid_ns = spec.ipc_ns = spec.uts_ns = spec.cgroup_ns = CONTAINER_NS_HOST;
    assert_int_equal(box_run(b, &spec), 0);
    assert_true(readlink("/proc/self/ns/net", host, sizeof(host) - 1) > 0);
    (void)snprintf(want, sizeof(want), "%s\n", host);
    memset(host, 0, sizeof(host));
    assert_true(readlink("/proc/self/ns/pid", host, sizeof(host) - 1) > 0);
    (void)strcat(want, host);
    assert_string_equal(box_out(b), want);
    box_forget(b); /* asserts that the background process is gone too */
    box_forget(a);
    box_free(b);
}

static void nothing_is_mounted_on_the_host(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;
    char line[1024];
    FILE *f;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    f = fopen("/proc/self/mountinfo", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        assert_null(strstr(line, b->dir));
    (void)fclose(f);
}

static void init_forwards_signals_and_reaps(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.init = true;
    box_start(b, &spec);
    assert_int_equal(container_stop(b->c, 0, 10000, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 143); /* not 137: it was delivered */
    box_forget(b);
    box_spec(b, &spec, (const char *const[]){ "nosuch", NULL });
    spec.init = true;
    assert_int_equal(box_run(b, &spec), 127);
}

static void a_bundle_can_be_used_again_and_the_log_goes_on(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "echo run >> /f; cat /f");
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "run");
    container_free(b->c);
    box_sh(b, &spec, argv, "echo run >> /f; cat /f");
    if (box_run(b, &spec) != 0)
        fail_msg("%s", b->err.msg);
    assert_string_equal(box_out(b), "run\nrun\nrun");
}

static void a_living_bundle_is_refused(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;
    struct container *other = NULL;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    assert_int_equal(container_create(&other, b->host, &spec, NULL, &b->err), SW_E_CONFLICT);
}

/* ---- after a restart of the agent ---- */

static void adopt_events(struct box *b, struct container_events *ev);

static void a_running_container_is_found_again(void **state)
{
    struct box *b = box_of(state);
    struct container_events ev;
    struct container_spec spec;
    const char *argv[4];
    pid_t pid;

    box_sh(b, &spec, argv, "echo before; sleep 1000");
    box_start(b, &spec);
    pid = b->pid;
    for (int i = 0; i < 200 && b->out.len == 0; i++) {
        (void)usleep(10000);
        box_read_log(b);
    }
    container_free(b->c); /* as if the agent had gone */
    b->created = b->started = false;
    b->pid = 0;
    adopt_events(b, &ev);
    assert_int_equal(container_adopt(&b->c, b->host, b->id, b->bundle, &ev, &b->err), 0);
    assert_true(box_until(b, &b->started));
    assert_int_equal(b->pid, pid);
    assert_int_equal(container_stop(b->c, SIGKILL, 1000, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 137);
    box_read_log(b);
    assert_string_equal(box_out(b), "before");
}

static void an_end_in_our_absence_is_told(void **state)
{
    struct box *b = box_of(state);
    struct container_events ev;
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "sleep 0.3; echo late; exit 5");
    box_start(b, &spec);
    container_free(b->c);
    b->created = b->started = false;
    (void)usleep(800000);
    adopt_events(b, &ev);
    assert_int_equal(container_adopt(&b->c, b->host, b->id, b->bundle, &ev, &b->err), 0);
    assert_false(b->exited); /* never from inside the call */
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 5);
    assert_true(b->exit.started);
    box_read_log(b);
    assert_string_equal(box_out(b), "late");
}

static void a_container_outlives_the_process_that_made_it(void **state)
{
    struct box *b = box_of(state);
    struct container_events ev;
    struct container_spec spec;
    const char *argv[4];
    pid_t child;
    int status;

    box_sh(b, &spec, argv, "sleep 0.5; echo survived; exit 6");
    child = fork();
    if (child == 0) {
        (void)uv_loop_fork(&b->loop);
        box_start(b, &spec);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    adopt_events(b, &ev);
    assert_int_equal(container_adopt(&b->c, b->host, b->id, b->bundle, &ev, &b->err), 0);
    assert_true(box_until(b, &b->started));
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 6);
    box_read_log(b);
    assert_string_equal(box_out(b), "survived");
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %*s %*c %d", &parent), 1);
    (void)fclose(f);
    return parent;
}

static void a_killed_shim_takes_its_container_along(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;
    pid_t pid;

    box_spec(b, &spec, argv);
    spec.user = "nobody"; /* a change of user would take the parent death signal away */
    box_start(b, &spec);
    pid = b->pid;
    assert_int_equal(kill(parent_of(pid), SIGKILL), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, CONTAINER_EXIT_LOST);
    for (int i = 0; i < 200 && kill(pid, 0) == 0; i++)
        (void)usleep(10000);
    assert_int_equal(kill(pid, 0), -1);
}

static void a_lost_shim_is_noticed_by_adopt(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_events ev;
    struct container_spec spec;
    pid_t shim;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    shim = parent_of(b->pid);
    container_free(b->c);
    assert_int_equal(kill(shim, SIGKILL), 0);
    assert_int_equal(waitpid(shim, NULL, 0), shim);
    adopt_events(b, &ev);
    assert_int_equal(container_adopt(&b->c, b->host, b->id, b->bundle, &ev, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, CONTAINER_EXIT_LOST);
}

static bool known_none(const char *id, void *data)
{
    (void)id, (void)data;
    return false;
}

static void on_swept(unsigned ended, void *data)
{
    *(unsigned *)data = ended;
}

static void the_sweep_ends_what_nobody_knows(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;
    unsigned ended = 0;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    assert_int_equal(container_host_sweep(b->host, known_none, on_swept, &ended, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    while (ended == 0)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(ended, 1);
    assert_int_equal(b->exit.code, 137);
}

/* The callbacks of the box itself, once more. */
static void a_created(struct container *c, pid_t pid, void *data)
{
    struct box *b = data;

    (void)c;
    b->created = true;
    b->pid = pid;
}

static void a_started(struct container *c, pid_t pid, int64_t ns, void *data)
{
    struct box *b = data;

    (void)c, (void)pid, (void)ns;
    assert_true(b->created);
    b->started = true;
}

static void a_exited(struct container *c, const struct container_exit *x, void *data)
{
    struct box *b = data;

    (void)c;
    b->exited = true;
    b->exit = *x;
}

static void adopt_events(struct box *b, struct container_events *ev)
{
    *ev = (struct container_events){
        .created = a_created, .started = a_started, .exited = a_exited, .data = b
    };
}

/* ---- pause, limits, numbers ---- */

static void on_paused(int status, void *data)
{
    assert_int_equal(status, 0);
    *(bool *)data = true;
}

static void pause_freezes_and_stop_ends_a_frozen_one(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];
    bool done = false;
    size_t before;

    box_sh(b, &spec, argv, "while :; do echo tick; sleep 0.01; done");
    box_start(b, &spec);
    assert_int_equal(container_pause(b->c, true, on_paused, &done, &b->err), 0);
    assert_true(box_until(b, &done));
    assert_true(container_is_paused(b->c));
    assert_int_equal(container_pause(b->c, true, on_paused, &done, &b->err), SW_E_CONFLICT);
    (void)usleep(50000);
    box_read_log(b);
    before = b->out.len;
    (void)usleep(200000);
    box_read_log(b);
    assert_int_equal(b->out.len, before);
    done = false;
    assert_int_equal(container_pause(b->c, false, on_paused, &done, &b->err), 0);
    assert_true(box_until(b, &done));
    (void)usleep(200000);
    box_read_log(b);
    assert_true(b->out.len > before);
    done = false;
    assert_int_equal(container_pause(b->c, true, on_paused, &done, &b->err), 0);
    assert_true(box_until(b, &done));
    assert_int_equal(container_stop(b->c, 0, 100, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 137);
}

static void numbers_and_processes_are_read(void **state)
{
    struct box *b = box_of(state);
    struct container_resources more = { .memory_bytes = 32 << 20, .pids = 9 };
    struct container_stats st;
    struct container_spec spec;
    const char *argv[4];
    pid_t *pids = NULL;
    size_t n = 0;

    box_sh(b, &spec, argv, "sleep 1000 & sleep 1000 & wait");
    spec.resources.memory_bytes = 16 << 20;
    spec.resources.nano_cpus = 500000000;
    spec.resources.pids = 7;
    box_start(b, &spec);
    for (int i = 0; i < 100 && n < 3; i++) {
        free(pids);
        pids = NULL;
        (void)usleep(10000);
        assert_int_equal(container_pids(b->c, &pids, &n, &b->err), 0);
    }
    assert_int_equal(n, 3);
    assert_int_equal(pids[0], b->pid);
    free(pids);
    assert_int_equal(container_stats(b->c, &st, &b->err), 0);
    assert_int_equal(st.pids, 3);
    assert_int_equal(st.pids_limit, 7);
    assert_int_equal(st.memory_limit_bytes, 16 << 20);
    assert_true(st.cpu_ns > 0);
    assert_true(st.memory_bytes > 0);
    assert_int_equal(container_update(b->c, &more, &b->err), 0);
    assert_int_equal(container_stats(b->c, &st, &b->err), 0);
    assert_int_equal(st.pids_limit, 9);
    assert_int_equal(st.memory_limit_bytes, 32 << 20);
}

/* Without limits, as the controllers of this machine may be bound to version 1. */
static int setup_v2(void **state)
{
    *state = box_new_in("/sys/fs/cgroup/unified");
    return 0;
}

static void it_runs_in_a_version_2_hierarchy(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    struct container_stats st;
    const char *argv[4];
    bool done = false;
    pid_t *pids = NULL;
    size_t n = 0;

    assert_int_equal(container_host_cgroup_version(b->host), 2);
    box_sh(b, &spec, argv,
           "cat /proc/self/cgroup | grep ^0:; mknod /tmp/mem c 1 1; cat /tmp/mem; test -e "
           "/sys/fs/cgroup/cgroup.procs && echo seen; mkdir /sys/fs/cgroup/x; sleep 1000");
    box_start(b, &spec);
    for (int i = 0; i < 500 && strstr(sw_buf_str(&b->out), "seen") == NULL; i++) {
        (void)usleep(10000);
        box_read_log(b);
    }
    assert_string_equal(sw_buf_str(&b->out), "0::/\nseen\n");
    assert_non_null(strstr(sw_buf_str(&b->errout), "Operation not permitted"));
    assert_int_equal(container_pids(b->c, &pids, &n, &b->err), 0);
    assert_true(n >= 1);
    free(pids);
    assert_int_equal(container_stats(b->c, &st, &b->err), 0);
    assert_int_equal(container_pause(b->c, true, on_paused, &done, &b->err), 0);
    assert_true(box_until(b, &done));
    assert_int_equal(container_stop(b->c, 0, 50, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 137);
}

static void four_mebibytes_of_memory_are_enough_to_start(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "echo", "small", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.resources.memory_bytes = 4 << 20;
    assert_int_equal(box_run(b, &spec), 0);
    assert_string_equal(box_out(b), "small");
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(it_runs_a_program_and_keeps_its_output_and_code),
        BOX_TEST(exit_code_and_both_streams_are_kept_apart),
        BOX_TEST(a_last_line_without_newline_is_not_lost),
        BOX_TEST(missing_and_not_executable_commands_fail_in_dockers_words),
        BOX_TEST(a_specification_that_cannot_work_is_refused_at_once),
        BOX_TEST(a_signal_ends_it_with_128_and_the_signal),
        BOX_TEST(stop_lets_it_end_by_itself),
        BOX_TEST(stop_kills_what_does_not_end_in_time),
        BOX_TEST(stop_before_the_start_ends_it_unstarted),
        BOX_TEST(created_means_that_the_network_namespace_can_be_entered),
        BOX_TEST(environment_has_dockers_order_and_home),
        BOX_TEST(user_and_groups_are_those_of_the_image),
        BOX_TEST(a_user_may_open_its_standard_output_again),
        BOX_TEST(working_directory_is_made_when_missing),
        BOX_TEST(hostname_and_injected_files_are_seen),
        BOX_TEST(the_default_hostname_is_the_short_id),
        BOX_TEST(binds_and_tmpfs_are_mounted),
        BOX_TEST(a_fresh_volume_starts_with_the_images_files),
        BOX_TEST(injected_files_lie_over_a_volume_at_etc),
        BOX_TEST(namespaces_can_be_joined_or_left_out),
        BOX_TEST(nothing_is_mounted_on_the_host),
        BOX_TEST(init_forwards_signals_and_reaps),
        BOX_TEST(a_bundle_can_be_used_again_and_the_log_goes_on),
        BOX_TEST(a_living_bundle_is_refused),
        BOX_TEST(a_running_container_is_found_again),
        BOX_TEST(an_end_in_our_absence_is_told),
        BOX_TEST(a_container_outlives_the_process_that_made_it),
        BOX_TEST(a_killed_shim_takes_its_container_along),
        BOX_TEST(a_lost_shim_is_noticed_by_adopt),
        BOX_TEST(the_sweep_ends_what_nobody_knows),
        BOX_TEST(pause_freezes_and_stop_ends_a_frozen_one),
        BOX_TEST(numbers_and_processes_are_read),
        cmocka_unit_test_setup_teardown(it_runs_in_a_version_2_hierarchy, setup_v2, teardown),
        BOX_TEST(four_mebibytes_of_memory_are_enough_to_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
