/* SPDX-License-Identifier: Apache-2.0
 * test_container_log.c - the log's form, bound, and reading it; with and without a container. */
#include <errno.h>
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

#include "agent/sandbox/logfile.h"
#include "agent/sandbox/wire.h"
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

/* What a reader got, as "o:text" and "e:text" with '|' where a line goes on. */
struct reader {
    struct container_log *log;
    struct sw_buf got;
    bool end;
    const char *await;
    bool seen;
    int64_t last_ns;
};

static void on_batch(struct container_log *log, int status, const struct container_log_entry *e,
                     size_t n, void *data)
{
    struct reader *r = data;

    assert_int_equal(status, 0);
    for (size_t i = 0; i < n; i++) {
        if (!e[i].continued)
            sw_buf_puts(&r->got, e[i].stream == CONTAINER_STDERR ? "e:" : "o:");
        sw_buf_add(&r->got, e[i].p, e[i].len);
        if (e[i].partial)
            sw_buf_putc(&r->got, '|');
        assert_true(e[i].ns >= r->last_ns);
        r->last_ns = e[i].ns;
    }
    if (r->await != NULL && strstr(sw_buf_str(&r->got), r->await) != NULL)
        r->seen = true;
    if (n == 0)
        r->end = true;
    else
        container_log_next(log, on_batch, r);
}

static void reader_open(struct box *b, struct reader *r, const struct container_log_options *o)
{
    assert_int_equal(container_log_open(&r->log, b->host, b->bundle, o, &b->err), 0);
    container_log_next(r->log, on_batch, r);
}

static char *read_with(struct box *b, const struct container_log_options *o)
{
    struct reader r = { 0 };
    char *text;

    reader_open(b, &r, o);
    assert_true(box_until(b, &r.end));
    container_log_close(r.log);
    text = strdup(sw_buf_str(&r.got));
    sw_buf_fini(&r.got);
    return text;
}

#define EXPECT(b, o, want)                                                                         \
    do {                                                                                           \
        char *got_ = read_with(b, o);                                                              \
        assert_string_equal(got_, want);                                                           \
        free(got_);                                                                                \
    } while (0)

/* A bundle with a log that is written by hand. */
static int hand_bundle(struct box *b)
{
    struct container_spec spec;
    int dir;

    box_spec(b, &spec, NULL);
    dir = open(b->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    return dir;
}

static void put(struct logfile *l, unsigned stream, int64_t ns, const char *text)
{
    logfile_write(l, stream, 0, ns, text, strlen(text));
}

static void tail_since_until_and_streams_select(void **state)
{
    struct box *b = box_of(state);
    struct container_log_options o = { .out = true, .err = true, .tail = -1 };
    struct logfile l;
    int dir = hand_bundle(b);

    assert_int_equal(logfile_open(&l, dir, 1 << 20, 3, &b->err), 0);
    put(&l, 1, 100, "a\nb\n");
    put(&l, 2, 200, "c\n");
    put(&l, 1, 300, "d\n");
    put(&l, 1, 400, "e"); /* the stream ended without newline */
    logfile_close(&l);
    EXPECT(b, &o, "o:a\no:b\ne:c\no:d\no:e");
    o.tail = 0;
    EXPECT(b, &o, "");
    o.tail = 1;
    EXPECT(b, &o, "o:e");
    o.tail = 4;
    EXPECT(b, &o, "o:b\ne:c\no:d\no:e");
    o.tail = 50;
    EXPECT(b, &o, "o:a\no:b\ne:c\no:d\no:e");
    o.tail = -1;
    o.since_ns = 200;
    EXPECT(b, &o, "e:c\no:d\no:e");
    o.until_ns = 300;
    EXPECT(b, &o, "e:c\no:d\n");
    o.since_ns = 0;
    o.tail = 2;
    EXPECT(b, &o, "e:c\no:d\n");
    o = (struct container_log_options){ .err = true, .tail = 1 };
    EXPECT(b, &o, "e:c\n");
    (void)close(dir);
}

static void a_missing_log_is_empty(void **state)
{
    struct box *b = box_of(state);
    struct container_log_options o = { .out = true, .err = true, .tail = -1 };
    int dir = hand_bundle(b);

    EXPECT(b, &o, "");
    o.tail = 3;
    EXPECT(b, &o, "");
    (void)close(dir);
}

static void the_size_is_bounded_and_the_oldest_goes(void **state)
{
    struct box *b = box_of(state);
    struct container_log_options o = { .out = true, .err = true, .tail = 3 };
    int dir = hand_bundle(b);
    struct logfile l;
    char line[32];
    struct stat st;
    off_t sum = 0;
    char *text;

    assert_int_equal(logfile_open(&l, dir, 1000, 3, &b->err), 0);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line), "line %d\n", i);
        put(&l, 1, i + 1, line);
    }
    logfile_close(&l);
    for (unsigned i = 0; i < 4; i++) {
        char name[LOGFILE_NAME_MAX];

        logfile_name(i, name);
        assert_int_equal(fstatat(dir, name, &st, 0), i < 3 ? 0 : -1);
        if (i < 3) {
            assert_true(st.st_size <= 1000);
            sum += st.st_size;
        }
    }
    assert_true(sum > 2000);
    EXPECT(b, &o, "o:line 997\no:line 998\no:line 999\n");
    o.tail = 40; /* reaches into the older files */
    text = read_with(b, &o);
    assert_int_equal(strncmp(text, "o:line 960\n", 11), 0);
    free(text);
    o.tail = -1;
    text = read_with(b, &o);
    assert_non_null(strstr(text, "o:line 999\n"));
    assert_null(strstr(text, "o:line 800\n"));
    free(text);
    (void)close(dir);
}

static void a_torn_record_is_left_out_and_mended(void **state)
{
    struct box *b = box_of(state);
    struct container_log_options o = { .out = true, .err = true, .tail = -1 };
    int dir = hand_bundle(b);
    struct logfile l;
    struct stat st;

    assert_int_equal(logfile_open(&l, dir, 1 << 20, 3, &b->err), 0);
    put(&l, 1, 1, "one\n");
    put(&l, 1, 2, "two\n");
    logfile_close(&l);
    assert_int_equal(fstatat(dir, "log", &st, 0), 0);
    assert_int_equal(st.st_size, 48);
    int fd = openat(dir, "log", O_RDWR | O_CLOEXEC);

    assert_int_equal(ftruncate(fd, 47), 0);
    (void)close(fd);
    EXPECT(b, &o, "o:one\n");
    assert_int_equal(logfile_open(&l, dir, 1 << 20, 3, &b->err), 0);
    put(&l, 1, 3, "three\n");
    logfile_close(&l);
    EXPECT(b, &o, "o:one\no:three\n");
    (void)close(dir);
}

static void noise_is_no_record(void **state)
{
    struct logfile_head h;
    uint8_t r[] = { 0x53, 0x6c, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 'h', '\n', 2, 0, 0, 0 };

    (void)state;
    assert_int_equal(logfile_check(r, sizeof(r), &h), 22);
    assert_int_equal(h.len, 2);
    assert_int_equal(h.ns, 9);
    for (size_t n = 0; n < sizeof(r); n++)
        assert_int_equal(logfile_check(r, n, &h), 0);
    r[2] = 3; /* no such stream */
    assert_int_equal(logfile_check(r, sizeof(r), &h), -1);
    r[2] = 1;
    r[18] = 3; /* the two lengths differ */
    assert_int_equal(logfile_check(r, sizeof(r), &h), -1);
    r[18] = 2;
    r[7] = 0x7f; /* longer than any record */
    assert_int_equal(logfile_check(r, sizeof(r), &h), -1);
}

static void long_lines_come_in_parts(void **state)
{
    struct box *b = box_of(state);
    struct container_log_options o = { .out = true, .err = true, .tail = -1 };
    char *text;

    assert_int_equal(box_sh_code(b, "head -c 40000 /dev/zero | tr '\\0' x; echo; echo next"), 0);
    text = read_with(b, &o);
    assert_int_equal(strlen(text), 2 + 40000 + 2 + 1 + 7);
    assert_true(text[2 + 16384] == '|');
    assert_non_null(strstr(text, "x\no:next\n"));
    free(text);
    o.tail = 2;
    text = read_with(b, &o);
    assert_non_null(strstr(text, "x\no:next\n"));
    free(text);
}

static void the_shim_keeps_to_the_bound(void **state)
{
    struct box *b = box_of(state);
    struct container_log_options o = { .out = true, .err = true, .tail = 2 };
    struct container_spec spec;
    const char *argv[4];
    char path[256];
    struct stat st;

    box_sh(b, &spec, argv, "seq 1 50000");
    spec.log_bytes = 65536;
    spec.log_files = 2;
    assert_int_equal(box_run(b, &spec), 0);
    EXPECT(b, &o, "o:49999\no:50000\n");
    (void)snprintf(path, sizeof(path), "%s/log", b->bundle);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 65536);
    (void)snprintf(path, sizeof(path), "%s/log.1", b->bundle);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 65536);
    (void)snprintf(path, sizeof(path), "%s/log.2", b->bundle);
    assert_int_equal(stat(path, &st), -1);
}

static void no_log_is_kept_when_none_is_wanted(void **state)
{
    struct box *b = box_of(state);
    struct container_spec spec;
    const char *argv[4];
    char path[256];

    box_sh(b, &spec, argv, "echo hello");
    spec.log_none = true;
    assert_int_equal(box_run(b, &spec), 0);
    (void)snprintf(path, sizeof(path), "%s/log", b->bundle);
    assert_int_equal(access(path, F_OK), -1);
}

static void following_sees_new_lines_and_the_end(void **state)
{
    struct box *b = box_of(state);
    const struct container_log_options o = { .out = true, .err = true, .tail = -1, .follow = true };
    struct reader r = { .await = "o:two\n" };
    struct container_spec spec;
    const char *argv[4];

    box_sh(b, &spec, argv, "echo one; sleep 0.2; echo two; sleep 0.2; echo three; exit 1");
    box_start(b, &spec);
    reader_open(b, &r, &o);
    assert_true(box_until(b, &r.seen));
    assert_false(b->exited);
    assert_true(box_until(b, &r.end));
    assert_true(box_until(b, &b->exited));
    container_log_close(r.log);
    assert_string_equal(sw_buf_str(&r.got), "o:one\no:two\no:three\n");
    sw_buf_fini(&r.got);
}

static void following_goes_on_through_rotation(void **state)
{
    struct box *b = box_of(state);
    const struct container_log_options o = { .out = true, .err = true, .tail = -1, .follow = true };
    struct reader r = { 0 };
    struct container_spec spec;
    const char *argv[4];
    size_t lines = 0;

    box_sh(b, &spec, argv, "for i in 1 2 3 4 5 6 7 8; do seq 1 500; sleep 0.05; done");
    spec.log_bytes = 4096; /* each part fills one file */
    spec.log_files = 5;
    assert_int_equal(box_create(b, &spec), 0);
    assert_true(box_until(b, &b->created));
    reader_open(b, &r, &o); /* before the first line */
    assert_int_equal(container_start(b->c, &b->err), 0);
    assert_true(box_until(b, &r.end));
    container_log_close(r.log);
    for (size_t i = 0; i < r.got.len; i++)
        lines += r.got.data[i] == '\n';
    assert_int_equal(lines, 4000);
    sw_buf_fini(&r.got);
}

static void a_reader_may_be_closed_while_it_waits(void **state)
{
    struct box *b = box_of(state);
    const char *const argv[] = { "sleep", "1000", NULL };
    const struct container_log_options o = { .out = true, .err = true, .tail = -1, .follow = true };
    struct reader r = { 0 };
    struct container_spec spec;

    box_spec(b, &spec, argv);
    box_start(b, &spec);
    reader_open(b, &r, &o);
    container_log_close(r.log); /* the worker is at work */
    reader_open(b, &r, &o);
    for (int i = 0; i < 20; i++) {
        (void)usleep(2000);
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    container_log_close(r.log); /* it waits for the bundle */
    assert_false(r.end);
}

static void the_exit_file_is_read_as_it_was_written(void **state)
{
    struct box *b = box_of(state);
    const struct wire_exit x = { .code = 137,
                                 .signal = 9,
                                 .oom_killed = true,
                                 .started = true,
                                 .started_ns = 1234567890123456789,
                                 .finished_ns = 2 };
    struct wire_exit y = { 0 };
    int dir = hand_bundle(b);
    int fd;

    assert_int_equal(wire_exit_read(dir, &y), -ENOENT);
    assert_int_equal(wire_exit_write(dir, &x), 0);
    assert_int_equal(wire_exit_read(dir, &y), 0);
    assert_int_equal(y.code, 137);
    assert_int_equal(y.signal, 9);
    assert_true(y.oom_killed && y.started);
    assert_true(y.started_ns == 1234567890123456789 && y.finished_ns == 2);
    fd = openat(dir, "exit", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, "swarm-exit 1 0 ", 15), 15);
    (void)close(fd);
    assert_int_equal(wire_exit_read(dir, &y), SW_E_CORRUPT);
    (void)close(dir);
}

static void frames_are_taken_whole_or_not(void **state)
{
    const uint8_t whole[] = { 2, 0, 0, 0, 'a', 'b', 9 };
    const uint8_t none[] = { 0, 0, 0, 0, 1 };
    const uint8_t huge[] = { 0, 0, 0, 0x7f, 1 };

    (void)state;
    assert_int_equal(wire_take(whole, 7), 2);
    assert_int_equal(wire_take(whole, 5), 0);
    assert_int_equal(wire_take(whole, 3), 0);
    assert_int_equal(wire_take(none, 5), -1);
    assert_int_equal(wire_take(huge, 5), -1);
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(tail_since_until_and_streams_select),
        BOX_TEST(a_missing_log_is_empty),
        BOX_TEST(the_size_is_bounded_and_the_oldest_goes),
        BOX_TEST(a_torn_record_is_left_out_and_mended),
        cmocka_unit_test(noise_is_no_record),
        BOX_TEST(long_lines_come_in_parts),
        BOX_TEST(the_shim_keeps_to_the_bound),
        BOX_TEST(no_log_is_kept_when_none_is_wanted),
        BOX_TEST(following_sees_new_lines_and_the_end),
        BOX_TEST(following_goes_on_through_rotation),
        BOX_TEST(a_reader_may_be_closed_while_it_waits),
        BOX_TEST(the_exit_file_is_read_as_it_was_written),
        cmocka_unit_test(frames_are_taken_whole_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
