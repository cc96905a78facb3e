/* SPDX-License-Identifier: Apache-2.0
 * Streams, on a pair in memory: order, credit, pausing, ending, deadlines, cancellation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/conn.h"
#include "tests/unit/common/rpc/pair.h"

static void messages_arrive_whole_and_in_order(void **state)
{
    struct pair *p = *state;

    open_both(p);
    send_text(p, &p->at[0], "alpha");
    send_text(p, &p->at[0], "beta");
    send_text(p, &p->at[0], "");
    send_text(p, &p->at[0], "gamma");
    assert_int_equal(p->at[1].messages, 0); /* never inside the call */
    run_until(&p->w, &p->at[1].messages, 4);
    assert_int_equal(p->at[1].bytes, 14);
    assert_memory_equal(p->at[1].last, "gamma", 5);
    send_text(p, &p->at[1], "and back");
    run_until(&p->w, &p->at[0].messages, 1);
    assert_int_equal(p->at[0].last_len, 8);
}

static void both_halves_end_one_after_the_other(void **state)
{
    struct pair *p = *state;

    open_both(p);
    send_text(p, &p->at[0], "last words");
    sw_rpc_stream_end(p->at[0].s);
    sw_rpc_stream_end(p->at[0].s);
    run_until(&p->w, &p->at[1].ends, 1);
    assert_int_equal(p->at[1].messages, 1);
    run_for(&p->w, 20);
    assert_int_equal(p->at[0].closed + p->at[1].closed, 0);
    assert_int_equal(sw_rpc_stream_send(p->at[0].s, "x", 1, &p->w.err), SW_E_INVALID);
    send_text(p, &p->at[1], "still here");
    sw_rpc_stream_end(p->at[1].s);
    assert_int_equal(p->at[1].closed, 0);
    run_until(&p->w, &p->at[0].closed, 1);
    run_until(&p->w, &p->at[1].closed, 1);
    assert_true(p->at[0].clean && p->at[1].clean);
    assert_int_equal(p->at[0].ends, 1);
    assert_int_equal(p->at[0].messages, 1);
}

static void an_error_reaches_the_peer_unchanged_and_behind_the_data(void **state)
{
    struct pair *p = *state;
    struct sw_err why;

    open_both(p);
    send_text(p, &p->at[1], "before");
    (void)sw_err_set(&why, SW_E_NOT_FOUND,
                     "no such service: w\xc3\xa4"
                     "b");
    sw_rpc_stream_fail(p->at[1].s, &why);
    p->at[1].s = NULL;
    run_until(&p->w, &p->at[0].closed, 1);
    assert_int_equal(p->at[0].messages, 1);
    assert_false(p->at[0].clean);
    assert_int_equal(p->at[0].why.code, SW_E_NOT_FOUND);
    assert_string_equal(p->at[0].why.msg, "no such service: w\xc3\xa4"
                                          "b");
    assert_int_equal(p->at[1].closed, 0);
}

static void a_message_of_eight_megabytes_passes_and_one_more_byte_does_not(void **state)
{
    struct pair *p = *state;
    char *big = calloc(1, SW_RPC_MESSAGE_MAX + 1);

    open_both(p);
    big[0] = 'B';
    assert_int_equal(sw_rpc_stream_send(p->at[0].s, big, SW_RPC_MESSAGE_MAX + 1, &p->w.err),
                     SW_E_INVALID);
    assert_int_equal(sw_rpc_stream_send(p->at[0].s, big, SW_RPC_MESSAGE_MAX, &p->w.err),
                     SW_RPC_FULL);
    run_until(&p->w, &p->at[1].messages, 1);
    assert_int_equal(p->at[1].last_len, SW_RPC_MESSAGE_MAX);
    run_until(&p->w, &p->at[0].writable, 1);
    free(big);
}

static void a_paused_reader_stalls_the_sender_and_nobody_else(void **state)
{
    struct pair *p = *state;
    static char chunk[10000];
    struct end other;
    unsigned sent = 0;

    open_both(p);
    sw_rpc_stream_pause(p->at[1].s);
    memset(chunk, 'x', sizeof(chunk));
    for (int round = 0; round < 50; round++) {
        unsigned before = p->at[0].writable;

        while (sw_rpc_stream_send(p->at[0].s, chunk, sizeof(chunk), &p->w.err) == 0)
            sent++;
        sent++;
        run_for(&p->w, 5);
        if (p->at[0].writable == before)
            break;
    }
    assert_int_equal(p->at[1].messages, 0);
    /* About one credit has left, the rest waits here: below two credits in all. */
    assert_in_range(sent * sizeof(chunk), SW_RPC_CREDIT - 70000, 2 * SW_RPC_CREDIT);
    assert_in_range(sw_rpc_stream_queued(p->at[0].s), 1, SW_RPC_CREDIT);

    p->second_open = true;
    open_on(p, &other, (struct sw_rpc_open){ 0 });
    send_text(p, &other, "overtakes");
    run_until(&p->w, &p->second.messages, 1);

    sw_rpc_stream_resume(p->at[1].s);
    assert_int_equal(p->at[1].messages, 0);
    run_until(&p->w, &p->at[1].messages, sent);
    assert_int_equal(p->at[1].bytes, sent * sizeof(chunk));
    sw_rpc_stream_cancel(other.s);
}

static void the_queue_of_a_stream_is_bounded(void **state)
{
    struct pair *p = *state;
    char *mb = calloc(1, 1024 * 1024);
    int r = 0;
    int n;

    open_both(p);
    sw_rpc_stream_pause(p->at[1].s);
    for (n = 0; n < 100 && r >= 0; n++)
        r = sw_rpc_stream_send(p->at[0].s, mb, 1024 * 1024, &p->w.err);
    assert_int_equal(r, SW_E_EXHAUSTED);
    assert_int_equal(n, 17);
    free(mb);
}

static void a_paused_stream_learns_of_cancellation_at_once(void **state)
{
    struct pair *p = *state;

    open_both(p);
    sw_rpc_stream_pause(p->at[1].s);
    send_text(p, &p->at[0], "never read");
    run_for(&p->w, 10);
    sw_rpc_stream_cancel(p->at[0].s);
    run_until(&p->w, &p->at[1].closed, 1);
    assert_int_equal(p->at[1].why.code, SW_E_CANCELED);
    assert_int_equal(p->at[1].messages, 0);
    assert_int_equal(p->at[0].closed, 0);
}

static void what_stands_behind_a_paused_message_waits_for_it(void **state)
{
    struct pair *p = *state;
    struct sw_err why;

    open_both(p);
    sw_rpc_stream_pause(p->at[1].s);
    send_text(p, &p->at[0], "data");
    (void)sw_err_set(&why, SW_E_CONFLICT, "after it");
    sw_rpc_stream_fail(p->at[0].s, &why);
    run_for(&p->w, 10);
    assert_int_equal(p->at[1].closed, 0);
    sw_rpc_stream_resume(p->at[1].s);
    run_until(&p->w, &p->at[1].closed, 1);
    assert_int_equal(p->at[1].messages, 1);
    assert_int_equal(p->at[1].why.code, SW_E_CONFLICT);
}

/* What no peer of ours sends: a second verdict on a stream whose first still waits. */
static void a_second_verdict_is_ignored(void **state)
{
    struct pair *p = *state;
    struct sw_buf frames = SW_BUF_INIT;
    struct sw_buf record = SW_BUF_INIT;
    struct sw_err why;

    open_both(p);
    sw_rpc_stream_pause(p->at[1].s);
    send_text(p, &p->at[0], "data");
    run_for(&p->w, 5);
    (void)sw_err_set(&why, SW_E_CONFLICT, "first");
    rpc_frame_put_status(&frames, 1, FRAME_STATUS, &why);
    (void)sw_err_set(&why, SW_E_INTERNAL, "second");
    rpc_frame_put_status(&frames, 1, FRAME_STATUS, &why);
    rpc_record_put(&record, frames.data, frames.len);
    rpc_conn_transport_cb.on_bytes(p->conn[1], record.data, record.len);
    sw_rpc_stream_resume(p->at[1].s);
    run_until(&p->w, &p->at[1].closed, 1);
    assert_int_equal(p->at[1].why.code, SW_E_CONFLICT);
    sw_buf_fini(&frames);
    sw_buf_fini(&record);
}

static void urgent_goes_before_normal_before_bulk(void **state)
{
    struct pair *p = *state;
    static char block[40000];
    struct end e[3];
    const enum sw_rpc_priority order[3] = { SW_RPC_BULK, SW_RPC_NORMAL, SW_RPC_URGENT };

    p->sink = true;
    for (int i = 0; i < 3; i++) {
        open_on(p, &e[i], (struct sw_rpc_open){ .priority = order[i] });
        run_for(&p->w, 2);
    }
    /* What has left is what is no longer queued. */
    for (int i = 0; i < 3; i++)
        assert_true(sw_rpc_stream_send(e[i].s, block, i == 2 ? 100 : sizeof(block), &p->w.err) >=
                    0);
    for (int i = 0; i < 6; i++)
        assert_true(sw_rpc_stream_send(e[0].s, block, sizeof(block), &p->w.err) >= 0);
    while (sw_rpc_stream_queued(e[0].s) > 0) {
        size_t bulk = sw_rpc_stream_queued(e[0].s);

        (void)uv_run(&p->w.loop, UV_RUN_ONCE);
        if (sw_rpc_stream_queued(e[0].s) < bulk) { /* the first turn that moved bulk */
            assert_int_equal(sw_rpc_stream_queued(e[2].s), 0);
            assert_int_equal(sw_rpc_stream_queued(e[1].s), 0);
            break;
        }
    }
    sw_rpc_conn_close(p->conn[0]);
    p->conn[0] = NULL;
}

static void a_deadline_ends_the_stream_on_both_sides(void **state)
{
    struct pair *p = *state;

    open_on(p, &p->at[0], (struct sw_rpc_open){ .deadline_ms = 40 });
    run_until(&p->w, &p->at[0].closed, 1);
    assert_int_equal(p->at[0].why.code, SW_E_DEADLINE);
    run_until(&p->w, &p->at[1].closed, 1);
    assert_int_equal(p->at[1].why.code, SW_E_DEADLINE);
    open_both(p); /* the connection goes on */
}

static void a_peer_that_vanishes_ends_every_stream_once(void **state)
{
    struct pair *p = *state;
    struct answer a = { 0 };
    const struct sw_rpc_call call = { .method = METHOD_CALL, .done = answer_done, .arg = &a };

    open_both(p);
    send_text(p, &p->at[0], "half of a");
    assert_int_equal(sw_rpc_call(p->conn[0], &call, &p->w.err), 0);
    run_until(&p->w, &p->calls, 1);
    sw_rpc_conn_close(p->conn[1]);
    p->conn[1] = NULL;
    assert_int_equal(p->at[1].closed, 1); /* inside the close */
    assert_int_equal(p->at[1].why.code, SW_E_CANCELED);
    assert_int_equal(p->downs[1], 0);
    run_until(&p->w, &p->downs[0], 1);
    assert_int_equal(p->down[0].code, SW_E_UNAVAILABLE);
    assert_int_equal(p->at[0].closed, 1);
    assert_int_equal(p->at[0].why.code, SW_E_UNAVAILABLE);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.err.code, SW_E_UNAVAILABLE);
}

static void a_callback_may_cancel_its_stream(void **state)
{
    struct pair *p = *state;

    open_both(p);
    p->at[1].cancel_on_message = true;
    send_text(p, &p->at[0], "1");
    send_text(p, &p->at[0], "2");
    run_until(&p->w, &p->at[0].closed, 1);
    assert_int_equal(p->at[1].messages, 1);
    assert_int_equal(p->at[0].why.code, SW_E_CANCELED);
}

static void a_callback_may_close_its_connection(void **state)
{
    struct pair *p = *state;

    open_both(p);
    p->at[1].close_conn_on_message = true;
    send_text(p, &p->at[0], "1");
    send_text(p, &p->at[0], "2");
    run_until(&p->w, &p->downs[0], 1);
    p->conn[1] = NULL;
    assert_int_equal(p->at[1].messages, 1);
    assert_int_equal(p->at[1].closed, 1);
    assert_int_equal(p->at[0].closed, 1);
}

static void a_handler_that_does_nothing_fails_the_stream(void **state)
{
    struct pair *p = *state;

    p->leave_alone = true;
    open_on(p, &p->at[0], (struct sw_rpc_open){ 0 });
    run_until(&p->w, &p->at[0].closed, 1);
    assert_int_equal(p->at[0].why.code, SW_E_INTERNAL);
}

static void a_stream_nobody_listens_to_still_sends_its_rest(void **state)
{
    struct pair *p = *state;
    static char block[200000];

    open_both(p);
    assert_int_equal(sw_rpc_stream_send(p->at[1].s, block, sizeof(block), &p->w.err), SW_RPC_FULL);
    sw_rpc_stream_set_cb(p->at[1].s, NULL, NULL);
    send_text(p, &p->at[0], "to nobody");
    run_until(&p->w, &p->at[0].messages, 1);
    sw_rpc_stream_end(p->at[1].s);
    run_until(&p->w, &p->at[0].ends, 1);
    sw_rpc_stream_end(p->at[0].s);
    run_until(&p->w, &p->at[0].closed, 1);
    assert_true(p->at[0].clean);
    assert_int_equal(p->at[1].messages, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        P(messages_arrive_whole_and_in_order),
        P(both_halves_end_one_after_the_other),
        P(an_error_reaches_the_peer_unchanged_and_behind_the_data),
        P(a_message_of_eight_megabytes_passes_and_one_more_byte_does_not),
        P(a_paused_reader_stalls_the_sender_and_nobody_else),
        P(the_queue_of_a_stream_is_bounded),
        P(a_paused_stream_learns_of_cancellation_at_once),
        P(what_stands_behind_a_paused_message_waits_for_it),
        P(a_second_verdict_is_ignored),
        P(urgent_goes_before_normal_before_bulk),
        P(a_deadline_ends_the_stream_on_both_sides),
        P(a_peer_that_vanishes_ends_every_stream_once),
        P(a_callback_may_cancel_its_stream),
        P(a_callback_may_close_its_connection),
        P(a_handler_that_does_nothing_fails_the_stream),
        P(a_stream_nobody_listens_to_still_sends_its_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
