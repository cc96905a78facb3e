/* SPDX-License-Identifier: Apache-2.0
 * Unix sockets: credentials, who may call, descriptors that travel with messages. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/common/rpc/world.h"

enum { METHOD_FD = 200 };

struct unix_fixture {
    struct world w;
    struct sw_rpc_server *server;
    struct seen at_server;
    struct seen at_dialer;
    char dir[32];
    char path[64];
    char address[80];
    unsigned messages;
    unsigned with_fd;
    unsigned closed;
    char text[32]; /* read from the last descriptor */
};

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct unix_fixture *f = arg;
    int fd;

    f->messages++;
    if (len >= 4 && memcmp(bytes, "keep", 4) == 0) { /* leave the descriptor alone */
        f->with_fd++;
        return;
    }
    fd = sw_rpc_stream_take_fd(s);
    if (fd < 0)
        return;
    f->with_fd++;
    memset(f->text, 0, sizeof(f->text));
    assert_true(read(fd, f->text, sizeof(f->text) - 1) >= 0);
    (void)close(fd);
}

static void on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct unix_fixture *f = arg;

    (void)s;
    (void)err;
    f->closed++;
}

static const struct sw_rpc_stream_cb cb = { .on_message = on_message, .on_close = on_close };

static void on_open(struct sw_rpc_stream *s, void *arg)
{
    sw_rpc_stream_set_cb(s, &cb, arg);
}

static struct sw_rpc_method methods[] = {
    { .method = METHOD_FD, .name = "fd", .allow = SW_RPC_LOCAL, .on_open = on_open },
    { .method = METHOD_MANAGERS, .name = "managers", .allow = SW_RPC_MANAGER, .on_open = on_open },
};

static int unix_setup(void **state)
{
    struct unix_fixture *f = calloc(1, sizeof(*f));
    struct sw_rpc_listen o = { .methods = methods,
                               .n_methods = SW_ARRAY_LEN(methods),
                               .on_up = seen_up,
                               .on_down = seen_down,
                               .arg = &f->at_server };

    world_init(&f->w);
    methods[0].arg = f;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/rpc-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
    (void)snprintf(f->address, sizeof(f->address), "unix:%s", f->path);
    o.loop = &f->w.loop;
    o.address = f->address;
    if (sw_rpc_server_new(&f->server, &o, &f->w.err) < 0)
        fail_msg("%s", f->w.err.msg);
    *state = f;
    return 0;
}

static int unix_teardown(void **state)
{
    struct unix_fixture *f = *state;

    sw_rpc_server_free(f->server);
    world_fini(&f->w);
    assert_int_equal(rmdir(f->dir), 0); /* the socket file went with the server */
    free(f);
    return 0;
}

static struct sw_rpc_conn *dial_unix(struct unix_fixture *f)
{
    struct sw_rpc_conn *c;

    c = world_dial(&f->w, &(struct sw_rpc_dial){ .purpose = SW_RPC_UNIX }, &f->at_dialer,
                   f->address);
    run_until(&f->w, &f->at_dialer.ups, f->at_dialer.ups + 1);
    return c;
}

static struct sw_rpc_stream *open_fd_stream(struct unix_fixture *f, struct sw_rpc_conn *c)
{
    const struct sw_rpc_open open = { .method = METHOD_FD, .cb = &cb, .arg = f };
    struct sw_rpc_stream *s;

    assert_int_equal(sw_rpc_stream_open(&s, c, &open, &f->w.err), 0);
    return s;
}

/* A pipe's reading end with @text in it. */
static int pipe_with(const char *text)
{
    int fd[2];

    assert_int_equal(pipe(fd), 0);
    assert_int_equal(write(fd[1], text, strlen(text)), strlen(text));
    (void)close(fd[1]);
    return fd[0];
}

static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void both_ends_know_the_kernels_word(void **state)
{
    struct unix_fixture *f = *state;
    struct sw_rpc_conn *c = dial_unix(f);
    struct stat st;

    run_until(&f->w, &f->at_server.ups, 1);
    assert_int_equal(f->at_server.peer.kind, SW_RPC_LOCAL);
    assert_int_equal(f->at_server.peer.uid, getuid());
    assert_int_equal(f->at_server.peer.pid, getpid());
    assert_int_equal(f->at_dialer.peer.kind, SW_RPC_LOCAL);
    assert_int_equal(f->at_dialer.peer.pid, getpid());
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    sw_rpc_conn_close(c);
}

static void descriptors_travel_with_their_messages(void **state)
{
    struct unix_fixture *f = *state;
    struct sw_rpc_conn *c = dial_unix(f);
    struct sw_rpc_stream *s = open_fd_stream(f, c);
    static char big[100000];
    int before;

    for (int i = 0; i < 3; i++) { /* small, and in many fragments */
        int fd = pipe_with(i == 1 ? "one" : "other");

        assert_true(sw_rpc_stream_send(s, "plain", 5, &f->w.err) >= 0);
        assert_true(sw_rpc_stream_send_fd(s, big, i == 1 ? sizeof(big) : 7, fd, &f->w.err) >= 0);
        (void)close(fd);
        run_until(&f->w, &f->with_fd, (unsigned)i + 1);
        assert_string_equal(f->text, i == 1 ? "one" : "other");
    }
    assert_int_equal(f->messages, 6);
    before = open_fds();
    for (int i = 0; i < 40; i++) { /* more than one write may carry; nobody takes them */
        int fd = pipe_with("x");

        assert_true(sw_rpc_stream_send_fd(s, "keep", 4, fd, &f->w.err) >= 0);
        (void)close(fd);
    }
    run_until(&f->w, &f->with_fd, 43);
    run_for(&f->w, 5);
    assert_int_equal(open_fds(), before);
    sw_rpc_conn_close(c);
}

static void descriptors_that_never_left_are_closed(void **state)
{
    struct unix_fixture *f = *state;
    struct sw_rpc_conn *c = dial_unix(f);
    struct sw_rpc_stream *s = open_fd_stream(f, c);
    int before = open_fds();
    int fd = pipe_with("x");

    assert_true(sw_rpc_stream_send_fd(s, "a", 1, fd, &f->w.err) >= 0);
    assert_true(sw_rpc_stream_send_fd(s, "b", 1, fd, &f->w.err) >= 0);
    (void)close(fd);
    sw_rpc_stream_cancel(s);
    assert_int_equal(open_fds(), before);
    sw_rpc_conn_close(c);
}

static void descriptors_do_not_travel_over_tcp(void **state)
{
    struct unix_fixture *f = *state;
    struct seen seen = { 0 };
    char address[64];
    struct sw_rpc_server *tcp = world_listen(&f->w, &(struct sw_rpc_listen){ 0 }, NULL, address);
    struct sw_rpc_conn *c = world_dial(&f->w, &(struct sw_rpc_dial){ 0 }, &seen, address);
    const struct sw_rpc_open open = { .method = METHOD_STREAM, .cb = &cb, .arg = f };
    struct sw_rpc_stream *s;

    run_until(&f->w, &seen.ups, 1);
    assert_int_equal(sw_rpc_stream_open(&s, c, &open, &f->w.err), 0);
    assert_int_equal(sw_rpc_stream_send_fd(s, "x", 1, 0, &f->w.err), SW_E_UNSUPPORTED);
    sw_rpc_conn_close(c);
    sw_rpc_server_free(tcp);
}

static void a_local_process_is_no_manager(void **state)
{
    struct unix_fixture *f = *state;
    struct sw_rpc_conn *c = dial_unix(f);
    struct answer a;

    ask(&f->w, c, METHOD_MANAGERS, "x", &a);
    assert_int_equal(a.err.code, SW_E_PERMISSION);
    assert_string_equal(a.err.msg, "a local process may not call managers");
    sw_rpc_conn_close(c);
}

static void a_live_socket_is_not_taken_over_a_dead_one_is(void **state)
{
    struct unix_fixture *f = *state;
    struct sw_rpc_listen o = { .loop = &f->w.loop, .address = f->address };
    struct sw_rpc_server *second;
    char kept[80];

    assert_int_equal(sw_rpc_server_new(&second, &o, &f->w.err), -EADDRINUSE);
    (void)snprintf(kept, sizeof(kept), "%s.kept", f->path);
    assert_int_equal(rename(f->path, kept), 0); /* as after a crash: a file without a listener */
    sw_rpc_server_free(f->server);
    run_for(&f->w, 5);
    assert_int_equal(rename(kept, f->path), 0);
    assert_int_equal(sw_rpc_server_new(&f->server, &o, &f->w.err), 0);
}

static void nobody_there_is_said_with_the_path(void **state)
{
    struct unix_fixture *f = *state;
    char expected[128];

    sw_rpc_server_free(f->server);
    f->server = NULL;
    (void)world_dial(&f->w, &(struct sw_rpc_dial){ .purpose = SW_RPC_UNIX }, &f->at_dialer,
                     f->address);
    run_until(&f->w, &f->at_dialer.downs, 1);
    (void)snprintf(expected, sizeof(expected), "connect to '%s': No such file or directory",
                   f->path);
    assert_string_equal(f->at_dialer.down.msg, expected);
    assert_int_equal(f->at_dialer.down.code, -ENOENT);
}

#define U(name) cmocka_unit_test_setup_teardown(name, unix_setup, unix_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        U(both_ends_know_the_kernels_word),        U(descriptors_travel_with_their_messages),
        U(descriptors_that_never_left_are_closed), U(descriptors_do_not_travel_over_tcp),
        U(a_local_process_is_no_manager),          U(a_live_socket_is_not_taken_over_a_dead_one_is),
        U(nobody_there_is_said_with_the_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
