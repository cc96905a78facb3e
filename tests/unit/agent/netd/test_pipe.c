/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/netd/netd_pipe.h"

struct fixture {
    int fd[2];
    struct netd_pipe a, b;
    struct sw_err err;
    unsigned n; /* frames b got */
    size_t last_len;
    uint8_t last[64];
    size_t take; /* descriptors to take with each */
    int fds[16];
    int answer; /* of the frame callback */
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->fd) < 0)
        return -1;
    netd_pipe_init(&f->a, f->fd[0]);
    netd_pipe_init(&f->b, f->fd[1]);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    netd_pipe_fini(&f->a);
    netd_pipe_fini(&f->b);
    if (f->fd[0] >= 0)
        close(f->fd[0]);
    close(f->fd[1]);
    test_free(f);
    return 0;
}

static int on_frame(void *ctx, struct netd_pipe *p, const uint8_t *bytes, size_t n,
                    struct sw_err *err)
{
    struct fixture *f = ctx;

    f->n++;
    f->last_len = n;
    memcpy(f->last, bytes, n < sizeof(f->last) ? n : sizeof(f->last));
    if (f->take > 0 && netd_pipe_take(p, f->fds, f->take, err) < 0)
        return err->code;
    return f->answer < 0 ? sw_err_set(err, f->answer, "no more") : 0;
}

static int read_b(struct fixture *f)
{
    return netd_pipe_read(&f->b, on_frame, f, &f->err);
}

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void frames_arrive_whole_and_in_order(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 10; i++) {
        char text[10] = { 'a', (char)('0' + i) };

        assert_int_equal(netd_pipe_write(&f->a, text, 2 + i % 3, NULL, 0, &f->err), 0);
        assert_int_equal(netd_pipe_flush(&f->a, &f->err), 0);
    }
    assert_int_equal(read_b(f), 0);
    assert_int_equal(f->n, 10);
    assert_int_equal(f->last_len, 2);
    assert_memory_equal(f->last, "a9", 2);
}

static void a_frame_in_pieces_is_put_together(void **state)
{
    static const uint8_t bytes[] = { 5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o' };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(f->n, 0);
        assert_int_equal(write(f->fd[0], bytes + i, 1), 1);
        assert_int_equal(read_b(f), 0);
    }
    assert_int_equal(f->n, 1);
    assert_memory_equal(f->last, "hello", 5);
}

static void a_large_frame_goes_in_several_writes(void **state)
{
    struct fixture *f = *state;
    size_t n = 4u << 20;
    uint8_t *big = malloc(n);
    int r;

    memset(big, 'x', n);
    assert_int_equal(netd_pipe_write(&f->a, big, n, NULL, 0, &f->err), 0);
    free(big);
    while ((r = netd_pipe_flush(&f->a, &f->err)) == 1)
        assert_int_equal(read_b(f), 0);
    assert_int_equal(r, 0);
    assert_int_equal(read_b(f), 0);
    assert_int_equal(f->n, 1);
    assert_int_equal(f->last_len, n);
}

static void descriptors_come_with_their_frame(void **state)
{
    struct fixture *f = *state;
    int p[2];
    char c = 0;

    f->take = 2;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pipe(p), 0);
        assert_int_equal(netd_pipe_write(&f->a, "x", 1, p, 2, &f->err), 0);
        assert_int_equal(netd_pipe_flush(&f->a, &f->err), 0);
        assert_int_equal(read_b(f), 0);
        assert_int_equal(f->n, i + 1);
        assert_int_equal(write(f->fds[1], "z", 1), 1); /* they are connected to each other */
        assert_int_equal(read(f->fds[0], &c, 1), 1);
        assert_int_equal(c, 'z');
        close(f->fds[0]);
        close(f->fds[1]);
    }
}

static void no_descriptor_is_ever_left_open(void **state)
{
    struct fixture *f = *state;
    unsigned before = open_fds();
    int p[2];

    assert_int_equal(pipe(p), 0); /* sent, taken by nobody */
    assert_int_equal(netd_pipe_write(&f->a, "x", 1, p, 2, &f->err), 0);
    assert_int_equal(netd_pipe_flush(&f->a, &f->err), 0);
    assert_int_equal(read_b(f), 0);
    assert_int_equal(pipe(p), 0); /* never sent */
    assert_int_equal(netd_pipe_write(&f->a, "x", 1, p, 2, &f->err), 0);
    assert_int_equal(pipe(p), 0); /* refused */
    assert_int_equal(netd_pipe_write(&f->a, "", 0, p, 2, &f->err), SW_E_INVALID);
    netd_pipe_fini(&f->a);
    netd_pipe_fini(&f->b);
    assert_int_equal(open_fds(), before);
}

static void fewer_descriptors_than_announced_end_the_connection(void **state)
{
    struct fixture *f = *state;

    f->take = 1;
    assert_int_equal(netd_pipe_write(&f->a, "x", 1, NULL, 0, &f->err), 0);
    assert_int_equal(netd_pipe_flush(&f->a, &f->err), 0);
    assert_int_equal(read_b(f), SW_E_PROTOCOL);
}

static void senseless_lengths_end_the_connection(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write(f->fd[0], "\1\0\0\1", 4), 4); /* 16 MiB and one */
    assert_int_equal(read_b(f), SW_E_PROTOCOL);
    netd_pipe_fini(&f->b);
    netd_pipe_init(&f->b, f->fd[1]);
    assert_int_equal(write(f->fd[0], "\0\0\0\0", 4), 4);
    assert_int_equal(read_b(f), SW_E_PROTOCOL);
}

static void the_end_of_the_stream_and_the_callees_no_are_reported(void **state)
{
    struct fixture *f = *state;

    f->answer = -EPERM;
    assert_int_equal(netd_pipe_write(&f->a, "x", 1, NULL, 0, &f->err), 0);
    assert_int_equal(netd_pipe_flush(&f->a, &f->err), 0);
    assert_int_equal(read_b(f), -EPERM);
    close(f->fd[0]);
    f->fd[0] = -1;
    assert_int_equal(read_b(f), SW_E_UNAVAILABLE);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(frames_arrive_whole_and_in_order),
        TEST(a_frame_in_pieces_is_put_together),
        TEST(a_large_frame_goes_in_several_writes),
        TEST(descriptors_come_with_their_frame),
        TEST(no_descriptor_is_ever_left_open),
        TEST(fewer_descriptors_than_announced_end_the_connection),
        TEST(senseless_lengths_end_the_connection),
        TEST(the_end_of_the_stream_and_the_callees_no_are_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
