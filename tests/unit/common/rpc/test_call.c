/* SPDX-License-Identifier: Apache-2.0
 * Calls, on a pair in memory: late answers, cancellation, deadlines, many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/rpc/pair.h"

static void an_answer_may_come_later(void **state)
{
    struct pair *p = *state;
    struct answer a = { 0 };
    const struct sw_rpc_call call = { .method = METHOD_CALL, .done = answer_done, .arg = &a };

    assert_int_equal(sw_rpc_call(p->conn[0], &call, &p->w.err), 0);
    run_until(&p->w, &p->calls, 1);
    run_for(&p->w, 20);
    assert_int_equal(a.done, 0);
    sw_rpc_reply(p->called, "late", 4);
    run_until(&p->w, &a.done, 1);
    assert_int_equal(a.err.code, 0);
    assert_memory_equal(a.bytes, "late", 4);
    assert_int_equal(sw_rpc_conn_queued(p->conn[1]), 0);
}

static void a_canceled_call_is_never_answered(void **state)
{
    struct pair *p = *state;
    struct answer a = { 0 };
    struct sw_rpc_stream *handle;
    const struct sw_rpc_call call = {
        .method = METHOD_CALL, .done = answer_done, .arg = &a, .handle = &handle
    };

    assert_int_equal(sw_rpc_call(p->conn[0], &call, &p->w.err), 0);
    run_until(&p->w, &p->calls, 1);
    memset(&p->at[1], 0, sizeof(p->at[1]));
    p->at[1].s = p->called;
    sw_rpc_stream_set_cb(p->called, &end_cb, &p->at[1]);
    sw_rpc_stream_cancel(handle);
    run_until(&p->w, &p->at[1].closed, 1);
    assert_int_equal(p->at[1].why.code, SW_E_CANCELED);
    assert_int_equal(a.done, 0);
}

static void a_call_ends_at_its_deadline(void **state)
{
    struct pair *p = *state;
    struct answer a = { 0 };
    const struct sw_rpc_call call = {
        .method = METHOD_CALL, .deadline_ms = 30, .done = answer_done, .arg = &a
    };

    assert_int_equal(sw_rpc_call(p->conn[0], &call, &p->w.err), 0);
    run_until(&p->w, &a.done, 1);
    assert_int_equal(a.err.code, SW_E_DEADLINE);
    assert_string_equal(a.err.msg, "manager did not answer in time");
}

static void closing_the_connection_ends_calls_and_no_more(void **state)
{
    struct pair *p = *state;
    struct answer a = { 0 };
    const struct sw_rpc_call call = { .method = METHOD_CALL, .done = answer_done, .arg = &a };

    assert_int_equal(sw_rpc_call(p->conn[0], &call, &p->w.err), 0);
    sw_rpc_conn_close(p->conn[0]);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.err.code, SW_E_CANCELED);
    p->conn[0] = NULL;
    run_until(&p->w, &p->downs[1], 1);
    assert_int_equal(p->downs[0], 0);
}

static void thousands_of_calls_at_once_are_all_answered(void **state)
{
    struct pair *p = *state;
    struct answer a = { 0 };
    const struct sw_rpc_call call = { .method = METHOD_CALL, .done = answer_done, .arg = &a };

    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(sw_rpc_call(p->conn[0], &call, &p->w.err), 0);
        run_until(&p->w, &p->calls, i + 1);
        sw_rpc_reply(p->called, "x", 1);
    }
    run_until(&p->w, &a.done, 3000);
    assert_int_equal(a.err.code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        P(an_answer_may_come_later),
        P(a_canceled_call_is_never_answered),
        P(a_call_ends_at_its_deadline),
        P(closing_the_connection_ends_calls_and_no_more),
        P(thousands_of_calls_at_once_are_all_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
