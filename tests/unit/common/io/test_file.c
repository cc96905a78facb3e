/* SPDX-License-Identifier: Apache-2.0
 * Whole files, folders, Unix sockets. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/io/unixsock.h"
#include "tests/lib/test_heap.h"

struct fixture {
    struct test_heap heap;
    char dir[32];
    char path[64];
    struct sw_buf buf;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    test_heap_init(&f->heap);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/rpc-file-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/file", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sw_buf_fini(&f->buf);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    test_heap_check(&f->heap);
    test_heap_fini(&f->heap);
    free(f);
    return 0;
}

static void a_written_file_is_read_back_with_its_mode(void **state)
{
    struct fixture *f = *state;
    mode_t old = umask(077);
    struct stat st;

    assert_int_equal(sw_file_write(f->path, "first", 5, 0644, &f->err), 0);
    (void)umask(old);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644); /* whatever the umask */
    assert_int_equal(sw_file_write(f->path, "", 0, 0600, &f->err), 0);
    assert_int_equal(sw_file_read(f->path, 10, &f->buf, &f->err), 0);
    assert_int_equal(f->buf.len, 0);
    assert_int_equal(sw_file_write(f->path, "second", 6, 0600, &f->err), 0);
    sw_buf_puts(&f->buf, "before:");
    assert_int_equal(sw_file_read(f->path, 6, &f->buf, &f->err), 0);
    assert_string_equal(sw_buf_str(&f->buf), "before:second");
}

static void reading_is_bounded(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_file_read(f->path, 5, &f->buf, &f->err), SW_FILE_ABSENT);
    assert_int_equal(sw_file_write(f->path, "123456", 6, 0600, &f->err), 0);
    sw_buf_puts(&f->buf, "kept");
    assert_int_equal(sw_file_read(f->path, 5, &f->buf, &f->err), -EFBIG);
    assert_string_equal(sw_buf_str(&f->buf), "kept");
    assert_int_equal(sw_file_read("/dev/zero", 100000, &f->buf, &f->err), -EFBIG);
    assert_int_equal(sw_file_read(f->dir, 100, &f->buf, &f->err), -EISDIR);
    assert_string_equal(sw_buf_str(&f->buf), "kept");
    assert_int_equal(sw_file_read("/proc/self/status", 100000, &f->buf, &f->err), 0);
    assert_true(f->buf.len > 100); /* a file whose size is said to be 0 */
}

static void a_write_that_fails_leaves_the_old_file(void **state)
{
    struct fixture *f = *state;
    char tmp[80];

    assert_int_equal(sw_file_write(f->path, "old", 3, 0600, &f->err), 0);
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", f->path);
    assert_int_equal(mkdir(tmp, 0700), 0);
    assert_int_equal(sw_file_write(f->path, "new", 3, 0600, &f->err), -EEXIST);
    assert_non_null(strstr(f->err.msg, "create '"));
    assert_int_equal(rmdir(tmp), 0);
    assert_int_equal(sw_file_read(f->path, 10, &f->buf, &f->err), 0);
    assert_string_equal(sw_buf_str(&f->buf), "old");
    assert_int_equal(sw_file_write("/nonexistent/x", "a", 1, 0600, &f->err), -ENOENT);
}

static void what_a_crash_left_behind_is_replaced(void **state)
{
    struct fixture *f = *state;
    char tmp[80];
    int fd;

    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", f->path);
    fd = open(tmp, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "rubbish, longer than the new", 28), 28);
    (void)close(fd);
    assert_int_equal(sw_file_write(f->path, "new", 3, 0600, &f->err), 0);
    assert_int_equal(sw_file_read(f->path, 100, &f->buf, &f->err), 0);
    assert_string_equal(sw_buf_str(&f->buf), "new");
    assert_int_equal(access(tmp, F_OK), -1);
}

static void removing_tells_whether_it_was_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_file_remove(f->path, &f->err), SW_FILE_ABSENT);
    assert_int_equal(sw_file_write(f->path, "x", 1, 0600, &f->err), 0);
    assert_int_equal(sw_file_remove(f->path, &f->err), 0);
    assert_int_equal(sw_file_remove(f->path, &f->err), SW_FILE_ABSENT);
    assert_int_equal(sw_file_remove(f->dir, &f->err), -EISDIR);
}

static void folders_are_made_with_their_parents(void **state)
{
    struct fixture *f = *state;
    char a[64];
    char b[64];
    char c[64];
    struct stat st;

    (void)snprintf(a, sizeof(a), "%s/a", f->dir);
    (void)snprintf(b, sizeof(b), "%s/a/b", f->dir);
    (void)snprintf(c, sizeof(c), "%s/a/b/file", f->dir);
    assert_int_equal(sw_dir_make_for(c, 0700, &f->err), 0);
    assert_int_equal(sw_dir_make(b, 0755, &f->err), 0); /* is there: fine */
    assert_int_equal(stat(b, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(sw_file_write(f->path, "x", 1, 0600, &f->err), 0);
    assert_int_equal(sw_dir_make(f->path, 0700, &f->err), -ENOTDIR);
    assert_int_equal(sw_dir_make("/proc/nope/x", 0700, &f->err), -ENOENT);
    assert_int_equal(rmdir(b), 0);
    assert_int_equal(rmdir(a), 0);
}

static void any_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    int r = -ENOMEM;

    assert_int_equal(sw_file_write(f->path, "old", 3, 0600, &f->err), 0);
    for (size_t nth = 1; r == -ENOMEM; nth++) {
        test_heap_fail_nth(&f->heap, nth);
        r = sw_file_write(f->path, "new", 3, 0600, &f->err);
    }
    assert_int_equal(r, 0);
    test_heap_fail_nth(&f->heap, 1);
    assert_int_equal(sw_file_read(f->path, 10, &f->buf, &f->err), -ENOMEM);
    sw_buf_clear(&f->buf);
    test_heap_fail_nth(&f->heap, 1);
    assert_int_equal(sw_dir_make(f->dir, 0700, &f->err), -ENOMEM);
}

/* ------------------------------------------------------------------ Unix sockets */

static void a_socket_file_never_has_more_rights_than_asked(void **state)
{
    struct fixture *f = *state;
    mode_t old = umask(0);
    struct stat st;
    int fd;

    assert_int_equal(sw_unix_listen(f->path, 0660, &fd, &f->err), 0);
    (void)umask(old);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(sw_unix_listen(f->path, 0600, &fd, &f->err), -EADDRINUSE);
    (void)close(fd); /* a crash: the file stays */
    assert_int_equal(sw_unix_listen(f->path, 0600, &fd, &f->err), 0);
    (void)close(fd);
}

static void a_file_that_is_no_socket_is_not_removed(void **state)
{
    struct fixture *f = *state;
    int fd;

    assert_int_equal(sw_file_write(f->path, "x", 1, 0600, &f->err), 0);
    assert_int_equal(sw_unix_listen(f->path, 0600, &fd, &f->err), -EADDRINUSE);
    assert_non_null(strstr(f->err.msg, "exists and is no socket"));
    assert_int_equal(access(f->path, F_OK), 0);
}

static void a_path_that_does_not_fit_is_said(void **state)
{
    struct fixture *f = *state;
    char path[200];
    int fd;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(sw_unix_connect(path, &fd, &f->err), -ENAMETOOLONG);
    assert_int_equal(sw_unix_connect(f->path, &fd, &f->err), -ENOENT);
}

static void descriptors_arrive_with_the_first_byte(void **state)
{
    struct fixture *f = *state;
    struct sw_unix_cred cred;
    int fds[SW_UNIX_FDS_MAX];
    size_t n;
    char buf[8];
    int pipe_fd[2];
    int l, c, s;
    char hello[] = "hello";
    struct iovec iov = { hello, 5 };

    assert_int_equal(sw_unix_listen(f->path, 0600, &l, &f->err), 0);
    assert_int_equal(sw_unix_connect(f->path, &c, &f->err), 0);
    s = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(s >= 0);
    assert_int_equal(sw_unix_cred(s, &cred, &f->err), 0);
    assert_int_equal(cred.pid, getpid());
    assert_int_equal(cred.uid, getuid());
    assert_int_equal(sw_unix_recv(s, buf, sizeof(buf), fds, &n), -EAGAIN);

    assert_int_equal(pipe(pipe_fd), 0);
    assert_int_equal(sw_unix_send(c, &iov, 1, pipe_fd, 2), 5);
    assert_int_equal(sw_unix_recv(s, buf, 2, fds, &n), 2);
    assert_int_equal(n, 2);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(read(pipe_fd[0], buf, 1), 1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_int_equal(sw_unix_recv(s, buf, sizeof(buf), fds, &n), 3);
    assert_int_equal(n, 0);
    (void)close(c);
    assert_int_equal(sw_unix_recv(s, buf, sizeof(buf), fds, &n), 0);
    assert_int_equal(sw_unix_send(s, &iov, 1, NULL, 0), -EPIPE); /* and no signal */
    (void)close(pipe_fd[0]);
    (void)close(pipe_fd[1]);
    (void)close(s);
    (void)close(l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_written_file_is_read_back_with_its_mode),
        T(reading_is_bounded),
        T(a_write_that_fails_leaves_the_old_file),
        T(what_a_crash_left_behind_is_replaced),
        T(removing_tells_whether_it_was_there),
        T(folders_are_made_with_their_parents),
        T(any_allocation_may_fail),
        T(a_socket_file_never_has_more_rights_than_asked),
        T(a_file_that_is_no_socket_is_not_removed),
        T(a_path_that_does_not_fit_is_said),
        T(descriptors_arrive_with_the_first_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
