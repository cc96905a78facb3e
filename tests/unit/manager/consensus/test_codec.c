/* SPDX-License-Identifier: Apache-2.0
 * test_codec.c - the pure parts: entries, configurations, the log's shadow, messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "manager/consensus/conf.h"
#include "manager/consensus/entry.h"
#include "manager/consensus/log.h"
#include "manager/consensus/message.h"

/* ---- entries -----------------------------------------------------------------------------------
 */

static void an_entry_is_padded_to_eight_bytes(void **state)
{
    (void)state;
    assert_int_equal(cons_entry_size(0, true), 24);
    assert_int_equal(cons_entry_size(1, true), 32);
    assert_int_equal(cons_entry_size(8, true), 32);
    assert_int_equal(cons_entry_size(9, true), 40);
    assert_int_equal(cons_entry_size(9, false), 33);
}

static void an_entry_has_this_form(void **state)
{
    static const uint8_t want[32] = { 'S', 'C', 'E', '1', 5,   0,   0,   0, 7, 0, 0,
                                      0,   0,   0,   0,   0,   8,   1,   0, 0, 0, 0,
                                      0,   0,   'h', 'e', 'l', 'l', 'o', 0, 0, 0 };
    uint8_t b[32];
    struct cons_entry e;
    struct sw_err err;

    (void)state;
    memset(b, 0xff, sizeof(b));
    memcpy(b + 24, "hello", 5);
    cons_entry_write_header(b, sizeof(b), 7, 264, 5);
    assert_memory_equal(b, want, sizeof(want));
    assert_int_equal(cons_entry_decode(b, sizeof(b), &e, &err), 0);
    assert_int_equal(e.index, 7);
    assert_int_equal(e.chain, 264);
    assert_int_equal(e.len, 5);
    assert_memory_equal(e.data, "hello", 5);
}

static void a_damaged_entry_is_refused(void **state)
{
    uint8_t b[32] = { 0 };
    struct cons_entry e;
    struct sw_err err;

    (void)state;
    assert_int_equal(cons_entry_decode(b, sizeof(b), &e, &err), SW_E_CORRUPT);
    cons_entry_write_header(b, sizeof(b), 7, 1, 5);
    assert_int_equal(cons_entry_decode(b, 23, &e, &err), SW_E_CORRUPT);
    b[4] = 9; /* longer than there is room */
    assert_int_equal(cons_entry_decode(b, sizeof(b), &e, &err), SW_E_CORRUPT);
    b[4] = 0; /* more than padding behind it */
    assert_int_equal(cons_entry_decode(b, sizeof(b), &e, &err), SW_E_CORRUPT);
}

static void the_chain_tells_order_place_and_content(void **state)
{
    uint64_t ab = cons_chain_next(cons_chain_next(1, 5, "a", 1), 6, "b", 1);

    (void)state;
    assert_true(ab == cons_chain_next(cons_chain_next(1, 5, "a", 1), 6, "b", 1));
    assert_true(ab != cons_chain_next(cons_chain_next(1, 5, "b", 1), 6, "a", 1));
    assert_true(ab != cons_chain_next(cons_chain_next(1, 5, "a", 1), 7, "b", 1));
    assert_true(cons_chain_next(1, 5, "12345678", 8) != cons_chain_next(1, 5, "12345679", 8));
    assert_true(cons_chain_next(1, 5, "x\0", 2) != cons_chain_next(1, 5, "x", 1));
}

/* ---- the log's shadow --------------------------------------------------------------------------
 */

static void the_tail_follows_appends_and_truncations(void **state)
{
    struct cons_log l;

    (void)state;
    cons_log_init(&l);
    assert_int_equal(cons_log_tail(&l), CONS_CHAIN_INITIAL);
    for (uint64_t i = 2; i <= 200; i += 2) /* more than the first allocation */
        assert_int_equal(cons_log_push(&l, i, i * 10), 0);
    l.next_index = 201;
    assert_int_equal(cons_log_tail(&l), 2000);
    cons_log_applied(&l, 50, 500);
    cons_log_truncate(&l, 101);
    assert_int_equal(l.next_index, 101);
    assert_int_equal(cons_log_tail(&l), 1000);
    cons_log_truncate(&l, 52);
    assert_int_equal(cons_log_tail(&l), 500); /* of the last applied one */
    cons_log_restored(&l, 300, 77);
    assert_int_equal(cons_log_tail(&l), 77);
    cons_log_fini(&l);
}

/* ---- configurations ----------------------------------------------------------------------------
 */

static struct raft_configuration conf_of(unsigned n)
{
    static const char *const address[] = { "a:1", "b:2", "c:3" };
    struct raft_configuration c;

    raft_configuration_init(&c);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(raft_configuration_add(&c, i + 1, address[i], RAFT_VOTER), 0);
    return c;
}

static void push(struct cons_history *h, uint64_t index, unsigned n)
{
    struct raft_configuration c = conf_of(n);
    struct raft_buffer b;
    struct sw_err err;

    assert_int_equal(raft_configuration_encode(&c, &b), 0);
    assert_int_equal(cons_history_push(h, index, b.base, b.len, &err), 0);
    raft_free(b.base);
    raft_configuration_close(&c);
}

static void libraft_s_configurations_are_understood(void **state)
{
    struct raft_configuration c = conf_of(3);
    struct raft_configuration got;
    struct raft_buffer b;
    struct sw_err err;

    (void)state;
    assert_int_equal(raft_configuration_encode(&c, &b), 0);
    assert_int_equal(cons_conf_decode(b.base, b.len, &got, &err), 0);
    assert_int_equal(got.n, 3);
    assert_int_equal(got.servers[2].id, 3);
    assert_string_equal(got.servers[1].address, "b:2");
    assert_int_equal(got.servers[0].role, RAFT_VOTER);
    raft_configuration_close(&got);
    for (size_t cut = 0; cut < 35; cut++) /* 9 + 3 x (8 + 4 + 1) = 48, padded */
        assert_int_equal(cons_conf_decode(b.base, cut, &got, &err), SW_E_CORRUPT);
    ((uint8_t *)b.base)[1] = 200; /* more members than there may be */
    assert_int_equal(cons_conf_decode(b.base, b.len, &got, &err), SW_E_CORRUPT);
    ((uint8_t *)b.base)[0] = 2;
    assert_int_equal(cons_conf_decode(b.base, b.len, &got, &err), SW_E_CORRUPT);
    raft_free(b.base);
    raft_configuration_close(&c);
}

static void members_that_disappear_were_removed_when_it_is_committed(void **state)
{
    struct cons_history h;

    (void)state;
    cons_history_init(&h);
    push(&h, 1, 3);
    push(&h, 10, 2);
    assert_false(cons_history_commit(&h, 9));
    assert_false(cons_history_is_removed(&h, 3));
    assert_true(cons_history_commit(&h, 10));
    assert_true(cons_history_is_removed(&h, 3));
    assert_false(cons_history_is_removed(&h, 2));
    push(&h, 20, 1);
    assert_true(cons_history_truncate(&h, 15));
    assert_int_equal(cons_history_last(&h)->index, 10);
    assert_false(cons_history_truncate(&h, 11));
    assert_false(cons_history_is_removed(&h, 2));
    cons_history_fini(&h);
}

static void only_so_many_removed_ones_are_remembered(void **state)
{
    struct cons_history h;

    (void)state;
    cons_history_init(&h);
    for (uint64_t id = 1; id <= CONS_REMOVED_MAX + 1; id++)
        assert_int_equal(cons_history_add_removed(&h, id), 0);
    assert_int_equal(h.n_removed, CONS_REMOVED_MAX);
    assert_false(cons_history_is_removed(&h, 1)); /* the oldest */
    assert_true(cons_history_is_removed(&h, 2));
    assert_true(cons_history_is_removed(&h, CONS_REMOVED_MAX + 1));
    cons_history_fini(&h);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

struct appended {
    struct raft_message m;
    struct raft_entry entries[4];
    uint8_t data[4][16];
};

static void make_append(struct appended *x)
{
    memset(x, 0, sizeof(*x));
    for (unsigned i = 0; i < 4; i++) {
        memset(x->data[i], 'a' + (int)i, 16);
        x->entries[i] = (struct raft_entry){
            3 + i, i == 0 ? RAFT_BARRIER : RAFT_COMMAND, { x->data[i], 16 }, NULL
        };
    }
    x->m.type = RAFT_IO_APPEND_ENTRIES;
    x->m.append_entries = (struct raft_append_entries){ .term = 9,
                                                        .prev_log_index = 10,
                                                        .prev_log_term = 2,
                                                        .leader_commit = 13,
                                                        .entries = x->entries,
                                                        .n_entries = 4 };
}

static void an_append_in_pieces_is_as_good_as_the_whole(void **state)
{
    const struct raft_append_entries *a;
    struct appended x;
    struct cons_frame f;
    struct sw_err err;
    uint8_t *bytes;
    size_t len;

    (void)state;
    make_append(&x);
    assert_int_equal(cons_piece_entries(&x.m.append_entries, 0, 80), 2); /* 2 x (16 + 24) */
    assert_int_equal(cons_piece_entries(&x.m.append_entries, 2, 1), 1);  /* at least one */
    assert_int_equal(cons_encode_message(&x.m, 0, 2, "a:1", &bytes, &len), 0);
    assert_int_equal(cons_frame_decode(bytes, len, &f, &err), 0);
    a = &f.msg.append_entries;
    assert_string_equal(f.address, "a:1");
    assert_int_equal(a->prev_log_index, 10);
    assert_int_equal(a->prev_log_term, 2);
    assert_int_equal(a->leader_commit, 12); /* not beyond the piece */
    assert_int_equal(a->n_entries, 2);
    assert_int_equal(a->entries[0].type, RAFT_BARRIER);
    cons_frame_fini(&f);
    sw_free(bytes);
    assert_int_equal(cons_encode_message(&x.m, 2, 2, "a:1", &bytes, &len), 0);
    assert_int_equal(cons_frame_decode(bytes, len, &f, &err), 0);
    assert_int_equal(a->prev_log_index, 12);
    assert_int_equal(a->prev_log_term, 4); /* of the entry before the piece */
    assert_int_equal(a->leader_commit, 13);
    assert_int_equal(a->entries[1].term, 6);
    assert_memory_equal(a->entries[1].buf.base, x.data[3], 16);
    assert_int_equal((uintptr_t)a->entries[1].buf.base % 8, 0);
    cons_frame_fini(&f);
    sw_free(bytes);
}

static void entries_that_libraft_can_t_take_are_refused(void **state)
{
    struct appended x;
    struct cons_frame f;
    struct sw_err err;
    uint8_t *bytes;
    size_t len;

    (void)state;
    for (unsigned what = 0; what < 5; what++) {
        make_append(&x);
        if (what == 0)
            x.entries[1].buf.len = 13;
        else if (what == 1)
            x.entries[1].type = 9;
        else if (what == 2)
            x.entries[1].type = RAFT_CHANGE; /* which this is none */
        else if (what == 3)
            x.entries[1].term = 0;
        else
            x.m.append_entries.prev_log_index = UINT64_MAX - 2;
        assert_int_equal(cons_encode_message(&x.m, 0, 4, "", &bytes, &len), 0);
        assert_int_equal(cons_frame_decode(bytes, len, &f, &err), SW_E_PROTOCOL);
        sw_free(bytes);
    }
}

static void votes_travel(void **state)
{
    struct raft_message m = { .type = RAFT_IO_REQUEST_VOTE };
    struct cons_frame f;
    struct sw_err err;
    uint8_t *bytes;
    size_t len;

    (void)state;
    m.request_vote.term = 5;
    m.request_vote.last_log_index = 100;
    m.request_vote.last_log_term = 4;
    m.request_vote.pre_vote = true;
    assert_int_equal(cons_encode_message(&m, 0, 0, "", &bytes, &len), 0);
    assert_int_equal(cons_frame_decode(bytes, len, &f, &err), 0);
    assert_int_equal(f.msg.type, RAFT_IO_REQUEST_VOTE);
    assert_int_equal(f.msg.request_vote.term, 5);
    assert_int_equal(f.msg.request_vote.last_log_index, 100);
    assert_true(f.msg.request_vote.pre_vote && !f.msg.request_vote.disrupt_leader);
    cons_frame_fini(&f);
    sw_free(bytes);
}

static void parts_of_snapshots_are_bulk(void **state)
{
    struct cons_chunk k = { .term = 2,
                            .last_index = 9,
                            .last_term = 2,
                            .conf = (const uint8_t *)"c",
                            .conf_len = 1,
                            .total = 10,
                            .offset = 4,
                            .data = (const uint8_t *)"123456",
                            .len = 6 };
    struct cons_ack a = { 2, 9, 10, true };
    struct cons_frame f;
    struct sw_err err;
    uint8_t *bytes;
    size_t len;

    (void)state;
    assert_int_equal(cons_encode_chunk(&k, "a:1", &bytes, &len), 0);
    assert_true(consensus_is_bulk(bytes, len));
    assert_int_equal(cons_frame_decode(bytes, len, &f, &err), 0);
    assert_int_equal(f.kind, CONS_FRAME_CHUNK);
    assert_int_equal(f.chunk.offset, 4);
    assert_memory_equal(f.chunk.data, "123456", 6);
    cons_frame_fini(&f);
    sw_free(bytes);
    k.offset = 5; /* beyond the end */
    assert_int_equal(cons_encode_chunk(&k, "a:1", &bytes, &len), 0);
    assert_int_equal(cons_frame_decode(bytes, len, &f, &err), SW_E_PROTOCOL);
    sw_free(bytes);
    assert_int_equal(cons_encode_ack(&a, &bytes, &len), 0);
    assert_false(consensus_is_bulk(bytes, len));
    assert_int_equal(cons_frame_decode(bytes, len, &f, &err), 0);
    assert_true(f.ack.installed);
    cons_frame_fini(&f);
    sw_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_padded_to_eight_bytes),
        cmocka_unit_test(an_entry_has_this_form),
        cmocka_unit_test(a_damaged_entry_is_refused),
        cmocka_unit_test(the_chain_tells_order_place_and_content),
        cmocka_unit_test(the_tail_follows_appends_and_truncations),
        cmocka_unit_test(libraft_s_configurations_are_understood),
        cmocka_unit_test(members_that_disappear_were_removed_when_it_is_committed),
        cmocka_unit_test(only_so_many_removed_ones_are_remembered),
        cmocka_unit_test(an_append_in_pieces_is_as_good_as_the_whole),
        cmocka_unit_test(entries_that_libraft_can_t_take_are_refused),
        cmocka_unit_test(votes_travel),
        cmocka_unit_test(parts_of_snapshots_are_bulk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
