/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/id.h"

static void base36_matches_numbers_worked_out_by_hand(void **state)
{
    char out[32];

    (void)state;
    sw_base36((const uint8_t[]){ 0 }, 1, out, 3);
    assert_string_equal(out, "000");
    sw_base36((const uint8_t[]){ 35 }, 1, out, 3);
    assert_string_equal(out, "00z");
    sw_base36((const uint8_t[]){ 36 }, 1, out, 3);
    assert_string_equal(out, "010");
    sw_base36((const uint8_t[]){ 255 }, 1, out, 2); /* 7 * 36 + 3 */
    assert_string_equal(out, "73");
    sw_base36((const uint8_t[]){ 1, 0 }, 2, out, 2); /* 256 = 7 * 36 + 4 */
    assert_string_equal(out, "74");
    sw_base36((const uint8_t[]){ 0xff, 0xff }, 2, out, 4); /* 65535 = 1*46656+14*1296+20*36+15 */
    assert_string_equal(out, "1ekf");
}

static void base36_is_read_back_within_its_bounds(void **state)
{
    uint8_t two[2];
    uint8_t one[1];

    (void)state;
    assert_true(sw_base36_parse("1ekf", 4, two, 2));
    assert_int_equal(two[0] << 8 | two[1], 65535);
    assert_false(sw_base36_parse("1ekg", 4, two, 2)); /* 65536 */
    assert_true(sw_base36_parse("73", 2, one, 1));
    assert_int_equal(one[0], 255);
    assert_false(sw_base36_parse("74", 2, one, 1));
    assert_false(sw_base36_parse("A0", 2, one, 1));
    assert_false(sw_base36_parse("-1", 2, one, 1));
    assert_false(sw_base36_parse(" 1", 2, one, 1));
}

static void ids_are_25_characters_and_round_trip(void **state)
{
    struct sw_id id;
    struct sw_id back;
    char text[SW_ID_CHARS + 1];

    (void)state;
    memset(&id, 0, sizeof(id));
    sw_id_format(&id, text);
    assert_string_equal(text, "0000000000000000000000000");
    assert_true(sw_id_is_zero(&id));
    memset(&id, 0xff, sizeof(id));
    sw_id_format(&id, text);
    assert_string_equal(text, "f5lxx1zz5pnorynqglhzmsp33");
    for (int i = 0; i < 100; i++) {
        sw_id_random(&id);
        assert_false(sw_id_is_zero(&id));
        sw_id_format(&id, text);
        assert_int_equal(strlen(text), 25);
        assert_true(sw_id_parse(text, &back));
        assert_true(sw_id_equal(&id, &back));
    }
}

static void what_is_no_id_is_refused(void **state)
{
    struct sw_id id;

    (void)state;
    assert_false(sw_id_parse("", &id));
    assert_false(sw_id_parse("000000000000000000000000", &id));
    assert_false(sw_id_parse("00000000000000000000000000", &id));
    assert_false(sw_id_parse("000000000000000000000000Z", &id));
    assert_false(sw_id_parse("f5lxx1zz5pnorynqglhzmsp34", &id)); /* 2^128 */
    assert_true(sw_id_parse("f5lxx1zz5pnorynqglhzmsp33", &id));
}

static void hex_round_trips(void **state)
{
    const uint8_t bytes[] = { 0x00, 0x7f, 0xa5, 0xff };
    uint8_t back[4];
    char text[9];

    (void)state;
    sw_hex(bytes, 4, text);
    assert_string_equal(text, "007fa5ff");
    assert_true(sw_hex_parse("007FA5ff", back, 4));
    assert_memory_equal(back, bytes, 4);
    assert_true(sw_hex_parse("007fa5ff and more", back, 4));
    assert_false(sw_hex_parse("007fa5f", back, 4));
    assert_false(sw_hex_parse("007fa5fg", back, 4));
    assert_false(sw_hex_parse("", back, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base36_matches_numbers_worked_out_by_hand),
        cmocka_unit_test(base36_is_read_back_within_its_bounds),
        cmocka_unit_test(ids_are_25_characters_and_round_trip),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(hex_round_trips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
