/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/packet/replay.h"

static void a_counter_passes_once(void **state)
{
    static struct vtep_replay r;

    (void)state;
    for (uint64_t c = 0; c < 20000; c++) {
        assert_true(vtep_replay_may(&r, c));
        assert_true(vtep_replay_mark(&r, c));
        assert_false(vtep_replay_may(&r, c));
        assert_false(vtep_replay_mark(&r, c));
    }
}

static void late_packets_inside_the_window_pass_once(void **state)
{
    static struct vtep_replay r;

    (void)state;
    assert_true(vtep_replay_mark(&r, 100000));
    for (uint64_t back = 1; back < VTEP_REPLAY_WINDOW; back++) {
        assert_true(vtep_replay_mark(&r, 100000 - back));
        assert_false(vtep_replay_mark(&r, 100000 - back));
    }
    assert_false(vtep_replay_mark(&r, 100000 - VTEP_REPLAY_WINDOW)); /* too old */
    assert_false(vtep_replay_mark(&r, 0));
}

static void a_jump_forgets_what_was_seen_a_turn_ago(void **state)
{
    static struct vtep_replay r;

    (void)state;
    for (uint64_t c = 0; c < 64; c++)
        assert_true(vtep_replay_mark(&r, c));
    assert_true(vtep_replay_mark(&r, 1000000)); /* far more than the bitmap */
    for (uint64_t back = 1; back < VTEP_REPLAY_WINDOW; back++)
        assert_true(vtep_replay_may(&r, 1000000 - back));
    assert_true(vtep_replay_mark(&r, 1000000 + 64 * VTEP_REPLAY_WORDS)); /* exactly one turn */
    assert_true(vtep_replay_may(&r, 1000000 + 64 * VTEP_REPLAY_WORDS - 1));
    assert_false(vtep_replay_may(&r, 1000000));
}

/* Any order, checked against a list of everything that was ever accepted. */
static void random_order_agrees_with_a_list(void **state)
{
    static struct vtep_replay r;
    static uint8_t seen[1 << 17];
    uint64_t top = 0, x = 88172645463325252ull;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t c;
        bool want;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        c = top > 9000 ? top + x % 600 - 500 : top + x % 600;
        if (x >> 56 == 7 && c > 9000)
            c -= 8500; /* far behind */
        if (c >= sizeof(seen))
            break;
        want = !seen[c] && (c >= top || top - c <= VTEP_REPLAY_WINDOW);
        assert_int_equal(vtep_replay_mark(&r, c), want);
        if (want) {
            seen[c] = 1;
            top = c + 1 > top ? c + 1 : top;
        }
    }
    assert_true(top > 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_passes_once),
        cmocka_unit_test(late_packets_inside_the_window_pass_once),
        cmocka_unit_test(a_jump_forgets_what_was_seen_a_turn_ago),
        cmocka_unit_test(random_order_agrees_with_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
