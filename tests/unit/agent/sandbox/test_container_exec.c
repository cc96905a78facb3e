/* SPDX-License-Identifier: Apache-2.0
 * test_container_exec.c - attached clients and further processes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct client { /* of an attach or an exec */
    struct sw_buf out, err;
    bool started, failed, exited, ended, drained;
    int code;
    struct sw_err why;
    const char *await; /* sets seen when @out contains it */
    bool seen;
};

static void client_fini(struct client *c)
{
    sw_buf_fini(&c->out);
    sw_buf_fini(&c->err);
}

static void take(struct client *c, enum container_stdio which, const uint8_t *p, size_t len)
{
    sw_buf_add(which == CONTAINER_STDERR ? &c->err : &c->out, p, len);
    if (c->await != NULL && strstr(sw_buf_str(&c->out), c->await) != NULL)
        c->seen = true;
}

/* ---- attach ---- */

static void s_output(struct container_stream *s, enum container_stdio which, const uint8_t *p,
                     size_t len, void *data)
{
    (void)s;
    take(data, which, p, len);
}

static void s_drained(struct container_stream *s, void *data)
{
    (void)s;
    ((struct client *)data)->drained = true;
}

static void s_end(struct container_stream *s, int status, void *data)
{
    (void)s, (void)status;
    ((struct client *)data)->ended = true;
}

static struct container_stream *attach(struct box *b, struct client *c, bool in, bool once)
{
    const struct container_attach_options o = {
        .in = in, .out = true, .err = true, .close_stdin = once
    };
    const struct container_stream_events ev = { s_output, s_drained, s_end, c };
    struct container_stream *s = NULL;

    assert_int_equal(container_attach(&s, b->c, &o, &ev, &b->err), 0);
    return s;
}

static void an_attached_client_sees_all_from_before_the_start(void **state)
{
    struct box *b = box_of(state);
    struct container_stream *s;
    struct container_spec spec;
    struct client c = { 0 };
    const char *argv[4];

    box_sh(b, &spec, argv, "echo out; echo err >&2; printf end");
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    s = attach(b, &c, false, false);
    assert_int_equal(container_start(b->c, &b->err), 0);
    assert_true(box_until(b, &c.ended));
    assert_true(box_until(b, &b->exited));
    assert_string_equal(sw_buf_str(&c.out), "out\nend");
    assert_string_equal(sw_buf_str(&c.err), "err\n");
    container_stream_close(s);
    client_fini(&c);
}

static void standard_input_reaches_the_container_and_ends(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "cat", NULL };
    struct container_stream *s;
    struct container_spec spec;
    struct client c = { 0 };
    char big[50000];

    memset(big, 'x', sizeof(big));
    box_spec(b, &spec, argv);
    spec.open_stdin = true;
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    s = attach(b, &c, true, true);
    assert_int_equal(container_start(b->c, &b->err), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(container_stream_write(s, big, sizeof(big), &b->err), 0);
    container_stream_shutdown(s);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 0);
    assert_true(box_until(b, &c.ended));
    assert_int_equal(c.out.len, 20 * sizeof(big));
    container_stream_close(s);
    client_fini(&c);
}

static void without_stdin_the_container_reads_nothing(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "cat", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    assert_int_equal(box_run(b, &spec), 0);
    assert_int_equal(b->out.len, 0);
}

static void a_client_may_come_and_go_and_stdin_stays_open(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "cat", NULL };
    struct container_stream *s;
    struct container_spec spec;
    struct client c = { .await = "one\n" };
    struct client d = { .await = "two\n" };

    box_spec(b, &spec, argv);
    spec.open_stdin = true;
    box_start(b, &spec);
    s = attach(b, &c, true, false);
    assert_int_equal(container_stream_write(s, "one\n", 4, &b->err), 0);
    assert_true(box_until(b, &c.seen));
    container_stream_close(s);
    s = attach(b, &d, true, true);
    assert_int_equal(container_stream_write(s, "two\n", 4, &b->err), 0);
    assert_true(box_until(b, &d.seen));
    assert_string_equal(sw_buf_str(&d.out), "two\n");
    container_stream_close(s); /* StdinOnce */
    assert_true(box_until(b, &b->exited));
    client_fini(&c);
    client_fini(&d);
}

static void a_terminal_is_one(void **state)
{
    struct box *b = box_of(state);
    struct container_stream *s;
    struct container_spec spec;
    struct client c = { .await = "hi 3" };
    const char *argv[4];

    box_sh(b, &spec, argv,
           "tty; stty size; echo $TERM; test -c /dev/console && echo console; "
           "read x; echo $x $((1+2)); sleep 0.1; stty size; exit 4");
    spec.tty = true;
    spec.open_stdin = true;
    spec.tty_rows = 24;
    spec.tty_cols = 80;
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    s = attach(b, &c, true, false);
    assert_int_equal(container_start(b->c, &b->err), 0);
    assert_int_equal(container_stream_write(s, "hi\n", 3, &b->err), 0);
    assert_true(box_until(b, &c.seen));
    assert_int_equal(container_resize(b->c, 30, 100, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 4);
    assert_true(box_until(b, &c.ended));
    assert_non_null(strstr(sw_buf_str(&c.out), "/dev/pts/0\r\n24 80\r\nxterm\r\nconsole\r\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "30 100\r\n"));
    container_stream_close(s);
    client_fini(&c);
}

static void a_slow_client_gets_everything(void **state)
{
    struct box *b = box_of(state);
    struct container_stream *s;
    struct container_spec spec;
    struct client c = { 0 };
    const char *argv[4];

    box_sh(b, &spec, argv, "seq 1 200000");
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    s = attach(b, &c, false, false);
    container_stream_pause(s, true);
    assert_int_equal(container_start(b->c, &b->err), 0);
    for (int i = 0; i < 20; i++) {
        (void)usleep(10000);
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(c.out.len, 0);
    assert_false(b->exited); /* the container waits for the client */
    container_stream_pause(s, false);
    assert_true(box_until(b, &b->exited));
    assert_true(box_until(b, &c.ended));
    assert_int_equal(c.out.len, 1288895); /* wc -c of it */
    container_stream_close(s);
    client_fini(&c);
    box_read_log(b);
    assert_int_equal(b->out.len, 1288895);
}

/* ---- exec ---- */

static void x_started(struct container_exec *x, pid_t pid, void *data)
{
    assert_int_equal(container_exec_pid(x), pid);
    assert_true(pid > 1);
    ((struct client *)data)->started = true;
}

static void x_failed(struct container_exec *x, int code, const struct sw_err *err, void *data)
{
    struct client *c = data;

    (void)x;
    assert_false(c->failed || c->exited);
    c->failed = c->exited = true;
    c->code = code;
    c->why = *err;
}

static void x_output(struct container_exec *x, enum container_stdio which, const uint8_t *p,
                     size_t len, void *data)
{
    (void)x;
    take(data, which, p, len);
}

static void x_exited(struct container_exec *x, int code, void *data)
{
    struct client *c = data;

    (void)x;
    assert_false(c->failed || c->exited);
    assert_true(c->started);
    c->exited = true;
    c->code = code;
}

static struct container_exec *run(struct box *b, struct client *c,
                                  const struct container_exec_options *o)
{
    const struct container_exec_events ev = { x_started, x_failed, x_output, NULL, x_exited, c };
    struct container_exec *x = NULL;

    if (container_exec(&x, b->c, o, &ev, &b->err) != 0)
        fail_msg("%s", b->err.msg);
    return x;
}

static void start_sleeper(struct box *b)
{
    static const char *const argv[] = { "sleep", "1000", NULL };
    static const char *const env[] = { "A=1", "B=2", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    spec.env = env;
    spec.hostname = "h1";
    box_start(b, &spec);
}

static void exec_gives_output_and_code(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c", "echo in; echo err >&2; exit 5", NULL };
    const struct container_exec_options o = { .argv = argv };
    struct container_exec *x;
    struct client c = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 5);
    assert_string_equal(sw_buf_str(&c.out), "in\n");
    assert_string_equal(sw_buf_str(&c.err), "err\n");
    container_exec_free(x);
    client_fini(&c);
}

static void exec_has_environment_user_and_directory(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c",
                                 "env; pwd; id -u; hostname; grep -E "
                                 "'CapBnd|CapEff|Seccomp:' /proc/self/status; probe fds",
                                 NULL };
    const char *const env[] = { "X=1", "B=3", NULL };
    const struct container_exec_options o = {
        .argv = argv, .env = env, .cwd = "/tmp", .user = "nobody"
    };
    struct container_exec *x;
    struct client c = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 0);
    assert_non_null(strstr(sw_buf_str(&c.out),
                           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "A=1\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "B=3\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "X=1\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "HOME=/home\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "/tmp\n65534\nh1\nCapEff:\t0000000000000000\n"
                                               "CapBnd:\t00000000a80425fb\nSeccomp:\t2\n0 1 2 \n"));
    container_exec_free(x);
    client_fini(&c);
}

static void exec_is_in_the_containers_cgroup_and_namespaces(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c",
                                 "for n in mnt pid net uts ipc cgroup; do test $(readlink "
                                 "/proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; done; "
                                 "sleep 1000; true",
                                 NULL };
    const struct container_exec_options o = { .argv = argv };
    struct container_exec *x;
    struct client c = { 0 };
    pid_t *pids = NULL;
    size_t n = 0;

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.started));
    for (int i = 0; i < 200 && n < 3; i++) {
        free(pids);
        pids = NULL;
        (void)usleep(5000);
        assert_int_equal(container_pids(b->c, &pids, &n, &b->err), 0);
    }
    assert_int_equal(n, 3); /* sleep, sh, sleep */
    free(pids);
    assert_int_equal(container_exec_signal(x, SIGKILL, &b->err), 0);
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 137);
    assert_string_equal(sw_buf_str(&c.out), "");
    container_exec_free(x);
    client_fini(&c);
}

static void exec_of_a_missing_command_fails_in_dockers_words(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "nosuch", NULL };
    const struct container_exec_options o = { .argv = argv };
    const struct container_exec_options bad_user = { .argv = argv, .user = "nosuch" };
    struct container_exec *x;
    struct client c = { 0 };
    struct client d = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.exited));
    assert_true(c.failed);
    assert_int_equal(c.code, 127);
    assert_string_equal(c.why.msg, "exec: \"nosuch\": executable file not found in $PATH");
    container_exec_free(x);
    x = run(b, &d, &bad_user);
    assert_true(box_until(b, &d.exited));
    assert_true(d.failed);
    assert_string_equal(d.why.msg,
                        "unable to find user nosuch: no matching entries in passwd file");
    container_exec_free(x);
    client_fini(&c);
    client_fini(&d);
}

static void exec_reads_standard_input(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "cat", NULL };
    const struct container_exec_options o = { .argv = argv, .in = true };
    struct container_exec *x;
    struct client c = { 0 };
    char big[100000];

    memset(big, 'y', sizeof(big));
    start_sleeper(b);
    x = run(b, &c, &o);
    for (int i = 0; i < 10; i++)
        assert_int_equal(container_exec_write(x, big, sizeof(big), &b->err), 0);
    container_exec_shutdown(x);
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 0);
    assert_int_equal(c.out.len, 10 * sizeof(big));
    container_exec_free(x);
    client_fini(&c);
}

static void exec_with_a_terminal(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c",
                                 "tty; stty size; echo $TERM; read x; echo got $x; exit 7", NULL };
    const struct container_exec_options o = {
        .argv = argv, .tty = true, .in = true, .tty_rows = 25, .tty_cols = 90
    };
    struct container_exec *x;
    struct client c = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_int_equal(container_exec_write(x, "word\n", 5, &b->err), 0);
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 7);
    assert_non_null(strstr(sw_buf_str(&c.out), "/dev/pts/"));
    assert_non_null(strstr(sw_buf_str(&c.out), "25 90\r\nxterm\r\n"));
    assert_non_null(strstr(sw_buf_str(&c.out), "got word\r\n"));
    container_exec_free(x);
    client_fini(&c);
}

static void a_detached_exec_goes_on_without_its_handle(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c", "sleep 0.1; echo x > /done", NULL };
    const struct container_exec_options o = { .argv = argv, .discard = true };
    struct container_exec *x;
    struct client c = { 0 };
    char path[300];

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.started));
    container_exec_free(x);
    (void)snprintf(path, sizeof(path), "%s/done", b->upper);
    for (int i = 0; i < 200 && access(path, F_OK) != 0; i++)
        (void)usleep(10000);
    assert_int_equal(access(path, F_OK), 0);
    client_fini(&c);
}

static void output_that_a_child_keeps_open_is_cut(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c", "sleep 1000 & echo started", NULL };
    const struct container_exec_options o = { .argv = argv };
    struct container_exec *x;
    struct client c = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 0);
    assert_string_equal(sw_buf_str(&c.out), "started\n");
    container_exec_free(x);
    client_fini(&c);
}

static void many_short_execs_all_end(void **state)
{
    enum { N = 40 };
    struct box *b = box_of(state);
    const char *const argv[] = { "sh", "-c", "echo a; exit 3", NULL };
    const struct container_exec_options o = { .argv = argv };
    struct container_exec *x[N];
    static struct client c[N];

    memset(c, 0, sizeof(c));
    start_sleeper(b);
    for (int i = 0; i < N; i++)
        x[i] = run(b, &c[i], &o);
    for (int i = 0; i < N; i++) {
        assert_true(box_until(b, &c[i].exited));
        assert_int_equal(c[i].code, 3);
        assert_string_equal(sw_buf_str(&c[i].out), "a\n");
        container_exec_free(x[i]);
        client_fini(&c[i]);
    }
}

static void the_containers_end_ends_its_execs(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    const struct container_exec_options o = { .argv = argv };
    struct container_exec *x;
    struct client c = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.started));
    assert_int_equal(container_stop(b->c, 0, 0, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_true(box_until(b, &c.exited));
    assert_int_equal(c.code, 137);
    container_exec_free(x);
    x = NULL;
    assert_int_equal(container_exec(&x, b->c, &o, NULL, &b->err), SW_E_CONFLICT);
    client_fini(&c);
}

static void handles_may_outlive_the_container(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    const struct container_exec_options o = { .argv = argv };
    struct container_exec *x;
    struct client c = { 0 };

    start_sleeper(b);
    x = run(b, &c, &o);
    assert_true(box_until(b, &c.started));
    container_free(b->c);
    b->c = NULL;
    container_exec_free(x);
    client_fini(&c);
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(an_attached_client_sees_all_from_before_the_start),
        BOX_TEST(standard_input_reaches_the_container_and_ends),
        BOX_TEST(without_stdin_the_container_reads_nothing),
        BOX_TEST(a_client_may_come_and_go_and_stdin_stays_open),
        BOX_TEST(a_terminal_is_one),
        BOX_TEST(a_slow_client_gets_everything),
        BOX_TEST(exec_gives_output_and_code),
        BOX_TEST(exec_has_environment_user_and_directory),
        BOX_TEST(exec_is_in_the_containers_cgroup_and_namespaces),
        BOX_TEST(exec_of_a_missing_command_fails_in_dockers_words),
        BOX_TEST(exec_reads_standard_input),
        BOX_TEST(exec_with_a_terminal),
        BOX_TEST(a_detached_exec_goes_on_without_its_handle),
        BOX_TEST(output_that_a_child_keeps_open_is_cut),
        BOX_TEST(many_short_execs_all_end),
        BOX_TEST(the_containers_end_ends_its_execs),
        BOX_TEST(handles_may_outlive_the_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
