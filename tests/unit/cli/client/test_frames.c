/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/client/frames.h"

struct seen {
    struct sw_buf text;
    size_t frames;
};

static int on_frame(void *arg, enum frame_stream stream, const char *data, size_t n,
                    struct sw_err *err)
{
    struct seen *s = arg;

    (void)err;
    s->frames++;
    sw_buf_printf(&s->text, "%d:%.*s;", (int)stream, (int)(n < 100 ? n : 0), data);
    return 0;
}

static const char two[] = "\1\0\0\0\0\0\0\3abc\2\0\0\0\0\0\0\2de\1\0\0\0\0\0\0\0";

static void frames_come_whole_however_they_are_cut(void **state)
{
    struct sw_err err;

    (void)state;
    for (size_t cut = 0; cut < sizeof(two) - 1; cut++) {
        struct seen s = { SW_BUF_INIT, 0 };
        struct frames f = { .on_frame = on_frame, .arg = &s };

        assert_int_equal(frames_push(&f, two, cut, &err), 0);
        assert_int_equal(frames_push(&f, two + cut, sizeof(two) - 1 - cut, &err), 0);
        assert_string_equal(sw_buf_str(&s.text), "1:abc;2:de;1:;");
        frames_fini(&f);
        sw_buf_fini(&s.text);
    }
}

static void unknown_streams_and_errors_of_the_server_end_it(void **state)
{
    struct seen s = { SW_BUF_INIT, 0 };
    struct frames f = { .on_frame = on_frame, .arg = &s };
    struct sw_err err;

    (void)state;
    assert_int_equal(frames_push(&f, "\7\0\0\0\0\0\0\1x", 9, &err), SW_E_PROTOCOL);
    frames_fini(&f);
    assert_int_equal(frames_push(&f, "\3\0\0\0\0\0\0\4oops", 12, &err), SW_E_INTERNAL);
    assert_string_equal(err.msg, "error from daemon in stream: oops");
    frames_fini(&f);
    sw_buf_fini(&s.text);
}

static void giant_frames_are_handed_out_in_parts(void **state)
{
    struct seen s = { SW_BUF_INIT, 0 };
    struct frames f = { .on_frame = on_frame, .arg = &s };
    struct sw_err err;
    char block[65536] = { 0 };
    size_t total = 2 * FRAME_MAX + 5;

    (void)state;
    assert_int_equal(frames_push(&f, "\1\0\0\0\0\x20\0\5", 8, &err), 0); /* 2 MiB + 5 */
    for (size_t left = total; left > 0;) {
        size_t n = left < sizeof(block) ? left : sizeof(block);

        assert_int_equal(frames_push(&f, block, n, &err), 0);
        left -= n;
    }
    assert_int_equal(s.frames, 3);
    assert_int_equal(f.pending.len, 0);
    frames_fini(&f);
    sw_buf_fini(&s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_whole_however_they_are_cut),
        cmocka_unit_test(unknown_streams_and_errors_of_the_server_end_it),
        cmocka_unit_test(giant_frames_are_handed_out_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
