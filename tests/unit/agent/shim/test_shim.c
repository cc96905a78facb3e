/* SPDX-License-Identifier: Apache-2.0
 * test_shim.c - the program from outside: who may speak to it, what it answers, what it weighs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <swarm/v1/shim.pb-c.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sandbox/wire.h"
#include "tests/unit/agent/sandbox/box.h"

#define SHIM_PRIVATE_MAX_KB 300

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

static void start_sleeper(struct box *b)
{
    static const char *const argv[] = { "sleep", "1000", NULL };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
}

static int dial(const struct box *b)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int dir = open(b->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = { .tv_sec = 10 };

    assert_true(dir >= 0 && fd >= 0);
    wire_address(dir, sa.sun_path);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)close(dir);
    return fd;
}

static void ask(int fd, Swarm__V1__ShimRequest *req)
{
    struct sw_buf out = SW_BUF_INIT;

    assert_int_equal(wire_add(&out, &req->base), 0);
    (void)send(fd, out.data, out.len, MSG_NOSIGNAL); /* may be refused: the answer tells */
    sw_buf_fini(&out);
}

static void say_hello(int fd)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimHello hello = SWARM__V1__SHIM_HELLO__INIT;

    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_HELLO;
    req.hello = &hello;
    ask(fd, &req);
}

static Swarm__V1__ShimEvent *answer(int fd)
{
    uint8_t buf[4096];
    ssize_t n = recv(fd, buf, WIRE_HEAD, MSG_WAITALL);
    Swarm__V1__ShimEvent *ev;
    size_t len;

    assert_int_equal(n, WIRE_HEAD);
    len = (size_t)buf[0] | (size_t)buf[1] << 8;
    assert_true(len < sizeof(buf));
    assert_int_equal(recv(fd, buf, len, MSG_WAITALL), len);
    ev = swarm__v1__shim_event__unpack(NULL, len, buf);
    assert_non_null(ev);
    return ev;
}

static void hello_is_answered_by_what_is_so(void **state)
{
    struct box *b = box_of(state);
    Swarm__V1__ShimEvent *ev;
    int fd;

    start_sleeper(b);
    fd = dial(b);
    say_hello(fd);
    ev = answer(fd);
    assert_int_equal(ev->kind_case, SWARM__V1__SHIM_EVENT__KIND_CREATED);
    assert_int_equal(ev->created->pid, b->pid);
    swarm__v1__shim_event__free_unpacked(ev, NULL);
    ev = answer(fd);
    assert_int_equal(ev->kind_case, SWARM__V1__SHIM_EVENT__KIND_STARTED);
    assert_int_equal(ev->started->pid, b->pid);
    swarm__v1__shim_event__free_unpacked(ev, NULL);
    (void)close(fd);
}

static void nonsense_ends_only_its_own_connection(void **state)
{
    static const uint8_t none[] = { 0, 0, 0, 0 };
    static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 1 };
    static const uint8_t noise[] = { 3, 0, 0, 0, 0xff, 0xff, 0xff };
    struct box *b = box_of(state);
    uint8_t byte;
    int fd;

    start_sleeper(b);
    for (int i = 0; i < 3; i++) {
        fd = dial(b);
        (void)send(fd,
                   i == 0   ? none
                   : i == 1 ? huge
                            : noise,
                   i == 0   ? sizeof(none)
                   : i == 1 ? sizeof(huge)
                            : sizeof(noise),
                   MSG_NOSIGNAL);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        (void)close(fd);
    }
    fd = dial(b);
    say_hello(fd);
    swarm__v1__shim_event__free_unpacked(answer(fd), NULL);
    (void)close(fd);
    assert_int_equal(container_stop(b->c, 0, 0, &b->err), 0);
    assert_true(box_until(b, &b->exited));
    assert_int_equal(b->exit.code, 137);
}

static void only_root_is_served(void **state)
{
    struct box *b = box_of(state);
    char path[256];
    int status;
    pid_t pid;

    start_sleeper(b);
    /* as if somebody had opened the directories and the socket to all */
    assert_int_equal(chmod(b->dir, 0755), 0);
    assert_int_equal(chmod(b->bundle, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/" WIRE_SOCKET, b->bundle);
    assert_int_equal(chmod(path, 0777), 0);
    pid = fork();
    if (pid == 0) { /* no assertion in here: it would go on with the tests */
        struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = WIRE_SOCKET };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint8_t byte;

        if (chdir(b->bundle) < 0 || setgid(1000) < 0 || setuid(1000) < 0)
            _exit(1);
        if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
            _exit(3);
        say_hello(fd);
        _exit(recv(fd, &byte, 1, 0) > 0 ? 2 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_bundle_without_specification_fails(void **state)
{
    struct box *b = box_of(state);
    Swarm__V1__ShimEvent *ev;
    int pair[2];
    int status;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(pair[1], 3);
        (void)execl(SWARM_SHIM, "swarm-shim", b->dir, NULL);
        _exit(99);
    }
    (void)close(pair[1]);
    ev = answer(pair[0]);
    assert_int_equal(ev->kind_case, SWARM__V1__SHIM_EVENT__KIND_FAILED);
    assert_int_equal(ev->failed->exit_code, 128);
    assert_string_equal(ev->failed->message, "open spec.pb: No such file or directory");
    swarm__v1__shim_event__free_unpacked(ev, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void)close(pair[0]);
}

static void it_says_how_it_is_used(void **state)
{
    (void)state;
    assert_int_equal(WEXITSTATUS(system(SWARM_SHIM " 2>/dev/null")), 2);
}

/* What is not of the program file, which all shims share. */
static long private_kb(pid_t pid)
{
    char path[64];
    char line[256];
    long sum = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "Anonymous:", 10) == 0)
            sum += strtol(strchr(line, ':') + 1, NULL, 10);
    (void)fclose(f);
    return sum;
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

static void it_is_light_and_stays_so(void **state)
{
    struct box *b = box_of(state);
    static const char *const argv[] = { "sleep", "1000", NULL };
    char *env[2001];
    struct container_spec spec;
    long kb;

    /* a large specification must not stay in memory */
    for (int i = 0; i < 2000; i++) {
        env[i] = malloc(64);
        (void)snprintf(env[i], 64, "VARIABLE_%d=%040d", i, i);
    }
    env[2000] = NULL;
    box_spec(b, &spec, argv);
    spec.env = (const char *const *)env;
    box_start(b, &spec);
    kb = private_kb(parent_of(b->pid));
    for (int i = 0; i < 2000; i++)
        free(env[i]);
#ifdef __SANITIZE_ADDRESS__
    (void)kb; /* most of it is the sanitizer's */
#else
    if (kb > SHIM_PRIVATE_MAX_KB)
        fail_msg("%ld KB of private memory", kb);
#endif
}

static void signals_of_strangers_do_not_end_it(void **state)
{
    struct box *b = box_of(state);
    pid_t shim;

    start_sleeper(b);
    shim = parent_of(b->pid);
    assert_int_equal(kill(shim, SIGTERM), 0);
    assert_int_equal(kill(shim, SIGINT), 0);
    assert_int_equal(kill(shim, SIGHUP), 0);
    assert_int_equal(kill(shim, SIGPIPE), 0);
    (void)usleep(50000);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_false(b->exited);
    assert_int_equal(kill(b->pid, 0), 0);
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(hello_is_answered_by_what_is_so),
        BOX_TEST(nonsense_ends_only_its_own_connection),
        BOX_TEST(only_root_is_served),
        BOX_TEST(a_bundle_without_specification_fails),
        cmocka_unit_test(it_says_how_it_is_used),
        BOX_TEST(it_is_light_and_stays_so),
        BOX_TEST(signals_of_strangers_do_not_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
